"""``skprune report``: what a saved estimator kept."""

import os
from argparse import Namespace
from dataclasses import dataclass, replace
from typing import Any

import joblib
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from ..amount import PruningAmountOptimizer
from ..compression import EnsembleCompressor, PrunedCNNClassifier
from ..exceptions import SavedFormatError
from ..multiview import PrunedMultiViewClassifier
from ..pruning import BasePruner, are_listed, is_fitted, known_members
from ._amount_parts import amount_parts
from ._cut_parts import compressor_parts, cut_network_parts, cut_views_parts
from ._document import Answer, Part, as_json, as_text, passage
from ._errors import FAILED, Refused, refusing
from ._files import check_file, first_bytes, open_arrays
from ._output import check_output
from ._pruner_parts import Rows, pruner_parts

__all__ = ["run"]

_TAKEN = (
    "SOCPEnsemblePruner and its kin, PruningAmountOptimizer, PrunedCNNClassifier, "
    "PrunedMultiViewClassifier, EnsembleCompressor, or a search or pipeline round one of them"
)


def run(args: Namespace) -> Answer:
    """Report on a saved estimator.

    Parameters
    ----------
    args : Namespace
        What the parser made of the arguments.

    Returns
    -------
    Answer
    """
    check_output(args.output, "--output", args.file, args.data, args.ensemble)
    if args.ensemble is not None and args.data is None:
        raise Refused("--ensemble is for the tables of other samples: give --data too.")
    rows = None if args.data is None else _read_rows(args.data)
    found = _unwrapped(_load(args.file), args.file)
    if rows is not None:
        with refusing(args.data):
            rows = replace(rows, X=_transformed(found, rows.X))
    parts = [_head(args.file, found), *_parts(args, found.estimator, rows)]
    return Answer(as_json(parts) if args.format == "json" else as_text(parts))


def _parts(args: Namespace, estimator: Any, rows: Rows | None) -> list[Part]:
    if isinstance(estimator, PruningAmountOptimizer):
        if args.data is not None:
            raise Refused(
                f"--data {args.data}: {args.file} holds a PruningAmountOptimizer, which predicts "
                "no samples; leave --data out."
            )
        return amount_parts(estimator)
    if args.ensemble is not None and not isinstance(estimator, BasePruner):
        raise Refused(
            f"--ensemble {args.ensemble}: that is for a pruner of ensembles; {args.file} holds a "
            f"{type(estimator).__name__}."
        )
    with refusing(args.file if args.data is None else f"{args.file} with {args.data}"):
        if isinstance(estimator, BasePruner):
            return pruner_parts(estimator, rows, _full_ensemble(args.ensemble))
        if isinstance(estimator, PrunedCNNClassifier):
            return cut_network_parts(estimator, rows)
        if isinstance(estimator, EnsembleCompressor):
            return compressor_parts(estimator, rows)
        return cut_views_parts(estimator, rows)


def _full_ensemble(path: str | None) -> Any:
    if path is None:
        return None
    ensemble = _load(path)
    members = known_members(ensemble) if are_listed(ensemble) else [ensemble]
    for member in members:
        if not is_fitted(member):
            raise Refused(
                f"{path}: it must hold the fitted full ensemble; {type(member).__name__} is not "
                "fitted."
            )
    return ensemble


def _read_rows(path: str) -> Rows:
    with open_arrays(path, ("X", "y")) as (file, headers):
        X, y = headers["X"].shape, headers["y"].shape
        if len(X) < 2 or len(y) not in (1, 2) or X[0] != y[0] or X[0] == 0:
            raise Refused(
                "X must have shape (samples, ...) and y (samples,), with at least one sample; they "
                f"have {X} and {y}."
            )
        return Rows(file.read("X"), file.read("y"), path)


