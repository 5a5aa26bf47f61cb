"""Tables 1 and 2 of the paper, for any fitted pruner."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..pruning import BasePruner, SOCPEnsemblePruner
from ..utils import ReprHTML, load_pandas, text_table
from ._full import equal_vote, frontier_of, full_predictions
from ._reliability_display import probability_scores

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["PruningReport", "pruning_report"]


@dataclass(frozen=True)
class MemberScores:
    """Scores of single members, without voting."""

    maximum: float
    mean: float
    minimum: float

    @classmethod
    def of(cls, scores: NDArray[np.float64]) -> "MemberScores":
        """Summarize the scores of some members."""
        return cls(float(scores.max()), float(scores.mean()), float(scores.min()))


@dataclass(frozen=True)
class PruningReport(ReprHTML):
    """What pruning kept and lost, as the paper's Tables 1 and 2 show it.

    Attributes
    ----------
    sample : {"test", "calibration"}
        The rows the accuracies were measured on. Accuracies on calibration rows flatter
        the pruned ensemble, which was chosen on them.
    full_score, pruned_score : float
        Accuracy (R^2 for regressors) of the vote of all members, and of the kept ones with
        their weights.
    n_full, n_pruned : int
        Number of members.
    threshold : float
        Relative weight under which members were dropped.
    full_members, pruned_members : MemberScores
        Best, mean and worst single member.
    score_name : str, default="accuracy"
        What the scores are: "accuracy" or "R^2".
    full_log_loss, pruned_log_loss : float or None, default=None
        Log loss of the votes of classifiers, on test rows only (else None). The full ensemble
        votes as the pruner does, with equal weights or exponents that sum to one.
    full_calibration_error, pruned_calibration_error : float or None, default=None
        Expected calibration error of the same votes, as in :class:`ReliabilityDisplay`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(10, random_state=0)
    >>> from skprune.inspection import pruning_report
    >>> pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, y)
    >>> report = pruning_report(pruner)
    >>> report.n_full, report.n_pruned == pruner.n_members_
    (10, True)
    >>> print(str(report).splitlines()[0])
    Table 1. Vote of the members
    """

    sample: str
    full_score: float
    pruned_score: float
    n_full: int
    n_pruned: int
    threshold: float
    full_members: MemberScores
    pruned_members: MemberScores
    score_name: str = "accuracy"
    full_log_loss: float | None = None
    pruned_log_loss: float | None = None
    full_calibration_error: float | None = None
    pruned_calibration_error: float | None = None

    def vote_table(self) -> "DataFrame":
        """Table 1: accuracy of the vote, number of models and threshold.

        Returns
        -------
        DataFrame
            Rows ``accuracy`` (or ``R^2``), ``models``, ``threshold``, and of classifiers on test
            rows ``log loss`` and ``calibration error``; columns ``full`` and ``pruned``.
        """
        return _frame(
            {
                self.score_name: (self.full_score, self.pruned_score),
                **self._probability_rows(),
                "models": (self.n_full, self.n_pruned),
                "threshold": (np.nan, self.threshold),
            }
        )

    def member_table(self) -> "DataFrame":
        """Table 2: accuracy of the single members, without voting.

        Returns
        -------
        DataFrame
            Rows ``maximum``, ``mean``, ``minimum``, ``models``; columns ``full`` and ``pruned``.
        """
        full, pruned = self.full_members, self.pruned_members
        return _frame(
            {
                "maximum": (full.maximum, pruned.maximum),
                "mean": (full.mean, pruned.mean),
                "minimum": (full.minimum, pruned.minimum),
                "models": (self.n_full, self.n_pruned),
            }
        )

    def _probability_rows(self) -> dict[str, tuple[float, float]]:
        """What is known of the votes' probabilities."""
        rows = {
            "log loss": (self.full_log_loss, self.pruned_log_loss),
            "calibration error": (self.full_calibration_error, self.pruned_calibration_error),
        }
        return {
            name: (full, pruned)
            for name, (full, pruned) in rows.items()
            if full is not None and pruned is not None
        }

    def __str__(self) -> str:
        return "\n".join(self._parts(text_table))

    def _parts(self, table: Callable[..., str]) -> list[str]:
        full, pruned = self.full_members, self.pruned_members
        name = f"{self.sample} {self.score_name}"
        fmt = ".2%" if self.score_name == "accuracy" else ".4f"
        fmts = {"log loss": ".4f", "calibration error": ".2%"}
        models = ("Number of models", self.n_full, self.n_pruned)
        votes = [
            (name[0].upper() + name[1:], self.full_score, self.pruned_score),
            *(
                (f"{self.sample.capitalize()} {what}", format(a, fmts[what]), format(b, fmts[what]))
                for what, (a, b) in self._probability_rows().items()
            ),
            models,
            ("Threshold", "N/A", f"{self.threshold:.3f}"),
        ]
        members = [
            (f"Max. {name}", full.maximum, pruned.maximum),
            (f"Avg. {name}", full.mean, pruned.mean),
            (f"Min. {name}", full.minimum, pruned.minimum),
            models,
        ]
        first, second = (
            table(columns, dict.fromkeys(columns, fmt))
            for columns in (_columns(votes), _columns(members))
        )
        titles = "Table 1. Vote of the members", "Table 2. Single members, without voting"
        return [titles[0], first, "", titles[1], second]


