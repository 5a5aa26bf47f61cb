"""Why each member was kept or dropped."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..socp import EnsembleStatistics, SOCPPath, SOCPProblem, solve_support
from ..utils import ReprHTML, load_pandas

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["MemberTable", "explain_members"]


@dataclass(frozen=True, eq=False)
class MemberTable(ReprHTML):
    """One row a member, on the calibration rows. ``print`` shows it; :meth:`to_frame` too.

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
        How far its predictions stand from the mean of all, per row: Kullback-Leibler
        divergence in nats for classes; squared distance for targets, in their variances.
    cost : ndarray of shape (M,) or None
        Its cost, where costs were asked for.
    lam_enters : ndarray of shape (M,)
        Largest relative penalty below which it has a weight on the path; NaN if it never has.
    loss_without : ndarray of shape (M,)
        How much the objective f rises if it alone is taken out of the kept members and they
        are weighed again; zero where it was dropped.
    twin : ndarray of shape (M,)
        The kept member, other than itself, whose errors are most correlated with its own; -1
        where there is none.
    twin_correlation : ndarray of shape (M,)
        That correlation (uncentred); NaN where there is none.

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
    >>> print(str(table).splitlines()[0])
    member kept   weight    score diversity lam_enters loss_without   twin twin_correlation
    """

    names: tuple[str, ...]
    kept: NDArray[np.bool_]
    weight: NDArray[np.float64]
    score: NDArray[np.float64]
    diversity: NDArray[np.float64]
    cost: NDArray[np.float64] | None
    lam_enters: NDArray[np.float64]
    loss_without: NDArray[np.float64]
    twin: NDArray[np.intp]
    twin_correlation: NDArray[np.float64]

    def to_frame(self) -> "DataFrame":
        """The table as a DataFrame, kept members first, by weight.

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
        columns = {name: array for name, array, _ in self._columns() if name != "member"}
        columns["kept"] = self.kept
        frame = pd.DataFrame(columns, index=pd.Index(self.names, name="member"))
        return frame.iloc[self._order()]

    def __str__(self) -> str:
        columns = self._columns()
        head = " ".join(f"{name:>{_width(fmt)}}" for name, _, fmt in columns)
        lines = [head, "-" * len(head)]
        for i in self._order():
            lines.append(" ".join(_cell(array[i], fmt) for _, array, fmt in columns))
        return "\n".join(lines)

    def _order(self) -> NDArray[np.intp]:
        return np.lexsort((-self.score, -self.weight))

    def _columns(self) -> list[tuple[str, NDArray, str]]:
        names = np.array(self.names, dtype=object)
        longest = max(6, *(len(name) for name in self.names))
        twins = np.array([names[t] if t >= 0 else "-" for t in self.twin], dtype=object)
        columns: list[tuple[str, NDArray, str]] = [
            ("member", names, f"{longest}s"),
            ("kept", np.where(self.kept, "yes", "no"), "4s"),
            ("weight", self.weight, "8.4f"),
            ("score", self.score, "8.4f"),
            ("diversity", self.diversity, "9.4f"),
            ("lam_enters", self.lam_enters, "10.4f"),
            ("loss_without", self.loss_without, "12.2e"),
            ("twin", twins, f"{longest}s"),
            ("twin_correlation", self.twin_correlation, "16.3f"),
        ]
        if self.cost is not None:
            columns.insert(5, ("cost", self.cost, "10.4g"))
        return columns


def explain_members(
    names: tuple[str, ...],
    weights: NDArray[np.float64],
    scores: NDArray[np.float64],
    costs: NDArray[np.float64] | None,
    stats: EnsembleStatistics,
    problem: SOCPProblem,
    path: SOCPPath,
) -> MemberTable:
    """Draw up the table from statistics alone.

    Parameters
    ----------
    names : tuple of M str
        Names of the members.
    weights : ndarray of shape (M,)
        Weights that were chosen.
    scores : ndarray of shape (M,)
        Score of each single member.
    costs : ndarray of shape (M,) or None
        Cost of each member.
    stats : EnsembleStatistics
        Statistics of the calibration rows.
    problem : SOCPProblem
        The quadratic f.
    path : SOCPPath
        Its path.

    Returns
    -------
    MemberTable
    """
    kept = weights > 0
    if stats.divergence is not None:
        diversity = stats.divergence * stats.n_classes
    else:  # |p_i - mean|^2; the columns of ones, which are half of all, cancel
        mean = stats.gram.mean(axis=0)
        diversity = (np.diagonal(stats.gram) - 2 * mean + mean.mean()) * 2
    first = (path.weights > 0).argmax(axis=0)
    enters = np.where((path.weights > 0).any(axis=0), path.lams[np.maximum(first - 1, 0)], np.nan)
    twin, correlation = _twins(stats, kept)
    return MemberTable(
        names=names,
        kept=kept,
        weight=weights,
        score=scores,
        diversity=np.maximum(diversity, 0.0),
        cost=costs,
        lam_enters=enters,
        loss_without=_losses(problem, kept),
        twin=twin,
        twin_correlation=correlation,
    )


def _losses(problem: SOCPProblem, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Rise of f where one kept member is taken away and the others are weighed again."""
    free = problem.with_penalty(0.0)
    whole = solve_support(problem, kept)
    least = free.objective(whole)
    losses = np.zeros(len(kept))
    for i in np.flatnonzero(kept & (whole > 0)):
        rest = kept.copy()
        rest[i] = False
        start = np.where(rest, whole, 0.0)
        losses[i] = free.objective(solve_support(problem, rest, start=start)) - least
    return np.maximum(losses, 0.0)


def _twins(
    stats: EnsembleStatistics, kept: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The kept member whose errors P_k - Y look most like those of each member."""
    b = stats.agreement
    errors = stats.gram - b[:, None] - b + stats.target_power  # <P_i - Y, P_k - Y>
    norm = np.sqrt(np.maximum(np.diagonal(errors), 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = errors / np.outer(norm, norm)
    correlation[:, ~kept] = np.nan
    np.fill_diagonal(correlation, np.nan)
    none = np.isnan(correlation).all(axis=1)
    twin = np.where(none, -1, np.where(np.isnan(correlation), -np.inf, correlation).argmax(axis=1))
    best = correlation[np.arange(len(kept)), np.maximum(twin, 0)]
    return twin, np.where(none, np.nan, np.clip(best, -1.0, 1.0))


def _width(fmt: str) -> int:
    """Characters that a column's cells take."""
    return int(fmt.split(".")[0].rstrip("s"))


def _cell(value: object, fmt: str) -> str:
    """One cell, aligned to the right; a dash where there is no number."""
    if isinstance(value, float) and np.isnan(value):
        return f"{'-':>{_width(fmt)}}"
    return f"{value:>{fmt}}"
