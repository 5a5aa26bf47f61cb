"""The solution for every penalty at once: piecewise linear, so its knots are all of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..utils import ReprHTML, check_alpha, check_lam, with_one_blas_thread
from ._active_set import minimise_active_set, solve_semidefinite
from ._problem import SOCPProblem, check_member_left
from ._statistics import EnsembleStatistics

__all__ = ["SOCPPath", "follow_path", "socp_path"]

# A knot whose KKT residual is above this is corrected by the active-set method.
_KNOT_TOLERANCE = 1e-11
# And half-way between two knots round a tie, where it is only passed in strides.
_BETWEEN_TOLERANCE = 1e-9
# Steps shorter than this share of lambda_max count as none; a degenerate knot (a tie) is
# passed by solving again this far below it, or further where that changes no member in play.
_SHORTEST_STEP = 1e-13
_DEGENERATE_STEP = 2.0**-23
# A jump of the weights at one penalty is written as a slope over this share of it.
_JUMP = 2.0**-50


@dataclass(frozen=True, eq=False)
class SOCPPath(ReprHTML):
    """Optimal weights for every penalty, held as the knots of a piecewise linear path.

    Attributes
    ----------
    lams : ndarray of shape (K,)
        Relative penalties of the knots, falling from 1 (no member) to 0.
    weights : ndarray of shape (K, M)
        Optimal weights at the knots.
    alpha : float
        Trade-off between accuracy and diversity.
    penalty_max : float
        The absolute penalty that ``lam = 1`` stands for.
    kkt_residual : float
        Largest KKT residual over the knots, and half-way to those that had to be put right.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import EnsembleStatistics, socp_path
    >>> P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    >>> path = socp_path(EnsembleStatistics.from_predictions(P, [0, 1]), alpha=0.9)
    >>> path.at(0.5).round(3)
    array([0.526, 0.   ])
    """

    lams: NDArray[np.float64]
    weights: NDArray[np.float64]
    alpha: float
    penalty_max: float
    kkt_residual: float

    @property
    def n_members(self) -> NDArray[np.intp]:
        """Number of members with a positive weight at each knot, shape (K,)."""
        return (self.weights > 0).sum(axis=1)

    def at(self, lam: float) -> NDArray[np.float64]:
        """Exact weights at one relative penalty.

        Parameters
        ----------
        lam : float
            Relative penalty, not negative; from 1 on, every weight is zero.

        Returns
        -------
        ndarray of shape (M,)
            Non-negative weights, linear between the knots.

        Raises
        ------
        ValueError
            If ``lam`` is negative or not finite, or below where the path ends.
        """
        lam = check_lam(lam, upper=np.inf)
        if lam < self.lams[-1]:
            raise ValueError(f"The path ends at lam={self.lams[-1]:g}; got {lam:g}.")
        if lam >= self.lams[0]:
            return self.weights[0].copy()
        right = int(np.searchsorted(-self.lams, -lam, side="left"))
        left = right - 1
        share = (self.lams[left] - lam) / (self.lams[left] - self.lams[right])
        return (1 - share) * self.weights[left] + share * self.weights[right]


def socp_path(
    stats: EnsembleStatistics,
    alpha: float = 0.5,
    *,
    diversity: str = "shannon",
    costs: ArrayLike | None = None,
) -> SOCPPath:
    """Solve (8) exactly for every penalty between lambda_max and zero.

    For w >= 0 the program is a non-negative lasso in Gram form, whose solution is piecewise
    linear in the penalty (Osborne et al. 2000; Efron et al. 2004). From one knot to the next
    only the linear system of the members in play is solved; every knot is checked against
    the optimality conditions, and corrected where rounding or a tie has spoilt it.

    Parameters
    ----------
    stats : EnsembleStatistics
        Statistics of the calibration predictions.
    alpha : float, default=0.5
        Weight of accuracy, in [0, 1]; 1 - alpha is that of diversity.
    diversity : {"shannon", "gini"}, default="shannon"
        As in :func:`solve_socp`.
    costs : array-like of shape (M,), default=None
        As in :func:`solve_socp`.

    Returns
    -------
    SOCPPath

    Raises
    ------
    ValueError
        If ``alpha``, ``diversity`` or ``costs`` is unusable.
    TypeError
        If ``stats`` is not EnsembleStatistics.
    NoMemberLeftError
        If no penalty keeps a member.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import EnsembleStatistics, socp_path
    >>> P = np.array([[[0.9, 0.1], [0.4, 0.6]], [[0.6, 0.4], [0.1, 0.9]], [[0.7, 0.3], [0.5, 0.5]]])
    >>> stats = EnsembleStatistics.from_predictions(P, [0, 1])
    >>> path = socp_path(stats, alpha=0.9)
    >>> path.lams.round(3), path.n_members
    (array([1.   , 0.975, 0.   ]), array([0, 1, 2]))
    """
    alpha = check_alpha(alpha)
    problem = SOCPProblem.from_statistics(stats, alpha, diversity=diversity, costs=costs)
    check_member_left(problem, alpha)
    return follow_path(problem, alpha)


@with_one_blas_thread
def follow_path(
    problem: SOCPProblem, alpha: float, *, least: float = 0.0, max_knots: int | None = None
) -> SOCPPath:
    """Follow the path of a problem down from lambda_max; see :func:`socp_path`.

    Parameters
    ----------
    problem : SOCPProblem
        Its own penalty is ignored.
    alpha : float
        Kept for the record.
    least : float, default=0.0
        Relative penalty below which the path is not needed: it may end there.
    max_knots : int, default=None
        Bound on the knots followed; ``20 * M + 100`` by default.

    Returns
    -------
    SOCPPath
        Where the knots ran out, its ``kkt_residual`` tells how far off the rest may be.
    """
    Q, c, costs, top = problem.quadratic, problem.linear, problem.costs, problem.penalty_max
    M = len(c)
    penalty, w, active = top, np.zeros(M), np.zeros(M, dtype=bool)
    if top > 0:
        active[(c / costs).argmin()] = True
    gradient = c + top * costs
    penalties, knots, residual, stride = [top], [w], 0.0, _DEGENERATE_STEP
    for _ in range(20 * M + 100 if max_knots is None else max_knots):
        if penalty <= least * top:
            break
        step, slope, leaving, entering = _next_knot(problem, penalty, w, active, gradient)
        if step > _SHORTEST_STEP * top:
            penalty, stride = max(0.0, penalty - step), _DEGENERATE_STEP
            w = np.maximum(w + step * slope, 0.0)
            if leaving is not None:
                active[leaving], w[leaving] = False, 0.0
            if entering is not None:
                active[entering] = True
        else:
            turned = _exchange(problem, penalty, w, active)
            if turned is None:
                penalty, w, stride = _pass_tie(problem, penalty, w, stride)
            else:
                penalty, w, stride = penalty * (1 - _JUMP), turned, _DEGENERATE_STEP
            active = w > 0
        gradient = _gradient(problem, penalty, w, active)
        here = _residual(problem, w, gradient)
        if here > _KNOT_TOLERANCE:
            w = minimise_active_set(Q, c + penalty * costs, w)
            active = w > 0
            gradient = _gradient(problem, penalty, w, active)
            here = _residual(problem, w, gradient)
            # The way here was not the one that was reckoned with: does it hold half-way?
            between = problem.with_penalty((penalties[-1] + penalty) / 2)
            here = max(here, between.kkt_residual((knots[-1] + w) / 2))
        residual = max(residual, here)
        penalties.append(penalty)
        knots.append(w)
    if penalty > least * top:  # out of knots: go straight to zero, and measure what lies between
        last = minimise_active_set(Q, c, w)
        halfway = problem.with_penalty(penalty / 2).kkt_residual((w + last) / 2)
        residual = max(residual, halfway)
        penalties.append(0.0)
        knots.append(last)
    return SOCPPath(np.array(penalties) / (top or 1.0), np.array(knots), alpha, top, residual)


def _exchange(
    problem: SOCPProblem,
    penalty: float,
    w: NDArray[np.float64],
    active: NDArray[np.bool_],
) -> NDArray[np.float64] | None:
    """Where a member came in that others can stand for at no loss, who leaves for it.

    Then only the costs tell the two mixtures apart: at this one penalty they are equally
    good, and the weights jump. Without costs, that mixtures sum to one forbids it.
    """
    fresh = np.flatnonzero(active & (w == 0))
    index = np.flatnonzero(active & (w > 0))
    if len(fresh) != 1 or len(index) == 0:
        return None
    Q, entering = problem.quadratic, fresh[0]
    along = -solve_semidefinite(Q[np.ix_(index, index)], Q[index, entering])
    if along.min() >= 0:
        return None
    with np.errstate(divide="ignore"):
        to_zero = np.where(along < 0, -w[index] / along, np.inf)
    jumped = w.copy()
    jumped[entering] = to_zero.min()
    jumped[index] = np.maximum(w[index] + jumped[entering] * along, 0.0)
    jumped[index[to_zero.argmin()]] = 0.0
    # Only where nothing bends in between is every mixture on the way optimal too.
    tolerance = _KNOT_TOLERANCE * max(1.0, jumped.max())
    if problem.with_penalty(penalty).kkt_residual(jumped) > tolerance:
        return None
    return jumped


def _pass_tie(
    problem: SOCPProblem, penalty: float, w: NDArray[np.float64], stride: float
) -> tuple[float, NDArray[np.float64], float]:
    """Solve a stride below a tie, where no step along the path can be told from none.

    Two optimal points with the same members in play are joined by optimal points, so as long
    as nobody enters or leaves the strides may grow; else they are cut, and further where the
    middle shows that knots were stepped over.
    """
    top = problem.penalty_max
    while True:
        lower = max(0.0, penalty - stride * top)
        q = problem.linear + lower * problem.costs
        below = minimise_active_set(problem.quadratic, q, w)
        if ((below > 0) == (w > 0)).all():
            return lower, below, 8 * stride
        if stride <= _DEGENERATE_STEP:
            between = problem.with_penalty((penalty + lower) / 2)
            short = stride <= 8 * _SHORTEST_STEP
            if short or between.kkt_residual((w + below) / 2) <= _BETWEEN_TOLERANCE:
                return lower, below, _DEGENERATE_STEP
        stride /= 8


def _gradient(
    problem: SOCPProblem,
    penalty: float,
    w: NDArray[np.float64],
    active: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Gradient of the penalised objective, from the rows in play alone."""
    index = np.flatnonzero(active)
    return 2 * (w[index] @ problem.quadratic[index]) + problem.linear + penalty * problem.costs


