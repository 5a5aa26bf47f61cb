"""One ONNX graph of a vote, checked against the estimator that it was."""

import math
import os
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._keras import widest_output
from .._version import __version__
from ..exceptions import GraphFileError, UnsupportedMemberError
from ..utils import Vote, VotingMember, atomic_write, probability_floor, unfreeze
from ._check import check_graph
from ._metadata import KEY, GraphMetadata
from ._networks import is_network, network_of, network_shape, vote_of
from ._onnx_activations import LayerError
from ._onnx_graph import OnnxGraph, Value
from ._onnx_network import add_network
from ._onnx_sklearn import add_estimator
from ._predictor import INPUT, MEMBERS, VOTE, OnnxPredictor, load_extra

__all__ = ["export_onnx"]

# protobuf reads no message of 2 GiB; the rest is for what is not weights.
_MOST_BYTES = 2**31 - 2**24
# Bytes of activations that one batch may fill, roughly.
_BATCH_BYTES = 2**26
_MOST_ROWS = 1024


def export_onnx(estimator: Any, path: str | os.PathLike[str], X: ArrayLike | None = None) -> str:
    """Write one ONNX graph of the kept members and their weighted vote.

    It runs in onnxruntime with nothing else installed, see :class:`OnnxPredictor`. Its input ``X``
    is a batch of samples in single precision; its outputs are ``vote``, of shape (n, n_classes) or
    (n, n_targets), and ``members``, of shape (n, n_members, n_classes). A temperature and a
    logarithmic pool are part of the graph: ``vote`` holds what ``predict_proba`` gives. Batch
    normalizations are folded into the convolutions before them; labels, weights and a format
    number stand in the metadata.

    Parameters
    ----------
    estimator : fitted estimator
        A pruner of any members, a :class:`~skprune.RandomCNNEnsembleClassifier`, a
        :class:`~skprune.PrunedCNNClassifier` or an :class:`~skprune.EnsembleCompressor`. Members
        that are Keras networks are written layer by layer, those of scikit-learn's kinds by
        skl2onnx.
    path : str or PathLike
        Where to. A file of that name is replaced when the new one is whole and was checked.
    X : array-like of shape (n_samples, ...), default=None
        Samples as ``estimator`` takes them, to compare the graph with it on. None draws 32 random
        ones, which find a wrong graph but not what single precision does to your columns: members
        of scikit-learn's kinds mostly compute in double precision.

    Returns
    -------
    str
        The path.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    UnsupportedMemberError
        If a member has no counterpart in ONNX, or says something else there, to 1e-5; the message
        names it and what to use instead.
    GraphFileError
        If the graph is too large for one file, labels cannot be written, or the vote differs from
        that of the estimator: by more than 1e-5, or by more than 1e-3 if it has logarithms
        (``voting="log"``, ``calibrate="temperature"``), which enlarge differences of the members.
    OSError
        If the path cannot be written; before any work.
    ImportError
        If onnx, onnxruntime or skl2onnx is missing (``pip install "skprune[onnx]"``).
    TypeError
        If it is an estimator of another kind.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> from skprune.serving import OnnxPredictor, export_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(20, random_state=0)
    >>> pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     predictor = OnnxPredictor(export_onnx(pruner, f"{folder}/iris.onnx"))
    >>> bool(abs(predictor.predict_proba(X) - pruner.predict_proba(X)).max() < 1e-5)
    True
    """
    load_extra("onnx", "onnx")
    load_extra("onnxruntime", "onnx")
    vote = vote_of(estimator)
    about = _described(estimator, vote)
    _check_size(vote)
    with atomic_write(path) as file:
        model, about = _graph(vote, about)
        written = model.SerializeToString(deterministic=True)
        if len(written) > _MOST_BYTES:
            raise _too_large(len(written))
        file.write(written)
        file.flush()
        predictor = OnnxPredictor(file.name)
        check_graph(estimator, vote, predictor.sample_shape_, predictor._vote_and_members, X)
    return os.fspath(path)


