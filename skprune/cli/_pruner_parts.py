"""What a pruner of ensembles kept: its tables, and a row a member."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..inspection import PruningReport, pruning_report
from ..metrics import n_parameters
from ..pruning import BasePruner, MemberTable, SOCPEnsemblePruner
from ..utils import format_value, probability_floor
from ._document import Part, facts, passage

__all__ = ["Rows", "pruner_parts", "score_part", "vote_part"]

_SETTINGS = ("alpha", "lam", "threshold", "reweight")
_LIMITS = ("max_members", "max_cost")


@dataclass(frozen=True, eq=False)
class Rows:
    """Samples that were not trained or calibrated on.

    Attributes
    ----------
    X, y : ndarray
        Samples, and their classes or targets.
    path : str
        The file that they came from.
    """

    X: Any
    y: Any
    path: str


def pruner_parts(pruner: BasePruner, rows: Rows | None, ensemble: Any) -> list[Part]:
    """Settings, the paper's tables, scores on other samples, and why each member was kept.

    Parameters
    ----------
    pruner : fitted pruner
        What is reported on.
    rows : Rows or None
        Samples to score on.
    ensemble : fitted ensemble or None
        The full ensemble, for the full columns of the tables.

    Returns
    -------
    list of Part
    """
    parts = [_kept_part(pruner), _settings_part(pruner)]
    if isinstance(pruner, SOCPEnsemblePruner):
        parts.append(vote_part(pruner, pruner.classes_))
    if hasattr(pruner, "nested_score_"):
        scores = {
            "all_members_equal_weights": pruner.full_score_,
            "best_single_member": pruner.best_member_score_,
            "chosen_members": pruner.best_score_,
            "chosen_members_and_the_choice": pruner.nested_score_,
        }
        name = getattr(pruner, "scoring", None) or pruner.score_name
        parts.append(facts("cross_validation", f"{name} by cross-validation", scores))
    if rows is not None and ensemble is not None:
        report = pruning_report(pruner, rows.X, rows.y, ensemble=ensemble)
        parts.append(passage("tables", str(report), _table_values(report)))
    else:
        report = pruning_report(pruner)
        parts.append(passage("tables", str(report), _table_values(report)))
        if rows is not None:
            parts.append(_kept_scores(pruner, rows))
    return [*parts, _members_part(pruner)]


def vote_part(pruner: SOCPEnsemblePruner, classes: Any) -> Part:
    """How votes become probabilities: nothing to read where they are the probabilities."""
    log, biases = pruner.voting == "log", None
    if log and pruner.fit_intercept:
        biases = dict(zip(np.asarray(classes).tolist(), pruner.intercept_.tolist(), strict=True))
    values = {
        "weights_are": "exponents" if log else "shares",
        "temperature": pruner.temperature_,
        "biases": biases,
    }
    text, least = "", probability_floor(len(classes))
    if log:
        times = "" if biases is None else " times exp(bias)"
        text = (
            "weights are exponents w: probabilities are in proportion to the product of "
            f"max(p, {least:g}) ** w{times}"
        )
        if biases is not None:
            text += f"\nbias of each class: {format_value(biases)}"
    elif pruner.calibrate is not None:
        text = (
            f"temperature {pruner.temperature_:.4g}: probabilities are in proportion to "
            f"max(vote, {least:g}) ** (1 / temperature)"
        )
    return passage("vote", text, values)


def score_part(estimator: Any, rows: Rows) -> Part:
    """Score of an estimator on other samples."""
    score = float(estimator.score(rows.X, rows.y))
    text = f"accuracy on the {len(rows.y):,} samples of {rows.path}: {score:.4f}"
    return passage("test", text, {"file": rows.path, "samples": len(rows.y), "score": score})


def _kept_part(pruner: BasePruner) -> Part:
    values: dict[str, Any] = {
        "members": pruner.n_members_in_,
        "kept": pruner.n_members_,
        "classes": getattr(pruner, "classes_", None),
        "parameters_of_kept_members": _parameters(pruner),
    }
    said = f"{pruner.n_members_} of {pruner.n_members_in_} members kept"
    if values["parameters_of_kept_members"]:
        said += f", {values['parameters_of_kept_members']:,} parameters together"
    return passage("kept", said, values)


def _parameters(pruner: BasePruner) -> int | None:
    """Parameters of the kept members together; None if one of them has no such number."""
    if not hasattr(pruner, "estimators_"):  # fitted to predictions alone
        return None
    try:
        return sum(int(n_parameters(member)) for member in pruner.estimators_)
    except (TypeError, ValueError):
        return None


def _settings_part(pruner: BasePruner) -> Part:
    given: Any = pruner.get_params(deep=False)
    # What was chosen, where the pruner chose.
    used = {name: getattr(pruner, f"{name}_", given.get(name)) for name in _SETTINGS}
    limits = {name: given.get(name) for name in _LIMITS}
    other = {name: given[name] for name in ("penalty", "voting", "diversity") if name in given}
    # Only the logarithmic pool has biases.
    names = ("calibrate", "fit_intercept") if given.get("voting") == "log" else ("calibrate",)
    vote = {name: given[name] for name in names if name in given}
    said = [f"{name} {_shown(value)}" for name, value in {**used, **other}.items()]
    said += [f"{name} {value}" for name, value in (vote | limits).items() if value]
    return passage("settings", ", ".join(said), {**used, **other, **vote, **limits})


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table_values(report: PruningReport) -> dict[str, Any]:
    return {field.name: getattr(report, field.name) for field in fields(report)}


def _kept_scores(pruner: BasePruner, rows: Rows) -> Part:
    """The vote and the members on other samples, where the full ensemble is not there."""
    alone = np.asarray(pruner.member_scores(rows.X, rows.y))
    score = float(pruner.score(rows.X, rows.y))
    values = {
        f"{pruner.score_name}_of_the_kept_members": score,
        "best_of_them_alone": float(alone.max()),
        "mean_of_them_alone": float(alone.mean()),
        "worst_of_them_alone": float(alone.min()),
    }
    title = f"on the {len(rows.y):,} samples of {rows.path} (--ensemble adds the full ensemble)"
    return facts("test", title, values)


def _members_part(pruner: Any) -> Part:
    explained: MemberTable = pruner.explain()
    names = explained.names
    rows = [
        {
            "member": i,
            "name": names[i],
            "kept": bool(explained.kept[i]),
            "weight": float(explained.weight[i]),
            "score": float(explained.score[i]),
            "diversity": float(explained.diversity[i]),
            "cost": None if explained.cost is None else float(explained.cost[i]),
            "entry_lam": float(explained.entry_lam[i]),
            "leave_one_out_increase": float(explained.leave_one_out_increase[i]),
            "most_similar_member": None
            if explained.most_similar_member[i] < 0
            else names[explained.most_similar_member[i]],
            "error_correlation": float(explained.error_correlation[i]),
        }
        for i in range(len(names))
    ]
    return passage("explained", str(explained), rows)
