"""Compiled functions of several networks: when one pays, and where it is kept.

One call of many small networks costs little more than its arithmetic; so many calls of one cost
their overhead each. Compiling costs too, so it is done where it pays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any, Protocol
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from ._fork import check_not_forked

__all__ = ["Joint", "get_compiled", "record_eager_time"]

# Sets of members, with one and the same first of them, whose compiled functions are kept.
_MOST_SETS = 8
# Kept in the dictionary of the network itself, or of the first of several, and gone with it: a
# compiled function holds what it was made of, so that in a table of ours it would never go.
_SECONDS, _JOINTS = "_skprune_seconds_alone", "_skprune_joints"
# Threads that predict at once compile once.
_making = RLock()


class Joint(Protocol):
    """What predicts with several networks at once."""

    def predict(self, X: NDArray[np.float32]) -> Sequence[NDArray]:
        """Outputs of each network, (n, C)."""


@dataclass(frozen=True, eq=False)
class _Made:
    members: list[ref]
    parts: list[Any]
    joint: Joint

    def is_of(self, members: Sequence[Any], parts: Sequence[Any]) -> bool:
        known = [r() for r in self.members]
        return _same(known, members) and _same(self.parts, parts)


def _same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def record_eager_time(network: Any, seconds: float) -> None:
    """Remember what it took to predict with one network by itself.

    Parameters
    ----------
    network : object
        Stands for it.
    seconds : float
        What it took.
    """
    vars(network)[_SECONDS] = vars(network).get(_SECONDS, 0.0) + seconds


def get_compiled(
    members: Sequence[Any],
    made_of: Sequence[Any],
    make: Callable[[], Joint],
    seconds: float = 0.0,
) -> Joint | None:
    """The compiled function of these members; None as long as compiling it does not pay.

    It pays once predicting one by one has cost what compiling will. What was spent is used up then,
    so that whatever sets of members are asked for, no more than twice is paid.

    Parameters
    ----------
    members : sequence of objects
        It is kept for as long as the first of them is.
    made_of : sequence of objects
        What it is made of: another object in one's place, and it is made again.
    make : callable
        Makes it.
    seconds : float, default=0.0
        What compiling takes for each of them, roughly.

    Returns
    -------
    Joint or None

    Raises
    ------
    RuntimeError
        If networks cannot run in this process.
    """
    check_not_forked()
    found = _find(members, made_of)
    if found is None and _spent(members) >= seconds * len(members):
        with _making:
            found = _find(members, made_of)
            if found is None:
                for member in members:
                    vars(member).pop(_SECONDS, None)
                found = _Made([ref(member) for member in members], list(made_of), make())
                kept = vars(members[0]).setdefault(_JOINTS, [])
                kept.append(found)
                del kept[:-_MOST_SETS]
    return None if found is None else found.joint


def _find(members: Sequence[Any], made_of: Sequence[Any]) -> _Made | None:
    kept = list(vars(members[0]).get(_JOINTS, ()))
    return next((made for made in kept if made.is_of(members, made_of)), None)


def _spent(members: Sequence[Any]) -> float:
    return sum(vars(member).get(_SECONDS, 0.0) for member in members)
