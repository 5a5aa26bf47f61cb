"""Early stopping that validates without a traced graph."""

from collections.abc import Callable

import keras
import numpy as np

__all__ = ["ValidationStopping"]


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
