"""What a pruner was given: is it right, and how is it spelt?"""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils import is_integer, is_real

__all__ = [
    "check_at_least",
    "check_cv",
    "check_fold",
    "check_prediction_dtype",
    "check_reweight",
    "check_threshold",
    "positions_in",
    "with_shape",
]


def check_at_least(name: str, value: Any, least: int) -> None:
    """Refuse what is no integer of that size."""
    if not is_integer(value) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}; got {value!r}.")


def check_cv(cv: Any) -> None:
    """Refuse a share of the rows, or a number of folds, that cannot be."""
    number = cv is None or isinstance(cv, Real)
    folds = not isinstance(cv, str | type) and (hasattr(cv, "split") or np.iterable(cv))
    if not number and not folds and not (isinstance(cv, str) and cv == "prefit"):
        raise ValueError(
            "cv must be a fraction, 'prefit', a number of folds, a splitter or an iterable of "
            f"(train, test); got {cv!r:.100}."
        )
    fraction = isinstance(cv, Real) and not isinstance(cv, Integral)
    if isinstance(cv, bool) or (fraction and not 0 < cv < 1):
        raise ValueError(
            f"cv as a fraction must lie strictly between 0 and 1; got {cv!r}. For folds, "
            "give an int of at least 2."
        )
    if isinstance(cv, Integral) and cv < 2:
        raise ValueError(f"cv as a number of folds must be at least 2; got {cv!r}.")


def check_fold(number: int, fold: Any, n_rows: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows to train on and to calibrate on, or raise what is wrong with them."""
    try:
        train, test = fold
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"cv as an iterable must give pairs (train, test) of row positions; fold {number} is "
            f"{fold!r:.100}."
        ) from error
    train = _check_rows(f"train of fold {number}", train, n_rows)
    test = _check_rows(f"test of fold {number}", test, n_rows)
    both = np.intersect1d(train, test)
    if len(both):
        raise ValueError(
            f"cv gives a fold that trains and calibrates on the same {len(both)} of {n_rows} "
            "rows; members may not be calibrated on rows they were trained on."
        )
    return train, test


def _check_rows(which: str, given: Any, n_rows: int) -> NDArray[np.intp]:
    """Positions of rows, from positions or from a mask."""
    right = f"cv must give positions in 0 .. {n_rows - 1}, or a mask of {n_rows} rows, at least one"
    rows = np.asarray(given)
    if rows.dtype == bool and rows.shape == (n_rows,):
        rows = np.flatnonzero(rows)
    if rows.size == 0:
        raise ValueError(f"{right}; {which} is empty.")
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise ValueError(f"{right}; {which} is {given!r:.100}.")
    outside = rows[(rows < 0) | (rows >= n_rows)]
    if len(outside):
        raise ValueError(f"{right}; {which} holds {outside[0]}.")
    return rows


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
    if not is_real(threshold) or not 0 <= threshold <= 1:
        raise ValueError(
            f"threshold must lie in [0, 1], as a share of the largest weight; got {threshold!r}."
        )


def check_reweight(reweight: Any) -> None:
    """Refuse what names no reweighting and is no step between relaxed and equal."""
    if isinstance(reweight, str) and reweight in ("relaxed", "equal", "none"):
        return
    if not is_real(reweight) or not 0 <= reweight <= 1:
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
