"""One trained network on a bench: pruned, fine-tuned and measured at any amount, always alike."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._keras import network_output, with_both_classes
from ..amount import PruningAmountOptimizer
from ..metrics import latency, latency_ratio, model_cost
from ..sparsity import (
    SweepResult,
    method_named,
    model_accuracy,
    no_retracing_warnings,
    pruning_sweep,
    recover,
)
from ..sparsity._sweep import described_method, described_model
from ._fitted_cnn import FittedCNN
from ._point import OperatingPoint

__all__ = [
    "Bench",
    "Found",
    "Samples",
    "covering",
    "fingerprint",
    "no_retracing_warnings",
    "probabilities",
    "pruned_quietly",
    "smaller_amounts",
]

_REPEATS = 20


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples with their labels.

    Attributes
    ----------
    X : ndarray of shape (n, ...)
        Samples.
    y : ndarray of shape (n,)
        Labels, or positions in the classes.
    weights : ndarray of shape (n,) or None
        Weights in the loss.
    """

    X: NDArray
    y: NDArray
    weights: NDArray | None = None

    def __getitem__(self, rows: NDArray) -> "Samples":
        weights = None if self.weights is None else self.weights[rows]
        return Samples(self.X[rows], self.y[rows], weights)

    def encoded(self, cnn: FittedCNN) -> "Samples":
        """The same as a network takes them, with labels as positions in its classes."""
        return replace(self, X=cnn.inputs(self.X)).with_positions(cnn.classes)

    def with_positions(self, classes: NDArray) -> "Samples":
        """The same with labels as positions in sorted classes."""
        return replace(self, y=np.searchsorted(classes, self.y))


@dataclass(frozen=True, eq=False)
class Bench:
    """How one network is pruned and measured.

    Attributes
    ----------
    model : keras.Model
        The unpruned network.
    train, held_out : Samples
        What it is fine-tuned with, and measured on.
    method : str or callable
        How it is pruned.
    tuning : dict
        Of :func:`~skprune.sparsity.recover`.
    batch_size : int
        Samples of a timed batch.
    """

    model: Any
    train: Samples
    held_out: Samples
    method: Any
    tuning: dict[str, Any]
    batch_size: int

    def sweep(
        self,
        amounts: ArrayLike,
        location: str | None,
        verbose: int,
        on_amount: Callable[[float], Any],
    ) -> SweepResult:
        """Measure several amounts, or read what a folder holds of them.

        Parameters
        ----------
        amounts : array-like of shape (n,)
            Amounts, 0 among them.
        location : str or None
            The folder.
        verbose : int
            Show a progress bar.
        on_amount : callable
            Called with each amount, once it is measured.

        Returns
        -------
        SweepResult
        """
        path = None
        if location is not None:
            known_by = fingerprint(
                [self.model],
                [self.train, self.held_out],
                self.method,
                self.tuning,
                batch_size=self.batch_size,
            )
            path = Path(os.fspath(location)) / "skprune_sweeps" / f"{known_by}.json"
        return pruning_sweep(
            self.model,
            self.train.X,
            self.train.y,
            amounts,
            self.method,
            self.tuning["epochs"],
            validation_data=(self.held_out.X, self.held_out.y),
            sample_weight=self.train.weights,
            learning_rate=self.tuning["learning_rate"],
            latency_batch_size=self.batch_size,
            latency_repeats=_REPEATS,
            path=path,
            random_state=self.tuning["random_state"],
            verbose=verbose,
            on_amount=on_amount,
        )

    @no_retracing_warnings()
    def applied(self, amount: float, base_time: float | None = None) -> tuple[Any, OperatingPoint]:
        """Prune, fine-tune, and measure what was delivered.

        Parameters
        ----------
        amount : float
            Pruning amount.
        base_time : float, default=None
            Seconds of the unpruned network, from the sweep that the amount was found with. None
            measures it now: the amount is the user's own.

        Returns
        -------
        model : keras.Model
            The pruned network.
        delivered : OperatingPoint
            What it is and does.
        """
        prune, size_kind = method_named(self.method)
        own = base_time is None
        pruned = prune(self.model, amount) if own else pruned_quietly(self.model, amount, prune)
        model = recover(
            pruned,
            self.train.X,
            self.train.y,
            sample_weight=self.train.weights,
            **self.tuning,
        )
        timed = self.held_out.X[: self.batch_size]
        base = self.model.predict_on_batch
        if base_time is None:
            base_time = latency(base, timed, repeats=_REPEATS).median
        ratio = latency_ratio(model.predict_on_batch, base, timed, repeats=_REPEATS).ratio
        return model, OperatingPoint(
            amount=amount,
            accuracy=model_accuracy(model, self.held_out.X, self.held_out.y),
            time=base_time * ratio,
            size=getattr(model_cost(model), size_kind) / 1e6,
        )


