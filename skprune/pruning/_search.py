"""Cross-validation of the whole choice on calibration predictions, trained members untouched."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold

from ..socp import EnsembleStatistics
from ..utils import as_compared
from ._evidence import Evidence, Rows, VotingEvidence
from ._program import Program, Relaxation, shrinkage
from ._scoring import CandidateScorer

__all__ = ["Grid", "SearchResult", "search"]


@dataclass(frozen=True)
class Grid:
    """Candidates: every combination of four parameters, the last one changing fastest.

    Attributes
    ----------
    alphas, lams, thresholds : tuple of float
        Values to try.
    reweights : tuple of str or float
        Values to try.
    """

    alphas: tuple[float, ...]
    lams: tuple[float, ...]
    thresholds: tuple[float, ...]
    reweights: tuple[str | float, ...]

    @cached_property
    def params(self) -> list[dict[str, float | str]]:
        """One dict a candidate, in the order of the rows of weights."""
        names = ("alpha", "lam", "threshold", "reweight")
        values = product(self.alphas, self.lams, self.thresholds, self.reweights)
        return [dict(zip(names, value, strict=True)) for value in values]


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What cross-validation found.

    Attributes
    ----------
    weights : ndarray of shape (M,)
        Weights of the chosen candidate, from all rows.
    index : int
        Its position among the candidates.
    sizes : ndarray of shape (K,)
        Members that each candidate keeps, from all rows.
    fold_scores : ndarray of shape (F, K)
        Score of each candidate on each fold, chosen from the other folds.
    fold_ties : ndarray of shape (F, K)
        The score that decides between equals.
    nested_scores : ndarray of shape (F,)
        Score on each fold of the candidate that cross-validation on the others picks.
    full_score : float
        Score of the equal vote of all members.
    member_scores : ndarray of shape (F,)
        Score on each fold of the single member that is best on the other folds.
    frequency : ndarray of shape (M,)
        Share of the resamples in which each member has a weight, at the chosen alpha and
        lambda.
    relaxation : Relaxation
        The program of all rows at the chosen alpha.
    """

    weights: NDArray[np.float64]
    index: int
    sizes: NDArray[np.intp]
    fold_scores: NDArray[np.float64]
    fold_ties: NDArray[np.float64]
    nested_scores: NDArray[np.float64]
    full_score: float
    member_scores: NDArray[np.float64]
    frequency: NDArray[np.float64]
    relaxation: Relaxation


@dataclass(frozen=True, eq=False)
class _Block:
    """Rows and their statistics: half a fold, or several of those joined."""

    rows: Rows
    stats: EnsembleStatistics


def _joined(blocks: list[_Block]) -> _Block:
    stats = sum((block.stats for block in blocks[1:]), start=blocks[0].stats)
    return _Block(np.concatenate([block.rows for block in blocks]), stats)


@dataclass(frozen=True, eq=False)
class _Search:
    evidence: Evidence
    program: Program
    grid: Grid
    folds: list[tuple[_Block, _Block]]
    n_resamples: int
    seed: int

    def candidates(
        self, left_out: tuple[int, ...] = ()
    ) -> tuple[NDArray[np.float64], list[Relaxation], NDArray[np.float64]]:
        """Weights of all candidates (K, M) from all folds but some.

        Also the relaxation of each alpha, and how often each member has a weight over the
        resamples, (n_alphas, n_lams, M).
        """
        blocks = [b for i, fold in enumerate(self.folds) if i not in left_out for b in fold]
        halves = _half_samples(len(blocks), self.n_resamples, self.seed)
        joined = _joined(blocks)
        resamples = [_joined([blocks[i] for i in half]) for half in halves]
        shrinkages = [shrinkage(reweight) for reweight in self.grid.reweights]
        weights, relaxations, frequency = [], [], []
        for alpha in self.grid.alphas:
            whole = self._relax(joined, alpha)
            parts = [self._relax(resample, alpha) for resample in resamples] or [whole]
            relaxations.append(whole)
            for lam in self.grid.lams:
                resampled = np.array([part.at(lam) for part in parts])
                frequency.append((resampled > 0).mean(axis=0))
                base = resampled.mean(axis=0)
                for threshold in self.grid.thresholds:
                    weights.append(whole.weights(base, threshold, shrinkages))
        shape = (len(self.grid.alphas), len(self.grid.lams), -1)
        return np.concatenate(weights), relaxations, np.reshape(frequency, shape)

    def rows(self, *folds: int) -> Rows:
        return np.concatenate([b.rows for i in folds for b in self.folds[i]])

    def _relax(self, block: _Block, alpha: float) -> Relaxation:
        least = min(self.grid.lams)
        return Relaxation(self.program, self.evidence, block.rows, block.stats, alpha, least)


