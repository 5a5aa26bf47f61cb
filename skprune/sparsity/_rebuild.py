"""A model again, with fewer channels; or just again."""

import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._keras import hides_layers, not_compiled
from ._channel_map import ChannelMap, Ids, LayerChannels

__all__ = ["copy_model", "rebuild"]


def rebuild(model: Any, channel_map: ChannelMap, kept: NDArray[np.bool_]) -> Any:
    """Build a model again without the removed channels.

    Parameters
    ----------
    model : keras.Model
        Sequential or Functional. It is not changed.
    channel_map : ChannelMap
        Its channels.
    kept : ndarray of shape (n,)
        Whether each channel stays, by the numbers in the ids of the map.

    Returns
    -------
    keras.Model
        Of the same kind, with the same names, and compiled if the given one is.
    """
    channels = {id(layer.layer): layer for layer in channel_map.layers}

    def count(ids: Ids) -> int:
        return int(kept[ids].sum())

    def config(layer: Any) -> dict[str, Any]:
        own = channels.get(id(layer))
        if own is None:
            return layer.get_config()
        changed = {key: new(count) for key, new in own.config.items()}
        return {**_without_arrays(layer.get_config()), **changed}

    def weights(layer: Any) -> list[NDArray]:
        own = channels.get(id(layer))
        values = layer.get_weights()
        return values if own is None else _sliced(values, own, kept)

    return _clone(model, config, weights, _entry_shapes(channel_map, count))


def _without_arrays(config: dict[str, Any]) -> dict[str, Any]:
    """Zeros for initializers that hold an array, which has the shape before the cut."""
    return {key: "zeros" if _holds_array(value) else value for key, value in config.items()}


def _holds_array(config: Any) -> bool:
    constant = isinstance(config, dict) and config.get("class_name") == "Constant"
    return constant and not isinstance(config["config"]["value"], Real)


def _entry_shapes(
    channel_map: ChannelMap, count: Callable[[Ids], int]
) -> dict[int, list[tuple[int | None, ...]]]:
    shapes: dict[int, list[tuple[int | None, ...]]] = {}
    for model, entries in channel_map.entries:
        shapes[id(model)] = [
            shape
            if axis is None
            else tuple(count(ids) if place == axis else n for place, n in enumerate(shape))
            for shape, axis, ids in entries
        ]
    return shapes


def copy_model(model: Any, *, compiled: bool = True) -> Any:
    """Build a model again, with the same weights.

    Parameters
    ----------
    model : keras.Model
        Sequential or Functional.
    compiled : bool, default=True
        Compile the copy, if the model is compiled.

    Returns
    -------
    keras.Model
    """
    original = model if compiled else not_compiled(model)
    return _clone(original, lambda layer: layer.get_config(), lambda layer: layer.get_weights())


def _sliced(values: list[NDArray], own: LayerChannels, kept: NDArray[np.bool_]) -> list[NDArray]:
    sliced = []
    for value, axes in zip(values, own.weights, strict=True):
        for axis, ids in axes.items():
            value = np.compress(kept[ids], value, axis=axis)
        sliced.append(value)
    return sliced


def _clone(
    model: Any, config: Callable, weights: Callable, entries: Mapping[int, Any] | None = None
) -> Any:
    """Build a model again, layer by layer; nested models with inputs of their new shapes."""
    import keras

    known: dict[int, Any] = {}
    pairs = []

    def clone(layer: Any) -> Any:
        if id(layer) not in known:
            if isinstance(layer, keras.Model) and not hides_layers(layer):
                known[id(layer)] = nested(layer)
            else:
                known[id(layer)] = new = type(layer).from_config(config(layer))
                if isinstance(layer, keras.Layer):
                    pairs.append((layer, new))
        return known[id(layer)]

    def nested(inner: Any) -> Any:
        shapes = iter((entries or {}).get(id(inner), ()))

        def new_input(tensor: Any) -> Any:
            shape = next(shapes, None) or tensor.shape
            return keras.Input(batch_shape=shape, dtype=tensor.dtype, name=tensor.name)

        structure = inner.inputs[0] if isinstance(inner, keras.Sequential) else inner.input
        tensors = keras.tree.map_structure(new_input, structure)
        return keras.models.clone_model(
            not_compiled(inner), input_tensors=tensors, clone_function=clone
        )

    with _python_random_state_kept():
        new_model = keras.models.clone_model(not_compiled(model), clone_function=clone)
        if not new_model.built:  # a Sequential model that got its shape from a first batch
            new_model.build(model.input_shape)
    _check_shared([old for old, _ in pairs])
    for old, new in pairs:
        new.set_weights(weights(old))
    for layer in new_model._flatten_layers():
        if hasattr(layer, "finalize_state"):  # preprocessing computes with what its weights say
            layer.finalize_state()
    if model.compiled:
        _compile_alike(model, new_model)
    return new_model


def _check_shared(layers: list[Any]) -> None:
    """Refuse a layer that is used inside a wrapper and elsewhere: a copy would have two."""
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
        # Not compile_from_config: it makes the variables of the optimiser, twice the weights of a
        # network that may never be trained. Training makes them.
        new_model.compile(**keras.saving.deserialize_keras_object(model.get_compile_config()))
        compiled = new_model.compiled
    except (TypeError, ValueError):  # a loss or metric that Keras cannot make again by its name
        compiled = False
    if not compiled:
        warnings.warn(
            f"{model.name!r} is compiled with functions that Keras does not know by name; what was "
            "made of it is not compiled. Register them with "
            "keras.saving.register_keras_serializable, or call compile.",
            UserWarning,
            stacklevel=4,
        )


@contextmanager
def _python_random_state_kept() -> Iterator[None]:
    # Initialisers without a seed draw one from Python's generator; their values are not used.
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
