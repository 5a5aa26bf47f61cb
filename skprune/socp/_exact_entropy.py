"""The exact loss (3): its expansion is centred again on each solution, until they agree."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning

from ..utils import (
    Predictions,
    ReprHTML,
    as_predictions,
    check_alpha,
    check_lam,
    is_finite,
    is_integer,
    with_one_blas_thread,
)
from ._active_set import minimise_active_set
from ._problem import SOCPProblem, check_member_left
from ._solution import SOCPSolution
from ._statistics import REFERENCE_FLOOR, EnsembleStatistics
from ._validation import check_labels, check_shape, check_weights

__all__ = ["ExactEntropySolution", "solve_exact_entropy"]

# Bytes of predictions in a block.
_BLOCK_BYTES = 2**24
# Shares of Newton's step that the line search compares, all in one reading of P.
_STEPS = 2.0 ** -np.arange(30)


@dataclass(frozen=True, eq=False)
class ExactEntropySolution(ReprHTML):
    """Weights that are optimal for the exact Shannon entropy.

    Attributes
    ----------
    solution : SOCPSolution
        The weights and their certificate, as :func:`solve_socp` returns them: objective, KKT
        residual and duality gap are those of the exact loss. ``objective`` is the penalised
        loss less the ``constant`` that the expansion round the uniform mean has, so it can
        be compared with what :func:`solve_socp` reports.
    problem : SOCPProblem
        The expansion round the solution, of which the weights are optimal too; its path is
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
    """Minimise the loss (3) itself, with the entropy of the mixture not expanded.

    Newton's method: the expansion of :func:`solve_socp` is centred again on the mixture of
    its own solution. Each round reads all predictions twice, once for the expansion and once
    to see how far along the step the loss falls. Entropy below a probability of 1e-10 is
    continued by its expansion there, which moves the loss by less than 1e-10.

    Parameters
    ----------
    P : array-like or PredictionStore of shape (M, N, C)
        Probabilities: member, sample, class. What lies in a file is read block by block; all is
        computed in float64.
    y : array-like of shape (N,)
        True classes, integers in 0 .. C - 1.
    alpha : float, default=0.5
        Weight of accuracy, in [0, 1]; 1 - alpha is that of diversity.
    lam : float, default=0.1
        Penalty, relative to the smallest one at which :func:`solve_socp` leaves no member:
        the exact loss itself falls without bound at w = 0, and always keeps some.
    sample_weight : array-like of shape (N,), default=None
        Non-negative weights of the samples, not all zero.
    costs : array-like of shape (M,), default=None
        Positive cost of each member; only their ratios matter.
    relative : bool, default=True
        Whether ``lam`` is relative.
    max_iter : int, default=100
        Bound on the rounds.
    tol : float, default=1e-8
        KKT residual at which the weights count as optimal.

    Returns
    -------
    ExactEntropySolution

    Raises
    ------
    ValueError
        If the predictions, labels or parameters are unusable.
    TypeError
        If P does not hold real numbers.
    NoMemberLeftError
        If the expansion round the uniform mean keeps no member.

    Warns
    -----
    ConvergenceWarning
        If the rounds ran out before the tolerance was met.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import solve_exact_entropy
    >>> P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    >>> found = solve_exact_entropy(P, [0, 1], alpha=0.9, lam=0.5)
    >>> found.solution.solver, found.solution.status
    ('re-centred', 'optimal')
    """
    alpha = check_alpha(alpha)
    lam = check_lam(lam, upper=1.0 if relative else float("inf"))
    if not is_integer(max_iter) or max_iter < 0:
        raise ValueError(f"max_iter must be an integer of at least 0; got {max_iter!r}.")
    if not is_finite(tol) or tol < 0:
        raise ValueError(f"tol must be a finite number of at least 0; got {tol!r}.")
    data = _Predictions.check(P, y, sample_weight)
    uniform = SOCPProblem.from_statistics(data.statistics(None), alpha, costs=costs)
    uniform = uniform.with_penalty(lam * uniform.penalty_max if relative else lam)
    check_member_left(uniform, alpha)

    exact = _ExactLoss(data, alpha, uniform)
    w = np.full(data.n_members, 1 / data.n_members)
    problem, n_rounds = exact.expand(w), 0
    while exact.residual(problem, w) > tol and n_rounds < max_iter:
        n_rounds += 1
        target = minimise_active_set(problem.quadratic, problem.penalised_linear, w)
        step = exact.search(problem, w, target)
        if step == 0:  # nothing but rounding left to gain
            break
        w = target if step == 1 else w + step * (target - w)
        problem = exact.expand(w)
    return ExactEntropySolution(exact.certify(problem, w, tol), problem, n_rounds)


