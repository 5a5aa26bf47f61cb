"""Towers pruned view by view: copies and slices against hand computations, and the estimator."""

import io
import pickle
import random
import warnings
from types import SimpleNamespace

import joblib
import keras
import numpy as np
import pytest
from keras import layers
from scipy.interpolate import PchipInterpolator
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import isotonic_regression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.utils.estimator_checks import parametrize_with_checks

from skprune import MultiViewCNNClassifier, PrunedMultiViewClassifier
from skprune.amount import importance_inverse_amounts
from skprune.ensemble import CNNArchitecture, ConvBlock
from skprune.exceptions import InfeasibleLimitsWarning
from skprune.multiview import ViewNetworks, _evaluator, view_importance
from skprune.multiview import _training as _multi_view_training
from skprune.multiview._evaluator import ViewBench, ViewSamples
from skprune.multiview._nested import NestedTowers
from skprune.multiview._slice_norm import SliceNorm
from skprune.multiview._towers import assemble
from skprune.sparsity import _sweep, fine_tune, prune_channels, recover

from ..ensemble.random_features import views_by_their_head
from ..sparsity.networks import randomize as randomise

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras's own
]

SMALL = CNNArchitecture((ConvBlock((4, 8), "max"),), dense_units=8, dropout=0.1, learning_rate=2e-2)
AMOUNTS = [0.0, 0.5, 0.75, 0.25]  # of the four views
NAMES = np.array(["ash", "birch", "cedar"])


def cnn(**params):
    """The smallest classifier; its batches are whole epochs, so that Keras traces once."""
    defaults = {"architecture": SMALL, "epochs": 12, "batch_size": 256, "random_state": 0}
    return MultiViewCNNClassifier(**{**defaults, **params})


def pruned(estimator, **params):
    """Without fine-tuning, which nearly all of the time is spent on, unless it is asked for."""
    defaults = {"amounts": [0, 0.5], "round_to": 2, "fine_tune_epochs": 0, "random_state": 0}
    return PrunedMultiViewClassifier(estimator, **{**defaults, **params})


def tuned(estimator, **params):
    return pruned(estimator, **{"fine_tune_epochs": 1, "learning_rate": 1e-2, **params})


@pytest.fixture(autouse=True)
def untimed(request, monkeypatch):
    """Timing traces networks, which takes longer than all else; those of the module are timed."""
    if "timed" not in request.fixturenames:
        once = SimpleNamespace(median=1e-3, hardware="none", threads=1, batch_size=1)
        ratio = SimpleNamespace(ratio=0.5, q25=0.4, q75=0.6)
        for module in (_sweep, _evaluator):
            monkeypatch.setattr(module, "latency", lambda *args, **kwargs: once)
            monkeypatch.setattr(module, "latency_ratio", lambda *args, **kwargs: ratio)


@pytest.fixture
def timed():
    """Nothing is replaced."""


@pytest.fixture
def untrained(monkeypatch):
    """Training takes milliseconds."""
    monkeypatch.setattr(_multi_view_training, "train_multi_view", views_by_their_head)


@pytest.fixture(scope="module")
def data():
    """Four views of 8 x 8; view 1 tells the classes, view 3 less, and a tenth is labelled wrong."""
    rng = np.random.default_rng(0)
    X, codes = rng.integers(0, 60, size=(160, 4, 8, 8)), np.arange(160) % 3
    for view, light in ((1, 90), (3, 15)):
        X[codes == 1, view, :4] += light
        X[codes == 2, view, 4:] += light
    codes[::10] = (codes[::10] + 1) % 3
    return X.astype(np.uint8), NAMES[codes]


@pytest.fixture(scope="module")
def mask():
    """Seven views of ten are there, view 1 or view 3 of every sample among them."""
    present = np.random.default_rng(1).random((160, 4)) < 0.7
    present[:, 1] |= ~present[:, 3]
    return present


@pytest.fixture(scope="module")
def frozen(data):
    """Not to be changed, which is looked at when all is done."""
    fitted = cnn().fit(*data)
    before = fitted.model_.get_weights()
    yield FrozenEstimator(fitted)
    for one, other in zip(before, fitted.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def copies(frozen, data):
    """Amounts found and fine-tuned; not to be changed."""
    return tuned(frozen, min_accuracy=0.6).fit(*data)


@pytest.fixture(scope="module")
def nested(frozen, data):
    """Amounts given, view 2 dropped; not to be changed."""
    settings = {"towers": "nested", "view_amounts": [0, 0.5, 1, 0.75], "amounts": [0]}
    return tuned(frozen, **settings).fit(*data)


@pytest.fixture(scope="module", params=["copies", "nested"])
def fitted(request):
    return request.getfixturevalue(request.param)


def by_hand(networks, X, mask=None, pooling="max"):
    """Probabilities one sample and one view at a time, with NumPy between towers and head."""
    found = []
    for number, views in enumerate(X[..., None].astype(np.float32)):
        features = [
            np.asarray(tower(views[v : v + 1]))[0]
            for v, tower in enumerate(networks.towers)
            if tower is not None and (mask is None or mask[number, v])
        ]
        pooled = {"max": np.max, "mean": np.mean}[pooling](features, axis=0)
        found.append(np.asarray(networks.head(pooled[None]))[0])
    return np.stack(found)


def split(y, random_state=0, fraction=0.25):
    """The rows that are trained on and those that are held out, and the seed that drew them."""
    seed = int(np.random.RandomState(random_state).randint(2**31 - 1))
    rows = np.arange(len(y))
    parts = train_test_split(rows, test_size=fraction, stratify=y, random_state=seed)
    return np.sort(parts[0]), np.sort(parts[1]), seed


def same_bits(one, other):
    for a, b in zip(all_weights(one), all_weights(other), strict=True):
        np.testing.assert_array_equal(a, b)


def all_weights(model):
    networks = model.networks_
    models = [tower for tower in networks.towers if tower is not None] + [networks.head]
    return [weight for each in models for weight in each.get_weights()]


def n_bytes(*models):
    return sum(weight.nbytes for model in models for weight in model.get_weights())


# Towers of one network


def residual(x):
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    y = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(x))
    x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Concatenate()([x, layers.Conv2D(4, 1)(x)])
    return layers.Dense(6, activation="relu")(layers.Flatten()(layers.MaxPooling2D(4)(x)))


