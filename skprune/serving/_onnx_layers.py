"""What each kind of Keras layer is in ONNX.

Images are held with their channels first, as ONNX's convolutions want them. A flat row is left in
that order where a dense layer follows, whose kernel is put in the same order instead.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._onnx_activations import LayerError, activated, clipped, each, like, softmax
from ._onnx_graph import OnnxGraph, Value

__all__ = ["convert_layer", "kernel_and_bias", "normalisation"]

# Layers that do nothing when a network predicts.
_IDLE = (
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "SpatialDropout1D",
    "SpatialDropout2D",
)


def convert_layer(
    graph: OnnxGraph,
    layer: Any,
    values: Sequence[Value],
    shape: tuple[int | None, ...],
    weights: tuple[NDArray, NDArray] | None,
) -> Value:
    """Add the nodes of one call of a layer.

    Parameters
    ----------
    graph : OnnxGraph
        What grows.
    layer : keras.Layer
        What is called.
    values : sequence of Value
        What goes in.
    shape : tuple of int or None
        Shape of what comes out, without the batch.
    weights : tuple of (ndarray, ndarray) or None
        Kernel and bias to use instead of the layer's own, which have a normalisation folded in.

    Returns
    -------
    Value

    Raises
    ------
    LayerError
        If there is no such layer in ONNX.
    """
    kind = type(layer).__name__
    convert = _LAYERS.get(kind)
    if convert is None or not type(layer).__module__.startswith("keras."):
        raise LayerError(
            f"the layer {layer.name!r} is of kind {kind}, which has no counterpart here. There is "
            f"one for {', '.join(sorted(_LAYERS))}"
        )
    if getattr(layer, "data_format", None) == "channels_first":
        raise LayerError(
            f"the layer {layer.name!r} holds images with their channels first; build the network "
            "with data_format='channels_last'"
        )
    made: Value = convert(graph, layer, list(values), shape, weights)
    return made


def kernel_and_bias(layer: Any) -> tuple[NDArray, NDArray]:
    """Weights of a convolution or dense layer; its bias is zero where it has none."""
    import keras

    to_numpy = keras.ops.convert_to_numpy
    kernel = to_numpy(layer.kernel)
    if layer.use_bias:
        return kernel, to_numpy(layer.bias)
    n = kernel.shape[-1] * (kernel.shape[-2] if type(layer).__name__ == "DepthwiseConv2D" else 1)
    return kernel, np.zeros(n, np.float32)


def normalisation(layer: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factor and shift of a batch normalisation that predicts, in double precision.

    Parameters
    ----------
    layer : keras.layers.BatchNormalization
        The layer.

    Returns
    -------
    factor, shift : ndarray of shape (c,)
    """
    import keras

    mean, variance = (
        np.asarray(keras.ops.convert_to_numpy(v), np.float64)
        for v in (layer.moving_mean, layer.moving_variance)
    )
    factor = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        factor = factor * keras.ops.convert_to_numpy(layer.gamma)
    shift = -mean * factor
    return factor, shift + keras.ops.convert_to_numpy(layer.beta) if layer.center else shift


# Convolutions and products


def _conv2d(graph, layer, values, shape, weights):
    kernel, bias = weights or kernel_and_bias(layer)
    return _convolved(graph, layer, values[0], shape, kernel, bias, layer.groups)


def _depthwise(graph, layer, values, shape, weights):
    kernel, bias = weights or kernel_and_bias(layer)
    rows, columns, channels, depth = kernel.shape
    kernel = kernel.reshape(rows, columns, 1, channels * depth)
    return _convolved(graph, layer, values[0], shape, kernel, bias, channels)


def _separable(graph, layer, values, shape, weights):
    import keras

    depthwise = keras.ops.convert_to_numpy(layer.depthwise_kernel)
    rows, columns, channels, depth = depthwise.shape
    n = channels * depth
    sides = (None, None, n)
    depthwise = depthwise.reshape(rows, columns, 1, n)
    zeros = np.zeros(n, np.float32)
    x = _convolution(graph, layer, values[0], sides, depthwise, zeros, channels)
    pointwise = keras.ops.convert_to_numpy(layer.pointwise_kernel)
    bias = keras.ops.convert_to_numpy(layer.bias) if layer.use_bias else np.zeros(shape[-1], "f4")
    name = graph.node("Conv", x, graph.constant(_filters(pointwise)), graph.constant(bias))
    return activated(graph, layer.activation, Value(name, shape, True), layer)


