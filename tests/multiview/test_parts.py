"""What the multi-view classifier is made of, and what it refuses."""

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError

from skprune.ensemble import CNNArchitecture, ConvBlock
from skprune.multiview import MultiViewCNNClassifier
from skprune.multiview._data import as_mask, as_views, fill_missing

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


class TestNetworkParts:
    pytestmark = keras_test

    def test_tower_and_head_are_the_network_of_a_member(self):
        from skprune.ensemble._builder import build_cnn, build_tower_and_head

        whole = build_cnn(TINY, (6, 5, 2), 4, offset=3.0, scale=2.0, seed=7)
        tower, head = build_tower_and_head(TINY, (6, 5, 2), 4, offset=3.0, scale=2.0, seed=7)
        parts = [*tower.get_weights(), *head.get_weights()]
        for a, b in zip(whole.get_weights(), parts, strict=True):
            np.testing.assert_array_equal(a, b)
        X = np.random.default_rng(0).normal(size=(3, 6, 5, 2)).astype(np.float32)
        np.testing.assert_array_equal(whole(X), head(tower(X)))

    def test_a_tower_for_each_view(self, fitted, data, mask):
        from skprune.multiview._network import predict_views

        X = data[0][..., None]
        tower, head = fitted.tower_, fitted.head_
        other = make(epochs=1, random_state=5).fit(*data).tower_
        found = predict_views([tower, other, tower], head, X[:6])
        features = np.stack(
            [np.asarray(t(X[:6, v].astype(float))) for v, t in enumerate([tower, other, tower])]
        )
        np.testing.assert_allclose(found, head(features.max(axis=0)), rtol=1e-4, atol=1e-6)
        dropped = predict_views([tower, None, tower], head, X, mask | [True, False, False])
        expected = fitted.predict_proba(
            data[0], mask=(mask | [True, False, False]) & [True, False, True]
        )
        np.testing.assert_allclose(dropped, expected, rtol=1e-4, atol=1e-6)
        copies = predict_views(
            [tower, tower, other], head, X, np.tile([True, True, False], (100, 1))
        )
        expected = fitted.predict_proba(data[0], mask=[True, True, False])
        np.testing.assert_allclose(copies, expected, rtol=1e-4, atol=1e-6)
        with pytest.raises(ValueError, match="each view, 3; got 2"):
            predict_views([tower, tower], head, X)
        with pytest.raises(ValueError, match=r"100 of 100 samples .* views \[0, 2\] were dropped"):
            predict_views([None, tower, None], head, X, np.tile([True, False, True], (100, 1)))

    def test_towers_of_their_own_are_one_function_once_that_pays(self, fitted, data, mask):
        import keras

        from skprune._keras import _joint_prediction, record_eager_time, seconds_to_compile
        from skprune.multiview._network import predict_views

        X = data[0][..., None].astype(np.float32)
        copies = [keras.models.clone_model(fitted.tower_) for _ in range(2)]
        for seed, copy in enumerate(copies):
            rng = np.random.default_rng(seed)
            copy.set_weights([w + rng.normal(0, 0.01, w.shape) for w in copy.get_weights()])
        towers = [copies[0], copies[1], copies[0]]  # two views share one
        expected = predict_views(towers, fitted.head_, X, mask)
        assert _joint_prediction._COMPILED not in vars(copies[0])
        for copy in copies:
            record_eager_time(copy, seconds_to_compile() / 2)
        found = predict_views(towers, fitted.head_, X, mask)
        assert len(vars(copies[0])[_joint_prediction._COMPILED]) == 1
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        # Pixels of views that are not there may be anything.
        holes = np.where(mask[:, :, None, None, None], X, np.nan)
        found = predict_views(towers, fitted.head_, holes, mask)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)

    def test_predictions_come_in_bounded_batches(self, fitted, data, mask, monkeypatch):
        from skprune._keras import _joint_prediction, row_groups, widest_output
        from skprune.multiview import _network as _multi_view_network

        X = data[0]
        whole = fitted.predict_proba(X, mask)
        monkeypatch.setattr(_joint_prediction, "_BYTES", 4 * 120 * 20)
        monkeypatch.setattr(_multi_view_network, "_MOST_ROWS", 30)
        numbers = widest_output(fitted.tower_)
        assert row_groups([numbers]) == [(slice(0, 1), 16)]
        assert 16 <= 120 * 20 / numbers < 32  # a power of two
        np.testing.assert_allclose(fitted.predict_proba(X, mask), whole, rtol=1e-4, atol=1e-6)

    @pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
    @pytest.mark.parametrize("pooling", ["max", "mean"])
    def test_the_whole_model_can_be_saved(self, fitted, data, mask, tmp_path, pooling):
        import keras

        from skprune.multiview._network import build_multi_view
        from skprune.multiview._plan import MultiViewPlan

        model = build_multi_view(MultiViewPlan(TINY, (3, 6, 5, 1), 4, pooling, 0.0, 1.0, 0)).model
        model.save(tmp_path / "m.keras")
        loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
        inputs = [data[0][..., None].astype(np.float32), mask]
        np.testing.assert_array_equal(loaded(inputs), model(inputs))

    @pytest.mark.parametrize("pooling", ["max", "mean"])
    def test_missing_views_get_no_gradient(self, mask, pooling):
        import tensorflow as tf

        from skprune.multiview._network import pool_views

        features = tf.Variable(np.random.default_rng(0).normal(size=(100, 3, 4)))
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(pool_views(features, mask, pooling))
        gradient = np.asarray(tape.gradient(total, features))
        assert (gradient[~mask] == 0).all()
        np.testing.assert_allclose(gradient.sum(axis=1), 1)


