"""What pools of classifiers and of regressors share: members, columns they see, predictions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
from joblib import delayed, effective_n_jobs
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)

from ..exceptions import MemberFileError, NotFittedError
from ._frozen import unfreeze
from ._member_file import MemberFile
from ._parallel import streamed
from ._prediction_store import narrowed
from ._sklearn import BaseSearchCV, num_samples
from ._together import together
from ._validation import check_n_jobs

__all__ = ["BasePool", "check_ensemble", "describe", "features_of", "members_of", "opened"]

# Ensembles whose members each answer a question of their own: two classes, or one target.
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
# Where scikit-learn defines those whose members each predict everything.
_ENSEMBLES = tuple(
    f"sklearn.ensemble._{name}"
    for name in ("bagging", "forest", "stacking", "voting", "weight_boosting")
)


@dataclass(frozen=True, eq=False)
class BasePool(ABC):
    """Fitted members, and the columns of X that each one sees.

    Attributes
    ----------
    estimators : tuple of M estimators or MemberFiles
        Fitted members. Those in files are loaded where they are used, and not kept.
    features : tuple of M ndarrays, or None
        Columns of X that each member sees, where the ensemble draws them.
    """

    estimators: tuple[Any, ...]
    features: tuple[NDArray[np.intp], ...] | None

    def __len__(self) -> int:
        return len(self.estimators)

    @property
    def has_files(self) -> bool:
        """Whether any member lies in a file."""
        return any(isinstance(member, MemberFile) for member in self.estimators)

    def member(self, i: int) -> Any:
        """One member, in memory; a file is loaded, checked, and not kept.

        Parameters
        ----------
        i : int
            Its position.

        Returns
        -------
        fitted estimator

        Raises
        ------
        MemberFileError
            If its file cannot be used; member and path are named.
        """
        member = self.estimators[i]
        if not isinstance(member, MemberFile):
            return member
        return opened(i, member, self._check_loaded)

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Number of columns that each member's predictions have: classes, or targets."""

    def stamped(self) -> Self:
        """What a cache knows the pool by: files by their stamps, others by what they are."""
        stamps = (m.stamp() if isinstance(m, MemberFile) else m for m in self.estimators)
        return replace(self, estimators=tuple(stamps))

    def loaded(self) -> Self:
        """The same pool with all members in memory.

        Returns
        -------
        pool of the same kind
        """
        return replace(self, estimators=tuple(self.member(i) for i in range(len(self))))

    def subset(self, mask: NDArray[np.bool_]) -> Self:
        """The pool of the members where the mask is true; files stay files.

        Parameters
        ----------
        mask : ndarray of shape (M,)
            Members to keep.

        Returns
        -------
        pool of the same kind
        """
        kept = np.flatnonzero(mask)
        return replace(
            self,
            estimators=tuple(self.estimators[i] for i in kept),
            features=None if self.features is None else tuple(self.features[i] for i in kept),
        )

    def member_outputs(
        self, X: Any, n_jobs: int | None = None, *, first: int = 0
    ) -> Iterator[NDArray]:
        """Predictions of one member after the other, each of shape (n, k).

        Parameters
        ----------
        X : array-like of shape (n, ...)
            Samples.
        n_jobs : int, default=None
            Threads, as in joblib. So many members in files are in memory at once.
        first : int, default=0
            The member to begin with.

        Yields
        ------
        ndarray of shape (n, k)
            k classes (probabilities) or targets.
        """
        check_n_jobs(n_jobs)
        bare = _without_names(X)
        M = len(self)
        joint = None
        if self.features is None and not first and not self.has_files:
            joint = together(self.estimators)
        if joint is not None:
            outputs = joint(bare)
            yield from (self._placed(i, m, outputs[i]) for i, m in enumerate(self.estimators))
            return
        # A thread takes its next task whether or not anybody has taken its last result. Of
        # files, where results may be written more slowly than they are made, none runs ahead.
        step = effective_n_jobs(n_jobs) if self.has_files else max(1, M)
        for start in range(first, M, step):
            members = range(start, min(M, start + step))
            tasks = (delayed(_Prediction(self, i))(X, bare) for i in members)
            yield from streamed(tasks, n_jobs)

    def outputs(self, X: Any, n_jobs: int | None = None, dtype: np.dtype | None = None) -> NDArray:
        """Predictions of all members.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            Samples.
        n_jobs : int, default=None
            Threads, as in joblib.
        dtype : dtype, default=None
            What to keep them in.

        Returns
        -------
        ndarray of shape (M, n, k)
            Without ``dtype``, float32 where every member gives float32.
        """
        P: NDArray | None = None
        for i, output in enumerate(self.member_outputs(X, n_jobs)):
            if dtype is not None:
                output = narrowed(output, dtype, i)
            if P is None:
                P = np.empty((len(self), *output.shape), dtype=output.dtype)
            elif output.dtype == np.float64 and P.dtype != np.float64:
                P, narrow = np.empty(P.shape, dtype=np.float64), P
                P[:i] = narrow[:i]
            P[i] = output
        assert P is not None  # a pool is never empty
        return P

    def member_calls(self, X: Any) -> list[Callable[[], NDArray]]:
        """One call a member that predicts the same samples, to be timed; all are in memory.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            Samples.

        Returns
        -------
        list of M callables
        """
        bare = _without_names(X)
        pool = self.loaded()
        return [
            partial(pool._one, i, member, pool._rows_for(i, member, X, bare))
            for i, member in enumerate(pool.estimators)
        ]

    def _predict(self, i: int, X: Any, bare: Any) -> NDArray:
        member = self.member(i)
        try:
            output = self._one(i, member, self._rows_for(i, member, X, bare))
        except MemoryError:
            raise
        except Exception as error:
            if isinstance(self.estimators[i], MemberFile):  # one of hundreds: which?
                who = self._describe(i, member)
                said = f"{type(error).__name__}: {error}"
                raise MemberFileError(f"{who} cannot predict these samples: {said}") from error
            raise
        if len(output) != num_samples(X):
            raise ValueError(
                f"{self._describe(i, member)} predicts {len(output)} samples where it was given "
                f"{num_samples(X)}."
            )
        return output

    def _rows_for(self, i: int, member: Any, X: Any, bare: Any) -> Any:
        """X as a member is to be given it: with column names if it was fitted with some."""
        rows = X if hasattr(member, "feature_names_in_") else bare
        return rows if self.features is None else rows[:, self.features[i]]

    def _describe(self, i: int, member: Any) -> str:
        """Name member i, which is in memory, in a message; and its file, if it has one."""
        file = self.estimators[i]
        where = f" in {file.path!r}" if isinstance(file, MemberFile) else ""
        return f"{describe(i, member)}{where}"

    @abstractmethod
    def _check_loaded(self, i: int, member: Any) -> None:
        """Refuse what came out of a file and is no such member."""

    @abstractmethod
    def _one(self, i: int, member: Any, X: Any) -> NDArray:
        """Predictions of member i, which is in memory; shape (n, k)."""

    def _placed(self, i: int, member: Any, output: NDArray) -> NDArray:
        """What member i said, as its column of outputs; shape (n, k)."""
        return output


