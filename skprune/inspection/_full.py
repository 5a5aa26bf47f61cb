"""The full ensemble behind a pruner, which a fitted pruner no longer holds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ..pruning import (
    BasePruner,
    CalibrationPredictions,
    Frontier,
    are_listed,
    is_fitted,
    known_members,
)
from ..utils import VotingRule

__all__ = ["equal_vote", "frontier_of", "full_ensemble", "full_predictions"]


def frontier_of(pruner: BasePruner) -> Frontier:
    """Scores along the penalty path; raise if the pruner has seen no rows."""
    check_is_fitted(pruner)
    if not hasattr(pruner, "frontier_"):
        raise ValueError(
            f"This {type(pruner).__name__} was fitted to statistics, which have no scores: call "
            "fit_predictions or fit for reports and figures."
        )
    return pruner.frontier_


def full_ensemble(pruner: BasePruner, ensemble: Any) -> Any:
    """The given ensemble, or that of a pruner with fitted members; None if there is neither."""
    if ensemble is not None:
        return ensemble
    found = pruner.estimator
    members = known_members(found) if are_listed(found) else [found]
    return found if members and all(map(is_fitted, members)) else None


def full_predictions(pruner: BasePruner, X: Any, y: Any, ensemble: Any) -> CalibrationPredictions:
    """Predictions of all members on the user's rows; ``ensemble`` as for :func:`full_ensemble`."""
    check_is_fitted(pruner)
    if y is None:
        raise ValueError("y must be given with X.")
    ensemble = full_ensemble(pruner, ensemble)
    if ensemble is None:
        raise ValueError(
            "The pruner holds only the members it kept. Pass the fitted full ensemble as "
            "ensemble=, or leave X and y out for the figures on the calibration rows."
        )
    return pruner.predictions_on(ensemble, X, y)


def equal_vote(P: Any, voting: str) -> NDArray[np.float64]:
    """Probabilities that members with predictions (M, N, C) give with equal weights."""
    M, rule = P.shape[0], VotingRule(voting)
    return rule.proba(rule.votes((P[[i]][0] for i in range(M)), np.full(M, 1 / M)))
