"""Checks of what a user gives to the ensemble, made before anything expensive."""

from collections.abc import Iterable
from numbers import Integral, Real

import numpy as np

from ..utils import check_cache
from ._space import CNNArchitecture, CNNSpace

__all__ = [
    "check_multi_view_parameters",
    "check_parameters",
    "check_weights",
    "ensemble_seed",
]


def check_parameters(estimator) -> None:
    """Raise a TypeError or ValueError that names the first wrong constructor argument.

    Parameters
    ----------
    estimator : RandomCNNEnsembleClassifier
        Whose parameters are checked.
    """
    for name in ("n_estimators", "epochs", "batch_size"):
        _check_integer(estimator, name, 1, "an integer of at least 1")
    _check_integer(estimator, "verbose", 0, "an integer of at least 0 (or a bool)")
    for name, optional in {"n_iter_no_change": 1, "n_jobs": None}.items():
        if getattr(estimator, name) is not None:
            floor = "" if optional is None else f" of at least {optional}"
            _check_integer(estimator, name, optional, f"an integer{floor}, or None")
    if estimator.n_jobs == 0:
        raise _wrong(ValueError, estimator, "n_jobs", "an integer other than 0, or None")
    _check_fraction(estimator)
    if estimator.voting not in ("soft", "hard"):
        raise _wrong(ValueError, estimator, "voting", "'soft' or 'hard'")
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
    if estimator.view_pooling not in ("max", "mean"):
        raise _wrong(ValueError, estimator, "view_pooling", "'max' or 'mean'")
    if estimator.importance_method not in ("permute", "remove"):
        raise _wrong(ValueError, estimator, "importance_method", "'permute' or 'remove'")
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


def ensemble_seed(random_state) -> int:
    """One non-negative integer from a ``random_state``, without NumPy's global generator.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        An int is the seed itself; a RandomState draws it; None takes fresh entropy.

    Returns
    -------
    int
        The seed.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(np.iinfo(np.int32).max))
    if isinstance(random_state, Integral) and not isinstance(random_state, bool):
        if random_state >= 0:
            return int(random_state)
        kind = ValueError
    else:
        kind = TypeError
    raise kind(
        "random_state must be a non-negative integer, a numpy.random.RandomState or None, "
        f"got {random_state!r}."
    )
