"""What the figures share: axes, colours, and text that keeps out of the way."""

from collections.abc import Sequence
from itertools import product
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

__all__ = [
    "CHOSEN",
    "DROPPED",
    "DROPPED_LINE",
    "GAP",
    "HUES",
    "KEPT",
    "KEPT_TOO",
    "axes_for",
    "check_has",
    "legend_in_its_own_band",
    "names_below",
    "printed_score",
    "settle",
    "shortened",
    "shown_score_name",
    "spread",
    "styled",
]

# Of the palette of Okabe and Ito, which colour-blind readers can tell apart.
KEPT, CHOSEN = "#0072B2", "#D55E00"
# Kept members that are not named, where the named ones have hues of their own.
KEPT_TOO = "#74A9D0"
DROPPED, DROPPED_LINE = "#999999", "#CFCFCF"
HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#8C510A")

_LONGEST_NAME = 28
#: Points between a name and what it names, and between two names.
GAP = 3.0


def axes_for(ax: "Axes | None", figsize: tuple[float, float] | None = None) -> "Axes":
    """The given axes, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Where the user wants to draw.
    figsize : tuple of (float, float), default=None
        Inches of a new figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("Figures need matplotlib: run `pip install skprune[report]`.") from error
    if ax is None:
        _, ax = plt.subplots(figsize=figsize, layout="constrained")
    return ax


def check_has(estimator: Any, attribute: str, instead: str) -> None:
    """Raise unless an estimator is fitted and of the kind that has an attribute.

    Parameters
    ----------
    estimator : object
        What the user gave.
    attribute : str
        Attribute that the figure shows.
    instead : str
        What to give instead; the end of a sentence.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    TypeError
        If it has no such attribute.
    """
    check_is_fitted(estimator)
    if not hasattr(estimator, attribute):
        raise TypeError(f"{type(estimator).__name__} has no {attribute}: give {instead}.")


def styled(default: dict[str, Any], given: dict[str, Any], artist: str) -> dict[str, Any]:
    """The defaults of a style, and over them what the user gave, by whatever alias.

    Parameters
    ----------
    default : dict
        Keywords of matplotlib, no aliases.
    given : dict
        The user's keywords.
    artist : {"Line2D", "Patch"}
        What they are for.

    Returns
    -------
    dict
    """
    from matplotlib import cbook, lines, patches

    kind = lines.Line2D if artist == "Line2D" else patches.Patch
    return default | cbook.normalize_kwargs(given, kind)


def settle(ax: "Axes") -> None:
    """Lay the figure out, so that sizes on it can be measured."""
    ax.figure.figure.draw_without_rendering()


def shortened(name: str) -> str:
    """A name that leaves room for the figure."""
    if len(name) <= _LONGEST_NAME:
        return name
    return name[: _LONGEST_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"


def shown_score_name(score_name: str, *, capital: bool = True) -> str:
    """Name of a score on an axis."""
    if score_name == "R^2":
        return "$R^2$"
    words = score_name.replace("_", " ")
    return words[:1].upper() + words[1:] if capital else words


def printed_score(score: float, score_name: str) -> str:
    """A score in a legend."""
    return f"{score:.2%}" if score_name == "accuracy" else f"{score:.3f}"


def spread(
    wanted: ArrayLike, gap: float, low: float = -np.inf, high: float = np.inf
) -> NDArray[np.float64]:
    """Positions as near the wanted ones as keeps any two of them a gap apart.

    Parameters
    ----------
    wanted : array-like of shape (n,)
        Positions, in any order, which is kept.
    gap : float
        Least distance.
    low, high : float
        Bounds; ``high`` gives way where there is no room.

    Returns
    -------
    ndarray of shape (n,)
    """
    wanted = np.asarray(wanted, dtype=np.float64)
    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(len(wanted))
    # With the gaps taken out positions only have to rise: neighbours that do not are pooled.
    blocks: list[tuple[float, int]] = []
    for value in wanted[order] - steps:
        total, size = float(value), 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / size:
            total, size = total + blocks[-1][0], size + blocks[-1][1]
            blocks.pop()
        blocks.append((total, size))
    level = np.repeat([total / size for total, size in blocks], [size for _, size in blocks])
    top = max(low, high - steps[-1]) if len(steps) else high
    placed = np.empty_like(wanted)
    placed[order] = np.clip(level, low, top) + steps
    return placed


def legend_in_its_own_band(ax: "Axes", *, ncols: int, twin: "Axes | None" = None) -> "Legend":
    """Draw the legend at the top, and make room there so that it covers nothing.

    Parameters
    ----------
    ax : matplotlib Axes
        With everything drawn.
    ncols : int
        Entries beside one another, where there is room.
    twin : matplotlib Axes, default=None
        Axes that share its frame; what is drawn there is in the legend too.

    Returns
    -------
    matplotlib Legend
    """
    layers = [ax] if twin is None else [ax, twin]
    limits = []
    for layer in layers:
        bottom, top = layer.get_ylim()
        low, high = min(bottom, top), max(bottom, top)
        ticks = [tick for tick in layer.get_yticks() if low <= tick <= high]
        layer.set_yticks(ticks, minor=False)
        limits.append((bottom, top))
    settle(ax)
    frame = ax.get_window_extent()
    widths = sorted({ncols, -(-ncols // 2), 1}, reverse=True)
    found = [layer.get_legend_handles_labels() for layer in layers]
    handles = [handle for some, _ in found for handle in some]
    labels = [label for _, some in found for label in some]
    tries = [(columns, size, 0) for columns, size in product(widths, ("medium", "small"))]
    for columns, size, letters in [*tries, *((1, "small", letters) for letters in (28, 20, 14))]:
        shown = [fill(label, letters) for label in labels] if letters else labels
        legend = _legend(ax, handles, shown, columns, size)
        box = legend.get_window_extent()
        if box.width <= 0.9 * frame.width:
            break
    share = min(0.6, (box.height + 2) / frame.height)
    for layer, (bottom, top) in zip(layers, limits, strict=True):
        layer.set_ylim(bottom, bottom + (top - bottom) / (1 - share))
    return legend


def _legend(
    ax: "Axes", handles: Sequence[Any], labels: Sequence[str], ncols: int, size: str
) -> "Legend":
    legend = ax.legend(
        handles,
        labels,
        loc="upper center",
        ncols=ncols,
        fontsize=size,
        frameon=False,
        borderaxespad=0.2,
        columnspacing=1.4,
    )
    # Within its axes; where there is no room for it, they must not shrink all the more.
    legend.set_in_layout(False)
    return legend


def names_below(ax: "Axes", names: Sequence[str]) -> None:
    """Name the places 0, 1, 2, ... of the x axis so that no name runs into another.

    Names that are too wide stand upright; where there is no room even so, only every so many
    are written.

    Parameters
    ----------
    ax : matplotlib Axes
        With its final limits.
    names : sequence of str
        A name for each place.
    """
    places = np.arange(len(names))
    shown = [shortened(name) for name in names]
    ax.set_xticks(places, shown)
    ax.tick_params(axis="x", length=0, pad=7)
    settle(ax)
    room = ax.get_window_extent().width / abs(np.diff(ax.get_xlim())[0])
    if _widest(ax) + 2 * GAP <= room:
        return
    ax.tick_params(axis="x", labelrotation=90, labelsize="small")
    settle(ax)
    step = int(np.ceil((_widest(ax) + 1) / room))
    ax.set_xticks(places[::step], shown[::step])


def _widest(ax: "Axes") -> float:
    """Pixels that the widest label below the x axis takes."""
    return max(label.get_window_extent().width for label in ax.get_xticklabels())
