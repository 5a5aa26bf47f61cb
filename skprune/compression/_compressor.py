"""A whole ensemble: few members are kept, and these are cut down."""

import warnings
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d, validate_data

from .._keras import joint_prediction
from ..amount import PruningAmountOptimizer
from ..exceptions import AmountCorrectedWarning, InfeasibleLimitsWarning
from ..pruning import SOCPEnsemblePruner, SOCPEnsemblePrunerCV
from ..sparsity import check_amounts, held_out_rows
from ..utils import (
    Number,
    SkpruneEstimator,
    StrOptions,
    Vote,
    VotingRule,
    check_cache,
    check_random_state,
    clone_unfitted,
    draw_seed,
    input_tags_of,
    reports_progress,
    set_missing_seeds,
    unfreeze,
    voting_members,
)
from ._bench import Samples, covering
from ._checks import (
    PIXELS,
    PRUNING_CONSTRAINTS,
    check_memory,
    check_method,
    check_probabilities,
    check_sweep,
    checked_samples,
)
from ._cut_members import RULES, CutMembers, cut_members, report_on
from ._kept_model import KeptModel
from ._members import check_members, full_vote
from ._vote import NetworkMember, NetworkVote, seen_shape
from ._vote_bench import VoteBench

__all__ = ["EnsembleCompressor"]

# Accuracy that may go where the user names no limit.
_TOLERANCE = 0.002

# One in so many members is kept at most where the user does not choose the pruner.
_SHARE = 6


