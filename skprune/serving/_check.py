"""Whether a graph predicts what the estimator predicts that it was made of."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..exceptions import GraphFileError, UnsupportedMemberError
from ..utils import Vote, VotingMember, unfreeze, weighted_sum
from ._networks import is_network, network_of

__all__ = ["check_graph"]

_ROWS = 32
_TOLERANCE = 1e-5
# Of a vote of logarithms: they enlarge what the members differ by, up to a thousandfold where a
# probability is at the floor.
_TOLERANCE_OF_LOGS = 1e-3


def check_graph(
    estimator: Any,
    vote: Vote,
    shape: tuple[int, ...],
    predict: Callable[[Any], tuple[NDArray, NDArray]],
    X: ArrayLike | None = None,
) -> None:
    """Compare a graph with its estimator, on samples that are given or random.

    Parameters
    ----------
    estimator : fitted estimator
        What the graph was made of.
    vote : Vote
        What it is made of.
    shape : tuple of int
        Shape of the graph's samples.
    predict : callable
        The graph: from samples to the vote, (n, k), and what the members say, (m, n, k).
    X : array-like, default=None
        Samples as the estimator takes them. None draws some.

    Raises
    ------
    UnsupportedMemberError
        If a member says something else in the graph; it is named.
    GraphFileError
        If the vote is not that of the members in the graph, to 1e-5, or not that of the estimator,
        to 1e-5, or to 1e-3 where it is made of logarithms.
    """
    where = "the samples that were given" if X is not None else "random samples"
    samples = _random_samples(vote, vote.sample_shape or shape) if X is None else X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of samples without names of columns
        if vote.classes is None:
            expected, own = estimator.predict(samples), _array(estimator.member_predict(samples))
        else:
            expected, own = estimator.predict_proba(samples), _members(estimator, vote, samples)
    found, members = predict(samples)
    for member, in_graph, alone in zip(vote.members, members, own, strict=True):
        gap = _gap(in_graph, alone)
        if not gap <= _TOLERANCE:  # NaN too
            kind = type(unfreeze(member.estimator)).__name__
            raise UnsupportedMemberError(
                f"{member.name} ({kind}) says something else in the graph: a difference of "
                f"{gap:.2g} on {where}. {_why(member, X is not None)}"
            )
    rows = np.ones(len(found), bool)
    if vote.classes is not None and vote.rule.voting == "hard":
        # A vote of choices jumps where two classes are equally probable.
        ranked = np.sort(members, axis=2)
        rows = (ranked[:, :, -1] - ranked[:, :, -2] > 1e-3).all(axis=0)
    exponents = _exponents(vote)
    gap = _gap(found[rows], _combined(vote, members)[rows])
    if not gap <= _TOLERANCE * max(1.0, exponents / 5):  # rounding of their sum
        raise GraphFileError(
            f"The vote of the graph differs by {gap:.2g} on {where} from what its members give: "
            "an error of skprune or of the runtime. Please report it."
        )
    expected = np.reshape(expected, found.shape)
    gap = _gap(found[rows], expected[rows])
    if not gap <= (_TOLERANCE_OF_LOGS if exponents else _TOLERANCE):
        why = "its class changes what they say"
        if _gap(expected[rows], _combined(vote, own)[rows]) <= _TOLERANCE:
            why = "logarithms of small probabilities enlarge the differences of members"
        raise GraphFileError(
            f"The vote of the graph differs from that of {type(estimator).__name__} by {gap:.2g} "
            f"on {where}, although all members agree: {why}."
        )


def _exponents(vote: Vote) -> float:
    """Sum of the exponents of probabilities; 0 for a vote without logarithms."""
    if vote.rule.voting == "log":
        return sum(member.weight for member in vote.members)
    return 0.0 if vote.rule.temperature == 1 else 1 / vote.rule.temperature


def _combined(vote: Vote, members: NDArray) -> NDArray[np.float64]:
    """The vote, in double precision, of what members give, (m, n, k)."""
    weights = [member.weight for member in vote.members]
    if vote.classes is None:
        return weighted_sum(members, weights) + vote.intercept
    return vote.rule.proba(vote.rule.votes(members, weights))


def _why(member: VotingMember, given: bool) -> str:
    if is_network(member):
        why = (
            "Either its class changes what its network says, or it does not compute in single "
            "precision."
        )
    else:
        why = (
            "Graphs compute in single precision, which is too little for it where a column is "
            "far from zero or a decision is close: scale the columns first."
        )
    if given:
        return why
    return f"{why} If only such samples are wrong, give export_onnx samples as they will come, X."


def _random_samples(vote: Vote, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Numbers of the size that the networks are made for; of several sizes where that is unknown.

    Far beyond it logits are so large that single precision rounds them by more than the tolerance.
    """
    rng = np.random.default_rng(0)
    X = rng.normal(size=(_ROWS, *shape))
    for member in vote.members:
        offset, scale = (getattr(unfreeze(member.estimator), n, None) for n in ("offset", "scale"))
        if offset is not None and scale is not None:
            return (offset + scale * X).astype(np.float32)
        if is_network(member):
            for layer in network_of(member).layers:
                if type(layer).__name__ == "Rescaling":
                    X = (X - np.mean(layer.offset)) / np.mean(layer.scale)
                    break
            return X.astype(np.float32)
    sizes = rng.choice([0.5, 5.0, 100.0], _ROWS)
    return (X * sizes.reshape(-1, *(1,) * len(shape))).astype(np.float32)


def _members(estimator: Any, vote: Vote, X: Any) -> NDArray:
    if hasattr(estimator, "member_predict_proba"):
        return _array(estimator.member_predict_proba(X))
    return np.stack([member.estimator.predict_proba(np.asarray(X)) for member in vote.members])


def _array(predictions: Any) -> NDArray:
    """What the members predict, from an array or a dict by names."""
    return np.stack(list(predictions.values() if isinstance(predictions, dict) else predictions))


def _gap(found: NDArray, wanted: NDArray) -> float:
    """The largest difference, as a share of the largest number where that is above one."""
    scale = max(1.0, float(np.abs(wanted).max(initial=0)))
    return float(np.abs(found - wanted).max(initial=0)) / scale
