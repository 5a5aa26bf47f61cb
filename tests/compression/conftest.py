import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator


@pytest.fixture(scope="session")
def digits():
    """Images (8, 8) of four digits as uint8 with their names: 280 to fit, 120 to test."""
    digits = load_digits(n_class=4)
    X = digits.images.astype(np.uint8)
    y = np.array(["zero", "one", "two", "three"])[digits.target]
    return X[:280], X[280:400], y[:280], y[280:400]


@pytest.fixture(scope="session")
def one(digits):
    """One trained network, frozen; not to be changed."""
    from .networks import cnns

    X, _, y, _ = digits
    return FrozenEstimator(cnns(1, epochs=8).fit(X, y))


@pytest.fixture(scope="session")
def several(digits):
    """Five networks that were trained badly, so that a vote helps; not to be changed."""
    from .networks import cnns

    X, _, y, _ = digits
    return FrozenEstimator(cnns(5).fit(X[:140], y[:140]))


@pytest.fixture
def calls():
    """Amounts that the pruning function `counted` was called with."""
    from . import networks

    networks.calls.clear()
    networks.fails_at.clear()
    yield networks.calls
    networks.fails_at.clear()
