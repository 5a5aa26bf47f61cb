"""Rebuild a model layer by layer: with fewer channels, or as a copy."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._keras import hides_layers, not_compiled
from ..utils import warn_user
from ._channel_groups import ChannelMap, Ids

__all__ = ["copy_model", "rebuild"]


def copy_model(model: Any, *, compiled: bool = True) -> Any:
    """Rebuild a Sequential or Functional model with the same weights."""
    nothing = ChannelMap((), np.empty(0, np.intp), np.empty(0, bool), {})
    return rebuild(model if compiled else not_compiled(model), nothing, nothing.fixed)


def rebuild(model: Any, channel_map: ChannelMap, kept: NDArray[np.bool_]) -> Any:
    """Rebuild a model with the kept channels, of the same names, and compiled if it is."""
    import keras

    changed = {id(layer.layer): layer for layer in channel_map.layers}
    copies: dict[int, Any] = {}
    pairs = []

    def n_kept(ids: Ids) -> int:
        return int(kept[ids].sum())

    def copied(layer: Any) -> Any:
        if id(layer) not in copies:
            if isinstance(layer, keras.Model) and not hides_layers(layer):
                copies[id(layer)] = copied_model(layer)
            else:
                copies[id(layer)] = copy = type(layer).from_config(config_of(layer))
                if isinstance(layer, keras.Layer):  # and no operation of keras.ops
                    pairs.append((layer, copy))
        return copies[id(layer)]

    def copied_model(inner: Any) -> Any:
        inputs = iter(channel_map.nested_inputs.get(id(inner), ()))

        def copied_input(tensor: Any) -> Any:
            shape, channels = list(tensor.shape), next(inputs, None)
            if channels is not None:
                shape[channels.axis] = n_kept(channels.ids)
            return keras.Input(batch_shape=tuple(shape), dtype=tensor.dtype, name=tensor.name)

        structure = inner.inputs[0] if isinstance(inner, keras.Sequential) else inner.input
        return keras.models.clone_model(
            not_compiled(inner),
            input_tensors=keras.tree.map_structure(copied_input, structure),
            clone_function=copied,
        )

    def config_of(layer: Any) -> dict[str, Any]:
        config = layer.get_config()
        if id(layer) in changed:
            config = {key: _without_array(value) for key, value in config.items()}
            for key, ids in changed[id(layer)].config.items():
                value, n = config[key], n_kept(ids)
                config[key] = n if np.ndim(value) == 0 else (*value[:-1], n)
        return config

    def weights_of(layer: Any) -> list[NDArray]:
        weights = layer.get_weights()
        if id(layer) in changed:
            for i, axes in enumerate(changed[id(layer)].weights):
                for axis, ids in axes.items():
                    weights[i] = np.compress(kept[ids], weights[i], axis=axis)
        return weights

    with _python_random_state_restored():
        new_model = keras.models.clone_model(not_compiled(model), clone_function=copied)
        if not new_model.built:  # a Sequential model that got its shape from a first batch
            new_model.build(model.input_shape)
    _check_shared([layer for layer, _ in pairs])
    for layer, copy in pairs:
        copy.set_weights(weights_of(layer))
    for layer in new_model._flatten_layers():
        # Preprocessing layers keep values that are computed from their weights.
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    if model.compiled:
        _compile_alike(model, new_model)
    return new_model


def _without_array(value: Any) -> Any:
    """Zeros for an initializer that holds an array, which has the shape before pruning."""
    constant = isinstance(value, dict) and value.get("class_name") == "Constant"
    return "zeros" if constant and not isinstance(value["config"]["value"], Real) else value


def _check_shared(layers: list[Any]) -> None:
    """Raise for a layer that is used inside a wrapper and elsewhere: a copy would have two."""
    owners: dict[int, Any] = {}
    for layer in layers:
        for variable in layer.weights:
            other = owners.setdefault(id(variable), layer)
            if other is not layer:
                raise ValueError(
                    f"The layers {other.name!r} ({type(other).__name__}) and {layer.name!r} "
                    f"({type(layer).__name__}) share the weight {variable.path!r}: a layer inside "
                    "a wrapper is used elsewhere, too. A copy of the model would have two separate "
                    "weights. Use the same wrapper in both places, or a separate layer in each."
                )


def _compile_alike(model: Any, new_model: Any) -> None:
    import keras

    try:
        # Not compile_from_config: it makes the variables of the optimizer, twice the weights of a
        # network that may never be trained. Training makes them.
        new_model.compile(**keras.saving.deserialize_keras_object(model.get_compile_config()))
        compiled = new_model.compiled
    except (TypeError, ValueError):  # a loss or metric that Keras does not know by name
        compiled = False
    if not compiled:
        warn_user(
            f"{model.name!r} is compiled with functions that Keras does not know by name; the new "
            "model is not compiled. Register them with "
            "keras.saving.register_keras_serializable, or call compile."
        )


@contextmanager
def _python_random_state_restored() -> Iterator[None]:
    # Initializers without a seed draw one from Python's generator; their values are not used.
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
