"""Ensemble pruning by second-order cone programming."""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..socp import EnsembleStatistics, SOCPPath, check_solver, socp_path, solve_socp
from ..utils import check_alpha, check_lam, vote_hits
from ._base import BaseEnsemblePruner
from ._calibration import Calibration
from ._threshold import Frontier, choose_threshold

__all__ = ["SOCPEnsemblePruner"]


class SOCPEnsemblePruner(BaseEnsemblePruner):
    """Keep the few members of an ensemble that matter, and weigh their votes.

    The members are trained, predict rows that they were not trained on, and get sparse
    weights from the second-order cone program of Guldogus et al.: accuracy against
    diversity (``alpha``), and a penalty on the sum of the weights (``lam``). Members whose
    weight is zero, or below ``threshold``, are dropped; the others vote with their weights.

    Parameters
    ----------
    estimator : ensemble, list of (name, classifier), or FrozenEstimator
        Any classifier that has ``estimators_`` once fitted (random forest, bagging, voting,
        :class:`~skprune.RandomCNNEnsembleClassifier`, ...), or a list of classifiers. What is
        wrapped in :class:`~sklearn.frozen.FrozenEstimator` is not trained again, and implies
        ``cv="prefit"`` where it is all there is.
    cv : float, "prefit", int, splitter or iterable, default=0.25
        Where the calibration predictions come from. A float holds out that share of the rows,
        by class; "prefit" takes all rows and fitted members, which must not have been trained
        on them; folds give predictions for all rows, after which the members are trained on
        all of them.
    alpha : float, default=0.9
        Weight of accuracy in [0, 1]; 1 - alpha is that of diversity.
    lam : float, default=0.05
        Penalty in [0, 1), as a share of the smallest one that leaves no member. Larger
        keeps fewer.
    threshold : "auto" or float, default="auto"
        Members below this share of the largest weight are dropped. "auto" keeps the fewest
        whose squared error on the calibration rows is within one standard error of the best;
        0 keeps every member with a positive weight.
    voting : {"soft", "hard"}, default="soft"
        Weigh the members' probabilities, or the class that each one chooses.
    solver : {"auto", "ecos", "clarabel", "scs"}, default="auto"
        "auto" is exact and needs no conic solver; see :func:`~skprune.socp.solve_socp`.
    memory : str, Path or joblib.Memory, default=None
        Cache of the trained ensemble and its predictions, so that a grid over ``alpha`` and
        ``lam`` trains it once a fold. Needs an int ``random_state``.
    n_jobs : int, default=None
        Processes that train a list of classifiers, and threads that predict. An ensemble
        has its own.
    random_state : int, RandomState instance or None, default=None
        Seeds the held-out split, and every ``random_state`` of ``estimator`` that is None.
    verbose : int, default=0
        Print what is being done.

    Attributes
    ----------
    weights_ : ndarray of shape (n_members_in_,)
        Weights of all members, summing to one; zero for those that were dropped.
    support_ : ndarray of shape (n_members_in_,), bool
        Members that were kept.
    estimators_ : list of n_members_ classifiers
        The kept members only; ``weights_[support_]`` are their weights.
    n_members_, n_members_in_ : int
        Number of members kept, and to choose from.
    threshold_ : float
        The threshold that was used.
    solution_ : SOCPSolution
        Solution of the program before the threshold, with its certificate.
    path_ : SOCPPath
        Weights for every penalty at this ``alpha``.
    frontier_ : Frontier
        Calibration accuracy against the number of members along the path.
    classes_ : ndarray of shape (n_classes,)
        Classes.
    sample_shape_ : tuple of int
        Shape of one sample.
    n_features_in_ : int
        ``X.shape[1]``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, where it had them.

    References
    ----------
    B. C. Guldogus, A. N. Abdullah, M. A. Ali, S. Ozogur-Akyuz, "Autoselection of the Ensemble
    of Convolutional Neural Networks with Second-Order Cone Programming", equations (1)-(8).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> X, y = load_digits(return_X_y=True)
    >>> forest = RandomForestClassifier(50, random_state=0)
    >>> pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X[:1200], y[:1200])
    >>> pruner.n_members_ < pruner.n_members_in_
    True
    >>> bool(pruner.score(X[1200:], y[1200:]) > 0.85)
    True
    """

    def __init__(
        self,
        estimator: Any,
        *,
        cv: Any = 0.25,
        alpha: float = 0.9,
        lam: float = 0.05,
        threshold: Any = "auto",
        voting: str = "soft",
        solver: str = "auto",
        memory: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.cv = cv
        self.alpha = alpha
        self.lam = lam
        self.threshold = threshold
        self.voting = voting
        self.solver = solver
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_alpha(self.alpha)
        check_lam(self.lam)
        check_solver(self.solver)
        threshold = self.threshold
        if isinstance(threshold, str):
            if threshold != "auto":
                raise ValueError(f"threshold must be 'auto' or a number; got {threshold!r}.")
        elif not isinstance(threshold, Real) or not 0 <= float(threshold) <= 1:
            raise ValueError(
                f"threshold must be 'auto' or lie in [0, 1], as a share of the largest weight; got "
                f"{threshold!r}."
            )

    def _select(self, calibration: Calibration) -> NDArray[np.float64]:
        P, y, sample_weight = calibration.P, calibration.y, calibration.sample_weight
        stats = EnsembleStatistics.from_predictions(P, y, sample_weight)
        solution = solve_socp(stats, self.alpha, self.lam, solver=self.solver)
        path = socp_path(stats, self.alpha)
        weights = solution.weights
        threshold = self.threshold
        if threshold == "auto":
            threshold = choose_threshold(P, y, weights, self.voting, sample_weight)
        # The member that set the threshold must not fall below it by rounding.
        least = (1 - 1e-12) * threshold * weights.max()
        kept = np.where(weights >= least, weights, 0.0)

        self.solution_, self.path_, self.threshold_ = solution, path, float(threshold)
        self.frontier_ = _frontier(calibration, path, kept, self.voting)
        return kept


def _frontier(
    calibration: Calibration, path: SOCPPath, chosen: NDArray[np.float64], voting: str
) -> Frontier:
    P, y = calibration.P, calibration.y
    share = np.ones(len(y)) if calibration.sample_weight is None else calibration.sample_weight
    share = share / share.sum()
    n_members = path.n_members
    knots = n_members > 0
    # Ones, not 1 / M: sums of ones are exact, and ties of equal votes stay ties.
    candidates = np.vstack([path.weights[knots], np.ones(len(P)), chosen])
    accuracy = vote_hits(P, y, candidates, voting) @ share
    return Frontier(
        lams=path.lams[knots],
        n_members=n_members[knots],
        accuracy=accuracy[:-2],
        member_accuracy=(P.argmax(axis=2) == y) @ share,
        full_accuracy=float(accuracy[-2]),
        pruned_accuracy=float(accuracy[-1]),
        n_samples=len(y),
    )
