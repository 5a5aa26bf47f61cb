"""One member of a CNN ensemble; the only file that imports scikeras."""

import time

import keras
import numpy as np
from scikeras.utils.transformers import ClassifierLabelEncoder
from scikeras.wrappers import KerasClassifier
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import ClassifierTags

from .._keras import get_compiled, quiet_first_use, record_eager_time, row_groups
from ..utils import restored, saved
from ._builder import build_cnn, compile_cnn, make_training_state
from ._early_stopping import ValidationStopping
from ._epochs import runs_whole_epochs, train_epochs
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
    """

    # Saved files name the class by this module, which imports it without output.
    __module__ = "skprune.ensemble"
    _validation_data = None

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

    @classmethod
    def from_weights(cls, weights, history, input_shape, **params) -> "CNNMember":
        """A fitted member from the results of training, without a Keras model.

        ``weights`` are in the order of ``get_weights``; ``params`` are the constructor's.
        """
        member = cls(**params)
        member.classes_ = None
        y = np.arange(member.n_classes)
        X, y = member._validate_data(np.zeros((len(y), *input_shape), np.float32), y, reset=True)
        member.target_encoder_ = member.target_encoder.fit(y)
        vars(member).update(member.target_encoder_.get_metadata())
        member.feature_encoder_ = member.feature_encoder.fit(X)
        member._fit_callbacks = []
        member._random_state = member.random_state
        member.history_ = history
        member._weights = weights
        return member

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

    def network(self) -> keras.Model:
        """A separate network with the same weights; the member itself does not change."""
        weights = self._arrays()
        with quiet_first_use():
            model = self._build()
            model.set_weights(weights)
        return model

    def _arrays(self) -> list[np.ndarray]:
        model, weights = (vars(self).get(name) for name in ("_model", "_weights"))
        if model is None and weights is None:
            raise NotFittedError("This CNNMember is not fitted yet; call fit before using it.")
        return weights if model is None else model.get_weights()

    @model_.setter
    def model_(self, model):
        self._model, self._weights = model, None

    def __getstate__(self):
        # Parameters and arrays: no object of Keras or scikeras is ever unpickled.
        state = {"params": self.get_params(deep=False)}
        if self.initialized_:
            state["weights"] = self._arrays()
            state["history"] = self.history_
            state["input_shape"] = tuple(int(side) for side in self.X_shape_[1:])
        return saved(state, ("scikit-learn", "keras"))

    def __setstate__(self, state):
        state = restored(state, type(self).__name__)
        params = state.pop("params")
        member = type(self).from_weights(**state, **params) if state else type(self)(**params)
        vars(self).update(vars(member))

    def _build(self) -> keras.Model:
        return build_cnn(
            self.architecture,
            tuple(self.X_shape_[1:]),
            self.n_classes,
            offset=self.offset,
            scale=self.scale,
            seed=self.random_state,
        )

    # Hooks of scikeras

    def _keras_build_fn(self):
        return self._build()

    def _ensure_compiled_model(self):
        if not self.model_.compiled:
            rate = self.architecture.learning_rate
            compile_cnn(self.model_, keras.optimizers.Adam(rate, name="adam"))

    @property
    def target_encoder(self):
        """Encoder of labels with every class, including those missing from the training data."""
        return ClassifierLabelEncoder(loss=self.loss, categories=[np.arange(self.n_classes)])

    def _validate_data(self, X=None, y=None, reset=False, y_numeric=False):
        if X is not None:
            X = np.asarray(X, dtype=np.float32)
            shape = getattr(self, "X_shape_", (0,))[1:]
            flat = X.ndim == 2 and X.shape[1] == np.prod(shape)
            # An ensemble passes rows of pixels, or images without a channel axis, as they are.
            if not reset and (flat or (*X.shape[1:], 1) == shape):
                X = X.reshape(len(X), *shape)
        return super()._validate_data(X, y, reset=reset, y_numeric=y_numeric)

    def fit(self, X, y, sample_weight=None, validation_data=None, **kwargs) -> "CNNMember":
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Pixels.
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
        self._validation_data = validation_data
        try:
            super().fit(X, y, sample_weight=sample_weight, **kwargs)
        finally:
            # Callbacks hold the model and validation data, which are not results.
            del self._validation_data
            self._fit_callbacks = []
        self.history_ = {
            name: [float(value) for value in values] for name, values in self.history_.items()
        }
        return self

    def _initialize_callbacks(self):
        self._fit_callbacks = []
        if self._validation_data is not None:
            self._fit_callbacks = [
                ValidationStopping(
                    self.predict_proba, *self._validation_data, patience=self.n_iter_no_change
                )
            ]

    def _fit_keras_model(
        self, X, y, sample_weight, warm_start, epochs, initial_epoch, callbacks=(), **kwargs
    ):
        self._fit_callbacks += callbacks
        if kwargs or not runs_whole_epochs(self._fit_callbacks):
            make_training_state(self.model_)
            super()._fit_keras_model(
                X, y, sample_weight, warm_start, epochs, initial_epoch, **kwargs
            )
            return
        if self.verbose:
            self._fit_callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=_print_epoch))
        n = len(X)
        history = train_epochs(
            self.model_,
            X,
            y,
            sample_weight,
            epochs=range(initial_epoch, initial_epoch + epochs),
            batch_size=n if self.batch_size == -1 else self.batch_size,
            # Another seed than that of the initial weights.
            order=lambda epoch: np.random.default_rng([self.random_state, 1, epoch]).permutation(n),
            callbacks=self._fit_callbacks,
        )
        before = self.history_ if warm_start else {}
        self.history_ = {name: before.get(name, []) + history[name] for name in history}

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
        start = time.perf_counter()
        folded = self._folded()
        X, _ = self._validate_data(X)
        ((_, rows),) = row_groups([self._widest()])
        with quiet_first_use():
            probabilities = folded.predict(X, rows)
        record_eager_time(self, time.perf_counter() - start)
        return probabilities

    @classmethod
    def __skprune_joint_prediction__(cls, members):
        """One compiled function of the members, once compiling pays."""
        if keras.backend.backend() != "tensorflow":
            return None
        # A live network may be trained at any time without notice.
        weights = [vars(member).get("_weights") for member in members]
        shapes = {member.X_shape_[1:] for member in members}
        if any(arrays is None for arrays in weights) or len(shapes) > 1:
            return None

        def compile_members():
            folded = [member._folded() for member in members]
            return JointCNNs(folded, [member._widest() for member in members], *shapes)

        parts = [
            *weights,
            *(part for m in members for part in (m.architecture, m.offset, m.scale)),
        ]
        joint, first = (
            get_compiled(members, parts, compile_members, _SECONDS_TO_COMPILE),
            members[0],
        )
        return None if joint is None else lambda X: joint.predict(first._validate_data(X)[0])

    def _folded(self) -> FoldedCNN:
        weights = self._arrays()
        return FoldedCNN.from_weights(self.architecture, weights, self.offset, self.scale)

    def _widest(self) -> int:
        """Most numbers that a layer outputs for one sample."""
        height, width, channels = self.X_shape_[1:]
        filters = (f for block in self.architecture.blocks for f in block.filters)
        return height * width * max(channels, *filters)

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


def _print_epoch(epoch, logs):
    measures = ", ".join(f"{name} {value:.4f}" for name, value in logs.items())
    print(f"epoch {epoch + 1}: {measures}", flush=True)
