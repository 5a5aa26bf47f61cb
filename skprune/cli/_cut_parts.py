"""What was cut out of networks, what was promised, and what was delivered."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..compression import EnsembleCompressor, PrunedCNNClassifier
from ..multiview import PrunedMultiViewClassifier
from ..utils import format_value
from ._amount_parts import amount_parts
from ._document import Part, passage, table
from ._pruner_parts import Rows, score_part

__all__ = ["compressor_parts", "cut_network_parts", "cut_views_parts"]

_LIMITS = {"accuracy": "min_accuracy", "time": "max_time", "size": "max_size"}


def cut_network_parts(network: PrunedCNNClassifier, rows: Rows | None) -> list[Part]:
    """One network: its amount, the measured sweep, promise and delivery.

    Parameters
    ----------
    network : fitted PrunedCNNClassifier
        What is reported on.
    rows : Rows or None
        Samples to score on.

    Returns
    -------
    list of Part
    """
    values = {"amount": network.amount_, "parameters": int(network.network_.count_params())}
    text = f"pruned by {network.amount_:.4f}; {values['parameters']:,} parameters are left"
    parts = [passage("cut", text, values), *_delivery(network)]
    if hasattr(network, "sweep_"):
        parts += [_sweep(network.sweep_), *_optimizer(network.optimizer_)]
    return [*parts, *_tested(network, rows)]


def compressor_parts(compressor: EnsembleCompressor, rows: Rows | None) -> list[Part]:
    """An ensemble: the stages, its members, promise and delivery.

    Parameters
    ----------
    compressor : fitted EnsembleCompressor
        What is reported on.
    rows : Rows or None
        Samples to score on.

    Returns
    -------
    list of Part
    """
    report = compressor.report_
    stages = {"stages": report.stages, "sample": report.sample, "samples": report.n_samples}
    text = f"{compressor.n_members_} of {compressor.n_members_in_} members are left, cut down"
    kept = np.flatnonzero(compressor.support_)
    members = [
        {"member": int(i), "weight_before": float(compressor.program_weights_[i]), "amount": amount}
        for i, amount in zip(kept, compressor.member_amounts_.tolist(), strict=True)
    ]
    parts = [
        passage("kept", text, {"members": compressor.n_members_in_, "kept": compressor.n_members_}),
        passage("stages", str(report), stages),
        table("members", "members that the program kept", members, formats={"amount": ".4f"}),
        passage(
            "weights",
            f"weights of the votes that are left: {format_value(compressor.weights_)}",
            compressor.weights_,
        ),
        *_delivery(compressor),
        _sweep(compressor.sweep_),
        *_optimizer(compressor.optimizer_),
    ]
    return [*parts, *_tested(compressor, rows)]


def cut_views_parts(views: PrunedMultiViewClassifier, rows: Rows | None) -> list[Part]:
    """A multi-view network: importance and amount of each view, and what was delivered.

    Parameters
    ----------
    views : fitted PrunedMultiViewClassifier
        What is reported on.
    rows : Rows or None
        Samples to score on.

    Returns
    -------
    list of Part
    """
    each = [
        {"view": i, "importance": float(importance), "amount": float(amount), "kept": amount < 1}
        for i, (importance, amount) in enumerate(
            zip(views.view_importances_, views.amounts_, strict=True)
        )
    ]
    dropped = sum(not row["kept"] for row in each)
    text = f"{len(each) - dropped} of {len(each)} views kept; towers are {views.towers}"
    values = {"views": len(each), "kept": len(each) - dropped, "towers": views.towers}
    points = {
        "unpruned": views.unpruned_,
        "delivered": views.delivered_,
    }
    parts = [
        passage("kept", text, {**values, "predicted_accuracy": views.predicted_accuracy_}),
        table("views", "", each, formats=dict.fromkeys(("importance", "amount"), ".4f")),
        _points("delivery", points, {"accuracy": views.min_accuracy}),
        _sweep(views.sweep_),
    ]
    return [*parts, *_tested(views, rows)]


def _delivery(estimator: Any) -> list[Part]:
    """Promise and delivery beside the limits."""
    points = {}
    if hasattr(estimator, "promised_"):
        points["promised"] = estimator.promised_
    points |= {f"given up {i + 1}": point for i, point in enumerate(estimator.corrected_)}
    points["delivered"] = estimator.delivered_
    limits = {name: getattr(estimator, limit) for name, limit in _LIMITS.items()}
    optimizer = getattr(estimator, "optimizer_", None)
    if optimizer is not None:  # which knows a limit that the estimator set itself
        limits = {name: getattr(optimizer, limit) for name, limit in _LIMITS.items()}
    return [_points("delivery", points, limits)]


def _points(key: str, points: Mapping[str, Any], limits: Mapping[str, float | None]) -> Part:
    quantities = ("amount", "accuracy", "time", "size")
    rows: list[dict[str, Any]] = [
        {"measured": name, **{each: getattr(point, each) for each in quantities}}
        for name, point in points.items()
    ]
    if any(limit is not None for limit in limits.values()):
        rows.append({"measured": "limit", **{each: limits.get(each) for each in quantities}})
    return table(key, "accuracy as a fraction, seconds a batch, megabytes", rows)


def _sweep(sweep: Any) -> Part:
    names: Sequence[str] = ("amounts", "accuracy_before", "accuracy", "time", "size", "parameters")
    rows = [
        {("amount" if name == "amounts" else name): getattr(sweep, name)[i] for name in names}
        for i in range(len(sweep.amounts))
    ]
    return table("sweep", f"measured before, method {sweep.method}, {sweep.hardware}", rows)


def _optimizer(optimizer: Any) -> list[Part]:
    """How the curves follow the sweep; the amounts that they promise are shown already."""
    return [part for part in amount_parts(optimizer) if part.key == "curves"]


def _tested(estimator: Any, rows: Rows | None) -> list[Part]:
    return [] if rows is None else [score_part(estimator, rows)]
