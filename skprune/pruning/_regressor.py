"""Pruning an ensemble of regressors: members are summed, with an intercept."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_array, check_is_fitted

from ..utils import ALPHA, Predictions, Vote, weighted_sum
from ._base import BasePruner
from ._calibration import Calibration
from ._predictions import TargetPredictions
from ._search import SEARCH_CONSTRAINTS, CrossValidatedSelection

__all__ = ["SOCPEnsemblePrunerRegressor", "SOCPEnsemblePrunerRegressorCV"]


class SOCPEnsemblePrunerRegressor(RegressorMixin, BasePruner):
    """Keep the few regressors of an ensemble that matter, and weight their sum.

    As :class:`SOCPEnsemblePruner`, for regression: squared error against ambiguity, on
    predictions and targets centered and scaled by the calibration targets. The prediction is
    the weighted sum of the kept members, and an intercept.

    Parameters
    ----------
    estimator : ensemble, list or dict of members, or FrozenEstimator, default=None
        A regressor that has ``estimators_`` once fitted (random forest, bagging, voting, ...), or
        members: a dict from names to members, a list of (name, member), or a list of members, which
        are then named after their classes ("ridge", "svr-1", "svr-2").

        A member is any object with ``predict``, or "drop", as in
        :class:`~sklearn.ensemble.VotingRegressor`; ``set_params`` reaches members by name.

        Members are cloned and trained, again if they are fitted (``verbose`` says so). Not trained
        are members in a :class:`~sklearn.frozen.FrozenEstimator`, objects without ``fit``, and
        paths of joblib files; if all are such, ``cv`` is "prefit". Files are loaded one at a time,
        and cannot be mixed with members to train; the kept ones stay in memory.

        None is for :meth:`fit_predictions`, which needs no members.
    cv : "auto", "oob", float, "prefit", int, splitter or iterable, default="auto"
        Where the calibration predictions come from. "oob", for forests and bags, trains on all
        rows and calibrates each member on those that it did not draw; a
        :class:`~sklearn.frozen.FrozenEstimator` then takes its training rows in their order. A
        float holds out that share of the rows, or of the groups if ``groups`` is passed to
        ``fit``. "auto" is "oob" if the ensemble draws rows (``bootstrap``, or ``max_samples`` below
        all) and there are no groups; else 0.25. "prefit" takes all rows and
        fitted members, which must not have been trained on them. Folds give predictions for all
        rows, after which the members are trained on all of them: more training, and better if
        there are few rows.
    alpha : float or None, default=None
        Weight of accuracy in [0, 1], equation (3); 1 - alpha is that of diversity. None is 0.9,
        and 1 with ``positive=False``, which needs it.
    lam : float, default=0.05
        Penalty in [0, 1), lambda of equations (5) to (8) as a share of the smallest one that
        leaves no member. Larger keeps fewer.
    threshold : float, default=0.0
        Members below this share of the largest weight are dropped, h of Algorithm 1; 0 keeps
        every member with a weight.
    reweight : {"relaxed", "equal", "none"} or float, default=0.25
        Weights of the members that are kept. "relaxed" solves the program again on them,
        without penalty and with weights that sum to one, and fits a factor; "equal" gives all
        the same weight, a number is a step from relaxed (0) to equal (1), and "none" leaves the
        program's weights in proportion, and fits a factor.
    penalty : {"l1", "l0"}, default="l1"
        "l0" takes the number of members that lambda leads to and looks for a better set of
        that size (with ``penalize_costs`` no costlier one), by local search.
    costs : None, "parameters", "latency" or array-like of shape (n_members,), default=None
        Cost of each member, for ``max_cost`` and ``penalize_costs``: the number of its parameters,
        the seconds it takes to predict up to 256 calibration rows (measured, so not the same
        twice), or given numbers.
    penalize_costs : bool, default=False
        Make the penalty of each member proportional to its cost.
    positive : bool, default=True
        Weights must not be negative. With False their signs are free, by the same program, which
        finds members whose errors cancel those of others.
    max_members : int or None, default=None
        Most members to keep: those with the largest weights, or with ``penalty="l0"`` the best
        set of that size that is found.
    max_cost : float or None, default=None
        Most that the kept members may cost together, in the unit of ``costs``. Among sets of the
        penalty path, of a path penalized by costs and of a local search, all within the limits,
        the one with the least squared error on the calibration rows is kept. A larger budget
        never has a larger error there, nor any budget than a single member within it (unless
        ``keep`` asks for others).
    keep : list of str or int, or None, default=None
        Names or positions of members that are kept. One that gets no weight has 0.001 of the
        largest.
    families : array-like of shape (n_members,), mapping of names to families, or None, default=None
        Family of each member, for ``max_per_family``: such as the kind of model, or who made it.
    max_per_family : int or None, default=None
        Most members to keep of each family.
    solver : {"auto", "ecos", "clarabel", "scs"}, default="auto"
        "auto" is exact and needs no conic solver; see :func:`~skprune.socp.solve_socp`.
    prediction_dtype : {"float32", "float16"} or None, default=None
        Precision of the calibration predictions. None is that of the members, and float32 if
        members are in files: then predictions are written to a temporary file (with ``memory``,
        to the cache) and are read block by block.
    memory : str, Path or joblib.Memory, default=None
        Cache of the trained ensemble and its predictions, so that a grid over ``alpha`` and
        ``lam`` trains it once a fold. Pass an int ``random_state``, or no
        result is reused.
    n_jobs : int, default=None
        Processes that train a list of members, and threads that predict. An ensemble is trained
        with its own ``n_jobs``.
    random_state : int, RandomState instance or None, default=None
        Seeds the held-out split, what stands in for out-of-bag members that saw a row, and every
        ``random_state`` of ``estimator`` that is None.
    verbose : int, default=0
        Print what is being done.

    Attributes
    ----------
    weights_ : ndarray of shape (n_members_in_,)
        Weights of all members; zero for those that were dropped.
    support_ : ndarray of shape (n_members_in_,), bool
        Members that were kept.
    estimators_ : list of n_members_ regressors
        The kept members only; ``weights_[support_]`` are their weights. Only with an
        ``estimator``.
    member_names_in_ : ndarray of shape (n_members_in_,)
        Names of all members, where ``estimator`` lists them or predictions came as a DataFrame.
    n_members_, n_members_in_ : int
        Number of members kept, and to choose from.
    intercept_ : ndarray of shape (n_targets,)
        What is added to the weighted sum.
    alpha_, threshold_ : float
        The alpha and the threshold that were used.
    reweight_ : str or float
        How the kept members were reweighted.
    solution_ : SOCPSolution
        Solution of the program before threshold and reweighting, with its certificate.
    path_ : SOCPPath
        Weights for every penalty at this alpha.
    frontier_ : Frontier
        Calibration score against the number of members along the path.
    sample_shape_ : tuple of int or None
        Shape of one sample; None after ``fit_predictions``, which sees none.
    n_features_in_ : int
        ``X.shape[1]``, where samples were seen.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, where it had them.
    feature_importances_ : ndarray of shape (n_features_in_,)
        Importance of each column of X: the mean of the kept members' own, each with a sum of
        one, weighted by the size of their weights; zero in a member for columns that it does not
        see. Only where all kept members have them, as trees do. Give ``SelectFromModel`` a
        ``threshold``, such as "mean": its default takes ``penalty="l1"`` for one that sets
        columns to zero.

    See Also
    --------
    SOCPEnsemblePrunerRegressorCV : Chooses alpha, lam, threshold and reweight itself.

    References
    ----------
    B. C. Guldogus, A. N. Abdullah, M. A. Ali, S. Ozogur-Akyuz, "Autoselection of the Ensemble
    of Convolutional Neural Networks with Second-Order Cone Programming", equations (1)-(8),
    and section 3: "the weighted sum can be taken directly in a regression problem".

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from skprune import SOCPEnsemblePrunerRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> forest = RandomForestRegressor(50, random_state=0)
    >>> pruner = SOCPEnsemblePrunerRegressor(forest, random_state=0).fit(X[:300], y[:300])
    >>> pruner.n_members_ < pruner.n_members_in_
    True
    >>> bool(pruner.score(X[300:], y[300:]) > 0.3)
    True
    """

    score_name = "R^2"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BasePruner._parameter_constraints,
        "alpha": [None, *ALPHA],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        cv: Any = "auto",
        alpha: float | None = None,
        lam: float = 0.05,
        threshold: float = 0.0,
        reweight: Any = 0.25,
        penalty: str = "l1",
        costs: Any = None,
        penalize_costs: bool = False,
        positive: bool = True,
        max_members: int | None = None,
        max_cost: float | None = None,
        keep: Any = None,
        families: Any = None,
        max_per_family: int | None = None,
        solver: str = "auto",
        prediction_dtype: str | None = None,
        memory: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.cv = cv
        self.alpha = alpha
        self.lam = lam
        self.threshold = threshold
        self.reweight = reweight
        self.penalty = penalty
        self.costs = costs
        self.penalize_costs = penalize_costs
        self.positive = positive
        self.max_members = max_members
        self.max_cost = max_cost
        self.keep = keep
        self.families = families
        self.max_per_family = max_per_family
        self.solver = solver
        self.prediction_dtype = prediction_dtype
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Weighted sum of the kept members, and the intercept.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples of the shape seen in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            As y was given.
        """
        return self._combined(self._member_outputs(X))

    def member_predict(self, X: Any) -> NDArray | dict[str, NDArray]:
        """Predictions of each kept member.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples of the shape seen in ``fit``.

        Returns
        -------
        ndarray of shape (n_members_, n_samples, n_targets), or dict of str to ndarray
            In the order of ``estimators_``. Where members have names, a dict from names to arrays
            of shape (n_samples, n_targets).
        """
        return self._by_name(self._member_outputs(X))

    def _combined(self, outputs: Iterable[NDArray]) -> NDArray[np.float64]:
        total = weighted_sum(outputs, self.weights_[self.support_])
        predicted = np.asarray(total + self.intercept_, dtype=np.float64)
        return predicted[:, 0] if self._flat else predicted

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _check_target(self, y: Any, *, partial: bool = False) -> NDArray:
        y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y", estimator=self)
        if y.ndim > 2:
            raise ValueError(f"y must have one or two dimensions; got shape {y.shape}.")
        return y

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not self.positive and min(self._alphas()) < 1:
            raise ValueError(
                f"positive=False needs alpha=1; got {min(self._alphas()):g}: the diversity of "
                "members with free signs has no bound. Give alpha=1 or None."
            )

    def _alphas(self) -> tuple[float, ...]:
        if self.alpha is None:
            return (0.9,) if self.positive else (1.0,)
        return super()._alphas()

    def _outputs(self, y: NDArray) -> dict[str, Any]:
        return {"n_targets": 1 if y.ndim == 1 else y.shape[1]}

    def _predictions(
        self,
        P: Predictions,
        y: NDArray,
        sample_weight: NDArray[np.float64] | None,
        classes: None,
        *,
        new_rows: bool = False,
    ) -> TargetPredictions:
        targets = y.reshape(len(y), P.shape[2]).astype(np.float64)
        # Intercepts on new rows are those of the calibration rows.
        means = self._means if new_rows else None
        return TargetPredictions(P, targets, sample_weight, means, self.positive)

    def _keep(
        self,
        calibration: Calibration,
        weights: NDArray[np.float64],
        predictions: TargetPredictions,
    ) -> None:
        super()._keep(calibration, weights, predictions)
        self._flat = calibration.y.ndim == 1
        every = np.arange(predictions.n_rows)
        self._means = predictions.mean_of(every)
        self.intercept_ = predictions.intercepts(weights[None], every)[0]

    def __skprune_vote__(self) -> Vote:
        check_is_fitted(self)
        return Vote(
            self._voting_members(),
            None,
            sample_shape=self.sample_shape_,
            intercept=self.intercept_,
            flat=self._flat,
        )


