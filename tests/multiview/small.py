"""A small multi-view classifier and data for it."""

import numpy as np

from skprune.ensemble import CNNArchitecture, ConvBlock
from skprune.multiview import MultiViewCNNClassifier

TINY = CNNArchitecture((ConvBlock((3, 4), "max"),), dense_units=8, dropout=0.1, learning_rate=2e-2)


def make(architecture=TINY, **params):
    """The smallest classifier; its batches are whole epochs, so that Keras traces once."""
    return MultiViewCNNClassifier(
        architecture, **{"epochs": 3, "batch_size": 256, "random_state": 0, **params}
    )


def three_views():
    """100 samples of three views (6, 5); only view 2 tells the three classes apart."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 60, size=(100, 3, 6, 5)), np.arange(100) % 3
    X[y == 1, 2, :3] += 90
    X[y == 2, 2, 3:] += 90
    return X.astype(np.uint8), y


def random_mask():
    """For the same samples: six views of ten are there, at least one a sample."""
    present = np.random.default_rng(1).random((100, 3)) < 0.6
    present[:, 0] |= ~present.any(axis=1)
    return present
