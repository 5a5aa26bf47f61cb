"""Accuracy against size along the pruning amounts, and what no other amount beats."""

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..amount import PruningAmountOptimizer
from ..utils import Number, check_parameters, generator
from ._amounts import (
    believed,
    check_optimizer,
    limit_on,
    predicted,
    printed_quantity,
    quantity_label,
)
from ._drawing import CHOSEN, KEPT, axes_for, legend_in_its_own_band
from ._naming import name_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

__all__ = ["AmountFrontierDisplay"]

# Several columns: so many amounts are drawn from the box for each one on its diagonal, then
# so many around the best of them, with steps of these shares of the bounds.
_DRAWN, _NEAR, _STEPS = 4, 2, (0.2, 0.1, 0.05)


class AmountFrontierDisplay:
    """Which accuracy and size can be had together, at which time, and which were chosen.

    On the Pareto frontier no amount shown has more accuracy without more size. Make one with
    :meth:`from_estimator`; the arrays are attributes, and :meth:`plot` can be called again.

    Parameters
    ----------
    amounts : array-like of shape (n, d)
        Pruning amounts.
    size, accuracy : array-like of shape (n,)
        What the curves say of them.
    time : array-like of shape (n,) or None, default=None
        Their time; None where it was not measured.
    chosen : tuple of (float, float)
        Size and accuracy of the optimizer's best amount.
    chosen_amount : array-like of shape (d,)
        The best amount.
    feasible : bool, default=True
        Whether it meets all limits.
    measured_size, measured_accuracy : array-like of shape (m,), default=()
        What was measured.
    min_accuracy, max_size, max_time : float or None, default=None
        The limits.
    percent : bool, default=True
        Whether accuracy is in percent.

    Attributes
    ----------
    on_frontier : ndarray of shape (n,), bool
        Which amounts are on the frontier; one of those that are equal.
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        Figure of ``ax_``.

    See Also
    --------
    TotalRewardDisplay : What the rewards make of the amounts.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune import PruningAmountOptimizer
    >>> from skprune.inspection import AmountFrontierDisplay
    >>> p = np.linspace(0, 1, 11)
    >>> accuracy = 100.77 / (1 + np.exp(5.126 * (p - 0.7064)))
    >>> time = 1.020 - 1.417 * p + 3.677 * p**2 - 3.275 * p**3
    >>> y = np.column_stack([accuracy, time, 480.4 - 427.4 * p])
    >>> optimizer = PruningAmountOptimizer(min_accuracy=80, max_size=300, random_state=0)
    >>> display = AmountFrontierDisplay.from_estimator(optimizer.fit(p[:, None], y))
    >>> display.chosen[0] <= 300, bool(display.on_frontier.all())
    (True, True)
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(
        self,
        *,
        amounts: ArrayLike,
        size: ArrayLike,
        accuracy: ArrayLike,
        time: ArrayLike | None = None,
        chosen: tuple[float, float],
        chosen_amount: ArrayLike,
        feasible: bool = True,
        measured_size: ArrayLike = (),
        measured_accuracy: ArrayLike = (),
        min_accuracy: float | None = None,
        max_size: float | None = None,
        max_time: float | None = None,
        percent: bool = True,
    ) -> None:
        self.amounts = np.asarray(amounts)
        self.size = np.asarray(size)
        self.accuracy = np.asarray(accuracy)
        self.time = None if time is None else np.asarray(time)
        self.chosen = chosen
        self.chosen_amount = np.asarray(chosen_amount)
        self.feasible = feasible
        self.measured_size = np.asarray(measured_size)
        self.measured_accuracy = np.asarray(measured_accuracy)
        self.min_accuracy = min_accuracy
        self.max_size = max_size
        self.max_time = max_time
        self.percent = percent

    @property
    def on_frontier(self) -> NDArray[np.bool_]:
        """Which amounts no other one beats in accuracy without more size."""
        return _non_dominated(self.size, self.accuracy)

    @classmethod
    def from_estimator(
        cls,
        optimizer: PruningAmountOptimizer,
        *,
        n_points: int = 201,
        random_state: int = 0,
        ax: "Axes | None" = None,
        **scatter_kwargs: Any,
    ) -> "AmountFrontierDisplay":
        """Draw the amounts of a fitted optimizer.

        Parameters
        ----------
        optimizer : fitted PruningAmountOptimizer
            Where curves, limits and the best amount come from; size must have been measured.
        n_points : int, default=201
            Amounts along the bounds. Where X has several columns, as many along their diagonal,
            and ten times as many drawn from the box, more of them near the frontier.
        random_state : int, default=0
            Seeds the draws.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter`` for the amounts.

        Returns
        -------
        AmountFrontierDisplay

        Raises
        ------
        NotFittedError
            If the optimizer is not fitted.
        TypeError
            If it is not a PruningAmountOptimizer.
        ValueError
            If size was not measured.
        """
        check_optimizer(optimizer)
        right = {"n_points": [Number(Integral, 2)]}
        check_parameters("AmountFrontierDisplay.from_estimator", right, n_points=n_points)
        measured = optimizer.measurements_
        if "size" not in measured.values:
            raise ValueError(
                "The frontier needs the size, which y did not hold: fit with y of accuracy, time "
                "and size (or a DataFrame of accuracy and size), or draw TotalRewardDisplay."
            )
        rows = _rows(optimizer, int(n_points), random_state)
        values = predicted(optimizer, rows)
        shown = believed(optimizer, values)
        best = np.atleast_1d(optimizer.best_amount_)
        at_best = predicted(optimizer, best[None, :])
        return cls(
            amounts=rows[shown],
            size=values["size"][shown],
            accuracy=values["accuracy"][shown],
            time=values["time"][shown] if "time" in values else None,
            chosen=(float(at_best["size"][0]), float(at_best["accuracy"][0])),
            chosen_amount=best,
            feasible=optimizer.feasible_,
            measured_size=measured.values["size"],
            measured_accuracy=measured.values["accuracy"],
            min_accuracy=limit_on(optimizer, "accuracy"),
            max_size=limit_on(optimizer, "size"),
            max_time=limit_on(optimizer, "time"),
            percent=measured.percent == 1,
        ).plot(ax=ax, **scatter_kwargs)

    def plot(self, ax: "Axes | None" = None, **scatter_kwargs: Any) -> "AmountFrontierDisplay":
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter`` for the amounts.

        Returns
        -------
        AmountFrontierDisplay
            This one, with ``ax_`` and ``figure_`` set.
        """
        ax = axes_for(ax, figsize=(6.4 if self.time is None else 7.4, 4.8))
        line = self.amounts.shape[1] == 1
        style: dict[str, Any] = {"s": 14 if line else 9, "linewidths": 0, "zorder": 2.5}
        style |= {"color": KEPT} if self.time is None else {"c": self.time, "cmap": "viridis"}
        if "c" in scatter_kwargs:
            style.pop("color", None)
        drawn = ax.scatter(self.size, self.accuracy, **(style | scatter_kwargs))
        if self.time is not None:
            self._color_bar(ax, drawn)
        self._plot_frontier(ax)
        ax.scatter(
            self.measured_size,
            self.measured_accuracy,
            s=66 if line else 26 if len(self.measured_size) <= 100 else 9,
            facecolors="none",
            edgecolors="0.35",
            linewidths=0.9,
            zorder=3,
            label="measured",
        )
        self._limit_lines(ax)
        ax.plot(
            *self.chosen,
            color=CHOSEN,
            marker="*",
            markersize=16,
            markeredgecolor="white",
            linestyle="none",
            zorder=5,
            label=self._about_chosen(),
        )
        ax.set(xlabel="Size", ylabel=quantity_label("accuracy", self.percent))
        ax.margins(0.06)
        legend = legend_in_its_own_band(ax, ncols=2)
        if line:
            self._name_amounts(ax, legend)
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self

    def _plot_frontier(self, ax: "Axes") -> None:
        front = self.on_frontier
        if self.amounts.shape[1] == 1:
            # A rim around the line of amounts, wherever that is on the frontier.
            x, y = np.where(front, self.size, np.nan), np.where(front, self.accuracy, np.nan)
            rim: dict[str, Any] = {"linewidth": 6.5, "solid_capstyle": "round", "zorder": 2}
            ax.plot(x, y, color="0.15", **rim, label="Pareto frontier")
            beside = np.pad(front, 1)
            alone = front & ~beside[:-2] & ~beside[2:]
            ax.scatter(x[alone], y[alone], s=6.5**2, color="0.15", linewidths=0, zorder=2)
            return
        order = np.flatnonzero(front)[np.argsort(self.size[front])]
        steps: dict[str, Any] = {"drawstyle": "steps-post", "linewidth": 1.2, "zorder": 2.6}
        said = "Pareto frontier of those drawn"
        ax.plot(self.size[order], self.accuracy[order], color="0.15", **steps, label=said)

    def _color_bar(self, ax: "Axes", drawn: "PathCollection") -> None:
        bar = ax.figure.colorbar(drawn, ax=ax)
        label = "Time"
        if self.max_time is not None:
            label += f" (limit {self.max_time:.4g}"
            low, high = drawn.get_clim()
            if low <= self.max_time <= high:
                bar.ax.axhline(self.max_time, color=CHOSEN, linewidth=2.5)
                label += ", marked"
            label += ")"
        bar.set_label(label)

    def _limit_lines(self, ax: "Axes") -> None:
        dashed: dict[str, Any] = {"color": "0.35", "linestyle": "--", "linewidth": 1.2, "zorder": 1}
        if self.min_accuracy is not None:
            said = printed_quantity("accuracy", self.min_accuracy, self.percent)
            ax.axhline(self.min_accuracy, **dashed, label=f"least {said}")
        if self.max_size is not None:
            said = printed_quantity("size", self.max_size, self.percent)
            low, high = ax.get_ylim()
            ax.vlines(
                self.max_size, low, high, **dashed | {"linestyle": ":"}, label=f"largest {said}"
            )

    def _about_chosen(self) -> str:
        kind = "chosen amount" if self.feasible else "nearest amount"
        several = len(self.chosen_amount) > 1
        which = "s" if several else f" {self.chosen_amount[0]:.3f}"
        accuracy = printed_quantity("accuracy", self.chosen[1], self.percent)
        size = printed_quantity("size", self.chosen[0], self.percent)
        return f"{kind}{which}:\n{accuracy}, {size}"

    def _name_amounts(self, ax: "Axes", legend: "Legend") -> None:
        """Write round amounts beside the line of amounts."""
        from matplotlib.ticker import MaxNLocator

        along = self.amounts[:, 0]
        low, high = along.min(), along.max()
        ticks = MaxNLocator(5).tick_values(low, high)
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        order = np.argsort(along)
        where = [np.interp(ticks, along[order], v[order]) for v in (self.size, self.accuracy)]
        drawn = (
            np.column_stack([self.size, self.accuracy]),
            np.column_stack([self.measured_size, self.measured_accuracy]),
            [self.chosen],
        )
        names = [f"amount {ticks[0]:g}", *(f"{tick:g}" for tick in ticks[1:])] if len(ticks) else []
        areas = np.full(len(ticks), 100.0)  # as wide as a measured point and some more
        name_points(ax, np.column_stack(where), areas, np.vstack(drawn), names, legend)


