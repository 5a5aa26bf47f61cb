"""What both classifiers of several views have in common: checks, predictions, score, state."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from .small import assert_same_weights, by_hand, cnn, make, networks_of, pruned

keras_test = pytest.mark.keras


@pytest.fixture(params=["classifier", "copies", "nested"])
def fitted(request):
    if request.param == "classifier":
        return request.getfixturevalue("frozen").estimator
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["classifier", "pruned"])
def unfitted(request):
    """A function from parameters of the classifier to one of both, fitted in milliseconds."""
    if request.param == "classifier":
        return lambda **params: cnn(n_importance_repeats=0, **params)
    return lambda **params: pruned(cnn(**params), view_amounts=[0, 0.5], amounts=[0])


@keras_test
def test_predictions_by_hand(fitted, data, mask):
    assert is_classifier(fitted)
    X, y = data
    found = fitted.predict_proba(X[:8])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_hand(networks_of(fitted), X[:8]), rtol=1e-4, atol=1e-6)
    masked = fitted.predict_proba(X, mask=mask)
    expected = by_hand(networks_of(fitted), X[:8], mask)
    np.testing.assert_allclose(masked[:8], expected, rtol=1e-4, atol=1e-6)
    assert np.abs(masked[:8] - found).max() > 1e-3
    for dtype in (np.float32, np.float64, np.int64):
        same = fitted.predict_proba(X.astype(dtype), mask=list(mask))
        np.testing.assert_array_equal(same, masked)
    labels = fitted.predict(X, mask)
    np.testing.assert_array_equal(labels, fitted.classes_[masked.argmax(axis=1)])
    assert fitted.score(X, y, mask=mask) == np.mean(labels == y)
    weights = np.arange(160)
    expected = np.average(labels == y, weights=weights)
    assert fitted.score(X, y, weights, mask) == pytest.approx(expected)


@keras_test
@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((5, 3, 8, 8), [r"3 view\(s\)", r"\(4, 8, 8, 1\)", "Pass all 4 views", "mask="]),
        ((5, 5, 8, 8), [r"5 view\(s\)", "Pass all 4 views"]),
        ((5, 4, 7, 8), [r"\(7, 8, 1\)", r"\(8, 8, 1\)"]),
        ((5, 4, 8, 8, 3), [r"\(8, 8, 3\)"]),
        ((5, 4, 8), ["3 dimensions"]),
        ((5, 256), [r"1 view\(s\)"]),
    ],
)
def test_other_views_are_refused(fitted, shape, words):
    for word in words:
        with pytest.raises(ValueError, match=word):
            fitted.predict(np.zeros(shape))


@keras_test
def test_wrong_pixels_and_masks_are_refused(fitted, data):
    X = data[0][:4].astype(np.float32)
    with pytest.raises(ValueError, match=r"bool of shape \(4, 4\) or \(4,\)"):
        fitted.score(X, data[1][:4], mask=np.ones((4, 4)))
    with pytest.raises(ValueError, match="leaves 1 of 4 without any, the first is sample 2"):
        fitted.predict(X, mask=np.arange(4)[:, None].repeat(4, axis=1) != 2)
    X[1, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        fitted.predict(X)
    fitted.predict(X, mask=[True, False, True, True])


def test_nothing_is_there_before_fit(unfitted):
    model = clone(unfitted())
    with pytest.raises(NotFittedError):
        model.predict(np.zeros((2, 3, 4, 4)))
    for name in ("tower_", "head_", "model_", "networks_", "classes_"):
        assert not hasattr(model, name)


@keras_test
@pytest.mark.usefixtures("untrained", "untimed")
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_colors_and_flat_rows(unfitted, data):
    pandas = pytest.importorskip("pandas")
    X, y = data
    colored = np.stack([X[:, :2], X[:, :2] // 2], axis=-1)
    model = unfitted().fit(colored, y)
    assert model.view_shape_ == (2, 8, 8, 2)
    assert model.n_features_in_ == 2
    frame = pandas.DataFrame(colored.reshape(160, -1), columns=[f"p{i}" for i in range(256)])
    flat = unfitted(view_shape=(2, 8, 8, 2)).fit(frame, pandas.Series(y))
    assert flat.n_features_in_ == 256
    assert list(flat.feature_names_in_) == list(frame.columns)
    expected = model.predict_proba(colored)
    np.testing.assert_array_equal(flat.predict_proba(frame), expected)
    np.testing.assert_array_equal(flat.predict_proba(colored), expected)
    with pytest.raises(ValueError, match="feature names"):
        flat.predict(frame[frame.columns[::-1]])
    with pytest.raises(ValueError, match="255 features"):
        flat.predict(frame[frame.columns[1:]].to_numpy())


def bad_data():
    X, y = np.zeros((12, 2, 4, 4)), np.arange(12) % 2
    nan = np.where(np.arange(12)[:, None, None, None] == 2, np.nan, X)
    yield "NaN", {"X": nan, "y": y}
    yield "infinity", {"X": X + 1e300, "y": y}
    yield "[Mm]ultilabel", {"X": X, "y": np.eye(2, dtype=int)[y]}
    yield "inconsistent numbers of samples", {"X": X, "y": y[:5]}
    yield "Unknown label type", {"X": X, "y": np.linspace(0, 1, 12)}
    yield "requires y", {"X": X, "y": None}
    yield "3 dimensions", {"X": X[:, 0], "y": y}
    yield "sample_weight must hold a positive", {"X": X, "y": y, "sample_weight": np.zeros(12)}
    yield "sample_weight must not be negative", {"X": X, "y": y, "sample_weight": -np.ones(12)}
    yield "sample_weight leaves rows of one class", {"X": X, "y": y, "sample_weight": 1 - y}
    yield "mask must be an array of bool", {"X": X, "y": y, "mask": np.ones((12, 2))}
    yield "mask must be an array of bool", {"X": X, "y": y, "mask": np.ones((5, 2), bool)}
    yield "leaves 1 of 12", {"X": X, "y": y, "mask": np.arange(24).reshape(12, 2) > 1}


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize(("words", "data"), list(bad_data()))
def test_wrong_data_are_named_before_anything_is_trained(unfitted, words, data):
    with pytest.raises(ValueError, match=words):
        unfitted().fit(**data)


class Failing:
    """A callback of scikit-learn that fails when a task of some name ends."""

    max_propagation_depth = None

    def __init__(self, task):
        self.task = task

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context):
        if context.task_name == self.task:
            raise RuntimeError(self.task)


@keras_test
@pytest.mark.usefixtures("untimed")
def test_a_failed_fit_changes_nothing(fitted, data):
    X, y = data
    model = pickle.loads(pickle.dumps(fitted)).set_params(random_state=3)
    expected, before = model.predict_proba(X), dict(vars(model))
    fewer = X[:, :3]
    with pytest.raises(ValueError, match="mask"):
        model.fit(fewer, y, mask=[False] * 3)
    tasks = ["epoch 1"]
    if fitted.__class__.__name__ == "PrunedMultiViewClassifier":
        tasks = ["training", "0.0"]
        quick = {"view_amounts": [0, 0, 0.5], "amounts": [0], "fine_tune_epochs": 0}
        before |= quick | {"estimator": cnn(epochs=1)}
        model.set_params(estimator=before["estimator"], **quick)
    for task in tasks:
        model.set_callbacks(Failing(task))
        with pytest.raises(RuntimeError, match=task):
            model.fit(fewer, y)
        model.set_callbacks()
    assert model.n_features_in_ == 4
    after = {name: value for name, value in vars(model).items() if "_callback" not in name}
    assert after == {name: value for name, value in before.items() if "_callback" not in name}
    np.testing.assert_array_equal(model.predict_proba(X), expected)


@keras_test
def test_pickles(fitted, data, mask):
    X, _ = data
    expected = fitted.predict_proba(X, mask=mask)
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict_proba(X, mask=mask), expected)
    assert_same_weights(networks_of(loaded), networks_of(fitted))
    again = pickle.loads(pickle.dumps(loaded))
    np.testing.assert_array_equal(again.predict_proba(X, mask=mask), expected)


@keras_test
@pytest.mark.usefixtures("untrained", "untimed")
def test_masks_are_routed(unfitted, data, mask):
    X, y = data
    X, mask = X[:80, :2], mask[:80, :2] | ~mask[:80, :2].any(axis=1, keepdims=True)
    garbage = np.where(mask[..., None, None], X, np.nan)  # refused, unless the mask arrives
    with config_context(enable_metadata_routing=True):
        model = unfitted().set_fit_request(mask=True).set_score_request(mask=True)
        search = GridSearchCV(model, {"verbose": [0]}, cv=2, refit=False, error_score="raise")
        search.fit(garbage, y[:80], mask=mask)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_names_of_columns_are_checked_before_training(capsys):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.random.default_rng(0).random((20, 32)), columns=["a", *range(31)])
    with pytest.raises(TypeError, match="Feature names are only supported"):
        make(view_shape=(2, 4, 4), verbose=1).fit(frame, np.arange(20) % 2)
    assert capsys.readouterr().out == ""


def test_one_class_is_named():
    with pytest.raises(ValueError, match="one class"):
        make().fit(np.zeros((6, 2, 4, 4)), np.zeros(6))
