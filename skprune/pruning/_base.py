"""The workflow of every pruner: validate, predict unseen rows, select members, keep them."""

from abc import ABCMeta, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from operator import is_
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
from joblib import Memory
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import MetaEstimatorMixin, clone, is_classifier
from sklearn.model_selection import GroupShuffleSplit
from sklearn.utils import (
    _safe_indexing,
    check_consistent_length,
    indexable,
)
from sklearn.utils.metadata_routing import (
    UNUSED,
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from ..exceptions import SavedFormatError
from ..socp import (
    SOLVER,
    EnsembleStatistics,
    SOCPSolution,
    check_installed,
    nearest_semidefinite,
)
from ..utils import (
    ALPHA,
    LAM,
    N_JOBS,
    RANDOM_STATE,
    Number,
    Predictions,
    ScratchFolder,
    SkpruneEstimator,
    Splitter,
    StrOptions,
    VotingMember,
    cached_call,
    check_cache,
    check_parameters,
    check_random_state,
    check_sample_weight,
    clone_unfitted,
    draw_seed,
    input_tags_of,
    num_samples,
    reports_progress,
    routing_enabled,
    set_missing_seeds,
    unfreeze,
    voting_members,
    warn_user,
)
from ._calibration import (
    TIMED_ROWS,
    Calibration,
    MemberOutputCache,
    StoredBlocks,
    TrainingData,
    calibrated_out_of_bag,
    calibration_splits,
    checked_groups,
    is_fraction,
    losses_by_draw,
    predict_fitted,
    predictions_of,
    train_and_predict,
    train_out_of_bag,
    warn_of_drawn_rows,
    warn_of_few_rows,
    warn_of_known_rows,
)
from ._given import (
    check_given_predictions,
    given_predictions,
    kept_blocks,
    members_without_estimators,
)
from ._limits import check_costs, check_limits, limits_of, member_costs
from ._members import (
    ClassMapping,
    MemberFile,
    Members,
    are_listed,
    check_estimator,
    check_fitted_members,
    check_unfitted_members,
    copied,
    encode_labels,
    expected_n_members,
    is_fitted,
    is_trained,
    listed_members,
    named_members,
    names_of,
    needs_no_training,
    with_member,
)
from ._out_of_bag import check_draws_rows, drawn_rows, draws_rows, out_of_bag_rows
from ._predictions import CalibrationPredictions, StatisticsAlone
from ._report import MemberTable, explain_members, frontier
from ._selection import REWEIGHT, THRESHOLD, Program, Relaxation, least_reported, shrinkage

__all__ = ["BasePruner"]

_GROUPS_ARE_SPLIT = (
    "groups cannot be used with cv={cv!r}, which splits rows of one group. Give a share of the "
    "groups to hold out, such as 0.25, or a splitter such as GroupKFold."
)


class BasePruner(
    MetaEstimatorMixin,
    SkpruneEstimator,
    metaclass=ABCMeta,
):
    """Train an ensemble, predict unseen rows, and keep some members with weights.

    A subclass for classes and one for targets bring the abstract methods; the
    cross-validated variants override ``_select``.
    """

    estimator: Any
    cv: Any
    alpha: Any
    lam: float
    threshold: float
    reweight: Any
    penalty: str
    costs: Any
    penalize_costs: bool
    positive: bool
    max_members: int | None
    max_cost: float | None
    keep: Any
    families: Any
    max_per_family: int | None
    solver: str
    prediction_dtype: str | None
    memory: Any
    n_jobs: int | None
    random_state: Any
    verbose: int

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "cv": [
            None,
            StrOptions({"auto", "oob", "prefit"}),
            Number(Real, 0, 1, closed="neither", meaning="a share of the rows"),
            Number(Integral, 2, meaning="a number of folds"),
            Splitter(iterable=True),
        ],
        "alpha": ALPHA,
        "lam": LAM,
        "threshold": THRESHOLD,
        "reweight": REWEIGHT,
        "penalty": [StrOptions({"l1", "l0"})],
        "costs": [None, StrOptions({"parameters", "latency"}), "array-like"],
        "penalize_costs": ["boolean"],
        "positive": ["boolean"],
        "max_members": [None, Number(Integral, 1)],
        "max_cost": [None, Number(Real, 0, closed="neither")],
        "keep": [None, str, "array-like"],
        "families": [None, Mapping, "array-like"],
        "max_per_family": [None, Number(Integral, 1)],
        "solver": SOLVER,
        "prediction_dtype": [None, StrOptions({"float32", "float16"})],
        "n_jobs": N_JOBS,
        "random_state": RANDOM_STATE,
        "verbose": ["verbose"],
    }
    # Regressors predict no probabilities, and have no choice; classifiers have a parameter.
    diversity: str = "gini"
    #: Budgets that sets of members are searched for at; one is ``max_cost`` itself.
    _n_budgets: ClassVar[int] = 24
    #: Name of the score of reports and figures.
    score_name: str
    alpha_: float
    sample_shape_: tuple[int, ...] | None
    reweight_: str | float
    classes_: NDArray
    intercept_: NDArray[np.float64]
    estimators_: list[Any]
    _member_table: MemberTable | partial[MemberTable]
    _mapping: ClassMapping | None
    _encoded: dict[int, NDArray]
    _features: tuple[NDArray[np.intp], ...] | None

    # Not requested by the pruner itself, which hands them to its splitters.
    __metadata_request__fit: ClassVar[dict[str, str]] = {"groups": UNUSED}

    # What differs between classes and targets

    @abstractmethod
    def _check_target(self, y: Any, *, partial: bool = False) -> NDArray:
        """Validate y, or a part of it."""

    @abstractmethod
    def _outputs(self, y: NDArray) -> dict[str, Any]:
        """The keyword of :meth:`Members.of` for these targets: classes, or n_targets."""

    @abstractmethod
    def _predictions(
        self,
        P: Predictions,
        y: NDArray,
        sample_weight: NDArray[np.float64] | None,
        classes: Any,
        *,
        new_rows: bool = False,
    ) -> CalibrationPredictions:
        """Predictions of all members with y encoded; of rows that were not calibrated on."""

    @abstractmethod
    def _combined(self, outputs: Iterable[NDArray]) -> NDArray[np.float64]:
        """Probabilities or targets, from predictions (n, k) of each kept member."""

    # Parameters of members by their names, as in scikit-learn's VotingClassifier

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of the pruner, and those of its members.

        Parameters
        ----------
        deep : bool, default=True
            Add the members, by their names where ``estimator`` lists them, and their parameters
            as ``name__parameter``.

        Returns
        -------
        dict of str to object
            Parameters by their names.
        """
        params: dict[str, Any] = super().get_params(deep=deep)
        own = set(self._get_param_names())
        for name, member in listed_members(self.estimator) if deep else []:
            if not isinstance(name, str) or name in own:
                continue  # fit raises for it
            params[name] = member
            if hasattr(member, "get_params") and not isinstance(member, type):
                of_member = member.get_params(deep=True)
                params |= {f"{name}__{key}": value for key, value in of_member.items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the pruner, members, or parameters of members.

        Parameters
        ----------
        **params : dict
            Parameters of the pruner; where ``estimator`` lists its members, ``name=member`` puts
            another one in the place of that name, ``name="drop"`` leaves it out, and
            ``name__parameter=value`` sets a parameter of it.

        Returns
        -------
        self : object
            The pruner.
        """
        if "estimator" in params:
            self.estimator = params.pop("estimator")
        names = {name for name, _ in listed_members(self.estimator)} - set(self._get_param_names())
        for name in names & set(params):
            self.estimator = with_member(self.estimator, name, params.pop(name))
        super().set_params(**params)
        return self

    # Fit

    @reports_progress(2)
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Train the members, select some of them on rows they have not seen, and keep those.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples, in a form that the members take. Images may have three or four dimensions.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Classes, or targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, used in the members' fit (where they take them) and in calibration.
        groups : array-like of shape (n_samples,), default=None
            Group of each sample. Rows of one group are never split between training and
            calibration, nor, where a search scores candidates, between its folds.
        **fit_params : dict
            Passed to the members' ``fit``, or routed if metadata routing is enabled.

        Returns
        -------
        self : object
            The fitted pruner.

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are wrong; raised before anything is trained.
        NoMemberLeftError
            If the penalty leaves no member.
        """
        self.__dict__.pop("sample_shape_", None)  # a fit that fails leaves an unfitted pruner
        self._check_has_estimator("fit")
        self._check_parameters()
        self._check_limits()
        X, y, sample_weight = self._validate(X, y, sample_weight)
        if groups is not None:
            groups = checked_groups(groups, y)
        memory = check_cache(self.memory)
        with ScratchFolder() as scratch:
            if self._is_prefit():
                calibration = self._predict_fitted(
                    X, y, sample_weight, groups, fit_params, memory, scratch
                )
            else:
                calibration = self._train_and_predict(
                    X, y, sample_weight, groups, fit_params, memory
                )
            self._select_and_keep(calibration, tuple(X.shape[1:]))
        return self

    @reports_progress(2)
    def fit_blocks(self, blocks: Iterable[tuple]) -> Self:
        """Select among fitted members on rows that come in blocks; as ``fit`` on all of them.

        Parameters
        ----------
        blocks : iterable of (X, y) or (X, y, sample_weight)
            Calibration rows, a block in memory at a time. What the members predict is kept in
            a temporary file (never in ``memory``), in the precision of ``prediction_dtype``.
            Members in files are loaded once a block.

        Returns
        -------
        self : object
            The fitted pruner.

        Raises
        ------
        ValueError, TypeError
            If the members are not fitted, a block does not fit the ones before it, or there is
            no row.
        """
        self._begin_with_fitted_members("fit_blocks")
        self._check_limits()
        with ScratchFolder() as scratch:
            calibration, sample_shape = self._predict_blocks(blocks, scratch)
            self._select_and_keep(calibration, sample_shape)
        return self

    @reports_progress(1)
    def fit_predictions(
        self,
        P: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Select among members by what they predict; none needs to be there.

        With an ``estimator`` of fitted members the kept ones predict new samples; as no sample is
        seen here, they take them without a check. Without one, :meth:`combine` combines what the
        kept members predict.

        Parameters
        ----------
        P : array-like of shape (n_members, n_samples[, n_outputs]), DataFrame or dict
            What the members predict for samples that they were not trained on: probabilities of the
            classes in sorted order, or targets. Two dimensions are enough for two classes (the
            probability of the second) and for one target; a DataFrame of these has a row for each
            sample and a column for each member, whose names are kept; a dict has an array for each
            name. In the order of ``estimator``, or of its names, if there is one. A memory map or
            ``PredictionStore`` of three dimensions is read block by block.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Classes, or targets. Where a class of P does not occur in y, positions of the classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        self : object
            The fitted pruner.

        Raises
        ------
        ValueError, TypeError
            If the members are not fitted, or the shape of P does not match the members, y and
            the classes.
        """
        if self.estimator is None:
            self._begin()
        else:
            self._begin_with_fitted_members("fit_predictions")
        if np.ndim(y) and len(np.asarray(y)) == 0:
            raise ValueError("y has 0 samples; at least two are needed.")
        y = self._check_target(y)
        members, names = None, None
        if self.estimator is not None:
            members = self._fitted_members(y)
            names = self._names()
        given, names = given_predictions(
            P,
            names,
            None if members is None else members.n_outputs,
            by_class=is_classifier(self),
        )
        check_given_predictions(given, len(y), members, names)
        if members is None:
            members = members_without_estimators(given, y, self._outputs(y).get("classes"))
        weight = None if sample_weight is None else _checked_weights(sample_weight, y)
        self._check_calibration_rows(y, weight, members.classes)
        calibration = Calibration(members, given, y, weight, None, names=names)
        self._select_and_keep(calibration, None)
        if members.classes is not None:
            warn_of_few_rows(y, weight, members.classes)
        return self

    def fit_statistics(self, stats: EnsembleStatistics) -> Self:
        """Select among members by the statistics of their predictions, which may be gone.

        For more predictions than any disk holds: statistics of parts add up, on one machine or on
        many (:meth:`~skprune.socp.EnsembleStatistics.from_blocks`). The weights are those of the
        program that they define; nothing is fitted to rows, so there is no temperature, and the
        intercept of regressors takes their mean predictions for those of the targets.

        Parameters
        ----------
        stats : EnsembleStatistics
            Statistics of the members' predictions: of probabilities, or of targets.

        Returns
        -------
        self : object
            The fitted pruner, without ``frontier_`` and ``explain``. ``path_`` ends at ``lam``.
            Without an ``estimator``, classes are positions 0, 1, ...

        Raises
        ------
        ValueError, TypeError
            If ``stats`` are of another kind or number of members, or a parameter needs rows:
            ``calibrate``, ``voting="log"``, ``diversity="exact"``.
        """
        if self.estimator is None:
            self._begin()
        else:
            self._begin_with_fitted_members("fit_statistics")
        members = self._members_of_statistics(stats)
        # The number of dimensions of y.
        T = members.n_outputs
        y = np.empty((0, T) if members.classes is None and T > 1 else 0)
        nothing = np.empty((0, 0, T))
        calibration = Calibration(members, nothing, y, None, None, names=stats.names)
        voting = getattr(self, "voting", "soft")
        known = StatisticsAlone(stats, members.classes, voting, self.positive)
        program, none = self._program(calibration), np.arange(0)
        if program.search_limits and voting == "hard":
            raise ValueError(
                "max_cost, keep and families compare sets by their squared error, which statistics "
                "do not have for voting='hard': give voting='soft'."
            )
        (self.alpha_,) = self._alphas()
        relaxation = Relaxation(program, known, none, stats.completed(), self.alpha_, self.lam)
        self.solution_, weights = self._solve(relaxation, out_of_bag=False)
        self.path_ = relaxation.path
        self._keep(calibration, weights, known)
        for name in ("frontier_", "_member_table", "_output_cache"):
            self.__dict__.pop(name, None)
        self.sample_shape_ = None
        self._report(f"kept {self.n_members_} of {self.n_members_in_} members")
        return self

    def _members_of_statistics(self, stats: Any) -> Members:
        """The members; raise where statistics, members and parameters do not match."""
        if not isinstance(stats, EnsembleStatistics):
            raise TypeError(f"stats must be EnsembleStatistics; got {type(stats).__name__}.")
        kind = "classes" if is_classifier(self) else "regression"
        if stats.kind != kind:
            raise ValueError(
                f"stats must be those of {kind} for {type(self).__name__}; got {stats.kind}."
            )
        for name, value, remedy in (
            ("voting", "log", "voting='soft'"),
            ("calibrate", "temperature", "calibrate=None"),
            ("diversity", "exact", "diversity='shannon'"),
        ):
            if getattr(self, name, None) == value:
                raise ValueError(
                    f"{name}={value!r} needs rows, of which statistics know none: give {remedy}."
                )
        n_outputs = stats.n_classes if kind == "classes" else stats.n_classes // 2
        if self.estimator is None:
            mapping = None
            if kind == "classes":
                positions = np.arange(n_outputs)
                mapping = ClassMapping(positions, positions, positions)
            return Members((None,) * stats.n_members, None, n_outputs, mapping)
        n_targets = None if kind == "classes" else n_outputs
        members = Members.of(self.estimator, n_targets=n_targets)
        names = self._names()
        if names is not None and stats.names is not None and names != stats.names:
            raise ValueError(
                f"stats are of members with other names, {stats.names[:5]}, than those in "
                f"estimator, {names[:5]}; the names and their order must be the same."
            )
        if (len(members), members.n_outputs) != (stats.n_members, n_outputs):
            raise ValueError(
                f"stats are of {stats.n_members} members and {n_outputs} outputs, and the "
                f"estimator has {len(members)} and {members.n_outputs}."
            )
        return members

    def _validate(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[Any, NDArray, NDArray[np.float64] | None]:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        X = _with_shape(X)
        validate_data(self, X, skip_check_array=True)
        X, y = indexable(X, y)
        if num_samples(X) == 0:
            raise ValueError("X has 0 samples; at least two are needed.")
        y = self._check_target(y)
        if sample_weight is not None:
            try:
                sample_weight = check_sample_weight(
                    sample_weight, X, dtype=np.float64, ensure_non_negative=True
                )
            except ValueError as error:
                raise ValueError(
                    f"sample_weight must be numbers, one a row: {error} (Groups are given by name, "
                    "groups=.)"
                ) from error
        return X, y, sample_weight

    def _predict_fitted(
        self,
        X: Any,
        y: NDArray,
        sample_weight: NDArray[np.float64] | None,
        groups: NDArray | None,
        fit_params: dict[str, Any],
        memory: Memory,
        scratch: ScratchFolder,
    ) -> Calibration:
        """Predict all rows with members that were fitted before, on other rows."""
        given = sorted(name for name, value in fit_params.items() if value is not None)
        if given:
            raise ValueError(f"{given} cannot be passed to fit: the members are fitted already.")
        check_fitted_members(self.estimator)
        members = self._fitted_members(y)
        own = None
        if self._cv_name == "oob":
            check_draws_rows(self.estimator, len(y))
            if groups is not None:
                raise ValueError(_GROUPS_ARE_SPLIT.format(cv="oob"))
            own = out_of_bag_rows(self.estimator, len(y))
        self._check_calibration_rows(y, sample_weight, members.classes, groups)
        if members.classes is not None:
            warn_of_few_rows(y, sample_weight, members.classes)
        self._report(f"predicting {len(y)} samples with {len(members)} fitted members")
        self._phase("predicting")
        P = predict_fitted(
            members,
            X,
            dtype=self.prediction_dtype,
            memory=memory,
            scratch=scratch,
            n_jobs=self.n_jobs,
        )
        calibration = Calibration(members, P, y, sample_weight, X[:TIMED_ROWS], groups=groups)
        if own is None:
            self._warn_of_rows_drawn_in_list(X, y, members.classes)
            return calibration
        # Nothing else is random here: without a seed, too, two fits are the same.
        state = 0 if self.random_state is None else self.random_state
        return calibrated_out_of_bag(calibration, own, draw_seed(check_random_state(state)))

    def _train_and_predict(
        self,
        X: Any,
        y: NDArray,
        sample_weight: NDArray[np.float64] | None,
        groups: NDArray | None,
        fit_params: dict[str, Any],
        memory: Memory,
    ) -> Calibration:
        """Train the members, and predict rows that they were not trained on."""
        if memory.location is not None and not isinstance(self.random_state, Integral):
            warn_user(
                "With memory set, pass an integer random_state; otherwise no cached result can be "
                "reused, since every fit draws another split and other seeds."
            )
        rng = check_random_state(self.random_state)
        seed = draw_seed(rng)
        self._report_fitted()
        if are_listed(self.estimator):
            # Each member draws its own seed, in the order of the list.
            pairs = named_members(self.estimator)
            estimator: Any = [(n, set_missing_seeds(copied(n, m), rng)) for n, m in pairs]
        else:
            estimator = set_missing_seeds(clone(self.estimator, safe=False), rng)
        member_params, split_params = self._routed_params(sample_weight, groups, fit_params)
        outputs, by_class = self._outputs(y), is_classifier(self)
        if are_listed(self.estimator):
            given = {name: member for name, member in estimator if not is_trained(member)}
            if given:  # they predict a row before others are trained
                Members.of(given, **outputs).outputs(_safe_indexing(X, [0]))
        cv = self._training_cv(len(y), split_params)
        out_of_bag = isinstance(cv, str)
        splits: list[Any] = []
        rows = np.arange(len(y))
        if not out_of_bag:
            splits = calibration_splits(
                cv, X, y, by_class=by_class, seed=seed, split_params=split_params
            )
            rows = np.concatenate([test for _, test in splits])
        weight = None if sample_weight is None else sample_weight[rows]
        groups = None if groups is None else groups[rows]
        self._check_calibration_rows(y[rows], weight, outputs.get("classes"), groups)
        if by_class:
            held_out = rows if len(splits) == 1 else None
            all_groups = split_params.get("groups")
            warn_of_few_rows(y, sample_weight, outputs["classes"], held_out, all_groups)
        refit = not out_of_bag and not is_fraction(cv)
        self._report(f"training members on {len(y)} samples, cv={cv}")
        self._phase("training members", max(1, len(splits) + refit))
        data = TrainingData(X, y, member_params)
        options: dict[str, Any] = {
            "outputs": outputs,
            "sample_weight": weight,
            "groups": groups,
            "dtype": self.prediction_dtype,
            "memory": memory,
            "n_jobs": self.n_jobs,
            "training": self._training,
        }
        if out_of_bag:
            return train_out_of_bag(estimator, data, seed, **options)
        return train_and_predict(estimator, data, splits, refit=refit, **options)

    def _report_fitted(self) -> None:
        """Say which fitted estimators are trained again."""
        if not self.verbose:
            return
        listed = are_listed(self.estimator)
        pairs = named_members(self.estimator) if listed else [("estimator", self.estimator)]
        fitted = [repr(name) for name, member in pairs if is_trained(member) and is_fitted(member)]
        if fitted:
            more = f" and {len(fitted) - 5} more" if len(fitted) > 5 else ""
            self._report(
                f"fitted members are trained again: {', '.join(fitted[:5])}{more}; to keep them as "
                "they are, wrap them in sklearn.frozen.FrozenEstimator, or give cv='prefit'"
            )

    def _training_cv(self, n_rows: int, split_params: dict[str, Any]) -> Any:
        """``cv``, or what "auto" stands for; raise if it does not suit the ensemble or groups."""
        grouped = split_params.get("groups") is not None
        if self._cv_name == "auto":
            whole = grouped or self.diversity == "exact"
            return 0.25 if whole or not draws_rows(self.estimator, n_rows) else "oob"
        if self._cv_name == "oob":
            check_draws_rows(self.estimator, n_rows)
        if grouped and isinstance(self.cv, str | Integral | None):
            raise ValueError(_GROUPS_ARE_SPLIT.format(cv=self.cv))
        return self.cv

    def _predict_blocks(
        self, blocks: Iterable[tuple], scratch: ScratchFolder
    ) -> tuple[Calibration, tuple[int, ...]]:
        """Predict rows that come in blocks with members that were fitted before."""
        self._phase("predicting", None)
        stored: StoredBlocks | None = None
        ys: list[NDArray] = []
        weights: list[Any] = []
        for number, X, y, weight in self._checked_blocks(blocks):
            if stored is None:
                members, sample_shape = self._fitted_members(y), tuple(X.shape[1:])
                timed = _safe_indexing(X, np.arange(min(TIMED_ROWS, len(y))))  # a copy
                stored = StoredBlocks(members, self.prediction_dtype, scratch, self.n_jobs)
            if members.classes is not None:
                try:
                    encode_labels(y, members.classes)
                except ValueError as error:
                    raise ValueError(f"Block {number}: {error}") from error
            self._report(f"predicting {len(y)} samples with {len(members)} fitted members")
            stored.add(X)
            self._step(f"block {number}")
            ys.append(y)
            weights.append(weight)
        if stored is None:
            raise ValueError(
                "blocks hold 0 samples; at least two are needed. An iterator that was read before "
                "is empty: make a new one."
            )
        y = self._check_target(np.concatenate(ys))
        weight = None if weights[0] is None else np.concatenate(weights)
        self._check_calibration_rows(y, weight, members.classes)
        if members.classes is not None:
            warn_of_few_rows(y, weight, members.classes)
        return Calibration(members, stored.store(), y, weight, timed), sample_shape

    def _checked_blocks(
        self, blocks: Iterable[tuple]
    ) -> Iterator[tuple[int, Any, NDArray, NDArray[np.float64] | None]]:
        """Blocks that hold rows, with their numbers, each like the ones before it."""
        if not isinstance(blocks, Iterable):
            raise TypeError(
                "blocks must be an iterable of (X, y) or (X, y, sample_weight); got "
                f"{type(blocks).__name__}."
            )
        before: tuple | None = None
        for number, block in enumerate(blocks):
            if not isinstance(block, tuple | list) or len(block) not in (2, 3):
                raise TypeError(
                    "blocks must yield (X, y) or (X, y, sample_weight); block "
                    f"{number} is {type(block).__name__}: {block!r:.60}."
                )
            X, y, *rest = block
            weight = rest[0] if rest else None
            X = _with_shape(X)
            try:
                X, y, weight = indexable(X, y, weight)
                if num_samples(X) == 0:
                    continue
                validate_data(self, X, skip_check_array=True, reset=before is None)
                y = self._check_target(y, partial=True)
                weight = None if weight is None else _checked_weights(weight, y)
            except (TypeError, ValueError) as error:
                kind_of_error = TypeError if isinstance(error, TypeError) else ValueError
                raise kind_of_error(f"Block {number}: {error}") from error
            shapes = tuple(X.shape[1:]), tuple(y.shape[1:]), weight is not None
            if before is not None and shapes != before:
                raise ValueError(
                    f"Block {number} has {_shapes_in_words(*shapes)}; the blocks before it have "
                    f"{_shapes_in_words(*before)}."
                )
            before = shapes
            yield number, X, y, weight

    def _begin(self) -> None:
        for name in ("sample_shape_", "n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
        self._check_parameters()

    def _check_limits(self) -> None:
        """Raise, before anything is trained, for limits that the known members cannot meet."""
        n_members = expected_n_members(self.estimator, self._is_prefit())
        check_limits(self, self._names(), n_members)

    def _check_has_estimator(self, method: str) -> None:
        if self.estimator is None:
            raise TypeError(
                f"estimator must be an ensemble, or a list of members, for {method}; got None. "
                "Without one, call fit_predictions with what the members predict."
            )

    def _begin_with_fitted_members(self, method: str) -> None:
        self._begin()
        self._check_has_estimator(method)
        if not self._is_prefit():
            raise ValueError(
                f"{method} takes fitted members only, and cv={self.cv!r} would train them: give "
                "cv='prefit', FrozenEstimators, or paths of fitted members."
            )
        if self._cv_name == "oob":
            raise ValueError(
                f"{method} takes rows that no member was trained on; cv='oob' takes the training "
                "rows: call fit."
            )
        check_fitted_members(self.estimator)

    def _fitted_members(self, y: NDArray) -> Members:
        """The members in ``estimator``; their classes must include those of y."""
        outputs = self._outputs(y)
        if "classes" in outputs:  # the members may know others as well
            outputs = {"labels": outputs["classes"]}
        members = Members.of(self.estimator, **outputs)
        if members.classes is not None:
            encode_labels(y, members.classes)
        return members

    def _select_and_keep(
        self, calibration: Calibration, sample_shape: tuple[int, ...] | None
    ) -> None:
        n_samples, members = len(calibration.y), calibration.members
        self._report(f"choosing among {len(members)} members on {n_samples} samples")
        self._phase("choosing members")
        predictions = replace(
            self._predictions(
                calibration.P, calibration.y, calibration.sample_weight, members.classes
            ),
            own=calibration.own,
            groups=calibration.groups,
        )
        if calibration.own is None and self._is_prefit():
            self._warn_of_drawn_rows(predictions)
        predictions = predictions.with_positive_weight()
        weights = self._select(predictions, calibration)
        self._keep(calibration, weights, predictions)
        if calibration.own is None:
            self._warn_of_known_rows(predictions.n_rows)
        self._output_cache = calibration.output_cache, tuple(getattr(self, "estimators_", ()))
        self.sample_shape_ = sample_shape
        self._report(f"kept {self.n_members_} of {self.n_members_in_} members")

    def _select(
        self, predictions: CalibrationPredictions, calibration: Calibration
    ) -> NDArray[np.float64]:
        """Weights of all members, zero for those to drop: one alpha, lambda and threshold."""
        program, every = self._program(calibration), np.arange(predictions.n_rows)
        stats = self._statistics(predictions, calibration).completed()
        (self.alpha_,) = self._alphas()
        least = least_reported(program, self.lam)
        relaxation = Relaxation(program, predictions, every, stats, self.alpha_, least)
        solution, weights = self._solve(relaxation, out_of_bag=predictions.own is not None)
        self._note_program(predictions, relaxation, solution, weights)
        return weights

    def _solve(
        self, relaxation: Relaxation, *, out_of_bag: bool
    ) -> tuple[SOCPSolution, NDArray[np.float64]]:
        """The solution at one lambda, and weights after threshold, limits and reweighting."""
        solution = relaxation.solve(self.lam)
        self.reweight_ = self._reweight(out_of_bag=out_of_bag)
        self.threshold_ = float(self.threshold)
        share = shrinkage(self.reweight_)
        weights = relaxation.weights(solution.weights, self.lam, self.threshold, [share])[0]
        return solution, weights

    def _statistics(self, predictions: CalibrationPredictions, calibration: Calibration) -> Any:
        """Statistics of all rows; cached, since grids over alpha and lambda share them."""
        compute = partial(predictions.statistics, np.arange(predictions.n_rows))
        if calibration.memory is None:
            return compute()
        key = (type(predictions).__name__, *calibration.key)
        return cached_call(calibration.memory, "statistics", key, compute)

    def _program(self, calibration: Calibration) -> Program:
        members = calibration.members
        names, M = calibration.names or self._names(), len(members)
        labels = names or tuple(str(i) for i in range(M))
        costs = member_costs(
            self.costs, self.max_cost, self.estimator, members, calibration.X, labels
        )
        limits = limits_of(self, names, costs, M)
        others = (self.max_cost, self.keep, self.families)
        return Program(
            labels,
            self.diversity,
            self.penalty,
            self.solver,
            costs,
            self.penalize_costs,
            self.positive,
            limits,
            any(limit is not None for limit in others),
            self._n_budgets,
        )

    def _note_program(
        self,
        predictions: CalibrationPredictions,
        relaxation: Relaxation,
        solution: SOCPSolution,
        weights: NDArray[np.float64],
    ) -> None:
        """Set the attributes that reports and figures show."""
        path = relaxation.path
        self.solution_, self.path_ = solution, path
        lams, along = path.lams[path.n_members > 0], predictions.along(path)
        self.frontier_ = frontier(predictions, lams, along, weights)
        errors = predictions.error_products(relaxation.stats)
        if predictions.own is not None:  # means over other rows for each pair
            errors = nearest_semidefinite(errors)
        # The table is computed when it is asked for: it takes a third of the time of a selection.
        self._member_table = partial(
            explain_members,
            relaxation.program.names,
            weights.copy(),
            self.frontier_.member_score,
            relaxation.program.costs,
            predictions.member_diversity(relaxation.stats),
            errors,
            relaxation.problem,
            path,
        )

    def _keep(
        self,
        calibration: Calibration,
        weights: NDArray[np.float64],
        predictions: Any,
    ) -> None:
        """Set the attributes that predict needs; subclasses add what they predict."""
        self.support_ = weights != 0
        self.weights_ = weights
        self.n_members_in_ = len(weights)
        self.n_members_ = int(self.support_.sum())
        kept = calibration.members.subset(self.support_).loaded()
        self._features, self._mapping = kept.features, kept.class_mapping
        self._encoded = kept.encoded
        self.__dict__.pop("estimators_", None)
        if self.estimator is not None:
            self.estimators_ = list(kept.estimators)
        self.__dict__.pop("member_names_in_", None)
        names = calibration.names or self._names()
        if names is not None:
            self.member_names_in_ = np.array(names, dtype=object)

    # A fitted pruner

    def explain(self, n: int | None = None) -> MemberTable:
        """Why each member was kept or dropped, on the calibration rows.

        Parameters
        ----------
        n : int or None, default=None
            Show the n members that matter most: those without which the objective would increase
            most. None, or more than there are, shows all, the kept ones first, by the size of
            their weights.

        Returns
        -------
        MemberTable
            One row a member: kept or dropped, weight, its own score, its diversity, its cost,
            the lambda at which it enters the path, the increase of the objective without it, and
            the kept member whose errors are most similar. ``print`` it, or take ``to_frame()`` or
            ``to_markdown()``. Its arrays are those of all members, whatever n is.

        Raises
        ------
        NotFittedError
            If the pruner is not fitted.
        ValueError
            If it was fitted to statistics, which say nothing of single rows, or n is not a
            positive integer.
        """
        check_parameters("explain", {"n": [None, Number(Integral, 1)]}, n=n)
        check_is_fitted(self)
        if not hasattr(self, "_member_table"):
            raise ValueError(
                "explain needs predictions, and fit_statistics has seen their statistics alone: "
                "call fit_predictions."
            )
        table = self._member_table
        if not isinstance(table, MemberTable):
            self._member_table = table = table()
        return table if n is None else replace(table, n_shown=int(n))

    @property
    def feature_importances_(self) -> NDArray[np.float64]:
        """Importance of each column of X: the weighted mean of the kept members' own.

        Raises
        ------
        NotFittedError
            If the pruner is not fitted.
        AttributeError
            If it has no members, or a kept member (it is named) has no ``feature_importances_`` of
            the columns that it sees; so ``hasattr`` is False.
        """
        check_is_fitted(self)
        if not hasattr(self, "estimators_"):
            raise AttributeError(
                f"This {type(self).__name__} was fitted to predictions, without members, and has "
                "no feature_importances_, which is the mean of the members' own."
            )
        n_columns = getattr(self, "n_features_in_", None)
        if n_columns is None and self._features is not None:
            raise AttributeError(
                f"This {type(self).__name__} was fitted to predictions, and each member sees some "
                "of the columns: how many there are is not known, so it has no "
                "feature_importances_. Call fit."
            )
        total: NDArray[np.float64] | None = None
        weights = np.abs(self.weights_[self.support_])
        for i, (member, weight) in enumerate(zip(self.estimators_, weights, strict=True)):
            own: Any = getattr(member, "feature_importances_", None)
            if total is None:
                total = np.zeros(np.size(own) if n_columns is None else n_columns)
            columns = np.arange(len(total)) if self._features is None else self._features[i]
            if np.shape(own) != columns.shape:
                names = getattr(self, "member_names_in_", range(self.n_members_in_))
                name = names[np.flatnonzero(self.support_)[i]]
                shape = f"one of shape {np.shape(own)} for {len(columns)} columns"
                raise AttributeError(
                    "feature_importances_ is the mean of the kept members' own, and member "
                    f"{name!r} ({type(member).__name__}) has {'none' if own is None else shape}. "
                    "sklearn.inspection.permutation_importance takes any members."
                )
            share = np.asarray(own, dtype=np.float64)
            size = np.abs(share).sum()
            share = share / size if size > 0 else share  # LightGBM counts splits
            # A bag may draw a column several times.
            np.add.at(total, columns, weight * share)
        assert total is not None  # there is always a member
        return total / weights.sum()

    def combine(self, P: Any) -> NDArray[np.float64]:
        """Combine what the members predict for new samples, as ``predict_proba`` or ``predict``.

        Parameters
        ----------
        P : array-like of shape (n_members, n_samples[, n_outputs]), DataFrame or dict
            Predictions as in :meth:`fit_predictions`, of all members or of the kept ones alone. Of
            a DataFrame or dict, the columns with the names of the kept members are taken, where
            the members have names.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), (n_samples,) or (n_samples, n_targets)
            Probabilities of the classes, or predicted targets.

        Raises
        ------
        NotFittedError
            If the pruner is not fitted.
        ValueError, TypeError
            If P has another number of members or outputs, or lacks one of the columns.
        """
        check_is_fitted(self)
        names = getattr(self, "member_names_in_", None)
        outputs = self._fitted_outputs()
        blocks = kept_blocks(
            P,
            self.support_,
            None if names is None else tuple(names),
            outputs["n_targets"] if "n_targets" in outputs else len(outputs["classes"]),
            by_class=is_classifier(self),
        )
        return np.concatenate([self._combined(block) for block in blocks])

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
        X, y = self._check_scored_rows(X, y)
        P = np.stack(list(self._member_outputs(X)))
        return self._predictions(P, y, None, getattr(self, "classes_", None)).member_scores()

    def predictions_on(self, ensemble: Any, X: Any, y: ArrayLike) -> CalibrationPredictions:
        """Predictions of all members on some rows, for reports and figures.

        Parameters
        ----------
        ensemble : fitted ensemble, or list or dict of members
            The ensemble that was pruned, of which the pruner holds a part.
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Their classes or targets.

        Returns
        -------
        CalibrationPredictions
            With ``scores(weights)`` and ``member_scores()``.

        Raises
        ------
        NotFittedError
            If the pruner is not fitted.
        ValueError
            If ``ensemble`` has another number of members, or X or y do not match.
        """
        check_is_fitted(self)
        members = Members.of(ensemble, **self._fitted_outputs())
        if len(members) != self.n_members_in_:
            raise ValueError(
                f"ensemble has {len(members)} members, but the pruner chose among "
                f"{self.n_members_in_}: it is not the ensemble that was pruned."
            )
        X, y = self._check_scored_rows(X, y)
        P = predictions_of(members, X, self.n_jobs, self.prediction_dtype)
        return self._predictions(P, y, None, members.classes, new_rows=True)

    def _check_scored_rows(self, X: Any, y: ArrayLike) -> tuple[Any, NDArray]:
        X = self._check_samples(X)
        check_consistent_length(X, y)
        return X, np.asarray(y)

    def _fitted_outputs(self) -> dict[str, Any]:
        if hasattr(self, "classes_"):
            return {"classes": self.classes_}
        return {"n_targets": len(self.intercept_)}

    def _check_has_members(self) -> None:
        if not hasattr(self, "estimators_"):
            raise ValueError(
                f"This {type(self).__name__} was fitted to predictions, without members, and "
                "cannot predict samples: call combine with what the members predict for them."
            )

    def _kept_members(self) -> Members:
        n_outputs = len(self.intercept_ if self._mapping is None else self._mapping.classes)
        return Members(
            tuple(self.estimators_),
            self._features,
            n_outputs,
            self._mapping,
            encoded=self._encoded,
            names=self._kept_names(),
        )

    def _kept_names(self) -> tuple[str, ...] | None:
        if not hasattr(self, "member_names_in_"):
            return None
        return tuple(self.member_names_in_[self.support_].tolist())

    def _member_outputs(self, X: Any) -> Iterable[NDArray]:
        """Predictions of each kept member."""
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)  # raises; it would ask every member for its tags
        self._check_has_members()
        X, kept = self._check_samples(X), self._kept_members()
        cache: MemberOutputCache | None
        cache, cached = getattr(self, "_output_cache", (None, ()))
        # If `estimators_` was replaced, bypass the cache.
        replaced = len(cached) != len(self.estimators_) or not all(
            map(is_, cached, self.estimators_)
        )
        if cache is None or replaced:
            return kept.member_outputs(X, self.n_jobs)
        return cache.outputs(kept, np.flatnonzero(self.support_), X, self.n_jobs)

    def _by_name(self, outputs: Iterable[NDArray]) -> NDArray | dict[str, NDArray]:
        """Predictions of each kept member, by its name where there are names."""
        names = self._kept_names()
        if names is None:
            return np.stack(list(outputs))
        return dict(zip(names, outputs, strict=True))

    def _check_samples(self, X: Any) -> Any:
        X = _with_shape(X)
        if self.sample_shape_ is None:  # fit_predictions has seen no sample
            return X
        shape = tuple(X.shape[1:])
        if not shape and self.sample_shape_:
            raise ValueError(
                f"X has one dimension, but samples have shape {self.sample_shape_}. Reshape your "
                "data: X.reshape(1, -1) if it is a single sample."
            )
        # Names and number of features. validate_data asks every member for its tags.
        if shape != self.sample_shape_ or not self._has_names_of(X):
            validate_data(self, X, skip_check_array=True, reset=False)
        if shape != self.sample_shape_:
            raise ValueError(
                f"X has samples of shape {shape}, but {type(self).__name__} was fitted on samples "
                f"of shape {self.sample_shape_}."
            )
        return X

    def _has_names_of(self, X: Any) -> bool:
        """Whether X is known to have the column names seen in ``fit``, or none as there."""
        names = getattr(self, "feature_names_in_", None)
        if names is None:
            return isinstance(X, np.ndarray) or issparse(X)
        return np.array_equal(getattr(X, "columns", ()), names)

    def _voting_members(self) -> tuple[VotingMember, ...]:
        """The kept members as they go into one graph."""
        self._check_has_members()
        numbers, kept = np.flatnonzero(self.support_), self._kept_members()
        columns = [kept.columns(i) for i in range(len(kept))]
        return voting_members(
            self.estimators_, self.weights_[numbers], columns, self._features, numbers
        )

    # Parameters and metadata

    def _check_parameters(self) -> None:
        """Raise for parameters that are wrong, alone or together, before anything is trained."""
        self._validate_params()
        if self.estimator is not None:
            check_estimator(self.estimator, self._get_param_names())
        prefit = self._is_prefit()
        if not prefit:
            check_unfitted_members(self.estimator, self.cv, classifiers=is_classifier(self))
        if self.diversity == "exact" and self._cv_name == "oob":
            raise ValueError(
                "diversity='exact' needs rows that no member was trained on, which cv='oob' does "
                "not give. Give diversity='shannon', or a share of the rows to hold out as cv."
            )
        check_installed(self.solver)
        check_costs(self.costs, self.max_cost, self.estimator, prefit=prefit)

    def _check_calibration_rows(
        self,
        y: NDArray,
        sample_weight: NDArray[np.float64] | None,
        classes: NDArray | None,
        groups: NDArray | None = None,
    ) -> None:
        """Raise for calibration rows that cannot be used, before anything is trained."""
        if sample_weight is not None and not sample_weight.any():
            raise ValueError("sample_weight is zero for all calibration samples.")

    def _warn_of_drawn_rows(self, predictions: CalibrationPredictions) -> None:
        """Warn if the fitted ensemble was trained on the calibration rows."""
        drawn = drawn_rows(self.estimator, predictions.n_rows)
        if drawn is None:
            return
        outputs = (predictions.P[[i]][0] for i in range(predictions.n_members))
        losses = losses_by_draw(map(predictions.row_losses, outputs), drawn)
        remedy = (
            "Call fit with cv='oob', which calibrates each member on rows that it did not draw, or "
            "give other rows."
        )
        warn_of_drawn_rows({} if losses is None else {"the ensemble": losses}, remedy)

    def _warn_of_rows_drawn_in_list(self, X: Any, y: NDArray, classes: NDArray | None) -> None:
        """Warn of fitted ensembles in a list that were trained on the calibration rows."""
        found = {}
        for name, ensemble in named_members(self.estimator):
            drawn = drawn_rows(ensemble, len(y))
            if drawn is None or not (classes is None or np.isin(ensemble.classes_, classes).all()):
                continue
            members = Members.of(
                ensemble, **(self._outputs(y) if classes is None else {"classes": classes})
            )
            rows = self._predictions(np.empty((1, len(y), members.n_outputs)), y, None, classes)
            outputs = members.member_outputs(X, self.n_jobs)
            losses = losses_by_draw(map(rows.row_losses, outputs), drawn)
            if losses is not None:
                found[repr(name)] = losses
        warn_of_drawn_rows(found, "Give other rows.")

    def _warn_of_known_rows(self, n_rows: int) -> None:
        """Warn if members that were not trained in this fit are perfect, and others are not."""
        M = self.n_members_in_
        given = np.full(M, self.estimator is None or self._is_prefit())
        if are_listed(self.estimator) and not given.any():
            given = np.array([not is_trained(m) for _, m in named_members(self.estimator)])
        names: Any = [f"member {i}" for i in range(M)]
        if hasattr(self, "member_names_in_"):
            names = [repr(name) for name in self.member_names_in_.tolist()]
        warn_of_known_rows(
            names,
            self.frontier_.member_score,
            n_rows,
            given,
            by_class=is_classifier(self),
        )

    def _alphas(self) -> tuple[float, ...]:
        """The weights of accuracy to solve for; cross-validated pruners try several."""
        return (float(self.alpha),)

    def _reweight(self, *, out_of_bag: bool) -> str | float:
        """How the kept members are reweighted; classifiers have a default for each case."""
        return self.reweight

    def _is_prefit(self) -> bool:
        return self._cv_name == "prefit" or needs_no_training(self.estimator)

    @property
    def _cv_name(self) -> str | None:
        """``cv`` if it is a name; a splitter or an array cannot be compared with one."""
        return self.cv if isinstance(self.cv, str) else None

    def _names(self) -> tuple[str, ...] | None:
        """Names of the members, where ``estimator`` lists them, as voting ensembles do, too."""
        return names_of(self.estimator)

    def get_metadata_routing(self) -> MetadataRouter:
        """Which metadata ``fit`` takes and passes on; see scikit-learn's guide on routing.

        Returns
        -------
        MetadataRouter
            Of ``fit``, of the members' ``fit``, and of the splitter.
        """
        to_fit = MethodMapping().add(caller="fit", callee="fit")
        to_split = MethodMapping().add(caller="fit", callee="split")
        router = MetadataRouter(owner=self).add_self_request(self)
        members = {} if self.estimator is None else {"estimator": self.estimator}
        if are_listed(self.estimator):  # files, and what has no fit, are not trained
            named = named_members(self.estimator)
            members = {name: m for name, m in named if is_trained(m) and isinstance(name, str)}
        router.add(**members, method_mapping=to_fit)
        # Without a splitter, whole groups are held out.
        for name, splitter in self._splitters().items():
            has_splitter = hasattr(splitter, "split") and not isinstance(splitter, str)
            router.add(
                **{name: splitter if has_splitter else GroupShuffleSplit()},
                method_mapping=to_split,
            )
        return router

    def _splitters(self) -> dict[str, Any]:
        """What splits rows, by the names of metadata routing."""
        return {"splitter": self.cv}

    def _routed_params(
        self,
        sample_weight: NDArray[np.float64] | None,
        groups: NDArray | None,
        fit_params: dict[str, Any],
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What each member's ``fit`` (by name, for a list) and the splitter get."""
        many = are_listed(self.estimator)
        members = dict(named_members(self.estimator)) if many else {"estimator": self.estimator}
        members = {name: member for name, member in members.items() if is_trained(member)}
        metadata = fit_params if groups is None else {"groups": groups, **fit_params}
        if routing_enabled():
            routed = process_routing(self, "fit", sample_weight=sample_weight, **metadata)
            given = {name: dict(routed[name].fit) for name in members}
            split_params = {k: v for k, v in routed.splitter.split.items() if v is not None}
        else:
            split_params = {} if groups is None else {"groups": groups}
            given = {name: dict(fit_params) for name in members}
            for name, member in members.items():
                if sample_weight is None:
                    continue
                if has_fit_parameter(unfreeze(member), "sample_weight"):
                    given[name]["sample_weight"] = sample_weight
                else:
                    warn_user(
                        f"{type(member).__name__} takes no sample_weight: the weights are used "
                        "in calibration only."
                    )
        if not many:
            return given["estimator"], split_params
        names = [name for name, _ in named_members(self.estimator)]
        return {name: given.get(name, {}) for name in names}, split_params

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "sample_shape_")  # the last attribute that fit sets

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Tags of files are unknown; fit raises for what is no estimator.
        members: Any = [self.estimator]
        if are_listed(self.estimator):
            members = [member for _, member in listed_members(self.estimator)]
        inputs = [input_tags_of(member) for member in members]
        inputs = [each for each in inputs if each is not None]
        tags.input_tags.sparse = all(i.sparse for i in inputs)
        tags.input_tags.allow_nan = all(i.allow_nan for i in inputs)
        return tags

    # Saved state

    def _state(self) -> dict[str, Any]:
        # A fitted pruner is saved without the members that it dropped, without the cache, and
        # with its table instead of the inputs of that.
        state = super()._state()
        state.pop("_output_cache", None)
        if "_member_table" in state:
            state["_member_table"] = self.explain()
        if "weights_" in state and self._is_prefit():
            given = self.estimator
            if isinstance(given, list):  # members of a plain list keep their names
                pairs = zip(given, listed_members(given), strict=True)
                given = [item if isinstance(item, str | PathLike) else pair for item, pair in pairs]
            state["estimator"] = clone_unfitted(given)
        return state

    def _set_state(self, state: dict[str, Any]) -> None:
        # Prediction must not read files, which could run code.
        if any(isinstance(member, MemberFile) for member in state.get("estimators_", ())):
            raise SavedFormatError(
                f"This {type(self).__name__} holds paths of members instead of the members that "
                "it kept: it was not written by skprune."
            )
        state.pop("_output_cache", None)
        super()._set_state(state)


def _with_shape(X: Any) -> Any:
    """X itself if it is an array, a sparse matrix or a frame; lists become arrays."""
    return X if hasattr(X, "shape") else np.asarray(X)


def _checked_weights(sample_weight: Any, y: NDArray) -> NDArray[np.float64]:
    weight: NDArray[np.float64] = check_sample_weight(
        sample_weight, y, dtype=np.float64, ensure_non_negative=True, allow_all_zero_weights=True
    )
    return weight


def _shapes_in_words(sample: tuple, target: tuple, weighted: bool) -> str:
    return (
        f"samples of shape {sample}, targets of shape {target} and "
        f"{'a' if weighted else 'no'} sample_weight"
    )