class EnsembleCompressor(ClassifierMixin, SkpruneEstimator):
    """Keep the few networks of an ensemble that matter, and cut those down.

    The second-order cone program chooses members and their weights
    (:class:`~skprune.SOCPEnsemblePruner`). The vote of the kept members is measured with all of
    them pruned by several amounts; curves and rewards say how much accuracy to give for size and
    time (:class:`~skprune.PruningAmountOptimizer`), and each member gets an amount of its own, its
    weight being its importance. The members are pruned, fine-tuned and reweighted, and the whole
    is measured.

    Parameters
    ----------
    estimator : ensemble, list of (name, classifier), or FrozenEstimator
        A :class:`~skprune.RandomCNNEnsembleClassifier`, or fitted scikeras classifiers of the same
        classes. What is wrapped in :class:`~sklearn.frozen.FrozenEstimator` is not trained again.
    pruner : SOCPEnsemblePruner or SOCPEnsemblePrunerCV, default=None
        Chooses the members; its ``estimator`` and ``cv`` are not used, so
        ``SOCPEnsemblePruner(None, max_members=3)`` will do. None is the default one with at most
        one in six of the members, and without that limit if these have less than ``min_accuracy``.
    rule : {"search", "inverse"}, default="search"
        How members get their amounts: the smallest mean size at the accuracy aimed at, by CMA-ES
        (:func:`~skprune.amount.smallest_amounts`), or less for the weightier members
        (:func:`~skprune.amount.importance_inverse_amounts`).
    method : {"channels", "magnitude"} or callable, default="channels"
        How members are pruned, as :class:`~skprune.PrunedCNNClassifier` takes it.
    min_accuracy : float, default=None
        Least accuracy on held-out samples, in [0, 1]. None is 0.002 below the full
        ensemble's.
    max_size : float, default=None
        Most megabytes of all members together.
    max_time : float, default=None
        Most seconds to predict a batch of ``latency_batch_size``, network after network.
    max_amount : float, default=0.9
        Largest amount of a member, in (0, 1), and no more than the largest of ``amounts``.
    amounts : array-like of shape (n,), default=(0, 0.2, 0.4, 0.6, 0.8, 0.9)
        Amounts to measure, 0 among them.
    fine_tune_epochs : int, default=10
        Epochs of training after pruning.
    learning_rate : float, default=1e-3
        Its learning rate.
    validation_fraction : float, default=0.25
        Share of the samples of each class that is held out from training, unless ``fit`` is given
        others.
    optimizer : PruningAmountOptimizer, default=None
        Curves and rewards, as :class:`~skprune.PrunedCNNClassifier` takes it.
    latency_batch_size : int, default=256
        Samples of a timed batch, or as many as are held out.
    memory : str, Path or joblib.Memory, default=None
        Folder that measured amounts are written to, so that a fit that was stopped goes on from
        them. Needs an int ``random_state``.
    random_state : int, RandomState instance or None, default=None
        Seeds what is held out, fine-tuning, and every ``random_state`` that is None.
    verbose : int, default=0
        Show the progress of the sweep, and a line for each step.

    Attributes
    ----------
    estimators_ : list of classifiers
        The cut members, with networks ``model_``.
    weights_ : ndarray of shape (n_members_,)
        Exponents of their votes, or shares that sum to one if the pruner's ``voting`` is "soft" or
        "hard".
    voting_ : {"soft", "hard", "log"}
        How they vote, the pruner's ``voting``.
    temperature_, intercept_ : float, ndarray of shape (n_classes,)
        As the pruner's, fitted again for the cut members; ``intercept_`` with "log" only.
    n_members_, n_members_in_ : int
        Number of members at the end, and at the start.
    support_ : ndarray of shape (n_members_in_,), bool
        Members that the program kept; weighing again may drop more.
    member_amounts_ : ndarray of shape (support_.sum(),)
        Pruning amount of each of these.
    program_weights_ : ndarray of shape (n_members_in_,)
        Weights that the pruner gave, before anything was cut.
    sweep_ : SweepResult
        The vote of the kept members, all pruned alike.
    optimizer_ : PruningAmountOptimizer
        Fitted to it.
    promised_, delivered_ : OperatingPoint
        What the curves said, and what was measured on held-out samples.
    corrected_ : tuple of OperatingPoint
        What was delivered by amounts that were given up.
    report_ : CompressionReport
        The full ensemble, the kept members and the cut ones.
    classes_ : ndarray of shape (n_classes,)
        The labels.
    n_features_in_ : int
        ``X.shape[1]``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of X, where it had them.

    See Also
    --------
    PrunedCNNClassifier : One network.
    SOCPEnsemblePruner : Members only, of any kind.

    Notes
    -----
    A fitted compressor is saved without the networks that were dropped or cut from.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skprune import CNNSpace, EnsembleCompressor, RandomCNNEnsembleClassifier
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> space = CNNSpace(n_blocks=[1], filters=[16], dense_units=[32], learning_rate=(5e-3, 5e-3))
    >>> ensemble = RandomCNNEnsembleClassifier(3, space=space, image_shape=(8, 8), epochs=4)
    >>> compressor = EnsembleCompressor(
    ...     ensemble, amounts=[0, 0.5], fine_tune_epochs=2, random_state=0
    ... ).fit(X, y)
    >>> compressor.n_members_ <= 3, compressor.report_.times_smaller > 1
    (True, True)
    """

    _saved_packages = ("scikit-learn", "keras")
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **PRUNING_CONSTRAINTS,
        "pruner": [None, SOCPEnsemblePruner, SOCPEnsemblePrunerCV],
        "rule": [StrOptions(set(RULES))],
        "max_amount": [Number(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        pruner: Any = None,
        rule: str = "search",
        method: Any = "channels",
        min_accuracy: float | None = None,
        max_size: float | None = None,
        max_time: float | None = None,
        max_amount: float = 0.9,
        amounts: ArrayLike = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9),
        fine_tune_epochs: int = 10,
        learning_rate: float = 1e-3,
        validation_fraction: float = 0.25,
        optimizer: PruningAmountOptimizer | None = None,
        latency_batch_size: int = 256,
        memory: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.pruner = pruner
        self.rule = rule
        self.method = method
        self.min_accuracy = min_accuracy
        self.max_size = max_size
        self.max_time = max_time
        self.max_amount = max_amount
        self.amounts = amounts
        self.fine_tune_epochs = fine_tune_epochs
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.optimizer = optimizer
        self.latency_batch_size = latency_batch_size
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = input_tags_of(self.estimator)
        tags.input_tags.three_d_array = inner is not None and inner.three_d_array
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimators_")

    @reports_progress(None)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
    ) -> Self:
        """Train the ensemble, choose members, cut them, weigh them again, and measure.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples to train and fine-tune with.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights in the loss of training and fine-tuning. Samples of weight 0 are left out.
        X_val : array-like of shape (n_val, ...), default=None
            Samples to choose and measure on, which a frozen ensemble was not trained on. None holds
            out part of X.
        y_val : array-like of shape (n_val,), default=None
            Their labels.

        Returns
        -------
        self : object
            The fitted compressor.

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong, or a network cannot be pruned; an earlier fit is kept.

        Warns
        -----
        InfeasibleLimitsWarning
            If the limits cannot be met, or were not.
        AmountCorrectedWarning
            If smaller amounts were taken than the curves said.
        """
        self._check_parameters()
        samples = checked_samples(self, X, y, sample_weight)
        rng = check_random_state(self.random_state)
        seed = draw_seed(rng)
        train, held_out = self._split(samples, X_val, y_val, seed)
        full, classes = full_vote(self._fitted(train, rng))
        for name, labels in (("y", train.y), ("y_val", held_out.y)):
            unknown = np.setdiff1d(labels, classes)
            if len(unknown):
                raise ValueError(
                    f"{name} holds classes that the ensemble does not know: {unknown[:5]}."
                )
        for number, p in enumerate(full.outputs(held_out.X[:64])):
            check_probabilities(p, f"member {number}")
        self._report("choosing members")
        self._phase("choosing members")
        limits = self._limits(full, held_out.with_positions(classes))
        pruner = self._chosen(full, classes, held_out, limits["min_accuracy"], seed)
        support, votes = pruner.support_, pruner.weights_[pruner.support_]
        models = tuple(m for m, kept in zip(full.models, support, strict=True) if kept)
        kept = NetworkVote(models, votes, pruner.__skprune_vote__().rule)
        bench = self._bench(kept, train, held_out, classes, seed)
        self._report(f"measuring pruning amounts of {len(models)} of {len(support)} members")
        location = check_cache(self.memory).location
        amounts = check_amounts(self.amounts)
        self._phase("measuring pruning amounts", len(amounts))
        sweep = bench.sweep(amounts, location, self.verbose, self._step)
        self._phase("cutting members", None)
        found = cut_members(
            bench,
            sweep,
            lambda vote: bench.weighed(vote, pruner, classes),
            limits,
            optimizer=self.optimizer,
            rule=self.rule,
            max_amount=float(self.max_amount),
            seed=seed,
            report=self._cutting,
        )
        report = report_on(bench, full, found.vote, bench.held_out, "held-out")
        # Nothing is set before everything has gone well.
        validate_data(self, X, skip_check_array=True)
        self.classes_, self.support_, self.n_members_in_ = classes, support, len(support)
        self.estimators_ = [NetworkMember(KeptModel(model), classes) for model in found.vote.models]
        self.weights_, self.n_members_ = found.vote.weights, len(found.vote.models)
        rule = found.vote.rule
        self.voting_, self.temperature_ = rule.voting, rule.temperature
        self.__dict__.pop("intercept_", None)
        if rule.intercept is not None:
            self.intercept_ = rule.intercept
        self.program_weights_ = pruner.weights_
        self.member_amounts_, self.sweep_ = found.amounts, found.sweep
        self.optimizer_, self.promised_ = found.optimizer, found.promised
        self.delivered_, self.corrected_ = found.delivered, found.corrected
        self.report_ = report
        self._warn_of_misses(found)
        return self

    def predict_proba(self, X: Any) -> NDArray:
        """Probabilities of the classes, by the pruner's kind of vote.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Classes in the order of ``classes_``.
        """
        votes = self._votes(X)
        return self._rule.proba(votes)

    def predict_log_proba(self, X: Any) -> NDArray:
        """Logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Classes in the order of ``classes_``; minus infinity where a probability is zero.
        """
        votes = self._votes(X)
        return self._rule.log_proba(votes)

    def _votes(self, X: Any) -> NDArray[np.float64]:
        check_is_fitted(self)
        X = validate_data(self, X, allow_nd=True, dtype=PIXELS, reset=False)
        joint = joint_prediction(self.estimators_)
        outputs = joint(X) if joint else (m.predict_proba(X) for m in self.estimators_)
        return self._rule.votes(outputs, self.weights_)

    @property
    def _rule(self) -> VotingRule:
        return VotingRule(self.voting_, self.temperature_, getattr(self, "intercept_", None))

    def predict(self, X: Any) -> NDArray:
        """The label with the highest probability, the first of ``classes_`` among equals.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.
        """
        votes = self._votes(X)
        return self.classes_[votes.argmax(axis=1)]

    def __skprune_vote__(self) -> Vote:
        check_is_fitted(self)
        every = [np.arange(len(self.classes_))] * self.n_members_
        members = voting_members(self.estimators_, self.weights_, every)
        shape = seen_shape(self.n_features_in_, self.estimators_[0].model_)
        return Vote(members, self.classes_, self._rule, shape)

    def _state(self) -> dict[str, Any]:
        state = super()._state()
        if "estimators_" in state:
            state["estimator"] = clone_unfitted(self.estimator)
            if getattr(self.pruner, "estimator", None) is not None:
                # It is not used, but would be saved with all its members.
                unused = clone_unfitted(self.pruner.estimator)
                state["pruner"] = clone(self.pruner).set_params(estimator=unused)
        return state

    def _check_parameters(self) -> None:
        self._validate_params()
        check_members(self.estimator)
        check_method(self)
        check_sweep(self.amounts)
        check_memory(self)

    def _split(
        self, samples: Samples, X_val: Any, y_val: Any, seed: int
    ) -> tuple[Samples, Samples]:
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val must be given together, or neither.")
        if X_val is None:
            held_out = covering(held_out_rows(samples.y, self.validation_fraction, seed), samples.y)
            return samples[~held_out], samples[held_out]
        X_val = check_array(X_val, allow_nd=True, dtype=PIXELS, input_name="X_val")
        y_val = column_or_1d(y_val)
        if X_val.shape[1:] != samples.X.shape[1:] or len(X_val) != len(y_val):
            raise ValueError(
                f"X_val and y_val must hold samples of shape {samples.X.shape[1:]} and their "
                f"labels; got shapes {X_val.shape} and {y_val.shape}."
            )
        return samples, Samples(X_val, y_val)

    def _fitted(self, train: Samples, rng: np.random.RandomState) -> Any:
        """The trained ensemble, or list of members."""
        if isinstance(self.estimator, FrozenEstimator):
            return unfreeze(self.estimator)
        self._report("training")
        self._phase(
            "training members", len(self.estimator) if isinstance(self.estimator, list) else 1
        )
        given = {} if train.weights is None else {"sample_weight": train.weights}
        if isinstance(self.estimator, list):
            members = []
            for name, member in self.estimator:
                if not isinstance(member, FrozenEstimator):
                    member = set_missing_seeds(clone(member), rng)
                    with self._training(member):
                        member.fit(train.X, train.y, **given)
                members.append((name, unfreeze(member)))
            return members
        ensemble = set_missing_seeds(clone(self.estimator), rng)
        with self._training(ensemble):
            return ensemble.fit(train.X, train.y, **given)

    def _cutting(self, message: str) -> None:
        self._report(message)
        self._step(message)

    def _chosen(
        self,
        full: NetworkVote,
        classes: NDArray,
        held_out: Samples,
        min_accuracy: float | None,
        seed: int,
    ) -> Any:
        """The fitted pruner."""
        # Not the classifiers themselves: those of scikeras refuse pixels of another type.
        members = full.members(classes)
        tried = [self.pruner]
        if self.pruner is None:  # few members, or if they fall short all with a weight
            most = -(-len(members) // _SHARE)
            tried = [SOCPEnsemblePruner(None, max_members=most), SOCPEnsemblePruner(None)]
        for pruner in map(clone, tried):
            pruner.set_params(estimator=members, cv="prefit")
            if pruner.random_state is None:
                pruner.set_params(random_state=seed)
            pruner.fit(held_out.X, held_out.y)
            if min_accuracy is None or pruner.score(held_out.X, held_out.y) >= min_accuracy:
                break
        return pruner

    def _bench(
        self, kept: NetworkVote, train: Samples, held_out: Samples, classes: NDArray, seed: int
    ) -> VoteBench:
        return VoteBench(
            kept,
            train.with_positions(classes),
            held_out.with_positions(classes),
            method=self.method,
            tuning={
                "epochs": int(self.fine_tune_epochs),
                "learning_rate": self.learning_rate,
                "random_state": seed,
            },
            batch_size=min(int(self.latency_batch_size), len(held_out.y)),
        )

    def _limits(self, full: NetworkVote, held_out: Samples) -> dict[str, float | None]:
        limits = {n: getattr(self, n) for n in ("min_accuracy", "max_time", "max_size")}
        if limits["min_accuracy"] is None and self.optimizer is None:
            least = full.accuracy(held_out.X, held_out.y) - _TOLERANCE
            limits["min_accuracy"] = least if least > 0 else None
        return limits

    def _warn_of_misses(self, found: CutMembers) -> None:
        limits = {n: getattr(found.optimizer, n) for n in ("min_accuracy", "max_time", "max_size")}
        if found.corrected:
            first = found.corrected[0]
            warnings.warn(
                f"Amounts of {first.amount:.4g} in the mean delivered an accuracy of "
                f"{first.accuracy:.4g}, below min_accuracy={limits['min_accuracy']:.4g}. Smaller "
                f"ones were taken, {found.delivered.amount:.4g} in the mean, which deliver "
                f"{found.delivered.accuracy:.4g}.",
                AmountCorrectedWarning,
                stacklevel=5,
            )
        misses = found.delivered.misses(**limits)
        if misses and found.optimizer.feasible_:
            said = " and ".join(f"{n}={limits[n]:.4g} by {miss:.3g}" for n, miss in misses.items())
            warnings.warn(
                f"The cut members miss {said}. Relax the limit, fine-tune longer, or keep more "
                "members.",
                InfeasibleLimitsWarning,
                stacklevel=5,
            )
