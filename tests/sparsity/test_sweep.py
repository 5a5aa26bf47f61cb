import logging
import os
import random
import subprocess
import sys
import warnings
from functools import partial
from itertools import count
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.model_selection import train_test_split

from skprune import PruningAmountOptimizer
from skprune.amount import AccuracyReward, PruningReward, SizeReward, TimeReward
from skprune.metrics import model_cost
from skprune.sparsity import (
    SweepResult,
    _sweep,
    fine_tune,
    prune_channels,
    prune_magnitude,
    pruning_sweep,
    reestimate_batch_norm,
)

from .networks import blobs_in_a_row, normalized_network, output
from .networks import data as normal

pytestmark = pytest.mark.keras

AMOUNTS = [0, 0.25, 0.5, 0.75]
# All batches have one size, so that a step of training is traced once.
TUNED = {"fine_tune_epochs": 2, "batch_size": 60, "random_state": 0}
QUICK = {"latency_batch_size": 16, "latency_repeats": 2}
UNTUNED = {**QUICK, "fine_tune_epochs": 0, "random_state": 0}
MEASURED = ("accuracy_before", "accuracy")
COUNTED = ("parameters", "nonzero", "dense_bytes", "file_bytes", "compressed_bytes", "macs")


def network(n_columns=3, activation="softmax", seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(32, use_bias=False, name="wide"),
            layers.BatchNormalization(momentum=0.9, name="norm"),
            layers.ReLU(name="relu"),
            layers.Dense(16, activation="relu", name="narrow"),
            layers.Dense(n_columns, activation=activation, name="out"),
        ],
        name="net",
    )


@pytest.fixture(autouse=True)
def untimed(request, monkeypatch):
    """Replace the timing of networks, for which each would have to be traced."""
    if "timed" not in request.fixturenames:
        n = count(1)

        def latency(predict, X, batch_size, **options):
            return SimpleNamespace(
                median=1e-3 * next(n), batch_size=batch_size, threads=1, hardware="none"
            )

        def latency_ratio(*args, **options):
            ratio = 1 / (1 + next(n))
            return SimpleNamespace(ratio=ratio, q25=0.9 * ratio, q75=1.1 * ratio)

        monkeypatch.setattr(_sweep, "latency", latency)
        monkeypatch.setattr(_sweep, "latency_ratio", latency_ratio)


@pytest.fixture
def timed():
    """For tests (and the module's sweep) that measure time."""


@pytest.fixture(scope="module")
def data():
    X = normal(480, 6)
    return X, (X[:, 0] * X[:, 1] > 0).astype(int) + (X[:, 2] > 0)


@pytest.fixture(scope="module")
def model(data):
    tuned = fine_tune(network(), *data, epochs=30, learning_rate=0.01, batch_size=60)
    return reestimate_batch_norm(tuned, data[0])


@pytest.fixture(scope="module")
def sweep(model, data):
    return pruning_sweep(model, *data, AMOUNTS, **TUNED, **QUICK)


def parameters(wide, narrow):
    """A kernel, four numbers a channel of the normalization, and two layers with biases."""
    return 6 * wide + 4 * wide + (wide + 1) * narrow + (narrow + 1) * 3


def split_by_hand(X, y):
    """Rows to train with, in the order of X, and those held out: a quarter of each class."""
    seed = 0  # an int is the seed itself
    train, held_out = train_test_split(
        np.arange(480), test_size=0.25, stratify=y, random_state=seed
    )
    return np.sort(train), held_out


def tuned_by_hand(pruned, X, y, sample_weight=None):
    options = {"epochs": 2, "batch_size": 60, "random_state": 0}
    tuned = fine_tune(pruned, X, y, sample_weight=sample_weight, **options)
    return reestimate_batch_norm(tuned, X, random_state=0)


def accuracy(model, X, y):
    return (output(model, X).argmax(axis=1) == y).mean()


def assert_same(one, other):
    for name in vars(one):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


