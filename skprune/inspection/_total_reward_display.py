"""The total reward against the pruning amount, and where its best is."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..amount import AmountBootstrap, PruningAmountOptimizer
from ._amounts import (
    amounts_along,
    check_column,
    check_optimizer,
    column_label,
    meets_limits,
    predicted,
)
from ._drawing import CHOSEN, HUES, KEPT, axes_for, legend_in_its_own_band, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["TotalRewardDisplay"]

_MET, _INTERVAL = HUES[2], HUES[3]


class TotalRewardDisplay:
    """The sum of all rewards, the amounts that meet the limits, and the best among them.

    Make one with :meth:`from_estimator`; the arrays are attributes, and :meth:`plot` can be
    called again.

    Parameters
    ----------
    amounts : array-like of shape (n,)
        Pruning amounts, rising.
    reward : array-like of shape (n,)
        Total reward.
    best : tuple of (float, float)
        Best amount by CMA-ES, and the total reward there.
    grid : tuple of (float, float)
        Best amount by brute force, and the total reward there.
    met : array-like of shape (n,), bool, or None, default=None
        Which amounts meet all limits; None where there are no limits.
    feasible : bool, default=True
        Whether the best amount meets all limits.
    interval : tuple of (float, float) or None, default=None
        Ends of a bootstrap interval of the best amount.
    interval_label : str, default="interval"
        What it is, for the legend.
    amount_label : str, default="Pruning amount"
        For the axis.
    grid_label : str, default="brute force"
        What brute force is called in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        Figure of ``ax_``.

    See Also
    --------
    RewardDisplay : One reward alone.
    AmountFrontierDisplay : What accuracy and size can be had together.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune import PruningAmountOptimizer
    >>> from skprune.inspection import TotalRewardDisplay
    >>> p = np.linspace(0, 1, 11)
    >>> accuracy = 100.77 / (1 + np.exp(5.126 * (p - 0.7064)))
    >>> optimizer = PruningAmountOptimizer(min_accuracy=80, random_state=0)
    >>> optimizer.fit(p[:, None], accuracy)
    PruningAmountOptimizer(min_accuracy=80, random_state=0)
    >>> display = TotalRewardDisplay.from_estimator(optimizer)
    >>> bool(display.amounts[display.met].max() == optimizer.best_amount_)
    True
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(
        self,
        *,
        amounts: ArrayLike,
        reward: ArrayLike,
        best: tuple[float, float],
        grid: tuple[float, float],
        met: ArrayLike | None = None,
        feasible: bool = True,
        interval: tuple[float, float] | None = None,
        interval_label: str = "interval",
        amount_label: str = "Pruning amount",
        grid_label: str = "brute force",
    ) -> None:
        self.amounts = np.asarray(amounts)
        self.reward = np.asarray(reward)
        self.best = best
        self.grid = grid
        self.met = None if met is None else np.asarray(met, dtype=bool)
        self.feasible = feasible
        self.interval = interval
        self.interval_label = interval_label
        self.amount_label = amount_label
        self.grid_label = grid_label

    @classmethod
    def from_estimator(
        cls,
        optimizer: PruningAmountOptimizer,
        *,
        column: int | str = 0,
        bootstrap: AmountBootstrap | None = None,
        ax: "Axes | None" = None,
        **line_kwargs: Any,
    ) -> "TotalRewardDisplay":
        """Draw the total reward of a fitted optimizer.

        Parameters
        ----------
        optimizer : fitted PruningAmountOptimizer
            Where rewards, limits and optima come from.
        column : int or str, default=0
            Column of X that varies; the others are held at ``best_amount_``. The optimum by
            brute force has other amounts in the other columns, and lies off the line.
        bootstrap : AmountBootstrap, default=None
            What ``optimizer.bootstrap()`` returned: its interval is drawn as a bar.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **line_kwargs : dict
            Passed to matplotlib's ``plot`` for the total reward.

        Returns
        -------
        TotalRewardDisplay

        Raises
        ------
        NotFittedError
            If the optimizer is not fitted.
        TypeError
            If it is not a PruningAmountOptimizer, or ``bootstrap`` is no AmountBootstrap.
        ValueError
            If it has no such column, or ``bootstrap`` is of another number of columns.
        """
        check_optimizer(optimizer)
        column = check_column(optimizer, column)
        along, rows = amounts_along(optimizer, column)
        values = predicted(optimizer, rows)
        goal = optimizer.goal_
        limited = any(v is not None for v in (goal.min_accuracy, goal.max_size, goal.max_time))
        several = optimizer.n_features_in_ > 1
        return cls(
            amounts=along,
            reward=values["total_reward"],
            best=(float(np.atleast_1d(optimizer.best_amount_)[column]), optimizer.best_reward_),
            grid=(float(np.atleast_1d(optimizer.grid_amount_)[column]), optimizer.grid_reward_),
            met=meets_limits(optimizer, rows) if limited else None,
            feasible=optimizer.feasible_,
            amount_label=column_label(optimizer, column),
            grid_label="brute force, others free" if several else "brute force",
            **_interval_of(bootstrap, optimizer, column),
        ).plot(ax=ax, **line_kwargs)

    def plot(self, ax: "Axes | None" = None, **line_kwargs: Any) -> "TotalRewardDisplay":
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **line_kwargs : dict
            Passed to matplotlib's ``plot`` for the total reward.

        Returns
        -------
        TotalRewardDisplay
            This one, with ``ax_`` and ``figure_`` set.
        """
        ax = axes_for(ax)
        from matplotlib.lines import Line2D

        line = {"color": KEPT, "linewidth": 1.8, "label": "total reward"}
        ax.plot(self.amounts, self.reward, **styled(line, line_kwargs, "Line2D"))
        marker: dict[str, Any] = {"linestyle": "none", "clip_on": False}
        # A ring around the star: the two often fall on one spot.
        ax.plot(
            *self.grid,
            **marker,
            marker="o",
            markersize=17,
            markerfacecolor="none",
            markeredgecolor="0.2",
            markeredgewidth=1.3,
            zorder=4,
            label=f"{self.grid_label} {self.grid[0]:.4f}: {self.grid[1]:.2f}",
        )
        nearest = "" if self.feasible else ", nearest"
        ax.plot(
            *self.best,
            **marker,
            color=CHOSEN,
            marker="*",
            markersize=13,
            zorder=5,
            label=f"CMA-ES{nearest} {self.best[0]:.4f}: {self.best[1]:.2f}",
        )
        if min(self.reward.min(), self.grid[1]) >= 0:
            ax.set_ylim(bottom=0)
        low, high = ax.get_ylim()
        if self.interval is not None:
            high = self._plot_interval(ax, low, high)
        ax.set_ylim(low, high)
        self._shade(ax, low, high)
        ax.set(xlabel=self.amount_label, ylabel="Total reward")
        for handle in legend_in_its_own_band(ax, ncols=2).legend_handles:
            if isinstance(handle, Line2D):
                handle.set_markersize(9)
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self

    def _plot_interval(self, ax: "Axes", low: float, high: float) -> float:
        """Draw the bar above everything; returns the new upper end of the axis."""
        assert self.interval is not None
        level = high + 0.03 * (high - low)
        ax.plot(
            self.interval,
            (level, level),
            color=_INTERVAL,
            linewidth=2.2,
            marker="|",
            markersize=9,
            markeredgewidth=2.2,
            label=self.interval_label,
        )
        return high + 0.08 * (high - low)

    def _shade(self, ax: "Axes", low: float, high: float) -> None:
        """Shade the amounts that meet all limits, and say which they are."""
        if self.met is None:
            return
        # Where the amounts begin, and end, to meet them.
        steps = np.diff(np.concatenate([[False], self.met, [False]]).astype(int))
        first, last = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1) - 1
        style: dict[str, Any] = {"facecolor": _MET, "edgecolor": _MET, "alpha": 0.22, "zorder": 0}
        if not len(first):
            none = "no amount meets all limits by the curves"
            ax.fill_between([], [], [], facecolor="none", edgecolor="none", label=none)
            return
        parts = [
            f"{self.amounts[i]:.3f} to {self.amounts[j]:.3f}"
            for i, j in zip(first, last, strict=True)
        ]
        said = f": {', '.join(parts)}" if len(parts) <= 2 else ""
        for rank, (i, j) in enumerate(zip(first, last, strict=True)):
            label = None if rank else f"all limits met{said}"
            ax.fill_between(self.amounts[[i, j]], low, high, **style, label=label)


def _interval_of(
    bootstrap: AmountBootstrap | None, optimizer: PruningAmountOptimizer, column: int
) -> dict[str, Any]:
    """The interval of a column, and what it is."""
    if bootstrap is None:
        return {}
    if not isinstance(bootstrap, AmountBootstrap):
        raise TypeError(
            "bootstrap must be the AmountBootstrap that optimizer.bootstrap() returned; got "
            f"{type(bootstrap).__name__}."
        )
    if len(bootstrap.low) != optimizer.n_features_in_:
        raise ValueError(
            f"bootstrap is of {len(bootstrap.low)} column(s), the optimizer of "
            f"{optimizer.n_features_in_}."
        )
    low, high = float(bootstrap.low[column]), float(bootstrap.high[column])
    said = f"{bootstrap.confidence:.0%} of {len(bootstrap.amounts)} resamples: "
    said += f"{low:.3f} to {high:.3f}"
    if not bootstrap.feasible.all():
        said += f" (limits met in {bootstrap.feasible.mean():.0%})"
    return {"interval": (low, high), "interval_label": said}
