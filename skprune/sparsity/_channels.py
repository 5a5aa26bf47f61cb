"""Channel pruning: a smaller dense network, which is faster on any hardware."""

import warnings
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._keras import layer_graph
from ..utils import Number, StrOptions, check_parameters
from ._cells import Cell, cells_of, kept_channels, scores
from ._channel_map import ChannelMap
from ._layer_rules import apply_rule
from ._rebuild import rebuild
from ._walk import Walk

__all__ = ["choose_channels", "map_channels", "prune_channels"]

_CRITERIA = ("l1", "batchnorm")


def prune_channels(
    model: Any,
    amounts: float | Mapping[str, float],
    *,
    criterion: str = "l1",
    round_to: int = 8,
) -> Any:
    """Remove the channels of a Keras model that matter least.

    Channels (filters of convolutions, units of dense layers) are taken out of the network
    together with everything that goes with them: their rows of the next kernel, their entries of
    batch normalisations and biases. What remains is a smaller network of the same kind. Its
    outputs are those of the given network with the kernel rows that read a removed channel set
    to zero. Channels that are added (or multiplied) are one channel: they stay or go together.

    Inputs and outputs keep their shapes, and so do channels that a softmax joins.

    Parameters
    ----------
    model : keras.Model
        Sequential or Functional, nested and shared layers included. It is not changed.
    amounts : float or dict of str to float
        Share of the channels to remove from each layer, in [0, 1); or one such share for each
        layer by its name, none of the others. Layers whose outputs are added share one amount.
    criterion : {"l1", "batchnorm"}, default="l1"
        Remove the channels made by the smallest weights in absolute value [1]_, or with the
        smallest absolute factors of batch normalisation [2]_ ("l1" where there is none).
    round_to : int, default=8
        The number of channels that stay is rounded up to a multiple of this: accelerators want
        round numbers. A CPU may not care; 1 is then a little faster.

    Returns
    -------
    keras.Model
        The smaller model, with the same names of layers; compiled if the given one is. With
        amount 0 it predicts the same bits.

    Raises
    ------
    TypeError
        If the model is not a Keras model, or hides its layers in a ``call`` of its own.
    ValueError
        If the model is not built, has no layer that can be pruned, or has a kind of layer through
        which channels cannot be followed; if an amount is 1 or more, or names a layer that is not
        there or cannot be pruned.

    Warns
    -----
    UserWarning
        If ``round_to`` leaves all channels in place although some were to go.

    See Also
    --------
    prune_magnitude : Sets single weights to zero, in any kind of layer.
    fine_tune : Trains what is left.

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


def map_channels(model: Any) -> ChannelMap:
    """Follow the channels of a model from its inputs to its outputs.

    Parameters
    ----------
    model : keras.Model
        Sequential or Functional.

    Returns
    -------
    ChannelMap

    Raises
    ------
    TypeError, ValueError
        See :func:`prune_channels`.
    """
    graph = layer_graph(model)
    walk = Walk(graph)
    for call in graph.calls:
        apply_rule(walk, call)
    for tensor in graph.outputs:
        flow = walk.flows[tensor]
        if flow is not None:
            walk.unions.fix(flow.ids)
    walk.fix_shared_with_inputs()
    entries = walk.entries()
    return ChannelMap(
        tuple(walk.layers.values()), walk.unions.roots(), walk.unions.fixed(), entries
    )


def choose_channels(
    model: Any,
    channel_map: ChannelMap,
    amounts: float | Mapping[str, float],
    criterion: str,
    round_to: int,
) -> NDArray[np.bool_]:
    """Check what a user gave, and choose the channels that stay.

    Parameters
    ----------
    model : keras.Model
        The model.
    channel_map : ChannelMap
        Its channels.
    amounts, criterion, round_to
        As :func:`prune_channels` takes them.

    Returns
    -------
    ndarray of shape (n,), bool
        For every number in the ids of the map, whether its channel stays.
    """
    check_parameters(
        "prune_channels",
        {"criterion": [StrOptions(set(_CRITERIA))], "round_to": [Number(Integral, 1)]},
        criterion=criterion,
        round_to=round_to,
    )
    cells = cells_of(channel_map)
    if not cells:
        raise ValueError(
            f"The model {model.name!r} has no prunable layer: none whose channels are neither its "
            "inputs nor its outputs. Prune single weights with prune_magnitude."
        )
    if criterion == "batchnorm" and np.isnan(scores(channel_map, "batchnorm")).all():
        raise ValueError(
            f"The model {model.name!r} has no batch normalisation with factors (scale=True); use "
            "criterion='l1'."
        )
    shares = amounts_of_cells(cells, amounts, round_to)
    n_kept = [cell.n_kept(share, round_to) for cell, share in zip(cells, shares, strict=True)]
    if _only_rounding_keeps_all(cells, shares, n_kept):
        warnings.warn(
            f"amounts={amounts!r} removes no channel: round_to={round_to} rounds every layer up "
            "to all it has. Use a smaller round_to, or a larger amount.",
            UserWarning,
            stacklevel=3,
        )
    return kept_channels(channel_map, cells, n_kept, criterion)


def _checked_amount(name: str, amount: Any, most: str) -> float:
    check_parameters("prune_channels", {name: [Number(Real, 0, 1, meaning=most)]}, **{name: amount})
    return float(amount)


def amounts_of_cells(
    cells: tuple[Cell, ...], amounts: float | Mapping[str, float], round_to: int
) -> list[float]:
    """One checked amount for each cell.

    Parameters
    ----------
    cells : tuple of Cell
        The cells of a model.
    amounts : float or dict of str to float
        As :func:`prune_channels` takes it.
    round_to : int
        The number of channels that stay is a multiple of this.

    Returns
    -------
    list of float
    """
    if not isinstance(amounts, Mapping):
        widest = max(cells, key=lambda cell: len(cell.channels))
        return [_checked_amount("amounts", amounts, _most(widest, round_to))] * len(cells)
    cells_of_layer: dict[str, list[int]] = {}
    for number, cell in enumerate(cells):
        for name in cell.layers:
            cells_of_layer.setdefault(name, []).append(number)
    unknown = [name for name in amounts if name not in cells_of_layer]
    if unknown:
        raise ValueError(
            f"amounts names {unknown}, which are not prunable layers of the model; those are "
            f"{list(cells_of_layer)}."
        )
    shares: dict[int, tuple[str, float]] = {}
    for name, amount in amounts.items():
        for number in cells_of_layer[name]:
            most = _most(cells[number], round_to)
            share = _checked_amount(f"amounts[{name!r}]", amount, most)
            other, known = shares.setdefault(number, (name, share))
            if known != share:
                raise ValueError(
                    f"amounts has {known:g} for {other!r} and {share:g} for {name!r}, whose "
                    "channels are combined and go together; give them the same amount."
                )
    return [shares[number][1] if number in shares else 0.0 for number in range(len(cells))]


def _only_rounding_keeps_all(
    cells: tuple[Cell, ...], shares: list[float], n_kept: list[int]
) -> bool:
    sizes = [len(cell.channels) for cell in cells]
    exact = [cell.n_kept(share, 1) for cell, share in zip(cells, shares, strict=True)]
    return n_kept == sizes != exact


def _most(cell: Cell, round_to: int) -> str:
    n, left = len(cell.channels), cell.n_kept(1.0, round_to)
    name = " and ".join(map(repr, cell.layers))
    return (
        f"the largest amount that is possible is {1 - left / n:.4g}, {left} of the {n} channels "
        f"of {name} left"
    )
