"""``skprune select``: which members to keep, from what they predict."""

import csv
import warnings
from argparse import Namespace
from io import StringIO
from typing import Any

from ..pruning import MemberTable, SOCPEnsemblePruner, SOCPEnsemblePrunerCV
from ..utils import format_value
from ._document import Answer, Part, as_json, as_text, facts, passage, table
from ._errors import LIMITS_NOT_MET, Refused, refusing
from ._figures import draw_frontier
from ._output import check_apart, check_output
from ._predictions import PredictionPool, StandInEnsemble, read_predictions

__all__ = ["run"]

_DEFAULTS = {"alpha": 0.9, "lam": 0.05, "threshold": 0.0, "reweight": 0.5}


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
    members = _members(pruner.explain(), pool)
    if args.frontier is not None:
        draw_frontier(pruner, args.frontier)
    if args.format == "csv":
        return Answer(_csv(members))
    parts = _parts(args, pool, pruner, members)
    return Answer(as_json(parts) if args.format == "json" else as_text(parts))


def _check_options(args: Namespace) -> None:
    for option in ("output", "frontier"):
        check_output(getattr(args, option), f"--{option}", args.file, args.names)
    check_apart(args.output, args.frontier, "--frontier")
    if args.scoring is not None and not args.tune:
        raise Refused("--scoring is what --tune maximises: give --tune too.")


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
        "penalty": args.penalty,
        "costs": pool.costs,
        "max_members": args.max_members,
        "max_cost": args.max_cost,
        "random_state": args.seed,
    }
    given = {name: getattr(args, name) for name in _DEFAULTS if getattr(args, name) is not None}
    ensemble = StandInEnsemble(n_members, n_classes)
    if not args.tune:
        return SOCPEnsemblePruner(ensemble, **{**_DEFAULTS, **given}, **shared)
    grid: dict[str, Any] = {f"{name}s": [value] for name, value in given.items()}
    return SOCPEnsemblePrunerCV(ensemble, **grid, scoring=args.scoring, **shared)


def _members(explained: MemberTable, pool: PredictionPool) -> list[dict[str, Any]]:
    """A row a member, in the order of P."""
    rows = []
    for i in range(len(explained.weight)):
        row: dict[str, Any] = {"member": i}
        if pool.names is not None:
            row["name"] = pool.names[i]
        row |= {
            "kept": bool(explained.kept[i]),
            "weight": float(explained.weight[i]),
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
    settings = {name: _used(pruner, name) for name in _DEFAULTS}
    chosen = "chosen by cross-validation" if args.tune else ""
    kept = [
        {name: value for name, value in row.items() if name != "kept"}
        for row in sorted(members, key=lambda row: -row["weight"])
        if row["kept"]
    ]
    formats = dict.fromkeys(("weight", "accuracy", "diversity"), ".4f")
    used = [f"{name} {format_value(value)}" for name, value in settings.items()]
    parts = [
        passage("pool", head, {"file": args.file, **size, "classes": pool.classes}),
        passage(
            "settings",
            ", ".join([*used, f"voting {args.voting}"]) + (f" ({chosen})" if chosen else ""),
            {
                **settings,
                "voting": args.voting,
                "penalty": args.penalty,
                "max_members": args.max_members,
                "max_cost": args.max_cost,
                "tuned": args.tune,
            },
        ),
        _accuracies(pruner),
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


def _accuracies(pruner: Any) -> Part:
    """Accuracy of the votes on the samples of the file."""
    found = pruner.frontier_
    rows: list[dict[str, Any]] = [
        {
            "vote_of": "all members, equal weights",
            "members": pruner.n_members_in_,
            "accuracy": _exact(found.full_score),
        },
        {
            "vote_of": "kept members, their weights",
            "members": pruner.n_members_,
            "accuracy": _exact(found.pruned_score),
        },
        {
            "vote_of": "best single member",
            "members": 1,
            "accuracy": _exact(found.member_score.max()),
        },
    ]
    part = table("accuracy", "", rows, formats={"accuracy": ".4f"})
    note = "On the samples that they were chosen by, which flatters the kept ones."
    names = ("all_members", "kept_members", "best_single_member")
    values = {name: row["accuracy"] for name, row in zip(names, rows, strict=True)}
    return passage(part.key, f"{part.text}\n{note}", values)


def _used(pruner: Any, name: str) -> Any:
    """A parameter as it was chosen, or as it was given."""
    return getattr(pruner, f"{name}_", vars(pruner).get(name))


def _exact(score: Any) -> float:
    """A score without what summing up over the samples has rounded."""
    return round(float(score), 12)


def _csv(rows: list[dict[str, Any]]) -> str:
    written = StringIO()
    writer = csv.DictWriter(written, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "kept": int(row["kept"])} for row in rows)
    return written.getvalue()
