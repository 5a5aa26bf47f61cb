import pickle
import random
import re
import warnings
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pandas
import pytest
from scipy.special import softmax
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skprune import CNNSpace, EnsembleCompressor, SOCPEnsemblePruner, SOCPEnsemblePrunerCV
from skprune.amount import MonotoneCurve
from skprune.compression import CompressionReport, CompressionStage, _vote_bench
from skprune.compression._bench import covering
from skprune.compression._cut_members import _amounts, _smaller
from skprune.exceptions import AmountCorrectedWarning, InfeasibleLimitsWarning
from skprune.metrics import model_cost
from skprune.serving import fuse
from skprune.sparsity import held_out_rows
from skprune.utils import draw_seed

from . import networks
from .networks import cnns, counted, scikeras

pytestmark = [
    pytest.mark.keras,
    pytest.mark.usefixtures("untimed", "unsaved"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

# The program without penalty would keep three of the five members.
SEVERAL = SOCPEnsemblePruner(None, voting="soft", lam=0.0, max_members=2)


def compressor(estimator, **params):
    """Two amounts, and no fine-tuning unless asked for: a trained network costs seconds."""
    defaults = {
        "pruner": SEVERAL,
        "amounts": [0, 0.5],
        "fine_tune_epochs": 0,
        "min_accuracy": 0.5,
        "random_state": 0,
    }
    return EnsembleCompressor(estimator, **{**defaults, **params})


def held_out_of(y, seed=0):
    """The rows that `fit` measures on, by hand."""
    drawn = draw_seed(check_random_state(seed))
    return covering(held_out_rows(y, 0.25, drawn), y)


@pytest.fixture(scope="module")
def parts(digits):
    """What `several` was trained with, what it was not, and labels likewise."""
    X, _, y, _ = digits
    return X[:140], X[140:], y[:140], y[140:]


@pytest.fixture(scope="module")
def fitted(several, parts):
    """Members cut, fine-tuned and weighed; not to be changed."""
    X, X_val, y, y_val = parts
    return compressor(several, fine_tune_epochs=1, min_accuracy=0.8).fit(
        X, y, X_val=X_val, y_val=y_val
    )


# What comes out


def test_the_report_is_what_can_be_measured(fitted, several, parts):
    _, X_val, _, y_val = parts
    full, kept, cut = fitted.report_.stages
    P = several.member_predict_proba(X_val)
    assert (full.name, full.n_models) == ("full ensemble", 5)
    vote = several.classes_[P.mean(axis=0).argmax(axis=1)]
    assert full.accuracy == (vote == y_val).mean()
    assert full.parameters == model_cost(several).parameters
    assert full.size == model_cost(several).dense_bytes / 1e6
    assert full.macs == model_cost(several).macs
    assert fitted.n_members_in_ == 5
    assert 1 < kept.n_models == fitted.support_.sum() < 5
    weights = fitted.program_weights_
    np.testing.assert_allclose(weights.sum(), 1)
    np.testing.assert_array_equal(weights > 0, fitted.support_)
    vote = several.classes_[np.tensordot(weights, P, 1).argmax(axis=1)]
    assert kept.accuracy == (vote == y_val).mean() == fitted.sweep_.accuracy_before[0]
    members = [m for m, stays in zip(several.estimators_, fitted.support_, strict=True) if stays]
    assert kept.parameters == sum(model_cost(m).parameters for m in members)
    assert cut.n_models == fitted.n_members_ == len(fitted.estimators_) == len(fitted.weights_)
    assert cut.accuracy == fitted.score(X_val, y_val) == fitted.delivered_.accuracy
    costs = [model_cost(member) for member in fitted.estimators_]
    assert cut.parameters == sum(cost.parameters for cost in costs)
    assert cut.size == sum(cost.dense_bytes for cost in costs) / 1e6 == fitted.delivered_.size
    assert cut.macs == sum(cost.macs for cost in costs)
    assert min(full.time, kept.time, cut.time) > 0
    assert fitted.report_.times_smaller == full.size / cut.size > 1
    assert (fitted.report_.n_samples, fitted.report_.sample) == (140, "held-out")


def test_the_vote_is_a_weighted_mean(fitted, several, digits):
    _, X_test, _, y_test = digits
    assert is_classifier(fitted)
    np.testing.assert_allclose(fitted.weights_.sum(), 1)
    assert (fitted.weights_ > 0).all()
    p = fitted.predict_proba(X_test)
    inputs = X_test[..., None].astype("float32")
    outputs = [member.model_.predict_on_batch(inputs) for member in fitted.estimators_]
    by_hand = sum(w * out for w, out in zip(fitted.weights_, outputs, strict=True))
    np.testing.assert_allclose(p, by_hand, atol=1e-6)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(fitted.predict(X_test), fitted.classes_[p.argmax(axis=1)])
    np.testing.assert_array_equal(fitted.classes_, several.classes_)
    assert fitted.score(X_test, y_test) > 0.7
    for other in (X_test[..., None], X_test.astype(float)):
        np.testing.assert_array_equal(fitted.predict_proba(other), p)


@pytest.mark.parametrize(
    "params",
    [
        {"voting": "soft", "calibrate": "temperature"},
        {"voting": "log", "fit_intercept": True},
        {"voting": "hard"},
    ],
    ids=lambda params: params["voting"],
)
def test_cut_members_vote_as_the_pruner_says(params, several, parts, digits):
    X, X_val, y, y_val = parts
    pruner = SOCPEnsemblePruner(None, lam=0.05, max_members=2, **params)
    found = compressor(several, pruner=pruner).fit(X, y, X_val=X_val, y_val=y_val)
    again = pickle.loads(pickle.dumps(found))
    X_test, _ = digits[1], digits[3]
    inputs = X_test[..., None].astype("float32")
    P = np.stack([m.model_.predict_on_batch(inputs) for m in found.estimators_]).astype(float)
    if params["voting"] == "log":
        z = np.tensordot(found.weights_, np.log(np.maximum(P, 1e-3)), 1) + found.intercept_
        expected = softmax(z, axis=1)
        assert abs(found.intercept_).max() > 0
    elif params["voting"] == "hard":
        expected = np.tensordot(found.weights_, np.eye(P.shape[2])[P.argmax(axis=2)], 1)
    else:
        q = np.maximum(np.tensordot(found.weights_, P, 1), 1e-3) ** (1 / found.temperature_)
        expected = q / q.sum(axis=1, keepdims=True)
        assert found.temperature_ != 1
    for each in (found, again):
        np.testing.assert_allclose(each.predict_proba(X_test), expected, atol=1e-6)
        np.testing.assert_allclose(np.exp(each.predict_log_proba(X_test)), expected, atol=1e-6)
        np.testing.assert_array_equal(each.predict(X_test), found.classes_[expected.argmax(axis=1)])
    assert found.report_.stages[2].accuracy == found.score(X_val, y_val)
    kept = pruner.set_params(estimator=FrozenEstimator(several), random_state=0).fit(X_val, y_val)
    assert found.report_.stages[1].accuracy == kept.score(X_val, y_val)
    model = fuse(found)
    np.testing.assert_allclose(model.predict_on_batch(inputs), expected, atol=1e-5)


def test_the_curves_go_through_what_was_measured(fitted):
    amount = fitted.promised_.amount
    promised = [curve.predict([[amount]])[0] for curve in fitted.optimizer_.curves_.values()]
    found = fitted.promised_.accuracy, fitted.promised_.time, fitted.promised_.size
    assert found == tuple(promised)
    assert fitted.optimizer_.min_accuracy == 0.8
    assert fitted.delivered_.accuracy >= 0.8
    assert fitted.corrected_ == ()
    assert fitted.delivered_.amount == fitted.member_amounts_.mean()
    assert fitted.sweep_.method == "channels"
    assert fitted.sweep_.fine_tune_epochs == 1


REPORT = CompressionReport(
    (
        CompressionStage("full ensemble", 20, 0.95, 1_234_567, 4.9, 10_000_000, 0.5),
        CompressionStage("kept members", 3, 0.9525, 200_000, 0.8, 2_000_000, 0.1),
        CompressionStage("cut members", 2, 0.95, 12_345, 0.049, 80_000, 0.025),
    ),
    batch_size=256,
    n_samples=400,
    sample="held-out",
)


def test_the_report_as_a_table():
    frame = REPORT.to_frame()
    assert list(frame.index) == ["full ensemble", "kept members", "cut members"]
    assert list(frame.columns) == ["n_models", "accuracy", "parameters", "size", "macs", "time"]
    assert frame.loc["kept members", "parameters"] == 200_000
    assert (REPORT.times_smaller, REPORT.times_faster) == (4.9 / 0.049, 20)
    lines = str(REPORT).splitlines()
    assert " ".join(lines[0].split()) == "models accuracy parameters size, MB MACs time, ms"
    assert lines[2].split()[2:] == ["20", "95.00%", "1,234,567", "4.9", "10,000,000", "500"]
    assert lines[4].split()[2:] == ["2", "95.00%", "12,345", "0.049", "80,000", "25"]
    assert len({len(line) for line in lines[:5]}) == 1
    assert lines[5] == (
        "100.0 times smaller, 20.0 times faster on batches of 256; accuracy on 400 held-out "
        "samples."
    )


# How much of whom


def a_sweep(amounts, accuracy, size):
    columns = {name: np.array(v, float) for name, v in locals().items()}
    return SimpleNamespace(**columns, X=columns["amounts"][:, None])


HALF = a_sweep([0, 0.25, 0.5, 0.75], [0.95, 0.93, 0.88, 0.6], [4, 3, 2, 1])


@pytest.mark.parametrize("target", [0.95, 0.92, 0.85, 0.7])
def test_amounts_of_members(target):
    votes = np.array([0.2, 0.5, 0.3])
    inverse = _amounts("inverse", HALF, votes, target, 0.75, 0)
    assert inverse[0] >= inverse[2] >= inverse[1] == 0  # weightier members are pruned less
    assert inverse.max() <= 0.75
    found = _amounts("search", HALF, votes, target, 0.75, 0)
    size = MonotoneCurve(increasing=False).fit(HALF.X, HALF.size)
    accuracy = MonotoneCurve(increasing=False).fit(HALF.X, HALF.accuracy)
    for amounts in (inverse, found):
        assert votes @ accuracy.predict(amounts[:, None]) >= target - 1e-6
    # What is searched for is the smallest that can be had, and no larger than by the rule.
    sizes = [size.predict(amounts[:, None]).mean() for amounts in (found, inverse)]
    assert sizes[0] <= sizes[1] + 1e-6


def test_the_inverse_rule_in_a_fit(several, parts):
    X, X_val, y, y_val = parts
    inverse = compressor(several, rule="inverse", amounts=[0, 0.25, 0.5], method=counted)
    inverse.fit(X, y, X_val=X_val, y_val=y_val)
    assert inverse.corrected_ == ()
    order = np.argsort(inverse.program_weights_[inverse.support_])
    assert (np.diff(inverse.member_amounts_[order]) < 0).all()
    assert inverse.member_amounts_[order[-1]] == 0


@pytest.mark.parametrize(("most", "expected"), [(0.9, 0.5), (0.2, 0.2)])
def test_no_more_than_was_measured_and_than_allowed(several, parts, most, expected):
    X, X_val, y, y_val = parts
    loose = compressor(several, max_amount=most, min_accuracy=0.05, method=counted)
    loose.fit(X, y, X_val=X_val, y_val=y_val)
    assert 0 < loose.member_amounts_.max() <= expected


def test_one_member_alone(several, parts):
    X, X_val, y, y_val = parts
    single = compressor(several, pruner=SOCPEnsemblePruner(None, voting="soft", max_members=1))
    single.fit(X, y, X_val=X_val, y_val=y_val)
    assert single.n_members_ == single.report_.stages[1].n_models == 1
    assert list(single.weights_) == [1]
    assert single.member_amounts_ == [single.promised_.amount]
    assert single.estimators_[0].model_ is not several.estimators_[0].model_


def test_few_members_unless_they_fall_short(several, parts):
    X, X_val, y, y_val = parts
    few = compressor(several, pruner=None).fit(X, y, X_val=X_val, y_val=y_val)
    assert few.n_members_ == 1
    best = max((several.classes_[m.predict(X_val)] == y_val).mean() for m in several.estimators_)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfeasibleLimitsWarning)
        more = compressor(several, pruner=None, min_accuracy=best + 0.02)
        more.fit(X, y, X_val=X_val, y_val=y_val)
    assert more.support_.sum() > 1


def test_a_pruner_that_tunes_itself(several, parts):
    X, X_val, y, y_val = parts
    pruner = SOCPEnsemblePrunerCV(None, alphas=[0.9], lams=[0.001, 0.01], max_members=2)
    tuned = compressor(several, pruner=pruner).fit(X, y, X_val=X_val, y_val=y_val)
    assert 1 <= tuned.support_.sum() <= 2
    assert not hasattr(pruner, "weights_")
    assert pruner.estimator is None


def test_zeros_instead_of_channels(several, parts):
    X, X_val, y, y_val = parts
    zeros = compressor(several, method="magnitude", amounts=[0, 0.5, 0.7], min_accuracy=0.6)
    zeros.fit(X, y, X_val=X_val, y_val=y_val)
    full, _, cut = zeros.report_.stages
    costs = [model_cost(member) for member in zeros.estimators_]
    assert cut.size == sum(cost.compressed_bytes for cost in costs) / 1e6
    assert full.size == model_cost(several).compressed_bytes / 1e6
    assert zeros.sweep_.size_kind == "compressed_bytes"
    assert zeros.member_amounts_.max() > 0.3
    assert sum(c.nonzero for c in costs) < 0.9 * sum(c.parameters for c in costs)


def test_the_default_limit(several, parts):
    X, X_val, y, y_val = parts
    least = (several.predict(X_val) == y_val).mean() - 0.002
    by_default = compressor(several, min_accuracy=None).fit(X, y, X_val=X_val, y_val=y_val)
    assert by_default.optimizer_.min_accuracy == least


def test_limits_that_nothing_meets(several, parts):
    X, X_val, y, y_val = parts
    with pytest.warns(InfeasibleLimitsWarning, match="max_size") as caught:
        small = compressor(several, max_size=1e-6).fit(X, y, X_val=X_val, y_val=y_val)
    assert sum(issubclass(w.category, InfeasibleLimitsWarning) for w in caught) == 1
    assert not small.optimizer_.feasible_
    assert len(set(small.member_amounts_)) == 1  # no member has a better claim


def test_smaller_amounts_where_less_is_delivered(several, parts, monkeypatch):
    X, X_val, y, y_val = parts
    measure = _vote_bench.measure_amounts

    def flattered(*args, **kwargs):
        sweep = measure(*args, **kwargs)
        return replace(sweep, accuracy=np.full_like(sweep.accuracy, sweep.accuracy[0]))

    monkeypatch.setattr(_vote_bench, "measure_amounts", flattered)
    # Two members alone would miss it uncut.
    three = SOCPEnsemblePruner(None, lam=0.0)
    corrected = compressor(
        several, pruner=three, amounts=[0, 0.9], method=counted, min_accuracy=0.85
    )
    with pytest.warns(AmountCorrectedWarning, match=r"in the mean delivered .*=0\.85\. Smaller"):
        corrected.fit(X, y, X_val=X_val, y_val=y_val)
    assert corrected.corrected_[0].accuracy < 0.85
    assert corrected.corrected_[0].amount > corrected.delivered_.amount
    assert corrected.delivered_.accuracy == corrected.score(X_val, y_val) >= 0.85
    # Even uncut, members that are weighed anew may miss what their old vote had.
    monkeypatch.setattr(_vote_bench.VoteBench, "stage", wrong_stage(_vote_bench.VoteBench.stage))
    missed = "The cut members miss min_accuracy=0.85 by"
    with (
        pytest.warns(AmountCorrectedWarning),
        pytest.warns(InfeasibleLimitsWarning, match=missed),
    ):
        corrected.fit(X, y, X_val=X_val, y_val=y_val)
    assert not corrected.member_amounts_.any()


def wrong_stage(stage):
    def measured(*args, **kwargs):
        return replace(stage(*args, **kwargs), accuracy=0.1)

    return measured


@pytest.mark.parametrize(
    ("amounts", "least", "expected"),
    [
        ([0.6, 0.2], 0.9, [[0.4, 0.2], [0.3, 0.1], [0, 0]]),
        ([0.6, 0.2], 0.95, [[0.3, 0.1], [0, 0]]),
        ([0.9, 0.9], 0.5, [[0.6, 0.6], [0.45, 0.45], [0.4, 0.4], [0, 0]]),
        ([0.4, 0.2], 0.9, [[0.2, 0.1], [0, 0]]),
        ([0.4, 0.2], 0.99, [[0.2, 0.1], [0, 0]]),
        ([0.4, 0.2], None, []),
        ([0.0, 0.0], 0.9, []),
    ],
)
def test_which_amounts_are_tried(amounts, least, expected):
    sweep = SimpleNamespace(amounts=np.array([0, 0.4, 0.6]), accuracy=np.array([0.95, 0.9, 0.5]))
    tried = list(_smaller(sweep, np.array(amounts), least))
    assert len(tried) == len(expected)
    for found, wanted in zip(tried, expected, strict=True):
        np.testing.assert_allclose(found, wanted)


# What goes in


def test_part_of_the_samples_is_held_out(several, digits):
    X, _, y, _ = digits
    held_out = held_out_of(y)
    split = compressor(several).fit(X, y)
    by_hand = compressor(several).fit(
        X[~held_out], y[~held_out], X_val=X[held_out], y_val=y[held_out]
    )
    assert split.delivered_.accuracy == split.score(X[held_out], y[held_out])
    assert split.report_.n_samples == held_out.sum()
    np.testing.assert_array_equal(split.member_amounts_, by_hand.member_amounts_)
    np.testing.assert_array_equal(split.predict_proba(X), by_hand.predict_proba(X))


def test_what_is_not_frozen_is_trained(digits):
    X, _, y, _ = digits
    held_out = held_out_of(y)
    ensemble = cnns(2, epochs=1, random_state=3)
    by_hand = clone(ensemble).fit(X[~held_out], y[~held_out])
    trained = compressor(ensemble, min_accuracy=0.1).fit(X, y)
    assert trained.report_.stages[0].accuracy == by_hand.score(X[held_out], y[held_out])


def test_a_list_of_members_of_many_kinds(several, one, parts, trained_members):
    """scikeras refuses uint8 after float32, and images in another layout: no member is asked."""
    X, X_val, y, y_val = parts
    frozen = FrozenEstimator(scikeras(networks.softmax).fit(X.astype("float32"), y))
    members = [
        ("scikeras", frozen),
        ("ensemble of one", one),
        ("not fitted", cnns(1, image_shape=(8, 8), epochs=1)),
    ]
    rows, rows_val = X.reshape(-1, 64), X_val.reshape(-1, 64)
    mixed = compressor(members).fit(rows, y, X_val=rows_val, y_val=y_val)
    assert mixed.n_members_in_ == 3
    assert mixed.score(rows_val, y_val) > 0.9
    own = cnns(1, image_shape=(8, 8), epochs=1).fit(rows, y)
    P = [m.predict_proba(X_val.astype("float32")) for m in (frozen, one, own)]
    vote = one.classes_[np.mean(P, axis=0).argmax(axis=1)]
    assert mixed.report_.stages[0].accuracy == (vote == y_val).mean()
    # Members of an ensemble know positions, not labels.
    codes = [(f"cnn{i}", FrozenEstimator(m)) for i, m in enumerate(several.estimators_)]
    of_y, of_y_val = (np.searchsorted(several.classes_, names) for names in (y, y_val))
    listed = compressor(codes).fit(X, of_y, X_val=X_val, y_val=of_y_val)
    assert list(listed.classes_) == [0, 1, 2, 3]
    named = compressor(several).fit(X, y, X_val=X_val, y_val=y_val)
    np.testing.assert_array_equal(listed.predict_proba(X_val), named.predict_proba(X_val))


def test_one_column_and_two_together(parts):
    X, X_val, y, y_val = parts
    rows, rows_val = (np.isin(names, ["zero", "one"]) for names in (y, y_val))
    X, y, X_val, y_val = X[rows], y[rows], X_val[rows_val], y_val[rows_val]
    X = X.astype("float32")
    members = [
        ("softmax", FrozenEstimator(scikeras(networks.softmax, epochs=2).fit(X, y))),
        ("sigmoid", FrozenEstimator(scikeras(networks.sigmoid, epochs=2).fit(X, y))),
    ]
    pruner = SOCPEnsemblePruner(None, lam=0.0, reweight="equal")
    both = compressor(members, pruner=pruner, fine_tune_epochs=1, learning_rate=1e-2)
    both.fit(X, y, X_val=X_val, y_val=y_val)
    p = both.predict_proba(X_val)
    assert p.shape == (len(y_val), 2)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    for member in both.estimators_:  # each was fine-tuned with its own loss
        assert member.score(X_val, y_val) > 0.9


def test_members_that_do_not_fit(one, parts):
    X, _, y, _ = parts
    floats = X.astype("float32")
    logits = FrozenEstimator(scikeras(networks.logits, epochs=1).fit(floats, y))
    with pytest.raises(ValueError, match="The network of member 1 does not give probabilities"):
        compressor([("a", one), ("b", logits)]).fit(X, y)
    two = np.isin(y, ["zero", "one"])
    fewer = FrozenEstimator(cnns(1, epochs=1).fit(X[two], y[two]))
    with pytest.raises(ValueError, match=r"Member 1 knows the classes .*all members must"):
        compressor([("a", one), ("b", fewer)]).fit(X, y)
    with pytest.raises(TypeError, match=r"must be an ensemble .* Use PrunedCNNClassifier for"):
        compressor(logits).fit(X, y)
    with pytest.raises(TypeError, match="`model_` and `classes_`"):
        compressor([("tree", DecisionTreeClassifier())]).fit(X.reshape(140, 64), y)
    for estimator in ([cnns(1, verbose=1), one], [("a", None)], [("a", one, 3)]):
        with pytest.raises(TypeError, match=r"must hold pairs \(name, classifier\)"):
            compressor(estimator).fit(X, y)
    with pytest.raises(ValueError, match="at least one member; got none"):
        compressor([]).fit(X, y)


class Untrainable(DecisionTreeClassifier):
    """Fails if anything is trained."""

    def fit(self, X, y, sample_weight=None):
        raise AssertionError("trained before the estimator was refused")


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        # Their own fits would refuse these parameters, with other words.
        (HistGradientBoostingClassifier(max_iter=-1), "must be an ensemble .* once fitted"),
        (CalibratedClassifierCV(Untrainable()), "must be an ensemble .* CalibratedClassifierCV"),
        (GridSearchCV(Untrainable(), {}), "must be an ensemble .* GridSearchCV has none"),
        (RandomForestClassifier(min_samples_leaf=-1), "DecisionTreeClassifier has not"),
        (BaggingClassifier(LogisticRegression(C=-1)), "LogisticRegression has not"),
        ([("logistic", LogisticRegression(C=-1))], "LogisticRegression has not"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_estimators_of_scikit_learn_without_networks_are_refused_before_training(
    estimator, message
):
    X, y = np.zeros((40, 8, 8), np.uint8), np.arange(40) % 2
    with pytest.raises(TypeError, match=message):
        EnsembleCompressor(estimator).fit(X, y)


def test_samples_of_weight_zero_are_as_if_absent(several, digits):
    X, X_test, y, _ = digits
    wrong, weights = y.copy(), np.ones(len(y))
    wrong[::5], weights[::5] = "zero", 0
    kept = weights > 0
    a = compressor(several).fit(X, wrong, sample_weight=weights)
    b = compressor(several).fit(X[kept], y[kept])
    np.testing.assert_array_equal(a.predict_proba(X_test), b.predict_proba(X_test))


def test_the_only_sample_of_a_class(several, digits):
    X, X_test, y, _ = digits
    first = np.flatnonzero(y == "three")[0]
    rows = np.flatnonzero((y != "three") | (np.arange(len(y)) == first))
    lonely = compressor(several).fit(X[rows], y[rows])
    assert list(lonely.classes_) == ["one", "three", "two", "zero"]
    assert lonely.predict_proba(X_test).shape == (120, 4)


def test_rows_may_be_sorted_by_class(sorted_rows):
    network, X, y, X_test, y_test = sorted_rows
    options = {"method": "magnitude", "fine_tune_epochs": 1, "learning_rate": 0.01}
    fitted = compressor([("one", network)], amounts=[0, 0.2], **options).fit(X, y)
    assert (fitted.sweep_.accuracy > 0.99).all()
    assert fitted.score(X_test, y_test) > 0.99


def test_the_same_seed_gives_the_same_bits_and_nothing_global_moves(several, parts):
    X, X_val, y, y_val = parts
    random.seed(3)
    state = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    before = [weight for m in several.estimators_ for weight in m.model_.get_weights()]
    alone = compressor(several, pruner=None, fine_tune_epochs=1)
    p, same = (
        clone(alone).fit(X, y, X_val=X_val, y_val=y_val).predict_proba(X_val) for _ in range(2)
    )
    np.testing.assert_array_equal(p, same)
    assert random.getstate() == state[0]
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002
    after = [weight for m in several.estimators_ for weight in m.model_.get_weights()]
    for then, now in zip(before, after, strict=True):
        np.testing.assert_array_equal(now, then)


# Folders


def test_what_was_measured_is_not_measured_again(several, parts, calls, tmp_path):
    X, X_val, y, y_val = parts
    resumed = compressor(several, method=counted, amounts=[0, 0.25, 0.5], memory=tmp_path)
    networks.fails_at.add(0.5)
    with pytest.raises(RuntimeError, match="the power went"):
        resumed.fit(X, y, X_val=X_val, y_val=y_val)
    n_kept = calls.count(0)  # processors round differently, and so train others
    assert n_kept > 1
    assert calls == n_kept * [0] + n_kept * [0.25] + [0.5]
    networks.fails_at.clear()
    calls.clear()
    resumed.fit(X, y, X_val=X_val, y_val=y_val)
    applied = resumed.member_amounts_.tolist()
    assert calls == n_kept * [0] + n_kept * [0.5] + applied
    calls.clear()
    again = clone(resumed).fit(X, y, X_val=X_val, y_val=y_val)
    assert calls == applied
    np.testing.assert_array_equal(again.sweep_.time, resumed.sweep_.time)
    for wrong, message in (
        ({"random_state": None}, "with memory, random_state must be an int"),
        ({"method": lambda model, amount: model}, "with memory, method must have a name"),
    ):
        with pytest.raises(ValueError, match=message):
            clone(resumed).set_params(**wrong).fit(X, y)


# Saved and handed on


def test_a_copy_holds_the_cut_members_alone(parts, monkeypatch):
    X, X_val, y, y_val = parts
    space = CNNSpace(n_blocks=[1], filters=[32], dense_units=[128])
    wide = FrozenEstimator(cnns(2, epochs=1, space=space).fit(X, y))
    pruner = SOCPEnsemblePruner(wide, max_members=1)
    small = compressor(wide, pruner=pruner, amounts=[0, 0.9], min_accuracy=0.05)
    small.fit(X, y, X_val=X_val, y_val=y_val)
    assert len(pickle.dumps(small)) < model_cost(wide).dense_bytes / 4
    load, seen = keras.models.load_model, []

    def watched(*args, **kwargs):
        seen.append(kwargs)
        return load(*args, **kwargs)

    monkeypatch.setattr(keras.models, "load_model", watched)
    copy = pickle.loads(pickle.dumps(small))
    np.testing.assert_array_equal(copy.predict_proba(X_val), small.predict_proba(X_val))
    assert str(copy.report_) == str(small.report_)
    assert seen == [{"compile": False, "safe_mode": True}]
    assert small.pruner is pruner  # itself it is as it was
    assert pruner.estimator is wide


def test_clone_and_unfitted(fitted, several, digits):
    copy = clone(fitted)
    assert copy.estimator is several
    for method in ("predict", "predict_proba"):
        with pytest.raises(NotFittedError):
            getattr(copy, method)(digits[1])


# Words


def test_quiet_unless_asked(several, parts, capfd, retraced):
    X, X_val, y, y_val = parts
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        compressor(several).fit(X, y, X_val=X_val, y_val=y_val)
    said = capfd.readouterr()
    assert said.out == said.err == ""
    assert retraced == []
    compressor(several, verbose=1).fit(X, y, X_val=X_val, y_val=y_val)
    out = capfd.readouterr().out
    for step in ("choosing members", r"measuring pruning amounts of \d of 5", "cutting members by"):
        assert re.search(rf"\[EnsembleCompressor\] {step}", out)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"pruner": "socp"}, TypeError, "'pruner' .*SOCPEnsemblePruner"),
        ({"rule": "best"}, ValueError, r"'rule' .* a str among"),
        ({"rule": np.array(["search"])}, ValueError, "'rule' .* a str among .* Got array"),
        ({"method": []}, ValueError, r"method must be one of .* got \[\]"),
        ({"method": np.array("channels")}, ValueError, "method must be one of .* got array"),
        ({"amounts": "foo"}, ValueError, "amounts must be a list of numbers.* got 'foo'"),
        ({"random_state": "foo"}, ValueError, "'random_state' .* must be .* Got 'foo'"),
        ({"memory": ""}, ValueError, "memory must be None, the path of a folder .* got ''"),
        ({"method": "filters"}, ValueError, "method must be one of"),
        ({"max_amount": 1.0}, ValueError, r"'max_amount' .* float in the range .* Got 1.0"),
        ({"max_amount": 0}, ValueError, "'max_amount' .* must be"),
        ({"min_accuracy": 1.5}, ValueError, "'min_accuracy' .* share of the samples"),
        ({"max_size": 0}, ValueError, "'max_size' .* float in the range .0.0, "),
        ({"max_time": "soon"}, ValueError, "'max_time' .* float in the range .0.0, "),
        ({"amounts": [0.5]}, ValueError, "amounts must hold 0"),
        ({"amounts": [0.0]}, ValueError, "amounts must hold at least one besides 0"),
        ({"fine_tune_epochs": 0.5}, ValueError, "'fine_tune_epochs' .* int in the range"),
        ({"latency_batch_size": 0}, ValueError, "'latency_batch_size' .* int in the range"),
        ({"learning_rate": -1}, ValueError, "'learning_rate' .* float in the range .0.0, "),
        ({"validation_fraction": 0}, ValueError, "validation_fraction must be a number"),
        ({"optimizer": 1}, TypeError, "'optimizer' .*PruningAmountOptimizer"),
    ],
)
def test_wrong_parameters(several, digits, params, error, message):
    X, _, y, _ = digits
    with pytest.raises(error, match=message):
        compressor(several, **params).fit(X, y)


