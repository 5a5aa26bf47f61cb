"""``skprune select``: which members to keep, from what they predict."""

import warnings
from argparse import Namespace
from difflib import get_close_matches
from operator import itemgetter
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer_names, r2_score, root_mean_squared_error

from ..inspection import equal_vote, probability_scores
from ..pruning import (
    MemberTable,
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)
from ..socp import within_budget
from ..utils import format_value
from ._combine import weights_part
from ._document import Answer, Part, as_csv, as_json, as_text, facts, passage, table
from ._errors import LIMITS_NOT_MET, Refused, refusing
from ._figures import draw_frontier
from ._files import is_table
from ._output import check_apart, check_output
from ._predictions import PredictionPool, read_predictions
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
    pool = read_predictions(args.file, args.names, args.target, args.regression)
    if pool.others:
        warnings.warn(
            f"{args.file}: not used: {', '.join(pool.others)}. Known keys are P, y, "
            f"{'' if args.regression else 'classes, '}names, costs and sample_weight.",
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
    if args.scoring is not None and args.scoring not in get_scorer_names():
        close = get_close_matches(args.scoring, get_scorer_names())
        raise Refused(
            f"--scoring {args.scoring}: scikit-learn has no scorer of that name. "
            + (f"Similar ones are {', '.join(close)}." if close else "See get_scorer_names().")
        )
    if args.regression:
        given = {
            f"--voting {args.voting}": args.voting is not None,
            f"--calibrate {args.calibrate}": args.calibrate is not None,
            "--no-intercept": not args.fit_intercept,
        }
        wrong = " and ".join(option for option, is_given in given.items() if is_given)
        if wrong:
            raise Refused(f"{wrong}: regressors do not vote; leave it out, or --regression.")
        return
    args.voting = args.voting or "soft"
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
            f"--max-cost {args.max_cost:g} needs the key costs in {args.file}: one number a member"
            f"{'; only an .npz file has keys' if is_table(args.file) else ''}."
        )
    if not within_budget(pool.costs.min(), args.max_cost):
        raise Refused(
            f"--max-cost {args.max_cost:g} is less than the cheapest member of {args.file} costs, "
            f"{pool.costs.min():.17g}.",
            LIMITS_NOT_MET,
        )


def _pruner(args: Namespace, pool: PredictionPool) -> Any:
    params: dict[str, Any] = {
        "penalty": args.penalty,
        "costs": pool.costs,
        "max_members": args.max_members,
        "max_cost": args.max_cost,
        "random_state": args.seed,
    }
    if not args.regression:
        params |= {name: getattr(args, name) for name in ("voting", "calibrate", "fit_intercept")}
    given = {name: getattr(args, name) for name in _TUNED if getattr(args, name) is not None}
    kind: Any
    if not args.tune:
        kind = SOCPEnsemblePrunerRegressor if args.regression else SOCPEnsemblePruner
        return kind(**given, **params)
    kind = SOCPEnsemblePrunerRegressorCV if args.regression else SOCPEnsemblePrunerCV
    grid = {f"{name}s": [value] for name, value in given.items()}
    return kind(**grid, scoring=args.scoring, **params)


def _members(pruner: Any, pool: PredictionPool) -> list[dict[str, Any]]:
    """A row for each member, in the order of the file."""
    explained: MemberTable = pruner.explain()
    weight = "exponent" if getattr(pruner, "voting", None) == "log" else "weight"
    score = "accuracy" if pool.classes is not None else "r2"
    rows = []
    for i in range(len(explained.weight)):
        row: dict[str, Any] = {"member": i}
        if pool.names is not None:
            row["name"] = pool.names[i]
        row |= {
            "kept": bool(explained.kept[i]),
            weight: float(explained.weight[i]),
            score: _exact(explained.score[i]),
            "diversity": float(explained.diversity[i]),
        }
        if explained.cost is not None:
            row["cost"] = float(explained.cost[i])
        rows.append(row)
    return rows


