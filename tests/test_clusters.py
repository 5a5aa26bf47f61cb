"""A real cluster of two worker processes, and the same results as on one machine."""

import os
import signal
import threading
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_digits

from skprune import CNNSpace, RandomCNNEnsembleClassifier, SOCPEnsemblePruner
from skprune.exceptions import MemberTrainingError

distributed = pytest.importorskip("dask.distributed")
pytestmark = [pytest.mark.keras, pytest.mark.timeout(300)]

SPACE = CNNSpace(n_blocks=[1], filters=[2, 4], dense_units=[10], learning_rate=(5e-3, 2e-2))


@pytest.fixture
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
    return X[:240].astype(np.uint8), y[:240]


def ensemble(n_members=4, **params):
    defaults = {"space": SPACE, "image_shape": (8, 8), "epochs": 2, "random_state": 0}
    return RandomCNNEnsembleClassifier(n_members, **{**defaults, **params})


def trained(folder):
    return {path.parent.name for path in Path(folder).rglob("output.pkl")}


def assert_same_members(one, other):
    for a, b in zip(one.estimators_, other.estimators_, strict=True):
        assert a.history_ == b.history_
        for left, right in zip(a.model_.get_weights(), b.model_.get_weights(), strict=True):
            np.testing.assert_array_equal(left, right)


def test_the_same_ensemble_is_trained_and_pruned(cluster, digits):
    X, y = digits
    pruner = SOCPEnsemblePruner(ensemble(), lam=0.3, random_state=0)
    expected = pruner.fit(X, y).weights_
    votes = pruner.predict_proba(X)
    assert 0 < pruner.n_members_ < 4
    here = ensemble().fit(X, y)
    with joblib.parallel_config(backend="dask"):
        there = ensemble().fit(X, y)
        np.testing.assert_allclose(pruner.fit(X, y).weights_, expected, atol=1e-6)
        np.testing.assert_allclose(pruner.predict_proba(X), votes, atol=1e-6)
    assert_same_members(here, there)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_a_worker_that_is_killed_costs_nothing_but_time(cluster, digits, tmp_path):
    X, y = digits
    expected = ensemble(6, epochs=30).fit(X, y)
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
        found = ensemble(6, epochs=30, memory=str(tmp_path)).fit(X, y)
    killer.join()
    assert killed[0] < 6, "all was over before the worker was killed"
    assert len(trained(tmp_path)) == 6
    assert_same_members(expected, found)


def test_a_client_that_has_gone_is_said_and_what_was_trained_is_kept(digits, tmp_path):
    X, y = digits
    local = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    )
    client = distributed.Client(local)

    def leave():
        deadline = time.monotonic() + 100
        while not trained(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.02)
        client.close()
        local.close()

    leaver = threading.Thread(target=leave)
    leaver.start()
    large = ensemble(40, epochs=30, memory=str(tmp_path))
    with (
        joblib.parallel_config(backend="dask"),
        pytest.raises(MemberTrainingError, match=r"client is still connected.*in the cache"),
    ):
        large.fit(X, y)
    leaver.join()
    before = trained(tmp_path)
    assert 1 <= len(before) < 40
    large.fit(X, y)
    assert before < trained(tmp_path)
