import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from .small import NAMES, all_weights, cnn, networks_of, train_the_head_only, tuned


@pytest.fixture
def untimed(monkeypatch):
    """Timing traces networks, which takes longer than all else."""
    from skprune.multiview._evaluator import ViewEvaluator

    monkeypatch.setattr(ViewEvaluator, "_prediction", lambda self, networks: np.copy)


@pytest.fixture
def untrained(monkeypatch):
    """Training takes milliseconds."""
    from skprune.multiview import _training

    monkeypatch.setattr(_training, "train_networks", train_the_head_only)


@pytest.fixture(scope="session")
def data():
    """Four views of 8 x 8; view 1 tells the classes, view 3 less; a tenth has a wrong label."""
    rng = np.random.default_rng(0)
    X, codes = rng.integers(0, 60, size=(160, 4, 8, 8)), np.arange(160) % 3
    for view, light in ((1, 90), (3, 15)):
        X[codes == 1, view, :4] += light
        X[codes == 2, view, 4:] += light
    codes[::10] = (codes[::10] + 1) % 3
    return X.astype(np.uint8), NAMES[codes]


@pytest.fixture(scope="session")
def mask():
    """Seven of ten views are present, view 1 or view 3 of every sample among them."""
    present = np.random.default_rng(1).random((160, 4)) < 0.7
    present[:, 1] |= ~present[:, 3]
    return present


@pytest.fixture(scope="session")
def frozen(data):
    """Not to be changed, which is checked at the end."""
    fitted = cnn().fit(*data)
    before = all_weights(networks_of(fitted))
    yield FrozenEstimator(fitted)
    for one, other in zip(before, all_weights(networks_of(fitted)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="session")
def copies(frozen, data):
    """Amounts computed, towers fine-tuned; not to be changed."""
    return tuned(frozen, min_accuracy=0.6).fit(*data)


@pytest.fixture(scope="session")
def nested(frozen, data):
    """Amounts given, view 2 dropped; not to be changed."""
    settings = {"towers": "nested", "view_amounts": [0, 0.5, 1, 0.75], "amounts": [0]}
    return tuned(frozen, **settings).fit(*data)
