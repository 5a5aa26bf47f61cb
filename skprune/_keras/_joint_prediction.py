"""Predicting with many networks by one compiled function, where compiling it pays.

A call of many small networks takes little longer than their arithmetic; many calls of one network
have an overhead each. Compiling takes time too, so it is done once eager calls have taken as long.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any, TypeVar
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from ._layer_graph import widest_output
from ._startup import check_not_forked

__all__ = [
    "JointNetworks",
    "call_padded",
    "get_compiled",
    "joint_prediction",
    "network_output",
    "record_eager_time",
    "row_groups",
    "seconds_to_compile",
    "with_both_classes",
]

T = TypeVar("T")

# Bytes of activations that one call may use, roughly, and limits on the rows of one call.
_BYTES = 2**27
_FEWEST_ROWS, _MOST_ROWS = 64, 4096
# Compiled functions that are kept for lists of members with the same first member.
_MOST_COMPILED = 8
# Attributes of a network: its eager time so far, and the compiled functions of which it is the
# first member. A table of our own would keep these functions, and so their networks, alive.
_EAGER_SECONDS, _COMPILED = "_skprune_eager_seconds", "_skprune_compiled"
# Held while compiling: threads that predict at the same time compile once.
_compiling = RLock()
# What scikeras's classifiers call labels of which each sample has one.
_TARGETS = ("binary", "multiclass")


def joint_prediction(members: Sequence[Any]) -> Callable[[Any], Sequence[NDArray]] | None:
    """A function from samples to the predictions of each fitted member; None: call each member.

    The members' class has a class method ``__skprune_joint_prediction__``, which takes the members
    and returns the function or None, or it is scikeras's classifier or regressor. A subclass that
    inherits the method is not predicted jointly, since it may change the predictions.
    """
    kind = type(members[0])
    joins_members = "__skprune_joint_prediction__" in vars(kind)
    if not joins_members and _scikeras_network(members[0]) is None:
        return None  # at once for members that are not networks
    if any(type(member) is not kind for member in members):
        return None
    if joins_members:
        joined: Callable[[Any], Sequence[NDArray]] | None
        joined = kind.__skprune_joint_prediction__(members)
        return joined
    networks = [_scikeras_network(member) for member in members]
    if None in networks or len({network.inputs[0].shape for network in networks}) > 1:
        return None
    # Compiled at once: their own predict methods would compile too.
    joint = get_compiled(networks, [], lambda: JointNetworks(networks))
    assert joint is not None

    def predict(X: Any) -> Sequence[NDArray]:
        checked, _ = members[0]._validate_data(X=X, y=None, reset=False)
        outputs = joint.predict(np.asarray(checked, dtype=np.float32))
        return [_decoded(m, output) for m, output in zip(members, outputs, strict=True)]

    return predict


def _scikeras_network(member: Any) -> Any:
    """The network of a scikeras estimator; None if it changes samples or outputs otherwise."""
    wrappers = sys.modules.get("scikeras.wrappers")
    if wrappers is None:
        return None
    if isinstance(member, wrappers.KerasClassifier):
        base, method = wrappers.KerasClassifier, "predict_proba"
        if getattr(member, "target_type_", None) not in _TARGETS:
            return None
    elif isinstance(member, wrappers.KerasRegressor):
        base, method = wrappers.KerasRegressor, "predict"
    else:
        return None
    overridden = any(
        getattr(type(member), name) is not getattr(base, name)
        for name in (method, "_predict_raw", "_validate_data", "feature_encoder")
    )
    encoder = getattr(member, "feature_encoder_", None)
    encoded = getattr(encoder, "func", 0) is not None  # not a FunctionTransformer without function
    has_options = any(name.startswith("predict__") for name in member.get_params())
    if overridden or encoded or has_options:
        return None
    network = getattr(member, "model_", None)
    if network is None or len(network.inputs) != 1 or len(network.outputs) != 1:
        return None
    return network


def _decoded(member: Any, output: NDArray) -> NDArray:
    """Probabilities or predictions of a scikeras estimator from the output of its network."""
    decode = member.target_encoder_.inverse_transform
    if hasattr(member, "predict_proba"):
        return np.asarray(decode(output, return_proba=True))
    return np.asarray(decode(output))


@dataclass(frozen=True, eq=False)
class _Compiled:
    members: list[ref]
    parts: list[Any]
    function: Any

    def is_for(self, members: Sequence[Any], parts: Sequence[Any]) -> bool:
        return _same([r() for r in self.members], members) and _same(self.parts, parts)


def _same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def record_eager_time(member: Any, seconds: float) -> None:
    """Record the time that a member took to predict without a compiled function."""
    vars(member)[_EAGER_SECONDS] = vars(member).get(_EAGER_SECONDS, 0.0) + seconds


def get_compiled(
    members: Sequence[Any], parts: Sequence[Any], make: Callable[[], T], seconds: float = 0.0
) -> T | None:
    """The compiled function of these members, which ``make`` returns; None until compiling pays.

    It pays once the recorded eager time has reached ``seconds`` for each member. The recorded time
    is then reset, so that other lists of the same members do not compile for it too. The function
    is kept as long as the first member, and made again when one of ``parts`` is another object.
    """
    check_not_forked()
    found = _find(members, parts)
    eager = sum(vars(member).get(_EAGER_SECONDS, 0.0) for member in members)
    if found is None and eager >= seconds * len(members):
        with _compiling:
            found = _find(members, parts)
            if found is None:
                for member in members:
                    vars(member).pop(_EAGER_SECONDS, None)
                found = _Compiled([ref(member) for member in members], list(parts), make())
                kept = vars(members[0]).setdefault(_COMPILED, [])
                kept.append(found)
                del kept[:-_MOST_COMPILED]
    return None if found is None else found.function


def _find(members: Sequence[Any], parts: Sequence[Any]) -> _Compiled | None:
    kept = list(vars(members[0]).get(_COMPILED, ()))
    return next((compiled for compiled in kept if compiled.is_for(members, parts)), None)


def seconds_to_compile() -> float:
    """Time to compile one network, roughly; 0 where a back end compiles in any case."""
    import keras

    # JAX compiles each operation that is called alone, and rounds it differently.
    return 0.2 if keras.backend.backend() == "tensorflow" else 0.0


class JointNetworks:
    """One compiled function of several networks with one input and one output each.

    It holds the networks and reads their weights when it is called: they may be trained in between.
    ``rows`` is the number of samples of a batch whose activations fit into memory.
    """

    def __init__(self, networks: Sequence[Any]) -> None:
        self._networks = tuple(networks)  # a traced function does not hold its variables
        groups = row_groups([widest_output(network) for network in networks])
        self._groups = [(group, _compile(networks[group])) for group, _ in groups]
        self.rows = min(rows for _, rows in groups)

    def predict(self, X: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Outputs of each network for the same samples, in batches."""
        k = len(self._networks)
        batches = (X[start : start + self.rows] for start in range(0, len(X), self.rows))
        parts = [self.predict_each([batch] * k) for batch in batches]
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def predict_each(self, batches: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Outputs of each network for its own samples, at least one, in one batch."""
        return [output for group, call in self._groups for output in call(batches[group])]


def _compile(networks: Sequence[Any]) -> Callable[[Sequence[NDArray]], list[NDArray]]:
    """A function from samples for each network to its outputs, compiled by the back end."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        def outputs(*batches: Any) -> list[Any]:
            return [
                network(batch, training=False)
                for network, batch in zip(networks, batches, strict=True)
            ]

        # Traced here: tf.function itself would warn that it is made often.
        traced = tf.function(outputs).get_concrete_function(
            *(tf.TensorSpec(network.inputs[0].shape, tf.float32) for network in networks)
        )

        def call(batches: Sequence[NDArray]) -> list[NDArray]:
            tensors = {id(batch): tf.constant(batch) for batch in batches}
            return [output.numpy() for output in traced(*(tensors[id(b)] for b in batches))]

        return call
    # One by one: Keras wants equally many samples for all inputs of a model.
    return lambda batches: [
        call_padded(network.predict_on_batch, batch)
        for network, batch in zip(networks, batches, strict=True)
    ]


def network_output(network: Any, X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Output of one network in batches, by a compiled function once that pays."""
    joint = get_compiled([network], [], lambda: JointNetworks([network]), seconds_to_compile())
    if joint is not None:
        return joint.predict(X)[0]
    import keras

    start = time.perf_counter()
    ((_, rows),) = row_groups([widest_output(network)])
    parts = [
        keras.ops.convert_to_numpy(network(X[at : at + rows], training=False))
        for at in range(0, len(X), rows)
    ]
    record_eager_time(network, time.perf_counter() - start)
    return np.concatenate(parts).astype(np.float32, copy=False)


def with_both_classes(p: NDArray) -> NDArray[np.float32]:
    """Probabilities (n, C) as float32; one column of a two-class network becomes two."""
    p = p.astype(np.float32, copy=False)
    return np.column_stack([1 - p, p]) if p.shape[1] == 1 else p


def row_groups(widths: Sequence[int]) -> list[tuple[slice, int]]:
    """Neighboring networks that go into one call, with its number of rows, a power of two.

    ``widths`` has the widest output of each network. All networks of a call may hold their
    activations at the same time.
    """
    most = _BYTES // (4 * _FEWEST_ROWS)
    groups: list[tuple[slice, int]] = []
    start, total = 0, 0
    for stop, width in enumerate([*widths, most + 1], start=1):
        if total and (total + width > most or stop > len(widths)):
            rows = int(np.clip(_BYTES // (4 * total), 1, _MOST_ROWS))
            rows = 1 << (rows.bit_length() - 1)  # what call_padded pads to
            groups.append((slice(start, stop - 1), rows))
            start, total = stop - 1, 0
        total += width
    return groups


def call_padded(function: Callable[[NDArray], Any], X: NDArray) -> Any:
    """Call a function with X padded to a power of two rows, since each number is compiled.

    It returns one array, or a list of arrays, with a row for each sample.
    """
    n = len(X)
    missing = (1 << (n - 1).bit_length()) - n
    if missing:
        X = np.concatenate([X, np.repeat(X[:1], missing, axis=0)])
    outputs = function(X)
    return [output[:n] for output in outputs] if isinstance(outputs, list) else outputs[:n]
