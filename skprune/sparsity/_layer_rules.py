"""What each kind of layer does to channels.

A rule takes the layer, the call and the channels that come in, notes where they stand in the
layer's weights, and says which channels come out. A new kind of layer is a new rule in RULES.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._keras import LayerCall
from ._channel_map import Ids, LayerChannels
from ._walk import Flow, Walk

__all__ = ["RULES", "apply_rule"]

# Functions of all channels together: without one of them, the others change.
_JOINT = {"softmax", "log_softmax", "sparsemax", "glu"}


def apply_rule(walk: Walk, call: LayerCall) -> None:
    """Follow the channels through one call.

    Parameters
    ----------
    walk : Walk
        What is known; the call's outputs are added to it.
    call : LayerCall
        The call.

    Raises
    ------
    ValueError
        If there is no rule for the layer; the message names it.
    """
    rule = _rule_of(call.layer)
    flows = [walk.flows[tensor] for tensor in call.inputs]
    if rule not in _MAKERS and all(flow is None for flow in flows):
        # Whatever is done to the inputs alone has nothing to do with channels that could go.
        walk.on_inputs.add(id(call.layer))
        walk.flows.update(dict.fromkeys(call.outputs))
        return
    if rule is None:
        raise walk.fail(
            call,
            "there is no rule for this kind of layer. Prune the model up to it, or use "
            "prune_magnitude, which takes any layer",
        )
    walk.flows[call.outputs[0]] = rule(walk, call)


def _rule_of(layer: Any) -> Callable[[Walk, LayerCall], Flow] | None:
    import keras

    # A subclass may compute anything, so only Keras's own classes are trusted; operations of
    # keras.ops are classes too, some of the same names as layers.
    if type(layer).__module__.split(".")[0] != "keras":
        return None
    rules = RULES if isinstance(layer, keras.Layer) else OPERATIONS
    return rules.get(type(layer).__name__)


def _channel_axis(walk: Walk, call: LayerCall) -> int:
    rank = len(walk.shape(call.inputs[0]))
    return 1 if getattr(call.layer, "data_format", None) == "channels_first" else rank - 1


def _weights(layer: Any, **axes: dict[int, Ids]) -> tuple[dict[int, Ids], ...]:
    """One entry for each weight, in the layer's order, from the names of its attributes."""
    of_variable = {
        id(getattr(layer, name)): ids
        for name, ids in axes.items()
        if getattr(layer, name, None) is not None
    }
    return tuple(of_variable.get(id(variable), {}) for variable in layer.weights)


def _plain_weights(walk: Walk, call: LayerCall, names: set[str]) -> None:
    """Refuse layers with weights that nothing is known of (adapters, quantised kernels)."""
    layer = call.layer
    known = {id(getattr(layer, name, None)) for name in names}
    strange = [variable.name for variable in layer.weights if id(variable) not in known]
    if strange:
        raise walk.fail(call, f"it has weights of an unknown meaning, {strange}")


# Layers that make channels


def _dense(walk: Walk, call: LayerCall) -> Flow:
    layer = call.layer
    _plain_weights(walk, call, {"kernel", "bias"})
    rank = len(walk.shape(call.inputs[0]))
    came = walk.along(call, call.inputs[0], rank - 1)
    made = walk.unions.new(layer.units)
    weights = _weights(layer, kernel={0: came, 1: made}, bias={0: made})
    return _made(walk, call, made, weights, "units", rank - 1)


def _conv(walk: Walk, call: LayerCall) -> Flow:
    layer = call.layer
    _plain_weights(walk, call, {"kernel", "bias"})
    if getattr(layer, "groups", 1) != 1:
        raise walk.fail(call, f"its {layer.groups} groups of channels would not stay equal")
    axis, rank = _channel_axis(walk, call), len(layer.kernel.shape)
    came = walk.along(call, call.inputs[0], axis)
    made = walk.unions.new(layer.filters)
    transposed = "Transpose" in type(layer).__name__
    kernel = {rank - 1: came, rank - 2: made} if transposed else {rank - 2: came, rank - 1: made}
    weights = _weights(layer, kernel=kernel, bias={0: made})
    return _made(walk, call, made, weights, "filters", axis)


