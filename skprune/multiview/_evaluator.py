"""The tower of a network of several views cut, fine-tuned and measured."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from ..compression import OperatingPoint
from ..metrics import latency_ratio
from ..sparsity import (
    SweepResult,
    TimingPlan,
    Trial,
    copy_model,
    measure_amounts,
    no_retracing_warnings,
    prune_channels,
    recover,
)
from ._data import ViewSamples
from ._nested import NestedSlices
from ._towers import ViewNetworks, assemble

__all__ = ["WHOLE", "ViewEvaluator", "no_rounding_warnings"]

_REPEATS = 20
WHOLE = 1 - 1e-9  # an amount from which on the view is dropped


@contextmanager
def no_rounding_warnings() -> Iterator[None]:
    """Do not warn of amounts that a user did not choose, and that rounding undoes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*removes no channel", UserWarning)
        yield


@dataclass(frozen=True, eq=False)
class ViewEvaluator:
    """Cuts the tower of one network, fine-tunes the result and measures it, always alike."""

    networks: ViewNetworks  # the unpruned network
    train: ViewSamples  # what is fine-tuned with; labels are positions in the classes
    held_out: ViewSamples  # what is measured on
    round_to: int  # of prune_channels
    tuning: dict[str, Any]  # options of recover
    batch_size: int  # samples of a timed batch

    def sweep(
        self,
        amounts: NDArray[np.float64],
        location: Any,
        verbose: int,
        on_amount: Callable[[float], Any],
    ) -> SweepResult:
        """Measure the network with one pruned tower for all views, for several amounts."""
        tower, head = self.networks.towers[0], self.networks.head
        fingerprint = joblib.hash(
            {
                "network": [(m.to_json(), m.get_weights()) for m in (tower, head)],
                "data": [(s.images, s.mask, s.y, s.weights) for s in (self.train, self.held_out)],
                "settings": (self.tuning, self.round_to, self.batch_size, self.networks.pooling),
            }
        )
        path = None
        if location is not None:
            path = Path(os.fspath(location)) / "skprune_sweeps" / f"{fingerprint}.json"

        def trial(amount: float) -> Trial:
            with no_rounding_warnings():
                pruned = prune_channels(tower, amount, round_to=self.round_to) if amount else tower
            before = replace(self.networks, towers=(pruned,) * len(self.networks.towers))
            tuned = self._fine_tuned(before) if self.tuning["epochs"] else before
            accuracy = self._accuracy(before)
            return Trial(
                accuracy_before=accuracy,
                accuracy=accuracy if tuned is before else self._accuracy(tuned),
                cost=tuned.cost(),
                predict=self._prediction(tuned),
            )

        return measure_amounts(
            trial,
            amounts,
            TimingPlan(self.held_out.images[: self.batch_size], self.batch_size, _REPEATS),
            size_kind="dense_bytes",
            path=path,
            about={
                "method": "channels of one tower",
                "n_validation": len(self.held_out),
                "fine_tune_epochs": self.tuning["epochs"],
                "fingerprint": fingerprint,
            },
            verbose=verbose,
            on_amount=on_amount,
        )

    def cut_copies(self, amounts: NDArray[np.float64]) -> ViewNetworks:
        """A pruned copy of the tower for each view, fine-tuned together; 1 drops the view."""
        towers = tuple(
            None if amount >= WHOLE else prune_channels(tower, amount, round_to=self.round_to)
            for tower, amount in zip(self.networks.towers, amounts.tolist(), strict=True)
        )
        return self._fine_tuned(replace(self.networks, towers=towers))

    def cut_nested(self, amounts: NDArray[np.float64]) -> tuple[Any, Any, NestedSlices]:
        """Tower, head, and the slice of that tower for each view, fine-tuned together."""
        tower, slices = NestedSlices.of(
            self.networks.towers[0], amounts, amounts >= WHOLE, self.round_to
        )
        tuned = self._fine_tuned(replace(self.networks, towers=slices.masked(tower)))
        slices = slices.trained(tower, tuned.distinct[0])
        return tower, tuned.head, slices

    @no_retracing_warnings()
    def measure(
        self, networks: ViewNetworks, amount: float, unpruned_time: float, n_bytes: int
    ) -> OperatingPoint:
        """Accuracy on the held-out samples, time from that of the unpruned network, and size."""
        ratio = 1.0
        if networks is not self.networks:
            batch = self.held_out.images[: self.batch_size]
            predictions = self._prediction(networks), self._prediction(self.networks)
            ratio = latency_ratio(*predictions, batch, repeats=_REPEATS).ratio
        return OperatingPoint(
            amount, self._accuracy(networks), unpruned_time * ratio, n_bytes / 1e6
        )

    def _fine_tuned(self, networks: ViewNetworks) -> ViewNetworks:
        usable = (self.train.mask & networks.kept).any(axis=1)
        if not usable.any():
            raise ValueError(
                f"No sample to train with has a view that is kept: the views "
                f"{np.flatnonzero(~networks.kept).tolist()} are dropped, and all others are "
                "missing according to mask."
            )
        if not self.tuning["epochs"]:  # the head is still that of the unpruned network
            return replace(networks, head=copy_model(networks.head))
        model = assemble(networks, self.train.images.shape[1:])
        train = self.train[usable].filled_by_view()
        inputs = [train.images, train.mask]
        tuned = recover(model, inputs, train.y, sample_weight=train.weights, **self.tuning)
        return networks.retrained(tuned)

    def _accuracy(self, networks: ViewNetworks) -> float:
        """Share of right predictions; one without a kept view is wrong."""
        usable = (self.held_out.mask & networks.kept).any(axis=1)
        if not usable.any():
            return 0.0
        samples = self.held_out[usable]
        found = networks.predict_proba(samples.images, samples.mask).argmax(axis=1)
        return float((found == samples.y).sum() / len(self.held_out))

    def _prediction(self, networks: ViewNetworks) -> Callable[[NDArray], Any]:
        """What is timed: the prediction of a batch of samples without missing views."""
        model = assemble(networks, self.held_out.images.shape[1:])
        mask = np.ones((self.batch_size, len(networks.towers)), dtype=bool)
        return lambda images: model.predict_on_batch([images, mask[: len(images)]])
