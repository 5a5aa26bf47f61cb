"""Predicting with a member's weights alone, without a Keras model.

To build a Keras model takes some 80 ms, and to call it 20 ms; the operations of a small
network take three. So predictions are made from the arrays, in the operations of whatever
back end Keras has, with each batch normalisation folded into the convolution before it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import keras
import numpy as np
from keras import ops

from .._keras import call_padded
from ._builder import BATCH_NORM_EPSILON
from ._space import CNNArchitecture, pool_window

__all__ = ["FoldedCNN", "forward_pass"]


@dataclass(frozen=True, eq=False)
class FoldedCNN:
    """A trained network as plain convolutions and matrix products.

    Parameters
    ----------
    architecture : CNNArchitecture
        The network.
    layers : tuple of (ndarray, ndarray)
        Kernel and bias of each convolution and dense layer, normalisation included.
    offset, scale : float
        A pixel x becomes (x - offset) / scale first.
    """

    architecture: CNNArchitecture
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    offset: float
    scale: float

    @classmethod
    def from_weights(
        cls,
        architecture: CNNArchitecture,
        weights: list[np.ndarray],
        offset: float = 0.0,
        scale: float = 1.0,
    ) -> "FoldedCNN":
        """Fold the weights of a network of :func:`build_cnn`.

        Parameters
        ----------
        architecture : CNNArchitecture
            The network.
        weights : list of ndarray
            In the order of ``keras.Model.get_weights``.
        offset, scale : float
            As the network was built.
        """
        arrays = iter(weights)
        layers = []
        for block in architecture.blocks:
            for _ in block.filters:
                kernel, bias = next(arrays), next(arrays)
                layers.append((kernel, bias))
            layers[-1] = _normalised(*layers[-1], *(next(arrays) for _ in range(4)))
        layers += zip(arrays, arrays, strict=True)
        return cls(architecture, tuple(layers), offset, scale)

    def predict(self, X: np.ndarray, rows: int) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : ndarray of shape (n, height, width, channels), float32
            Pixels.
        rows : int
            Samples that are predicted at a time.

        Returns
        -------
        ndarray of shape (n, n_classes), float32
        """
        arguments = self.on_device()
        if keras.backend.backend() == "jax":
            compiled = _compiled_for_jax()

            def forward(X):
                return call_padded(lambda rows: compiled(rows, *arguments), X)
        else:

            def forward(X):
                return forward_pass(X, *arguments)

        batches = (X[start : start + rows] for start in range(0, len(X), rows))
        return np.concatenate([ops.convert_to_numpy(forward(batch)) for batch in batches])

    def on_device(self):
        """What :func:`forward_pass` takes besides pixels, as tensors of the back end."""
        layers = tuple(tuple(map(ops.convert_to_tensor, layer)) for layer in self.layers)
        # As Keras's Rescaling, to the last bit.
        rescaling = np.float32(1.0 / self.scale), np.float32(-self.offset / self.scale)
        return layers, rescaling, self.architecture


def forward_pass(X, layers, rescaling, architecture):
    """Pixels to probabilities, in the operations of Keras's back end.

    Parameters
    ----------
    X : tensor of shape (n, height, width, channels)
        Pixels.
    layers, rescaling, architecture
        From :meth:`FoldedCNN.on_device`.

    Returns
    -------
    tensor of shape (n, n_classes)
    """
    height, width = X.shape[1:3]
    arrays = iter(layers)
    x = ops.convert_to_tensor(X) * rescaling[0] + rescaling[1]
    for block in architecture.blocks:
        for _ in block.filters:
            kernel, bias = next(arrays)
            x = ops.conv(x, kernel, padding="same", data_format="channels_last") + bias
        x = ops.relu(x)
        window = pool_window(height, width)
        if window != (1, 1):
            pool = {"average": ops.average_pool, "max": ops.max_pool}[block.pooling]
            x = pool(x, window, window, data_format="channels_last")
            height, width = height // window[0], width // window[1]
    (kernel, bias), (last_kernel, last_bias) = arrays
    x = ops.relu(ops.matmul(ops.reshape(x, (-1, kernel.shape[0])), kernel) + bias)
    return ops.softmax(ops.matmul(x, last_kernel) + last_bias)


@cache
def _compiled_for_jax() -> Callable:
    """One program a network: JAX would compile each operation by itself."""
    import jax

    # To time its kernels takes seconds, which a prediction rarely wins back.
    on_gpu = jax.default_backend() == "gpu"
    options = {"xla_gpu_deterministic_ops": True, "xla_gpu_autotune_level": 0} if on_gpu else None
    return jax.jit(forward_pass, static_argnames="architecture", compiler_options=options)


def _normalised(kernel, bias, gamma, beta, mean, variance):
    """A convolution with the batch normalisation that follows it, folded in double precision."""
    factor = gamma / np.sqrt(variance.astype(np.float64) + BATCH_NORM_EPSILON)
    return (
        (kernel * factor).astype(np.float32),
        ((bias - mean.astype(np.float64)) * factor + beta).astype(np.float32),
    )
