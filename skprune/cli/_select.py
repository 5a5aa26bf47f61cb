"""``skprune select``: which members to keep, from what they predict."""

import csv
import warnings
from argparse import Namespace
from io import StringIO
from operator import itemgetter
from typing import Any

import numpy as np

from ..inspection import equal_vote, probability_scores
from ..pruning import MemberTable, SOCPEnsemblePruner, SOCPEnsemblePrunerCV
from ..utils import format_value
from ._document import Answer, Part, as_json, as_text, facts, passage, table
from ._errors import LIMITS_NOT_MET, Refused, refusing
from ._figures import draw_frontier
from ._output import check_apart, check_output
from ._predictions import PredictionPool, StandInEnsemble, read_predictions
from ._pruner_parts import vote_part

__all__ = ["run"]

_TUNED = ("alpha", "lam", "threshold", "reweight")


def run(args: Namespace) -> Answer:
    """Choose members by their predictions.

    Parameters
    ----------
    args : Namespace
        What the parser made of the arguments.

    Returns
    -------
    Answer
    """
    _check_options(args)
    pool = read_predictions(args.file, args.names)
    if pool.others:
        warnings.warn(
            f"{args.file}: not used: {', '.join(pool.others)}. Known keys are P, y, classes, "
            "names, costs and sample_weight.",
            UserWarning,
            stacklevel=2,
        )
    _check_budget(args, pool)
    pruner = _pruner(args, pool)
    with refusing(args.file):
        pruner.fit_predictions(pool.P, pool.y, pool.sample_weight)
    members = _members(pruner, pool)
    if args.frontier is not None:
        draw_frontier(pruner, args.frontier)
    if args.format == "csv":
        return Answer(_csv(members, _of_the_vote(args, pool, pruner)))
    parts = _parts(args, pool, pruner, members)
    return Answer(as_json(parts) if args.format == "json" else as_text(parts))


def _check_options(args: Namespace) -> None:
    for option in ("output", "frontier"):
        check_output(getattr(args, option), f"--{option}", args.file, args.names)
    check_apart(args.output, args.frontier, "--frontier")
    if args.scoring is not None and not args.tune:
        raise Refused("--scoring is what --tune maximizes: give --tune too.")
    if args.calibrate is not None and args.voting != "soft":
        raise Refused(
            f"--calibrate {args.calibrate} is for --voting soft; got --voting {args.voting}. "
            "Leave one of them out."
        )
    if not args.fit_intercept and args.voting != "log":
        raise Refused(
            f"--no-intercept is for --voting log; got --voting {args.voting}. Give --voting log, "
            "or leave --no-intercept out."
        )


def _check_budget(args: Namespace, pool: PredictionPool) -> None:
    if args.max_cost is None:
        return
    if pool.costs is None:
        raise Refused(
            f"--max-cost {args.max_cost:g} needs the key costs in {args.file}: one number a member."
        )
    if pool.costs.min() > args.max_cost:
        raise Refused(
            f"--max-cost {args.max_cost:g} is less than the cheapest member of {args.file} costs, "
            f"{pool.costs.min():g}.",
            LIMITS_NOT_MET,
        )


def _pruner(args: Namespace, pool: PredictionPool) -> Any:
    n_members, _, n_classes = pool.P.shape
    shared: dict[str, Any] = {
        "cv": "prefit",
        "voting": args.voting,
        "calibrate": args.calibrate,
        "fit_intercept": args.fit_intercept,
        "penalty": args.penalty,
        "costs": pool.costs,
        "max_members": args.max_members,
        "max_cost": args.max_cost,
        "random_state": args.seed,
    }
    given = {name: getattr(args, name) for name in _TUNED if getattr(args, name) is not None}
    ensemble = StandInEnsemble(n_members, n_classes)
    if not args.tune:
        return SOCPEnsemblePruner(ensemble, **given, **shared)
    grid: dict[str, Any] = {f"{name}s": [value] for name, value in given.items()}
    return SOCPEnsemblePrunerCV(ensemble, **grid, scoring=args.scoring, **shared)


def _members(pruner: Any, pool: PredictionPool) -> list[dict[str, Any]]:
    """A row a member, in the order of P."""
    explained: MemberTable = pruner.explain()
    weight = "exponent" if pruner.voting == "log" else "weight"
    rows = []
    for i in range(len(explained.weight)):
        row: dict[str, Any] = {"member": i}
        if pool.names is not None:
            row["name"] = pool.names[i]
        row |= {
            "kept": bool(explained.kept[i]),
            weight: float(explained.weight[i]),
            "accuracy": _exact(explained.score[i]),
            "diversity": float(explained.diversity[i]),
        }
        if explained.cost is not None:
            row["cost"] = float(explained.cost[i])
        rows.append(row)
    return rows


