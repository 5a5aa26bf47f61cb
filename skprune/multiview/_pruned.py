"""A multi-view network whose views are pruned by their importance."""

from collections.abc import Sequence
from contextlib import nullcontext
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from ..amount import MonotoneCurve, importance_inverse_amounts, normalize_importance
from ..compression import PRUNING_CONSTRAINTS, TOLERANCE, KeptModel, check_memory, covering
from ..exceptions import InfeasibleLimitsWarning
from ..sparsity import SweepResult, check_amounts, held_out_rows
from ..utils import (
    Number,
    StrOptions,
    check_cache,
    check_random_state,
    clone_unfitted,
    draw_seed,
    reports_progress,
    set_missing_seeds,
    unfreeze,
    warn_user,
)
from ._base import MultiViewClassifier
from ._classifier import MultiViewCNNClassifier
from ._data import ViewSamples, check_same_views
from ._evaluator import WHOLE, ViewEvaluator, no_rounding_warnings
from ._importance import view_importance
from ._nested import NestedSlices
from ._towers import ViewNetworks

__all__ = ["KeptViews", "PrunedMultiViewClassifier"]


class KeptViews:
    """Pruned networks, live or as the bytes of .keras files; nested ones are held as one tower."""

    def __init__(
        self, towers: Sequence[Any], head: Any, pooling: str, slices: NestedSlices | None = None
    ) -> None:
        self._towers = [None if tower is None else KeptModel(tower) for tower in towers]
        self._head, self._pooling, self._slices = KeptModel(head), pooling, slices
        self._live: ViewNetworks | None = None

    def get(self) -> ViewNetworks:
        """Return the networks, one tower a view."""
        if self._live is None:
            networks = self._held()
            if self._slices is not None:
                towers = self._slices.cut(networks.towers[0])
                networks = ViewNetworks(towers, networks.head, self._pooling)
            self._live = networks
        return self._live

    @property
    def n_bytes(self) -> int:
        """Bytes of all weights that are held."""
        return self._held().n_bytes + (0 if self._slices is None else self._slices.norm_bytes)

    def _held(self) -> ViewNetworks:
        towers = tuple(None if tower is None else tower.get() for tower in self._towers)
        return ViewNetworks(towers, self._head.get(), self._pooling)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_live": None}


