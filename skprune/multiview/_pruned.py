"""A multi-view network whose views are pruned by their importance."""

import warnings
from contextlib import nullcontext
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score
from sklearn.utils import assert_all_finite, check_array, check_X_y
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ..amount import importance_inverse_amounts
from ..compression._auto_amount import TOLERANCE
from ..compression._bench import covering
from ..compression._checks import PIXELS, PRUNING_CONSTRAINTS, check_memory
from ..exceptions import InfeasibleLimitsWarning
from ..sparsity import SweepResult, check_amounts, held_out_rows
from ..utils import (
    Number,
    SkpruneEstimator,
    StrOptions,
    check_cache,
    check_random_state,
    check_sample_weight,
    clone_unfitted,
    draw_seed,
    refuse_multilabel,
    reports_progress,
    set_missing_seeds,
    unfreeze,
)
from ._classifier import MultiViewCNNClassifier
from ._data import as_mask, as_views, check_same_views, fill_missing
from ._evaluator import WHOLE, ViewBench, ViewSamples, no_rounding_warnings
from ._importance import view_importance
from ._kept_views import KeptViews
from ._towers import ViewNetworks
from ._view_accuracy import accuracy_curve, predicted_accuracy

__all__ = ["PrunedMultiViewClassifier"]

_TOWERS = ("copies", "nested")


