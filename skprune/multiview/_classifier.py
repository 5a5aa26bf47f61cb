"""The multi-view convolutional network as a scikit-learn classifier."""

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import (
    check_array,
    check_is_fitted,
    validate_data,
)

from .._keras import load_quietly
from ..ensemble import CNNArchitecture, ConvBlock
from ..ensemble._data import (
    PIXELS,
    TRAINING_CONSTRAINTS,
    Shape,
    check_targets,
    pixel_statistics,
    validation_rows,
)
from ..ensemble._space import check_architecture
from ..utils import (
    Number,
    SkpruneEstimator,
    StrOptions,
    integer_seed,
    refuse_multilabel,
    reports_progress,
)
from ._data import as_mask, as_views, check_same_views, fill_missing, present_views
from ._plan import LazyNetworks, MultiViewPlan

__all__ = ["MultiViewCNNClassifier"]

_SMALL = CNNArchitecture(
    blocks=(ConvBlock((8, 8), "max"), ConvBlock((16, 16), "max")),
    dense_units=32,
    dropout=0.2,
    learning_rate=2e-3,
)


class MultiViewCNNClassifier(ClassifierMixin, SkpruneEstimator):
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

    _saved_packages = ("scikit-learn", "keras")
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

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_networks")

    @property
    def tower_(self) -> Any:
        """Keras model from views of shape (n, height, width, channels) to features."""
        return self._live().tower

    @property
    def head_(self) -> Any:
        """Keras model from pooled features to probabilities of shape (n, n_classes)."""
        return self._live().head

    @property
    def model_(self) -> Any:
        """Keras model from pixels and mask to probabilities of shape (n, n_classes)."""
        return self._live().model

    def _live(self):
        if not hasattr(self, "_networks"):
            raise NotFittedError(
                f"This {type(self).__name__} is not fitted yet; call fit before using it."
            )
        return self._networks.get()

    def __skprune_training_key__(self):
        # Key of a pruner's cache of trained ensembles.
        import keras

        return keras.backend.backend()

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
        refuse_multilabel(y)
        X, y = validate_data(self, X, y, allow_nd=True, dtype=PIXELS, ensure_all_finite=False)
        images, present, classes, codes, weights = self._check_training_data(
            X, y, sample_weight, mask
        )
        plan, networks, history, importances = self._train(
            images, present, codes, weights, len(classes), seed
        )
        # Attributes are set last, so that a fit that fails changes nothing.
        self.seed_, self.classes_, self.history_ = seed, classes, history
        self.view_shape_, self.n_views_ = plan.view_shape, plan.view_shape[0]
        self._fitted_on_flat = X.ndim == 2
        # Without the trained model, and so without Adam's state and the traced graphs.
        self._networks = LazyNetworks(plan, networks.model.get_weights())
        vars(self).pop("view_importances_", None)
        if importances is not None:
            self.view_importances_ = importances
        return self

    def _train(self, images, present, codes, weights, n_classes, seed):
        """Plan, networks, history, and the importance of views or None."""
        training = load_quietly("skprune.multiview._training")
        rows = training.MultiViewRows(images, present, codes, weights)
        held_out = validation_rows(codes, self.validation_fraction, seed)
        train, validation = rows[~held_out], rows[held_out] if held_out.any() else None
        offset, scale = pixel_statistics(present_views(train.images, train.mask))
        plan = MultiViewPlan(
            architecture=_SMALL if self.architecture is None else self.architecture,
            view_shape=tuple(int(side) for side in images.shape[1:]),
            n_classes=n_classes,
            view_pooling=self.view_pooling,
            offset=offset,
            scale=scale,
            seed=seed,
        )
        self._phase("training", int(self.epochs))

        def report(epoch, logs, seconds):
            self._step(f"epoch {epoch}")
            if self.verbose:
                measures = ", ".join(f"{name} {value:.4f}" for name, value in logs.items())
                print(f"[{epoch + 1}/{self.epochs}] {seconds:.1f} s, {measures}", flush=True)

        networks, history = training.train_multi_view(
            plan,
            train,
            validation,
            epochs=int(self.epochs),
            batch_size=int(self.batch_size),
            patience=self.n_iter_no_change,
            report=report,
        )
        if validation is None or self.n_importance_repeats == 0:
            return plan, networks, history, None
        importances = training.validation_importance(
            networks,
            validation,
            self.view_pooling,
            method=self.importance_method,
            n_repeats=int(self.n_importance_repeats),
            seed=seed,
        )
        return plan, networks, history, importances

    def _check_parameters(self):
        self._validate_params()
        check_architecture(self.architecture)

    def _check_training_data(self, X, y, sample_weight, mask):
        """Views, present views, classes, class indices and weights of the samples."""
        images = as_views(X, self.view_shape)
        classes, codes, weights, kept = check_targets(X, y, sample_weight)
        present = as_mask(mask, *images.shape[:2])
        images = fill_missing(images, present)
        assert_all_finite(images, input_name="X")
        return images[kept], present[kept], classes, codes, weights

    def _check_views(self, X, mask):
        """X as views of the shape of ``fit``, and which are present."""
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
        images = as_views(pixels, self.view_shape)
        check_same_views(images, self.view_shape_, type(self).__name__)
        present = as_mask(mask, *images.shape[:2])
        images = fill_missing(images, present)
        assert_all_finite(images, input_name="X")
        return images, present

    def predict_proba(self, X: ArrayLike, mask: ArrayLike | None = None) -> NDArray[np.float32]:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, V, height, width), \
                (n_samples, V, height, width, channels) or (n_samples, n_features)
            All V views of each sample; missing ones may have any pixels.
        mask : array-like of bool of shape (n_samples, V) or (V,), default=None
            True where a view is present; each sample needs one. None means all.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float32
            Classes in the order of ``classes_``.
        """
        images, present = self._check_views(X, mask)
        tower, head, _ = self._networks.get()
        predict_views = load_quietly("skprune.multiview._network").predict_views
        pooling = self._networks.plan.view_pooling
        return predict_views([tower] * self.n_views_, head, images, present, pooling)

    def predict(self, X: ArrayLike, mask: ArrayLike | None = None) -> NDArray:
        """The label with the highest probability, the first of ``classes_`` among equals.

        Parameters
        ----------
        X : array-like of shape (n_samples, V, height, width), \
                (n_samples, V, height, width, channels) or (n_samples, n_features)
            All V views of each sample; missing ones may have any pixels.
        mask : array-like of bool of shape (n_samples, V) or (V,), default=None
            True where a view is present; each sample needs one. None means all.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.
        """
        probabilities = self.predict_proba(X, mask)
        return self.classes_[probabilities.argmax(axis=1)]

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> float:
        """Accuracy, the share of samples with the right label.

        Parameters
        ----------
        X : array-like of shape (n_samples, V, height, width), \
                (n_samples, V, height, width, channels) or (n_samples, n_features)
            All V views of each sample; missing ones may have any pixels.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        mask : array-like of bool of shape (n_samples, V) or (V,), default=None
            True where a view is present; each sample needs one. None means all.

        Returns
        -------
        float
            Weighted accuracy, in [0, 1].
        """
        return accuracy_score(y, self.predict(X, mask), sample_weight=sample_weight)
