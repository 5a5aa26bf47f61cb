"""What is taken out of a fitted CNN classifier: its network, classes, and how samples go in."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import FunctionTransformer

from ..utils import unfreeze

__all__ = ["FittedCNN", "as_inputs", "check_single", "fitted_cnn"]


@dataclass(frozen=True, eq=False)
class FittedCNN:
    """The network of a fitted classifier.

    Attributes
    ----------
    model : keras.Model
        From samples to probabilities of the classes.
    classes : ndarray of shape (C,)
        The labels of its columns.
    encoder : transformer or None
        What samples go through before they go in.
    """

    model: Any
    classes: NDArray
    encoder: Any

    def inputs(self, X: NDArray) -> NDArray[np.float32]:
        """Samples as the network takes them; see :func:`as_inputs`."""
        return as_inputs(X, self.model.inputs[0].shape[1:], self.encoder)


def check_is_estimator(estimator: Any, right: str) -> None:
    """Refuse what has no fit, and classes."""
    inner = unfreeze(estimator)
    if isinstance(inner, type) or not hasattr(inner, "fit"):
        raise TypeError(f"estimator must be {right}; got {inner!r:.100}.")


def check_may_have_network(estimator: Any) -> None:
    """Raise, before any training, for single models of scikit-learn, which get no network."""
    inner = unfreeze(estimator)
    ensemble = hasattr(inner, "n_estimators") or hasattr(inner, "estimators")
    has_network = hasattr(inner, "model_")
    if type(inner).__module__.startswith("sklearn.") and not (ensemble or has_network):
        raise _without_network(type(inner).__name__)


def _without_network(name: str) -> TypeError:
    return TypeError(
        "estimator must be a classifier that has a Keras network `model_` and `classes_` once "
        f"fitted, as scikeras's KerasClassifier; {name} has not."
    )


def check_single(estimator: Any) -> None:
    """Refuse, before any training, what is known to become more than one network of one input.

    Parameters
    ----------
    estimator : estimator
        What a user gave.

    Raises
    ------
    TypeError
        If it is an ensemble of several members, or takes several views.
    """
    check_is_estimator(estimator, "a classifier with one network")
    inner = unfreeze(estimator)
    if hasattr(inner, "view_shape"):
        raise TypeError(
            f"estimator must be a single network of one input; {type(inner).__name__} takes "
            "several views. Use PrunedMultiViewClassifier."
        )
    check_may_have_network(estimator)
    n: Any = getattr(estimator, "n_estimators", 1)
    if not isinstance(estimator, FrozenEstimator) and isinstance(n, Integral) and int(n) > 1:
        raise _several(estimator, int(n))


def _several(estimator: Any, n: int) -> TypeError:
    return TypeError(
        f"estimator must be a single network; {type(estimator).__name__} has {n} of them. Use "
        "EnsembleCompressor for all together, or n_estimators=1."
    )


def fitted_cnn(estimator: Any) -> FittedCNN:
    """Take the network out of a fitted classifier.

    Parameters
    ----------
    estimator : estimator
        A scikeras classifier, a member of a :class:`~skprune.RandomCNNEnsembleClassifier`, or such
        an ensemble of one member.

    Returns
    -------
    FittedCNN

    Raises
    ------
    TypeError
        If there is no single network in it that takes one input.
    ValueError
        If it has not one output for each class.
    """
    estimator = unfreeze(estimator)
    name = type(estimator).__name__
    source, classes = estimator, getattr(estimator, "classes_", None)
    if hasattr(estimator, "estimators_"):
        members = list(estimator.estimators_)
        if len(members) != 1:
            raise _several(estimator, len(members))
        source = members[0]
    model = getattr(source, "model_", None)
    if model is None or classes is None:
        raise _without_network(name)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise TypeError(
            f"The network of {name} has {len(model.inputs)} inputs and {len(model.outputs)} "
            "outputs; it must have one of each. Use PrunedMultiViewClassifier for several views."
        )
    shape = tuple(model.outputs[0].shape[1:])
    if shape != (len(classes),) and (shape, len(classes)) != ((1,), 2):
        raise ValueError(
            f"The network of {name} gives outputs of shape {shape} for {len(classes)} classes; it "
            "must give one probability for each class (or one for two classes)."
        )
    encoder: Any = getattr(source, "feature_encoder_", None)
    plain = type(encoder) is FunctionTransformer and encoder.func is None
    return FittedCNN(model, np.asarray(classes), None if plain else encoder)


def as_inputs(
    X: NDArray, shape: tuple[int | None, ...], encoder: Any = None
) -> NDArray[np.float32]:
    """Samples as a network takes them.

    Parameters
    ----------
    X : ndarray of shape (n, ...)
        Samples, flat or shaped. An encoder, too, is given floats: differences of uint8 wrap.
    shape : tuple of int or None
        Shape of one sample that the network takes; None is any length.
    encoder : transformer or None
        What they go through first.

    Returns
    -------
    ndarray of shape (n, *shape), float32
    """
    inputs = np.asarray(X, dtype=np.float32)
    if encoder is not None:
        inputs = np.asarray(encoder.transform(inputs), dtype=np.float32)
    own = inputs.shape[1:]
    if len(own) == len(shape) and all(a in (None, b) for a, b in zip(shape, own, strict=True)):
        return inputs
    sides = [side for side in shape if side is not None]
    if len(sides) == len(shape) and np.prod(own) == np.prod(sides):
        return inputs.reshape(len(inputs), *sides)
    raise ValueError(f"X has samples of shape {own}, but the network takes {tuple(shape)}.")
