"""The full ensemble behind a pruner, which a fitted pruner no longer holds."""

from typing import Any

from sklearn.utils.validation import check_is_fitted

from ..pruning import BasePruner, CalibrationPredictions

__all__ = ["full_predictions"]


def full_predictions(pruner: BasePruner, X: Any, y: Any, ensemble: Any) -> CalibrationPredictions:
    """Predictions of all members on the user's rows.

    Parameters
    ----------
    pruner : fitted pruner
        Whose members are meant.
    X, y : array-like
        Rows and their classes or targets.
    ensemble : fitted ensemble, list of (name, estimator), or None
        The ensemble that was pruned. None takes that of a pruner with fitted members.

    Returns
    -------
    CalibrationPredictions

    Raises
    ------
    ValueError
        If the ensemble is needed and not given, or is not the one that was pruned.
    """
    check_is_fitted(pruner)
    if y is None:
        raise ValueError("y must be given with X.")
    if ensemble is None:
        ensemble = pruner.estimator
        try:
            check_is_fitted(ensemble[0][1] if isinstance(ensemble, list) else ensemble)
        except Exception as error:
            raise ValueError(
                "The pruner holds only the members it kept. Pass the fitted full ensemble as "
                "ensemble=, or leave X and y out for the figures on the calibration rows."
            ) from error
    return pruner.predictions_on(ensemble, X, y)
