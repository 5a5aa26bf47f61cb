"""Calibration predictions, and what the choice of members may ask of them.

One class for votes on classes and one for weighted sums of regressors; the choice itself,
in ``_program`` and ``_search``, knows only what they have in common.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..socp import EnsembleStatistics
from ..utils import Predictions, as_probabilities, select, weighted_votes

__all__ = ["Evidence", "RegressionEvidence", "VotingEvidence"]

Rows = NDArray[np.intp]

# Bytes of predictions (in double precision) held at once.
_BLOCK_BYTES = 2**25


@dataclass(frozen=True, eq=False)
class Evidence(ABC):
    """Predictions of M members on N rows that no member was trained on.

    Attributes
    ----------
    P : Predictions of shape (M, N, k)
        Probabilities of k classes, or predictions of k targets; read block by block only.
    y : ndarray of shape (N,) or (N, k)
        Classes as positions, or targets.
    sample_weight : ndarray of shape (N,) or None
        Weights of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(10, random_state=0)
    >>> pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, y)
    >>> evidence = pruner.evidence(forest.fit(X, y), X, y)
    >>> evidence.n_members, evidence.n_rows
    (10, 150)
    >>> bool(np.isclose(evidence.scores(evidence.equal_weights[None])[0], forest.score(X, y)))
    True
    """

    P: Predictions
    y: NDArray
    sample_weight: NDArray[np.float64] | None

    default_score: ClassVar[str]
    tie_break: ClassVar[str]

    @property
    def n_members(self) -> int:
        """Number of members M."""
        return self.P.shape[0]

    @property
    def n_rows(self) -> int:
        """Number of rows N."""
        return self.P.shape[1]

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Weights of the rows, summing to one; shape (N,)."""
        weight = np.ones(self.n_rows) if self.sample_weight is None else self.sample_weight
        return weight / weight.sum()

    def weights_of(self, rows: Rows) -> NDArray[np.float64] | None:
        """Sample weights of some rows.

        Parameters
        ----------
        rows : ndarray of shape (n,), int
            Positions of rows.

        Returns
        -------
        ndarray of shape (n,) or None
            None where none were given.
        """
        return None if self.sample_weight is None else self.sample_weight[rows]

    def _shares(self, rows: Rows) -> NDArray[np.float64]:
        share = self.shares[rows]
        total = share.sum()
        return share / total if total > 0 else np.full(len(rows), 1 / len(rows))

    @abstractmethod
    def statistics(self, rows: Rows) -> EnsembleStatistics:
        """Statistics of some rows; those of disjoint rows add up.

        Parameters
        ----------
        rows : ndarray of shape (n,), int
            Positions of rows.

        Returns
        -------
        EnsembleStatistics
        """

    @abstractmethod
    def rescaled(self, weights: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
        """Bring weightings to the scale at which equal weights are 1 / M.

        Parameters
        ----------
        weights : ndarray of shape (K, M)
            K weightings of the members.
        rows : ndarray of shape (n,), int
            Rows that the scale of a sum of regressors is fitted to.

        Returns
        -------
        ndarray of shape (K, M)
            The same weightings at that scale.
        """

    @abstractmethod
    def outputs(self, weights: NDArray[np.float64], rows: Rows, train: Rows) -> NDArray:
        """What weightings predict for some rows.

        Parameters
        ----------
        weights : ndarray of shape (K, M)
            K weightings of the members.
        rows : ndarray of shape (n,), int
            Positions of rows.
        train : ndarray of shape (m,), int
            Rows that an intercept is fitted to, where there is one.

        Returns
        -------
        ndarray of shape (K, n, k)
            Probabilities of k classes, or predictions of k targets.
        """

    @property
    @abstractmethod
    def equal_weights(self) -> NDArray[np.float64]:
        """Weights of the full ensemble, of shape (M,)."""

    @abstractmethod
    def scores(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Score weightings on all rows.

        Parameters
        ----------
        weights : ndarray of shape (K, M)
            K weightings of the members.

        Returns
        -------
        ndarray of shape (K,)
            Accuracy, or R^2.
        """

    @abstractmethod
    def member_scores(self) -> NDArray[np.float64]:
        """Score each member as it is.

        Returns
        -------
        ndarray of shape (M,)
            Accuracy, or R^2.
        """

    @abstractmethod
    def quick_scores(
        self, weights: NDArray[np.float64], rows: Rows, train: Rows
    ) -> dict[str, NDArray[np.float64]]:
        """Scores that come out of one matrix product.

        Parameters
        ----------
        weights : ndarray of shape (K, M)
            K weightings of the members.
        rows : ndarray of shape (n,), int
            Positions of rows.
        train : ndarray of shape (m,), int
            Rows that an intercept is fitted to, where there is one.

        Returns
        -------
        dict of str to ndarray of shape (K,)
            By scikit-learn's names, such as ``"neg_log_loss"``.
        """

    @property
    @abstractmethod
    def truth(self) -> NDArray:
        """Labels or targets as the user gave them, of shape (N,) or (N, k)."""


@dataclass(frozen=True, eq=False)
class VotingEvidence(Evidence):
    """Probabilities of classes, weighed or, with ``voting="hard"``, turned into votes."""

    classes: NDArray
    voting: str

    default_score: ClassVar[str] = "accuracy"
    tie_break: ClassVar[str] = "neg_log_loss"

    def statistics(self, rows: Rows) -> EnsembleStatistics:
        return EnsembleStatistics.from_predictions(
            select(self.P, rows), self.y[rows], self.weights_of(rows)
        )

    def rescaled(self, weights: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
        return weights / weights.sum(axis=1, keepdims=True)

    def outputs(self, weights: NDArray[np.float64], rows: Rows, train: Rows) -> NDArray:
        parts = weighted_votes(select(self.P, rows), weights, self.voting)
        return as_probabilities(np.concatenate([votes for _, votes in parts], axis=1))

    @property
    def equal_weights(self) -> NDArray[np.float64]:
        # Ones, not 1 / M: sums of ones are exact, and ties of equal votes stay ties.
        return np.ones(self.n_members)

    def scores(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        hits = np.zeros(len(weights))
        for rows, votes in weighted_votes(self.P, weights, self.voting):
            hits += (votes.argmax(axis=2) == self.y[rows]) @ self.shares[rows]
        return hits

    def member_scores(self) -> NDArray[np.float64]:
        hits = np.zeros(self.n_members)
        for rows, block in _blocks(self.P):
            hits += (block.argmax(axis=2) == self.y[rows]) @ self.shares[rows]
        return hits

    def quick_scores(
        self, weights: NDArray[np.float64], rows: Rows, train: Rows
    ) -> dict[str, NDArray[np.float64]]:
        share, y = self._shares(rows), self.y[rows]
        hits, logs = np.zeros(len(weights)), np.zeros(len(weights))
        for part, votes in weighted_votes(select(self.P, rows), weights, self.voting):
            hits += (votes.argmax(axis=2) == y[part]) @ share[part]
            true = votes[:, np.arange(votes.shape[1]), y[part]].astype(np.float64)
            # As sklearn.metrics.log_loss clips what predict_proba returns, which is float64.
            tiny = np.finfo(np.float64).eps
            logs += np.log(np.clip(true, tiny, 1 - tiny)) @ share[part]
        return {"accuracy": hits, "neg_log_loss": logs}

    @property
    def truth(self) -> NDArray:
        return self.classes[self.y]


@dataclass(frozen=True, eq=False)
class RegressionEvidence(Evidence):
    """Predictions of targets; what is weighed is centred and scaled by the targets.

    Attributes
    ----------
    means : tuple of ndarrays of shape (M, k) and (k,), or None
        Mean predictions and mean targets that intercepts are formed from, where these rows may
        not be looked at: those of the calibration rows.
    """

    means: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    default_score: ClassVar[str] = "r2"
    tie_break: ClassVar[str] = "neg_mean_squared_error"

    @cached_property
    def center(self) -> NDArray[np.float64]:
        """Weighted mean of each target, (k,)."""
        return self.shares @ self.y

    @cached_property
    def scale(self) -> NDArray[np.float64]:
        """Weighted standard deviation of each target, 1 where it is constant; (k,)."""
        deviation = np.sqrt(self.shares @ (self.y - self.center) ** 2)
        constant = deviation <= 8 * np.finfo(float).eps * np.abs(self.y).max(axis=0)
        return np.where(constant, 1.0, deviation)

    def statistics(self, rows: Rows) -> EnsembleStatistics:
        # Centred and scaled alike for all rows, so that statistics of folds add up.
        return EnsembleStatistics.from_regression(
            select(self.P, rows),
            self.y[rows],
            self.weights_of(rows),
            center=self.center,
            scale=self.scale,
        )

    def rescaled(self, weights: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
        # The factor and the intercept that fit the targets best: a regression on one column.
        weights = weights / weights.sum(axis=1, keepdims=True)
        share = self._shares(rows)
        means, target = self.mean_of(rows)
        wanted = (self.y[rows] - target) / self.scale
        slope, power = np.zeros(len(weights)), np.zeros(len(weights))
        for part, sums in self._sums(weights, rows):
            off = (sums - (weights @ means)[:, None]) / self.scale
            slope += np.einsum("n,knt,nt->k", share[part], off, wanted[part])
            power += np.einsum("n,knt,knt->k", share[part], off, off)
        usable = (slope > 0) & (power > 1e-12)
        return weights * np.where(usable, slope / np.where(usable, power, 1.0), 1.0)[:, None]

    def mean_of(self, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean predictions (M, k) and mean targets (k,) of some rows."""
        share = self._shares(rows)
        predictions = np.zeros((self.n_members, self.P.shape[2]))
        for part, block in _blocks(select(self.P, rows)):
            predictions += np.einsum("n,mnt->mt", share[part], block.astype(np.float64))
        return predictions, share @ self.y[rows]

    def intercepts(self, weights: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
        """What brings the weighted sums of K weightings to the mean of the targets, (K, k)."""
        predictions, targets = self.mean_of(rows) if self.means is None else self.means
        return targets - weights @ predictions

    def outputs(self, weights: NDArray[np.float64], rows: Rows, train: Rows) -> NDArray:
        sums = np.concatenate([part for _, part in self._sums(weights, rows)], axis=1)
        return sums + self.intercepts(weights, train)[:, None]

    @property
    def equal_weights(self) -> NDArray[np.float64]:
        return np.full(self.n_members, 1 / self.n_members)

    def scores(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        every = np.arange(self.n_rows)
        return self.quick_scores(weights, every, every)["r2"]

    def member_scores(self) -> NDArray[np.float64]:
        none = np.zeros((self.n_members, self.P.shape[2])), np.zeros(self.P.shape[2])
        return replace(self, means=none).scores(np.eye(self.n_members))

    def quick_scores(
        self, weights: NDArray[np.float64], rows: Rows, train: Rows
    ) -> dict[str, NDArray[np.float64]]:
        share, y = self._shares(rows), self.y[rows]
        intercepts = self.intercepts(weights, train)[:, None]
        error = np.zeros((len(weights), y.shape[1]))
        for part, sums in self._sums(weights, rows):
            off = np.square(sums + intercepts - y[part])
            error += np.einsum("n,knt->kt", share[part], off)
        spread = share @ np.square(y - share @ y)
        # As sklearn.metrics.r2_score: a constant target scores one where it is met, else zero;
        # but what rounding leaves of its variance does not count.
        rounding = np.square(8 * np.finfo(float).eps * np.abs(y).max(axis=0))
        flat = spread <= rounding
        ratio = np.where(flat, error > rounding, error / np.where(flat, 1.0, spread))
        return {"r2": (1 - ratio).mean(axis=1), "neg_mean_squared_error": -error.mean(axis=1)}

    @property
    def truth(self) -> NDArray:
        return self.y

    def _sums(self, weights: NDArray[np.float64], rows: Rows) -> Iterator[tuple[slice, NDArray]]:
        return weighted_votes(select(self.P, rows), weights, dtype=np.float64)


def _blocks(P: Predictions) -> Iterator[tuple[slice, NDArray]]:
    """Runs of samples, with the predictions of all members."""
    M, N, k = P.shape
    step = max(1, _BLOCK_BYTES // (8 * M * k))
    for start in range(0, N, step):
        rows = slice(start, min(N, start + step))
        yield rows, P[:, rows]
