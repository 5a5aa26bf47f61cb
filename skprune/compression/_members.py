"""The networks of a fitted ensemble."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pruning import check_ensemble, known_members
from ..utils import unfreeze
from ._fitted_cnn import check_is_estimator, check_may_have_network, fitted_cnn
from ._vote import NetworkVote

__all__ = ["check_members", "full_vote"]


def check_members(estimator: Any) -> None:
    """Raise, before any training, for what is no ensemble of networks.

    Parameters
    ----------
    estimator : ensemble or list of (name, classifier)
        What a user gave.
    """
    if not isinstance(estimator, list):
        check_is_estimator(estimator, "an ensemble of networks, or a list of (name, classifier)")
        check_ensemble(unfreeze(estimator))
        for member in known_members(unfreeze(estimator)):
            check_may_have_network(member)
        return
    for member in estimator:
        pair = isinstance(member, tuple) and len(member) == 2
        if not pair or not hasattr(member[1], "fit"):
            raise TypeError(
                f"estimator as a list must hold pairs (name, classifier); got {member!r}."
            )
        check_may_have_network(member[1])


def full_vote(ensemble: Any) -> tuple[NetworkVote, NDArray]:
    """The networks of a fitted ensemble, of equal weights, and the labels of their columns.

    Parameters
    ----------
    ensemble : ensemble or list of (name, classifier)
        Fitted.

    Returns
    -------
    vote : NetworkVote
        All of them.
    classes : ndarray of shape (C,)
        The labels.

    Raises
    ------
    TypeError
        If it has no members that are networks.
    ValueError
        If their classes differ.
    """
    listed = isinstance(ensemble, list)
    if not listed and not hasattr(ensemble, "estimators_"):
        raise TypeError(
            "estimator must be an ensemble that has `estimators_` once fitted, or a list of (name, "
            f"classifier); {type(ensemble).__name__} has none. Use PrunedCNNClassifier for one "
            "network."
        )
    members = [unfreeze(m) for _, m in ensemble] if listed else list(ensemble.estimators_)
    if not members:
        raise ValueError("estimator must have at least one member; got none.")
    cnns = [fitted_cnn(member) for member in members]
    classes = cnns[0].classes if listed else np.asarray(ensemble.classes_)
    for number, cnn in enumerate(cnns):
        if cnn.encoder is not None:
            raise TypeError(f"Member {number} changes its samples first (feature_encoder).")
        positions = np.array_equal(cnn.classes, np.arange(len(classes)))
        if not np.array_equal(cnn.classes, classes) and (listed or not positions):
            raise ValueError(
                f"Member {number} knows the classes {cnn.classes[:10]}, not {classes[:10]}; all "
                "members must know the same ones."
            )
    models = tuple(cnn.model for cnn in cnns)
    return NetworkVote(models, np.full(len(models), 1 / len(models))), classes
