"""Training of a network by one compiled function for each epoch; one file for each back end.

Keras's `fit` returns to Python for every batch, and traces its optimizer and metrics again for
every model; for a small network that is most of its time. Here the samples are tensors in memory,
and one compiled function processes a whole epoch. For the same order of samples the losses are
those of `fit`, to rounding.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Protocol

import keras
import numpy as np

__all__ = ["EpochRunner", "ValidationStopping", "runs_whole_epochs", "train_epochs"]

# Modules with a class `Epochs`, an EpochRunner.
_BACKENDS = {
    "tensorflow": "._epochs_tensorflow",
    "jax": "._epochs_jax",
    "torch": "._epochs_torch",
}

_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


class EpochRunner(Protocol):
    """A model and its training data on one back end; ``run`` changes the model's weights.

    Made from ``(model, X, y, sample_weight, batch_size)`` with float32 pixels X, integer classes y
    and sample weights or None. The last step of an epoch takes the samples that are left.
    """

    def run(self, order: np.ndarray, learning_rate: float) -> tuple[float, float]:
        """Train one epoch in the given order; return the mean loss and the accuracy, as Keras."""


def runs_whole_epochs(callbacks: Iterable[keras.callbacks.Callback]) -> bool:
    """Whether no callback has to be called within an epoch."""
    own = keras.callbacks.Callback
    # A LambdaCallback has its hooks in the instance.
    return all(
        getattr(getattr(callback, hook), "__func__", None) is getattr(own, hook)
        for callback in callbacks
        for hook in _BATCH_HOOKS
    )


def train_epochs(
    model: keras.Model,
    X: np.ndarray,
    y: np.ndarray,
    sample_weight: np.ndarray | None,
    *,
    epochs: Iterable[int],
    batch_size: int,
    order: Callable[[int], np.ndarray],
    callbacks: Iterable[keras.callbacks.Callback] = (),
) -> dict[str, list[float]]:
    """Train a model compiled with Adam; return its history, with what callbacks added.

    ``order`` is called with the number of an epoch and returns the order of its samples. Callbacks
    may change the optimizer's learning rate.
    """
    module = import_module(_BACKENDS[keras.backend.backend()], __package__)
    runner: EpochRunner = module.Epochs(model, X, y, sample_weight, batch_size)
    record = keras.callbacks.History()  # last, so that it records what the others add
    calls = keras.callbacks.CallbackList([*callbacks, record], model=model)
    model.stop_training = False
    calls.on_train_begin()
    logs: dict[str, float] = {}
    for epoch in epochs:
        calls.on_epoch_begin(epoch)
        loss, accuracy = runner.run(order(epoch), float(model.optimizer.learning_rate))
        logs = {"loss": loss, "accuracy": accuracy}
        calls.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    calls.on_train_end(logs)
    return {name: [float(value) for value in values] for name, values in record.history.items()}


class ValidationStopping(keras.callbacks.Callback):
    """Validate after each epoch; stop when the loss no longer falls, with the best weights.

    Keras's own validation traces a second graph and makes a new data set each epoch, which
    for a small network takes longer than its training. ``predict_proba`` predicts with the current
    weights. ``patience`` is the number of epochs without a lower loss after which training stops;
    with None it never stops, and the last weights are kept.
    """

    def __init__(self, predict_proba: Callable, X, y, sample_weight=None, *, patience=None):
        super().__init__()
        self._predict_proba = predict_proba
        self._X, self._y, self._sample_weight = X, np.asarray(y), sample_weight
        self._patience = patience
        self._best_loss, self._best_weights, self._n_waited = np.inf, None, 0

    def on_epoch_end(self, epoch, logs=None):
        """Add validation loss and accuracy to ``logs``; stop if the loss no longer falls."""
        probabilities = self._predict_proba(self._X)
        of_label = np.take_along_axis(probabilities, self._y[:, None], axis=1)[:, 0]
        losses = -np.log(np.maximum(of_label, keras.config.epsilon()), dtype=np.float64)
        hits = probabilities.argmax(axis=1) == self._y
        loss = float(np.average(losses, weights=self._sample_weight))
        logs["val_loss"] = loss
        logs["val_accuracy"] = float(np.average(hits, weights=self._sample_weight))
        if self._patience is None:
            return
        self._n_waited += 1
        if loss < self._best_loss:
            self._best_loss, self._n_waited = loss, 0
            self._best_weights = self.model.get_weights()
        elif self._n_waited >= self._patience:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        """Restore the weights of the best epoch."""
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)
