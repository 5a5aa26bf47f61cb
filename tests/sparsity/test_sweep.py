import logging
import os
import random
import subprocess
import sys
import warnings
from dataclasses import fields
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
from skprune.exceptions import CurveMisfitWarning
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

from .twins import blobs_in_a_row, normalized_network, output

pytestmark = pytest.mark.keras

AMOUNTS = [0, 0.25, 0.5, 0.75]
# All batches of one size, so that a step of training is traced once; timing is not what is tested.
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
    """Every time is another one: to be measured, each network would have to be traced first.

    Those of the module are measured.
    """
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
    """Nothing is replaced."""


@pytest.fixture(scope="module")
def data():
    X = np.random.default_rng(0).normal(size=(480, 6)).astype("float32")
    return X, (X[:, 0] * X[:, 1] > 0).astype(int) + (X[:, 2] > 0)


@pytest.fixture(scope="module")
def model(data):
    tuned = fine_tune(network(), *data, epochs=30, learning_rate=0.01, batch_size=60)
    return reestimate_batch_norm(tuned, data[0])


@pytest.fixture(scope="module")
def sweep(model, data):
    return pruning_sweep(model, *data, AMOUNTS, **TUNED, **QUICK)


def parameters(wide, narrow):
    """A kernel, four numbers a channel of the normalisation, and two layers with biases."""
    return 6 * wide + 4 * wide + (wide + 1) * narrow + (narrow + 1) * 3


def split_by_hand(*arrays):
    """Rows to train with, and those held out, as documented: a quarter of each class."""
    seed = 0  # an int is the seed as it is
    return train_test_split(
        np.arange(480), test_size=0.25, stratify=arrays[1], random_state=seed
    ), seed


def share_of_hits(model, X, y):
    return (output(model, X).argmax(axis=1) == y).mean()


def assert_same(one, other, but=()):
    for field in fields(SweepResult):
        if field.name not in but:
            a, b = getattr(one, field.name), getattr(other, field.name)
            np.testing.assert_array_equal(a, b, err_msg=field.name)


# What is measured


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


def test_amount_zero_is_the_given_network(model, data, sweep):
    X, y = data
    (_, held_out), _ = split_by_hand(X, y)
    assert sweep.accuracy_before[0] == share_of_hits(model, X[held_out], y[held_out])
    assert sweep.parameters[0] == model.count_params()
    assert sweep.macs[0] == model_cost(model).macs


def test_accuracies_are_those_by_hand(model, data, sweep):
    X, y = data
    (train, held_out), seed = split_by_hand(X, y)
    for i, amount in enumerate(AMOUNTS):
        pruned = prune_channels(model, amount)
        assert sweep.accuracy_before[i] == share_of_hits(pruned, X[held_out], y[held_out])
    train.sort()  # the order of the rows is that of X
    pruned = prune_channels(model, 0.75)
    tuned = fine_tune(pruned, X[train], y[train], epochs=2, batch_size=60, random_state=seed)
    tuned = reestimate_batch_norm(tuned, X[train], random_state=seed)
    assert sweep.accuracy[3] == share_of_hits(tuned, X[held_out], y[held_out])
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
    weights = np.random.default_rng(0).exponential(size=480)
    found = pruning_sweep(model, X, y, [0], sample_weight=weights, **TUNED, **QUICK)
    (train, held_out), seed = split_by_hand(X, y)
    train.sort()
    tuned = fine_tune(
        model,
        X[train],
        y[train],
        epochs=2,
        batch_size=60,
        sample_weight=weights[train],
        random_state=seed,
    )
    tuned = reestimate_batch_norm(tuned, X[train], random_state=seed)
    assert found.accuracy[0] == share_of_hits(tuned, X[held_out], y[held_out])


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


def test_validation_data_is_measured_on_and_all_else_trained_with(model, data, timed):
    X, y = data
    wrong = (y[:100] + 1) % 3
    found = pruning_sweep(model, X, y, [0], validation_data=(X[:100], wrong), **UNTUNED)
    assert found.n_validation == 100
    assert found.accuracy[0] == share_of_hits(model, X[:100], wrong)
    # As many samples as there are, where a batch would be larger.
    options = {**UNTUNED, "latency_batch_size": 256}
    assert (
        pruning_sweep(model, X, y, [0], validation_data=(X[:9], y[:9]), **options).batch_size == 9
    )


