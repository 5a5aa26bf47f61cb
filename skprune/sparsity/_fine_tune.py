"""Fine-tuning of pruned models, and calibration of their batch normalization."""

import time
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._keras import keras_adam, layer_graph
from ..utils import RANDOM_STATE, Number, check_parameters, check_random_state, draw_seed
from ._magnitude import kernels
from ._rebuild import copy_model

__all__ = [
    "TRAINING_CONSTRAINTS",
    "classification_loss",
    "fine_tune",
    "recover",
    "reestimate_batch_norm",
]

TRAINING_CONSTRAINTS: dict[str, Any] = {
    "epochs": [Number(Integral, 0)],
    "fine_tune_epochs": [Number(Integral, 0)],
    "batch_size": [Number(Integral, 1)],
    "learning_rate": [Number(Real, 0, closed="neither")],
    "random_state": RANDOM_STATE,
}

# TensorFlow takes as long to trace a step as to run 9 to 11 steps eagerly.
_MAX_EAGER_STEPS = 6


def fine_tune(
    model: Any,
    X: Any,
    y: Any,
    *,
    epochs: int = 1,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    loss: Any = None,
    sample_weight: Any = None,
    keep_zeros: bool = True,
    random_state: Any = None,
    verbose: int = 0,
) -> Any:
    """Train a pruned model for a few more epochs, with Adam.

    Parameters
    ----------
    model : keras.Model
        Sequential or Functional. It is not changed.
    X : array-like of shape (n_samples, ...), or list of them
        Inputs, a list for a model of several inputs.
    y : array-like of shape (n_samples, ...)
        Targets, as the loss takes them.
    epochs : int, default=1
        Passes over the samples; 0 gives a copy.
    batch_size : int, default=64
        Most samples of one step. All steps take equally many: an epoch leaves out the few samples
        that remain, other ones each time.
    learning_rate : float, default=1e-3
        Learning rate of Adam.
    loss : str, callable or keras.Loss, default=None
        None is the loss that the model is compiled with, or cross-entropy of classes as integers
        (binary where the model has one output).
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples in the loss.
    keep_zeros : bool, default=True
        Weights of kernels that are exactly zero stay zero, as :func:`prune_magnitude` left them.
    random_state : int, RandomState instance or None, default=None
        Seeds the order of the samples and dropout.
    verbose : int, default=0
        Print a line for each epoch.

    Returns
    -------
    keras.Model
        A trained copy; compiled as the given one is.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong; the message names it.

    Examples
    --------
    >>> import keras, numpy as np
    >>> from skprune.sparsity import fine_tune
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation="softmax")])
    >>> X = np.random.default_rng(0).normal(size=(200, 2)).astype("float32")
    >>> y = (X[:, 0] > 0).astype(int)
    >>> tuned = fine_tune(model, X, y, epochs=20, learning_rate=0.05, random_state=0)
    >>> bool((tuned.predict_on_batch(X).argmax(axis=1) == y).mean() > 0.95)
    True
    """
    import keras

    layer_graph(model)  # raises for a model that cannot be rebuilt
    inputs_of, n = _checked_inputs(X)
    y = np.asarray(y)
    weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float32)
    for name, array in (("y", y), ("sample_weight", weights)):
        if array is not None and len(array) != n:
            raise ValueError(f"X has {n} samples, but {name} has {len(array)}.")
    check_parameters(
        "fine_tune",
        TRAINING_CONSTRAINTS,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        random_state=random_state,
    )
    state = check_random_state(random_state)
    if loss is None:
        loss = getattr(model, "loss", None) or _cross_entropy(model)
    result = copy_model(model)
    if epochs == 0:
        return result
    # Another copy is trained: the optimizer and its state are no part of the result.
    trained = copy_model(model, compiled=False)
    rng = np.random.default_rng(draw_seed(state))
    _seed_layers(trained, rng)
    if keep_zeros:
        _constrain_zeros(trained)
    n_steps = -(-n // batch_size)
    eager = keras.backend.backend() == "tensorflow" and epochs * n_steps <= _MAX_EAGER_STEPS
    adam = keras_adam(float(learning_rate))
    trained.compile(adam, loss=loss, jit_compile=False, run_eagerly=eager)
    # Variables made inside the training step, or a smaller last batch, would have it traced twice,
    # which takes longer than many an epoch.
    trained.optimizer.build(trained.trainable_variables)
    for epoch in range(epochs):
        start = time.perf_counter()
        trained.reset_metrics()
        order = rng.permutation(n)
        for rows in order[: n - n % n_steps].reshape(n_steps, -1):
            weights_of_rows = None if weights is None else weights[rows]
            logs = trained.train_on_batch(
                inputs_of(rows), y[rows], weights_of_rows, return_dict=True
            )
        if verbose:
            seconds = time.perf_counter() - start
            print(
                f"[fine_tune] epoch {epoch + 1}/{epochs}: loss {logs['loss']:.4f}, {seconds:.1f} s"
            )
    result.set_weights(trained.get_weights())
    return result


def recover(model: Any, X: Any, y: Any, *, epochs: int, random_state: Any, **options: Any) -> Any:
    """Fine-tune a copy and calibrate its batch normalization; without epochs, return the model."""
    if not epochs:
        layer_graph(model)  # raises for what a user's method should not have returned
        return model
    tuned = fine_tune(model, X, y, epochs=epochs, random_state=random_state, **options)
    _calibrate_batch_norm(tuned, X, 256, random_state)
    return tuned


def classification_loss(model: Any) -> Any:
    """The loss that a classifier is compiled with, in the form that takes classes as integers.

    Cross-entropy if it has no loss, or one that takes one-hot rows; label smoothing and focusing
    are then left out.
    """
    import keras

    losses = keras.losses
    takes_integers = losses.SparseCategoricalCrossentropy, losses.BinaryCrossentropy
    names = "sparse_categorical_crossentropy", "binary_crossentropy"
    loss = getattr(model, "loss", None)
    if isinstance(loss, takes_integers) or (isinstance(loss, str) and loss in names):
        return loss
    if isinstance(loss, losses.CategoricalCrossentropy) and loss.get_config()["from_logits"]:
        return losses.SparseCategoricalCrossentropy(from_logits=True)
    return _cross_entropy(model)


def _cross_entropy(model: Any) -> str:
    """Cross-entropy of classes as integers, binary for one output of one column."""
    one_column = len(model.outputs) == 1 and model.outputs[0].shape[-1] == 1
    return "binary_crossentropy" if one_column else "sparse_categorical_crossentropy"


def reestimate_batch_norm(
    model: Any, X: Any, *, batch_size: int = 256, random_state: Any = 0
) -> Any:
    """Estimate the means and variances of batch normalization again.

    After pruning, or after few steps of training, the moving averages in a network are not those
    of its activations. Here they are set to the mean and variance over one pass, in which every
    normalization uses the statistics of its batch, and all else works as in prediction. Rows are
    permuted first, so that they may be sorted by class. The variance is the mean of the variances
    within batches plus the variance of the means of batches, each weighted by its samples. A
    normalization that is called more than once gets the statistics of all its calls together.

    Parameters
    ----------
    model : keras.Model
        Sequential or Functional. It is not changed.
    X : array-like of shape (n_samples, ...), or list of them
        Inputs like those to come; no labels are needed.
    batch_size : int, default=256
        Samples of one batch. It does not change the statistics of what enters a first
        normalization. What enters later ones was normalized batch by batch: larger is better.
    random_state : int, RandomState instance or None, default=0
        Seeds the permutation of the rows. The default gives the same result in every call.

    Returns
    -------
    keras.Model
        A copy with new statistics; the same weights if there is no batch normalization.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong; the message names it.

    Examples
    --------
    >>> import keras, numpy as np
    >>> from skprune.sparsity import reestimate_batch_norm
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization()])
    >>> X = np.array([[1.0], [3.0]], dtype="float32")
    >>> reestimate_batch_norm(model, X).layers[0].moving_mean.numpy()
    array([2.], dtype=float32)
    """
    layer_graph(model)
    check_parameters(
        "reestimate_batch_norm",
        TRAINING_CONSTRAINTS,
        batch_size=batch_size,
        random_state=random_state,
    )
    result = copy_model(model)
    _calibrate_batch_norm(result, X, batch_size, random_state)
    return result


def _calibrate_batch_norm(model: Any, X: Any, batch_size: int, random_state: Any) -> None:
    """As reestimate_batch_norm, in the model itself."""
    import keras

    inputs_of, n = _checked_inputs(X)
    norms = [
        _BatchStatistics(layer)
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    if not norms:
        return
    order = check_random_state(random_state).permutation(n)
    try:
        for start in range(0, n, batch_size):
            model(inputs_of(order[start : start + batch_size]), training=False)
    finally:
        for norm in norms:
            norm.finish()


class _BatchStatistics:
    """Makes a batch normalization use the statistics of each batch, and collects them."""

    def __init__(self, layer: Any) -> None:
        self._layer, self._call = layer, layer.call
        self._batches: list[tuple[float, NDArray, NDArray]] = []  # count, mean, variance
        layer.call = self._call_on_batch

    def _call_on_batch(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        from keras import ops

        layer = self._layer
        moments = layer._moments(ops.cast(inputs, "float32"), mask)
        mean, variance = (ops.reshape(moment, layer.moving_mean.shape) for moment in moments)
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)
        mean, variance = (ops.convert_to_numpy(v).astype(np.float64) for v in (mean, variance))
        if mask is None:
            count = np.prod(inputs.shape) / mean.size
        else:
            count = ops.convert_to_numpy(mask).sum()
        self._batches.append((float(count), mean, variance))
        return self._call(inputs, training=False, mask=mask)

    def finish(self) -> None:
        """Restore the layer, with the statistics of all batches together."""
        del self._layer.call
        if sum(count for count, _, _ in self._batches):
            counts, means, variances = map(np.array, zip(*self._batches, strict=True))
            mean = np.average(means, axis=0, weights=counts)
            variance = np.average(variances + (means - mean) ** 2, axis=0, weights=counts)
            self._layer.moving_mean.assign(mean.astype(np.float32))
            self._layer.moving_variance.assign(variance.astype(np.float32))


def _checked_inputs(X: Any) -> tuple[Callable[[Any], Any], int]:
    """A function from rows to the model's inputs, and the number of samples."""
    several = isinstance(X, (list, tuple))
    arrays = [np.asarray(each) for each in (X if several else [X])]
    for array in arrays:
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError("X must be finite; it holds NaN or infinity.")
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(
            f"X must hold at least one sample, and as many in each input; got {lengths}."
        )

    def inputs_of(rows: Any) -> Any:
        inputs = [array[rows] for array in arrays]
        inputs = [each if each.dtype == bool else each.astype(np.float32) for each in inputs]
        return inputs if several else inputs[0]

    return inputs_of, lengths.pop()


def _seed_layers(model: Any, rng: np.random.Generator) -> None:
    for layer in model._flatten_layers():
        for generator in getattr(layer, "_seed_generators", ()):
            generator.state.assign(np.array([rng.integers(2**31), 0], generator.state.dtype))


def _constrain_zeros(model: Any) -> None:
    """Keep the zeros of each kernel, besides the constraint that it has."""
    import keras

    def keeping_zeros(nonzero: Any, constraint: Callable | None) -> Callable:
        def apply(value: Any) -> Any:
            value = value if constraint is None else constraint(value)
            return keras.ops.where(nonzero, value, 0)

        return apply

    for kernel in kernels(model):
        nonzero = keras.ops.convert_to_numpy(kernel) != 0
        if not nonzero.all():
            kernel.constraint = keeping_zeros(nonzero, kernel.constraint)
