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

from ..utils import BasePool, check_method_params
from ._tasks import Classification, Task

__all__ = [
    "Calibration",
    "TrainingData",
    "calibrate_fitted",
    "calibrate_trained",
    "check_fitted_members",
    "holds_only_frozen",
    "is_fraction",
]


@dataclass(frozen=True, eq=False)
class Calibration:
    """What selection works on.

    Attributes
    ----------
    P : ndarray of shape (M, N, k)
        Probabilities of k classes, or predictions of k targets, on the calibration rows.
    y : ndarray of shape (N,) or (N, k)
        Their classes as positions, or their targets.
    sample_weight : ndarray of shape (N,) or None
        Their weights.
    pool : callable
        Returns the members to keep from; called once the choice is made.
    X : callable
        Returns the calibration rows.
    """

    P: NDArray
    y: NDArray
    sample_weight: NDArray[np.float64] | None
    pool: Callable[[], BasePool]
    X: Callable[[], Any]

    def heard(self) -> tuple[NDArray, NDArray, NDArray[np.float64] | None]:
        """P, y and sample_weight of the rows that have a weight."""
        weight = self.sample_weight
        if weight is None or weight.all():
            return self.P, self.y, weight
        rows = np.flatnonzero(weight)
        return self.P[:, rows], self.y[rows], weight[rows]


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


def check_fitted_members(estimator: Any) -> None:
    """Refuse members that are not fitted, although they were said to be.

    Parameters
    ----------
    estimator : estimator or list of (name, estimator)
        What is to be fitted.

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


def calibrate_fitted(
    pool: BasePool,
    X: Any,
    y: NDArray,
    *,
    memory: joblib.Memory,
    n_jobs: int | None,
    sample_weight: NDArray[np.float64] | None,
) -> Calibration:
    """Predict all rows with members that were fitted beforehand, on other rows.

    Parameters
    ----------
    pool : BasePool
        Fitted members.
    X : array-like of shape (N, ...)
        Calibration rows.
    y : ndarray of shape (N,) or (N, k)
        Their classes as positions, or their targets.
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
    key = joblib.hash((pool, X)) if _is_caching(memory) else None
    predict = memory.cache(_predict_fitted, ignore=["pool", "X", "n_jobs"])
    return Calibration(predict(key, pool, X, n_jobs), y, sample_weight, lambda: pool, lambda: X)


def calibrate_trained(
    estimator: Any,
    data: TrainingData,
    y: NDArray,
    task: Task,
    *,
    cv: Any,
    seed: int,
    memory: joblib.Memory,
    n_jobs: int | None,
    sample_weight: NDArray[np.float64] | None,
    split_params: dict[str, Any],
    check: Callable[[NDArray], None],
) -> Calibration:
    """Train the members and predict rows they have not seen.

    Parameters
    ----------
    estimator : estimator or list of (name, classifier)
        Unfitted; cloned before every fit.
    data : TrainingData
        The user's data.
    y : ndarray of shape (N,) or (N, k)
        Classes as positions, or targets.
    task : Task
        What the members are asked for.
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
    check : callable
        Called with the calibration rows' positions before anything is trained.

    Returns
    -------
    Calibration
    """
    fingerprint = joblib.hash((data.X, data.y, data.fit_params)) if _is_caching(memory) else None
    fit_cached = memory.cache(_fit_pool, ignore=["data", "n_jobs"])
    predict_cached = memory.cache(_predict_held_out, ignore=["pool", "data", "n_jobs"])

    def trained_on(rows: NDArray[np.intp] | None) -> Callable[[], BasePool]:
        # Trained, or read from the cache, when first asked for; kept for this fit.
        return cache(lambda: fit_cached(estimator, rows, task, fingerprint, data, n_jobs))

    def held_out(pool: Callable[[], BasePool], train: NDArray, test: NDArray) -> NDArray:
        return predict_cached(estimator, train, test, task, fingerprint, pool, data, n_jobs)

    if is_fraction(cv):
        by_class = y if isinstance(task, Classification) else np.zeros(len(y), dtype=np.intp)
        train, rows = _split_once(by_class, float(cv), seed)
        check(rows)
        pool = trained_on(train)
        P = held_out(pool, train, rows)
    else:
        folds = list(_folds(cv, data, split_params, isinstance(task, Classification)))
        rows = np.concatenate([test for _, test in folds])
        if len(np.unique(rows)) < len(rows):
            raise ValueError(
                f"cv={cv!r} tests some rows in several folds. Give a splitter whose test folds are "
                "disjoint, such as KFold or StratifiedKFold."
            )
        check(rows)
        parts = [held_out(trained_on(train), train, test) for train, test in folds]
        sizes = {len(part) for part in parts}
        if len(sizes) > 1:
            raise ValueError(
                f"The ensemble has a different number of members in each fold: {sorted(sizes)}. "
                "Out-of-fold calibration needs member i in all of them; use a fraction as cv."
            )
        P = np.concatenate(parts, axis=1)
        pool = trained_on(None)
    weight = None if sample_weight is None else sample_weight[rows]
    return Calibration(P, y[rows], weight, pool, lambda: _safe_indexing(data.X, rows))


def is_fraction(cv: Any) -> bool:
    """Whether cv is a share of the rows, rather than a number of folds or a splitter."""
    return isinstance(cv, Real) and not isinstance(cv, Integral)


def _predict_fitted(key: str | None, pool: BasePool, X: Any, n_jobs: int | None) -> NDArray:
    return pool.outputs(X, n_jobs)


def _predict_held_out(
    estimator: Any,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    task: Task,
    fingerprint: str | None,
    pool: Callable[[], BasePool],
    data: TrainingData,
    n_jobs: int | None,
) -> NDArray:
    return pool().outputs(_safe_indexing(data.X, test), n_jobs)


def _fit_pool(
    estimator: Any,
    rows: NDArray[np.intp] | None,
    task: Task,
    fingerprint: str | None,
    data: TrainingData,
    n_jobs: int | None,
) -> BasePool:
    """Fit a clone of the ensemble, or of each member of a list, on some rows (None: all)."""
    if isinstance(estimator, list):
        fitted = Parallel(n_jobs=n_jobs)(
            delayed(_fit_rows)(clone(member), data.X, data.y, data.fit_params[name], rows)
            for name, member in estimator
        )
    else:
        fitted = _fit_rows(clone(estimator), data.X, data.y, data.fit_params, rows)
    return task.pool(fitted)


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
    cv: Any, data: TrainingData, split_params: dict[str, Any], by_class: bool
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    n_rows = len(data.y)
    splitter = check_cv(cv, data.y, classifier=by_class)
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