# Results


def test_every_amount_has_its_row(sweep):
    np.testing.assert_array_equal(sweep.amounts, AMOUNTS)
    for name, value in vars(sweep).items():
        if isinstance(value, np.ndarray):
            assert value.shape == (4,), name
            assert np.isfinite(value).all(), name
            assert value.dtype == (np.int64 if name in COUNTED else np.float64), name
    assert sweep.X.shape == (4, 1)
    np.testing.assert_array_equal(
        sweep.y, np.stack([sweep.accuracy, sweep.time, sweep.size], axis=1)
    )
    for name in MEASURED:
        assert (getattr(sweep, name) >= 0).all()
        assert (getattr(sweep, name) <= 1).all()
    assert (sweep.time_q25 > 0).all()
    assert (sweep.time_q25 <= sweep.time).all()
    assert (sweep.time <= sweep.time_q75).all()
    assert (sweep.method, sweep.size_kind, sweep.batch_size) == ("channels", "dense_bytes", 16)
    assert (sweep.n_validation, sweep.fine_tune_epochs) == (120, 2)
    assert "thread" in sweep.hardware


def test_costs_are_those_of_the_pruned_network(model, sweep):
    costs = [model_cost(prune_channels(model, amount)) for amount in AMOUNTS]
    for name in ("parameters", "dense_bytes", "macs", "nonzero"):
        expected = [getattr(cost, name) for cost in costs]
        np.testing.assert_array_equal(getattr(sweep, name), expected, err_msg=name)
    by_hand = [parameters(*widths) for widths in ((32, 16), (24, 16), (16, 8), (8, 8))]
    np.testing.assert_array_equal(sweep.parameters, by_hand)
    np.testing.assert_array_equal(sweep.dense_bytes, 4 * sweep.parameters)
    np.testing.assert_array_equal(sweep.size, sweep.dense_bytes / 1e6)
    assert (sweep.file_bytes > sweep.dense_bytes).all()
    np.testing.assert_allclose(sweep.file_bytes, [cost.file_bytes for cost in costs], rtol=0.01)
    np.testing.assert_allclose(
        sweep.compressed_bytes, [cost.compressed_bytes for cost in costs], rtol=0.05
    )


def test_accuracies_are_those_by_hand(model, data, sweep):
    X, y = data
    train, held_out = split_by_hand(X, y)
    for i, amount in enumerate(AMOUNTS):
        pruned = prune_channels(model, amount)
        assert sweep.accuracy_before[i] == accuracy(pruned, X[held_out], y[held_out])
    tuned = tuned_by_hand(prune_channels(model, 0.75), X[train], y[train])
    assert sweep.accuracy[3] == accuracy(tuned, X[held_out], y[held_out])
    assert sweep.accuracy[3] > sweep.accuracy_before[3]


def test_rows_may_be_sorted_by_class():
    X, y = blobs_in_a_row(1360)
    held = blobs_in_a_row(400, seed=1)
    shuffled = np.random.default_rng(0).permutation(len(X))
    model = fine_tune(
        normalized_network(), X[shuffled], y[shuffled], epochs=5, learning_rate=0.02, random_state=0
    )
    options = {"method": "magnitude", "learning_rate": 0.01, **QUICK, "random_state": 0}
    found = pruning_sweep(model, X, y, [0, 0.2], **options)
    assert (found.accuracy > 0.99).all()
    found = pruning_sweep(model, X, y, [0], validation_data=held, **options)
    assert found.accuracy[0] > 0.99


def test_weights_of_samples_stay_with_their_samples(model, data):
    X, y = data
    wrong = np.random.default_rng(0).random(480) < 0.7
    y, weights = np.where(wrong, (y + 1) % 3, y), np.where(wrong, 0.0, 3.0)
    found = pruning_sweep(model, X, y, [0], sample_weight=weights, **TUNED, **QUICK)
    train, held_out = split_by_hand(X, y)
    tuned = tuned_by_hand(model, X[train], y[train], weights[train])
    assert found.accuracy[0] == accuracy(tuned, X[held_out], y[held_out])


