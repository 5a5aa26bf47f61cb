"""Amounts by the rule, dropped views, warnings and wrong arguments."""

import pickle
import random
import warnings

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import isotonic_regression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.utils.estimator_checks import parametrize_with_checks

from skprune import MultiViewCNNClassifier
from skprune.amount import importance_inverse_amounts
from skprune.ensemble import CNNArchitecture, ConvBlock
from skprune.exceptions import InfeasibleLimitsWarning
from skprune.multiview import view_importance

from .small import (
    AMOUNTS,
    NAMES,
    assert_same_weights,
    by_hand,
    cnn,
    networks_of,
    pruned,
    split,
    tuned,
)

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras's own
    pytest.mark.usefixtures("untimed"),
]


def test_attributes(copies, data):
    np.testing.assert_array_equal(copies.classes_, NAMES)
    assert copies.view_shape_ == (4, 8, 8, 1)
    assert copies.n_features_in_ == 4
    assert len(copies.networks_.distinct) == 4  # a tower of its own for each view
    assert copies.networks_.pooling == "max"
    assert copies.score(*data) > 0.6
    np.testing.assert_array_equal(copies.sweep_.amounts, [0, 0.5])
    assert copies.delivered_.amount == pytest.approx(copies.amounts_.mean())
    assert copies.unpruned_.amount == 0


def test_amounts_follow_the_rule(copies, frozen, data):
    importance = frozen.estimator.view_importances_
    np.testing.assert_array_equal(copies.view_importances_, importance)
    rule = importance_inverse_amounts(importance, copies.curve_, 0.6, 0.9)
    np.testing.assert_array_equal(copies.amounts_, rule.amounts)
    np.testing.assert_array_equal(copies.view_amounts_.amounts, rule.amounts)
    assert copies.view_amounts_.target == 0.6
    order = np.argsort(importance)
    assert (np.diff(copies.amounts_[order]) <= 0).all()
    assert copies.amounts_[importance.argmax()] == 0
    without = pruned(frozen, max_amount=0.75).fit(*data)
    target = without.sweep_.accuracy[0] - 0.01
    assert without.view_amounts_.target == pytest.approx(target)
    rule = importance_inverse_amounts(importance, without.curve_, target, 0.75)
    np.testing.assert_array_equal(without.amounts_, rule.amounts)


def test_curve_and_predicted_accuracy_by_hand(copies, nested, data):
    y = data[1][split(data[1])[1]]
    chance = np.mean(y == max(NAMES, key=list(y).count))
    for model in (copies, nested):
        accuracies = [*model.sweep_.accuracy, chance]
        values = isotonic_regression(accuracies, increasing=False)
        curve = PchipInterpolator([*model.sweep_.amounts, 1], values)(model.amounts_)
        importance = model.view_importances_
        weights = importance - importance.min()
        expected = (weights * curve).sum() / weights.sum()
        assert model.predicted_accuracy_ == pytest.approx(expected)
    assert copies.predicted_accuracy_ == pytest.approx(copies.view_amounts_.achieved)
    assert copies.view_amounts_.achieved >= 0.6


def test_given_amounts(nested, copies, data):
    np.testing.assert_array_equal(nested.amounts_, [0, 0.5, 1, 0.75])
    assert not hasattr(nested, "view_amounts_")
    model = pickle.loads(pickle.dumps(copies))
    assert hasattr(model, "view_amounts_")
    given = {"estimator": copies.estimator, "view_amounts": AMOUNTS, "amounts": [0]}
    model.set_params(**given, min_accuracy=None, fine_tune_epochs=0).fit(*data)
    assert not hasattr(model, "view_amounts_")


def test_given_importance(frozen, data):
    settings = {"min_accuracy": 0.5, "amounts": [0]}
    model = pruned(frozen, importance=[5, 0, 10, 2.5], **settings).fit(*data)
    np.testing.assert_array_equal(model.view_importances_, [5, 0, 10, 2.5])
    scale = model.view_amounts_.scale
    np.testing.assert_allclose(model.amounts_, scale * 0.9 * np.array([0.5, 1, 0, 0.75]))
    equal = pruned(frozen, importance=[3, 3, 3, 3], **settings).fit(*data)
    assert len(set(equal.amounts_)) == 1
    expected = float(equal.curve_.predict([[equal.amounts_[0]]])[0])
    assert equal.predicted_accuracy_ == pytest.approx(expected)


def test_ranked_importance(frozen, data, mask):
    X, y = data
    unranked = pickle.loads(pickle.dumps(frozen.estimator))
    del unranked.view_importances_  # as with n_importance_repeats=0
    _, held_out, seed = split(y)
    for given in (None, mask):
        model = pruned(FrozenEstimator(unranked), min_accuracy=0.5, amounts=[0])
        model.fit(X, y, mask=given)
        there = None if given is None else given[held_out]
        expected = view_importance(
            unranked, X[held_out][..., None], y[held_out], mask=there, random_state=seed
        )
        np.testing.assert_array_equal(model.view_importances_, expected.importance)
        assert model.view_importances_.argmax() == 1


