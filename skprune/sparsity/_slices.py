"""Several widths of one network: the narrower ones are slices of the wider."""

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
    """Which channels of a network each of several slices has.

    Channels are ranked once, so that a slice of a larger amount lies in one of a smaller amount,
    and all of them together take no more memory than the widest.

    Attributes
    ----------
    channel_map : ChannelMap
        The channels of the network.
    kept : ndarray of shape (k, n), bool
        For each slice, whether each channel is in it.
    """

    channel_map: ChannelMap
    kept: NDArray[np.bool_]

    @classmethod
    def of(
        cls, model: Any, amounts: Sequence[float], *, criterion: str = "l1", round_to: int = 8
    ) -> "ChannelSlices":
        """Choose the channels of each slice.

        Parameters
        ----------
        model : keras.Model
            The network.
        amounts : sequence of k float
            Pruning amount of each slice.
        criterion, round_to
            As :func:`~skprune.sparsity.prune_channels` takes them.

        Returns
        -------
        ChannelSlices
        """
        channel_map = map_channels(model)
        kept = [choose_channels(model, channel_map, a, criterion, round_to) for a in amounts]
        return cls(channel_map, np.array(kept))

    def cut(self, model: Any, i: int) -> Any:
        """Slice i of the network, with the weights that it has now.

        Parameters
        ----------
        model : keras.Model
            The network that this was made of.
        i : int
            Which slice.

        Returns
        -------
        keras.Model
        """
        return rebuild(model, self.channel_map, self.kept[i])

    def narrowed(self, model: Any) -> tuple[Any, "ChannelSlices"]:
        """The network without the channels that no slice has.

        Parameters
        ----------
        model : keras.Model
            The network that this was made of.

        Returns
        -------
        model : keras.Model
            The narrower network.
        slices : ChannelSlices
            The same slices of it.
        """
        widest = np.asarray(self.kept.any(axis=0))
        narrow = rebuild(model, self.channel_map, widest)
        # The walk through the narrow network numbers its channels in the same order.
        return narrow, ChannelSlices(map_channels(narrow), self.kept[:, widest])

    def input_masks(self) -> dict[str, NDArray[np.bool_]]:
        """For each layer that reads channels: which of them each slice has.

        To multiply a layer's input by its mask is to take out the channels.

        Returns
        -------
        dict of str to ndarray of shape (k, n_inputs)
        """
        masks = {}
        for layer in self.channel_map.layers:
            if layer.out_channels is not None:
                mask = self.kept[:, layer.in_channels]
                if not mask.all():
                    masks[layer.layer.name] = mask
        return masks
