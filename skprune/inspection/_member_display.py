"""Members on the plane of their own score and their diversity."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_regressor

from ..pruning import BasePruner
from ._drawing import (
    DROPPED,
    KEPT,
    axes_for,
    check_has,
    legend_in_its_own_band,
    shown_score_name,
)
from ._naming import name_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["AccuracyDiversityDisplay"]

# Points squared of the marker of the largest weight, and of the smallest marker.
_LARGEST, _SMALLEST = 260.0, 14.0
_MOST_NAMES = 8


class AccuracyDiversityDisplay:
    """How good each member is alone, and how far it is from the others.

    A good ensemble keeps members that are high and to the right; weight says what each one
    adds to the others. Make one with :meth:`from_estimator`; the arrays are attributes, and
    :meth:`plot` can be called again.

    Parameters
    ----------
    diversity : array-like of shape (M,)
        How far each member's predictions are from the mean of all.
    score : array-like of shape (M,)
        Score of each member alone: accuracy, or R^2 for regressors.
    weight : array-like of shape (M,)
        Weight of each member; zero where it was dropped.
    kept : array-like of shape (M,), bool
        Whether it was kept.
    names : sequence of M str
        Names of the members.
    score_name : str, default="accuracy"
        Name of the score, for the axis.
    diversity_name : str, default="divergence from the mean, in nats"
        What diversity is measured by, for the axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        Figure of ``ax_``.

    See Also
    --------
    SOCPEnsemblePruner.explain : The same figures, and more, as a table.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> from skprune.inspection import AccuracyDiversityDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(20, max_depth=2, random_state=0)
    >>> pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, y)
    >>> display = AccuracyDiversityDisplay.from_estimator(pruner)
    >>> display.ax_.get_ylabel()
    'Accuracy alone (calibration rows)'
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(
        self,
        *,
        diversity: ArrayLike,
        score: ArrayLike,
        weight: ArrayLike,
        kept: ArrayLike,
        names: Any,
        score_name: str = "accuracy",
        diversity_name: str = "divergence from the mean, in nats",
    ) -> None:
        self.diversity = np.asarray(diversity)
        self.score = np.asarray(score)
        self.weight = np.asarray(weight)
        self.kept = np.asarray(kept, dtype=bool)
        self.names = tuple(names)
        self.score_name = score_name
        self.diversity_name = diversity_name

    @classmethod
    def from_estimator(
        cls,
        pruner: BasePruner,
        *,
        annotate: bool = True,
        ax: "Axes | None" = None,
        **scatter_kwargs: Any,
    ) -> "AccuracyDiversityDisplay":
        """Draw the members of a fitted pruner, as its calibration rows saw them.

        Parameters
        ----------
        pruner : fitted pruner
            Such as :class:`~skprune.SOCPEnsemblePruner`.
        annotate : bool, default=True
            Name the kept members with the largest weights, eight at most.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter`` for the kept members.

        Returns
        -------
        AccuracyDiversityDisplay

        Raises
        ------
        NotFittedError
            If the pruner is not fitted.
        TypeError
            If it is not a pruner.
        """
        check_has(pruner, "explain", "a pruner, such as SOCPEnsemblePruner")
        table = pruner.explain()
        if is_regressor(pruner):
            distance = "squared distance from the mean, in variances"
        elif pruner.voting == "log":
            distance = "divergence from the pool of equal exponents, in nats"
        else:
            distance = "divergence from the mean, in nats"
        return cls(
            diversity=table.diversity,
            score=table.score,
            weight=table.weight,
            kept=table.kept,
            names=table.names,
            score_name=pruner.score_name,
            diversity_name=distance,
        ).plot(ax=ax, annotate=annotate, **scatter_kwargs)

    def plot(
        self, ax: "Axes | None" = None, *, annotate: bool = True, **scatter_kwargs: Any
    ) -> "AccuracyDiversityDisplay":
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        annotate : bool, default=True
            Name the kept members with the largest weights, eight at most; a name for which
            there is no room is left out. Names keep apart in the figure as it is now: draw
            last in axes that are still to change.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter`` for the kept members.

        Returns
        -------
        AccuracyDiversityDisplay
            This one, with ``ax_`` and ``figure_`` set.
        """
        ax = axes_for(ax)
        # Large markers first, so that they hide no small ones.
        by_weight = np.argsort(-self.weight, kind="stable")
        kept, dropped = by_weight[self.kept[by_weight]], np.flatnonzero(~self.kept)
        crowded = len(self.kept) > 100
        share = self.weight[kept] / max(self.weight.max(), np.finfo(float).tiny)
        areas = np.maximum(_SMALLEST, (0.5 if crowded else 1.0) * _LARGEST * share)
        if len(dropped):
            ax.scatter(
                self.diversity[dropped],
                self.score[dropped],
                s=14,
                facecolors="none",
                edgecolors=DROPPED,
                linewidths=0.9,
                zorder=2,
                label=f"dropped: {len(dropped)}",
            )
        style: dict[str, Any] = {
            "s": areas,
            "color": KEPT,
            "alpha": 0.75,
            "edgecolors": "white",
            "linewidths": 0.7,
            "zorder": 3,
            "label": f"kept: {len(kept)}, area by weight",
        }
        if "c" in scatter_kwargs:
            del style["color"]
        style |= scatter_kwargs
        ax.scatter(self.diversity[kept], self.score[kept], **style)
        ax.set(
            xlabel=f"Diversity ({self.diversity_name})",
            ylabel=f"{shown_score_name(self.score_name)} alone (calibration rows)",
        )
        ax.margins(0.07)
        legend = legend_in_its_own_band(ax, ncols=2)
        for handle in legend.legend_handles:
            handle.set_sizes([30])  # type: ignore[union-attr]
        if annotate:
            points = np.column_stack([self.diversity, self.score])
            named = [self.names[i] for i in kept[:_MOST_NAMES]]
            areas = np.broadcast_to(style["s"], len(kept))
            name_points(ax, points[kept], areas, points[dropped], named, legend)
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self