@dataclass(frozen=True, eq=False)
class Found:
    """A pruned network, and how it came about.

    Attributes
    ----------
    model : keras.Model
        The network.
    delivered : OperatingPoint
        What it delivers.
    corrected : tuple of OperatingPoint
        What larger amounts delivered, which were given up.
    promised : OperatingPoint or None
        What the curves said.
    sweep : SweepResult or None
        What they go through.
    optimizer : PruningAmountOptimizer or None
        The curves, and what was searched on them.
    """

    model: Any
    delivered: OperatingPoint
    corrected: tuple[OperatingPoint, ...] = ()
    promised: OperatingPoint | None = None
    sweep: SweepResult | None = None
    optimizer: PruningAmountOptimizer | None = None


def pruned_quietly(model: Any, amount: float, method: Any) -> Any:
    """Prune by an amount that no user chose: where rounding undoes it, the size shows it.

    Parameters
    ----------
    model : keras.Model
        The network.
    amount : float
        Pruning amount.
    method : str or callable
        How it is pruned.

    Returns
    -------
    keras.Model
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*removes no channel", UserWarning)
        return method_named(method)[0](model, amount)


def fingerprint(
    models: Sequence[Any],
    samples: Sequence[Samples],
    method: Any,
    tuning: dict[str, Any],
    **settings: Any,
) -> str:
    """What a sweep in a folder is known by, the same in every process.

    Parameters
    ----------
    models : sequence of keras.Model
        The unpruned networks.
    samples : sequence of Samples
        What they are trained with and measured on.
    method : str or callable
        How they are pruned. The address of a function is no part of it.
    tuning : dict
        Of :func:`~skprune.sparsity.recover`. The loss is taken from the networks: the hash of a
        ``keras.Loss`` changes with the time of day.
    **settings
        What else decides what is measured.

    Returns
    -------
    str
    """
    return joblib.hash(
        {
            "networks": [(*described_model(model), model.get_weights()) for model in models],
            "samples": [(s.X, s.y, s.weights) for s in samples],
            "method": described_method(method),
            "tuning": {name: value for name, value in tuning.items() if name != "loss"},
            "settings": settings,
        }
    )


def smaller_amounts(
    sweep: SweepResult, amount: float, min_accuracy: float | None
) -> Iterator[float]:
    """Amounts to take in turn where one delivers too little accuracy.

    Half-way to the largest smaller amount that was measured to be good enough, then that amount.

    Parameters
    ----------
    sweep : SweepResult
        What was measured.
    amount : float
        What was applied.
    min_accuracy : float or None
        Least accuracy.

    Yields
    ------
    float
    """
    if min_accuracy is None:
        return
    good = sweep.amounts[(sweep.accuracy >= min_accuracy - 1e-9) & (sweep.amounts < amount)]
    if len(good):
        yield float(good[-1] + amount) / 2
        yield float(good[-1])


def covering(held_out: NDArray[np.bool_], y: NDArray) -> NDArray[np.bool_]:
    """Hold out no sample of a class that training would then not see.

    Parameters
    ----------
    held_out : ndarray of shape (n,), bool
        Drawn samples.
    y : ndarray of shape (n,)
        Labels.

    Returns
    -------
    ndarray of shape (n,), bool

    Raises
    ------
    ValueError
        If none can be held out.
    """
    covered = held_out & np.isin(y, y[~held_out])
    if not covered.any():
        raise ValueError(
            f"No sample can be held out to measure on: of {len(y)} samples in "
            f"{len(np.unique(y))} classes, those that were drawn are the only ones of theirs. "
            "Give more samples of each class."
        )
    return covered


def probabilities(model: Any, X: NDArray[np.float32]) -> NDArray:
    """Probabilities of the classes, in batches.

    Parameters
    ----------
    model : keras.Model
        Gives them, or one column with that of class 1.
    X : ndarray of shape (n, ...)
        Samples as it takes them.

    Returns
    -------
    ndarray of shape (n, C), float32
    """
    return with_both_classes(network_output(model, X))
