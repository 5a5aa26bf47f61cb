"""Names next to points, where they cover neither one another nor much else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._drawing import GAP, settle, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend
    from matplotlib.text import Text

__all__ = ["name_points"]


def name_points(
    ax: "Axes",
    points: NDArray[np.float64],
    areas: NDArray[np.float64],
    others: NDArray[np.float64],
    names: Sequence[str],
    ceiling: "Legend | None" = None,
    farthest: float = np.inf,
    may_cover: bool = True,
) -> "list[Text]":
    """Write names next to points so that they cover neither one another nor much else.

    Each name takes the free place that covers least, near its point first; a name without
    any free place is left out. A line leads from a name to its point where that is not plain.

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
    farthest : float, default=inf
        Points between a name and what it names, at most.
    may_cover : bool, default=True
        Whether a name may cover a point of ``points`` rather than be left out.

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
        spot = _Spot(i, half, heavy, radii, light, within, taken, pixel)
        where = spot.best_place(farthest, may_cover)
        if where is None:
            text.remove()
            continue
        offset, plain = where
        taken.append(spot.box(offset))
        text.set_position(tuple(offset / pixel))
        near = np.hypot(*offset) < radii[i] + half.max() + 8 * pixel
        if near and plain and text.arrow_patch:
            text.arrow_patch.set_visible(False)
        texts.append(text)
    return texts


@dataclass(frozen=True, eq=False)
class _Spot:
    """A point to be named, and all that its name has to mind; in pixels."""

    i: int  # its row in ``heavy``
    half: NDArray[np.float64]  # half the size of the name
    heavy: NDArray[np.float64]
    radii: NDArray[np.float64]
    light: NDArray[np.float64]
    within: NDArray[np.float64]
    taken: Sequence[NDArray[np.float64]]
    pixel: float

    def box(self, offset: NDArray[np.float64]) -> NDArray[np.float64]:
        center = self.heavy[self.i] + offset
        return np.concatenate([center - self.half, center + self.half])

    def best_place(
        self, farthest: float, may_cover: bool
    ) -> tuple[NDArray[np.float64], bool] | None:
        """Offset that costs least, and whether it is plain whose name it is; None if none is."""
        best, where = np.inf, None
        for offset, away in _places(self.half, self.radii[self.i], self.pixel):
            if 2 * away >= best or away > farthest:
                break  # places come nearest first
            box = self.box(offset)
            if (box[:2] < self.within[:2]).any() or (box[2:] > self.within[2:]).any():
                continue
            if any(_overlap(box, other, GAP * self.pixel / 2) for other in self.taken):
                continue
            # A line to the point must not run through another name.
            steps = self.heavy[self.i] + np.linspace(0, 1, 9)[:, None] * offset
            if any(_covered(steps, other, 1.0).any() for other in self.taken):
                continue
            covered = _covered(self.heavy, box, self.radii).sum()
            if covered and not may_cover:
                continue
            crossed, nearer = self._mixed_up(box, steps)
            cost = 2 * away + 60 * covered + 15 * _covered(self.light, box, 2.0).sum()
            cost += 30 * crossed + 10 * nearer
            if cost < best:
                best, where = cost, (offset, not nearer)
        return where

    def _mixed_up(self, box: NDArray[np.float64], steps: NDArray[np.float64]) -> tuple[int, bool]:
        """How many other points a line runs through, and whether a name is nearer to one."""
        others = np.arange(len(self.heavy)) != self.i
        apart = np.hypot(*(self.heavy[:, None, :] - steps).T).min(axis=0)
        gaps = np.hypot(*(self.heavy - np.clip(self.heavy, box[:2], box[2:])).T) - self.radii
        nearer = gaps < gaps[self.i] + 2 * self.pixel
        return int((apart < self.radii)[others].sum()), bool(nearer[others].any())


def _places(
    half: NDArray[np.float64], radius: float, pixel: float
) -> Iterable[tuple[NDArray[np.float64], float]]:
    """Offsets of a box's centre from its point, nearest first, and how far away each is."""
    for away in (0.0, 5.0, 12.0, 22.0, 36.0, 54.0, 76.0, 104.0):
        for angle in np.radians([0, 180, 90, 270, 35, 145, 325, 215, 60, 120, 240, 300]):
            ray = np.array([np.cos(angle), np.sin(angle)])
            # From the rim of the marker to where the ray leaves the box.
            with np.errstate(divide="ignore"):
                reach = np.min(half / np.abs(ray).clip(1e-9))
            yield ray * (radius + (GAP + away) * pixel + reach), away


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
