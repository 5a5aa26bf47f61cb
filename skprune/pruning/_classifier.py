"""The half of a pruner that knows classes: members vote."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, check_is_fitted, column_or_1d

from ..utils import (
    BasePool,
    MemberPool,
    Predictions,
    Vote,
    as_probabilities,
    check_one_of,
    refuse_multilabel,
)
from ._by_parts import FitsByParts
from ._checks import positions_in
from ._estimator import check_classifiers, with_files
from ._evidence import VotingEvidence
from ._tasks import Classification, Task

__all__ = ["BaseClassifierPruner"]


class BaseClassifierPruner(ClassifierMixin, FitsByParts):
    """An ensemble pruner whose members are classifiers and vote."""

    voting: str
    score_name = "accuracy"

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Weighted vote of the kept members, equation (1).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples of the shape seen in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Weighted mean of the members' probabilities; with ``voting="hard"``, the weighted
            share of the members that choose each class.
        """
        check_is_fitted(self)
        outputs = self._member_outputs(X)
        total: NDArray[np.float64] | None = None
        for weight, proba in zip(self.weights_[self.support_], outputs, strict=True):
            if self.voting == "hard":
                proba = np.eye(len(self.classes_))[proba.argmax(axis=1)]
            total = weight * proba if total is None else total + weight * proba
        assert total is not None  # at least one member is always kept
        return as_probabilities(total)

    def member_predict_proba(self, X: Any) -> NDArray:
        """Probabilities of each kept member.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples of the shape seen in ``fit``.

        Returns
        -------
        ndarray of shape (n_members_, n_samples, n_classes)
            In the order of ``estimators_``.
        """
        return np.stack(list(self._member_outputs(X)))

    def predict(self, X: Any) -> NDArray:
        """The class with the largest weighted vote.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples of the shape seen in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.
        """
        votes = self.predict_proba(X)
        return self.classes_[votes.argmax(axis=1)]

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not self._is_prefit():
            check_classifiers(self.estimator)
        check_one_of("voting", self.voting, ("soft", "hard"))

    def _check_target(self, y: Any) -> NDArray:
        y = self._check_labels(y)
        if len(np.unique(y)) < 2:
            raise ValueError(
                f"y has one class only, {y[:1].tolist()[0]!r}; pruning a vote needs at least two."
            )
        return y

    def _check_labels(self, y: Any) -> NDArray:
        refuse_multilabel(y)
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        return y

    def _prefit_task(self, y: NDArray) -> tuple[Task, BasePool, NDArray]:
        pool = MemberPool.from_fitted(with_files(self.estimator), labels=np.unique(y))
        task = Classification(pool.classes)
        return task, pool, self._encoded(y, task)

    def _task(self, y: NDArray) -> tuple[Task, NDArray]:
        classes, codes = np.unique(y, return_inverse=True)
        return Classification(classes), codes

    def _fitted_task(self) -> Task:
        return Classification(self.classes_)

    def _encoded(self, y: NDArray, task: Task) -> NDArray:
        assert isinstance(task, Classification)
        return positions_in(y, task.classes)

    def _evidence(
        self, P: Predictions, y: NDArray, sample_weight: NDArray[np.float64] | None, task: Task
    ) -> VotingEvidence:
        assert isinstance(task, Classification)
        return VotingEvidence(P, y, sample_weight, task.classes, self.voting)

    def _finish(self, evidence: Any, weights: NDArray[np.float64], task: Task) -> None:
        assert isinstance(task, Classification)
        self.classes_ = task.classes
        self.weights_ = weights / weights.sum()

    def _note_pool(self, kept: BasePool) -> None:
        assert isinstance(kept, MemberPool)
        self._columns = kept.columns

    def _pool(self) -> MemberPool:
        return MemberPool(tuple(self.estimators_), self._features, self._columns, self.classes_)

    def __skprune_vote__(self) -> Vote:
        check_is_fitted(self)
        members = self._voting_members(self._pool().columns)
        return Vote(members, self.classes_, self.voting, self.sample_shape_)
