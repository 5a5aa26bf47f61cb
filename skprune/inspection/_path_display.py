"""Accuracy, or R^2, against the number of members along the penalty path."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..pruning import BasePruner
from ._drawing import (
    CHOSEN,
    KEPT,
    axes_for,
    legend_in_its_own_band,
    printed_score,
    shown_score_name,
    styled,
)
from ._full import frontier_of, full_predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PruningPathDisplay"]


class PruningPathDisplay:
    """How accuracy, or R^2, falls as members are dropped, and where the pruner stopped.

    Make one with :meth:`from_estimator`; the arrays are attributes, and :meth:`plot` can be
    called again.

    Parameters
    ----------
    n_members : array-like of shape (K,)
        Members along the path, rising.
    score : array-like of shape (K,)
        Score of their weighted vote: accuracy, or R^2 for regressors.
    chosen : tuple of (int, float)
        Members and score of the fitted pruner.
    full : tuple of (int, float)
        Members and score of the full ensemble with equal weights.
    best_member : float
        Score of the best single member.
    sample : str, default="test"
        Name of the rows, for the axis.
    score_name : str, default="accuracy"
        Name of the score, for the axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        Figure of ``ax_``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> from skprune.inspection import PruningPathDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(20, max_depth=2, random_state=0)
    >>> pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, y)
    >>> display = PruningPathDisplay.from_estimator(pruner)
    >>> display.ax_.get_xlabel()
    'Number of members'
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(
        self,
        *,
        n_members: ArrayLike,
        score: ArrayLike,
        chosen: tuple[int, float],
        full: tuple[int, float],
        best_member: float,
        sample: str = "test",
        score_name: str = "accuracy",
    ) -> None:
        self.n_members = np.asarray(n_members)
        self.score = np.asarray(score)
        self.chosen = chosen
        self.full = full
        self.best_member = best_member
        self.sample = sample
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        pruner: BasePruner,
        X: Any = None,
        y: Any = None,
        *,
        ensemble: Any = None,
        ax: "Axes | None" = None,
        **line_kwargs: Any,
    ) -> "PruningPathDisplay":
        """Draw the path of a fitted pruner.

        Parameters
        ----------
        pruner : fitted pruner
            Such as :class:`~skprune.SOCPEnsemblePruner`.
        X : array-like of shape (n_samples, ...), default=None
            Test rows. By default the scores are those on the calibration rows, noted in
            ``fit``.
        y : array-like of shape (n_samples,), default=None
            Classes or targets of the test rows.
        ensemble : fitted ensemble, or list or dict of members, default=None
            The full ensemble, which the pruner does not hold; not needed where the pruner was
            given fitted members.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **line_kwargs : dict
            Passed to matplotlib's ``plot`` for the path.

        Returns
        -------
        PruningPathDisplay

        Raises
        ------
        NotFittedError
            If the pruner is not fitted.
        ValueError
            If X is given and the full ensemble cannot be had, or is another one.
        """
        found, sample = frontier_of(pruner), "calibration"
        chosen = found.pruned_score
        if X is not None:
            predictions = full_predictions(pruner, X, y, ensemble)
            found, sample = found.on(predictions, pruner.weights_), "test"
            # Of the pruner's own members: those of ``ensemble`` may have been trained again.
            chosen = pruner.score(X, y)
        sizes, last = _last_of_each_size(found.n_members)
        return cls(
            n_members=sizes,
            score=found.score[last],
            chosen=(pruner.n_members_, float(chosen)),
            full=(pruner.n_members_in_, found.full_score),
            best_member=float(found.member_score.max()),
            sample=sample,
            score_name=pruner.score_name,
        ).plot(ax=ax, **line_kwargs)

    def plot(self, ax: "Axes | None" = None, **line_kwargs: Any) -> "PruningPathDisplay":
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **line_kwargs : dict
            Passed to matplotlib's ``plot`` for the path.

        Returns
        -------
        PruningPathDisplay
            This one, with ``ax_`` and ``figure_`` set.
        """
        ax = axes_for(ax)
        from matplotlib.ticker import MaxNLocator

        line = {"color": KEPT, "marker": ".", "label": "along the penalty path"}
        ax.plot(self.n_members, self.score, **styled(line, line_kwargs, "Line2D"))
        ax.axhline(
            self.full[1],
            color="0.45",
            linestyle="--",
            label=f"full ensemble, {self.full[0]} members: {self._printed(self.full[1])}",
        )
        ax.axhline(
            self.best_member,
            color="0.45",
            linestyle=":",
            label=f"best single member: {self._printed(self.best_member)}",
        )
        ax.plot(
            *self.chosen,
            color=CHOSEN,
            marker="*",
            markersize=15,
            linestyle="none",
            zorder=3,
            label=f"chosen, {self.chosen[0]} members: {self._printed(self.chosen[1])}",
        )
        ax.set(
            xlabel="Number of members",
            ylabel=f"{shown_score_name(self.score_name)} on {self.sample} rows",
        )
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        legend_in_its_own_band(ax, ncols=2)
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self

    def _printed(self, score: float) -> str:
        return printed_score(score, self.score_name)


def _last_of_each_size(n_members: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Sizes in rising order, and the knot of each with the smallest penalty: the least shrunk."""
    sizes, from_the_end = np.unique(n_members[::-1], return_index=True)
    return sizes, len(n_members) - 1 - from_the_end
