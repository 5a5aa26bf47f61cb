"""What each activation of Keras is in ONNX."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ._onnx_graph import Value

__all__ = ["ACTIVATIONS", "LayerError", "activated", "clipped", "each", "like", "softmax"]


class LayerError(Exception):
    """A layer has no counterpart; the message says which and what could be done."""


def like(value: Value, name: str) -> Value:
    """What came of a tensor, number by number.

    Parameters
    ----------
    value : Value
        It.
    name : str
        What came of it.

    Returns
    -------
    Value
    """
    return Value(name, value.shape, value.channels_first)


def each(operator: str, **attributes: Any) -> Callable[..., Value]:
    """An operator of ONNX that takes each number by itself."""

    def convert(graph, value, layer):
        # A flat row in another order goes through by its image, and stays in that order.
        if value.unflattened is not None:
            image = like(
                value.unflattened, graph.node(operator, value.unflattened.name, **attributes)
            )
            return Value("", value.shape, unflattened=image)
        return like(value, graph.node(operator, value.name, **attributes))

    return convert


def softmax(graph, value, layer):
    """Along the last axis."""
    value = graph.last_axis(value)
    return like(value, graph.node("Softmax", value.name, axis=-1))


def clipped(most: float) -> Callable[..., Value]:
    """Between zero and a largest value."""

    def convert(graph, value, layer):
        value = graph.settled(value)
        bounds = (graph.constant(np.float32(bound)) for bound in (0.0, most))
        return like(value, graph.node("Clip", value.name, *bounds))

    return convert


def _gated(gate: Callable[..., Value]) -> Callable[..., Value]:
    """Of each number x the product x * gate(x)."""

    def convert(graph, value, layer):
        value = graph.settled(value)
        return like(value, graph.node("Mul", value.name, gate(graph, value, layer).name))

    return convert


def _gelu(graph, value, layer):
    """The exact form: x (1 + erf(x / sqrt 2)) / 2."""
    value = graph.settled(value)
    scaled = graph.node("Mul", value.name, graph.constant(np.float32(np.sqrt(0.5))))
    part = graph.node("Add", graph.node("Erf", scaled), graph.constant(np.float32(1)))
    half = graph.node("Mul", value.name, graph.constant(np.float32(0.5)))
    return like(value, graph.node("Mul", half, part))


_sigmoid = each("Sigmoid")

ACTIVATIONS: dict[str, Callable[..., Value]] = {
    "linear": lambda graph, value, layer: value,
    "relu": each("Relu"),
    "relu6": clipped(6.0),
    "leaky_relu": each("LeakyRelu", alpha=0.2),
    "elu": each("Elu"),
    "selu": each("Selu"),
    "sigmoid": _sigmoid,
    "hard_sigmoid": each("HardSigmoid", alpha=1 / 6, beta=0.5),
    "softplus": each("Softplus"),
    "softsign": each("Softsign"),
    "tanh": each("Tanh"),
    "exponential": each("Exp"),
    "softmax": softmax,
    "silu": _gated(_sigmoid),
    "gelu": _gelu,
}


def activated(graph, activation, value, layer):
    """What the activation of a layer makes of a tensor."""
    name = getattr(activation, "__name__", type(activation).__name__)
    module = getattr(activation, "__module__", "")
    convert = ACTIVATIONS.get(name)
    if convert is None or not module.startswith("keras."):
        raise LayerError(
            f"the layer {layer.name!r} has the activation {name!r}, which has no counterpart here. "
            f"There is one for {', '.join(sorted(ACTIVATIONS))}"
        )
    return convert(graph, value, layer)
