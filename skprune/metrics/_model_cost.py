"""What a network costs to hold, to store, to send and to run."""

import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._keras import not_compiled
from ..utils import ReprHTML, text_table
from ._macs import count_macs

__all__ = ["ModelCost", "model_cost"]


@dataclass(frozen=True)
class ModelCost(ReprHTML):
    """Size and arithmetic of a network, or the sum over those of an ensemble.

    Costs add up: ``a + b`` and ``sum(costs)`` are those of models that run side by side.

    Attributes
    ----------
    parameters : int
        All weights, trained or not, as ``count_params`` of Keras. The state of random number
        generators, such as a Dropout layer's, is none.
    nonzero : int
        Parameters that are not zero.
    dense_bytes : int
        What the weights take in memory: each array's size times the bytes of its type.
    file_bytes : int
        Size of the ``.keras`` file, without optimizer and compilation. Keras compresses
        nothing in it, and adds the configuration and, for each array, the headers of HDF5.
    compressed_bytes : int
        The weights' bytes in the order of ``model.weights``, each array in C order and its own
        type, end to end as one stream of zlib at level 6. Zeros cost next to nothing here,
        while random numbers hardly shrink.
    macs : int
        Multiply-accumulates of one sample's forward pass, in convolutions and dense layers.

    Examples
    --------
    >>> from skprune.metrics import ModelCost
    >>> member = ModelCost(2811, 2811, 11_244, 35_000, 10_300, 40_000)
    >>> print(sum([member] * 3))
    Parameters              8,433
    Not zero                8,433  (100.0% of them)
    Bytes in memory        33,732
    Bytes of the file     105,000
    Bytes compressed       30,900
    Multiply-accumulates  120,000
    """

    parameters: int
    nonzero: int
    dense_bytes: int
    file_bytes: int
    compressed_bytes: int
    macs: int

    def __add__(self, other: "ModelCost") -> "ModelCost":
        """Cost of both models."""
        if not isinstance(other, ModelCost):
            return NotImplemented
        names = [field.name for field in fields(self)]
        return ModelCost(*(getattr(self, name) + getattr(other, name) for name in names))

    def __radd__(self, other: int) -> "ModelCost":
        """Let ``sum`` start from its zero."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __str__(self) -> str:
        return "\n".join(self._parts(text_table))

    def _parts(self, table: Callable[..., str]) -> list[str]:
        share = f"({self.nonzero / self.parameters:.1%} of them)" if self.parameters else ""
        rows = [
            ("Parameters", self.parameters, ""),
            ("Not zero", self.nonzero, share),
            ("Bytes in memory", self.dense_bytes, ""),
            ("Bytes of the file", self.file_bytes, ""),
            ("Bytes compressed", self.compressed_bytes, ""),
            ("Multiply-accumulates", self.macs, ""),
        ]
        names, counts, notes = zip(*rows, strict=True)
        return [table({"name": names, "count": counts, "note": notes}, heading=False)]


def model_cost(model: Any) -> ModelCost:
    """Count what a network takes in memory, on disk, compressed and in arithmetic.

    Multiply-accumulates are those of dense layers, on the last axis of any rank, and of
    convolutions: of one to three axes, grouped, transposed, depthwise and separable. They are
    counted by shapes, as is usual: at the border as if padding were data, and for zero weights
    as for all others, since dense hardware multiplies by zero, too. A layer that is called
    twice counts twice. Biases, normalization, activations, pooling, resizing, look-ups in an
    embedding and all else that works element by element are not counted.

    Parameters
    ----------
    model : keras.Model, fitted estimator or fitted ensemble
        A built Keras model made of layers; a fitted estimator that holds one as ``model_``, as
        those of scikeras do; or a fitted ensemble of such as ``estimators_``, whose cost is the
        sum over its members.

    Returns
    -------
    ModelCost

    Raises
    ------
    TypeError
        If it is none of these, has a call of its own that hides its layers, or multiplies in
        a layer that is neither dense nor a convolution (recurrent, attention, a custom layer
        with a matrix of weights): it is named.
    ValueError
        If the model is not built, or a dense or convolution layer (it is named) meets sides
        that are not fixed, such as those of ``keras.Input((None, None, 3))``.

    Examples
    --------
    >>> import keras
    >>> from skprune.metrics import model_cost
    >>> layers = [keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3), keras.layers.Flatten()]
    >>> cost = model_cost(keras.Sequential([*layers, keras.layers.Dense(10)]))
    >>> cost.parameters, cost.dense_bytes
    (1490, 5960)
    >>> cost.macs == 6 * 6 * 4 * 3 * 3 + 144 * 10
    True
    """
    return sum((_cost(network) for network in _networks(model)), ModelCost(0, 0, 0, 0, 0, 0))


def _networks(model: Any) -> Iterator[Any]:
    keras = sys.modules.get("keras")  # a model exists only where it was loaded
    if keras is not None and isinstance(model, keras.Model):
        yield model
    elif hasattr(model, "model_"):
        yield from _networks(model.model_)
    elif hasattr(model, "estimators_"):
        for member in np.ravel(model.estimators_):
            yield from _networks(member)
    else:
        raise TypeError(
            "model must be a Keras model, a fitted estimator that holds one as `model_`, or a "
            f"fitted ensemble of such as `estimators_`; got {type(model).__name__}."
        )


def _cost(model: Any) -> ModelCost:
    macs = count_macs(model)  # first: it refuses what it does not know
    parameters = nonzero = dense = compressed = 0
    deflate = zlib.compressobj(level=6)
    for weight in model.weights:
        array = _as_array(weight)
        parameters += array.size
        nonzero += int(np.count_nonzero(array))
        dense += array.nbytes
        compressed += len(deflate.compress(array.tobytes()))
    compressed += len(deflate.flush())
    return ModelCost(parameters, nonzero, dense, _file_bytes(model), compressed, macs)


def _as_array(weight: Any) -> NDArray:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(weight))


def _file_bytes(model: Any) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        not_compiled(model).save(path)
        return path.stat().st_size