@pytest.fixture
def tower():
    x = keras.Input((8, 8, 1))
    return randomise(keras.Model(x, residual(x)))


@pytest.fixture
def head():
    x = keras.Input((6,))
    return randomise(keras.Model(x, layers.Dense(3, activation="softmax")(x)))


def pixels(n=12, n_views=4):
    return np.random.default_rng(3).normal(size=(n, n_views, 8, 8, 1)).astype(np.float32)


def some_views(n=12, n_views=4, always=0):
    present = np.random.default_rng(4).random((n, n_views)) < 0.6
    present[:, always] = True
    return present


VIEWS = (0, 2, 3)  # view 1 is dropped


def slices_of(tower):
    return NestedTowers.of(tower, np.array([0.25, 0.75, 0.5]), VIEWS, round_to=1)


def test_slices_are_the_tower_pruned(tower):
    whole = tower.get_weights()
    nested = slices_of(tower)
    towers = nested.cut(4)
    assert towers[1] is None
    for view, amount in zip(VIEWS, (0.25, 0.75, 0.5), strict=True):
        expected = prune_channels(tower, amount, round_to=1)
        for a, b in zip(towers[view].get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    # What is stored is as wide as the widest of them, not as the whole tower.
    assert nested.tower.count_params() == towers[0].count_params() < tower.count_params()
    for a, b in zip(whole, tower.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def view_by_view(towers, images):
    return np.stack(
        [np.asarray(t(images[:, v])) for v, t in enumerate(towers) if t is not None], axis=1
    )


def test_the_masked_tower_predicts_what_the_slices_do(tower):
    nested = slices_of(tower)
    masked = nested.masked(4)
    assert masked[1] is None
    assert len({id(each) for each in masked} - {id(None)}) == 1
    images = pixels()
    found = np.asarray(masked[0](images[:, list(VIEWS)].reshape(-1, 8, 8, 1))).reshape(12, 3, 6)
    expected = view_by_view(nested.cut(4), images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    # The order of the rows matters, and so do the masks.
    whole = np.asarray(nested.tower(images[:, 2]))
    assert np.abs(found[:, 1] - whole).max() > 1e-2


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_masked_and_sliced_towers_agree_before_and_after_training(tower, head, pooling):
    nested, images, present = slices_of(tower), pixels(), some_views()
    masked = ViewNetworks(nested.masked(4), head, pooling)
    sliced = ViewNetworks(nested.cut(4), head, pooling)
    model = assemble(masked, (4, 8, 8, 1))
    before = sliced.predict_proba(images, present)
    np.testing.assert_allclose(model([images, present]), before, rtol=1e-4, atol=1e-6)
    kept = [variable.numpy() for variable in nested.tower.trainable_variables]
    y = np.arange(12) % 3
    trained = recover(
        model, [images, present], y, epochs=2, batch_size=6, learning_rate=1e-2, random_state=0
    )
    networks = masked.retrained(trained)
    assert networks.distinct == [networks.towers[0]]  # one tower, as before
    assert [each is None for each in networks.towers] == [False, True, False, False]
    nested = nested.trained(networks.distinct[0])
    for old, new in zip(kept, nested.tower.trainable_variables, strict=True):
        assert not np.array_equal(old, new.numpy())
    for mean, variance in nested.norms.values():  # each slice has its own
        assert len(mean) == len(variance) == 3
        assert not np.allclose(mean[0], mean[1])
    after = ViewNetworks(nested.cut(4), networks.head, pooling).predict_proba(images, present)
    found = trained([images, present])
    np.testing.assert_allclose(found, after, rtol=1e-4, atol=1e-6)
    assert np.abs(after - before).max() > 1e-2
    # Taken up again from what is saved, it is the same.
    again = NestedTowers.from_kept(nested.tower, nested.slices.kept, VIEWS, nested.norms).cut(4)
    for one, other in zip(again, nested.cut(4), strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one(images[:, 0]), other(images[:, 0]))


def test_the_norm_of_slices_is_batch_normalisation_slice_by_slice():
    """Against Keras's own, one for each slice, in training and in prediction."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(20, 3, 5, 5, 4)) * [[[[1, 2, 3, 4]]]]).astype("float32")
    x[:, 1] += 7  # another slice
    layer = SliceNorm([0, 1, 0], momentum=0.5)
    flat = x.reshape(-1, 5, 5, 4)
    trained = np.asarray(layer(flat, training=True)).reshape(x.shape)
    predicted = np.asarray(layer(flat, training=False)).reshape(x.shape)
    for views in ([0, 2], [1]):
        own = keras.layers.BatchNormalization(momentum=0.5)
        part = x[:, views].reshape(-1, 5, 5, 4)
        for found, training in ((trained, True), (predicted, False)):
            expected = np.asarray(own(part, training=training))
            got = found[:, views].reshape(part.shape)
            np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-3)


def test_views_of_equal_amounts_share_a_slice(tower):
    nested = NestedTowers.of(tower, np.array([0.5, 0.0, 0.5]), (0, 1, 2), round_to=1)
    towers = nested.cut(3)
    assert towers[0] is towers[2] is not towers[1]
    assert len(ViewNetworks(towers, None, "max").distinct) == 2


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_one_model_of_shared_and_dropped_towers(tower, head, pooling):
    """Views of one tower are not neighbours, and the first view of a sample may be missing."""
    other = prune_channels(tower, 0.5, round_to=1)
    networks = ViewNetworks((other, tower, None, other, tower), head, pooling)
    images, present = pixels(9, 5), some_views(9, 5, always=3)
    model = assemble(networks, (5, 8, 8, 1))
    expected = by_hand(networks, images[..., 0], present, pooling)
    found = model([images, present])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    every = by_hand(networks, images[..., 0], None, pooling)
    assert np.abs(every - expected).max() > 1e-2
    np.testing.assert_allclose(
        networks.predict_proba(images, present), expected, rtol=1e-4, atol=1e-6
    )
    again = networks.retrained(fine_tune(model, [images, present], np.zeros(9), epochs=0))
    assert again.towers[0] is again.towers[3] is not again.towers[1]
    assert again.towers[1] is again.towers[4]
    assert again.towers[2] is None
    assert not {id(m) for m in again.distinct} & {id(m) for m in networks.distinct}
    np.testing.assert_array_equal(
        again.predict_proba(images, present), networks.predict_proba(images, present)
    )


def test_costs_count_shared_towers_once_and_their_arithmetic_often(tower, head):
    other = prune_channels(tower, 0.5, round_to=1)
    cost = ViewNetworks((other, tower, None, other, tower), head, "max").cost()
    assert cost.dense_bytes == n_bytes(tower, other, head)
    both = ViewNetworks((tower,), head, "max").cost(), ViewNetworks((other,), head, "max").cost()
    of_head = 6 * 3
    assert cost.macs == 2 * sum(each.macs - of_head for each in both) + of_head


def test_a_missing_view_is_filled_by_the_same_view_of_others():
    images = np.arange(5.0)[:, None] + np.array([0.0, 10.0, 20.0])
    mask = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 0], [1, 0, 0]], dtype=bool)
    samples = ViewSamples(images.reshape(5, 3, 1, 1, 1), mask, np.zeros(5))
    filled = samples.filled_by_view().images[..., 0, 0, 0]
    np.testing.assert_array_equal(filled[:, 0], images[:, 0])
    np.testing.assert_array_equal(filled[:, 1], [11, 11, 13, 13, 11])
    np.testing.assert_array_equal(filled[:, 2], images[:, 2])  # nobody has it
    whole = ViewSamples(samples.images, np.ones_like(mask), samples.y)
    assert whole.filled_by_view() is whole


def test_batch_normalisation_of_a_copy_sees_its_own_view_only(frozen, data):
    """View 0 is dark and view 2 bright; where one is missing, the other must not stand in."""
    X = data[0].copy()
    X[:, 2] += 150
    mask = np.ones((160, 4), dtype=bool)
    mask[::2, 0], mask[1::2, 2] = False, False
    model = tuned(frozen, view_amounts=[0.5] * 4, amounts=[0]).fit(X, data[1], mask=mask)
    train, _, _ = split(data[1])
    for view in (0, 2):
        own = X[train][mask[train, view], view][..., None].astype(np.float32)
        tower = model.networks_.towers[view]
        norm = tower.get_layer("block1_norm")
        before = keras.Model(tower.inputs[0], norm.input)
        expected = np.asarray(before(own)).mean(axis=(0, 1, 2))
        # The samples that fill the gaps are counted more than once.
        scale = np.sqrt(norm.moving_variance.numpy())
        away = np.abs(norm.moving_mean.numpy() - expected) / scale
        assert away.max() < 0.2, view


# What a fit delivers


def test_what_is_there_after_fit(copies, data):
    X, y = data
    assert is_classifier(copies)
    np.testing.assert_array_equal(copies.classes_, NAMES)
    assert copies.view_shape_ == (4, 8, 8, 1)
    assert copies.n_features_in_ == 4
    assert len(copies.networks_.distinct) == 4  # of their own, each
    assert copies.networks_.pooling == "max"
    p = copies.predict_proba(X)
    assert p.dtype == np.float32
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(copies.predict(X), NAMES[p.argmax(axis=1)])
    assert copies.score(X, y) == np.mean(copies.predict(X) == y)
    assert copies.score(X, y) > 0.6
    np.testing.assert_array_equal(copies.sweep_.amounts, [0, 0.5])
    assert copies.delivered_.amount == pytest.approx(copies.amounts_.mean())
    assert copies.unpruned_.amount == 0


def test_predictions_by_hand(fitted, data, mask):
    X = data[0][:8]
    expected = by_hand(fitted.networks_, X)
    np.testing.assert_allclose(fitted.predict_proba(X), expected, rtol=1e-4, atol=1e-6)
    there = mask[:8]
    expected = by_hand(fitted.networks_, X, there)
    found = fitted.predict_proba(X, mask=there)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert np.abs(found - fitted.predict_proba(X)).max() > 1e-3
    for dtype in (np.float32, np.float64, np.int64):
        np.testing.assert_array_equal(
            fitted.predict_proba(X.astype(dtype), mask=list(there)), found
        )


def test_delivered_and_unpruned_accuracy(fitted, frozen, data):
    X, y = data
    _, held_out, _ = split(y)
    rows, truth = X[held_out], y[held_out]
    assert fitted.sweep_.n_validation == len(held_out) == 40
    assert fitted.delivered_.accuracy == np.mean(fitted.predict(rows) == truth)
    assert fitted.unpruned_.accuracy == np.mean(frozen.predict(rows) == truth)


def test_times(fitted, frozen, data):
    """Measured in the fixtures: of the sweep, and by turns with the unpruned network."""
    assert fitted.unpruned_.time == fitted.sweep_.time[0] > 0
    assert fitted.delivered_.time > 0
    assert fitted.sweep_.batch_size == 40  # of 64, as many as are held out
    replaced = pruned(frozen, view_amounts=AMOUNTS, amounts=[0], latency_batch_size=7).fit(*data)
    assert replaced.unpruned_.time == 1e-3
    assert replaced.delivered_.time == 0.5e-3


def test_what_is_timed(frozen, data, monkeypatch):
    """All views of a batch of held-out samples, through all towers and the head."""
    found = []

    def ratio(pruned, base, X, repeats):
        found.append((pruned(X), base(X), X))
        return SimpleNamespace(ratio=0.5)

    monkeypatch.setattr(_evaluator, "latency_ratio", ratio)
    settings = {"view_amounts": [0, 0.5, 1, 0.5], "amounts": [0], "latency_batch_size": 7}
    model = pruned(frozen, **settings).fit(*data)
    ((of_pruned, of_base, images),) = found
    rows = split(data[1])[1][:7]
    np.testing.assert_array_equal(images[..., 0], data[0][rows])
    np.testing.assert_allclose(of_pruned, model.predict_proba(data[0][rows]), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(of_base, frozen.predict_proba(data[0][rows]), rtol=1e-4, atol=1e-6)


def test_delivered_size(copies, nested, frozen):
    towers, head = copies.networks_.towers, copies.networks_.head
    assert copies.delivered_.size == pytest.approx(n_bytes(*towers, head) / 1e6)
    whole = frozen.estimator
    size = n_bytes(whole.tower_, whole.head_) / 1e6
    for model in (copies, nested):
        assert model.unpruned_.size == pytest.approx(size)
        assert model.sweep_.size[0] == pytest.approx(size)
    # View 0 is not pruned, and all others are slices of what it has.
    towers, head = nested.networks_.towers, nested.networks_.head
    # Each slice has means and variances of its own; the tower holds those of one.
    norms = [each for each in towers[0].layers if isinstance(each, keras.layers.BatchNormalization)]
    n_slices = len(nested.networks_.distinct)
    statistics = (n_slices - 1) * sum(2 * 4 * norm.moving_mean.shape[0] for norm in norms)
    assert nested.delivered_.size == pytest.approx((n_bytes(towers[0], head) + statistics) / 1e6)
    assert nested.delivered_.size == pytest.approx(size + statistics / 1e6)
    for view in (1, 3):
        kernel = towers[view].get_layer("block1_conv1").kernel.numpy()
        wide = towers[0].get_layer("block1_conv1").kernel.numpy()
        for channel in range(kernel.shape[-1]):
            assert (kernel[..., [channel]] == wide).all(axis=(0, 1, 2)).any()


def test_nested_slices_of_a_narrowed_tower(frozen, data):
    model = pruned(frozen, towers="nested", view_amounts=[0.5, 0.75, 1, 0.5]).fit(*data)
    towers, head = model.networks_.towers, model.networks_.head
    assert towers[0] is towers[3] is not towers[1]
    # The second slice has means and variances of its own, as floats of four bytes.
    norms = [each for each in towers[0].layers if isinstance(each, keras.layers.BatchNormalization)]
    statistics = sum(2 * 4 * norm.moving_mean.shape[0] for norm in norms)
    assert model.delivered_.size == pytest.approx((n_bytes(towers[0], head) + statistics) / 1e6)
    for view, amount in ((0, 0.5), (1, 0.75)):
        expected = prune_channels(frozen.estimator.tower_, amount, round_to=2)
        np.testing.assert_array_equal(towers[view](pixels()[:, 0]), expected(pixels()[:, 0]))
    given = ViewNetworks(towers, frozen.estimator.head_, "max")
    np.testing.assert_array_equal(
        model.predict_proba(data[0]), given.predict_proba(data[0][..., None])
    )


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


def test_given_amounts(nested, frozen, data):
    np.testing.assert_array_equal(nested.amounts_, [0, 0.5, 1, 0.75])
    assert not hasattr(nested, "view_amounts_")
    model = pruned(frozen, min_accuracy=0.6, amounts=[0]).fit(*data)
    assert hasattr(model, "view_amounts_")
    model.set_params(view_amounts=AMOUNTS).fit(*data)
    assert not hasattr(model, "view_amounts_")
    whole = frozen.estimator
    for view, amount in enumerate(AMOUNTS):
        expected = prune_channels(whole.tower_, amount, round_to=2).get_weights()
        for a, b in zip(model.networks_.towers[view].get_weights(), expected, strict=True):
            np.testing.assert_array_equal(a, b)
    # Nothing of the frozen network is held, not even where nothing was pruned or trained.
    own = {id(layer) for m in (whole.tower_, whole.head_) for layer in m.layers}
    networks = model.networks_
    assert not own & {id(layer) for m in (*networks.towers, networks.head) for layer in m.layers}


def test_importance_that_is_given(frozen, data):
    settings = {"min_accuracy": 0.5, "amounts": [0]}
    model = pruned(frozen, importance=[5, 0, 10, 2.5], **settings).fit(*data)
    np.testing.assert_array_equal(model.view_importances_, [5, 0, 10, 2.5])
    scale = model.view_amounts_.scale
    np.testing.assert_allclose(model.amounts_, scale * 0.9 * np.array([0.5, 1, 0, 0.75]))
    equal = pruned(frozen, importance=[3, 3, 3, 3], **settings).fit(*data)
    assert len(set(equal.amounts_)) == 1
    expected = float(equal.curve_.predict([[equal.amounts_[0]]])[0])
    assert equal.predicted_accuracy_ == pytest.approx(expected)


def test_importance_that_is_ranked(frozen, data, mask):
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


def test_fine_tuning_starts_from_what_pruning_leaves(copies, frozen):
    """And an epoch changes that by little."""
    whole = frozen.estimator.tower_.get_layer("block1_conv1").kernel.numpy()
    for tower in copies.networks_.towers:
        kernel = tower.get_layer("block1_conv1").kernel.numpy()
        away = np.abs(kernel[..., None] - whole[..., None, :]).max(axis=(0, 1, 2)).min(axis=1)
        assert (away > 0).all()
        assert (away < 0.05).all()


def test_rows_may_be_sorted_by_class():
    """Classes differ in brightness, which a normalization of one class alone does not let pass."""

    def views(n, seed):
        y = np.repeat(np.arange(4), n // 4)
        noise = np.random.default_rng(seed).integers(0, 20, size=(n, 2, 4, 4))
        return (noise + 60 * y[:, None, None, None]).astype(np.uint8), y

    (X, y), (X_test, y_test) = views(1400, 0), views(400, 1)
    deep = CNNArchitecture((ConvBlock((4, 4, 4), "max"),), 16, 0.0, learning_rate=2e-2)
    shuffled = np.random.default_rng(0).permutation(len(X))
    whole = cnn(architecture=deep, epochs=6, batch_size=128).fit(X[shuffled], y[shuffled])
    given = {"view_amounts": [0, 0.5], "amounts": [0]}
    fitted = tuned(FrozenEstimator(whole), **given).fit(X, y)
    assert fitted.sweep_.accuracy[0] > 0.99
    assert fitted.score(X_test, y_test) > 0.99


# Dropped and missing views


@pytest.mark.parametrize("towers", ["copies", "nested"])
def test_a_dropped_view_is_not_looked_at(frozen, data, towers):
    X, _ = data
    model = pruned(frozen, towers=towers, view_amounts=[0.5, 0, 1, 1], amounts=[0]).fit(*data)
    assert [tower is None for tower in model.networks_.towers] == [False, False, True, True]
    assert model.delivered_.amount == 0.625
    garbage = X.astype(np.float32)
    garbage[:, 2:] = np.nan
    expected = model.predict_proba(X)
    np.testing.assert_array_equal(model.predict_proba(garbage), expected)
    # Whether it is said to be there makes no difference.
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


def test_samples_of_dropped_views_only(frozen, data):
    """They are no part of fine-tuning, and count as wrong where they are held out."""
    X, y = data
    mask = np.ones((160, 4), dtype=bool)
    mask[::4] = [False, False, True, False]
    model = tuned(frozen, view_amounts=[0, 0, 1, 0.5], amounts=[0]).fit(X, y, mask=mask)
    _, held_out, _ = split(y)
    seen = held_out[mask[held_out][:, [0, 1, 3]].any(axis=1)]
    hits = (model.predict(X[seen], mask=mask[seen]) == y[seen]).sum()
    assert model.delivered_.accuracy == hits / len(held_out) < 0.85
    alone = np.tile([False, False, True, False], (160, 1))
    with pytest.raises(ValueError, match=r"has a view that is kept; the views \[2\] are dropped"):
        model.fit(X, y, mask=alone)


# Of other kinds


def test_one_view(data, untrained):
    X, y = data
    model = pruned(cnn(), min_accuracy=0.5).fit(X[:, [1]], y)
    assert model.view_shape_ == (1, 8, 8, 1)
    assert model.amounts_.shape == (1,)
    expected = 0.9 * model.view_amounts_.scale
    np.testing.assert_allclose(model.amounts_, expected)
    np.testing.assert_array_equal(model.view_importances_, [1])
    expected = by_hand(model.networks_, X[:5, [1]])
    np.testing.assert_allclose(model.predict_proba(X[:5, [1]]), expected, rtol=1e-4, atol=1e-6)


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
    np.testing.assert_allclose(
        model.predict_proba(X, mask=mask), by_itself.predict_proba(X, mask=mask), rtol=1e-4
    )
    same_bits(
        model,
        SimpleNamespace(networks_=ViewNetworks((by_itself.tower_,) * 4, by_itself.head_, "mean")),
    )
    np.testing.assert_array_equal(model.view_importances_, by_itself.view_importances_)
    accuracy = model.score(X[held_out], y[held_out], mask=mask[held_out])
    assert model.delivered_.accuracy == model.unpruned_.accuracy == pytest.approx(accuracy)
    expected = by_hand(model.networks_, X[:6], mask[:6], "mean")
    found = model.predict_proba(X[:6], mask=mask[:6])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert not hasattr(estimator, "classes_")


def test_fine_tuning_by_hand(frozen, data, mask):
    """With weights, where rows of weight zero have no part in anything, and missing views."""
    X, y = data
    garbage = X.astype(np.float32)
    garbage[~mask] = np.nan
    weights = np.where(np.arange(160) % 5 == 0, 0.0, 1.0 + np.arange(160) % 3)
    whole = pickle.loads(pickle.dumps(frozen.estimator)).set_params(view_pooling="mean")
    model = tuned(FrozenEstimator(whole), view_amounts=AMOUNTS, amounts=[0])
    model.fit(garbage, y, sample_weight=weights, mask=mask)
    expected = model.score(garbage, y, weights, mask)
    hits = model.predict(garbage, mask=mask) == y
    assert expected == pytest.approx(np.average(hits, weights=weights))
    kept = weights > 0
    X, y, present, weights = X[kept], y[kept], mask[kept], weights[kept]
    train, held_out, seed = split(y)
    images = X[train].copy()
    for view, there in enumerate(present[train].T):  # of other samples, the same view
        places = np.flatnonzero(there)
        for number, missing in enumerate(np.flatnonzero(~there)):
            images[missing, view] = images[places[number % len(places)], view]
    towers = tuple(prune_channels(whole.tower_, amount, round_to=2) for amount in AMOUNTS)
    networks = ViewNetworks(towers, whole.head_, "mean")
    networks = networks.retrained(
        recover(
            assemble(networks, (4, 8, 8, 1)),
            [images[..., None], present[train]],
            np.searchsorted(NAMES, y[train]),
            sample_weight=weights[train],
            epochs=1,
            learning_rate=1e-2,
            random_state=seed,
        )
    )
    same_bits(model, SimpleNamespace(networks_=networks))
    p = by_hand(networks, X[held_out], present[held_out], "mean")
    assert model.delivered_.accuracy == np.mean(NAMES[p.argmax(axis=1)] == y[held_out])


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_colours_and_flat_rows(data, untrained):
    pandas = pytest.importorskip("pandas")
    X, y = data
    coloured = np.stack([X[:, :2], X[:, :2] // 2], axis=-1)
    estimator = cnn(view_shape=(2, 8, 8, 2))
    settings = {"view_amounts": [0, 0.5], "amounts": [0]}
    model = pruned(estimator, **settings).fit(coloured, y)
    assert model.view_shape_ == (2, 8, 8, 2)
    frame = pandas.DataFrame(coloured.reshape(160, -1), columns=[f"p{i}" for i in range(256)])
    flat = pruned(estimator, **settings).fit(frame, pandas.Series(y))
    assert flat.n_features_in_ == 256
    assert list(flat.feature_names_in_) == list(frame.columns)
    expected = model.predict_proba(coloured)
    np.testing.assert_array_equal(flat.predict_proba(frame), expected)
    np.testing.assert_array_equal(flat.predict_proba(coloured), expected)
    with pytest.raises(ValueError, match="feature names"):
        flat.predict(frame[frame.columns[::-1]])
    with pytest.raises(ValueError, match="255 features"):
        flat.predict(frame[frame.columns[1:]].to_numpy())


# The same again


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
    same_bits(nested, again)
    np.testing.assert_array_equal(nested.sweep_.accuracy, again.sweep_.accuracy)
    np.testing.assert_array_equal(nested.predict_proba(data[0]), again.predict_proba(data[0]))


def test_pickles(fitted, data, mask):
    X, _ = data
    expected = fitted.predict_proba(X, mask=mask)
    text = pickle.dumps(fitted)
    loaded = pickle.loads(text)
    np.testing.assert_array_equal(loaded.predict_proba(X, mask=mask), expected)
    same_bits(loaded, fitted)
    assert loaded.delivered_ == fitted.delivered_
    again = pickle.loads(pickle.dumps(loaded))
    np.testing.assert_array_equal(again.predict_proba(X, mask=mask), expected)
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    np.testing.assert_array_equal(joblib.load(file).predict_proba(X, mask=mask), expected)
    # The frozen network stays behind, and the one that was pickled keeps it.
    assert isinstance(loaded.estimator, FrozenEstimator)
    assert not hasattr(loaded.estimator.estimator, "classes_")
    assert fitted.estimator.predict(X[:2]).shape == (2,)
    # Towers and head, each named twice in its archive: of nested ones, one tower holds all.
    n_networks = 2 if fitted.towers == "nested" else 5
    assert text.count(b"model.weights.h5") == 2 * n_networks


@pytest.fixture
def measurements(monkeypatch):
    """How many times accuracy was measured; `fails_at` is raised at."""
    counted = SimpleNamespace(n=0, fails_at=None)
    original = ViewBench._accuracy

    def counting(self, networks):
        counted.n += 1
        if counted.n == counted.fails_at:
            raise RuntimeError("the power went")
        return original(self, networks)

    monkeypatch.setattr(ViewBench, "_accuracy", counting)
    return counted


def test_memory_resumes_and_measures_nothing_twice(frozen, data, tmp_path, measurements):
    settings = {"memory": tmp_path, "view_amounts": AMOUNTS, "amounts": [0, 0.5, 0.75]}
    model = pruned(frozen, **settings)
    measurements.fails_at = 3  # after amounts 0 and 0.5
    with pytest.raises(RuntimeError, match="power"):
        model.fit(*data)
    assert not hasattr(model, "sweep_")
    (file,) = tmp_path.glob("**/*.json")
    measurements.n = 0
    measurements.fails_at = None
    model.fit(*data)
    # The unpruned one for its time, 0.75, and then what is delivered beside what was given.
    assert measurements.n == 2 + 2
    measurements.n = 0
    again = clone(model).fit(*data)
    assert measurements.n == 2
    for name in ("amounts", "accuracy", "time", "size"):
        np.testing.assert_array_equal(getattr(again.sweep_, name), getattr(model.sweep_, name))
    fresh = clone(model).set_params(memory=None).fit(*data)
    np.testing.assert_array_equal(fresh.sweep_.accuracy, model.sweep_.accuracy)
    same_bits(fresh, model)
    assert list(tmp_path.glob("**/*.json")) == [file]
    clone(model).set_params(round_to=1, memory=joblib.Memory(tmp_path, verbose=0)).fit(*data)
    assert len(list(tmp_path.glob("**/*.json"))) == 2


def test_memory_of_an_estimator_that_is_trained_anew(data, tmp_path, measurements, untrained):
    """Its network is the same one, whatever Keras has counted up meanwhile."""
    settings = {"memory": str(tmp_path), "view_amounts": AMOUNTS, "amounts": [0]}
    model = pruned(cnn(), **settings).fit(*data)
    again = clone(model).fit(*data)
    assert measurements.n == 1 + 2 + 2  # the second time, no more than what is delivered
    assert again.sweep_.fingerprint == model.sweep_.fingerprint
    assert len(list(tmp_path.glob("**/*.json"))) == 1


def test_parameters_and_clones(frozen):
    model = tuned(frozen, towers="nested", view_amounts=AMOUNTS)
    copy = clone(model)
    assert copy.estimator is not model
    assert copy.get_params(deep=False).keys() == model.get_params(deep=False).keys()
    assert copy.view_amounts == AMOUNTS
    assert clone(pruned(cnn(epochs=7))).get_params()["estimator__epochs"] == 7
    with pytest.raises(NotFittedError):
        copy.predict(np.zeros((1, 4, 8, 8)))
    assert not hasattr(copy, "networks_")


def test_grid_search_over_towers_with_masks(data, mask, untrained):
    X, y = data
    garbage = np.where(mask[..., None, None], X, np.nan)  # refused, unless the mask arrives
    with config_context(enable_metadata_routing=True):
        model = pruned(cnn(), view_amounts=[0.5, 0, 1, 0.25], amounts=[0])
        model.set_fit_request(mask=True).set_score_request(mask=True)
        search = GridSearchCV(
            model, {"towers": ["copies", "nested"]}, cv=2, refit=False, error_score="raise"
        )
        search.fit(garbage[:80], y[:80], mask=mask[:80])
    # Without fine-tuning both predict the same.
    np.testing.assert_allclose(*search.cv_results_["mean_test_score"])


# What is said


def test_silence_unless_asked(frozen, data, capfd, timed):
    settings = {"amounts": [0, 0.25], "round_to": 8, "min_accuracy": 0.6}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        pruned(frozen, **settings).fit(*data)  # 0.25 is undone by rounding
    assert capfd.readouterr() == ("", "")
    pruned(cnn(epochs=1, n_importance_repeats=0), verbose=1, **settings).fit(*data)
    out, err = capfd.readouterr()
    assert err == ""
    for step in ("training", "ranking views", "measuring pruning amounts", "applying amounts 0."):
        assert f"[PrunedMultiViewClassifier] {step}" in out


def test_given_amounts_that_rounding_undoes(frozen, data):
    with pytest.warns(UserWarning, match=r"amounts=0\.25 removes no channel: round_to=8"):
        pruned(frozen, view_amounts=[0, 0, 0, 0.25], amounts=[0], round_to=8).fit(*data)


def test_more_accuracy_than_is_possible(frozen, data):
    with pytest.warns(InfeasibleLimitsWarning, match="reach the target 1") as found:
        model = pruned(frozen, min_accuracy=1.0).fit(*data)
    assert len([w for w in found if w.category is InfeasibleLimitsWarning]) == 1
    assert not model.view_amounts_.reachable
    weights = model.view_amounts_.weights
    np.testing.assert_array_equal(model.amounts_[weights > 0], 0)
    assert model.delivered_.accuracy < 1
    message = r"promised 0\.\d+, and .* accuracy of 0\.\d+, below 1\. Fine-tune longer, or prune"
    with pytest.warns(InfeasibleLimitsWarning, match=message):
        model.set_params(view_amounts=AMOUNTS, amounts=[0]).fit(*data)


def test_less_delivered_than_promised(frozen, data, monkeypatch):
    def accuracy(self, networks):
        return 0.9 if len(networks.distinct) == 1 else 0.8  # one tower, or a copy for each view

    monkeypatch.setattr(ViewBench, "_accuracy", accuracy)
    with pytest.warns(InfeasibleLimitsWarning, match=r"has an accuracy of 0\.8, below 0\.85"):
        model = pruned(frozen, min_accuracy=0.85).fit(*data)
    assert model.view_amounts_.reachable
    assert model.unpruned_.accuracy == 0.9


def test_a_network_that_is_always_wrong(frozen, data, monkeypatch):
    monkeypatch.setattr(ViewBench, "_accuracy", lambda self, networks: 0.0)
    model = pruned(frozen).fit(*data)
    assert model.view_amounts_.scale == 1
    assert model.unpruned_.accuracy == 0


def test_a_failed_fit_leaves_what_was(copies, data, monkeypatch, untrained):
    X, y = data
    quick = {"estimator": cnn(), "amounts": [0], "fine_tune_epochs": 0}
    model = pickle.loads(pickle.dumps(copies)).set_params(**quick)
    expected, before = model.predict_proba(X), dict(vars(model))
    fewer = X[:, :3]
    with pytest.raises(ValueError, match="mask"):
        model.fit(fewer, y, mask=[False] * 3)
    for step in ("sweep", "measured"):
        with monkeypatch.context() as patch:
            patch.setattr(ViewBench, step, lambda *args: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                model.fit(fewer, y)
    assert vars(model) == before
    assert model.n_features_in_ == 4
    np.testing.assert_array_equal(model.predict_proba(X), expected)


# Wrong input


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
            r"in \[0, 1\], one a view of X; got .*1\.01",
        ),
        ({"view_amounts": [0, 0.5, -0.1]}, ValueError, "view_amounts must hold 3"),
        ({"view_amounts": [0, np.nan, 0]}, ValueError, "view_amounts contains NaN"),
        ({"view_amounts": [1, 1, 1]}, ValueError, "leave at least one view; all of them are 1"),
        ({"view_amounts": [1, 1, 1 - 1e-12]}, ValueError, "leave at least one view"),
        ({"importance": [1, 2, -1]}, ValueError, "importance must hold 3 non-negative numbers"),
        ({"importance": [1, 2]}, ValueError, "importance must hold 3 non-negative numbers, one a"),
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
    options, error, message, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)  # where joblib makes the folder
    monkeypatch.setattr(
        MultiViewCNNClassifier, "fit", lambda *args, **kwargs: pytest.fail("trained")
    )
    given = {"estimator": cnn(), **options}
    with pytest.raises(error, match=message):
        pruned(**given).fit(np.zeros((12, 3, 8, 8)), np.arange(12) % 2)


def bad_data():
    X, y = np.zeros((12, 2, 4, 4)), np.arange(12) % 2
    nan = np.where(np.arange(12)[:, None, None, None] == 2, np.nan, X)
    yield "NaN", {"X": nan, "y": y}
    yield "inconsistent numbers of samples", {"X": X, "y": y[:5]}
    yield "Unknown label type", {"X": X, "y": np.linspace(0, 1, 12)}
    yield "3 dimensions", {"X": X[:, 0], "y": y}
    yield "requires y", {"X": X, "y": None}
    yield "Sample weights must contain", {"X": X, "y": y, "sample_weight": np.zeros(12)}
    yield "Negative values", {"X": X, "y": y, "sample_weight": -np.ones(12)}
    yield "mask must be an array of bool", {"X": X, "y": y, "mask": np.ones((12, 2))}
    yield "leaves 1 of 12", {"X": X, "y": y, "mask": np.arange(24).reshape(12, 2) > 1}
    yield "No sample can be held out", {"X": X, "y": np.arange(12)}


@pytest.mark.parametrize(("message", "data"), list(bad_data()))
def test_wrong_data_are_named_before_anything_is_trained(message, data, monkeypatch):
    monkeypatch.setattr(
        MultiViewCNNClassifier, "fit", lambda *args, **kwargs: pytest.fail("trained")
    )
    with pytest.raises(ValueError, match=message):
        pruned(cnn()).fit(**data)


def test_wrong_for_a_frozen_network(frozen, data):
    X, y = data
    with pytest.raises(ValueError, match=r"classes that the frozen estimator does not .*'oak'"):
        pruned(frozen).fit(X, np.where(y == "ash", "oak", y))
    with pytest.raises(ValueError, match=r"samples of 3 view\(s\).* fitted on 4 view\(s\)"):
        pruned(frozen).fit(X[:, :3], y)
    with pytest.raises(NotFittedError):
        pruned(FrozenEstimator(cnn())).fit(X, y)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((5, 3, 8, 8), [r"3 view\(s\)", "this PrunedMultiViewClassifier was", "Pass all 4 views"]),
        ((5, 5, 8, 8), [r"5 view\(s\)", "mask="]),
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


def test_wrong_masks_at_prediction(fitted, data):
    X = data[0][:4].astype(np.float32)
    with pytest.raises(ValueError, match=r"bool of shape \(4, 4\) or \(4,\)"):
        fitted.predict(X, mask=np.ones((4, 4)))
    with pytest.raises(ValueError, match="leaves 1 of 4 without any, the first is sample 2"):
        fitted.predict(X, mask=np.arange(4)[:, None].repeat(4, axis=1) != 2)
    X[1, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        fitted.predict(X)
    fitted.predict(X, mask=[True, False, True, True])


CHECKED = pruned(
    cnn(
        architecture=CNNArchitecture(
            (ConvBlock((16,), "max"),), dense_units=48, dropout=0.0, learning_rate=2e-2
        ),
        validation_fraction=None,
    ),
    amounts=[0],
    view_amounts=[0.03],  # a unit of its dense layer: no more can be spared without fine-tuning
    round_to=1,
)

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "Which rows are held out depends on how many there are, and batch normalisation counts "
        "rows: a row of weight 2 is not one that stands twice. Rows of weight 0 are as if absent, "
        "and tested above."
    ),
}


# Of training, which the checks of MultiViewCNNClassifier are for, nothing is looked at here.
@pytest.mark.usefixtures("untrained")
@parametrize_with_checks([CHECKED], expected_failed_checks=lambda estimator: EXPECTED_FAILURES)
def test_estimator_checks(estimator, check):
    check(estimator)
