"""The recipe that sweeps and estimators share: prune, train what is left, measure."""

from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils import hold_out
from ._channels import prune_channels
from ._magnitude import prune_magnitude
from ._rebuild import copy_model

__all__ = [
    "METHODS",
    "gives_logits",
    "held_out_rows",
    "method_named",
    "model_accuracy",
]

# By name: how a model is pruned, and which of its sizes that makes smaller.
METHODS: dict[str, tuple[Callable[[Any, float], Any], str]] = {
    "channels": (prune_channels, "dense_bytes"),
    "magnitude": (prune_magnitude, "compressed_bytes"),
}


def method_named(method: Any) -> tuple[Callable[[Any, float], Any], str]:
    """How to prune, and which size that makes smaller.

    Parameters
    ----------
    method : str or callable
        As :func:`pruning_sweep` takes it.

    Returns
    -------
    prune : callable
        From a model and an amount to a pruned model.
    size : str
        Kind of size.
    """
    if callable(method):
        function = method.func if isinstance(method, partial) else method
        size = "compressed_bytes" if function is prune_magnitude else "dense_bytes"
        return partial(_another, method), size
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(
            f"method must be one of {tuple(METHODS)}, or a function of a model and an amount; got "
            f"{method!r}."
        )
    return METHODS[method]


def _another(method: Callable[[Any, float], Any], model: Any, amount: float) -> Any:
    """What a method of the user's own makes; a copy, where it gives back what it got."""
    made = method(model, amount)
    return copy_model(made) if made is model else made


def model_accuracy(
    model: Any, X: NDArray, y: NDArray, *, logits: bool = False, batch_size: int = 1024
) -> float:
    """Share of the samples whose most probable class is the true one.

    Parameters
    ----------
    model : keras.Model
        Gives probabilities, or one column with that of class 1.
    X : ndarray of shape (n, ...)
        Samples.
    y : ndarray of shape (n,)
        Classes as integers.
    logits : bool, default=False
        Whether one column is a logit, of which more than zero means class 1.
    batch_size : int, default=1024
        Samples predicted at a time.

    Returns
    -------
    float
    """
    import keras

    hits, least = 0, 0.0 if logits else 0.5
    for at in range(0, len(X), batch_size):
        rows = slice(at, at + batch_size)
        p = keras.ops.convert_to_numpy(model(X[rows], training=False))
        found = p.argmax(axis=1) if p.shape[1] > 1 else (p[:, 0] > least).astype(int)
        hits += int((found == y[rows]).sum())
    return hits / len(X)


def gives_logits(model: Any) -> bool:
    """Whether the loss that a model is compiled with takes logits.

    Parameters
    ----------
    model : keras.Model
        A classifier.

    Returns
    -------
    bool
    """
    loss: Any = getattr(model, "loss", None)
    return hasattr(loss, "get_config") and bool(loss.get_config().get("from_logits", False))


def held_out_rows(y: NDArray, fraction: Any, seed: int) -> NDArray[np.bool_]:
    """Draw samples to measure on, of each class its share where that can be.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Classes.
    fraction : float
        Share to hold out.
    seed : int
        Seed of the draw.

    Returns
    -------
    ndarray of shape (n,), bool
    """
    number = isinstance(fraction, Real) and not isinstance(fraction, bool)
    if not number or not 0 < float(fraction) < 1:
        raise ValueError(f"validation_fraction must be a number in (0, 1); got {fraction!r}.")
    n_held_out = int(np.ceil(float(fraction) * len(y)))
    if n_held_out >= len(y):
        raise ValueError(
            f"validation_fraction={fraction!r} of {len(y)} samples leaves none to train on; give "
            "more samples or a smaller fraction."
        )
    return hold_out(y, n_held_out, seed)
