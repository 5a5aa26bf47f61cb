"""The exact loss (3), by Newton's method: a quadratic expansion around each solution in turn."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning

from ..utils import (
    ALPHA,
    LAM,
    Number,
    Predictions,
    ReprHTML,
    as_predictions,
    check_parameters,
    sample_blocks,
    with_one_blas_thread,
)
from ._active_set import minimize_active_set
from ._problem import SOCPProblem, check_member_left
from ._solve import PENALTY, SOCPSolution
from ._statistics import REFERENCE_FLOOR, EnsembleStatistics
from ._validation import check_labels, check_shape, check_weights

__all__ = ["ExactEntropySolution", "solve_exact_entropy"]

# Bytes of predictions in a block.
_BLOCK_BYTES = 2**24
# Fractions of Newton's step that the line search compares, in one pass over P.
_STEPS = 2.0 ** -np.arange(30)


@dataclass(frozen=True, eq=False)
class ExactEntropySolution(ReprHTML):
    """Weights that are optimal for the exact Shannon entropy.

    Attributes
    ----------
    solution : SOCPSolution
        The weights and their certificate, as :func:`solve_socp` returns them: objective, KKT
        residual and duality gap are those of the exact loss. ``objective`` is the penalized
        loss minus the ``constant`` of the expansion around the uniform mean, so it can be
        compared with the objective of :func:`solve_socp`.
    problem : SOCPProblem
        The expansion around the solution, for which the weights are optimal too; its path is
        that of the exact loss near them.
    n_rounds : int
        Number of expansions that were solved.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import solve_exact_entropy
    >>> P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    >>> found = solve_exact_entropy(P, [0, 1], alpha=0.9, lam=0.5)
    >>> found.solution.weights.round(3), found.solution.kkt_residual < 1e-8, found.n_rounds
    (array([0.536, 0.   ]), True, 3)
    """

    solution: SOCPSolution
    problem: SOCPProblem
    n_rounds: int


@with_one_blas_thread
def solve_exact_entropy(
    P: ArrayLike | Predictions,
    y: ArrayLike,
    alpha: float = 0.5,
    lam: float = 0.1,
    *,
    sample_weight: ArrayLike | None = None,
    costs: ArrayLike | None = None,
    relative: bool = True,
    max_iter: int = 100,
    tol: float = 1e-8,
) -> ExactEntropySolution:
    """Minimize the loss (3) itself, without expanding the entropy of the mixture.

    Newton's method: the expansion of :func:`solve_socp` is repeated around the mixture of the
    last solution. Each round reads all predictions twice, once for the expansion and once for
    the line search. Below a probability of 1e-10 the entropy is replaced by its expansion
    there, which changes the loss by less than 1e-10.

    Parameters
    ----------
    P : array-like or PredictionStore of shape (M, N, C)
        Probabilities: member, sample, class. A file is read block by block; all is computed in
        float64.
    y : array-like of shape (N,)
        True classes, integers in 0 .. C - 1.
    alpha : float, default=0.5
        Weight of accuracy, in [0, 1]; 1 - alpha is that of diversity.
    lam : float, default=0.1
        Penalty, relative to the smallest one at which :func:`solve_socp` leaves no member. The
        slope of the exact loss at w = 0 is infinite, so it always keeps some.
    sample_weight : array-like of shape (N,), default=None
        Non-negative weights of the samples, not all zero.
    costs : array-like of shape (M,), default=None
        Positive cost of each member; only their ratios matter.
    relative : bool, default=True
        Whether ``lam`` is relative.
    max_iter : int, default=100
        Maximum number of rounds.
    tol : float, default=1e-8
        KKT residual at which the weights count as optimal.

    Returns
    -------
    ExactEntropySolution

    Raises
    ------
    ValueError
        If the predictions, labels or parameters are invalid.
    TypeError
        If P does not hold real numbers.
    NoMemberLeftError
        If the expansion around the uniform mean keeps no member.

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` rounds do not reach the tolerance.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import solve_exact_entropy
    >>> P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    >>> found = solve_exact_entropy(P, [0, 1], alpha=0.9, lam=0.5)
    >>> found.solution.solver, found.solution.status
    ('re-centered', 'optimal')
    """
    constraints = {
        "alpha": ALPHA,
        "lam": LAM if relative else PENALTY,
        "max_iter": [Number(Integral, 0)],
        "tol": [Number(Real, 0)],
    }
    check_parameters(
        "solve_exact_entropy", constraints, alpha=alpha, lam=lam, max_iter=max_iter, tol=tol
    )
    alpha, lam = float(alpha), float(lam)
    exact = _ExactLoss(P, y, sample_weight, alpha, costs)
    penalty = lam * exact.uniform.penalty_max if relative else lam
    exact.uniform = exact.uniform.with_penalty(penalty)
    check_member_left(exact.uniform, alpha)

    M = len(exact.P)
    w = np.full(M, 1 / M)
    problem, n_rounds = exact.expand(w), 0
    while exact.residual(problem, w) > tol and n_rounds < max_iter:
        n_rounds += 1
        target = minimize_active_set(problem.quadratic, problem.penalized_linear, w)
        step = exact.search(problem, w, target)
        if step == 0:  # the rest is rounding
            break
        w = target if step == 1 else w + step * (target - w)
        problem = exact.expand(w)

    residual = exact.residual(problem, w)
    if residual > tol:
        warnings.warn(
            f"The Newton rounds stopped at a KKT residual of {residual:.1e}, above tol={tol:g}. "
            "Raise max_iter or tol, or use solve_socp, which expands the loss once, around the "
            "uniform mean.",
            ConvergenceWarning,
            stacklevel=3,
        )
    solution = SOCPSolution(
        weights=w,
        objective=problem.objective(w) + problem.constant - exact.uniform.constant,
        status="optimal" if residual <= tol else "inaccurate",
        kkt_residual=residual,
        duality_gap=exact.duality_gap(problem, w),
        solver="re-centered",
        alpha=alpha,
        lam=penalty / exact.uniform.penalty_max,
        penalty=penalty,
    )
    return ExactEntropySolution(solution, problem, n_rounds)


class _ExactLoss:
    """The penalized loss of all predictions, and its expansions."""

    def __init__(
        self,
        P: ArrayLike | Predictions,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        alpha: float,
        costs: ArrayLike | None,
    ) -> None:
        self.P: Any = as_predictions(P)
        check_shape(self.P, "P")
        _, N, C = self.P.shape
        self.y = check_labels(y, N, C)
        self.weight = check_weights("sample_weight", sample_weight, N)
        self.alpha = alpha
        stats = EnsembleStatistics.from_blocks(self.blocks())
        #: The expansion around the uniform mean, whose costs and penalty all expansions share.
        self.uniform = SOCPProblem.from_statistics(stats, alpha, costs=costs)

    def blocks(self) -> Iterator[tuple]:
        M, _, C = self.P.shape
        for part, block in sample_blocks(self.P, _BLOCK_BYTES, 8 * M * C):
            yield np.asarray(block, dtype=np.float64), self.y[part], self.weight[part]

    def expand(self, w: NDArray[np.float64]) -> SOCPProblem:
        """The quadratic with the loss's value, gradient and curvature at w."""
        stats = EnsembleStatistics.from_blocks(self.blocks(), reference=w)
        problem = SOCPProblem.from_statistics(stats, self.alpha, costs=self.uniform.costs)
        return problem.with_penalty(self.uniform.penalty)

    def residual(self, problem: SOCPProblem, w: NDArray[np.float64]) -> float:
        """KKT residual of the loss at w, around which the problem is its expansion."""
        gradient = problem.gradient(w) / self.uniform.max_descent_rate
        return float(np.abs(np.minimum(w, gradient)).max())

    def search(
        self, problem: SOCPProblem, w: NDArray[np.float64], target: NDArray[np.float64]
    ) -> float:
        """The step from w towards the target with the lowest loss; 0 if none lowers it."""
        direction = target - w
        slope = float(problem.gradient(w) @ direction)
        curvature = float(direction @ problem.quadratic @ direction)
        change = _STEPS * slope + _STEPS**2 * curvature
        if self.alpha < 1:
            change += (1 - self.alpha) * self._beyond_second_order(w, target)
        best = int(change.argmin())
        return float(_STEPS[best]) if change[best] < 0 else 0.0

    def _beyond_second_order(
        self, w: NDArray[np.float64], target: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Mean of s log s minus its expansion around m = Pw, at each step of the search."""
        C = self.P.shape[2]
        total = np.zeros(len(_STEPS))
        for P, _, weight in self.blocks():
            here, there = np.stack([w, target]) @ P.reshape(len(w), -1)
            each = np.repeat(weight, C)
            for k, step in enumerate(_STEPS):
                total[k] += each @ _remainder(here, here + step * (there - here))
        return total / (float(self.weight.sum()) * C)

    def duality_gap(self, problem: SOCPProblem, w: NDArray[np.float64]) -> float:
        """Loss at w minus a lower bound: a convex loss is above its tangent at any v >= 0."""
        # Where the gradient g at v is non-negative, that bound is the loss at v minus g'v.
        v, at_v, gradient = w, problem, problem.gradient(w)
        negative = gradient < 0
        if negative.any():
            rise = 2 * (problem.quadratic @ w)[negative]  # the gradient grows with the scale of w
            if rise.min() <= 0:
                return np.inf
            share = float((-gradient[negative] / rise).max())
            v = w * (1 + 1.1 * share + 1e-12)  # a little more, for its curvature and rounding
            at_v = self.expand(v)
            gradient = at_v.gradient(v)
        if gradient.min() < 0:
            return np.inf
        gap = problem.objective(w) - at_v.objective(v) + problem.constant - at_v.constant
        return gap + float(v @ gradient)


def _remainder(m: NDArray[np.float64], s: NDArray[np.float64]) -> NDArray[np.float64]:
    """``s log s`` minus its second-order expansion around m, both extended below the floor."""
    center = np.maximum(m, REFERENCE_FLOOR)
    r = np.maximum(s, REFERENCE_FLOOR) / center - 1
    # (1 + r) log(1 + r) - r - r^2 / 2, which is small where s is near m, and accurate there.
    beyond = center * ((1 + r) * np.log1p(r) - r - r * r / 2)
    below = s < REFERENCE_FLOOR
    if below.any():  # there s log s is its expansion around the floor e
        e, c, s = REFERENCE_FLOOR, center[below], s[below]
        beyond[below] = s * np.log(e / c) + s * s / 2 * (1 / e - 1 / c) + (c - e) / 2
    return beyond
