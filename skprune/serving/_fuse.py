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
    model, members = _fused(models, vote, shape)

    def predict(X: Any) -> tuple[NDArray, NDArray]:
        samples = in_single_precision(as_samples(X, shape))
        said = members.predict_on_batch(samples)
        return model.predict_on_batch(samples), np.stack(said if len(models) > 1 else [said])

    check_graph(estimator, vote, shape, predict)
    return model


def _fused(models: list[Any], vote: Vote, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """From samples to the vote, and to what the members say of all classes."""
    import keras
    from keras import layers, ops

    pixels = keras.Input(shape, name="pixels", dtype="float32")
    outputs, said = [], []
    for member, model in zip(vote.members, models, strict=True):
        own = tuple(model.inputs[0].shape[1:])
        given = pixels
        if own != shape and None not in own:
            given = layers.Reshape(own, name=f"{member.name}_samples", dtype="float32")(pixels)
        p = _copied(model, member.name)(given)
        if p.shape[-1] == 1 and member.columns is not None:
            p = ops.concatenate([1.0 - p, p], axis=-1)
        said.append(ops.matmul(p, _places(member.columns, vote)))
        if vote.rule.voting == "log":
            p = _floored_logs(said[-1])
        elif vote.rule.voting == "hard":
            p = ops.one_hot(ops.argmax(p, axis=-1), p.shape[-1])
        outputs.append(p)
    joined = outputs[0] if len(outputs) == 1 else ops.concatenate(outputs, axis=-1)
    # Layers of Keras's own, which every installation can load.
    if vote.rule.voting == "log":
        probabilities = _log_pool(vote, joined)
    else:
        probabilities = _weighted_mean(vote, joined)
    model = keras.Model(pixels, probabilities, name="weighted_vote")
    model.trainable = False
    return model, keras.Model(pixels, said)


def _floored_logs(p: Any) -> Any:
    from keras import ops

    return ops.log(ops.maximum(p, probability_floor(p.shape[-1])))


def _log_pool(vote: Vote, logs: Any) -> Any:
    """Softmax of the weighted sum of the members' logarithms, and of a bias for each class."""
    from keras import layers

    assert vote.classes is not None
    C = len(vote.classes)
    add = layers.Dense(C, activation="softmax", name="vote", dtype="float32")
    probabilities = add(logs)
    kernel = np.concatenate([member.weight * np.eye(C) for member in vote.members])
    intercept = np.zeros(C) if vote.rule.intercept is None else vote.rule.intercept
    add.set_weights([kernel.astype(np.float32), intercept.astype(np.float32)])
    return probabilities


def _weighted_mean(vote: Vote, joined: Any) -> Any:
    """The weighted mean of the members' probabilities or choices, and its temperature."""
    from keras import layers

    kernel = _vote_kernel(vote)
    add = layers.Dense(kernel.shape[1], use_bias=False, name="vote", dtype="float32")
    share = layers.Rescaling(1 / _total(vote), name="share", dtype="float32")
    probabilities = share(add(joined))
    add.set_weights([kernel])
    if vote.rule.temperature != 1:
        logs = _floored_logs(probabilities)
        scale = layers.Rescaling(1 / vote.rule.temperature, name="temperature", dtype="float32")
        probabilities = layers.Softmax(name="probabilities", dtype="float32")(scale(logs))
    return probabilities


def _copied(model: Any, name: str) -> Any:
    """The same network with weights and a name of its own."""
    import keras

    try:
        return copy_model(keras.Model(model.inputs[0], model.outputs[0], name=name))
    except ValueError as error:
        raise UnsupportedMemberError(f"The network of {name} cannot be copied. {error}") from error


def _vote_kernel(vote: Vote) -> NDArray[np.float32]:
    """What each column of each member counts for each class, the weightiest member one.

    So that equal members count exactly one each, and what is equal of their votes stays equal.

    Parameters
    ----------
    vote : Vote
        Of classifiers.

    Returns
    -------
    ndarray of shape (sum of the members' classes, C)
        Members after one another.
    """
    most = max(member.weight for member in vote.members)
    rows = [member.weight / most * _places(member.columns, vote) for member in vote.members]
    return np.concatenate(rows).astype(np.float32)


def _places(columns: Any, vote: Vote) -> NDArray[np.float32]:
    """One where a member's class stands among all."""
    assert vote.classes is not None
    return np.eye(len(vote.classes), dtype=np.float32)[columns]


def _total(vote: Vote) -> float:
    weights = [member.weight for member in vote.members]
    return float(sum(weights) / max(weights))
