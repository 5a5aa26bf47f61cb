"""Convolutions and dense layers in ONNX, whose weights a normalisation may be folded into."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._onnx_activations import LayerError, activated
from ._onnx_graph import Value

__all__ = [
    "conv2d",
    "dense",
    "depthwise",
    "kernel_and_bias",
    "normalisation",
    "padding",
    "pair",
    "separable",
]


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


def conv2d(graph, layer, values, shape, weights):
    kernel, bias = weights or kernel_and_bias(layer)
    return _convolved(graph, layer, values[0], shape, kernel, bias, layer.groups)


def depthwise(graph, layer, values, shape, weights):
    kernel, bias = weights or kernel_and_bias(layer)
    rows, columns, channels, depth = kernel.shape
    kernel = kernel.reshape(rows, columns, 1, channels * depth)
    return _convolved(graph, layer, values[0], shape, kernel, bias, channels)


def separable(graph, layer, values, shape, weights):
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
    window, strides, dilations = kernel.shape[:2], pair(layer.strides), pair(layer.dilation_rate)
    return graph.node(
        "Conv",
        graph.first_axis(value).name,
        graph.constant(_filters(kernel)),
        graph.constant(bias.astype(np.float32)),
        kernel_shape=window,
        strides=strides,
        dilations=dilations,
        group=groups,
        **padding(layer, value.shape, window, strides, dilations),
    )


def padding(layer, shape, window, strides, dilations) -> dict[str, Any]:
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


def pair(sides: Any) -> tuple[int, int]:
    return (sides, sides) if isinstance(sides, int) else tuple(sides)


def dense(graph, layer, values, shape, weights):
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
