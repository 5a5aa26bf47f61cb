"""Seeds, private generators and stratified draws, for every kind of ``random_state``.

None means NumPy's global generator to estimators that split rows and train others, as in
scikit-learn, and fresh entropy to networks and searches that are seeded by one integer.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import check_random_state as sklearn_random_state

from ._sklearn import InvalidParameterError
from ._validation import is_integer

__all__ = [
    "check_random_state",
    "draw_seed",
    "generator",
    "hold_out",
    "integer_seed",
    "set_missing_seeds",
]


def check_random_state(random_state: Any) -> np.random.RandomState:
    """The RandomState that scikit-learn makes of it, or an error that says what is right."""
    if not isinstance(random_state, bool):
        try:
            return sklearn_random_state(random_state)
        except ValueError:
            pass
    raise InvalidParameterError(
        "random_state must be an int in [0, 2**32), a numpy.random.RandomState or None; got "
        f"{random_state!r}."
    )


def draw_seed(rng: np.random.RandomState) -> int:
    """Draw an integer seed, in the range that every library takes."""
    return int(rng.randint(np.iinfo(np.int32).max))


def integer_seed(random_state: Any) -> int:
    """A non-negative int as it is, one drawn from a RandomState, or fresh entropy for None."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return draw_seed(random_state)
    if is_integer(random_state) and random_state >= 0:
        return int(random_state)
    raise InvalidParameterError(
        "random_state must be an int of at least 0, a numpy.random.RandomState or None; got "
        f"{random_state!r}."
    )


def generator(random_state: Any) -> np.random.Generator:
    """The Generator given, or a new one with the ``integer_seed`` of everything else."""
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
    """Draw a seed for every nested ``random_state`` that is None, in place; not in frozen ones."""
    if isinstance(estimator, FrozenEstimator) or not hasattr(estimator, "get_params"):
        return estimator
    missing = {
        name: draw_seed(rng)
        for name, value in sorted(estimator.get_params(deep=True).items())
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    }
    return estimator.set_params(**missing) if missing else estimator


def hold_out(y: NDArray, n_held_out: int, seed: int) -> NDArray[np.bool_]:
    """Draw rows, by class if each class can have rows on both sides; True where held out."""
    counts = np.unique(y, return_counts=True)[1]
    by_class = counts.min() > 1 and len(counts) <= min(n_held_out, len(y) - n_held_out)
    splitter = StratifiedShuffleSplit if by_class else ShuffleSplit
    _, rows = next(splitter(1, test_size=n_held_out, random_state=seed).split(y, y))
    held_out = np.zeros(len(y), dtype=bool)
    held_out[rows] = True
    return held_out
