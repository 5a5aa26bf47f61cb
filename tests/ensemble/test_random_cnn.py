import random
import re

import numpy as np
import pytest
from joblib import Memory
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError

from skprune.ensemble import CNNArchitecture, CNNSpace, RandomCNNEnsembleClassifier

keras_test = pytest.mark.keras


def global_numpy_state():
    return np.random.get_state()[1].copy()  # noqa: NPY002


@keras_test
def test_what_is_there_after_fit(fitted, digits):
    X, _ = digits
    assert len(fitted.estimators_) == len(fitted.architectures_) == len(fitted.history_) == 2
    assert all(isinstance(a, CNNArchitecture) for a in fitted.architectures_)
    assert [m.architecture for m in fitted.estimators_] == fitted.architectures_
    assert set(fitted.history_[0]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert fitted.sample_shape_ == (8, 8, 1)
    assert fitted.seed_ == 0
    P = fitted.member_predict_proba(X)
    assert P.shape == (2, 90, 3)
    np.testing.assert_allclose(P.sum(axis=2), 1, rtol=1e-5)
    np.testing.assert_allclose(fitted.predict_proba(X), P.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(
        fitted.predict(X), fitted.classes_[fitted.predict_proba(X).argmax(axis=1)]
    )


@keras_test
def test_hard_voting_is_the_share_of_votes(fitted, digits):
    X, _ = digits
    hard = clone(fitted).set_params(voting="hard")
    hard.__dict__.update({k: v for k, v in vars(fitted).items() if k.endswith("_")})
    votes = fitted.member_predict_proba(X).argmax(axis=2)
    expected = np.stack([(votes == label).mean(axis=0) for label in range(3)], axis=1)
    np.testing.assert_array_equal(hard.predict_proba(X), expected)


@keras_test
def test_types_of_the_same_numbers_give_the_same_results(fitted, tiny, digits):
    X, y = digits
    expected = fitted.member_predict_proba(X)
    for dtype in (np.float32, np.float64, np.int64):
        np.testing.assert_array_equal(fitted.member_predict_proba(X.astype(dtype)), expected)
    refitted = tiny(1).fit(X.astype(np.float64), y)
    np.testing.assert_array_equal(refitted.member_predict_proba(X), expected[:1])


@keras_test
def test_flat_with_image_shape_equals_images(fitted, tiny, digits):
    X, y = digits
    flat = tiny(1, image_shape=(8, 8)).fit(X.reshape(90, 64), y)
    assert flat.n_features_in_ == 64
    expected = fitted.member_predict_proba(X)
    np.testing.assert_array_equal(flat.member_predict_proba(X.reshape(90, 64)), expected[:1])
    np.testing.assert_array_equal(fitted.member_predict_proba(X[..., None]), expected)


@keras_test
def test_flat_without_image_shape_is_a_row_of_pixels(tiny, digits):
    X, y = digits
    ensemble = tiny(1).fit(X.reshape(90, 64), y)
    assert ensemble.sample_shape_ == (1, 64, 1)
    assert ensemble.predict(X.reshape(90, 64)).shape == (90,)


@keras_test
@pytest.mark.parametrize(
    "names",
    [np.array(["zero", "one", "two"]), np.array([-7, 40, 1000]), np.array(["b", "a", "b"], object)],
)
def test_labels_of_any_kind(fitted, tiny, digits, names):
    X, codes = digits
    ensemble = tiny(1, validation_fraction=None).fit(X, names[codes])
    np.testing.assert_array_equal(ensemble.classes_, np.unique(names))
    predicted = ensemble.predict(X)
    assert predicted.dtype == ensemble.classes_.dtype
    assert set(predicted) <= set(names)


@keras_test
def test_bool_labels_are_learnt(tiny, digits):
    X, y = digits
    ensemble = tiny(1, epochs=15, validation_fraction=None).fit(X, y == 0)
    assert ensemble.classes_.dtype == bool
    assert ensemble.score(X, y == 0) > 0.9


@keras_test
def test_a_class_with_one_row(tiny, digits):
    X, y = digits
    y = np.where(np.arange(90) == 50, 9, y)
    ensemble = tiny(1, validation_fraction=0.5).fit(X, y)
    np.testing.assert_array_equal(ensemble.classes_, [0, 1, 2, 9])
    assert ensemble.predict_proba(X).shape == (90, 4)


@keras_test
def test_early_stopping_keeps_the_best_epoch(tiny, digits):
    X, y = digits
    space = CNNSpace(n_blocks=[1], filters=[4], dense_units=[10], learning_rate=(0.3, 0.3))
    ensemble = tiny(1, space=space, epochs=30, n_iter_no_change=2).fit(X, y)
    losses = ensemble.history_[0]["val_loss"]
    assert len(losses) < 30
    assert min(losses) == losses[-3]
    # The weights are those of that epoch: its loss comes out again.
    from skprune.ensemble._data import validation_rows

    held_out = validation_rows(y, 0.1, ensemble.seed_)
    of_truth = ensemble.predict_proba(X[held_out])[np.arange(held_out.sum()), y[held_out]]
    assert -np.log(of_truth).mean() == pytest.approx(min(losses), rel=1e-3)


@keras_test
def test_rows_of_zero_weight_are_as_if_absent(tiny, digits):
    X, y = digits
    weights = np.where(np.arange(90) % 3 == 0, 0.0, 1.0)
    kept = weights > 0
    weighted = tiny(1).fit(X, y, sample_weight=weights)
    absent = tiny(1).fit(X[kept], y[kept], sample_weight=weights[kept])
    np.testing.assert_array_equal(weighted.member_predict_proba(X), absent.member_predict_proba(X))


@keras_test
def test_global_random_state_is_left_alone(tiny, digits):
    import tensorflow as tf
    from tensorflow.python.eager import context

    X, y = digits
    tf.random.set_seed(5)
    numpy_before, python_before = global_numpy_state(), random.getstate()
    tiny(1, random_state=None).fit(X, y).predict(X)
    np.testing.assert_array_equal(global_numpy_state(), numpy_before)
    assert random.getstate() == python_before
    assert context.global_seed() == 5
    drawn = tf.random.uniform([3]).numpy()
    tf.random.set_seed(5)
    np.testing.assert_array_equal(tf.random.uniform([3]).numpy(), drawn)


@keras_test
def test_verbose_tells_of_each_member(tiny, digits, capfd):
    tiny(2, verbose=1).fit(*digits)
    out, err = capfd.readouterr()
    assert err == ""
    assert re.search(r"\[1/2\] member \d: .* s, 1 epochs, loss .*val_loss", out)
    assert out.count("\n") == 2


@keras_test
def test_a_data_frame_keeps_its_names(tiny, digits):
    pandas = pytest.importorskip("pandas")
    X, y = digits
    frame = pandas.DataFrame(X.reshape(90, 64), columns=[f"p{i}" for i in range(64)])
    ensemble = tiny(1, image_shape=(8, 8)).fit(frame, pandas.Series(y))
    assert list(ensemble.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        ensemble.predict(frame[frame.columns[::-1]])


@keras_test
@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((5, 7, 8), [r"\(7, 8, 1\)", r"\(8, 8, 1\)"]),
        ((5, 8, 8, 3), [r"\(8, 8, 3\)", r"\(8, 8, 1\)"]),
        ((5, 64), [r"\(1, 64, 1\)", r"\(8, 8, 1\)"]),
    ],
)
def test_samples_of_another_shape_are_refused(fitted, shape, words):
    for word in words:
        with pytest.raises(ValueError, match=word):
            fitted.predict(np.zeros(shape))


@keras_test
def test_nan_is_refused_at_prediction(fitted):
    with pytest.raises(ValueError, match="NaN"):
        fitted.predict(np.full((2, 8, 8), np.nan))


def test_not_fitted():
    with pytest.raises(NotFittedError):
        RandomCNNEnsembleClassifier().predict(np.zeros((2, 8, 8)))


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("n_estimators", 0, ValueError),
        ("n_estimators", 2.0, TypeError),
        ("n_estimators", True, TypeError),
        ("space", "paper", TypeError),
        ("image_shape", 8, TypeError),
        ("image_shape", "88", TypeError),
        ("image_shape", (8,), ValueError),
        ("image_shape", (8, 0), ValueError),
        ("image_shape", (8, 8.0), ValueError),
        ("image_shape", (5, 5), ValueError),
        ("epochs", 0, ValueError),
        ("batch_size", -1, ValueError),
        ("batch_size", None, TypeError),
        ("validation_fraction", 1.0, ValueError),
        ("validation_fraction", -0.1, ValueError),
        ("validation_fraction", float("nan"), ValueError),
        ("validation_fraction", "0.1", TypeError),
        ("n_iter_no_change", 0, ValueError),
        ("voting", "weighted", ValueError),
        ("memory", 3, ValueError),
        ("n_jobs", 0, ValueError),
        ("n_jobs", 1.5, TypeError),
        ("n_jobs", "2", TypeError),
        ("n_jobs", True, TypeError),
        ("n_jobs", 10**30, ValueError),
        ("n_estimators", 10**30, ValueError),
        ("voting", np.array(["soft"]), ValueError),
        ("memory", "", ValueError),
        ("random_state", -1, ValueError),
        ("random_state", "a", TypeError),
        ("verbose", -1, ValueError),
    ],
)
def test_wrong_arguments_are_named(digits, argument, value, error):
    X, y = digits
    ensemble = RandomCNNEnsembleClassifier(**{argument: value})
    with pytest.raises(error, match=argument) as caught:
        ensemble.fit(X.reshape(90, 64), y)
    assert "got" in str(caught.value).lower() or argument == "image_shape"


