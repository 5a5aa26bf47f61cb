"""Towers that are slices of one another, and how they are trained together."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..sparsity import ChannelSlices, map_channels

__all__ = ["NestedTowers", "Norms"]

Norms = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True, eq=False)
class NestedTowers:
    """One tower, of which every view sees a slice.

    Attributes
    ----------
    tower : keras.Model
        The widest slice, which holds all others.
    slices : ChannelSlices
        The slice of each view that is kept.
    views : tuple of int
        These views.
    norms : dict of str to (ndarray of shape (g, c), ndarray of shape (g, c))
        Means and variances of each batch normalisation for each of the g distinct slices; where a
        layer has none here, those of the tower.
    """

    tower: Any
    slices: ChannelSlices
    views: tuple[int, ...]
    norms: Norms = field(default_factory=dict)

    @classmethod
    def of(
        cls, tower: Any, amounts: NDArray[np.float64], views: tuple[int, ...], round_to: int
    ) -> "NestedTowers":
        """Rank the channels of a tower and slice it.

        Parameters
        ----------
        tower : keras.Model
            The whole tower.
        amounts : ndarray of shape (k,)
            Pruning amount of each kept view.
        views : tuple of k int
            The kept views.
        round_to : int
            As :func:`~skprune.sparsity.prune_channels` takes it.

        Returns
        -------
        NestedTowers
        """
        slices = ChannelSlices.of(tower, amounts.tolist(), round_to=round_to)
        narrow, slices = slices.narrowed(tower)
        return cls(narrow, slices, views)

    @classmethod
    def from_kept(
        cls,
        tower: Any,
        kept: NDArray[np.bool_],
        views: tuple[int, ...],
        norms: Norms | None = None,
    ) -> "NestedTowers":
        """Take up again what was saved.

        Parameters
        ----------
        tower : keras.Model
            The widest slice.
        kept : ndarray of shape (k, n), bool
            Channels of each slice.
        views : tuple of k int
            The kept views.
        norms : dict, default=None
            As the attribute.

        Returns
        -------
        NestedTowers
        """
        return cls(tower, ChannelSlices(map_channels(tower), kept), views, norms or {})

    @property
    def groups(self) -> NDArray[np.intp]:
        """For each kept view, its slice: 0 to g - 1, in the order of the views."""
        numbers: dict[bytes, int] = {}
        return np.array(
            [numbers.setdefault(row.tobytes(), len(numbers)) for row in self.slices.kept]
        )

    def masked(self, n_views: int) -> tuple[Any, ...]:
        """Towers to train with: one for all views, in which each view's missing channels are zero.

        Parameters
        ----------
        n_views : int
            All views, the dropped ones among them.

        Returns
        -------
        tuple of n_views keras.Model or None
        """
        import keras

        from ._slice_norm import SliceNorm
        from ._view_mask import ViewMask

        masks = self.slices.input_masks()

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            mask = masks.get(layer.name)
            if mask is not None:
                args = (ViewMask(mask.astype(np.float32))(args[0]), *args[1:])
            if isinstance(layer, keras.layers.BatchNormalization):
                same = ("momentum", "epsilon", "center", "scale", "name")
                config = {name: getattr(layer, name) for name in same}
                return SliceNorm(self.groups, **config, dtype="float32")(args[0])
            return layer(*args, **kwargs)

        functional = keras.Model(self.tower.inputs[0], self.tower.outputs[0])
        twin = keras.models.clone_model(functional, call_function=call)
        own = _layers(self.tower)
        for name, layer in _layers(twin).items():
            if isinstance(layer, SliceNorm):
                layer.set_statistics(own[name])
            else:
                layer.set_weights(own[name].get_weights())
        return tuple(twin if view in self.views else None for view in range(n_views))

    def trained(self, twin: Any) -> "NestedTowers":
        """The same with the weights of a trained :meth:`masked` tower."""
        from ._slice_norm import SliceNorm

        norms: Norms = {}
        own = _layers(self.tower)
        for name, layer in _layers(twin).items():
            if isinstance(layer, SliceNorm):
                norms[name] = layer.statistics()
                layer.give_factors(own[name])
            else:
                own[name].set_weights(layer.get_weights())
        return replace(self, norms=norms)

    def cut(self, n_views: int) -> tuple[Any, ...]:
        """Towers to predict with: a slice for each view; views of equal slices share one.

        Parameters
        ----------
        n_views : int
            All views, the dropped ones among them.

        Returns
        -------
        tuple of n_views keras.Model or None
        """
        known: dict[int, Any] = {}
        towers: list[Any] = [None] * n_views
        for i, (view, group) in enumerate(zip(self.views, self.groups.tolist(), strict=True)):
            if group not in known:
                known[group] = self.slices.cut(self.tower, i)
                self._set_statistics(known[group], i, group)
            towers[view] = known[group]
        return tuple(towers)

    def _set_statistics(self, sliced: Any, i: int, group: int) -> None:
        layers = _layers(sliced)
        for channels in self.slices.channel_map.layers:
            name = channels.layer.name
            if name in self.norms:
                kept = self.slices.kept[i, channels.weights[-1][0]]
                mean, variance = (values[group, kept] for values in self.norms[name])
                layers[name].moving_mean.assign(mean)
                layers[name].moving_variance.assign(variance)

    @property
    def norm_bytes(self) -> int:
        """What the statistics of the slices take, beyond those that the tower holds."""
        held = sum(mean.nbytes + variance.nbytes for mean, variance in self.norms.values())
        return held - sum(2 * mean[0].nbytes for mean, _ in self.norms.values())


def _layers(model: Any) -> dict[str, Any]:
    """Layers with weights, by name."""
    import keras

    layers = model._flatten_layers()
    return {
        each.name: each for each in layers if each.weights and not isinstance(each, keras.Model)
    }
