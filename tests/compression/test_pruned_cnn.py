import pickle
import random
import warnings
from dataclasses import replace
from functools import partial
from types import FunctionType

import joblib
import keras
import numpy as np
import pandas
import pytest
from keras import layers
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skprune import MultiViewCNNClassifier, PrunedCNNClassifier, PruningAmountOptimizer
from skprune.compression import OperatingPoint, _bench, _pruned_cnn
from skprune.compression._bench import Samples, covering, fingerprint, smaller_amounts
from skprune.compression._fitted_cnn import as_inputs
from skprune.exceptions import AmountCorrectedWarning, InfeasibleLimitsWarning
from skprune.metrics import model_cost
from skprune.sparsity import SweepResult, held_out_rows, model_accuracy, prune_channels
from skprune.utils import draw_seed

from . import networks
from .networks import cnns, counted, scikeras

pytestmark = [
    pytest.mark.keras,
    pytest.mark.usefixtures("untimed"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def pruned(estimator, **params):
    """Two amounts, and no fine-tuning unless asked for: a trained network costs seconds."""
    defaults = {"amounts": [0, 0.5], "fine_tune_epochs": 0, "random_state": 0}
    return PrunedCNNClassifier(estimator, **{**defaults, **params})


def held_out_of(y, seed=0):
    """The rows that `fit` measures on, and its seed, by hand."""
    drawn = draw_seed(check_random_state(seed))
    return covering(held_out_rows(y, 0.25, drawn), y), drawn


@pytest.fixture(scope="module")
def auto(one, digits):
    """Fitted with everything; not to be changed."""
    X, _, y, _ = digits
    return pruned(one, amounts=[0, 0.5, 0.9], fine_tune_epochs=1).fit(X, y)


@pytest.fixture(scope="module")
def halved(one, digits):
    """Fitted with a number; not to be changed."""
    X, _, y, _ = digits
    return pruned(one, amount=0.5).fit(X, y)


def weights_of(estimator):
    return estimator.estimators_[0].model_.get_weights()


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


# What is pruned


def test_a_frozen_network_is_neither_trained_nor_touched(one, digits):
    X, X_test, y, _ = digits
    before = weights_of(one)
    fitted = pruned(one, amount=0.5, fine_tune_epochs=1).fit(X, y)
    assert_same(weights_of(one), before)
    assert fitted.network_.count_params() < 0.6 * sum(w.size for w in before)
    whole = pruned(one, amount=0).fit(X, y)
    # A Keras model and a member's own forward pass round differently.
    expected = one.predict_proba(X_test)
    np.testing.assert_allclose(whole.predict_proba(X_test), expected, rtol=1e-5, atol=1e-6)
    # Trained on what is not held out, or not at all, it is another network.
    again = pruned(one.estimator, amount=0).fit(X, y)
    assert np.abs(again.predict_proba(X_test) - expected).max() > 1e-3


def test_what_is_held_out_is_seen_by_no_training(digits):
    X, X_test, y, _ = digits
    held_out, _ = held_out_of(y)
    by_hand = cnns(1, random_state=3).fit(X[~held_out], y[~held_out])
    fitted = pruned(cnns(1, random_state=3), amount=0).fit(X, y)
    expected = by_hand.predict_proba(X_test)
    np.testing.assert_allclose(fitted.predict_proba(X_test), expected, rtol=1e-5, atol=1e-6)
    assert fitted.delivered_.accuracy == by_hand.score(X[held_out], y[held_out])


def test_labels_and_layouts(halved, one, digits):
    X, X_test, y, _ = digits
    assert is_classifier(halved)
    assert list(halved.classes_) == ["one", "three", "two", "zero"]
    assert halved.n_features_in_ == 8
    p = halved.predict_proba(X_test)
    assert p.dtype == np.float32
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(halved.predict(X_test), halved.classes_[p.argmax(axis=1)])
    for other in (X_test[..., None], X_test.astype(float), X_test.tolist()):
        np.testing.assert_array_equal(halved.predict_proba(other), p)
    rows, names = X.reshape(-1, 64).astype(float), [f"pixel{i}" for i in range(64)]
    flat = pruned(one, amount=0.5).fit(pandas.DataFrame(rows, columns=names), pandas.Series(y))
    assert list(flat.feature_names_in_) == names
    given = pandas.DataFrame(X_test.reshape(-1, 64), columns=names)
    np.testing.assert_array_equal(flat.predict_proba(given), p)
    with pytest.raises(ValueError, match="feature names should match"):
        flat.predict(given[names[::-1]])


def test_a_network_of_scikeras(digits):
    X, X_test, y, y_test = digits
    X, X_test = X.astype(float), X_test.astype(float)
    keras_classifier = scikeras(networks.softmax)
    fitted = pruned(keras_classifier, amount=0.5, fine_tune_epochs=3, learning_rate=5e-3)
    fitted.fit(X, y, sample_weight=np.full(len(y), 0.5))
    assert fitted.score(X_test, y_test) > 0.9
    assert not hasattr(keras_classifier, "model_")
    sides = [w.shape for w in fitted.network_.get_weights() if w.ndim == 2]
    assert sides == [(6 * 6 * 8, 16), (16, 4)]  # 12 units of 24 are rounded up to 16


def test_one_sigmoid_column(digits):
    X, X_test, y, y_test = digits
    X, y = X[np.isin(y, ["zero", "one"])], y[np.isin(y, ["zero", "one"])]
    rows = np.isin(y_test, ["zero", "one"])
    frozen = FrozenEstimator(scikeras(networks.sigmoid).fit(X.astype("float32"), y))
    fitted = pruned(frozen, amounts=[0, 0.6], fine_tune_epochs=2, learning_rate=5e-3).fit(X, y)
    p = fitted.predict_proba(X_test[rows])
    assert p.shape == (rows.sum(), 2)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    assert fitted.network_.output_shape == (None, 1)
    assert fitted.score(X_test[rows], y_test[rows]) > 0.9
    held_out, _ = held_out_of(y)
    assert fitted.delivered_.accuracy == fitted.score(X[held_out], y[held_out])


def test_what_goes_in_is_encoded(digits):
    X, X_test, y, _ = digits
    frozen = scikeras(networks.softmax).fit(X.astype("float32"), y)
    frozen.feature_encoder_ = FunctionTransformer(np.negative)
    fitted = pruned(FrozenEstimator(frozen), amount=0).fit(X, y)
    expected = frozen.model_.predict_on_batch(-X_test.astype("float32"))
    np.testing.assert_allclose(fitted.predict_proba(X_test), expected, atol=1e-6)
    # The samples in turn reach a network only in a shape that is its own.
    with pytest.raises(ValueError, match=r"samples of shape \(3,\), but the network takes \(8, 8"):
        as_inputs(np.ones((2, 3)), (8, 8, 1))
    assert as_inputs(np.ones((2, 5, 3)), (None, 3)).shape == (2, 5, 3)


def test_outputs_that_are_no_probabilities_are_refused(digits):
    X, _, y, _ = digits
    X = X.astype("float32")
    with pytest.raises(ValueError, match="of KerasClassifier does not give probabilities"):
        pruned(scikeras(networks.logits), amount=0.5).fit(X, y)
    wide = scikeras(networks.too_wide, loss="sparse_categorical_crossentropy", epochs=1)
    with pytest.raises(ValueError, match=r"outputs of shape \(7,\) for 4 classes"):
        pruned(wide, amount=0.5).fit(X, y)


def test_what_is_not_one_network_is_refused(several, digits, capsys):
    X, _, y, _ = digits
    for ensemble in (several, cnns(2, verbose=1)):
        with pytest.raises(TypeError, match=r"Classifier has [25] of them. Use EnsembleCompressor"):
            pruned(ensemble, amount=0.5).fit(X, y)
    views = MultiViewCNNClassifier(verbose=1)
    with pytest.raises(TypeError, match="Use PrunedMultiViewClassifier"):
        pruned(views, amount=0.5).fit(X, y)
    assert capsys.readouterr().out == ""  # and nothing was trained before
    with pytest.raises(TypeError, match=r"`model_` and `classes_`.*; DecisionTreeClassifier has"):
        pruned(DecisionTreeClassifier(), amount=0.5).fit(X.reshape(280, 64), y)


def test_a_network_of_two_inputs_is_refused(digits):
    X, _, y, _ = digits
    fitted = DecisionTreeClassifier().fit(X.reshape(280, 64), y)
    a, b = keras.Input((8, 8)), keras.Input((8, 8))
    fitted.model_ = keras.Model([a, b], layers.Dense(4)(layers.Flatten()(a + b)))
    with pytest.raises(TypeError, match="has 2 inputs and 1 outputs; it must have one of each"):
        pruned(FrozenEstimator(fitted), amount=0.5).fit(X, y)


# By how much


def test_the_best_amount(auto, one, digits):
    X, _, y, _ = digits
    held_out, _ = held_out_of(y)
    promised = [curve.predict([[auto.amount_]])[0] for curve in auto.optimizer_.curves_.values()]
    assert auto.promised_ == OperatingPoint(auto.amount_, *promised)
    assert auto.amount_ == auto.optimizer_.best_amount_ > 0
    assert list(auto.optimizer_.curves_) == ["accuracy", "time", "size"]
    # What was delivered, measured by other means.
    assert auto.delivered_.accuracy == auto.score(X[held_out], y[held_out])
    assert auto.delivered_.size == model_cost(auto.network_).dense_bytes / 1e6
    assert auto.delivered_.size < model_cost(one).dense_bytes / 1e6
    assert 0 < auto.delivered_.time < 10 * auto.sweep_.time[0]
    # And so was the sweep, with the default limit.
    assert list(auto.sweep_.amounts) == [0, 0.5, 0.9]
    assert auto.sweep_.n_validation == auto.sweep_.batch_size == held_out.sum()
    assert auto.sweep_.parameters[0] == model_cost(one).parameters
    assert auto.optimizer_.min_accuracy == auto.sweep_.accuracy[0] - 0.01
    assert auto.delivered_.accuracy >= auto.optimizer_.min_accuracy
    assert auto.corrected_ == ()


def test_what_is_applied_is_what_was_measured(auto, one, digits):
    """To go back to a measured amount is to get what was measured there."""
    X, _, y, _ = digits
    same = pruned(one, amount=0.5, fine_tune_epochs=1).fit(X, y)
    assert same.delivered_.accuracy == auto.sweep_.accuracy[1]
    assert same.delivered_.size == auto.sweep_.size[1]
    assert same.network_.count_params() == auto.sweep_.parameters[1]


def test_attributes_come_and_go_with_auto(one, digits):
    X, _, y, _ = digits
    fitted, of_auto = pruned(one, amount=0.5), ("promised_", "sweep_", "optimizer_")
    for amount, there in ((0.5, False), ("auto", True), (0.25, False)):
        fitted.set_params(amount=amount).fit(X, y)
        assert [hasattr(fitted, name) for name in of_auto] == [there] * 3
        assert fitted.amount_ == fitted.delivered_.amount
    assert fitted.amount_ == 0.25


def test_limits_of_size_and_time(one, digits, auto):
    X, _, y, _ = digits
    some = pruned(one, min_accuracy=0.2, max_size=float(auto.sweep_.size[1])).fit(X, y)
    assert some.delivered_.size <= auto.sweep_.size[1]
    assert some.optimizer_.max_size == auto.sweep_.size[1]
    with pytest.warns(InfeasibleLimitsWarning, match="max_time") as caught:
        fitted = pruned(one, max_time=1e-7, min_accuracy=0.1).fit(X, y)
    said = [w for w in caught if issubclass(w.category, InfeasibleLimitsWarning)]
    assert len(said) == 1  # by the optimizer, and not once more
    assert not fitted.optimizer_.feasible_
    assert "max_time" in fitted.optimizer_.misses_
    with pytest.warns(
        InfeasibleLimitsWarning, match=r"pruned by 0\.9 misses min_accuracy=0\.99 by"
    ):
        pruned(one, amount=0.9, min_accuracy=0.99).fit(X, y)


def test_an_optimizer_of_the_users(one, digits):
    X, _, y, _ = digits
    optimizer = PruningAmountOptimizer(
        accuracy_curve="isotonic", time_curve="isotonic", size_curve="linear", min_accuracy=0.3
    )
    fitted = pruned(one, optimizer=optimizer, max_size=10.0).fit(X, y)
    assert fitted.optimizer_.get_params() == {
        **optimizer.get_params(), "max_size": 10.0, "random_state": held_out_of(y)[1]
    }  # fmt: skip
    assert optimizer.max_size is None
    assert not hasattr(optimizer, "best_amount_")


def too_good_to_be_true(monkeypatch):
    """Make what is measured at the largest amount as accurate as the unpruned network."""
    measure = _bench.pruning_sweep

    def flattered(*args, **kwargs):
        sweep = measure(*args, **kwargs)
        return replace(sweep, accuracy=np.array([*sweep.accuracy[:-1], sweep.accuracy[0]]))

    monkeypatch.setattr(_bench, "pruning_sweep", flattered)


def test_a_smaller_amount_where_less_is_delivered(one, digits, monkeypatch):
    X, _, y, _ = digits
    held_out, _ = held_out_of(y)
    too_good_to_be_true(monkeypatch)
    fine = partial(prune_channels, round_to=1)
    fitted = pruned(one, amounts=[0, 0.125, 0.9], method=fine, min_accuracy=0.9)
    with pytest.warns(AmountCorrectedWarning, match=r"Amount 0\.\d+ delivered .*0\.9\. Amount"):
        fitted.fit(X, y)
    assert fitted.amount_ < fitted.promised_.amount == fitted.corrected_[0].amount
    assert all(point.accuracy < 0.9 for point in fitted.corrected_)
    assert fitted.delivered_.accuracy == fitted.score(X[held_out], y[held_out]) >= 0.9
    # Nothing smaller was measured to be enough: what was delivered stands, and is said to miss.
    monkeypatch.setattr(_pruned_cnn, "smaller_amounts", lambda *args: iter(()))
    with pytest.warns(InfeasibleLimitsWarning, match="misses min_accuracy=0.9 by"):
        fitted.fit(X, y)
    assert fitted.corrected_ == ()
    assert fitted.delivered_.misses(min_accuracy=0.9)


def a_sweep(amounts, accuracy):
    amounts, accuracy = np.array(amounts), np.array(accuracy)
    numbers = {name: np.ones(len(amounts)) for name in SweepResult.__annotations__}
    return SweepResult(**{**numbers, "amounts": amounts, "accuracy": accuracy})


@pytest.mark.parametrize(
    ("applied", "least", "expected"),
    [
        (0.6, 0.9, [0.5, 0.4]),
        (0.4, 0.9, [0.3, 0.2]),
        (0.1, 0.9, [0.05, 0.0]),
        (0.6, 0.95, [0.3, 0.0]),
        (0.6, 0.99, []),
        (0.0, 0.9, []),
        (0.6, None, []),
    ],
)
def test_which_amounts_are_tried(applied, least, expected):
    sweep = a_sweep([0, 0.2, 0.4, 0.6], [0.95, 0.9, 0.9, 0.5])
    np.testing.assert_allclose(list(smaller_amounts(sweep, applied, least)), expected)


def test_misses():
    point = OperatingPoint(amount=0.5, accuracy=0.9, time=0.2, size=3.0)
    assert point.misses(min_accuracy=0.9, max_time=0.2, max_size=None) == {}
    assert point.misses(min_accuracy=0.9 + 1e-12) == {}
    misses = point.misses(min_accuracy=0.95, max_time=0.15, max_size=2)
    assert misses == pytest.approx({"min_accuracy": 0.05, "max_time": 0.05, "max_size": 1.0})


def test_accuracy_of_chance_needs_no_limit(one, digits, monkeypatch):
    """A network that is always wrong has no accuracy to lose."""
    X, _, y, _ = digits
    measure = _bench.pruning_sweep

    def wrong(*args, **kwargs):
        sweep = measure(*args, **kwargs)
        return replace(sweep, accuracy=0 * sweep.accuracy)

    monkeypatch.setattr(_bench, "pruning_sweep", wrong)
    fitted = pruned(one).fit(X, y)
    assert fitted.optimizer_.min_accuracy is None


def test_methods(one, digits):
    X, _, y, _ = digits
    by_magnitude = pruned(one, amount=0.5, method="magnitude").fit(X, y)
    cost = model_cost(by_magnitude.network_)
    assert by_magnitude.delivered_.size == cost.compressed_bytes / 1e6
    assert cost.nonzero < 0.6 * cost.parameters == 0.6 * model_cost(one).parameters
    by_four = pruned(one, amount=0.3, method=counted).fit(X, y)
    assert by_four.delivered_.size == model_cost(by_four.network_).dense_bytes / 1e6
    with pytest.warns(UserWarning, match="removes no channel"):
        pruned(one, amount=0.1).fit(X, y)


# Samples


def test_samples_of_weight_zero_are_as_if_absent(one, digits):
    X, X_test, y, _ = digits
    wrong, weights = y.copy(), np.ones(len(y))
    wrong[::5], weights[::5] = "zero", 0
    kept = weights > 0
    options = {"amount": 0.5, "fine_tune_epochs": 1}
    a = pruned(one, **options).fit(X, wrong, sample_weight=weights)
    b = pruned(one, **options).fit(X[kept], y[kept], sample_weight=weights[kept])
    np.testing.assert_array_equal(a.predict_proba(X_test), b.predict_proba(X_test))
    assert a.delivered_.accuracy == b.delivered_.accuracy
    with pytest.raises(ValueError, match=r"(?i)zero"):
        pruned(one, **options).fit(X, y, sample_weight=np.zeros(len(y)))
    with pytest.raises(ValueError, match=r"(?i)negative"):
        pruned(one, **options).fit(X, y, sample_weight=-weights)


def test_the_only_sample_of_a_class_is_trained_on(digits):
    X, _, y, _ = digits
    first = np.flatnonzero(y == "three")[0]
    rows = np.flatnonzero((y != "three") | (np.arange(len(y)) == first))
    for seed in range(3):
        held_out, _ = held_out_of(y[rows], seed)
        assert not held_out[rows == first]
    fitted = pruned(cnns(1, epochs=1), amount=0.5).fit(X[rows], y[rows])
    assert list(fitted.classes_) == ["one", "three", "two", "zero"]
    with pytest.raises(ValueError, match="No sample can be held out to measure on: of 4"):
        pruned(cnns(1)).fit(X[:4], np.array(["zero", "one", "two", "three"]))


def test_rows_may_be_sorted_by_class(sorted_rows):
    network, X, y, X_test, y_test = sorted_rows
    options = {"method": "magnitude", "fine_tune_epochs": 1, "learning_rate": 0.01}
    fitted = pruned(network, amount=0.2, **options).fit(X, y)
    assert fitted.delivered_.accuracy > 0.99
    assert fitted.score(X_test, y_test) > 0.99


# Randomness


def test_the_same_seed_gives_the_same_bits_and_nothing_global_moves(one, digits):
    X, X_test, y, _ = digits
    random.seed(3)
    state = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    options = {"amount": 0.5, "fine_tune_epochs": 1}
    p, same, other = (
        pruned(one, **options, random_state=seed).fit(X, y).predict_proba(X_test)
        for seed in (1, np.random.RandomState(1), 2)
    )
    assert random.getstate() == state[0]
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002
    np.testing.assert_array_equal(p, same)
    assert (p != other).any()


# Folders


def test_what_was_measured_is_not_measured_again(one, digits, calls, tmp_path):
    X, _, y, _ = digits
    fitted = pruned(one, method=counted, amounts=[0, 0.25, 0.5], memory=tmp_path)
    networks.fails_at.add(0.5)
    with pytest.raises(RuntimeError, match="the power went"):
        fitted.fit(X, y)
    assert calls == [0, 0.25, 0.5]
    networks.fails_at.clear()
    calls.clear()
    fitted.fit(X, y)
    assert calls == [0, 0.5, fitted.amount_]  # the unpruned one is what others are timed with
    calls.clear()
    again = clone(fitted).set_params(memory=joblib.Memory(tmp_path, verbose=0)).fit(X, y)
    assert calls == [fitted.amount_]
    for name in ("accuracy", "time", "size"):
        np.testing.assert_array_equal(getattr(again.sweep_, name), getattr(fitted.sweep_, name))
    # Other data, another seed or another method are other measurements.
    calls.clear()
    clone(fitted).set_params(random_state=1).fit(X, y)
    assert calls[:-1] == [0, 0.25, 0.5]
    assert len(list(tmp_path.rglob("*.json"))) == 2


def test_a_function_is_known_by_its_name_and_not_by_its_address(one):
    model, samples = one.estimators_[0].model_, [Samples(np.ones((2, 64)), np.arange(2))]
    twin = FunctionType(counted.__code__, counted.__globals__)
    twin.__module__, twin.__qualname__ = counted.__module__, counted.__qualname__

    def known_by(method, **tuning):
        return fingerprint([model], samples, method, {"epochs": 1, **tuning}, batch_size=2)

    assert known_by(counted) == known_by(twin)
    assert known_by(partial(counted, a=1)) == known_by(partial(twin, a=1))
    different = [counted, partial(counted, a=1), partial(counted, a=2), prune_channels, "channels"]
    assert len({known_by(method) for method in different}) == 5
    assert known_by(counted, epochs=2) != known_by(counted)
    # The pickle of a loss holds the time of day.
    assert known_by(counted, loss=keras.losses.SparseCategoricalCrossentropy()) == known_by(counted)


def test_a_folder_needs_a_seed_and_a_name(one, digits, tmp_path):
    X, _, y, _ = digits
    for seed in (None, np.random.RandomState(0)):
        with pytest.raises(ValueError, match="with memory, random_state must be an int"):
            pruned(one, memory=tmp_path, random_state=seed).fit(X, y)
    for method in (lambda model, amount: model, partial(lambda model, amount: model)):
        with pytest.raises(ValueError, match="with memory, method must have a name"):
            pruned(cnns(1), memory=tmp_path, method=method).fit(X, y)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("fine_tune_epochs", [0, 1])
def test_a_method_that_cuts_nothing_shares_nothing(one, digits, fine_tune_epochs):
    X, _, y, _ = digits
    settings = {"amount": 0.5, "fine_tune_epochs": fine_tune_epochs}
    fitted = pruned(one, method=lambda model, amount: model, **settings).fit(X, y)
    own = one.estimator.estimators_[0].model_
    assert not {id(w) for w in own.weights} & {id(w) for w in fitted.network_.weights}


# Saved and handed on


def test_a_copy_holds_the_pruned_network_alone(digits, monkeypatch):
    X, X_test, y, _ = digits
    wide = FrozenEstimator(scikeras(networks.softmax, model__units=640, epochs=1))
    wide.estimator.fit(X.astype("float32"), y)
    fitted = pruned(wide, amount=0.9).fit(X, y)
    assert fitted.network_.compiled  # and still no state of an optimiser is saved
    assert len(pickle.dumps(fitted)) < model_cost(fitted.network_).file_bytes + 10_000
    assert len(pickle.dumps(fitted)) < model_cost(wide).dense_bytes / 5
    load, seen = keras.models.load_model, []

    def watched(*args, **kwargs):
        seen.append(kwargs)
        return load(*args, **kwargs)

    monkeypatch.setattr(keras.models, "load_model", watched)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict_proba(X_test), fitted.predict_proba(X_test))
    assert seen == [{"compile": False, "safe_mode": True}]
    again = pickle.loads(pickle.dumps(copy))
    np.testing.assert_array_equal(again.predict_proba(X_test), fitted.predict_proba(X_test))
    assert copy.delivered_ == fitted.delivered_
    with pytest.raises(TypeError, match="once fitted"):
        copy.fit(X, y)  # the network that it was cut from stayed behind
    np.testing.assert_array_equal(copy.predict_proba(X_test), fitted.predict_proba(X_test))


def test_clone(halved, one, digits):
    copy = clone(halved)
    assert copy.estimator is halved.estimator is one
    with pytest.raises(NotFittedError):
        copy.predict(digits[1])
    with pytest.raises(NotFittedError):
        copy.network_  # noqa: B018


def test_grid_search(one, digits):
    X, X_test, y, y_test = digits
    grid = [
        {"amount": [amount], "method": [method]}
        for amount, method in ((0.5, "magnitude"), (0.95, "channels"))
    ]
    search = GridSearchCV(pruned(one), grid, cv=2, refit=True).fit(X, y)
    scores = dict(
        zip(
            [(p["amount"], p["method"]) for p in search.cv_results_["params"]],
            search.cv_results_["mean_test_score"],
            strict=True,
        )
    )
    assert scores[0.5, "magnitude"] > scores[0.95, "channels"]
    assert search.best_params_["amount"] == 0.5
    assert search.score(X_test, y_test) > 0.6


def test_pipeline(digits, trained_members):
    X, X_test, y, y_test = digits
    pipeline = make_pipeline(
        FunctionTransformer(lambda X: X / 16, validate=False), pruned(cnns(1), amount=0.5)
    )
    pipeline.set_params(prunedcnnclassifier__estimator__epochs=8).fit(X, y)
    assert pipeline.score(X_test, y_test) > 0.6
    assert pipeline.predict_proba(X_test).shape == (120, 4)


# Words


def test_quiet_unless_asked(one, digits, capfd, retraced):
    X, _, y, _ = digits
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        pruned(one).fit(X, y)
    said = capfd.readouterr()
    assert said.out == said.err == ""
    assert retraced == []
    pruned(one, verbose=1).fit(X, y)
    out = capfd.readouterr().out
    assert "[PrunedCNNClassifier] measuring pruning amounts" in out
    assert "[PrunedCNNClassifier] applying amount" in out


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"amount": "best"}, TypeError, "'amount' .*'auto'.* float in the range"),
        ({"amount": None}, TypeError, "'amount' .* must be"),
        ({"amount": True}, TypeError, "'amount' .* must be"),
        ({"amount": 1.0}, ValueError, "'amount' .*'auto'.* \\[0.0, 1.0\\).* Got 1.0"),
        ({"amount": -0.1}, ValueError, "'amount' .* must be"),
        ({"amount": float("nan")}, ValueError, "'amount' .* must be"),
        ({"method": "filters"}, ValueError, r"method must be one of \('channels', 'magnitude'\)"),
        ({"method": []}, ValueError, r"method must be one of .* got \[\]"),
        ({"amounts": "foo"}, ValueError, "amounts must be a list of numbers.* got 'foo'"),
        ({"amounts": None}, ValueError, "amounts must be a list of numbers.* got None"),
        ({"random_state": "foo"}, ValueError, "'random_state' .* must be .* Got 'foo'"),
        ({"min_accuracy": 90}, ValueError, r"'min_accuracy' .* share of the samples"),
        ({"min_accuracy": 0}, ValueError, "'min_accuracy' .* must be"),
        ({"min_accuracy": "high"}, ValueError, "'min_accuracy' .* must be"),
        ({"max_size": -1}, ValueError, "'max_size' .* float in the range .0.0, .* Got -1"),
        ({"max_time": float("nan")}, ValueError, "'max_time' .* float in the range .0.0, "),
        ({"amounts": [0.1, 0.5]}, ValueError, "amounts must hold 0"),
        ({"amounts": [0, 1]}, ValueError, r"amounts must lie in \[0, 1\)"),
        ({"amounts": [0]}, ValueError, "amounts must hold at least one besides 0"),
        ({"amounts": [[0, 0.5]]}, ValueError, "amounts must be a list of numbers"),
        ({"fine_tune_epochs": -1}, ValueError, "'fine_tune_epochs' .* int in the range .0, inf"),
        ({"fine_tune_epochs": 1.0}, ValueError, "'fine_tune_epochs' .* int in the range"),
        ({"latency_batch_size": 0}, ValueError, "'latency_batch_size' .* int in the range"),
        ({"learning_rate": 0}, ValueError, "'learning_rate' .* float in the range .0.0, .* Got 0"),
        ({"validation_fraction": 1}, ValueError, "validation_fraction must be a number in"),
        ({"optimizer": "cma"}, TypeError, "'optimizer' .*PruningAmountOptimizer"),
        ({"memory": 3}, ValueError, "memory must be None, the path of a folder or a joblib.Memory"),
    ],
)  # fmt: skip
def test_wrong_parameters(one, digits, params, error, message):
    X, _, y, _ = digits
    with pytest.raises(error, match=message):
        pruned(one, **params).fit(X, y)


