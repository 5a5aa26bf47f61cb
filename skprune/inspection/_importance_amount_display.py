"""Pruning amounts of views against their importance."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..amount import ViewAmounts
from ._amounts import check_same_views, check_views, view_names
from ._drawing import (
    CHOSEN,
    HUES,
    KEPT,
    axes_for,
    legend_in_its_own_band,
    shortened,
)
from ._naming import name_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ImportanceAmountDisplay"]

_AREA = 48.0


class ImportanceAmountDisplay:
    """Whether important views are pruned less, and how straight the relation is.

    Make one with :meth:`from_result`; the arrays are attributes, and :meth:`plot` can be called
    again.

    Parameters
    ----------
    importance : array-like of shape (V,)
        Importance in [0, 1].
    amounts : array-like of shape (V,)
        Pruning amounts.
    names : sequence of V str
        Names of the views.
    max_amount : float, default=0.9
        Amount of the least important view by the unscaled rule.
    other : array-like of shape (V,) or None, default=None
        Other amounts of the same views.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        Figure of ``ax_``.

    See Also
    --------
    ViewAmountsDisplay : The same as bars.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.amount import importance_inverse_amounts
    >>> from skprune.inspection import ImportanceAmountDisplay
    >>> def accuracy(amount):
    ...     return 100.77 / (1 + np.exp(5.126 * (amount - 0.7064)))
    >>> result = importance_inverse_amounts([3, 1, 0], accuracy, target=90)
    >>> display = ImportanceAmountDisplay.from_result(result)
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()][1]
    'trend: y = -0.88 x + 0.88'
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(
        self,
        *,
        importance: ArrayLike,
        amounts: ArrayLike,
        names: Any,
        max_amount: float = 0.9,
        other: ArrayLike | None = None,
    ) -> None:
        self.importance = np.asarray(importance)
        self.amounts = np.asarray(amounts)
        self.names = tuple(names)
        self.max_amount = max_amount
        self.other = None if other is None else np.asarray(other)

    @classmethod
    def from_result(
        cls,
        result: ViewAmounts,
        *,
        other: ViewAmounts | None = None,
        names: Any = None,
        ax: "Axes | None" = None,
        **scatter_kwargs: Any,
    ) -> "ImportanceAmountDisplay":
        """Draw the amounts of views against their importance.

        Parameters
        ----------
        result : ViewAmounts
            What :func:`~skprune.amount.importance_inverse_amounts` or
            :func:`~skprune.amount.smallest_amounts` returned.
        other : ViewAmounts, default=None
            Another result for the same views, drawn as hollow triangles.
        names : sequence of V str, default=None
            Names of the views, in the order they were given; their numbers by default.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter`` for the views.

        Returns
        -------
        ImportanceAmountDisplay

        Raises
        ------
        TypeError
            If it is not a ViewAmounts.
        ValueError
            If there is not one name a view, or ``other`` is of other views.
        """
        check_views(result)
        if other is not None:
            check_same_views(result, other)
        return cls(
            importance=result.importance,
            amounts=result.amounts,
            names=view_names(names, len(result.amounts)),
            max_amount=result.max_amount,
            other=None if other is None else other.amounts,
        ).plot(ax=ax, **scatter_kwargs)

    def plot(self, ax: "Axes | None" = None, **scatter_kwargs: Any) -> "ImportanceAmountDisplay":
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default. Views on one spot share a name; a name for
            which there is no room is left out.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter`` for the views.

        Returns
        -------
        ImportanceAmountDisplay
            This one, with ``ax_`` and ``figure_`` set.
        """
        ax = axes_for(ax)
        style: dict[str, Any] = {"s": _AREA, "color": KEPT, "edgecolors": "white", "zorder": 4}
        style |= {"label": _correlation(self.importance, self.amounts, "views")}
        if "c" in scatter_kwargs:
            del style["color"]
        ax.scatter(self.importance, self.amounts, **(style | scatter_kwargs))
        if self.other is not None:
            ax.scatter(
                self.importance,
                self.other,
                marker="^",
                s=40,
                facecolors="none",
                edgecolors="0.25",
                zorder=5,
                label=_correlation(self.importance, self.other, "other amounts"),
            )
        line = np.linspace(0, 1, 101)
        drawn = [self.max_amount * (1 - line)]
        if len(self.importance) > 1 and np.ptp(self.importance) > 0:
            slope, level = np.polyfit(self.importance, self.amounts, 1)
            sign = "-" if level < 0 else "+"
            label = f"trend: y = {slope:.2f} x {sign} {abs(level):.2f}"
            drawn.append(slope * line + level)
            ax.plot(line, drawn[-1], color=CHOSEN, linewidth=1.6, label=label)
        rule = f"unscaled rule: y = {self.max_amount:g} (1 - x)"
        ax.plot(line, drawn[0], color=HUES[2], linestyle="--", linewidth=1.6, label=rule)
        ax.set(xlabel="Importance", ylabel="Pruning amount", xlim=(-0.06, 1.06))
        low, high = ax.get_ylim()
        ax.set_ylim(min(low, -0.05), max(high, self.max_amount + 0.05))
        legend = legend_in_its_own_band(ax, ncols=2)
        points, names = self._spots()
        if self.other is not None:
            points = np.vstack([points, np.column_stack([self.importance, self.other])])
        areas = np.full(len(points), float(np.max((style | scatter_kwargs)["s"])))
        lines = np.vstack([np.column_stack([line, values]) for values in drawn])
        # Among many, a name far from its point is no help.
        farthest = 36 if len(names) <= 24 else 12
        name_points(ax, points, areas, lines, names, legend, farthest=farthest, may_cover=False)
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self

    def _spots(self) -> tuple[NDArray[np.float64], list[str]]:
        """Points that differ, the most important first, and the names of the views on each."""
        points = np.column_stack([self.importance, self.amounts])
        _, first, which = np.unique(points.round(6), axis=0, return_index=True, return_inverse=True)
        which = which.ravel()
        names = []
        for spot in range(len(first)):
            there = [self.names[i] for i in np.flatnonzero(which == spot)]
            joined = ", ".join(there)
            if len(there) > 1 and shortened(joined) != joined:
                joined = f"{there[0]} and {len(there) - 1} more"
            names.append(joined)
        return points[first[::-1]], names[::-1]


def _correlation(importance: NDArray[np.float64], amounts: NDArray[np.float64], name: str) -> str:
    """What the points are called, with correlation and R^2."""
    for what, values in (("importance", importance), ("amounts", amounts)):
        if np.ptp(values) == 0:
            return f"{name}: no correlation, {what} constant"
    r = np.corrcoef(importance, amounts)[0, 1]
    return f"{name}: correlation {r:.4f}, $R^2$ {r**2:.4f}"
