"""A Keras network in an ONNX graph, each normalisation folded into the layer before it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._keras import LayerCall, LayerGraph, layer_graph
from ._onnx_activations import LayerError
from ._onnx_convolutions import kernel_and_bias, normalisation
from ._onnx_graph import OnnxGraph, Value
from ._onnx_layers import convert_layer

__all__ = ["add_network"]

_FOLD_INTO = ("Conv2D", "Dense", "DepthwiseConv2D")


def add_network(graph: OnnxGraph, model: Any, value: Value) -> Value:
    """Add a network of one input and one output.

    Parameters
    ----------
    graph : OnnxGraph
        What grows.
    model : keras.Model
        The network.
    value : Value
        What goes in, its channels last.

    Returns
    -------
    Value
        What comes out, as Keras would hold it.

    Raises
    ------
    LayerError
        If a layer has no counterpart in ONNX.
    """
    calls = layer_graph(model)
    norms = _foldable(calls)
    folded = {id(call) for call in norms.values()}
    values = {calls.inputs[0]: value}
    for call in calls.calls:
        before = [values[key] for key in call.inputs]
        if len(call.outputs) != 1:
            raise LayerError(f"the layer {call.layer.name!r} has {len(call.outputs)} outputs")
        (made,) = call.outputs
        if id(call) in folded:
            values[made] = before[0]
            continue
        norm = norms.get(made)
        weights = None if norm is None else _folded(call.layer, norm.layer)
        values[made] = convert_layer(graph, call.layer, before, calls.shapes[made][1:], weights)
    return graph.last_axis(values[calls.outputs[0]])


def _foldable(graph: LayerGraph) -> dict[int, Any]:
    """For tensors that a convolution makes for a normalisation alone: the call of that."""
    makers = {call.outputs[0]: call for call in graph.calls if len(call.outputs) == 1}
    readers: dict[int, list[LayerCall]] = {}
    for call in graph.calls:
        for key in call.inputs:
            readers.setdefault(key, []).append(call)
    found = {}
    for key, maker in makers.items():
        (reader, *others) = readers.get(key, [None])
        if (
            reader is not None
            and not others
            and key not in graph.outputs
            and _is(reader.layer, "BatchNormalization")
            and any(_is(maker.layer, kind) for kind in _FOLD_INTO)
            and getattr(maker.layer.activation, "__name__", "") == "linear"
            and _normalises_last(reader.layer, len(graph.shapes[key]) - 1)
        ):
            found[key] = reader
    return found


def _is(layer: Any, kind: str) -> bool:
    return type(layer).__name__ == kind and type(layer).__module__.startswith("keras.")


def _normalises_last(layer: Any, last: int) -> bool:
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    return axis in (-1, last)


def _folded(layer: Any, norm: Any) -> tuple[NDArray, NDArray]:
    kernel, bias = kernel_and_bias(layer)
    factor, shift = normalisation(norm)
    if _is(layer, "DepthwiseConv2D"):
        kernel = kernel * factor.reshape(kernel.shape[2:])
    else:
        kernel = kernel * factor
    return kernel.astype(np.float32), (bias * factor + shift).astype(np.float32)
