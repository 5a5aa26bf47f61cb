"""Members of an ensemble: what can be one, where they come from, and what they predict."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count, starmap
from typing import Any, Self

import joblib
import numpy as np
from joblib import delayed, effective_n_jobs
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from .._keras import joint_prediction
from ..exceptions import MemberFileError
from ..utils import (
    N_JOBS,
    BaseSearchCV,
    atomic_write,
    cast,
    check_parameters,
    streamed,
    unfreeze,
)
from ._trees import tree_outputs

__all__ = [
    "ClassMapping",
    "MemberFile",
    "Members",
    "are_listed",
    "check_ensemble",
    "check_estimator",
    "check_fitted_members",
    "check_unfitted_members",
    "copied",
    "encode_labels",
    "expected_n_members",
    "is_fitted",
    "is_trained",
    "kept_in_list",
    "known_members",
    "listed_members",
    "named_members",
    "names_of",
    "needs_no_training",
    "with_member",
]

# Ensembles of copies of `estimator`, and of those in `estimators`.
_OF_ONE = (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
_OF_SEVERAL = (StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor)
# Those whose methods are not known before their fit.
_UNDECIDED = (StackingClassifier, StackingRegressor, BaseSearchCV)
# Ensembles whose members each solve a part of the problem: two classes, or one target.
_DECOMPOSITIONS = (
    OneVsRestClassifier,
    OneVsOneClassifier,
    OutputCodeClassifier,
    MultiOutputClassifier,
    MultiOutputRegressor,
    ClassifierChain,
    RegressorChain,
)
# Ensembles whose members are the stages of a sum.
_SUMS = (GradientBoostingClassifier, GradientBoostingRegressor)
# Modules of scikit-learn's ensembles whose members each predict all classes or targets.
_ENSEMBLES = tuple(
    f"sklearn.ensemble._{name}"
    for name in ("bagging", "forest", "stacking", "voting", "weight_boosting")
)


@dataclass(frozen=True)
class MemberFile:
    """A joblib file of a fitted estimator, loaded only while it is used; itself a path.

    Attributes
    ----------
    path : str
        Path of the file. As any pickle, it runs code when it is loaded: take files from
        people you trust.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skprune.pruning import MemberFile
    >>> tree = DecisionTreeClassifier().fit([[0], [1]], [0, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = MemberFile.save(tree, f"{folder}/tree.joblib")
    ...     file.load().predict([[1]])
    array([1])
    """

    path: str

    @classmethod
    def save(cls, estimator: Any, path: str | os.PathLike[str]) -> "MemberFile":
        """Write a fitted estimator; an interrupted write leaves no file.

        Parameters
        ----------
        estimator : fitted estimator
            What to write; of a FrozenEstimator, the estimator in it.
        path : str or PathLike
            Where to. A file of that name is replaced.

        Returns
        -------
        MemberFile
        """
        with atomic_write(path) as file:
            joblib.dump(unfreeze(estimator), file)
        return cls(os.fspath(path))

    def load(self) -> Any:
        """Read the estimator; of a FrozenEstimator, the estimator in it.

        Returns
        -------
        fitted estimator
            In memory.

        Raises
        ------
        MemberFileError
            If there is no such file, it cannot be read, or it holds no estimator; the message
            names the path.
        """
        self.check_exists()
        try:
            member = unfreeze(joblib.load(self.path))
        except MemoryError:
            raise
        except Exception as error:  # a damaged pickle can raise anything
            raise MemberFileError(
                f"{self.path!r} cannot be read as a joblib file of a fitted estimator: "
                f"{type(error).__name__}: {error}. It may be cut short, or written by something "
                "other than joblib.dump, or with other versions of packages.",
                self.path,
            ) from error
        if not hasattr(member, "predict") and not hasattr(member, "predict_proba"):
            raise MemberFileError(
                f"{self.path!r} holds no estimator but {type(member).__name__} {member!r:.60}; "
                "write a fitted estimator there, with joblib.dump.",
                self.path,
            )
        return member

    def check_exists(self) -> None:
        """Raise if there is no such file, without opening it.

        Raises
        ------
        MemberFileError
            The message names the path.
        """
        if not os.path.isfile(self.path):
            what = "is a folder" if os.path.isdir(self.path) else "does not exist"
            raise MemberFileError(
                f"{self.path!r} {what}; it must be the joblib file of a fitted estimator.",
                self.path,
            )

    def fingerprint(self) -> tuple[str, int, int, int]:
        """Key of the file in a cache.

        Returns
        -------
        tuple of (str, int, int, int)
            Absolute path, bytes and times of the last change.
        """
        status = os.stat(self.path)
        # The second time is set by the system, and is not copied with the file.
        times = status.st_mtime_ns, status.st_ctime_ns
        return os.path.abspath(self.path), status.st_size, *times

    def __fspath__(self) -> str:
        return self.path


@dataclass(frozen=True)
class _LoadedFile(MemberFile):
    """A file that was read to learn its classes, and is not read again."""

    estimator: Any

    def load(self) -> Any:
        return self.estimator


# The parameter `estimator`


def _as_member(member: Any) -> Any:
    """A MemberFile for a path; an estimator as it is."""
    is_path = isinstance(member, str | os.PathLike) and not isinstance(member, MemberFile)
    return MemberFile(os.fspath(member)) if is_path else member


def are_listed(estimator: Any) -> bool:
    """Whether ``estimator`` lists its members, in a list or a dict."""
    return isinstance(estimator, list | dict)


def listed_members(estimator: Any) -> list[tuple[str, Any]]:
    """(name, member) of a list or a dict as it is given, with what is dropped; [] of others.

    A path without a name has itself as its name, and other members are named as in scikit-learn's
    ``make_pipeline``.
    """
    if isinstance(estimator, dict):
        return list(estimator.items())
    if not isinstance(estimator, list):
        return []
    bare = Counter(_own_name(item) for item in estimator if not _is_pair(item))
    numbers = {name: count(1) for name, n in bare.items() if n > 1}
    pairs = []
    for item in estimator:
        if not _is_pair(item):
            name = _own_name(item)
            if name in numbers and not _is_path(item):
                name = f"{name}-{next(numbers[name])}"
            item = name, item
        pairs.append(item)
    return pairs


def named_members(estimator: Any) -> list[tuple[str, Any]]:
    """(name, member) of a list or a dict, without what is dropped; paths become MemberFiles."""
    pairs = listed_members(estimator)
    return [(name, _as_member(member)) for name, member in pairs if not _is_dropped(name, member)]


def kept_in_list(estimator: Any) -> list[bool]:
    """Whether each entry of a list or a dict is a member, and not "drop"."""
    return [not _is_dropped(name, member) for name, member in listed_members(estimator)]


def _is_dropped(name: Any, member: Any) -> bool:
    # Without a name of its own, "drop" is a path.
    return isinstance(member, str) and member == "drop" and name != "drop"


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2


def _is_path(item: Any) -> bool:
    return isinstance(item, str | os.PathLike)


def _own_name(member: Any) -> str:
    """The name of a member that came without one."""
    return os.fspath(member) if _is_path(member) else type(unfreeze(member)).__name__.lower()


def with_member(estimator: Any, name: str, member: Any) -> Any:
    """The list or dict with another member of that name."""
    pairs = [(n, member if n == name else m) for n, m in listed_members(estimator)]
    return dict(pairs) if isinstance(estimator, dict) else pairs


def names_of(estimator: Any) -> tuple[str, ...] | None:
    """Names of the members in a list, a dict or a voting ensemble; None where there are none."""
    if are_listed(estimator):
        return tuple(name for name, _ in named_members(estimator))
    ensemble = unfreeze(estimator)
    if type(ensemble) in _OF_SEVERAL and isinstance(ensemble.estimators, list | tuple):
        pairs = ensemble.estimators
        if all(map(_is_pair, pairs)):  # else its own fit raises
            return tuple(name for name, member in pairs if not isinstance(member, str))
    return None


def copied(name: str, member: Any) -> Any:
    """An unfitted copy of a member that is to be trained; others as they are."""
    if not is_trained(member):
        return member
    try:
        return clone(member, safe=False)
    except Exception as error:  # a lock, a session
        raise TypeError(
            f"member {name!r} ({type(member).__name__}) cannot be copied, which is done before "
            f"it is trained: {error}. If it is fitted, wrap it in FrozenEstimator."
        ) from error


def needs_no_training(estimator: Any) -> bool:
    """Whether all members are FrozenEstimators, files, or have no ``fit``."""
    if are_listed(estimator):
        return not any(is_trained(member) for _, member in named_members(estimator))
    return estimator is not None and not is_trained(estimator)


def is_trained(member: Any) -> bool:
    """Whether a fit trains this member."""
    return not isinstance(member, FrozenEstimator | MemberFile | type) and hasattr(member, "fit")


def is_fitted(member: Any) -> bool:
    """Whether a member is known to be fitted."""
    member = unfreeze(member)
    if not _has_tags(member):  # a class of the user's own
        if hasattr(member, "fit"):
            return hasattr(member, "classes_") or hasattr(member, "estimators_")
        methods = ("predict", "predict_proba", "estimators_")
        return any(hasattr(member, name) for name in methods)
    try:
        check_is_fitted(member)
    except NotFittedError:
        return False
    return True


def check_estimator(estimator: Any, parameters: Collection[str]) -> None:
    """Raise if it cannot be an ensemble, or a list of members with names and existing files.

    ``parameters`` are those of the pruner, whose names members may not have.
    """
    if not are_listed(estimator):
        is_class = isinstance(estimator, type)
        may_be = hasattr(estimator, "fit") or hasattr(unfreeze(estimator), "estimators_")
        if is_class or not may_be:
            got = f"the class {estimator.__name__}" if is_class else type(estimator).__name__
            raise TypeError(
                "estimator must be an ensemble that has `estimators_` once fitted, or a list or "
                f"dict of members; got {got}."
            )
        check_ensemble(unfreeze(estimator))
        return
    for item in estimator if isinstance(estimator, list) else estimator.items():
        _check_entry(item)
    _check_names(estimator, parameters)
    members = named_members(estimator)
    if not members:
        got = "only members that are 'drop'" if len(estimator) else repr(estimator)
        raise ValueError(f"estimator must hold at least one member; got {got}.")
    missing = []  # all files are looked for before any is loaded
    for name, member in members:
        if not isinstance(member, MemberFile):
            continue
        try:
            member.check_exists()
        except MemberFileError as error:
            message = str(error) if name == member.path else f"{name!r}: {error}"
            if member.path.isidentifier():  # "passthrough", "Drop"
                message += " To leave a member out, give the pair (name, 'drop')."
            missing.append((message, member.path))
    if missing:
        more = f" {len(missing) - 1} more are missing." if len(missing) > 1 else ""
        message, path = missing[0]
        raise MemberFileError(f"estimator holds a path without a file: {message}{more}", path)


def _check_entry(item: Any) -> None:
    """Raise for an entry of a list or dict that is no member, nor a pair (name, member)."""
    named = isinstance(item, tuple)
    if named and not _is_pair(item):
        raise TypeError(
            f"estimator must hold members, or pairs (name, member); it holds {item!r:.100}."
        )
    if named and not isinstance(item[0], str):
        raise TypeError(f"The names in estimator must be text; it holds {item!r:.100}.")
    member = unfreeze(item[1] if named else item)
    if isinstance(member, type):
        raise TypeError(
            f"estimator must hold estimators; it holds the class {member.__name__}. Give an "
            f"instance of it, such as {member.__name__}()."
        )
    methods = ("fit", "predict", "predict_proba")
    if not _is_path(member) and not any(hasattr(member, name) for name in methods):
        raise TypeError(
            "estimator must hold estimators, fitted objects that predict, or paths of such; it "
            f"holds {item!r:.100}, which has neither fit nor predict. To leave a member out, give "
            "the pair (name, 'drop')."
        )


def _check_names(estimator: Any, parameters: Collection[str]) -> None:
    """Raise for names in a list or dict that are not unique, or that mean something else."""
    pairs = listed_members(estimator)
    names = [name for name, _ in pairs]
    repeated = sorted(name for name, n in Counter(names).items() if n > 1)
    if repeated:
        raise ValueError(f"The names in estimator must differ; {repeated} occur more than once.")
    reserved = sorted({"splitter", "inner_splitter", "method_mapping", "self"} & set(names))
    if reserved:
        raise ValueError(f"{reserved} cannot be names in estimator: metadata routing uses them.")
    taken = sorted(set(parameters) & set(names))
    if taken:
        raise ValueError(
            f"{taken} cannot be names in estimator: parameters of the pruner have them, and "
            "set_params could not tell which is meant."
        )
    # A path may be its own name, also where it is dropped.
    nested = [name for name, member in pairs if "__" in name and not _is_path(member)]
    if nested:
        raise ValueError(
            "The names in estimator must not contain '__', which set_params reads as a parameter "
            f"of a member; got {nested[:5]}."
        )


def check_ensemble(estimator: Any) -> None:
    """Raise for what is known, fitted or not, to have no members to select from."""
    name, module = type(estimator).__name__, type(estimator).__module__
    if isinstance(estimator, _DECOMPOSITIONS):
        raise TypeError(
            f"Each member of {name} solves a part of the problem (two of the classes, or one of "
            "the targets), so they cannot be compared with each other. Use an ensemble whose "
            "members each predict everything: bagging, forests, voting."
        )
    stages = getattr(getattr(estimator, "estimators_", None), "ndim", 1) != 1
    if stages or isinstance(estimator, _SUMS):
        raise TypeError(
            f"The members of {name} are stages of a sum, so they cannot be compared with each "
            "other. Use an ensemble whose members each predict everything: bagging, forests, "
            "voting."
        )
    if module.startswith("sklearn.") and module not in _ENSEMBLES:
        raise _no_members(estimator)


def _no_members(estimator: Any) -> TypeError:
    name = type(estimator).__name__
    if hasattr(estimator, "steps"):
        remedy = "To prune inside a Pipeline, put the pruner last in it."
    elif isinstance(estimator, BaseSearchCV):
        remedy = f"Give {name} the pruner to search over, or give the pruner `best_estimator_`."
    else:
        remedy = f"To choose among several {name}, give a list or dict of them."
    return TypeError(
        "estimator must be an ensemble that has `estimators_` once fitted (bagging, forests, "
        f"voting, stacking, AdaBoost, ...), or a list or dict of members; {name} has none. "
        f"{remedy}"
    )


def check_unfitted_members(estimator: Any, cv: Any, *, classifiers: bool) -> None:
    """Raise, before any fit, for members that cannot be trained, or that lack a method."""
    pairs = named_members(estimator)
    if any(isinstance(member, MemberFile) for _, member in pairs):
        unfitted = [name for name, member in pairs if is_trained(member)]
        raise ValueError(
            f"estimator holds files of fitted members, and {unfitted[:5]} which cv={cv!r} "
            "would train beside them. Give cv='prefit' if these are fitted too (or wrap them "
            "in sklearn.frozen.FrozenEstimator), or train them apart."
        )
    labels = [_label(i, name) for i, (name, _) in enumerate(pairs)]
    for i, member in enumerate(known_members(estimator)):
        what = _describe(labels[i] if labels else _label(i), member)
        _check_method(what, member, classifiers=classifiers, lacks=_will_lack)
    check_fitted_members([(name, m) for name, m in pairs if isinstance(m, FrozenEstimator)])


def _check_method(
    what: str, member: Any, *, classifiers: bool, lacks: Callable[[Any, str], bool]
) -> None:
    """Raise for a member that is of the wrong kind, or that lacks the method that predicts."""
    kind = getattr(get_tags(member), "estimator_type", None) if _has_tags(member) else None
    method, wanted = ("predict_proba", "classifier") if classifiers else ("predict", "regressor")
    if kind not in (None, wanted) and not (classifiers and lacks(member, method)):
        # A regressor may have predict_proba for what else it predicts.
        raise TypeError(f"Members must be {wanted}s; {what} is a {kind}.")
    if not lacks(member, method):
        return
    remedy = f"Give an estimator with fit and {method}, or a fitted object with {method}."
    if kind == "classifier":
        remedy = "Wrap it in CalibratedClassifierCV."
    elif classifiers and kind == "regressor":
        remedy = "Give a classifier, or prune regressors with SOCPEnsemblePrunerRegressor."
    elif any(each.__module__.startswith("keras.") for each in type(member).__mro__):
        remedy = "Wrap it in scikeras.wrappers.KerasClassifier."
    raise TypeError(f"Members must have {method}; {what} has none. {remedy}")


def _has_tags(member: Any) -> bool:
    """Whether it is an estimator in scikit-learn's sense, and not a class of the user's own."""
    return not isinstance(member, type) and hasattr(member, "__sklearn_tags__")


def _will_lack(member: Any, method: str) -> bool:
    """Whether it is known, before its fit, that a member will not have a method."""
    kind = type(member)
    # The default of a final estimator, or a candidate of a search, may have it.
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
    """Raise if members are not fitted; files are checked when they are used."""
    listed = are_listed(estimator)
    pairs = named_members(estimator) if listed else [("estimator", estimator)]
    for name, member in pairs:
        # Whether an object of the user's own class is fitted is not known.
        if isinstance(member, MemberFile) or not _has_tags(unfreeze(member)):
            continue
        try:
            check_is_fitted(member)
        except NotFittedError as error:
            raise ValueError(
                f"cv='prefit', or FrozenEstimator, needs fitted members, and {name!r} is not "
                "fitted. Fit it first, and wrap it in sklearn.frozen.FrozenEstimator: clone (and "
                "so GridSearchCV) returns anything else unfitted."
            ) from error


def known_members(estimator: Any) -> list[Any]:
    """Members of a list, or of one of scikit-learn's ensembles, that are known before a fit.

    An ensemble that trains copies of one estimator has that one.
    """
    if are_listed(estimator):
        return [unfreeze(member) for _, member in named_members(estimator)]
    if type(estimator) in _OF_ONE:
        return [] if estimator.estimator is None else [unfreeze(estimator.estimator)]
    if type(estimator) in _OF_SEVERAL and isinstance(estimator.estimators, list | tuple):
        pairs = [pair for pair in estimator.estimators if isinstance(pair, tuple)]
        return [unfreeze(pair[-1]) for pair in pairs if pair and not isinstance(pair[-1], str)]
    return []


def expected_n_members(estimator: Any, prefit: bool) -> int | None:
    """How many members there are or will be, where that is known."""
    if are_listed(estimator):
        return len(named_members(estimator))
    if prefit:  # boosting may have stopped before n_estimators
        members = getattr(unfreeze(estimator), "estimators_", None)
        return None if members is None else len(members)
    if isinstance(estimator, AdaBoostClassifier | AdaBoostRegressor):
        return None  # may stop early
    number = getattr(estimator, "n_estimators", None)
    if isinstance(number, int | np.integer):
        return int(number)
    members = getattr(estimator, "estimators", None)  # of a voting ensemble
    if not isinstance(members, list):
        return None
    return sum(not (isinstance(m, tuple) and isinstance(m[1], str)) for m in members)


# Fitted members


@dataclass(frozen=True, eq=False)
class ClassMapping:
    """What members call the classes: their labels, or codes."""

    classes: NDArray  # (n_outputs,), sorted
    names: NDArray  # of the classes that members may know
    positions: NDArray[np.intp]  # of these in ``classes``

    def columns(self, member: Any) -> NDArray[np.intp]:
        """Position of each of a member's classes; raise for one that is not known."""
        # A member of the user's own class may lack `classes_`.
        own = _own_classes(member)
        if own is None:
            return self.positions
        known = np.asarray(own)
        if known.shape == self.names.shape and (known == self.names).all():
            return self.positions
        if _are_codes(known, self.names):
            return self.positions
        unknown = known[~np.isin(known, self.names)]
        if len(unknown):
            raise ValueError(
                f"{type(member).__name__} knows classes {unknown[:5]}, which are not among those "
                f"of the others: {self.names[:10]}. Classes are taken from members in memory, and "
                "from files until all classes of y are known."
            )
        return self.positions[np.searchsorted(self.names, known)]


@dataclass(frozen=True, eq=False)
class Members:
    """Fitted members of one ensemble, and what they predict."""

    estimators: tuple[Any, ...]  # those in files are MemberFiles, loaded while they are used
    features: tuple[NDArray[np.intp], ...] | None  # columns of X that each sees, if not all
    n_outputs: int  # number of classes or targets
    class_mapping: ClassMapping | None  # None for regressors
    own: NDArray[np.bool_] | None = None  # (M, N), out-of-bag rows, where these are asked for
    # The labels of members that were fitted on their codes 0 .. k - 1.
    encoded: dict[int, NDArray] = field(default_factory=dict)
    names: tuple[str | None, ...] | None = None  # for messages; None for paths

    @classmethod
    def of(
        cls,
        fitted: Any,
        *,
        classes: NDArray | None = None,
        labels: NDArray | None = None,
        n_targets: int | None = None,
        encoded: dict[int, NDArray] | None = None,
    ) -> Self:
        """The members of a fitted ensemble or list: regressors for targets, else classifiers.

        ``classes`` are all classes, by default those of the ensemble or of all members; ``labels``
        are those that the members have to know at least; ``encoded`` are those of members that
        were fitted on their codes, or have no ``classes_``, by position.
        """
        fitted = unfreeze(fitted)
        members = _members_of(fitted)
        names: tuple[str | None, ...] | None = None
        if are_listed(fitted):
            pairs = named_members(fitted)
            names = tuple(None if isinstance(m, MemberFile) else name for name, m in pairs)
        classes_known = classes is not None or labels is not None
        for i, member in enumerate(members):
            if isinstance(member, MemberFile):
                continue
            label = _label(i, None if names is None else names[i])
            _check_fitted_member(
                label, member, classifier=n_targets is None, classes_known=classes_known
            )
        features = None if are_listed(fitted) else _features_of(fitted)
        if n_targets is not None:
            return cls(tuple(members), features, n_targets, None, names=names)
        encoded = encoded or {}
        on_codes = [members[i] for i in encoded]
        members, mapping = _map_classes(fitted, members, on_codes, classes, labels)
        found = cls(
            tuple(members), features, len(mapping.classes), mapping, encoded=encoded, names=names
        )
        for i, member in enumerate(members):
            if not isinstance(member, MemberFile):
                found.columns(i)
        return found

    def __len__(self) -> int:
        return len(self.estimators)

    @property
    def classes(self) -> NDArray | None:
        """Sorted classes; None for regressors."""
        return None if self.class_mapping is None else self.class_mapping.classes

    @property
    def has_files(self) -> bool:
        """Whether any member is in a file."""
        return any(isinstance(member, MemberFile) for member in self.estimators)

    def member(self, i: int) -> Any:
        """Member i, in memory; a file is loaded, checked, and not kept."""
        return _in_memory(self.label(i), self.estimators[i], self.mapping(i))

    def label(self, i: int) -> str:
        """What messages call member i."""
        return _label(i, None if self.names is None else self.names[i])

    def mapping(self, i: int) -> ClassMapping | None:
        """What member i calls the classes; None for a regressor."""
        if self.class_mapping is None or i not in self.encoded:
            return self.class_mapping
        labels, classes = self.encoded[i], self.class_mapping.classes
        return ClassMapping(classes, np.arange(len(labels)), np.searchsorted(classes, labels))

    def columns(self, i: int) -> NDArray[np.intp] | None:
        """Positions of the classes of member i, which is in memory; None for a regressor."""
        mapping = self.mapping(i)
        return None if mapping is None else mapping.columns(self.estimators[i])

    def with_fingerprints(self) -> Self:
        """The members as a key of a cache: fingerprints in the place of files."""
        of = (m.fingerprint() if isinstance(m, MemberFile) else m for m in self.estimators)
        return replace(self, estimators=tuple(of))

    def loaded(self) -> Self:
        """The same with all members in memory."""
        return replace(self, estimators=tuple(self.member(i) for i in range(len(self))))

    def subset(self, mask: NDArray[np.bool_]) -> Self:
        """The members where the mask is true; files stay files."""
        kept = np.flatnonzero(mask)
        features = None if self.features is None else tuple(self.features[i] for i in kept)
        positions = kept.tolist()
        encoded = {new: self.encoded[i] for new, i in enumerate(positions) if i in self.encoded}
        return replace(
            self,
            estimators=tuple(self.estimators[i] for i in kept),
            features=features,
            encoded=encoded,
            names=None if self.names is None else tuple(self.names[i] for i in kept),
            own=None,
        )

    def member_outputs(
        self, X: Any, n_jobs: int | None = None, *, first: int = 0
    ) -> Iterable[NDArray]:
        """Predictions of one member after the other, from ``first`` on, each of shape (n, k).

        ``n_jobs`` is the number of threads, and of files that are in memory at once.
        """
        if n_jobs is not None:
            check_parameters("predict", {"n_jobs": N_JOBS}, n_jobs=n_jobs)
        array = _without_names(X)
        columns = None if self.class_mapping is None else self.class_mapping.columns
        outputs: Iterable[NDArray] | None = None
        if not first and not self.encoded:
            outputs = tree_outputs(
                self.estimators, columns, self.features, self.n_outputs, X, array, n_jobs
            )
        return self._each_output(X, array, n_jobs, first) if outputs is None else outputs

    def _each_output(self, X: Any, array: Any, n_jobs: int | None, first: int) -> Iterator[NDArray]:
        M = len(self)
        joint = None
        if self.features is None and not first and not self.has_files:
            joint = joint_prediction(self.estimators)
        if joint is not None:
            for i, (member, output) in enumerate(zip(self.estimators, joint(array), strict=True)):
                yield _aligned(self.label(i), member, output, self.mapping(i), self.n_outputs)
            return
        # A thread starts its next task before its last result is used. Results may be written to
        # a file more slowly than they are computed, so members in files start a few at a time.
        step = effective_n_jobs(n_jobs) if self.has_files else max(1, M)
        for start in range(first, M, step):
            members = range(start, min(M, start + step))
            tasks = (self._task(i, X, array) for i in members)
            # joblib takes time for each task, and more to start threads.
            if (array.shape[0] == 1 and not self.has_files) or effective_n_jobs(n_jobs) == 1:
                yield from starmap(_predict, tasks)
            else:
                yield from streamed((delayed(_predict)(*task) for task in tasks), n_jobs)

    def outputs(self, X: Any, n_jobs: int | None = None, dtype: str | None = None) -> NDArray:
        """Predictions of all members, (M, n, k); float32 only if every member gives that."""
        P: NDArray | None = None
        for i, output in enumerate(self.member_outputs(X, n_jobs)):
            if dtype is not None:
                output = cast(output, np.dtype(dtype), i)
            if P is None:
                P = np.empty((len(self), *output.shape), dtype=output.dtype)
            elif output.dtype == np.float64 and P.dtype != np.float64:
                P, single = np.empty(P.shape, dtype=np.float64), P
                P[:i] = single[:i]
            P[i] = output
        assert P is not None  # there is always a member
        return P

    def member_calls(self, X: Any) -> list[Callable[[], NDArray]]:
        """One call a member that predicts X, to be timed; all members are in memory."""
        array, loaded = _without_names(X), self.loaded()
        return [partial(_predict, *loaded._task(i, X, array)) for i in range(len(loaded))]

    def _task(self, i: int, X: Any, array: Any) -> Any:
        """Arguments of predicting X with member i, to be sent to another process."""
        features = None if self.features is None else self.features[i]
        mapping = self.mapping(i)
        return self.label(i), self.estimators[i], features, mapping, self.n_outputs, X, array


def _predict(
    label: str,
    member: Any,
    features: NDArray[np.intp] | None,
    mapping: ClassMapping | None,
    n_outputs: int,
    X: Any,
    array: Any,
) -> NDArray:
    """Predictions of one member, (n, k), for X or, without column names, ``array``."""
    path = member.path if isinstance(member, MemberFile) else None
    member = _in_memory(label, member, mapping)
    # A member of the user's own class gets what it was given in its fit.
    rows = X if hasattr(member, "feature_names_in_") or not _has_tags(member) else array
    rows = rows if features is None else rows[:, features]
    try:
        output = member.predict(rows) if mapping is None else member.predict_proba(rows)
        output = _aligned(label, member, output, mapping, n_outputs)
        n_rows = array.shape[0]
        if len(output) != n_rows:
            raise ValueError(
                f"{_describe(label, member)} predicts {len(output)} samples where it was given "
                f"{n_rows}."
            )
    except MemoryError:
        raise
    except Exception as error:
        if path is None:
            raise
        raise MemberFileError(
            f"{_describe(label, member)} in {path!r} cannot predict these samples: "
            f"{type(error).__name__}: {error}",
            path,
        ) from error
    return output


def _aligned(
    label: str, member: Any, output: Any, mapping: ClassMapping | None, n_outputs: int
) -> NDArray:
    """Predictions of one member, a column for each class or target."""
    output = np.asarray(output)
    if mapping is None:
        method, what, n_columns = "predict", "target", n_outputs
        output = output[:, None] if output.ndim == 1 else output
    else:
        columns = mapping.columns(member)
        method, what, n_columns = "predict_proba", "class", len(columns)
    if output.ndim != 2 or output.shape[1] != n_columns:
        raise ValueError(
            f"{method} of {_describe(label, member)} must have shape (n, {n_columns}), one column "
            f"a {what}; got {output.shape}."
        )
    if output.dtype not in (np.float32, np.float64):
        output = output.astype(np.float64)
    if mapping is None or columns.tolist() == list(range(n_outputs)):
        return output
    aligned = np.zeros((len(output), n_outputs), output.dtype)
    aligned[:, columns] = output
    return aligned


def encode_labels(y: NDArray, classes: NDArray) -> NDArray[np.intp]:
    """Positions of labels in ``classes``; unknown ones are named."""
    unknown = np.setdiff1d(y, classes)
    if len(unknown):
        raise ValueError(
            f"y has classes that the fitted members do not know: {unknown[:5]}; they know "
            f"{classes[:10]}."
        )
    return np.searchsorted(classes, y)


def _members_of(fitted: Any) -> list[Any]:
    """Members of a fitted ensemble, or of a list or dict of members."""
    if are_listed(fitted):
        members = [member for _, member in named_members(fitted)]
    else:
        check_ensemble(fitted)
        if not hasattr(fitted, "estimators_"):
            raise _no_members(fitted)
        members = list(fitted.estimators_)
    if not members:
        raise ValueError("estimator must have at least one member; got an empty list.")
    return [unfreeze(member) for member in members]


def _features_of(fitted: Any) -> tuple[NDArray[np.intp], ...] | None:
    """Columns of X that each member of a fitted ensemble sees; None where it is all of them."""
    features = getattr(fitted, "estimators_features_", None)
    if features is None:
        return None
    everything = np.arange(getattr(fitted, "n_features_in_", -1))
    if all(np.array_equal(f, everything) for f in features):
        return None
    return tuple(np.asarray(f) for f in features)


def _map_classes(
    fitted: Any,
    members: list[Any],
    on_codes: list[Any],
    classes: NDArray | None,
    labels: NDArray | None,
) -> tuple[list[Any], ClassMapping]:
    """The mapping to all classes, which all members but those fitted ``on_codes`` know.

    Files are loaded until these classes, or all labels, are known.
    """
    if are_listed(fitted):
        members, loaded = _load_some(members, 1 if classes is None else 0, labels)
        expected = labels if classes is None else classes
        trained_on_labels = [m for m in loaded if not any(m is each for each in on_codes)]
        own = names = _classes_of(trained_on_labels, expected, all_known=classes is not None)
        if not len(own) and expected is not None:  # members that do not say
            own = names = expected
    else:
        if not hasattr(fitted, "classes_"):
            raise TypeError(f"{type(fitted).__name__} has no `classes_`; an ensemble must have it.")
        if any(np.ndim(label) for label in fitted.classes_):
            raise TypeError(f"{type(fitted).__name__} has several outputs; only one is taken.")
        own = names = np.asarray(fitted.classes_)
        members, loaded = _load_some(members, len(own), None)
        if _predict_codes(loaded, own):
            names = np.arange(len(own))
    if classes is None:
        classes = own
    unknown = own[~np.isin(own, classes)]
    if len(unknown):
        raise ValueError(f"The members know classes that y does not have: {unknown[:5]}.")
    if are_listed(fitted):  # files may know more than the members in memory
        own = names = classes
    return members, ClassMapping(classes, names, np.searchsorted(classes, own))


def _load_some(
    members: list[Any], n_classes: int, labels: NDArray | None
) -> tuple[list[Any], list[Any]]:
    """Load files until so many classes, and these labels, are known; the first stays loaded.

    Returns all members, and those that are in memory or were loaded.
    """
    members, loaded = list(members), [m for m in members if not isinstance(m, MemberFile)]
    files = [i for i, member in enumerate(members) if isinstance(member, MemberFile)]
    for i in files:
        known = _classes_of(loaded, labels)
        if n_classes <= len(known) and (labels is None or np.isin(labels, known).all()):
            break
        known_elsewhere = n_classes == 0 or labels is not None
        loaded.append(_load(_label(i), members[i], classifier=True, classes_known=known_elsewhere))
        if i == files[0]:
            members[i] = _LoadedFile(members[i].path, loaded[-1])
    return members, loaded


def _load(
    label: str,
    file: MemberFile,
    *,
    classifier: bool,
    mapping: ClassMapping | None = None,
    classes_known: bool = True,
) -> Any:
    """Load a member; errors name its file."""
    try:
        member = file.load()
        _check_fitted_member(label, member, classifier=classifier, classes_known=classes_known)
        if mapping is not None:
            mapping.columns(member)
        elif not classifier and _has_tags(member):
            check_is_fitted(member)
    except (MemberFileError, NotFittedError, TypeError, ValueError) as error:
        where = "" if repr(file.path) in str(error) else f" in {file.path!r}"
        raise MemberFileError(f"{label}{where}: {error}", file.path) from error
    return member


def _in_memory(label: str, member: Any, mapping: ClassMapping | None) -> Any:
    """A member, loaded and checked if it is in a file."""
    if not isinstance(member, MemberFile):
        return member
    return _load(label, member, classifier=mapping is not None, mapping=mapping)


def _own_classes(member: Any) -> Any:
    """The classes that a member knows, or a list of those of each output; None: it does not say."""
    return getattr(member, "classes_", None)


def _classes_of(
    members: list[Any], labels: NDArray | None = None, *, all_known: bool = False
) -> NDArray:
    """All classes that members know; codes are those of ``labels``.

    Numbers are codes only where ``labels`` are all classes, so that they can be nothing else.
    """
    known = [_own_classes(member) for member in members]
    found = [np.asarray(classes) for classes in known if classes is not None]
    if labels is None:
        if any(map(_is_text, found)):
            found = [each for each in found if not np.array_equal(each, np.arange(len(each)))]
    elif all_known or _is_text(labels):
        found = [labels if _are_codes(each, labels) else each for each in found]
    return np.unique(np.concatenate(found)) if found else np.empty(0)


def _are_codes(known: NDArray, labels: NDArray) -> bool:
    """Whether classes are the positions 0 .. C - 1 of C labels (which may be the same numbers)."""
    return np.array_equal(known, np.arange(len(labels)))


def _is_text(labels: NDArray) -> bool:
    if labels.dtype.kind == "O":
        return all(isinstance(label, str) for label in labels)
    return labels.dtype.kind in "UT"


def _predict_codes(members: list[Any], classes: NDArray) -> bool:
    """Whether members of an ensemble know the codes 0 .. C - 1 that it gave to its labels."""
    C = len(classes)
    known = _classes_of(members)
    are_codes = known.dtype.kind in "iuf" and bool(np.isin(known, np.arange(C)).all())
    numeric = known.dtype.kind in "iuf" and classes.dtype.kind in "iuf"
    text = known.dtype.kind in "OUT" and classes.dtype.kind in "OUT"  # pandas gives objects
    comparable = numeric or text or known.dtype.kind == classes.dtype.kind
    are_labels = comparable and bool(np.isin(known, classes).all())
    # Where both are possible (labels 1, 2, 3 and a bag that never drew the first), the labels
    # are meant only if all of them occur: scikit-learn's ensembles pass on codes.
    if are_labels and (not are_codes or len(known) == C):
        return False
    if are_codes:
        return True
    for i, member in enumerate(members):
        unknown = np.setdiff1d(np.asarray(member.classes_), classes)
        if len(unknown):
            raise ValueError(
                f"{_describe(_label(i), member)} knows classes {unknown[:5]} that the ensemble "
                f"does not: its classes are {classes[:10]}."
            )
    raise ValueError(f"The members' classes {known[:10]} are not those of the ensemble.")


def _check_fitted_member(
    label: str, member: Any, *, classifier: bool, classes_known: bool = False
) -> None:
    what = _describe(label, member)
    _check_method(what, member, classifiers=classifier, lacks=lambda m, name: not hasattr(m, name))
    if not classifier:
        return
    classes = _own_classes(member)
    if classes is None:
        if classes_known and not _has_tags(member):
            return  # a class of the user's own: its columns are all classes
        raise TypeError(
            f"Members must be fitted classifiers with `classes_`; {what} has none. Fit it, and "
            "wrap it in FrozenEstimator so that clone keeps it."
        )
    if any(np.ndim(each) for each in classes):
        raise TypeError(f"Members must predict one output; {what} has several.")


def _without_names(X: Any) -> Any:
    return np.asarray(X) if hasattr(X, "iloc") or isinstance(X, list | tuple) else X


def _label(i: int, name: str | None = None) -> str:
    return f"member {i if name is None else repr(name)}"


def _describe(label: str, member: Any) -> str:
    return f"{label} ({type(member).__name__})"
