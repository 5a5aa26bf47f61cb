"""The logarithmic pool: probabilities in proportion to ``prod_i p_i ** w_i``, by their log loss.

With ``l_i = log max(p_i, eps)`` less its mean over the classes, ``z = sum_i w_i l_i`` and
``q = softmax(z)``, the log loss ``L(w) = <logsumexp z - z_y>`` is convex in the exponents w (Genest
and Zidek 1986). Everything here is its value, gradient and Hessian for blocks of samples.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, softmax
from sklearn.exceptions import ConvergenceWarning

from ..exceptions import NoMemberLeftError
from ..utils import (
    Predictions,
    as_predictions,
    floored_logs,
    sample_blocks,
    select,
    with_one_blas_thread,
)
from ._active_set import minimize_active_set
from ._problem import SOCPProblem, check_member_left, nearest_semidefinite, relative_costs
from ._solve import SOCPSolution
from ._statistics import combined_means, combined_pairs, completed_means
from ._validation import check_labels, check_probabilities, check_shape, check_weights

__all__ = [
    "SCALES",
    "LogPoolStatistics",
    "fit_intercept",
    "fit_scale",
    "fit_temperature",
    "log_pool_problem",
    "refit_log_pool",
    "solve_log_pool",
]

# Bounds of a scale, and so of a temperature.
SCALES = (0.05, 20.0)
# Draws exponents to zero in the selection: without it, the few samples of a small calibration set
# are explained by one or two members with large exponents. Chosen on five pools and on 45 rows.
_RIDGE = 0.1
_BLOCK_BYTES = 2**24
# Logarithms are kept from one pass to the next if they take no more bytes than this.
_KEPT_BYTES = 2**27


@dataclass(frozen=True, eq=False)
class LogPoolStatistics:
    """Log loss of M members, expanded to second order around equal exponents ``scale / M``.

    Those of disjoint samples can be added, and those of a subset subtracted, if they have the same
    scale: give that of all samples to those of a fold.
    """

    loss: float  # L(w0)
    gradient: NDArray[np.float64]  # (M,), g_i = <E_q l_i - l_iy>
    hessian: NDArray[np.float64]  # (M, M), H_ik = <Cov_q(l_i, l_k)>
    scale: float  # s0, of w0 = (s0 / M) 1
    n_samples: int
    n_classes: int
    total_weight: float
    # (M, M), weights of the samples of each pair of members, where these differ
    pair_weight: NDArray[np.float64] | None = None

    @property
    def n_members(self) -> int:
        """Number of members M."""
        return len(self.gradient)

    @classmethod
    def from_predictions(
        cls,
        P: ArrayLike | Predictions,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        scale: float | None = None,
    ) -> "LogPoolStatistics":
        """Statistics of probabilities (M, N, C); the best scale of equal exponents by default."""
        pool = LogPool(P, y, sample_weight)
        scale = pool.equal_scale() if scale is None else float(scale)
        M, N, C = pool.P.shape
        loss, gradient, hessian = pool.expand(np.full(M, scale / M))
        return cls(loss, gradient, hessian, scale, N, C, float(pool.weight.sum()))

    def __add__(self, other: "LogPoolStatistics") -> "LogPoolStatistics":
        return self._combined(other, 1)

    def __radd__(self, other: int) -> "LogPoolStatistics":
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __sub__(self, other: "LogPoolStatistics") -> "LogPoolStatistics":
        return self._combined(other, -1)

    def _combined(self, other: "LogPoolStatistics", sign: int) -> "LogPoolStatistics":
        for name in ("n_members", "n_classes", "scale"):
            one, two = getattr(self, name), getattr(other, name)
            if one != two:
                raise ValueError(
                    f"Only statistics with the same {name} can be combined; got {one} and {two}. "
                    "Give from_predictions the scale of all samples."
                )
        if (self.pair_weight is None) != (other.pair_weight is None):
            raise ValueError("Statistics of out-of-bag predictions combine with each other only.")
        total = self.total_weight + sign * other.total_weight
        n_samples = self.n_samples + sign * other.n_samples
        if n_samples <= 0 or total <= 1e-9 * self.total_weight:
            raise ValueError("The difference of statistics leaves no sample.")
        means = {
            name: combined_means(self, other, sign, getattr(self, name), getattr(other, name))
            for name in ("loss", "gradient", "hessian")
        }
        return replace(
            self,
            **means,
            n_samples=n_samples,
            total_weight=total,
            pair_weight=combined_pairs(self, other, sign),
        )

    def completed(self) -> "LogPoolStatistics":
        """The same, with the mean of the others where no sample gives a value."""
        pairs = self.pair_weight
        if pairs is None or pairs.min() > 0:
            return self
        return replace(
            self,
            gradient=completed_means(self.gradient, pairs),
            hessian=completed_means(self.hessian, pairs),
        )


def log_pool_problem(
    stats: LogPoolStatistics,
    alpha: float = 1.0,
    *,
    ridge: float = _RIDGE,
    costs: ArrayLike | None = None,
) -> SOCPProblem:
    """The quadratic f of the log loss, accuracy (alpha) against ambiguity (1 - alpha).

    With h the diagonal of H at w0 and theta = w0'Hw0 / h'w0 (Heskes 1998, to second order)::

        L_a(w) = alpha L(w) + (1 - alpha) (w'Hw / 2 - theta h'w) + ridge w'w / 2
        f(w) = w'Qw + c'w + constant
        Q = (H + ridge I) / 2,  c = alpha (g - H w0) - (1 - alpha) theta h
    """
    H, M = stats.hessian, stats.n_members
    h, w0 = np.diagonal(H), np.full(M, stats.scale / M)
    curved = H @ w0
    theta = float(w0 @ curved) / max(float(h @ w0), np.finfo(float).tiny)
    return SOCPProblem(
        nearest_semidefinite(H / 2 + ridge / 2 * np.eye(M)),
        alpha * (stats.gradient - curved) - (1 - alpha) * theta * h,
        0.0,
        alpha * (stats.loss - float(stats.gradient @ w0) + float(w0 @ curved) / 2),
        relative_costs(costs, M),
    )


class LogPool:
    """The log loss of all exponents, read block by block.

    The targets are ``(1 - smoothing) Y + smoothing / C``.
    """

    def __init__(
        self,
        P: ArrayLike | Predictions,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        smoothed: bool = False,
    ) -> None:
        self.P: Any = as_predictions(P)
        check_shape(self.P, "P")
        _, N, C = self.P.shape
        if N == 0:
            raise ValueError("P has no sample: at least one calibration sample is needed.")
        self.y = check_labels(y, N, C)
        self.weight = check_weights("sample_weight", sample_weight, N)
        if not self.weight.any():
            raise ValueError("sample_weight sums to zero: at least one weight must be positive.")
        self.smoothing = _smoothing(self.weight) if smoothed else 0.0
        self._kept: list[tuple[slice, NDArray[np.float64]]] | None = None

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Logarithms l (M, n, C) of runs of samples, which sum to zero over the classes."""
        M, N, C = self.P.shape
        if self._kept is None and 8 * M * N * C <= _KEPT_BYTES:
            self._kept = list(self._computed_blocks())
        return self._computed_blocks() if self._kept is None else iter(self._kept)

    def _computed_blocks(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        M, _, C = self.P.shape
        for rows, block in sample_blocks(self.P, _BLOCK_BYTES, 8 * M * C):
            # In float32 if the predictions are; all that is formed of them is in float64.
            P = block.astype(np.result_type(np.float32, block.dtype), copy=False)
            check_probabilities(P)
            logs = floored_logs(P).astype(np.float64)
            logs -= logs.mean(axis=2, keepdims=True)
            yield rows, logs

    def of(self, members: NDArray[np.intp]) -> "LogPool":
        """The loss of the exponents of some members."""
        P = select(self.P, np.arange(self.P.shape[1]), members)
        return LogPool(P, self.y, self.weight, smoothed=self.smoothing > 0)

    def equal_scale(self) -> float:
        """The scale s of equal exponents s / M with the lowest loss, for smoothed targets."""
        mean = np.concatenate([logs.mean(axis=0) for _, logs in self.blocks()])
        return fit_scale(mean, self.y, self.weight)

    def expand(self, w: NDArray[np.float64]) -> tuple[float, NDArray, NDArray]:
        """L, its gradient (M,) and its Hessian (M, M) at w: one product for each block."""
        M = len(w)
        loss, gradient, hessian = 0.0, np.zeros(M), np.zeros((M, M))
        for rows, logs in self.blocks():
            weight, y = self.weight[rows], self.y[rows]
            z = np.tensordot(w, logs, 1)
            norm = logsumexp(z, axis=1)
            q = np.exp(z - norm[:, None])
            each, share = np.arange(len(y)), 1 - self.smoothing
            expected = np.einsum("mnc,nc->mn", logs, q)
            loss += float(weight @ (norm - share * z[each, y]))
            gradient += (expected - share * logs[:, each, y]) @ weight
            centered = logs - expected[:, :, None]
            centered *= np.sqrt(q * weight[:, None])
            flat = centered.reshape(M, -1)
            hessian += flat @ flat.T
        total = float(self.weight.sum())
        return loss / total, gradient / total, hessian / total

    def gradient(self, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gradient of L at w, (M,)."""
        gradient = np.zeros(len(w))
        for rows, logs in self.blocks():
            weight, y = self.weight[rows], self.y[rows]
            off = softmax(np.tensordot(w, logs, 1), axis=1)
            off[np.arange(len(y)), y] -= 1 - self.smoothing
            gradient += logs.reshape(len(w), -1) @ (off * weight[:, None]).ravel()
        return gradient / float(self.weight.sum())

    def loss(self, w: NDArray[np.float64]) -> float:
        """L at w."""
        total, share = 0.0, 1 - self.smoothing
        for rows, logs in self.blocks():
            z = np.tensordot(w, logs, 1)
            true = z[np.arange(len(z)), self.y[rows]]
            total += float(self.weight[rows] @ (logsumexp(z, axis=1) - share * true))
        return total / float(self.weight.sum())


def _smoothing(weight: NDArray[np.float64]) -> float:
    """One in the number of samples; a sample of weight two counts as two."""
    return 1 / max(float(weight.sum()), float(np.count_nonzero(weight)))


def fit_scale(
    z: NDArray,
    y: NDArray[np.intp],
    sample_weight: ArrayLike | None = None,
    *,
    smoothed: bool = True,
) -> float:
    """The s in [0.05, 20] for which ``softmax(s z)``, z (N, C), has the lowest log loss."""
    weight = check_weights("sample_weight", sample_weight, len(z))
    smoothing = _smoothing(weight) if smoothed else 0.0
    z = z - z.max(axis=1, keepdims=True)
    true = (1 - smoothing) * z[np.arange(len(z)), y] + smoothing * z.mean(axis=1)
    aim, s, low, high = float(weight @ true), 1.0, 0.0, np.inf
    for _ in range(100):
        q = np.exp(s * z)
        norm = q.sum(axis=1)
        q *= z
        mean = q.sum(axis=1) / norm
        slope = float(weight @ mean) - aim
        curvature = float(weight @ (np.einsum("nc,nc->n", q, z) / norm - mean**2))
        low, high = (s, high) if slope < 0 else (low, s)
        # Newton's step, or the middle of the bounds where it leaves them.
        target = float(np.clip(s - slope / max(curvature, np.finfo(float).tiny), *SCALES))
        if target != s and not low < target < high:
            target = float(np.sqrt(low * high))
        if abs(target - s) <= np.sqrt(np.finfo(z.dtype).eps) * s:  # the next is exact
            return target
        s = target
    return s


def fit_temperature(
    q: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, *, smoothed: bool = True
) -> float:
    """The b in [0.05, 20] for which probabilities in proportion to ``q ** b`` have least log loss.

    ``q`` has shape (N, C); the targets are smoothed as in :func:`refit_log_pool`.
    """
    return fit_scale(floored_logs(np.asarray(q)), np.asarray(y), sample_weight, smoothed=smoothed)


def fit_intercept(
    z: NDArray,
    y: NDArray[np.intp],
    sample_weight: ArrayLike | None = None,
    *,
    ridge: float = 0.005,
) -> NDArray[np.float64]:
    """The b (C,), of sum zero, for which ``softmax(z + b)``, z (N, C), has the lowest log loss.

    The targets are smoothed as in :func:`refit_log_pool`, and ``ridge b'b / 2`` draws b to zero.
    """
    weight = check_weights("sample_weight", sample_weight, len(z))
    C, share, smoothing = z.shape[1], weight / weight.sum(), _smoothing(weight)
    target = (1 - smoothing) * np.bincount(y, share, C) + smoothing / C
    z = z.astype(np.float64) - z.max(axis=1, keepdims=True)

    def loss(b: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        q = np.exp(z + b)
        norm = q.sum(axis=1)
        q /= norm[:, None]
        return float(share @ np.log(norm) - target @ b + ridge / 2 * b @ b), q

    b = np.zeros(C)
    value, q = loss(b)
    for _ in range(100):
        mean = share @ q
        slope = mean - target + ridge * b
        if np.abs(slope).max() <= 1e-9:
            break
        # Newton's step, which keeps the sum of b at zero.
        hessian = np.diag(mean + ridge) - q.T @ (q * share[:, None])
        step = np.linalg.solve(hessian, slope)
        size, (found, q) = 1.0, loss(b - step)
        while found > value - 1e-4 * size * float(slope @ step) and size > 1e-9:
            size /= 2
            found, q = loss(b - size * step)
        b, value = b - size * step, found
    return b - b.mean()


def _minimize(
    pool: LogPool,
    share: float,
    A: NDArray[np.float64],
    a: NDArray[np.float64],
    start: NDArray[np.float64],
    *,
    unit: float,
    max_iter: int,
    tol: float,
) -> NDArray[np.float64]:
    """Minimize ``share L(w) + w'Aw + a'w`` over w >= 0, by Newton's method.

    It ends when the KKT residual, in the unit of its gradient, is at most ``tol``.
    """
    w = start
    steps, rounding = 2.0 ** -np.arange(30), 4 * np.finfo(float).eps
    for _ in range(max_iter):
        loss, gradient, hessian = pool.expand(w)
        slope = share * gradient + 2 * (A @ w) + a
        if np.abs(np.minimum(w, slope / unit)).max() <= tol:
            break
        Q = share * hessian / 2 + A
        target = minimize_active_set(Q, share * (gradient - hessian @ w) + a, w)
        direction = target - w
        value = share * loss + float(w @ A @ w + a @ w)
        for step in steps:  # the first that lowers the objective enough
            trial = np.maximum(w + step * direction, 0.0)
            found = share * pool.loss(trial) + float(trial @ A @ trial + a @ trial)
            # Near the optimum what a step gains is less than the rounding of the objective.
            if found <= value + 1e-4 * step * float(slope @ direction) + rounding * abs(value):
                break
        else:
            break
        w = trial
    return w


@with_one_blas_thread
def solve_log_pool(
    P: ArrayLike | Predictions,
    y: ArrayLike,
    alpha: float = 1.0,
    lam: float = 0.1,
    *,
    ridge: float = _RIDGE,
    stats: LogPoolStatistics | None = None,
    sample_weight: ArrayLike | None = None,
    costs: ArrayLike | None = None,
    max_iter: int = 100,
    tol: float = 1e-8,
) -> SOCPSolution:
    """Minimize the penalized L_a itself, re-centering its expansion by Newton's method.

    ``lam`` is relative to the penalty that leaves no member in the expansion around equal weights,
    from whose solution it starts; ``stats`` are those of these predictions, if they are known.
    """
    pool = LogPool(P, y, sample_weight)
    if stats is None:
        stats = LogPoolStatistics.from_predictions(P, y, sample_weight)
    first = log_pool_problem(stats, alpha, ridge=ridge, costs=costs)
    penalty = lam * first.penalty_max
    first = first.with_penalty(penalty)
    if first.max_descent_rate <= 1e-12:
        raise NoMemberLeftError(
            "No lam keeps a member of the logarithmic pool: none predicts y better than equal "
            "probabilities of all classes. Check that y belongs to these predictions."
        )
    check_member_left(first, alpha)
    M = stats.n_members
    # L_a without L, from its expansion around w0.
    A = first.quadratic - alpha * stats.hessian / 2
    w0 = np.full(M, stats.scale / M)
    a = first.penalized_linear - alpha * (stats.gradient - stats.hessian @ w0)
    unit = max(float(-(alpha * pool.gradient(np.zeros(M)) + a).min()), np.finfo(float).tiny)

    def value(w: NDArray[np.float64]) -> float:
        return alpha * pool.loss(w) + float(w @ A @ w + a @ w)

    # Where L is flat, the expansion may lead too far.
    found = minimize_active_set(first.quadratic, first.penalized_linear, np.zeros(M))
    w = min((found, w0.copy()), key=value)
    for _ in range(max_iter):
        slope = alpha * pool.gradient(w) + 2 * (A @ w) + a
        residual = float(np.abs(np.minimum(w, slope / unit)).max())
        if residual <= tol:
            break
        # Only members with a weight, or whose weight would lower L_a, take part.
        part = np.flatnonzero((w > 0) | (slope < 0))
        both = np.ix_(part, part)
        w[part] = _minimize(
            pool.of(part), alpha, A[both], a[part], w[part], unit=unit, max_iter=max_iter, tol=tol
        )
    if not w.any():
        raise NoMemberLeftError(
            f"lam={lam:g} leaves no member of the logarithmic pool: give a smaller one."
        )
    if residual > tol:
        warnings.warn(
            f"The Newton rounds stopped at a KKT residual of {residual:.1e}, above tol={tol:g}. "
            "Raise max_iter or tol.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return SOCPSolution(
        weights=w,
        objective=value(w) - first.constant,
        status="optimal" if residual <= tol else "inaccurate",
        kkt_residual=residual,
        duality_gap=np.nan,
        solver="re-centered",
        alpha=alpha,
        lam=lam,
        penalty=penalty,
    )


@with_one_blas_thread
def refit_log_pool(
    P: ArrayLike | Predictions,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    ridge: float = 0.02,
    max_iter: int = 100,
    tol: float = 1e-6,
) -> NDArray[np.float64]:
    """Exponents (M,) of members that are kept, without penalty.

    The targets are smoothed, ``(1 - 1/N) Y + 1/(NC)``, so that separable samples give finite
    exponents, and ``(ridge / 2) sum_i (w_i - mean w)^2`` draws them towards each other.
    """
    pool = LogPool(P, y, sample_weight, smoothed=True)
    M = len(pool.P)
    start = np.full(M, pool.equal_scale() / M)
    A = ridge / 2 * (np.eye(M) - 1 / M)
    zeros = np.zeros(M)
    unit = max(float(-pool.gradient(zeros).min()), np.finfo(float).tiny)
    return _minimize(pool, 1.0, A, zeros, start, unit=unit, max_iter=max_iter, tol=tol)
