"""Training a network of several views in this process, and the importance of its views."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._keras import keras_adam
from ..ensemble._builder import compile_cnn, make_training_state
from ..ensemble._epochs import ValidationStopping
from ._data import ViewSamples
from ._importance import view_importance
from ._network import predict_features, view_features
from ._towers import ViewNetworks, assemble

__all__ = ["train_networks", "validation_importance"]


def train_networks(
    networks: ViewNetworks,
    train: ViewSamples,
    validation: ViewSamples,
    *,
    learning_rate: float,
    epochs: int,
    batch_size: int,
    patience: int | None,
    seed: int,
) -> Iterator[tuple[dict[str, float], float]]:
    """Train in place without global random state; yield the measures and seconds of each epoch.

    Training stops after ``patience`` epochs without a lower validation loss (None: never), and the
    weights of the best epoch are kept.
    """
    model = assemble(networks, train.images.shape[1:])
    compile_cnn(model, keras_adam(learning_rate))
    make_training_state(model)
    stopping = None
    if len(validation):
        stopping = ValidationStopping(
            lambda samples: networks.predict_proba(samples.images, samples.mask),
            validation,
            validation.y,
            validation.weights,
            patience=patience,
        )
        stopping.set_model(model)
    # Another seed than that of the initial weights.
    rng = np.random.default_rng([seed, 1])
    model.stop_training = False
    for epoch in range(epochs):
        start = time.perf_counter()
        logs = _run_epoch(model, train, rng.permutation(len(train)), batch_size)
        if stopping is not None:
            stopping.on_epoch_end(epoch, logs)
        yield logs, time.perf_counter() - start
        if model.stop_training:
            break
    if stopping is not None:
        stopping.on_train_end()


def _run_epoch(
    model: Any, train: ViewSamples, order: NDArray[np.int64], batch_size: int
) -> dict[str, float]:
    """Train one epoch in the given order, as Keras's ``fit`` without shuffling."""
    totals = {"loss": 0.0, "accuracy": 0.0}
    for start in range(0, len(order), batch_size):
        batch = train[order[start : start + batch_size]]
        inputs = [batch.images.astype(np.float32), batch.mask]
        logs = model.train_on_batch(inputs, batch.y, batch.weights, return_dict=True)
        for name in totals:
            totals[name] += len(batch) * float(logs[name])
    return {name: total / len(order) for name, total in totals.items()}


def validation_importance(
    networks: ViewNetworks, samples: ViewSamples, *, method: str, n_repeats: int, seed: int
) -> NDArray[np.float64]:
    """Reciprocal mean rank (V,) of each view by the log likelihood of the samples."""
    # Features are computed once, and permuted or removed instead of the pixels.
    features, present = view_features(networks, samples.images, samples.mask)

    def log_likelihood(estimator: Any, features: NDArray, rows: NDArray) -> float:
        probabilities = estimator.predict_proba(features)
        of_label = probabilities[np.arange(len(rows)), samples.y[rows]]
        logarithms = np.log(np.maximum(of_label, 1e-7), dtype=np.float64)
        weights = None if samples.weights is None else samples.weights[rows]
        return float(np.average(logarithms, weights=weights))

    found = view_importance(
        _FromFeatures(networks),
        features,
        np.arange(len(samples)),
        method=method,
        n_repeats=n_repeats,
        scoring=log_likelihood,
        mask=present,
        random_state=np.random.default_rng([seed, 2]),
    )
    return found.importance


class _FromFeatures:
    """Pooling and head as a classifier of features, which takes a mask."""

    def __init__(self, networks: ViewNetworks) -> None:
        self._networks = networks

    def predict_proba(self, features: NDArray, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        return predict_features(self._networks, features, mask)

    def predict(self, features: NDArray, mask: NDArray[np.bool_]) -> NDArray:
        return self.predict_proba(features, mask).argmax(axis=1)