def _columns(rows: list[tuple[str, Any, Any]]) -> dict[str, tuple]:
    labels, full, pruned = zip(*rows, strict=True)
    return {"": labels, "Full ensemble": full, "Pruned ensemble": pruned}


def pruning_report(
    pruner: BasePruner, X: Any = None, y: Any = None, *, ensemble: Any = None
) -> PruningReport:
    """Compare the full and the pruned ensemble, as the paper's Tables 1 and 2 do.

    Parameters
    ----------
    pruner : fitted pruner
        Such as :class:`~skprune.SOCPEnsemblePruner`.
    X : array-like of shape (n_samples, ...), default=None
        Test rows. By default the figures are those of the calibration rows, noted in ``fit``.
    y : array-like of shape (n_samples,), default=None
        Classes or targets of the test rows.
    ensemble : fitted ensemble, or list or dict of members, default=None
        The full ensemble, which the pruner does not hold; not needed where the pruner was
        given fitted members.

    Returns
    -------
    PruningReport
        ``print`` shows both tables; ``vote_table()`` and ``member_table()`` give DataFrames.

    Raises
    ------
    NotFittedError
        If the pruner is not fitted.
    ValueError
        If X is given and the full ensemble cannot be had, or is another one.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> from skprune.inspection import pruning_report
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(20, max_depth=2, random_state=0)
    >>> report = pruning_report(SOCPEnsemblePruner(forest, random_state=0).fit(X, y))
    >>> report.sample, report.n_full
    ('calibration', 20)
    """
    scores = frontier_of(pruner)
    votes: dict[str, float] = {}
    if X is None:
        found, sample = scores, "calibration"
        pruned, kept = found.pruned_score, found.member_score[pruner.support_]
    else:
        predictions = full_predictions(pruner, X, y, ensemble)
        found, sample = scores.on(predictions, pruner.weights_), "test"
        # Of the pruner's own members: those of ``ensemble`` may have been trained on other rows.
        pruned, kept = pruner.score(X, y), pruner.member_scores(X, y)
        if isinstance(pruner, SOCPEnsemblePruner):
            full = equal_vote(predictions.P, pruner.voting)
            for name, proba in (("full", full), ("pruned", pruner.predict_proba(X))):
                log_loss, error = probability_scores(proba, predictions.y)
                votes |= {f"{name}_log_loss": log_loss, f"{name}_calibration_error": error}
    return PruningReport(
        sample=sample,
        full_score=found.full_score,
        pruned_score=float(pruned),
        n_full=pruner.n_members_in_,
        n_pruned=pruner.n_members_,
        threshold=pruner.threshold_,
        full_members=MemberScores.of(found.member_score),
        pruned_members=MemberScores.of(kept),
        score_name=pruner.score_name,
        **votes,
    )


def _frame(rows: dict[str, tuple[float, float]]) -> "DataFrame":
    pd = load_pandas("print the report as text")
    return pd.DataFrame.from_dict(rows, orient="index", columns=["full", "pruned"])
