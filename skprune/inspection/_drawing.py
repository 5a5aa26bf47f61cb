"""What the figures share: axes, colours, and text that keeps out of the way."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend
    from matplotlib.text import Text

__all__ = [
    "CHOSEN",
    "DROPPED",
    "DROPPED_LINE",
    "HUES",
    "KEPT",
    "KEPT_TOO",
    "axes_for",
    "check_has",
    "legend_in_its_own_band",
    "name_points",
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
# Points: between a name and what it names, and between two names.
_GAP = 3.0


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


def legend_in_its_own_band(ax: "Axes", *, ncols: int) -> "Legend":
    """Draw the legend at the top, and make room there so that it covers nothing.

    Parameters
    ----------
    ax : matplotlib Axes
        With everything drawn.
    ncols : int
        Entries beside one another, where there is room.

    Returns
    -------
    matplotlib Legend
    """
    bottom, top = ax.get_ylim()
    low, high = min(bottom, top), max(bottom, top)
    ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= high], minor=False)
    settle(ax)
    frame = ax.get_window_extent()
    widths = sorted({ncols, -(-ncols // 2), 1}, reverse=True)
    for columns, size in product(widths, ("medium", "small")):
        legend = ax.legend(
            loc="upper center",
            ncols=columns,
            fontsize=size,
            frameon=False,
            borderaxespad=0.2,
            columnspacing=1.4,
        )
        box = legend.get_window_extent()
        if box.width <= 0.9 * frame.width:
            break
    share = min(0.6, (box.height + 2) / frame.height)
    ax.set_ylim(bottom, bottom + (top - bottom) / (1 - share))
    return legend


def name_points(
    ax: "Axes",
    points: NDArray[np.float64],
    areas: NDArray[np.float64],
    others: NDArray[np.float64],
    names: Sequence[str],
    ceiling: "Legend | None" = None,
) -> "list[Text]":
    """Write names next to points so that they cover neither one another nor much else.

    Each name takes the free place that covers least, near its point first; a name without
    any free place is left out.

    Parameters
    ----------
    ax : matplotlib Axes
        With its final limits.
    points : ndarray of shape (n, 2)
        Points in data coordinates; the first ``len(names)`` of them are named.
    areas : ndarray of shape (n,)
        Areas of their markers, in points squared.
    others : ndarray of shape (m, 2)
        Points that a name had better not cover either.
    names : sequence of str
        Names, the most important one first.
    ceiling : matplotlib Legend, default=None
        Legend that names keep off.

    Returns
    -------
    list of matplotlib Text
    """
    from matplotlib import patheffects

    settle(ax)
    pixel = ax.figure.dpi / 72  # pixels in a point
    frame = ax.get_window_extent()
    radii = np.sqrt(areas / np.pi) * pixel
    heavy, light = ax.transData.transform(points), ax.transData.transform(others)
    taken: list[NDArray[np.float64]] = []
    if ceiling is not None:
        taken.append(_corners(ceiling.get_window_extent()))
    within = np.array([frame.x0, frame.y0, frame.x1, frame.y1]) + pixel * np.array([2, 2, -2, -2])
    texts: list[Text] = []
    for i, name in enumerate(names):
        text = ax.annotate(
            shortened(name),
            points[i],
            (0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize="small",
            zorder=6,
            arrowprops={"arrowstyle": "-", "color": "0.25", "linewidth": 0.6, "shrinkA": 0},
            path_effects=[patheffects.withStroke(linewidth=2.5, foreground="white")],
        )
        extent = _text_box(text)
        half = np.array([extent.width, extent.height]) / 2
        best, where = np.inf, None
        for offset, cost in _places(half, radii[i], pixel):
            if cost >= best:
                break  # places come by their own cost
            low, high = heavy[i] + offset - half, heavy[i] + offset + half
            box = np.concatenate([low, high])
            if (box[:2] < within[:2]).any() or (box[2:] > within[2:]).any():
                continue
            if any(_overlap(box, other, _GAP * pixel / 2) for other in taken):
                continue
            # A line to the point must not run through another name.
            steps = heavy[i] + np.linspace(0, 1, 9)[:, None] * offset
            if any(_covered(steps, other, 1.0).any() for other in taken):
                continue
            cost += 60 * _covered(heavy, box, radii).sum() + 15 * _covered(light, box, 2.0).sum()
            if cost < best:
                best, where = cost, (offset, box)
        if where is None:
            text.remove()
            continue
        taken.append(where[1])
        text.set_position(tuple(where[0] / pixel))
        if np.hypot(*where[0]) < radii[i] + half.max() + 8 * pixel and text.arrow_patch:
            text.arrow_patch.set_visible(False)
        texts.append(text)
    return texts


def _places(
    half: NDArray[np.float64], radius: float, pixel: float
) -> Iterable[tuple[NDArray[np.float64], float]]:
    """Offsets of a box's centre from its point, nearest first, and what each costs."""
    for away in (0.0, 5.0, 12.0, 22.0, 36.0, 54.0, 76.0, 104.0):
        for angle in np.radians([0, 180, 90, 270, 35, 145, 325, 215, 60, 120, 240, 300]):
            ray = np.array([np.cos(angle), np.sin(angle)])
            # From the rim of the marker to where the ray leaves the box.
            with np.errstate(divide="ignore"):
                reach = np.min(half / np.abs(ray).clip(1e-9))
            yield ray * (radius + (_GAP + away) * pixel + reach), 2 * away


def _text_box(text: "Text") -> Any:
    from matplotlib.text import Text

    return Text.get_window_extent(text)  # without the line to the point


def _corners(box: Any) -> NDArray[np.float64]:
    return np.array([box.x0, box.y0, box.x1, box.y1])


def _overlap(one: NDArray[np.float64], two: NDArray[np.float64], gap: float) -> bool:
    return bool((one[:2] < two[2:] + gap).all() and (two[:2] < one[2:] + gap).all())


def _covered(
    centers: NDArray[np.float64], box: NDArray[np.float64], radii: NDArray[np.float64] | float
) -> NDArray[np.bool_]:
    """Which discs a box touches."""
    nearest = np.clip(centers, box[:2], box[2:])
    return np.asarray(np.hypot(*(centers - nearest).T) < radii)
