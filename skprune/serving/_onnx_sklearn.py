"""Members of scikit-learn's kinds in an ONNX graph, by skl2onnx."""

import copy
from contextlib import suppress
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from ..exceptions import UnsupportedMemberError
from ..utils import VotingMember, unfreeze
from ._onnx_graph import OPSETS, OnnxGraph
from ._predictor import load_extra

__all__ = ["add_estimator"]


def add_estimator(graph: OnnxGraph, member: VotingMember, X: str, n_features: int) -> str:
    """Add a fitted estimator of scikit-learn's.

    Parameters
    ----------
    graph : OnnxGraph
        What grows.
    member : VotingMember
        A classifier with probabilities, or a regressor.
    X : str
        Flat rows.
    n_features : int
        Their length.

    Returns
    -------
    str
        Probabilities of its classes, or predictions.

    Raises
    ------
    UnsupportedMemberError
        If skl2onnx has no converter for it.
    ImportError
        If skl2onnx is not installed.
    """
    skl2onnx = load_extra("skl2onnx", "onnx")
    types = load_extra("skl2onnx.common.data_types", "onnx")
    estimator = unfreeze(member.estimator)
    if member.features is not None:
        X = graph.node("Gather", X, graph.constant(np.asarray(member.features, np.int64)), axis=1)
        n_features = len(member.features)
    if member.columns is not None:
        estimator = _with_codes(estimator)
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    try:
        model = skl2onnx.convert_sklearn(
            estimator,
            initial_types=[("X", types.FloatTensorType([None, n_features]))],
            options=None if member.columns is None else {id(last): {"zipmap": False}},
            target_opset=OPSETS,
        )
        outputs = graph.include(model.graph, {"X": X})
    except Exception as error:  # whatever a converter stumbles over
        raise UnsupportedMemberError(
            f"{member.name} ({type(estimator).__name__}) cannot be written as ONNX by skl2onnx "
            f"{skl2onnx.__version__}: {_in_short(error)}. Give the pruner members of which it "
            "knows a converter, or register one with skl2onnx.update_registered_converter."
        ) from error
    return outputs[-1]


def _with_codes(estimator: Any) -> Any:
    """The same with integers as classes: only the order of its columns is looked at."""
    if np.asarray(getattr(estimator, "classes_", 0)).dtype.kind in "iuOU":
        return estimator
    twin = copy.copy(estimator)
    with suppress(AttributeError):  # of a Pipeline they are a property
        twin.classes_ = np.arange(len(estimator.classes_))
    return twin


def _in_short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 200 else text[:200] + "..."
