"""Times that are in order, whoever comes first; no time is ever asserted by itself."""

import sys
import time
from dataclasses import FrozenInstanceError, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from skprune.metrics import Latency, LatencyRatio, latency, latency_ratio

X = np.arange(40.0).reshape(10, 4)
QUICK = {"repeats": 2, "warm_up": 1}


def sleeper(seconds):
    return lambda batch: time.sleep(seconds)


class Recorder:
    def __init__(self, log=None, name=None):
        self.log, self.name = [] if log is None else log, name

    def __call__(self, batch):
        self.log.append(batch if self.name is None else self.name)


class TestBatches:
    def test_all_at_once_by_default(self):
        predict = Recorder()
        found = latency(predict, X, **QUICK)
        assert len(predict.log) == 3
        assert all(batch is X for batch in predict.log)
        assert (found.batch_size, found.n_samples, found.n_batches) == (10, 10, 1)
        assert found.times.shape == (2, 1)

    @pytest.mark.parametrize(
        ("size", "starts"), [(10, [0]), (5, [0, 5]), (4, [0, 4, 6]), (3, [0, 3, 6, 7]), (9, [0, 1])]
    )
    def test_all_have_the_same_size_and_meet_every_sample(self, size, starts):
        predict = Recorder()
        found = latency(predict, X, size, **QUICK)
        expected = [X[start : start + size] for start in starts] * 3
        assert len(predict.log) == len(expected)
        for batch, right in zip(predict.log, expected, strict=True):
            np.testing.assert_array_equal(batch, right)
            assert np.shares_memory(batch, X)
        assert found.n_batches == len(starts)
        assert found.times.shape == (2, len(starts))

    @pytest.mark.parametrize(
        "kind", [list, csr_array, lambda A: pd.DataFrame(A, index=np.arange(10)[::-1] + 0.5)]
    )
    def test_what_has_rows(self, kind):
        predict = Recorder()
        latency(predict, kind(X), 4, **QUICK)
        for batch, start in zip(predict.log, [0, 4, 6] * 3, strict=True):
            rows = batch.toarray() if hasattr(batch, "toarray") else np.asarray(batch)
            np.testing.assert_array_equal(rows, X[start : start + 4])


class TestLatency:
    def test_median_and_quartiles_are_those_of_the_times(self):
        naps = iter([0.0] * 3 + [0.001, 0.002, 0.003, 0.004, 0.005, 0.006])
        found = latency(lambda batch: time.sleep(next(naps)), X, 4, **QUICK)
        low, middle, high = np.quantile(found.times, [0.25, 0.5, 0.75])
        assert (found.q25, found.median, found.q75) == (low, middle, high)
        assert found.iqr == high - low
        assert found.per_sample == middle / 4
        # A sleep lasts at least as long as asked.
        assert (found.times.ravel() >= [0.001, 0.002, 0.003, 0.004, 0.005, 0.006]).all()

    def test_warming_up_does_not_count(self):
        naps = iter([0.2, 0.2, 0.0, 0.0, 0.0])
        found = latency(lambda batch: time.sleep(next(naps)), X, repeats=3, warm_up=2)
        assert found.median < 0.1
        assert found.times.shape == (3, 1)
        predict = Recorder()
        latency(predict, X, repeats=1, warm_up=0)
        assert len(predict.log) == 1

    def test_where_it_was_measured(self):
        found = latency(np.sum, X, **QUICK)
        assert type(found.threads) is int
        assert found.threads >= 1
        assert "core" in found.hardware
        assert found.hardware in str(found)

    def test_threads_without_tensorflow_are_those_of_the_libraries(self, monkeypatch):
        monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
        with threadpool_limits(1):
            assert latency(np.sum, X, **QUICK).threads == 1

    @pytest.mark.parametrize(
        ("setting", "environment", "expected"),
        [(0, "", None), (0, "some", None), (0, "0", None), (0, "5", 5), (3, "", 3), (3, "5", 3)],
    )
    def test_threads_and_accelerators_of_tensorflow(
        self, monkeypatch, setting, environment, expected
    ):
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", environment)
        devices = [SimpleNamespace(name="first"), SimpleNamespace(name="second")]
        config = SimpleNamespace(
            threading=SimpleNamespace(get_intra_op_parallelism_threads=lambda: setting),
            list_physical_devices=lambda kind: devices,
            experimental=SimpleNamespace(
                get_device_details=lambda d: {"device_name": "A GPU"} if d is devices[0] else {}
            ),
        )
        monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(config=config))
        found = latency(np.sum, X, **QUICK)
        assert found.threads == expected if expected else found.threads >= 1
        assert found.hardware.endswith(", A GPU, second")

    @pytest.mark.keras
    def test_a_network(self):
        import keras

        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        found = latency(model.predict_on_batch, X.astype("float32"), 5, **QUICK)
        assert found.times.shape == (2, 2)
        assert (found.times > 0).all()


