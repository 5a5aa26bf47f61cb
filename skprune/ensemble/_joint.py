"""Members of an ensemble as one function that TensorFlow compiles."""

from collections.abc import Sequence

import numpy as np

from .._keras import quiet_first_use, row_groups
from ._forward import FoldedCNN, forward_pass

__all__ = ["JointCNNs"]


class JointCNNs:
    """Several trained networks that predict the same samples.

    Parameters
    ----------
    networks : sequence of FoldedCNN
        Of one shape of samples.
    widest : sequence of int
        For each the most numbers that one of its layers gives for a sample.
    sample_shape : tuple of (int, int, int)
        Height, width and channels.
    """

    def __init__(
        self,
        networks: Sequence[FoldedCNN],
        widest: Sequence[int],
        sample_shape: tuple[int, int, int],
    ):
        with quiet_first_use():
            self._groups = [
                (_compiled(networks[group], sample_shape), rows)
                for group, rows in row_groups(widest)
            ]

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of the classes from each network.

        Parameters
        ----------
        X : ndarray of shape (n, height, width, channels), float32
            Pixels.

        Returns
        -------
        ndarray of shape (M, n, C), float32
        """
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


def _compiled(networks, sample_shape):
    import tensorflow as tf

    # Tensors that the function refers to: constants would be copied into its graph.
    ready = [network.on_device() for network in networks]

    def vote(X):
        return tf.stack([forward_pass(X, *arguments) for arguments in ready])

    # As one traced function: tf.function would warn of each that is made.
    return tf.function(vote).get_concrete_function(tf.TensorSpec((None, *sample_shape), tf.float32))
