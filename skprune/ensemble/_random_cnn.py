"""The ensemble of random CNNs as a scikit-learn classifier."""

from contextlib import closing
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from .._keras import joint_prediction, load_quietly
from ..utils import (
    N_JOBS,
    Number,
    ScratchFolder,
    SkpruneEstimator,
    StrOptions,
    Vote,
    VotingRule,
    check_cache,
    data_hash,
    integer_seed,
    refuse_multilabel,
    reports_progress,
    voting_members,
    weighted_sum,
)
from ._data import (
    PIXELS,
    TRAINING_CONSTRAINTS,
    Shape,
    SharedSamples,
    as_images,
    check_targets,
    pixel_statistics,
    validation_rows,
)
from ._space import CNNSpace, sample_members
from ._training import TRAINING_VERSION, train_members

__all__ = ["RandomCNNEnsembleClassifier"]

# More networks are not even planned: architectures are drawn before the first is trained.
_MAX_MEMBERS = 100_000


class RandomCNNEnsembleClassifier(ClassifierMixin, SkpruneEstimator):
    """Vote of many convolutional networks of random architecture, each trained separately.

    Architectures and learning rates are drawn from a :class:`CNNSpace`; each network is
    trained separately on the same data, as in the paper [1]_, section 3. The first layer of
    each standardizes pixels with the mean and standard deviation of the training pixels, so
    images can be given as they are.

    Parameters
    ----------
    n_estimators : int, default=10
        Number of networks, at most 100,000.
    space : CNNSpace or None, default=None
        Where architectures are drawn from. None is ``CNNSpace.small()``; the paper's is
        ``CNNSpace.paper()``.
    image_shape : tuple of (int, int) or (int, int, int), or None, default=None
        Height, width and, if not 1, channels of a sample, for X of shape
        (n_samples, n_features). Without it such a sample is one row of pixels.
    epochs : int, default=10
        Most passes over the training data.
    batch_size : int, default=64
        Samples of one gradient step.
    validation_fraction : float or None, default=0.1
        Share of the samples of each class held out for early stopping; the same ones for all
        networks. A class with a single sample has none held out. With None or 0, or where no
        sample can be held out, all epochs are trained on all samples.
    n_iter_no_change : int or None, default=5
        Training of a network stops after that many epochs without a lower validation loss,
        and the weights of its best epoch are kept. None trains all epochs and keeps the last
        weights.
    voting : {"soft", "hard"}, default="soft"
        Whether probabilities are the mean of the networks' (soft) or the shares of networks
        for which each class is the most probable (hard).
    memory : str, Path, joblib.Memory or None, default=None
        Folder in which each trained network is kept, under its architecture, seed, training
        parameters and data. A fit that was interrupted, or one with more networks, then
        trains only what is not there yet.
    n_jobs : int or None, default=None
        Networks trained at a time, each in its own process with one thread; the most
        expensive first. Results are the same for every value. None is 1 unless in a
        :obj:`joblib.parallel_config` context; -1 uses all cores.
    random_state : int, RandomState instance or None, default=None
        Decides architectures, initial weights, the order of samples and the samples held
        out. Network i is the same however large ``n_estimators``. NumPy's global generator is
        not used: None takes fresh entropy.
    verbose : int, default=0
        With 1 or more, print one line for each trained network.

    Attributes
    ----------
    estimators_ : list of CNNMember
        The networks, as scikeras classifiers whose labels are positions in ``classes_``.
    architectures_ : list of CNNArchitecture
        Their architectures.
    history_ : list of dict of str to list of float
        For each network, loss and accuracy after each epoch.
    classes_ : ndarray of shape (n_classes,)
        The labels.
    seed_ : int
        The integer seed of ``random_state``.
    sample_shape_ : tuple of (int, int, int)
        Height, width and channels of a sample.
    n_features_in_ : int
        Length of the second axis of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X has names that are all strings.

    See Also
    --------
    CNNSpace : The space of architectures.

    Notes
    -----
    Networks are trained in separate processes even for ``n_jobs=1``. The first fit starts them,
    which takes some seconds; later fits use them again, and they end when idle.

    References
    ----------
    .. [1] Guldogus et al., "Autoselection of the Ensemble of Convolutional Neural Networks
       with Second-Order Cone Programming", section 3.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skprune.ensemble import CNNSpace, RandomCNNEnsembleClassifier
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> space = CNNSpace(n_blocks=[1], filters=[4], dense_units=[20], learning_rate=(1e-2, 1e-2))
    >>> ensemble = RandomCNNEnsembleClassifier(
    ...     n_estimators=2, space=space, image_shape=(8, 8), epochs=4, random_state=0
    ... )
    >>> ensemble.fit(X[:400], y[:400]).score(X[400:], y[400:]) > 0.8
    True
    >>> ensemble.member_predict_proba(X[400:410]).shape
    (2, 10, 3)
    """

    _saved_packages = ("scikit-learn", "keras")
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TRAINING_CONSTRAINTS,
        "n_estimators": [Number(Integral, 1, _MAX_MEMBERS, closed="both")],
        "space": [None, CNNSpace],
        "image_shape": [None, Shape("(height, width)", "(height, width, channels)")],
        "voting": [StrOptions({"soft", "hard"})],
        "n_jobs": N_JOBS,
    }

    def __init__(
        self,
        n_estimators: int = 10,
        *,
        space: CNNSpace | None = None,
        image_shape: tuple[int, ...] | None = None,
        epochs: int = 10,
        batch_size: int = 64,
        validation_fraction: float | None = 0.1,
        n_iter_no_change: int | None = 5,
        voting: str = "soft",
        memory: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_estimators = n_estimators
        self.space = space
        self.image_shape = image_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.voting = voting
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimators_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    @reports_progress(1)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train the networks.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width), \
                (n_samples, height, width, channels) or (n_samples, n_features)
            Training images, of any number type.
        y : array-like of shape (n_samples,)
            Labels of any kind, of at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples in the loss. Samples of weight 0 are left out.

        Returns
        -------
        self : object
            The fitted ensemble.

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong; the message names it.
        CacheError
            If the disk of ``memory`` has no room for the networks, before any is trained.
        MemberTrainingError
            If a network could not be trained. With ``memory``, the networks trained before are
            kept and not trained again.
        """
        self._validate_params()
        memory = check_cache(self.memory)
        seed = integer_seed(self.random_state)
        refuse_multilabel(y)
        X, y = validate_data(self, X, y, allow_nd=True, dtype=PIXELS)
        images = as_images(X, self.image_shape)
        classes, codes, weights, kept = check_targets(X, y, sample_weight)
        images = images[kept]
        sample_shape = tuple(int(side) for side in images.shape[1:])
        plans = sample_members(self.space or CNNSpace.small(), self.n_estimators, seed)
        held_out = validation_rows(codes, self.validation_fraction, seed)
        member_class = load_quietly("skprune.ensemble._member").CNNMember
        offset, scale = pixel_statistics(images[~held_out])
        params = {
            "n_classes": len(classes),
            "offset": offset,
            "scale": scale,
            "epochs": int(self.epochs),
            "batch_size": int(self.batch_size),
            "n_iter_no_change": self.n_iter_no_change and int(self.n_iter_no_change),
        }
        fingerprint = None
        if memory.store_backend is not None:
            fingerprint = data_hash(images, codes, weights, held_out)
        self._phase("training networks", len(plans))
        members: dict[int, Any] = {}
        with ScratchFolder() as scratch:
            data = SharedSamples.write(scratch.path, [images, codes, weights], held_out)
            training = train_members(
                plans,
                params,
                data,
                sample_shape=sample_shape,
                keras_backend=load_quietly("keras").backend.backend(),
                fingerprint=fingerprint,
                memory=memory,
                n_jobs=self.n_jobs,
            )
            with closing(training):
                for plan, (arrays, history), seconds in training:
                    members[plan.index] = member_class.from_weights(
                        arrays,
                        history,
                        sample_shape,
                        architecture=plan.architecture,
                        random_state=plan.seed,
                        **params,
                    )
                    self._step(f"network {plan.index}")
                    if self.verbose:
                        line = _line(plan.index, history, seconds)
                        print(f"[{len(members)}/{len(plans)}] {line}", flush=True)
        # Attributes are set last, so that a fit that fails changes nothing.
        self.seed_, self.classes_, self.sample_shape_ = seed, classes, sample_shape
        self._fitted_on_flat = X.ndim == 2
        self.estimators_ = [members[plan.index] for plan in plans]
        self.architectures_ = [plan.architecture for plan in plans]
        self.history_ = [member.history_ for member in self.estimators_]
        return self

    def __skprune_training_key__(self):
        # Key of a pruner's cache of trained ensembles.
        import keras

        return TRAINING_VERSION, keras.backend.backend()

    def __skprune_vote__(self) -> Vote:
        check_is_fitted(self)
        M = len(self.estimators_)
        members = voting_members(self.estimators_, [1 / M] * M, [np.arange(len(self.classes_))] * M)
        return Vote(members, self.classes_, VotingRule(self.voting), self.sample_shape_)

    def _check_images(self, X) -> np.ndarray:
        """X as images of the shape of ``fit``."""
        check_is_fitted(self)
        pixels = check_array(X, allow_nd=True, dtype=np.float32, input_name="X", estimator=self)
        if pixels.ndim == 2 and self._fitted_on_flat:
            validate_data(self, X, reset=False, skip_check_array=True)
        images = as_images(pixels, self.image_shape)
        if images.shape[1:] != self.sample_shape_:
            raise ValueError(
                f"X has samples of shape {images.shape[1:]}, but this "
                f"{type(self).__name__} was fitted on samples of shape {self.sample_shape_}."
            )
        return images

    def _member_outputs(self, images):
        """Probabilities from each network, one by one or by joint prediction."""
        joint = joint_prediction(self.estimators_)
        if joint is not None:
            return joint(images)
        return (member.predict_proba(images) for member in self.estimators_)

    def member_predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Probabilities of the classes from each network.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width), \
                (n_samples, height, width, channels) or (n_samples, n_features)
            Images.

        Returns
        -------
        ndarray of shape (n_estimators, n_samples, n_classes), float32
            Classes in the order of ``classes_``.
        """
        return np.stack(list(self._member_outputs(self._check_images(X))))

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Probabilities of the classes from the vote of the networks.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width), \
                (n_samples, height, width, channels) or (n_samples, n_features)
            Images.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float32
            The mean of the networks' probabilities with ``voting="soft"``, the shares of the
            networks' votes with ``voting="hard"``. Classes in the order of ``classes_``.
        """
        images = self._check_images(X)
        M = len(self.estimators_)
        votes = weighted_sum(self._member_outputs(images), [1.0] * M, self.voting)
        return (votes / M).astype(np.float32)

    def predict(self, X: ArrayLike) -> NDArray:
        """The label with the highest probability, the first of ``classes_`` among equals.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width), \
                (n_samples, height, width, channels) or (n_samples, n_features)
            Images.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]


def _line(index, history, seconds) -> str:
    last = ", ".join(
        f"{name} {history[name][-1]:.4f}"
        for name in ("loss", "val_loss", "val_accuracy")
        if name in history
    )
    return f"member {index}: {seconds:.1f} s, {len(history['loss'])} epochs, {last}"
