"""A few networks that vote, and what they cost together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.frozen import FrozenEstimator

from .._keras import JointNetworks, get_compiled, seconds_to_compile, with_both_classes
from ..metrics import ModelCost, model_cost
from ..utils import SkpruneEstimator, VotingRule, reports_progress
from ._bench import probabilities
from ._fitted_cnn import as_inputs
from ._kept_model import KeptModel

__all__ = ["NetworkMember", "NetworkVote", "seen_shape"]


class NetworkMember(ClassifierMixin, SkpruneEstimator):
    """One cut network as a fitted classifier, so that a pruner can weigh it.

    Parameters
    ----------
    kept : KeptModel
        A network from samples to probabilities.
    classes : ndarray of shape (C,)
        The labels of its columns.
    """

    _saved_packages = ("scikit-learn", "keras")
    _doc_link_module = ""  # it has no page

    def __init__(self, kept: KeptModel, classes: NDArray) -> None:
        self.kept = kept
        self.classes = classes

    @property
    def model_(self) -> Any:
        """The network."""
        return self.kept.get()

    @property
    def classes_(self) -> NDArray:
        """The labels of its columns."""
        return self.classes

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @reports_progress(0)
    def fit(self, X: Any, y: Any) -> "NetworkMember":
        """Do nothing: a cut member is trained already."""
        return self

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of a sample."""
        return tuple(self.model_.inputs[0].shape[1:])

    def predict_proba(self, X: NDArray) -> NDArray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : ndarray of shape (n, ...)
            Samples, flat or shaped.

        Returns
        -------
        ndarray of shape (n, C), float32
        """
        return probabilities(self.model_, as_inputs(X, self.input_shape))

    @classmethod
    def __skprune_joint_prediction__(cls, members: Sequence["NetworkMember"]) -> Any:
        """One compiled function of all networks, as soon as it pays to compile one."""
        networks = [member.model_ for member in members]
        shapes = {member.input_shape for member in members}
        if len(shapes) > 1:
            return None
        joint = get_compiled(networks, [], lambda: JointNetworks(networks), seconds_to_compile())
        if joint is None:
            return None

        def predict(X: NDArray) -> list[NDArray]:
            outputs = joint.predict(as_inputs(X, *shapes))
            return [with_both_classes(output) for output in outputs]

        return predict

    def predict(self, X: NDArray) -> NDArray:
        """The most probable label."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def seen_shape(n_features: int, network: Any) -> tuple[int, ...] | None:
    """Shape of the samples that a classifier was fitted on; None where it is its network's.

    Parameters
    ----------
    n_features : int
        Its ``n_features_in_``.
    network : keras.Model
        What the samples go into.

    Returns
    -------
    tuple of int or None
    """
    shape = tuple(network.inputs[0].shape[1:])
    rows = None not in shape and n_features != shape[0] and n_features == np.prod(shape)
    return (n_features,) if rows else None


@dataclass(frozen=True, eq=False)
class NetworkVote:
    """Networks, the weights of their votes, and how these become probabilities."""

    models: tuple[Any, ...]  # from samples to probabilities
    weights: NDArray[np.float64]  # (k,)
    rule: VotingRule = field(default_factory=VotingRule)

    def members(self, classes: NDArray) -> list[tuple[str, FrozenEstimator]]:
        """The networks as fitted classifiers with labels, as a pruner takes them."""
        return [
            (f"member{i}", FrozenEstimator(NetworkMember(KeptModel(model), classes)))
            for i, model in enumerate(self.models)
        ]

    def outputs(self, X: NDArray) -> NDArray:
        """Probabilities from each network, of shape (k, n, C)."""
        return np.stack(
            [probabilities(m, as_inputs(X, tuple(m.inputs[0].shape[1:]))) for m in self.models]
        )

    def accuracy(self, X: NDArray, y: NDArray[np.intp]) -> float:
        """Share of right answers of the vote; y has the classes as positions."""
        votes = self.rule.votes(self.outputs(X), self.weights)
        return float((votes.argmax(axis=1) == y).mean())

    def cost(self) -> ModelCost:
        """The sum over the networks."""
        return sum((model_cost(m) for m in self.models), ModelCost(0, 0, 0, 0, 0, 0))

    def predictor(self) -> Callable[[NDArray], NDArray]:
        """A function to time: each network's compiled prediction in turn, and their vote."""
        shapes = [tuple(model.inputs[0].shape[1:]) for model in self.models]

        def predict(X: NDArray) -> NDArray:
            pairs = zip(self.models, shapes, strict=True)
            outputs = (model.predict_on_batch(as_inputs(X, shape)) for model, shape in pairs)
            return self.rule.proba(self.rule.votes(outputs, self.weights))

        return predict
