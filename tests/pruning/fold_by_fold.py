"""The scores of a cross-validated search, formed again by fitting one pruner after the other."""

from itertools import product

import numpy as np
from sklearn.metrics import get_scorer
from sklearn.model_selection import StratifiedKFold

from skprune import SOCPEnsemblePruner

from .by_hand import as_rows, told


def seed_of(random_state):
    """The seed that the search draws from an int random_state."""
    return np.random.RandomState(random_state).randint(2**31 - 1)


def folds_of(y, inner_cv, random_state=0):
    splitter = StratifiedKFold(inner_cv, shuffle=True, random_state=seed_of(random_state))
    return [test for _, test in splitter.split(y[:, None], y)]


def candidates_of(grid):
    names = ("alpha", "lam", "threshold", "reweight")
    values = (grid["alphas"], grid["lams"], grid.get("thresholds", [0.05]), grid["reweights"])
    return [dict(zip(names, value, strict=True)) for value in product(*values)]


def one_by_one(P, y, scoring, grid, inner_cv, left_out=(), sample_weight=None, **params):
    """Scores (fold, candidate) of pruners fitted on the other folds' rows; NaN if left out.

    They are those of soft votes, unless there is another ``voting`` in ``params``.
    """
    params = {"voting": "soft"} | params
    X, folds, scorer = as_rows(P), folds_of(y, inner_cv), get_scorer(scoring)
    scores = np.full((inner_cv, len(candidates_of(grid))), np.nan)
    for fold in set(range(inner_cv)) - set(left_out):
        away = np.concatenate([folds[i] for i in {fold, *left_out}])
        train = np.setdiff1d(np.arange(len(y)), away)
        for k, candidate in enumerate(candidates_of(grid)):
            pruner = SOCPEnsemblePruner(told(P), **candidate, **params)
            weights = [{}, {}]
            if sample_weight is not None:
                weights = [{"sample_weight": sample_weight[r]} for r in (train, folds[fold])]
            pruner.fit(X[train], y[train], **weights[0])
            scores[fold, k] = scorer(pruner, X[folds[fold]], y[folds[fold]], **weights[1])
    return scores


def split_scores(pruner, inner_cv):
    return np.array([pruner.cv_results_[f"split{i}_test_score"] for i in range(inner_cv)])
