"""The parameter ``estimator``: an ensemble, or a list of members and of files of members."""

import os
from collections import Counter
from typing import Any

from sklearn.base import is_classifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..exceptions import MemberFileError
from ..utils import BaseSearchCV, MemberFile, check_ensemble, describe, unfreeze

__all__ = [
    "check_classifiers",
    "check_estimator_parameter",
    "check_fitted_members",
    "check_regressors",
    "check_trainable",
    "holds_only_fitted",
    "known_members",
    "named_members",
    "with_files",
]

# Ensembles of copies of `estimator`, and of those in `estimators`.
_OF_ONE = (AdaBoostClassifier, AdaBoostRegressor, BaggingClassifier, BaggingRegressor)
_OF_SEVERAL = (StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor)
# Those whose methods are not known before their fit.
_UNDECIDED = (StackingClassifier, StackingRegressor, BaseSearchCV)


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
        check_ensemble(unfreeze(estimator))
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
    is_class = isinstance(member, type)
    if is_class or not hasattr(member, "fit") or not hasattr(member, "get_params"):
        got = f"the class {member.__name__}" if is_class else type(member).__name__
        raise TypeError(
            "estimator must be an ensemble, a list of (name, estimator), of paths of fitted "
            f"members, or FrozenEstimators of fitted ones; got {got}."
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


def known_members(estimator: Any) -> list[Any]:
    """Members of a list, or of one of scikit-learn's ensembles, that are known before a fit.

    An ensemble that trains copies of one estimator has that one.
    """
    if isinstance(estimator, list):
        return [unfreeze(member) for _, member in named_members(estimator)]
    if type(estimator) in _OF_ONE:
        return [] if estimator.estimator is None else [unfreeze(estimator.estimator)]
    if type(estimator) in _OF_SEVERAL and isinstance(estimator.estimators, list | tuple):
        pairs = [pair for pair in estimator.estimators if isinstance(pair, tuple)]
        return [unfreeze(pair[-1]) for pair in pairs if pair and not isinstance(pair[-1], str)]
    return []


def check_classifiers(estimator: Any) -> None:
    """Refuse, before any fit, members that will not have predict_proba."""
    for i, member in enumerate(known_members(estimator)):
        if not isinstance(member, MemberFile) and _will_lack(member, "predict_proba"):
            raise TypeError(
                f"Members of estimator must have predict_proba; {describe(i, member)} has not. "
                "Wrap it in CalibratedClassifierCV."
            )


def check_regressors(estimator: Any) -> None:
    """Refuse, before any fit, members that will not be regressors."""
    for i, member in enumerate(known_members(estimator)):
        if isinstance(member, MemberFile):
            continue
        tagged = hasattr(member, "__sklearn_tags__")
        if (tagged and is_classifier(member)) or _will_lack(member, "predict"):
            raise TypeError(
                f"Members of estimator must be regressors; {describe(i, member)} is not."
            )


def _will_lack(member: Any, method: str) -> bool:
    """Whether it is known, before its fit, that a member will not have a method."""
    kind = type(member)
    # The default of a final estimator, or a candidate of a search, may bring it.
    if hasattr(member, method) or isinstance(member, _UNDECIDED):
        return False
    if not hasattr(kind, method) and not hasattr(kind, "__getattr__"):
        return True
    inside = getattr(member, "estimator", None)
    if isinstance(member, Pipeline) and member.steps:
        inside = member.steps[-1][-1]
    if hasattr(inside, "fit"):
        return _will_lack(inside, method)
    return kind.__module__.startswith("sklearn.")  # where parameters decide, as in SVC


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
