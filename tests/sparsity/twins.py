"""Models of random weights, and the twin in which removed channels are masked by hand."""

import warnings

import keras
import numpy as np
from keras import layers

# One number a channel, by which a channel that is left is found again in the given model.
VECTORS = ("bias", "moving_mean")


def randomise(model, seed=0):
    """Give every weight a random value, so that nothing is equal or zero by chance."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        shape, name = variable.shape, variable.name
        if len(shape) == 0:
            continue
        if name in ("gamma", "moving_variance"):
            value = rng.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:
            value = rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1]))
        else:
            value = 0.2 * rng.permutation(np.linspace(-1, 1, *shape))  # no two alike
        variable.assign(value.astype(variable.dtype))
    return model


def normalized_network():
    """Two normalizations, the second after what the first one lets through."""
    keras.utils.set_random_seed(0)
    block = [
        layer
        for _ in range(2)
        for layer in (layers.Dense(16), layers.BatchNormalization(), layers.ReLU())
    ]
    return keras.Sequential([keras.Input((2,)), *block, layers.Dense(4, activation="softmax")])


def blobs_in_a_row(n, seed=0):
    """Four classes side by side, sorted: normalized by itself, each looks like the others."""
    y = np.repeat(np.arange(4), n // 4)
    noise = np.random.default_rng(seed).normal(scale=0.1, size=(n, 2))
    return (y[:, None] * [1, 0] + noise).astype("float32"), y


def output(model, X):
    """What a model predicts, computed at once: to trace each of so many takes longest of all."""
    with warnings.catch_warnings():
        # One array where the model was made from a list of one input.
        warnings.filterwarnings("ignore", "(?s).*The structure of `inputs`")
        found = model(X, training=False)
    return [np.asarray(each) for each in found] if isinstance(found, list) else np.asarray(found)


def flat_layers(model):
    return {
        layer.name: layer for layer in model._flatten_layers() if not isinstance(layer, keras.Model)
    }


def masks(model, pruned):
    """For each layer with a vector: which channels are left, by the vector's values alone."""
    found = {}
    small = flat_layers(pruned)
    for name, layer in flat_layers(model).items():
        for vector in VECTORS:
            full = getattr(layer, vector, None)
            if full is None:
                continue
            full, left = full.numpy(), getattr(small[name], vector).numpy()
            assert len(np.unique(full)) == len(full)
            assert np.isin(left, full).all(), "a channel that is left keeps its own values"
            found[name] = np.isin(full, left).astype("float32")
    return found


def masked_twin(model, pruned):
    """The given model with every removed channel multiplied by zero after each layer it is in.

    True for networks whose layers without weights leave zero as it is.
    """
    left = masks(model, pruned)

    def call(layer, *args, **kwargs):
        out = layer(*args, **kwargs)
        if layer.name in left and 0 in left[layer.name]:
            shape = [1] * len(out.shape)
            axis = 1 if getattr(layer, "data_format", None) == "channels_first" else -1
            shape[axis] = -1
            out = out * left[layer.name].reshape(shape)
        return out

    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs)
    twin = keras.models.clone_model(model, call_function=call, recursive=True)
    own = flat_layers(model)
    for name, layer in flat_layers(twin).items():
        if layer.weights:
            layer.set_weights(own[name].get_weights())
    return twin
