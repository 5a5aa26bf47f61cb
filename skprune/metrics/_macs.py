"""Multiply-accumulates of a network, layer by layer."""

from collections.abc import Callable
from math import prod
from typing import Any

from .._keras import LayerCall, layer_graph

__all__ = ["count_macs"]

Shape = tuple[int, ...]

# Classes by name, since not every release of Keras has all of them. Those whose weights of two
# axes or more multiply nothing, or only element by element:
_ELEMENTWISE = frozenset(
    {
        "BatchNormalization",
        "Embedding",
        "GroupNormalization",
        "LayerNormalization",
        "Normalization",
        "PReLU",
        "RMSNormalization",
    }
)
# and those that multiply tensors with each other, so that they have no weights to tell them by.
_PRODUCTS = frozenset(
    {
        "AdditiveAttention",
        "Attention",
        "Conv",
        "ConvTranspose",
        "Correlate",
        "DepthwiseConv",
        "Dot",
        "DotProductAttention",
        "Einsum",
        "Inner",
        "Matmul",
        "SeparableConv",
        "Tensordot",
        "Vdot",
    }
)


def count_macs(model: Any) -> int:
    """Multiply-accumulates of one sample's way through a Keras model.

    Parameters
    ----------
    model : keras.Model
        As for :func:`~skprune.utils.layer_graph`.

    Returns
    -------
    int

    Raises
    ------
    TypeError, ValueError
        As :func:`model_cost`.
    """
    graph, total = layer_graph(model), 0
    for call in graph.calls:
        rule = _rule(call.layer)
        if rule is None:
            _refuse_products(call.layer, model)
            continue
        given = _sides(graph.shapes[call.inputs[0]], call, model)
        made = _sides(graph.shapes[call.outputs[0]], call, model)
        total += rule(call.layer, given, made)
    return total


def _rule(layer: Any) -> Callable[[Any, Shape, Shape], int] | None:
    import keras

    kinds = keras.layers
    if isinstance(layer, kinds.Dense):
        return _dense
    if isinstance(layer, (kinds.Conv1D, kinds.Conv2D, kinds.Conv3D)):
        return _conv
    if isinstance(layer, (kinds.Conv1DTranspose, kinds.Conv2DTranspose, kinds.Conv3DTranspose)):
        return _conv_transpose
    if isinstance(layer, (kinds.DepthwiseConv1D, kinds.DepthwiseConv2D)):
        return _depthwise
    if isinstance(layer, (kinds.SeparableConv1D, kinds.SeparableConv2D)):
        return _separable
    return None


# Each from the shapes without the batch, which unlike kernels stay the same under quantization.


def _dense(layer: Any, given: Shape, made: Shape) -> int:
    return prod(made) * given[-1]


def _conv(layer: Any, given: Shape, made: Shape) -> int:
    return prod(made) * prod(layer.kernel_size) * (_channels(layer, given) // layer.groups)


def _conv_transpose(layer: Any, given: Shape, made: Shape) -> int:
    return prod(given) * prod(layer.kernel_size) * layer.filters


def _depthwise(layer: Any, given: Shape, made: Shape) -> int:
    return prod(made) * prod(layer.kernel_size)


def _separable(layer: Any, given: Shape, made: Shape) -> int:
    places = prod(made) // layer.filters
    between = _channels(layer, given) * layer.depth_multiplier
    return places * between * (prod(layer.kernel_size) + layer.filters)


def _channels(layer: Any, given: Shape) -> int:
    return given[-1 if layer.data_format == "channels_last" else 0]


def _sides(shape: tuple[int | None, ...], call: LayerCall, model: Any) -> Shape:
    sides = tuple(side for side in shape[1:] if side is not None)
    if len(sides) < len(shape) - 1:
        raise ValueError(
            f"The multiply-accumulates of {model.name!r} depend on its input: {_named(call.layer)} "
            f"meets the shape {shape}, whose sides are not all fixed. Build the model with a "
            "keras.Input that fixes them."
        )
    return sides


def _refuse_products(layer: Any, model: Any) -> None:
    names = {kind.__name__ for kind in type(layer).__mro__}
    weights = getattr(layer, "weights", ())
    matrices = not names & _ELEMENTWISE and any(len(weight.shape) > 1 for weight in weights)
    if matrices or names & _PRODUCTS:
        raise TypeError(
            f"The multiply-accumulates of {model.name!r} cannot be counted: {_named(layer)} is "
            "neither a Dense nor a convolution layer, and no rule says what it multiplies."
        )


def _named(layer: Any) -> str:
    return f"its layer {layer.name!r} ({type(layer).__name__})"
