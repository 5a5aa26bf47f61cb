"""The cross-validated choice of alpha, lambda, threshold and reweighting.

Members are trained once: everything here works on their calibration predictions.
"""

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from ..socp import EnsembleStatistics
from ..utils import (
    ALPHA,
    LAM,
    Number,
    SequenceOf,
    Splitter,
    StrOptions,
    as_compared,
    check_random_state,
    draw_seed,
    is_integer,
    warn_user,
)
from ._base import BasePruner
from ._calibration import Calibration, checked_rows
from ._predictions import (
    CalibrationPredictions,
    CandidateScorer,
    ClassPredictions,
    LogPoolPredictions,
    Rows,
    Statistics,
    TargetPredictions,
)
from ._selection import (
    REWEIGHT,
    THRESHOLD,
    Program,
    Relaxation,
    least_reported,
    shrinkage,
)

__all__ = ["SEARCH_CONSTRAINTS", "CrossValidatedSelection"]

# Constraints of the parameters that only the cross-validated pruners have.
SEARCH_CONSTRAINTS: dict[str, Any] = {
    "alphas": [SequenceOf(*ALPHA)],
    "lams": [SequenceOf(*LAM)],
    "thresholds": [SequenceOf(*THRESHOLD)],
    "reweights": [SequenceOf(*REWEIGHT)],
    "scoring": [None, str, callable],
    "selection": [StrOptions({"best", "one_se"})],
    "inner_cv": [Number(Integral, 3), Splitter()],
    "n_resamples": [Number(Integral, 0)],
}


@dataclass(frozen=True)
class _Grid:
    """Candidates: every combination of four parameters, the last one changing fastest."""

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
    """What cross-validation of K candidates on F folds found."""

    weights: NDArray[np.float64]  # (M,), of the chosen candidate, from all rows
    index: int  # of the chosen candidate
    sizes: NDArray[np.intp]  # (K,), members that each candidate keeps, from all rows
    fold_scores: NDArray[np.float64]  # (F, K)
    fold_ties: NDArray[np.float64]  # (F, K), the score that decides between equals
    # (F,), of the candidate that cross-validation on the other folds chooses
    nested_scores: NDArray[np.float64]
    full_score: float  # of the equal vote of all members
    member_scores: NDArray[np.float64]  # (F,), of the member that is best on the other folds
    frequency: NDArray[np.float64]  # (M,), share of the resamples in which it has a weight
    relaxation: Relaxation  # of all rows, at the chosen alpha


@dataclass(frozen=True, eq=False)
class _Block:
    """Rows and their statistics: half a fold, or several of those joined."""

    rows: Rows
    stats: Statistics


def _joined(blocks: list[_Block]) -> _Block:
    stats: Any = sum((block.stats for block in blocks[1:]), start=blocks[0].stats)
    return _Block(np.concatenate([block.rows for block in blocks]), stats)


@dataclass(frozen=True, eq=False)
class _Search:
    predictions: CalibrationPredictions
    program: Program
    grid: _Grid
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
                frequency.append((resampled != 0).mean(axis=0))
                base = resampled.mean(axis=0)
                for threshold in self.grid.thresholds:
                    weights.append(whole.weights(base, lam, threshold, shrinkages))
        shape = (len(self.grid.alphas), len(self.grid.lams), -1)
        return np.concatenate(weights), relaxations, np.reshape(frequency, shape)

    def rows(self, *folds: int) -> Rows:
        return np.concatenate([b.rows for i in folds for b in self.folds[i]])

    def _relax(self, block: _Block, alpha: float) -> Relaxation:
        min_lam = min(self.grid.lams)
        stats = block.stats.completed()
        return Relaxation(self.program, self.predictions, block.rows, stats, alpha, min_lam)


