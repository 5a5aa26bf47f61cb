"""Seeds and private generators for every kind of ``random_state``."""

from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from ._sklearn import InvalidParameterError
from ._validation import is_integer

__all__ = ["draw_seed", "generator", "integer_seed", "set_missing_seeds"]


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


def integer_seed(random_state: Any) -> int:
    """One non-negative integer from a ``random_state``, without NumPy's global generator.

    An int is the seed itself, a RandomState draws it, and None takes fresh entropy.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return draw_seed(random_state)
    if is_integer(random_state) and random_state >= 0:
        return int(random_state)
    raise InvalidParameterError(
        "random_state must be a non-negative integer, a numpy.random.RandomState or None; got "
        f"{random_state!r}."
    )


def generator(random_state: Any) -> np.random.Generator:
    """A generator that leaves NumPy's global one alone; a Generator is taken as it is."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    try:
        return np.random.default_rng(integer_seed(random_state))
    except InvalidParameterError:
        raise InvalidParameterError(
            "random_state must be None, an int >= 0, a RandomState or a numpy Generator; got "
            f"{random_state!r}."
        ) from None


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
