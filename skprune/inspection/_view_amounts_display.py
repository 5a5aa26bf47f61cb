"""Pruning amounts of views, the most important view first."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..amount import ViewAmounts
from ._amounts import check_same_views, check_views, view_names
from ._drawing import (
    CHOSEN,
    DROPPED,
    KEPT,
    KEPT_TOO,
    axes_for,
    legend_in_its_own_band,
    names_below,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ViewAmountsDisplay"]


class ViewAmountsDisplay:
    """How much each view is pruned, and how important it is.

    Make one with :meth:`from_result`; the arrays are attributes, and :meth:`plot` can be called
    again.

    Parameters
    ----------
    amounts : array-like of shape (V,)
        Pruning amounts.
    importance : array-like of shape (V,)
        Importance in [0, 1].
    names : sequence of V str
        Names of the views.
    target, achieved : float
        Weighted accuracy that was asked for, and that the amounts have.
    reached : bool, default=True
        Whether the target counts as reached.
    other : array-like of shape (V,) or None, default=None
        Other amounts of the same views, drawn beside.
    other_achieved : float or None, default=None
        Weighted accuracy of the other amounts.
    other_reached : bool, default=True
        Whether they reach the target.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The left axes, of amounts.
    twin_ : matplotlib Axes
        The right axes, of importance.
    figure_ : matplotlib Figure
        Figure of ``ax_``.

    See Also
    --------
    ImportanceAmountDisplay : The same as points in a plane.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.amount import importance_inverse_amounts
    >>> from skprune.inspection import ViewAmountsDisplay
    >>> def accuracy(amount):
    ...     return 100.77 / (1 + np.exp(5.126 * (amount - 0.7064)))
    >>> result = importance_inverse_amounts([3, 1, 0], accuracy, target=90)
    >>> display = ViewAmountsDisplay.from_result(result, names=["front", "left", "right"])
    >>> [label.get_text() for label in display.ax_.get_xticklabels()]
    ['front', 'left', 'right']
    """

    ax_: "Axes"
    twin_: "Axes"
    figure_: "Figure"

    def __init__(
        self,
        *,
        amounts: ArrayLike,
        importance: ArrayLike,
        names: Any,
        target: float,
        achieved: float,
        reached: bool = True,
        other: ArrayLike | None = None,
        other_achieved: float | None = None,
        other_reached: bool = True,
    ) -> None:
        self.amounts = np.asarray(amounts)
        self.importance = np.asarray(importance)
        self.names = tuple(names)
        self.target = target
        self.achieved = achieved
        self.reached = reached
        self.other = None if other is None else np.asarray(other)
        self.other_achieved = other_achieved
        self.other_reached = other_reached

    @classmethod
    def from_result(
        cls,
        result: ViewAmounts,
        *,
        other: ViewAmounts | None = None,
        names: Any = None,
        ax: "Axes | None" = None,
        **bar_kwargs: Any,
    ) -> "ViewAmountsDisplay":
        """Draw the amounts of views.

        Parameters
        ----------
        result : ViewAmounts
            What :func:`~skprune.amount.importance_inverse_amounts` or
            :func:`~skprune.amount.smallest_amounts` returned.
        other : ViewAmounts, default=None
            Another result for the same views, drawn beside in grey.
        names : sequence of V str, default=None
            Names of the views, in the order they were given; their numbers by default.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default, as wide as the views need.
        **bar_kwargs : dict
            Passed to matplotlib's ``bar`` for the amounts.

        Returns
        -------
        ViewAmountsDisplay

        Raises
        ------
        TypeError
            If it is not a ViewAmounts.
        ValueError
            If there is not one name a view, or ``other`` is of other views.
        """
        check_views(result)
        beside: dict[str, Any] = {}
        if other is not None:
            check_same_views(result, other)
            beside = {
                "other": other.amounts,
                "other_achieved": other.achieved,
                "other_reached": other.reachable,
            }
        return cls(
            amounts=result.amounts,
            importance=result.importance,
            names=view_names(names, len(result.amounts)),
            target=result.target,
            achieved=result.achieved,
            reached=result.reachable,
            **beside,
        ).plot(ax=ax, **bar_kwargs)

    def plot(self, ax: "Axes | None" = None, **bar_kwargs: Any) -> "ViewAmountsDisplay":
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default, as wide as the views need. Where names find
            no room, only every so many are written.
        **bar_kwargs : dict
            Passed to matplotlib's ``bar`` for the amounts.

        Returns
        -------
        ViewAmountsDisplay
            This one, with ``ax_``, ``twin_`` and ``figure_`` set.
        """
        n_views = len(self.amounts)
        ax = axes_for(ax, figsize=(float(np.clip(1.6 + 0.26 * n_views, 6.4, 16.0)), 4.8))
        order = np.argsort(-self.importance, kind="stable")
        places = np.arange(n_views)
        alone = self.other is None
        width = 0.76 if alone else 0.4
        said = self._about("amount", self.achieved, self.reached)
        bars = {"width": width, "color": KEPT_TOO, "label": said}
        ax.bar(
            places - (0 if alone else width / 2),
            self.amounts[order],
            **styled(bars, bar_kwargs, "Patch"),
        )
        if self.other is not None:
            said = self._about("other amount", self.other_achieved, self.other_reached)
            ax.bar(places + width / 2, self.other[order], width=width, color=DROPPED, label=said)
        twin = ax.twinx()
        twin.plot(
            places,
            self.importance[order],
            color=CHOSEN,
            marker="o",
            markersize=5,
            linewidth=1.5,
            clip_on=False,
            label="importance (min-max)",
        )
        for layer, name, color in ((ax, "Pruning amount", KEPT), (twin, "Importance", CHOSEN)):
            layer.set_ylim(0, 1.03)
            layer.set_ylabel(name, color=color)
            layer.tick_params(axis="y", labelcolor=color)
        ax.set(xlim=(-0.6, n_views - 0.4), xlabel="View, the most important first")
        names_below(ax, [self.names[i] for i in order])
        legend_in_its_own_band(ax, ncols=2, twin=twin)
        self.ax_ = ax
        self.twin_ = twin
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self

    def _about(self, name: str, achieved: float | None, reached: bool) -> str:
        if achieved is None:
            return name
        met = "" if reached else ", missed"
        return f"{name}: weighted accuracy {achieved:.4g} (target {self.target:.4g}{met})"
