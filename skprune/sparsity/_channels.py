"""Channel pruning: a smaller dense network, which is faster on any hardware."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils import Number, StrOptions, check_parameters, warn_user
from ._channel_groups import (
    ChannelGroup,
    ChannelMap,
    channel_groups,
    channel_scores,
    kept_channels,
)
from ._layer_rules import map_channels
from ._rebuild import rebuild

__all__ = ["choose_channels", "prune_channels"]


def prune_channels(
    model: Any,
    amounts: float | Mapping[str, float],
    *,
    criterion: str = "l1",
    round_to: int = 8,
) -> Any:
    """Remove the least important channels of a Keras model.

    A channel (a filter of a convolution, a unit of a dense layer) is removed together with its
    rows of the next kernel and its entries of batch normalizations and biases. The result is a
    smaller network of the same kind. Its outputs are those of the given network with the kernel
    rows that read a removed channel set to zero. Channels that are added or multiplied are one
    group: they are kept or removed together.

    Inputs and outputs keep their shapes, and channels that a softmax combines are kept.

    Parameters
    ----------
    model : keras.Model
        Sequential or Functional, nested and shared layers included. It is not changed.
    amounts : float or dict of str to float
        Share of the channels to remove from each layer, in [0, 1); or a share for each layer to
        prune, by its name. Layers whose outputs are added share one amount.
    criterion : {"l1", "batchnorm"}, default="l1"
        Remove the channels whose weights have the smallest sum of absolute values [1]_, or those
        with the smallest absolute factors of batch normalization [2]_ ("l1" if there is none).
    round_to : int, default=8
        The number of channels that are kept is rounded up to a multiple of this, because
        accelerators prefer round numbers. On a CPU, 1 may be a little faster.

    Returns
    -------
    keras.Model
        The smaller model, with the same names of layers; compiled if the given one is. With
        amount 0 its predictions are exactly the same.

    Raises
    ------
    TypeError
        If the model is not a Keras model, or has its own ``call`` method.
    ValueError
        If the model is not built, has no layer that can be pruned, or has a kind of layer through
        which channels cannot be followed; if an amount is 1 or more, or names a layer that does
        not exist or cannot be pruned.

    Warns
    -----
    UserWarning
        If ``round_to`` keeps all channels although the amounts would remove some.

    See Also
    --------
    prune_magnitude : Sets single weights to zero, in any kind of layer.
    fine_tune : Trains the pruned model.

    References
    ----------
    .. [1] Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017.
    .. [2] Liu et al., "Learning Efficient Convolutional Networks through Network Slimming",
       ICCV 2017.

    Examples
    --------
    >>> import keras
    >>> from keras import layers
    >>> from skprune.sparsity import prune_channels
    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 1)), layers.Conv2D(16, 3), layers.BatchNormalization(),
    ...     layers.ReLU(), layers.Flatten(), layers.Dense(3, activation="softmax"),
    ... ])
    >>> model.count_params(), prune_channels(model, 0.5).count_params()
    (1955, 979)
    """
    channel_map = map_channels(model)
    kept = choose_channels(model, channel_map, amounts, criterion, round_to)
    return rebuild(model, channel_map, kept)


def choose_channels(
    model: Any,
    channel_map: ChannelMap,
    amounts: float | Mapping[str, float],
    criterion: str,
    round_to: int,
) -> NDArray[np.bool_]:
    """Validate the arguments of prune_channels; True for every channel number that is kept."""
    check_parameters(
        "prune_channels",
        {"criterion": [StrOptions({"l1", "batchnorm"})], "round_to": [Number(Integral, 1)]},
        criterion=criterion,
        round_to=round_to,
    )
    groups = channel_groups(channel_map)
    if not groups:
        raise ValueError(
            f"The model {model.name!r} has no prunable layer: none whose channels are neither its "
            "inputs nor its outputs. Prune single weights with prune_magnitude."
        )
    if criterion == "batchnorm" and np.isnan(channel_scores(channel_map, criterion)).all():
        raise ValueError(
            f"The model {model.name!r} has no batch normalization with factors (scale=True); use "
            "criterion='l1'."
        )
    shares = _amounts_of_groups(groups, amounts, round_to)
    sizes = [len(group.channels) for group in groups]
    n_kept, n_wanted = (
        [group.n_kept(share, multiple) for group, share in zip(groups, shares, strict=True)]
        for multiple in (round_to, 1)
    )
    if n_kept == sizes != n_wanted:
        warn_user(
            f"amounts={amounts!r} removes no channel: round_to={round_to} rounds the number of "
            "channels of every layer up to all of them. Use a smaller round_to, or a larger amount."
        )
    return kept_channels(channel_map, groups, n_kept, criterion)


def _amounts_of_groups(
    groups: list[ChannelGroup], amounts: float | Mapping[str, float], round_to: int
) -> list[float]:
    """One validated amount for each group."""
    if not isinstance(amounts, Mapping):
        widest = max(groups, key=lambda group: len(group.channels))
        return [_checked_amount("amounts", amounts, widest, round_to)] * len(groups)
    groups_of_layer: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        for layer in group.layers:
            groups_of_layer.setdefault(layer, []).append(i)
    unknown = [layer for layer in amounts if layer not in groups_of_layer]
    if unknown:
        raise ValueError(
            f"amounts names {unknown}, which are not prunable layers of the model; those are "
            f"{list(groups_of_layer)}."
        )
    given: dict[int, tuple[str, float]] = {}
    for layer, amount in amounts.items():
        for i in groups_of_layer[layer]:
            share = _checked_amount(f"amounts[{layer!r}]", amount, groups[i], round_to)
            other_layer, other_share = given.setdefault(i, (layer, share))
            if other_share != share:
                raise ValueError(
                    f"amounts has {other_share:g} for {other_layer!r} and {share:g} for {layer!r}, "
                    "which share a group of channels; give them the same amount."
                )
    return [given[i][1] if i in given else 0.0 for i in range(len(groups))]


def _checked_amount(name: str, amount: Any, group: ChannelGroup, round_to: int) -> float:
    n, n_left = len(group.channels), group.n_kept(1.0, round_to)
    largest = (
        f"the largest possible amount is {1 - n_left / n:.4g}, which leaves {n_left} of the {n} "
        f"channels of {' and '.join(map(repr, group.layers))}"
    )
    constraint = [Number(Real, 0, 1, meaning=largest)]
    check_parameters("prune_channels", {name: constraint}, **{name: amount})
    return float(amount)
