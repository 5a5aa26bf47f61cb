"""The convex quadratic f of equation (6) and the optimality conditions of (7)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..exceptions import NoMemberLeftError
from ._statistics import EnsembleStatistics

__all__ = ["SOCPProblem", "check_member_left"]


@dataclass(frozen=True, eq=False)
class SOCPProblem:
    """Minimise ``w'Qw + c'w + penalty * sum(w)`` over ``w >= 0``: equations (7) and (8).

    Up to ``constant`` this is the loss of equation (3), with the entropy of the mixture
    expanded to second order round the uniform mean of the members, plus the penalty.

    Parameters
    ----------
    quadratic : ndarray of shape (M, M)
        Q, symmetric positive semi-definite.
    linear : ndarray of shape (M,)
        c.
    penalty : float
        The absolute penalty, lambda in equations (5) to (8).
    constant : float
        What f adds to ``w'Qw + c'w``.
    """

    quadratic: NDArray[np.float64]
    linear: NDArray[np.float64]
    penalty: float
    constant: float

    @classmethod
    def from_statistics(
        cls, stats: EnsembleStatistics, alpha: float, penalty: float = 0.0
    ) -> "SOCPProblem":
        """Form Q and c from the statistics for one trade-off alpha.

        Parameters
        ----------
        stats : EnsembleStatistics
            Statistics of the calibration predictions.
        alpha : float
            Weight of the squared error; 1 - alpha is that of the diversity.
        penalty : float, default=0.0
            Absolute penalty.

        Returns
        -------
        SOCPProblem
        """
        # f(w) = w'Qw + c'w + const, the second-order expansion of (3).
        quadratic = alpha * stats.gram + (1 - alpha) / 2 * stats.reference_gram
        linear = -2 * alpha * stats.agreement - (1 - alpha) * stats.divergence
        C = stats.n_classes
        constant = alpha / C + (1 - alpha) * (1 - 1 / (2 * C))
        return cls(_nearest_semidefinite(quadratic), linear, penalty, constant)

    def with_penalty(self, penalty: float) -> "SOCPProblem":
        """The same f under another absolute penalty.

        Parameters
        ----------
        penalty : float
            Absolute penalty.

        Returns
        -------
        SOCPProblem
        """
        return SOCPProblem(self.quadratic, self.linear, penalty, self.constant)

    @property
    def penalty_max(self) -> float:
        """lambda_max, the smallest penalty at which w = 0 is optimal; 0 if it always is."""
        return max(0.0, float(-self.linear.min()))

    @cached_property
    def factor(self) -> NDArray[np.float64]:
        """R of shape (rank, M) with Q = R'R: the transposed Cholesky factor, L' in (8)."""
        try:
            factor = np.linalg.cholesky(self.quadratic).T.astype(np.float64, copy=False)
            return factor
        except np.linalg.LinAlgError:
            values, vectors = np.linalg.eigh(self.quadratic)
            kept = values > values[-1] * len(values) * np.finfo(float).eps
            return np.asarray(np.sqrt(values[kept])[:, None] * vectors[:, kept].T)

    def gradient(self, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gradient of the penalised objective at w >= 0.

        Parameters
        ----------
        w : ndarray of shape (M,)
            Weights.

        Returns
        -------
        ndarray of shape (M,)
        """
        return 2 * (self.quadratic @ w) + self.linear + self.penalty

    def objective(self, w: NDArray[np.float64]) -> float:
        """The penalised objective, without ``constant``.

        Parameters
        ----------
        w : ndarray of shape (M,)
            Weights, non-negative.

        Returns
        -------
        float
        """
        return float(w @ (self.quadratic @ w + self.linear + self.penalty))

    def kkt_residual(self, w: NDArray[np.float64]) -> float:
        """How far w is from optimal: ``max |min(w_i, gradient_i / lambda_max)|``.

        Zero exactly where w >= 0, gradient >= 0 and w_i gradient_i = 0, which for this
        convex program is optimality. Free of the scale of the data.

        Parameters
        ----------
        w : ndarray of shape (M,)
            Weights.

        Returns
        -------
        float
        """
        scale = max(self.penalty_max, np.finfo(float).tiny)
        return float(np.abs(np.minimum(w, self.gradient(w) / scale)).max())

    def duality_gap(self, w: NDArray[np.float64]) -> float:
        """Objective at w less the dual objective at a feasible point near it, so >= 0.

        The dual is: maximise ``-v'Qv`` subject to ``2Qv + c + penalty >= 0``. Predictions
        are non-negative, so Q1 > 0 and w + delta is dual feasible for delta large enough.

        Parameters
        ----------
        w : ndarray of shape (M,)
            Weights, non-negative.

        Returns
        -------
        float
            Infinite where the row sums of Q are not positive.
        """
        row_sums = self.quadratic.sum(axis=1)
        if row_sums.min() <= 0:
            return np.inf
        delta = max(0.0, float((-self.gradient(w) / (2 * row_sums)).max()))
        v = w + delta
        return self.objective(w) + float(v @ self.quadratic @ v)


def check_member_left(problem: SOCPProblem, alpha: float) -> None:
    """Refuse a penalty under which w = 0 is optimal, before any solver is called.

    Parameters
    ----------
    problem : SOCPProblem
        The program.
    alpha : float
        Named in the message.

    Raises
    ------
    NoMemberLeftError
        If no member would be left.
    """
    top = problem.penalty_max
    if top <= 1e-12:
        what = (
            "no member gives the true class any probability and all agree"
            if alpha < 1
            else "no member gives the true class any probability"
        )
        if alpha == 0:
            what = "all members make the same predictions, so there is no diversity to reward"
        raise NoMemberLeftError(
            f"No lam keeps a member at alpha={alpha:g}: {what}. "
            + ("Use alpha > 0." if alpha == 0 else "Check that y belongs to these predictions.")
        )
    if problem.penalty >= top:
        raise NoMemberLeftError(
            f"lam={problem.penalty:g} leaves no member: at alpha={alpha:g} any absolute lam "
            f"below {top:.6g} keeps at least one."
        )


def _nearest_semidefinite(Q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Q itself, or Q without the negative eigenvalues that rounding (float32) left in it."""
    try:
        np.linalg.cholesky(Q)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(Q)
        if values[0] < 0:
            Q = (vectors * np.maximum(values, 0)) @ vectors.T
            Q = (Q + Q.T) / 2
    return Q