def test_without_epochs_nothing_is_done_after_pruning(model, data, sweep):
    found = pruning_sweep(model, *data, AMOUNTS, **UNTUNED)
    for name in MEASURED:
        np.testing.assert_array_equal(getattr(found, name), sweep.accuracy_before)
    costs = [model_cost(prune_channels(model, amount)) for amount in AMOUNTS]
    for name in COUNTED:
        np.testing.assert_array_equal(getattr(found, name), [getattr(c, name) for c in costs])


def test_amounts_are_sorted_and_made_unique(model, data):
    found = pruning_sweep(model, *data, [0.5, 0, 0.5], **UNTUNED)
    np.testing.assert_array_equal(found.amounts, [0, 0.5])
    assert found.parameters[0] > found.parameters[1]


def test_validation_data_is_measured_on(model, data, timed):
    X, y = data
    wrong = (y[:100] + 1) % 3
    found = pruning_sweep(model, X, y, [0], validation_data=(X[:100], wrong), **UNTUNED)
    assert found.n_validation == 100
    assert found.accuracy[0] == accuracy(model, X[:100], wrong)
    options = {**UNTUNED, "latency_batch_size": 256}
    found = pruning_sweep(model, X, y, [0], validation_data=(X[:9], y[:9]), **options)
    assert found.batch_size == 9  # no more than there are