class PrunedMultiViewClassifier(MultiViewClassifier):
    """Prune the tower of a multi-view network for each view, important views less.

    Part of the samples is held out, and the network is trained on the others, unless it is frozen.
    It is measured on the held-out samples with its tower pruned by several amounts, alike for all
    views. The importance of the views and the curve of accuracy give an amount for each view
    (:func:`~skprune.amount.importance_inverse_amounts`). The towers are pruned by these amounts,
    fine-tuned together, and measured.

    Parameters
    ----------
    estimator : MultiViewCNNClassifier or FrozenEstimator
        The classifier to prune. In a :class:`~sklearn.frozen.FrozenEstimator` it is not trained.
    towers : {"copies", "nested"}, default="copies"
        "copies" prunes a copy of the tower for each view, with weights of its own. "nested" makes
        the towers slices of one, which together take no more memory than the widest slice.
    view_amounts : array-like of shape (V,), default=None
        Pruning amounts of the views in [0, 1]; 1 drops the view. None computes them.
    importance : array-like of shape (V,), default=None
        Non-negative importance of the views. None takes ``view_importances_`` of the fitted
        estimator; if it has none, the views are ranked on the held-out samples.
    min_accuracy : float, default=None
        Target of the weighted mean of the accuracies of the views, in (0, 1]. None is 0.01 below
        the accuracy of the unpruned network.
    max_amount : float, default=0.9
        Amount of the least important view, in (0, 1], if the target allows it. With 1 that view is
        dropped.
    round_to : int, default=8
        The number of kept channels is rounded up to a multiple of this.
    amounts : array-like of shape (n,), default=(0, 0.1, ..., 0.9)
        Amounts to measure for the curve, 0 among them.
    fine_tune_epochs : int, default=5
        Epochs of training after pruning.
    learning_rate : float, default=1e-3
        Learning rate of that training.
    validation_fraction : float, default=0.25
        Share of the samples of each class that is held out from all training.
    latency_batch_size : int, default=64
        Samples of a timed batch, at most the held-out ones.
    memory : str, Path or joblib.Memory, default=None
        Folder for the measured amounts, so that a fit that was stopped does not measure them
        again. Needs an int ``random_state``.
    random_state : int, RandomState instance or None, default=None
        Seed of the held-out samples, fine-tuning, importance, and the ``random_state`` of
        ``estimator`` if that is None.
    verbose : int, default=0
        Show the progress of the sweep, and a line for each step.

    Attributes
    ----------
    amounts_ : ndarray of shape (V,)
        Pruning amount of each view; 1 for one that is dropped.
    view_amounts_ : ViewAmounts
        Amounts of the rule, and the accuracy that it predicts. Only with ``view_amounts=None``.
    view_importances_ : ndarray of shape (V,)
        Importance of the views.
    predicted_accuracy_ : float
        Mean of the accuracies that the curve predicts for the views, weighted by importance.
    delivered_, unpruned_ : OperatingPoint
        Measured accuracy, time and size of the pruned and the unpruned network; ``amount`` is the
        mean.
    sweep_ : SweepResult
        Measurements with all views pruned alike and fine-tuned, at amount 0 too.
    curve_ : MonotoneCurve
        Accuracy of the sweep against the amount; at 1 the share of the most frequent class.
    networks_ : ViewNetworks
        Towers (None for dropped views) and head.
    classes_ : ndarray of shape (n_classes,)
        The labels.
    view_shape_ : tuple of (int, int, int, int)
        Views, height, width and channels of a sample.
    n_features_in_ : int
        Length of the second axis of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X has names that are all strings.

    Notes
    -----
    Before pruning all views share one tower. So twelve pruned copies are faster, but larger than
    the unpruned network unless the amounts are large. Nested slices are faster and smaller. A
    fitted classifier is saved without the unpruned network.

    Examples
    --------
    >>> from skprune import MultiViewCNNClassifier, PrunedMultiViewClassifier
    >>> from skprune.datasets import make_multiview_solids
    >>> X, y = make_multiview_solids(120, n_views=3, size=16, random_state=0)
    >>> cnn = MultiViewCNNClassifier(epochs=2, batch_size=128, random_state=0)
    >>> pruned = PrunedMultiViewClassifier(
    ...     cnn, towers="nested", view_amounts=[0, 0.5, 1], amounts=[0], random_state=0
    ... )
    >>> pruned = pruned.set_params(fine_tune_epochs=1).fit(X, y)
    >>> [tower is None for tower in pruned.networks_.towers]
    [False, False, True]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **PRUNING_CONSTRAINTS,
        "towers": [StrOptions({"copies", "nested"})],
        "max_amount": [Number(Real, 0, 1, closed="right")],
        "round_to": [Number(Integral, 1)],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        towers: str = "copies",
        view_amounts: ArrayLike | None = None,
        importance: ArrayLike | None = None,
        min_accuracy: float | None = None,
        max_amount: float = 0.9,
        round_to: int = 8,
        amounts: ArrayLike = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        fine_tune_epochs: int = 5,
        learning_rate: float = 1e-3,
        validation_fraction: float = 0.25,
        latency_batch_size: int = 64,
        memory: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.towers = towers
        self.view_amounts = view_amounts
        self.importance = importance
        self.min_accuracy = min_accuracy
        self.max_amount = max_amount
        self.round_to = round_to
        self.amounts = amounts
        self.fine_tune_epochs = fine_tune_epochs
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.latency_batch_size = latency_batch_size
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose

    @property
    def networks_(self) -> ViewNetworks:
        """Towers and head."""
        check_is_fitted(self)
        networks: ViewNetworks = self._networks.get()
        return networks

    @reports_progress(4)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> Self:
        """Train, measure, compute an amount for each view, prune, fine-tune, and measure again.

        Parameters
        ----------
        X : array-like of shape (n_samples, V, height, width), \
                (n_samples, V, height, width, channels) or (n_samples, n_features)
            Views of the samples.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights in the loss of training and fine-tuning. Samples of weight 0 are left out.
        mask : array-like of bool of shape (n_samples, V) or (V,), default=None
            True where a view is present; each sample needs one. None means all.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong, or the tower cannot be pruned; an earlier fit is kept.

        Warns
        -----
        InfeasibleLimitsWarning
            If the target of accuracy cannot be reached, or was not.
        """
        self._check_parameters()
        samples, _ = self._check_samples(X, y, sample_weight, mask)
        n_views = samples.images.shape[1]
        amounts = self._per_view("view_amounts", n_views)
        importance = self._per_view("importance", n_views)
        rng = check_random_state(self.random_state)
        seed = draw_seed(rng)
        held_out = covering(held_out_rows(samples.y, self.validation_fraction, seed), samples.y)
        train, measured = samples[~held_out], samples[held_out]
        cnn = self._trained_or_frozen(train, rng)
        if importance is None:
            importance = self._importance_of(cnn, measured, seed)
        evaluator = ViewEvaluator(
            networks=cnn._networks.get(),
            train=train.with_positions(cnn.classes_),
            held_out=measured.with_positions(cnn.classes_),
            round_to=int(self.round_to),
            tuning={
                "epochs": int(self.fine_tune_epochs),
                "learning_rate": self.learning_rate,
                "random_state": seed,
            },
            batch_size=min(int(self.latency_batch_size), len(measured)),
        )
        self._report("measuring pruning amounts")
        tried, location = check_amounts(self.amounts), check_cache(self.memory).location
        self._phase("measuring pruning amounts", len(tried))
        sweep = evaluator.sweep(tried, location, self.verbose, self._step)
        curve = _accuracy_curve(sweep, evaluator.held_out.y)
        rule, target = None, self.min_accuracy
        if amounts is None:
            if target is None:  # a network that is always wrong has nothing to lose
                target = max(float(sweep.accuracy[0]) - TOLERANCE, 1e-9)
            rule = importance_inverse_amounts(importance, curve, float(target), self.max_amount)
            amounts = rule.amounts
        self._report("applying amounts " + ", ".join(f"{a:.2f}" for a in amounts))
        self._phase("applying amounts")
        with nullcontext() if rule is None else no_rounding_warnings():
            pruned = self._prune(evaluator, amounts)
        unpruned_time = float(sweep.time[0])
        delivered = evaluator.measure(
            pruned.get(), float(np.mean(amounts)), unpruned_time, pruned.n_bytes
        )
        networks = evaluator.networks
        unpruned = evaluator.measure(networks, 0.0, unpruned_time, networks.n_bytes)
        predicted = _predicted_accuracy(importance, curve, amounts)
        # Attributes are set last, so that a fit that fails changes nothing.
        self._keep(pruned, cnn.classes_, cnn.view_shape_, X)
        self.amounts_, self.view_importances_ = amounts, importance
        self.sweep_, self.curve_, self.predicted_accuracy_ = sweep, curve, predicted
        self.delivered_, self.unpruned_ = delivered, unpruned
        self.__dict__.pop("view_amounts_", None)
        if rule is not None:
            self.view_amounts_ = rule
        # The rule itself warns of a target that it cannot reach.
        if (rule is None or rule.reachable) and delivered.misses(min_accuracy=target):
            warn_user(
                f"The predicted weighted mean is {predicted:.4g}, but the pruned "
                f"network has an accuracy of {delivered.accuracy:.4g}, below {target:.4g}. "
                "Fine-tune longer, or prune less.",
                InfeasibleLimitsWarning,
            )
        return self

    def _state(self) -> dict[str, Any]:
        state = super()._state()
        if "_networks" in state:
            state["estimator"] = clone_unfitted(self.estimator)
        return state

    def _check_parameters(self) -> None:
        self._validate_params()
        inner = unfreeze(self.estimator)
        if not isinstance(inner, MultiViewCNNClassifier):
            raise TypeError(
                f"{type(self).__name__}: estimator must be a MultiViewCNNClassifier; got "
                f"{inner!r}. For networks of one view use PrunedCNNClassifier."
            )
        inner._check_parameters()
        check_amounts(self.amounts)
        check_memory(self)

    def _per_view(self, name: str, n_views: int) -> NDArray[np.float64] | None:
        """The checked value of ``view_amounts`` or ``importance``."""
        value = getattr(self, name)
        if value is None:
            return None
        array: NDArray[np.float64] = check_array(
            np.atleast_1d(value), ensure_2d=False, dtype=np.float64, input_name=name
        )
        most = 1.0 if name == "view_amounts" else np.inf
        if np.shape(value) != (n_views,) or array.min() < 0 or array.max() > most:
            allowed = "numbers in [0, 1]" if most == 1 else "non-negative numbers"
            raise ValueError(
                f"{name} must hold {n_views} {allowed}, one for each view of X; got "
                f"{np.asarray(value)!r}."
            )
        if name == "view_amounts" and array.min() >= WHOLE:
            raise ValueError("view_amounts must leave at least one view; all of them are 1.")
        return array

    def _trained_or_frozen(
        self, train: ViewSamples, rng: np.random.RandomState
    ) -> MultiViewCNNClassifier:
        """The classifier to prune: a trained clone, or the frozen one if it fits the samples."""
        if isinstance(self.estimator, FrozenEstimator):
            frozen: MultiViewCNNClassifier = unfreeze(self.estimator)
            check_is_fitted(frozen)
            check_same_views(train.images, frozen.view_shape_, type(frozen).__name__)
            unknown = np.setdiff1d(train.y, frozen.classes_)
            if len(unknown):
                raise ValueError(
                    f"y holds classes that the frozen estimator does not know: {unknown[:5]}."
                )
            return frozen
        self._report("training")
        cnn: MultiViewCNNClassifier = set_missing_seeds(clone(self.estimator), rng)
        self._phase("training", 1)
        with self._training(cnn):
            return cnn.fit(train.images, train.y, sample_weight=train.weights, mask=train.mask)

    def _importance_of(
        self, cnn: MultiViewCNNClassifier, samples: ViewSamples, seed: int
    ) -> NDArray[np.float64]:
        """The importance of the views that a classifier has, or that is measured now."""
        if hasattr(cnn, "view_importances_"):
            return np.asarray(cnn.view_importances_, dtype=np.float64)
        self._report("ranking views")
        self._phase("ranking views")
        mask = None if samples.mask.all() else samples.mask
        found = view_importance(cnn, samples.images, samples.y, mask=mask, random_state=seed)
        return found.importance

    def _prune(self, evaluator: ViewEvaluator, amounts: NDArray[np.float64]) -> KeptViews:
        """Prune and fine-tune the towers."""
        pooling = evaluator.networks.pooling
        if self.towers == "nested":
            tower, head, slices = evaluator.cut_nested(amounts)
            return KeptViews([tower], head, pooling, slices)
        networks = evaluator.cut_copies(amounts)
        return KeptViews(networks.towers, networks.head, pooling)


def _accuracy_curve(sweep: SweepResult, y: NDArray[np.int64]) -> MonotoneCurve:
    """Accuracy against the amount; at amount 1, the share of the most frequent class of y."""
    chance = np.bincount(y).max() / len(y)
    amounts = np.append(sweep.amounts, 1.0)[:, None]
    return MonotoneCurve(increasing=False).fit(amounts, np.append(sweep.accuracy, chance))


def _predicted_accuracy(
    importance: NDArray[np.float64], curve: MonotoneCurve, amounts: NDArray[np.float64]
) -> float:
    """Mean of the curve at the views' amounts, with the weights of the inverse rule."""
    weights = normalize_importance(importance)
    weights = weights if weights.any() else np.ones_like(weights)
    return float(np.average(curve.predict(amounts[:, None]), weights=weights))
