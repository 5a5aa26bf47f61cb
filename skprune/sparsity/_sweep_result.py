"""What a sweep over pruning amounts measured, and the file that it is kept in."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils import ReprHTML, atomic_write, load_pandas

__all__ = ["SweepResult"]

_FORMAT = "skprune sweep 1"


@dataclass(frozen=True, eq=False)
class SweepResult(ReprHTML):
    """Accuracy, time and size of one network pruned by several amounts.

    ``PruningAmountOptimizer().fit(sweep.X, sweep.y)`` takes it as it is.

    Attributes
    ----------
    amounts : ndarray of shape (n,)
        Pruning amounts in [0, 1), rising, the first one 0.
    accuracy_before : ndarray of shape (n,)
        Accuracy on held-out samples after pruning, in [0, 1].
    accuracy : ndarray of shape (n,)
        The same after fine-tuning.
    time : ndarray of shape (n,)
        Median seconds to predict a batch: the unpruned network's own, times the ratio of the two
        timed by turns.
    time_q25, time_q75 : ndarray of shape (n,)
        Quartiles.
    size : ndarray of shape (n,)
        Megabytes (of 1e6 bytes), of the kind that ``size_kind`` names.
    parameters, nonzero, dense_bytes, file_bytes, compressed_bytes, macs : ndarray of shape (n,)
        As :func:`~skprune.metrics.model_cost` counts them.
    method : str
        How it was pruned.
    size_kind : str
        The count that ``size`` is of.
    batch_size : int
        Samples in a timed batch.
    n_validation : int
        Samples that accuracy was measured on.
    fine_tune_epochs : int
        Epochs of training after pruning.
    hardware : str
        Where it was timed. A sweep that went on elsewhere names both: its times are the first
        one's for the unpruned network, times ratios of either.
    fingerprint : str
        Of the network, data and settings: what a stopped sweep goes on from.

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
        """Write a JSON file; one that is there is replaced in one step.

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
        """Read what :meth:`save` wrote.

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
            If the file is not a whole sweep.
        """
        try:
            content = json.loads(Path(path).read_text())
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not a sweep that was saved: {error}.") from error
        known = content.pop("format", None) if isinstance(content, dict) else None
        names = {field.name for field in fields(cls)}
        if known != _FORMAT or set(content) != names:
            raise ValueError(
                f"{path} is not a sweep that this version reads (its format is {known!r}, not "
                f"{_FORMAT!r})."
            )
        values = {field.name: _value(path, field, content[field.name]) for field in fields(cls)}
        lengths = {name: len(v) for name, v in values.items() if isinstance(v, np.ndarray)}
        if len(set(lengths.values())) != 1 or not lengths["amounts"]:
            raise ValueError(f"{path} is not a sweep that is whole: it has rows {lengths}.")
        return cls(**values)


def _value(path: Any, field: Field, value: Any) -> Any:
    """A part of a file as the dataclass declares it, if it is one."""
    if field.type in (str, int):
        if type(value) is field.type:
            return value
        wanted = field.type.__name__
    else:
        whole = field.type == NDArray[np.int64]
        kinds, wanted = ((int,), "integers") if whole else ((int, float), "numbers")
        if isinstance(value, list) and all(type(each) in kinds for each in value):
            with suppress(OverflowError):
                return np.array(value, dtype=np.int64 if whole else np.float64)
        wanted = f"a list of {wanted}"
    raise ValueError(
        f"{path} is not a sweep that is whole: its {field.name} is {value!r:.60}, not {wanted}."
    )