class TestRatio:
    def test_the_slower_takes_longer(self):
        found = latency_ratio(sleeper(0.005), sleeper(0.001), X, repeats=4, warm_up=0)
        assert found.ratio > 2
        assert found.q25 <= found.ratio <= found.q75
        assert found.a.median > found.b.median
        inverse = latency_ratio(sleeper(0.001), sleeper(0.005), X, repeats=4, warm_up=0)
        assert inverse.ratio < 0.5

    def test_of_hand_made_times(self, monkeypatch):
        times = np.array([[4.0, 4, 1, 1], [1, 3, 2, 2], [5, 1, 1, 2], [8, 8, 1, 1]])
        monkeypatch.setattr("skprune.metrics._latency.time_rounds", lambda *_, **__: times)
        found = latency_ratio(np.sum, np.sum, X, 5)
        ratios = [4.0, 1.0, 2.0, 8.0]
        expected = np.exp(np.quantile(np.log(ratios), [0.25, 0.5, 0.75]))
        np.testing.assert_allclose([found.q25, found.ratio, found.q75], expected)
        np.testing.assert_allclose(found.ratio, np.sqrt(2 * 4))  # half-way by factors
        np.testing.assert_array_equal(found.a.times, times[:, :2])
        np.testing.assert_array_equal(found.b.times, times[:, 2:])
        assert found.a.median == np.median(times[:, :2])
        times[:] = times[:, [2, 3, 0, 1]]
        swapped = latency_ratio(np.sum, np.sum, X, 5)
        np.testing.assert_allclose(
            [swapped.q25, swapped.ratio, swapped.q75], 1 / expected[::-1], rtol=1e-12
        )

    def test_either_is_first_in_turn(self):
        log = []
        a, b = Recorder(log, "a"), Recorder(log, "b")
        latency_ratio(a, b, X, 5, repeats=3, warm_up=1)
        assert "".join(log) == "aabb" + "bbaa" + "aabb" + "bbaa"

    def test_a_time_is_put_down_to_who_took_it(self):
        naps = {"a": iter([0.0, 0.004, 0.004, 0.004]), "b": iter([0.004, 0.0, 0.0, 0.0])}

        def call(name):
            return lambda batch: time.sleep(next(naps[name]))

        found = latency_ratio(call("a"), call("b"), X, repeats=3, warm_up=1)
        assert (found.a.times >= 0.004).all()
        assert found.b.median < found.a.median

    def test_too_fast_for_the_clock(self, monkeypatch):
        monkeypatch.setattr(time, "perf_counter", lambda: 1.0)
        with pytest.raises(ValueError, match="faster than the clock"):
            latency_ratio(np.sum, np.sum, X)
        assert latency(np.sum, X).median == 0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"batch_size": 11}, ValueError, "batch_size=11 is more than the 10 samples"),
        ({"batch_size": 0}, ValueError, "'batch_size' .* int in the range .1, inf.* Got 0"),
        ({"batch_size": -2}, ValueError, "'batch_size' .* int in the range .1, inf"),
        ({"batch_size": 2.0}, TypeError, "'batch_size' .* int in the range .* Got 2.0"),
        ({"batch_size": True}, TypeError, "'batch_size' .* int in the range"),
        ({"repeats": 0}, ValueError, "'repeats' .* int in the range .1, inf"),
        ({"repeats": 1.5}, TypeError, "'repeats' .* int in the range"),
        ({"warm_up": -1}, ValueError, "'warm_up' .* int in the range .0, inf"),
        ({"X": X[:0]}, ValueError, "no sample"),
    ],
)
def test_refusals(change, error, message):
    settings = {"X": X, "batch_size": 2, **change}
    predict = Recorder()
    with pytest.raises(error, match=message):
        latency(predict, **settings)
    with pytest.raises(error, match=message):
        latency_ratio(predict, predict, **settings)
    assert not predict.log


def test_what_cannot_be_called():
    with pytest.raises(TypeError, match="'predict' parameter of latency must be a callable"):
        latency(X, X)
    with pytest.raises(TypeError, match=r"'a' .* must be a callable"):
        latency_ratio(None, np.sum, X)
    with pytest.raises(TypeError, match=r"'b' .* must be a callable"):
        latency_ratio(np.sum, 3, X)


def test_they_read_well():
    a = Latency(0.0012, 0.0011, 0.0013, np.zeros((20, 4)), 32, 128, 2, "A processor, 2 cores")
    assert str(a) == (
        "1.2 ms for 32 samples (quartiles 1.1 to 1.3 ms, of 20 x 4 batches), 37.5 us a sample; "
        "2 threads, A processor, 2 cores"
    )
    assert repr(a).startswith("Latency(median=0.0012, q25=0.0011, q75=0.0013, batch_size=32, ")
    b = replace(a, median=0.0024, threads=1, batch_size=1)
    assert "for one sample" in str(b)
    assert "; 1 thread, " in str(b)
    assert str(LatencyRatio(0.5, 0.4, 0.6, a, b)) == (
        "0.5 times as long (quartiles 0.4 to 0.6, of 20 rounds): 1.2 against 2.4 ms for "
        "32 samples; 2 threads, A processor, 2 cores"
    )
    with pytest.raises(FrozenInstanceError):
        a.median = 3
