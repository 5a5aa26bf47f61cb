"""Compiled functions of several networks: when one pays, and where it is kept.

One call of many small networks costs little more than its arithmetic; so many calls of one cost
their overhead each. Compiling costs too, so it is done where it pays.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol
from weakref import ref

import numpy as np
from numpy.typing import NDArray

__all__ = ["Joint", "compiling_pays", "joint_of", "note_time_alone"]

# Sets of members, with one and the same first of them, whose compiled functions are kept.
_MOST_SETS = 4
# Kept in the dictionary of the network itself, or of the first of several, and gone with it: a
# compiled function holds what it was made of, so that in a table of ours it would never go.
_SECONDS, _JOINTS = "_skprune_seconds_alone", "_skprune_joints"


class Joint(Protocol):
    """What predicts with several networks at once."""

    def predict(self, X: NDArray[np.float32]) -> Sequence[NDArray]:
        """Outputs of each network, (n, C)."""


def note_time_alone(network: Any, seconds: float) -> None:
    """Remember what it took to predict with one network by itself.

    Parameters
    ----------
    network : object
        Stands for it.
    seconds : float
        What it took.
    """
    vars(network)[_SECONDS] = vars(network).get(_SECONDS, 0.0) + seconds


def compiling_pays(networks: Sequence[Any], seconds: float) -> bool:
    """Whether predicting one by one has cost what compiling will; so no more than twice is paid.

    Parameters
    ----------
    networks : sequence of object
        What stands for them.
    seconds : float
        What compiling takes for each of them, roughly.

    Returns
    -------
    bool
    """
    spent = sum(vars(network).get(_SECONDS, 0.0) for network in networks)
    return spent >= seconds * len(networks)


def joint_of(members: Sequence[Any], made_of: Sequence[Any], make: Callable[[], Joint]) -> Joint:
    """The compiled function of these members, made once.

    Parameters
    ----------
    members : sequence of objects
        It is kept for as long as the first of them is.
    made_of : sequence of objects
        What it is made of: another object in one's place, and it is made again.
    make : callable
        Makes it.

    Returns
    -------
    Joint
    """
    kept = vars(members[0]).setdefault(_JOINTS, [])
    for refs, parts, joint in kept:
        same = len(refs) == len(members) and all(
            r() is m and a is b for r, m, a, b in zip(refs, members, parts, made_of, strict=True)
        )
        if same:
            return joint
    joint = make()
    kept.append(([ref(member) for member in members], list(made_of), joint))
    del kept[:-_MOST_SETS]
    return joint
