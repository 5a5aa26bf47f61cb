"""The loop of every sweep: a trial for each amount, timed, and kept in a file."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from ..metrics import ModelCost, latency, latency_ratio
from ._sweep_result import SweepResult

__all__ = [
    "SIZES",
    "Trial",
    "TimingPlan",
    "check_amounts",
    "measure_amounts",
    "no_retracing_warnings",
]

SIZES = ("compressed_bytes", "dense_bytes", "file_bytes")


@dataclass(frozen=True, eq=False)
class Trial:
    """One network, pruned by one amount and fine-tuned.

    Attributes
    ----------
    accuracy_before, accuracy : float
        On held-out samples, before and after fine-tuning.
    cost : ModelCost
        What it costs.
    predict : callable
        From a batch to its predictions; what is timed.
    """

    accuracy_before: float
    accuracy: float
    cost: ModelCost
    predict: Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class TimingPlan:
    """How predictions are timed.

    Attributes
    ----------
    X : ndarray
        Samples.
    batch_size : int
        Samples of a batch.
    repeats : int
        Rounds.
    """

    X: Any
    batch_size: int
    repeats: int


def check_amounts(amounts: ArrayLike) -> NDArray[np.float64]:
    """Amounts of a sweep in rising order, each once.

    Parameters
    ----------
    amounts : array-like of shape (n,)
        What a user gave.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    ValueError
        If one is not in [0, 1), or none is 0.
    """
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
    """Measure every amount, or those that a file does not hold yet.

    Parameters
    ----------
    trial : callable
        From an amount to a :class:`Trial`.
    amounts : ndarray of shape (n,)
        From :func:`check_amounts`.
    timing : TimingPlan
        How predictions are timed.
    size_kind : str
        One of ``SIZES``.
    path : str, Path or None
        File that holds what is measured, written after every amount.
    about : dict
        The remaining attributes of the result, its fingerprint among them.
    verbose : int
        Show a progress bar.
    on_amount : callable or None
        Called with each amount, once it is measured.

    Returns
    -------
    SweepResult
    """
    known = None if path is None else _known(path, about["fingerprint"])
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)  # now, not after the first training
    rows = {} if known is None else _rows_of(known)
    missing = [amount for amount in amounts.tolist() if amount not in rows]
    bar = _progress_bar(len(amounts), len(amounts) - len(missing)) if verbose else None
    base: Trial | None = None
    for amount in missing:
        with no_retracing_warnings():
            if base is None:
                # Needed for its time, even where the file holds its row.
                base = trial(0.0)
                own = latency_of(base, timing)
                here = f"{own.hardware}, {own.threads} thread{'s' * (own.threads != 1)}"
                machines = [] if known is None else known.hardware.split("; ")
                hardware = "; ".join(dict.fromkeys([*machines, here]))
                base_time = rows[0.0]["time"] if 0.0 in rows else own.median
                about = {**about, "hardware": hardware, "batch_size": own.batch_size}
            pruned = base if amount == 0 else trial(amount)
            rows[amount] = _row(pruned, base, base_time, timing, amount)
        result = _result(rows, size_kind, about)
        if path is not None:
            result.save(path)
        if bar is not None:
            bar.add(1, [("accuracy", rows[amount]["accuracy"])])
        if on_amount is not None:
            on_amount(amount)
    if missing:
        return _result({a: rows[a] for a in amounts.tolist()}, size_kind, about)
    assert known is not None
    about = {**about, "hardware": known.hardware, "batch_size": known.batch_size}
    return _result({a: rows[a] for a in amounts.tolist()}, size_kind, about)


def latency_of(trial: Trial, timing: TimingPlan) -> Any:
    """Time one network by itself."""
    return latency(trial.predict, timing.X, timing.batch_size, repeats=timing.repeats)


def _row(
    trial: Trial, base: Trial, base_time: float, timing: TimingPlan, amount: float
) -> dict[str, Any]:
    ratio = latency_ratio(
        trial.predict, base.predict, timing.X, timing.batch_size, repeats=timing.repeats
    )
    # An unpruned network is as fast as itself; the quartiles say how well that is known.
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
    names = rows[amounts[0]]
    columns: dict[str, Any] = {
        name: np.array([rows[amount][name] for amount in amounts]) for name in names
    }
    size = columns[size_kind] / 1e6
    return SweepResult(
        amounts=np.array(amounts), size=size, size_kind=size_kind, **columns, **about
    )


def _rows_of(known: SweepResult) -> dict[float, dict[str, Any]]:
    columns = {n: v.tolist() for n, v in vars(known).items() if isinstance(v, np.ndarray)}
    del columns["size"]
    amounts = columns.pop("amounts")
    return {a: {name: values[i] for name, values in columns.items()} for i, a in enumerate(amounts)}


def _known(path: Any, fingerprint: str) -> SweepResult | None:
    if not Path(path).exists():
        return None
    known = SweepResult.load(path)
    if known.fingerprint != fingerprint:
        raise ValueError(
            f"path={str(path)!r} holds a sweep of another network, other data or other settings. "
            "Give another path, or delete the file."
        )
    return known


@contextmanager
def no_retracing_warnings() -> Iterator[None]:
    """Every amount is another network, so TensorFlow cannot but trace again and again."""

    def is_other(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


def _progress_bar(n: int, n_done: int) -> Any:
    import keras

    bar = keras.utils.Progbar(n, unit_name="amount", stateful_metrics=["accuracy"])
    bar.update(n_done)
    return bar
