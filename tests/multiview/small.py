"""Small multi-view classifiers, and data for them."""

import numpy as np
from sklearn.model_selection import train_test_split

from skprune.ensemble import CNNArchitecture, ConvBlock
from skprune.multiview import MultiViewCNNClassifier, PrunedMultiViewClassifier, ViewNetworks

TINY = CNNArchitecture((ConvBlock((3, 4), "max"),), dense_units=8, dropout=0.1, learning_rate=2e-2)
NAMES = np.array(["ash", "birch", "cedar"])
AMOUNTS = [0.0, 0.5, 0.75, 0.25]  # of the four views of `data`


def make(architecture=TINY, **params):
    """The smallest classifier. Its batches are whole epochs, so that Keras traces once."""
    return MultiViewCNNClassifier(
        architecture, **{"epochs": 3, "batch_size": 256, "random_state": 0, **params}
    )


def cnn(**params):
    """A classifier with a tower that can be pruned."""
    small = CNNArchitecture((ConvBlock((4, 8), "max"),), 8, dropout=0.1, learning_rate=2e-2)
    return make(**{"architecture": small, "epochs": 12, **params})


def pruned(estimator, **params):
    """Without fine-tuning, which takes most of the time."""
    defaults = {"amounts": [0, 0.5], "round_to": 2, "fine_tune_epochs": 0, "random_state": 0}
    return PrunedMultiViewClassifier(estimator, **{**defaults, **params})


def tuned(estimator, **params):
    return pruned(estimator, **{"fine_tune_epochs": 1, "learning_rate": 1e-2, **params})


def three_views():
    """100 samples of three views (6, 5); only view 2 tells the three classes apart."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 60, size=(100, 3, 6, 5)), np.arange(100) % 3
    X[y == 1, 2, :3] += 90
    X[y == 2, 2, 3:] += 90
    return X.astype(np.uint8), y


def random_mask():
    """For these samples: six of ten views are present, at least one a sample."""
    present = np.random.default_rng(1).random((100, 3)) < 0.6
    present[:, 0] |= ~present.any(axis=1)
    return present


def split(y):
    """The rows that are trained on and those that are held out, and the seed that drew them."""
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    parts = train_test_split(np.arange(len(y)), test_size=0.25, stratify=y, random_state=seed)
    return np.sort(parts[0]), np.sort(parts[1]), seed


def networks_of(model):
    """Towers and head of either classifier."""
    if isinstance(model, PrunedMultiViewClassifier):
        return model.networks_
    return ViewNetworks((model.tower_,) * model.n_views_, model.head_, model.view_pooling)


def all_weights(networks):
    return [w for model in (*networks.distinct, networks.head) for w in model.get_weights()]


def assert_same_weights(one, other):
    for a, b in zip(all_weights(one), all_weights(other), strict=True):
        np.testing.assert_array_equal(a, b)


def by_hand(networks, X, mask=None):
    """Probabilities one sample and one view at a time, with NumPy between towers and head."""
    found = []
    X = X if X.ndim == 5 else X[..., None]
    for number, views in enumerate(X.astype(np.float32)):
        features = [
            np.asarray(tower(views[v : v + 1]))[0]
            for v, tower in enumerate(networks.towers)
            if tower is not None and (mask is None or mask[number, v])
        ]
        pooled = {"max": np.max, "mean": np.mean}[networks.pooling](features, axis=0)
        found.append(np.asarray(networks.head(pooled[None]))[0])
    return np.stack(found)


def train_the_head_only(networks, train, validation, **options):
    """In place of training: random features, of which only the last layer learns."""
    from skprune.multiview._network import pool_views, view_features

    from ..ensemble.random_features import fit_last_layer

    pooled = pool_views(*view_features(networks, train.images, train.mask), networks.pooling)
    fit_last_layer(networks.head, pooled, train.y, train.weights)
    return ()
