"""Which members are networks, and these networks."""

from typing import Any

import numpy as np
from sklearn.preprocessing import FunctionTransformer

from ..exceptions import UnsupportedMemberError
from ..utils import Vote, VotingMember, unfreeze

__all__ = ["is_network", "network_of", "network_shape", "vote_of"]


def vote_of(estimator: Any) -> Vote:
    """What a fitted estimator is made of.

    Parameters
    ----------
    estimator : fitted estimator
        A pruner, an ensemble of CNNs, or one that was cut down.

    Returns
    -------
    Vote

    Raises
    ------
    NotFittedError
        If it is not fitted.
    TypeError
        If it is none of skprune's estimators that vote.
    UnsupportedMemberError
        If a part of it cannot be taken out.
    """
    estimator = unfreeze(estimator)
    if isinstance(estimator, type):
        raise TypeError(f"{estimator.__name__} is a class; give a fitted instance of it.")
    if not hasattr(estimator, "__skprune_vote__"):
        raise TypeError(
            f"estimator: a {type(estimator).__name__} cannot be made one graph of a vote: "
            f"{_remedy(estimator)}"
        )
    found: Vote = estimator.__skprune_vote__()
    return found


def _remedy(estimator: Any) -> str:
    inner = unfreeze(getattr(estimator, "estimator", estimator))
    if hasattr(type(estimator), "view_shape_") or hasattr(inner, "view_shape"):
        return (
            "it takes several views and a mask. Its own predict is compiled; save it with joblib "
            "or skops."
        )
    if hasattr(estimator, "best_estimator_"):
        return "give its best_estimator_."
    if hasattr(estimator, "steps"):
        return "give its last step, and put the transformers before the graph."
    return (
        "give a fitted pruner, RandomCNNEnsembleClassifier, PrunedCNNClassifier or "
        "EnsembleCompressor. Other ensembles: wrap them in a FrozenEstimator and fit a "
        "SOCPEnsemblePruner."
    )


def is_network(member: VotingMember) -> bool:
    """Whether a member has a Keras network."""
    estimator = unfreeze(member.estimator)
    if hasattr(type(estimator), "model_"):  # made when it is asked for
        return True
    return all(hasattr(vars(estimator).get("model_"), name) for name in ("inputs", "outputs"))


def network_of(member: VotingMember) -> Any:
    """The Keras network of a member.

    Parameters
    ----------
    member : VotingMember
        Fitted, with ``model_``, as scikeras's classifiers and skprune's members.

    Returns
    -------
    keras.Model
        From samples to probabilities of its classes.

    Raises
    ------
    UnsupportedMemberError
        If there is none, or it has not one input and one output a class.
    """
    estimator = unfreeze(member.estimator)
    who = f"{member.name} ({type(estimator).__name__})"
    if not is_network(member):
        raise UnsupportedMemberError(
            f"{who} is not a neural network, so it cannot go into a Keras model. Use "
            "skprune.serving.export_onnx, which takes members of scikit-learn's kinds too."
        )
    encoder = getattr(estimator, "feature_encoder_", None)
    if encoder is not None and not (type(encoder) is FunctionTransformer and encoder.func is None):
        raise UnsupportedMemberError(
            f"{who} changes its samples with a {type(encoder).__name__} before its network sees "
            "them. Train it on samples as that leaves them, and put it before the graph."
        )
    if member.features is not None:
        raise UnsupportedMemberError(f"{who} sees only some columns of X; a network sees all.")
    # A member that only has arrays stays so: it predicts without a Keras model.
    model = estimator.network() if hasattr(estimator, "network") else estimator.model_
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UnsupportedMemberError(
            f"The network of {who} has {len(model.inputs)} inputs and {len(model.outputs)} "
            "outputs; it must have one of each."
        )
    n_classes = None if member.columns is None else len(member.columns)
    shape = tuple(model.outputs[0].shape[1:])
    if n_classes is not None and shape != (n_classes,) and (shape, n_classes) != ((1,), 2):
        raise UnsupportedMemberError(
            f"The network of {who} gives outputs of shape {shape} for {n_classes} classes; it must "
            "give one probability a class (or one for two classes)."
        )
    return model


def network_shape(models: list[Any], vote: Vote) -> tuple[int, ...]:
    """Shape of a sample as the first network takes it.

    Parameters
    ----------
    models : list of keras.Model
        At least one.
    vote : Vote
        What they are of: fills in sides that the networks leave free.

    Returns
    -------
    tuple of int

    Raises
    ------
    UnsupportedMemberError
        If a side remains unknown, or a network takes another number of pixels.
    """
    shape = tuple(models[0].inputs[0].shape[1:])
    if None in shape and vote.sample_shape is not None and len(vote.sample_shape) == len(shape):
        shape = vote.sample_shape
    if None in shape:
        raise UnsupportedMemberError(
            f"The network of {vote.members[0].name} takes samples of any shape {shape}; build it "
            "with the sides of its images."
        )
    for member, model in zip(vote.members, models, strict=True):
        own = tuple(model.inputs[0].shape[1:])
        if None not in own and np.prod(own) != np.prod(shape):
            raise UnsupportedMemberError(
                f"The network of {member.name} takes samples of shape {own}, that of "
                f"{vote.members[0].name} of shape {shape}."
            )
    return tuple(int(side) for side in shape)