def test_size_of_magnitude_pruning_is_compressed_bytes(model, data):
    found = pruning_sweep(model, *data, [0, 0.25, 0.5], "magnitude", **TUNED, **QUICK)
    assert (found.method, found.size_kind) == ("magnitude", "compressed_bytes")
    np.testing.assert_array_equal(found.size, found.compressed_bytes / 1e6)
    assert (np.diff(found.size) < 0).all()
    assert len(set(found.parameters)) == len(set(found.macs)) == 1
    kernels = sum(v.shape[0] * v.shape[1] for v in model.weights if v.name == "kernel")
    zeros = found.nonzero[0] - found.nonzero
    np.testing.assert_array_equal(zeros, [0, kernels // 4, kernels // 2])


@pytest.mark.parametrize("kind", ["dense_bytes", "compressed_bytes", "file_bytes"])
def test_size_is_of_the_given_kind(model, data, kind):
    found = pruning_sweep(model, *data, [0], size=kind, **UNTUNED)
    assert found.size_kind == kind
    np.testing.assert_array_equal(found.size, getattr(found, kind) / 1e6)


class Both:
    """A pruning method that is an object."""

    def __init__(self, round_to):
        self.round_to = round_to

    def prune(self, model, amount):
        return prune_channels(model, amount, round_to=self.round_to)

    def __call__(self, model, amount):
        return prune_magnitude(self.prune(model, amount), amount)


@pytest.mark.parametrize(
    ("method", "name", "kind", "widths"),
    [
        (partial(prune_channels, round_to=4), "prune_channels(round_to=4)", "dense", (24, 12)),
        (
            partial(prune_magnitude, scope="layer"),
            "prune_magnitude(scope='layer')",
            "compressed",
            (32, 16),
        ),
        (Both(1), "Both", "dense", (21, 11)),
    ],
)
def test_methods_that_are_functions_or_objects(model, data, method, name, kind, widths):
    found = pruning_sweep(model, *data, [0, 0.35], method, **UNTUNED)
    assert (found.method, found.size_kind) == (name, f"{kind}_bytes")
    np.testing.assert_array_equal(found.parameters, [parameters(32, 16), parameters(*widths)])


def test_one_column_is_the_probability_of_class_one(data):
    X, y = data[0], (data[0][:, 0] + data[0][:, 3] > 0).astype(int)
    model = network(1, "sigmoid")
    found = pruning_sweep(
        model, X, y, [0, 0.5], **{**TUNED, "fine_tune_epochs": 20, "learning_rate": 0.01}, **QUICK
    )
    _, held_out = split_by_hand(X, y)
    hits = (output(model, X[held_out])[:, 0] > 0.5) == y[held_out]
    assert found.accuracy_before[0] == hits.mean()
    assert (found.accuracy > 0.9).all()


def test_one_column_of_logits():
    X = normal(400, 2)
    y = (X[:, 0] > 0.1).astype(int)
    model = keras.Sequential([keras.Input((2,)), layers.Dense(16, "relu"), layers.Dense(1)])
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(X, y, epochs=5, verbose=0)
    sweep = pruning_sweep(
        model, X, y, [0], fine_tune_epochs=0, validation_data=(X, y), random_state=0
    )
    expected = ((output(model, X)[:, 0] > 0) == y).mean()
    assert sweep.accuracy[0] == expected


def test_a_loss_for_one_hot_classes_takes_integers(model, data, sweep):
    compiled = keras.models.clone_model(model)
    compiled.set_weights(model.get_weights())
    compiled.compile("sgd", keras.losses.CategoricalCrossentropy())
    found = pruning_sweep(compiled, *data, [0], **TUNED, **QUICK)
    assert found.accuracy[0] == sweep.accuracy[0]


# Side effects


def test_the_seed_decides_and_nothing_else_changes(model, data, sweep, capfd):
    X, y = data
    given = X.copy(), y.copy(), model.get_weights()
    states = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    found = pruning_sweep(model, X, y, [0, 0.5], **TUNED, **QUICK)
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    for name in (*MEASURED, *COUNTED):
        np.testing.assert_array_equal(getattr(found, name), getattr(sweep, name)[[0, 2]])
    assert found.fingerprint == sweep.fingerprint
    for now, then in zip((X, y, *model.get_weights()), (*given[:2], *given[2]), strict=True):
        np.testing.assert_array_equal(now, then)
    assert not model.compiled
    assert capfd.readouterr() == ("", "")


def test_retracing_warnings_of_tensorflow_are_silenced(model, data, caplog):
    logger = logging.getLogger("tensorflow")

    def method(model, amount):
        logger.warning("%d out of the last 5 calls to f triggered tf.function retracing.", 5)
        logger.warning("another warning")
        return prune_channels(model, amount)

    logger.addHandler(caplog.handler)
    try:
        pruning_sweep(model, *data, [0], method, **UNTUNED)
        logger.warning("5 out of the last 5 calls to f triggered tf.function retracing.")
    finally:
        logger.removeHandler(caplog.handler)
    starts = [record.getMessage()[:5] for record in caplog.records]
    assert list(dict.fromkeys(starts)) == ["anoth", "5 out"]


def test_another_seed_holds_out_other_samples(model, data):
    found = [
        pruning_sweep(model, *data, [0, 0.75], **{**UNTUNED, "random_state": seed}).accuracy
        for seed in range(3)
    ]
    assert len({tuple(accuracy) for accuracy in found}) > 1


def test_verbose_shows_a_progress_bar(model, data, capsys, tmp_path):
    path = tmp_path / "sweep.json"
    pruning_sweep(model, *data, [0, 0.5], path=path, verbose=1, **UNTUNED)
    out = capsys.readouterr().out
    assert "0/2" in out
    assert "2/2" in out
    assert "accuracy" in out
    pruning_sweep(model, *data, [0, 0.25, 0.5], path=path, verbose=1, **UNTUNED)
    assert "2/3" in capsys.readouterr().out  # what the file holds is done


# SweepResult


def test_a_file_gives_the_same_result(sweep, tmp_path):
    path = tmp_path / "folder" / "sweep.json"
    sweep.save(path)
    sweep.save(str(path))
    again = SweepResult.load(path)
    assert_same(sweep, again)
    for name, value in vars(sweep).items():
        if isinstance(value, np.ndarray):
            assert getattr(again, name).dtype == value.dtype, name
    assert os.listdir(path.parent) == ["sweep.json"]


def test_every_truncation_is_refused(sweep, tmp_path):
    path = tmp_path / "sweep.json"
    sweep.save(path)
    whole = path.read_bytes()
    for n in range(0, len(whole), 97):
        path.write_bytes(whole[:n])
        with pytest.raises(ValueError, match=r"sweep\.json is not a sweep"):
            SweepResult.load(path)


def test_frame_has_a_row_an_amount(sweep):
    pytest.importorskip("pandas")
    frame = sweep.to_frame()
    assert list(frame.columns[:4]) == ["amount", "accuracy_before", "accuracy", "time"]
    assert set(COUNTED) | {"time_q25", "time_q75", "size"} <= set(frame.columns)
    np.testing.assert_array_equal(frame["amount"], AMOUNTS)
    np.testing.assert_array_equal(frame[["accuracy", "time", "size"]], sweep.y)


def test_the_optimizer_fits_its_curves(sweep):
    # Seconds and megabytes are far below one here, and so must be the widths of rewards.
    rewards = (
        AccuracyReward(),
        TimeReward(sigma=0.8 * sweep.time[0]),
        SizeReward(sigma_left=0.01 * sweep.size[0]),
        PruningReward(),
    )
    optimizer = PruningAmountOptimizer(
        accuracy_curve="isotonic",
        time_curve="pchip",
        size_curve="pchip",
        rewards=rewards,
        max_size=sweep.size[2],
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # times are noisy, default widths too large
        optimizer.fit(sweep.X, sweep.y)
        default = PruningAmountOptimizer(random_state=0).fit(sweep.X, sweep.y)
    assert optimizer.feasible_
    assert 0.5 - 1e-6 <= optimizer.best_amount_ <= 0.75
    np.testing.assert_allclose(optimizer.curves_["size"].predict(sweep.X), sweep.size)
    np.testing.assert_array_equal(optimizer.bounds_, [[0], [0.75]])
    assert 0 <= default.best_amount_ <= 0.75


# Resumed sweeps


CALLS, FAILING = [], set()


def prune_or_fail(model, amount):
    CALLS.append(amount)
    if amount in FAILING:
        raise RuntimeError("power cut")
    return prune_channels(model, amount)


def test_a_sweep_that_failed_is_resumed(model, data, sweep, tmp_path):
    path = tmp_path / "sweep.json"

    def calls_and_result():
        CALLS.clear()
        given = {"path": path, **TUNED, **QUICK}
        return CALLS, pruning_sweep(model, *data, AMOUNTS, prune_or_fail, **given)

    FAILING.add(0.5)
    with pytest.raises(RuntimeError, match="power cut"):
        calls_and_result()
    assert CALLS == [0, 0.25, 0.5]
    half = SweepResult.load(path)
    np.testing.assert_array_equal(half.amounts, [0, 0.25])
    FAILING.clear()
    calls, whole = calls_and_result()
    assert calls == [0, 0.5, 0.75]  # the unpruned one again: others are timed against it
    assert_same(whole, SweepResult.load(path))
    for name in (*MEASURED, *COUNTED):
        np.testing.assert_array_equal(getattr(whole, name), getattr(sweep, name), err_msg=name)
        np.testing.assert_array_equal(getattr(whole, name)[:2], getattr(half, name), err_msg=name)
    np.testing.assert_array_equal(whole.time[:2], half.time)
    calls, again = calls_and_result()
    assert calls == []
    assert_same(whole, again)


KILLED = """
import os, signal, sys
import keras, numpy as np
from skprune.sparsity import pruning_sweep

folder, options = sys.argv[1], eval(sys.argv[2])
path, saved, replace = os.path.join(folder, "sweep.json"), [], os.replace

def killed_in_the_third(source, target):
    if str(target) == path:
        saved.append(target)
        if len(saved) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

os.replace = killed_in_the_third
model = keras.models.load_model(os.path.join(folder, "model.keras"))
data = np.load(os.path.join(folder, "data.npz"))
print("started", flush=True)
pruning_sweep(model, data["X"], data["y"], path=path, **options)
"""


def test_the_sweep_of_a_killed_process_is_resumed(model, data, sweep, tmp_path):
    X, y = data
    options = {"amounts": AMOUNTS, **TUNED, **QUICK}
    np.savez(tmp_path / "data.npz", X=X, y=y)
    # Compiled with objects that differ between processes, and the default loss.
    weights = model.get_weights()
    model = keras.models.clone_model(model)
    model.set_weights(weights)
    model.compile(keras.optimizers.Adam(), keras.losses.SparseCategoricalCrossentropy())
    model.save(tmp_path / "model.keras")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), repr(options)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == -9, done.stderr
    assert done.stdout == "started\n"
    path = tmp_path / "sweep.json"
    half = SweepResult.load(path)
    np.testing.assert_array_equal(half.amounts, [0, 0.25])
    whole = pruning_sweep(model, X, y, path=path, **options)
    np.testing.assert_array_equal(whole.amounts, AMOUNTS)
    assert_same(whole, SweepResult.load(path))
    np.testing.assert_array_equal(whole.time[:2], half.time)
    for name in (*MEASURED, *COUNTED):
        np.testing.assert_array_equal(getattr(whole, name), getattr(sweep, name), err_msg=name)


def test_more_amounts_are_added_and_fewer_are_read(model, data, tmp_path):
    path = tmp_path / "sweep.json"
    first = pruning_sweep(model, *data, [0, 0.5], path=path, **UNTUNED)
    more = pruning_sweep(model, *data, [0, 0.25, 0.75], path=path, **UNTUNED)
    np.testing.assert_array_equal(more.amounts, [0, 0.25, 0.75])
    held = SweepResult.load(path)
    np.testing.assert_array_equal(held.amounts, AMOUNTS)
    assert held.time[2] == first.time[1]
    content = path.read_bytes()
    fewer = pruning_sweep(model, *data, [0, 0.75], path=path, **UNTUNED)
    np.testing.assert_array_equal(fewer.accuracy, more.accuracy[[0, 2]])
    # Another kind of size needs no new measurement.
    packed = pruning_sweep(model, *data, [0, 0.75], path=path, size="compressed_bytes", **UNTUNED)
    np.testing.assert_array_equal(packed.size, fewer.compressed_bytes / 1e6)
    assert path.read_bytes() == content


def test_another_machine_is_named_beside_the_first(model, data, tmp_path):
    path = tmp_path / "sweep.json"
    here = pruning_sweep(model, *data, [0], path=path, **UNTUNED)
    there = SweepResult(**{**vars(here), "hardware": "abacus", "time": np.array([1e6])})
    there.save(path)
    both = pruning_sweep(model, *data, [0, 0.5], path=path, **UNTUNED)
    assert both.hardware == f"abacus; {here.hardware}"
    assert both.time[1] > 1e4  # in units of the first machine
    again = pruning_sweep(model, *data, [0, 0.25, 0.5], path=path, **UNTUNED)
    assert again.hardware == both.hardware


@pytest.mark.parametrize(
    "content",
    [b"", b'{"format": "skprune sweep 1", "amou', b"[1, 2]", b'{"amounts": [0]}', b"\xff\xfe\x00"],
    ids=["empty", "truncated", "a list", "other keys", "no text"],
)
def test_a_file_that_is_no_sweep_is_refused_and_unchanged(model, data, tmp_path, content):
    path = tmp_path / "precious.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"precious\.json is not a sweep"):
        SweepResult.load(path)
    with pytest.raises(ValueError, match=r"precious\.json is not a sweep"):
        pruning_sweep(model, *data, [0], path=path, **UNTUNED)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["precious.json"]


def test_a_file_of_another_sweep_is_refused_and_unchanged(model, data, tmp_path):
    X, y = data
    path = tmp_path / "precious.json"
    pruning_sweep(model, X, y, [0], path=path, **UNTUNED)
    content = path.read_bytes()
    others = [
        {"model": network(seed=1)},
        {"X": X + 1},
        {"y": 2 - y},
        {"random_state": 1},
        {"validation_fraction": 0.5},
        {"validation_data": (X, y)},
        {"sample_weight": np.ones(480)},
        {"fine_tune_epochs": 1},
        {"batch_size": 10},
        {"learning_rate": 0.1},
        {"latency_batch_size": 5},
        {"method": "magnitude"},
        {"method": prune_channels},
        {"method": partial(prune_channels, round_to=4)},
        {"method": Both(4)},
    ]
    for other in others:
        options = {"model": model, "X": X, "y": y, "amounts": [0], **UNTUNED, **other}
        with pytest.raises(ValueError, match=r"precious\.json' holds a sweep of another network"):
            pruning_sweep(path=path, **options)
    assert path.read_bytes() == content


def test_the_fingerprint_is_the_same_in_every_process(model, data):
    found = set()
    for _ in range(2):
        # A loss that is an object, and an optimizer whose name counts up.
        model = keras.models.clone_model(model)
        model.set_weights(network(seed=1).get_weights())
        model.compile(keras.optimizers.Adam(), keras.losses.SparseCategoricalCrossentropy())
        for method in (prune_channels, Both(4)):
            found.add((method, pruning_sweep(model, *data, [0], method, **UNTUNED).fingerprint))
    assert len({fingerprint for _, fingerprint in found}) == 2


def test_bound_methods_are_distinguished(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(32), layers.Dense(2, "softmax")])
    X, y = normal(40, 4), np.arange(40) % 2
    path = tmp_path / "sweep.json"
    given = {"fine_tune_epochs": 0, "random_state": 0, "latency_repeats": 1, "path": path}
    pruning_sweep(model, X, y, [0, 0.4], Both(1).prune, **given)
    with pytest.raises(ValueError, match="another network, other data or other settings"):
        pruning_sweep(model, X, y, [0, 0.4], Both(16).prune, **given)


# Wrong input


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"amounts": [0.1, 0.5]}, ValueError, r"amounts must hold 0, .* got \[0\.1, 0\.5\]"),
        ({"amounts": [0, 1]}, ValueError, r"amounts must lie in \[0, 1\); .* from 0 to 1\."),
        ({"amounts": [0, -0.1]}, ValueError, r"amounts must lie in \[0, 1\); .* from -0\.1 to 0"),
        ({"amounts": [[0, 0.5]]}, ValueError, r"a list of numbers; got an array of shape \(1, 2\)"),
        ({"amounts": []}, ValueError, "0 sample"),
        ({"amounts": "foo"}, ValueError, "amounts must be a list of numbers.* got 'foo'"),
        ({"amounts": 0.5}, ValueError, "amounts must be a list of numbers.* got 0.5"),
        ({"method": []}, ValueError, r"method must be one of .* got \[\]"),
        ({"size": np.array(["dense_bytes"])}, ValueError, "'size' .* a str among .* Got array"),
        ({"random_state": "foo"}, ValueError, "'random_state' .* must be .* Got 'foo'"),
        ({"amounts": [0, np.nan]}, ValueError, "amounts contains NaN"),
        ({"method": "chanels"}, ValueError, "method must be one of .*'channels'.* got 'chanels'"),
        ({"size": "bytes"}, ValueError, "'size' .* a str among .*'dense_bytes'.* Got 'bytes'"),
        (
            {"fine_tune_epochs": 1.5},
            ValueError,
            "'fine_tune_epochs' .* an int in the range .* Got 1.5",
        ),
        (
            {"latency_batch_size": 0},
            ValueError,
            "'latency_batch_size' .* an int in the range .1, inf.* Got 0",
        ),
        (
            {"latency_repeats": "3"},
            ValueError,
            "'latency_repeats' .* an int in the range .* Got '3'",
        ),
        ({"batch_size": 0}, ValueError, "'batch_size' .* int in the range .1, inf"),
        ({"learning_rate": -1}, ValueError, "'learning_rate' .* float in the range .0.0, "),
        ({"X": np.ones((480, 5))}, ValueError, r"X has samples of shape \(5,\), .* takes \(6,\)"),
        ({"X": np.full((480, 6), np.nan)}, ValueError, "X contains NaN"),
        ({"y": np.zeros(479)}, ValueError, r"y must have shape \(480,\), as X has; got \(479,\)"),
        ({"y": np.eye(3)[np.zeros(480, int)]}, ValueError, r"y must have shape .* got \(480, 3\)"),
        ({"y": np.array(["cat"] * 480)}, ValueError, "y must hold classes as integers 0 to 2.*cat"),
        ({"y": np.full(480, 3)}, ValueError, r"integers 0 to 2, .* output; got \[3\]"),
        ({"y": np.full(480, 0.5)}, ValueError, r"integers 0 to 2, .* output; got \[0\.5\]"),
        ({"validation_fraction": 1}, ValueError, r"validation_fraction must be .*\(0, 1\); got 1"),
        ({"validation_fraction": "0.5"}, ValueError, "validation_fraction must be a number"),
        ({"validation_data": np.ones((9, 6))}, ValueError, r"validation_data must be .* \(X, y\)"),
        (
            {"validation_data": (np.ones((9, 5)), np.ones(9))},
            ValueError,
            r"validation_data\[0\] has samples of shape \(5,\)",
        ),
        (
            {"validation_data": (np.ones((9, 6)), np.full(9, 7))},
            ValueError,
            r"validation_data\[1\] must hold classes .* got \[7\]",
        ),
        ({"sample_weight": [1, 2]}, ValueError, "sample_weight"),
        ({"random_state": None}, ValueError, "With path, random_state must be an int.* got None"),
        ({"method": lambda model, _: model}, ValueError, "With path, method must have a name"),
        ({"model": None}, TypeError, "model must be a Keras model; got NoneType"),
        ({"model": keras.Sequential([layers.Dense(3)])}, ValueError, "is not built"),
    ],
)
def test_wrong_input(model, data, tmp_path, options, error, message):
    given = {"model": model, "X": data[0], "y": data[1], "amounts": [0, 0.5], **UNTUNED, **options}
    with pytest.raises(error, match=message):
        pruning_sweep(path=tmp_path / "sweep.json", **given)
    assert os.listdir(tmp_path) == []


