"""Accuracy against the number of members along the penalty path."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from ..pruning import BaseEnsemblePruner
from ..utils import vote_hits
from ._full import full_predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PruningPathDisplay"]


class PruningPathDisplay:
    """How accuracy falls as members are dropped, and where the pruner stopped.

    Make one with :meth:`from_estimator`; the arrays are attributes, and :meth:`plot` can be
    called again.

    Parameters
    ----------
    n_members : array-like of shape (K,)
        Members along the path, rising.
    accuracy : array-like of shape (K,)
        Accuracy of their weighted vote.
    chosen : tuple of (int, float)
        Members and accuracy of the fitted pruner.
    full : tuple of (int, float)
        Members and accuracy of the full ensemble with equal votes.
    best_member : float
        Accuracy of the best single member.
    sample : str, default="test"
        Name of the rows, for the axis.

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
        accuracy: ArrayLike,
        chosen: tuple[int, float],
        full: tuple[int, float],
        best_member: float,
        sample: str = "test",
    ) -> None:
        self.n_members = np.asarray(n_members)
        self.accuracy = np.asarray(accuracy)
        self.chosen = chosen
        self.full = full
        self.best_member = best_member
        self.sample = sample

    @classmethod
    def from_estimator(
        cls,
        pruner: BaseEnsemblePruner,
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
            Test rows. By default the accuracies are those on the calibration rows, noted in
            ``fit``.
        y : array-like of shape (n_samples,), default=None
            Classes of the test rows.
        ensemble : fitted ensemble or list of (name, classifier), default=None
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
        check_is_fitted(pruner)
        frontier = pruner.frontier_
        if X is None:
            n_members, accuracy = frontier.n_members, frontier.accuracy
            chosen, full = frontier.pruned_accuracy, frontier.full_accuracy
            best_member, sample = frontier.member_accuracy.max(), "calibration"
        else:
            P, codes = full_predictions(pruner, X, y, ensemble)
            weights = pruner.path_.weights[pruner.path_.n_members > 0]
            candidates = np.vstack([weights, np.ones(len(P))])
            scores = vote_hits(P, codes, candidates, pruner.voting).mean(axis=1)
            n_members, accuracy = (weights > 0).sum(axis=1), scores[:-1]
            chosen, full = pruner.score(X, y), scores[-1]
            best_member, sample = (P.argmax(axis=2) == codes).mean(axis=1).max(), "test"
        sizes, last = _last_of_each_size(n_members)
        return cls(
            n_members=sizes,
            accuracy=accuracy[last],
            chosen=(pruner.n_members_, float(chosen)),
            full=(pruner.n_members_in_, float(full)),
            best_member=float(best_member),
            sample=sample,
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
        try:
            import matplotlib.pyplot as plt
            from matplotlib.ticker import MaxNLocator
        except ImportError as error:
            raise ImportError(
                "Figures need matplotlib: run `pip install skprune[report]`."
            ) from error
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        line = {"color": "C0", "marker": ".", "label": "along the penalty path"} | line_kwargs
        ax.plot(self.n_members, self.accuracy, **line)
        ax.axhline(
            self.full[1],
            color="C7",
            linestyle="--",
            label=f"full ensemble, {self.full[0]} members: {self.full[1]:.2%}",
        )
        ax.axhline(
            self.best_member,
            color="C7",
            linestyle=":",
            label=f"best single member: {self.best_member:.2%}",
        )
        ax.plot(
            *self.chosen,
            color="C3",
            marker="*",
            markersize=15,
            linestyle="none",
            zorder=3,
            label=f"chosen, {self.chosen[0]} members: {self.chosen[1]:.2%}",
        )
        ax.set(xlabel="Number of members", ylabel=f"Accuracy on {self.sample} rows")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend(loc="lower right")
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self


def _last_of_each_size(n_members: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Sizes in rising order, and the knot of each with the smallest penalty: the least shrunk."""
    sizes, from_the_end = np.unique(n_members[::-1], return_index=True)
    return sizes, len(n_members) - 1 - from_the_end