def bad_data():
    X, y = np.zeros((6, 4, 4)), np.array([0, 1] * 3)
    nan = np.where(np.arange(6)[:, None, None] == 2, np.nan, X)
    yield "NaN", (nan, y)
    yield "infinity", (X + 1e300, y)
    yield "one class", (X, np.zeros(6))
    yield "[Mm]ultilabel", (X, np.eye(2, dtype=int)[y])
    yield "inconsistent numbers of samples", (X, y[:5])
    yield "Unknown label type", (X, np.linspace(0, 1, 6))
    yield "dimensions", (np.zeros((6, 2, 2, 2, 2)), y)
    yield "sample_weight", (X, y, np.zeros(6))
    yield "sample_weight", (X, y, [-1, 1, 1, 1, 1, 1])
    yield "class", (X, y, [1, 0, 1, 0, 1, 0])
    yield "sample_weight", (X, y, [1, 1])


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize(("words", "data"), list(bad_data()))
def test_wrong_data_are_named_before_anything_is_trained(words, data):
    with pytest.raises(ValueError, match=words):
        RandomCNNEnsembleClassifier().fit(*data)


def test_parameters_survive_clone_and_memory_objects(tmp_path):
    assert is_classifier(RandomCNNEnsembleClassifier())
    original = RandomCNNEnsembleClassifier(
        3, space=CNNSpace.paper(), image_shape=(8, 8), memory=Memory(tmp_path, verbose=0)
    )
    copy = clone(original)
    assert copy.space == CNNSpace.paper()
    assert copy.memory.location == original.memory.location
    assert "space=CNNSpace" in repr(copy)
