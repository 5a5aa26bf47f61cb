"""How channels pass through a model: one rule for each kind of layer, applied call by call.

A rule takes the walk and the call of a layer, adds the channels of the layer's weights to the walk,
and returns the channels of its output. A new kind of layer is a new rule in RULES.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._keras import LayerCall, LayerGraph, layer_graph
from ._channel_groups import ChannelMap, Ids, LayerChannels, TensorChannels, UnionFind

__all__ = ["RULES", "map_channels"]

# Activations that are functions of all channels together: each output changes with all inputs.
_JOINT_ACTIVATIONS = {"softmax", "log_softmax", "sparsemax", "glu"}


def map_channels(model: Any) -> ChannelMap:
    """Follow the channels of a Keras model from its inputs to its outputs."""
    walk = _Walk(layer_graph(model))
    for call in walk.graph.calls:
        walk.apply_rule(call)
    return walk.channel_map()


class _Walk:
    """The channels of the calls up to here."""

    def __init__(self, graph: LayerGraph) -> None:
        self.graph = graph
        self.sets = UnionFind()
        self.fixed: list[int] = []
        # Channels of each tensor. None: the tensor depends on inputs alone, and its channels are
        # fixed along every axis.
        self.channels: dict[int, TensorChannels | None] = dict.fromkeys(graph.inputs)
        self.layers: dict[int, LayerChannels] = {}
        self.layers_on_inputs: set[int] = set()

    def apply_rule(self, call: LayerCall) -> None:
        """Add the channels of the call's outputs; raise if there is no rule for its layer."""
        rule = _rule_of(call.layer)
        if rule not in _MAKE_CHANNELS and all(
            self.channels[tensor] is None for tensor in call.inputs
        ):
            self.layers_on_inputs.add(id(call.layer))
            self.channels.update(dict.fromkeys(call.outputs))
        elif rule is None:
            raise self.error(
                call,
                "there is no rule for this kind of layer. Prune the model up to it, or use "
                "prune_magnitude, which takes any layer",
            )
        else:
            self.channels[call.outputs[0]] = rule(self, call)

    def channel_map(self) -> ChannelMap:
        """The channels of the whole model, after all calls."""
        for tensor in self.graph.outputs:
            self.fix(self.channels[tensor])
        # A layer that is called on inputs, too, must take all their channels.
        for key in self.layers_on_inputs & set(self.layers):
            layer = self.layers[key]
            self.fix(layer.in_channels)
            for axes in layer.weights:
                for ids in axes.values():
                    self.fix(ids)
        # The channels that enter a nested model are the same in all its calls.
        nested_inputs: dict[int, list[TensorChannels | None]] = {}
        for model, tensors in self.graph.nested:
            new = [self.channels[tensor] for tensor in tensors]
            known = nested_inputs.setdefault(id(model), new)
            for i, (a, b) in enumerate(zip(known, new, strict=True)):
                if a is not None and b is not None:
                    self.sets.union(a.ids, b.ids)
                else:
                    self.fix(a)
                    self.fix(b)
                    known[i] = None
        roots = self.sets.roots()
        fixed = np.isin(roots, roots[np.array(self.fixed, dtype=np.intp)])
        return ChannelMap(tuple(self.layers.values()), roots, fixed, nested_inputs)

    def error(self, call: LayerCall, reason: str) -> ValueError:
        kind, name = type(call.layer).__name__, call.layer.name
        return ValueError(f"Channels cannot be followed through {name!r} ({kind}): {reason}.")

    def shape(self, tensor: int) -> tuple[int | None, ...]:
        return self.graph.shapes[tensor]

    def fix(self, channels: TensorChannels | Ids | None) -> None:
        """Keep these channels."""
        ids = channels.ids if isinstance(channels, TensorChannels) else channels
        self.fixed.extend([] if ids is None else ids.tolist())

    def along(self, call: LayerCall, axis: int, i: int = 0) -> Ids:
        """The channels of input i, which the layer needs along this axis."""
        tensor = call.inputs[i]
        channels = self.channels[tensor]
        if channels is None:
            n = self.shape(tensor)[axis]
            if n is None:
                raise self.error(call, f"axis {axis} of its input has no fixed length")
            channels = self.channels[tensor] = TensorChannels(self.sets.add(n), axis)
            self.fix(channels)
        if channels.axis != axis:
            raise self.error(
                call,
                f"it has its channels along axis {axis} of its input, but the channels of the "
                f"input are along axis {channels.axis}",
            )
        return channels.ids

    def add_layer(self, layer: LayerChannels) -> None:
        """Add the channels of a layer; in further calls, unite them with those of its first."""
        known = self.layers.setdefault(id(layer.layer), layer)
        for old, new in zip(known.weights, layer.weights, strict=True):
            for axis, ids in new.items():
                self.sets.union(old[axis], ids)
        if known.in_channels is not None and layer.in_channels is not None:
            self.sets.union(known.in_channels, layer.in_channels)


