"""``skprune amount``: how much of a network to prune, from measurements."""

import os
import warnings
from argparse import Namespace
from typing import Any

from ..amount import (
    AccuracyReward,
    MoreAccuracyLessSizeReward,
    PruningAmountOptimizer,
    PruningReward,
    SizeReward,
    TimeReward,
)
from ..exceptions import InfeasibleLimitsWarning
from ._amount_parts import amount_parts
from ._document import Answer, as_json, as_text, passage
from ._errors import Refused, in_words_of_options, refusing
from ._figures import draw_total_reward
from ._measurements import MeasuredFile, read_measurements
from ._output import check_apart, check_output

__all__ = ["run"]

# Of the unpruned network of the notebook: the default rewards are in its seconds and megabytes.
_NOTEBOOK_TIME, _NOTEBOOK_SIZE = 1.020, 480.4


def run(args: Namespace) -> Answer:
    """Find the best amount within limits.

    Parameters
    ----------
    args : Namespace
        What the parser made of the arguments.

    Returns
    -------
    Answer
    """
    for option in ("output", "figure"):
        check_output(getattr(args, option), f"--{option}", args.file)
    check_apart(args.output, args.figure, "--figure")
    measured = read_measurements(args.file)
    _check_limits(args, measured)
    optimizer = PruningAmountOptimizer(
        accuracy_curve=args.accuracy_curve,
        time_curve=args.time_curve,
        size_curve=args.size_curve,
        rewards=_relative_rewards(args.file, measured) if args.relative else None,
        min_accuracy=args.min_accuracy,
        max_size=args.max_size,
        max_time=args.max_time,
        random_state=args.seed,
    )
    unmet = _fit(optimizer, args.file, measured)
    if args.figure is not None:
        draw_total_reward(optimizer, args.figure)
    said = ", ".join(measured.values)
    head = f"{os.path.basename(args.file)}: {len(measured.amounts)} measurements of {said}"
    about = {"file": args.file, "rows": len(measured.amounts), "quantities": list(measured.values)}
    parts = [
        passage("measurements", head, about),
        *amount_parts(optimizer, measured.amount_names),
    ]
    return Answer(as_json(parts) if args.format == "json" else as_text(parts), unmet)


def _check_limits(args: Namespace, measured: MeasuredFile) -> None:
    for limit, column in (("max_size", "size"), ("max_time", "time")):
        value = getattr(args, limit)
        if value is not None and column not in measured.values:
            raise Refused(
                f"{args.file}: {in_words_of_options(limit)} {value:g} limits the column {column}, "
                f"which it lacks; it has {', '.join((*measured.amount_names, *measured.values))}."
            )


def _fit(optimizer: PruningAmountOptimizer, path: str, measured: MeasuredFile) -> str | None:
    """Fit, and return why the limits cannot be met, where they cannot."""
    unmet = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        with refusing(path):
            optimizer.fit(measured.amounts, measured.target())
    for warning in caught:
        if issubclass(warning.category, InfeasibleLimitsWarning):
            unmet = f"{path}: {in_words_of_options(str(warning.message))}"
        else:
            warnings.warn(warning.message, stacklevel=2)
    return unmet


def _relative_rewards(path: str, measured: MeasuredFile) -> Any:
    """The default rewards, with the whole network's time and size in the notebook's place."""
    whole = int(measured.amounts.mean(axis=1).argmin())
    rewards: list[Any] = [AccuracyReward(), PruningReward()]
    for name in ("time", "size"):
        if name in measured.values and measured.values[name][whole] <= 0:
            raise Refused(
                f"{path}: --relative needs a {name} above zero at the smallest amount; it is "
                f"{measured.values[name][whole]:g}."
            )
    if "time" in measured.values:
        time = measured.values["time"][whole] / _NOTEBOOK_TIME
        rewards.append(TimeReward(sigma=0.8 * time))
    if "size" in measured.values:
        size = measured.values["size"][whole] / _NOTEBOOK_SIZE
        rewards += [
            SizeReward(sigma_left=2.0 * size),
            MoreAccuracyLessSizeReward(per_size=0.5 / size),
        ]
    return tuple(rewards)