@pytest.mark.parametrize("towers", ["copies", "nested"])
def test_a_dropped_view_is_not_used(frozen, data, towers):
    X, _ = data
    model = pruned(frozen, towers=towers, view_amounts=[0.5, 0, 1, 1], amounts=[0]).fit(*data)
    assert [tower is None for tower in model.networks_.towers] == [False, False, True, True]
    assert model.delivered_.amount == 0.625
    garbage = X.astype(np.float32)
    garbage[:, 2:] = np.nan
    expected = model.predict_proba(X)
    np.testing.assert_array_equal(model.predict_proba(garbage), expected)
    # It makes no difference whether the mask says that it is present.
    np.testing.assert_array_equal(
        model.predict_proba(garbage, mask=[True, False, True, True]),
        model.predict_proba(X, mask=[True, False, False, False]),
    )
    only_dropped = np.ones((160, 4), dtype=bool)
    only_dropped[5, :2] = False
    message = r"1 of 160 samples have no view .* sample 5; the views \[2, 3\] were dropped"
    for images in (X, garbage):
        with pytest.raises(ValueError, match=message):
            model.predict(images, mask=only_dropped)
    garbage[7, 1] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        model.predict(garbage)
    np.testing.assert_array_equal(model.predict(garbage[:7]), model.predict(X[:7]))


def test_the_rule_may_drop_a_view(frozen, data):
    model = pruned(frozen, importance=[1, 2, 0, 2], max_amount=1, min_accuracy=0.3).fit(*data)
    assert model.view_amounts_.scale == 1
    np.testing.assert_allclose(model.amounts_, [0.5, 0, 1, 0])
    assert [tower is None for tower in model.networks_.towers] == [False, False, True, False]
    assert model.delivered_.amount == 0.375


@pytest.mark.usefixtures("untrained")
def test_one_view(data):
    X, y = data[0][:, [1]], data[1]
    model = pruned(cnn(), min_accuracy=0.5).fit(X, y)
    assert model.view_shape_ == (1, 8, 8, 1)
    np.testing.assert_allclose(model.amounts_, [0.9 * model.view_amounts_.scale])
    np.testing.assert_array_equal(model.view_importances_, [1])
    expected = by_hand(model.networks_, X[:5])
    np.testing.assert_allclose(model.predict_proba(X[:5]), expected, rtol=1e-4, atol=1e-6)


