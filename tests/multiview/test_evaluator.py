"""How pruned networks are fine-tuned and measured, through the public classifier."""

import pickle
import time

import joblib
import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from skprune.ensemble import CNNArchitecture, ConvBlock
from skprune.multiview import ViewNetworks
from skprune.multiview._evaluator import ViewEvaluator
from skprune.multiview._towers import assemble
from skprune.sparsity import prune_channels, recover

from .small import AMOUNTS, NAMES, assert_same_weights, by_hand, cnn, pruned, split, tuned
from .towers import n_bytes, pixels

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras's own
]


@pytest.fixture(scope="module", params=["copies", "nested"])
def fitted(request):
    return request.getfixturevalue(request.param)


def norms_of(tower):
    return [each for each in tower.layers if isinstance(each, keras.layers.BatchNormalization)]


def test_accuracy_is_that_of_the_held_out_samples(fitted, frozen, data):
    X, y = data
    _, held_out, _ = split(y)
    rows, truth = X[held_out], y[held_out]
    assert fitted.sweep_.n_validation == len(held_out) == 40
    assert fitted.delivered_.accuracy == np.mean(fitted.predict(rows) == truth)
    assert fitted.unpruned_.accuracy == np.mean(frozen.predict(rows) == truth)


def test_times(fitted):
    assert fitted.unpruned_.time == fitted.sweep_.time[0] > 0
    assert fitted.delivered_.time > 0
    assert fitted.sweep_.batch_size == 40  # of 64, as many as are held out


def test_what_is_timed(frozen, data, monkeypatch):
    """All views of a batch of held-out samples, through all towers and the head."""
    timed = []
    original = ViewEvaluator._prediction

    def recording(self, networks):
        predict = original(self, networks)
        timed.append((networks, predict, self.held_out.images[: self.batch_size]))
        return lambda images: time.sleep(0 if networks.kept.all() else 0.002)

    monkeypatch.setattr(ViewEvaluator, "_prediction", recording)
    model = pruned(frozen, view_amounts=[0, 0.5, 1, 0.5], amounts=[0], latency_batch_size=7)
    model.fit(*data)
    assert model.delivered_.time > 10 * model.unpruned_.time  # the pruned one is made to wait
    assert len(timed) == 3  # one of the sweep, then the pruned and the unpruned network
    rows = split(data[1])[1][:7]
    for networks, predict, images in timed:
        np.testing.assert_array_equal(images[..., 0], data[0][rows])
        expected = networks.predict_proba(images)
        np.testing.assert_allclose(predict(images), expected, rtol=1e-4, atol=1e-6)


def test_size(copies, nested, frozen):
    towers, head = copies.networks_.towers, copies.networks_.head
    assert copies.delivered_.size == pytest.approx(n_bytes(*towers, head) / 1e6)
    size = n_bytes(frozen.estimator.tower_, frozen.estimator.head_) / 1e6
    for model in (copies, nested):
        assert model.unpruned_.size == pytest.approx(size)
        assert model.sweep_.size[0] == pytest.approx(size)
    # View 0 is not pruned, and the other towers are slices of its tower. Each slice has means and
    # variances of its own, as floats of four bytes; those of one slice are in the tower.
    towers, head = nested.networks_.towers, nested.networks_.head
    n_slices = len(nested.networks_.distinct)
    of_slice = sum(2 * 4 * norm.moving_mean.shape[0] for norm in norms_of(towers[0]))
    assert nested.delivered_.size == pytest.approx(size + (n_slices - 1) * of_slice / 1e6)
    for view in (1, 3):
        kernel = towers[view].get_layer("block1_conv1").kernel.numpy()
        wide = towers[0].get_layer("block1_conv1").kernel.numpy()
        for channel in range(kernel.shape[-1]):
            assert (kernel[..., [channel]] == wide).all(axis=(0, 1, 2)).any()


