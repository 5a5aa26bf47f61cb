"""The half of a pruner that knows targets: members are summed."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_array, check_is_fitted

from ..utils import BasePool, Predictions, RegressorPool, Vote
from ._by_parts import FitsByParts
from ._estimator import check_regressors, with_files
from ._evidence import RegressionEvidence
from ._tasks import Regression, Task

__all__ = ["BaseRegressorPruner"]


class BaseRegressorPruner(RegressorMixin, FitsByParts):
    """An ensemble pruner whose members are regressors and are summed, with an intercept."""

    score_name = "R^2"

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Weighted sum of the kept members, and the intercept.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples of the shape seen in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            As y was given.
        """
        check_is_fitted(self)
        outputs = self._member_outputs(X)
        total: NDArray[np.float64] | None = None
        for weight, output in zip(self.weights_[self.support_], outputs, strict=True):
            total = weight * output if total is None else total + weight * output
        assert total is not None  # at least one member is always kept
        predicted = np.asarray(total + self.intercept_, dtype=np.float64)
        return predicted[:, 0] if self._flat else predicted

    def member_predict(self, X: Any) -> NDArray:
        """Predictions of each kept member.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples of the shape seen in ``fit``.

        Returns
        -------
        ndarray of shape (n_members_, n_samples, n_targets)
            In the order of ``estimators_``.
        """
        return np.stack(list(self._member_outputs(X)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not self._is_prefit():
            check_regressors(self.estimator)

    def _check_target(self, y: Any) -> NDArray:
        y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y", estimator=self)
        if y.ndim > 2:
            raise ValueError(f"y must have one or two dimensions; got shape {y.shape}.")
        return y

    def _prefit_task(self, y: NDArray) -> tuple[Task, BasePool, NDArray]:
        task, targets = self._task(y)
        return task, task.pool(with_files(self.estimator)), targets

    def _task(self, y: NDArray) -> tuple[Task, NDArray]:
        task = Regression(1 if y.ndim == 1 else y.shape[1], flat=y.ndim == 1)
        return task, self._encoded(y, task)

    def _fitted_task(self) -> Task:
        return Regression(len(self.intercept_), self._flat)

    def _encoded(self, y: NDArray, task: Task) -> NDArray:
        assert isinstance(task, Regression)
        return y.reshape(len(y), task.n_targets).astype(np.float64)

    def _evidence(
        self, P: Predictions, y: NDArray, sample_weight: NDArray[np.float64] | None, task: Task
    ) -> RegressionEvidence:
        return RegressionEvidence(P, y, sample_weight)

    def _on_new_rows(self, evidence: Any) -> RegressionEvidence:
        # Intercepts are those of the fit: new rows are there to be judged by.
        return replace(evidence, means=self._means)

    def _finish(self, evidence: Any, weights: NDArray[np.float64], task: Task) -> None:
        assert isinstance(task, Regression)
        every = np.arange(evidence.n_rows)
        self._flat = task.flat
        self._means = evidence.mean_of(every)
        self.intercept_ = evidence.intercepts(weights[None], every)[0]

    def _pool(self) -> RegressorPool:
        return RegressorPool(tuple(self.estimators_), self._features, len(self.intercept_))

    def __skprune_vote__(self) -> Vote:
        check_is_fitted(self)
        return Vote(
            self._voting_members((None,) * self.n_members_),
            None,
            sample_shape=self.sample_shape_,
            intercept=self.intercept_,
            flat=self._flat,
        )