def _parts(
    args: Namespace, pool: PredictionPool, pruner: Any, members: list[dict[str, Any]]
) -> list[Part]:
    n_members, n_samples, k = pool.P.shape
    size = {"members": n_members, "kept": pruner.n_members_, "samples": n_samples}
    head = f"{pruner.n_members_} of {n_members} members kept, by {n_samples:,} samples"
    if pool.classes is not None:
        head += f" of {k} classes"
    elif k > 1:
        head += f" of {k} targets"
    settings = {name: _used(pruner, name) for name in _TUNED}
    vote = [] if args.regression else [f"voting {args.voting}"]
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
    formats = dict.fromkeys(("weight", "exponent", "accuracy", "r2", "diversity"), ".4f")
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
        _sum_part(pruner) if args.regression else vote_part(pruner, pool.classes),
        *_scores(args, pool, pruner),
    ]
    if args.tune:
        parts.append(
            facts(
                "cross_validation",
                f"{args.scoring or pruner.score_name} by cross-validation over these samples",
                {
                    "all_members_equal_weights": pruner.full_score_,
                    "best_single_member": pruner.best_member_score_,
                    "chosen_members": pruner.best_score_,
                    "chosen_members_and_the_choice": pruner.nested_score_,
                },
            )
        )
    return [
        *parts,
        table("members", "", members, shown=kept, formats=formats),
        weights_part(pruner, k),
    ]


def _sum_part(pruner: Any) -> Part:
    """How the predictions of regressors are combined."""
    intercept = pruner.intercept_
    text = f"intercept {format_value(intercept)}, which is added to the weighted sum"
    return passage("vote", text, {"weights_are": "factors", "intercept": intercept})


def _scores(args: Namespace, pool: PredictionPool, pruner: Any) -> list[Part]:
    """Scores of the kept members, of all, and of the best one, on the samples of the file."""
    found, P, y, sample_weight = pruner.frontier_, pool.P, pool.y, pool.sample_weight
    best = int(found.member_score.argmax())
    weights = "exponents" if args.voting == "log" else "weights"
    if args.regression:
        every = P.mean(axis=0, dtype=np.float64).reshape(y.shape)
        every += np.average(y - every, axis=0, weights=sample_weight)
        predicted = every, pruner.combine(P), P[best].reshape(y.shape)
        scored = [
            {
                "r2": _exact(r2_score(y, each, sample_weight=sample_weight)),
                "root_mean_squared_error": root_mean_squared_error(
                    y, each, sample_weight=sample_weight
                ),
            }
            for each in predicted
        ]
    else:
        voted = equal_vote(P, args.voting), pruner.combine(P), equal_vote(P[[best]], "soft")
        accuracies = found.full_score, found.pruned_score, found.member_score[best]
        scored = []
        for proba, accuracy in zip(voted, accuracies, strict=True):
            loss, error = probability_scores(proba, y, sample_weight)
            scored.append(
                {"accuracy": _exact(accuracy), "log_loss": loss, "calibration_error": error}
            )
    whose = (
        (f"all members, equal {weights}", pruner.n_members_in_),
        (f"kept members, their {weights}", pruner.n_members_),
        ("best single member", 1),
    )
    called = "prediction_of" if args.regression else "vote_of"
    rows = [
        {called: name, "members": n, **scores}
        for (name, n), scores in zip(whose, scored, strict=True)
    ]
    text = table("scores", "", rows, formats=dict.fromkeys(scored[0], ".4f")).text
    note = "On the samples that they were chosen by, which flatters the kept ones."
    names = ("all_members", "kept_members", "best_single_member")
    return [
        passage(
            key,
            "" if i else f"{text}\n{note}",
            {name: scores[key] for name, scores in zip(names, scored, strict=True)},
        )
        for i, key in enumerate(scored[0])
    ]


def _used(pruner: Any, name: str) -> Any:
    """A parameter as it was chosen, or as it was given."""
    return getattr(pruner, f"{name}_", vars(pruner).get(name))


def _exact(score: Any) -> float:
    """A score without what summing up over the samples has rounded."""
    return round(float(score), 12)


def _of_the_vote(args: Namespace, pool: PredictionPool, pruner: Any) -> dict[str, float]:
    """What a table of members has for all of them: the same in each row."""
    if pool.classes is None:
        names = [f"intercept_{i}" for i in range(pool.P.shape[2])]
        names = names if len(names) > 1 else ["intercept"]
        return dict(zip(names, pruner.intercept_.tolist(), strict=True))
    if args.calibrate is not None:
        return {"temperature": pruner.temperature_}
    if args.voting == "log" and args.fit_intercept:
        biases = pruner.intercept_.tolist()
        return {f"bias_{name}": b for name, b in zip(pool.classes, biases, strict=True)}
    return {}


def _csv(rows: list[dict[str, Any]], of_the_vote: dict[str, float]) -> str:
    rows = [{**row, "kept": int(row["kept"]), **of_the_vote} for row in rows]
    return as_csv({name: [row[name] for row in rows] for name in rows[0]})
