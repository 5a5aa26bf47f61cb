"""The only module that imports ``cma``, at the first search."""

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Evaluate", "cma_search"]

# A run that has not settled by then is cut off; what it found counts.
_MAX_ITERATIONS = 1000

#: From points of shape (n, d) to their violations and rewards, each of shape (n,).
Evaluate = Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]


def cma_search(
    evaluate: Evaluate,
    start: NDArray[np.float64],
    bounds: NDArray[np.float64],
    sigma: float,
    popsize: int,
    tolerance: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """One run of CMA-ES over a box.

    Only the order of points within a population counts for CMA-ES, so it is given their ranks:
    first the violation of limits, among equals the reward. No penalty has to be weighed
    against rewards of unknown size.

    Parameters
    ----------
    evaluate : callable
        From points of shape (n, d) to their violations and rewards, each of shape (n,).
    start : ndarray of shape (d,)
        Where to start, within the bounds.
    bounds : ndarray of shape (2, d)
        Lower and upper ends of the box, of the same width in all columns or nearly so.
    sigma : float
        Step to start with.
    popsize : int
        Points in a population, evaluated in one call.
    tolerance : float
        Step at which the run ends.
    rng : numpy Generator
        Private source of random numbers.

    Returns
    -------
    ndarray of shape (n, d)
        The best point of each population, in the order they came.
    """
    cma, d = _cma(), len(start)
    # CMA-ES's own way into the box, of a whole population at once: point by point, as its option
    # "bounds" has it, that is a third of the run.
    box = cma.BoundTransform(list(np.tile(bounds, popsize)))
    strategy = cma.CMAEvolutionStrategy(
        box.inverse(np.tile(start, popsize))[:d],
        sigma,
        {
            "popsize": popsize,
            # NaN leaves NumPy's global generator alone.
            "seed": np.nan,
            "randn": lambda *shape: rng.standard_normal(shape),
            "tolx": tolerance,
            # The best rank is always the same, which says nothing about convergence.
            "tolfunhist": -1,
            "tolfun": -1,
            "tolstagnation": np.inf,
            "maxiter": _MAX_ITERATIONS,
            "verbose": -9,
            "verb_log": 0,
            "signals_filename": "",
        },
    )
    best = []
    while not strategy.stop():
        population = strategy.ask()
        points = box.transform(np.ravel(population)).reshape(popsize, d)
        points = np.clip(points, bounds[0], bounds[1])
        violation, reward = evaluate(points)
        order = np.lexsort((-reward, violation))
        strategy.tell(population, np.argsort(order).tolist())
        best.append(points[order[0]])
    return np.asarray(best)


@cache
def _cma() -> Any:
    with warnings.catch_warnings():
        # It says that its plots need matplotlib; nothing here plots with it.
        warnings.simplefilter("ignore")
        import cma
    return cma
