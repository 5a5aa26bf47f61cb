"""Keras networks of one kind of input, predicted by one compiled function."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._compiled import get_compiled, record_eager_time
from ._layer_graph import layer_graph
from ._row_groups import in_few_sizes, row_groups

__all__ = [
    "JointNetworks",
    "network_output",
    "plain_scikeras_network",
    "scikeras_answer",
    "seconds_to_compile",
    "widest",
    "with_both_classes",
]

# What scikeras's classifiers call labels of which each sample has one.
_TARGETS = ("binary", "multiclass")


def seconds_to_compile() -> float:
    """What compiling takes for each network, roughly; nothing where there is no other way."""
    import keras

    # JAX compiles each operation that is called by itself, and rounds it differently.
    return 0.2 if keras.backend.backend() == "tensorflow" else 0.0


class JointNetworks:
    """One compiled function of several networks, which it holds.

    It reads the networks' weights when it is called: they may be trained meanwhile.

    Parameters
    ----------
    networks : sequence of keras.Model
        Each of one input and one output.

    Attributes
    ----------
    rows : int
        Samples of a batch whose activations are not too many.
    """

    def __init__(self, networks: Sequence[Any]) -> None:
        self._networks = tuple(networks)  # a traced function does not hold its variables
        groups = row_groups([widest(network) for network in networks])
        self._groups = [(group, _compiled(networks[group])) for group, _ in groups]
        self.rows = min(rows for _, rows in groups)

    def predict(self, X: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Outputs of each network, in batches.

        Parameters
        ----------
        X : ndarray of shape (n, ...), float32
            Samples as all networks take them.

        Returns
        -------
        list of ndarray of shape (n, ...), float32
        """
        k = len(self._networks)
        batches = (X[start : start + self.rows] for start in range(0, len(X), self.rows))
        parts = [self.predict_each([batch] * k) for batch in batches]
        return [np.concatenate(of_one) for of_one in zip(*parts, strict=True)]

    def predict_each(self, batches: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Outputs of each network for samples of its own, in one batch.

        Parameters
        ----------
        batches : sequence of ndarray of shape (n, ...), float32
            Samples for each network, at least one.

        Returns
        -------
        list of ndarray of shape (n, ...), float32
        """
        return [output for group, call in self._groups for output in call(batches[group])]


def _compiled(networks: Sequence[Any]) -> Callable[[Sequence[NDArray]], list[NDArray]]:
    """From samples for each network to its outputs; compiled by TensorFlow, or by Keras."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        def outputs(*batches: Any) -> list[Any]:
            return [
                network(batch, training=False)
                for network, batch in zip(networks, batches, strict=True)
            ]

        # As one traced function: tf.function would warn of each that is made.
        traced = tf.function(outputs).get_concrete_function(
            *(tf.TensorSpec(network.inputs[0].shape, tf.float32) for network in networks)
        )

        def call(batches: Sequence[NDArray]) -> list[NDArray]:
            tensors = {id(batch): tf.constant(batch) for batch in batches}
            return [output.numpy() for output in traced(*(tensors[id(b)] for b in batches))]

        return call
    # Each by itself: Keras wants as many samples for all inputs of a model.
    return lambda batches: [
        in_few_sizes(network.predict_on_batch, batch)
        for network, batch in zip(networks, batches, strict=True)
    ]


def widest(network: Any) -> int:
    """Most numbers that a layer gives for a sample.

    Parameters
    ----------
    network : keras.Model
        Built.

    Returns
    -------
    int
    """
    try:
        shapes = list(layer_graph(network).shapes.values())
    except TypeError:  # a class of the user's own, which hides its layers
        shapes = [network.inputs[0].shape, network.outputs[0].shape]
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
    joint = get_compiled([network], [], lambda: JointNetworks([network]), seconds_to_compile())
    if joint is not None:
        return joint.predict(X)[0]
    import keras

    start = time.perf_counter()
    ((_, rows),) = row_groups([widest(network)])
    parts = [
        keras.ops.convert_to_numpy(network(X[at : at + rows], training=False))
        for at in range(0, len(X), rows)
    ]
    record_eager_time(network, time.perf_counter() - start)
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
    """The network of a scikeras estimator of which :func:`scikeras_answer` is all the rest.

    Parameters
    ----------
    member : fitted estimator
        Any.

    Returns
    -------
    keras.Model or None
        None if it is another kind of estimator, or changes samples or predictions of its own.
    """
    wrappers = sys.modules.get("scikeras.wrappers")
    if wrappers is None:
        return None
    if isinstance(member, wrappers.KerasClassifier):
        base, answer = wrappers.KerasClassifier, "predict_proba"
        if getattr(member, "target_type_", None) not in _TARGETS:
            return None
    elif isinstance(member, wrappers.KerasRegressor):
        base, answer = wrappers.KerasRegressor, "predict"
    else:
        return None
    kind = type(member)
    own = any(
        getattr(kind, name) is not getattr(base, name)
        for name in (answer, "_predict_raw", "_validate_data", "feature_encoder")
    )
    encoder = getattr(member, "feature_encoder_", None)
    plain = getattr(encoder, "func", 0) is None  # a FunctionTransformer of no function
    asked = any(name.startswith("predict__") for name in member.get_params())
    if own or not plain or asked:
        return None
    network = getattr(member, "model_", None)
    if network is None or len(network.inputs) != 1 or len(network.outputs) != 1:
        return None
    return network


def scikeras_answer(member: Any, output: NDArray) -> NDArray:
    """What a scikeras estimator makes of what its network says.

    Parameters
    ----------
    member : fitted estimator
        A classifier or regressor.
    output : ndarray of shape (n, k)
        From its network.

    Returns
    -------
    ndarray
        Probabilities, or predictions.
    """
    if hasattr(member, "predict_proba"):
        return np.asarray(member.target_encoder_.inverse_transform(output, return_proba=True))
    return np.asarray(member.target_encoder_.inverse_transform(output))