def test_magnitude_leaves_the_shape_and_is_measured_compressed(model, data):
    found = pruning_sweep(model, *data, [0, 0.25, 0.5], "magnitude", **TUNED, **QUICK)
    assert (found.method, found.size_kind) == ("magnitude", "compressed_bytes")
    np.testing.assert_array_equal(found.size, found.compressed_bytes / 1e6)
    assert (np.diff(found.size) < 0).all()
    assert len(set(found.parameters)) == len(set(found.macs)) == 1
    kernels = sum(v.shape[0] * v.shape[1] for v in model.weights if v.name == "kernel")
    zeros = found.nonzero[0] - found.nonzero
    np.testing.assert_array_equal(zeros, [0, kernels // 4, kernels // 2])


@pytest.mark.parametrize("kind", ["dense_bytes", "compressed_bytes", "file_bytes"])
def test_size_is_of_the_kind_that_was_asked_for(model, data, kind):
    found = pruning_sweep(model, *data, [0], size=kind, **UNTUNED)
    assert found.size_kind == kind
    np.testing.assert_array_equal(found.size, getattr(found, kind) / 1e6)


class Both:
    """A method that is an object, with its parameters in its attributes."""

    def __init__(self, round_to):
        self.round_to = round_to

    def __call__(self, model, amount):
        return prune_magnitude(prune_channels(model, amount, round_to=self.round_to), amount)


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
def test_methods_of_the_users_own(model, data, method, name, kind, widths):
    found = pruning_sweep(model, *data, [0, 0.35], method, **UNTUNED)
    assert (found.method, found.size_kind) == (name, f"{kind}_bytes")
    np.testing.assert_array_equal(found.parameters, [parameters(32, 16), parameters(*widths)])


def test_one_column_is_the_probability_of_class_one(data):
    X, y = data[0], (data[0][:, 0] + data[0][:, 3] > 0).astype(int)
    model = network(1, "sigmoid")
    found = pruning_sweep(
        model, X, y, [0, 0.5], **{**TUNED, "fine_tune_epochs": 20, "learning_rate": 0.01}, **QUICK
    )
    (_, held_out), _ = split_by_hand(X, y)
    hits = (output(model, X[held_out])[:, 0] > 0.5) == y[held_out]
    assert found.accuracy_before[0] == hits.mean()
    assert (found.accuracy > 0.9).all()


def test_a_loss_for_one_hot_classes_takes_integers(model, data, sweep):
    compiled = keras.models.clone_model(model)
    compiled.set_weights(model.get_weights())
    compiled.compile("sgd", keras.losses.CategoricalCrossentropy())
    found = pruning_sweep(compiled, *data, [0], **TUNED, **QUICK)
    assert found.accuracy[0] == sweep.accuracy[0]


# Nothing else changes, and nothing is said


def test_same_seed_same_accuracies_and_nothing_else_moves(model, data, sweep, capfd):
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


def test_tensorflow_does_not_complain_of_tracing_many_networks(model, data, caplog):
    logger = logging.getLogger("tensorflow")

    def method(model, amount):
        logger.warning("%d out of the last 5 calls to f triggered tf.function retracing.", 5)
        logger.warning("all else is said")
        return prune_channels(model, amount)

    logger.addHandler(caplog.handler)
    try:
        pruning_sweep(model, *data, [0], method, **UNTUNED)
        logger.warning("5 out of the last 5 calls to f triggered tf.function retracing.")
    finally:
        logger.removeHandler(caplog.handler)
    said = [record.getMessage()[:5] for record in caplog.records]
    assert said in (["all e", "5 out"], ["all e", "all e", "5 out", "5 out"])  # as it propagates


def test_another_seed_holds_out_other_samples(model, data):
    found = [
        pruning_sweep(model, *data, [0, 0.75], **{**UNTUNED, "random_state": seed}).accuracy
        for seed in range(3)
    ]
    assert len({tuple(accuracy) for accuracy in found}) > 1


def test_a_bar_shows_progress_if_asked_for(model, data, capsys, tmp_path):
    path = tmp_path / "sweep.json"
    pruning_sweep(model, *data, [0, 0.5], path=path, verbose=1, **UNTUNED)
    out = capsys.readouterr().out
    assert "0/2" in out
    assert "2/2" in out
    assert "accuracy" in out
    pruning_sweep(model, *data, [0, 0.25, 0.5], path=path, verbose=1, **UNTUNED)
    assert "2/3" in capsys.readouterr().out  # what the file holds is done


# The result


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


def test_frame_has_a_row_an_amount(sweep):
    pytest.importorskip("pandas")
    frame = sweep.to_frame()
    assert list(frame.columns[:4]) == ["amount", "accuracy_before", "accuracy", "time"]
    assert set(COUNTED) | {"time_q25", "time_q75", "size"} <= set(frame.columns)
    np.testing.assert_array_equal(frame["amount"], AMOUNTS)
    np.testing.assert_array_equal(frame[["accuracy", "time", "size"]], sweep.y)


def test_the_optimizer_takes_it_as_it_is(sweep):
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
        warnings.simplefilter("ignore", CurveMisfitWarning)  # noise of the times
        optimizer.fit(sweep.X, sweep.y)
    assert optimizer.feasible_
    assert 0.5 - 1e-6 <= optimizer.best_amount_ <= 0.75
    np.testing.assert_allclose(optimizer.curves_["size"].predict(sweep.X), sweep.size)
    np.testing.assert_array_equal(optimizer.bounds_, [[0], [0.75]])


def test_the_optimizers_defaults_take_it_too(sweep):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # curves and widths are the notebook's
        optimizer = PruningAmountOptimizer(random_state=0).fit(sweep.X, sweep.y)
    assert 0 <= optimizer.best_amount_ <= 0.75


# Stopped, and gone on with


CALLS, CUT = [], set()


def prune_until_cut(model, amount):
    CALLS.append(amount)
    if amount in CUT:
        raise RuntimeError("power cut")
    return prune_channels(model, amount)


def test_a_sweep_that_failed_goes_on_where_it_was(model, data, sweep, tmp_path):
    path = tmp_path / "sweep.json"
    CALLS.clear()
    CUT.add(0.5)
    with pytest.raises(RuntimeError, match="power cut"):
        pruning_sweep(model, *data, AMOUNTS, prune_until_cut, path=path, **TUNED, **QUICK)
    assert CALLS == [0, 0.25, 0.5]
    half = SweepResult.load(path)
    np.testing.assert_array_equal(half.amounts, [0, 0.25])
    CALLS.clear()
    CUT.clear()
    whole = pruning_sweep(model, *data, AMOUNTS, prune_until_cut, path=path, **TUNED, **QUICK)
    assert CALLS == [0, 0.5, 0.75]  # the unpruned one once more: others are timed against it
    assert_same(whole, SweepResult.load(path))
    for name in (*MEASURED, *COUNTED):
        np.testing.assert_array_equal(getattr(whole, name), getattr(sweep, name), err_msg=name)
        np.testing.assert_array_equal(getattr(whole, name)[:2], getattr(half, name), err_msg=name)
    np.testing.assert_array_equal(whole.time[:2], half.time)
    CALLS.clear()
    again = pruning_sweep(model, *data, AMOUNTS, prune_until_cut, path=path, **TUNED, **QUICK)
    assert CALLS == []
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


def test_a_killed_process_leaves_a_file_to_go_on_from(model, data, sweep, tmp_path):
    X, y = data
    options = {"amounts": AMOUNTS, **TUNED, **QUICK}
    np.savez(tmp_path / "data.npz", X=X, y=y)
    # Compiled with what is another object in every process, and the loss that is the default.
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


def test_more_amounts_are_added_and_fewer_are_looked_up(model, data, tmp_path):
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
def test_a_file_that_is_no_sweep_is_refused_and_left(model, data, tmp_path, content):
    path = tmp_path / "precious.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"precious\.json is not a sweep"):
        SweepResult.load(path)
    with pytest.raises(ValueError, match=r"precious\.json is not a sweep"):
        pruning_sweep(model, *data, [0], path=path, **UNTUNED)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["precious.json"]


def test_every_truncation_is_refused(sweep, tmp_path):
    path = tmp_path / "sweep.json"
    sweep.save(path)
    content = path.read_bytes()
    for end in range(0, len(content), 97):
        path.write_bytes(content[:end])
        with pytest.raises(ValueError, match=r"sweep\.json is not a sweep"):
            SweepResult.load(path)


def test_a_file_of_another_sweep_is_refused_and_left(model, data, tmp_path):
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


def test_what_differs_between_processes_is_no_part_of_the_fingerprint(model, data):
    found = set()
    for _ in range(2):
        # A loss that is an object, and an optimizer whose name counts up.
        model = keras.models.clone_model(model)
        model.set_weights(network(seed=1).get_weights())
        model.compile(keras.optimizers.Adam(), keras.losses.SparseCategoricalCrossentropy())
        for method in (prune_channels, Both(4)):
            found.add((method, pruning_sweep(model, *data, [0], method, **UNTUNED).fingerprint))
    assert len({fingerprint for _, fingerprint in found}) == 2


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
        ({"amounts": [0, 1j]}, ValueError, "amounts must be a list of numbers"),
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
        ({"fine_tune_epochs": -1}, ValueError, "'fine_tune_epochs' .* int in the range .0, inf"),
        ({"fine_tune_epochs": True}, ValueError, "'fine_tune_epochs' .* int in the range"),
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
        ({"X": np.ones(480)}, ValueError, r"X has samples of shape \(\), .* takes \(6,\)"),
        ({"X": np.full((480, 6), np.nan)}, ValueError, "X contains NaN"),
        ({"y": np.zeros(479)}, ValueError, r"y must have shape \(480,\), as X has; got \(479,\)"),
        ({"y": np.eye(3)[np.zeros(480, int)]}, ValueError, r"y must have shape .* got \(480, 3\)"),
        ({"y": np.array(["cat"] * 480)}, ValueError, "y must hold classes as integers 0 to 2.*cat"),
        ({"y": np.full(480, 3)}, ValueError, r"integers 0 to 2, .* output; got \[3\]"),
        ({"y": np.full(480, -1)}, ValueError, r"integers 0 to 2, .* output; got \[-1\]"),
        ({"y": np.full(480, 0.5)}, ValueError, r"integers 0 to 2, .* output; got \[0\.5\]"),
        ({"validation_fraction": 0}, ValueError, r"validation_fraction must be .*\(0, 1\); got 0"),
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
