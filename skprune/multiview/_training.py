"""Training a multi-view network in this process, and the importance of its views."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._keras import keras_adam, quiet_first_use
from ..ensemble._builder import compile_cnn, make_training_state
from ..ensemble._epochs import ValidationStopping
from ._importance import view_importance
from ._network import build_multi_view, predict_features, predict_views, view_features
from ._plan import MultiViewNetworks, MultiViewPlan

__all__ = ["MultiViewRows", "train_multi_view", "validation_importance"]


@dataclass(frozen=True, eq=False)
class MultiViewRows:
    """Samples: images of :func:`fill_missing`, present views, classes as integers, weights."""

    images: np.ndarray
    mask: np.ndarray
    codes: np.ndarray
    weights: np.ndarray | None

    def __getitem__(self, rows) -> "MultiViewRows":
        """Some of the samples."""
        weights = None if self.weights is None else self.weights[rows]
        return MultiViewRows(self.images[rows], self.mask[rows], self.codes[rows], weights)

    def __len__(self) -> int:
        return len(self.codes)


def train_multi_view(
    plan: MultiViewPlan,
    train: MultiViewRows,
    validation: MultiViewRows | None,
    *,
    epochs: int,
    batch_size: int,
    patience: int | None,
    report: Callable[[int, dict[str, float], float], None],
) -> tuple[MultiViewNetworks, dict[str, list[float]]]:
    """Train a network without any global random state; return it and its history.

    ``patience`` is the number of epochs without a lower validation loss after which training stops
    with the best weights; None: never. ``report`` is called after each epoch with its number from
    0, its measures and its seconds.
    """
    with quiet_first_use():
        networks = build_multi_view(plan)
    model = networks.model
    compile_cnn(model, keras_adam(plan.architecture.learning_rate))
    make_training_state(model)
    stopping = None
    if validation is not None:

        def predict_proba(rows):
            return _predict_rows(networks, rows, plan.view_pooling)

        stopping = ValidationStopping(
            predict_proba, validation, validation.codes, validation.weights, patience=patience
        )
        stopping.set_model(model)
    # Another seed than that of the initial weights.
    rng = np.random.default_rng([plan.seed, 1])
    history: dict[str, list[float]] = {}
    model.stop_training = False
    for epoch in range(epochs):
        start = time.perf_counter()
        logs = _run_epoch(model, train, rng.permutation(len(train)), batch_size)
        if stopping is not None:
            stopping.on_epoch_end(epoch, logs)
        for name, value in logs.items():
            history.setdefault(name, []).append(value)
        report(epoch, logs, time.perf_counter() - start)
        if model.stop_training:
            break
    if stopping is not None:
        stopping.on_train_end()
    return networks, history


def _run_epoch(model, train, order, batch_size) -> dict[str, float]:
    """Train one epoch in the given order, as Keras's ``fit`` without shuffling."""
    totals = {"loss": 0.0, "accuracy": 0.0}
    for start in range(0, len(order), batch_size):
        batch = train[order[start : start + batch_size]]
        inputs = [batch.images.astype(np.float32), batch.mask]
        logs = model.train_on_batch(inputs, batch.codes, batch.weights, return_dict=True)
        for name in totals:
            totals[name] += len(batch) * float(logs[name])
    return {name: total / len(order) for name, total in totals.items()}


def _predict_rows(networks: MultiViewNetworks, rows: MultiViewRows, view_pooling: str):
    """Probabilities of samples, with the current weights."""
    towers = [networks.tower] * rows.images.shape[1]
    return predict_views(towers, networks.head, rows.images, rows.mask, view_pooling)


def validation_importance(
    networks: MultiViewNetworks,
    rows: MultiViewRows,
    view_pooling: str,
    *,
    method: str,
    n_repeats: int,
    seed: int,
) -> np.ndarray:
    """Reciprocal mean rank (V,) of each view by the log likelihood of validation samples.

    Features are computed once for each view, and permuted or removed instead of the pixels.
    """
    towers = [networks.tower] * rows.images.shape[1]
    features, present = view_features(towers, rows.images, rows.mask)

    def log_likelihood(estimator, features, places):
        probabilities = estimator.predict_proba(features)
        of_label = probabilities[np.arange(len(places)), rows.codes[places]]
        logarithms = np.log(np.maximum(of_label, 1e-7), dtype=np.float64)
        weights = None if rows.weights is None else rows.weights[places]
        return float(np.average(logarithms, weights=weights))

    found = view_importance(
        _FromFeatures(networks.head, view_pooling),
        features,
        np.arange(len(rows)),
        method=method,
        n_repeats=n_repeats,
        scoring=log_likelihood,
        mask=present,
        random_state=np.random.default_rng([seed, 2]),
    )
    return found.importance


class _FromFeatures:
    """Pooling and head as a classifier of features, which takes a mask."""

    def __init__(self, head, view_pooling):
        self._head, self._view_pooling = head, view_pooling

    def predict_proba(self, features, mask):
        return predict_features(self._head, features, mask, self._view_pooling)

    def predict(self, features, mask):
        return self.predict_proba(features, mask).argmax(axis=1)
