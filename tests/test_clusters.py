"""A real cluster of two worker processes, and the same results as on one machine."""

import os
import signal
import threading
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from skprune import CNNSpace, RandomCNNEnsembleClassifier, SOCPEnsemblePruner
from skprune.exceptions import MemberTrainingError
from skprune.socp import EnsembleStatistics

distributed = pytest.importorskip("dask.distributed")
pytestmark = [pytest.mark.keras, pytest.mark.timeout(300)]

SPACE = CNNSpace(n_blocks=[1], filters=[2, 4], dense_units=[10], learning_rate=(5e-3, 2e-2))


@pytest.fixture(scope="module")
def cluster():
    """A client of two worker processes that are watched, and started again when they die."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as local,
        distributed.Client(local) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        yield client


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(n_class=4, return_X_y=True)
    return X[:120].astype(np.uint8), y[:120]


def ensemble(n_members=3, **params):
    defaults = {"space": SPACE, "image_shape": (8, 8), "epochs": 1, "random_state": 0}
    return RandomCNNEnsembleClassifier(n_members, **{**defaults, **params})


def trained(folder):
    return {path.parent.name for path in Path(folder).rglob("output.pkl")}


def assert_same_members(one, other):
    for a, b in zip(one.estimators_, other.estimators_, strict=True):
        assert a.history_ == b.history_
        for left, right in zip(a.model_.get_weights(), b.model_.get_weights(), strict=True):
            np.testing.assert_array_equal(left, right)


def test_the_same_members_are_chosen(cluster, digits):
    """Of trees: the networks of the next test are the same as well."""
    X, y = digits
    forest = RandomForestClassifier(8, max_depth=3, random_state=0)
    here = SOCPEnsemblePruner(forest, lam=0.3, random_state=0).fit(X, y)
    assert 0 < here.n_members_ < 8
    there = clone(here)
    with joblib.parallel_config(backend="dask"):
        there.fit(X, y)
        np.testing.assert_allclose(there.weights_, here.weights_, atol=1e-6)
        votes = there.predict_proba(X)
    np.testing.assert_allclose(votes, here.predict_proba(X), atol=1e-6)


def test_parquet_files_are_summed(cluster, tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rng = np.random.default_rng(0)
    for k, n in enumerate((9_000, 1, 15_000)):  # three blocks, and so three tasks
        columns = {f"member {i}": rng.random(n, dtype=np.float32) for i in range(300)}
        table = pa.table({**columns, "y": rng.integers(0, 2, n)})
        parquet.write_table(table, tmp_path / f"{k}.parquet", row_group_size=3_000)
    here = EnsembleStatistics.from_parquet(tmp_path)
    with joblib.parallel_config(backend="dask"):
        there = EnsembleStatistics.from_parquet(tmp_path)
    for name in ("gram", "reference_gram", "agreement", "divergence", "total_weight"):
        np.testing.assert_allclose(getattr(there, name), getattr(here, name), rtol=1e-12)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_a_worker_that_is_killed_costs_nothing_but_time(cluster, digits, tmp_path):
    X, y = digits
    expected = ensemble().fit(X, y)
    pids = list(cluster.run(os.getpid).values())
    killed = []

    def kill_one():
        deadline = time.monotonic() + 100
        while not trained(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(pids[0], signal.SIGKILL)
        killed.append(len(trained(tmp_path)))

    killer = threading.Thread(target=kill_one)
    killer.start()
    with joblib.parallel_config(backend="dask"):
        found = ensemble(memory=str(tmp_path)).fit(X, y)
    killer.join()
    assert killed[0] < 3, "all was over before the worker was killed"
    assert len(trained(tmp_path)) == 3
    assert_same_members(expected, found)


def test_a_client_that_has_gone_is_said_and_what_was_trained_is_kept(cluster, digits, tmp_path):
    X, y = digits
    cluster.wait_for_workers(2, timeout=60)  # one may be on its way again

    def leave():
        deadline = time.monotonic() + 100
        while not trained(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.02)
        cluster.close()  # no test comes after this one

    leaver = threading.Thread(target=leave)
    leaver.start()
    large = ensemble(5, memory=str(tmp_path))
    with (
        joblib.parallel_config(backend="dask"),
        pytest.raises(MemberTrainingError, match=r"client is still connected.*in the cache"),
    ):
        large.fit(X, y)
    leaver.join()
    before = trained(tmp_path)
    assert 1 <= len(before) < 5
    large.fit(X, y)
    assert before < trained(tmp_path)
