"""Keras networks of one kind of input, predicted by one compiled function."""

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._joints import compiling_pays, joint_of, note_time_alone
from ._row_groups import in_few_sizes, row_groups

__all__ = [
    "SECONDS_TO_COMPILE",
    "JointNetworks",
    "network_output",
    "plain_scikeras_network",
    "with_both_classes",
]

#: What compiling takes for each network, roughly.
SECONDS_TO_COMPILE = 0.2

# What scikeras's classifiers call labels of which each sample has one.
_TARGETS = ("binary", "multiclass")


class JointNetworks:
    """One compiled function of several networks, which it holds.

    It reads the networks' weights when it is called: they may be trained meanwhile.

    Parameters
    ----------
    networks : sequence of keras.Model
        From samples of one shape to one output each.
    """

    def __init__(self, networks: Sequence[Any]) -> None:
        self._networks = tuple(networks)  # a traced function does not hold its variables
        self._groups = [
            (_compiled(networks[group]), rows)
            for group, rows in row_groups([_widest(network) for network in networks])
        ]

    def predict(self, X: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Outputs of each network.

        Parameters
        ----------
        X : ndarray of shape (n, ...), float32
            Samples as the networks take them.

        Returns
        -------
        list of ndarray of shape (n, ...), float32
        """
        outputs: list[NDArray[np.float32]] = []
        for compiled, rows in self._groups:
            parts = [compiled(X[start : start + rows]) for start in range(0, len(X), rows)]
            outputs += (np.concatenate(of_one) for of_one in zip(*parts, strict=True))
        return outputs


def _compiled(networks: Sequence[Any]) -> Any:
    """From samples to a list of arrays; compiled by TensorFlow, or by Keras for others."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        shape = networks[0].inputs[0].shape

        def outputs(X):
            return [network(X, training=False) for network in networks]

        # As one traced function: tf.function would warn of each that is made.
        traced = tf.function(outputs).get_concrete_function(tf.TensorSpec(shape, tf.float32))
        return lambda X: [output.numpy() for output in traced(tf.constant(X))]
    inputs = keras.Input(networks[0].inputs[0].shape[1:], dtype="float32")
    joint = keras.Model(inputs, [network(inputs) for network in networks])
    return lambda X: in_few_sizes(
        lambda rows: [np.asarray(output) for output in joint.predict_on_batch(rows)], X
    )


def _widest(network: Any) -> int:
    """Most numbers that a layer gives for a sample."""
    shapes = [network.inputs[0].shape]
    for layer in network.layers:
        with suppress(AttributeError, ValueError):  # a layer called more than once
            shapes.append(layer.output.shape)
    return max(int(np.prod([side or 1 for side in shape[1:]])) for shape in shapes)


def network_output(network: Any, X: NDArray[np.float32]) -> NDArray[np.float32]:
    """What one network says, in batches; by a compiled function as soon as that pays.

    Parameters
    ----------
    network : keras.Model
        Of one input and one output.
    X : ndarray of shape (n, ...), float32
        Samples as it takes them.

    Returns
    -------
    ndarray of shape (n, ...), float32
    """
    if compiling_pays([network], SECONDS_TO_COMPILE):
        joint = joint_of([network], [network], lambda: JointNetworks([network]))
        return joint.predict(X)[0]
    import keras

    start = time.perf_counter()
    ((_, rows),) = row_groups([_widest(network)])
    parts = [
        keras.ops.convert_to_numpy(network(X[at : at + rows], training=False))
        for at in range(0, len(X), rows)
    ]
    note_time_alone(network, time.perf_counter() - start)
    return np.concatenate(parts).astype(np.float32, copy=False)


def with_both_classes(p: NDArray) -> NDArray[np.float32]:
    """One column of two classes made two.

    Parameters
    ----------
    p : ndarray of shape (n, C)
        Probabilities.

    Returns
    -------
    ndarray of shape (n, max(2, C)), float32
    """
    p = p.astype(np.float32, copy=False)
    return np.column_stack([1 - p, p]) if p.shape[1] == 1 else p


def plain_scikeras_network(member: Any) -> Any:
    """The network of one of scikeras's classifiers that does nothing besides calling it.

    Parameters
    ----------
    member : fitted classifier
        Any.

    Returns
    -------
    keras.Model or None
        None if it is another kind of classifier, or changes samples or predictions of its own.
    """
    wrappers = sys.modules.get("scikeras.wrappers")
    if wrappers is None or not isinstance(member, wrappers.KerasClassifier):
        return None
    kind = type(member)
    own = any(
        getattr(kind, name) is not getattr(wrappers.KerasClassifier, name)
        for name in ("predict_proba", "_validate_data", "feature_encoder", "target_encoder")
    )
    encoder = getattr(member, "feature_encoder_", None)
    plain = getattr(encoder, "func", 0) is None  # a FunctionTransformer of no function
    asked = any(name.startswith("predict__") for name in member.get_params())
    if own or not plain or asked or getattr(member, "target_type_", None) not in _TARGETS:
        return None
    network = getattr(member, "model_", None)
    if network is None or len(network.inputs) != 1 or len(network.outputs) != 1:
        return None
    return network
