"""Epochs over data on the device, in PyTorch, without compilation.

Keras's layers take longer to call than a small network takes to run, so the layers of
:func:`~skprune.ensemble._builder.build_cnn` are written here in PyTorch's own operations, with
images in its fast memory format: channels first in the shape, last in memory.
"""

from collections.abc import Callable, Iterator

import keras
import numpy as np
import torch
from keras import layers, ops
from torch.nn import functional

from .._keras import BETA_1, BETA_2, EPSILON

__all__ = ["Epochs"]

_CHANNELS_FIRST, _CHANNELS_LAST = (3, 2, 0, 1), (2, 3, 1, 0)  # of a kernel


class Epochs:
    """See :class:`~skprune.ensemble._epochs.EpochRunner`."""

    def __init__(self, model, X, y, sample_weight, batch_size):
        # Keras chooses the device.
        X = ops.convert_to_tensor(X)
        rescaling = next(each for each in model.layers if isinstance(each, layers.Rescaling))
        X = (X * rescaling.scale + rescaling.offset).permute(0, 3, 1, 2)
        self._data = [X, ops.convert_to_tensor(np.asarray(y, np.int64))]
        if sample_weight is not None:
            self._data.append(ops.convert_to_tensor(np.asarray(sample_weight, np.float32)))
        self._n, self._batch_size = len(X), batch_size
        self._variables = [variable.value for variable in model.trainable_variables]
        # Trained weights: copies of the kernels in PyTorch's axis order, the variables otherwise.
        self._weights = [
            _with_gradient(weight.permute(_CHANNELS_FIRST)) if weight.ndim == 4 else weight
            for weight in self._variables
        ]
        self._norms = [_Norm(each) for each in model.layers if _is_norm(each)]
        self._forward = list(self._operations(model))
        self._means = [torch.zeros_like(weight) for weight in self._weights]
        self._squares = [torch.zeros_like(weight) for weight in self._weights]
        self._steps_done = 0

    def run(self, order: np.ndarray, learning_rate: float) -> tuple[float, float]:
        self._copy_kernels(back=False)
        loss = hits = 0.0
        deterministic = torch.backends.cudnn.deterministic
        torch.backends.cudnn.deterministic = True  # the same results on every run
        try:
            for rows in ops.convert_to_tensor(order.astype(np.int64)).split(self._batch_size):
                # Sums stay on the device, so that no step waits for a transfer.
                batch_loss, batch_hits = self._step(learning_rate, *(d[rows] for d in self._data))
                loss, hits = loss + len(rows) * batch_loss, hits + batch_hits
        finally:
            torch.backends.cudnn.deterministic = deterministic
        self._copy_kernels(back=True)
        return float(loss) / self._n, float(hits) / self._n

    @torch.no_grad()
    def _copy_kernels(self, back):
        for variable, weight in zip(self._variables, self._weights, strict=True):
            if back and weight is not variable:
                variable.copy_(weight.permute(_CHANNELS_LAST))
            elif weight is not variable:
                weight.copy_(variable.permute(_CHANNELS_FIRST))

    def _operations(self, model) -> Iterator[Callable]:
        """Operations from standardized images to probabilities, in order."""
        weights, norms = iter(self._weights), iter(self._norms)
        for layer in model.layers:
            match layer:
                case layers.Conv2D():
                    yield _convolution(next(weights), next(weights))
                case layers.BatchNormalization():
                    yield next(norms).operation(next(weights), next(weights))
                case layers.ReLU():
                    yield functional.relu
                case layers.MaxPooling2D():
                    yield _pooling(functional.max_pool2d, layer.pool_size)
                case layers.AveragePooling2D():
                    yield _pooling(functional.avg_pool2d, layer.pool_size)
                case layers.Flatten():
                    yield lambda x: x.permute(0, 2, 3, 1).flatten(1)
                case layers.Dropout():
                    yield _dropout(layer)  # Keras's layer, for the same random numbers
                case layers.Dense():
                    yield _dense(next(weights), next(weights))
                    is_last = layer is model.layers[-1]
                    yield (lambda x: torch.softmax(x, dim=1)) if is_last else functional.relu

    def _step(self, learning_rate, x, y, sample_weight=None):
        for operation in self._forward:
            x = operation(x)
        # Clipped as in Keras's sparse categorical cross-entropy.
        clipped = x.clamp(keras.config.epsilon(), 1.0 - keras.config.epsilon())
        losses = functional.nll_loss(clipped.log(), y, reduction="none")
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
            for norm in self._norms:
                norm.move()
            hits = (x.argmax(dim=1) == y).sum()
        return loss.detach(), hits


class _Norm:
    """Batch normalization and its moving averages."""

    def __init__(self, layer):
        self._moving = layer.moving_mean.value, layer.moving_variance.value
        self._momentum, self._epsilon = layer.momentum, layer.epsilon

    def operation(self, gamma, beta):
        def normalize(x):
            x, mean, inverse = torch.native_batch_norm(
                x, gamma, beta, None, None, True, 0.0, self._epsilon
            )
            self._batch = mean.detach(), inverse.detach()
            return x

        return normalize

    def move(self):
        """Move the averages towards the batch's mean and variance (divided by n, as in Keras)."""
        mean, inverse = self._batch
        for moving, value in zip(self._moving, (mean, inverse**-2 - self._epsilon), strict=True):
            moving.lerp_(value, 1 - self._momentum)


def _is_norm(layer) -> bool:
    return isinstance(layer, layers.BatchNormalization)


def _with_gradient(weight):
    copy = weight.detach().clone(memory_format=torch.channels_last)
    return copy.requires_grad_()


def _convolution(kernel, bias):
    return lambda x: functional.conv2d(x, kernel, bias, padding="same")


def _pooling(pool, window):
    return lambda x: pool(x, window, window)


def _dropout(layer):
    return lambda x: layer(x, training=True)


def _dense(kernel, bias):
    return lambda x: torch.addmm(bias, x, kernel)
