"""The active-set method of Lawson and Hanson: the program for one penalty, exactly.

It works on the normal equations (Bro and de Jong 1997) and so needs only Q and c. With more
members than predictions c can be outside the range of Q, and then no least-squares form of the
program exists.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dposv

__all__ = ["minimize_active_set", "solve_semidefinite"]

# Gradients above this share of the steepest descent at w = 0 count as non-negative.
_TOLERANCE = 1e-12


def minimize_active_set(
    Q: NDArray[np.float64], q: NDArray[np.float64], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Minimize ``w'Qw + q'w`` over ``w >= 0``; the caller checks the optimality conditions.

    It runs faster on one BLAS thread, to which the caller limits it: that takes as long as a few
    of its steps.
    """
    # Q must be positive semi-definite, and w'Qw > 0 for every w >= 0 but zero, so that the
    # minimum exists. Products of probabilities are non-negative; for regressors the columns of
    # ones ensure it. Otherwise Q may be singular.
    w = np.maximum(start, 0.0)
    w, active = _descend(Q, q, w, w > 0)
    # Not max|q|: a large penalty on one member would hide the gradients of all others.
    tolerance = _TOLERANCE * max(float(-q.min()), np.finfo(float).tiny)
    rejected = np.zeros(len(q), dtype=bool)
    for _ in range(10 * len(q) + 100):
        gradient = np.where(active | rejected, np.inf, 2 * (Q @ w) + q)
        entering = gradient.argmin()
        # While all weights are zero the gradient is q itself, without rounding.
        if gradient[entering] >= (-tolerance if active.any() else 0.0):
            break
        trial = active.copy()
        trial[entering] = True
        w, now_active = _descend(Q, q, w, trial)
        # Rounding can remove a member as soon as it enters: reject it until the set changes.
        unchanged = (now_active == active).all()
        rejected[:] = rejected & unchanged
        rejected[entering] = unchanged
        active = now_active
    return w


def _descend(
    Q: NDArray[np.float64],
    q: NDArray[np.float64],
    w: NDArray[np.float64],
    active: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Go to the minimum on the active members, and drop those whose weight reaches zero."""
    w, active = w.copy(), active.copy()
    while active.any():
        index = np.flatnonzero(active)
        target = solve_semidefinite(Q[np.ix_(index, index)], -q[index] / 2)
        if target.min() > 0:
            w[:] = 0
            w[index] = target
            return w, active
        here = w[index]
        blocking = target <= 0
        step = np.min(here[blocking] / np.maximum(here[blocking] - target[blocking], 1e-300))
        here = here + step * (target - here)
        # The member that limits the step leaves, with all others that reach zero there.
        leaving = blocking & (here <= 1e-14 * max(1.0, here.max()))
        if not leaving.any():
            leaving[np.flatnonzero(blocking)[here[blocking].argmin()]] = True
        here[leaving] = 0
        w[index] = here
        active[index[leaving]] = False
    w[:] = 0
    return w, active


def solve_semidefinite(A: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve ``Ax = b`` for a positive semi-definite A, by Cholesky's method."""
    # LAPACK itself: on systems of ten members the wrappers cost more than the solution.
    _, x, info = dposv(A, b)
    if info == 0:
        return x
    # A is singular up to rounding. A ridge of that size turns a direction without curvature
    # into a very long step, which the bounds then shorten.
    ridge = max(np.trace(A) * np.finfo(float).eps, np.finfo(float).tiny)
    ridged = A.copy()
    while info and np.isfinite(ridge):
        ridged[np.diag_indices_from(ridged)] = np.diagonal(A) + ridge
        _, x, info = dposv(ridged, b)
        ridge *= 10
    return x