def search(
    predictions: CalibrationPredictions,
    program: Program,
    pruner: "CrossValidatedSelection",
    seed: int,
) -> SearchResult:
    """Score every candidate by cross-validation, choose one, and score the choosing itself.

    Statistics are formed once, for each half of a fold; those of any set of folds are their
    sum. The nested score needs only the programs with each pair of folds left out.
    """
    grid, scorer, selection = _grid(pruner), CandidateScorer(pruner.scoring), pruner.selection

    def block(rows: Rows) -> _Block:
        return _Block(rows, predictions.statistics(rows))

    by_class = isinstance(predictions, ClassPredictions)
    halves = _halved_folds(
        predictions.truth, predictions.groups, pruner.inner_cv, seed, by_class=by_class
    )
    folds = [(block(first), block(second)) for first, second in halves]
    n_folds = len(folds)
    if isinstance(predictions, ClassPredictions):
        _check_folds(predictions.truth, halves, predictions, scorer, pruner.inner_cv)
    run = _Search(predictions, program, grid, folds, pruner.n_resamples, seed)
    M = predictions.n_members
    every = range(n_folds)
    others = [[i for i in every if i != fold] for fold in every]

    outer = [run.candidates((fold,))[0] for fold in every]
    scored = []
    for fold, W in enumerate(outer):
        train = run.rows(*others[fold])
        alone = predictions.single_and_full(train)
        found = scorer.table(predictions, np.vstack([W, alone]), run.rows(fold), train)
        if predictions.own is not None:  # elsewhere a member is replaced by others
            found[:, -1 - M : -1] = _scores_on_own_rows(predictions, scorer, run.rows(fold), train)
        scored.append(found)
    tables = np.array(scored)  # fold, score or tie-break, candidate
    K = outer[0].shape[0]
    scores, ties = tables[:, 0, :K], tables[:, 1, :K]
    single, single_ties = tables[:, 0, K : K + M], tables[:, 1, K : K + M]
    pruner._report(f"scored {K} candidates on {n_folds} folds")

    inner = np.zeros((n_folds, n_folds, 2, K))  # left out, scored on
    for one in every:
        for two in range(one):
            W = run.candidates((one, two))[0]
            train = run.rows(*[i for i in every if i not in (one, two)])
            inner[one, two] = scorer.table(predictions, W, run.rows(two), train)
            inner[two, one] = scorer.table(predictions, W, run.rows(one), train)
    nested, nested_single = [], []
    for fold in every:
        table = inner[fold, others[fold]]
        picked = _choose(table[:, 0], table[:, 1], _sizes(outer[fold]), selection)
        nested.append(scores[fold, picked])
        rest = others[fold]
        member = _choose(single[rest], single_ties[rest], np.ones(M, dtype=np.intp), "best")
        nested_single.append(single[fold, member])
    pruner._report("scored the choosing itself (nested)")

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
        relaxation=replace(relaxations[alpha_at], min_lam=least_reported(program, min(grid.lams))),
    )


def _scores_on_own_rows(
    predictions: CalibrationPredictions, scorer: CandidateScorer, rows: Rows, train: Rows
) -> NDArray[np.float64]:
    """Out-of-bag score of each member alone, and the one that breaks ties, (2, M)."""
    found = np.full((2, predictions.n_members), np.nan)
    for i in range(predictions.n_members):
        one, positions = predictions.alone(i)
        test, fit = (np.flatnonzero(np.isin(positions, some)) for some in (rows, train))
        if len(test) and len(fit):
            found[:, i] = scorer.table(one, one.single_and_full(fit)[:1], test, fit)[:, 0]
    # A member without such a row is as the others in the mean.
    means = np.nanmean(found, axis=1, keepdims=True)
    return np.asarray(np.where(np.isnan(found), means, found))


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
    return (weights != 0).sum(axis=1)


def _halved_folds(
    y: NDArray, groups: NDArray | None, inner_cv: Any, seed: int, *, by_class: bool
) -> list[tuple[Rows, Rows]]:
    """Disjoint folds, each cut in two; an integer splits by class where there are classes."""
    splitter = inner_cv
    if is_integer(inner_cv):
        if groups is None:
            kind = StratifiedKFold if by_class else KFold
        else:
            kind = StratifiedGroupKFold if by_class else GroupKFold
        splitter = kind(inner_cv, shuffle=True, random_state=seed)
    try:
        tests = [rows for _, rows in splitter.split(np.zeros((len(y), 1)), y, groups)]
    except ValueError as error:
        of_groups = "" if groups is None else f" of {len(np.unique(groups))} groups"
        raise ValueError(
            f"inner_cv={inner_cv!r} cannot split the {len(y)} calibration samples{of_groups}: "
            f"{str(error).rstrip('.')}. Give a smaller inner_cv, or more calibration rows (folds "
            "as cv calibrate on all)."
        ) from error
    folds = []
    for number, test in enumerate(tests):
        rows = checked_rows("inner_cv", f"test of fold {number}", test, len(y))
        if by_class:
            rows = rows[np.argsort(y[rows], kind="stable")]
        folds.append((np.sort(rows[::2]), np.sort(rows[1::2])))
    if groups is not None and _are_split(groups, folds):
        raise ValueError(
            f"inner_cv={inner_cv!r} puts rows of one group in several folds. Give a number of "
            "folds, or a splitter such as GroupKFold."
        )
    rows = np.array([row for fold in folds for half in fold for row in half])
    too_small = any(len(half) == 0 for _, half in folds)
    if len(folds) < 3 or too_small or len(np.unique(rows)) < len(rows):
        raise ValueError(
            f"inner_cv={inner_cv!r} must give at least three folds of at least two rows, and no "
            "row in two of them."
        )
    return folds


