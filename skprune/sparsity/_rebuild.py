"""A model again, with fewer channels; or just again."""

import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import not_compiled
from ._channel_map import ChannelMap, Ids, LayerChannels

__all__ = ["copy_model", "rebuild"]


def rebuild(model: Any, channel_map: ChannelMap, kept: NDArray[np.bool_]) -> Any:
    """Build a model anew without the channels that go.

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
        changed = {} if own is None else {key: new(count) for key, new in own.config.items()}
        return {**layer.get_config(), **changed}

    def weights(layer: Any) -> list[NDArray]:
        own = channels.get(id(layer))
        values = layer.get_weights()
        return values if own is None else _sliced(values, own, kept)

    return _clone(model, config, weights, _entry_shapes(channel_map, count))


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
    """Build a model anew, with the same weights.

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
    """Build a model anew, layer by layer; nested models with inputs of their new shapes."""
    import keras

    known: dict[int, Any] = {}
    pairs = []

    def clone(layer: Any) -> Any:
        if id(layer) not in known:
            if isinstance(layer, keras.Model):
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
    for old, new in pairs:
        new.set_weights(weights(old))
        if hasattr(new, "finalize_state"):  # preprocessing computes with what its weights say
            new.finalize_state()
    if model.compiled:
        _compile_alike(model, new_model)
    return new_model


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
