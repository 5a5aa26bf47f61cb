"""One member of a CNN ensemble; the only file that imports scikeras."""

import time
from collections import defaultdict

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import ClassifierTags, check_array, check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from .._keras import get_compiled, quiet_first_use, record_eager_time, row_groups
from ..utils import restored, saved
from ._builder import build_cnn, compile_cnn, make_training_state
from ._data import as_fitted_images, as_images
from ._epochs import ValidationStopping, runs_whole_epochs, train_epochs
from ._forward import FoldedCNN, JointCNNs
from ._space import CNNArchitecture

__all__ = ["CNNMember"]

# Time to compile one member as part of a joint function, roughly.
_SECONDS_TO_COMPILE = 0.05


class CNNMember(KerasClassifier):
    """One random CNN as a classifier; labels are the integers 0 ... n_classes - 1.

    A :class:`scikeras.wrappers.KerasClassifier` with the tags that scikit-learn needs, pixels of
    any number type, predictions without a traced graph for each model, and pickles that hold arrays
    instead of Keras objects. One compiled function trains each epoch, see
    :func:`~skprune.ensemble._epochs.train_epochs`.

    Parameters
    ----------
    architecture : CNNArchitecture
        The network and its learning rate.
    n_classes : int
        Number of classes.
    offset, scale : float, default=0.0 and 1.0
        The network's first layer turns a pixel x into (x - offset) / scale.
    epochs : int, default=10
        Passes over the training data.
    batch_size : int, default=64
        Samples of one gradient step.
    n_iter_no_change : int or None, default=None
        With validation data, stop after that many epochs without a lower validation loss and keep
        the best weights. None trains all epochs and keeps the last weights.
    random_state : int, default=0
        Seed of initial weights, dropout and order of samples.
    verbose : int, default=0
        With 1 or more, print one line for each epoch.

    Attributes
    ----------
    model_ : keras.Model
        The network, not compiled; rebuilt from the weights on first use after unpickling.
    classes_ : ndarray of shape (n_classes,)
        0 ... n_classes - 1.
    history_ : dict of str to list of float
        Loss and accuracy after each epoch.
    sample_shape_ : tuple of (int, int, int)
        Height, width and channels of a sample.
    n_features_in_ : int
        Height of a sample, as scikeras has it.
    """

    # Saved files name the class by this module, which imports it without output.
    __module__ = "skprune.ensemble"

    def __init__(
        self,
        architecture: CNNArchitecture,
        n_classes: int,
        *,
        offset: float = 0.0,
        scale: float = 1.0,
        epochs: int = 10,
        batch_size: int = 64,
        n_iter_no_change: int | None = None,
        random_state: int = 0,
        verbose: int = 0,
    ):
        super().__init__(
            epochs=epochs, batch_size=batch_size, random_state=random_state, verbose=verbose
        )
        self.architecture = architecture
        self.n_classes = n_classes
        self.offset = offset
        self.scale = scale
        self.n_iter_no_change = n_iter_no_change

    # scikit-learn

    _get_param_names = classmethod(BaseEstimator._get_param_names.__func__)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # ClassifierMixin is the last of scikeras's bases, where it sets no tags.
        tags.estimator_type = "classifier"
        tags.classifier_tags = ClassifierTags()
        tags.target_tags.required = True
        tags.input_tags.three_d_array = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return self.initialized_

    def __repr__(self, **kwargs):
        return BaseEstimator.__repr__(self, **kwargs)

    # The network: either the live model or the weights that it is rebuilt from, never both.

    @property
    def initialized_(self) -> bool:
        """Whether there are weights to predict with."""
        return any(vars(self).get(name) is not None for name in ("_weights", "_model"))

    @property
    def model_(self) -> keras.Model:
        """The network; after this the member does not take part in joint prediction.

        The network may be trained at any time without notice. :meth:`network` returns a copy.
        """
        if getattr(self, "_model", None) is None:
            self._model, self._weights = self.network(), None
        return self._model

    @model_.setter
    def model_(self, model):
        self._model, self._weights = model, None

    def network(self) -> keras.Model:
        """A separate network with the same weights; the member itself does not change."""
        weights = self._arrays()
        with quiet_first_use():
            model = self._build(self.sample_shape_)
            model.set_weights(weights)
        return model

    def _arrays(self) -> list[np.ndarray]:
        model, weights = (vars(self).get(name) for name in ("_model", "_weights"))
        if model is None and weights is None:
            raise NotFittedError("This CNNMember is not fitted yet; call fit before using it.")
        return weights if model is None else model.get_weights()

    def _build(self, sample_shape: tuple[int, int, int]) -> keras.Model:
        return build_cnn(
            self.architecture,
            sample_shape,
            self.n_classes,
            offset=self.offset,
            scale=self.scale,
            seed=self.random_state,
        )

    # Parameters and arrays are saved: no object of Keras or scikeras is ever unpickled.

    def __getstate__(self):
        state = {"params": self.get_params(deep=False)}
        if self.initialized_:
            state["weights"] = self._arrays()
            state["history"] = self.history_
            state["input_shape"] = self.sample_shape_
        return saved(state, ("scikit-learn", "keras"))

    def __setstate__(self, state):
        state = restored(state, type(self).__name__)
        params = state.pop("params")
        member = type(self).from_weights(**state, **params) if state else type(self)(**params)
        vars(self).update(vars(member))

    @classmethod
    def from_weights(cls, weights, history, input_shape, **params) -> "CNNMember":
        """A fitted member from the results of training, without a Keras model.

        ``weights`` are in the order of ``get_weights``; ``params`` are the constructor's.
        """
        member = cls(**params)
        member._describe(input_shape)
        member._weights, member.history_ = weights, history
        return member

    def _describe(self, sample_shape) -> None:
        """Set the attributes that describe the data of a fit."""
        self.sample_shape_ = tuple(int(side) for side in sample_shape)
        self.n_features_in_ = self.sample_shape_[0]
        self.classes_ = np.arange(self.n_classes)

    # Training

    @property
    def current_epoch(self) -> int:
        """Number of epochs that the network has been trained for."""
        return len(getattr(self, "history_", {}).get("loss", ()))

    def fit(self, X, y, sample_weight=None, validation_data=None, **kwargs) -> "CNNMember":
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Pixels. Images without their one channel, and flat rows of pixels, are accepted.
        y : array-like of shape (n_samples,)
            Labels in 0 ... n_classes - 1.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        validation_data : tuple of (X, y) or (X, y, sample_weight), default=None
            Samples for early stopping.
        **kwargs
            Further arguments of ``keras.Model.fit``. With any but ``callbacks``, or with a
            callback for each batch, Keras's ``fit`` trains the network: the same steps in another
            order of samples, more slowly.

        Returns
        -------
        CNNMember
            Itself.
        """
        kwargs["validation_data"] = validation_data
        try:
            return super().fit(X, y, sample_weight=sample_weight, **kwargs)
        finally:  # scikeras sets them to None before any check
            self.classes_ = np.arange(self.n_classes)

    def _validate_data(self, X=None, y=None, reset=False):
        """Samples as float32 images, of the shape of the first fit unless ``reset``; labels."""
        if X is not None:
            if not reset:
                check_is_fitted(self)
            X = self._images(X, None if reset else self.sample_shape_)
        if y is not None:
            y = column_or_1d(y) if X is None else self._codes(X, y)
        return X, y

    def _images(self, X, shape):
        """Samples as float32 images of a shape; None is that of the samples."""
        X = check_array(X, dtype=np.float32, allow_nd=True, input_name="X", estimator=self)
        return as_images(X, None) if shape is None else as_fitted_images(X, shape, "CNNMember")

    def _codes(self, X, y):
        """Labels as integers."""
        y = column_or_1d(y)
        check_consistent_length(X, y)
        known = np.arange(self.n_classes)
        if not np.isin(y, known).all():
            unknown = np.setdiff1d(y, known)[:5].tolist()
            raise ValueError(f"y must hold labels of 0 ... {self.n_classes - 1}; got {unknown}.")
        return y.astype(np.intp)

    def _initialize(self, X, y=None):
        """Check the data of a first fit, and build the network; its layers have their own seeds."""
        X, y = self._validate_data(X, y, reset=True)
        self._set_new_network(X.shape[1:])
        return X, y

    def _set_new_network(self, sample_shape) -> None:
        with quiet_first_use():
            model = self._build(sample_shape)
        self._describe(sample_shape)
        self.model_, self.history_ = model, {}

    def _fit(
        self, X, y, sample_weight, warm_start, epochs, initial_epoch,
        validation_data=None, callbacks=(), **kwargs,
    ):  # fmt: skip
        """Train the network, for fit and partial_fit of scikeras, once all arguments are checked.

        With ``warm_start`` from its present weights, if it has any.
        """
        goes_on = self.initialized_ and (warm_start or self.warm_start)
        X, y = self._validate_data(X, y, reset=not goes_on)
        if sample_weight is not None:
            X, y, sample_weight = self._validate_sample_weight(X, y, sample_weight)
        callbacks = list(callbacks)
        if validation_data is not None:
            validation_X, validation_y, *weights = validation_data
            validation_X = self._images(validation_X, X.shape[1:])
            stopping = ValidationStopping(
                self._probabilities,
                validation_X,
                self._codes(validation_X, validation_y),
                *weights,
                patience=self.n_iter_no_change,
            )
            callbacks = [stopping, *callbacks]
        self.classes_ = np.arange(self.n_classes)  # partial_fit may have been given others
        if not goes_on:
            self._set_new_network(X.shape[1:])
        model = self.model_
        if not model.compiled:
            compile_cnn(model, keras.optimizers.Adam(self.architecture.learning_rate, name="adam"))
        if kwargs or not runs_whole_epochs(callbacks):
            self._fit_by_keras(
                X, y, sample_weight, warm_start, epochs, initial_epoch, callbacks, kwargs
            )
            return
        if self.verbose:
            callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=_print_epoch))
        n = len(X)
        history = train_epochs(
            model,
            X,
            y,
            sample_weight,
            epochs=range(initial_epoch, initial_epoch + epochs),
            batch_size=n if self.batch_size == -1 else self.batch_size,
            # Another seed than that of the initial weights.
            order=lambda epoch: np.random.default_rng([self.random_state, 1, epoch]).permutation(n),
            callbacks=callbacks,
        )
        before = self.history_ if initial_epoch else {}
        self.history_ = {name: before.get(name, []) + history[name] for name in history}

    def _fit_by_keras(
        self, X, y, sample_weight, warm_start, epochs, initial_epoch, callbacks, kwargs
    ):
        """Train by ``keras.Model.fit``, with the arguments that scikeras collects for it."""
        make_training_state(self.model_)
        self._fit_callbacks, self._random_state = callbacks, self.random_state
        self.history_ = defaultdict(list, self.history_)
        try:
            self._fit_keras_model(X, y, sample_weight, warm_start, epochs, initial_epoch, **kwargs)
        finally:
            del self._fit_callbacks  # they hold the model and validation data
            self.history_ = dict(self.history_)

    # Prediction

    def predict_proba(self, X, **kwargs) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Pixels. Flat rows of pixels, and images without their one channel, are accepted.
        **kwargs
            Not used; accepted as in scikeras.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float32
            Rows sum to 1.
        """
        return self._probabilities(self._validate_data(X)[0])

    def predict(self, X, **kwargs) -> np.ndarray:
        """The most probable class of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Pixels. Flat rows of pixels, and images without their one channel, are accepted.
        **kwargs
            Not used; accepted as in scikeras.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels in 0 ... n_classes - 1.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        """Probabilities of float32 images of the shape of the fit."""
        start = time.perf_counter()
        ((_, rows),) = row_groups([self._widest()])
        with quiet_first_use():
            probabilities = self._folded().predict(images, rows)
        record_eager_time(self, time.perf_counter() - start)
        return probabilities

    @classmethod
    def __skprune_joint_prediction__(cls, members):
        """One compiled function of the members, once compiling pays."""
        if keras.backend.backend() != "tensorflow":
            return None
        # A live network may be trained at any time without notice.
        weights = [vars(member).get("_weights") for member in members]
        shapes = {member.sample_shape_ for member in members}
        if any(arrays is None for arrays in weights) or len(shapes) > 1:
            return None

        def compile_members():
            folded = [member._folded() for member in members]
            return JointCNNs(folded, [member._widest() for member in members], *shapes)

        parts = [
            *weights,
            *(part for m in members for part in (m.architecture, m.offset, m.scale)),
        ]
        joint = get_compiled(members, parts, compile_members, _SECONDS_TO_COMPILE)
        return None if joint is None else lambda X: joint.predict(members[0]._validate_data(X)[0])

    def _folded(self) -> FoldedCNN:
        weights = self._arrays()
        return FoldedCNN.from_weights(self.architecture, weights, self.offset, self.scale)

    def _widest(self) -> int:
        """Most numbers that a layer outputs for one sample."""
        height, width, channels = self.sample_shape_
        filters = (f for block in self.architecture.blocks for f in block.filters)
        return height * width * max(channels, *filters)


def _print_epoch(epoch, logs):
    measures = ", ".join(f"{name} {value:.4f}" for name, value in logs.items())
    print(f"epoch {epoch + 1}: {measures}", flush=True)