def two_inputs():
    a, b = keras.Input((6,)), keras.Input((2,))
    return keras.Model([a, b], layers.Dense(3)(layers.Concatenate()([a, b])))


def two_outputs():
    x = keras.Input((6,))
    return keras.Model(x, [layers.Dense(3)(x), layers.Dense(3)(x)])


def images():
    return keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(3, 3)])


def nothing_to_prune():
    return keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="softmax")])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (two_inputs, "has 2 inputs and 1 outputs; a sweep takes a classifier with one of each"),
        (two_outputs, "has 1 inputs and 2 outputs"),
        (images, r"gives outputs of shape \(None, 4, 4, 3\)"),
        (nothing_to_prune, "no prunable layer"),
    ],
)
def test_wrong_models(data, make, message):
    X, y = data
    X = [X, X[:, :2]] if make is two_inputs else X
    with pytest.raises(ValueError, match=message):
        pruning_sweep(make(), X, y, [0, 0.5], **UNTUNED)


def test_models_that_cannot_be_counted_are_refused_before_training():
    model = keras.Sequential([keras.Input((5, 3)), layers.LSTM(4), layers.Dense(2, "softmax")])
    with pytest.raises(TypeError, match="lstm"):
        pruning_sweep(model, normal(20, 5, 3), np.arange(20) % 2, [0, 0.5], "magnitude")
