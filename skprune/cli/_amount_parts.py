"""What an optimizer of pruning amounts found, for ``amount`` and for ``report``."""

import warnings
from collections.abc import Sequence
from textwrap import indent
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..amount import PruningAmountOptimizer
from ..utils import format_value, text_table
from ._document import Part, facts, passage, table

__all__ = ["amount_parts"]

_LIMITS = {"accuracy": "min_accuracy", "time": "max_time", "size": "max_size"}


def amount_parts(
    optimizer: PruningAmountOptimizer, names: Sequence[str] | None = None
) -> list[Part]:
    """Best amount, what is predicted there, limits, and how well the curves follow.

    Parameters
    ----------
    optimizer : fitted PruningAmountOptimizer
        What found it.
    names : sequence of str or None, default=None
        Names of the columns of amounts; by default those that it was fitted with.

    Returns
    -------
    list of Part
    """
    best = np.atleast_1d(optimizer.best_amount_)
    names = _names(optimizer) if names is None else names
    amounts = {name: float(amount) for name, amount in zip(names, best, strict=True)}
    answers = _answers(optimizer, best)
    predicted = {name: answers[name] for name in optimizer.curves_}
    rewards = {
        name.removesuffix("_reward"): value
        for name, value in answers.items()
        if name.endswith("_reward")
    }
    return [
        _amount_part(optimizer, amounts),
        _predicted_part(optimizer, predicted),
        facts("rewards", "rewards there", rewards),
        _curves_part(optimizer),
    ]


def _names(optimizer: PruningAmountOptimizer) -> Sequence[str]:
    d = optimizer.n_features_in_
    if hasattr(optimizer, "feature_names_in_"):
        return [str(name) for name in optimizer.feature_names_in_]
    return ["amount"] if d == 1 else [f"amount{j}" for j in range(d)]


def _answers(optimizer: PruningAmountOptimizer, best: NDArray[np.float64]) -> dict[str, float]:
    """Quantities and rewards at an amount."""
    with warnings.catch_warnings():
        # It may have been fitted with names of columns, which this array has not.
        warnings.simplefilter("ignore", UserWarning)
        values = np.asarray(optimizer.transform(best[None, :]))[0]
    names = optimizer.get_feature_names_out()
    return {str(name): float(value) for name, value in zip(names, values, strict=True)}


def _amount_part(optimizer: PruningAmountOptimizer, amounts: dict[str, float]) -> Part:
    limits = [name for name in _LIMITS.values() if getattr(optimizer, name) is not None]
    met = "all limits are met" if limits else "there are no limits"
    if not optimizer.feasible_:
        met = "the limits cannot be met; this comes nearest"
    elif optimizer.from_measurements_:
        met = "all limits are met by what was measured there, but not by the curves"
    if len(amounts) == 1:
        text = f"prune {next(iter(amounts.values())):.4f} of the network: {met}"
    else:
        columns = {"name": amounts, "amount": amounts.values()}
        lines = text_table(columns, {"amount": ".4f"}, heading=False)
        text = f"prune: {met}\n{indent(lines, '  ')}"
    return passage("best", text, {"amount": amounts, "feasible": optimizer.feasible_})


def _predicted_part(optimizer: PruningAmountOptimizer, predicted: dict[str, float]) -> Part:
    rows, shown = [], []
    for name, value in predicted.items():
        limit = getattr(optimizer, _LIMITS[name])
        miss = optimizer.misses_.get(_LIMITS[name])
        rows.append({"quantity": name, "predicted": value, "limit": limit, "missed_by": miss})
        side = "at least" if name == "accuracy" else "at most"
        row = {
            "quantity": name,
            "predicted": value,
            "limit": "-" if limit is None else f"{side} {format_value(limit)}",
        }
        if not optimizer.feasible_:
            row["missed_by"] = format_value(miss) if miss else "-"
        shown.append(row)
    return table("predicted", "", rows, shown=shown)


def _curves_part(optimizer: PruningAmountOptimizer) -> Part:
    values = {
        name: {
            "curve": _kind(getattr(optimizer, f"{name}_curve")),
            "r2": fit.r2,
            "rmse": fit.rmse,
            "misfit": fit.misfit,
        }
        for name, fit in optimizer.fits_.items()
    }
    lines = [f"{fit} ({values[name]['curve']})" for name, fit in optimizer.fits_.items()]
    return passage("curves", "\n".join(lines), values)


def _kind(curve: Any) -> str:
    return curve if isinstance(curve, str) else repr(curve)
