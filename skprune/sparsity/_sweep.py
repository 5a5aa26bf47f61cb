"""Sweeps: one network pruned by several amounts, fine-tuned and measured."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import Field, asdict, dataclass, fields
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import assert_all_finite, check_array

from .._keras import layer_graph
from ..metrics import ModelCost, latency, latency_ratio, model_cost
from ..utils import (
    Number,
    ReprHTML,
    StrOptions,
    atomic_write,
    check_parameters,
    check_random_state,
    check_sample_weight,
    draw_seed,
    hold_out,
    load_pandas,
)
from ._channels import prune_channels
from ._fine_tune import TRAINING_CONSTRAINTS, classification_loss, recover
from ._magnitude import prune_magnitude
from ._rebuild import copy_model

__all__ = [
    "SweepResult",
    "TimingPlan",
    "Trial",
    "check_amounts",
    "described_method",
    "described_model",
    "held_out_rows",
    "measure_amounts",
    "method_named",
    "model_accuracy",
    "no_retracing_warnings",
    "pruning_sweep",
]

_FORMAT = "skprune sweep 1"


@dataclass(frozen=True, eq=False)
class SweepResult(ReprHTML):
    """Accuracy, time and size of one network pruned by several amounts.

    ``PruningAmountOptimizer().fit(sweep.X, sweep.y)`` fits its curves to it.

    Attributes
    ----------
    amounts : ndarray of shape (n,)
        Pruning amounts in [0, 1), in rising order from 0.
    accuracy_before : ndarray of shape (n,)
        Accuracy on held-out samples after pruning, in [0, 1].
    accuracy : ndarray of shape (n,)
        The same after fine-tuning.
    time : ndarray of shape (n,)
        Median seconds to predict a batch: those of the unpruned network, times the ratio of the
        two networks timed in turn.
    time_q25, time_q75 : ndarray of shape (n,)
        Quartiles.
    size : ndarray of shape (n,)
        Megabytes (1e6 bytes) of the kind ``size_kind``.
    parameters, nonzero, dense_bytes, file_bytes, compressed_bytes, macs : ndarray of shape (n,)
        As :func:`~skprune.metrics.model_cost` counts them.
    method : str
        Name of the pruning method.
    size_kind : str
        Which of the byte counts ``size`` is.
    batch_size : int
        Samples in a timed batch.
    n_validation : int
        Samples that accuracy was measured on.
    fine_tune_epochs : int
        Epochs of training after pruning.
    hardware : str
        Where it was timed. A sweep that was resumed on another machine names both: its times are
        those of the unpruned network on the first one, times ratios of either.
    fingerprint : str
        Hash of the network, data and settings; a sweep is resumed only with the same ones.

    Examples
    --------
    >>> import keras, os, tempfile, numpy as np
    >>> from skprune.sparsity import SweepResult, pruning_sweep
    >>> model = keras.Sequential([
    ...     keras.Input((4,)), keras.layers.Dense(16, activation="relu"),
    ...     keras.layers.Dense(2, activation="softmax"),
    ... ])
    >>> X = np.random.default_rng(0).normal(size=(80, 4))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> sweep = pruning_sweep(model, X, y, [0, 0.5], fine_tune_epochs=0, latency_repeats=2)
    >>> sweep.X.shape, sweep.y.shape, sweep.parameters
    ((2, 1), (2, 3), array([114,  58]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sweep.save(os.path.join(folder, "sweep.json"))
    ...     SweepResult.load(os.path.join(folder, "sweep.json")).method
    'channels'
    """

    amounts: NDArray[np.float64]
    accuracy_before: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    time: NDArray[np.float64]
    time_q25: NDArray[np.float64]
    time_q75: NDArray[np.float64]
    size: NDArray[np.float64]
    parameters: NDArray[np.int64]
    nonzero: NDArray[np.int64]
    dense_bytes: NDArray[np.int64]
    file_bytes: NDArray[np.int64]
    compressed_bytes: NDArray[np.int64]
    macs: NDArray[np.int64]
    method: str
    size_kind: str
    batch_size: int
    n_validation: int
    fine_tune_epochs: int
    hardware: str
    fingerprint: str

    @property
    def X(self) -> NDArray[np.float64]:
        """Amounts of shape (n, 1)."""
        return self.amounts[:, None]

    @property
    def y(self) -> NDArray[np.float64]:
        """Accuracy after fine-tuning (share), time (seconds) and size (MB), of shape (n, 3)."""
        return np.column_stack([self.accuracy, self.time, self.size])

    def to_frame(self) -> Any:
        """One row an amount, one column a measured quantity.

        Returns
        -------
        pandas.DataFrame
            The arrays among the attributes, in their units.
        """
        pandas = load_pandas("the attributes of the result")
        return pandas.DataFrame(self._columns())

    def _parts(self, table: Callable[..., str]) -> list[str]:
        return [table(self._columns())]

    def _columns(self) -> dict[str, NDArray]:
        columns = {"amount" if n == "amounts" else n: v for n, v in vars(self).items()}
        return {n: v for n, v in columns.items() if isinstance(v, np.ndarray)}

    def save(self, path: Any) -> None:
        """Write a JSON file; an existing one is replaced in one step.

        Parameters
        ----------
        path : str or Path
            The file.
        """
        content = {"format": _FORMAT}
        for name, value in vars(self).items():
            content[name] = value.tolist() if isinstance(value, np.ndarray) else value
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(json.dumps(content, indent=1).encode())

    @classmethod
    def load(cls, path: Any) -> "SweepResult":
        """Read a file that :meth:`save` wrote.

        Parameters
        ----------
        path : str or Path
            The file.

        Returns
        -------
        SweepResult

        Raises
        ------
        ValueError
            If the file does not hold a complete sweep.
        """
        try:
            content = json.loads(Path(path).read_text())
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not a sweep that was saved: {error}.") from error
        known = content.pop("format", None) if isinstance(content, dict) else None
        if known != _FORMAT or set(content) != {field.name for field in fields(cls)}:
            raise ValueError(
                f"{path} is not a sweep that this version reads (its format is {known!r}, not "
                f"{_FORMAT!r})."
            )
        values = {field.name: _checked_value(path, field, content) for field in fields(cls)}
        lengths = {name: len(v) for name, v in values.items() if isinstance(v, np.ndarray)}
        if len(set(lengths.values())) != 1 or not lengths["amounts"]:
            raise ValueError(f"{path} is not a sweep: its columns have lengths {lengths}.")
        return cls(**values)


def _checked_value(path: Any, field: Field, content: dict[str, Any]) -> Any:
    """The value of a field in a file, of the type that the dataclass declares."""
    value = content[field.name]
    if field.type in (str, int):
        if type(value) is field.type:
            return value
        wanted = field.type.__name__
    else:
        integers = field.type == NDArray[np.int64]
        if isinstance(value, list) and all(
            type(each) is int or (type(each) is float and not integers) for each in value
        ):
            with suppress(OverflowError):
                return np.array(value, dtype=np.int64 if integers else np.float64)
        wanted = f"a list of {'integers' if integers else 'numbers'}"
    raise ValueError(f"{path} is not a sweep: its {field.name} is {value!r:.60}, not {wanted}.")


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
    """Prune a classifier by each of several amounts, fine-tune and measure it.

    Every amount starts from the given network. Accuracy is measured on samples that are not used in
    fine-tuning; time is that of ``predict_on_batch``, each pruned network timed in turn with the
    unpruned one.

    Parameters
    ----------
    model : keras.Model
        A trained Sequential or Functional classifier, which outputs probabilities of the classes,
        or one column with that of class 1. It is not changed.
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
        Epochs after pruning, at amount 0 too: the gain of longer training is not due to pruning.
        Batch normalization is calibrated after them. With 0 nothing is done after pruning.
    validation_data : tuple of (X, y), default=None
        Samples to measure accuracy on. None holds out part of X.
    validation_fraction : float, default=0.25
        Share of the samples of each class to hold out, in (0, 1).
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples of X in the loss of fine-tuning; accuracy is not weighted.
    batch_size : int, default=64
        Samples of one step of fine-tuning.
    learning_rate : float, default=1e-3
        Learning rate of fine-tuning.
    size : {"dense_bytes", "compressed_bytes", "file_bytes"}, default=None
        The bytes to report as size; None is compressed bytes for "magnitude", dense bytes
        otherwise.
    latency_batch_size : int, default=256
        Samples of a timed batch; at most the number of validation samples.
    latency_repeats : int, default=20
        Rounds of timing.
    path : str or Path, default=None
        JSON file that the results are written to after every amount. A stopped sweep is resumed
        from it, and more amounts are added to it. A function given as ``method`` is identified by
        its name and code, a partial by its arguments, too.
    random_state : int, RandomState instance or None, default=None
        Seeds the validation samples, the order of samples, and dropout. It must be an int with
        ``path``.
    verbose : int, default=0
        Show a progress bar.
    on_amount : callable, default=None
        Called with each amount once it is measured, to show progress; not with those that are in
        the file already.

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
    prune, size_of_method = method_named(method)
    check_parameters(
        "pruning_sweep",
        {
            **TRAINING_CONSTRAINTS,
            "size": [None, StrOptions({"compressed_bytes", "dense_bytes", "file_bytes"})],
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
    if path is not None and not isinstance(random_state, Integral):
        raise ValueError(
            "With path, random_state must be an int, so that a resumed sweep holds out the same "
            f"samples; got {random_state!r}."
        )
    _check_classifier(model)
    model_cost(model)  # raises for a layer that it cannot count, before anything is trained
    X_train, y_train = _checked_samples(model, X, y, "X", "y")
    weights = None if sample_weight is None else check_sample_weight(sample_weight, X_train)
    # An int seeds fine-tuning directly, so that fine_tune with it gives the same network.
    is_seed = isinstance(random_state, Integral)
    seed = int(random_state) if is_seed else draw_seed(check_random_state(random_state))
    if validation_data is None:
        held_out = held_out_rows(y_train, validation_fraction, seed)
        X_val, y_val = X_train[held_out], y_train[held_out]
        X_train, y_train = X_train[~held_out], y_train[~held_out]
        weights = None if weights is None else weights[~held_out]
    elif isinstance(validation_data, (tuple, list)) and len(validation_data) == 2:
        names = "validation_data[0]", "validation_data[1]"
        X_val, y_val = _checked_samples(model, *validation_data, *names)
    else:
        raise ValueError(
            f"validation_data must be None or a pair (X, y); got {type(validation_data)}."
        )
    tuning: dict[str, Any] = {
        "epochs": int(fine_tune_epochs),
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "sample_weight": weights,
        "random_state": seed,
    }
    n_timed = min(int(latency_batch_size), len(X_val))
    fingerprint = joblib.hash(
        {
            "network": (*described_model(model), model.get_weights()),
            "data": (X_train, y_train, X_val, y_val),
            "settings": (tuning, described_method(method), n_timed),
        }
    )
    loss, logits = classification_loss(model), _gives_logits(model)

    def trial(amount: float) -> Trial:
        with warnings.catch_warnings():
            # Rounding may keep all channels at small amounts; the sizes show it.
            warnings.filterwarnings("ignore", ".*removes no channel", UserWarning)
            pruned = prune(model, amount)
        before = model_accuracy(pruned, X_val, y_val, logits=logits)
        tuned = recover(pruned, X_train, y_train, loss=loss, **tuning)
        after = model_accuracy(tuned, X_val, y_val, logits=logits) if fine_tune_epochs else before
        return Trial(before, after, model_cost(tuned), tuned.predict_on_batch)

    return measure_amounts(
        trial,
        amounts,
        TimingPlan(X_val[:n_timed], n_timed, int(latency_repeats)),
        size_kind=size or size_of_method,
        path=path,
        about={
            "method": _name_of(method),
            "n_validation": len(y_val),
            "fine_tune_epochs": int(fine_tune_epochs),
            "fingerprint": fingerprint,
        },
        verbose=verbose,
        on_amount=on_amount,
    )


# Arguments


def check_amounts(amounts: ArrayLike) -> NDArray[np.float64]:
    """The amounts of a sweep in rising order, each once."""
    try:
        array = check_array(amounts, ensure_2d=False, dtype=np.float64, input_name="amounts")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"amounts must be a list of numbers in [0, 1), 0 among them; got {amounts!r:.100}: "
            f"{error}"
        ) from error
    if array.ndim != 1:
        raise ValueError(f"amounts must be a list of numbers; got an array of shape {array.shape}.")
    if array.min() < 0 or array.max() >= 1:
        raise ValueError(
            f"amounts must lie in [0, 1); got values from {array.min():g} to {array.max():g}."
        )
    if 0 not in array:
        raise ValueError(
            "amounts must hold 0, the unpruned network that all others are compared with; got "
            f"{array.tolist()}."
        )
    return np.unique(array.round(12))  # 0.1 + 0.2 is 0.3


def method_named(method: Any) -> tuple[Callable[[Any, float], Any], str]:
    """A function that prunes a model by an amount, and the kind of size that it reduces."""
    if not callable(method):
        if isinstance(method, str) and method == "channels":
            return prune_channels, "dense_bytes"
        if isinstance(method, str) and method == "magnitude":
            return prune_magnitude, "compressed_bytes"
        raise ValueError(
            "method must be one of ('channels', 'magnitude'), or a function of a model and an "
            f"amount; got {method!r}."
        )

    def prune(model: Any, amount: float) -> Any:
        pruned = method(model, amount)
        return copy_model(pruned) if pruned is model else pruned

    function = method.func if isinstance(method, partial) else method
    return prune, "compressed_bytes" if function is prune_magnitude else "dense_bytes"


def held_out_rows(y: NDArray, fraction: Any, seed: int) -> NDArray[np.bool_]:
    """Draw rows to measure on, of each class its share where that is possible; True if held out."""
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


def _check_classifier(model: Any) -> None:
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
    model: Any, X: Any, y: Any, x_name: str, y_name: str
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Samples and classes as the model takes them."""
    X, y = np.asarray(X, dtype=np.float32), np.asarray(y)
    shape = tuple(model.inputs[0].shape[1:])
    if X.ndim != len(shape) + 1 or any(
        side not in (None, given) for side, given in zip(shape, X.shape[1:], strict=True)
    ):
        raise ValueError(
            f"{x_name} has samples of shape {X.shape[1:]}, but the model takes {shape}."
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


# Fingerprint


def described_model(model: Any) -> tuple[Any, Any]:
    """Architecture and loss, without the optimizer: its name counts up in every process."""
    architecture = json.loads(model.to_json())
    compiled = architecture.pop("compile_config", None) or {}
    return architecture, compiled.get("loss")


def described_method(method: Any) -> Any:
    """What a method does, without its address in memory."""
    if isinstance(method, partial):
        return [described_method(method.func), method.args, sorted(method.keywords.items())]
    if isinstance(method, str):
        return method
    if hasattr(method, "__self__"):
        return [described_method(method.__func__), vars(method.__self__)]
    if hasattr(method, "__code__"):
        closure = [cell.cell_contents for cell in method.__closure__ or ()]
        name = f"{method.__module__}.{method.__qualname__}"
        return [name, method.__code__.co_code, method.__defaults__, method.__kwdefaults__, closure]
    if hasattr(method, "__qualname__"):
        return f"{method.__module__}.{method.__qualname__}"
    return [described_method(type(method)), vars(method)]


def _name_of(method: Any) -> str:
    if isinstance(method, partial):
        keywords = [f"{name}={value!r}" for name, value in method.keywords.items()]
        return f"{_name_of(method.func)}({', '.join([*map(repr, method.args), *keywords])})"
    return method if isinstance(method, str) else getattr(method, "__name__", type(method).__name__)


# Measurement


@dataclass(frozen=True, eq=False)
class Trial:
    """One network, pruned by one amount and fine-tuned; ``predict`` is timed."""

    accuracy_before: float
    accuracy: float
    cost: ModelCost
    predict: Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class TimingPlan:
    """The samples of a timed batch, and the rounds of timing."""

    X: Any
    batch_size: int
    repeats: int


def model_accuracy(model: Any, X: NDArray, y: NDArray, *, logits: bool = False) -> float:
    """Share of the samples whose most probable class is the true one, an integer.

    A model of one column gives the probability of class 1, or its logit.
    """
    import keras

    n_correct, threshold = 0, 0.0 if logits else 0.5
    for start in range(0, len(X), 1024):
        rows = slice(start, start + 1024)
        p = keras.ops.convert_to_numpy(model(X[rows], training=False))
        predicted = p.argmax(axis=1) if p.shape[1] > 1 else (p[:, 0] > threshold).astype(int)
        n_correct += int((predicted == y[rows]).sum())
    return n_correct / len(X)


def _gives_logits(model: Any) -> bool:
    """Whether the loss that a model is compiled with takes logits."""
    loss: Any = getattr(model, "loss", None)
    return hasattr(loss, "get_config") and bool(loss.get_config().get("from_logits", False))


@contextmanager
def no_retracing_warnings() -> Iterator[None]:
    """Silence TensorFlow's warnings of retracing: every amount is another network."""

    def is_other(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


@no_retracing_warnings()
def measure_amounts(
    trial: Callable[[float], Trial],
    amounts: NDArray[np.float64],
    timing: TimingPlan,
    *,
    size_kind: str,
    path: Any,
    about: dict[str, Any],
    verbose: int,
    on_amount: Callable[[float], Any] | None,
) -> SweepResult:
    """Measure every amount that the file at ``path`` does not hold, and write it after each.

    ``about`` has the other attributes of the result, its fingerprint among them.
    """
    known = None if path is None else _known_sweep(path, about["fingerprint"])
    rows = {} if known is None else _rows(known)
    missing = [amount for amount in amounts.tolist() if amount not in rows]
    bar = _progress_bar(len(amounts), len(amounts) - len(missing)) if verbose else None
    machines = [] if known is None else known.hardware.split("; ")
    batch_size = 0 if known is None else known.batch_size
    if missing:
        # The file may hold the row of amount 0, but the other networks are timed against its model.
        base = trial(0.0)
        own = latency(base.predict, timing.X, timing.batch_size, repeats=timing.repeats)
        base_time = rows[0.0]["time"] if 0.0 in rows else own.median
        machines.append(f"{own.hardware}, {own.threads} thread{'s' * (own.threads != 1)}")
        batch_size = own.batch_size
    about = {**about, "hardware": "; ".join(dict.fromkeys(machines)), "batch_size": batch_size}
    for amount in missing:
        pruned = base if amount == 0 else trial(amount)
        rows[amount] = _row(pruned, base, base_time, timing, amount)
        if path is not None:
            _result(rows, size_kind, about).save(path)
        if bar is not None:
            bar.add(1, [("accuracy", rows[amount]["accuracy"])])
        if on_amount is not None:
            on_amount(amount)
    return _result({amount: rows[amount] for amount in amounts.tolist()}, size_kind, about)


def _row(
    trial: Trial, base: Trial, base_time: float, timing: TimingPlan, amount: float
) -> dict[str, Any]:
    ratio = latency_ratio(
        trial.predict, base.predict, timing.X, timing.batch_size, repeats=timing.repeats
    )
    # An unpruned network is as fast as itself; the quartiles show how exactly that is measured.
    middle = 1.0 if amount == 0 else ratio.ratio
    return {
        "accuracy_before": trial.accuracy_before,
        "accuracy": trial.accuracy,
        "time": base_time * middle,
        "time_q25": base_time * min(middle, ratio.q25),
        "time_q75": base_time * max(middle, ratio.q75),
        **asdict(trial.cost),
    }


def _result(rows: dict[float, dict[str, Any]], size_kind: str, about: dict) -> SweepResult:
    amounts = sorted(rows)
    columns: dict[str, Any] = {
        name: np.array([rows[amount][name] for amount in amounts]) for name in rows[amounts[0]]
    }
    size = columns[size_kind] / 1e6
    return SweepResult(
        amounts=np.array(amounts), size=size, size_kind=size_kind, **columns, **about
    )


def _rows(known: SweepResult) -> dict[float, dict[str, Any]]:
    columns = {n: v.tolist() for n, v in vars(known).items() if isinstance(v, np.ndarray)}
    del columns["size"]
    amounts = columns.pop("amounts")
    return {a: {name: values[i] for name, values in columns.items()} for i, a in enumerate(amounts)}


def _known_sweep(path: Any, fingerprint: str) -> SweepResult | None:
    if not Path(path).exists():
        Path(path).parent.mkdir(parents=True, exist_ok=True)  # now, not after the first training
        return None
    known = SweepResult.load(path)
    if known.fingerprint != fingerprint:
        raise ValueError(
            f"path={str(path)!r} holds a sweep of another network, other data or other settings. "
            "Give another path, or delete the file."
        )
    return known


def _progress_bar(n: int, n_done: int) -> Any:
    import keras

    bar = keras.utils.Progbar(n, unit_name="amount", stateful_metrics=["accuracy"])
    bar.update(n_done)
    return bar
