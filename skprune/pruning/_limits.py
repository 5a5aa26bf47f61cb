"""What members cost, and limits on the members that are kept."""

import itertools
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import check_countable, latencies, n_parameters
from ..socp import Limits, within_budget
from ..socp import check_costs as checked_numbers
from ..utils import is_integer
from ._members import (
    Members,
    expected_n_members,
    kept_in_list,
    known_members,
    listed_members,
    named_members,
)

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
        costs = _of_members(costs, estimator)
        numbers = checked_numbers(costs, np.size(costs) if n_members is None else n_members)
        _check_budget(numbers, max_cost)
    elif costs == "parameters":
        names = [name for name, _ in named_members(estimator)] or map(str, itertools.count())
        for name, member in zip(names, known_members(estimator), strict=False):
            _of_member(name, check_countable, member)


def _of_members(values: Any, estimator: Any) -> Any:
    """One value a member, from one for each entry of a list or a dict, some of them dropped."""
    kept = kept_in_list(estimator)
    if all(kept) or np.ndim(values) != 1 or len(values) != len(kept):
        return values
    return [value for value, is_member in zip(values, kept, strict=True) if is_member]


def _of_member(name: str, function: Callable[[Any], Any], member: Any) -> Any:
    """What a function of one member returns; its error names the member."""
    try:
        return function(member)
    except TypeError as error:
        raise TypeError(f"costs='parameters', but member {name!r}: {error}") from error


def _check_budget(costs: NDArray[np.float64], max_cost: float | None) -> None:
    """Raise if no member is cheap enough."""
    if max_cost is not None and not within_budget(costs.min(), max_cost):
        raise ValueError(
            f"max_cost={max_cost!r} is less than the cheapest member costs, {costs.min():.17g}: no "
            "member can be kept."
        )


def member_costs(
    costs: Any,
    max_cost: float | None,
    estimator: Any,
    members: Members,
    X: Any,
    names: tuple[str, ...],
) -> NDArray[np.float64] | None:
    """What each member costs: as given, or counted, or measured on some calibration rows X."""
    if costs is None:
        return None
    if not isinstance(costs, str):
        found = checked_numbers(_of_members(costs, estimator), len(members))
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
            "costs='latency' is measured on rows, which fit and fit_blocks see: give the costs as "
            "numbers, one a member."
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
    """Raise, before training, for limits that no set of members meets.

    ``names`` and ``n_members`` are those of the members, where they are known.
    """
    if n_members is None and names is not None:
        n_members = len(names)
    _check_families(pruner)
    if n_members is not None:
        costs = _of_members(pruner.costs, pruner.estimator)
        known = costs is not None and not isinstance(costs, str)
        limits_of(pruner, names, checked_numbers(costs, n_members) if known else None, n_members)


def _check_families(pruner: Any) -> None:
    if pruner.families is None and pruner.max_per_family is not None:
        raise ValueError(
            f"max_per_family={pruner.max_per_family!r} needs families: give a family for each "
            "member, or a mapping from names to families."
        )
    if pruner.families is not None and pruner.max_per_family is None:
        raise ValueError("families needs max_per_family, the most members to keep of each.")


def limits_of(
    pruner: Any,
    names: tuple[str, ...] | None,
    costs: NDArray[np.float64] | None,
    n_members: int,
) -> Limits:
    """The limits as arrays; raise for those that no set of members meets."""
    _check_families(pruner)
    keep = np.zeros(n_members, dtype=bool)
    if pruner.keep is not None:
        keep[_positions(pruner.keep, names, n_members, pruner.estimator)] = True
    families = None
    if pruner.families is not None:
        families = _families(pruner.families, names, n_members, pruner.estimator)
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
    if not within_budget(limits.costs[keep].sum(), limits.budget):
        raise ValueError(
            f"The members in keep cost {limits.costs[keep].sum():g} together, more than "
            f"max_cost={pruner.max_cost:g}."
        )
    if not limits.allow(keep):
        raise ValueError(
            f"keep names more than max_per_family={pruner.max_per_family} members of one family."
        )
    return limits


def _positions(
    keep: Any, names: tuple[str, ...] | None, n_members: int, estimator: Any
) -> NDArray[np.intp]:
    """Positions of members that are given by names, or by positions in a list as it is given."""
    positions = []
    listed = listed_members(estimator)
    if len(listed) > n_members and names is not None:  # some are dropped
        entries = [name for name, _ in listed]
        keep = [keep] if isinstance(keep, str) else list(keep)
        keep = [
            entries[each] if is_integer(each) and 0 <= each < len(entries) else each
            for each in keep
        ]
    for member in [keep] if isinstance(keep, str) else list(keep):
        if isinstance(member, str):
            if names is None or member not in names:
                known = "the members have no names" if names is None else f"names are {names[:10]}"
                raise ValueError(f"keep names {member!r}, which is no member: {known}.")
            positions.append(names.index(member))
            continue
        if is_integer(member) and names is not None and str(member) in names:
            at = names.index(str(member))
            if at != member:  # such as integers as the columns of a frame
                raise ValueError(
                    f"keep holds {member!r}, which is a name, of member {at}: give names as text, "
                    f"{str(member)!r}."
                )
        if not is_integer(member) or not 0 <= member < n_members:
            raise ValueError(
                f"keep must hold names of members, or positions in 0 .. {n_members - 1}; it holds "
                f"{member!r}."
            )
        positions.append(int(member))
    return np.array(positions, dtype=np.intp)


def _families(
    families: Any, names: tuple[str, ...] | None, n_members: int, estimator: Any
) -> NDArray[np.intp]:
    """The number of each member's family."""
    if isinstance(families, Mapping):
        if names is None:
            raise ValueError(
                "families is a mapping from names, and the members have no names: give a family "
                f"for each of the {n_members} members."
            )
        by_name = {str(name): family for name, family in families.items()}
        missing = [name for name in names if name not in by_name]
        dropped = {name for name, _ in listed_members(estimator)}
        strange = [name for name in by_name if name not in names and name not in dropped]
        if missing or strange:
            raise ValueError(
                "families must map each member's name to its family; "
                + (f"it lacks {missing[:5]}" if missing else f"{strange[:5]} are no members")
                + "."
            )
        families = [by_name[name] for name in names]
    families = _of_members(families, estimator)
    labels = families.tolist() if isinstance(families, np.ndarray) else list(families)
    if len(labels) != n_members:
        raise ValueError(
            f"families must have a family for each of the {n_members} members; got {len(labels)}."
        )
    numbers: dict[Any, int] = {}
    found = np.empty(n_members, dtype=np.intp)
    for i, label in enumerate(labels):
        if label is None or label != label:
            raise ValueError(
                f"families must have a family for each member; member {i} has {label!r}."
            )
        if not isinstance(label, Hashable):
            raise ValueError(
                f"families must hold labels, such as text or numbers; member {i} has {label!r:.60}."
            )
        found[i] = numbers.setdefault(label, len(numbers))
    return found