class PrunedMultiViewClassifier(ClassifierMixin, SkpruneEstimator):
    """Prune the tower of a multi-view network for each view, the important views less.

    The network is trained, or taken as it is; part of the samples is held out. On these, the
    network is measured with its tower pruned by several amounts, alike for all views; importance
    of the views and the curve of accuracy give an amount for each
    (:func:`~skprune.amount.importance_inverse_amounts`). These are applied, trained together, and
    measured.

    Parameters
    ----------
    estimator : MultiViewCNNClassifier or FrozenEstimator
        What is pruned. Wrapped in :class:`~sklearn.frozen.FrozenEstimator` it is not trained again.
    towers : {"copies", "nested"}, default="copies"
        A pruned copy of the tower for each view, with weights of its own; or slices of one tower
        with ranked channels, which together take no more memory than the widest.
    view_amounts : array-like of shape (V,), default=None
        Pruning amounts of the views in [0, 1]; 1 drops the view. None finds them.
    importance : array-like of shape (V,), default=None
        Non-negative importance of the views. None takes ``view_importances_`` of the fitted
        estimator, or where that has none ranks views on the held-out samples.
    min_accuracy : float, default=None
        Weighted mean of the accuracies of the views that is aimed at, in [0, 1]. None is 0.01
        below that of the unpruned network.
    max_amount : float, default=0.9
        Amount of the least important view, in (0, 1], where the limit allows it. With 1 that view
        is dropped.
    round_to : int, default=8
        The number of channels that stay is rounded up to a multiple of this.
    amounts : array-like of shape (n,), default=(0, 0.1, ..., 0.9)
        Amounts to measure for the curve, 0 among them.
    fine_tune_epochs : int, default=5
        Epochs of training after pruning.
    learning_rate : float, default=1e-3
        Its learning rate.
    validation_fraction : float, default=0.25
        Share of the samples of each class that is held out from all training.
    latency_batch_size : int, default=64
        Samples of a timed batch, or as many as are held out.
    memory : str, Path or joblib.Memory, default=None
        Folder that measured amounts are written to, so that a fit that was stopped goes on from
        them. Needs an int ``random_state``.
    random_state : int, RandomState instance or None, default=None
        Seeds what is held out, fine-tuning, importance, and the ``random_state`` of ``estimator``
        where that is None.
    verbose : int, default=0
        Show the progress of the sweep, and a line for each step.

    Attributes
    ----------
    amounts_ : ndarray of shape (V,)
        Pruning amount of each view; 1 for one that is dropped.
    view_amounts_ : ViewAmounts
        The answer of the rule, with what it says of accuracy. Only with ``view_amounts=None``.
    view_importances_ : ndarray of shape (V,)
        Importance that was used.
    predicted_accuracy_ : float
        Weighted mean of what the curve says of the views, weights by importance.
    delivered_, unpruned_ : OperatingPoint
        Measured accuracy, time and size of the pruned network, and of the given one as it was
        trained; ``amount`` is the mean.
    sweep_ : SweepResult
        What was measured with all views pruned alike, and fine-tuned, at amount 0 too.
    curve_ : MonotoneCurve
        Its accuracy against the amount; at 1, that of the commonest class.
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
    Before pruning all views share one tower, so twelve copies of it are larger than the network
    they were cut from unless they are cut deeply; they are faster. Nested slices are smaller and
    faster. A fitted classifier is saved without the network that it was cut from.

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

    _saved_packages = ("scikit-learn", "keras")
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **PRUNING_CONSTRAINTS,
        "towers": [StrOptions(set(_TOWERS))],
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

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_kept")

    @property
    def networks_(self) -> ViewNetworks:
        """Towers and head."""
        check_is_fitted(self)
        return self._kept.get()

    @reports_progress(4)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, mask: Any = None) -> Self:
        """Train, measure, find an amount for each view, prune, fine-tune, and measure again.

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
            True where a view is there; each sample needs one. None: all are.

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
            If the accuracy that was asked for cannot be reached, or was not.
        """
        self._check_parameters()
        samples = self._samples(X, y, sample_weight, mask)
        n_views = samples.images.shape[1]
        given = {name: self._per_view(name, n_views) for name in ("view_amounts", "importance")}
        rng = check_random_state(self.random_state)
        seed = draw_seed(rng)
        held_out = covering(held_out_rows(samples.y, self.validation_fraction, seed), samples.y)
        cnn = self._fitted(samples[~held_out], rng)
        bench = self._bench(cnn, samples[~held_out], samples[held_out], seed)
        importance = given["importance"]
        if importance is None:
            importance = self._importance(cnn, samples[held_out], seed)
        self._report("measuring pruning amounts")
        tried, location = check_amounts(self.amounts), check_cache(self.memory).location
        self._phase("measuring pruning amounts", len(tried))
        sweep = bench.sweep(tried, location, self.verbose, self._step)
        curve = accuracy_curve(sweep, bench.held_out.y)
        rule, amounts = None, given["view_amounts"]
        if amounts is None:
            target = self._target(sweep)
            rule = importance_inverse_amounts(importance, curve, target, self.max_amount)
            amounts = rule.amounts
        self._report("applying amounts " + ", ".join(f"{a:.2f}" for a in amounts))
        self._phase("applying amounts")
        with nullcontext() if rule is None else no_rounding_warnings():
            kept = self._applied(bench, amounts)
        time = float(sweep.time[0])
        delivered = bench.measured(
            kept.get(), float(np.mean(amounts)), time, kept.stored, kept.norm_bytes
        )
        unpruned = bench.measured(bench.networks, 0.0, time)
        predicted = predicted_accuracy(importance, curve, amounts)
        # Nothing is set before everything has gone well.
        validate_data(self, X, skip_check_array=True)
        self._kept, self.classes_ = kept, cnn.classes_
        self.amounts_, self.view_importances_ = amounts, importance
        self.sweep_, self.curve_, self.predicted_accuracy_ = sweep, curve, predicted
        self.delivered_, self.unpruned_ = delivered, unpruned
        self.view_shape_, self._fitted_on_flat = cnn.view_shape_, np.asarray(X).ndim == 2
        self.__dict__.pop("view_amounts_", None)
        if rule is not None:
            self.view_amounts_ = rule
        if rule is None or rule.reachable:  # if not, the rule has warned
            self._warn_of_misses(self.min_accuracy if rule is None else rule.target)
        return self

    def predict_proba(self, X: Any, mask: Any = None) -> NDArray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, V, height, width), \
                (n_samples, V, height, width, channels) or (n_samples, n_features)
            All V views of each sample; dropped and missing ones may hold any pixels.
        mask : array-like of bool of shape (n_samples, V) or (V,), default=None
            True where a view is there; each sample needs one that was not dropped.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float32
            Classes in the order of ``classes_``.
        """
        check_is_fitted(self)
        pixels = check_array(
            X,
            allow_nd=True,
            dtype=PIXELS,
            ensure_all_finite=False,
            input_name="X",
            estimator=self,
        )
        if pixels.ndim == 2 and self._fitted_on_flat:
            validate_data(self, X, reset=False, skip_check_array=True)
        images = as_views(pixels, unfreeze(self.estimator).view_shape)
        check_same_views(images, self.view_shape_, type(self).__name__)
        networks = self.networks_
        present = as_mask(mask, *images.shape[:2]) & [t is not None for t in networks.towers]
        if present.any(axis=1).all():  # if not, the networks say which sample has no view
            # The pixels of dropped views need not be finite either.
            images = fill_missing(images, present)
            assert_all_finite(images, input_name="X")
        return networks.predict_proba(images, present)

    def predict(self, X: Any, mask: Any = None) -> NDArray:
        """The label with the highest probability, the first of ``classes_`` among equals.

        Parameters
        ----------
        X : array-like of shape (n_samples, V, height, width), \
                (n_samples, V, height, width, channels) or (n_samples, n_features)
            All V views of each sample; dropped and missing ones may hold any pixels.
        mask : array-like of bool of shape (n_samples, V) or (V,), default=None
            True where a view is there; each sample needs one that was not dropped.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.
        """
        probabilities = self.predict_proba(X, mask)
        return self.classes_[probabilities.argmax(axis=1)]

    def score(self, X: Any, y: Any, sample_weight: Any = None, mask: Any = None) -> float:
        """Accuracy.

        Parameters
        ----------
        X : array-like of shape (n_samples, V, height, width), \
                (n_samples, V, height, width, channels) or (n_samples, n_features)
            All V views of each sample.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        mask : array-like of bool of shape (n_samples, V) or (V,), default=None
            True where a view is there.

        Returns
        -------
        float
            Weighted accuracy, in [0, 1].
        """
        return float(accuracy_score(y, self.predict(X, mask), sample_weight=sample_weight))

    def _state(self) -> dict[str, Any]:
        state = super()._state()
        if "_kept" in state:
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
        value = getattr(self, name)
        if value is None:
            return None
        array = check_array(
            np.atleast_1d(value), ensure_2d=False, dtype=np.float64, input_name=name
        )
        most = 1.0 if name == "view_amounts" else np.inf
        if np.shape(value) != (n_views,) or array.min() < 0 or array.max() > most:
            right = "numbers in [0, 1]" if most == 1 else "non-negative numbers"
            raise ValueError(
                f"{name} must hold {n_views} {right}, one a view of X; got {np.asarray(value)!r}."
            )
        if name == "view_amounts" and array.min() >= WHOLE:
            raise ValueError("view_amounts must leave at least one view; all of them are 1.")
        return array

    def _samples(self, X: Any, y: Any, sample_weight: Any, mask: Any) -> ViewSamples:
        refuse_multilabel(y)
        X, y = check_X_y(X, y, allow_nd=True, dtype=PIXELS, ensure_all_finite=False, estimator=self)
        check_classification_targets(y)
        images = as_views(X, unfreeze(self.estimator).view_shape)
        present = as_mask(mask, *images.shape[:2])
        images = fill_missing(images, present)
        assert_all_finite(images, input_name="X")
        if sample_weight is None:
            return ViewSamples(images, present, y)
        weights = check_sample_weight(sample_weight, X, dtype=np.float32, ensure_non_negative=True)
        return ViewSamples(images, present, y, weights)[weights > 0]

    def _fitted(self, train: ViewSamples, rng: np.random.RandomState) -> MultiViewCNNClassifier:
        if isinstance(self.estimator, FrozenEstimator):
            cnn = unfreeze(self.estimator)
            check_is_fitted(cnn)
            check_same_views(train.images, cnn.view_shape_, type(cnn).__name__)
            unknown = np.setdiff1d(train.y, cnn.classes_)
            if len(unknown):
                raise ValueError(
                    f"y holds classes that the frozen estimator does not know: {unknown[:5]}."
                )
            return cnn
        self._report("training")
        cnn = set_missing_seeds(clone(self.estimator), rng)
        self._phase("training", 1)
        with self._training(cnn):
            return cnn.fit(train.images, train.y, sample_weight=train.weights, mask=train.mask)

    def _bench(
        self,
        cnn: MultiViewCNNClassifier,
        train: ViewSamples,
        held_out: ViewSamples,
        seed: int,
    ) -> ViewBench:
        train, held_out = (
            ViewSamples(s.images, s.mask, np.searchsorted(cnn.classes_, s.y), s.weights)
            for s in (train, held_out)
        )
        return ViewBench(
            ViewNetworks((cnn.tower_,) * cnn.n_views_, cnn.head_, cnn.view_pooling),
            train,
            held_out,
            round_to=int(self.round_to),
            tuning={
                "epochs": int(self.fine_tune_epochs),
                "learning_rate": self.learning_rate,
                "random_state": seed,
            },
            batch_size=min(int(self.latency_batch_size), len(held_out.y)),
        )

    def _importance(
        self, cnn: MultiViewCNNClassifier, held_out: ViewSamples, seed: int
    ) -> NDArray[np.float64]:
        known = getattr(cnn, "view_importances_", None)
        if known is not None:
            return np.asarray(known, dtype=np.float64)
        self._report("ranking views")
        self._phase("ranking views")
        mask = None if held_out.mask.all() else held_out.mask
        found = view_importance(cnn, held_out.images, held_out.y, mask=mask, random_state=seed)
        return found.importance

    def _target(self, sweep: SweepResult) -> float:
        if self.min_accuracy is not None:
            return float(self.min_accuracy)
        # A network that is always wrong has nothing to lose.
        return max(float(sweep.accuracy[0]) - TOLERANCE, 1e-9)

    def _applied(self, bench: ViewBench, amounts: NDArray[np.float64]) -> KeptViews:
        if self.towers == "nested":
            return KeptViews.of_nested(*bench.nested(amounts), bench.networks.pooling, len(amounts))
        return KeptViews.of_copies(bench.copies(amounts))

    def _warn_of_misses(self, target: float | None) -> None:
        if self.delivered_.misses(min_accuracy=target):
            warnings.warn(
                f"The weighted mean promised {self.predicted_accuracy_:.4g}, and the pruned "
                f"network has an accuracy of {self.delivered_.accuracy:.4g}, below {target:.4g}. "
                "Fine-tune longer, or prune less.",
                InfeasibleLimitsWarning,
                stacklevel=5,
            )
