"""A few trained networks: each cut by its own amount, fine-tuned, and reweighted."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import latency_ratio
from ..pruning import SOCPEnsemblePruner
from ..sparsity import (
    SweepResult,
    TimingPlan,
    Trial,
    classification_loss,
    measure_amounts,
    method_named,
    recover,
)
from ._bench import Samples, fingerprint, no_retracing_warnings, pruned_quietly
from ._fitted_cnn import as_inputs
from ._report import CompressionStage
from ._vote import NetworkVote

__all__ = ["VoteBench"]

_REPEATS = 20


@dataclass(frozen=True, eq=False)
class VoteBench:
    """How the kept members of an ensemble are cut and measured.

    Attributes
    ----------
    kept : NetworkVote
        The kept members, as they were trained.
    train, held_out : Samples
        What they are fine-tuned with, and measured on; labels as positions in the classes.
    method : str or callable
        How they are cut.
    tuning : dict
        Of :func:`~skprune.sparsity.recover`, but for the loss, which is each network's own.
    batch_size : int
        Samples of a timed batch.
    """

    kept: NetworkVote
    train: Samples
    held_out: Samples
    method: Any
    tuning: dict[str, Any]
    batch_size: int

    def sweep(
        self,
        amounts: NDArray[np.float64],
        location: Any,
        verbose: int,
        on_amount: Callable[[float], Any],
    ) -> SweepResult:
        """Measure the vote with all members cut by the same amount, for several amounts.

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
        known_by = fingerprint(
            self.kept.models,
            [self.train, self.held_out],
            self.method,
            self.tuning,
            batch_size=self.batch_size,
            votes=self.kept.weights,
            rule=vars(self.kept.rule),
        )
        path = None
        if location is not None:
            path = Path(os.fspath(location)) / "skprune_sweeps" / f"{known_by}.json"

        def trial(amount: float) -> Trial:
            before = self.pruned([amount] * len(self.kept.models))
            tuned = self.tuned(before)
            return Trial(
                accuracy_before=before.accuracy(self.held_out.X, self.held_out.y),
                accuracy=tuned.accuracy(self.held_out.X, self.held_out.y),
                cost=tuned.cost(),
                predict=tuned.predictor(),
            )

        return measure_amounts(
            trial,
            amounts,
            TimingPlan(self.held_out.X[: self.batch_size], self.batch_size, _REPEATS),
            size_kind=method_named(self.method)[1],
            path=path,
            about={
                "method": self.method if isinstance(self.method, str) else repr(self.method),
                "n_validation": len(self.held_out.y),
                "fine_tune_epochs": self.tuning["epochs"],
                "fingerprint": known_by,
            },
            verbose=verbose,
            on_amount=on_amount,
        )

    def pruned(self, amounts: Sequence[float]) -> NetworkVote:
        """Each member cut by its amount, and not trained."""
        models = tuple(
            pruned_quietly(model, float(amount), self.method)
            for model, amount in zip(self.kept.models, amounts, strict=True)
        )
        return replace(self.kept, models=models)

    @no_retracing_warnings()
    def tuned(self, vote: NetworkVote) -> NetworkVote:
        """Each member fine-tuned by itself."""
        models = tuple(
            recover(
                model,
                as_inputs(self.train.X, tuple(model.inputs[0].shape[1:])),
                self.train.y,
                loss=classification_loss(model),
                sample_weight=self.train.weights,
                **self.tuning,
            )
            for model in vote.models
        )
        return replace(vote, models=models)

    def weighed(self, vote: NetworkVote, pruner: Any, classes: NDArray) -> NetworkVote:
        """Weigh cut members again, by the same program without its penalty.

        Members whose weight is then zero are left out.

        Parameters
        ----------
        vote : NetworkVote
            The cut members.
        pruner : SOCPEnsemblePruner or SOCPEnsemblePrunerCV
            What chose them.
        classes : ndarray of shape (C,)
            The labels.

        Returns
        -------
        NetworkVote
        """
        again = SOCPEnsemblePruner(
            vote.members(classes),
            cv="prefit",
            alpha=pruner.alpha_,
            lam=0.0,
            reweight=getattr(pruner, "reweight_", getattr(pruner, "reweight", 0.5)),
            voting=pruner.voting,
            calibrate=pruner.calibrate,
            fit_intercept=pruner.fit_intercept,
            diversity=pruner.diversity,
        )
        again.fit(self.held_out.X, classes[self.held_out.y])
        models = tuple(m for m, kept in zip(vote.models, again.support_, strict=True) if kept)
        return NetworkVote(models, again.weights_[again.support_], again.__skprune_vote__().rule)

    @no_retracing_warnings()
    def stage(
        self,
        name: str,
        vote: NetworkVote,
        base: NetworkVote,
        base_time: float,
        X: NDArray,
        y: NDArray[np.intp],
    ) -> CompressionStage:
        """Measure a vote.

        Parameters
        ----------
        name : str
            What to call it.
        vote, base : NetworkVote
            What is measured, and what it is timed by turns with.
        base_time : float
            Seconds of ``base``.
        X : ndarray of shape (n, ...)
            Samples.
        y : ndarray of shape (n,)
            Classes as positions.

        Returns
        -------
        CompressionStage
        """
        cost, ratio = vote.cost(), 1.0
        if vote is not base:
            batch = self.held_out.X[: self.batch_size]
            ratio = latency_ratio(vote.predictor(), base.predictor(), batch, repeats=_REPEATS).ratio
        return CompressionStage(
            name=name,
            n_models=len(vote.models),
            accuracy=vote.accuracy(X, y),
            parameters=cost.parameters,
            size=getattr(cost, method_named(self.method)[1]) / 1e6,
            macs=cost.macs,
            time=base_time * ratio,
        )