def test_an_estimator_that_is_trained(data, mask):
    """On the samples that are not held out, with their weights and masks, and its own seed."""
    X, y = data
    weights = np.random.default_rng(5).integers(0, 4, 160).astype(float)
    kept = weights > 0
    estimator = cnn(view_pooling="mean", epochs=3, random_state=None)
    model = pruned(estimator, view_amounts=[0] * 4, amounts=[0]).fit(X, y, weights, mask)
    rows, rng = np.flatnonzero(kept), np.random.RandomState(0)
    seed, own_seed = (int(rng.randint(2**31 - 1)) for _ in range(2))
    train, held_out = train_test_split(rows, test_size=0.25, stratify=y[kept], random_state=seed)
    train.sort()
    by_itself = clone(estimator).set_params(random_state=own_seed)
    by_itself.fit(X[train], y[train], weights[train], mask[train])
    for tower in model.networks_.towers:
        for a, b in zip(tower.get_weights(), by_itself.tower_.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(model.view_importances_, by_itself.view_importances_)
    accuracy = model.score(X[held_out], y[held_out], mask=mask[held_out])
    assert model.delivered_.accuracy == model.unpruned_.accuracy == pytest.approx(accuracy)
    expected = by_hand(networks_of(by_itself), X[:6], mask[:6])
    found = model.predict_proba(X[:6], mask=mask[:6])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert not hasattr(estimator, "classes_")


def test_the_pooling_is_that_of_the_trained_network(frozen, data):
    changed = pickle.loads(pickle.dumps(frozen.estimator)).set_params(view_pooling="mean")
    model = pruned(FrozenEstimator(changed), view_amounts=[0] * 4, amounts=[0]).fit(*data)
    assert model.networks_.pooling == "max"


def test_the_same_seed_gives_the_same_bits(data, nested):
    import tensorflow as tf
    from tensorflow.python.eager import context

    tf.random.set_seed(5)
    state = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    again = clone(nested).fit(*data)
    np.testing.assert_array_equal(np.random.get_state()[1], state[0])  # noqa: NPY002
    assert random.getstate() == state[1]
    assert context.global_seed() == 5
    drawn = tf.random.uniform([3]).numpy()
    tf.random.set_seed(5)
    np.testing.assert_array_equal(tf.random.uniform([3]).numpy(), drawn)
    assert_same_weights(nested.networks_, again.networks_)
    np.testing.assert_array_equal(nested.sweep_.accuracy, again.sweep_.accuracy)
    np.testing.assert_array_equal(nested.predict_proba(data[0]), again.predict_proba(data[0]))


def test_parameters_and_clones(frozen):
    model = tuned(frozen, towers="nested", view_amounts=AMOUNTS)
    copy = clone(model)
    assert copy.get_params(deep=False).keys() == model.get_params(deep=False).keys()
    assert copy.view_amounts == AMOUNTS
    assert clone(pruned(cnn(epochs=7))).get_params()["estimator__epochs"] == 7


class TestTimed:
    @pytest.fixture
    def untimed(self):
        """Nothing is replaced."""

    def test_silence_unless_asked(self, frozen, data, capfd):
        settings = {"amounts": [0, 0.25], "round_to": 8, "min_accuracy": 0.6}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            pruned(frozen, **settings).fit(*data)  # 0.25 is undone by rounding
        assert capfd.readouterr() == ("", "")
        pruned(cnn(epochs=1, n_importance_repeats=0), verbose=1, **settings).fit(*data)
        out, err = capfd.readouterr()
        assert err == ""
        steps = ("training", "ranking views", "measuring pruning amounts", "applying amounts 0.")
        for step in steps:
            assert f"[PrunedMultiViewClassifier] {step}" in out


def test_given_amounts_that_rounding_undoes(frozen, data):
    with pytest.warns(UserWarning, match=r"amounts=0\.25 removes no channel: round_to=8"):
        pruned(frozen, view_amounts=[0, 0, 0, 0.25], amounts=[0], round_to=8).fit(*data)


def test_a_target_that_cannot_be_reached(frozen, data):
    with pytest.warns(InfeasibleLimitsWarning, match="reach the target 1") as found:
        model = pruned(frozen, min_accuracy=1.0).fit(*data)
    assert len([w for w in found if w.category is InfeasibleLimitsWarning]) == 1
    assert not model.view_amounts_.reachable
    weights = model.view_amounts_.weights
    np.testing.assert_array_equal(model.amounts_[weights > 0], 0)
    assert model.delivered_.accuracy < 1


def test_a_target_that_is_missed(frozen, data):
    message = r"mean is 0\.\d+, but .* accuracy of 0\.\d+, below 1\. Fine-tune longer, or prune"
    with pytest.warns(InfeasibleLimitsWarning, match=message) as found:
        pruned(frozen, min_accuracy=1.0, view_amounts=AMOUNTS, amounts=[0]).fit(*data)
    (warning,) = [w for w in found if w.category is InfeasibleLimitsWarning]
    assert warning.filename == __file__
    # The rule expects to reach the target, but the view that it drops is the one that tells.
    given = {"importance": [1, 0, 1, 1], "max_amount": 1, "min_accuracy": 0.9}
    with pytest.warns(InfeasibleLimitsWarning, match=r"accuracy of 0\.\d+, below 0\.9"):
        model = pruned(frozen, amounts=[0], **given).fit(*data)
    assert model.view_amounts_.reachable


def test_a_network_that_is_always_wrong(frozen, data):
    X, _ = data
    always_wrong = NAMES[(np.searchsorted(NAMES, frozen.predict(X)) + 1) % 3]
    model = pruned(frozen).fit(X, always_wrong)
    assert model.view_amounts_.scale == 1
    assert model.unpruned_.accuracy == 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"estimator": LogisticRegression()}, TypeError, "estimator must be a MultiViewCNNClassi"),
        ({"estimator": FrozenEstimator(LogisticRegression())}, TypeError, "estimator must be"),
        ({"estimator": None}, TypeError, "got None"),
        ({"estimator": MultiViewCNNClassifier(epochs=0)}, ValueError, "'epochs' .* must be"),
        (
            {"estimator": MultiViewCNNClassifier(view_shape=(8, 8))},
            ValueError,
            "'view_shape' .* must be",
        ),
        ({"towers": "slices"}, ValueError, r"'towers' .* a str among .* Got 's"),
        ({"towers": np.array(["nested"])}, ValueError, "'towers' .* a str among .* Got array"),
        ({"amounts": "foo"}, ValueError, "amounts must be a list of numbers.* got 'foo'"),
        ({"random_state": "foo"}, ValueError, "'random_state' .* must be .* Got 'foo'"),
        ({"view_amounts": [0, 0.5]}, ValueError, r"view_amounts must hold 3 numbers in \[0, 1\]"),
        ({"view_amounts": 0.5}, ValueError, r"view_amounts must hold 3.* got array\(0\.5\)"),
        (
            {"view_amounts": [0, 0.5, 1.01]},
            ValueError,
            r"in \[0, 1\], one for each view of X; got .*1\.01",
        ),
        ({"view_amounts": [0, 0.5, -0.1]}, ValueError, "view_amounts must hold 3"),
        ({"view_amounts": [0, np.nan, 0]}, ValueError, "view_amounts contains NaN"),
        ({"view_amounts": [1, 1, 1]}, ValueError, "leave at least one view; all of them are 1"),
        ({"view_amounts": [1, 1, 1 - 1e-12]}, ValueError, "leave at least one view"),
        ({"importance": [1, 2, -1]}, ValueError, "importance must hold 3 non-negative numbers"),
        ({"importance": [1, 2]}, ValueError, "importance must hold 3 non-negative numbers, one f"),
        ({"importance": [1, 2, np.inf]}, ValueError, "importance contains infinity"),
        ({"min_accuracy": 95}, ValueError, r"'min_accuracy' .* share of the samples.* Got 95"),
        ({"min_accuracy": 0}, ValueError, "'min_accuracy' .* must be"),
        ({"min_accuracy": "0.9"}, ValueError, "'min_accuracy' .* must be"),
        ({"max_amount": 0}, ValueError, r"'max_amount' .* float in the range .* Got 0"),
        ({"max_amount": 1.1}, ValueError, "'max_amount' .* must be"),
        ({"max_amount": np.nan}, ValueError, "'max_amount' .* must be"),
        ({"max_amount": "0.9"}, ValueError, "'max_amount' .* must be"),
        ({"max_amount": True}, ValueError, "'max_amount' .* must be"),
        ({"round_to": 0}, ValueError, "'round_to' .* int in the range .1, inf"),
        ({"amounts": [0.1, 0.5]}, ValueError, "amounts must hold 0"),
        ({"amounts": [0, 1]}, ValueError, r"amounts must lie in \[0, 1\)"),
        ({"fine_tune_epochs": -1}, ValueError, "'fine_tune_epochs' .* must be"),
        ({"fine_tune_epochs": 1.5}, ValueError, "'fine_tune_epochs' .* must be"),
        ({"learning_rate": 0}, ValueError, "'learning_rate' .* float in the range .0.0, "),
        ({"validation_fraction": 1}, ValueError, r"validation_fraction must be a number in \(0, 1"),
        ({"latency_batch_size": 0}, ValueError, "'latency_batch_size' .* must be"),
        ({"memory": 3}, ValueError, "memory must be"),
        ({"memory": "folder", "random_state": None}, ValueError, "random_state must be an int"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_trained(
    options, error, message, monkeypatch, tmp_path, capfd
):
    monkeypatch.chdir(tmp_path)  # where joblib makes the folder
    given = {"estimator": cnn(), "verbose": 1, **options}
    with pytest.raises(error, match=message):
        pruned(**given).fit(np.zeros((12, 3, 8, 8)), np.arange(12) % 2)
    assert capfd.readouterr().out == ""  # not even "training"


def test_no_sample_can_be_held_out():
    with pytest.raises(ValueError, match="No sample can be held out"):
        pruned(cnn()).fit(np.zeros((12, 2, 4, 4)), np.arange(12))


def test_wrong_for_a_frozen_network(frozen, data):
    X, y = data
    with pytest.raises(ValueError, match=r"classes that the frozen estimator does not .*'oak'"):
        pruned(frozen).fit(X, np.where(y == "ash", "oak", y))
    with pytest.raises(ValueError, match=r"samples of 3 view\(s\).* fitted on 4 view\(s\)"):
        pruned(frozen).fit(X[:, :3], y)
    with pytest.raises(NotFittedError):
        pruned(FrozenEstimator(cnn())).fit(X, y)


CHECKED = pruned(
    cnn(
        architecture=CNNArchitecture(
            (ConvBlock((16,), "max"),), dense_units=48, dropout=0.0, learning_rate=2e-2
        ),
        validation_fraction=None,
    ),
    amounts=[0],
    view_amounts=[0.03],  # one unit of the dense layer; more needs fine-tuning
    round_to=1,
)

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "The held-out samples depend on how many there are, and batch normalization counts "
        "samples, so a sample of weight 2 differs from two samples of weight 1. Samples of weight "
        "0 are left out, which is tested elsewhere."
    ),
}


# Training has its own tests.
@pytest.mark.usefixtures("untrained")
@parametrize_with_checks([CHECKED], expected_failed_checks=lambda estimator: EXPECTED_FAILURES)
def test_estimator_checks(estimator, check):
    check(estimator)
