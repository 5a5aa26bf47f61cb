"""Towers that are slices of one tower, and how they are trained together."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..sparsity import ChannelSlices, map_channels

__all__ = ["NestedSlices"]


@dataclass(frozen=True, eq=False)
class NestedSlices:
    """The channels of one tower that each kept view has. The tower itself is an argument."""

    kept: NDArray[np.bool_]  # (k, n), for each kept view its channels
    views: tuple[int, ...]  # the k kept views
    n_views: int  # all views, dropped ones included
    # Means and variances (g, c) of each batch normalization for each of the g distinct slices;
    # none before training, when those of the tower are meant.
    norms: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, tower: Any, amounts: NDArray[np.float64], dropped: NDArray[np.bool_], round_to: int
    ) -> tuple[Any, "NestedSlices"]:
        """Rank the channels of a tower; return its widest slice, and the slices of that."""
        slices = ChannelSlices.of(tower, amounts[~dropped].tolist(), round_to=round_to)
        widest, slices = slices.narrowed(tower)
        views = tuple(np.flatnonzero(~dropped).tolist())
        return widest, cls(slices.kept, views, len(amounts))

    @property
    def groups(self) -> NDArray[np.intp]:
        """For each kept view, its slice: 0 to g - 1, in the order of the views."""
        numbers: dict[bytes, int] = {}
        return np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in self.kept])

    @property
    def norm_bytes(self) -> int:
        """Bytes of the statistics, less those of one slice, which the tower has."""
        all_slices = sum(mean.nbytes + variance.nbytes for mean, variance in self.norms.values())
        return all_slices - sum(2 * mean[0].nbytes for mean, _ in self.norms.values())

    def masked(self, tower: Any) -> tuple[Any, ...]:
        """Towers to train: one for all kept views, which masks the channels that a view lacks."""
        import keras

        from ._network import SliceNorm, ViewMask

        masks = ChannelSlices(map_channels(tower), self.kept).input_masks()

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            mask = masks.get(layer.name)
            if mask is not None:
                args = (ViewMask(mask)(args[0]), *args[1:])
            if isinstance(layer, keras.layers.BatchNormalization):
                same = ("momentum", "epsilon", "center", "scale", "name")
                config = {name: getattr(layer, name) for name in same}
                return SliceNorm(self.groups, **config, dtype="float32")(args[0])
            return layer(*args, **kwargs)

        functional = keras.Model(tower.inputs[0], tower.outputs[0])
        twin = keras.models.clone_model(functional, call_function=call)
        own = _layers(tower)
        for name, layer in _layers(twin).items():
            if isinstance(layer, SliceNorm):
                layer.copy_from(own[name])
            else:
                layer.set_weights(own[name].get_weights())
        return tuple(twin if view in self.views else None for view in range(self.n_views))

    def trained(self, tower: Any, twin: Any) -> "NestedSlices":
        """Copy the weights of a trained :meth:`masked` tower; return slices with its statistics."""
        from ._network import SliceNorm

        norms = {}
        own = _layers(tower)
        for name, layer in _layers(twin).items():
            if isinstance(layer, SliceNorm):
                norms[name] = layer.statistics()
                layer.copy_factors_to(own[name])
            else:
                own[name].set_weights(layer.get_weights())
        return replace(self, norms=norms)

    def cut(self, tower: Any) -> tuple[Any, ...]:
        """Towers to predict with: a slice for each kept view; equal slices are one model."""
        slices = ChannelSlices(map_channels(tower), self.kept)
        models: dict[int, Any] = {}
        towers: list[Any] = [None] * self.n_views
        for i, (view, group) in enumerate(zip(self.views, self.groups.tolist(), strict=True)):
            if group not in models:
                models[group] = slices.cut(tower, i)
                self._set_statistics(models[group], slices, i, group)
            towers[view] = models[group]
        return tuple(towers)

    def _set_statistics(self, sliced: Any, slices: ChannelSlices, i: int, group: int) -> None:
        layers = _layers(sliced)
        for channels in slices.channel_map.layers:
            name = channels.layer.name
            if name in self.norms:
                kept = self.kept[i, channels.weights[-1][0]]
                mean, variance = (values[group, kept] for values in self.norms[name])
                layers[name].moving_mean.assign(mean)
                layers[name].moving_variance.assign(variance)


def _layers(model: Any) -> dict[str, Any]:
    """Layers with weights, by name."""
    import keras

    layers = model._flatten_layers()
    return {
        each.name: each for each in layers if each.weights and not isinstance(each, keras.Model)
    }
