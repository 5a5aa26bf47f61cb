"""Towers that are slices of one another, and how they are trained together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..sparsity import ChannelSlices, map_channels

__all__ = ["NestedTowers"]


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
    """

    tower: Any
    slices: ChannelSlices
    views: tuple[int, ...]

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
        cls, tower: Any, kept: NDArray[np.bool_], views: tuple[int, ...]
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

        Returns
        -------
        NestedTowers
        """
        return cls(tower, ChannelSlices(map_channels(tower), kept), views)

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

        from ._view_mask import ViewMask

        masks = self.slices.input_masks()

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            mask = masks.get(layer.name)
            if mask is not None:
                args = (ViewMask(mask.astype(np.float32))(args[0]), *args[1:])
            return layer(*args, **kwargs)

        functional = keras.Model(self.tower.inputs[0], self.tower.outputs[0])
        twin = keras.models.clone_model(functional, call_function=call)
        _copy_weights(self.tower, twin)
        return tuple(twin if view in self.views else None for view in range(n_views))

    def trained(self, twin: Any) -> "NestedTowers":
        """The same with the weights of a trained :meth:`masked` tower."""
        _copy_weights(twin, self.tower)
        return self

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
        known: dict[bytes, Any] = {}
        towers: list[Any] = [None] * n_views
        for i, view in enumerate(self.views):
            key = self.slices.kept[i].tobytes()
            if key not in known:
                known[key] = self.slices.cut(self.tower, i)
            towers[view] = known[key]
        return tuple(towers)


def _copy_weights(source: Any, target: Any) -> None:
    import keras

    own = {layer.name: layer for layer in source._flatten_layers() if layer.weights}
    for layer in target._flatten_layers():
        if layer.weights and not isinstance(layer, keras.Model):
            layer.set_weights(own[layer.name].get_weights())
