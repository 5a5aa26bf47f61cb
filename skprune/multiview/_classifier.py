"""The multi-view convolutional network as a scikit-learn classifier."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from .._keras import load_quietly, quiet_first_use
from ..ensemble import (
    TRAINING_CONSTRAINTS,
    CNNArchitecture,
    ConvBlock,
    Shape,
    check_architecture,
    pixel_statistics,
    validation_rows,
)
from ..utils import Number, StrOptions, integer_seed, reports_progress
from ._base import MultiViewClassifier
from ._towers import ViewNetworks, assemble

__all__ = ["LazyNetworks", "MultiViewCNNClassifier", "MultiViewPlan"]

_SMALL = CNNArchitecture(
    blocks=(ConvBlock((8, 8), "max"), ConvBlock((16, 16), "max")),
    dense_units=32,
    dropout=0.2,
    learning_rate=2e-3,
)


@dataclass(frozen=True)
class MultiViewPlan:
    """What determines a network before training."""

    architecture: CNNArchitecture
    view_shape: tuple[int, int, int, int]  # views, height, width and channels of a sample
    n_classes: int
    view_pooling: str
    offset: float  # The tower's first layer turns a pixel x into (x - offset) / scale.
    scale: float
    seed: int  # of the initial weights, dropout and the order of samples


class LazyNetworks:
    """Trained networks: either live, or the plan and the weights to rebuild them."""

    def __init__(self, plan: MultiViewPlan, networks: ViewNetworks) -> None:
        # Weights only: the trained networks have traced graphs, which would be kept with them.
        self._plan = plan
        self._weights: list[list[NDArray]] | None = _weights(networks)
        self._live: ViewNetworks | None = None
        self._model: Any = None

    def get(self) -> ViewNetworks:
        """Return towers and head, not compiled."""
        # In this order: another thread sets the second before it removes the first.
        weights, live = self._weights, self._live
        if live is None:
            assert weights is not None
            live = _build(self._plan)
            live.towers[0].set_weights(weights[0])
            live.head.set_weights(weights[1])
            self._live = live
            self._weights = None
        return live

    def model(self) -> Any:
        """Return one model of all, which shares their layers."""
        if self._model is None:
            self._model = assemble(self.get(), self._plan.view_shape)
        return self._model

    def __getstate__(self) -> dict[str, Any]:
        # Only arrays: no Keras object is unpickled.
        weights, live = self._weights, self._live
        if live is not None:
            weights = _weights(live)
        return {"_plan": self._plan, "_weights": weights, "_live": None, "_model": None}


def _build(plan: MultiViewPlan) -> ViewNetworks:
    with quiet_first_use():
        networks: ViewNetworks = load_quietly("skprune.multiview._network").build_networks(plan)
    return networks


def _weights(networks: ViewNetworks) -> list[list[NDArray]]:
    return [networks.towers[0].get_weights(), networks.head.get_weights()]


class MultiViewCNNClassifier(MultiViewClassifier):
    """Convolutional network for several views of each sample.

    One tower computes the features of each view, pooling over the views makes one vector of
    them, and a dense layer computes the probabilities (Su et al. [1]_). Views may be missing in
    training and in prediction: ``mask`` is True where a view is present, and missing views are
    not used.

    Parameters
    ----------
    architecture : CNNArchitecture or None, default=None
        Blocks and dense layer of the tower (``dense_units`` features a view), dropout before the
        output, learning rate. None is a small one: two blocks of 8 and of 16 filters with
        maximum pooling, 32 features, dropout 0.2, learning rate 0.002.
    view_pooling : {"max", "mean"}, default="max"
        Whether the features of the views become their maximum, as in [1]_, or their mean.
    view_shape : tuple of (int, int, int) or (int, int, int, int), or None, default=None
        Views, height, width and, if not 1, channels of a sample, for X of shape
        (n_samples, n_features). Without it such a sample is one view, which is one row of
        pixels.
    epochs : int, default=20
        Most passes over the training data.
    batch_size : int, default=32
        Samples of one gradient step.
    validation_fraction : float or None, default=0.1
        Share of the samples of each class held out for early stopping and the importance of
        views. A class with a single sample has none held out. With None or 0, or where no
        sample can be held out, all epochs are trained on all samples.
    n_iter_no_change : int or None, default=5
        Training stops after that many epochs without a lower validation loss, and the weights
        of the best epoch are kept. None trains all epochs and keeps the last weights.
    importance_method : {"permute", "remove"}, default="permute"
        How a view is removed to measure its importance: its features are shuffled among the
        samples, or it is masked.
    n_importance_repeats : int, default=5
        How often views are ranked for their importance; 0 leaves importance out.
    random_state : int, RandomState instance or None, default=None
        Decides initial weights, dropout, the order of samples and the samples held out. The
        same int gives the same network on the same machine with the same number of threads. No
        global random state is used: None takes fresh entropy.
    verbose : int, default=0
        With 1 or more, print one line for each epoch.

    Attributes
    ----------
    tower_ : keras.Model
        From views of shape (n, height, width, channels) to features (n, dense_units). Its first
        layer standardizes pixels with the mean and standard deviation of the training pixels.
    head_ : keras.Model
        From pooled features (n, dense_units) to probabilities (n, n_classes).
    model_ : keras.Model
        Both with the pooling between: from a list of pixels (n, V, height, width, channels) and
        a bool mask (n, V) to probabilities. It shares the layers of ``tower_`` and ``head_``.
    classes_ : ndarray of shape (n_classes,)
        The labels.
    view_importances_ : ndarray of shape (V,)
        Importance of each view on the validation samples, the reciprocal mean rank of
        :func:`skprune.multiview.view_importance`, ranked by the loss of log likelihood. Not set
        without validation samples, or with ``n_importance_repeats=0``.
    history_ : dict of str to list of float
        Loss and accuracy after each epoch.
    view_shape_ : tuple of (int, int, int, int)
        Views, height, width and channels of a sample.
    n_views_ : int
        Number of views, V.
    seed_ : int
        The integer seed of ``random_state``.
    n_features_in_ : int
        Length of the second axis of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X has names that are all strings.

    See Also
    --------
    RandomCNNEnsembleClassifier : Many networks for one image.
    skprune.multiview.view_importance : Importance of views on other samples, by other scores.

    Notes
    -----
    In training, a missing view is replaced by another view of the same sample, which pooling
    ignores: so batch normalization and the pixel statistics use present views only. Pixels of
    missing views may be anything, including NaN.

    References
    ----------
    .. [1] Su, Maji, Kalogerakis and Learned-Miller, "Multi-view Convolutional Neural Networks
       for 3D Shape Recognition", ICCV 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.multiview import MultiViewCNNClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(200, 3, 8, 8)), rng.integers(2, size=200)
    >>> X[y == 1, 1, :, :4] += 2  # only the second of three views tells the classes apart
    >>> cnn = MultiViewCNNClassifier(epochs=8, random_state=0).fit(X[:150], y[:150])
    >>> cnn.score(X[150:], y[150:]) > 0.9
    True
    >>> int(cnn.view_importances_.argmax())
    1
    >>> cnn.predict_proba(X[:4], mask=[False, True, True]).shape
    (4, 2)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TRAINING_CONSTRAINTS,
        "architecture": [None, CNNArchitecture],
        "view_pooling": [StrOptions({"max", "mean"})],
        "importance_method": [StrOptions({"permute", "remove"})],
        "n_importance_repeats": [Number(Integral, 0)],
        "view_shape": [
            None,
            Shape("(views, height, width)", "(views, height, width, channels)"),
        ],
    }

    def __init__(
        self,
        architecture: CNNArchitecture | None = None,
        *,
        view_pooling: str = "max",
        view_shape: tuple[int, ...] | None = None,
        epochs: int = 20,
        batch_size: int = 32,
        validation_fraction: float | None = 0.1,
        n_iter_no_change: int | None = 5,
        importance_method: str = "permute",
        n_importance_repeats: int = 5,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.architecture = architecture
        self.view_pooling = view_pooling
        self.view_shape = view_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.importance_method = importance_method
        self.n_importance_repeats = n_importance_repeats
        self.random_state = random_state
        self.verbose = verbose

    @property
    def tower_(self) -> Any:
        """Keras model from views of shape (n, height, width, channels) to features."""
        check_is_fitted(self)
        return self._networks.get().towers[0]

    @property
    def head_(self) -> Any:
        """Keras model from pooled features to probabilities of shape (n, n_classes)."""
        check_is_fitted(self)
        return self._networks.get().head

    @property
    def model_(self) -> Any:
        """Keras model from pixels and mask to probabilities of shape (n, n_classes)."""
        check_is_fitted(self)
        return self._networks.model()

    def __skprune_training_key__(self) -> str:
        # Key of a pruner's cache of trained ensembles.
        import keras

        return str(keras.backend.backend())

    @reports_progress(1)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, V, height, width), \
                (n_samples, V, height, width, channels) or (n_samples, n_features)
            Training views, of any number type.
        y : array-like of shape (n_samples,)
            Labels of any kind, of at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples in the loss. Samples of weight 0 are left out.
        mask : array-like of bool of shape (n_samples, V) or (V,), default=None
            True where a view is present; each sample needs one. None means all.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong; the message names it.
        """
        self._check_parameters()
        seed = integer_seed(self.random_state)
        samples, classes = self._check_samples(X, y, sample_weight, mask)
        samples = samples.with_positions(classes)
        held_out = validation_rows(samples.y, self.validation_fraction, seed)
        train, validation = samples[~held_out], samples[held_out]
        offset, scale = pixel_statistics(train.present_views())
        n_views, height, width, channels = samples.images.shape[1:]
        plan = MultiViewPlan(
            architecture=_SMALL if self.architecture is None else self.architecture,
            view_shape=(n_views, height, width, channels),
            n_classes=len(classes),
            view_pooling=self.view_pooling,
            offset=offset,
            scale=scale,
            seed=seed,
        )
        self._phase("training", int(self.epochs))
        training = load_quietly("skprune.multiview._training")
        networks = _build(plan)
        epochs = training.train_networks(
            networks,
            train,
            validation,
            learning_rate=plan.architecture.learning_rate,
            epochs=int(self.epochs),
            batch_size=int(self.batch_size),
            patience=self.n_iter_no_change,
            seed=seed,
        )
        history: dict[str, list[float]] = {}
        for epoch, (logs, seconds) in enumerate(epochs):
            for name, value in logs.items():
                history.setdefault(name, []).append(value)
            self._step(f"epoch {epoch}")
            if self.verbose:
                measures = ", ".join(f"{name} {value:.4f}" for name, value in logs.items())
                print(f"[{epoch + 1}/{self.epochs}] {seconds:.1f} s, {measures}", flush=True)
        importances = None
        if len(validation) and self.n_importance_repeats:
            importances = training.validation_importance(
                networks,
                validation,
                method=self.importance_method,
                n_repeats=int(self.n_importance_repeats),
                seed=seed,
            )
        # Attributes are set last, so that a fit that fails changes nothing.
        self._keep(LazyNetworks(plan, networks), classes, plan.view_shape, X)
        self.seed_, self.n_views_, self.history_ = seed, n_views, history
        self.__dict__.pop("view_importances_", None)
        if importances is not None:
            self.view_importances_ = importances
        return self

    def _check_parameters(self) -> None:
        self._validate_params()
        check_architecture(self.architecture)
