"""One CNN classifier, cut down to what its limits allow."""

import warnings
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from ..amount import PruningAmountOptimizer
from ..exceptions import AmountCorrectedWarning, InfeasibleLimitsWarning, UnsupportedMemberError
from ..sparsity import check_amounts, classification_loss, held_out_rows
from ..utils import (
    Number,
    SkpruneEstimator,
    StrOptions,
    Vote,
    VotingMember,
    check_cache,
    check_random_state,
    clone_unfitted,
    draw_seed,
    input_tags_of,
    reports_progress,
    set_missing_seeds,
    unfreeze,
)
from ._auto_amount import TOLERANCE, fit_optimizer, promised_at
from ._bench import Bench, Found, Samples, covering, probabilities, smaller_amounts
from ._checks import (
    PIXELS,
    PRUNING_CONSTRAINTS,
    check_memory,
    check_method,
    check_probabilities,
    check_sweep,
    checked_samples,
)
from ._fitted_cnn import FittedCNN, as_inputs, check_single, fitted_cnn
from ._kept_model import KeptModel
from ._vote import NetworkMember, seen_shape

__all__ = ["PrunedCNNClassifier"]

_AUTO = "auto"


class PrunedCNNClassifier(ClassifierMixin, SkpruneEstimator):
    """Train a CNN, measure what pruning costs, and keep as little of it as the limits allow.

    The network is trained, or taken as it is; part of the samples is held out. On these, accuracy,
    time and size are measured at several pruning amounts; curves through them give the best amount
    (:class:`~skprune.PruningAmountOptimizer`), which is then applied, fine-tuned and measured. If
    less accuracy is delivered than the limit, a smaller amount is taken.

    Parameters
    ----------
    estimator : estimator or FrozenEstimator
        A scikeras ``KerasClassifier``, or a :class:`~skprune.RandomCNNEnsembleClassifier` of one
        network. What is wrapped in :class:`~sklearn.frozen.FrozenEstimator` is not trained again.
    amount : "auto" or float, default="auto"
        Pruning amount in [0, 1), or the best one under the limits.
    method : {"channels", "magnitude"} or callable, default="channels"
        :func:`~skprune.sparsity.prune_channels` makes the network smaller and faster,
        :func:`~skprune.sparsity.prune_magnitude` only its compressed file smaller; or a function
        of a model and an amount.
    min_accuracy : float, default=None
        Least accuracy on held-out samples, in [0, 1]. None is 0.01 below that of the unpruned
        network, fine-tuned alike.
    max_size : float, default=None
        Most megabytes: of the dense weights, or compressed with ``method="magnitude"``.
    max_time : float, default=None
        Most seconds to predict a batch of ``latency_batch_size``.
    amounts : array-like of shape (n,), default=(0, 0.1, ..., 0.9)
        Amounts to measure, 0 among them.
    fine_tune_epochs : int, default=2
        Epochs of training after pruning.
    learning_rate : float, default=1e-3
        Its learning rate.
    validation_fraction : float, default=0.25
        Share of the samples of each class that is held out from all training.
    optimizer : PruningAmountOptimizer, default=None
        Curves and rewards; the limits above are set on it where they are given. None is monotone
        curves and the default rewards, in units of the unpruned network's time and size.
    latency_batch_size : int, default=256
        Samples of a timed batch, or as many as are held out.
    memory : str, Path or joblib.Memory, default=None
        Folder that measured amounts are written to, so that a fit that was stopped goes on from
        them. Training is kept by the ``memory`` of ``estimator``. Needs an int ``random_state``.
    random_state : int, RandomState instance or None, default=None
        Seeds what is held out, fine-tuning, and every ``random_state`` of ``estimator`` that is
        None.
    verbose : int, default=0
        Show the progress of the sweep, and a line for each step.

    Attributes
    ----------
    amount_ : float
        The amount that was applied.
    network_ : keras.Model
        The pruned network.
    classes_ : ndarray of shape (n_classes,)
        The labels.
    delivered_ : OperatingPoint
        Measured accuracy, time and size of ``network_``.
    promised_ : OperatingPoint
        What the curves say of the best amount. Only with ``amount="auto"``.
    sweep_ : SweepResult
        What was measured before. Only with ``amount="auto"``.
    optimizer_ : PruningAmountOptimizer
        Fitted to it. Only with ``amount="auto"``.
    corrected_ : tuple of OperatingPoint
        What was delivered by amounts that were given up.
    n_features_in_ : int
        ``X.shape[1]``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of X, where it had them.

    See Also
    --------
    PrunedMultiViewClassifier : One amount for each view of a multi-view network.
    EnsembleCompressor : Many networks at once.

    Notes
    -----
    A fitted classifier is saved without the network that it was cut from, also where ``estimator``
    holds that.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skprune import CNNSpace, PrunedCNNClassifier, RandomCNNEnsembleClassifier
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> space = CNNSpace(n_blocks=[1], filters=[16], dense_units=[32], learning_rate=(5e-3, 5e-3))
    >>> cnn = RandomCNNEnsembleClassifier(1, space=space, image_shape=(8, 8), epochs=4)
    >>> pruned = PrunedCNNClassifier(cnn, amount=0.5, random_state=0).fit(X, y)
    >>> pruned.network_.count_params()
    2811
    >>> bool(pruned.delivered_.accuracy > 0.9)
    True
    """

    _saved_packages = ("scikit-learn", "keras")
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **PRUNING_CONSTRAINTS,
        "amount": [StrOptions({_AUTO}), Number(Real, 0, 1)],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        amount: Any = "auto",
        method: Any = "channels",
        min_accuracy: float | None = None,
        max_size: float | None = None,
        max_time: float | None = None,
        amounts: ArrayLike = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        fine_tune_epochs: int = 2,
        learning_rate: float = 1e-3,
        validation_fraction: float = 0.25,
        optimizer: PruningAmountOptimizer | None = None,
        latency_batch_size: int = 256,
        memory: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.amount = amount
        self.method = method
        self.min_accuracy = min_accuracy
        self.max_size = max_size
        self.max_time = max_time
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
        return hasattr(self, "_kept")

    @property
    def network_(self) -> Any:
        """The pruned network."""
        check_is_fitted(self)
        return self._kept.get()

    @reports_progress(None)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train, measure, choose, prune, fine-tune, and measure again.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples as ``estimator`` takes them.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights in the loss of training and fine-tuning. Samples of weight 0 are left out.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong, or the network cannot be pruned; an earlier fit is kept.

        Warns
        -----
        InfeasibleLimitsWarning
            If the limits cannot be met, or were not.
        AmountCorrectedWarning
            If a smaller amount was taken than the curves said.
        """
        self._check_parameters()
        data = checked_samples(self, X, y, sample_weight)
        rng = check_random_state(self.random_state)
        seed = draw_seed(rng)
        held_out = covering(held_out_rows(data.y, self.validation_fraction, seed), data.y)
        cnn = self._fitted(data[~held_out], rng)
        measured = data[held_out].encoded(cnn)
        check_probabilities(
            probabilities(cnn.model, measured.X[:64]), type(unfreeze(self.estimator)).__name__
        )
        bench = Bench(
            cnn.model,
            data[~held_out].encoded(cnn),
            measured,
            method=self.method,
            tuning={
                "epochs": int(self.fine_tune_epochs),
                "learning_rate": self.learning_rate,
                "loss": classification_loss(cnn.model),
                "random_state": seed,
            },
            batch_size=min(int(self.latency_batch_size), len(measured.X)),
        )
        if self._is_auto():
            found = self._search(bench, seed)
        else:
            found = Found(*bench.applied(float(self.amount)))
        self._warn_of_misses(found)
        # Nothing is set before everything has gone well.
        validate_data(self, X, skip_check_array=True)
        self._kept, self.classes_, self._encoder = KeptModel(found.model), cnn.classes, cnn.encoder
        self.amount_, self.delivered_ = found.delivered.amount, found.delivered
        self.corrected_ = found.corrected
        for name in ("promised", "sweep", "optimizer"):
            if getattr(found, name) is not None:
                setattr(self, f"{name}_", getattr(found, name))
            elif hasattr(self, f"{name}_"):
                delattr(self, f"{name}_")
        return self

    def predict_proba(self, X: Any) -> NDArray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float32
            Classes in the order of ``classes_``.
        """
        check_is_fitted(self)
        X = validate_data(self, X, allow_nd=True, dtype=PIXELS, reset=False)
        return probabilities(
            self.network_, as_inputs(X, self.network_.inputs[0].shape[1:], self._encoder)
        )

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
        p = self.predict_proba(X)
        return self.classes_[p.argmax(axis=1)]

    def __skprune_vote__(self) -> Vote:
        check_is_fitted(self)
        if self._encoder is not None:
            raise UnsupportedMemberError(
                f"The network of this {type(self).__name__} is given its samples by a "
                f"{type(self._encoder).__name__}, which is no part of it. Train it on samples as "
                "that leaves them, and put the transformer before the graph."
            )
        network = NetworkMember(self._kept, self.classes_)
        every = np.arange(len(self.classes_))
        shape = seen_shape(self.n_features_in_, self.network_)
        members = (VotingMember("network", network, 1.0, every),)
        return Vote(members, self.classes_, sample_shape=shape)

    def _state(self) -> dict[str, Any]:
        state = super()._state()
        if "_kept" in state:
            state["estimator"] = clone_unfitted(self.estimator)
        return state

    def _is_auto(self) -> bool:
        return isinstance(self.amount, str) and self.amount == _AUTO

    def _check_parameters(self) -> None:
        self._validate_params()
        check_single(self.estimator)
        check_method(self)
        check_amounts(self.amounts)
        if self._is_auto():
            check_sweep(self.amounts)
        check_memory(self)

    def _fitted(self, rows: Samples, rng: np.random.RandomState) -> FittedCNN:
        if isinstance(self.estimator, FrozenEstimator):
            cnn = fitted_cnn(self.estimator)
            unknown = np.setdiff1d(rows.y, cnn.classes)
            if len(unknown):
                raise ValueError(
                    f"y holds classes that the frozen estimator does not know: {unknown[:5]}."
                )
            return cnn
        self._report("training")
        fitted = set_missing_seeds(clone(self.estimator), rng)
        given = {} if rows.weights is None else {"sample_weight": rows.weights}
        # What scikeras encodes must be of the type that is encoded later.
        X = rows.X.astype(np.float32) if hasattr(fitted, "feature_encoder") else rows.X
        self._phase("training", 1)
        with self._training(fitted):
            fitted.fit(X, rows.y, **given)
        return fitted_cnn(fitted)

    def _search(self, bench: Bench, seed: int) -> Found:
        """Measure, choose, apply; and take less where less is delivered than the limit."""
        self._report("measuring pruning amounts")
        amounts, location = check_amounts(self.amounts), check_cache(self.memory).location
        self._phase("measuring pruning amounts", len(amounts))
        sweep = bench.sweep(amounts, location, self.verbose, self._step)
        self._phase("applying", None)
        limits = self._limits()
        if limits["min_accuracy"] is None and self.optimizer is None:
            least = float(sweep.accuracy[0]) - TOLERANCE
            limits["min_accuracy"] = least if least > 0 else None
        optimizer = fit_optimizer(self.optimizer, sweep, limits, seed)
        limits = {name: getattr(optimizer, name) for name in limits}
        promised = promised_at(optimizer, float(optimizer.best_amount_))
        self._report(f"applying amount {promised.amount:.4g}")
        model, delivered = bench.applied(promised.amount, float(sweep.time[0]))
        given_up = []
        for amount in smaller_amounts(sweep, promised.amount, limits["min_accuracy"]):
            if "min_accuracy" not in delivered.misses(**limits):
                break
            given_up.append(delivered)
            self._report(f"accuracy {delivered.accuracy:.4f} falls short, now {amount:.4g}")
            model, delivered = bench.applied(amount, float(sweep.time[0]))
        return Found(model, delivered, tuple(given_up), promised, sweep, optimizer)

    def _limits(self) -> dict[str, float | None]:
        return {n: getattr(self, n) for n in ("min_accuracy", "max_time", "max_size")}

    def _warn_of_misses(self, found: Found) -> None:
        limits = self._limits()
        if found.optimizer is not None:
            limits = {name: getattr(found.optimizer, name) for name in limits}
        if found.corrected:
            first = found.corrected[0]
            warnings.warn(
                f"Amount {first.amount:.4g} delivered an accuracy of {first.accuracy:.4g}, below "
                f"min_accuracy={limits['min_accuracy']:.4g}. Amount {found.delivered.amount:.4g} "
                f"was taken instead, which delivers {found.delivered.accuracy:.4g}.",
                AmountCorrectedWarning,
                stacklevel=5,
            )
        misses = found.delivered.misses(**limits)
        # Where the curves said so already, the optimiser has warned.
        if misses and (found.optimizer is None or found.optimizer.feasible_):
            said = " and ".join(
                f"{name}={limits[name]:.4g} by {miss:.3g}" for name, miss in misses.items()
            )
            warnings.warn(
                f"The network pruned by {found.delivered.amount:.4g} misses {said}. Relax the "
                "limit, fine-tune longer, or start from another network.",
                InfeasibleLimitsWarning,
                stacklevel=5,
            )
