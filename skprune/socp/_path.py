"""The solution for every penalty at once: piecewise linear, so it is stored as its knots."""

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning

from ..utils import ReprHTML, check_alpha, check_lam, with_one_blas_thread
from ._active_set import minimize_active_set, solve_semidefinite
from ._problem import SOCPProblem, check_member_left
from ._statistics import EnsembleStatistics
from .backends._base import EXACT_TOLERANCE

__all__ = ["SOCPPath", "follow_path", "socp_path"]

# A knot whose KKT residual is above this is corrected by the active-set method.
_KNOT_TOLERANCE = 1e-11
# The largest KKT residual allowed half-way between two knots on either side of a tie.
_BETWEEN_TOLERANCE = 1e-9
# A segment whose KKT residual may be above this gets a knot in its middle, solved by that method.
_SEGMENT_TOLERANCE = 1e-9
# A step that changes a gradient by less than this share of the steepest descent counts as zero.
# A degenerate knot (a tie) is passed by solving again a stride below it: at first this share of
# the penalty at which the most expensive active member would be worthless, longer where no
# member enters or leaves.
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
        Bound on the KKT residual of :meth:`at`, over all penalties of the path.

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
    only the linear system of the active members is solved. Every knot and every segment
    between two knots is checked against the optimality conditions; where they fail, because
    of rounding or a tie, the active-set method gives the correct weights.

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

    Warns
    -----
    ConvergenceWarning
        If the path is not certified at some penalty.

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
def follow_path(problem: SOCPProblem, alpha: float, *, least: float = 0.0) -> SOCPPath:
    """Follow the path of a problem down from lambda_max; see :func:`socp_path`.

    Parameters
    ----------
    problem : SOCPProblem
        Its own penalty is ignored.
    alpha : float
        Kept for the record.
    least : float, default=0.0
        Relative penalty below which the path is not needed: it may end there.

    Returns
    -------
    SOCPPath
        Its ``kkt_residual`` says whether it is certified for every penalty.

    Warns
    -----
    ConvergenceWarning
        If it is not.
    """
    Q, c, costs, top = problem.quadratic, problem.linear, problem.costs, problem.penalty_max
    M = len(c)
    penalty, w, active = top, np.zeros(M), np.zeros(M, dtype=bool)
    if top > 0:
        active[(c / costs).argmin()] = True
    knots, stride = [_Knot(top, w, c + top * costs)], _DEGENERATE_STEP
    for _ in range(20 * M + 100):
        if penalty <= least * top:
            break
        lower, slope, leaving, entering = _next_knot(problem, knots[-1], active)
        event = leaving if entering is None else entering
        if (
            event is None
            or (penalty - lower) * costs[event] > _SHORTEST_STEP * problem.max_descent_rate
        ):
            w = np.maximum(w + (penalty - lower) * slope, 0.0)
            penalty, stride = lower, _DEGENERATE_STEP
            if leaving is not None:
                active[leaving], w[leaving] = False, 0.0
            if entering is not None:
                active[entering] = True
        else:
            turned = _exchange(problem, penalty, w, active)
            if turned is None:
                penalty, w, stride = _pass_tie(problem, penalty, w, active, stride)
            else:
                penalty, w, stride = penalty * (1 - _JUMP), turned, _DEGENERATE_STEP
            active = w > 0
        gradient = _gradient(problem, penalty, w, active)
        if _residual(problem, w, gradient) > _KNOT_TOLERANCE:
            w = minimize_active_set(Q, c + penalty * costs, w)
            active = w > 0
            gradient = _gradient(problem, penalty, w, active)
        knots.append(_Knot(penalty, w, gradient))
    if penalty > least * top:  # out of knots: straight to zero
        knots.append(_solved_knot(problem, 0.0, w))
    knots, residual = _certified(problem, knots)
    if residual > EXACT_TOLERANCE:
        warnings.warn(
            f"The path is not exact everywhere: its KKT residual may reach {residual:.1e}. Check "
            "the predictions and the costs, or solve for single penalties with solve_socp.",
            ConvergenceWarning,
            stacklevel=3,
        )
    penalties = np.array([knot.penalty for knot in knots])
    return SOCPPath(
        penalties / (top or 1.0), np.array([knot.w for knot in knots]), alpha, top, residual
    )


class _Knot(NamedTuple):
    """A penalty, optimal weights, and the gradient of the penalized objective there."""

    penalty: float
    w: NDArray[np.float64]
    gradient: NDArray[np.float64]


def _certified(problem: SOCPProblem, knots: list[_Knot]) -> tuple[list[_Knot], float]:
    """The path with knots inserted where a segment is not optimal, and a bound on its residual."""
    residual, left_to_solve = 0.0, 10 * len(problem.linear) + 100
    done, todo = knots[:1], knots[:0:-1]
    while todo:
        left, right = done[-1], todo[-1]
        bound = _segment_residual(problem, left, right)
        middle = (left.penalty + right.penalty) / 2
        if bound > _SEGMENT_TOLERANCE and left_to_solve and right.penalty < middle < left.penalty:
            todo.append(_solved_knot(problem, middle, left.w))
            left_to_solve -= 1
        else:
            residual = max(residual, bound)
            done.append(todo.pop())
    return done, residual


