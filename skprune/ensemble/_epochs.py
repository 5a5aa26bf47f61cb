"""The training of a member: one compiled function a pass over the data, one file a back end.

Keras's `fit` goes back to Python for every batch, and traces its optimiser and metrics anew
for every model; for a small network that is most of its time. Here the samples lie in memory
as tensors, and the function that passes over them is compiled whole. The losses are those of
`fit`, to rounding, for the same order of samples.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Protocol

import keras
import numpy as np

__all__ = ["EpochRunner", "runs_whole_epochs", "train_epochs"]

# Each has a class `Epochs`, made as an EpochRunner is.
_BACKENDS = {
    "tensorflow": "._epochs_tensorflow",
    "jax": "._epochs_jax",
    "torch": "._epochs_torch",
}

_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


class EpochRunner(Protocol):
    """One model and its training data, on one back end.

    Parameters
    ----------
    model : keras.Model
        From pixels to probabilities; its weights change with every pass.
    X : ndarray of shape (n, height, width, channels), float32
        Pixels.
    y : ndarray of shape (n,)
        Classes, as integers.
    sample_weight : ndarray of shape (n,) or None
        Weights of the samples in the loss.
    batch_size : int
        Samples of one gradient step; the last step of a pass takes what is left.
    """

    def run(self, order: np.ndarray, learning_rate: float) -> tuple[float, float]:
        """Pass over the samples in an order; the mean loss and the accuracy, as in Keras."""


def runs_whole_epochs(callbacks: Iterable[keras.callbacks.Callback]) -> bool:
    """Whether no callback wants to be called within a pass.

    Parameters
    ----------
    callbacks : iterable of keras.callbacks.Callback
        Callbacks.

    Returns
    -------
    bool
    """
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
    """Train a compiled model whose optimiser is Adam.

    Parameters
    ----------
    model : keras.Model
        Compiled; its optimiser says the learning rate, which callbacks may change.
    X, y, sample_weight, batch_size
        As for :class:`EpochRunner`.
    epochs : iterable of int
        Numbers of the passes.
    order : callable
        From the number of a pass to the order of its samples.
    callbacks : iterable of keras.callbacks.Callback, default=()
        Called at the beginning and end of training and of each pass.

    Returns
    -------
    dict of str to list of float
        Loss and accuracy after each pass, and what callbacks added.
    """
    module = import_module(_BACKENDS[keras.backend.backend()], __package__)
    # scikeras hands on a column of classes.
    runner: EpochRunner = module.Epochs(model, X, np.ravel(y), sample_weight, batch_size)
    record = keras.callbacks.History()  # the last, so that it sees what the others add
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
