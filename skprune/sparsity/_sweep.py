"""Sweeps: one network pruned by several amounts, fine-tuned and measured."""

import json
import warnings
from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import assert_all_finite

from .._keras import layer_graph
from ..metrics import model_cost
from ..utils import (
    Number,
    StrOptions,
    check_parameters,
    check_random_state,
    check_sample_weight,
    draw_seed,
)
from ._fine_tune import TRAINING_CONSTRAINTS, classification_loss, recover
from ._measure import SIZES, TimingPlan, Trial, check_amounts, measure_amounts
from ._recipe import (
    gives_logits,
    held_out_rows,
    method_named,
    model_accuracy,
)
from ._sweep_result import SweepResult

__all__ = ["pruning_sweep"]


def pruning_sweep(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    amounts: ArrayLike = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    method: str | Callable[[Any, float], Any] = "channels",
    fine_tune_epochs: int = 1,
    *,
    validation_data: tuple[ArrayLike, ArrayLike] | None = None,
    validation_fraction: float = 0.25,
    sample_weight: ArrayLike | None = None,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    size: str | None = None,
    latency_batch_size: int = 256,
    latency_repeats: int = 20,
    path: Any = None,
    random_state: Any = None,
    verbose: int = 0,
    on_amount: Callable[[float], Any] | None = None,
) -> SweepResult:
    """Prune a classifier by each of several amounts, fine-tune it, and measure what is left.

    Every amount starts from the given network. Accuracy is measured on samples that fine-tuning
    does not see; time is that of ``predict_on_batch``, each pruned network timed by turns with
    the unpruned one.

    Parameters
    ----------
    model : keras.Model
        A trained Sequential or Functional classifier: probabilities of the classes, or one column
        with that of class 1. It is not changed.
    X : array-like of shape (n_samples, ...)
        Samples to fine-tune with, and to hold out from.
    y : array-like of shape (n_samples,)
        Classes as integers, the columns of the model's output.
    amounts : array-like of shape (n,), default=(0, 0.1, ..., 0.9)
        Pruning amounts in [0, 1), 0 among them.
    method : {"channels", "magnitude"} or callable, default="channels"
        :func:`prune_channels` or :func:`prune_magnitude` with their defaults; or a function of
        the model and an amount, such as ``functools.partial(prune_channels, round_to=4)``.
    fine_tune_epochs : int, default=1
        Epochs after pruning, at amount 0 too: what training longer gives is no merit of pruning.
        Batch-norm statistics are estimated again after them. With 0 nothing is done after pruning.
    validation_data : tuple of (X, y), default=None
        Samples to measure accuracy on. None holds out part of X.
    validation_fraction : float, default=0.25
        Share of the samples of each class to hold out, in (0, 1).
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples of X in the loss of fine-tuning; accuracy counts all alike.
    batch_size : int, default=64
        Samples of one step of fine-tuning.
    learning_rate : float, default=1e-3
        Learning rate of fine-tuning.
    size : {"dense_bytes", "compressed_bytes", "file_bytes"}, default=None
        What counts as size; None is compressed bytes for "magnitude", dense bytes otherwise.
    latency_batch_size : int, default=256
        Samples of a timed batch, or as many as there are.
    latency_repeats : int, default=20
        Rounds of timing.
    path : str or Path, default=None
        File that what is measured is written to after every amount. A sweep that was stopped goes
        on from it, and more amounts are added to it. A function given as ``method`` is known by
        its name there, and a partial by its arguments, too.
    random_state : int, RandomState instance or None, default=None
        Seeds what is held out, the order of samples, and dropout. To go on from a file it must be
        an int.
    verbose : int, default=0
        Show a progress bar.
    on_amount : callable, default=None
        Called with each amount once it is measured, for a progress display of one's own; not with
        those that the file holds already.

    Returns
    -------
    SweepResult

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, the file belongs to another sweep, or the model cannot be pruned.

    Examples
    --------
    >>> import keras, numpy as np
    >>> from skprune import PruningAmountOptimizer
    >>> from skprune.amount import AccuracyReward, PruningReward
    >>> from skprune.sparsity import pruning_sweep
    >>> X = np.random.default_rng(0).normal(size=(400, 4)).astype("float32")
    >>> y = (X[:, 0] * X[:, 1] > 0).astype(int)
    >>> model = keras.Sequential([
    ...     keras.Input((4,)), keras.layers.Dense(64, activation="relu"),
    ...     keras.layers.Dense(2, activation="softmax"),
    ... ])
    >>> sweep = pruning_sweep(model, X, y, [0, 0.25, 0.5, 0.75], random_state=0)
    >>> sweep.parameters
    array([450, 338, 226, 114])
    >>> optimizer = PruningAmountOptimizer(
    ...     accuracy_curve="isotonic", max_size=0.001, rewards=(AccuracyReward(), PruningReward())
    ... )
    >>> 0.4 < optimizer.fit(sweep.X, sweep.y).best_amount_ < 0.8
    True
    """
    layer_graph(model)
    amounts = check_amounts(amounts)
    prune, own_size = method_named(method)
    check_parameters(
        "pruning_sweep",
        {
            **TRAINING_CONSTRAINTS,
            "size": [None, StrOptions(set(SIZES))],
            "latency_batch_size": [Number(Integral, 1)],
            "latency_repeats": [Number(Integral, 1)],
        },
        size=size,
        fine_tune_epochs=fine_tune_epochs,
        latency_batch_size=latency_batch_size,
        latency_repeats=latency_repeats,
        batch_size=batch_size,
        learning_rate=learning_rate,
        random_state=random_state,
    )
    if path is not None and "<lambda>" in _name_of(method):
        raise ValueError(
            "With path, method must have a name that tells it from others: give a function or a "
            "functools.partial, no lambda."
        )
    _check_model(model)
    model_cost(model)  # refuses what it cannot count, before anything is trained
    X_train, y_train = _checked_samples("X", X, "y", y, model)
    # An int is the seed of fine-tuning as it is, so that pruning again gives the same network.
    drawn = not isinstance(random_state, Integral)
    seed = draw_seed(check_random_state(random_state)) if drawn else int(random_state)
    if path is not None and not isinstance(random_state, Integral):
        raise ValueError(
            "With path, random_state must be an int: a sweep that goes on must hold out the same "
            f"samples; got {random_state!r}."
        )
    weights = None if sample_weight is None else check_sample_weight(sample_weight, X_train)
    if validation_data is None:
        held_out = held_out_rows(y_train, validation_fraction, seed)
        X_val, y_val = X_train[held_out], y_train[held_out]
        X_train, y_train = X_train[~held_out], y_train[~held_out]
        weights = None if weights is None else weights[~held_out]
    else:
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
            raise ValueError(
                f"validation_data must be None or a pair (X, y); got {type(validation_data)}."
            )
        X_val, y_val = _checked_samples(
            "validation_data[0]",
            validation_data[0],
            "validation_data[1]",
            validation_data[1],
            model,
        )
    tuning: dict[str, Any] = {
        "epochs": int(fine_tune_epochs),
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "loss": classification_loss(model),
        "sample_weight": weights,
        "random_state": seed,
    }

    def trial(amount: float) -> Trial:
        with warnings.catch_warnings():
            # Small amounts that rounding undoes: the sizes show it.
            warnings.filterwarnings("ignore", ".*removes no channel", UserWarning)
            pruned = prune(model, amount)
        before = model_accuracy(pruned, X_val, y_val, logits=logits)
        tuned = recover(pruned, X_train, y_train, **tuning)
        after = model_accuracy(tuned, X_val, y_val, logits=logits) if fine_tune_epochs else before
        return Trial(before, after, model_cost(tuned), tuned.predict_on_batch)

    logits = gives_logits(model)
    n_timed = min(int(latency_batch_size), len(X_val))
    about = {
        "method": _name_of(method),
        "n_validation": len(y_val),
        "fine_tune_epochs": int(fine_tune_epochs),
        "fingerprint": joblib.hash(
            {
                "network": (*described_model(model), model.get_weights()),
                "data": (X_train, y_train, X_val, y_val),
                "settings": (
                    {name: value for name, value in tuning.items() if name != "loss"},
                    described_method(method),
                    n_timed,
                ),
            }
        ),
    }
    return measure_amounts(
        trial,
        amounts,
        TimingPlan(X_val[:n_timed], n_timed, int(latency_repeats)),
        size_kind=size or own_size,
        path=path,
        about=about,
        verbose=verbose,
        on_amount=on_amount,
    )


