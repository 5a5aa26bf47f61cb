"""Checks of what a user gives to the ensemble, made before anything expensive."""

from collections.abc import Iterable
from numbers import Integral, Real

import numpy as np

from ..utils import check_cache, check_n_jobs, check_one_of
from ._space import CNNArchitecture, CNNSpace

__all__ = [
    "check_multi_view_parameters",
    "check_parameters",
    "check_weights",
]

# More networks are not even planned: architectures are drawn before the first is trained.
_MOST_MEMBERS = 100_000


def check_parameters(estimator) -> None:
    """Raise a TypeError or ValueError that names the first wrong constructor argument.

    Parameters
    ----------
    estimator : RandomCNNEnsembleClassifier
        Whose parameters are checked.
    """
    right = f"an integer from 1 to {_MOST_MEMBERS}"
    _check_integer(estimator, "n_estimators", 1, right)
    if estimator.n_estimators > _MOST_MEMBERS:
        raise _wrong(ValueError, estimator, "n_estimators", right)
    for name in ("epochs", "batch_size"):
        _check_integer(estimator, name, 1, "an integer of at least 1")
    _check_integer(estimator, "verbose", 0, "an integer of at least 0 (or a bool)")
    if estimator.n_iter_no_change is not None:
        _check_integer(estimator, "n_iter_no_change", 1, "an integer of at least 1, or None")
    check_n_jobs(estimator.n_jobs)
    _check_fraction(estimator)
    check_one_of("voting", estimator.voting, ("soft", "hard"))
    if estimator.space is not None and not isinstance(estimator.space, CNNSpace):
        right = "a CNNSpace, such as CNNSpace.paper(), or None"
        raise _wrong(TypeError, estimator, "space", right)
    right = "(height, width), (height, width, channels), or None"
    _check_shape(estimator, "image_shape", (2, 3), right)
    check_cache(estimator.memory)


def check_multi_view_parameters(estimator) -> None:
    """Raise a TypeError or ValueError that names the first wrong constructor argument.

    Parameters
    ----------
    estimator : MultiViewCNNClassifier
        Whose parameters are checked.
    """
    for name in ("epochs", "batch_size"):
        _check_integer(estimator, name, 1, "an integer of at least 1")
    if estimator.n_iter_no_change is not None:
        _check_integer(estimator, "n_iter_no_change", 1, "an integer of at least 1, or None")
    _check_integer(estimator, "n_importance_repeats", 0, "an integer of at least 0 (0: none)")
    _check_integer(estimator, "verbose", 0, "an integer of at least 0 (or a bool)")
    _check_fraction(estimator)
    check_one_of("view_pooling", estimator.view_pooling, ("max", "mean"))
    check_one_of("importance_method", estimator.importance_method, ("permute", "remove"))
    if estimator.architecture is not None:
        _check_architecture(estimator)
    right = "(views, height, width), (views, height, width, channels), or None"
    _check_shape(estimator, "view_shape", (3, 4), right)


def _check_architecture(estimator) -> None:
    given = estimator.architecture
    if not isinstance(given, CNNArchitecture):
        raise _wrong(TypeError, estimator, "architecture", "a CNNArchitecture, or None")
    try:
        CNNSpace(
            n_blocks=[len(given.blocks)],
            filters=[filters for block in given.blocks for filters in block.filters],
            pooling=[block.pooling for block in given.blocks],
            dense_units=[given.dense_units],
            dropout=[given.dropout],
            learning_rate=(given.learning_rate, given.learning_rate),
        )
    except (TypeError, ValueError, AttributeError) as error:
        right = "a CNNArchitecture that is one of a CNNSpace"
        raise _wrong(ValueError, estimator, "architecture", right) from error


def _check_fraction(estimator) -> None:
    fraction = estimator.validation_fraction
    if fraction is None:
        return
    right = "a number in [0, 1), or None"
    if not isinstance(fraction, Real) or isinstance(fraction, bool):
        raise _wrong(TypeError, estimator, "validation_fraction", right)
    if not 0 <= fraction < 1:
        raise _wrong(ValueError, estimator, "validation_fraction", right)


def _wrong(kind, estimator, name, right) -> Exception:
    return kind(
        f"{type(estimator).__name__}: {name} must be {right}, got {getattr(estimator, name)!r}."
    )


def _check_integer(estimator, name, lowest, right) -> None:
    value = getattr(estimator, name)
    if not isinstance(value, Integral) or (isinstance(value, bool) and name != "verbose"):
        raise _wrong(TypeError, estimator, name, right)
    if lowest is not None and value < lowest:
        raise _wrong(ValueError, estimator, name, right)


def _check_shape(estimator, name, lengths, right) -> None:
    shape = getattr(estimator, name)
    if shape is None:
        return
    if isinstance(shape, str) or not isinstance(shape, Iterable):
        raise _wrong(TypeError, estimator, name, right)
    sides = tuple(shape)
    if len(sides) not in lengths or not all(isinstance(n, Integral) and n >= 1 for n in sides):
        raise _wrong(ValueError, estimator, name, right)


def check_weights(sample_weight: np.ndarray, y: np.ndarray) -> None:
    """Raise a ValueError unless the rows with weight can be trained on.

    Parameters
    ----------
    sample_weight : ndarray of shape (n_samples,)
        Finite weights.
    y : ndarray of shape (n_samples,)
        Classes as integers.
    """
    if (sample_weight < 0).any():
        raise ValueError(
            f"sample_weight must not be negative, got {sample_weight.min()} as the lowest."
        )
    if not sample_weight.any():
        raise ValueError("sample_weight must hold a positive weight, got only zeros.")
    if len(np.unique(y[sample_weight > 0])) < 2:
        raise ValueError(
            "sample_weight leaves rows of one class only; at least two classes must have rows "
            "of positive weight."
        )