class TestData:
    def test_missing_views_are_filled_by_the_next(self):
        images = np.arange(12.0).reshape(3, 4, 1, 1, 1)
        mask = np.array([[True, False, False, True], [False, True, False, False], [True] * 4])
        filled = fill_missing(images, mask)[..., 0, 0, 0]
        np.testing.assert_array_equal(filled, [[0, 3, 3, 3], [5, 5, 5, 5], [8, 9, 10, 11]])
        assert fill_missing(images, np.ones((3, 4), bool)) is images

    def test_layouts(self):
        X = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
        assert as_views(X, None).shape == (2, 3, 4, 5, 1)
        assert as_views(X.reshape(2, 60), None).shape == (2, 1, 1, 60, 1)
        np.testing.assert_array_equal(as_views(X.reshape(2, 60), (3, 4, 5))[..., 0], X)
        assert np.shares_memory(as_views(X, (3, 4, 5, 1)), X)
        with pytest.raises(ValueError, match=r"view_shape=\(3, 4, 4\) has 48 pixels.* 60 features"):
            as_views(X.reshape(2, 60), (3, 4, 4))
        with pytest.raises(
            ValueError, match=r"view_shape=\(2, 4, 5\).* have the shape \(3, 4, 5\)"
        ):
            as_views(X, (2, 4, 5))
        with pytest.raises(ValueError, match="no pixels"):
            as_views(np.zeros((2, 0, 4, 5)), None)

    def test_masks(self):
        np.testing.assert_array_equal(as_mask(None, 2, 3), np.ones((2, 3)))
        np.testing.assert_array_equal(as_mask([True, False], 3, 2), [[True, False]] * 3)
        for wrong in ([1, 0], [[True, False]], np.ones((2, 3), bool), "ab"):
            with pytest.raises(
                ValueError, match=r"mask must be an array of bool of shape \(3, 2\)"
            ):
                as_mask(wrong, 3, 2)


@keras_test
@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((5, 2, 6, 5), [r"2 view\(s\)", r"\(3, 6, 5, 1\)", "Pass all 3 views", "mask="]),
        ((5, 4, 6, 5), [r"4 view\(s\)", "Pass all 3 views"]),
        ((5, 3, 7, 5), [r"\(7, 5, 1\)", r"\(6, 5, 1\)"]),
        ((5, 3, 6, 5, 3), [r"\(6, 5, 3\)", r"\(6, 5, 1\)"]),
        ((5, 3, 6), ["3 dimensions"]),
        ((5, 90), [r"1 view\(s\)"]),
    ],
)
def test_other_views_are_refused(fitted, shape, words):
    for word in words:
        with pytest.raises(ValueError, match=word):
            fitted.predict(np.zeros(shape))


@keras_test
def test_wrong_pixels_and_masks_at_prediction(fitted, data):
    X = data[0][:4].astype(np.float32)
    with pytest.raises(ValueError, match="leaves 1 of 4 without any, the first is sample 2"):
        fitted.predict(X, mask=np.arange(4)[:, None].repeat(3, axis=1) != 2)
    with pytest.raises(ValueError, match=r"bool of shape \(4, 3\) or \(3,\)"):
        fitted.score(X, [0, 1, 2, 0], mask=[True] * 4)
    X[1, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        fitted.predict(X)
    fitted.predict(X, mask=[True, False, True])


def test_not_fitted():
    model = MultiViewCNNClassifier()
    assert is_classifier(model)
    for name in ("tower_", "head_", "model_"):
        assert not hasattr(model, name)
    with pytest.raises(NotFittedError):
        model.predict(np.zeros((2, 3, 4, 4)))
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


def bad_data():
    X, y = np.zeros((6, 2, 4, 4)), np.array([0, 1] * 3)
    nan = np.where(np.arange(6)[:, None, None, None] == 2, np.nan, X)
    yield "NaN", {"X": nan, "y": y}
    yield "infinity", {"X": X + 1e300, "y": y}
    yield "one class", {"X": X, "y": np.zeros(6)}
    yield "[Mm]ultilabel", {"X": X, "y": np.eye(2, dtype=int)[y]}
    yield "inconsistent numbers of samples", {"X": X, "y": y[:5]}
    yield "Unknown label type", {"X": X, "y": np.linspace(0, 1, 6)}
    yield "dimensions", {"X": X[:, 0], "y": y}
    yield "sample_weight", {"X": X, "y": y, "sample_weight": np.zeros(6)}
    yield "sample_weight", {"X": X, "y": y, "sample_weight": [1, 0, 1, 0, 1, 0]}
    yield "mask", {"X": X, "y": y, "mask": np.ones((6, 2))}
    yield "mask", {"X": X, "y": y, "mask": np.ones((5, 2), bool)}
    yield "leaves 1 of 6", {"X": X, "y": y, "mask": np.arange(12).reshape(6, 2) > 1}


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize(("words", "data"), list(bad_data()))
def test_wrong_data_are_named_before_anything_is_trained(words, data):
    with pytest.raises(ValueError, match=words):
        MultiViewCNNClassifier().fit(**data)
