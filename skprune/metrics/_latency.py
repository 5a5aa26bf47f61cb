"""How long a prediction takes, alone and against another."""

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

from ..utils import Number, ReprHTML, check_parameters, num_samples
from ._timing import time_rounds

__all__ = ["Latency", "LatencyRatio", "latency", "latency_ratio"]


@dataclass(frozen=True, eq=False)
class Latency(ReprHTML):
    """Measured wall time of predicting a batch.

    Attributes
    ----------
    median, q25, q75 : float
        Seconds a batch: median and quartiles over all batches of all repeats.
    times : ndarray of shape (repeats, n_batches)
        Seconds of every batch.
    batch_size : int
        Samples in a batch.
    n_samples : int
        Samples that the batches were taken from.
    threads : int
        Most threads that one operation may use: TensorFlow's setting where it is loaded, else
        the most that a loaded BLAS or OpenMP library is set to, as threadpoolctl reads it.
    hardware : str
        The processor, how many of its cores this process may use, and the accelerators that
        TensorFlow sees, where it is loaded. The limits of a container are not among them.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.metrics import latency
    >>> found = latency(np.linalg.inv, np.random.default_rng(0).normal(size=(64, 8, 8)), 16)
    >>> found.n_batches, found.per_sample == found.median / 16
    (4, True)
    """

    median: float
    q25: float
    q75: float
    times: NDArray[np.float64] = field(repr=False)
    batch_size: int
    n_samples: int
    threads: int
    hardware: str

    @property
    def n_batches(self) -> int:
        """Batches of one repeat."""
        return self.times.shape[1]

    @property
    def iqr(self) -> float:
        """Distance of the quartiles, in seconds."""
        return self.q75 - self.q25

    @property
    def per_sample(self) -> float:
        """Median seconds of a batch divided by its samples."""
        return self.median / self.batch_size

    def __str__(self) -> str:
        repeats, batches = self.times.shape
        low, middle, high = (f"{1e3 * t:.4g}" for t in (self.q25, self.median, self.q75))
        return (
            f"{middle} ms for {_samples(self.batch_size)} (quartiles {low} to {high} ms, of "
            f"{repeats} x {batches} batches), {1e6 * self.per_sample:.4g} us a sample; "
            f"{_where(self)}"
        )


@dataclass(frozen=True, eq=False)
class LatencyRatio(ReprHTML):
    """How long one prediction takes, as a multiple of another.

    Attributes
    ----------
    ratio : float
        Median over the rounds of a's time divided by b's: below one, a is the faster. Medians
        and quartiles are those of the logarithms, so that with the two swapped the ratio is
        the inverse.
    q25, q75 : float
        Quartiles over the rounds.
    a, b : Latency
        Either by itself.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.metrics import latency_ratio
    >>> X = np.random.default_rng(0).normal(size=(96, 96))
    >>> found = latency_ratio(np.linalg.svd, np.sum, X, repeats=4)
    >>> found.q25 <= found.ratio <= found.q75, found.a.median > found.b.median
    (True, True)
    """

    ratio: float
    q25: float
    q75: float
    a: Latency
    b: Latency

    def __str__(self) -> str:
        return (
            f"{self.ratio:.4g} times as long (quartiles {self.q25:.4g} to {self.q75:.4g}, of "
            f"{len(self.a.times)} rounds): {1e3 * self.a.median:.4g} against "
            f"{1e3 * self.b.median:.4g} ms for {_samples(self.a.batch_size)}; {_where(self.a)}"
        )


def latency(
    predict: Callable[[Any], Any],
    X: Any,
    batch_size: int | None = None,
    *,
    repeats: int = 20,
    warm_up: int = 3,
) -> Latency:
    """Time the predictions of batches.

    Parameters
    ----------
    predict : callable
        Called with a batch. It is timed as it is: a network's ``predict_on_batch`` or a compiled
        function rather than ``predict``, whose own overhead is far above a small network's
        arithmetic. It must not return before the result is there, as functions that return a
        tensor of an accelerator may.
    X : array-like of shape (n_samples, ...)
        Samples. What is sliced by rows: an array, a tensor, a list, a sparse matrix or a frame.
    batch_size : int, default=None
        Samples in a batch; None takes all of X at once. All batches have the same size: where it
        does not divide the samples, the last batch starts earlier and meets some again.
    repeats : int, default=20
        Passes over X that count.
    warm_up : int, default=3
        Passes before them that do not: they trace graphs, fill caches and wake cores.

    Returns
    -------
    Latency

    Raises
    ------
    TypeError
        If ``predict`` is not callable, or a number is not an integer.
    ValueError
        If ``batch_size`` is not between one and the number of samples, ``repeats`` below one
        or ``warm_up`` below zero.

    See Also
    --------
    latency_ratio : Compares two, with far less noise than two measurements in a row.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.metrics import latency
    >>> found = latency(np.linalg.inv, np.random.default_rng(0).normal(size=(64, 8, 8)), 16)
    >>> found.times.shape, bool(found.q25 <= found.median <= found.q75)
    ((20, 4), True)
    """
    size, n_samples = _check("latency", X, batch_size, repeats, warm_up, predict=predict)
    calls = _calls(predict, X, size, n_samples)
    times = time_rounds(calls, repeats=repeats, warm_up=warm_up)
    return _latency(times, size, n_samples, *_machine())