def _check_folds(
    codes: NDArray[np.intp],
    folds: list[tuple[Rows, Rows]],
    made: ClassPredictions,
    scorer: CandidateScorer,
    inner_cv: Any,
) -> None:
    """Raise if a fold lacks a class without which the scorer gives no score.

    ``made`` says what is scored; perfect predictions of the classes in the fold are.
    """
    every = np.unique(codes)
    for number, fold in enumerate(folds):
        present = np.unique(codes[np.concatenate(fold)])
        if len(present) == len(every):
            continue
        P, y = _perfect(present, len(made.classes))
        weight = None if made.sample_weight is None else np.ones(len(y))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scorer.check(replace(made, P=P, y=y, sample_weight=weight, own=None, groups=None))
        except ValueError as error:
            missing = made.classes[np.setdiff1d(every, present)]
            raise ValueError(
                f"inner_cv={inner_cv!r} gives fold {number} no row of class "
                f"{missing[:1].tolist()[0]!r}, and {error}. Give fewer folds, or a splitter whose "
                "folds have all classes, such as StratifiedGroupKFold."
            ) from error


def _perfect(
    present: NDArray[np.intp], n_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Perfect predictions of one member for two rows of each class that is present."""
    codes = np.tile(present, 2)
    P = np.full((1, len(codes), n_classes), 0.1 / n_classes)
    P[0, np.arange(len(codes)), codes] += 0.9
    return P, codes


def _are_split(groups: NDArray, folds: list[tuple[Rows, Rows]]) -> bool:
    """Whether rows of any group are in several folds."""
    in_folds = [np.unique(groups[np.concatenate(fold)]) for fold in folds]
    return sum(map(len, in_folds)) > len(np.unique(np.concatenate(in_folds)))


def _half_samples(n_blocks: int, n_resamples: int, seed: int) -> list[NDArray[np.intp]]:
    """Random halves of the blocks, in complementary pairs (Shah and Samworth 2013)."""
    rng = np.random.default_rng(seed)
    halves: list[NDArray[np.intp]] = []
    while len(halves) < n_resamples:
        order = rng.permutation(n_blocks)
        halves += [order[: n_blocks // 2], order[n_blocks // 2 :]]
    return halves[:n_resamples]


class CrossValidatedSelection(BasePruner):
    """What the cross-validated pruners override: the selection, and its parameters."""

    alphas: Any
    lams: Any
    thresholds: Any
    reweights: Any
    scoring: Any
    selection: str
    inner_cv: Any
    n_resamples: int

    # The search for sets is repeated for each alpha, lambda, fold and pair of folds.
    _n_budgets: ClassVar[int] = 1
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BasePruner._parameter_constraints,
        **SEARCH_CONSTRAINTS,
    }

    def fit_statistics(self, stats: EnsembleStatistics) -> Self:
        """Refuse: candidates are compared by scores of rows, of which statistics know none.

        Parameters
        ----------
        stats : EnsembleStatistics
            Not used.

        Raises
        ------
        TypeError
            Always.
        """
        single = type(self).__name__.removesuffix("CV")
        raise TypeError(
            f"{type(self).__name__} compares candidates by scores of rows, of which statistics "
            f"know none: call fit_statistics of {single}, with alpha and lam."
        )

    def _alphas(self) -> tuple[float, ...]:
        if self.alphas is None:
            only_accuracy = not self.positive or getattr(self, "voting", None) == "log"
            return (1.0,) if only_accuracy else (0.7, 0.9, 1.0)
        return tuple(map(float, self.alphas))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        CandidateScorer(self.scoring)

    def _splitters(self) -> dict[str, Any]:
        return {**super()._splitters(), "inner_splitter": self.inner_cv}

    def _check_calibration_rows(
        self,
        y: NDArray,
        sample_weight: NDArray[np.float64] | None,
        classes: NDArray | None,
        groups: NDArray | None = None,
    ) -> None:
        super()._check_calibration_rows(y, sample_weight, classes, groups)
        if sample_weight is not None:
            used = sample_weight > 0
            y, groups = y[used], None if groups is None else groups[used]
        n_folds = self.inner_cv if is_integer(self.inner_cv) else 0
        folds = None
        if not n_folds or groups is not None:
            # With the seed of the search, where that is known.
            seeded = isinstance(self.random_state, Integral)
            seed = draw_seed(check_random_state(self.random_state)) if seeded else 0
            folds = _halved_folds(y, groups, self.inner_cv, seed, by_class=classes is not None)
        made: CalibrationPredictions
        if classes is None:
            if len(y) < 2 * n_folds:
                raise ValueError(
                    f"{len(y)} calibration samples are too few for inner_cv={n_folds}, which needs "
                    f"{2 * n_folds} at least."
                )
            # Fractions, which scores of classes do not take, and positive, for those of logarithms.
            n_targets = 1 if y.ndim == 1 else y.shape[1]
            targets = np.tile(np.array([[1.0], [2.5], [4.25]]), (1, n_targets))
            weight = None if sample_weight is None else np.ones(3)
            made = TargetPredictions(targets[None], targets, weight)
        else:
            present, counts = np.unique(y, return_counts=True)
            if len(present) < 2:
                raise ValueError(
                    "The calibration samples that have a weight are all of one class, "
                    f"{present.tolist()}: there is nothing to choose by."
                )
            if counts.min() < n_folds:
                raise ValueError(
                    f"Class {present.tolist()[counts.argmin()]!r} has {counts.min()} calibration "
                    f"sample(s), fewer than inner_cv={n_folds}. Give more of them (cv=5 calibrates "
                    "on all rows that are trained on), or fewer folds."
                )
            P, codes = _perfect(np.searchsorted(classes, present), len(classes))
            weight = None if sample_weight is None else np.ones(len(codes))
            kind = LogPoolPredictions if self.voting == "log" else ClassPredictions
            made = kind(P, codes, weight, classes, self.voting)
            if folds is not None:
                y = np.searchsorted(classes, y)
                _check_folds(y, folds, made, CandidateScorer(self.scoring), self.inner_cv)
        CandidateScorer(self.scoring).check(made)

    def _select(
        self, predictions: CalibrationPredictions, calibration: Calibration
    ) -> NDArray[np.float64]:
        seed = draw_seed(check_random_state(self.random_state))
        found = search(predictions, self._program(calibration), self, seed)
        params = _grid(self).params
        best: dict[str, Any] = params[found.index]
        self.best_index_, self.best_params_ = found.index, best
        self.alpha_, self.lam_ = best["alpha"], best["lam"]
        self.threshold_, self.reweight_ = best["threshold"], best["reweight"]
        self.cv_results_ = _cv_results(found, params, predictions.tie_break)
        self.best_score_ = float(found.fold_scores[:, found.index].mean())
        self.nested_scores_ = found.nested_scores
        self.nested_score_ = float(found.nested_scores.mean())
        self.full_score_ = found.full_score
        self.best_member_score_ = float(found.member_scores.mean())
        self.selection_frequency_ = found.frequency
        solution = found.relaxation.solve(self.lam_)
        self._note_program(predictions, found.relaxation, solution, found.weights)
        if predictions.own is None:  # out of bag fewer members vote on a row than will vote
            _warn_of_better_member(found)
        return found.weights


def _grid(pruner: CrossValidatedSelection) -> _Grid:
    tried: list[Any] = [pruner._alphas(), pruner.lams, pruner.thresholds, pruner.reweights]
    values: list[Any] = [tuple(v if isinstance(v, str) else float(v) for v in vs) for vs in tried]
    return _Grid(*values)


def _warn_of_better_member(found: SearchResult) -> None:
    """Warn if a single member is better by more than two standard errors."""
    lost = found.member_scores - found.fold_scores[:, found.index]
    error = lost.std(ddof=1) / np.sqrt(len(lost))
    member, selected = found.member_scores.mean(), found.fold_scores[:, found.index].mean()
    if lost.mean() > 2 * error + 1e-12 * abs(member):
        warn_user(
            f"The cross-validated score of the selection, {selected:.6g}, is below that of the "
            f"best single member, {member:.6g}, by more than two standard errors. Try "
            "max_members=1, wider alphas and lams, or more calibration samples."
        )


def _cv_results(
    found: SearchResult, params: list[dict[str, float | str]], tie_break: str
) -> dict[str, Any]:
    mean = found.fold_scores.mean(axis=0)
    results: dict[str, Any] = {
        f"param_{name}": np.array([p[name] for p in params], dtype=object)
        for name in ("alpha", "lam", "threshold", "reweight")
    }
    results["params"] = params
    for fold, scores in enumerate(found.fold_scores):
        results[f"split{fold}_test_score"] = scores
    results["mean_test_score"] = mean
    results["std_test_score"] = found.fold_scores.std(axis=0)
    results["rank_test_score"] = rankdata(-as_compared(mean), method="min").astype(np.int32)
    results[f"mean_test_{tie_break}"] = found.fold_ties.mean(axis=0)
    results["n_members"] = found.sizes
    return results
