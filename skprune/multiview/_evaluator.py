"""One trained multi-view network on a bench: its towers pruned, trained together and measured."""

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
from ..metrics import latency, latency_ratio
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
from ._nested import NestedTowers
from ._towers import ViewNetworks, assemble

__all__ = ["WHOLE", "ViewBench", "ViewSamples", "no_rounding_warnings"]

_REPEATS = 20
WHOLE = 1 - 1e-9  # an amount that leaves nothing


@contextmanager
def no_rounding_warnings() -> Iterator[None]:
    """Amounts that a user did not choose, and that rounding undoes: the sizes show it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*removes no channel", UserWarning)
        yield


@dataclass(frozen=True, eq=False)
class ViewSamples:
    """Samples of several views with their labels.

    Attributes
    ----------
    images : ndarray of shape (n, V, h, w, c)
        Pixels, those of missing views filled.
    mask : ndarray of shape (n, V), bool
        True where a view is there.
    y : ndarray of shape (n,)
        Labels, or positions in the classes.
    weights : ndarray of shape (n,) or None
        Weights in the loss.
    """

    images: NDArray
    mask: NDArray[np.bool_]
    y: NDArray
    weights: NDArray | None = None

    def __getitem__(self, rows: Any) -> "ViewSamples":
        weights = None if self.weights is None else self.weights[rows]
        return ViewSamples(self.images[rows], self.mask[rows], self.y[rows], weights)

    def filled_by_view(self) -> "ViewSamples":
        """The same, with a missing view's pixels those of that view of another sample.

        The batch normalisations of a view's own tower then see this view only.
        """
        if self.mask.all():
            return self
        images = self.images.copy()
        for view, there in enumerate(self.mask.T):
            if there.any():
                rows = np.resize(np.flatnonzero(there), (~there).sum())
                images[~there, view] = images[rows, view]
        return replace(self, images=images)


@dataclass(frozen=True, eq=False)
class ViewBench:
    """How the towers of one multi-view network are pruned and measured.

    Attributes
    ----------
    networks : ViewNetworks
        The unpruned network.
    train, held_out : ViewSamples
        What it is fine-tuned with, and measured on; labels as positions in the classes.
    round_to : int
        As :func:`~skprune.sparsity.prune_channels` takes it.
    tuning : dict
        Of :func:`~skprune.sparsity.recover`.
    batch_size : int
        Samples of a timed batch.
    """

    networks: ViewNetworks
    train: ViewSamples
    held_out: ViewSamples
    round_to: int
    tuning: dict[str, Any]
    batch_size: int

    def sweep(
        self,
        amounts: NDArray[np.float64],
        location: Any,
        verbose: int,
        on_amount: Callable[[float], Any],
    ) -> SweepResult:
        """Measure the network with one pruned tower for all views, for several amounts.

        Parameters
        ----------
        amounts : ndarray of shape (n,)
            Amounts, 0 among them.
        location : str or None
            Folder that the results are kept in.
        verbose : int
            Show a progress bar.
        on_amount : callable
            Called with each amount, once it is measured.

        Returns
        -------
        SweepResult
        """
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
            towers = tuple(pruned for _ in self.networks.towers)
            before = ViewNetworks(towers, head, self.networks.pooling)
            tuned = self._tuned(before) if self.tuning["epochs"] else before
            accuracy = self._accuracy(before)
            return Trial(
                accuracy_before=accuracy,
                accuracy=accuracy if tuned is before else self._accuracy(tuned),
                cost=tuned.cost(),
                predict=self._predict(tuned),
            )

        return measure_amounts(
            trial,
            amounts,
            TimingPlan(self.held_out.images[: self.batch_size], self.batch_size, _REPEATS),
            size_kind="dense_bytes",
            path=path,
            about={
                "method": "channels of one tower",
                "n_validation": len(self.held_out.y),
                "fine_tune_epochs": self.tuning["epochs"],
                "fingerprint": fingerprint,
            },
            verbose=verbose,
            on_amount=on_amount,
        )

    def copies(self, amounts: NDArray[np.float64]) -> ViewNetworks:
        """Towers of their own for all views, trained together.

        Parameters
        ----------
        amounts : ndarray of shape (V,)
            Pruning amount of each view; 1 drops it.

        Returns
        -------
        ViewNetworks
        """
        towers = tuple(
            None if amount >= WHOLE else prune_channels(tower, amount, round_to=self.round_to)
            for tower, amount in zip(self.networks.towers, amounts.tolist(), strict=True)
        )
        return self._tuned(ViewNetworks(towers, self.networks.head, self.networks.pooling))

    def nested(self, amounts: NDArray[np.float64]) -> tuple[NestedTowers, Any]:
        """Slices of one tower, trained together.

        Parameters
        ----------
        amounts : ndarray of shape (V,)
            Pruning amount of each view; 1 drops it.

        Returns
        -------
        nested : NestedTowers
            The towers.
        head : keras.Model
            Their head.
        """
        views = tuple(np.flatnonzero(amounts < WHOLE).tolist())
        nested = NestedTowers.of(
            self.networks.towers[0], amounts[list(views)], views, self.round_to
        )
        masked = nested.masked(len(amounts))
        tuned = self._tuned(ViewNetworks(masked, self.networks.head, self.networks.pooling))
        return nested.trained(tuned.distinct[0]), tuned.head

    @no_retracing_warnings()
    def measured(
        self,
        networks: ViewNetworks,
        amount: float,
        base_time: float | None,
        stored: Any = None,
        norm_bytes: int = 0,
    ) -> OperatingPoint:
        """Accuracy on held-out samples, time and size.

        Parameters
        ----------
        networks : ViewNetworks
            What to measure.
        amount : float
            What to call it.
        base_time : float or None
            Seconds of the unpruned network; None measures it, and takes it for the answer where
            ``networks`` is the unpruned network.
        stored : keras.Model, default=None
            The one tower that is held, where all are slices of it.
        norm_bytes : int, default=0
            What these slices hold besides.

        Returns
        -------
        OperatingPoint
        """
        batch, base = self.held_out.images[: self.batch_size], self._predict(self.networks)
        if base_time is None:
            base_time = latency(base, batch, repeats=_REPEATS).median
        ratio = 1.0
        if networks is not self.networks:
            ratio = latency_ratio(self._predict(networks), base, batch, repeats=_REPEATS).ratio
        held = [*(networks.distinct if stored is None else [stored]), networks.head]
        size = sum(weight.nbytes for model in held for weight in model.get_weights()) + norm_bytes
        return OperatingPoint(amount, self._accuracy(networks), base_time * ratio, size / 1e6)

    def _tuned(self, networks: ViewNetworks) -> ViewNetworks:
        kept = [tower is not None for tower in networks.towers]
        there = (self.train.mask & kept).any(axis=1)  # samples of which a view is left
        if not there.any():
            raise ValueError(
                f"No sample to train with has a view that is kept; the views "
                f"{np.flatnonzero(~np.array(kept)).tolist()} are dropped, and mask says that no "
                "other is there."
            )
        if not self.tuning["epochs"]:  # the towers are its own, the head that of the unpruned ones
            return replace(networks, head=copy_model(networks.head))
        model = assemble(networks, self.train.images.shape[1:])
        train = self.train[there].filled_by_view()
        inputs = [train.images, train.mask]
        tuned = recover(model, inputs, train.y, sample_weight=train.weights, **self.tuning)
        return networks.retrained(tuned)

    def _accuracy(self, networks: ViewNetworks) -> float:
        """Share of right answers; a sample that no kept view shows has none."""
        kept = np.array([tower is not None for tower in networks.towers])
        there = (self.held_out.mask & kept).any(axis=1)
        if not there.any():
            return 0.0
        rows = self.held_out[there]
        found = networks.predict_proba(rows.images, rows.mask).argmax(axis=1)
        return float((found == rows.y).sum() / len(there))

    def _predict(self, networks: ViewNetworks) -> Any:
        model = assemble(networks, self.held_out.images.shape[1:])
        mask = np.ones((self.batch_size, len(networks.towers)), dtype=bool)
        return lambda images: model.predict_on_batch([images, mask[: len(images)]])
