"""The convex quadratic f of equation (6) and the optimality conditions of (7)."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..exceptions import NoMemberLeftError
from ..utils import ReprHTML, StrOptions, check_parameters, with_one_blas_thread
from ._active_set import minimize_active_set
from ._statistics import EnsembleStatistics
from ._validation import check_costs

__all__ = [
    "SOCPProblem",
    "check_member_left",
    "join_signs",
    "nearest_semidefinite",
    "relative_costs",
    "split_signs",
]

# Curvature of the term that pulls the sum of the weights to one, relative to that of f.
_STIFFNESS = 1e4


@dataclass(frozen=True, eq=False)
class SOCPProblem(ReprHTML):
    """Minimize ``w'Qw + c'w + penalty * costs'|w|`` over ``w >= 0``: equations (7) and (8).

    Up to ``constant`` this is the loss of equation (3), with the entropy of the mixture
    expanded to second order around the uniform mean of the members, plus the penalty.

    Parameters
    ----------
    quadratic : ndarray of shape (M, M)
        Q, symmetric positive semi-definite.
    linear : ndarray of shape (M,)
        The vector c.
    penalty : float
        The absolute penalty, lambda in equations (5) to (8).
    constant : float
        Constant term of f, so that ``f(w) = w'Qw + c'w + constant``.
    costs : ndarray of shape (M,), default=None
        Costs of the members, relative to their mean: the penalty of member i is
        ``penalty * costs[i]``. None means ones.
    positive : bool, default=True
        Whether weights must not be negative; otherwise their signs are free.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import EnsembleStatistics, SOCPProblem
    >>> P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    >>> stats = EnsembleStatistics.from_predictions(P, [0, 1])
    >>> problem = SOCPProblem.from_statistics(stats, alpha=0.9)
    >>> half = problem.with_penalty(problem.penalty_max / 2)
    >>> w = np.array([0.526, 0.0])
    >>> half.kkt_residual(w) < 1e-2, round(half.objective(w), 3)
    (True, -0.101)
    """

    quadratic: NDArray[np.float64]
    linear: NDArray[np.float64]
    penalty: float
    constant: float
    costs: NDArray[np.float64] = None  # type: ignore[assignment]
    positive: bool = True

    def __post_init__(self) -> None:
        if self.costs is None:
            object.__setattr__(self, "costs", np.ones(len(self.linear)))

    @classmethod
    def from_statistics(
        cls,
        stats: EnsembleStatistics,
        alpha: float,
        penalty: float = 0.0,
        *,
        diversity: str = "shannon",
        costs: ArrayLike | None = None,
        positive: bool = True,
    ) -> "SOCPProblem":
        """Compute Q and c from the statistics for one trade-off alpha.

        Parameters
        ----------
        stats : EnsembleStatistics
            Statistics of the calibration predictions.
        alpha : float
            Weight of the squared error; 1 - alpha is that of the diversity.
        penalty : float, default=0.0
            Absolute penalty.
        diversity : {"shannon", "gini", "first-order"}, default="shannon"
            The H of equation (3): ``-x log x``, expanded to second order, or ``x (1 - x)``,
            for which f is exact; or ``-x log x`` to first order only, which is (8) as printed and
            needs alpha > 0. Regression supports "gini" only.
        costs : array-like of shape (M,), default=None
            Positive cost of each member; only their ratios matter.
        positive : bool, default=True
            Whether weights must not be negative. Only those of regressors may be, with alpha 1:
            then f is the squared error.

        Returns
        -------
        SOCPProblem

        Raises
        ------
        ValueError
            If ``diversity`` is unknown or needs probabilities or a larger alpha, the costs are
            invalid, or weights may be negative where they must not.
        TypeError
            If ``stats`` is not EnsembleStatistics.
        """
        constraints = {
            "stats": [EnsembleStatistics],
            "diversity": [StrOptions({"shannon", "gini", "first-order"})],
            "positive": ["boolean"],
        }
        given = {"stats": stats, "diversity": diversity, "positive": positive}
        check_parameters("SOCPProblem.from_statistics", constraints, **given)
        if not positive and stats.kind == "classes":
            raise ValueError(
                "positive=False is for regression: a vote of classifiers with negative weights "
                "gives no probabilities. Give positive=True."
            )
        if not positive and alpha < 1:
            raise ValueError(
                f"positive=False needs alpha=1; got {alpha:g}: the diversity of members with free "
                "signs has no bound."
            )
        relative = relative_costs(costs, stats.n_members)
        if not positive:
            # The columns of ones bound the program of non-negative weights, whose sum they draw to
            # one; here weights may cancel each other.
            quadratic = 2 * stats.gram - 1
            linear = -2 * (2 * stats.agreement - 1)
            constant = 2 * stats.target_power - 1
        elif diversity == "gini":
            # H(x) = x (1 - x) in (3): both terms are quadratic, and the curvatures add to G.
            quadratic = stats.gram
            linear = -2 * alpha * stats.agreement - (1 - alpha) * np.diagonal(stats.gram)
            constant = alpha * stats.target_power + (1 - alpha)
        elif stats.reference_gram is None or stats.divergence is None:
            raise ValueError(
                f"diversity={diversity!r} needs probabilities, which regressors do not predict: "
                "use diversity='gini'."
            )
        elif diversity == "first-order":
            if alpha == 0:
                raise ValueError(
                    "diversity='first-order' needs alpha > 0: without accuracy it is linear."
                )
            # (8) as printed: the entropy gives a linear term only.
            quadratic = alpha * stats.gram
            linear = -2 * alpha * stats.agreement - (1 - alpha) * stats.divergence
            constant = alpha * stats.target_power
        else:
            # The second-order expansion of (3) is f(w) = w'Qw + c'w + constant.
            quadratic = alpha * stats.gram + (1 - alpha) / 2 * stats.reference_gram
            linear = -2 * alpha * stats.agreement - (1 - alpha) * stats.divergence
            constant = alpha * stats.target_power + (1 - alpha) * (1 - stats.reference_mass / 2)
        quadratic = nearest_semidefinite(quadratic)
        return cls(quadratic, linear, penalty, constant, relative, bool(positive))

    def with_penalty(self, penalty: float) -> "SOCPProblem":
        """Return the problem with another absolute penalty.

        Parameters
        ----------
        penalty : float
            Absolute penalty.

        Returns
        -------
        SOCPProblem
        """
        return replace(self, penalty=penalty)

    def summing_to_one(self) -> "SOCPProblem":
        """Return the problem without penalty and with weights that sum to one, to about 1e-4.

        Votes do not depend on the scale of the weights, but f does: without this, the optimum
        can gain by scaling the weights, which changes no vote. A quadratic term much stiffer
        than f pulls the sum to one, so that every solver can be used unchanged.

        Returns
        -------
        SOCPProblem
        """
        stiff = _STIFFNESS * float(np.diagonal(self.quadratic).mean())
        return replace(
            self,
            quadratic=self.quadratic + stiff,
            linear=self.linear - 2 * stiff,
            penalty=0.0,
            constant=self.constant + stiff,
        )

    def of_halves(self) -> "SOCPProblem":
        """Return the program for the positive and the negative parts of the weights.

        Of each member one part is zero in its solutions, which are those of this program.

        Returns
        -------
        SOCPProblem
            Of twice as many members, if the signs are free; else this one. See
            :func:`split_signs` and :func:`join_signs`.
        """
        if self.positive:
            return self
        Q, c = self.quadratic, self.linear
        return replace(
            self,
            quadratic=np.block([[Q, -Q], [-Q, Q]]),
            linear=np.concatenate([c, -c]),
            costs=np.tile(self.costs, 2),
            positive=True,
        )

    @property
    def penalized_linear(self) -> NDArray[np.float64]:
        """The linear term with the penalty, ``c + penalty * costs``."""
        return self.linear + self.penalty * self.costs

    @cached_property
    def penalty_max(self) -> float:
        """Smallest penalty at which w = 0 is optimal, ``lambda_max``; 0 if it always is."""
        return max(0.0, float((self._descent / self.costs).max()))

    @cached_property
    def max_descent_rate(self) -> float:
        """Rate of descent of f at w = 0 along its best member, the unit of KKT residuals."""
        return max(0.0, float(self._descent.max()))

    @property
    def _descent(self) -> NDArray[np.float64]:
        """Rate of descent of f at w = 0 along each member."""
        return -self.linear if self.positive else np.abs(self.linear)

    @cached_property
    def factor(self) -> NDArray[np.float64]:
        """R of shape (rank, M) with Q = R'R: the transposed Cholesky factor, L' in (8)."""
        try:
            return np.asarray(np.linalg.cholesky(self.quadratic).T, dtype=np.float64)
        except np.linalg.LinAlgError:
            values, vectors = np.linalg.eigh(self.quadratic)
            kept = values > values[-1] * len(values) * np.finfo(float).eps
            return np.asarray(np.sqrt(values[kept])[:, None] * vectors[:, kept].T)

    def gradient(self, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gradient of the penalized objective at w >= 0.

        Parameters
        ----------
        w : ndarray of shape (M,)
            Weights.

        Returns
        -------
        ndarray of shape (M,)
            ``2Qw + c + penalty * costs``; where signs are free, the penalty with that of each
            weight.
        """
        sign = 1.0 if self.positive else np.sign(w)
        return 2 * (self.quadratic @ w) + self.linear + sign * (self.penalty * self.costs)

    def objective(self, w: NDArray[np.float64]) -> float:
        """Penalized objective, without ``constant``.

        Parameters
        ----------
        w : ndarray of shape (M,)
            Weights.

        Returns
        -------
        float
            ``w'Qw + c'w + penalty * costs'|w|``.
        """
        size = w if self.positive else np.abs(w)
        return float(w @ (self.quadratic @ w + self.linear) + size @ (self.penalty * self.costs))

    def kkt_residual(self, w: NDArray[np.float64]) -> float:
        """Largest violation of optimality: ``max |min(w_i, gradient_i / max_descent_rate)|``.

        Zero exactly where w >= 0, gradient >= 0 and w_i gradient_i = 0, which for this
        convex program is optimality. Independent of the scale of the data and of the costs.

        Parameters
        ----------
        w : ndarray of shape (M,)
            Weights.

        Returns
        -------
        float
            Zero at the optimum; about 1e-16 with exact methods, up to 6e-6 with conic solvers.
        """
        if not self.positive:
            return self.of_halves().kkt_residual(split_signs(w))
        scale = max(self.max_descent_rate, np.finfo(float).tiny)
        return float(np.abs(np.minimum(w, self.gradient(w) / scale)).max())

    @with_one_blas_thread
    def duality_gap(self, w: NDArray[np.float64]) -> float:
        """Objective at w minus the dual objective at a feasible point near it, so >= 0.

        The dual is: maximize ``-v'Qv`` subject to ``2Qv + c + penalty * costs >= 0``. Where
        Qu > 0, w + delta u is dual feasible for a large enough delta: u = 1 works for
        probabilities, which are non-negative, and mostly for regressors too.

        Parameters
        ----------
        w : ndarray of shape (M,)
            Weights.

        Returns
        -------
        float
            Infinite if no such u is found.
        """
        if not self.positive:
            return self._gap_of_free_signs(w)
        u = np.ones(len(w))
        rise = self.quadratic.sum(axis=1)
        if rise.min() <= 0:  # if the minimum of u'Qu - 2 * 1'u over u >= 0 exists, Qu >= 1 there
            u = minimize_active_set(self.quadratic, np.full(len(w), -2.0), np.zeros(len(w)))
            rise = self.quadratic @ u
            if not rise.min() > 0:
                return np.inf
        delta = max(0.0, float((-self.gradient(w) / (2 * rise)).max()))
        v = w + delta * u
        return self.objective(w) + float(v @ self.quadratic @ v)

    def _gap_of_free_signs(self, w: NDArray[np.float64]) -> float:
        """The gap where the dual asks for ``|2Qv + c| <= penalty * costs``.

        The gradient vanishes at the minimum of f without penalty, towards which v moves from w
        until it is feasible.
        """
        free = np.linalg.lstsq(2 * self.quadratic, -self.linear, rcond=None)[0]
        scale = max(self.max_descent_rate, np.finfo(float).tiny)
        if np.abs(2 * (self.quadratic @ free) + self.linear).max() > 1e-9 * scale:
            return np.inf
        slope, allowed = np.abs(2 * (self.quadratic @ w) + self.linear), self.penalty * self.costs
        share = float(np.min(allowed / np.maximum(slope, np.finfo(float).tiny), initial=1.0))
        v = free + share * (w - free)
        return self.objective(w) + float(v @ self.quadratic @ v)


