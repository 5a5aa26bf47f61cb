"""Cost of a fitted model: parameters and time."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._timing import time_rounds

__all__ = ["check_countable", "latencies", "n_parameters"]

# Where scikit-learn defines models without parameters that can be counted.
_COUNTLESS = tuple(
    f"sklearn.{name}."
    for name in (
        "calibration",
        "compose",
        "dummy",
        "ensemble._hist_gradient_boosting",
        "gaussian_process",
        "kernel_ridge",
        "linear_model._ransac",
        "model_selection",
        "naive_bayes",
        "neighbors",
        "semi_supervised",
    )
)


def n_parameters(model: Any) -> int:
    """Number of parameters that a fitted model holds.

    Networks count all weights. A linear model counts coefficients and intercepts, scikit-learn's
    multilayer perceptron those of all layers, a tree two for each split (feature and
    threshold) and the values of its leaves, an ensemble the sum over its members, and a
    Pipeline the sum over those of its steps that are such models.

    Parameters
    ----------
    model : fitted estimator
        A Keras or scikeras model, or one of scikit-learn's.

    Returns
    -------
    int
        The count; zeros count too.

    Raises
    ------
    TypeError
        If the model has no parameters that can be counted, such as nearest neighbours.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skprune.metrics import n_parameters
    >>> n_parameters(LogisticRegression(max_iter=500).fit(*load_iris(return_X_y=True)))
    15
    """
    count = _count(model)
    if count is None:
        raise _uncountable(model)
    return count


def check_countable(estimator: Any) -> None:
    """Refuse, fitted or not, what :func:`n_parameters` is known to refuse once it is fitted."""
    last = estimator
    while hasattr(last, "steps"):
        last = last.steps[-1][-1]
    name, module = type(last).__name__, type(last).__module__
    countless = f"{module}.".startswith(_COUNTLESS) or name == "QuadraticDiscriminantAnalysis"
    kernel = getattr(last, "kernel", "linear") if module.startswith("sklearn.svm.") else "linear"
    if countless or kernel != "linear":
        raise _uncountable(estimator)


def _uncountable(model: Any) -> TypeError:
    return TypeError(
        f"{type(model).__name__} has no parameters that can be counted; give the costs as "
        "numbers, one a member."
    )


def latencies(
    calls: Sequence[Callable[[], Any]], *, repeats: int = 5, warm_up: int = 1
) -> NDArray[np.float64]:
    """Median wall time of each call, all of them in turn so that noise meets all alike.

    Parameters
    ----------
    calls : sequence of callables without arguments
        What to time.
    repeats : int, default=5
        Rounds that count.
    warm_up : int, default=1
        Rounds before them that do not.

    Returns
    -------
    ndarray of shape (len(calls),)
        Seconds.

    Examples
    --------
    >>> from skprune.metrics import latencies
    >>> bool(latencies([lambda: sum(range(10)), lambda: sum(range(10**5))]).argmax() == 1)
    True
    """
    return np.asarray(np.median(time_rounds(calls, repeats=repeats, warm_up=warm_up), axis=0))


def _count(model: Any) -> int | None:
    if hasattr(model, "count_params"):  # a Keras model
        return int(model.count_params())
    if hasattr(model, "model_"):  # a scikeras estimator, whose network may load lazily
        return _count(model.model_)
    if hasattr(model, "coefs_"):
        return sum(array.size for array in [*model.coefs_, *model.intercepts_])
    if hasattr(model, "coef_"):
        return int(np.size(model.coef_) + np.size(getattr(model, "intercept_", ())))
    if hasattr(model, "tree_"):
        tree = model.tree_
        return int(2 * (tree.node_count - tree.n_leaves) + tree.n_leaves * tree.value[0].size)
    if hasattr(model, "steps"):
        parts = [_count(step) for _, step in model.steps]
        return sum(p for p in parts if p is not None) if parts[-1] is not None else None
    if hasattr(model, "estimators_"):
        parts = [_count(member) for member in np.ravel(model.estimators_)]
        return None if any(p is None for p in parts) else sum(p for p in parts if p is not None)
    return None