def _segment_residual(problem: SOCPProblem, left: _Knot, right: _Knot) -> float:
    """Bound on the KKT residual between two knots, where weights and gradient are linear.

    With both non-negative at the knots, ``min(w_i, g_i)`` between them is at most the smaller
    of the larger weight and the larger gradient.
    """
    w, scale = np.maximum(left.w, right.w), problem.max_descent_rate or 1.0
    gradient = np.maximum(left.gradient, right.gradient) / scale
    lowest = min(0.0, left.gradient.min(), right.gradient.min()) / scale
    return float(max(np.minimum(w, gradient).max(), -lowest))


def _solved_knot(problem: SOCPProblem, penalty: float, start: NDArray[np.float64]) -> _Knot:
    """The knot at one penalty, by the active-set method."""
    q = problem.linear + penalty * problem.costs
    w = minimize_active_set(problem.quadratic, q, start)
    return _Knot(penalty, w, _gradient(problem, penalty, w, w > 0))


def _exchange(
    problem: SOCPProblem,
    penalty: float,
    w: NDArray[np.float64],
    active: NDArray[np.bool_],
) -> NDArray[np.float64] | None:
    """Where a member entered that is a mixture of the others, the weights after it replaced one.

    Then only the costs distinguish the two mixtures: at this one penalty they are equally
    good, and the weights jump. Without costs this cannot happen, because mixtures sum to one.
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
    # Only where both ends are optimal is every mixture between them optimal too.
    tolerance = _KNOT_TOLERANCE * max(1.0, jumped.max())
    if problem.with_penalty(penalty).kkt_residual(jumped) > tolerance:
        return None
    return jumped


def _pass_tie(
    problem: SOCPProblem,
    penalty: float,
    w: NDArray[np.float64],
    active: NDArray[np.bool_],
    stride: float,
) -> tuple[float, NDArray[np.float64], float]:
    """Solve a stride below a tie, where rounding hides which member enters or leaves first.

    Two optimal points with the same active members are joined by optimal points, so as long
    as no member enters or leaves the strides may grow. Otherwise they are cut, and further
    where the middle shows that knots were skipped.
    """
    unit = problem.max_descent_rate / problem.costs[active].max()
    while True:
        lower = max(0.0, penalty - stride * unit)
        q = problem.linear + lower * problem.costs
        below = minimize_active_set(problem.quadratic, q, w)
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
    """Gradient of the penalized objective, from the active rows alone."""
    index = np.flatnonzero(active)
    return 2 * (w[index] @ problem.quadratic[index]) + problem.linear + penalty * problem.costs


def _residual(problem: SOCPProblem, w: NDArray[np.float64], gradient: NDArray[np.float64]) -> float:
    """KKT residual; see ``SOCPProblem.kkt_residual``."""
    return float(np.abs(np.minimum(w, gradient / problem.max_descent_rate)).max())


def _next_knot(
    problem: SOCPProblem, knot: _Knot, active: NDArray[np.bool_]
) -> tuple[float, NDArray[np.float64], int | None, int | None]:
    """The next lower penalty at which a member leaves or enters, and which one; 0 if none does."""
    penalty, w, gradient = knot
    index, costs = np.flatnonzero(active), problem.costs
    rows = problem.quadratic[index]
    # On the active set 2Qw + c + penalty * costs = 0, so -dw/dpenalty = (2Q)^-1 costs.
    direction = solve_semidefinite(rows[:, index], costs[index] / 2)
    rise = 2 * (direction @ rows)
    fall = costs - rise  # -d gradient/dpenalty off the active set, and zero on it
    slope = np.zeros(len(w))
    slope[index] = direction
    may_leave = active & (slope < 0)
    # A copy of an active member has gradient and fall zero: it never enters.
    may_enter = ~active & (fall > 1e-12 * np.maximum(costs, rise))
    with np.errstate(divide="ignore", invalid="ignore"):
        to_leave = np.where(may_leave, -w / slope, np.inf)
        to_enter = np.where(may_enter, np.maximum(gradient, 0) / fall, np.inf)
        lower = penalty - min(to_leave.min(), to_enter.min())
        if lower < 1e-3 * penalty:
            # Such a difference of penalties has lost digits, many where costs differ widely. The
            # penalties follow directly from the weights without penalty, w + penalty * direction.
            free = w[index] + penalty * direction
            leave_at = np.full(len(w), -np.inf)
            leave_at[index] = np.where(may_leave[index], free / direction, -np.inf)
            residual = 2 * (free @ rows) + problem.linear
            enter_at = np.where(may_enter, -residual / fall, -np.inf)
            lower = min(penalty, max(leave_at.max(), enter_at.max()))
            to_leave, to_enter = -leave_at, -enter_at
    leaving, entering = int(to_leave.argmin()), int(to_enter.argmin())
    leaves = to_leave[leaving] < to_enter[entering]
    event = leaving if leaves else entering
    # A costlier copy of an active member would enter at zero exactly, or by rounding just above.
    if lower * costs[event] <= 10 * _SHORTEST_STEP * problem.max_descent_rate:
        return 0.0, slope, None, None
    return (float(lower), slope, *((leaving, None) if leaves else (None, entering)))
