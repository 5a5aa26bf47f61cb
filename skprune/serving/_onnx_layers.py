"""What each kind of Keras layer is in ONNX.

Images are held with their channels first, as ONNX's convolutions want them. A flat row is left in
that order where a dense layer follows, whose kernel is put in the same order instead.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._onnx_activations import LayerError, activated, clipped, each, like, softmax
from ._onnx_convolutions import (
    conv2d,
    dense,
    depthwise,
    normalisation,
    padding,
    pair,
    separable,
)
from ._onnx_graph import OnnxGraph, Value

__all__ = ["convert_layer"]

# Layers that do nothing when a network predicts, also where they were called with training=True.
_IDLE = (
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "RandomBrightness",
    "RandomContrast",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
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
    import keras

    kind = type(layer).__name__
    convert = _LAYERS.get(kind)
    # Operations of keras.ops have the names of layers, and arguments that are no tensors.
    is_layer = isinstance(layer, keras.layers.Layer)
    if convert is None or not is_layer or not type(layer).__module__.startswith("keras."):
        raise LayerError(
            f"the {'layer' if is_layer else 'operation'} {layer.name!r} is of kind {kind}, which "
            f"has no counterpart here. There is one for {', '.join(sorted(_LAYERS))}"
        )
    if getattr(layer, "data_format", None) == "channels_first":
        raise LayerError(
            f"the layer {layer.name!r} holds images with their channels first; build the network "
            "with data_format='channels_last'"
        )
    made: Value = convert(graph, layer, list(values), shape, weights)
    return made


# What is done to each number by itself


def _rescaling(graph, layer, values, shape, weights):
    scale, offset = (np.asarray(part, np.float32) for part in (layer.scale, layer.offset))
    value = graph.last_axis(values[0]) if scale.ndim or offset.ndim else graph.settled(values[0])
    name = graph.node("Mul", value.name, graph.constant(scale))
    return like(value, graph.node("Add", name, graph.constant(offset)))


def _normalization(graph, layer, values, shape, weights):
    """The preprocessing layer: mean and variance of the samples it was adapted to."""
    import keras

    if layer.invert:
        raise LayerError(f"the layer {layer.name!r} has invert=True")
    value = graph.last_axis(values[0])
    mean, variance = (keras.ops.convert_to_numpy(v) for v in (layer.mean, layer.variance))
    deviation = np.maximum(np.sqrt(variance), keras.backend.epsilon())
    name = graph.node("Sub", value.name, graph.constant(mean.astype(np.float32)))
    return like(value, graph.node("Div", name, graph.constant(deviation.astype(np.float32))))


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
        window, strides = pair(layer.pool_size), pair(layer.strides)
        name = graph.node(
            operator,
            graph.first_axis(values[0]).name,
            kernel_shape=window,
            strides=strides,
            **padding(layer, values[0].shape, window, strides, (1, 1)),
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
    return _reshaped(graph, values[0], shape)


def _reshaped(graph, value, shape):
    return Value(graph.reshaped(graph.last_axis(value).name, shape), shape)


def _zero_padding(graph, layer, values, shape, weights):
    (top, bottom), (left, right) = layer.padding
    pads = graph.constant(np.array([0, 0, top, left, 0, 0, bottom, right], np.int64))
    return Value(graph.node("Pad", graph.first_axis(values[0]).name, pads), shape, True)


def _cropping(graph, layer, values, shape, weights):
    (top, _), (left, _) = layer.cropping
    value = graph.first_axis(values[0])
    starts, axes = (graph.constant(np.array(part, np.int64)) for part in ((top, left), (2, 3)))
    if None in shape[:2]:
        (_, bottom), (_, right) = layer.cropping
        stops = [-end if end else np.iinfo(np.int64).max for end in (bottom, right)]
    else:
        stops = [top + shape[0], left + shape[1]]
    ends = graph.constant(np.array(stops, np.int64))
    return Value(graph.node("Slice", value.name, starts, ends, axes), shape, True)


def _up_sampling(graph, layer, values, shape, weights):
    if layer.interpolation != "nearest":
        raise LayerError(f"the layer {layer.name!r} has interpolation={layer.interpolation!r}")
    scales = graph.constant(np.array([1, 1, *layer.size], np.float32))
    name = graph.node(
        "Resize",
        graph.first_axis(values[0]).name,
        "",
        scales,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return Value(name, shape, True)


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
    """Tensors whose axes are in one order, and as many: Keras adds missing ones in front."""
    most = max(len(value.shape) for value in values)
    values = [
        value
        if len(value.shape) == most
        else _reshaped(graph, value, (*[1] * (most - len(value.shape)), *value.shape))
        for value in values
    ]
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
    "Conv2D": conv2d,
    "Cropping2D": _cropping,
    "Dense": dense,
    "DepthwiseConv2D": depthwise,
    "ELU": _elu,
    "Flatten": _flatten,
    "GlobalAveragePooling2D": _global_pool("GlobalAveragePool"),
    "GlobalMaxPooling2D": _global_pool("GlobalMaxPool"),
    "LeakyReLU": _leaky_relu,
    "MaxPooling2D": _pool("MaxPool"),
    "Maximum": _merge("Max"),
    "Minimum": _merge("Min"),
    "Multiply": _merge("Mul"),
    "Normalization": _normalization,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "SeparableConv2D": separable,
    "Softmax": _softmax_layer,
    "Subtract": _merge("Sub"),
    "UpSampling2D": _up_sampling,
    "ZeroPadding2D": _zero_padding,
    **dict.fromkeys(_IDLE, _idle),
}
