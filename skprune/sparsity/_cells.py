"""Channels that stay or go together, and which of them matter least."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._channel_map import ChannelMap, Ids

__all__ = ["Cell", "cells_of", "kept_channels", "scores"]


@dataclass(frozen=True, eq=False)
class Cell:
    """Channels made by the same layers, one pruning amount for all of them.

    Mostly the channels of one layer; more layers where their outputs are added.

    Attributes
    ----------
    layers : tuple of str
        Names of the layers that make these channels.
    channels : ndarray of shape (n,)
        The channels, by the numbers that stand for them.
    """

    layers: tuple[str, ...]
    channels: Ids

    def n_kept(self, amount: float, round_to: int) -> int:
        """How many channels stay: a multiple of ``round_to``, never fewer than asked for."""
        n = len(self.channels)
        # 0.29 * 100 is 28.999999999999996, and means 29.
        exact = n - int(np.floor(amount * n + 1e-9))
        return min(n, round_to * int(np.ceil(max(exact, 1) / round_to)))


def cells_of(channel_map: ChannelMap) -> tuple[Cell, ...]:
    """Group the channels that may go by the layers that make them.

    Parameters
    ----------
    channel_map : ChannelMap
        The channels of a model.

    Returns
    -------
    tuple of Cell
        In the order of computation; empty if no channel may go.
    """
    makers: dict[int, list[int]] = {}
    for number, layer in enumerate(channel_map.layers):
        if layer.made is not None:
            for root in np.unique(channel_map.roots[layer.made]).tolist():
                makers.setdefault(root, []).append(number)
    cells: dict[tuple[int, ...], list[int]] = {}
    for root, numbers in makers.items():
        if not channel_map.fixed[root]:
            cells.setdefault(tuple(numbers), []).append(root)
    return tuple(
        Cell(tuple(channel_map.layers[i].layer.name for i in numbers), np.array(sorted(roots)))
        for numbers, roots in sorted(cells.items())
    )


def scores(channel_map: ChannelMap, criterion: str) -> NDArray[np.float64]:
    """How much each channel matters; only channels of one cell are ever compared.

    Parameters
    ----------
    channel_map : ChannelMap
        The channels of a model.
    criterion : {"l1", "batchnorm"}
        "l1": the sum of the absolute weights that make the channel (Li et al. 2017).
        "batchnorm": the absolute factor of the batch normalisations that it goes through (Liu et
        al. 2017).

    Returns
    -------
    ndarray of shape (n,)
        By the numbers that stand for channels. NaN for a channel that meets no batch
        normalisation with factors.
    """
    total = np.zeros(len(channel_map.roots))
    met = np.zeros(len(total), dtype=bool)
    for layer in channel_map.layers:
        at = layer.kernel if criterion == "l1" else layer.scale
        if at is None or (criterion == "l1" and layer.made is None):
            continue
        weight = np.abs(layer.layer.get_weights()[at].astype(np.float64))
        ids = layer.weights[at][0] if layer.made is None else layer.made
        axis = next(axis for axis, own in layer.weights[at].items() if own is ids)
        others = tuple(other for other in range(weight.ndim) if other != axis)
        roots = channel_map.roots[ids]
        np.add.at(total, roots, weight.sum(axis=others))
        met[roots] = True
    total[~met] = np.nan
    return total


def kept_channels(
    channel_map: ChannelMap,
    cells: tuple[Cell, ...],
    n_kept: list[int],
    criterion: str,
) -> NDArray[np.bool_]:
    """Choose the channels that stay: those that matter most in each cell.

    Parameters
    ----------
    channel_map : ChannelMap
        The channels of a model.
    cells : tuple of Cell
        Its cells.
    n_kept : list of int
        How many channels of each cell stay.
    criterion : {"l1", "batchnorm"}
        See :func:`scores`. A cell with a channel that meets no batch normalisation goes by "l1".

    Returns
    -------
    ndarray of shape (n,)
        For every number in the ids of the map, whether its channel stays.
    """
    by_size = scores(channel_map, "l1")
    chosen = by_size if criterion == "l1" else scores(channel_map, criterion)
    kept = np.ones(len(channel_map.roots), dtype=bool)
    for cell, n in zip(cells, n_kept, strict=True):
        values = chosen[cell.channels]
        if np.isnan(values).any():
            values = by_size[cell.channels]
        # Of equal channels the first one stays, so that a smaller amount keeps a superset.
        order = np.argsort(-values, kind="stable")
        kept[cell.channels[order[n:]]] = False
    return kept[channel_map.roots]
