"""A model again, with fewer channels; or just again."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

    return _clone(model, config, weights)


def copy_model(model: Any) -> Any:
    """Build a model anew, with the same weights.

    Parameters
    ----------
    model : keras.Model
        Sequential or Functional.

    Returns
    -------
    keras.Model
    """
    return _clone(model, lambda layer: layer.get_config(), lambda layer: layer.get_weights())


def _sliced(values: list[NDArray], own: LayerChannels, kept: NDArray[np.bool_]) -> list[NDArray]:
    sliced = []
    for value, axes in zip(values, own.weights, strict=True):
        for axis, ids in axes.items():
            value = np.compress(kept[ids], value, axis=axis)
        sliced.append(value)
    return sliced


def _clone(model: Any, config: Callable, weights: Callable) -> Any:
    import keras

    pairs = []

    def clone(layer: Any) -> Any:
        new = type(layer).from_config(config(layer))
        if isinstance(layer, keras.Layer):
            pairs.append((layer, new))
        return new

    with _python_random_state_kept():
        new_model = keras.models.clone_model(model, clone_function=clone, recursive=True)
        if not new_model.built:  # a Sequential model that got its shape from a first batch
            new_model.build(model.input_shape)
    for old, new in pairs:
        new.set_weights(weights(old))
    return new_model


@contextmanager
def _python_random_state_kept() -> Iterator[None]:
    # Initialisers without a seed draw one from Python's generator; their values are not used.
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