@pytest.mark.usefixtures("untimed")
def test_nested_slices_of_a_narrowed_tower(frozen, data):
    model = pruned(frozen, towers="nested", view_amounts=[0.5, 0.75, 1, 0.5]).fit(*data)
    towers, head = model.networks_.towers, model.networks_.head
    assert towers[0] is towers[3] is not towers[1]
    of_slice = sum(2 * 4 * norm.moving_mean.shape[0] for norm in norms_of(towers[0]))
    assert model.delivered_.size == pytest.approx((n_bytes(towers[0], head) + of_slice) / 1e6)
    for view, amount in ((0, 0.5), (1, 0.75)):
        expected = prune_channels(frozen.estimator.tower_, amount, round_to=2)
        np.testing.assert_array_equal(towers[view](pixels()[:, 0]), expected(pixels()[:, 0]))
    given = ViewNetworks(towers, frozen.estimator.head_, "max")
    np.testing.assert_array_equal(
        model.predict_proba(data[0]), given.predict_proba(data[0][..., None])
    )


@pytest.mark.usefixtures("untimed")
def test_copies_without_fine_tuning_are_the_tower_pruned(frozen, data):
    model = pruned(frozen, view_amounts=AMOUNTS, amounts=[0]).fit(*data)
    whole = frozen.estimator
    for view, amount in enumerate(AMOUNTS):
        expected = prune_channels(whole.tower_, amount, round_to=2).get_weights()
        for a, b in zip(model.networks_.towers[view].get_weights(), expected, strict=True):
            np.testing.assert_array_equal(a, b)
    # They share no layer with the frozen network, even if nothing was pruned or trained.
    own = {id(layer) for m in (whole.tower_, whole.head_) for layer in m.layers}
    networks = model.networks_
    assert not own & {id(layer) for m in (*networks.towers, networks.head) for layer in m.layers}


@pytest.mark.usefixtures("untimed")
def test_fine_tuning_by_hand(data, mask):
    """With weights, zero ones among them, and missing views."""
    X, y = data
    whole = cnn(view_pooling="mean", epochs=4).fit(X, y)
    garbage = X.astype(np.float32)
    garbage[~mask] = np.nan
    weights = np.where(np.arange(160) % 5 == 0, 0.0, 1.0 + np.arange(160) % 3)
    model = tuned(FrozenEstimator(whole), view_amounts=AMOUNTS, amounts=[0])
    model.fit(garbage, y, sample_weight=weights, mask=mask)
    kept = weights > 0
    X, y, present, weights = X[kept], y[kept], mask[kept], weights[kept]
    train, held_out, seed = split(y)
    images = X[train].copy()
    for view, there in enumerate(present[train].T):  # the same view of other samples
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
    assert_same_weights(model.networks_, networks)
    p = by_hand(networks, X[held_out], present[held_out])
    assert model.delivered_.accuracy == np.mean(NAMES[p.argmax(axis=1)] == y[held_out])


def test_fine_tuning_starts_from_the_pruned_weights(copies, frozen):
    """And an epoch changes them by little."""
    whole = frozen.estimator.tower_.get_layer("block1_conv1").kernel.numpy()
    for tower in copies.networks_.towers:
        kernel = tower.get_layer("block1_conv1").kernel.numpy()
        away = np.abs(kernel[..., None] - whole[..., None, :]).max(axis=(0, 1, 2)).min(axis=1)
        assert (away > 0).all()
        assert (away < 0.05).all()


@pytest.mark.usefixtures("untimed")
def test_batch_normalization_of_a_copy_uses_its_own_view_only(frozen, data):
    """View 0 is dark and view 2 bright; if one is missing, the other must not replace it."""
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


@pytest.mark.usefixtures("untimed")
def test_rows_may_be_sorted_by_class():
    """Classes differ in brightness, which a normalization of one class alone would remove."""

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


