import numpy as np
import pytest
from sklearn.datasets import load_digits

from skprune.ensemble import CNNSpace, RandomCNNEnsembleClassifier

TINY = CNNSpace(
    n_blocks=[1],
    filters=[2, 4],
    pooling=["average", "max"],
    dense_units=[10, 20],
    dropout=[0.0, 0.2],
    learning_rate=(5e-3, 2e-2),
)


@pytest.fixture(scope="session")
def tiny():
    """The smallest ensemble that is still one."""

    def make(n_estimators=2, **params):
        defaults = {"space": TINY, "epochs": 1, "batch_size": 32, "random_state": 0}
        return RandomCNNEnsembleClassifier(n_estimators, **{**defaults, **params})

    return make


@pytest.fixture(scope="session")
def digits():
    """90 images (8, 8) of three digits as uint8, and their labels."""
    X, y = load_digits(n_class=3, return_X_y=True)
    return X[:90].reshape(-1, 8, 8).astype(np.uint8), y[:90]


@pytest.fixture(scope="session")
def fitted(tiny, digits):
    """One ensemble fitted on uint8 images; not to be changed."""
    return tiny().fit(*digits)
