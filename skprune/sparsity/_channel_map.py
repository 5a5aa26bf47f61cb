"""Which channels of a model are the same channel, and where each one stands in the weights."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ChannelMap", "Ids", "LayerChannels", "Unions"]

# One number for each channel along an axis of a tensor or of a weight.
Ids = NDArray[np.intp]


class Unions:
    """Channels as numbers, of which some turn out to be one and some can never go.

    Channels that are added to each other are one: they stay or go together.
    """

    def __init__(self) -> None:
        self._parent: list[int] = []
        self._fixed: list[int] = []

    def new(self, n: int) -> Ids:
        """Numbers for n channels that were not there before."""
        first = len(self._parent)
        self._parent.extend(range(first, first + n))
        return np.arange(first, first + n)

    def unite(self, a: Ids, b: Ids) -> None:
        """Make a[k] and b[k] one channel, for every k."""
        for one, other in zip(a.tolist(), b.tolist(), strict=True):
            one, other = self._root(one), self._root(other)
            self._parent[max(one, other)] = min(one, other)

    def fix(self, ids: Ids) -> None:
        """Say that these channels must stay."""
        self._fixed.extend(ids.tolist())

    def roots(self) -> Ids:
        """For every number, the one that stands for its channel."""
        return np.array([self._root(i) for i in range(len(self._parent))], dtype=np.intp)

    def fixed(self) -> NDArray[np.bool_]:
        """For every number, whether its channel must stay."""
        roots = self.roots()
        return np.isin(roots, roots[np.array(self._fixed, dtype=np.intp)])

    def _root(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i


@dataclass(frozen=True, eq=False)
class LayerChannels:
    """Where channels stand in one layer.

    Attributes
    ----------
    layer : keras.Layer
        The layer.
    weights : tuple of dict of int to ndarray
        For each of ``layer.weights``, the axes that run over channels, and the channels.
    config : dict of str to callable
        Entries of the layer's configuration that change with the channels: from a function that
        counts the kept ones among given channels to the new value.
    made : ndarray, or None
        Channels that the layer makes, the last axis or first of its output.
    kernel : int
        Position in ``weights`` of the kernel whose size tells how much a made channel matters.
    scale : int or None
        Position in ``weights`` of the factors of a batch normalisation.
    """

    layer: Any
    weights: tuple[dict[int, Ids], ...]
    config: dict[str, Callable[[Callable[[Ids], int]], Any]] = field(default_factory=dict)
    made: Ids | None = None
    kernel: int = 0
    scale: int | None = None


@dataclass(frozen=True, eq=False)
class ChannelMap:
    """The channels of a whole model.

    Attributes
    ----------
    layers : tuple of LayerChannels
        Layers whose weights or configuration depend on channels, in the order of computation.
    roots : ndarray of shape (n,)
        For every number in the ids of ``layers``, the one that stands for its channel.
    fixed : ndarray of shape (n,)
        Whether that channel must stay.
    entries : tuple of (keras.Model, list of (shape, axis, ids))
        Nested models, and for each of their inputs its shape, the axis that channels stand along
        (None if they are fixed), and the channels.
    """

    layers: tuple[LayerChannels, ...]
    roots: Ids
    fixed: NDArray[np.bool_]
    entries: tuple[tuple[Any, list[tuple[Any, int | None, Ids]]], ...] = ()
