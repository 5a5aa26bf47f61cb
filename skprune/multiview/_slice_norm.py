"""Batch normalisation of nested towers: shared factors, statistics for each slice."""

import keras
import numpy as np
from keras import ops

__all__ = ["SliceNorm"]


class SliceNorm(keras.layers.Layer):
    """Normalise the views of each slice by statistics of their own.

    A channel that reads many others is far larger in a wide slice than in a narrow one: one mean
    and variance cannot serve both. Factors and offsets are shared by all.

    Parameters
    ----------
    slices : sequence of k int
        For each of the k views of a sample, its slice, 0 to g - 1.
    momentum, epsilon : float
        As for ``keras.layers.BatchNormalization``.
    center, scale : bool
        Whether there are offsets, and factors.
    **kwargs
        As for ``keras.layers.Layer``.

    References
    ----------
    Yu et al., "Slimmable Neural Networks", ICLR 2019: switchable batch normalisation.
    """

    def __init__(self, slices, momentum=0.9, epsilon=1e-3, center=True, scale=True, **kwargs):
        super().__init__(**kwargs)
        self.slices = np.asarray(slices, dtype=int)
        self.momentum, self.epsilon = momentum, epsilon
        self.center, self.scale = center, scale
        # Each row averages over the views of one slice.
        share = np.equal.outer(np.arange(self.slices.max() + 1), self.slices)
        self._average = (share / share.sum(axis=1, keepdims=True)).astype(np.float32)

    def build(self, input_shape):
        """Make the weights, for the last axis."""
        c, g = input_shape[-1], len(self._average)
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(shape=(c,), initializer="ones", name="gamma")
        if self.center:
            self.beta = self.add_weight(shape=(c,), initializer="zeros", name="beta")
        still = {"shape": (g, c), "trainable": False}
        self.moving_mean = self.add_weight(initializer="zeros", name="moving_mean", **still)
        self.moving_variance = self.add_weight(initializer="ones", name="moving_variance", **still)

    def call(self, inputs, training=None):
        """Inputs of shape (n * k, ..., c), the k views of a sample one after the other."""
        k, sides = len(self.slices), inputs.shape[1:]
        x = ops.reshape(inputs, (-1, k, *sides))
        if training:
            others = (0, *range(2, len(sides) + 1))
            mean = ops.matmul(self._average, ops.mean(x, axis=others))
            square = ops.matmul(self._average, ops.mean(ops.square(x), axis=others))
            variance = ops.maximum(square - ops.square(mean), 0.0)
            kept = self.momentum
            self.moving_mean.assign(kept * self.moving_mean + (1 - kept) * mean)
            self.moving_variance.assign(kept * self.moving_variance + (1 - kept) * variance)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        factor = ops.rsqrt(variance + self.epsilon)
        if self.gamma is not None:
            factor = factor * self.gamma
        offset = -mean * factor
        if self.beta is not None:
            offset = offset + self.beta
        wide = (k, *[1] * (len(sides) - 1), sides[-1])
        factor = ops.reshape(ops.take(factor, self.slices, axis=0), wide)
        offset = ops.reshape(ops.take(offset, self.slices, axis=0), wide)
        return ops.reshape(x * factor + offset, (-1, *sides))

    def set_statistics(self, norm):
        """Start from a batch normalisation, alike for all slices."""
        self.give_factors(norm, back=False)
        self.moving_mean.assign(ops.tile(norm.moving_mean[None], (len(self._average), 1)))
        self.moving_variance.assign(ops.tile(norm.moving_variance[None], (len(self._average), 1)))

    def give_factors(self, norm, back=True):
        """Set a batch normalisation's factors and offsets to these, or these to its own."""
        pairs = [(self.gamma, norm.gamma), (self.beta, norm.beta)]
        for own, other in pairs:
            if own is not None:
                (other if back else own).assign(own if back else other)

    def statistics(self):
        """Means and variances, of shape (g, c) each."""
        return tuple(map(ops.convert_to_numpy, (self.moving_mean, self.moving_variance)))

    def compute_output_shape(self, input_shape):
        """The shape of the inputs."""
        return input_shape

    def get_config(self):
        """What the layer is made again from."""
        own = {name: getattr(self, name) for name in ("momentum", "epsilon", "center", "scale")}
        return {**super().get_config(), "slices": self.slices.tolist(), **own}
