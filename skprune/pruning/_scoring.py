"""Scores of many weightings at once, by any of scikit-learn's scorers."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer

from ._evidence import Evidence, RegressionEvidence, Rows, VotingEvidence

__all__ = ["CandidateScorer"]

# Bytes of predictions held at once for scorers that look at one candidate at a time.
_BLOCK_BYTES = 2**27


class _GivenProbabilities(ClassifierMixin, BaseEstimator):
    """A classifier whose X are its probabilities: what a scorer is handed."""

    def __init__(self, classes: NDArray) -> None:
        self.classes = classes
        self.classes_ = classes

    def predict_proba(self, X: NDArray) -> NDArray:
        return X

    def predict(self, X: NDArray) -> NDArray:
        return self.classes_[X.argmax(axis=1)]

    def __sklearn_is_fitted__(self) -> bool:
        return True


class _GivenPredictions(RegressorMixin, BaseEstimator):
    """A regressor whose X are its predictions."""

    def predict(self, X: NDArray) -> NDArray:
        return X[:, 0] if X.shape[1] == 1 else X

    def __sklearn_is_fitted__(self) -> bool:
        return True


class CandidateScorer:
    """A score, and the one that decides between equals.

    Parameters
    ----------
    scoring : str, callable or None
        Name of a scorer, or a scorer; None is accuracy or R^2.

    Raises
    ------
    ValueError
        If there is no scorer of that name.
    """

    def __init__(self, scoring: str | Callable | None) -> None:
        if scoring is not None and not isinstance(scoring, str) and not callable(scoring):
            raise ValueError(
                f"scoring must be the name of a scorer, a scorer or None; got {scoring!r}."
            )
        self.scoring = scoring
        self._scorer = None if scoring is None else get_scorer(scoring)

    def check(self, evidence: Evidence) -> None:
        """Try the scorer on made predictions, before anything expensive.

        Parameters
        ----------
        evidence : Evidence
            Small, of the kind and with the classes or targets that are to come.

        Raises
        ------
        ValueError
            If it needs what the members cannot give.
        """
        rows = np.arange(evidence.n_rows)
        try:
            score = self.table(evidence, np.eye(evidence.n_members), rows, rows)[0]
            if np.shape(score) != (evidence.n_members,) or not np.isfinite(score).all():
                raise ValueError(f"it gave {score[0]!r} for perfect predictions")
        except Exception as error:
            what = (
                f"probabilities and labels of {len(evidence.classes)} classes"
                if isinstance(evidence, VotingEvidence)
                else f"predictions of {evidence.P.shape[2]} target(s)"
            )
            raise ValueError(
                f"scoring={self.scoring!r} cannot be computed from what the members give, {what}: "
                f"{error}"
            ) from error

    def table(
        self, evidence: Evidence, weights: NDArray[np.float64], rows: Rows, train: Rows
    ) -> NDArray[np.float64]:
        """Score K weightings on some rows.

        Parameters
        ----------
        evidence : Evidence
            Calibration predictions.
        weights : ndarray of shape (K, M)
            One candidate a row.
        rows : ndarray of shape (n,)
            Rows to score on.
        train : ndarray
            Rows that an intercept is fitted on.

        Returns
        -------
        ndarray of shape (2, K)
            The score, and the one that decides between equals; greater is better.
        """
        quick = evidence.quick_scores(weights, rows, train)
        wanted = evidence.default_score if self.scoring is None else self.scoring
        if isinstance(wanted, str) and wanted in quick:
            return np.array([quick[wanted], quick[evidence.tie_break]])
        return np.array(
            [self._one_by_one(evidence, weights, rows, train), quick[evidence.tie_break]]
        )

    def _one_by_one(
        self, evidence: Evidence, weights: NDArray[np.float64], rows: Rows, train: Rows
    ) -> NDArray[np.float64]:
        truth = evidence.truth[rows]
        responder: Any = _GivenPredictions()
        if isinstance(evidence, VotingEvidence):
            responder = _GivenProbabilities(evidence.classes)
        elif isinstance(evidence, RegressionEvidence) and truth.shape[1] == 1:
            truth = truth[:, 0]
        weight = evidence.weights_of(rows)
        options = {} if weight is None else {"sample_weight": weight}
        step = max(1, _BLOCK_BYTES // (8 * len(rows) * evidence.P.shape[2]))
        scores = []
        assert self._scorer is not None
        for start in range(0, len(weights), step):
            outputs = evidence.outputs(weights[start : start + step], rows, train)
            scores += [self._scorer(responder, output, truth, **options) for output in outputs]
        return np.array(scores, dtype=np.float64)
