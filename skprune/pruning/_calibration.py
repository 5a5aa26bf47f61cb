"""Predictions on rows that no member was trained on, and the members that go with them."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral, Real
from typing import Any

import joblib
import numpy as np
import sklearn
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit, check_cv
from sklearn.utils import _safe_indexing

from ..utils import (
    BasePool,
    Predictions,
    cached_call,
    check_method_params,
    data_hash,
    narrowed,
    select,
)
from ._cached_ensemble import CachedEnsemble, PredictionShelf
from ._checks import check_fold
from ._tasks import Classification, Task

__all__ = [
    "Calibration",
    "TrainingData",
    "calibrate_trained",
    "is_fraction",
]


@dataclass(frozen=True, eq=False)
class Calibration:
    """What selection works on.

    Attributes
    ----------
    P : Predictions of shape (M, N, k)
        Probabilities of k classes, or predictions of k targets, on the calibration rows.
    y : ndarray of shape (N,) or (N, k)
        Their classes as positions, or their targets.
    sample_weight : ndarray of shape (N,) or None
        Their weights.
    pool : callable
        Returns the members to keep from; called once the choice is made.
    X : callable
        Returns the calibration rows.
    cached : callable, default=compute
        Takes a kind, a key and a function: what it returns, from the cache where it is there,
        for what depends on P, y and the key alone.
    shelf : PredictionShelf or None, default=None
        Where predictions on rows that a search scores on are kept.
    """

    P: Predictions
    y: NDArray
    sample_weight: NDArray[np.float64] | None
    pool: Callable[[], BasePool]
    X: Callable[[], Any]
    cached: Callable[[str, Any, Callable[[], Any]], Any] = lambda kind, key, compute: compute()
    shelf: PredictionShelf | None = None

    def heard(self) -> tuple[Predictions, NDArray, NDArray[np.float64] | None]:
        """P, y and sample_weight of the rows that have a weight."""
        weight = self.sample_weight
        if weight is None or weight.all():
            return self.P, self.y, weight
        rows = np.flatnonzero(weight)
        return select(self.P, rows), self.y[rows], weight[rows]

    def narrowed(self, dtype: str | None) -> "Calibration":
        """The same with predictions in memory kept in another precision; None leaves them."""
        if dtype is None:
            return self
        assert isinstance(self.P, np.ndarray)
        P = np.empty(self.P.shape, dtype)
        for i, output in enumerate(self.P):
            P[i] = narrowed(output, P.dtype, i)
        # What is cached of statistics is that of the predictions as they are used.
        return replace(
            self, P=P, cached=lambda kind, of, compute: self.cached(kind, (of, dtype), compute)
        )


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The user's data, and what is passed to the members' fit (by name, for a list)."""

    X: Any
    y: NDArray
    fit_params: dict[str, Any]


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
    phase: Callable[[str, int], None],
    training: Callable[[Any], AbstractContextManager],
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
    phase, training : callable
        Say that the training begins, with the number of ensembles to train, and go round the
        fit of each.
    check : callable
        Called with the calibration rows' positions before anything is trained.

    Returns
    -------
    Calibration
    """
    name = "list of members" if isinstance(estimator, list) else type(estimator).__name__

    key = None
    if _is_caching(memory):
        # Members are pickles, which another scikit-learn may read wrongly or train otherwise.
        known = (estimator, task, data.X, data.y, data.fit_params, sklearn.__version__)
        key = data_hash(*known, *_training_keys(estimator))

    def trained_on(rows: NDArray[np.intp] | None) -> CachedEnsemble:
        fit = partial(_fit_pool, estimator, rows, task, data, n_jobs, training)
        n_rows = len(data.y) if rows is None else len(rows)
        return CachedEnsemble(memory, (key, rows), fit, f"{name} trained on {n_rows} rows")

    def held_out(trained: CachedEnsemble, test: NDArray[np.intp]) -> NDArray:
        def predict() -> NDArray:
            return trained.pool().outputs(_safe_indexing(data.X, test), n_jobs)

        about = f"{trained.about}, on {len(test)} others"
        P: NDArray = cached_call(memory, "predictions", (trained.key, test), predict, about=about)
        return P

    if is_fraction(cv):
        by_class = y if isinstance(task, Classification) else np.zeros(len(y), dtype=np.intp)
        train, rows = _split_once(by_class, float(cv), seed)
        check(rows)
        phase("training members", 1)
        ensemble = trained_on(train)
        tested = [(ensemble.key, rows)]
        P = held_out(ensemble, rows)
    else:
        folds = _folds(cv, data, split_params, isinstance(task, Classification))
        rows = np.concatenate([test for _, test in folds])
        if len(np.unique(rows)) < len(rows):
            raise ValueError(
                f"cv={cv!r} tests some rows in several folds. Give a splitter whose test folds are "
                "disjoint, such as KFold or StratifiedKFold."
            )
        check(rows)
        phase("training members", len(folds) + 1)
        tested = [(trained_on(train).key, test) for train, test in folds]
        parts = [held_out(trained_on(train), test) for train, test in folds]
        sizes = {len(part) for part in parts}
        if len(sizes) > 1:
            raise ValueError(
                f"The ensemble has a different number of members in each fold: {sorted(sizes)}. "
                "Out-of-fold calibration needs member i in all of them; use a fraction as cv."
            )
        P = np.concatenate(parts, axis=1)
        ensemble = trained_on(None)
    weight = None if sample_weight is None else sample_weight[rows]

    def cached(kind: str, of: Any, compute: Callable[[], Any]) -> Any:
        return cached_call(
            memory, kind, (tested, weight, of), compute, about=f"{kind} of {ensemble.about}"
        )

    return Calibration(
        P,
        y[rows],
        weight,
        ensemble.pool,
        lambda: _safe_indexing(data.X, rows),
        cached,
        None if ensemble.key is None else PredictionShelf(memory, ensemble.key, ensemble.about),
    )


def _training_keys(estimator: Any) -> list[Any]:
    """What training depends on beside parameters and data: for networks, Keras's back end."""
    named = estimator if isinstance(estimator, list) else [("", estimator)]
    keys = []
    for _, each in named:
        for part in (each, *each.get_params(deep=True).values()):
            if hasattr(part, "__skprune_training_key__"):
                keys.append(part.__skprune_training_key__())
            elif any(base.__module__.startswith("scikeras.") for base in type(part).__mro__):
                keys.append(sys.modules["keras"].backend.backend())
    return keys