def _residual(problem: SOCPProblem, w: NDArray[np.float64], gradient: NDArray[np.float64]) -> float:
    """KKT residual; see ``SOCPProblem.kkt_residual``."""
    return float(np.abs(np.minimum(w, gradient / problem.steepest)).max())


def _next_knot(
    problem: SOCPProblem,
    penalty: float,
    w: NDArray[np.float64],
    active: NDArray[np.bool_],
    gradient: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64], int | None, int | None]:
    """How far the penalty can fall before a member leaves or enters, and which one."""
    index, costs = np.flatnonzero(active), problem.costs
    rows = problem.quadratic[index]
    # On the active set 2Qw + c + penalty * costs = 0, so -dw/dpenalty = (2Q)^-1 costs.
    direction = solve_semidefinite(rows[:, index], costs[index] / 2)
    fall = costs - 2 * (direction @ rows)  # how fast the gradient falls off the active set
    slope = np.zeros(len(w))
    slope[index] = direction
    with np.errstate(divide="ignore", invalid="ignore"):
        to_zero = np.where(active & (slope < 0), -w / slope, np.inf)
        # A copy of an active member has gradient and fall zero: it never enters.
        to_enter = np.where(~active & (fall > 1e-12), np.maximum(gradient, 0) / fall, np.inf)
    leaving, entering = int(to_zero.argmin()), int(to_enter.argmin())
    # A dearer copy of an active member would enter at zero exactly, or by rounding just above.
    if (
        min(to_zero[leaving], to_enter[entering])
        >= penalty - 10 * _SHORTEST_STEP * problem.penalty_max
    ):
        return penalty, slope, None, None
    if to_zero[leaving] < to_enter[entering]:
        return float(to_zero[leaving]), slope, leaving, None
    return float(to_enter[entering]), slope, None, entering