def _filters(kernel: NDArray) -> NDArray:
    return np.transpose(kernel, (3, 2, 0, 1)).astype(np.float32)


def _convolved(graph, layer, value, shape, kernel, bias, groups):
    name = _convolution(graph, layer, value, shape, kernel, bias, groups)
    return activated(graph, layer.activation, Value(name, shape, True), layer)


def _convolution(graph, layer, value, shape, kernel, bias, groups):
    window, strides, dilations = kernel.shape[:2], _pair(layer.strides), _pair(layer.dilation_rate)
    return graph.node(
        "Conv",
        graph.first_axis(value).name,
        graph.constant(_filters(kernel)),
        graph.constant(bias.astype(np.float32)),
        kernel_shape=window,
        strides=strides,
        dilations=dilations,
        group=groups,
        **_padding(layer, value.shape, window, strides, dilations),
    )


def _padding(layer, shape, window, strides, dilations) -> dict[str, Any]:
    """Zeros (or nothing) around an image as TensorFlow places them: the odd one at the end."""
    if layer.padding == "valid":
        return {"pads": [0, 0, 0, 0]}
    if layer.padding != "same":
        raise LayerError(f"the layer {layer.name!r} has padding={layer.padding!r}")
    totals = []
    for side, width, stride, dilation in zip(shape, window, strides, dilations, strict=False):
        reach = (width - 1) * dilation + 1
        if stride == 1:
            totals.append(reach - 1)
        elif side is None:
            return {"auto_pad": "SAME_UPPER"}
        else:
            totals.append(max(0, (-(-side // stride) - 1) * stride + reach - side))
    before = [total // 2 for total in totals]
    return {"pads": [*before, *(t - b for t, b in zip(totals, before, strict=True))]}


def _pair(sides: Any) -> tuple[int, int]:
    return (sides, sides) if isinstance(sides, int) else tuple(sides)


def _dense(graph, layer, values, shape, weights):
    (value,) = values
    kernel, bias = weights or kernel_and_bias(layer)
    image = value.unflattened
    if image is not None and None not in image.shape and len(shape) == 1:
        height, width, channels = image.shape
        kernel = kernel.reshape(height, width, channels, -1).transpose(2, 0, 1, 3)
        kernel = kernel.reshape(height * width * channels, -1)
        name = graph.reshaped(image.name, (height * width * channels,))
    else:
        name = graph.last_axis(value).name
    if len(shape) == 1:
        name = graph.node("Gemm", name, graph.constant(kernel), graph.constant(bias))
    else:
        name = graph.node("MatMul", name, graph.constant(kernel))
        name = graph.node("Add", name, graph.constant(bias))
    return activated(graph, layer.activation, Value(name, shape), layer)


# What is done to each number by itself


def _rescaling(graph, layer, values, shape, weights):
    scale, offset = (np.asarray(part, np.float32) for part in (layer.scale, layer.offset))
    value = graph.last_axis(values[0]) if scale.ndim or offset.ndim else graph.settled(values[0])
    name = graph.node("Mul", value.name, graph.constant(scale))
    return like(value, graph.node("Add", name, graph.constant(offset)))


def _batch_norm(graph, layer, values, shape, weights):
    """A normalisation that follows nothing it could be folded into."""
    value = graph.settled(values[0])
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    if axis not in (-1, len(shape)):
        raise LayerError(f"the layer {layer.name!r} normalises axis {axis}, not the last one")
    factor, shift = (part.astype(np.float32) for part in normalisation(layer))
    if value.channels_first:
        factor, shift = factor[:, None, None], shift[:, None, None]
    name = graph.node("Mul", value.name, graph.constant(factor))
    return like(value, graph.node("Add", name, graph.constant(shift)))


def _activation(graph, layer, values, shape, weights):
    return activated(graph, layer.activation, values[0], layer)


def _relu(graph, layer, values, shape, weights):
    (value,) = values
    if float(layer.threshold or 0):
        raise LayerError(f"the layer {layer.name!r} has a threshold of {layer.threshold}")
    slope, most = float(layer.negative_slope or 0), layer.max_value
    if slope and most is not None:
        raise LayerError(f"the layer {layer.name!r} has both a slope and a largest value")
    if most is not None:
        return clipped(float(most))(graph, value, layer)
    return (
        each("LeakyRelu", alpha=slope)(graph, value, layer)
        if slope
        else each("Relu")(graph, value, layer)
    )


def _leaky_relu(graph, layer, values, shape, weights):
    return each("LeakyRelu", alpha=float(layer.negative_slope))(graph, values[0], layer)


def _elu(graph, layer, values, shape, weights):
    return each("Elu", alpha=float(layer.alpha))(graph, values[0], layer)


def _softmax_layer(graph, layer, values, shape, weights):
    if layer.axis not in (-1, len(shape)):
        raise LayerError(f"the layer {layer.name!r} is a softmax along axis {layer.axis}")
    return softmax(graph, values[0], layer)


# Shapes


def _pool(operator: str, **attributes: Any) -> Callable[..., Value]:
    def convert(graph, layer, values, shape, weights):
        window, strides = _pair(layer.pool_size), _pair(layer.strides)
        name = graph.node(
            operator,
            graph.first_axis(values[0]).name,
            kernel_shape=window,
            strides=strides,
            **_padding(layer, values[0].shape, window, strides, (1, 1)),
            **attributes,
        )
        return Value(name, shape, True)

    return convert


def _global_pool(operator: str) -> Callable[..., Value]:
    def convert(graph, layer, values, shape, weights):
        name = graph.node(operator, graph.first_axis(values[0]).name)
        if len(shape) == 3:
            return Value(name, shape, True)
        return Value(graph.reshaped(name, shape), shape)

    return convert


def _flatten(graph, layer, values, shape, weights):
    (value,) = values
    if value.channels_first:
        return Value("", shape, unflattened=value)
    return Value(graph.reshaped(graph.last_axis(value).name, shape), shape)


def _reshape(graph, layer, values, shape, weights):
    return Value(graph.reshaped(graph.last_axis(values[0]).name, shape), shape)


def _zero_padding(graph, layer, values, shape, weights):
    (top, bottom), (left, right) = layer.padding
    pads = graph.constant(np.array([0, 0, top, left, 0, 0, bottom, right], np.int64))
    return Value(graph.node("Pad", graph.first_axis(values[0]).name, pads), shape, True)


def _idle(graph, layer, values, shape, weights):
    return values[0]


def _merge(operator: str) -> Callable[..., Value]:
    def convert(graph, layer, values, shape, weights):
        values = _alike(graph, values)
        name = values[0].name
        for value in values[1:]:
            name = graph.node(operator, name, value.name)
        return Value(name, shape, values[0].channels_first)

    return convert


def _average(graph, layer, values, shape, weights):
    total = _merge("Add")(graph, layer, values, shape, weights)
    share = graph.constant(np.float32(1 / len(values)))
    return like(total, graph.node("Mul", total.name, share))


def _concatenate(graph, layer, values, shape, weights):
    axis = layer.axis if layer.axis >= 0 else layer.axis + len(shape) + 1
    values = _alike(graph, values)
    first = values[0].channels_first
    if first:
        axis = {1: 2, 2: 3, 3: 1}[axis]
    return Value(graph.node("Concat", *(v.name for v in values), axis=axis), shape, first)


def _alike(graph, values):
    """Tensors whose axes are in one order."""
    if all(value.channels_first for value in values):
        return values
    if any(value.channels_first for value in values) and all(len(v.shape) == 3 for v in values):
        return [graph.first_axis(value) for value in values]
    return [graph.last_axis(value) for value in values]


_LAYERS: dict[str, Callable[..., Value]] = {
    "Activation": _activation,
    "Add": _merge("Add"),
    "Average": _average,
    "AveragePooling2D": _pool("AveragePool", count_include_pad=0),
    "BatchNormalization": _batch_norm,
    "Concatenate": _concatenate,
    "Conv2D": _conv2d,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise,
    "ELU": _elu,
    "Flatten": _flatten,
    "GlobalAveragePooling2D": _global_pool("GlobalAveragePool"),
    "GlobalMaxPooling2D": _global_pool("GlobalMaxPool"),
    "LeakyReLU": _leaky_relu,
    "MaxPooling2D": _pool("MaxPool"),
    "Maximum": _merge("Max"),
    "Minimum": _merge("Min"),
    "Multiply": _merge("Mul"),
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "SeparableConv2D": _separable,
    "Softmax": _softmax_layer,
    "Subtract": _merge("Sub"),
    "ZeroPadding2D": _zero_padding,
    **dict.fromkeys(_IDLE, _idle),
}
