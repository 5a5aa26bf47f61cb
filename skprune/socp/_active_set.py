"""The program for one penalty, exactly: the active-set method of Lawson and Hanson.

Written in the normal equations (Bro and de Jong 1997), so that only Q and c are needed and
nothing is asked of the range of Q: with more members than predictions, c can lie outside it,
and a least-squares form of the same program would not exist.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dposv

from ..utils import with_one_blas_thread

__all__ = ["minimise_active_set", "solve_semidefinite"]


@with_one_blas_thread
def minimise_active_set(
    Q: NDArray[np.float64],
    q: NDArray[np.float64],
    start: NDArray[np.float64],
    *,
    tolerance: float = 1e-12,
    max_iter: int | None = None,
) -> NDArray[np.float64]:
    """Minimise ``w'Qw + q'w`` over ``w >= 0``.

    Q must be positive semi-definite, and ``w'Qw > 0`` for every w >= 0 but zero, so that no
    direction of descent is infinite. Probabilities see to it, whose products are not
    negative; so does the column of ones beside the predictions of regressors, whose products
    may be. Otherwise Q may be singular.

    Parameters
    ----------
    Q : ndarray of shape (M, M)
        Quadratic term.
    q : ndarray of shape (M,)
        Linear term, penalty included.
    start : ndarray of shape (M,)
        Where to begin; the nearer, the fewer steps. Zeros will do.
    tolerance : float, default=1e-12
        Gradients above ``tolerance * min(q)`` count as non-negative.
    max_iter : int, default=None
        Bound on the members brought in; ``10 * M + 100`` by default.

    Returns
    -------
    ndarray of shape (M,)
        The minimiser, or the best point when ``max_iter`` ran out: callers certify it.
    """
    w = np.maximum(start, 0.0)
    w, free = _descend(Q, q, w, w > 0)
    # Not max|q|: a large penalty on one member would hide the gradients of all others.
    tolerance = tolerance * max(float(-q.min()), np.finfo(float).tiny)
    refused = np.zeros(len(q), dtype=bool)
    for _ in range(10 * len(q) + 100 if max_iter is None else max_iter):
        gradient = np.where(free | refused, np.inf, 2 * (Q @ w) + q)
        entering = gradient.argmin()
        # While all weights are zero the gradient is q itself, free of rounding.
        if gradient[entering] >= (-tolerance if free.any() else 0.0):
            break
        trial = free.copy()
        trial[entering] = True
        w, free_now = _descend(Q, q, w, trial)
        # Rounding can throw a member out as soon as it came in: it waits for a change.
        stuck = (free_now == free).all()
        refused[:] = refused & stuck
        refused[entering] = stuck
        free = free_now
    return w


def _descend(
    Q: NDArray[np.float64],
    q: NDArray[np.float64],
    w: NDArray[np.float64],
    free: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Go to the minimiser on the free members, fixing at zero those that stand in the way."""
    w, free = w.copy(), free.copy()
    while free.any():
        index = np.flatnonzero(free)
        target = solve_semidefinite(Q[np.ix_(index, index)], -q[index] / 2)
        if target.min() > 0:
            w[:] = 0
            w[index] = target
            return w, free
        here = w[index]
        blocking = target <= 0
        step = np.min(here[blocking] / np.maximum(here[blocking] - target[blocking], 1e-300))
        here = here + step * (target - here)
        # The member that stopped the step leaves, and whoever reached zero with it.
        out = blocking & (here <= 1e-14 * max(1.0, here.max()))
        if not out.any():
            out[np.flatnonzero(blocking)[here[blocking].argmin()]] = True
        here[out] = 0
        w[index] = here
        free[index[out]] = False
    w[:] = 0
    return w, free


def solve_semidefinite(A: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve ``Ax = b`` for a positive semi-definite A, by Cholesky's method.

    Where A is singular to rounding, a ridge of that size makes the direction without
    curvature a very long step, which the bounds then cut off.

    Parameters
    ----------
    A : ndarray of shape (k, k)
        Positive semi-definite.
    b : ndarray of shape (k,) or (k, m)
        Right-hand side.

    Returns
    -------
    ndarray of the shape of b
    """
    # LAPACK itself: on systems of ten members the wrappers cost more than the solution.
    _, x, info = dposv(A, b)
    if info == 0:
        return x
    ridge = max(np.trace(A) * np.finfo(float).eps, np.finfo(float).tiny)
    ridged = A.copy()
    while info and np.isfinite(ridge):
        ridged[np.diag_indices_from(ridged)] = np.diagonal(A) + ridge
        _, x, info = dposv(ridged, b)
        ridge *= 10
    return x
