"""The classifier of several views: parameters, attributes, labels, state."""

import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import (
    check_classifiers_train,
    check_estimators_pickle,
    check_fit_idempotent,
    parametrize_with_checks,
)

from skprune.ensemble import CNNArchitecture, ConvBlock
from skprune.multiview import MultiViewCNNClassifier

from .small import TINY, make, random_mask, three_views

keras_test = pytest.mark.keras


@pytest.fixture(scope="module")
def views():
    return three_views()


@pytest.fixture(scope="module")
def fitted(views):
    """Not to be changed."""
    return make(epochs=12).fit(*views)


@keras_test
def test_attributes(fitted, views):
    X, y = views
    assert fitted.view_shape_ == (3, 6, 5, 1)
    assert fitted.n_views_ == fitted.n_features_in_ == 3
    assert fitted.seed_ == 0
    np.testing.assert_array_equal(fitted.classes_, [0, 1, 2])
    assert list(fitted.history_) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert fitted.tower_.input_shape == (None, 6, 5, 1)
    assert fitted.tower_.output_shape == fitted.head_.input_shape == (None, 8)
    assert fitted.head_.output_shape == fitted.model_.output_shape == (None, 3)
    assert fitted.model_ is fitted.model_
    assert fitted.score(X, y) > 0.9


@keras_test
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_the_model_predicts_the_same_and_can_be_saved(views, tmp_path, pooling):
    import keras

    X, y = views
    model = make(view_pooling=pooling, n_importance_repeats=0).fit(X, y)
    inputs = [X[..., None].astype(np.float32), random_mask()]
    expected = model.predict_proba(X, random_mask())
    np.testing.assert_allclose(model.model_(inputs), expected, rtol=1e-4, atol=1e-6)
    model.model_.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(inputs), model.model_(inputs))


@keras_test
def test_one_view(views):
    X, y = views
    model = make(importance_method="remove", epochs=12).fit(X[:, 2:], y)
    assert model.n_views_ == 1
    assert model.score(X[:, 2:], y) > 0.9
    np.testing.assert_array_equal(model.view_importances_, [1.0])
    flat = make(epochs=1).fit(X[:, 2].reshape(100, 30), y)
    assert flat.view_shape_ == (1, 1, 30, 1)
    np.testing.assert_array_equal(flat.view_importances_, [1.0])  # permuted


@keras_test
@pytest.mark.parametrize("names", [["zero", "one", "two"], [False, True, True]])
def test_labels_of_any_kind(views, names):
    X, codes = views
    names = np.array(names)
    model = make(epochs=30, n_iter_no_change=None).fit(X, names[codes])
    np.testing.assert_array_equal(model.classes_, np.unique(names))
    assert model.predict(X).dtype == model.classes_.dtype
    assert model.score(X, names[codes]) > 0.9


@keras_test
def test_the_same_numbers_and_seed_give_the_same_results(fitted, views):
    X, y = views
    again = make(epochs=12).fit(X.astype(np.float64), y)
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    assert again.history_ == fitted.history_
    other = make(epochs=12, random_state=1).fit(X, y)
    assert not np.array_equal(other.predict_proba(X), fitted.predict_proba(X))


@keras_test
def test_pickles_hold_arrays_only(fitted, views):
    text = pickle.dumps(fitted)
    assert b"keras.src" not in text
    assert b"tensorflow" not in text
    n_weights = sum(array.size for array in fitted.model_.get_weights())
    assert len(text) < 4 * n_weights + 10_000
    # Weights that were changed in place are those that are pickled.
    copy = pickle.loads(text)
    copy.head_.get_layer("probabilities").bias.assign([50.0, 0.0, 0.0])
    again = pickle.loads(pickle.dumps(copy))
    np.testing.assert_array_equal(again.predict(views[0]), 0)


@keras_test
def test_verbose_prints_a_line_for_each_epoch(views, capfd):
    make(epochs=2, verbose=1).fit(*views)
    out, err = capfd.readouterr()
    assert err == ""
    assert re.search(r"^\[1/2\] .* s, loss .*, accuracy .*, val_loss .*, val_accuracy", out)
    assert out.count("\n") == 2


def test_clones_have_the_same_parameters():
    copy = clone(make(view_shape=(1, 2, 2)))
    assert copy.architecture == TINY
    assert copy.view_shape == (1, 2, 2)


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("architecture", "small", TypeError),
        ("architecture", CNNArchitecture((), 8, 0.1, 1e-2), ValueError),
        ("architecture", CNNArchitecture((ConvBlock((4, 4), "min"),), 8, 0.1, 1e-2), ValueError),
        ("architecture", CNNArchitecture(TINY.blocks, 8, 1.0, 1e-2), ValueError),
        ("view_pooling", "sum", ValueError),
        ("view_pooling", np.array(["max"]), ValueError),
        ("importance_method", np.array(["permute"]), ValueError),
        ("random_state", "foo", TypeError),
        ("view_shape", 8, TypeError),
        ("view_shape", (8, 8), ValueError),
        ("view_shape", (1, 8, 0), ValueError),
        ("view_shape", (1, 5, 5), ValueError),
        ("epochs", 0, ValueError),
        ("batch_size", 2.0, TypeError),
        ("validation_fraction", 1.0, ValueError),
        ("validation_fraction", "0.1", TypeError),
        ("n_iter_no_change", 0, ValueError),
        ("importance_method", "drop", ValueError),
        ("n_importance_repeats", -1, ValueError),
        ("random_state", -1, ValueError),
        ("verbose", -1, ValueError),
    ],
)
def test_wrong_arguments_are_named(argument, value, error):
    model = MultiViewCNNClassifier(**{argument: value})
    with pytest.raises(error, match=argument):
        model.fit(np.zeros((6, 30)), [0, 1] * 3)


CHECKED = make(
    CNNArchitecture((ConvBlock((4,), "max"),), dense_units=20, dropout=0.0, learning_rate=2e-2),
    epochs=20,
    batch_size=512,
    validation_fraction=None,
)

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "Batch normalization counts samples, so a sample of weight 2 differs from two samples of "
        "weight 1. Samples of weight 0 are left out, which is tested elsewhere."
    ),
}

# The other checks look at names, shapes, types and errors.
OF_TRAINING = check_classifiers_train, check_fit_idempotent, check_estimators_pickle


@keras_test
@parametrize_with_checks([CHECKED], expected_failed_checks=lambda estimator: EXPECTED_FAILURES)
def test_estimator_checks(estimator, check, request):
    if check.func not in OF_TRAINING:
        request.getfixturevalue("untrained")
    check(estimator)