def _separable_conv(walk: Walk, call: LayerCall) -> Flow:
    layer = call.layer
    _plain_weights(walk, call, {"depthwise_kernel", "pointwise_kernel", "bias"})
    axis, rank = _channel_axis(walk, call), len(layer.pointwise_kernel.shape)
    came = walk.along(call, call.inputs[0], axis)
    made = walk.unions.new(layer.filters)
    inner = np.repeat(came, layer.depth_multiplier)
    weights = _weights(
        layer,
        depthwise_kernel={rank - 2: came},
        pointwise_kernel={rank - 2: inner, rank - 1: made},
        bias={0: made},
    )
    return _made(walk, call, made, weights, "filters", axis, kernel="pointwise_kernel")


def _made(
    walk: Walk,
    call: LayerCall,
    made: Ids,
    weights: tuple[dict[int, Ids], ...],
    entry: str,
    axis: int,
    kernel: str = "kernel",
) -> Flow:
    layer = call.layer
    position = [id(variable) for variable in layer.weights].index(id(getattr(layer, kernel)))
    noted = walk.note(
        layer,
        LayerChannels(layer, weights, {entry: lambda count: count(made)}, made, position),
    )
    assert noted.made is not None
    if _joins_channels(walk, call):
        walk.unions.fix(noted.made)
    return Flow(noted.made, axis)


def _joins_channels(walk: Walk, call: LayerCall) -> bool:
    """Whether the layer's activation is a function of all channels together."""
    import keras

    activation = getattr(call.layer, "activation", None)
    if activation is None or isinstance(activation, _activation_layers()):
        return False
    name = getattr(activation, "__name__", type(activation).__name__)
    if activation is not getattr(keras.activations, name, None):
        raise walk.fail(call, f"its activation {name!r} may join channels; only Keras's are known")
    return name in _JOINT


def _activation_layers() -> tuple[type, ...]:
    from keras import layers

    return layers.ReLU, layers.LeakyReLU, layers.ELU


# Layers that pass channels on


def _depthwise_conv(walk: Walk, call: LayerCall) -> Flow:
    layer = call.layer
    _plain_weights(walk, call, {"kernel", "bias"})
    axis, rank = _channel_axis(walk, call), len(layer.kernel.shape)
    came = walk.along(call, call.inputs[0], axis)
    out = np.repeat(came, layer.depth_multiplier)
    weights = _weights(layer, kernel={rank - 2: came}, bias={0: out})
    walk.note(layer, LayerChannels(layer, weights))
    if _joins_channels(walk, call):
        walk.unions.fix(out)
    return Flow(out, axis)


def _batch_norm(walk: Walk, call: LayerCall) -> Flow:
    layer = call.layer
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    _plain_weights(walk, call, set(names))
    axis = layer.axis % len(walk.shape(call.inputs[0]))
    ids = walk.along(call, call.inputs[0], axis)
    weights = _weights(layer, **{name: {0: ids} for name in names})
    scale = 0 if layer.scale else None  # gamma comes first
    walk.note(layer, LayerChannels(layer, weights, scale=scale))
    return Flow(ids, axis)


def _prelu(walk: Walk, call: LayerCall) -> Flow:
    flow = _incoming(walk, call)
    alpha = call.layer.alpha
    # One slope for a whole shared axis, of length 1.
    axes = {} if alpha.shape[flow.axis - 1] == 1 else {flow.axis - 1: flow.ids}
    walk.note(call.layer, LayerChannels(call.layer, _weights(call.layer, alpha=axes)))
    return flow


