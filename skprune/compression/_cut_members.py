"""How the kept members of an ensemble get their amounts, and are cut by them."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..amount import (
    MonotoneCurve,
    PruningAmountOptimizer,
    importance_inverse_amounts,
    smallest_amounts,
)
from ..exceptions import InfeasibleLimitsWarning
from ..metrics import latency
from ..sparsity import SweepResult
from ._auto_amount import fit_optimizer, promised_at
from ._bench import Samples, no_retracing_warnings
from ._point import OperatingPoint
from ._report import CompressionReport
from ._vote import NetworkVote
from ._vote_bench import VoteBench

__all__ = ["RULES", "CutMembers", "cut_members", "report_on"]

RULES = ("search", "inverse")


@dataclass(frozen=True, eq=False)
class CutMembers:
    """Cut members, and how they came about.

    Attributes
    ----------
    vote : NetworkVote
        The members, fine-tuned and reweighted.
    amounts : ndarray of shape (k,)
        Amounts of the members that the program kept.
    delivered, promised : OperatingPoint
        What was measured, and what the curves said of equal amounts.
    corrected : tuple of OperatingPoint
        What was delivered by amounts that were given up.
    sweep : SweepResult
        All members cut alike.
    optimizer : PruningAmountOptimizer
        Fitted to it.
    """

    vote: NetworkVote
    amounts: NDArray[np.float64]
    delivered: OperatingPoint
    promised: OperatingPoint
    corrected: tuple[OperatingPoint, ...]
    sweep: SweepResult
    optimizer: PruningAmountOptimizer


def cut_members(
    bench: VoteBench,
    sweep: SweepResult,
    weigh: Callable[[NetworkVote], NetworkVote],
    limits: dict[str, float | None],
    *,
    optimizer: PruningAmountOptimizer | None,
    rule: str,
    max_amount: float,
    seed: int,
    report: Callable[[str], None],
) -> CutMembers:
    """Find an amount for each member, cut, fine-tune, weigh and measure.

    Parameters
    ----------
    bench : VoteBench
        The members.
    sweep : SweepResult
        What was measured with all of them cut alike.
    weigh : callable
        From cut members to the same with new weights.
    limits : dict of str to float or None
        ``min_accuracy``, ``max_time``, ``max_size``.
    optimizer : PruningAmountOptimizer or None
        As :func:`fit_optimizer` takes it.
    rule : {"search", "inverse"}
        How members get their amounts.
    max_amount : float
        Largest amount of a member; no more than was measured.
    seed : int
        Seed of the search.
    report : callable
        Told what is being done.

    Returns
    -------
    CutMembers
    """
    fitted = fit_optimizer(optimizer, sweep, limits, seed)
    limits = {name: getattr(fitted, name) for name in limits}
    promised = promised_at(fitted, float(fitted.best_amount_))
    votes, k = bench.kept.weights, len(bench.kept.models)
    # Beyond what was measured the curves say nothing.
    max_amount = min(max_amount, float(sweep.amounts[-1]))
    amounts = np.full(k, min(promised.amount, max_amount))
    if fitted.feasible_ and k > 1 and promised.accuracy > 0:
        amounts = _amounts(rule, sweep, votes, promised.accuracy, max_amount, seed)
    given_up: list[OperatingPoint] = []
    for tried in [amounts, *_smaller(sweep, amounts, limits["min_accuracy"])]:
        report("cutting members by " + ", ".join(f"{a:.2f}" for a in tried))
        vote = weigh(bench.tuned(bench.pruned(tried.tolist())))
        stage = bench.stage(
            "", vote, bench.kept, float(sweep.time[0]), bench.held_out.X, bench.held_out.y
        )
        delivered = OperatingPoint(float(tried.mean()), stage.accuracy, stage.time, stage.size)
        if "min_accuracy" not in delivered.misses(**limits):
            break
        given_up.append(delivered)
    else:
        given_up.pop()  # the last try stands, whatever it delivers
    return CutMembers(vote, tried, delivered, promised, tuple(given_up), sweep, fitted)


def _amounts(
    rule: str,
    sweep: SweepResult,
    votes: NDArray[np.float64],
    target: float,
    max_amount: float,
    seed: int,
) -> NDArray[np.float64]:
    """One amount a member: its weight is its importance, and what its accuracy counts."""
    accuracy = MonotoneCurve(increasing=False).fit(sweep.X, sweep.accuracy)
    size = MonotoneCurve(increasing=False).fit(sweep.X, sweep.size)
    # The curves are rounded where they meet the measurements, and so is the target.
    target = min(target, float(accuracy.predict(np.zeros((1, 1)))[0]))
    with warnings.catch_warnings():
        # Whether the limits can be met, the optimiser has said.
        warnings.simplefilter("ignore", InfeasibleLimitsWarning)
        if rule == "inverse":
            return importance_inverse_amounts(
                votes, accuracy, target, max_amount, weights=votes
            ).amounts
        return smallest_amounts(
            votes, accuracy, size, target, max_amount, weights=votes, random_state=seed
        ).amounts


def _smaller(
    sweep: SweepResult, amounts: NDArray[np.float64], min_accuracy: float | None
) -> Iterator[NDArray[np.float64]]:
    """Amounts to try in turn where the first ones deliver too little accuracy, largest first.

    No member more than the largest amounts that were measured to be good enough for all, half of
    each, and none at all.
    """
    if min_accuracy is None or not amounts.any():
        return
    good = sweep.amounts[(sweep.accuracy >= min_accuracy - 1e-9) & (sweep.amounts < amounts.max())]
    tries = [np.minimum(amounts, most) for most in good[-2:]] + [amounts / 2, 0 * amounts]
    means = {float(tried.mean()): tried for tried in tries}
    yield from (means[mean] for mean in sorted(means, reverse=True))


@no_retracing_warnings()
def report_on(
    bench: VoteBench, full: NetworkVote, cut: NetworkVote, rows: Samples, sample: str
) -> CompressionReport:
    """Measure an ensemble whole, its kept members, and what they were cut to.

    Parameters
    ----------
    bench : VoteBench
        The kept members.
    full, cut : NetworkVote
        All members, and the cut ones.
    rows : Samples
        What accuracy is measured on; labels as positions in the classes.
    sample : str
        What these samples are.

    Returns
    -------
    CompressionReport
    """
    batch = bench.held_out.X[: bench.batch_size]
    time = latency(full.predictor(), batch).median
    stages = tuple(
        bench.stage(name, vote, full, time, rows.X, rows.y)
        for name, vote in (
            ("full ensemble", full),
            ("kept members", bench.kept),
            ("cut members", cut),
        )
    )
    return CompressionReport(stages, bench.batch_size, len(rows.y), sample)