_Rule = Callable[[_Walk, LayerCall], TensorChannels]


def _rule_of(layer: Any) -> _Rule | None:
    import keras

    # A subclass may compute anything, so only Keras's own classes are trusted. Operations of
    # keras.ops are classes too, some of the same names as layers.
    if type(layer).__module__.split(".")[0] != "keras":
        return None
    rules = RULES if isinstance(layer, keras.Layer) else _OPERATION_RULES
    return rules.get(type(layer).__name__)


def _channel_axis(walk: _Walk, call: LayerCall) -> int:
    rank = len(walk.shape(call.inputs[0]))
    return 1 if getattr(call.layer, "data_format", None) == "channels_first" else rank - 1


def _same(walk: _Walk, call: LayerCall) -> TensorChannels:
    """The channels of the input, which are those of the output in elementwise layers."""
    channels = walk.channels[call.inputs[0]]
    assert channels is not None  # no rule is applied to calls on inputs alone
    return channels


def _weights(walk: _Walk, call: LayerCall, **axes: dict[int, Ids]) -> tuple[dict[int, Ids], ...]:
    """One entry for each weight, from the names of the layer's attributes."""
    of_variable = {id(getattr(call.layer, name, None)): ids for name, ids in axes.items()}
    unknown = [each.name for each in call.layer.weights if id(each) not in of_variable]
    if unknown:  # adapters, quantized kernels
        raise walk.error(call, f"it has weights of an unknown meaning, {unknown}")
    return tuple(of_variable[id(each)] for each in call.layer.weights)


# Layers that make new channels


def _dense_or_conv(walk: _Walk, call: LayerCall) -> TensorChannels:
    layer, axis = call.layer, _channel_axis(walk, call)
    if getattr(layer, "groups", 1) != 1:
        raise walk.error(call, f"its {layer.groups} groups of channels would not stay equal")
    size = "units" if hasattr(layer, "units") else "filters"
    in_channels = walk.along(call, axis)
    out_channels = walk.sets.add(getattr(layer, size))
    in_axis, out_axis = len(layer.kernel.shape) - 2, len(layer.kernel.shape) - 1
    if "Transpose" in type(layer).__name__:
        in_axis, out_axis = out_axis, in_axis
    kernel = {in_axis: in_channels, out_axis: out_channels}
    weights = _weights(walk, call, kernel=kernel, bias={0: out_channels})
    config, scored = {size: out_channels}, {"l1": (0, out_axis)}
    walk.add_layer(LayerChannels(layer, weights, in_channels, out_channels, config, scored))
    return _activated(walk, call, TensorChannels(out_channels, axis))


def _separable_conv(walk: _Walk, call: LayerCall) -> TensorChannels:
    layer, axis = call.layer, _channel_axis(walk, call)
    in_channels = walk.along(call, axis)
    out_channels = walk.sets.add(layer.filters)
    in_axis, out_axis = len(layer.pointwise_kernel.shape) - 2, len(layer.pointwise_kernel.shape) - 1
    repeated = np.repeat(in_channels, layer.depth_multiplier)
    kernels = {
        "depthwise_kernel": {in_axis: in_channels},
        "pointwise_kernel": {in_axis: repeated, out_axis: out_channels},
    }
    weights = _weights(walk, call, **kernels, bias={0: out_channels})
    config, scored = {"filters": out_channels}, {"l1": (1, out_axis)}
    walk.add_layer(LayerChannels(layer, weights, in_channels, out_channels, config, scored))
    return _activated(walk, call, TensorChannels(out_channels, axis))


def _activated(walk: _Walk, call: LayerCall, channels: TensorChannels) -> TensorChannels:
    """Fix the channels if the layer's activation is a function of all of them together."""
    import keras

    activation = getattr(call.layer, "activation", None)
    known_layers = keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU
    if activation is None or isinstance(activation, known_layers):
        return channels
    name = getattr(activation, "__name__", type(activation).__name__)
    if activation is not getattr(keras.activations, name, None):
        raise walk.error(
            call, f"its activation {name!r} may combine channels; only Keras's own are known"
        )
    if name in _JOINT_ACTIVATIONS:
        walk.fix(channels)
    return channels


