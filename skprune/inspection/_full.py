"""The full ensemble behind a pruner, which a fitted pruner no longer holds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ..pruning import BaseEnsemblePruner
from ..utils import MemberPool

__all__ = ["full_predictions"]


def full_predictions(
    pruner: BaseEnsemblePruner, X: Any, y: Any, ensemble: Any
) -> tuple[NDArray, NDArray[np.intp]]:
    """Predictions of all members on the user's rows, and the rows' classes as positions.

    Parameters
    ----------
    pruner : fitted pruner
        Whose members are meant.
    X, y : array-like
        Rows and their classes.
    ensemble : fitted ensemble, list of (name, classifier), or None
        The ensemble that was pruned. None takes that of a pruner with fitted members.

    Returns
    -------
    P : ndarray of shape (M, N, C)
    y : ndarray of shape (N,)

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
    pool = MemberPool.from_fitted(ensemble, pruner.classes_)
    if len(pool) != pruner.n_members_in_:
        raise ValueError(
            f"ensemble has {len(pool)} members, but the pruner chose among "
            f"{pruner.n_members_in_}: it is not the ensemble that was pruned."
        )
    y = np.asarray(y)
    unknown = np.setdiff1d(y, pruner.classes_)
    if len(unknown):
        raise ValueError(f"y has classes that the pruner does not know: {unknown[:5]}.")
    return pool.predict_proba(X, pruner.n_jobs), np.searchsorted(pruner.classes_, y)
