import logging
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator

from skprune.ensemble._training import run_in_worker


@pytest.fixture(scope="session")
def digits():
    """Images (8, 8) of four digits as uint8 with their names: 280 to fit, 120 to test."""
    digits = load_digits(n_class=4)
    X = digits.images.astype(np.uint8)
    y = np.array(["zero", "one", "two", "three"])[digits.target]
    return X[:280], X[280:400], y[:280], y[280:400]


@pytest.fixture(scope="package", autouse=True)
def quick_members():
    """Random CNNs are made in milliseconds; they have as much to cut as trained ones."""
    from skprune.ensemble import _training

    from ..ensemble.random_features import member_by_its_last_layer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_training, "run_in_worker", member_by_its_last_layer)
        yield


@pytest.fixture
def trained_members(quick_members, monkeypatch):
    """Random CNNs are trained after all."""
    training(monkeypatch)


def training(monkeypatch):
    from skprune.ensemble import _training

    monkeypatch.setattr(_training, "run_in_worker", run_in_worker)


@pytest.fixture(scope="package")
def one(digits, quick_members):
    """One network that is trained, so that much can be spared; frozen, not to be changed."""
    from .networks import cnns

    X, _, y, _ = digits
    with pytest.MonkeyPatch.context() as patch:
        training(patch)
        return FrozenEstimator(cnns(1, epochs=8).fit(X, y))


@pytest.fixture(scope="package")
def several(digits, quick_members):
    """Five networks that know little, so that a vote helps; not to be changed."""
    from .networks import cnns

    X, _, y, _ = digits
    return FrozenEstimator(cnns(5).fit(X[:140], y[:140]))


@pytest.fixture(scope="package")
def sorted_rows():
    """Two batches of each class, one class after the other; a network trained on them shuffled."""
    from ..sparsity.networks import blobs_in_a_row
    from .networks import normalized, scikeras

    X, y = blobs_in_a_row(1400)
    shuffled = np.random.default_rng(0).permutation(len(X))
    network = scikeras(normalized, optimizer__learning_rate=0.02, epochs=5, batch_size=128)
    return FrozenEstimator(network.fit(X[shuffled], y[shuffled])), X, y, *blobs_in_a_row(400, 1)


@pytest.fixture
def untimed(monkeypatch):
    without_times(monkeypatch)


def without_times(monkeypatch):
    """Every network takes a millisecond: to be timed, each would have to be traced first."""
    import skprune.compression as compression
    from skprune.sparsity import _sweep

    def latency(predict, X, batch_size=None, **options):
        return SimpleNamespace(
            median=1e-3, batch_size=batch_size or len(X), threads=1, hardware="none"
        )

    def latency_ratio(*args, **options):
        return SimpleNamespace(ratio=1.0, q25=1.0, q75=1.0)

    timed = [compression._bench, compression._vote_bench, compression._cut_members, _sweep]
    for module in timed:
        for fake in (latency, latency_ratio):
            if hasattr(module, fake.__name__):
                monkeypatch.setattr(module, fake.__name__, fake)


@pytest.fixture
def unsaved(monkeypatch):
    without_files(monkeypatch)


def without_files(monkeypatch):
    """No network is written to a file only to count its bytes."""
    from skprune.metrics import _model_cost

    monkeypatch.setattr(_model_cost, "_file_bytes", lambda model: 0)


@pytest.fixture
def retraced(untimed, monkeypatch):
    """What is heard of TensorFlow's warning that it traced a network, said whenever it does."""
    import skprune.compression as compression

    logger, heard = logging.getLogger("tensorflow"), []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())
    logger.addHandler(handler)

    def loud(function):
        def traced(*args, **kwargs):
            logger.warning("5 out of the last 5 calls triggered tf.function retracing.")
            return function(*args, **kwargs)

        return traced

    for module in (compression._bench, compression._vote_bench, compression._cut_members):
        for name in ("recover", "latency", "latency_ratio"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, loud(getattr(module, name)))
    yield heard
    logger.removeHandler(handler)


@pytest.fixture
def calls():
    """Amounts that the pruning function `counted` was called with."""
    from . import networks

    networks.calls.clear()
    networks.fails_at.clear()
    yield networks.calls
    networks.fails_at.clear()
