"""Predictions on rows that no member was trained on, and the members that go with them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from numbers import Integral, Real
from typing import Any

import joblib
import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit, check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from ..utils import MemberPool, check_method_params

__all__ = [
    "Calibration",
    "TrainingData",
    "calibrate_fitted",
    "calibrate_trained",
    "fitted_pool",
    "holds_only_frozen",
    "is_fraction",
]


@dataclass(frozen=True, eq=False)
class Calibration:
    """What selection works on.

    Attributes
    ----------
    P : ndarray of shape (M, N, C)
        Probabilities on the calibration rows.
    y : ndarray of shape (N,)
        Their classes, as positions in ``classes``.
    sample_weight : ndarray of shape (N,) or None
        Their weights.
    pool : callable
        Returns the members to keep from; called once the choice is made.
    """

    P: NDArray
    y: NDArray[np.intp]
    sample_weight: NDArray[np.float64] | None
    pool: Callable[[], MemberPool]


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The user's data, and what is passed to the members' fit (by name, for a list)."""

    X: Any
    y: NDArray
    fit_params: dict[str, Any]


def holds_only_frozen(estimator: Any) -> bool:
    """Whether there is nothing to train: all members are FrozenEstimators.

    Parameters
    ----------
    estimator : estimator or list of (name, classifier)
        What a pruner was given.

    Returns
    -------
    bool
    """
    if isinstance(estimator, list):
        return all(isinstance(member, FrozenEstimator) for _, member in estimator)
    return isinstance(estimator, FrozenEstimator)


def fitted_pool(estimator: Any) -> MemberPool:
    """The members of what was fitted beforehand.

    Parameters
    ----------
    estimator : estimator or list of (name, classifier)
        Fitted.

    Returns
    -------
    MemberPool

    Raises
    ------
    ValueError
        If a member is not fitted.
    """
    members = estimator if isinstance(estimator, list) else [("estimator", estimator)]
    for name, member in members:
        try:
            check_is_fitted(member)
        except NotFittedError as error:
            raise ValueError(
                f"cv='prefit' needs fitted members, and {name!r} is not fitted. Fit it first, and "
                "wrap it in sklearn.frozen.FrozenEstimator: clone (and so GridSearchCV) returns "
                "anything else unfitted."
            ) from error
    return MemberPool.from_fitted(estimator)


def calibrate_fitted(
    pool: MemberPool,
    X: Any,
    codes: NDArray[np.intp],
    *,
    memory: joblib.Memory,
    n_jobs: int | None,
    sample_weight: NDArray[np.float64] | None,
) -> Calibration:
    """Predict all rows with members that were fitted beforehand, on other rows.

    Parameters
    ----------
    pool : MemberPool
        Fitted members.
    X : array-like of shape (N, ...)
        Calibration rows.
    codes : ndarray of shape (N,)
        Their classes as positions.
    memory : joblib.Memory
        Cache of the predictions.
    n_jobs : int or None
        Threads for predicting.
    sample_weight : ndarray of shape (N,) or None
        Weights of the rows.

    Returns
    -------
    Calibration
    """
    # The fingerprint of a fitted member is only as good as its pickle: a difference that
    # means nothing costs one more prediction, never a wrong one.
    identity = (pool.estimators, pool.columns, pool.classes, pool.features, X)
    key = joblib.hash(identity) if _is_caching(memory) else None
    predict = memory.cache(_predict_fitted, ignore=["pool", "X", "n_jobs"])
    return Calibration(predict(key, pool, X, n_jobs), codes, sample_weight, lambda: pool)


