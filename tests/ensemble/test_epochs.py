"""The training loop against Keras's own `fit`; on the back end that Keras has in this process."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.keras

BACKENDS = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


def plan(dropout=0.3):
    from skprune.ensemble import CNNArchitecture, ConvBlock

    block = ConvBlock((3, 4), "max")
    return CNNArchitecture((block,), dense_units=8, dropout=dropout, learning_rate=3e-3)


def network(dropout=0.3):
    import keras

    from skprune.ensemble._builder import build_cnn, compile_cnn

    model = build_cnn(plan(dropout), (6, 6, 1), 3, offset=0.5, scale=2.0, seed=5)
    compile_cnn(model, keras.optimizers.Adam(3e-3))
    return model


def to_compare_with():
    """One that Keras trains; in JAX its steps are compiled whole, or it compiles each operation."""
    import keras

    model = network()
    model.jit_compile = keras.backend.backend() == "jax"
    return model


def data(n):
    rng = np.random.default_rng(n)
    y = rng.integers(0, 3, n)
    X = rng.normal(size=(n, 6, 6, 1)) + y[:, None, None, None]
    return X.astype(np.float32), y, rng.uniform(0.2, 3.0, n).astype(np.float32)


def order_of(n):
    return lambda epoch: np.random.default_rng([9, epoch]).permutation(n)


# A last step of one sample, whole steps only, fewer samples than a batch.
@pytest.mark.parametrize(
    ("n", "batch_size", "weighted"), [(41, 8, True), (32, 8, False), (5, 64, True)]
)
def test_losses_are_those_of_keras_for_the_same_order(keras, n, batch_size, weighted):
    from skprune.ensemble._epochs import train_epochs

    X, y, w = data(n)
    w = w if weighted else None
    ours, theirs = network(), to_compare_with()
    history = train_epochs(ours, X, y, w, epochs=range(3), batch_size=batch_size, order=order_of(n))
    for epoch in range(3):
        rows = order_of(n)(epoch)
        expected = theirs.fit(
            X[rows],
            y[rows],
            sample_weight=None if w is None else w[rows],
            batch_size=batch_size,
            shuffle=False,
            verbose=0,
        ).history
        np.testing.assert_allclose(history["loss"][epoch], expected["loss"][0], rtol=2e-4)
        assert abs(history["accuracy"][epoch] - expected["accuracy"][0]) <= 1.01 / n
    if not weighted:
        # Not trivially so: another order has other losses, and weights do matter.
        other = train_epochs(
            network(), X, y, w, epochs=range(1, 4), batch_size=batch_size, order=order_of(n)
        )
        weighed = train_epochs(
            network(), X, y, data(n)[2], epochs=range(1), batch_size=batch_size, order=order_of(n)
        )
        assert abs(weighed["loss"][0] / history["loss"][0] - 1) > 1e-2
        assert abs(other["loss"][0] / history["loss"][0] - 1) > 1e-4


def test_the_first_step_is_keras_to_rounding(keras):
    from skprune.ensemble._epochs import train_epochs

    X, y, w = data(24)
    ours, theirs = network(), to_compare_with()
    train_epochs(ours, X, y, w, epochs=range(1), batch_size=24, order=lambda epoch: np.arange(24))
    theirs.train_on_batch(X, y, w)
    for variable, a, b in zip(ours.weights, ours.get_weights(), theirs.get_weights(), strict=True):
        # A bias before a normalization has no gradient but rounding, which Adam makes a step of.
        if not ("conv" in variable.path and "bias" in variable.path):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5, err_msg=variable.path)


def test_the_loop_of_a_gpu_is_that_of_a_cpu_in_jax(keras):
    if keras.backend.backend() != "jax":
        pytest.skip("JAX alone has two loops")
    import jax

    from skprune.ensemble._epochs_jax import Epochs

    X, y, w = data(24)
    found = []
    for on_gpu in (False, True):
        runner = Epochs(network(), X, y, w, 8)
        if on_gpu:
            runner._whole = jax.jit(runner._xla_loop, static_argnames="n_rows")
        found.append([runner.run(order_of(24)(epoch), 3e-3) for epoch in range(2)])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)


def test_callbacks_change_the_rate_and_stop_training(keras):
    from skprune.ensemble._epochs import train_epochs

    X, y, _ = data(40)

    def train(*callbacks):
        model = network(dropout=0.0)
        history = train_epochs(
            model, X, y, None, epochs=range(6), batch_size=16, order=order_of(40),
            callbacks=callbacks,
        )  # fmt: skip
        return model, history

    still = keras.callbacks.LearningRateScheduler(lambda epoch: 0.0)
    model, history = train(still)
    start = network(dropout=0.0)
    for a, b, variable in zip(model.get_weights(), start.get_weights(), model.weights, strict=True):
        if variable.trainable:
            np.testing.assert_array_equal(a, b)
    assert history["learning_rate"] == [0.0] * 6

    stop = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=10.0)
    assert len(train(stop)[1]["loss"]) == 2
    seen = []
    record = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: seen.append("begin"),
        on_epoch_end=lambda epoch, logs: seen.append((epoch, sorted(logs))),
        on_train_end=lambda logs: seen.append("end"),
    )
    train(record)
    assert seen == ["begin", *((e, ["accuracy", "loss"]) for e in range(6)), "end"]


def test_a_callback_of_batches_is_trained_by_keras(keras):
    from skprune.ensemble import CNNMember
    from skprune.ensemble._epochs import runs_whole_epochs

    class OfBatches(keras.callbacks.Callback):
        n_batches = 0

        def on_train_batch_end(self, batch, logs=None):
            self.n_batches += 1

    callback = OfBatches()
    assert not runs_whole_epochs([callback])
    assert runs_whole_epochs([keras.callbacks.EarlyStopping()])
    within = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    assert not runs_whole_epochs([within])
    assert runs_whole_epochs([keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: None)])
    X, y, _ = data(40)
    member = CNNMember(plan(), 3, epochs=2, batch_size=16).fit(X, y, callbacks=[callback])
    assert callback.n_batches == 6
    assert len(member.history_["loss"]) == 2


def test_members_train_predict_and_round_trip(keras, capsys):
    import pickle

    from skprune.ensemble import CNNMember

    X, y, w = data(48)
    params = {"epochs": 3, "batch_size": 16, "offset": 0.5, "scale": 2.0, "random_state": 3}
    member = CNNMember(plan(), 3, **params).fit(X, y, sample_weight=w, validation_data=(X, y))
    assert sorted(member.history_) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    hits = 48 * np.array(member.history_["accuracy"])
    assert hits.max() <= 48
    np.testing.assert_allclose(hits, hits.round(), atol=1e-4)
    again = CNNMember(plan(), 3, verbose=1, **params)
    again.fit(X, y, sample_weight=w, validation_data=(X, y))
    assert member.history_ == again.history_
    assert capsys.readouterr().out.count("epoch") == 3
    expected = member.predict_proba(X)
    assert expected.dtype == np.float32
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
    of_keras = keras.ops.convert_to_numpy(member.model_(X, training=False))
    np.testing.assert_allclose(expected, of_keras, rtol=2e-5, atol=1e-6)
    copy = pickle.loads(pickle.dumps(member))
    np.testing.assert_array_equal(copy.predict_proba(X), expected)
    assert vars(copy).get("_model") is None, "a prediction needs no Keras model"
    copy.partial_fit(X, y)
    assert len(copy.history_["loss"]) == 4


def test_whole_batches_and_rows_of_zero_weight(keras):
    from skprune.ensemble import CNNMember

    X, y, w = data(24)
    w[::3] = 0
    rows = w > 0

    def losses(batch_size, *given):
        return CNNMember(plan(), 3, epochs=2, batch_size=batch_size).fit(*given).history_

    expected = losses(16, X[rows], y[rows], w[rows])
    assert losses(-1, X, y, w) == losses(24, X, y, w) == expected


def test_a_fit_leaves_deterministic_operations_as_they_were(keras):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow has this switch for the whole process")
    from tensorflow.python.framework import config

    from skprune.ensemble import CNNMember

    X, y, _ = data(8)
    before = config.is_op_determinism_enabled()
    found = []
    try:
        for switch in (config.disable_op_determinism, config.enable_op_determinism):
            switch()
            history = CNNMember(plan(), 3, epochs=2, batch_size=8).fit(X, y).history_
            found.append((history, config.is_op_determinism_enabled()))
    finally:
        (config.enable_op_determinism if before else config.disable_op_determinism)()
    assert found[0][0] == found[1][0]
    assert [enabled for _, enabled in found] == [False, True]


@pytest.mark.parametrize("backend", [b for b in BACKENDS if b != "tensorflow"])
def test_on_the_other_back_ends(backend):
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        pytest.skip("this is the run of another back end")
    if find_spec(BACKENDS[backend]) is None:
        pytest.skip(f"{backend} is not installed")
    # Each has JAX compile.
    some = "41-8-True or loop_of_a_gpu or of_another_back_end"
    options = ["-q", "-x", "-p", "no:cacheprovider", "-k", some]
    files = [__file__, Path(__file__).parents[1] / "_keras" / "test_joint_prediction.py"]
    quickly = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # which are most of that time
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *files],
        env={**os.environ, **quickly, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:]
    # One of each name: what is renamed must not fall out unseen.
    assert sum(map(int, re.findall(r"(\d+) (?:passed|skipped)", run.stdout))) == 3