def _check_model(model: Any) -> None:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"The model {model.name!r} has {len(model.inputs)} inputs and {len(model.outputs)} "
            "outputs; a sweep takes a classifier with one of each."
        )
    shape = tuple(model.outputs[0].shape)
    if len(shape) != 2:
        raise ValueError(
            f"The model {model.name!r} gives outputs of shape {shape}; a sweep takes a classifier, "
            "which gives a row of probabilities for each sample."
        )


def _checked_samples(
    x_name: str, X: Any, y_name: str, y: Any, model: Any
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    X, y = np.asarray(X, dtype=np.float32), np.asarray(y)
    wanted = tuple(model.inputs[0].shape[1:])
    fits = X.ndim == len(wanted) + 1 and all(
        a in (None, b) for a, b in zip(wanted, X.shape[1:], strict=True)
    )
    if not fits:
        raise ValueError(
            f"{x_name} has samples of shape {X.shape[1:]}, but the model takes {wanted}."
        )
    assert_all_finite(X, input_name=x_name)
    if y.ndim != 1 or len(y) != len(X):
        raise ValueError(f"{y_name} must have shape ({len(X)},), as {x_name} has; got {y.shape}.")
    n_classes = max(2, model.outputs[0].shape[-1])
    integers = y.dtype.kind in "iub" or (y.dtype.kind == "f" and (y == np.floor(y)).all())
    if not integers or len(y) == 0 or y.min() < 0 or y.max() >= n_classes:
        raise ValueError(
            f"{y_name} must hold classes as integers 0 to {n_classes - 1}, the columns of the "
            f"model's output; got {np.unique(y)[:5].tolist()}..."
        )
    return X, y.astype(np.intp)


def described_method(method: Any) -> Any:
    if isinstance(method, partial):
        return [described_method(method.func), method.args, sorted(method.keywords.items())]
    if isinstance(method, str):
        return method
    if hasattr(method, "__self__"):
        return [described_method(method.__func__), vars(method.__self__)]
    if hasattr(method, "__code__"):  # a function inside another is told by what it holds
        held = [cell.cell_contents for cell in method.__closure__ or ()]
        named = f"{method.__module__}.{method.__qualname__}"
        return [named, method.__code__.co_code, method.__defaults__, method.__kwdefaults__, held]
    if hasattr(method, "__qualname__"):
        return f"{method.__module__}.{method.__qualname__}"
    return [described_method(type(method)), vars(method)]


def _name_of(method: Any) -> str:
    if isinstance(method, partial):
        named = [f"{name}={value!r}" for name, value in method.keywords.items()]
        return f"{_name_of(method.func)}({', '.join([*map(repr, method.args), *named])})"
    return method if isinstance(method, str) else getattr(method, "__name__", type(method).__name__)


def described_model(model: Any) -> tuple[Any, Any]:
    """Architecture and loss, without the optimizer: its name counts up in every process."""
    architecture = json.loads(model.to_json())
    compiled = architecture.pop("compile_config", None) or {}
    return architecture, compiled.get("loss")
