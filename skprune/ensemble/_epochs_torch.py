"""Passes over data that lies on the device, in PyTorch, which compiles nothing."""

import keras
import numpy as np
import torch
from keras import ops

from ._adam import BETA_1, BETA_2, EPSILON

__all__ = ["Epochs"]


class Epochs:
    """See :class:`~skprune.ensemble._epochs.EpochRunner`."""

    def __init__(self, model, X, y, sample_weight, batch_size):
        self._model = model
        # Through Keras, which knows the device.
        self._data = [ops.convert_to_tensor(X), ops.convert_to_tensor(np.asarray(y, np.int64))]
        if sample_weight is not None:
            self._data.append(ops.convert_to_tensor(np.asarray(sample_weight, np.float32)))
        self._n, self._batch_size = len(X), batch_size
        self._weights = [variable.value for variable in model.trainable_variables]
        self._means = [torch.zeros_like(weight) for weight in self._weights]
        self._squares = [torch.zeros_like(weight) for weight in self._weights]
        self._steps_done = 0

    def run(self, order: np.ndarray, learning_rate: float) -> tuple[float, float]:
        loss = hits = 0.0
        for rows in ops.convert_to_tensor(order.astype(np.int64)).split(self._batch_size):
            # Sums stay on the device, so that no step waits for them.
            batch_loss, batch_hits = self._step(learning_rate, *(d[rows] for d in self._data))
            loss, hits = loss + len(rows) * batch_loss, hits + batch_hits
        return float(loss) / self._n, float(hits) / self._n

    def _step(self, learning_rate, X, y, sample_weight=None):
        probabilities = self._model(X, training=True)
        losses = keras.losses.sparse_categorical_crossentropy(y, probabilities)
        loss = (losses if sample_weight is None else sample_weight * losses).mean()
        gradients = torch.autograd.grad(loss, self._weights)
        self._steps_done += 1
        t = self._steps_done
        rate = learning_rate * (1 - BETA_2**t) ** 0.5 / (1 - BETA_1**t)
        with torch.no_grad():
            torch._foreach_lerp_(self._means, gradients, 1 - BETA_1)
            torch._foreach_mul_(self._squares, BETA_2)
            torch._foreach_addcmul_(self._squares, gradients, gradients, 1 - BETA_2)
            roots = torch._foreach_sqrt(self._squares)
            torch._foreach_add_(roots, EPSILON)
            torch._foreach_addcdiv_(self._weights, self._means, roots, -rate)
            hits = (probabilities.argmax(dim=1) == y).sum()
        return loss.detach(), hits
