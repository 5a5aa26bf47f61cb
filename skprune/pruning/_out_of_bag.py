"""Out-of-bag rows: those that a member of a forest or a bag was not trained on."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils import unfreeze

__all__ = ["check_draws_rows", "drawn_rows", "draws_rows", "fill_with_others", "out_of_bag_rows"]

# Bytes of predictions that are filled at once.
_BLOCK_BYTES = 2**25


def draws_rows(estimator: Any, n_rows: int) -> bool:
    """Whether each member of an ensemble is, or will be, trained on a random part of the rows."""
    estimator = unfreeze(estimator)
    if not hasattr(type(estimator), "estimators_samples_"):
        return False
    share = getattr(estimator, "max_samples", None)
    if getattr(estimator, "bootstrap", False):
        # Of more than three draws a row, hardly a row is left out.
        return not isinstance(share, Integral) or share <= 3 * n_rows
    return share is not None and share < (n_rows if isinstance(share, Integral) else 1.0)


def check_draws_rows(estimator: Any, n_rows: int) -> None:
    """Raise if there are no out-of-bag rows."""
    if not draws_rows(estimator, n_rows):
        got = "a list" if isinstance(estimator, list) else repr(unfreeze(estimator))
        raise ValueError(
            "cv='oob' needs an ensemble that trains each member on a random part of the rows, such "
            "as RandomForestClassifier or BaggingClassifier with bootstrap=True, or a "
            f"FrozenEstimator of one; got {got:.100}. Give a share of the rows to hold out, or a "
            "number of folds."
        )


def drawn_rows(ensemble: Any, n_rows: int) -> NDArray[np.bool_] | None:
    """The rows that each member drew, (M, n_rows), if a fitted ensemble drew from so many rows."""
    ensemble = unfreeze(ensemble)
    if not hasattr(ensemble, "estimators_samples_"):
        return None
    try:
        return ~out_of_bag_rows(ensemble, n_rows)
    except ValueError:  # it was trained on another number of rows
        return None


def out_of_bag_rows(ensemble: Any, n_rows: int) -> NDArray[np.bool_]:
    """Whether each member of a fitted ensemble was not trained on each row, (M, n_rows)."""
    ensemble = unfreeze(ensemble)
    samples = ensemble.estimators_samples_
    trained_on = getattr(ensemble, "_n_samples", 1 + max(rows.max() for rows in samples))
    if trained_on != n_rows:
        raise ValueError(
            f"cv='oob' takes the rows that {type(ensemble).__name__} was trained on, in their "
            f"order: it was trained on {trained_on} rows, and X has {n_rows}."
        )
    own = np.ones((len(samples), n_rows), dtype=bool)
    for i, rows in enumerate(samples):
        own[i, rows] = False
    return own


def fill_with_others(P: NDArray, own: NDArray[np.bool_], seed: int) -> None:
    """Replace what members predict for rows they saw by what random other members predict, in P.

    A vote of the remaining members would be less confident than the full vote.
    """
    rng = np.random.default_rng(seed)
    M, N, k = P.shape
    step = max(1, _BLOCK_BYTES // (P.itemsize * M * k))
    for start in range(0, N, step):
        rows = slice(start, start + step)
        here = own[:, rows]
        # Members that have not seen a row come first, in random order, and take turns.
        order = np.argsort(rng.random(here.shape) + ~here, axis=0)
        turn = np.cumsum(~here, axis=0) - 1
        other = np.take_along_axis(order, turn % np.maximum(here.sum(axis=0), 1), axis=0)
        member = np.where(here, np.arange(M)[:, None], other)
        P[:, rows] = np.take_along_axis(P[:, rows], member[:, :, None], axis=0)
