"""The layer that hides channels from views while nested towers are trained."""

import keras
import numpy as np
from keras import ops

__all__ = ["ViewMask"]


class ViewMask(keras.layers.Layer):
    """Multiply the channels of each view by its own zeros and ones.

    Parameters
    ----------
    mask : ndarray of shape (k, c)
        One row a view.
    **kwargs
        As for ``keras.layers.Layer``.
    """

    def __init__(self, mask, **kwargs):
        super().__init__(**kwargs)
        self.mask = np.asarray(mask, dtype=np.float32)

    def call(self, inputs):
        """Inputs of shape (n * k, ..., c), the k views of a sample one after the other."""
        k, c = self.mask.shape
        sides = inputs.shape[1:]
        of_views = ops.reshape(inputs, (-1, k, *sides))
        mask = self.mask.reshape(k, *[1] * (len(sides) - 1), c)
        return ops.reshape(of_views * mask, (-1, *sides))

    def compute_output_shape(self, input_shape):
        """The shape of the inputs."""
        return input_shape

    def get_config(self):
        """What the layer is made again from."""
        return {**super().get_config(), "mask": self.mask.tolist()}