def split_signs(w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positive and negative parts (..., 2M) of weights (..., M)."""
    return np.concatenate([np.maximum(w, 0.0), np.maximum(-w, 0.0)], axis=-1)


def join_signs(halves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (..., M) from their positive and negative parts (..., 2M)."""
    positive, negative = np.split(halves, 2, axis=-1)
    return np.asarray(positive - negative)


def check_member_left(problem: SOCPProblem, alpha: float) -> None:
    """Refuse a program whose optimum is w = 0, before any solver is called."""
    if problem.max_descent_rate <= 1e-12:
        if alpha == 0:
            raise NoMemberLeftError(
                "No lam keeps a member at alpha=0: all members make the same predictions, so "
                "there is no diversity to reward. Use alpha > 0."
            )
        raise NoMemberLeftError(
            f"No lam keeps a member at alpha={alpha:g}: no member gives the true class any "
            f"probability{' and all agree' if alpha < 1 else ''}. Check that y belongs to these "
            "predictions."
        )
    if problem.penalty >= problem.penalty_max:
        raise NoMemberLeftError(
            f"lam={problem.penalty:g} leaves no member: at alpha={alpha:g} any absolute lam "
            f"below {problem.penalty_max:.6g} keeps at least one."
        )


def relative_costs(costs: ArrayLike | None, n_members: int) -> NDArray[np.float64]:
    """Costs of the members, divided by their mean; None gives ones."""
    relative = check_costs(costs, n_members)
    relative /= relative.max()  # so that no sum overflows
    relative /= relative.mean()
    return relative


@with_one_blas_thread
def nearest_semidefinite(Q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Q without the negative eigenvalues that rounding (float32) can leave in it."""
    try:
        np.linalg.cholesky(Q)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(Q)
        if values[0] < 0:
            Q = (vectors * np.maximum(values, 0)) @ vectors.T
            Q = (Q + Q.T) / 2
    return Q
