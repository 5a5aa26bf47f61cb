"""Magnitude pruning: the smallest weights become zero."""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._keras import layer_graph
from ..utils import Number, StrOptions, check_parameters
from ._rebuild import copy_model

__all__ = ["kernels", "prune_magnitude"]


def prune_magnitude(model: Any, amount: float, *, scope: str = "global") -> Any:
    """Set the smallest weights of a Keras model to zero.

    Kernels are pruned (of convolutions, dense and recurrent layers), biases and normalizations are
    not. The network keeps its shape: it is no faster, and smaller only once its file is compressed.

    Parameters
    ----------
    model : keras.Model
        Sequential or Functional. It is not changed.
    amount : float
        Share of the weights to set to zero, in [0, 1).
    scope : {"global", "layer"}, default="global"
        Set to zero the smallest weights of all kernels together, or that share of each kernel.

    Returns
    -------
    keras.Model
        The model with zeros; compiled if the given one is. With amount 0 its predictions are
        exactly the same.

    Raises
    ------
    TypeError
        If the model is not a Keras model, or has its own ``call`` method.
    ValueError
        If the model is not built or has no kernel, or the amount is not in [0, 1).

    See Also
    --------
    prune_channels : Makes the network smaller and faster.
    fine_tune : Trains the pruned model; zeros stay zero.

    References
    ----------
    Han et al., "Learning both Weights and Connections for Efficient Neural Networks", NIPS 2015.

    Examples
    --------
    >>> import keras
    >>> from skprune.metrics import model_cost
    >>> from skprune.sparsity import prune_magnitude
    >>> model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(10, use_bias=False)])
    >>> model_cost(prune_magnitude(model, 0.8)).nonzero
    20
    """
    check_parameters("prune_magnitude", {"scope": [StrOptions({"global", "layer"})]}, scope=scope)
    layer_graph(model)  # raises for a model that cannot be rebuilt
    values = [kernel.numpy() for kernel in kernels(model)]
    if not values:
        raise ValueError(f"The model {model.name!r} has no prunable layer: none has a kernel.")
    n = sum(v.size for v in values) if scope == "global" else max(v.size for v in values)
    largest = f"the largest possible amount is {(n - 1) / n:.10g}, which leaves one of {n} weights"
    constraint = [Number(Real, 0, 1, meaning=largest)]
    check_parameters("prune_magnitude", {"amount": constraint}, amount=amount)
    if scope == "global":
        flat = _without_smallest(np.concatenate([v.ravel() for v in values]), amount)
        parts = np.split(flat, np.cumsum([v.size for v in values])[:-1])
    else:
        parts = [_without_smallest(v.ravel(), amount) for v in values]
    pruned = copy_model(model)
    for kernel, part, value in zip(kernels(pruned), parts, values, strict=True):
        kernel.assign(part.reshape(value.shape).astype(value.dtype))
    return pruned


def kernels(model: Any) -> list[Any]:
    """The variables that Keras calls kernels; no quantized ones, which are integers."""
    return [
        variable
        for variable in model.weights
        if variable.name.endswith("kernel")
        and len(variable.shape) > 1
        and "float" in str(variable.dtype)
    ]


def _without_smallest(weights: NDArray, amount: float) -> NDArray:
    left = weights.copy()
    n_zeros = int(np.floor(float(amount) * len(weights) + 1e-9))
    # Of equal weights the first ones become zero, so that a larger amount only adds zeros.
    left[np.argsort(np.abs(weights), kind="stable")[:n_zeros]] = 0
    return left
