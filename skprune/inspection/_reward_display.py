"""One reward against the pruning amount, with the quantity that it rewards."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..amount import PruningAmountOptimizer
from ..utils import StrOptions, check_parameters
from ._amounts import (
    amounts_along,
    check_column,
    check_optimizer,
    column_label,
    limit_on,
    predicted,
    printed_quantity,
    quantity_label,
)
from ._drawing import (
    CHOSEN,
    HUES,
    KEPT,
    axes_for,
    legend_in_its_own_band,
    shown_score_name,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["RewardDisplay"]

_REWARD = HUES[2]


class RewardDisplay:
    """What one reward makes of the pruning amount, beside the curve that it is computed from.

    Make one with :meth:`from_estimator`; the arrays are attributes, and :meth:`plot` can be
    called again.

    Parameters
    ----------
    amounts : array-like of shape (n,)
        Pruning amounts, rising.
    reward : array-like of shape (n,)
        The reward times its weight.
    best : tuple of (float, float)
        The optimizer's best amount, and the reward there.
    reward_name : str, default="reward"
        Name of the reward.
    quantity : array-like of shape (n,) or None, default=None
        Curve of the quantity that is rewarded; None draws the reward alone.
    quantity_name : str, default="accuracy"
        Name of the quantity.
    best_quantity : float or None, default=None
        The quantity at the best amount.
    measured_amounts, measured : array-like of shape (m,) or None, default=None
        Where the quantity was measured, and what.
    limit : float or None, default=None
        Limit of the quantity.
    percent : bool, default=True
        Whether accuracy is in percent.
    feasible : bool, default=True
        Whether the best amount meets all limits.
    amount_label : str, default="Pruning amount"
        For the axis.
    carried : bool, default=False
        Whether the measurements were carried over from other amounts of other columns.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The left axes, of the quantity; of the reward where it is drawn alone.
    twin_ : matplotlib Axes or None
        The right axes, of the reward.
    figure_ : matplotlib Figure
        Figure of ``ax_``.

    See Also
    --------
    TotalRewardDisplay : The sum of all rewards.

    Notes
    -----
    Where X has several columns, curves are sums of one for each. A measurement is shown as far
    from the curve as it is from the curves at its own amounts: carried over to those that the
    other columns are held at.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune import PruningAmountOptimizer
    >>> from skprune.inspection import RewardDisplay
    >>> p = np.linspace(0, 1, 11)
    >>> accuracy = 100.77 / (1 + np.exp(5.126 * (p - 0.7064)))
    >>> optimizer = PruningAmountOptimizer(min_accuracy=80, random_state=0)
    >>> optimizer.fit(p[:, None], accuracy)
    PruningAmountOptimizer(min_accuracy=80, random_state=0)
    >>> display = RewardDisplay.from_estimator(optimizer, "accuracy")
    >>> display.ax_.get_ylabel(), display.twin_.get_ylabel()
    ('Accuracy (%)', 'Accuracy reward')
    """

    ax_: "Axes"
    twin_: "Axes | None"
    figure_: "Figure"

    def __init__(
        self,
        *,
        amounts: ArrayLike,
        reward: ArrayLike,
        best: tuple[float, float],
        reward_name: str = "reward",
        quantity: ArrayLike | None = None,
        quantity_name: str = "accuracy",
        best_quantity: float | None = None,
        measured_amounts: ArrayLike | None = None,
        measured: ArrayLike | None = None,
        limit: float | None = None,
        percent: bool = True,
        feasible: bool = True,
        amount_label: str = "Pruning amount",
        carried: bool = False,
    ) -> None:
        self.amounts = np.asarray(amounts)
        self.reward = np.asarray(reward)
        self.best = best
        self.reward_name = reward_name
        self.quantity = None if quantity is None else np.asarray(quantity)
        self.quantity_name = quantity_name
        self.best_quantity = best_quantity
        self.measured_amounts = None if measured_amounts is None else np.asarray(measured_amounts)
        self.measured = None if measured is None else np.asarray(measured)
        self.limit = limit
        self.percent = percent
        self.feasible = feasible
        self.amount_label = amount_label
        self.carried = carried

    @classmethod
    def from_estimator(
        cls,
        optimizer: PruningAmountOptimizer,
        reward: str = "accuracy",
        *,
        column: int | str = 0,
        ax: "Axes | None" = None,
        **line_kwargs: Any,
    ) -> "RewardDisplay":
        """Draw a reward of a fitted optimizer.

        Parameters
        ----------
        optimizer : fitted PruningAmountOptimizer
            Where rewards and curves come from.
        reward : str, default="accuracy"
            Name of one of ``optimizer.rewards_``. "accuracy", "time" and "size" are drawn with
            that quantity, a reward of your own with the one that it needs; one that needs none,
            or several, is drawn alone.
        column : int or str, default=0
            Column of X that varies; the others are held at ``best_amount_``.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **line_kwargs : dict
            Passed to matplotlib's ``plot`` for the reward.

        Returns
        -------
        RewardDisplay

        Raises
        ------
        NotFittedError
            If the optimizer is not fitted.
        TypeError
            If it is not a PruningAmountOptimizer.
        ValueError
            If it has no such reward or column.
        """
        check_optimizer(optimizer)
        rewards = {each.name: each for each in optimizer.rewards_}
        right = {"reward": [StrOptions(set(rewards))]}
        check_parameters("RewardDisplay.from_estimator", right, reward=reward)
        column = check_column(optimizer, column)
        along, rows = amounts_along(optimizer, column)
        values = predicted(optimizer, rows)
        at_best = int(np.searchsorted(along, np.atleast_1d(optimizer.best_amount_)[column]))
        needs, shown = rewards[reward].needs, None
        if reward in optimizer.curves_:
            shown = reward
        elif len(needs) == 1:
            shown = needs[0]
        with_quantity: dict[str, Any] = {}
        if shown is not None:
            amounts, measured = _measured_along(optimizer, shown, column)
            with_quantity = {
                "quantity": values[shown],
                "quantity_name": shown,
                "best_quantity": float(values[shown][at_best]),
                "measured_amounts": amounts,
                "measured": measured,
                "limit": limit_on(optimizer, shown),
            }
        worth = values[f"{reward}_reward"]
        return cls(
            amounts=along,
            reward=worth,
            best=(float(along[at_best]), float(worth[at_best])),
            reward_name=reward,
            percent=optimizer.measurements_.percent == 1,
            feasible=optimizer.feasible_,
            amount_label=column_label(optimizer, column),
            carried=optimizer.n_features_in_ > 1,
            **with_quantity,
        ).plot(ax=ax, **line_kwargs)

    def plot(self, ax: "Axes | None" = None, **line_kwargs: Any) -> "RewardDisplay":
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **line_kwargs : dict
            Passed to matplotlib's ``plot`` for the reward.

        Returns
        -------
        RewardDisplay
            This one, with ``ax_``, ``twin_`` and ``figure_`` set.
        """
        ax = axes_for(ax)
        twin = None if self.quantity is None else ax.twinx()
        if self.quantity is not None:
            self._plot_quantity(ax, self.quantity)
        layer = ax if twin is None else twin
        name = self.reward_name.replace("_", " ")
        line = {"color": _REWARD, "linewidth": 1.8, "label": f"{name} reward"}
        (drawn,) = layer.plot(self.amounts, self.reward, **styled(line, line_kwargs, "Line2D"))
        if self.reward.min() >= 0:
            layer.set_ylim(bottom=0)
        layer.set_ylabel(f"{shown_score_name(self.reward_name)} reward")
        if twin is not None:
            twin.yaxis.label.set_color(drawn.get_color())
            twin.tick_params(axis="y", labelcolor=drawn.get_color())
        layer.vlines(self.best[0], *layer.get_ylim(), color=CHOSEN, linestyle=":", linewidth=1.2)
        layer.plot(
            *self.best,
            color=CHOSEN,
            marker="*",
            markersize=15,
            linestyle="none",
            clip_on=False,
            zorder=4,
            label=self._about_best(),
        )
        layer.set_ylim(layer.get_ylim())
        ax.set_xlabel(self.amount_label)
        legend_in_its_own_band(ax, ncols=2, twin=twin)
        self.ax_ = ax
        self.twin_ = twin
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self

    def _plot_quantity(self, ax: "Axes", quantity: NDArray[np.float64]) -> None:
        name = self.quantity_name
        ax.plot(self.amounts, quantity, color=KEPT, linewidth=1.8, label=f"{name} curve")
        if self.measured is not None and self.measured_amounts is not None:
            said = "measured, carried over" if self.carried else "measured"
            style: dict[str, Any] = {"s": 26, "color": KEPT, "edgecolors": "white"}
            ax.scatter(self.measured_amounts, self.measured, **style, zorder=3, label=said)
        if self.limit is not None:
            ends = "least" if name == "accuracy" else "largest"
            ax.axhline(
                self.limit,
                color="0.35",
                linestyle="--",
                linewidth=1.2,
                zorder=1.5,
                label=f"{ends} {printed_quantity(name, self.limit, self.percent)}",
            )
        ax.set_ylim(ax.get_ylim())
        ax.set_ylabel(quantity_label(name, self.percent), color=KEPT)
        ax.tick_params(axis="y", labelcolor=KEPT)

    def _about_best(self) -> str:
        kind = "best" if self.feasible else "nearest"
        said = f"{kind} amount {self.best[0]:.3f}: reward {self.best[1]:.2f}"
        if self.best_quantity is None:
            return said
        return f"{said},\n{printed_quantity(self.quantity_name, self.best_quantity, self.percent)}"


def _measured_along(
    optimizer: PruningAmountOptimizer, quantity: str, column: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Amounts of one column, and what was measured, carried over to the best of the others."""
    measured = optimizer.measurements_
    amounts, values = measured.amounts, measured.values[quantity]
    if amounts.shape[1] == 1:
        return amounts[:, 0], values
    moved = np.tile(np.atleast_1d(optimizer.best_amount_), (len(amounts), 1))
    moved[:, column] = amounts[:, column]
    there, here = predicted(optimizer, moved)[quantity], predicted(optimizer, amounts)[quantity]
    return amounts[:, column], values + there - here
