"""The one loop that times."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["time_rounds"]


def time_rounds(
    calls: Sequence[Callable[[], Any]], *, repeats: int, warm_up: int, there_and_back: bool = False
) -> NDArray[np.float64]:
    """Wall time of each call in each round; all calls in turn, so that noise meets all alike.

    Parameters
    ----------
    calls : sequence of callables without arguments
        What to time.
    repeats : int
        Rounds that count.
    warm_up : int
        Rounds before them that do not.
    there_and_back : bool, default=False
        Turn the order of the calls round after every round.

    Returns
    -------
    ndarray of shape (repeats, len(calls))
        Seconds.
    """
    times = np.empty((warm_up + repeats, len(calls)))
    order = list(range(len(calls)))
    for row in times:
        for i in order:
            start = time.perf_counter()
            calls[i]()
            row[i] = time.perf_counter() - start
        if there_and_back:
            order.reverse()
    return times[warm_up:]