@dataclass(frozen=True, eq=False)
class _Prediction:
    """What one member says; sent to another process, it takes along that member alone."""

    pool: BasePool
    i: int

    def __call__(self, X: Any, bare: Any) -> NDArray:
        return self.pool._predict(self.i, X, bare)

    def __reduce__(self):
        members = (m if j == self.i else None for j, m in enumerate(self.pool.estimators))
        return _Prediction, (replace(self.pool, estimators=tuple(members)), self.i)


def _without_names(X: Any) -> Any:
    return np.asarray(X) if hasattr(X, "iloc") or isinstance(X, (list, tuple)) else X


def describe(i: int, member: Any) -> str:
    """Name a member in a message."""
    return f"member {i} ({type(member).__name__})"


def opened(i: int, file: MemberFile, check: Callable[[int, Any], None]) -> Any:
    """Load a member; whatever is wrong with it is said of its file."""
    try:
        member = file.load()
        check(i, member)
    except (MemberFileError, NotFittedError, TypeError, ValueError) as error:
        where = "" if repr(file.path) in str(error) else f" in {file.path!r}"
        raise MemberFileError(f"member {i}{where}: {error}") from error
    return member


def members_of(fitted: Any) -> list[Any]:
    """The members of a fitted ensemble, or of a list of estimators or (name, estimator)."""
    if isinstance(fitted, Sequence):
        return [unfreeze(m[1] if isinstance(m, tuple) else m) for m in fitted]
    check_ensemble(fitted)
    members = getattr(fitted, "estimators_", None)
    if members is None:
        raise _without_members(fitted)
    return [unfreeze(member) for member in members]


def check_ensemble(estimator: Any) -> None:
    """Refuse, fitted or not, what is known to have no members to choose among.

    What others than scikit-learn define is known once it is fitted.
    """
    name, module = type(estimator).__name__, type(estimator).__module__
    if isinstance(estimator, _DECOMPOSITIONS):
        raise TypeError(
            f"The members of {name} each answer a question of their own (two of the classes, or "
            "one of the targets), so they cannot be compared with each other. Use an ensemble "
            "whose members each predict everything: bagging, forests, voting."
        )
    stages = getattr(getattr(estimator, "estimators_", None), "ndim", 1) != 1
    if stages or isinstance(estimator, _SUMS):
        raise TypeError(
            f"The members of {name} are not estimators of their own (they are stages of a sum), "
            "so they cannot be compared with each other. Use an ensemble whose members each "
            "predict everything: bagging, forests, voting."
        )
    if module.startswith("sklearn.") and module not in _ENSEMBLES:
        raise _without_members(estimator)


def _without_members(estimator: Any) -> TypeError:
    name = type(estimator).__name__
    if hasattr(estimator, "steps"):
        remedy = "To prune inside a Pipeline, put the pruner last in it."
    elif isinstance(estimator, BaseSearchCV):
        remedy = f"Give {name} the pruner to search over, or give the pruner `best_estimator_`."
    else:
        remedy = f"To choose among several {name}, give a list of them, each with a name."
    return TypeError(
        "estimator must be an ensemble that has `estimators_` once fitted (bagging, forests, "
        f"voting, stacking, AdaBoost, ...), or a list of (name, estimator); {name} has none. "
        f"{remedy}"
    )


def features_of(fitted: Any) -> tuple[NDArray[np.intp], ...] | None:
    """Columns of X that each member of a fitted ensemble sees; None where it is all of them."""
    features = getattr(fitted, "estimators_features_", None)
    if features is None:
        return None
    everything = np.arange(getattr(fitted, "n_features_in_", -1))
    if all(np.array_equal(f, everything) for f in features):
        return None
    return tuple(np.asarray(f) for f in features)
