"""The optimal weights for every penalty at once: piecewise linear, so stored as their knots."""

import warnings
from dataclasses import dataclass, replace
from numbers import Real
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning

from ..utils import ALPHA, Number, ReprHTML, check_parameters, with_one_blas_thread
from ._active_set import minimize_active_set, solve_semidefinite
from ._problem import SOCPProblem, check_member_left, join_signs
from ._statistics import EnsembleStatistics
from .backends._base import EXACT_TOLERANCE

__all__ = ["SOCPPath", "follow_path", "socp_path"]

# A knot with a larger KKT residual is corrected by the active-set method.
_KNOT_TOLERANCE = 1e-11
# Maximum KKT residual half-way between the two knots of a step past a degenerate knot.
_MIDPOINT_TOLERANCE = 1e-9
# A segment whose KKT residual may be larger gets another knot in its middle.
_SEGMENT_TOLERANCE = 1e-9
# A step that changes a gradient by less than this share of the maximum descent rate counts as
# zero: at such a degenerate knot several members enter or leave at once.
_MIN_STEP = 1e-13
# First step past a degenerate knot, as a share of the penalty at which the most expensive active
# member would have no weight.
_DEGENERATE_STEP = 2.0**-23
# A jump of the weights at one penalty is stored as a segment of this share of it.
_JUMP = 2.0**-50