def _described(estimator: Any, vote: Vote) -> GraphMetadata:
    is_mean = vote.classes is not None and vote.rule.voting != "log"
    total = sum(member.weight for member in vote.members) if is_mean else 1.0
    about = GraphMetadata(
        version=__version__,
        estimator=type(unfreeze(estimator)).__name__,
        labels=None,
        label_type=None,
        voting=None,
        members=[member.name for member in vote.members],
        weights=[float(member.weight / total) for member in vote.members],
        sample_shape=[],
        batch_rows=_MOST_ROWS,
        flat=vote.flat,
        feature_names=_column_names(estimator),
    )
    if vote.classes is None:
        return about
    intercept = vote.rule.intercept
    return replace(
        about,
        voting=vote.rule.voting,
        temperature=vote.rule.temperature,
        intercept=None if intercept is None else intercept.tolist(),
    ).with_classes(vote.classes)


def _column_names(estimator: Any) -> list[str] | None:
    names = getattr(unfreeze(estimator), "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def _check_size(vote: Vote) -> None:
    """Refuse networks that are too large together, before any is built or written."""
    total = 0
    for member in vote.members:
        estimator = unfreeze(member.estimator)
        arrays = vars(estimator).get("_weights")
        if arrays is None and is_network(member):
            arrays = estimator.model_.weights
        total += sum(4 * int(np.prod(array.shape)) for array in arrays or ())
    if total > _MOST_BYTES:
        raise _too_large(total)


def _too_large(n_bytes: int) -> GraphFileError:
    return GraphFileError(
        f"The members hold {n_bytes / 2**30:.1f} GiB of weights, and an ONNX file ends at 2 GiB. "
        "Keep fewer members (max_members), cut them down with EnsembleCompressor, or save the "
        "estimator with joblib or skprune.serving.fuse."
    )


def _graph(vote: Vote, about: GraphMetadata) -> tuple[Any, GraphMetadata]:
    graph = OnnxGraph()
    networks = {m.name: network_of(m) for m in vote.members if is_network(m)}
    if len(networks) == len(vote.members):
        shape = network_shape(list(networks.values()), vote)
    else:
        shape = (_n_features(vote),)
    pixels = Value(INPUT, shape)
    outputs = []
    for member in vote.members:
        if member.name in networks:
            name = _network(graph, member, networks[member.name], pixels)
        else:
            name = add_estimator(graph, member, INPUT, shape[0])
        outputs.append(_aligned(graph, member, name, vote))
    in_all = sum(map(widest_output, networks.values()))
    rows = int(np.clip(_BATCH_BYTES // max(1, 4 * in_all), 1, _MOST_ROWS))
    about = replace(about, sample_shape=list(shape), batch_rows=rows)
    k = len(vote.classes) if vote.classes is not None else len(vote.intercept)
    members = graph.node("Concat", *outputs, axis=1) if len(outputs) > 1 else outputs[0]
    found = {VOTE: (_vote(graph, vote, members), (k,)), MEMBERS: (members, (len(outputs), k))}
    model = graph.model({INPUT: shape}, found, {KEY: about.to_json()})
    return model, about


def _network(graph: OnnxGraph, member: VotingMember, model: Any, pixels: Value) -> str:
    own = tuple(model.inputs[0].shape[1:])
    value = pixels
    if own != pixels.shape and None not in own:
        value = Value(graph.reshaped(pixels.name, own), own)
    try:
        name = add_network(graph, model, value).name
    except (LayerError, TypeError) as error:
        raise UnsupportedMemberError(
            f"{member.name} ({type(unfreeze(member.estimator)).__name__}) cannot be written as "
            f"ONNX: {error}. skprune.serving.fuse makes a Keras model of it."
        ) from error
    if member.columns is not None and model.outputs[0].shape[-1] < len(member.columns):
        other = graph.node("Sub", _single(graph, 1), name)
        name = graph.node("Concat", other, name, axis=1)
    return name


def _n_features(vote: Vote) -> int:
    """Length of the rows that members of scikit-learn's kinds are given."""
    shape = vote.sample_shape
    if shape is None:
        first = next(m for m in vote.members if not is_network(m))
        n = getattr(unfreeze(first.estimator), "n_features_in_", None)
        shape = None if n is None or first.features is not None else (int(n),)
    if shape is None or len(shape) != 1:
        raise UnsupportedMemberError(
            f"Members that are no networks need samples that are flat rows; those of this one have "
            f"shape {shape}. Fit it on X.reshape(len(X), -1)."
        )
    return shape[0]


def _aligned(graph: OnnxGraph, member: VotingMember, name: str, vote: Vote) -> str:
    """What a member says of all classes, of shape (n, 1, C); or of all targets, (n, 1, k)."""
    if vote.classes is None:
        return graph.reshaped(name, (1, len(vote.intercept)))
    columns, C = member.columns, len(vote.classes)
    assert columns is not None
    if not np.array_equal(columns, np.arange(C)):
        places = np.eye(C, dtype=np.float32)[columns]
        name = graph.node("MatMul", name, graph.constant(places))
    return graph.reshaped(name, (1, C))


def _vote(graph: OnnxGraph, vote: Vote, members: str) -> str:
    """Equation (1): the weighted mean of the members; a logarithmic pool; a regressor's sum."""
    weights = np.array([[member.weight for member in vote.members]])
    if vote.classes is None:
        k = len(vote.intercept)
        total = graph.node("MatMul", graph.constant(weights.astype(np.float32)), members)
        intercept = graph.constant(vote.intercept.astype(np.float32))
        return graph.node("Add", graph.reshaped(total, (k,)), intercept)
    C, rule = len(vote.classes), vote.rule
    unit = -math.log(probability_floor(C))
    if rule.voting == "log":
        members = _floored_logs(graph, members, C, unit)
    elif rule.voting == "hard":
        chosen = graph.node("ArgMax", members, axis=2, keepdims=0)
        depth = graph.constant(np.array(C, np.int64))
        off_and_on = graph.constant(np.array([0, 1], np.float32))
        members = graph.node("OneHot", chosen, depth, off_and_on)
    # Equal members count exactly one each, so that what is equal of their votes stays equal.
    counts = graph.constant((weights / weights.max()).astype(np.float32))
    total = graph.reshaped(graph.node("MatMul", counts, members), (C,))
    if rule.voting == "log":
        logs = graph.node("Mul", total, _single(graph, unit * weights.max()))
        if rule.intercept is not None:
            logs = graph.node("Add", logs, graph.constant(rule.intercept.astype(np.float32)))
        return graph.node("Softmax", logs, axis=1)
    axis = graph.constant(np.array([1], np.int64))
    mean = graph.node("Div", total, graph.node("ReduceSum", total, axis, keepdims=1))
    if rule.temperature == 1:
        return mean
    power = _single(graph, unit / rule.temperature)
    logs = graph.node("Mul", _floored_logs(graph, mean, C, unit), power)
    return graph.node("Softmax", logs, axis=1)


def _floored_logs(graph: OnnxGraph, probabilities: str, n_classes: int, unit: float) -> str:
    """Logarithms, divided by that of the floor: -1 to 0, both exact where trees give 0 and 1.

    So equal sums of them stay equal in whatever order they are added.
    """
    # Half the floor, so that rounding does not matter before the last Max.
    positive = graph.node("Max", probabilities, _single(graph, probability_floor(n_classes) / 2))
    units = graph.node("Div", graph.node("Log", positive), _single(graph, unit))
    return graph.node("Max", units, _single(graph, -1))


def _single(graph: OnnxGraph, number: float) -> str:
    return graph.constant(np.array(number, np.float32))
