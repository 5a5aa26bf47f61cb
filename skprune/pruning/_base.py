"""The workflow that every ensemble pruner shares; a leaf only chooses the weights."""

import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from joblib import Memory
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import check_random_state, get_tags, indexable
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    assert_all_finite,
    check_is_fitted,
    column_or_1d,
    has_fit_parameter,
    validate_data,
)

from ..utils import (
    MemberPool,
    check_cache,
    check_sample_weight,
    draw_seed,
    num_samples,
    routing_enabled,
    set_missing_seeds,
    unfreeze,
)
from ._calibration import (
    Calibration,
    TrainingData,
    calibrate_fitted,
    calibrate_trained,
    fitted_pool,
    holds_only_frozen,
    is_fraction,
)
from ._checks import check_estimator_parameter, emptied, positions_in, with_shape

__all__ = ["BaseEnsemblePruner"]


class BaseEnsemblePruner(MetaEstimatorMixin, ClassifierMixin, BaseEstimator, metaclass=ABCMeta):
    """Trains an ensemble, predicts held-out rows, keeps some members and lets them vote.

    A subclass implements :meth:`_select`, and :meth:`_check_parameters` for what it adds.
    """

    estimator: Any
    cv: Any
    voting: str
    memory: Any
    n_jobs: int | None
    random_state: Any
    verbose: int

    @abstractmethod
    def _select(self, calibration: Calibration) -> NDArray[np.float64]:
        """Weights of all members, zero for those to drop, from held-out predictions."""

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, **fit_params: Any
    ) -> "BaseEnsemblePruner":
        """Train the members, choose among them, and keep the chosen ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples; whatever the members take. Images may have three or four dimensions.
        y : array-like of shape (n_samples,)
            Classes.
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
        self._check_parameters()
        prefit = self._is_prefit()
        X, y = self._check_data(X, y)
        weight: NDArray[np.float64] | None = None
        if sample_weight is not None:
            weight = check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
        memory = check_cache(self.memory)
        if prefit:
            if fit_params:
                raise ValueError(
                    f"{sorted(fit_params)} cannot be passed to fit: the members are fitted already."
                )
            pool = fitted_pool(self.estimator)
            classes = pool.classes
            codes = positions_in(y, classes)
            self._report(f"predicting {len(y)} samples with {len(pool)} fitted members")
            calibration = calibrate_fitted(
                pool, X, codes, memory=memory, n_jobs=self.n_jobs, sample_weight=weight
            )
        else:
            classes, codes = np.unique(y, return_inverse=True)
            calibration = self._train(X, y, codes, classes, memory, weight, fit_params)
        n_samples = len(calibration.y)
        self._report(f"choosing among {len(calibration.P)} members on {n_samples} samples")
        weights = self._select(calibration)
        self._keep(calibration.pool(), classes, weights)
        self.sample_shape_ = tuple(X.shape[1:])
        self._report(f"kept {self.n_members_} of {self.n_members_in_} members")
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Weighted vote of the kept members, equation (1).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples of the shape seen in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Weighted mean of the members' probabilities; with ``voting="hard"``, the weighted
            share of the members that choose each class.
        """
        check_is_fitted(self)
        total: NDArray[np.float64] | None = None
        for weight, proba in zip(self.weights_[self.support_], self._probabilities(X), strict=True):
            if self.voting == "hard":
                proba = np.eye(len(self.classes_))[proba.argmax(axis=1)]
            total = weight * proba if total is None else total + weight * proba
        assert total is not None  # at least one member is always kept
        return np.asarray(total, dtype=np.float64)

    def member_predict_proba(self, X: Any) -> NDArray:
        """Probabilities of each kept member.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples of the shape seen in ``fit``.

        Returns
        -------
        ndarray of shape (n_members_, n_samples, n_classes)
            In the order of ``estimators_``.
        """
        return np.stack(list(self._probabilities(X)))

    def predict(self, X: Any) -> NDArray:
        """The class with the largest weighted vote.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples of the shape seen in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        votes = self.predict_proba(X)
        return self.classes_[votes.argmax(axis=1)]

    def get_metadata_routing(self) -> MetadataRouter:
        """Who gets which metadata; see scikit-learn's guide on metadata routing.

        Returns
        -------
        MetadataRouter
        """
        to_fit = MethodMapping().add(caller="fit", callee="fit")
        to_split = MethodMapping().add(caller="fit", callee="split")
        router = MetadataRouter(owner=self).add_self_request(self)
        members = self.estimator if isinstance(self.estimator, list) else None
        router.add(
            **(dict(members) if members else {"estimator": self.estimator}), method_mapping=to_fit
        )
        return router.add(splitter=self.cv, method_mapping=to_split)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "sample_shape_")  # the last thing that fit sets

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        members = self.estimator if isinstance(self.estimator, list) else [("", self.estimator)]
        inputs = [get_tags(member).input_tags for _, member in members]
        tags.input_tags.sparse = all(i.sparse for i in inputs)
        tags.input_tags.allow_nan = all(i.allow_nan for i in inputs)
        return tags

    def __getstate__(self) -> dict[str, Any]:
        # Members that were fitted beforehand stand in `estimator` too. A fitted pruner that
        # is saved leaves them out: it is as small as what it kept, and needs no more.
        state = dict(super().__getstate__())
        if "weights_" in state and self._is_prefit():
            state["estimator"] = emptied(self.estimator)
        return state

    def _probabilities(self, X: Any) -> Iterator[NDArray]:
        check_is_fitted(self)
        X = self._check_samples(X)
        pool = MemberPool(tuple(self.estimators_), self._columns, self.classes_, self._features)
        return pool.member_probabilities(X, self.n_jobs)

    def _check_parameters(self) -> None:
        check_estimator_parameter(self.estimator)
        if self.voting not in ("soft", "hard"):
            raise ValueError(f"voting must be 'soft' or 'hard'; got {self.voting!r}.")
        cv = self.cv
        if isinstance(cv, str) and cv != "prefit":
            raise ValueError(
                f"cv must be a fraction, 'prefit', a number of folds or a splitter; got {cv!r}."
            )
        if isinstance(cv, bool) or (is_fraction(cv) and not 0 < cv < 1):
            raise ValueError(
                f"cv as a fraction must lie strictly between 0 and 1; got {cv!r}. For folds, "
                "give an int of at least 2."
            )
        if isinstance(cv, Integral) and cv < 2:
            raise ValueError(f"cv as a number of folds must be at least 2; got {cv!r}.")

    def _is_prefit(self) -> bool:
        return holds_only_frozen(self.estimator) or (
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
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        if len(np.unique(y)) < 2:
            raise ValueError(f"y has one class only, {y[0]!r}; pruning a vote needs at least two.")
        return X, y

    def _check_samples(self, X: Any) -> Any:
        X = with_shape(X)
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
        codes: NDArray[np.intp],
        classes: NDArray,
        memory: Memory,
        sample_weight: NDArray[np.float64] | None,
        fit_params: dict[str, Any],
    ) -> Calibration:
        if memory.location is not None and not isinstance(self.random_state, Integral):
            warnings.warn(
                "memory= finds nothing again without an int random_state: every fit draws another "
                "split and other seeds. Set random_state to an int.",
                UserWarning,
                stacklevel=3,
            )
        rng = check_random_state(self.random_state)
        seed = draw_seed(rng)
        if isinstance(self.estimator, list):
            # Each member draws its own seed, in the order of the list.
            estimator: Any = [(n, set_missing_seeds(clone(m), rng)) for n, m in self.estimator]
        else:
            estimator = set_missing_seeds(clone(self.estimator), rng)
        member_params, split_params = self._route(sample_weight, fit_params)
        self._report(f"training members on {len(y)} samples, cv={self.cv}")
        return calibrate_trained(
            estimator,
            TrainingData(X, y, member_params),
            codes,
            classes,
            cv=self.cv,
            seed=seed,
            memory=memory,
            n_jobs=self.n_jobs,
            sample_weight=sample_weight,
            split_params=split_params,
        )

    def _route(
        self, sample_weight: NDArray[np.float64] | None, fit_params: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What each member's ``fit`` (by name, for a list) and the splitter are given."""
        many = isinstance(self.estimator, list)
        members = dict(self.estimator) if many else {"estimator": self.estimator}
        if routing_enabled():
            routed = process_routing(self, "fit", sample_weight=sample_weight, **fit_params)
            given = {name: dict(routed[name].fit) for name in members}
            split_params = dict(routed.splitter.split)
        else:
            given = {name: dict(fit_params) for name in members}
            split_params = {}
            for name, member in members.items():
                if sample_weight is None:
                    continue
                if has_fit_parameter(unfreeze(member), "sample_weight"):
                    given[name]["sample_weight"] = sample_weight
                else:
                    warnings.warn(
                        f"{type(member).__name__} takes no sample_weight: the weights are used "
                        "in calibration only.",
                        UserWarning,
                        stacklevel=4,
                    )
        return (given if many else given["estimator"]), split_params

    def _keep(self, pool: MemberPool, classes: NDArray, weights: NDArray[np.float64]) -> None:
        self.classes_ = classes
        self.support_ = weights > 0
        self.weights_ = weights / weights.sum()
        self.n_members_in_ = len(weights)
        self.n_members_ = int(self.support_.sum())
        kept = pool.subset(self.support_)
        self.estimators_ = list(kept.estimators)
        self._columns, self._features = kept.columns, kept.features

    def _report(self, message: str) -> None:
        if self.verbose:
            print(f"[{type(self).__name__}] {message}", flush=True)