def calibrate_trained(
    estimator: Any,
    data: TrainingData,
    codes: NDArray[np.intp],
    classes: NDArray,
    *,
    cv: Any,
    seed: int,
    memory: joblib.Memory,
    n_jobs: int | None,
    sample_weight: NDArray[np.float64] | None,
    split_params: dict[str, Any],
) -> Calibration:
    """Train the members and predict rows they have not seen.

    Parameters
    ----------
    estimator : estimator or list of (name, classifier)
        Unfitted; cloned before every fit.
    data : TrainingData
        The user's data.
    codes : ndarray of shape (N,)
        y as positions in ``classes``.
    classes : ndarray of shape (C,)
        Sorted classes.
    cv : float, int, splitter or iterable
        As in the pruner.
    seed : int
        Seed of the held-out split.
    memory : joblib.Memory
        Cache of trained ensembles and of their predictions.
    n_jobs : int or None
        Jobs for a list of members, and threads for predicting.
    sample_weight : ndarray of shape (N,) or None
        Weights of the rows in calibration.
    split_params : dict
        Passed to ``split`` of the splitter.

    Returns
    -------
    Calibration
    """
    fingerprint = joblib.hash((data.X, data.y, data.fit_params)) if _is_caching(memory) else None
    fit_cached = memory.cache(_fit_pool, ignore=["data", "n_jobs"])
    predict_cached = memory.cache(_predict_held_out, ignore=["pool", "data", "n_jobs"])

    def trained_on(rows: NDArray[np.intp] | None) -> Callable[[], MemberPool]:
        # Trained, or read from the cache, when first asked for; kept for this fit.
        return cache(lambda: fit_cached(estimator, rows, classes, fingerprint, data, n_jobs))

    def held_out(pool: Callable[[], MemberPool], train: NDArray, test: NDArray) -> NDArray:
        return predict_cached(estimator, train, test, classes, fingerprint, pool, data, n_jobs)

    if is_fraction(cv):
        train, test = _split_once(codes, float(cv), seed)
        pool = trained_on(train)
        P, rows = held_out(pool, train, test), test
    else:
        folds = list(_folds(cv, data, split_params))
        parts = [held_out(trained_on(train), train, test) for train, test in folds]
        sizes = {len(part) for part in parts}
        if len(sizes) > 1:
            raise ValueError(
                f"The ensemble has a different number of members in each fold: {sorted(sizes)}. "
                "Out-of-fold calibration needs member i in all of them; use a fraction as cv."
            )
        P, rows = np.concatenate(parts, axis=1), np.concatenate([test for _, test in folds])
        pool = trained_on(None)
    weight = None if sample_weight is None else sample_weight[rows]
    return Calibration(P, codes[rows], weight, pool)


def is_fraction(cv: Any) -> bool:
    """Whether cv is a share of the rows, rather than a number of folds or a splitter."""
    return isinstance(cv, Real) and not isinstance(cv, Integral)


def _predict_fitted(key: str | None, pool: MemberPool, X: Any, n_jobs: int | None) -> NDArray:
    return pool.predict_proba(X, n_jobs)


def _predict_held_out(
    estimator: Any,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    classes: NDArray,
    fingerprint: str | None,
    pool: Callable[[], MemberPool],
    data: TrainingData,
    n_jobs: int | None,
) -> NDArray:
    return pool().predict_proba(_safe_indexing(data.X, test), n_jobs)


def _fit_pool(
    estimator: Any,
    rows: NDArray[np.intp] | None,
    classes: NDArray,
    fingerprint: str | None,
    data: TrainingData,
    n_jobs: int | None,
) -> MemberPool:
    """Fit a clone of the ensemble, or of each member of a list, on some rows (None: all)."""
    if isinstance(estimator, list):
        fitted = Parallel(n_jobs=n_jobs)(
            delayed(_fit_rows)(clone(member), data.X, data.y, data.fit_params[name], rows)
            for name, member in estimator
        )
    else:
        fitted = _fit_rows(clone(estimator), data.X, data.y, data.fit_params, rows)
    return MemberPool.from_fitted(fitted, classes)


def _fit_rows(
    estimator: Any, X: Any, y: NDArray, fit_params: dict[str, Any], rows: NDArray[np.intp] | None
) -> Any:
    if rows is not None:
        fit_params = check_method_params(X, fit_params, indices=rows)
        X, y = _safe_indexing(X, rows), _safe_indexing(y, rows)
    return estimator.fit(X, y, **fit_params)


def _split_once(
    codes: NDArray[np.intp], fraction: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Hold out a fraction, by class where that can be; a class's only row is trained on."""
    counts = np.bincount(codes)
    shared = np.flatnonzero(counts[codes] > 1)
    alone = np.flatnonzero(counts[codes] == 1)
    n_test = round(fraction * len(codes))
    if not 1 <= n_test <= len(shared) - 1:
        raise ValueError(
            f"cv={fraction:g} of {len(codes)} samples leaves {n_test} to calibrate on and "
            f"{len(codes) - n_test} to train on; give more samples or another fraction."
        )
    n_classes = len(np.unique(codes[shared]))
    by_class = n_test >= n_classes and len(shared) - n_test >= n_classes
    splitter = StratifiedShuffleSplit if by_class else ShuffleSplit
    split = splitter(1, test_size=n_test, random_state=seed)
    train, test = next(split.split(shared, codes[shared]))
    return np.sort(np.concatenate([shared[train], alone])), np.sort(shared[test])


def _folds(
    cv: Any, data: TrainingData, split_params: dict[str, Any]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    n_rows = len(data.y)
    splitter = check_cv(cv, data.y, classifier=True)
    for train, test in splitter.split(data.X, data.y, **split_params):
        train, test = np.asarray(train), np.asarray(test)
        if train.dtype == bool:
            train, test = np.flatnonzero(train), np.flatnonzero(test)
        both = np.intersect1d(train, test)
        if len(both):
            raise ValueError(
                f"cv gives a fold that trains and calibrates on the same {len(both)} of {n_rows} "
                "rows; members may not be calibrated on rows they were trained on."
            )
        yield train, test


def _is_caching(memory: joblib.Memory) -> bool:
    return memory.location is not None
