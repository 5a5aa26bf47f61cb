"""Several views of a sample: pooling by hand, views that are missing, and the whole estimator."""

import pickle
import random
import re

import numpy as np
import pytest
from sklearn import config_context
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import (
    check_classifiers_train,
    check_estimators_pickle,
    check_fit_idempotent,
    parametrize_with_checks,
)

from skprune.ensemble import CNNArchitecture, ConvBlock
from skprune.ensemble._data import validation_rows

from ..ensemble.random_features import views_by_their_head
from .small import TINY, make, random_mask, three_views

keras_test = pytest.mark.keras


@pytest.fixture(scope="module")
def data():
    return three_views()


@pytest.fixture(scope="module")
def mask():
    return random_mask()


@pytest.fixture(scope="module")
def fitted(data):
    """Not to be changed."""
    return make(epochs=12).fit(*data)


@pytest.fixture(scope="module")
def of_means(data):
    """Not to be changed."""
    return make(view_pooling="mean", epochs=12).fit(*data)


@pytest.fixture
def written(monkeypatch):
    """Steps are taken as they are written; to trace one takes as long as eight of them."""
    from skprune.ensemble import _builder
    from skprune.multiview import _training as _multi_view_training

    def compile_cnn(model, adam):
        _builder.compile_cnn(model, adam)
        model.run_eagerly = True

    monkeypatch.setattr(_multi_view_training, "compile_cnn", compile_cnn)


def by_hand(estimator, X, mask, pooling):
    """Probabilities one sample and one view at a time, with NumPy between tower and head."""
    found = []
    for views, present in zip(X[..., None].astype(np.float32), mask, strict=True):
        features = np.stack([np.asarray(estimator.tower_(view[None]))[0] for view in views])
        pooled = {"max": np.max, "mean": np.mean}[pooling](features[present], axis=0)
        found.append(np.asarray(estimator.head_(pooled[None]))[0])
    return np.stack(found)


@keras_test
def test_what_is_there_after_fit(fitted, data):
    X, y = data
    assert fitted.view_shape_ == (3, 6, 5, 1)
    assert fitted.n_views_ == fitted.n_features_in_ == 3
    assert fitted.seed_ == 0
    np.testing.assert_array_equal(fitted.classes_, [0, 1, 2])
    assert list(fitted.history_) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert fitted.tower_.input_shape == (None, 6, 5, 1)
    assert fitted.tower_.output_shape == fitted.head_.input_shape == (None, 8)
    assert fitted.head_.output_shape == fitted.model_.output_shape == (None, 3)
    assert fitted.score(X, y) > 0.9
    P = fitted.predict_proba(X)
    assert P.dtype == np.float32
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(fitted.predict(X), P.argmax(axis=1))


@keras_test
@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_predictions_by_hand(fitted, of_means, data, mask, pooling):
    X, _ = data
    model = fitted if pooling == "max" else of_means
    there = np.ones((6, 3), dtype=bool)
    for given, present in ((None, there), (mask[:6], mask[:6])):
        expected = by_hand(model, X[:6], present, pooling)
        found = model.predict_proba(X[:6], mask=given)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        whole = model.model_.predict([X[:6, ..., None], present], verbose=0)
        np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-6)
    other = by_hand(model, X[:6], there, {"max": "mean", "mean": "max"}[pooling])
    assert np.abs(model.predict_proba(X[:6]) - other).max() > 1e-3


@keras_test
def test_only_one_view_left(fitted, data):
    X, _ = data
    alone = fitted.predict_proba(X[:5], mask=[False, True, False])
    features = fitted.tower_(X[:5, 1, :, :, None].astype(np.float32))
    np.testing.assert_allclose(alone, fitted.head_(features), rtol=1e-4, atol=1e-6)


