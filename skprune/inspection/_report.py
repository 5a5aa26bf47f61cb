"""Tables 1 and 2 of the paper, for any fitted pruner."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ..pruning import BaseEnsemblePruner
from ..utils import vote_hits
from ._full import full_predictions

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["PruningReport", "pruning_report"]


@dataclass(frozen=True)
class MemberAccuracy:
    """Accuracy of single members, without voting."""

    maximum: float
    mean: float
    minimum: float

    @classmethod
    def of(cls, accuracy: NDArray[np.float64]) -> "MemberAccuracy":
        """Summarise the accuracies of some members."""
        return cls(float(accuracy.max()), float(accuracy.mean()), float(accuracy.min()))


@dataclass(frozen=True)
class PruningReport:
    """What pruning kept and lost, as the paper's Tables 1 and 2 show it.

    Attributes
    ----------
    sample : {"test", "calibration"}
        The rows the accuracies were measured on. Accuracies on calibration rows flatter
        the pruned ensemble, which was chosen on them.
    full_accuracy, pruned_accuracy : float
        Accuracy of the vote of all members, and of the kept ones with their weights.
    n_full, n_pruned : int
        Number of members.
    threshold : float
        Relative weight under which members were dropped.
    full_members, pruned_members : MemberAccuracy
        Best, mean and worst single member.
    """

    sample: str
    full_accuracy: float
    pruned_accuracy: float
    n_full: int
    n_pruned: int
    threshold: float
    full_members: MemberAccuracy
    pruned_members: MemberAccuracy

    def vote_table(self) -> "DataFrame":
        """Table 1: accuracy of the vote, number of models and threshold.

        Returns
        -------
        DataFrame
            Rows ``accuracy``, ``models``, ``threshold``; columns ``full`` and ``pruned``.
        """
        return _frame(
            {
                "accuracy": (self.full_accuracy, self.pruned_accuracy),
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

    def __str__(self) -> str:
        full, pruned = self.full_members, self.pruned_members

        def row(label: str, left: str, right: str) -> str:
            return f"{label:<26}{left:>14}{right:>17}"

        def percent(label: str, left: float, right: float) -> str:
            return row(label, f"{left:.2%}", f"{right:.2%}")

        models = row("Number of models", str(self.n_full), str(self.n_pruned))
        name = self.sample.capitalize()
        head = row("", "Full ensemble", "Pruned ensemble")
        rule = "-" * len(head)
        return "\n".join(
            [
                "Table 1. Vote of the members",
                head,
                rule,
                percent(f"{name} accuracy", self.full_accuracy, self.pruned_accuracy),
                models,
                row("Threshold", "N/A", f"{self.threshold:.3f}"),
                "",
                "Table 2. Single members, without voting",
                head,
                rule,
                percent(f"Max. {self.sample} accuracy", full.maximum, pruned.maximum),
                percent(f"Avg. {self.sample} accuracy", full.mean, pruned.mean),
                percent(f"Min. {self.sample} accuracy", full.minimum, pruned.minimum),
                models,
            ]
        )


def pruning_report(
    pruner: BaseEnsemblePruner, X: Any = None, y: Any = None, *, ensemble: Any = None
) -> PruningReport:
    """Compare the full and the pruned ensemble, as the paper's Tables 1 and 2 do.

    Parameters
    ----------
    pruner : fitted pruner
        Such as :class:`~skprune.SOCPEnsemblePruner`.
    X : array-like of shape (n_samples, ...), default=None
        Test rows. By default the figures are those of the calibration rows, noted in ``fit``.
    y : array-like of shape (n_samples,), default=None
        Classes of the test rows.
    ensemble : fitted ensemble or list of (name, classifier), default=None
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
    check_is_fitted(pruner)
    if X is None:
        frontier = pruner.frontier_
        accuracy, sample = frontier.member_accuracy, "calibration"
        full, pruned = frontier.full_accuracy, frontier.pruned_accuracy
        kept = accuracy[pruner.support_]
    else:
        P, codes = full_predictions(pruner, X, y, ensemble)
        full = vote_hits(P, codes, np.ones((1, len(P))), pruner.voting).mean()
        accuracy, sample = (P.argmax(axis=2) == codes).mean(axis=1), "test"
        # Of the pruner's own members: those of ``ensemble`` may have been trained on other rows.
        pruned = pruner.score(X, y)
        kept = (pruner.member_predict_proba(X).argmax(axis=2) == codes).mean(axis=1)
    return PruningReport(
        sample=sample,
        full_accuracy=float(full),
        pruned_accuracy=float(pruned),
        n_full=pruner.n_members_in_,
        n_pruned=pruner.n_members_,
        threshold=pruner.threshold_,
        full_members=MemberAccuracy.of(accuracy),
        pruned_members=MemberAccuracy.of(kept),
    )


def _frame(rows: dict[str, tuple[float, float]]) -> "DataFrame":
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "The tables as DataFrames need pandas: run `pip install skprune[report]`, or print "
            "the report as text."
        ) from error
    return pd.DataFrame.from_dict(rows, orient="index", columns=["full", "pruned"])