@dataclass(frozen=True, eq=False)
class SOCPPath(ReprHTML):
    """Optimal weights for every penalty, as the knots of a piecewise linear path.

    Attributes
    ----------
    lams : ndarray of shape (K,)
        Relative penalties of the knots, from 1 (no member) down to 0.
    weights : ndarray of shape (K, M)
        Optimal weights at the knots.
    alpha : float
        Trade-off between accuracy and diversity.
    penalty_max : float
        The absolute penalty at ``lam = 1``.
    kkt_residual : float
        Upper bound on the KKT residual of :meth:`at`, over all penalties of the path.

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
        """Number of members with a weight at each knot, shape (K,)."""
        return (self.weights != 0).sum(axis=1)

    def at(self, lam: float) -> NDArray[np.float64]:
        """Exact weights at one relative penalty.

        Parameters
        ----------
        lam : float
            Relative penalty, not negative; at 1 and above every weight is zero.

        Returns
        -------
        ndarray of shape (M,)
            Weights, interpolated linearly between the knots.

        Raises
        ------
        ValueError
            If ``lam`` is negative or not finite, or below the last knot.
        """
        check_parameters("SOCPPath.at", {"lam": [Number(Real, 0)]}, lam=lam)
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
    positive: bool = True,
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
    diversity : {"shannon", "gini", "first-order"}, default="shannon"
        As in :func:`solve_socp`.
    costs : array-like of shape (M,), default=None
        As in :func:`solve_socp`.
    positive : bool, default=True
        As in :func:`solve_socp`. Free signs are the same program for the positive and the negative
        parts of the weights.

    Returns
    -------
    SOCPPath

    Raises
    ------
    ValueError
        If ``alpha``, ``diversity``, ``costs`` or ``positive`` is invalid.
    TypeError
        If ``stats`` is not EnsembleStatistics.
    NoMemberLeftError
        If every penalty leaves no member.

    Warns
    -----
    ConvergenceWarning
        If the path may not be optimal at some penalty.

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
    check_parameters("socp_path", {"alpha": ALPHA}, alpha=alpha)
    alpha = float(alpha)
    problem = SOCPProblem.from_statistics(
        stats, alpha, diversity=diversity, costs=costs, positive=positive
    )
    check_member_left(problem, alpha)
    return follow_path(problem, alpha)


class _Knot(NamedTuple):
    """A penalty, optimal weights, and the gradient of the penalized objective there."""

    penalty: float
    w: NDArray[np.float64]
    gradient: NDArray[np.float64]


@with_one_blas_thread
def follow_path(problem: SOCPProblem, alpha: float, *, min_lam: float = 0.0) -> SOCPPath:
    """Follow the path of a problem from lambda_max down to ``min_lam``; see :func:`socp_path`."""
    if not problem.positive:
        path = follow_path(problem.of_halves(), alpha, min_lam=min_lam)
        return replace(path, weights=join_signs(path.weights))
    c, costs, top = problem.linear, problem.costs, problem.penalty_max
    penalty, w, active = top, np.zeros(len(c)), np.zeros(len(c), dtype=bool)
    if top > 0:
        active[(c / costs).argmin()] = True
    knots, step = [_Knot(top, w, c + top * costs)], _DEGENERATE_STEP
    for _ in range(20 * len(c) + 100):
        if penalty <= min_lam * top:
            break
        lower, slope, leaving, entering = _next_knot(problem, knots[-1], active)
        changing = leaving if entering is None else entering
        min_step = _MIN_STEP * problem.max_descent_rate
        if changing is None or (penalty - lower) * costs[changing] > min_step:
            w = np.maximum(w + (penalty - lower) * slope, 0.0)
            penalty, step = lower, _DEGENERATE_STEP
            if leaving is not None:
                active[leaving], w[leaving] = False, 0.0
            if entering is not None:
                active[entering] = True
        elif (exchanged := _exchange(problem, penalty, w, active)) is not None:
            penalty, w, step = penalty * (1 - _JUMP), exchanged, _DEGENERATE_STEP
            active = w > 0
        else:
            penalty, w, step = _step_past_degenerate_knot(problem, penalty, w, active, step)
            active = w > 0
        knot = _knot(problem, penalty, w, active)
        residual = np.abs(np.minimum(w, knot.gradient / problem.max_descent_rate)).max()
        if residual > _KNOT_TOLERANCE:
            knot = _solved_knot(problem, penalty, w)
            w = knot.w
            active = w > 0
        knots.append(knot)
    if penalty > min_lam * top:  # the number of knots is limited: go straight to zero
        knots.append(_solved_knot(problem, 0.0, w))
    knots, bound = _refine_segments(problem, knots)
    if bound > EXACT_TOLERANCE:
        warnings.warn(
            f"The path may not be optimal everywhere: its KKT residual may reach {bound:.1e}. "
            "Check the predictions and the costs, or solve for single penalties with solve_socp.",
            ConvergenceWarning,
            stacklevel=3,
        )
    penalties = np.array([knot.penalty for knot in knots])
    weights = np.array([knot.w for knot in knots])
    return SOCPPath(penalties / (top or 1.0), weights, alpha, top, bound)


def _knot(
    problem: SOCPProblem, penalty: float, w: NDArray[np.float64], active: NDArray[np.bool_]
) -> _Knot:
    """The knot at one penalty; the gradient is computed from the active rows alone."""
    index = np.flatnonzero(active)
    curvature = 2 * (w[index] @ problem.quadratic[index])
    return _Knot(penalty, w, curvature + problem.linear + penalty * problem.costs)


def _solved_knot(problem: SOCPProblem, penalty: float, start: NDArray[np.float64]) -> _Knot:
    """The knot at one penalty, by the active-set method."""
    q = problem.linear + penalty * problem.costs
    w = minimize_active_set(problem.quadratic, q, start)
    return _knot(problem, penalty, w, w > 0)


def _next_knot(
    problem: SOCPProblem, knot: _Knot, active: NDArray[np.bool_]
) -> tuple[float, NDArray[np.float64], int | None, int | None]:
    """The next lower penalty, the slope of the weights, and the member that leaves or enters."""
    penalty, w, gradient = knot
    index, costs = np.flatnonzero(active), problem.costs
    rows = problem.quadratic[index]
    # On the active set 2Qw + c + penalty * costs = 0, so -dw/dpenalty = (2Q)^-1 costs.
    direction = solve_semidefinite(rows[:, index], costs[index] / 2)
    rise = 2 * (direction @ rows)
    fall = costs - rise  # -d gradient/dpenalty, which is zero on the active set
    slope = np.zeros(len(w))
    slope[index] = direction
    may_leave = active & (slope < 0)
    # A copy of an active member has gradient and fall zero: it never enters.
    may_enter = ~active & (fall > 1e-12 * np.maximum(costs, rise))
    with np.errstate(divide="ignore", invalid="ignore"):
        to_leave = np.where(may_leave, -w / slope, np.inf)
        to_enter = np.where(may_enter, np.maximum(gradient, 0) / fall, np.inf)
        leaving, entering = int(to_leave.argmin()), int(to_enter.argmin())
        lower = penalty - min(to_leave[leaving], to_enter[entering])
        if lower < 1e-3 * penalty:
            # This difference of penalties is inaccurate, the more so where costs differ widely.
            # Compute them directly, from the weights without penalty, w + penalty * direction.
            free = w[index] + penalty * direction
            leave_at = np.full(len(w), -np.inf)
            leave_at[index] = np.where(may_leave[index], free / direction, -np.inf)
            residual = 2 * (free @ rows) + problem.linear
            enter_at = np.where(may_enter, -residual / fall, -np.inf)
            lower = min(penalty, max(leave_at.max(), enter_at.max()))
            to_leave, to_enter = -leave_at, -enter_at
            leaving, entering = int(to_leave.argmin()), int(to_enter.argmin())
    leaves = to_leave[leaving] < to_enter[entering]
    changing = leaving if leaves else entering
    # A costlier copy of an active member would enter at exactly zero, or slightly above it.
    if lower * costs[changing] <= 10 * _MIN_STEP * problem.max_descent_rate:
        return 0.0, slope, None, None
    return (float(lower), slope, *((leaving, None) if leaves else (None, entering)))


def _exchange(
    problem: SOCPProblem, penalty: float, w: NDArray[np.float64], active: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """The weights after a jump, where a member enters that is a mixture of the others."""
    # Then only the costs distinguish the two mixtures: at this one penalty they are equally good,
    # and one member replaces another. Without costs this cannot happen: mixtures sum to one.
    entered = np.flatnonzero(active & (w == 0))
    index = np.flatnonzero(active & (w > 0))
    if len(entered) != 1 or len(index) == 0:
        return None
    Q, entering = problem.quadratic, entered[0]
    direction = -solve_semidefinite(Q[np.ix_(index, index)], Q[index, entering])
    if direction.min() >= 0:
        return None
    with np.errstate(divide="ignore"):
        to_zero = np.where(direction < 0, -w[index] / direction, np.inf)
    exchanged = w.copy()
    exchanged[entering] = to_zero.min()
    exchanged[index] = np.maximum(w[index] + exchanged[entering] * direction, 0.0)
    exchanged[index[to_zero.argmin()]] = 0.0
    # Only if both ends are optimal, every mixture of them is optimal too.
    tolerance = _KNOT_TOLERANCE * max(1.0, exchanged.max())
    if problem.with_penalty(penalty).kkt_residual(exchanged) > tolerance:
        return None
    return exchanged


def _step_past_degenerate_knot(
    problem: SOCPProblem,
    penalty: float,
    w: NDArray[np.float64],
    active: NDArray[np.bool_],
    step: float,
) -> tuple[float, NDArray[np.float64], float]:
    """Solve at a penalty below a degenerate knot; returns it, the weights and the next step."""
    # At the knot rounding hides which member enters or leaves first. Two optimal points with the
    # same active members are joined by optimal points, so as long as no member enters or leaves,
    # the steps may grow. Otherwise they are cut, and once more if the middle is not optimal, which
    # shows that knots were skipped.
    unit = problem.max_descent_rate / problem.costs[active].max()
    while True:
        lower = max(0.0, penalty - step * unit)
        below = _solved_knot(problem, lower, w).w
        if ((below > 0) == (w > 0)).all():
            return lower, below, 8 * step
        if step <= _DEGENERATE_STEP:
            midpoint = problem.with_penalty((penalty + lower) / 2)
            shortest = step <= 8 * _MIN_STEP
            if shortest or midpoint.kkt_residual((w + below) / 2) <= _MIDPOINT_TOLERANCE:
                return lower, below, _DEGENERATE_STEP
        step /= 8


def _refine_segments(problem: SOCPProblem, knots: list[_Knot]) -> tuple[list[_Knot], float]:
    """Insert knots where a segment is not optimal; returns a bound on the KKT residual too."""
    bounds = _segment_residuals(problem, knots)
    if bounds.max(initial=0.0) <= _SEGMENT_TOLERANCE:
        return knots, float(bounds.max(initial=0.0))
    residual, n_left = 0.0, 10 * len(problem.linear) + 100
    done, todo = knots[:1], knots[:0:-1]
    while todo:
        left, right = done[-1], todo[-1]
        bound = float(_segment_residuals(problem, [left, right])[0])
        middle = (left.penalty + right.penalty) / 2
        if bound > _SEGMENT_TOLERANCE and n_left and right.penalty < middle < left.penalty:
            todo.append(_solved_knot(problem, middle, left.w))
            n_left -= 1
        else:
            residual = max(residual, bound)
            done.append(todo.pop())
    return done, residual


def _segment_residuals(problem: SOCPProblem, knots: list[_Knot]) -> NDArray[np.float64]:
    """Bounds on the KKT residual between knots, where weights and gradient are linear."""
    # If both are non-negative at the knots, ``min(w_i, g_i)`` between them is at most the smaller
    # of the larger weight and the larger gradient.
    w = np.array([knot.w for knot in knots])
    gradient = np.array([knot.gradient for knot in knots]) / (problem.max_descent_rate or 1.0)
    upper = np.minimum(np.maximum(w[1:], w[:-1]), np.maximum(gradient[1:], gradient[:-1]))
    lowest = gradient.min(axis=1)
    bounds: NDArray[np.float64] = np.maximum(
        upper.max(axis=1), -np.minimum(lowest[1:], lowest[:-1])
    )
    return bounds