def _incoming(walk: Walk, call: LayerCall) -> Flow:
    flow = walk.flows[call.inputs[0]]
    assert flow is not None  # calls on inputs alone never come to a rule
    return flow


def _same(walk: Walk, call: LayerCall) -> Flow:
    """Element by element, or along other axes than that of the channels."""
    return _incoming(walk, call)


def _dropout(walk: Walk, call: LayerCall) -> Flow:
    if any(side not in (None, 1) for side in getattr(call.layer, "noise_shape", None) or ()):
        raise walk.fail(call, "its noise_shape has lengths of its own")
    return _incoming(walk, call)


def _activation_layer(walk: Walk, call: LayerCall) -> Flow:
    flow = _incoming(walk, call)
    if _joins_channels(walk, call):
        walk.unions.fix(flow.ids)
    return flow


def _rescaling(walk: Walk, call: LayerCall) -> Flow:
    if np.ndim(call.layer.scale) or np.ndim(call.layer.offset):
        raise walk.fail(call, "it scales each channel by a number of its own")
    return _incoming(walk, call)


def _softmax(walk: Walk, call: LayerCall) -> Flow:
    flow, axes = _incoming(walk, call), getattr(call.layer, "axis", -1)
    rank = len(walk.shape(call.inputs[0]))
    if flow.axis in {axis % rank for axis in np.atleast_1d(axes)}:
        walk.unions.fix(flow.ids)
    return flow


def _spatial(walk: Walk, call: LayerCall) -> Flow:
    """Along the axes of space: pooling, padding, cropping, upsampling."""
    walk.along(call, call.inputs[0], _channel_axis(walk, call))
    return _incoming(walk, call)


def _global_pooling(walk: Walk, call: LayerCall) -> Flow:
    flow = _spatial(walk, call)
    return flow if call.layer.keepdims else Flow(flow.ids, 1)


def _flatten(walk: Walk, call: LayerCall) -> Flow:
    flow, shape = _incoming(walk, call), walk.shape(call.inputs[0])
    sides = [side for axis, side in enumerate(shape) if axis not in (0, flow.axis)]
    if None in sides:
        raise walk.fail(call, f"the shape of its input, {shape[1:]}, is not fixed")
    # Keras moves axis 1 to the end before it flattens channels-first inputs, whatever it holds.
    along = np.zeros([1 if side is None else side for side in shape[1:]], dtype=np.intp)
    along += flow.ids.reshape([-1 if axis == flow.axis else 1 for axis in range(1, len(shape))])
    moved = call.layer.data_format == "channels_first" and len(shape) > 2
    return Flow((np.moveaxis(along, 0, -1) if moved else along).ravel(), 1)


def _reshape(walk: Walk, call: LayerCall) -> Flow:
    flow, layer = _incoming(walk, call), call.layer
    shape, out = walk.shape(call.inputs[0]), walk.shape(call.outputs[0])
    last = len(shape) - 1
    if flow.axis != last or out[-1] != shape[-1]:
        raise walk.fail(call, f"channels are spread over other axes, from {shape} to {out}")
    target = tuple(layer.target_shape)

    def new_target(count: Callable[[Ids], int]) -> tuple[int, ...]:
        return (*target[:-1], target[-1] if target[-1] == -1 else count(flow.ids))

    walk.note(layer, LayerChannels(layer, (), {"target_shape": new_target}))
    walk.unions.unite(walk.reshaped.setdefault(id(layer), flow.ids), flow.ids)
    return Flow(flow.ids, len(out) - 1)


# Layers that join channels


