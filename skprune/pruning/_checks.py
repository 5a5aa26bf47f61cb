"""What a pruner was given: is it right, and how is it spelt?"""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "check_at_least",
    "check_cv",
    "check_one_of",
    "check_prediction_dtype",
    "check_reweight",
    "check_threshold",
    "positions_in",
    "with_shape",
]


def check_one_of(name: str, value: Any, options: tuple[str, ...]) -> None:
    """Refuse a name that is none of the options."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {list(options)}; got {value!r}.")


def check_at_least(name: str, value: Any, least: int) -> None:
    """Refuse what is no integer of that size."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}; got {value!r}.")


def check_cv(cv: Any) -> None:
    """Refuse a share of the rows, or a number of folds, that cannot be."""
    if isinstance(cv, str) and cv != "prefit":
        raise ValueError(
            f"cv must be a fraction, 'prefit', a number of folds or a splitter; got {cv!r}."
        )
    fraction = isinstance(cv, Real) and not isinstance(cv, Integral)
    if isinstance(cv, bool) or (fraction and not 0 < cv < 1):
        raise ValueError(
            f"cv as a fraction must lie strictly between 0 and 1; got {cv!r}. For folds, "
            "give an int of at least 2."
        )
    if isinstance(cv, Integral) and cv < 2:
        raise ValueError(f"cv as a number of folds must be at least 2; got {cv!r}.")


def check_prediction_dtype(prediction_dtype: Any) -> None:
    """Refuse what predictions are not kept in."""
    if prediction_dtype is not None:
        named = isinstance(prediction_dtype, str) and prediction_dtype in ("float32", "float16")
        if not named:
            raise ValueError(
                f"prediction_dtype must be None, 'float32' or 'float16'; got {prediction_dtype!r}."
            )


def check_threshold(threshold: Any) -> None:
    """Refuse what is no share of the largest weight."""
    if (
        not isinstance(threshold, Real)
        or isinstance(threshold, bool)
        or not 0 <= float(threshold) <= 1
    ):
        raise ValueError(
            f"threshold must lie in [0, 1], as a share of the largest weight; got {threshold!r}."
        )


def check_reweight(reweight: Any) -> None:
    """Refuse what names no reweighting and is no step between relaxed and equal."""
    if isinstance(reweight, str):
        if reweight not in ("relaxed", "equal", "none"):
            raise ValueError(
                "reweight must be 'relaxed', 'equal', 'none' or a number in [0, 1]; got "
                f"{reweight!r}."
            )
    elif (
        not isinstance(reweight, Real)
        or isinstance(reweight, bool)
        or not 0 <= float(reweight) <= 1
    ):
        raise ValueError(
            "reweight must be 'relaxed' (0), 'equal' (1), 'none' or a number in [0, 1] between "
            f"them; got {reweight!r}."
        )


def positions_in(y: NDArray, classes: NDArray) -> NDArray[np.intp]:
    """Where each label stands in ``classes``; unknown ones are named."""
    unknown = np.setdiff1d(y, classes)
    if len(unknown):
        raise ValueError(
            f"y has classes that the fitted members do not know: {unknown[:5]}; they know "
            f"{classes[:10]}."
        )
    return np.searchsorted(classes, y)


def with_shape(X: Any) -> Any:
    """X itself if it is an array, a sparse matrix or a frame; lists become arrays."""
    return X if hasattr(X, "shape") else np.asarray(X)
