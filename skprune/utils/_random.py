"""Seeds for estimators that were left without one."""

from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

__all__ = ["draw_seed", "set_missing_seeds"]


def draw_seed(rng: np.random.RandomState) -> int:
    """One integer seed, in the range that every library takes.

    Parameters
    ----------
    rng : RandomState
        Advanced by one draw.

    Returns
    -------
    int
    """
    return int(rng.randint(np.iinfo(np.int32).max))


def set_missing_seeds(estimator: Any, rng: np.random.RandomState) -> Any:
    """Give a seed to every nested ``random_state`` that is None; keep those that are set.

    Parameters
    ----------
    estimator : estimator
        Changed in place. A FrozenEstimator is left alone.
    rng : RandomState
        Where the seeds come from.

    Returns
    -------
    estimator
        The one given.
    """
    if isinstance(estimator, FrozenEstimator):
        return estimator
    missing = {
        name: draw_seed(rng)
        for name, value in sorted(estimator.get_params(deep=True).items())
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    }
    return estimator.set_params(**missing) if missing else estimator
