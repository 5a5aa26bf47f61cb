"""One Keras model of all networks of a vote."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import UnsupportedMemberError
from ..sparsity import copy_model
from ..utils import Vote, probability_floor
from ._check import check_graph
from ._networks import network_of, network_shape, vote_of
from ._predictor import as_samples, in_single_precision

__all__ = ["fuse"]


def fuse(estimator: Any) -> Any:
    """One Keras model of the kept networks and their weighted vote.

    A temperature and a logarithmic pool are part of the model: it gives what ``predict_proba``
    gives.

    Its layers are Keras's own, so that neither skprune nor scikeras is needed where it is loaded:
    save it with ``model.save("vote.keras")``, or as a SavedModel with ``model.export("vote")``.

    Parameters
    ----------
    estimator : fitted estimator
        A pruner whose members are networks, a :class:`~skprune.RandomCNNEnsembleClassifier`, a
        :class:`~skprune.PrunedCNNClassifier` or an :class:`~skprune.EnsembleCompressor`.

    Returns
    -------
    keras.Model
        Functional, not compiled; from samples (n, ...), as the networks take them, to
        probabilities (n, n_classes), in the order of ``classes_``. It shares no weights with the
        estimator.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    UnsupportedMemberError
        If a member is not a network, or says something else than its network, to 1e-5; the message
        names it and what to use instead.
    GraphFileError
        If only the vote differs from that of the estimator: by more than 1e-5, or by more than 1e-3
        if it has logarithms (``voting="log"``, ``calibrate="temperature"``), which enlarge
        differences of the members.
    TypeError
        If it is an estimator of another kind.

    See Also
    --------
    export_onnx : One graph that needs no TensorFlow.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skprune import CNNSpace, RandomCNNEnsembleClassifier
    >>> from skprune.serving import fuse
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> space = CNNSpace(n_blocks=[1], filters=[4], dense_units=[20])
    >>> cnns = RandomCNNEnsembleClassifier(2, space=space, image_shape=(8, 8), epochs=1)
    >>> cnns = cnns.set_params(random_state=0).fit(X, y)
    >>> model = fuse(cnns)
    >>> p = model.predict(X[:5].reshape(5, 8, 8, 1), verbose=0)
    >>> bool(np.allclose(p, cnns.predict_proba(X[:5]), atol=1e-5))
    True
    """
    vote = vote_of(estimator)
    if vote.classes is None:
        raise TypeError(
            f"A {type(estimator).__name__} predicts numbers; fuse makes one model of classifiers. "
            "Use skprune.serving.export_onnx."
        )
    models = [network_of(member) for member in vote.members]
    shape = network_shape(models, vote)
    model, with_members = _fused(models, vote, shape)

    def predict(X: Any) -> tuple[NDArray, NDArray]:
        samples = in_single_precision(as_samples(X, shape))
        found, *members = with_members.predict_on_batch(samples)
        return found, np.stack(members)

    check_graph(estimator, vote, shape, predict)
    return model


def _fused(models: list[Any], vote: Vote, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """From samples to the vote; and to the vote and the members' probabilities of all classes."""
    import keras
    from keras import layers, ops

    assert vote.classes is not None
    C = len(vote.classes)
    pixels = keras.Input(shape, name="pixels", dtype="float32")
    members, outputs = [], []
    # Layers and operations of Keras's own, which every installation can load.
    for member, model in zip(vote.members, models, strict=True):
        own = tuple(model.inputs[0].shape[1:])
        given = pixels
        if own != shape and None not in own:
            given = layers.Reshape(own, name=f"{member.name}_samples", dtype="float32")(pixels)
        p = _copied(model, member.name)(given)
        columns = np.asarray(member.columns)
        if p.shape[-1] < len(columns):
            p = ops.concatenate([1.0 - p, p], axis=-1)
        if not np.array_equal(columns, np.arange(C)):
            p = _matmul(p, np.eye(C)[columns], name=f"{member.name}_classes")
        members.append(p)
        if vote.rule.voting == "log":
            p = _floored_logs(p)
        elif vote.rule.voting == "hard":
            p = ops.one_hot(ops.argmax(p, axis=-1), C)
        outputs.append(p)
    joined = outputs[0] if len(outputs) == 1 else ops.concatenate(outputs, axis=-1)
    # Equal members count exactly one each, so that what is equal of their votes stays equal.
    weights = np.array([member.weight for member in vote.members])
    counts = weights / weights.max()
    total = _matmul(joined, np.kron(counts[:, None], np.eye(C)), name="vote")
    probabilities = _probabilities(vote, total, counts.sum(), weights.max())
    model = keras.Model(pixels, probabilities, name="weighted_vote")
    model.trainable = False
    return model, keras.Model(pixels, [probabilities, *members])


def _probabilities(vote: Vote, total: Any, n_counted: float, exponent: float) -> Any:
    """Of the sum of the members' votes, in which the weightiest member counts one."""
    from keras import layers

    rule, C = vote.rule, total.shape[-1]
    if rule.voting == "log":
        bias = np.zeros(C) if rule.intercept is None else rule.intercept
        return _matmul(total, exponent * np.eye(C), bias, name="pool", activation="softmax")
    mean = layers.Rescaling(1 / n_counted, name="share", dtype="float32")(total)
    if rule.temperature == 1:
        return mean
    power = layers.Rescaling(1 / rule.temperature, name="temperature", dtype="float32")
    return layers.Softmax(name="probabilities", dtype="float32")(power(_floored_logs(mean)))


def _matmul(x: Any, *arrays: NDArray, name: str, **options: Any) -> Any:
    """A dense layer with this kernel, and bias if there is one."""
    from keras import layers

    layer = layers.Dense(
        arrays[0].shape[1], use_bias=len(arrays) > 1, name=name, dtype="float32", **options
    )
    y = layer(x)
    layer.set_weights([array.astype(np.float32) for array in arrays])
    return y


def _floored_logs(p: Any) -> Any:
    from keras import ops

    return ops.log(ops.maximum(p, probability_floor(p.shape[-1])))


def _copied(model: Any, name: str) -> Any:
    """The same network with weights and a name of its own."""
    import keras

    try:
        return copy_model(keras.Model(model.inputs[0], model.outputs[0], name=name))
    except ValueError as error:
        raise UnsupportedMemberError(f"The network of {name} cannot be copied. {error}") from error