@keras_test
@pytest.mark.usefixtures("written")
def test_pixels_of_missing_views_do_not_matter(data, mask):
    X, y = data
    garbage = X.astype(np.float32)
    garbage[~mask] = np.random.default_rng(2).choice([np.nan, np.inf, 1e30, -7], garbage.shape)[
        ~mask
    ]
    one, two = (make(epochs=4).fit(pixels, y, mask=mask) for pixels in (X, garbage))
    for a, b in zip(one.model_.get_weights(), two.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.history_ == two.history_
    np.testing.assert_array_equal(one.view_importances_, two.view_importances_)
    expected = one.predict_proba(X, mask=mask)
    np.testing.assert_array_equal(two.predict_proba(garbage, mask=mask), expected)
    assert two.score(garbage, y, mask=mask) == np.mean(one.predict(X, mask=mask) == y)
    weights = np.arange(100)
    weighted = one.score(X, y, weights, mask)
    assert weighted == pytest.approx(np.average(one.predict(X, mask) == y, weights=weights))


@keras_test
@pytest.mark.usefixtures("written")
def test_batch_normalisation_sees_only_views_that_are_there(data):
    """Where all views of a sample are equal, it does not matter which of them are missing."""
    X, y = data
    equal = np.repeat(X[:, 2:], 3, axis=1)
    absent = np.arange(100)[:, None] % 3 == np.arange(3)
    whole = make(epochs=4).fit(equal, y)
    masked = make(epochs=4).fit(np.where(absent[..., None, None], 255, equal), y, mask=~absent)
    # Not to the last bit: the shift before a normalisation has no gradient but rounding, which
    # Adam follows. With zeros in the place of missing views the difference is 0.18.
    expected = whole.predict_proba(equal)
    np.testing.assert_allclose(masked.predict_proba(equal), expected, atol=0.01)


@keras_test
@pytest.mark.usefixtures("written")
def test_pixels_are_standardised_by_those_that_are_there(data, mask):
    X, y = data
    model = make(epochs=1, validation_fraction=None).fit(X, y, mask=mask)
    layer = model.tower_.get_layer("standardize")
    mean, deviation = X[mask].mean(), X[mask].std()
    np.testing.assert_allclose(layer(np.array([mean, mean + deviation])), [0, 1], atol=1e-5)
    # Nothing is validated, and so no view's importance is measured.
    assert list(model.history_) == ["loss", "accuracy"]
    assert not hasattr(model, "view_importances_")


@keras_test
def test_one_view(data):
    X, y = data
    model = make(importance_method="remove", epochs=12).fit(X[:, 2:], y)
    assert model.n_views_ == 1
    assert model.score(X[:, 2:], y) > 0.9
    np.testing.assert_array_equal(model.view_importances_, [1.0])
    flat = make(epochs=1).fit(X[:, 2].reshape(100, 30), y)
    assert flat.view_shape_ == (1, 1, 30, 1)
    np.testing.assert_array_equal(flat.view_importances_, [1.0])  # permuted


@keras_test
@pytest.mark.usefixtures("written")
def test_colours_and_flat_rows(data):
    X, y = data
    coloured = np.stack([X, X // 2], axis=-1)
    model = make(epochs=1).fit(coloured, y)
    assert model.view_shape_ == (3, 6, 5, 2)
    flat = make(epochs=1, view_shape=(3, 6, 5, 2)).fit(coloured.reshape(100, -1), y)
    assert flat.n_features_in_ == 180
    expected = model.predict_proba(coloured)
    np.testing.assert_array_equal(flat.predict_proba(coloured.reshape(100, -1)), expected)
    np.testing.assert_array_equal(flat.predict_proba(coloured), expected)


@keras_test
def test_types_of_the_same_numbers_give_the_same_results(fitted, data):
    X, y = data
    expected = fitted.predict_proba(X)
    for dtype in (np.float32, np.float64, np.int64):
        np.testing.assert_array_equal(fitted.predict_proba(X.astype(dtype)), expected)
    again = make(epochs=12).fit(X.astype(np.float64), y)
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    other = make(epochs=12, random_state=1).fit(X, y)
    assert not np.array_equal(other.predict_proba(X), expected)


@keras_test
@pytest.mark.parametrize("names", [["zero", "one", "two"], [False, True, True]])
def test_labels_of_any_kind(data, names):
    X, codes = data
    names = np.array(names)
    model = make(epochs=30, n_iter_no_change=None).fit(X, names[codes])
    np.testing.assert_array_equal(model.classes_, np.unique(names))
    assert model.predict(X).dtype == model.classes_.dtype
    assert model.score(X, names[codes]) > 0.9


@keras_test
@pytest.mark.usefixtures("written")
def test_rows_of_zero_weight_are_as_if_absent(data, mask):
    X, y = data
    weights = np.where(np.arange(100) % 4 == 0, 0.0, 0.5)
    kept = weights > 0
    weighted = make().fit(X, y, sample_weight=weights, mask=mask)
    absent = make().fit(X[kept], y[kept], sample_weight=weights[kept], mask=mask[kept])
    np.testing.assert_array_equal(weighted.predict_proba(X), absent.predict_proba(X))


@keras_test
def test_early_stopping_keeps_the_best_epoch(data):
    X, y = data
    wild = CNNArchitecture(TINY.blocks, 8, 0.0, learning_rate=0.3)
    model = make(wild, epochs=40, n_iter_no_change=2).fit(X, y)
    losses = model.history_["val_loss"]
    assert len(losses) < 40
    assert min(losses) == losses[-3]
    held_out = validation_rows(y, 0.1, model.seed_)
    of_truth = model.predict_proba(X[held_out])[np.arange(held_out.sum()), y[held_out]]
    assert -np.log(np.maximum(of_truth, 1e-7)).mean() == pytest.approx(min(losses), rel=1e-3)
    patient = make(wild, epochs=40, n_iter_no_change=None).fit(X, y)
    assert len(patient.history_["loss"]) == 40


@keras_test
def test_importance_points_at_the_view_that_tells(fitted, of_means, data):
    removing = make(importance_method="remove", epochs=12).fit(*data)
    for model in (fitted, of_means, removing):
        assert model.view_importances_.shape == (3,)
        assert model.view_importances_.argmax() == 2
        assert model.view_importances_[2] == 1
    # What was measured before goes where it is not measured again.
    removing.set_params(n_importance_repeats=0, epochs=1).fit(*data)
    assert not hasattr(removing, "view_importances_")


@keras_test
@pytest.mark.usefixtures("written")
def test_global_random_state_is_left_alone(data):
    import tensorflow as tf
    from tensorflow.python.eager import context

    X, y = data
    tf.random.set_seed(5)
    before = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    make(random_state=None).fit(X, y).predict(X)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert random.getstate() == before[1]
    assert context.global_seed() == 5
    drawn = tf.random.uniform([3]).numpy()
    tf.random.set_seed(5)
    np.testing.assert_array_equal(tf.random.uniform([3]).numpy(), drawn)


@keras_test
def test_a_failed_fit_leaves_what_was(fitted, data, monkeypatch):
    from skprune.multiview import _training as _multi_view_training

    X, y = data
    model = pickle.loads(pickle.dumps(fitted))
    expected, before = model.predict_proba(X), dict(vars(model))
    with pytest.raises(ValueError, match="mask"):
        model.fit(X, y, mask=[False] * 3)
    monkeypatch.setattr(_multi_view_training, "_run_epoch", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.set_params(random_state=3).fit(X, y)
    assert vars(model) == before | {"random_state": 3}
    np.testing.assert_array_equal(model.predict_proba(X), expected)


@keras_test
def test_pickles_hold_arrays_only(fitted, data):
    X, _ = data
    expected = fitted.predict_proba(X)
    text = pickle.dumps(fitted)
    assert b"keras.src" not in text
    assert b"tensorflow" not in text
    n_weights = sum(array.size for array in fitted.model_.get_weights())
    assert len(text) < 4 * n_weights + 10_000
    copy = pickle.loads(pickle.dumps(pickle.loads(text)))
    np.testing.assert_array_equal(copy.predict_proba(X), expected)
    # Weights that were changed in place are those that are pickled.
    copy.head_.get_layer("probabilities").bias.assign([50.0, 0.0, 0.0])
    again = pickle.loads(pickle.dumps(copy))
    np.testing.assert_array_equal(again.predict(X), 0)


@keras_test
@pytest.mark.usefixtures("written")
def test_verbose_tells_of_each_epoch(data, capfd):
    make(epochs=2, verbose=1).fit(*data)
    out, err = capfd.readouterr()
    assert err == ""
    assert re.search(r"^\[1/2\] .* s, loss .*, accuracy .*, val_loss .*, val_accuracy", out)
    assert out.count("\n") == 2


@keras_test
@pytest.mark.usefixtures("written")
def test_mask_is_routed(data, mask):
    X, y = data
    garbage = np.where(mask[..., None, None], X, np.nan)  # refused, unless the mask arrives
    halves = [(np.arange(0, 100, 2), np.arange(1, 100, 2))]
    with config_context(enable_metadata_routing=True):
        model = make(epochs=1).set_fit_request(mask=True).set_score_request(mask=True)
        search = GridSearchCV(
            model, {"view_pooling": ["max"]}, cv=halves, refit=False, error_score="raise"
        )
        search.fit(garbage, y, mask=mask)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@keras_test
@pytest.mark.usefixtures("written")
def test_a_data_frame_keeps_its_names(data):
    pandas = pytest.importorskip("pandas")
    X, y = data
    frame = pandas.DataFrame(X.reshape(100, 90), columns=[f"p{i}" for i in range(90)])
    model = make(epochs=1, view_shape=(3, 6, 5)).fit(frame, pandas.Series(y))
    assert list(model.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[frame.columns[::-1]])


CHECKED = make(
    CNNArchitecture((ConvBlock((4,), "max"),), dense_units=20, dropout=0.0, learning_rate=2e-2),
    epochs=20,
    batch_size=512,
    validation_fraction=None,
)

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "Batch normalisation counts rows, so that a row of weight 2 is not one that stands twice. "
        "Rows of weight 0 are as if absent, and tested above."
    ),
}


# What training comes to; the other checks look at names, shapes, types and errors.
OF_TRAINING = check_classifiers_train, check_fit_idempotent, check_estimators_pickle


@keras_test
@parametrize_with_checks([CHECKED], expected_failed_checks=lambda estimator: EXPECTED_FAILURES)
def test_estimator_checks(estimator, check, monkeypatch):
    if check.func not in OF_TRAINING:
        training = "skprune.multiview._training.train_multi_view"
        monkeypatch.setattr(training, views_by_their_head)
    check(estimator)
