"""Calibration predictions, and what the selection computes from them.

One class for votes on classes and one for weighted sums of regressors; the selection and the
search use only what they have in common.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer

from ..socp import (
    SCALES,
    EnsembleStatistics,
    LogPoolStatistics,
    SOCPPath,
    SOCPProblem,
    SOCPSolution,
    fit_intercept,
    fit_scale,
    fit_temperature,
    log_pool_problem,
    out_of_bag_log_pool,
    out_of_bag_regression,
    out_of_bag_scale,
    out_of_bag_statistics,
    refit_log_pool,
    solve_exact_entropy,
    solve_log_pool,
    solve_support,
)
from ..utils import (
    Predictions,
    VotingRule,
    as_probabilities,
    floored_logs,
    sample_blocks,
    select,
    weighted_votes,
)

__all__ = [
    "CalibrationPredictions",
    "CandidateScorer",
    "ClassPredictions",
    "LogPoolPredictions",
    "SelectionInput",
    "Statistics",
    "StatisticsAlone",
    "TargetPredictions",
]

Rows = NDArray[np.intp]
Statistics = EnsembleStatistics | LogPoolStatistics

# Bytes of predictions (in double precision) held at once.
_BLOCK_BYTES = 2**25
# Bytes of predictions held at once for scorers that look at one candidate at a time.
_SCORED_BYTES = 2**27


@dataclass(frozen=True, eq=False)
class SelectionInput(ABC):
    """What the selection computes from calibration rows, or from their statistics alone.

    ``weights`` below has a weighting of the members in each of its K rows; ``rows`` are
    positions of calibration rows.
    """

    @property
    def positive(self) -> bool:
        """Whether weights must not be negative."""
        return True

    def problem(
        self, stats: Any, alpha: float, diversity: str, costs: NDArray[np.float64] | None
    ) -> SOCPProblem:
        """The quadratic f, without penalty; for the exact entropy, expanded around the mean."""
        diversity = "shannon" if diversity == "exact" else diversity
        return SOCPProblem.from_statistics(
            stats, alpha, diversity=diversity, costs=costs, positive=self.positive
        )

    def free(self, problem: SOCPProblem) -> SOCPProblem:
        """What the weights of chosen members minimize."""
        return problem.summing_to_one() if problem.positive else problem.with_penalty(0.0)

    def averaged(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights of the program, at a scale at which those of several samples are averaged."""
        return weights / weights.sum() if self.positive else weights

    def equal(self, signs: NDArray, rows: Rows) -> NDArray[np.float64]:
        """Equal weights of some members, (M,), whose signs are 1, or -1; the others have 0."""
        equal = signs / np.abs(signs).sum()
        return equal if self.positive else self.rescaled(equal[None], rows)[0]

    def relaxed(
        self, problem: SOCPProblem, support: NDArray[np.bool_], start: NDArray, rows: Rows
    ) -> NDArray[np.float64]:
        """Weights of some members without penalty, (M,); zero if there are none."""
        relaxed = solve_support(self.free(problem), support, start=start)
        # Off the path the program may give no member of a support a weight.
        return self.rescaled(relaxed[None], rows)[0] if relaxed.any() else relaxed

    @abstractmethod
    def rescaled(self, weights: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
        """The weightings at the scale of a prediction, (K, M)."""

    @abstractmethod
    def losses(self, weights: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
        """What weightings lose on the rows that they come from, without penalty, (K,).

        Log loss, or for targets and votes that are not calibrated the squared error.
        """

    def member_diversity(self, stats: Any) -> NDArray[np.float64]:
        """Mean distance of each member from the mean of all, (M,)."""
        if stats.divergence is not None:
            return np.asarray(stats.divergence * stats.n_classes)
        # |p_i - mean|^2; the columns of ones, which are half of all, cancel.
        mean = stats.gram.mean(axis=0)
        return np.asarray((np.diagonal(stats.gram) - 2 * mean + mean.mean()) * 2)

    def error_products(self, stats: Any) -> NDArray[np.float64]:
        """Mean products of the members' errors, (M, M): <P_i - Y, P_k - Y>."""
        b = stats.agreement
        return np.asarray(stats.gram - b[:, None] - b + stats.target_power)


@dataclass(frozen=True, eq=False)
class CalibrationPredictions(SelectionInput):
    """Predictions of M members on N rows that no member was trained on.

    Out of bag, ``own`` marks what counts in statistics and scores of single members; elsewhere P
    holds predictions of other members, drawn at random.

    ``weights`` below has a weighting of the members in each of its K rows; ``rows`` are
    positions of calibration rows; ``train`` those that an intercept is fitted to.
    """

    P: Predictions  # (M, N, k), probabilities or targets; read block by block only
    y: NDArray  # (N,) classes as positions, or (N, k) targets
    sample_weight: NDArray[np.float64] | None
    own: NDArray[np.bool_] | None = field(default=None, kw_only=True)  # (M, N)
    groups: NDArray | None = field(default=None, kw_only=True)  # (N,), not split by folds

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

    def with_positive_weight(self) -> Self:
        """The rows that have a weight, and a member that was not trained on them."""
        weight, own = self.sample_weight, self.own
        used = np.ones(self.n_rows, dtype=bool) if weight is None else weight > 0
        if own is not None:
            used &= own.any(axis=0)
        if used.all():
            return self
        rows = np.flatnonzero(used)
        if own is not None and len(rows) < 2:
            raise ValueError(
                f"Out-of-bag calibration leaves {len(rows)} of {self.n_rows} samples: every member "
                "was trained on all the others, or they have no weight. Give more members, or a "
                "share of the rows to hold out as cv."
            )
        return replace(
            self,
            P=select(self.P, rows),
            y=self.y[rows],
            sample_weight=None if weight is None else weight[rows],
            own=None if own is None else own[:, rows],
            groups=None if self.groups is None else self.groups[rows],
        )

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Weights of the rows, summing to one; shape (N,)."""
        weight = np.ones(self.n_rows) if self.sample_weight is None else self.sample_weight
        return weight / weight.sum()

    def weights_of(self, rows: Rows) -> NDArray[np.float64] | None:
        """Sample weights of some rows; None where none were given."""
        return None if self.sample_weight is None else self.sample_weight[rows]

    def _shares(self, rows: Rows) -> NDArray[np.float64]:
        share = self.shares[rows]
        total = share.sum()
        return share / total if total > 0 else np.full(len(rows), 1 / len(rows))

    @abstractmethod
    def statistics(self, rows: Rows) -> Any:
        """Statistics of some rows; those of disjoint rows add up."""

    def solve_exactly(
        self,
        rows: Rows,
        stats: Any,
        alpha: float,
        lam: float,
        costs: NDArray[np.float64] | None,
    ) -> SOCPSolution:
        """The optimum of the loss that f expands."""
        return solve_exact_entropy(
            select(self.P, rows),
            self.y[rows],
            alpha,
            lam,
            sample_weight=self.weights_of(rows),
            costs=costs,
        ).solution

    def along(self, path: SOCPPath) -> NDArray[np.float64]:
        """Weights at the knots of a path that keep a member, as they are scored, (K, M)."""
        return self.rescaled(path.weights[path.n_members > 0], np.arange(self.n_rows))

    # Votes, and their scores

    @property
    @abstractmethod
    def equal_weights(self) -> NDArray[np.float64]:
        """Weights of the full ensemble, (M,)."""

    def single_and_full(self, train: Rows) -> NDArray[np.float64]:
        """Weightings of each member alone, and of all equally, (M + 1, M)."""
        M = self.n_members
        return np.vstack([np.eye(M), np.full(M, 1 / M)])

    @abstractmethod
    def outputs(self, weights: NDArray[np.float64], rows: Rows, train: Rows) -> NDArray:
        """Probabilities or targets that weightings predict for some rows, (K, n, k)."""

    @abstractmethod
    def scores(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Accuracy, or R^2, of weightings on all rows, (K,)."""

    @abstractmethod
    def row_losses(self, output: NDArray) -> NDArray[np.float64]:
        """The loss of each row, (N,), for what one member predicts, (N, k)."""

    def member_scores(self) -> NDArray[np.float64]:
        """Accuracy, or R^2, of each member as it is, (M,); out of bag on its own rows."""
        if self.own is None:
            return self._member_scores()
        ones = (self.alone(i)[0] for i in range(self.n_members))
        scores = np.array([one._member_scores()[0] if one.n_rows else np.nan for one in ones])
        # A member without such a row is as the others in the mean.
        return np.where(np.isnan(scores), np.nanmean(scores), scores)

    def alone(self, i: int) -> tuple[Self, Rows]:
        """Member i on the rows that it was not trained on, and their positions."""
        assert self.own is not None
        rows = np.flatnonzero(self.own[i])
        P, weight = select(self.P, rows, np.array([i])), self.weights_of(rows)
        return replace(self, P=P, y=self.y[rows], sample_weight=weight, own=None), rows

    @abstractmethod
    def _member_scores(self) -> NDArray[np.float64]:
        """Accuracy, or R^2, of each member on all rows."""

    @abstractmethod
    def quick_scores(
        self, weights: NDArray[np.float64], rows: Rows, train: Rows
    ) -> dict[str, NDArray[np.float64]]:
        """Scores that need one matrix product, by scikit-learn's names, (K,) each."""

    def losses(self, weights: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
        return -self.quick_scores(weights, rows, rows)[self.tie_break]

    @property
    @abstractmethod
    def truth(self) -> NDArray:
        """Labels or targets as the user gave them, (N,) or (N, k)."""

    @property
    @abstractmethod
    def description(self) -> str:
        """What scorers get, in words."""

    @abstractmethod
    def responder(self) -> Any:
        """An estimator that returns its input as its predictions, for scorers."""


@dataclass(frozen=True, eq=False)
class ClassPredictions(CalibrationPredictions):
    """Probabilities of classes; with ``voting="hard"`` each member votes for one."""

    classes: NDArray
    voting: str = "soft"
    calibrate: str | None = None  # "temperature": one for each weighting
    fit_intercept: bool = False  # of a logarithmic pool

    default_score: ClassVar[str] = "accuracy"
    tie_break: ClassVar[str] = "neg_log_loss"

    def statistics(self, rows: Rows) -> Any:
        P, y, weight = select(self.P, rows), self.y[rows], self.weights_of(rows)
        if self.own is not None:
            return out_of_bag_statistics(P, y, self.own[:, rows], weight)
        return EnsembleStatistics.from_predictions(P, y, weight)

    def row_losses(self, output: NDArray) -> NDArray[np.float64]:
        return np.asarray(1.0 - output[np.arange(self.n_rows), self.y])

    def rescaled(self, weights: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
        return weights / weights.sum(axis=1, keepdims=True)

    def rule(self, weights: NDArray[np.float64]) -> VotingRule:
        """How members with these weights vote, fitted to all rows."""
        (b,) = self._adjustments(weights[None], np.arange(self.n_rows))
        return VotingRule(self.voting, temperature=float(1 / b[0]))

    def _adjustments(self, weights: NDArray[np.float64], train: Rows) -> NDArray[np.float64]:
        """What rows say of the votes of each weighting: the inverse of its temperature, (K, 1)."""
        if self.calibrate is None:
            return np.ones((len(weights), 1))
        y, weight = self.y[train], self.weights_of(train)
        votes = self._whole_votes(weights, train)
        return np.array([[fit_temperature(as_probabilities(q), y, weight)] for q in votes])

    def _whole_votes(self, weights: NDArray[np.float64], rows: Rows) -> Iterator[NDArray]:
        """Votes (n, k) of one weighting after the other."""
        step = max(1, _SCORED_BYTES // (8 * len(rows) * self.P.shape[2]))
        for start in range(0, len(weights), step):
            some = weights[start : start + step]
            parts = weighted_votes(select(self.P, rows), some, self.voting)
            yield from np.concatenate([votes for _, votes in parts], axis=1)

    def _logs(self, votes: NDArray, adjustments: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithms of the probabilities that votes (K, n, C) become."""
        return np.asarray(log_softmax(floored_logs(votes) * adjustments[:, :, None], axis=2))

    def outputs(self, weights: NDArray[np.float64], rows: Rows, train: Rows) -> NDArray:
        parts = weighted_votes(select(self.P, rows), weights, self.voting)
        votes = np.concatenate([votes for _, votes in parts], axis=1).astype(np.float64, copy=False)
        if self.calibrate is None and self.voting != "log":
            return as_probabilities(votes)
        return np.exp(self._logs(votes, self._adjustments(weights, train)))

    @property
    def equal_weights(self) -> NDArray[np.float64]:
        # Ones, not 1 / M: sums of ones are exact, and ties of equal votes stay ties.
        return np.ones(self.n_members)

    def scores(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        hits = np.zeros(len(weights))
        for rows, votes in weighted_votes(self.P, weights, self.voting):
            hits += (votes.argmax(axis=2) == self.y[rows]) @ self.shares[rows]
        return hits

    def _member_scores(self) -> NDArray[np.float64]:
        hits = np.zeros(self.n_members)
        for rows, block in _blocks(self.P):
            hits += (block.argmax(axis=2) == self.y[rows]) @ self.shares[rows]
        return hits

    def quick_scores(
        self, weights: NDArray[np.float64], rows: Rows, train: Rows
    ) -> dict[str, NDArray[np.float64]]:
        share, y = self._shares(rows), self.y[rows]
        hits, logs = np.zeros(len(weights)), np.zeros(len(weights))
        adjustments = self._adjustments(weights, train)
        # As sklearn.metrics.log_loss clips what predict_proba returns, which is float64.
        tiny = np.finfo(np.float64).eps
        for part, votes in weighted_votes(select(self.P, rows), weights, self.voting):
            if self.calibrate is not None or self.voting == "log":
                votes = self._logs(votes.astype(np.float64, copy=False), adjustments)
            hits += (votes.argmax(axis=2) == y[part]) @ share[part]
            true = votes[:, np.arange(votes.shape[1]), y[part]].astype(np.float64)
            if self.calibrate is not None or self.voting == "log":
                true = np.exp(true)
            logs += np.log(np.clip(true, tiny, 1 - tiny)) @ share[part]
        return {"accuracy": hits, "neg_log_loss": logs}

    def losses(self, weights: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
        if self.voting == "log" or self.calibrate is not None:
            return super().losses(weights, rows)
        share, y, found = self._shares(rows), self.y[rows], np.zeros(len(weights))
        for part, votes in weighted_votes(select(self.P, rows), weights, self.voting, np.float64):
            votes[:, np.arange(votes.shape[1]), y[part]] -= 1
            found += np.einsum("knc,knc->kn", votes, votes) @ share[part]
        return found

    @property
    def truth(self) -> NDArray:
        return self.classes[self.y]

    @property
    def description(self) -> str:
        return f"probabilities and labels of {len(self.classes)} classes"

    def responder(self) -> Any:
        return _GivenProbabilities(self.classes)


@dataclass(frozen=True, eq=False)
class LogPoolPredictions(ClassPredictions):
    """Probabilities of classes, of which members vote by their logarithms.

    Weights are exponents, and their scale matters.
    """

    @cached_property
    def scale(self) -> float:
        """Sum of equal exponents that fits all rows best, around which all are expanded."""
        if self.own is not None:
            return out_of_bag_scale(self.P, self.y, self.own, self.sample_weight)
        equal = np.full((1, self.n_members), 1 / self.n_members)
        (z,) = self._whole_votes(equal, np.arange(self.n_rows))
        return fit_scale(z.astype(np.float64), self.y, self.sample_weight)

    def statistics(self, rows: Rows) -> Any:
        P, y, weight = select(self.P, rows), self.y[rows], self.weights_of(rows)
        if self.own is not None:
            return out_of_bag_log_pool(P, y, self.own[:, rows], weight, scale=self.scale)
        return LogPoolStatistics.from_predictions(P, y, weight, scale=self.scale)

    def problem(
        self, stats: Any, alpha: float, diversity: str, costs: NDArray[np.float64] | None
    ) -> SOCPProblem:
        problem = log_pool_problem(stats, alpha, costs=costs)
        if problem.max_descent_rate > 1e-12:
            return problem
        # No member is better than equal probabilities of all classes, and any penalty would leave
        # none: a program that keeps the least bad one, with the smallest exponent.
        linear = np.ones(self.n_members)
        linear[(problem.linear / problem.costs).argmin()] = -2 * SCALES[0]
        return replace(problem, quadratic=np.eye(self.n_members), linear=linear)

    def solve_exactly(
        self,
        rows: Rows,
        stats: Any,
        alpha: float,
        lam: float,
        costs: NDArray[np.float64] | None,
    ) -> SOCPSolution:
        return solve_log_pool(
            select(self.P, rows),
            self.y[rows],
            alpha,
            lam,
            stats=stats,
            sample_weight=self.weights_of(rows),
            costs=costs,
        )

    def free(self, problem: SOCPProblem) -> SOCPProblem:
        return problem.with_penalty(0.0)

    def averaged(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return weights

    def equal(self, signs: NDArray, rows: Rows) -> NDArray[np.float64]:
        return self.rescaled(signs[None] / signs.sum(), rows)[0]

    def relaxed(
        self, problem: SOCPProblem, support: NDArray[np.bool_], start: NDArray, rows: Rows
    ) -> NDArray[np.float64]:
        members, weights = np.flatnonzero(support), np.zeros(len(support))
        weights[members] = refit_log_pool(
            select(self.P, rows, members), self.y[rows], self.weights_of(rows)
        )
        return weights

    def rescaled(self, weights: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
        y, weight = self.y[rows], self.weights_of(rows)
        weights = weights / weights.sum(axis=1, keepdims=True)
        scales = [fit_scale(z, y, weight) for z in self._whole_votes(weights, rows)]
        return weights * np.array(scales)[:, None]

    def member_diversity(self, stats: Any) -> NDArray[np.float64]:
        # KL(q || p~_i) to second order: half the variance of s0 l_i - z under q.
        s0, H = stats.scale, stats.hessian
        mean = H.mean(axis=0)
        return np.asarray(s0**2 / 2 * (np.diagonal(H) - 2 * mean + mean.mean()))

    def error_products(self, stats: Any) -> NDArray[np.float64]:
        return np.asarray(stats.hessian)

    def along(self, path: SOCPPath) -> NDArray[np.float64]:
        return path.weights[path.n_members > 0]  # only accuracies are asked for: no scale

    def single_and_full(self, train: Rows) -> NDArray[np.float64]:
        return self.rescaled(super().single_and_full(train), train)

    def rule(self, weights: NDArray[np.float64]) -> VotingRule:
        (b,) = self._adjustments(weights[None], np.arange(self.n_rows))
        return VotingRule(self.voting, intercept=b)

    def _adjustments(self, weights: NDArray[np.float64], train: Rows) -> NDArray[np.float64]:
        """The bias of each class for each weighting, (K, C)."""
        if not self.fit_intercept:
            return np.zeros((len(weights), len(self.classes)))
        y, weight = self.y[train], self.weights_of(train)
        votes = self._whole_votes(weights, train)
        return np.array([fit_intercept(z, y, weight) for z in votes])

    def _logs(self, votes: NDArray, adjustments: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(log_softmax(votes + adjustments[:, None], axis=2))


@dataclass(frozen=True, eq=False)
class TargetPredictions(CalibrationPredictions):
    """Predictions of targets; centered and scaled by the targets in the program."""

    # Mean predictions (M, k) and targets (k,) of the calibration rows, which give the intercepts
    # on new rows.
    means: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    positive: bool = True  # whether weights must not be negative

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

    def row_losses(self, output: NDArray) -> NDArray[np.float64]:
        return np.asarray(((output - self.y) ** 2).sum(axis=1))

    def statistics(self, rows: Rows) -> EnsembleStatistics:
        # With the center and scale of all rows, so that statistics of folds add up.
        P, y, weight = select(self.P, rows), self.y[rows], self.weights_of(rows)
        if self.own is not None:
            own = self.own[:, rows]
            return out_of_bag_regression(P, y, own, weight, self.center, self.scale)
        stats = EnsembleStatistics.from_regression(
            P, y, weight, center=self.center, scale=self.scale
        )
        return stats if self.positive else self._centered(stats, rows)

    def _centered(self, stats: EnsembleStatistics, rows: Rows) -> EnsembleStatistics:
        """Statistics of the members less their means over all rows, which the intercept adds."""
        # <F_i - D_i, F_k - D_k> = <F_i, F_k> - D_i R_k - R_i D_k + D_i D_k, with the means D over
        # all rows and R over these; half of the columns are the targets, half are ones.
        T = self.y.shape[1]
        means, _ = self._means_of_all
        here, target = self.mean_of(rows)
        D, R = (means - self.center) / self.scale, (here - self.center) / self.scale
        across = D @ R.T
        gram = stats.gram + (D @ D.T - across - across.T) / (2 * T)
        shift = D @ ((target - self.center) / self.scale) / (2 * T)
        return replace(stats, gram=gram, agreement=stats.agreement - shift)

    @cached_property
    def _means_of_all(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.mean_of(np.arange(self.n_rows))

    def rescaled(self, weights: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
        # The factor and the intercept that fit the targets best: a regression on one column.
        weights = weights / np.abs(weights).sum(axis=1, keepdims=True)
        share = self._shares(rows)
        means, target = self.mean_of(rows)
        wanted = (self.y[rows] - target) / self.scale
        slope, power = np.zeros(len(weights)), np.zeros(len(weights))
        for part, sums in self._sums(weights, rows):
            off = (sums - (weights @ means)[:, None]) / self.scale
            slope += np.einsum("n,knt,nt->k", share[part], off, wanted[part])
            power += np.einsum("n,knt,knt->k", share[part], off, off)
        return weights * _factors(slope, power)[:, None]

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

    def _member_scores(self) -> NDArray[np.float64]:
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
        # a variance of rounding size counts as none.
        rounding = np.square(8 * np.finfo(float).eps * np.abs(y).max(axis=0))
        flat = spread <= rounding
        ratio = np.where(flat, error > rounding, error / np.where(flat, 1.0, spread))
        return {"r2": (1 - ratio).mean(axis=1), "neg_mean_squared_error": -error.mean(axis=1)}

    @property
    def truth(self) -> NDArray:
        return self.y[:, 0] if self.y.shape[1] == 1 else self.y

    @property
    def description(self) -> str:
        return f"predictions of {self.P.shape[2]} target(s)"

    def responder(self) -> Any:
        return _GivenPredictions()

    def _sums(self, weights: NDArray[np.float64], rows: Rows) -> Iterator[tuple[slice, NDArray]]:
        return weighted_votes(select(self.P, rows), weights, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class StatisticsAlone(SelectionInput):
    """Statistics of rows that are gone: they give squared errors, and no other score."""

    stats: EnsembleStatistics
    classes: NDArray | None  # None for targets
    voting: str = "soft"
    positive: bool = True

    n_rows: ClassVar[int] = 0

    @cached_property
    def _errors(self) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """``<P_i, P_k>``, ``<P_i, Y>`` and ``<Y, Y>``; for targets without the columns of ones."""
        stats = self.stats
        if self.classes is not None:
            return stats.gram, stats.agreement, stats.target_power
        return 2 * stats.gram - 1, 2 * stats.agreement - 1, 2 * stats.target_power - 1

    def rescaled(self, weights: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
        weights = weights / np.abs(weights).sum(axis=1, keepdims=True)
        if self.classes is not None:
            return weights
        gram, agreement, _ = self._errors
        slope, power = weights @ agreement, np.einsum("km,km->k", weights @ gram, weights)
        return weights * _factors(slope, power)[:, None]

    def losses(self, weights: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
        gram, agreement, power = self._errors
        squares = np.einsum("km,km->k", weights @ gram, weights)
        return np.asarray(squares - 2 * weights @ agreement + power)

    def rule(self, weights: NDArray[np.float64]) -> VotingRule:
        """How members with these weights vote."""
        return VotingRule(self.voting)

    def mean_of(self, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Means of predictions (M, k), taken for those of the targets, and of targets (k,)."""
        center = self.stats.center
        assert center is not None
        return np.tile(center, (self.stats.n_members, 1)), center

    def intercepts(self, weights: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
        """What brings the weighted sums of K weightings to the mean of the targets, (K, k)."""
        predictions, targets = self.mean_of(rows)
        return targets - weights @ predictions


def _factors(slope: NDArray[np.float64], power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Factors of weighted sums that fit the targets best; 1 where none does, or it is negative."""
    usable = (slope > 0) & (power > 1e-12)
    return np.where(usable, slope / np.where(usable, power, 1.0), 1.0)


def _blocks(P: Predictions) -> Iterator[tuple[slice, NDArray]]:
    return sample_blocks(P, _BLOCK_BYTES, 8 * P.shape[0] * P.shape[2])


class _GivenProbabilities(ClassifierMixin, BaseEstimator):
    """A classifier that returns its input as probabilities, for scorers."""

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
    """A regressor that returns its input as predictions, for scorers."""

    def predict(self, X: NDArray) -> NDArray:
        return X[:, 0] if X.shape[1] == 1 else X

    def __sklearn_is_fitted__(self) -> bool:
        return True


class CandidateScorer:
    """A scorer, its name, or None (accuracy or R^2), and the score that breaks ties."""

    def __init__(self, scoring: str | Callable | None) -> None:
        self.scoring = scoring
        self._scorer: Any = None if scoring is None else get_scorer(scoring)

    def check(self, predictions: CalibrationPredictions) -> None:
        """Raise if the scorer cannot score predictions of the members; tried on a few made here."""
        rows = np.arange(predictions.n_rows)
        try:
            score = self.table(predictions, np.eye(predictions.n_members), rows, rows)[0]
            if np.shape(score) != (predictions.n_members,) or not np.isfinite(score).all():
                raise ValueError(f"it gave {score[0]} for perfect predictions")
        except Exception as error:
            raise ValueError(
                f"scoring={self.scoring!r} cannot be computed from what the members give, "
                f"{predictions.description}: {error}"
            ) from error

    def table(
        self,
        predictions: CalibrationPredictions,
        weights: NDArray[np.float64],
        rows: Rows,
        train: Rows,
    ) -> NDArray[np.float64]:
        """Score of each weighting on some rows, and the one that breaks ties; (2, K)."""
        quick = predictions.quick_scores(weights, rows, train)
        wanted = predictions.default_score if self.scoring is None else self.scoring
        if isinstance(wanted, str) and wanted in quick:
            return np.array([quick[wanted], quick[predictions.tie_break]])
        return np.array(
            [self._one_by_one(predictions, weights, rows, train), quick[predictions.tie_break]]
        )

    def _one_by_one(
        self,
        predictions: CalibrationPredictions,
        weights: NDArray[np.float64],
        rows: Rows,
        train: Rows,
    ) -> NDArray[np.float64]:
        truth, responder = predictions.truth[rows], predictions.responder()
        weight = predictions.weights_of(rows)
        options = {} if weight is None else {"sample_weight": weight}
        step = max(1, _SCORED_BYTES // (8 * len(rows) * predictions.P.shape[2]))
        scores = []
        for start in range(0, len(weights), step):
            outputs = predictions.outputs(weights[start : start + step], rows, train)
            scores += [self._scorer(responder, output, truth, **options) for output in outputs]
        return np.array(scores, dtype=np.float64)