@pytest.mark.parametrize("estimator", [None, {}, "cnn", 3, DecisionTreeClassifier])
def test_what_is_no_estimator(estimator):
    wrong = EnsembleCompressor(estimator)
    with pytest.raises(NotFittedError):
        check_is_fitted(wrong)
    assert wrong._repr_html_()
    with pytest.raises(TypeError, match=r"estimator must be .*; got "):
        wrong.fit(np.zeros((4, 8, 8)), [0, 1, 0, 1])


def test_wrong_samples(several, parts):
    X, X_val, y, y_val = parts
    estimator = compressor(several)
    for given in ({"X_val": X_val}, {"y_val": y_val}):
        with pytest.raises(ValueError, match="X_val and y_val must be given together, or neither"):
            estimator.fit(X, y, **given)
    for wrong in (X_val[:, :7], X_val[:-1], X_val.reshape(-1, 64)):
        with pytest.raises(ValueError, match=r"must hold samples of shape \(8, 8\) and their"):
            estimator.fit(X, y, X_val=wrong, y_val=y_val)
    with pytest.raises(ValueError, match="y_val holds classes that the ensemble does not know"):
        estimator.fit(X, y, X_val=X_val, y_val=np.where(y_val == "two", "nine", y_val))
    with pytest.raises(ValueError, match="y holds classes that the ensemble does not know"):
        estimator.fit(X, np.where(y == "two", "nine", y), X_val=X_val, y_val=y_val)
    with pytest.raises(ValueError, match="requires y to be passed"):
        estimator.fit(X, None)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        estimator.fit(X, np.linspace(0, 1, len(y)))
    with pytest.raises(ValueError, match="NaN"):
        estimator.fit(X, y, X_val=np.full(X_val.shape, np.nan), y_val=y_val)
    with pytest.raises(NotFittedError):
        estimator.predict(X)


def test_a_fit_that_fails_leaves_the_one_before(several, parts, calls):
    X, X_val, y, y_val = parts
    whole = compressor(several, method=counted).fit(X, y, X_val=X_val, y_val=y_val)
    p, before = whole.predict_proba(X_val), dict(vars(whole))
    networks.fails_at.add(0.5)
    names = [f"pixel{i}" for i in range(64)]
    with pytest.raises(RuntimeError, match="the power went"):
        whole.fit(pandas.DataFrame(X.reshape(-1, 64), columns=names), y)
    assert vars(whole) == before
    np.testing.assert_array_equal(whole.predict_proba(X_val), p)
