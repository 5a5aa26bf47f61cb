"""The parameter ``estimator``: an ensemble, or a list of members and of files of members."""

import os
from collections import Counter
from typing import Any

from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from ..exceptions import MemberFileError
from ..utils import MemberFile

__all__ = [
    "check_estimator_parameter",
    "check_fitted_members",
    "check_trainable",
    "holds_only_fitted",
    "named_members",
    "with_files",
]


def with_files(estimator: Any) -> Any:
    """The same, with a MemberFile in the place of each path in a list.

    Parameters
    ----------
    estimator : estimator, or list of estimators, paths and (name, estimator or path)
        What a pruner was given.

    Returns
    -------
    object
    """
    if not isinstance(estimator, list):
        return estimator
    return [
        (item[0], _filed(item[1])) if isinstance(item, tuple) and len(item) == 2 else _filed(item)
        for item in estimator
    ]


def _filed(member: Any) -> Any:
    if isinstance(member, MemberFile) or not isinstance(member, str | os.PathLike):
        return member
    return MemberFile(os.fspath(member))


def named_members(estimator: list[Any]) -> list[tuple[str, Any]]:
    """(name, member) of a list; a path that has no name is its own.

    Parameters
    ----------
    estimator : list of paths and (name, estimator or path)
        As it passes :func:`check_estimator_parameter`.

    Returns
    -------
    list of (str, estimator or MemberFile)
    """
    return [m if isinstance(m, tuple) else (m.path, m) for m in with_files(estimator)]


def holds_only_fitted(estimator: Any) -> bool:
    """Whether there is nothing to train: all members are FrozenEstimators, or files.

    Parameters
    ----------
    estimator : estimator or list
        What a pruner was given.

    Returns
    -------
    bool
    """
    if isinstance(estimator, list):
        members = [member for _, member in named_members(estimator)]
        return all(isinstance(member, FrozenEstimator | MemberFile) for member in members)
    return isinstance(estimator, FrozenEstimator)


def check_estimator_parameter(estimator: Any) -> None:
    """Refuse what cannot be an ensemble, or a list of named members and existing files."""
    if not isinstance(estimator, list):
        _check_member(estimator)
        return
    if not estimator:
        raise ValueError("estimator must hold at least one (name, estimator); got [].")
    for item, given in zip(with_files(estimator), estimator, strict=True):
        if isinstance(item, MemberFile):
            continue
        if not (isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)):
            raise TypeError(
                "estimator as a list must hold (name, estimator) pairs, or paths of fitted "
                f"members; it holds {given!r:.100}."
            )
    members = named_members(estimator)
    names = [name for name, _ in members]
    twice = sorted(name for name, n in Counter(names).items() if n > 1)
    if twice:
        raise ValueError(f"The names in estimator must differ; {twice} occur more than once.")
    taken = sorted({"splitter", "method_mapping"} & set(names))
    if taken:
        raise ValueError(f"{taken} cannot be names in estimator: metadata routing uses them.")
    for _, member in members:
        if not isinstance(member, MemberFile):
            _check_member(member)
    _check_files(members)


def _check_member(member: Any) -> None:
    if not hasattr(member, "fit") or not hasattr(member, "get_params"):
        raise TypeError(
            "estimator must be an ensemble, a list of (name, estimator), of paths of fitted "
            f"members, or FrozenEstimators of fitted ones; got {type(member).__name__}."
        )


def _check_files(members: list[tuple[str, Any]]) -> None:
    """Name what is missing, before any file is loaded."""
    missing = []
    for name, member in members:
        if isinstance(member, MemberFile):
            try:
                member.check_exists()
            except MemberFileError as error:
                missing.append(str(error) if name == member.path else f"{name!r}: {error}")
    if missing:
        more = f" So it is with {len(missing) - 1} more." if len(missing) > 1 else ""
        raise MemberFileError(f"estimator holds a path without a file: {missing[0]}{more}")


def check_trainable(estimator: Any, cv: Any) -> None:
    """Refuse files beside members that are to be trained.

    Parameters
    ----------
    estimator : estimator or list
        What a pruner was given, and is not all fitted.
    cv : object
        As in the pruner.

    Raises
    ------
    ValueError
        If some members are files.
    """
    if not isinstance(estimator, list):
        return
    members = named_members(estimator)
    if any(isinstance(member, MemberFile) for _, member in members):
        fitted = FrozenEstimator | MemberFile
        loose = [name for name, member in members if not isinstance(member, fitted)]
        raise ValueError(
            f"estimator holds files of fitted members, and {loose[:5]} which cv={cv!r} would "
            "train beside them. Give cv='prefit' if these are fitted too (or wrap them in "
            "sklearn.frozen.FrozenEstimator), or train them apart."
        )


def check_fitted_members(estimator: Any) -> None:
    """Refuse members that are not fitted, although they were said to be.

    Parameters
    ----------
    estimator : estimator or list of members
        What is to be fitted. Files are looked into when they are used.

    Raises
    ------
    ValueError
        If a member is not fitted.
    """
    members = (
        named_members(estimator) if isinstance(estimator, list) else [("estimator", estimator)]
    )
    for name, member in members:
        if isinstance(member, MemberFile):
            continue
        try:
            check_is_fitted(member)
        except NotFittedError as error:
            raise ValueError(
                f"cv='prefit' needs fitted members, and {name!r} is not fitted. Fit it first, and "
                "wrap it in sklearn.frozen.FrozenEstimator: clone (and so GridSearchCV) returns "
                "anything else unfitted."
            ) from error
