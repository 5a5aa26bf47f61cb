"""Networks and pruning functions by name: what is saved, or kept in a folder, needs one."""

import warnings

import keras
import numpy as np
from keras import layers
from scikeras.wrappers import KerasClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted, validate_data

from skprune import CNNSpace, RandomCNNEnsembleClassifier
from skprune.sparsity import prune_channels

from ..sparsity.networks import normalized_network

# One architecture, so that no member is much better than all others.
ALIKE = CNNSpace(
    n_blocks=[1],
    filters=[16],
    pooling=["max"],
    dense_units=[32],
    dropout=[0.2],
    learning_rate=(2e-3, 2e-3),
)


def cnns(n_estimators=1, **params):
    """The smallest random networks that channels can be taken from."""
    defaults = {"space": ALIKE, "epochs": 3, "batch_size": 24, "random_state": 0}
    return RandomCNNEnsembleClassifier(n_estimators, **{**defaults, **params})


# scikeras


def scikeras(builder, **params):
    defaults = {
        "loss": "binary_crossentropy" if builder is sigmoid else "sparse_categorical_crossentropy",
        "optimizer": "adam",
        "optimizer__learning_rate": 5e-3,
        "epochs": 4,
        "random_state": 0,
        "verbose": 0,
    }
    return KerasClassifier(builder, **{**defaults, **params})


def softmax(meta, units=24):
    return _network(meta, units, layers.Dense(meta["n_classes_"], activation="softmax"))


def logits(meta):
    return _network(meta, 24, layers.Dense(meta["n_classes_"]))


def sigmoid(meta):
    return _network(meta, 24, layers.Dense(1, activation="sigmoid"))


def normalized():
    return normalized_network()


def too_wide(meta):
    return _network(meta, 24, layers.Dense(7, activation="softmax"))


def _network(meta, units, last):
    sides = (*meta["X_shape_"][1:], 1)
    return keras.Sequential(
        [
            keras.Input(sides[:-1]),
            layers.Reshape(sides),
            layers.Rescaling(1 / 16),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(units, activation="relu"),
            last,
        ]
    )


# Pruning

calls: list[float] = []  # amounts that `counted` was called with
fails_at: set[float] = set()  # and those it fails at


def counted(model, amount):
    """Channels, with every call noted."""
    calls.append(amount)
    if amount in fails_at:
        raise RuntimeError("the power went")
    return prune_channels(model, amount, round_to=4)


class RandomFeatureNetwork(ClassifierMixin, BaseEstimator):
    """A Keras network of one random hidden layer; only the last is trained, in milliseconds."""

    def __init__(self, units=16, random_state=None):
        self.units = units
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        X, y = validate_data(self, X, y, dtype="float32", allow_nd=True)
        flat, rng = X.reshape(len(X), -1), np.random.default_rng(self.random_state)
        hidden = rng.normal(size=(flat.shape[1], self.units)), rng.normal(size=self.units)
        last = LogisticRegression(max_iter=20)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # good enough
            last.fit(np.maximum(flat @ hidden[0] + hidden[1], 0), y, sample_weight)
        self.classes_, n_outputs = last.classes_, len(last.coef_)
        self.model_ = keras.Sequential(
            [
                keras.Input(X.shape[1:]),
                layers.Flatten(),
                layers.Dense(self.units, activation="relu"),
                layers.Dense(n_outputs, activation="sigmoid" if n_outputs == 1 else "softmax"),
            ]
        )
        self.model_.set_weights([*hidden, last.coef_.T, last.intercept_])
        return self

    def predict_proba(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, dtype="float32", allow_nd=True, reset=False)
        p = np.asarray(self.model_(X, training=False))
        return np.column_stack([1 - p, p]) if p.shape[1] == 1 else p

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