def latency_ratio(
    a: Callable[[Any], Any],
    b: Callable[[Any], Any],
    X: Any,
    batch_size: int | None = None,
    *,
    repeats: int = 20,
    warm_up: int = 3,
) -> LatencyRatio:
    """Time two predictions by turns, so that what disturbs one disturbs the other.

    Each round is one pass of either over X, and the next round has them the other way round: a b,
    b a, a b and so on. Within a pass a model stays in the processor's caches, as in service.

    Parameters
    ----------
    a, b : callable
        As ``predict`` of :func:`latency`; both are called with the same batches.
    X : array-like of shape (n_samples, ...)
        Samples.
    batch_size : int, default=None
        Samples in a batch, as in :func:`latency`; None takes all of X at once.
    repeats : int, default=20
        Rounds that count. An even number lets either be first as often as the other.
    warm_up : int, default=3
        Rounds before them that do not.

    Returns
    -------
    LatencyRatio

    Raises
    ------
    TypeError
        If ``a`` or ``b`` is not callable, or a number is not an integer.
    ValueError
        As :func:`latency`, or if a pass is faster than the clock can tell.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.metrics import latency_ratio
    >>> X = np.random.default_rng(0).normal(size=(96, 96))
    >>> latency_ratio(np.linalg.svd, np.sum, X, repeats=4).ratio > 10
    True
    """
    size, n_samples = _check("latency_ratio", X, batch_size, repeats, warm_up, a=a, b=b)
    calls = [call for predict in (a, b) for call in _calls(predict, X, size, n_samples)]
    times = time_rounds(calls, repeats=repeats, warm_up=warm_up, there_and_back=True)
    halves = np.split(times, 2, axis=1)
    passes = [half.sum(axis=1) for half in halves]
    if not min(seconds.min() for seconds in passes) > 0:
        raise ValueError("A pass is faster than the clock can tell: give it more samples.")
    low, middle, high = np.exp(np.quantile(np.log(passes[0] / passes[1]), [0.25, 0.5, 0.75]))
    machine = _machine()
    by_itself = [_latency(half, size, n_samples, *machine) for half in halves]
    return LatencyRatio(float(middle), float(low), float(high), *by_itself)


def _check(
    owner: str, X: Any, batch_size: Any, repeats: Any, warm_up: Any, **callables: Any
) -> tuple[int, int]:
    """Batch size and number of samples, if all is well."""
    constraints: dict[str, Any] = {
        "repeats": [Number(Integral, 1)],
        "warm_up": [Number(Integral, 0)],
        "batch_size": [None, Number(Integral, 1)],
        **{name: [callable] for name in callables},
    }
    check_parameters(
        owner, constraints, repeats=repeats, warm_up=warm_up, batch_size=batch_size, **callables
    )
    n_samples = num_samples(X)
    if n_samples == 0:
        raise ValueError("X holds no sample.")
    if batch_size is None:
        return n_samples, n_samples
    if batch_size > n_samples:
        raise ValueError(f"batch_size={batch_size} is more than the {n_samples} samples of X.")
    return int(batch_size), n_samples


def _calls(
    predict: Callable[[Any], Any], X: Any, size: int, n_samples: int
) -> list[Callable[[], Any]]:
    if size == n_samples:
        return [partial(predict, X)]
    rows = getattr(X, "iloc", X)  # of a frame
    starts = [min(start, n_samples - size) for start in range(0, n_samples, size)]
    return [partial(predict, rows[start : start + size]) for start in starts]


def _latency(
    times: NDArray[np.float64], size: int, n_samples: int, threads: int, hardware: str
) -> Latency:
    low, middle, high = (float(q) for q in np.quantile(times, [0.25, 0.5, 0.75]))
    return Latency(middle, low, high, times, size, n_samples, threads, hardware)


def _samples(number: int) -> str:
    return "one sample" if number == 1 else f"{number} samples"


def _where(found: Latency) -> str:
    return f"{found.threads} thread{'s' * (found.threads != 1)}, {found.hardware}"


def _machine() -> tuple[int, str]:
    """Threads, and the hardware in words."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    parts = [_processor(), f"{cores} core{'s' * (cores != 1)}"]
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        threads = max((pool["num_threads"] for pool in threadpool_info()), default=cores)
        return threads, ", ".join(parts)
    config = tensorflow.config
    for device in config.list_physical_devices("GPU"):
        details = config.experimental.get_device_details(device)
        parts.append(details.get("device_name", device.name))
    # Zero is TensorFlow's word for as many as the environment says, or as there are cores.
    said = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    threads = config.threading.get_intra_op_parallelism_threads()
    threads = threads or (int(said) if said.isdecimal() else 0) or cores
    return threads, ", ".join(parts)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
