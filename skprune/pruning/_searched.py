"""The half of a pruner that chooses alpha, lambda, threshold and reweighting itself."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..utils import as_compared, check_alpha, check_lam, check_one_of, check_random_state, draw_seed
from ._calibration import Calibration
from ._checks import check_at_least, check_reweight, check_threshold
from ._evidence import Evidence
from ._scoring import CandidateScorer
from ._search import Grid, SearchResult, search
from ._socp_base import BaseSOCPPruner
from ._tasks import Classification, Task

__all__ = ["SearchedProgram"]


class SearchedProgram(BaseSOCPPruner):
    """Cross-validates the whole choice on the calibration predictions."""

    alphas: Any
    lams: Any
    thresholds: Any
    reweights: Any
    scoring: Any
    selection: str
    n_folds: int
    n_resamples: int

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._grid()
        check_one_of("selection", self.selection, ("best", "one_se"))
        check_at_least("n_folds", self.n_folds, 3)
        check_at_least("n_resamples", self.n_resamples, 0)
        CandidateScorer(self.scoring)

    def _grid(self) -> Grid:
        values: dict[str, Any] = {}
        for name, check in (
            ("alphas", check_alpha),
            ("lams", check_lam),
            ("thresholds", check_threshold),
            ("reweights", check_reweight),
        ):
            given = getattr(self, name)
            sized = np.iterable(given) and hasattr(given, "__len__")  # an iterator runs dry
            if isinstance(given, str) or not sized or not len(given):
                raise ValueError(f"{name} must be a sequence of values to try; got {given!r}.")
            for value in given:
                check(value)
            values[name] = tuple(v if isinstance(v, str) else float(v) for v in given)
        return Grid(**values)

    def _check_calibration(
        self, y: NDArray, sample_weight: NDArray[np.float64] | None, task: Task
    ) -> None:
        super()._check_calibration(y, sample_weight, task)
        if sample_weight is not None:
            y = y[sample_weight > 0]
        classes = task.classes if isinstance(task, Classification) else None
        if classes is None:
            if len(y) < 2 * self.n_folds:
                raise ValueError(
                    f"{len(y)} calibration samples are too few for n_folds={self.n_folds}, which "
                    f"needs {2 * self.n_folds} at least."
                )
        else:
            counts = np.bincount(y, minlength=len(classes))
            present = np.flatnonzero(counts)
            if len(present) < 2:
                raise ValueError(
                    "The calibration samples that have a weight are all of one class, "
                    f"{classes[present].tolist()}: there is nothing to choose by."
                )
            fewest = present[counts[present].argmin()]
            if counts[fewest] < self.n_folds:
                raise ValueError(
                    f"Class {classes.tolist()[fewest]!r} has {counts[fewest]} calibration "
                    f"sample(s), fewer than n_folds={self.n_folds}. Give more samples, a larger "
                    "share of them (cv), or fewer folds."
                )
        CandidateScorer(self.scoring).check(self._tiny_evidence(task, y, sample_weight is not None))

    def _tiny_evidence(self, task: Task, y: NDArray, weighted: bool) -> Evidence:
        """Perfect predictions of made rows, to try a scorer on."""
        if isinstance(task, Classification):
            C, made = len(task.classes), np.tile(np.unique(y), 2)  # the classes that there are
            P = np.full((1, len(made), C), 0.1 / C)
            P[0, np.arange(len(made)), made] += 0.9
            return self._evidence(P, made, np.ones(len(made)) if weighted else None, task)
        # Fractions, which scores of classes do not take, and positive, for those of logarithms.
        targets = np.tile(np.array([[1.0], [2.5], [4.25]]), (1, task.n_targets))
        return self._evidence(targets[None], targets, np.ones(3) if weighted else None, task)

    def _select(self, evidence: Evidence, calibration: Calibration) -> NDArray[np.float64]:
        program, grid = self._program(calibration), self._grid()
        found = search(
            evidence,
            program,
            grid,
            CandidateScorer(self.scoring),
            selection=self.selection,
            n_folds=self.n_folds,
            n_resamples=self.n_resamples,
            seed=draw_seed(check_random_state(self.random_state)),
            report=self._report,
        )
        lam = float(grid.params[found.index]["lam"])
        solution = found.relaxation.solve(lam)
        self._note(evidence, found.relaxation, solution, found.weights)
        self._note_search(found, grid, evidence)
        return found.weights

    def _note_search(self, found: SearchResult, grid: Grid, evidence: Evidence) -> None:
        self.best_index_ = found.index
        self.best_params_ = params = grid.params[found.index]
        self.alpha_, self.lam_ = params["alpha"], params["lam"]
        self.threshold_, self.reweight_ = params["threshold"], params["reweight"]
        self.cv_results_ = _cv_results(found, grid, evidence)
        self.best_score_ = float(found.fold_scores[:, found.index].mean())
        self.nested_scores_ = found.nested_scores
        self.nested_score_ = float(found.nested_scores.mean())
        self.full_score_ = found.full_score
        self.best_member_score_ = float(found.member_scores.mean())
        self.selection_frequency_ = found.frequency
        lost = found.member_scores - found.fold_scores[:, found.index]
        error = lost.std(ddof=1) / np.sqrt(len(lost))
        if lost.mean() > 2 * error + 1e-12 * abs(self.best_member_score_):
            warnings.warn(
                f"The cross-validated score of the selection, {self.best_score_:.6g}, is below "
                f"that of the best single member, {self.best_member_score_:.6g}, by more than two "
                "standard errors. Try max_members=1, wider alphas and lams, or more calibration "
                "samples.",
                UserWarning,
                stacklevel=7,
            )


def _cv_results(found: SearchResult, grid: Grid, evidence: Evidence) -> dict[str, Any]:
    mean = found.fold_scores.mean(axis=0)
    results: dict[str, Any] = {
        f"param_{name}": np.array([p[name] for p in grid.params], dtype=object)
        for name in ("alpha", "lam", "threshold", "reweight")
    }
    results["params"] = grid.params
    for fold, scores in enumerate(found.fold_scores):
        results[f"split{fold}_test_score"] = scores
    results["mean_test_score"] = mean
    results["std_test_score"] = found.fold_scores.std(axis=0)
    results["rank_test_score"] = rankdata(-as_compared(mean), method="min").astype(np.int32)
    results[f"mean_test_{evidence.tie_break}"] = found.fold_ties.mean(axis=0)
    results["n_members"] = found.sizes
    return results
