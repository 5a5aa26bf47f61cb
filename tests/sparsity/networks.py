"""Networks with random weights, and the twin whose removed channels are masked by hand."""

import warnings

import keras
import numpy as np
from keras import layers

# Vectors with one number for each channel, all different: by them a kept channel is recognized.
VECTORS = ("bias", "moving_mean")


def randomize(model, seed=0):
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


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def functional(make, shape=(8, 8, 3)):
    x = keras.Input(shape)
    return randomize(keras.Model(x, make(x)))


def sequential(shape, *body):
    return randomize(keras.Sequential([keras.Input(shape), *body]))


def conv_bn(x, filters, activation=True, **kwargs):
    x = layers.Conv2D(filters, 3, padding="same", **kwargs)(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x) if activation else x


def chain(x):
    x = conv_bn(x, 24)
    x = layers.MaxPooling2D()(layers.ZeroPadding2D()(x))
    x = layers.Dropout(0.3)(layers.LeakyReLU()(conv_bn(x, 16, activation=False)))
    x = layers.Dense(20, activation="relu")(layers.Flatten()(x))
    return layers.Dense(4, activation="softmax")(x)


def residual(x):
    x = conv_bn(x, 16)
    y = conv_bn(conv_bn(x, 24), 16, activation=False)
    x = layers.ReLU()(layers.Add()([x, y]))
    y = conv_bn(x, 16, activation=False)
    return layers.Dense(4)(layers.GlobalAveragePooling2D()(x + y))


def dense_block(x):
    a = conv_bn(x, 16)
    b = layers.Concatenate()([a, conv_bn(a, 8)])
    c = layers.BatchNormalization()(layers.Concatenate()([b, conv_bn(b, 8)]))
    return layers.Dense(4)(layers.GlobalMaxPooling2D()(layers.ReLU()(c)))


def separable(x):
    x = layers.SeparableConv2D(16, 3, depth_multiplier=2, padding="same")(x)
    x = layers.BatchNormalization()(layers.ReLU()(x))
    x = layers.SeparableConv2D(16, 3, padding="same", activation="relu")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return layers.Dense(4)(layers.GlobalAveragePooling2D(keepdims=True)(x))


def normalized_network():
    """Two batch normalizations, the second of channels that the first one normalized."""
    keras.utils.set_random_seed(0)
    block = [
        layer
        for _ in range(2)
        for layer in (layers.Dense(16), layers.BatchNormalization(), layers.ReLU())
    ]
    return keras.Sequential([keras.Input((2,)), *block, layers.Dense(4, activation="softmax")])


def blobs_in_a_row(n, seed=0):
    """Four classes side by side, sorted: normalized separately, each looks like the others."""
    y = np.repeat(np.arange(4), n // 4)
    noise = np.random.default_rng(seed).normal(scale=0.1, size=(n, 2))
    return (y[:, None] * [1, 0] + noise).astype("float32"), y


def output(model, X):
    """Predictions without tracing, which would take longer than all else here."""
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
    """The channels that are kept in each layer with a vector, found by its values alone."""
    found = {}
    small = flat_layers(pruned)
    for name, layer in flat_layers(model).items():
        for vector in VECTORS:
            full = getattr(layer, vector, None)
            if full is None:
                continue
            full, left = full.numpy(), getattr(small[name], vector).numpy()
            assert len(np.unique(full)) == len(full)
            assert np.isin(left, full).all(), "a kept channel has its own values"
            found[name] = np.isin(full, left).astype("float32")
    return found


def masked_twin(model, pruned):
    """The given model with every removed channel multiplied by zero after each layer.

    An oracle for networks whose layers without weights map zero to zero.
    """
    kept = masks(model, pruned)

    def call(layer, *args, **kwargs):
        out = layer(*args, **kwargs)
        if layer.name in kept and 0 in kept[layer.name]:
            shape = [1] * len(out.shape)
            axis = 1 if getattr(layer, "data_format", None) == "channels_first" else -1
            shape[axis] = -1
            out = out * kept[layer.name].reshape(shape)
        return out

    return twin_called_by(call, model)


def twin_called_by(call, model):
    """A functional model of the same layers and weights, with another call function."""
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs)
    twin = keras.models.clone_model(model, call_function=call, recursive=True)
    own = flat_layers(model)
    for name, layer in flat_layers(twin).items():
        if layer.weights:
            layer.set_weights(own[name].get_weights())
    return twin


def assert_same_outputs(model, other, *inputs):
    inputs = list(inputs) if len(inputs) > 1 else inputs[0]
    np.testing.assert_allclose(output(model, inputs), output(other, inputs), rtol=1e-4, atol=1e-5)


def assert_same_weights(model, other):
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
