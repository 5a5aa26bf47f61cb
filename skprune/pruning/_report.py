"""What a fitted pruner reports: a table of its members, and scores along the penalty path."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..socp import SOCPPath, SOCPProblem, solve_support
from ..utils import ReprHTML, load_pandas, text_table
from ._predictions import CalibrationPredictions

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Frontier", "MemberTable", "explain_members", "frontier"]

_FORMATS = {
    "member": ">",
    "weight": ".4f",
    "score": ".4f",
    "diversity": ".4f",
    "cost": ".4g",
    "entry_lam": ".4f",
    "leave_one_out_increase": ".2e",
    "most_similar_member": ">",
    "error_correlation": ".3f",
}


@dataclass(frozen=True, eq=False)
class MemberTable(ReprHTML):
    """One row for each member, on the calibration rows.

    ``print``, notebooks, :meth:`to_frame` and :meth:`to_markdown` show the members that matter most
    first: kept ones, by the size of the weight; those of equal weight by
    ``leave_one_out_increase``, then by ``score``.

    Attributes
    ----------
    names : tuple of M str
        Names of a list's members, else their positions.
    kept : ndarray of shape (M,), bool
        Whether it was kept.
    weight : ndarray of shape (M,)
        Its weight, zero where it was dropped.
    score : ndarray of shape (M,)
        Its own accuracy, or R^2.
    diversity : ndarray of shape (M,)
        Mean distance of its predictions from the mean of all members: Kullback-Leibler
        divergence in nats for classes (in a logarithmic pool to second order, from the pool of
        equal exponents); squared distance in variances of the targets.
    cost : ndarray of shape (M,) or None
        Its cost, where costs were asked for.
    entry_lam : ndarray of shape (M,)
        Relative penalty below which it enters the path; NaN if it never does.
    leave_one_out_increase : ndarray of shape (M,)
        Increase of the objective f if it alone is removed from the kept members and the others
        are reweighted; zero where it was dropped.
    most_similar_member : ndarray of shape (M,)
        Position of the other kept member whose errors (in a logarithmic pool: logarithms of
        probabilities) are most correlated with its own; -1 where there is none.
    error_correlation : ndarray of shape (M,)
        That correlation (not centered); NaN where there is none.
    n_shown : int or None, default=None
        Rows that are shown, at most, by ``leave_one_out_increase``; None is all, by weight. The
        arrays are those of all members.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(10, random_state=0)
    >>> pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, y)
    >>> table = pruner.explain()
    >>> int(table.kept.sum()) == pruner.n_members_
    True
    >>> str(table).split()[:5]
    ['member', 'kept', 'weight', 'score', 'diversity']
    """

    names: tuple[str, ...]
    kept: NDArray[np.bool_]
    weight: NDArray[np.float64]
    score: NDArray[np.float64]
    diversity: NDArray[np.float64]
    cost: NDArray[np.float64] | None
    entry_lam: NDArray[np.float64]
    leave_one_out_increase: NDArray[np.float64]
    most_similar_member: NDArray[np.intp]
    error_correlation: NDArray[np.float64]
    n_shown: int | None = None

    def to_frame(self) -> "DataFrame":
        """The rows that are shown, as a DataFrame, in the order of the text.

        Returns
        -------
        DataFrame
            Indexed by the members' names.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pd = load_pandas("print it as text")
        columns = self._columns()
        names = pd.Index(columns.pop("member"), name="member")
        return pd.DataFrame(columns, index=names)

    def __str__(self) -> str:
        return "\n".join(self._parts(text_table))

    def _parts(self, table: Callable[..., str]) -> list[str]:
        parts, M = [table(self._columns(), _FORMATS)], len(self.names)
        if self.n_shown is not None and self.n_shown < M:
            kept = int(self.kept.sum())
            parts.append(f"{self.n_shown:,} of {M:,} members shown; {kept:,} kept.")
        return parts

    def _columns(self) -> dict[str, NDArray]:
        """The columns of the rows that are shown: kept members first, by weight or increase."""
        names = np.array(self.names, dtype=object)
        similar = [names[t] if t >= 0 else "-" for t in self.most_similar_member]
        columns = {
            "member": names,
            "kept": self.kept,
            "weight": self.weight,
            "score": self.score,
            "diversity": self.diversity,
            **({} if self.cost is None else {"cost": self.cost}),
            "entry_lam": self.entry_lam,
            "leave_one_out_increase": self.leave_one_out_increase,
            "most_similar_member": np.array(similar, dtype=object),
            "error_correlation": self.error_correlation,
        }
        size, increase = np.abs(self.weight), self.leave_one_out_increase
        order = np.lexsort((-self.score, -increase, -size))
        if self.n_shown is not None:
            order = np.lexsort((-self.score, -size, -increase))
        return {name: column[order[: self.n_shown]] for name, column in columns.items()}