def _elementwise(walk: Walk, call: LayerCall) -> Flow:
    if any(np.ndim(value) for value in call.constants):
        raise walk.fail(call, "it takes an array of constants along the channels")
    flows = [walk.flows[tensor] for tensor in call.inputs]
    rank = max(len(walk.shape(tensor)) for tensor in call.inputs)
    axes = {
        flow.axis + rank - len(walk.shape(tensor))
        for tensor, flow in zip(call.inputs, flows, strict=True)
        if flow is not None
    }
    if len(axes) != 1:
        raise walk.fail(call, "the channels of its inputs stand along different axes")
    (axis,) = axes
    wide: Ids | None = None
    for tensor in call.inputs:
        own_axis = axis - rank + len(walk.shape(tensor))
        if own_axis < 1:  # shorter than the channels' axis: the same for all of them
            continue
        ids = walk.along(call, tensor, own_axis)
        if wide is None or len(wide) == 1 < len(ids):
            if wide is not None:
                walk.unions.fix(wide)
            wide = ids
        elif len(ids) == len(wide):
            walk.unions.unite(wide, ids)
        else:  # one channel that all are combined with
            walk.unions.fix(ids)
    assert wide is not None
    return Flow(wide, axis)


def _concatenate(walk: Walk, call: LayerCall) -> Flow:
    if any(np.ndim(value) for value in call.constants):
        raise walk.fail(call, "it joins an array of constants")
    rank = len(walk.shape(call.inputs[0]))
    along = call.layer.axis % rank
    axes = {flow.axis for tensor in call.inputs if (flow := walk.flows[tensor]) is not None}
    if len(axes) != 1:
        raise walk.fail(call, "the channels of its inputs stand along different axes")
    (axis,) = axes
    ids = [walk.along(call, tensor, axis) for tensor in call.inputs]
    if along == axis:
        return Flow(np.concatenate(ids), axis)
    for other in ids[1:]:
        walk.unions.unite(ids[0], other)
    return Flow(ids[0], axis)


def _of_dimensions(rule: Callable, *names: str) -> dict[str, Callable]:
    return {name.format(n): rule for name in names for n in (1, 2, 3)}


_ELEMENTWISE_LAYERS = (
    *("ReLU", "LeakyReLU", "ELU", "Identity", "ActivityRegularization"),
    *("GaussianDropout", "GaussianNoise"),
    *("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
)
_ELEMENTWISE_OPERATIONS = (
    *("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Gelu", "Silu", "Sigmoid", "HardSigmoid"),
    *("HardSilu", "Softplus", "Tanh", "Abs", "Absolute", "Negative", "Square", "Sqrt", "Exp"),
)
_MAKERS = {_dense, _conv, _separable_conv, _depthwise_conv}

RULES: dict[str, Callable[[Walk, LayerCall], Flow]] = {
    "Dense": _dense,
    **_of_dimensions(_conv, "Conv{}D", "Conv{}DTranspose"),
    **_of_dimensions(_separable_conv, "SeparableConv{}D"),
    **_of_dimensions(_depthwise_conv, "DepthwiseConv{}D"),
    "BatchNormalization": _batch_norm,
    "PReLU": _prelu,
    "Dropout": _dropout,
    "AlphaDropout": _dropout,
    "Activation": _activation_layer,
    "Softmax": _softmax,
    "Rescaling": _rescaling,
    **dict.fromkeys(_ELEMENTWISE_LAYERS, _same),
    **_of_dimensions(
        _spatial,
        *("MaxPooling{}D", "AveragePooling{}D", "ZeroPadding{}D", "Cropping{}D", "UpSampling{}D"),
    ),
    **_of_dimensions(_global_pooling, "GlobalMaxPooling{}D", "GlobalAveragePooling{}D"),
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Concatenate": _concatenate,
    **dict.fromkeys(("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"), _elementwise),
}

# The same for operations of keras.ops, which are no layers.
OPERATIONS: dict[str, Callable[[Walk, LayerCall], Flow]] = {
    **dict.fromkeys(_ELEMENTWISE_OPERATIONS, _same),
    **dict.fromkeys(
        ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Divide", "TrueDivide"), _elementwise
    ),
    "Concatenate": _concatenate,
}