@dataclass(frozen=True, eq=False)
class _Predictions:
    """Checked predictions, to be read block by block as often as need be."""

    P: Predictions
    y: NDArray[np.intp]
    weight: NDArray[np.float64] | None

    @classmethod
    def check(cls, P: Any, y: ArrayLike, sample_weight: ArrayLike | None) -> "_Predictions":
        P = as_predictions(P)
        check_shape(P, "P")
        labels = check_labels(y, P.shape[1], P.shape[2])
        weight = (
            None
            if sample_weight is None
            else check_weights("sample_weight", sample_weight, P.shape[1])
        )
        return cls(P, labels, weight)

    @property
    def n_members(self) -> int:
        return self.P.shape[0]

    def blocks(self) -> Iterator[tuple]:
        M, N, C = self.P.shape
        step = max(1, _BLOCK_BYTES // (8 * M * C))
        for start in range(0, N, step):
            part = slice(start, start + step)
            block = np.asarray(self.P[:, part], dtype=np.float64)
            weight = np.ones(block.shape[1]) if self.weight is None else self.weight[part]
            yield block, self.y[part], weight

    def statistics(self, reference: NDArray[np.float64] | None) -> EnsembleStatistics:
        return EnsembleStatistics.from_blocks(self.blocks(), reference=reference)


class _ExactLoss:
    """The penalised loss, its expansions and what its optimality is measured by."""

    def __init__(self, data: _Predictions, alpha: float, uniform: SOCPProblem) -> None:
        self.data, self.alpha, self.uniform = data, alpha, uniform

    def expand(self, w: NDArray[np.float64]) -> SOCPProblem:
        """The quadratic that has the loss's value, gradient and curvature at w."""
        stats = self.data.statistics(w)
        problem = SOCPProblem.from_statistics(stats, self.alpha, costs=self.uniform.costs)
        return problem.with_penalty(self.uniform.penalty)

    def residual(self, problem: SOCPProblem, w: NDArray[np.float64]) -> float:
        """KKT residual of the loss at the centre of its expansion."""
        return float(np.abs(np.minimum(w, problem.gradient(w) / self.uniform.steepest)).max())

    def search(
        self, problem: SOCPProblem, w: NDArray[np.float64], target: NDArray[np.float64]
    ) -> float:
        """The step from w towards the target after which the loss is least; 0 if none helps."""
        along = target - w
        slope = float(problem.gradient(w) @ along)
        change = _STEPS * slope + _STEPS**2 * float(along @ problem.quadratic @ along)
        if self.alpha < 1:
            change += (1 - self.alpha) * self._beyond_second_order(w, target)
        best = int(change.argmin())
        return float(_STEPS[best]) if change[best] < 0 else 0.0

    def _beyond_second_order(
        self, w: NDArray[np.float64], target: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Mean of s log s less its expansion round m = Pw, at each step of the search."""
        total, weight_sum, n_classes = np.zeros(len(_STEPS)), 0.0, self.data.P.shape[2]
        for P, _, weight in self.data.blocks():
            here, there = np.stack([w, target]) @ P.reshape(len(w), -1)
            each = np.repeat(weight, n_classes)
            for k, step in enumerate(_STEPS):
                total[k] += each @ _remainder(here, here + step * (there - here))
            weight_sum += float(weight.sum())
        return total / (weight_sum * n_classes)

    def certify(self, problem: SOCPProblem, w: NDArray[np.float64], tol: float) -> SOCPSolution:
        residual, penalty = self.residual(problem, w), self.uniform.penalty
        if residual > tol:
            warnings.warn(
                f"The re-centring stopped at a KKT residual of {residual:.1e}, above "
                f"tol={tol:g}. Raise max_iter or tol, or use solve_socp, whose expansion round "
                "the uniform mean needs no rounds.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return SOCPSolution(
            weights=w,
            objective=problem.objective(w) + problem.constant - self.uniform.constant,
            status="optimal" if residual <= tol else "inaccurate",
            kkt_residual=residual,
            duality_gap=self._duality_gap(problem, w),
            solver="re-centred",
            alpha=self.alpha,
            lam=penalty / self.uniform.penalty_max,
            penalty=penalty,
        )

    def _duality_gap(self, problem: SOCPProblem, w: NDArray[np.float64]) -> float:
        """Loss at w less a bound from below: convex, it lies above its tangent at any v >= 0.

        Where its gradient g at v is non-negative, that bound is the loss at v less g'v.
        """
        v, at_v, gradient = w, problem, problem.gradient(w)
        falls = gradient < 0
        if falls.any():
            rise = 2 * (problem.quadratic @ w)[falls]  # the gradient grows with the scale of w
            if rise.min() <= 0:
                return np.inf
            share = float((-gradient[falls] / rise).max())
            v = w * (1 + 1.1 * share + 1e-12)  # a little more, for its curvature and rounding
            at_v = self.expand(v)
            gradient = at_v.gradient(v)
        if gradient.min() < 0:
            return np.inf
        gap = problem.objective(w) - at_v.objective(v) + problem.constant - at_v.constant
        return gap + float(v @ gradient)


def _remainder(m: NDArray[np.float64], s: NDArray[np.float64]) -> NDArray[np.float64]:
    """``s log s`` less its second-order expansion round m, both continued below the floor."""
    centre = np.maximum(m, REFERENCE_FLOOR)
    r = np.maximum(s, REFERENCE_FLOOR) / centre - 1
    # (1 + r) log(1 + r) - r - r^2 / 2, which is small where s is near m: exact there too.
    beyond = centre * ((1 + r) * np.log1p(r) - r - r * r / 2)
    below = s < REFERENCE_FLOOR
    if below.any():  # there s log s is its expansion round the floor e
        e, c, s = REFERENCE_FLOOR, centre[below], s[below]
        beyond[below] = s * np.log(e / c) + s * s / 2 * (1 / e - 1 / c) + (c - e) / 2
    return beyond