# Layers whose output has the channels of their input


def _depthwise_conv(walk: _Walk, call: LayerCall) -> TensorChannels:
    layer = call.layer
    axis, rank = _channel_axis(walk, call), len(layer.kernel.shape)
    in_channels = walk.along(call, axis)
    repeated = np.repeat(in_channels, layer.depth_multiplier)
    weights = _weights(walk, call, kernel={rank - 2: in_channels}, bias={0: repeated})
    walk.add_layer(LayerChannels(layer, weights, in_channels))
    return _activated(walk, call, TensorChannels(repeated, axis))


def _batch_norm(walk: _Walk, call: LayerCall) -> TensorChannels:
    layer = call.layer
    axis = layer.axis % len(walk.shape(call.inputs[0]))
    ids = walk.along(call, axis)
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    weights = _weights(walk, call, **{name: {0: ids} for name in names})
    scored = {"batchnorm": (0, 0)} if layer.scale else {}  # gamma is the first weight
    walk.add_layer(LayerChannels(layer, weights, ids, scored=scored))
    return TensorChannels(ids, axis)


def _prelu(walk: _Walk, call: LayerCall) -> TensorChannels:
    channels, alpha = _same(walk, call), call.layer.alpha
    # Along a shared axis alpha has length 1.
    axes = {} if alpha.shape[channels.axis - 1] == 1 else {channels.axis - 1: channels.ids}
    walk.add_layer(LayerChannels(call.layer, _weights(walk, call, alpha=axes)))
    return channels


def _dropout(walk: _Walk, call: LayerCall) -> TensorChannels:
    if any(side not in (None, 1) for side in getattr(call.layer, "noise_shape", None) or ()):
        raise walk.error(call, "its noise_shape has lengths of its own")
    return _same(walk, call)


def _activation_layer(walk: _Walk, call: LayerCall) -> TensorChannels:
    return _activated(walk, call, _same(walk, call))


def _rescaling(walk: _Walk, call: LayerCall) -> TensorChannels:
    if np.ndim(call.layer.scale) or np.ndim(call.layer.offset):
        raise walk.error(call, "it scales each channel by a number of its own")
    return _same(walk, call)


def _softmax(walk: _Walk, call: LayerCall) -> TensorChannels:
    channels, rank = _same(walk, call), len(walk.shape(call.inputs[0]))
    if channels.axis in {axis % rank for axis in np.atleast_1d(getattr(call.layer, "axis", -1))}:
        walk.fix(channels)
    return channels


def _spatial(walk: _Walk, call: LayerCall) -> TensorChannels:
    """Along the axes of space: pooling, padding, cropping, upsampling."""
    axis = _channel_axis(walk, call)
    return TensorChannels(walk.along(call, axis), axis)


def _global_pooling(walk: _Walk, call: LayerCall) -> TensorChannels:
    channels = _spatial(walk, call)
    return channels if call.layer.keepdims else TensorChannels(channels.ids, 1)


def _flatten(walk: _Walk, call: LayerCall) -> TensorChannels:
    channels = _same(walk, call)
    shape: list[Any] = list(walk.shape(call.inputs[0])[1:])
    if None in shape:
        raise walk.error(call, f"the shape of its input, {tuple(shape)}, is not fixed")
    along = [-1 if axis == channels.axis else 1 for axis in range(1, len(shape) + 1)]
    ids = np.broadcast_to(channels.ids.reshape(along), shape)
    # Keras moves axis 1 to the end before it flattens channels-first inputs, whatever it holds.
    if call.layer.data_format == "channels_first" and len(shape) > 1:
        ids = np.moveaxis(ids, 0, -1)
    return TensorChannels(ids.ravel(), 1)


def _reshape(walk: _Walk, call: LayerCall) -> TensorChannels:
    channels, layer = _same(walk, call), call.layer
    shape, out = walk.shape(call.inputs[0]), walk.shape(call.outputs[0])
    if channels.axis != len(shape) - 1 or out[-1] != shape[-1]:
        raise walk.error(call, f"channels are spread over other axes, from {shape} to {out}")
    config = {} if layer.target_shape[-1] == -1 else {"target_shape": channels.ids}
    walk.add_layer(LayerChannels(layer, (), channels.ids, config=config))
    return TensorChannels(channels.ids, len(out) - 1)


