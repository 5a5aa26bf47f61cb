"""What a search over alpha and lambda tried, for both ways to search."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor

from ..utils import as_compared

__all__ = ["Candidates"]

_REQUIRED, _OPTIONAL = ("alpha", "lam"), ("threshold", "reweight")


class Candidates:
    """The candidates of a fitted search, one a row of its ``cv_results_``.

    Parameters
    ----------
    search : fitted estimator with cv_results_
        A pruner that cross-validates, or scikit-learn's search over a pruner, which may be a
        step of a pipeline.

    Attributes
    ----------
    params : dict of ndarrays of shape (n_candidates,)
        ``alpha``, ``lam`` and, where they were varied, ``threshold`` and ``reweight``.
    score : ndarray of shape (n_candidates,)
        Mean score over the folds.
    fold_scores : ndarray of shape (n_candidates, n_folds)
        Score on each fold.
    n_members : ndarray of shape (n_candidates,) or None
        Members that are kept, where the search noted it.
    chosen : int
        Row of the chosen candidate; -1 if none was.
    score_name : str
        Name of the score.

    Raises
    ------
    ValueError
        If alpha and lam were not varied both, or no single score decided.
    """

    def __init__(self, search: Any) -> None:
        results = search.cv_results_
        prefix = _prefix(results)
        self.params = {
            name: np.ma.asarray(results[f"param_{prefix}{name}"])
            for name in (*_REQUIRED, *_OPTIONAL)
            if f"param_{prefix}{name}" in results
        }
        metric = "score"
        if "mean_test_score" not in results:  # several metrics, of which refit names one
            metric = search.refit
            if not isinstance(metric, str):
                raise ValueError(
                    "The search has several scores. Name the one to show with refit=, or search "
                    "with one."
                )
        self._varied = [
            key.removeprefix("param_").removeprefix(prefix)
            for key, column in results.items()
            if key.startswith("param_") and len({repr(value) for value in column}) > 1
        ]
        self.score = np.asarray(results[f"mean_test_{metric}"], dtype=np.float64)
        folds = [results[f"split{i}_test_{metric}"] for i in range(_n_folds(results, metric))]
        self.fold_scores = np.column_stack(folds).astype(np.float64)
        self.n_members = results.get("n_members")
        self.chosen = int(getattr(search, "best_index_", -1))
        self.score_name = _score_name(search) if metric == "score" else metric

    def rows(self, **wanted: Any) -> NDArray[np.intp]:
        """Candidates with a score and, where one is asked for, a certain value, best first.

        Parameters
        ----------
        **wanted : float, str or None
            Value of a parameter; None takes all.

        Returns
        -------
        ndarray
            Among equal scores the chosen one is first, then those with fewer members.

        Raises
        ------
        ValueError
            If a parameter was not varied, or not to that value.
        """
        fits = np.isfinite(self.score)
        for name in _REQUIRED:  # a search over several grids may lack them in some
            fits &= ~np.ma.getmaskarray(self.params[name])
        for name, value in wanted.items():
            if value is None:
                continue
            if name not in self.params:
                raise ValueError(f"The search did not vary {name}; leave out {name}={value!r}.")
            hits = np.array([type(v) is not bool and v == value for v in self.params[name]])
            if not hits.any():
                tried = list(dict.fromkeys(self.params[name].compressed().tolist()))
                raise ValueError(f"{name}={value!r} was not tried; {name} was one of {tried}.")
            fits &= hits
        rows = np.flatnonzero(fits)
        if not len(rows):
            raise ValueError("No candidate of the search has a score.")
        sizes = np.zeros(len(rows)) if self.n_members is None else self.n_members[rows]
        # Means of the same hits in another order differ by rounding only.
        order = np.lexsort((sizes, rows != self.chosen, -as_compared(self.score[rows])))
        return rows[order]

    def among(self, **wanted: Any) -> str:
        """In words, which candidates :meth:`rows` takes at one alpha and lambda."""
        fixed = {name: value for name, value in wanted.items() if value is not None}
        free = [name for name in self._varied if name not in (*_REQUIRED, *fixed)]
        said = [f"{name} {value}" for name, value in fixed.items()]
        if free:
            said.append("best over " + " and ".join(free))
        return ", ".join(said)

    def values(self, name: str, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Numbers that some candidates have for a parameter."""
        return np.array(self.params[name][rows].tolist(), dtype=np.float64)

    def described(self, row: int) -> dict[str, Any]:
        """Parameters of one candidate, those that a pruner has."""
        values = {name: column[row] for name, column in self.params.items()}
        return {name: value for name, value in values.items() if value is not np.ma.masked}


def _prefix(results: dict[str, Any]) -> str:
    """What stands before the pruner's parameters: nothing, or steps on the way to it."""
    tried = [key.removeprefix("param_") for key in results if key.startswith("param_")]
    prefixes = [
        name.removesuffix("lam")
        for name in tried
        if name.split("__")[-1] == "lam" and f"{name.removesuffix('lam')}alpha" in tried
    ]
    if len(prefixes) != 1:
        raise ValueError(
            f"The search must vary alpha and lam of one pruner; it varied {', '.join(tried)}. "
            "For one parameter, sklearn.model_selection.ValidationCurveDisplay serves."
        )
    return prefixes[0]


def _n_folds(results: dict[str, Any], metric: str) -> int:
    count = 0
    while f"split{count}_test_{metric}" in results:
        count += 1
    return count


def _score_name(search: Any) -> str:
    if isinstance(search.scoring, str):
        return search.scoring
    if search.scoring is not None:
        return "score"
    if is_classifier(search):
        return "accuracy"
    return "R^2" if is_regressor(search) else "score"
