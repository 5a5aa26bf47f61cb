"""The workflow that every ensemble pruner shares; a leaf only chooses the weights."""

import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Iterator, Sequence
from numbers import Integral
from operator import is_
from typing import Any

import numpy as np
from joblib import Memory
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import indexable
from sklearn.utils.metadata_routing import (
    MetadataRouter,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from ..exceptions import SavedFormatError
from ..utils import (
    BasePool,
    DocumentationLink,
    MemberFile,
    Predictions,
    ReportsProgress,
    SavedState,
    ScratchFolder,
    VotingMember,
    check_cache,
    check_n_jobs,
    check_random_state,
    check_sample_weight,
    draw_seed,
    emptied,
    input_tags_of,
    num_samples,
    reports_progress,
    set_missing_seeds,
    voting_members,
)
from ._calibration import (
    Calibration,
    TrainingData,
    calibrate_trained,
)
from ._checks import check_cv, check_prediction_dtype, with_shape
from ._estimator import (
    check_estimator_parameter,
    check_fitted_members,
    check_trainable,
    holds_only_fitted,
    with_files,
)
from ._evidence import Evidence
from ._prefit import calibrate_fitted, predictions_of, stored_dtype
from ._routing import routed_params, router_of
from ._tasks import Task

__all__ = ["BaseEnsemblePruner"]


class BaseEnsemblePruner(
    MetaEstimatorMixin,
    ReportsProgress,
    DocumentationLink,
    SavedState,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Trains an ensemble, predicts held-out rows, and keeps some members with weights.

    What is predicted (classes, targets) is one half of a pruner, how members are chosen the
    other: a subclass of each kind brings the hooks below.

    Attributes
    ----------
    weights_ : ndarray of shape (n_members_in_,)
        Weights of all members; zero for those that were dropped.
    support_ : ndarray of shape (n_members_in_,), bool
        Members that were kept.
    estimators_ : list of n_members_ estimators
        The kept members only.
    n_members_, n_members_in_ : int
        Number of members kept, and to choose from.
    sample_shape_ : tuple of int or None
        Shape of one sample; None where no samples were seen.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(10, random_state=0)
    >>> pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, y)
    >>> from skprune.pruning import BaseEnsemblePruner
    >>> isinstance(pruner, BaseEnsemblePruner), pruner.score_name
    (True, 'accuracy')
    >>> pruner.member_scores(X, y).shape == (pruner.n_members_,)
    True
    """

    #: What ``score`` returns, for reports and figures.
    score_name: str
    estimator: Any
    cv: Any
    prediction_dtype: str | None
    memory: Any
    n_jobs: int | None
    random_state: Any
    verbose: int

    @abstractmethod
    def _check_target(self, y: Any) -> NDArray:
        """Validate y."""

    def _check_labels(self, y: Any) -> NDArray:
        """Validate a part of y."""
        return self._check_target(y)

    @abstractmethod
    def _prefit_task(self, y: NDArray) -> tuple[Task, BasePool, NDArray]:
        """The task of members that are fitted already, they themselves, and the encoded y."""

    @abstractmethod
    def _task(self, y: NDArray) -> tuple[Task, NDArray]:
        """The task of members that are to be trained, and the encoded y."""

    @abstractmethod
    def _fitted_task(self) -> Task:
        """The task, once fitted."""

    @abstractmethod
    def _encoded(self, y: NDArray, task: Task) -> NDArray:
        """Classes or targets as the evidence wants them."""

    @abstractmethod
    def _evidence(
        self, P: Predictions, y: NDArray, sample_weight: NDArray[np.float64] | None, task: Task
    ) -> Evidence:
        """Predictions of all members as the choice wants them."""

    @abstractmethod
    def _pool(self) -> BasePool:
        """The kept members."""

    @abstractmethod
    def _select(self, evidence: Evidence, calibration: Calibration) -> NDArray[np.float64]:
        """Weights of all members, zero for those to drop."""

    def _on_new_rows(self, evidence: Evidence) -> Evidence:
        """The evidence of rows that the choice had not seen."""
        return evidence

    def _note_pool(self, kept: BasePool) -> None:
        """Keep what :meth:`_pool` needs of the kept members."""

    def _check_calibration(
        self, y: NDArray, sample_weight: NDArray[np.float64] | None, task: Task
    ) -> None:
        """Refuse calibration rows that cannot do, before anything is trained."""
        if sample_weight is not None and not sample_weight.any():
            raise ValueError("sample_weight is zero for all calibration samples.")

    def _finish(self, evidence: Evidence, weights: NDArray[np.float64], task: Task) -> None:
        """Set what prediction needs besides the weights."""

    @reports_progress(2)
    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, **fit_params: Any
    ) -> "BaseEnsemblePruner":
        """Train the members, choose among them, and keep the chosen ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples; whatever the members take. Images may have three or four dimensions.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Classes, or targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, used in the members' fit (where they take them) and in calibration.
        **fit_params : dict
            Passed to the members' ``fit``, and routed where metadata routing is on.

        Returns
        -------
        self : object
            The fitted pruner.

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data cannot be right; before anything is trained.
        NoMemberLeftError
            If the penalty leaves no member.
        """
        # Fitted is what a whole fit leaves: one that fails leaves a pruner that is not.
        self.__dict__.pop("sample_shape_", None)
        self._check_parameters()
        prefit = self._is_prefit()
        X, y = self._check_data(X, y)
        weight: NDArray[np.float64] | None = None
        if sample_weight is not None:
            weight = check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
        memory = check_cache(self.memory)
        with ScratchFolder() as scratch:
            if prefit:
                if fit_params:
                    raise ValueError(
                        f"{sorted(fit_params)} cannot be passed to fit: the members are fitted "
                        "already."
                    )
                calibration, task = self._predict_fitted(X, y, weight, memory, scratch)
            else:
                task, encoded = self._task(y)
                calibration = self._train(X, y, encoded, task, memory, weight, fit_params)
            self._choose(calibration, task, tuple(X.shape[1:]))
        return self

    def _predict_fitted(
        self,
        X: Any,
        y: NDArray,
        sample_weight: NDArray[np.float64] | None,
        memory: Memory,
        scratch: ScratchFolder,
    ) -> tuple[Calibration, Task]:
        check_fitted_members(self.estimator)
        task, pool, encoded = self._prefit_task(y)
        self._check_calibration(encoded, sample_weight, task)
        self._report(f"predicting {len(y)} samples with {len(pool)} fitted members")
        self._phase("predicting")
        calibration = calibrate_fitted(
            pool,
            X,
            encoded,
            memory=memory,
            n_jobs=self.n_jobs,
            sample_weight=sample_weight,
            dtype=stored_dtype(pool, self.prediction_dtype),
            scratch=scratch,
        )
        return calibration, task

    def _choose(
        self, calibration: Calibration, task: Task, sample_shape: tuple[int, ...] | None
    ) -> None:
        """Choose members by their predictions, and keep them."""
        n_samples = len(calibration.y)
        self._report(f"choosing among {len(calibration.P)} members on {n_samples} samples")
        pool = calibration.pool()  # trains on all rows, where that is still to be done
        self._phase("choosing members")
        evidence = self._evidence(*calibration.heard(), task)
        weights = self._select(evidence, calibration)
        self._keep(pool, weights)
        self._finish(evidence, weights, task)
        self._shelf = calibration.shelf, tuple(self.estimators_)
        self.sample_shape_ = sample_shape
        self._report(f"kept {self.n_members_} of {self.n_members_in_} members")

    def evidence(self, ensemble: Any, X: Any, y: ArrayLike) -> Evidence:
        """What all members say of some rows: for reports and figures.

        Parameters
        ----------
        ensemble : fitted ensemble or list of (name, estimator)
            The ensemble that was pruned, of which the pruner holds a part.
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Their classes or targets.

        Returns
        -------
        Evidence

        Raises
        ------
        NotFittedError
            If the pruner is not fitted.
        ValueError
            If it is not the ensemble that was pruned, or y is not of its kind.
        """
        check_is_fitted(self)
        task = self._fitted_task()
        pool = task.pool(with_files(ensemble))
        if len(pool) != self.n_members_in_:
            raise ValueError(
                f"ensemble has {len(pool)} members, but the pruner chose among "
                f"{self.n_members_in_}: it is not the ensemble that was pruned."
            )
        encoded = self._encoded(np.asarray(y), task)
        P = predictions_of(pool, X, self.n_jobs, stored_dtype(pool, self.prediction_dtype))
        return self._on_new_rows(self._evidence(P, encoded, None, task))

    def member_scores(self, X: Any, y: ArrayLike) -> NDArray[np.float64]:
        """Score of each kept member alone: accuracy, or R^2.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples of the shape seen in ``fit``.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Their classes or targets.

        Returns
        -------
        ndarray of shape (n_members_,)
            In the order of ``estimators_``.
        """
        check_is_fitted(self)
        task = self._fitted_task()
        P = np.stack(list(self._member_outputs(X)))
        return self._evidence(P, self._encoded(np.asarray(y), task), None, task).member_scores()

    def get_metadata_routing(self) -> MetadataRouter:
        """Who gets which metadata; see scikit-learn's guide on metadata routing.

        Returns
        -------
        MetadataRouter
            Of ``fit``, and of the members' ``fit``.
        """
        return router_of(self)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "sample_shape_")  # the last thing that fit sets

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        members = self.estimator if isinstance(self.estimator, list) else [self.estimator]
        # What a file takes is not known before it is read; what is no estimator fit refuses.
        inputs = [input_tags_of(m[-1] if isinstance(m, tuple) and m else m) for m in members]
        inputs = [each for each in inputs if each is not None]
        tags.input_tags.sparse = all(i.sparse for i in inputs)
        tags.input_tags.allow_nan = all(i.allow_nan for i in inputs)
        return tags

    def _state(self) -> dict[str, Any]:
        # Members that were fitted beforehand stand in `estimator` too. A fitted pruner that
        # is saved leaves them out: it is as small as what it kept, and needs no more.
        state = super()._state()
        state.pop("_shelf", None)  # what predicts elsewhere writes to no cache
        if "weights_" in state and self._is_prefit():
            state["estimator"] = emptied(self.estimator)
        return state

    def _set_state(self, state: dict[str, Any]) -> None:
        # To predict reads no file, and runs no pickle: whoever vouches for what was saved cannot
        # vouch for what else lies where it says.
        if any(isinstance(member, MemberFile) for member in state.get("estimators_", ())):
            raise SavedFormatError(
                f"This {type(self).__name__} holds paths of members instead of the members that "
                "it kept: no skprune has written that."
            )
        state.pop("_shelf", None)
        super()._set_state(state)

    def _member_outputs(self, X: Any) -> Iterator[NDArray]:
        check_is_fitted(self)
        X, (shelf, members) = self._check_samples(X), getattr(self, "_shelf", (None, ()))
        # Who puts others in their place gets what those say.
        others = len(members) != len(self.estimators_)
        if shelf is None or others or not all(map(is_, members, self.estimators_)):
            return self._pool().member_outputs(X, self.n_jobs)
        return shelf.outputs(self._pool(), np.flatnonzero(self.support_), X, self.n_jobs)

    def _check_parameters(self) -> None:
        check_n_jobs(self.n_jobs)
        check_random_state(self.random_state)
        check_estimator_parameter(self.estimator)
        check_prediction_dtype(self.prediction_dtype)
        check_cv(self.cv)
        if not self._is_prefit():
            check_trainable(self.estimator, self.cv)

    def _is_prefit(self) -> bool:
        return holds_only_fitted(self.estimator) or (
            isinstance(self.cv, str) and self.cv == "prefit"
        )

    def _check_data(self, X: Any, y: Any) -> tuple[Any, NDArray]:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        X = with_shape(X)
        validate_data(self, X, skip_check_array=True)
        X, y = indexable(X, y)
        if num_samples(X) == 0:
            raise ValueError("X has 0 samples; at least two are needed.")
        return X, self._check_target(y)

    def _check_samples(self, X: Any) -> Any:
        X = with_shape(X)
        if self.sample_shape_ is None:  # fit_predictions has seen no sample
            return X
        shape = tuple(X.shape[1:])
        if not shape and self.sample_shape_:
            raise ValueError(
                f"X has one dimension, but samples have shape {self.sample_shape_}. Reshape your "
                "data: X.reshape(1, -1) if it is a single sample."
            )
        validate_data(self, X, skip_check_array=True, reset=False)
        if shape != self.sample_shape_:
            raise ValueError(
                f"X has samples of shape {shape}, but {type(self).__name__} was fitted on samples "
                f"of shape {self.sample_shape_}."
            )
        return X

    def _train(
        self,
        X: Any,
        y: NDArray,
        encoded: NDArray,
        task: Task,
        memory: Memory,
        sample_weight: NDArray[np.float64] | None,
        fit_params: dict[str, Any],
    ) -> Calibration:
        if memory.location is not None and not isinstance(self.random_state, Integral):
            warnings.warn(
                "memory= finds nothing again without an int random_state: every fit draws another "
                "split and other seeds. Set random_state to an int.",
                UserWarning,
                stacklevel=5,
            )
        rng = check_random_state(self.random_state)
        seed = draw_seed(rng)
        if isinstance(self.estimator, list):
            # Each member draws its own seed, in the order of the list.
            estimator: Any = [(n, set_missing_seeds(clone(m), rng)) for n, m in self.estimator]
        else:
            estimator = set_missing_seeds(clone(self.estimator), rng)
        member_params, split_params = routed_params(self, sample_weight, fit_params)
        self._report(f"training members on {len(y)} samples, cv={self.cv}")
        calibration = calibrate_trained(
            estimator,
            TrainingData(X, y, member_params),
            encoded,
            task,
            cv=self.cv,
            seed=seed,
            memory=memory,
            n_jobs=self.n_jobs,
            sample_weight=sample_weight,
            split_params=split_params,
            phase=self._phase,
            training=self._training,
            check=lambda rows: self._check_calibration(
                encoded[rows], None if sample_weight is None else sample_weight[rows], task
            ),
        )
        return calibration.narrowed(self.prediction_dtype)

    def _keep(self, pool: BasePool, weights: NDArray[np.float64]) -> None:
        self.support_ = weights > 0
        self.weights_ = weights
        self.n_members_in_ = len(weights)
        self.n_members_ = int(self.support_.sum())
        kept = pool.subset(self.support_).loaded()
        self.estimators_ = list(kept.estimators)
        self._features = kept.features
        self._note_pool(kept)

    def _voting_members(self, columns: Sequence[NDArray | None]) -> tuple[VotingMember, ...]:
        """The kept members as they go into one graph."""
        numbers = np.flatnonzero(self.support_)
        return voting_members(
            self.estimators_, self.weights_[numbers], columns, self._features, numbers
        )
