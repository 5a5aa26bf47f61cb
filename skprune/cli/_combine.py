"""``skprune combine``: what the kept members predict together, for new samples."""

import json
import os
from argparse import Namespace
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._version import __version__
from ..pruning import kept_blocks
from ..utils import VotingRule, weighted_sum
from ._document import Answer, Part, as_csv, as_json, passage
from ._errors import Refused, refusing
from ._files import check_file, check_installed
from ._output import check_output
from ._predictions import read_members

__all__ = ["run", "weights_part"]

# Of what `combine` reads; a later one is refused.
_FORMAT = 1


def weights_part(pruner: Any, n_outputs: int) -> Part:
    """What JSON needs for ``combine``, besides members, voting, temperature and classes."""
    intercept = getattr(pruner, "intercept_", None)
    return passage("combine", "", {"format": _FORMAT, "outputs": n_outputs, "intercept": intercept})


def run(args: Namespace) -> Answer:
    """Combine predictions by weights that ``select`` has written.

    Parameters
    ----------
    args : Namespace
        What the parser made of the arguments.

    Returns
    -------
    Answer
    """
    check_output(args.output, "--output", args.weights, args.file)
    ending = os.path.splitext(args.output or "")[1].lower()
    if ending == ".parquet":
        check_installed(args.output, reads=False)
    if ending in (".parquet", ".npz") and args.format == "json":
        raise Refused(f"--format json: --output {args.output} has another format; leave one out.")
    weights = _read_weights(args.weights)
    P = read_members(args.file, weights.names, by_class=weights.classes is not None)
    with refusing(args.file):
        weights.check(P)
        arrays = weights.combined(P)
    if ending == ".npz":
        written = BytesIO()
        np.savez(written, **arrays)
        return Answer(written.getvalue())
    if args.format == "json":
        head = passage("pool", "", {"file": args.file, "weights": args.weights})
        return Answer(as_json([head, *(passage(key, "", arrays[key]) for key in arrays)]))
    columns = _columns(arrays)
    if ending == ".parquet":
        import pandas

        return Answer(pandas.DataFrame(columns).to_parquet(index=False))
    return Answer(as_csv({name: column.tolist() for name, column in columns.items()}))


@dataclass(frozen=True, eq=False)
class _Weights:
    """What ``select`` has written; ``classes`` are None for regression."""

    weights: NDArray[np.float64]  # (M,)
    kept: NDArray[np.bool_]  # (M,)
    names: list[str] | None  # of the kept members
    classes: NDArray | None
    rule: VotingRule
    intercept: NDArray[np.float64] | None
    n_outputs: int

    def check(self, P: NDArray) -> None:
        """Refuse a number for each member and sample where there are several outputs."""
        most = 1 if self.classes is None else 2
        if P.ndim == 2 and self.n_outputs > most:
            what = "targets" if self.classes is None else "classes"
            raise ValueError(
                f"the weights are for {self.n_outputs} {what}, and there is one number for a "
                "member and a sample. Give an .npz file with P of shape (members, samples, "
                f"{what}), or a .parquet file with lists."
            )

    def combined(self, P: NDArray) -> dict[str, Any]:
        """Probabilities, classes and the predicted ones; or predicted targets."""
        by_class, weights = self.classes is not None, self.weights[self.kept]
        blocks = kept_blocks(P, self.kept, None, self.n_outputs, by_class=by_class)
        if self.classes is None:
            sums = np.concatenate([weighted_sum(block, weights) for block in blocks])
            sums += self.intercept
            return {"predicted": sums[:, 0] if self.n_outputs == 1 else sums}
        proba, best = [], []
        for block in blocks:
            votes = self.rule.votes(block, weights)
            proba.append(self.rule.proba(votes))
            best.append(votes.argmax(axis=1))
        return {
            "proba": np.concatenate(proba),
            "classes": self.classes,
            "predicted": self.classes[np.concatenate(best)],
        }


def _columns(arrays: dict[str, NDArray]) -> dict[str, NDArray]:
    """Arrays as the columns of a table."""
    predicted = arrays["predicted"]
    if "proba" in arrays:
        classes = arrays["classes"].tolist()
        columns = {f"proba_{c}": arrays["proba"][:, i] for i, c in enumerate(classes)}
        return {**columns, "predicted": predicted}
    if predicted.ndim == 1:
        return {"predicted": predicted}
    return {f"predicted_{i}": predicted[:, i] for i in range(predicted.shape[1])}


def _read_weights(path: str) -> _Weights:
    """Read what ``select`` has written."""
    check_file(path)
    again = "Give what `skprune select ... --format json --output FILE` writes."
    try:
        with open(path, encoding="utf-8-sig") as file:
            found = json.load(file)
    except ValueError as error:  # also of bytes that are no text
        raise Refused(f"{path}: it is not JSON. {again}") from error
    if not isinstance(found, dict) or not {"skprune", "members", "settings"} <= set(found):
        raise Refused(f"{path}: it is not of skprune select. {again}")
    made_by = f"{path}: it was written by skprune {found['skprune']}"
    if "combine" not in found:
        raise Refused(f"{made_by}, which left out what combine needs: run select again.")
    try:
        number = found["combine"]["format"]
        if number != _FORMAT:
            raise Refused(
                f"{made_by} in format {number}; skprune {__version__} reads format {_FORMAT}. Run "
                "select again, or combine, with the same version."
            )
        return _as_weights(found)
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(
            f"{path}: it is damaged ({type(error).__name__}: {error}). {again}"
        ) from error


def _as_weights(found: dict[str, Any]) -> _Weights:
    members, voting = found["members"], found["settings"]["voting"]
    classes, n_outputs = found["pool"]["classes"], int(found["combine"]["outputs"])
    key = "exponent" if voting == "log" else "weight"
    weights = np.array([row[key] for row in members], dtype=np.float64)
    kept = np.array([row["kept"] for row in members], dtype=bool)
    intercept = found["combine"]["intercept"]
    if intercept is not None:
        intercept = np.array(intercept, dtype=np.float64)
    numbers = [weights, np.ones(n_outputs) if intercept is None else intercept]
    if not all(np.isfinite(each).all() for each in numbers) or not kept.any():
        raise ValueError("weights must be finite, and a member kept")
    if len(numbers[1]) != n_outputs or (classes is not None and len(classes) != n_outputs):
        raise ValueError(f"there must be {n_outputs} classes, biases or intercepts")
    names = None
    if members and "name" in members[0]:
        names = [row["name"] for row in members if row["kept"]]
    rule = VotingRule()
    if classes is not None:
        rule = VotingRule(voting, float(found["vote"]["temperature"]), intercept)
    return _Weights(
        weights,
        kept,
        names,
        None if classes is None else np.array(classes),
        rule,
        intercept,
        n_outputs,
    )