def _parts(
    args: Namespace, pool: PredictionPool, pruner: Any, members: list[dict[str, Any]]
) -> list[Part]:
    n_members, n_samples, n_classes = pool.P.shape
    size = {"members": n_members, "kept": pruner.n_members_, "samples": n_samples}
    head = (
        f"{pruner.n_members_} of {n_members} members kept, by {n_samples:,} samples of "
        f"{n_classes} classes"
    )
    settings = {name: _used(pruner, name) for name in _TUNED}
    vote = [f"voting {args.voting}"]
    if args.calibrate is not None:
        vote.append(f"calibrate {args.calibrate}")
    if not args.fit_intercept:
        vote.append("no intercept")
    chosen = "chosen by cross-validation" if args.tune else ""
    kept = [
        {name: value for name, value in row.items() if name != "kept"}
        for _, row in sorted(zip(-pruner.weights_, members, strict=True), key=itemgetter(0))
        if row["kept"]
    ]
    formats = dict.fromkeys(("weight", "exponent", "accuracy", "diversity"), ".4f")
    used = [f"{name} {format_value(value)}" for name, value in settings.items()]
    parts = [
        passage("pool", head, {"file": args.file, **size, "classes": pool.classes}),
        passage(
            "settings",
            ", ".join([*used, *vote]) + (f" ({chosen})" if chosen else ""),
            {
                **settings,
                "voting": args.voting,
                "calibrate": args.calibrate,
                "fit_intercept": args.fit_intercept and args.voting == "log",
                "penalty": args.penalty,
                "max_members": args.max_members,
                "max_cost": args.max_cost,
                "tuned": args.tune,
            },
        ),
        vote_part(pruner, pool.classes),
        *_scores(args, pool, pruner),
    ]
    if args.tune:
        parts.append(
            facts(
                "cross_validation",
                f"{args.scoring or 'accuracy'} by cross-validation over these samples",
                {
                    "all_members_equal_weights": pruner.full_score_,
                    "best_single_member": pruner.best_member_score_,
                    "chosen_members": pruner.best_score_,
                    "chosen_members_and_the_choice": pruner.nested_score_,
                },
            )
        )
    return [*parts, table("members", "", members, shown=kept, formats=formats)]


def _scores(args: Namespace, pool: PredictionPool, pruner: Any) -> list[Part]:
    """Accuracy, log loss and calibration error of the votes on the samples of the file."""
    found, kept = pruner.frontier_, np.flatnonzero(pruner.support_)
    best = int(found.member_score.argmax())
    weights = "exponents" if args.voting == "log" else "weights"
    rule = pruner.__skprune_vote__().rule
    votes = rule.votes((pool.P[i] for i in kept), pruner.weights_[kept])
    rows: list[dict[str, Any]] = []
    for vote_of, members, accuracy, proba in (
        (
            f"all members, equal {weights}",
            pruner.n_members_in_,
            found.full_score,
            equal_vote(pool.P, args.voting),
        ),
        (
            f"kept members, their {weights}",
            pruner.n_members_,
            found.pruned_score,
            rule.proba(votes),
        ),
        (
            "best single member",
            1,
            found.member_score[best],
            equal_vote(pool.P[[best]], "soft"),
        ),
    ):
        log_loss, error = probability_scores(proba, pool.y, pool.sample_weight)
        rows.append(
            {
                "vote_of": vote_of,
                "members": members,
                "accuracy": _exact(accuracy),
                "log_loss": log_loss,
                "calibration_error": error,
            }
        )
    formats = {"accuracy": ".4f", "log_loss": ".4f", "calibration_error": ".4f"}
    text = table("accuracy", "", rows, formats=formats).text
    note = "On the samples that they were chosen by, which flatters the kept ones."
    names = ("all_members", "kept_members", "best_single_member")
    values = {
        key: {name: row[key] for name, row in zip(names, rows, strict=True)} for key in formats
    }
    return [
        passage(key, f"{text}\n{note}" if key == "accuracy" else "", values[key]) for key in values
    ]


def _used(pruner: Any, name: str) -> Any:
    """A parameter as it was chosen, or as it was given."""
    return getattr(pruner, f"{name}_", vars(pruner).get(name))


def _exact(score: Any) -> float:
    """A score without what summing up over the samples has rounded."""
    return round(float(score), 12)


def _of_the_vote(args: Namespace, pool: PredictionPool, pruner: Any) -> dict[str, float]:
    """What a table of members has for the whole vote: the same in each row."""
    if args.calibrate is not None:
        return {"temperature": pruner.temperature_}
    if args.voting == "log" and args.fit_intercept:
        biases = pruner.intercept_.tolist()
        return {f"bias_{name}": b for name, b in zip(pool.classes, biases, strict=True)}
    return {}


def _csv(rows: list[dict[str, Any]], of_the_vote: dict[str, float]) -> str:
    written = StringIO()
    writer = csv.DictWriter(written, [*rows[0], *of_the_vote], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "kept": int(row["kept"]), **of_the_vote} for row in rows)
    return written.getvalue()