def explain_members(
    names: tuple[str, ...],
    weights: NDArray[np.float64],
    scores: NDArray[np.float64],
    costs: NDArray[np.float64] | None,
    diversity: NDArray[np.float64],
    errors: NDArray[np.float64],
    problem: SOCPProblem,
    path: SOCPPath,
) -> MemberTable:
    """The table, from diversity (M,) and mean products of errors (M, M)."""
    kept = weights != 0
    on_path = path.weights != 0
    first = on_path.argmax(axis=0)
    enters = np.where(on_path.any(axis=0), path.lams[np.maximum(first - 1, 0)], np.nan)
    similar, correlation = _most_similar(errors, kept)
    return MemberTable(
        names=names,
        kept=kept,
        weight=weights,
        score=scores,
        diversity=np.maximum(diversity, 0.0),
        cost=costs,
        entry_lam=enters,
        leave_one_out_increase=_increases(problem, kept),
        most_similar_member=similar,
        error_correlation=correlation,
    )


def _increases(problem: SOCPProblem, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Increase of f where one kept member is removed and the others are reweighted."""
    free = problem.with_penalty(0.0)
    whole = solve_support(problem, kept)
    minimum = free.objective(whole)
    increases = np.zeros(len(kept))
    for i in np.flatnonzero(kept & (whole != 0)):
        rest = kept.copy()
        rest[i] = False
        start = np.where(rest, whole, 0.0)
        increases[i] = free.objective(solve_support(problem, rest, start=start)) - minimum
    return np.maximum(increases, 0.0)


def _most_similar(
    errors: NDArray[np.float64], kept: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The kept member whose errors are most correlated with those of each member."""
    norm = np.sqrt(np.maximum(np.diagonal(errors), 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = errors / np.outer(norm, norm)
    correlation[:, ~kept] = np.nan
    np.fill_diagonal(correlation, np.nan)
    none = np.isnan(correlation).all(axis=1)
    largest = np.where(np.isnan(correlation), -np.inf, correlation).argmax(axis=1)
    similar = np.where(none, -1, largest)
    best = correlation[np.arange(len(kept)), np.maximum(similar, 0)]
    return similar, np.where(none, np.nan, np.clip(best, -1.0, 1.0))


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
        Score of their weighted vote, without the biases of ``fit_intercept``.
    member_score : ndarray of shape (M,)
        Score of each single member.
    full_score : float
        Score of all members with equal weights.
    pruned_score : float
        Score of the weights that were chosen, on the same rows.
    n_samples : int
        Number of rows.
    weights : ndarray of shape (K, M)
        The weights that were scored, at the scale of a prediction (of a logarithmic pool, whose
        accuracy does not depend on the scale: those of the path).

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

    def on(self, predictions: CalibrationPredictions, chosen: NDArray[np.float64]) -> "Frontier":
        """The same weights, and the chosen ones, scored on other rows.

        Parameters
        ----------
        predictions : CalibrationPredictions
            From ``predictions_on`` of a fitted pruner.
        chosen : ndarray of shape (M,)
            Weights that were chosen.

        Returns
        -------
        Frontier
        """
        return frontier(predictions, self.lams, self.weights, chosen)


def frontier(
    predictions: CalibrationPredictions,
    lams: NDArray[np.float64],
    weights: NDArray[np.float64],
    chosen: NDArray[np.float64],
) -> Frontier:
    """Score the weights of some penalties, single members, all of them, and the chosen weights."""
    scores = predictions.scores(np.vstack([weights, predictions.equal_weights, chosen]))
    return Frontier(
        lams=lams,
        n_members=(weights != 0).sum(axis=1),
        score=scores[:-2],
        member_score=predictions.member_scores(),
        full_score=float(scores[-2]),
        pruned_score=float(scores[-1]),
        n_samples=predictions.n_rows,
        weights=weights,
    )
