"""Several widths of one network: each narrower one is a slice of the wider ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._channel_groups import ChannelMap
from ._channels import choose_channels
from ._layer_rules import map_channels
from ._rebuild import rebuild

__all__ = ["ChannelSlices"]


@dataclass(frozen=True, eq=False)
class ChannelSlices:
    """Slices of one network.

    Channels are ranked once, so that a slice of a larger amount is part of one of a smaller amount,
    and all of them together take no more memory than the widest. ``kept`` has a row for each slice,
    True for every channel number of ``channel_map`` that the slice keeps.
    """

    channel_map: ChannelMap
    kept: NDArray[np.bool_]

    @classmethod
    def of(
        cls, model: Any, amounts: Sequence[float], *, criterion: str = "l1", round_to: int = 8
    ) -> "ChannelSlices":
        """One slice for each amount; arguments as of prune_channels."""
        channel_map = map_channels(model)
        kept = [choose_channels(model, channel_map, a, criterion, round_to) for a in amounts]
        return cls(channel_map, np.array(kept))

    def cut(self, model: Any, i: int) -> Any:
        """Slice i of the network, with the weights that it has now."""
        return rebuild(model, self.channel_map, self.kept[i])

    def narrowed(self, model: Any) -> tuple[Any, "ChannelSlices"]:
        """The network without the channels that no slice keeps, and the same slices of it."""
        widest = np.asarray(self.kept.any(axis=0))
        narrow = rebuild(model, self.channel_map, widest)
        # The channels of the narrow network are numbered in the same order.
        return narrow, ChannelSlices(map_channels(narrow), self.kept[:, widest])

    def input_masks(self) -> dict[str, NDArray[np.bool_]]:
        """The input channels that each slice keeps, for each layer whose inputs are pruned.

        Multiplying a layer's input by its mask has the effect of removing the channels.
        """
        masks = {}
        for layer in self.channel_map.layers:
            if layer.out_channels is not None:
                mask = self.kept[:, layer.in_channels]
                if not mask.all():
                    masks[layer.layer.name] = mask
        return masks