@pytest.mark.parametrize("estimator", [None, {}, "cnn", 3, DecisionTreeClassifier])
def test_what_is_no_estimator(estimator):
    wrong = PrunedCNNClassifier(estimator)
    with pytest.raises(NotFittedError):
        check_is_fitted(wrong)
    assert wrong._repr_html_()
    with pytest.raises(TypeError, match=r"estimator must be .*; got "):
        wrong.fit(np.zeros((4, 8, 8)), [0, 1, 0, 1])


def test_wrong_samples(one, digits, halved):
    X, X_test, y, _ = digits
    estimator = pruned(one, amount=0.5)
    with pytest.raises(ValueError, match="frozen estimator does not know: "):
        estimator.fit(X, np.where(y == "two", "nine", y))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        estimator.fit(X, y[:-1])
    with pytest.raises(ValueError, match=r"[Mm]ultilabel"):
        estimator.fit(X, np.eye(len(y), 3, dtype=int))
    with pytest.raises(ValueError, match="requires y to be passed"):
        estimator.fit(X, None)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        estimator.fit(X, np.linspace(0, 1, len(y)))
    with pytest.raises(ValueError, match="NaN"):
        estimator.fit(np.where(X > 15, np.nan, X), y)
    with pytest.raises(ValueError, match=r"samples of shape \(7, 7\), but the network takes"):
        estimator.fit(X[:, :7, :7], y)
    with pytest.raises(NotFittedError):
        estimator.predict(X)
    with pytest.raises(ValueError, match="X has 7 features, but Pruned"):
        halved.predict(X_test[:, :7])
    with pytest.raises(ValueError, match=r"samples of shape \(8, 7\), but the network takes"):
        halved.predict(X_test[:, :, :7])


def test_a_fit_that_fails_leaves_the_one_before(one, digits, calls):
    X, X_test, y, _ = digits
    fitted = pruned(one, amount=0.5, method=counted).fit(X, y)
    p, before = fitted.predict_proba(X_test), dict(vars(fitted))
    networks.fails_at.add(0.5)
    frame = pandas.DataFrame(X.reshape(-1, 64), columns=[f"pixel{i}" for i in range(64)])
    with pytest.raises(RuntimeError, match="the power went"):
        fitted.fit(frame, y)
    with pytest.raises(ValueError, match="does not know"):
        fitted.fit(X.reshape(-1, 64), np.where(y == "two", "nine", y))
    assert vars(fitted) == before
    np.testing.assert_array_equal(fitted.predict_proba(X_test), p)


def test_held_out_accuracy_counts_all_samples(halved, digits):
    X, _, y, _ = digits
    held_out, _ = held_out_of(y)
    codes = np.searchsorted(halved.classes_, y[held_out])
    images = X[held_out][..., None].astype("float32")
    assert model_accuracy(halved.network_, images, codes) == halved.delivered_.accuracy
