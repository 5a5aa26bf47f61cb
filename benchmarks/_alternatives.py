"""What the parts of `alternatives.py` share."""

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

SIZES = (20, 50)
CHANNELS, ZEROS, TUNING, BATCH = 0.5, 0.8, 2, 1000


def by_turns(calls: list[Callable[[], Any]], rounds: int) -> np.ndarray:
    """Seconds of shape (rounds, calls), after one round that does not count."""
    times = np.empty((rounds + 1, len(calls)))
    for row in times:
        for i, call in enumerate(calls):
            start = time.perf_counter()
            call()
            row[i] = time.perf_counter() - start
    return times[1:]


def installed(*modules: str) -> bool:
    return all(find_spec(module.split(".")[0]) and find_spec(module) for module in modules)
