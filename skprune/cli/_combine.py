"""``skprune combine``: what the kept members predict together, for new samples."""

import json
import os
from argparse import Namespace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._version import __version__
from ..pruning import SOCPEnsemblePruner, SOCPEnsemblePrunerRegressor
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
    pruner, names = _read_weights(args.weights)
    P = read_members(args.file, names, by_class=hasattr(pruner, "classes_"))
    with refusing(args.file):
        _check(pruner, P)
        arrays = _combined(pruner, P)
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


def _check(pruner: Any, P: NDArray) -> None:
    """Refuse a number for each member and sample where there are several outputs."""
    classes = getattr(pruner, "classes_", None)
    n_outputs = len(pruner.intercept_ if classes is None else classes)
    if P.ndim == 2 and n_outputs > (1 if classes is None else 2):
        what = "targets" if classes is None else "classes"
        raise ValueError(
            f"the weights are for {n_outputs} {what}, and there is one number for a member and a "
            f"sample. Give an .npz file with P of shape (members, samples, {what}), or a .parquet "
            "file with lists."
        )


def _combined(pruner: Any, P: NDArray) -> dict[str, Any]:
    """Probabilities, classes and the predicted ones; or predicted targets."""
    found = pruner.combine(P)
    if not hasattr(pruner, "classes_"):
        return {"predicted": found}
    classes = pruner.classes_
    return {"proba": found, "classes": classes, "predicted": classes[found.argmax(axis=1)]}


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


def _read_weights(path: str) -> tuple[Any, list[str] | None]:
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
        return _as_pruner(found)
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(
            f"{path}: it is damaged ({type(error).__name__}: {error}). {again}"
        ) from error


def _as_pruner(found: dict[str, Any]) -> tuple[Any, list[str] | None]:
    """A pruner that combines as the one of ``select``, and the names of its kept members."""
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
    pruner: Any
    if classes is None:
        pruner = SOCPEnsemblePrunerRegressor()
        pruner._flat = n_outputs == 1
    else:
        pruner = SOCPEnsemblePruner(voting=voting)
        pruner.classes_ = np.array(classes)
        pruner.temperature_ = float(found["vote"]["temperature"])
    if intercept is not None:
        pruner.intercept_ = intercept
    pruner.weights_, pruner.support_, pruner.sample_shape_ = weights, kept, None
    names = [row["name"] for row in members if row["kept"]] if "name" in members[0] else None
    return pruner, names