def is_fraction(cv: Any) -> bool:
    """Whether cv is a share of the rows, rather than a number of folds or a splitter."""
    return isinstance(cv, Real) and not isinstance(cv, Integral)


def _fit_pool(
    estimator: Any,
    rows: NDArray[np.intp] | None,
    task: Task,
    data: TrainingData,
    n_jobs: int | None,
    training: Callable[[Any], AbstractContextManager],
) -> BasePool:
    """Fit a clone of the ensemble, or of each member of a list, on some rows (None: all)."""
    if isinstance(estimator, list):
        with training(estimator):
            fitted = Parallel(n_jobs=n_jobs)(
                delayed(_fit_rows)(clone(member), data.X, data.y, data.fit_params[name], rows)
                for name, member in estimator
            )
    else:
        ensemble = clone(estimator)
        with training(ensemble):
            fitted = _fit_rows(ensemble, data.X, data.y, data.fit_params, rows)
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
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    if cv is None or isinstance(cv, Integral) or hasattr(cv, "split"):
        splitter = check_cv(cv, data.y, classifier=by_class)
        try:
            folds = list(splitter.split(data.X, data.y, **split_params))
        except ValueError as error:
            raise ValueError(f"cv={cv!r:.100} cannot split these rows: {error}") from error
    else:
        folds = list(cv)
    if not folds:
        raise ValueError(f"cv must give at least one pair (train, test); {cv!r:.100} gives none.")
    return [check_fold(number, fold, len(data.y)) for number, fold in enumerate(folds)]


def _is_caching(memory: joblib.Memory) -> bool:
    return memory.location is not None
