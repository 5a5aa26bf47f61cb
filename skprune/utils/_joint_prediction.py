"""Members of an ensemble that predict the same samples by one function."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._compiled import get_compiled
from ._keras_networks import JointNetworks, plain_scikeras_network, scikeras_answer

__all__ = ["joint_prediction"]


def joint_prediction(members: Sequence[Any]) -> Callable[[Any], Sequence[NDArray]] | None:
    """A function that predicts with all members at once, where their class allows it.

    Such a class has a class method ``__skprune_joint_prediction__`` that takes the members and
    returns the function; scikeras's own classifiers and regressors are supported, too.

    Parameters
    ----------
    members : sequence of fitted estimators
        In memory.

    Returns
    -------
    callable or None
        From samples to the probabilities, or predictions, of each member. None: ask one after the
        other.
    """
    kinds = {type(member) for member in members}
    if len(kinds) != 1:
        return None
    (kind,) = kinds
    joined = getattr(kind, "__skprune_joint_prediction__", None)
    if joined is not None:
        if "__skprune_joint_prediction__" not in vars(
            kind
        ):  # a class of the user's own may do more
            return None
        found: Callable[[Any], Sequence[NDArray]] | None = joined(members)
        return found
    if not any(base.__module__.startswith("scikeras.") for base in kind.__mro__):
        return None
    networks = [plain_scikeras_network(member) for member in members]
    if any(network is None for network in networks) or not _alike(networks):
        return None
    joint = get_compiled(networks, [], lambda: JointNetworks(networks))
    assert joint is not None  # as their own predict compiles too, there is nothing to wait for

    def predict(X: Any) -> Sequence[NDArray]:
        checked, _ = members[0]._validate_data(X=X, y=None, reset=False)
        outputs = joint.predict(np.asarray(checked, dtype=np.float32))
        return [scikeras_answer(m, output) for m, output in zip(members, outputs, strict=True)]

    return predict


def _alike(networks: Sequence[Any]) -> bool:
    return len({network.inputs[0].shape for network in networks}) == 1
