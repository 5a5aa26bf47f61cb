"""What members cost, and limits on the members that are kept."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import check_countable, latencies, n_parameters
from ..socp import Limits
from ..socp import check_costs as checked_numbers
from ..utils import is_integer
from ._members import Members, expected_n_members, known_members, named_members

__all__ = ["check_costs", "check_limits", "limits_of", "member_costs"]


def check_costs(costs: Any, max_cost: Any, estimator: Any, *, prefit: bool) -> None:
    """Raise for costs that the members cannot have, or that no member can meet."""
    if costs is None:
        if max_cost is not None:
            raise ValueError(
                f"max_cost={max_cost!r} needs costs: give costs='parameters', 'latency' "
                "or one number a member."
            )
    elif isinstance(costs, str) and estimator is None:
        raise ValueError(
            f"costs={costs!r} needs an estimator, and estimator is None: give the costs as "
            "numbers, one a member."
        )
    elif not isinstance(costs, str):
        n_members = expected_n_members(estimator, prefit)
        numbers = checked_numbers(costs, np.size(costs) if n_members is None else n_members)
        _check_budget(numbers, max_cost)
    elif costs == "parameters":
        listed = named_members(estimator) if isinstance(estimator, list) else []
        names = [name for name, _ in listed] or map(str, itertools.count())
        for name, member in zip(names, known_members(estimator), strict=False):
            _of_member(name, check_countable, member)


def _of_member(name: str, function: Callable[[Any], Any], member: Any) -> Any:
    """What a function of one member returns; its error names the member."""
    try:
        return function(member)
    except TypeError as error:
        raise TypeError(f"costs='parameters', but member {name!r}: {error}") from error


def _check_budget(costs: NDArray[np.float64], max_cost: float | None) -> None:
    """Raise if no member is cheap enough."""
    if max_cost is not None and costs.min() > max_cost * (1 + 1e-12):
        raise ValueError(
            f"max_cost={max_cost:g} is less than the cheapest member costs, {costs.min():g}: no "
            "member can be kept."
        )


def member_costs(
    costs: Any, max_cost: float | None, members: Members, X: Any, names: tuple[str, ...]
) -> NDArray[np.float64] | None:
    """What each member costs: as given, or counted, or measured on some calibration rows X."""
    if costs is None:
        return None
    if not isinstance(costs, str):
        found = checked_numbers(costs, len(members))
    elif costs == "parameters":
        found = _parameters(members, names)
    else:
        found = _seconds(members, X, names)
    _check_budget(found, max_cost)
    return found


def _parameters(members: Members, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Number of parameters of each member."""
    counts = np.empty(len(members))
    for i in range(len(members)):
        member = members.member(i)
        counts[i] = _of_member(names[i], n_parameters, member)
        if counts[i] == 0:
            raise ValueError(
                f"costs='parameters', but member {names[i]!r} ({type(member).__name__}) has "
                "none; give the costs as numbers, one a member."
            )
    return counts


def _seconds(members: Members, X: Any, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Seconds that each member takes to predict X."""
    if X is None:
        raise ValueError(
            "costs='latency' is measured on calibration rows, of which fit_predictions sees none; "
            "give the costs as numbers, one a member, or call fit."
        )
    if members.has_files:  # one at a time, although load of the machine may then affect some only
        one = np.eye(len(members), dtype=bool)
        seconds = np.concatenate([latencies(members.subset(i).member_calls(X)) for i in one])
    else:
        seconds = latencies(members.member_calls(X))
    if not seconds.min() > 0:
        i = int(seconds.argmin())
        raise ValueError(
            f"costs='latency', but member {names[i]!r} ({type(members.member(i)).__name__}) is "
            "faster than the clock; give the costs as numbers, one a member."
        )
    return seconds


def check_limits(pruner: Any, names: tuple[str, ...] | None, n_members: int | None) -> None:
    """Raise for limits that contradict each other, or that no member can meet.

    ``names`` and ``n_members`` are those of the members, where they are known.
    """
    if pruner.families is None:
        if pruner.max_per_family is not None:
            raise ValueError(
                f"max_per_family={pruner.max_per_family!r} needs families: give a family for each "
                "member, or a mapping from names to families."
            )
    elif pruner.max_per_family is None:
        raise ValueError("families needs max_per_family, the most members to keep of each.")
    if n_members is None and names is not None:
        n_members = len(names)
    if n_members is not None:
        costs = pruner.costs
        known = costs is not None and not isinstance(costs, str)
        limits_of(pruner, names, checked_numbers(costs, n_members) if known else None, n_members)


def limits_of(
    pruner: Any,
    names: tuple[str, ...] | None,
    costs: NDArray[np.float64] | None,
    n_members: int,
) -> Limits:
    """The limits as arrays; raise for those that no set of members meets."""
    keep = np.zeros(n_members, dtype=bool)
    if pruner.keep is not None:
        keep[_positions(pruner.keep, names, n_members)] = True
    families = None
    if pruner.families is not None:
        families = np.unique(_families(pruner.families, names, n_members), return_inverse=True)[1]
    limits = Limits.of(
        n_members,
        n_members=pruner.max_members,
        costs=costs,
        max_cost=None if costs is None else pruner.max_cost,
        keep=keep,
        families=families,
        max_per_family=pruner.max_per_family,
    )
    if keep.sum() > limits.n_members:
        raise ValueError(
            f"keep names {keep.sum()} members, more than max_members={pruner.max_members}."
        )
    if limits.budget_left(keep) < 0:
        raise ValueError(
            f"The members in keep cost {limits.costs[keep].sum():g} together, more than "
            f"max_cost={pruner.max_cost:g}."
        )
    if not limits.allow(keep):
        raise ValueError(
            f"keep names more than max_per_family={pruner.max_per_family} members of one family."
        )
    return limits


def _positions(keep: Any, names: tuple[str, ...] | None, n_members: int) -> NDArray[np.intp]:
    """Positions of members that are given by names or positions."""
    positions = []
    for member in [keep] if isinstance(keep, str) else list(keep):
        if isinstance(member, str):
            if names is None or member not in names:
                known = "the members have no names" if names is None else f"names are {names[:10]}"
                raise ValueError(f"keep names {member!r}, which is no member: {known}.")
            positions.append(names.index(member))
        elif is_integer(member) and 0 <= member < n_members:
            positions.append(int(member))
        else:
            raise ValueError(
                f"keep must hold names of members, or positions in 0 .. {n_members - 1}; it holds "
                f"{member!r}."
            )
    return np.array(positions, dtype=np.intp)


def _families(families: Any, names: tuple[str, ...] | None, n_members: int) -> NDArray:
    """A family for each member."""
    if isinstance(families, Mapping):
        if names is None:
            raise ValueError(
                "families is a mapping from names, and the members have no names: give a family "
                f"for each of the {n_members} members."
            )
        missing = [name for name in names if name not in families]
        strange = [name for name in families if name not in names]
        if missing or strange:
            raise ValueError(
                "families must map each member's name to its family; "
                + (f"it lacks {missing[:5]}" if missing else f"{strange[:5]} are no members")
                + "."
            )
        families = [families[name] for name in names]
    labels = np.asarray(families)
    if labels.shape != (n_members,):
        raise ValueError(
            f"families must have a family for each of the {n_members} members; got shape "
            f"{labels.shape}."
        )
    return labels
