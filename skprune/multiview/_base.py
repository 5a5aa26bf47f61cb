"""What the two classifiers of several views share: checks of the data, predictions, score."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import assert_all_finite, check_array, check_X_y
from sklearn.utils.validation import check_is_fitted, validate_data

from ..ensemble import PIXELS, check_targets
from ..utils import SkpruneEstimator, refuse_multilabel, unfreeze
from ._data import ViewSamples, as_mask, as_views, check_same_views, fill_missing

__all__ = ["MultiViewClassifier"]


class MultiViewClassifier(ClassifierMixin, SkpruneEstimator):
    """Base class: ``fit`` of a subclass calls ``_check_samples`` first and ``_keep`` last."""

    _saved_packages = ("scikit-learn", "keras")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_networks")

    @property
    def _given_view_shape(self) -> tuple[int, ...] | None:
        """The parameter ``view_shape``, of this classifier or of the one that it prunes."""
        shape: tuple[int, ...] | None = unfreeze(getattr(self, "estimator", self)).view_shape
        return shape

    def _check_samples(
        self, X: Any, y: Any, sample_weight: Any, mask: Any
    ) -> tuple[ViewSamples, NDArray]:
        """The samples of positive weight, and the sorted labels of all samples."""
        refuse_multilabel(y)
        validate_data(BaseEstimator(), X, skip_check_array=True)  # names of columns are all strings
        pixels, y = check_X_y(
            X, y, allow_nd=True, dtype=PIXELS, ensure_all_finite=False, estimator=self
        )
        images = as_views(pixels, self._given_view_shape)
        present = as_mask(mask, *images.shape[:2])
        images = fill_missing(images, present)
        assert_all_finite(images, input_name="X")
        classes, _, weights, kept = check_targets(pixels, y, sample_weight)
        return ViewSamples(images[kept], present[kept], y[kept], weights), classes

    def _keep(self, networks: Any, classes: NDArray, view_shape: tuple[int, ...], X: Any) -> None:
        """Set what predictions need; ``networks.get()`` is a ViewNetworks."""
        validate_data(self, X, skip_check_array=True)  # the number of features, and their names
        self._networks, self.classes_, self.view_shape_ = networks, classes, view_shape
        self._fitted_on_flat = np.asarray(X).ndim == 2

    def predict_proba(self, X: ArrayLike, mask: ArrayLike | None = None) -> NDArray[np.float32]:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, V, height, width), \
                (n_samples, V, height, width, channels) or (n_samples, n_features)
            All V views of each sample; missing and dropped ones may have any pixels.
        mask : array-like of bool of shape (n_samples, V) or (V,), default=None
            True where a view is present; each sample needs one that is not dropped. None means
            all.

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
        images = as_views(pixels, self._given_view_shape)
        check_same_views(images, self.view_shape_, type(self).__name__)
        networks = self._networks.get()
        present = as_mask(mask, *images.shape[:2]) & networks.kept
        if present.any(axis=1).all():  # if not, predict_proba names a sample without views
            images = fill_missing(images, present)
            assert_all_finite(images, input_name="X")
        return networks.predict_proba(images, present)

    def predict(self, X: ArrayLike, mask: ArrayLike | None = None) -> NDArray:
        """The label with the highest probability, the first of ``classes_`` among equals.

        Parameters
        ----------
        X : array-like of shape (n_samples, V, height, width), \
                (n_samples, V, height, width, channels) or (n_samples, n_features)
            All V views of each sample; missing and dropped ones may have any pixels.
        mask : array-like of bool of shape (n_samples, V) or (V,), default=None
            True where a view is present; each sample needs one that is not dropped. None means
            all.

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
            All V views of each sample; missing and dropped ones may have any pixels.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        mask : array-like of bool of shape (n_samples, V) or (V,), default=None
            True where a view is present; each sample needs one that is not dropped. None means
            all.

        Returns
        -------
        float
            Weighted accuracy, in [0, 1].
        """
        return float(accuracy_score(y, self.predict(X, mask), sample_weight=sample_weight))