class SOCPEnsemblePrunerRegressorCV(CrossValidatedSelection, SOCPEnsemblePrunerRegressor):
    """Keep the few regressors of an ensemble that matter; everything is tuned in one fit.

    As :class:`SOCPEnsemblePrunerCV`, for regression.

    Parameters
    ----------
    estimator : ensemble, list or dict of members, or FrozenEstimator, default=None
        A regressor that has ``estimators_`` once fitted (random forest, bagging, voting, ...), or
        members: a dict from names to members, a list of (name, member), or a list of members, which
        are then named after their classes ("ridge", "svr-1", "svr-2").

        A member is any object with ``predict``, or "drop", as in
        :class:`~sklearn.ensemble.VotingRegressor`; ``set_params`` reaches members by name.

        Members are cloned and trained, again if they are fitted (``verbose`` says so). Not trained
        are members in a :class:`~sklearn.frozen.FrozenEstimator`, objects without ``fit``, and
        paths of joblib files; if all are such, ``cv`` is "prefit". Files are loaded one at a time,
        and cannot be mixed with members to train; the kept ones stay in memory.

        None is for :meth:`fit_predictions`, which needs no members.
    cv : "auto", "oob", float, "prefit", int, splitter or iterable, default="auto"
        Where the calibration predictions come from. "oob", for forests and bags, trains on all
        rows and calibrates each member on those that it did not draw; a
        :class:`~sklearn.frozen.FrozenEstimator` then takes its training rows in their order. A
        float holds out that share of the rows, or of the groups if ``groups`` is passed to
        ``fit``. "auto" is "oob" if the ensemble draws rows (``bootstrap``, or ``max_samples`` below
        all) and there are no groups; else 0.25. "prefit" takes all rows and
        fitted members, which must not have been trained on them. Folds give predictions for all
        rows, after which the members are trained on all of them: more training, and better if
        there are few rows.
    alphas : sequence of float or None, default=None
        Weights of accuracy to try, in [0, 1]; 1 - alpha is that of diversity. None is 0.7, 0.9
        and 1, and with ``positive=False`` only 1.
    lams : sequence of float, default=(0.01, 0.03, 0.1, 0.2, 0.3, 0.45)
        Penalties to try, in [0, 1), as shares of the smallest one that leaves no member.
    thresholds : sequence of float, default=(0.05,)
        Shares of the largest weight to try, below which members are dropped.
    reweights : sequence of str or float, default=("relaxed", 0.5, "equal")
        Weights of the kept members to try: "relaxed" solves the program again on them, without
        penalty and with weights that sum to one, "equal" gives all the same weight, a number is a
        step from relaxed (0) to equal (1), and "none" leaves the weights of the program.
    scoring : str, callable or None, default=None
        A scorer, or the name of one, that works on predictions. None is
        R^2. Ties are broken by the squared error, then by the number of members.
    selection : {"best", "one_se"}, default="best"
        Take the best candidate, or the one with the fewest members within one standard error
        of it.
    inner_cv : int or splitter, default=5
        Folds of the calibration rows on which candidates are scored. An int, at least 3, is a
        number of shuffled folds; a splitter must give at least 3 disjoint folds.
    n_resamples : int, default=6
        The weights of the program are averaged over this many random halves of the rows,
        which makes the choice more stable; 0 solves it once, for all rows.
    penalty : {"l1", "l0"}, default="l1"
        "l0" takes the number of members that lambda leads to and looks for a better set of
        that size (with ``penalize_costs`` no costlier one), by local search.
    costs : None, "parameters", "latency" or array-like of shape (n_members,), default=None
        Cost of each member, for ``max_cost`` and ``penalize_costs``: the number of its parameters,
        the seconds it takes to predict up to 256 calibration rows (measured, so not the same
        twice), or given numbers.
    penalize_costs : bool, default=False
        Make the penalty of each member proportional to its cost.
    positive : bool, default=True
        Weights must not be negative. With False their signs are free, by the same program, which
        finds members whose errors cancel those of others.
    max_members : int or None, default=None
        Most members to keep: those with the largest weights, or with ``penalty="l0"`` the best
        set of that size that is found.
    max_cost : float or None, default=None
        Most that the kept members may cost together, in the unit of ``costs``. Among sets of the
        penalty path, of a path penalized by costs and of a local search, all within the limits,
        the one with the least squared error on the calibration rows is kept.
    keep : list of str or int, or None, default=None
        Names or positions of members that are kept. One that gets no weight has 0.001 of the
        largest.
    families : array-like of shape (n_members,), mapping of names to families, or None, default=None
        Family of each member, for ``max_per_family``: such as the kind of model, or who made it.
    max_per_family : int or None, default=None
        Most members to keep of each family.
    solver : {"auto", "ecos", "clarabel", "scs"}, default="auto"
        Solver of ``solution_``; candidates do not use it.
    prediction_dtype : {"float32", "float16"} or None, default=None
        Precision of the calibration predictions. None is that of the members, and float32 if
        members are in files: then predictions are written to a temporary file (with ``memory``,
        to the cache) and are read block by block.
    memory : str, Path or joblib.Memory, default=None
        Cache of the trained ensemble and its predictions, so that a grid around this estimator
        trains it once a fold. Pass an int ``random_state``, or no
        result is reused.
    n_jobs : int, default=None
        Processes that train a list of members, and threads that predict. An ensemble is trained
        with its own ``n_jobs``.
    random_state : int, RandomState instance or None, default=None
        Seeds the held-out split, what stands in for out-of-bag members that saw a row, folds,
        resamples, and every ``random_state`` of ``estimator`` that is None.
    verbose : int, default=0
        Print what is being done.

    Attributes
    ----------
    weights_ : ndarray of shape (n_members_in_,)
        Weights of all members; zero for those that were dropped.
    support_ : ndarray of shape (n_members_in_,), bool
        Members that were kept.
    estimators_ : list of n_members_ regressors
        The kept members only; ``weights_[support_]`` are their weights. Only with an
        ``estimator``.
    member_names_in_ : ndarray of shape (n_members_in_,)
        Names of all members, where ``estimator`` lists them or predictions came as a DataFrame.
    n_members_, n_members_in_ : int
        Number of members kept, and to choose from.
    intercept_ : ndarray of shape (n_targets,)
        What is added to the weighted sum.
    alpha_, lam_, threshold_ : float
        What was chosen.
    reweight_ : str or float
        What was chosen.
    best_params_ : dict
        The chosen alpha, lam, threshold and reweight.
    best_index_ : int
        Position of the chosen candidate in ``cv_results_``.
    best_score_ : float
        Its mean score over the folds: optimistic, as the best of many.
    nested_score_ : float
        Mean score of the whole procedure, choosing included, on rows that the choice had not
        seen: an estimate without that optimism.
    nested_scores_ : ndarray of shape (n_inner_folds,)
        The same on each fold.
    full_score_, best_member_score_ : float
        Mean scores over the folds of the equal-weighted mean of all members, and of a single
        member: on each fold the one that is best on the other folds. Fit warns if
        ``best_score_`` is below the latter by more than two standard errors.
    cv_results_ : dict of ndarrays
        As in :class:`~sklearn.model_selection.GridSearchCV`: ``params``, ``param_alpha``,
        ``param_lam``, ``param_threshold``, ``param_reweight``, ``split0_test_score`` ...,
        ``mean_test_score``, ``std_test_score``, ``rank_test_score``; and ``n_members`` and the
        mean of the score that breaks ties.
    selection_frequency_ : ndarray of shape (n_members_in_,)
        Share of the resamples in which each member has a weight, at ``alpha_`` and ``lam_``.
    solution_ : SOCPSolution
        Solution of the program at ``alpha_`` and ``lam_``, before resampling, threshold and
        reweighting, with its certificate.
    path_ : SOCPPath
        Weights for every penalty at this alpha.
    frontier_ : Frontier
        Calibration score against the number of members along the path.
    sample_shape_ : tuple of int or None
        Shape of one sample; None after ``fit_predictions``, which sees none.
    n_features_in_ : int
        ``X.shape[1]``, where samples were seen.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, where it had them.
    feature_importances_ : ndarray of shape (n_features_in_,)
        Importance of each column of X: the mean of the kept members' own, each with a sum of
        one, weighted by the size of their weights; zero in a member for columns that it does not
        see. Only where all kept members have them, as trees do. Give ``SelectFromModel`` a
        ``threshold``, such as "mean": its default takes ``penalty="l1"`` for one that sets
        columns to zero.

    See Also
    --------
    SOCPEnsemblePrunerRegressor : Takes alpha, lam, threshold and reweight as they are given.

    References
    ----------
    B. C. Guldogus, A. N. Abdullah, M. A. Ali, S. Ozogur-Akyuz, "Autoselection of the Ensemble
    of Convolutional Neural Networks with Second-Order Cone Programming", equations (1)-(8).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from skprune import SOCPEnsemblePrunerRegressorCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> forest = RandomForestRegressor(30, random_state=0)
    >>> pruner = SOCPEnsemblePrunerRegressorCV(
    ...     forest, alphas=[0.9], random_state=0
    ... ).fit(X[:300], y[:300])
    >>> bool(pruner.score(X[300:], y[300:]) > 0.3)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **SOCPEnsemblePrunerRegressor._parameter_constraints,
        **SEARCH_CONSTRAINTS,
        "alphas": [None, *SEARCH_CONSTRAINTS["alphas"]],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        cv: Any = "auto",
        alphas: Any = None,
        lams: Any = (0.01, 0.03, 0.1, 0.2, 0.3, 0.45),
        thresholds: Any = (0.05,),
        reweights: Any = ("relaxed", 0.5, "equal"),
        scoring: Any = None,
        selection: str = "best",
        inner_cv: Any = 5,
        n_resamples: int = 6,
        penalty: str = "l1",
        costs: Any = None,
        penalize_costs: bool = False,
        positive: bool = True,
        max_members: int | None = None,
        max_cost: float | None = None,
        keep: Any = None,
        families: Any = None,
        max_per_family: int | None = None,
        solver: str = "auto",
        prediction_dtype: str | None = None,
        memory: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.cv = cv
        self.alphas = alphas
        self.lams = lams
        self.thresholds = thresholds
        self.reweights = reweights
        self.scoring = scoring
        self.selection = selection
        self.inner_cv = inner_cv
        self.n_resamples = n_resamples
        self.penalty = penalty
        self.costs = costs
        self.penalize_costs = penalize_costs
        self.positive = positive
        self.max_members = max_members
        self.max_cost = max_cost
        self.keep = keep
        self.families = families
        self.max_per_family = max_per_family
        self.solver = solver
        self.prediction_dtype = prediction_dtype
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
