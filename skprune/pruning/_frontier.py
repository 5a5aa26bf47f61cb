"""What pruning costs and gains along the path of the penalty."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..socp import SOCPPath
from ..utils import ReprHTML
from ._evidence import Evidence

__all__ = ["Frontier", "frontier"]


@dataclass(frozen=True, eq=False)
class Frontier(ReprHTML):
    """Score against the number of members, along the penalty path.

    The score is accuracy for classes, and R^2 for targets.

    Attributes
    ----------
    lams : ndarray of shape (K,)
        Relative penalties of the knots that keep at least one member.
    n_members : ndarray of shape (K,)
        Members with a positive weight there.
    score : ndarray of shape (K,)
        Score of their weighted vote.
    member_score : ndarray of shape (M,)
        Score of each single member.
    full_score : float
        Score of all members with equal weights.
    pruned_score : float
        Score of the weights that were chosen, on the same rows.
    n_samples : int
        Number of rows.
    weights : ndarray of shape (K, M)
        The weights that were scored, at the scale they have in a prediction.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(10, random_state=0)
    >>> pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, y)
    >>> frontier = pruner.frontier_
    >>> frontier.n_members[:3], frontier.member_score.shape
    (array([1, 2, 3]), (10,))
    """

    lams: NDArray[np.float64]
    n_members: NDArray[np.intp]
    score: NDArray[np.float64]
    member_score: NDArray[np.float64]
    full_score: float
    pruned_score: float
    n_samples: int
    weights: NDArray[np.float64]

    def on(self, evidence: Evidence, chosen: NDArray[np.float64]) -> "Frontier":
        """The same weights scored on other rows.

        Parameters
        ----------
        evidence : Evidence
            Rows to score on.
        chosen : ndarray of shape (M,)
            Weights that were chosen.

        Returns
        -------
        Frontier
        """
        scores = evidence.scores(np.vstack([self.weights, evidence.equal_weights, chosen]))
        return replace(
            self,
            score=scores[:-2],
            member_score=evidence.member_scores(),
            full_score=float(scores[-2]),
            pruned_score=float(scores[-1]),
            n_samples=evidence.n_rows,
        )


def frontier(evidence: Evidence, path: SOCPPath, chosen: NDArray[np.float64]) -> Frontier:
    """Score the knots of a path, the single members, all of them, and a choice.

    Parameters
    ----------
    evidence : Evidence
        Rows to score on.
    path : SOCPPath
        Weights for every penalty.
    chosen : ndarray of shape (M,)
        Weights that were chosen.

    Returns
    -------
    Frontier
    """
    knots = path.n_members > 0
    nothing = np.empty(0)
    along = evidence.rescaled(path.weights[knots], np.arange(evidence.n_rows))
    lams, sizes = path.lams[knots], path.n_members[knots]
    return Frontier(lams, sizes, nothing, nothing, 0.0, 0.0, 0, along).on(evidence, chosen)