def _load(path: str) -> Any:
    """Load a joblib file, which runs the code that it holds."""
    check_file(path)
    kind = first_bytes(path)
    if kind and not kind.startswith(("a pickle", "a gzip")):
        article = "" if kind == "empty" else ", not a joblib file"
        raise Refused(f"{path}: it is {kind}{article}. Write it with joblib.dump(estimator, path).")
    # TensorFlow, where a network comes with it, greets otherwise.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return joblib.load(path)
    except SavedFormatError as error:
        raise Refused(f"{path}: {error}") from error
    except ImportError as error:
        raise Refused(
            f"{path}: it needs what is not installed here: {error}. Install what it was saved "
            "with.",
            FAILED,
        ) from error
    except Exception as error:  # whatever bytes make a pickle do
        raise Refused(
            f"{path}: it is not what joblib.dump writes, or is damaged or cut short: "
            f"{type(error).__name__}: {error}"
        ) from error


@dataclass(frozen=True)
class _Found:
    """An estimator of skprune, and what it was wrapped in.

    Attributes
    ----------
    estimator : fitted estimator
        The innermost one.
    steps : tuple of Pipeline
        What samples go through on the way to it.
    within : tuple of str
        Names of what it was in, the outermost first.
    search : dict
        What a search chose: ``best_params`` and ``best_score``.
    """

    estimator: Any
    steps: tuple[Any, ...] = ()
    within: tuple[str, ...] = ()
    search: Any = None


def _unwrapped(loaded: Any, path: str) -> _Found:
    """Look through searches, pipelines and frozen estimators."""
    found = _Found(loaded)
    while True:
        estimator = found.estimator
        name = type(estimator).__name__
        if hasattr(estimator, "cv_results_") and not isinstance(estimator, BasePruner):
            if not hasattr(estimator, "best_estimator_"):
                raise Refused(f"{path}: the {name} has refit=False, and holds no fitted estimator.")
            chosen = {
                "best_params": estimator.best_params_,
                "best_score": getattr(estimator, "best_score_", None),
            }
            found = replace(found, estimator=estimator.best_estimator_, search=chosen)
        elif isinstance(estimator, Pipeline):
            before = estimator[:-1]
            steps = (*found.steps, before) if len(before) else found.steps
            found = replace(found, estimator=estimator[-1], steps=steps)
        elif isinstance(estimator, FrozenEstimator):
            found = replace(found, estimator=estimator.estimator)
        else:
            break
        found = replace(found, within=(*found.within, name))
    _check_kind(estimator, path)
    return found


def _check_kind(estimator: Any, path: str) -> None:
    kinds = (
        BasePruner,
        PruningAmountOptimizer,
        PrunedCNNClassifier,
        PrunedMultiViewClassifier,
        EnsembleCompressor,
    )
    name = type(estimator).__name__
    if not isinstance(estimator, kinds):
        if hasattr(estimator, "param_grid") or hasattr(estimator, "param_distributions"):
            raise Refused(f"{path}: the {name} in it is not fitted; save it after fit.")
        raise Refused(f"{path}: it holds a {name}, which has nothing pruned. Taken are {_TAKEN}.")
    if not estimator.__sklearn_is_fitted__():
        raise Refused(f"{path}: the {name} in it is not fitted; save it after fit.")


def _transformed(found: _Found, X: Any) -> Any:
    for step in found.steps:
        X = step.transform(X)
    return X


def _head(path: str, found: _Found) -> Part:
    name = type(found.estimator).__name__
    text = f"{os.path.basename(path)}: {name}"
    values: dict[str, Any] = {"file": path, "kind": name, "within": found.within}
    if found.within:
        text += f", in {' in '.join(reversed(found.within))}"
    if found.search is not None:
        values |= found.search
        said = ", ".join(f"{name} {value}" for name, value in found.search["best_params"].items())
        text += f"\nchosen by the search: {said}"
        if found.search["best_score"] is not None:
            text += f"; mean score over its folds {found.search['best_score']:.4f}"
    return passage("model", text, values)