@pytest.mark.usefixtures("untimed")
def test_samples_of_dropped_views_only(frozen, data):
    """They are no part of fine-tuning, and count as wrong if they are held out."""
    X, y = data
    mask = np.ones((160, 4), dtype=bool)
    mask[::4] = [False, False, True, False]
    model = tuned(frozen, view_amounts=[0, 0, 1, 0.5], amounts=[0]).fit(X, y, mask=mask)
    _, held_out, _ = split(y)
    seen = held_out[mask[held_out][:, [0, 1, 3]].any(axis=1)]
    hits = (model.predict(X[seen], mask=mask[seen]) == y[seen]).sum()
    assert model.delivered_.accuracy == hits / len(held_out) < 0.85
    alone = np.tile([False, False, True, False], (160, 1))
    with pytest.raises(ValueError, match=r"has a view that is kept: the views \[2\] are dropped"):
        model.fit(X, y, mask=alone)


class PowerCut(Exception):
    pass


@pytest.fixture
def measured(monkeypatch):
    """The networks whose accuracy was measured."""
    networks, original = [], ViewEvaluator._accuracy

    def recording(self, measured):
        networks.append(measured)
        return original(self, measured)

    monkeypatch.setattr(ViewEvaluator, "_accuracy", recording)
    return networks


@pytest.mark.usefixtures("untimed")
def test_memory_resumes_and_measures_nothing_twice(frozen, data, tmp_path, measured):
    settings = {"memory": tmp_path, "view_amounts": AMOUNTS, "amounts": [0, 0.5, 0.75]}
    model = pruned(frozen, **settings)

    class CutsThePower:
        max_propagation_depth = None

        def setup(self, estimator, context):
            pass

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context):
            if context.task_name == "0.5":
                raise PowerCut

    with pytest.raises(PowerCut):
        model.set_callbacks(CutsThePower()).fit(*data)
    model.set_callbacks()
    assert not hasattr(model, "sweep_")
    (file,) = tmp_path.glob("**/*.json")
    measured.clear()
    model.fit(*data)
    # Amount 0.75 (and the unpruned network for its time), then the pruned and the unpruned one.
    assert len(measured) == 2 + 2
    measured.clear()
    again = clone(model).fit(*data)
    assert len(measured) == 2
    for name in ("amounts", "accuracy", "time", "size"):
        np.testing.assert_array_equal(getattr(again.sweep_, name), getattr(model.sweep_, name))
    fresh = clone(model).set_params(memory=None).fit(*data)
    np.testing.assert_array_equal(fresh.sweep_.accuracy, model.sweep_.accuracy)
    assert_same_weights(fresh.networks_, model.networks_)
    assert list(tmp_path.glob("**/*.json")) == [file]
    clone(model).set_params(round_to=1, memory=joblib.Memory(tmp_path, verbose=0)).fit(*data)
    assert len(list(tmp_path.glob("**/*.json"))) == 2


@pytest.mark.usefixtures("untimed", "untrained")
def test_memory_of_an_estimator_that_is_trained_again(data, tmp_path, measured):
    """Its network has the same fingerprint, although Keras counts its layers on."""
    settings = {"memory": str(tmp_path), "view_amounts": AMOUNTS, "amounts": [0]}
    model = pruned(cnn(), **settings).fit(*data)
    assert len(measured) == 1 + 2
    again = clone(model).fit(*data)
    assert len(measured) == 1 + 2 + 2
    assert again.sweep_.fingerprint == model.sweep_.fingerprint
    assert len(list(tmp_path.glob("**/*.json"))) == 1


def test_pickles_hold_each_network_once(fitted):
    text = pickle.dumps(fitted)
    loaded = pickle.loads(text)
    assert loaded.delivered_ == fitted.delivered_
    # The frozen network is not pickled, and stays on the estimator.
    assert isinstance(loaded.estimator, FrozenEstimator)
    assert not hasattr(loaded.estimator.estimator, "classes_")
    assert hasattr(fitted.estimator.estimator, "classes_")
    # Towers and head, each named twice in its archive; nested towers are held as one.
    n_networks = 2 if fitted.towers == "nested" else 5
    assert text.count(b"model.weights.h5") == 2 * n_networks