# Layers that combine tensors


def _elementwise(walk: _Walk, call: LayerCall) -> TensorChannels:
    if any(np.ndim(value) for value in call.constants):
        raise walk.error(call, "it takes an array of constants along the channels")
    axis, wide = _common_axis(walk, call), np.empty(0, np.intp)
    rank = max(len(walk.shape(tensor)) for tensor in call.inputs)
    for i, tensor in enumerate(call.inputs):
        own_axis = axis - rank + len(walk.shape(tensor))
        if own_axis < 1:  # it has no such axis: the same for all channels
            continue
        ids = walk.along(call, own_axis, i)
        if len(ids) == len(wide):
            walk.sets.union(wide, ids)
            continue
        # One channel is combined with all others.
        wide, single = (ids, wide) if len(wide) <= 1 else (wide, ids)
        walk.fix(single)
    return TensorChannels(wide, axis)


def _concatenate(walk: _Walk, call: LayerCall) -> TensorChannels:
    if any(np.ndim(value) for value in call.constants):
        raise walk.error(call, "it concatenates an array of constants")
    axis = _common_axis(walk, call)
    ids = [walk.along(call, axis, i) for i in range(len(call.inputs))]
    if call.layer.axis % len(walk.shape(call.inputs[0])) == axis:
        return TensorChannels(np.concatenate(ids), axis)
    for other in ids[1:]:
        walk.sets.union(ids[0], other)
    return TensorChannels(ids[0], axis)


def _common_axis(walk: _Walk, call: LayerCall) -> int:
    """The axis of the channels of all inputs, whose shapes are aligned at their last axes."""
    rank = max(len(walk.shape(tensor)) for tensor in call.inputs)
    axes = {
        channels.axis + rank - len(walk.shape(tensor))
        for tensor in call.inputs
        if (channels := walk.channels[tensor]) is not None
    }
    if len(axes) != 1:
        raise walk.error(call, "the channels of its inputs are along different axes")
    return axes.pop()


def _for_dimensions(rule: _Rule, *names: str) -> dict[str, _Rule]:
    return {name.format(n): rule for name in names for n in (1, 2, 3)}


# Rules that make or repeat channels: they apply to the inputs of a model, too.
_MAKE_CHANNELS = {_dense_or_conv, _separable_conv, _depthwise_conv}
_ELEMENTWISE_LAYERS = (
    *("ReLU", "LeakyReLU", "ELU", "Identity", "ActivityRegularization"),
    *("GaussianDropout", "GaussianNoise"),
    *("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
)
_ELEMENTWISE_OPERATIONS = (
    *("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Gelu", "Silu", "Sigmoid", "HardSigmoid"),
    *("HardSilu", "Softplus", "Tanh", "Abs", "Absolute", "Negative", "Square", "Sqrt", "Exp"),
)

RULES: dict[str, _Rule] = {
    "Dense": _dense_or_conv,
    **_for_dimensions(_dense_or_conv, "Conv{}D", "Conv{}DTranspose"),
    **_for_dimensions(_separable_conv, "SeparableConv{}D"),
    **_for_dimensions(_depthwise_conv, "DepthwiseConv{}D"),
    "BatchNormalization": _batch_norm,
    "PReLU": _prelu,
    "Dropout": _dropout,
    "AlphaDropout": _dropout,
    "Activation": _activation_layer,
    "Softmax": _softmax,
    "Rescaling": _rescaling,
    **dict.fromkeys(_ELEMENTWISE_LAYERS, _same),
    **_for_dimensions(
        _spatial,
        *("MaxPooling{}D", "AveragePooling{}D", "ZeroPadding{}D", "Cropping{}D", "UpSampling{}D"),
    ),
    **_for_dimensions(_global_pooling, "GlobalMaxPooling{}D", "GlobalAveragePooling{}D"),
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Concatenate": _concatenate,
    **dict.fromkeys(("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"), _elementwise),
}

# The same for operations of keras.ops, which are no layers.
_OPERATION_RULES: dict[str, _Rule] = {
    **dict.fromkeys(_ELEMENTWISE_OPERATIONS, _same),
    **dict.fromkeys(
        ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Divide", "TrueDivide"), _elementwise
    ),
    "Concatenate": _concatenate,
}
