"""Channels that are kept or removed together, and which of them are kept.

The channels along every axis of a tensor or weight are numbers. Numbers that must be kept or
removed together are one set of a union-find, and the smallest number of a set is its root.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ChannelGroup",
    "ChannelMap",
    "Ids",
    "LayerChannels",
    "TensorChannels",
    "UnionFind",
    "channel_groups",
    "channel_scores",
    "kept_channels",
]

# The numbers of the channels along one axis.
Ids = NDArray[np.intp]


class UnionFind:
    """Disjoint sets of channels."""

    def __init__(self) -> None:
        self._parent: list[int] = []

    def add(self, n: int) -> Ids:
        """Numbers of n new channels, each a set of its own."""
        first = len(self._parent)
        self._parent.extend(range(first, first + n))
        return np.arange(first, first + n)

    def find(self, i: int) -> int:
        """The root of i."""
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i

    def union(self, a: Ids, b: Ids) -> None:
        """Merge the sets of a[k] and b[k], for every k."""
        for i, j in zip(a.tolist(), b.tolist(), strict=True):
            i, j = self.find(i), self.find(j)
            self._parent[max(i, j)] = min(i, j)

    def roots(self) -> Ids:
        """The root of every number."""
        return np.array([self.find(i) for i in range(len(self._parent))], dtype=np.intp)


@dataclass(frozen=True, eq=False)
class TensorChannels:
    """The channels of a tensor, and the axis that they are along (axis 0 is the batch)."""

    ids: Ids
    axis: int


@dataclass(frozen=True, eq=False)
class LayerChannels:
    """The channels of one layer."""

    layer: Any
    # For each of layer.weights: the channels along its axes.
    weights: tuple[dict[int, Ids], ...]
    # None: the layer takes any number of channels.
    in_channels: Ids | None = None
    # None: the layer makes no new channels.
    out_channels: Ids | None = None
    # Entries of the configuration that are a number of channels, or a shape that ends with one.
    config: dict[str, Ids] = field(default_factory=dict)
    # For a criterion: the position of the weight that scores channels, and their axis in it.
    scored: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ChannelMap:
    """The channels of a model.

    ``layers`` are those whose weights or configuration depend on channels, in the order of
    computation. ``roots`` has the root of every number, ``fixed`` whether its channel must be kept.
    ``nested_inputs`` has, for the id of each nested model, the channels of each input, None for an
    input whose channels are fixed.
    """

    layers: tuple[LayerChannels, ...]
    roots: Ids
    fixed: NDArray[np.bool_]
    nested_inputs: dict[int, list[TensorChannels | None]]


@dataclass(frozen=True, eq=False)
class ChannelGroup:
    """Channels that share one pruning amount: those that the same layers make.

    Mostly the channels of one layer; of several layers where their outputs are added.
    ``channels`` are roots.
    """

    layers: tuple[str, ...]
    channels: Ids

    def n_kept(self, amount: float, round_to: int) -> int:
        """Number of channels that are kept, rounded up to a multiple of ``round_to``."""
        n = len(self.channels)
        # 0.29 * 100 is 28.999999999999996, and means 29.
        exact = n - int(np.floor(amount * n + 1e-9))
        return min(n, round_to * int(np.ceil(max(exact, 1) / round_to)))


def channel_groups(channel_map: ChannelMap) -> list[ChannelGroup]:
    """Group the channels that may be removed by the layers that make them."""
    layers_of_root: dict[int, list[int]] = {}
    for i, layer in enumerate(channel_map.layers):
        if layer.out_channels is not None:
            for root in np.unique(channel_map.roots[layer.out_channels]).tolist():
                layers_of_root.setdefault(root, []).append(i)
    groups: dict[tuple[int, ...], list[int]] = {}
    for root, layers in layers_of_root.items():
        if not channel_map.fixed[root]:
            groups.setdefault(tuple(layers), []).append(root)
    return [
        ChannelGroup(tuple(channel_map.layers[i].layer.name for i in layers), np.sort(roots))
        for layers, roots in sorted(groups.items())
    ]


def channel_scores(channel_map: ChannelMap, criterion: str) -> NDArray[np.float64]:
    """The importance of the channel of each root; NaN if no weight is a score of it."""
    scores = np.zeros(len(channel_map.roots))
    scored = np.zeros(len(scores), dtype=bool)
    for layer in channel_map.layers:
        if criterion in layer.scored:
            position, axis = layer.scored[criterion]
            weight = np.abs(layer.layer.get_weights()[position].astype(np.float64))
            roots = channel_map.roots[layer.weights[position][axis]]
            other_axes = tuple(other for other in range(weight.ndim) if other != axis)
            np.add.at(scores, roots, weight.sum(axis=other_axes))
            scored[roots] = True
    scores[~scored] = np.nan
    return scores


def kept_channels(
    channel_map: ChannelMap, groups: list[ChannelGroup], n_kept: list[int], criterion: str
) -> NDArray[np.bool_]:
    """Keep the channels of the highest scores in each group; True for every number that is kept."""
    l1_scores = channel_scores(channel_map, "l1")
    scores = l1_scores if criterion == "l1" else channel_scores(channel_map, criterion)
    kept = np.ones(len(channel_map.roots), dtype=bool)
    for group, n in zip(groups, n_kept, strict=True):
        values = scores[group.channels]
        if np.isnan(values).any():
            values = l1_scores[group.channels]
        # Of equal channels the first one is kept, so that a smaller amount keeps a superset.
        order = np.argsort(-values, kind="stable")
        kept[group.channels[order[n:]]] = False
    return kept[channel_map.roots]
