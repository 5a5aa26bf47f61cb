"""Pruning an ensemble of classifiers: members vote."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, check_is_fitted, column_or_1d

from ..utils import ALPHA, Predictions, StrOptions, Vote, VotingRule, refuse_multilabel
from ._base import BasePruner
from ._calibration import Calibration
from ._members import encode_labels
from ._predictions import ClassPredictions, LogPoolPredictions
from ._search import SEARCH_CONSTRAINTS, CrossValidatedSelection
from ._selection import REWEIGHT

__all__ = ["SOCPEnsemblePruner", "SOCPEnsemblePrunerCV"]


class SOCPEnsemblePruner(ClassifierMixin, BasePruner):
    """Keep the few members of an ensemble that matter, and weight their votes.

    The members are trained, predict rows that they were not trained on, and get sparse
    weights from the second-order cone program of Guldogus et al.: log loss, or accuracy against
    diversity (``alpha``), and a penalty on the sum of the weights (``lam``). Members whose
    weight is zero, or below ``threshold``, are dropped; the others are reweighted
    (``reweight``) and vote.

    Parameters
    ----------
    estimator : ensemble, list or dict of members, or FrozenEstimator, default=None
        A classifier that has ``estimators_`` once fitted (random forest, bagging, voting,
        :class:`~skprune.RandomCNNEnsembleClassifier`, ...), or members: a dict from names to
        members, a list of (name, member), or a list of members, which are then named after their
        classes ("logisticregression", "svc-1", "svc-2").

        A member is any object with ``predict_proba``, or "drop", as in
        :class:`~sklearn.ensemble.VotingClassifier`; ``set_params`` reaches members by name. One
        that refuses the labels of y, as XGBoost's does, is trained on their positions 0, 1, ...

        Members are cloned and trained, again if they are fitted (``verbose`` says so). Not trained
        are members in a :class:`~sklearn.frozen.FrozenEstimator`, objects without ``fit``, and
        paths of joblib files; if all are such, ``cv`` is "prefit". Files are loaded one at a time,
        until all classes of y are known, and cannot be mixed with members to train; the kept ones
        stay in memory.

        None is for :meth:`fit_predictions`, which needs no members.
    cv : "auto", "oob", float, "prefit", int, splitter or iterable, default="auto"
        Where the calibration predictions come from. "oob", for forests and bags, trains on all
        rows and calibrates each member on those that it did not draw; a
        :class:`~sklearn.frozen.FrozenEstimator` then takes its training rows in their order. A
        float holds out that share of the rows, stratified by class, or of the groups if ``groups``
        is passed to ``fit``. "auto" is "oob" if the ensemble draws rows (``bootstrap``, or
        ``max_samples`` below all), there are no groups, and ``diversity`` is not "exact"; else
        0.25. "prefit" takes all rows and fitted members, which must not have been trained on them.
        Folds give predictions for all rows, after which the members are trained on all of them:
        more training, and better for other ensembles if there are few rows.
    alpha : float or None, default=None
        Weight of accuracy in [0, 1], equation (3); 1 - alpha is that of diversity. None is 0.9
        for soft and hard votes, and 1 for the logarithmic pool.
    lam : float, default=0.05
        Penalty in [0, 1), lambda of equations (5) to (8) as a share of the smallest one that
        leaves no member. Larger keeps fewer.
    threshold : float, default=0.0
        Members below this share of the largest weight are dropped, h of Algorithm 1; 0 keeps
        every member with a positive weight.
    reweight : {"relaxed", "equal", "none"}, float or None, default=None
        Weights of the members that are kept. "relaxed" solves the program again on them, without
        penalty (and, except for ``voting="log"``, with weights that sum to one), "equal" gives
        all the same weight, a number is a step from relaxed (0) to equal (1), and "none" leaves
        the program's weights in proportion. None is 0.5, and "equal" for out-of-bag calibration.
    voting : {"log", "soft", "hard"}, default="log"
        Weight the logarithms of the members' probabilities, the probabilities, or the class that
        each member chooses. "log" is the logarithmic pool, probabilities in proportion to
        ``prod_i max(p_i, 0.001) ** w_i``: its weights are exponents, which minimize its log loss
        and need not sum to one. It takes ``diversity="shannon"`` only, and Newton's method
        whatever the solver (out of bag, ``solver`` and the expansion of its loss). "soft" is the
        vote of the paper, equation (3).
    calibrate : {"temperature"} or None, default=None
        "temperature" raises a soft vote to a power that is fitted to the calibration rows, since
        the mean of many probabilities is too unsure. It changes no predicted class. (In the
        logarithmic pool the scale of the exponents does this.)
    fit_intercept : bool, default=True
        Add a bias for each class to the logarithmic pool, fitted after its weights. Soft and hard
        votes have none.
    diversity : {"shannon", "exact", "gini", "first-order"}, default="shannon"
        How diversity is measured: by Shannon's entropy, expanded to second order around the
        mean of all members; by the entropy itself, through Newton's method (slower, whatever
        the solver; what is solved again on the kept members uses the expansion); by the Gini
        impurity x (1 - x); or by the entropy to first order only, equation (8) as printed, which
        rewards members for being wrong and needs alpha > 0.
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
        Only True: votes with negative weights give no probabilities. Regressors can have them.
    max_members : int or None, default=None
        Most members to keep: those with the largest weights, or with ``penalty="l0"`` the best
        set of that size that is found.
    max_cost : float or None, default=None
        Most that the kept members may cost together, in the unit of ``costs``. Among sets of the
        penalty path, of a path penalized by costs and of a local search, all within the limits,
        the one with the least loss on the calibration rows is kept: log loss, or for soft and hard
        votes without ``calibrate`` the squared error. A larger budget never has a larger loss
        there, nor any budget than a single member within it (unless ``keep`` asks for others).
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
        Weights of all members: exponents, or for soft and hard votes shares that sum to one. Zero
        for those that were dropped.
    temperature_ : float
        Probabilities of a soft vote are in proportion to its power ``1 / temperature_``; 1
        without ``calibrate``.
    intercept_ : ndarray of shape (n_classes,)
        Only with ``voting="log"``: the bias of each class, summing to zero; zero without
        ``fit_intercept``.
    support_ : ndarray of shape (n_members_in_,), bool
        Members that were kept.
    estimators_ : list of n_members_ classifiers
        The kept members only; ``weights_[support_]`` are their weights. Only with an
        ``estimator``.
    member_names_in_ : ndarray of shape (n_members_in_,)
        Names of all members, where ``estimator`` lists them or predictions came as a DataFrame.
    n_members_, n_members_in_ : int
        Number of members kept, and to choose from.
    alpha_, threshold_ : float
        The alpha and the threshold that were used.
    reweight_ : str or float
        How the kept members were reweighted.
    solution_ : SOCPSolution
        Solution of the program before threshold and reweighting, with its certificate; with
        ``voting="log"`` of the log loss itself, or out of bag of its expansion.
    path_ : SOCPPath
        Weights for every penalty at this alpha (with ``diversity="exact"`` or ``voting="log"``:
        of the expansion).
    frontier_ : Frontier
        Calibration score against the number of members along the path.
    classes_ : ndarray of shape (n_classes,)
        Classes.
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
    SOCPEnsemblePrunerCV : Chooses alpha, lam, threshold and reweight by cross-validation.

    References
    ----------
    B. C. Guldogus, A. N. Abdullah, M. A. Ali, S. Ozogur-Akyuz, "Autoselection of the Ensemble
    of Convolutional Neural Networks with Second-Order Cone Programming", equations (1)-(8).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> X, y = load_digits(return_X_y=True)
    >>> forest = RandomForestClassifier(50, random_state=0)
    >>> pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X[:1200], y[:1200])
    >>> pruner.n_members_ < pruner.n_members_in_
    True
    >>> bool(pruner.score(X[1200:], y[1200:]) > 0.85)
    True
    """

    score_name = "accuracy"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BasePruner._parameter_constraints,
        "alpha": [None, *ALPHA],
        "reweight": [None, *REWEIGHT],
        "voting": [StrOptions({"soft", "hard", "log"})],
        "calibrate": [None, StrOptions({"temperature"})],
        "fit_intercept": ["boolean"],
        "diversity": [StrOptions({"shannon", "exact", "gini", "first-order"})],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        cv: Any = "auto",
        alpha: float | None = None,
        lam: float = 0.05,
        threshold: float = 0.0,
        reweight: Any = None,
        voting: str = "log",
        calibrate: str | None = None,
        fit_intercept: bool = True,
        diversity: str = "shannon",
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
        self.voting = voting
        self.calibrate = calibrate
        self.fit_intercept = fit_intercept
        self.diversity = diversity
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

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Weighted vote of the kept members, equation (1).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples of the shape seen in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            The logarithmic pool; with ``voting="soft"``, the weighted mean of the members'
            probabilities, to the power ``1 / temperature_``; with ``voting="hard"``, the weighted
            share of the members that choose each class.
        """
        return self._combined(self._member_outputs(X))

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Logarithm of the weighted vote of the kept members.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples of the shape seen in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Logarithm of ``predict_proba``: minus infinity where that is zero.
        """
        votes = self._votes(X)
        return self._rule.log_proba(votes)

    def member_predict_proba(self, X: Any) -> NDArray | dict[str, NDArray]:
        """Probabilities of each kept member.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples of the shape seen in ``fit``.

        Returns
        -------
        ndarray of shape (n_members_, n_samples, n_classes), or dict of str to ndarray
            In the order of ``estimators_``. Where members have names, a dict from names to arrays
            of shape (n_samples, n_classes).
        """
        return self._by_name(self._member_outputs(X))

    def predict(self, X: Any) -> NDArray:
        """The class with the largest weighted vote.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Samples of the shape seen in ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.
        """
        votes = self._votes(X)
        return self.classes_[votes.argmax(axis=1)]

    def _combined(self, outputs: Iterable[NDArray]) -> NDArray[np.float64]:
        return self._rule.proba(self._rule.votes(outputs, self.weights_[self.support_]))

    @property
    def _rule(self) -> VotingRule:
        return VotingRule(self.voting, self.temperature_, getattr(self, "intercept_", None))

    def _votes(self, X: Any) -> NDArray[np.float64]:
        """What the predicted class has most of."""
        outputs = self._member_outputs(X)
        return self._rule.votes(outputs, self.weights_[self.support_])

    def _check_target(self, y: Any, *, partial: bool = False) -> NDArray:
        refuse_multilabel(y)
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        if not partial and len(np.unique(y)) < 2:
            raise ValueError(
                f"y has one class only, {y[:1].tolist()[0]!r}; pruning a vote needs at least two."
            )
        return y

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.diversity == "first-order" and 0 in self._alphas():
            raise ValueError(
                "diversity='first-order' needs alpha > 0: without accuracy its program is linear."
            )
        if not self.positive:
            raise ValueError(
                "positive=False is for regression: a vote with negative weights gives no "
                "probabilities. Give positive=True, or prune regressors."
            )
        if self.voting == "log" and self.diversity != "shannon":
            raise ValueError(
                f"diversity={self.diversity!r} is for voting='soft' and 'hard'; voting='log' takes "
                "diversity='shannon' only. Give voting='soft', or diversity='shannon'."
            )
        if self.voting != "soft" and self.calibrate is not None:
            raise ValueError(
                f"calibrate={self.calibrate!r} is for voting='soft'; got voting={self.voting!r}. "
                "Give voting='soft', or calibrate=None."
            )

    def _alphas(self) -> tuple[float, ...]:
        if self.alpha is None:
            return (1.0 if self.voting == "log" else 0.9,)
        return super()._alphas()

    def _reweight(self, *, out_of_bag: bool) -> str | float:
        if self.reweight is None:
            # What differs between trees of a forest is mostly noise (docs/decisions.md).
            return "equal" if out_of_bag else 0.5
        return super()._reweight(out_of_bag=out_of_bag)

    def _outputs(self, y: NDArray) -> dict[str, Any]:
        return {"classes": np.unique(y)}

    def _predictions(
        self,
        P: Predictions,
        y: NDArray,
        sample_weight: NDArray[np.float64] | None,
        classes: NDArray,
        *,
        new_rows: bool = False,
    ) -> ClassPredictions:
        kind = LogPoolPredictions if self.voting == "log" else ClassPredictions
        return kind(
            P,
            encode_labels(y, classes),
            sample_weight,
            classes,
            self.voting,
            self.calibrate,
            self.fit_intercept,
        )

    def _keep(
        self,
        calibration: Calibration,
        weights: NDArray[np.float64],
        predictions: ClassPredictions,
    ) -> None:
        if self.voting != "log":
            weights = weights / weights.sum()
        super()._keep(calibration, weights, predictions)
        rule = predictions.rule(weights)
        self.classes_, self.temperature_ = predictions.classes, rule.temperature
        self.__dict__.pop("intercept_", None)
        if rule.intercept is not None:
            self.intercept_ = rule.intercept
        if self.voting == "log" and self.fit_intercept:  # the frontier was scored without a bias
            every = np.arange(predictions.n_rows)
            (score,) = predictions.quick_scores(weights[None], every, every)["accuracy"]
            self.frontier_ = replace(self.frontier_, pruned_score=float(score))

    def __skprune_vote__(self) -> Vote:
        check_is_fitted(self)
        return Vote(self._voting_members(), self.classes_, self._rule, self.sample_shape_)


class SOCPEnsemblePrunerCV(CrossValidatedSelection, SOCPEnsemblePruner):
    """Keep the few members of an ensemble that matter; everything is tuned in one fit.

    The ensemble is trained once. On its calibration predictions, every combination of alpha,
    lambda, threshold and reweighting is cross-validated through the path of the penalty, in
    the manner of :class:`~sklearn.linear_model.LassoCV`, and so is the choosing itself.

    Parameters
    ----------
    estimator : ensemble, list or dict of members, or FrozenEstimator, default=None
        A classifier that has ``estimators_`` once fitted (random forest, bagging, voting,
        :class:`~skprune.RandomCNNEnsembleClassifier`, ...), or members: a dict from names to
        members, a list of (name, member), or a list of members, which are then named after their
        classes ("logisticregression", "svc-1", "svc-2").

        A member is any object with ``predict_proba``, or "drop", as in
        :class:`~sklearn.ensemble.VotingClassifier`; ``set_params`` reaches members by name. One
        that refuses the labels of y, as XGBoost's does, is trained on their positions 0, 1, ...

        Members are cloned and trained, again if they are fitted (``verbose`` says so). Not trained
        are members in a :class:`~sklearn.frozen.FrozenEstimator`, objects without ``fit``, and
        paths of joblib files; if all are such, ``cv`` is "prefit". Files are loaded one at a time,
        until all classes of y are known, and cannot be mixed with members to train; the kept ones
        stay in memory.

        None is for :meth:`fit_predictions`, which needs no members.
    cv : "auto", "oob", float, "prefit", int, splitter or iterable, default="auto"
        Where the calibration predictions come from. "oob", for forests and bags, trains on all
        rows and calibrates each member on those that it did not draw; a
        :class:`~sklearn.frozen.FrozenEstimator` then takes its training rows in their order. A
        float holds out that share of the rows, stratified by class, or of the groups if ``groups``
        is passed to ``fit``. "auto" is "oob" if the ensemble draws rows (``bootstrap``, or
        ``max_samples`` below all), there are no groups, and ``diversity`` is not "exact"; else
        0.25. "prefit" takes all rows and fitted members, which must not have been trained on them.
        Folds give predictions for all rows, after which the members are trained on all of them:
        more training, and better for other ensembles if there are few rows.
    alphas : sequence of float or None, default=None
        Weights of accuracy to try, in [0, 1]; 1 - alpha is that of diversity. None is 0.7, 0.9
        and 1 for soft and hard votes, and 1 for the logarithmic pool.
    lams : sequence of float, default=(0.01, 0.03, 0.1, 0.2, 0.3, 0.45)
        Penalties to try, in [0, 1), as shares of the smallest one that leaves no member.
    thresholds : sequence of float, default=(0.05,)
        Shares of the largest weight to try, below which members are dropped.
    reweights : sequence of str or float, default=("relaxed", 0.5, "equal")
        Weights of the kept members to try: "relaxed" solves the program again on them, without
        penalty (and, except for ``voting="log"``, with weights that sum to one), "equal" gives
        all the same weight, a number is a step from relaxed (0) to equal (1), and "none" leaves
        the weights of the program.
    scoring : str, callable or None, default=None
        A scorer, or the name of one, that works on labels or probabilities. None is
        accuracy. Ties are broken by log loss, then by the number of members.
    selection : {"best", "one_se"}, default="best"
        Take the best candidate, or the one with the fewest members within one standard error
        of it.
    inner_cv : int or splitter, default=5
        Folds of the calibration rows on which candidates are scored. An int, at least 3, is a
        number of shuffled folds by class; a splitter must give at least 3 disjoint folds.
    n_resamples : int, default=6
        The weights of the program are averaged over this many random halves of the rows,
        which makes the choice more stable; 0 solves it once, for all rows.
    voting : {"log", "soft", "hard"}, default="log"
        Weight the logarithms of the members' probabilities, the probabilities, or the class that
        each member chooses. "log" is the logarithmic pool, probabilities in proportion to
        ``prod_i max(p_i, 0.001) ** w_i``: its weights are exponents, which minimize its log loss
        and need not sum to one. It takes ``diversity="shannon"`` only, and Newton's method
        whatever the solver (out of bag, ``solver`` and the expansion of its loss). "soft" is the
        vote of the paper, equation (3).
    calibrate : {"temperature"} or None, default=None
        "temperature" raises a soft vote to a power that is fitted to the calibration rows, since
        the mean of many probabilities is too unsure. It changes no predicted class. (In the
        logarithmic pool the scale of the exponents does this.)
    fit_intercept : bool, default=True
        Add a bias for each class to the logarithmic pool, fitted after its weights. Soft and hard
        votes have none.
    diversity : {"shannon", "exact", "gini", "first-order"}, default="shannon"
        How diversity is measured: by Shannon's entropy, expanded to second order around the
        mean of all members; by the entropy itself, through Newton's method (slower, whatever
        the solver; what is solved again on the kept members uses the expansion); by the Gini
        impurity x (1 - x); or by the entropy to first order only, equation (8) as printed, which
        rewards members for being wrong and needs alpha > 0.
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
        Only True: votes with negative weights give no probabilities. Regressors can have them.
    max_members : int or None, default=None
        Most members to keep: those with the largest weights, or with ``penalty="l0"`` the best
        set of that size that is found.
    max_cost : float or None, default=None
        Most that the kept members may cost together, in the unit of ``costs``. Among sets of the
        penalty path, of a path penalized by costs and of a local search, all within the limits,
        the one with the least loss on the calibration rows is kept: log loss, or for soft and hard
        votes without ``calibrate`` the squared error.
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
        Weights of all members: exponents, or for soft and hard votes shares that sum to one. Zero
        for those that were dropped.
    temperature_ : float
        Probabilities of a soft vote are in proportion to its power ``1 / temperature_``; 1
        without ``calibrate``.
    intercept_ : ndarray of shape (n_classes,)
        Only with ``voting="log"``: the bias of each class, summing to zero; zero without
        ``fit_intercept``.
    support_ : ndarray of shape (n_members_in_,), bool
        Members that were kept.
    estimators_ : list of n_members_ classifiers
        The kept members only; ``weights_[support_]`` are their weights. Only with an
        ``estimator``.
    member_names_in_ : ndarray of shape (n_members_in_,)
        Names of all members, where ``estimator`` lists them or predictions came as a DataFrame.
    n_members_, n_members_in_ : int
        Number of members kept, and to choose from.
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
        Mean scores over the folds of the equal vote of all members, and of a single
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
        Weights for every penalty at this alpha (with ``diversity="exact"`` or ``voting="log"``:
        of the expansion).
    frontier_ : Frontier
        Calibration score against the number of members along the path.
    classes_ : ndarray of shape (n_classes,)
        Classes.
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
    SOCPEnsemblePruner : Takes alpha, lam, threshold and reweight as they are given.

    References
    ----------
    B. C. Guldogus, A. N. Abdullah, M. A. Ali, S. Ozogur-Akyuz, "Autoselection of the Ensemble
    of Convolutional Neural Networks with Second-Order Cone Programming", equations (1)-(8).
    R. D. Shah, R. J. Samworth, "Variable selection with error control: another look at stability
    selection", JRSS B 75 (2013): the complementary halves.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePrunerCV
    >>> X, y = load_digits(return_X_y=True)
    >>> forest = RandomForestClassifier(30, random_state=0)
    >>> pruner = SOCPEnsemblePrunerCV(
    ...     forest, alphas=[0.9], max_members=10, random_state=0
    ... ).fit(X[:1200], y[:1200])
    >>> pruner.n_members_ <= 10, pruner.alpha_
    (True, 0.9)
    >>> bool(pruner.score(X[1200:], y[1200:]) > 0.85)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **SOCPEnsemblePruner._parameter_constraints,
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
        voting: str = "log",
        calibrate: str | None = None,
        fit_intercept: bool = True,
        diversity: str = "shannon",
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
        self.voting = voting
        self.calibrate = calibrate
        self.fit_intercept = fit_intercept
        self.diversity = diversity
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
