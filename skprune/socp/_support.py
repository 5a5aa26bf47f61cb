"""Weights of chosen members, without the penalty that chose them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._active_set import minimise_active_set
from ._problem import SOCPProblem
from ._validation import check_instance

__all__ = ["solve_support"]


def solve_support(
    problem: SOCPProblem, support: ArrayLike, *, start: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Minimise f without any penalty over the weights of some members, the others at zero.

    Once the members are chosen the penalty has done its work and would only shrink: this is
    the relaxed lasso (Meinshausen 2007).

    Parameters
    ----------
    problem : SOCPProblem
        Its penalty is ignored.
    support : array-like of bool of shape (M,)
        The members that may have a weight.
    start : ndarray of shape (M,), default=None
        Weights near the answer, from which it is reached faster.

    Returns
    -------
    ndarray of shape (M,)
        Optimal weights; some of the members of the support may be left at zero too.

    Raises
    ------
    ValueError
        If ``support`` is not one boolean a member.
    TypeError
        If ``problem`` is not a SOCPProblem.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import EnsembleStatistics, SOCPProblem, solve_support
    >>> P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    >>> stats = EnsembleStatistics.from_predictions(P, [0, 1])
    >>> solve_support(SOCPProblem.from_statistics(stats, 0.9), [True, False]).round(3)
    array([1.052, 0.   ])
    """
    check_instance("problem", problem, SOCPProblem, "SOCPProblem.from_statistics")
    chosen = np.asarray(support)
    M = len(problem.linear)
    if chosen.shape != (M,) or chosen.dtype != bool:
        raise ValueError(
            f"support must be {M} booleans, one a member; got shape {chosen.shape} of "
            f"{chosen.dtype}."
        )
    w, index = np.zeros(M), np.flatnonzero(chosen)
    if len(index):
        Q, c = problem.quadratic[np.ix_(index, index)], problem.linear[index]
        w[index] = minimise_active_set(Q, c, w[index] if start is None else start[index])
    return w