def _rows(
    optimizer: PruningAmountOptimizer, n_points: int, random_state: int
) -> NDArray[np.float64]:
    """Amounts along the diagonal of the bounds; of several columns also from within the box."""
    low, high = optimizer.bounds_
    rng, d = generator(random_state), len(low)
    rows = np.linspace(low, high, n_points)
    if optimizer.n_features_in_ == 1:
        return rows
    # Ends are drawn more often than middles: the frontier is near them.
    drawn = rng.beta(0.5, 0.5, size=(_DRAWN * n_points, d))
    rows = np.vstack([rows, optimizer.best_amount_, low + (high - low) * drawn])
    for step in _STEPS:
        values = predicted(optimizer, rows)
        shown = np.flatnonzero(believed(optimizer, values))
        best = shown[_non_dominated(values["size"][shown], values["accuracy"][shown])]
        near = rows[rng.choice(best, size=_NEAR * n_points)]
        moves = step * (high - low) * rng.standard_normal(near.shape)
        moves *= rng.random(near.shape) < max(0.3, 1 / d)
        rows = np.vstack([rows, np.clip(near + moves, low, high)])
    return rows


def _non_dominated(size: NDArray[np.float64], accuracy: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points no other one beats in accuracy without more size; one of those equal."""
    order = np.lexsort((-accuracy, size))
    before = np.maximum.accumulate(np.append(-np.inf, accuracy[order]))[:-1]
    front = np.zeros(len(order), dtype=bool)
    front[order] = accuracy[order] > before
    return front
