"""What a pruner was given: is it right, and how is it spelt?"""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "check_at_least",
    "check_estimator_parameter",
    "check_one_of",
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


def check_threshold(threshold: Any, *, auto: bool = False) -> None:
    """Refuse what is no share of the largest weight, nor "auto" where that can be."""
    if auto and isinstance(threshold, str) and threshold == "auto":
        return
    if (
        not isinstance(threshold, Real)
        or isinstance(threshold, bool)
        or not 0 <= float(threshold) <= 1
    ):
        either = "be 'auto' or " if auto else ""
        raise ValueError(
            f"threshold must {either}lie in [0, 1], as a share of the largest weight; got "
            f"{threshold!r}."
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


def check_estimator_parameter(estimator: Any) -> None:
    """Refuse what cannot be an ensemble, or a list of named classifiers."""
    if isinstance(estimator, list):
        if not estimator:
            raise ValueError("estimator must hold at least one (name, estimator); got [].")
        for item in estimator:
            if not (isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)):
                raise TypeError(
                    "estimator as a list must hold (name, estimator) pairs; it holds "
                    f"{item!r:.100}."
                )
        names = [name for name, _ in estimator]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"The names in estimator must differ; {twice} occur more than once.")
        taken = sorted({"splitter", "method_mapping"} & set(names))
        if taken:
            raise ValueError(f"{taken} cannot be names in estimator: metadata routing uses them.")
        members = [member for _, member in estimator]
    else:
        members = [estimator]
    for member in members:
        if not hasattr(member, "fit") or not hasattr(member, "get_params"):
            raise TypeError(
                "estimator must be an ensemble, a list of (name, estimator) or FrozenEstimators "
                f"of fitted ones; got {type(member).__name__}."
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
