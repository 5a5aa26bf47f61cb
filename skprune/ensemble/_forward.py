"""Predicting with a member's weights, without a Keras model.

Building a Keras model takes about 80 ms and calling it 20 ms; the operations of a small network
take 3 ms. So members predict from their arrays, with the operations of Keras's back end and each
batch normalization folded into the convolution before it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import keras
import numpy as np
from keras import ops

from .._keras import call_padded, quiet_first_use, row_groups
from ._builder import BATCH_NORM_EPSILON
from ._space import CNNArchitecture, pool_window

__all__ = ["FoldedCNN", "JointCNNs"]


@dataclass(frozen=True, eq=False)
class FoldedCNN:
    """A trained network as convolutions and matrix products.

    ``layers`` has kernel and bias of each convolution and dense layer, normalization included. A
    pixel x becomes (x - offset) / scale first.
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
        """Fold the weights of a network of :func:`build_cnn`, in the order of ``get_weights``."""
        arrays = iter(weights)
        layers = []
        for block in architecture.blocks:
            for _ in block.filters:
                kernel, bias = next(arrays), next(arrays)
                layers.append((kernel, bias))
            layers[-1] = _normalized(*layers[-1], *(next(arrays) for _ in range(4)))
        layers += zip(arrays, arrays, strict=True)
        return cls(architecture, tuple(layers), offset, scale)

    def predict(self, X: np.ndarray, rows: int) -> np.ndarray:
        """Probabilities (n, C) of images (n, h, w, c), float32, in batches of ``rows``."""
        arguments = self.on_device()
        if keras.backend.backend() == "jax":
            compiled = _compiled_for_jax()

            def forward(X):
                return call_padded(lambda rows: compiled(rows, *arguments), X)
        else:

            def forward(X):
                return _forward_pass(X, *arguments)

        batches = (X[start : start + rows] for start in range(0, len(X), rows))
        return np.concatenate([ops.convert_to_numpy(forward(batch)) for batch in batches])

    def on_device(self):
        """The arguments of :func:`_forward_pass` after the pixels, as tensors of the back end."""
        layers = tuple(tuple(map(ops.convert_to_tensor, layer)) for layer in self.layers)
        # Equal to Keras's Rescaling, to the last bit.
        rescaling = np.float32(1.0 / self.scale), np.float32(-self.offset / self.scale)
        return layers, rescaling, self.architecture


class JointCNNs:
    """Several trained networks for samples of one shape, in one function that TensorFlow compiles.

    ``widths`` has the widest output of each network.
    """

    def __init__(
        self,
        networks: Sequence[FoldedCNN],
        widths: Sequence[int],
        sample_shape: tuple[int, int, int],
    ):
        with quiet_first_use():
            self._groups = [
                (_compiled_for_tensorflow(networks[group], sample_shape), rows)
                for group, rows in row_groups(widths)
            ]

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (M, n, C) of images (n, h, w, c), float32, from each network."""
        import tensorflow as tf

        groups = [
            np.concatenate(
                [
                    compiled(tf.constant(X[start : start + rows])).numpy()
                    for start in range(0, len(X), rows)
                ],
                axis=1,
            )
            for compiled, rows in self._groups
        ]
        return np.concatenate(groups)


def _forward_pass(X, layers, rescaling, architecture):
    """Probabilities (n, C) of images (n, h, w, c); the other arguments are of ``on_device``."""
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
    """One program for each network: JAX would compile each operation separately."""
    import jax

    # Autotuning takes seconds, which predictions rarely regain.
    on_gpu = jax.default_backend() == "gpu"
    options = {"xla_gpu_deterministic_ops": True, "xla_gpu_autotune_level": 0} if on_gpu else None
    return jax.jit(_forward_pass, static_argnames="architecture", compiler_options=options)


def _compiled_for_tensorflow(networks: Sequence[FoldedCNN], sample_shape) -> Callable:
    import tensorflow as tf

    # Tensors that the function refers to: constants would be copied into its graph.
    arguments = [network.on_device() for network in networks]

    def outputs(X):
        return tf.stack([_forward_pass(X, *each) for each in arguments])

    # Traced here: tf.function itself would warn that it is made often.
    spec = tf.TensorSpec((None, *sample_shape), tf.float32)
    return tf.function(outputs).get_concrete_function(spec)


def _normalized(kernel, bias, gamma, beta, mean, variance):
    """A convolution with the batch normalization after it, folded in double precision."""
    factor = gamma / np.sqrt(variance.astype(np.float64) + BATCH_NORM_EPSILON)
    return (
        (kernel * factor).astype(np.float32),
        ((bias - mean.astype(np.float64)) * factor + beta).astype(np.float32),
    )
