"""Fitting on rows that come in blocks, and on predictions that were made elsewhere."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import indexable
from sklearn.utils.validation import validate_data

from ..utils import (
    PredictionStore,
    ScratchFolder,
    check_sample_weight,
    num_samples,
    reports_progress,
)
from ._base import BaseEnsemblePruner
from ._calibration import Calibration
from ._checks import with_shape
from ._estimator import check_fitted_members
from ._prefit import StoredBlocks, check_given_predictions, stored_dtype
from ._tasks import Classification, Task

__all__ = ["FitsByParts"]


class FitsByParts(BaseEnsemblePruner):
    """Other ways to calibrate members that are fitted already."""

    @reports_progress(2)
    def fit_blocks(self, blocks: Iterable[tuple]) -> "FitsByParts":
        """Choose among fitted members on rows that come in blocks; as ``fit`` on all of them.

        Parameters
        ----------
        blocks : iterable of (X, y) or (X, y, sample_weight)
            Calibration rows, a block in memory at a time. What the members predict is kept in
            a temporary file (never in ``memory``), in the precision of ``prediction_dtype``.
            Members in files are loaded once a block.

        Returns
        -------
        self : object
            The fitted pruner.

        Raises
        ------
        ValueError, TypeError
            If the members are not fitted, a block does not fit the ones before it, or there is
            no row.
        """
        self._begin("fit_blocks")
        with ScratchFolder() as scratch:
            calibration, task = self._calibrate_blocks(blocks, scratch)
            self._choose(calibration, task, tuple(calibration.X().shape[1:]))
        return self

    @reports_progress(1)
    def fit_predictions(
        self,
        P: ArrayLike | PredictionStore,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> "FitsByParts":
        """Choose among fitted members by what they are known to predict.

        Since no sample is seen, ``predict`` takes what the members take, without a check.

        Parameters
        ----------
        P : array-like, memory map or PredictionStore of shape (n_members, n_samples, n_outputs)
            What the members in ``estimator`` predict, in their order: probabilities of the
            classes in sorted order, or targets, of which a single one needs no axis. A memory
            map or store is read block by block.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Classes, or targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        self : object
            The fitted pruner.

        Raises
        ------
        ValueError, TypeError
            If the members are not fitted, or P is not of their number, of y's length and of
            their classes.
        """
        self._begin("fit_predictions")
        if np.ndim(y) and len(np.asarray(y)) == 0:
            raise ValueError("y has 0 samples; at least two are needed.")
        y = self._check_target(y)
        check_fitted_members(self.estimator)
        task, pool, encoded = self._prefit_task(y)
        given = check_given_predictions(P, pool, len(encoded), _in_words(task))
        weight = None if sample_weight is None else _weights(sample_weight, encoded)
        self._check_calibration(encoded, weight, task)
        self._choose(Calibration(given, encoded, weight, lambda: pool, _no_rows), task, None)
        return self

    def _begin(self, method: str) -> None:
        for name in ("sample_shape_", "n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
        self._check_parameters()
        if not self._is_prefit():
            raise ValueError(
                f"{method} takes fitted members only, and cv={self.cv!r} would train them: give "
                "cv='prefit', FrozenEstimators, or paths of fitted members."
            )

    def _calibrate_blocks(
        self, blocks: Iterable[tuple], scratch: ScratchFolder
    ) -> tuple[Calibration, Task]:
        check_fitted_members(self.estimator)
        stored: StoredBlocks | None = None
        self._phase("predicting", None)
        ys: list[NDArray] = []
        codes: list[NDArray] = []
        weights: list[Any] = []
        if not isinstance(blocks, Iterable):
            raise TypeError(
                "blocks must be an iterable of (X, y) or (X, y, sample_weight); got "
                f"{type(blocks).__name__}."
            )
        for number, X, y, weight in self._checked(blocks):
            if stored is None:
                task, pool, encoded = self._prefit_task(y)
                dtype = stored_dtype(pool, self.prediction_dtype)
                stored, first = StoredBlocks(pool, dtype, scratch, self.n_jobs), X
            else:
                try:
                    encoded = self._encoded(y, task)
                except ValueError as error:
                    raise ValueError(f"Block {number}: {error}") from error
            self._report(f"predicting {len(y)} samples with {len(pool)} fitted members")
            stored.add(X)
            self._step(f"block {number}")
            ys.append(y)
            codes.append(encoded)
            weights.append(weight)
        if stored is None:
            raise ValueError(
                "blocks hold 0 samples; at least two are needed. An iterator that was read before "
                "is empty: make it anew."
            )
        self._check_target(np.concatenate(ys))
        whole, weight = np.concatenate(codes), None
        if weights[0] is not None:
            weight = np.concatenate(weights)
        self._check_calibration(whole, weight, task)
        return Calibration(stored.store(), whole, weight, lambda: pool, lambda: first), task

    def _checked(
        self, blocks: Iterable[tuple]
    ) -> Iterator[tuple[int, Any, NDArray, NDArray[np.float64] | None]]:
        """Blocks that hold rows, with their numbers, each like the ones before it."""
        before: tuple | None = None
        for number, block in enumerate(blocks):
            if not isinstance(block, tuple | list) or len(block) not in (2, 3):
                raise TypeError(
                    "blocks must yield (X, y) or (X, y, sample_weight); block "
                    f"{number} is {type(block).__name__}: {block!r:.60}."
                )
            X, y, *rest = block
            weight = rest[0] if rest else None
            X = with_shape(X)
            try:
                indexable(X, y, weight)  # of one length
                if num_samples(X) == 0:
                    continue
                validate_data(self, X, skip_check_array=True, reset=before is None)
                y = self._check_labels(y)
                weight = None if weight is None else _weights(weight, y)
            except (TypeError, ValueError) as error:
                kind_of_error = TypeError if isinstance(error, TypeError) else ValueError
                raise kind_of_error(f"Block {number}: {error}") from error
            kind = tuple(X.shape[1:]), tuple(y.shape[1:]), weight is not None
            if before is not None and kind != before:
                raise ValueError(
                    f"Block {number} has {_kind_in_words(*kind)}; the blocks before it have "
                    f"{_kind_in_words(*before)}."
                )
            before = kind
            yield number, X, y, weight


def _weights(sample_weight: Any, y: NDArray) -> NDArray[np.float64]:
    weight: NDArray[np.float64] = check_sample_weight(
        sample_weight, y, dtype=np.float64, ensure_non_negative=True, allow_all_zero_weights=True
    )
    return weight


def _kind_in_words(sample: tuple, target: tuple, weighted: bool) -> str:
    return (
        f"samples of shape {sample}, targets of shape {target} and "
        f"{'a' if weighted else 'no'} sample_weight"
    )


def _in_words(task: Task) -> str:
    if isinstance(task, Classification):
        return f"classes {task.classes[:10]}"
    return "targets in y"


def _no_rows() -> Any:
    raise ValueError(
        "costs='latency' is measured on calibration rows, of which fit_predictions sees none; give "
        "the costs as numbers, one a member, or call fit."
    )