def search(
    evidence: Evidence,
    program: Program,
    grid: Grid,
    scorer: CandidateScorer,
    *,
    selection: str,
    n_folds: int,
    n_resamples: int,
    seed: int,
    report: Callable[[str], None],
) -> SearchResult:
    """Score every candidate by cross-validation, choose one, and judge the choosing too.

    Statistics are formed once, for each half of a fold; those of any set of folds are their
    sum. What is nested needs nothing new but the programs of all pairs of folds left out.

    Parameters
    ----------
    evidence : Evidence
        Calibration predictions.
    program : Program
        What all candidates share.
    grid : Grid
        Candidates.
    scorer : CandidateScorer
        Score.
    selection : {"best", "one_se"}
        The best, or the fewest members within a standard error of it.
    n_folds : int
        Number of folds F.
    n_resamples : int
        Half-samples over which the program's weights are averaged; 0 takes all rows once.
    seed : int
        Seed of folds and half-samples.
    report : callable
        Called with a line of progress.

    Returns
    -------
    SearchResult
    """
    folds = [
        tuple(_Block(rows, evidence.statistics(rows)) for rows in halves)
        for halves in _halved_folds(evidence, n_folds, seed)
    ]
    run = _Search(evidence, program, grid, folds, n_resamples, seed)  # type: ignore[arg-type]
    M = evidence.n_members
    alone = np.vstack([np.eye(M), np.full(M, 1 / M)])
    every = range(n_folds)
    others = [[i for i in every if i != fold] for fold in every]

    outer = [run.candidates((fold,))[0] for fold in every]
    tables = np.array(
        [
            scorer.table(evidence, np.vstack([W, alone]), run.rows(fold), run.rows(*others[fold]))
            for fold, W in enumerate(outer)
        ]
    )  # fold, score or tie-break, candidate
    K = outer[0].shape[0]
    scores, ties = tables[:, 0, :K], tables[:, 1, :K]
    single, single_ties = tables[:, 0, K : K + M], tables[:, 1, K : K + M]
    report(f"scored {K} candidates on {n_folds} folds")

    inner = np.zeros((n_folds, n_folds, 2, K))  # left out, scored on
    for one in every:
        for two in range(one):
            W = run.candidates((one, two))[0]
            train = run.rows(*[i for i in every if i not in (one, two)])
            inner[one, two] = scorer.table(evidence, W, run.rows(two), train)
            inner[two, one] = scorer.table(evidence, W, run.rows(one), train)
    nested, nested_single = [], []
    for fold in every:
        table = inner[fold, others[fold]]
        picked = _choose(table[:, 0], table[:, 1], _sizes(outer[fold]), selection)
        nested.append(scores[fold, picked])
        rest = others[fold]
        member = _choose(single[rest], single_ties[rest], np.ones(M, dtype=np.intp), "best")
        nested_single.append(single[fold, member])
    report("scored the choosing itself (nested)")

    weights, relaxations, frequency = run.candidates()
    index = _choose(scores, ties, _sizes(weights), selection)
    at_one_lam = len(grid.thresholds) * len(grid.reweights)
    alpha_at, lam_at = divmod(index // at_one_lam, len(grid.lams))
    return SearchResult(
        weights=weights[index],
        index=index,
        sizes=_sizes(weights),
        fold_scores=scores,
        fold_ties=ties,
        nested_scores=np.array(nested),
        full_score=float(tables[:, 0, -1].mean()),
        member_scores=np.array(nested_single),
        frequency=frequency[alpha_at, lam_at],
        relaxation=replace(relaxations[alpha_at], least=0.0),
    )


def _choose(
    scores: NDArray[np.float64],
    ties: NDArray[np.float64],
    sizes: NDArray[np.intp],
    selection: str,
) -> int:
    """The candidate to take, from scores (F, K) on folds."""
    mean, tie = as_compared(scores.mean(axis=0)), as_compared(ties.mean(axis=0))
    best = np.lexsort((sizes, -tie, -mean))[0]
    if selection == "best":
        return int(best)
    error = scores[:, best].std(ddof=1) / np.sqrt(len(scores))
    slack = 1e-12 * np.abs(scores).max()
    enough = scores.mean(axis=0) >= scores[:, best].mean() - error - slack
    return int(np.lexsort((-tie, -mean, sizes, ~enough))[0])


def _sizes(weights: NDArray[np.float64]) -> NDArray[np.intp]:
    return (weights > 0).sum(axis=1)


def _halved_folds(evidence: Evidence, n_folds: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Disjoint folds, by class where there are classes, each cut in two."""
    if isinstance(evidence, VotingEvidence):
        splitter: StratifiedKFold | KFold = StratifiedKFold(
            n_folds, shuffle=True, random_state=seed
        )
        by_class = evidence.y
    else:
        splitter = KFold(n_folds, shuffle=True, random_state=seed)
        by_class = np.zeros(evidence.n_rows)
    folds = []
    for _, rows in splitter.split(by_class[:, None], by_class):
        rows = rows[np.argsort(by_class[rows], kind="stable")]
        folds.append((np.sort(rows[::2]), np.sort(rows[1::2])))
    return folds


def _half_samples(n_blocks: int, n_resamples: int, seed: int) -> list[NDArray[np.intp]]:
    """Random halves of the blocks, in complementary pairs (Shah and Samworth 2013)."""
    rng = np.random.default_rng(seed)
    halves: list[NDArray[np.intp]] = []
    while len(halves) < n_resamples:
        order = rng.permutation(n_blocks)
        halves += [order[: n_blocks // 2], order[n_blocks // 2 :]]
    return halves[:n_resamples]
