"""From an architecture to a Keras model."""

import keras
import numpy as np
from keras import layers

from ._space import CNNArchitecture, pool_window

__all__ = ["build_cnn", "build_tower_and_head", "compile_cnn", "make_training_state"]

# Keras's default of 0.99 needs hundreds of steps to forget its start, so that a network
# trained for a few epochs predicts with moving averages that are still wrong.
BATCH_NORM_MOMENTUM = 0.9
# Keras's default, named because predictions fold it in.
BATCH_NORM_EPSILON = 1e-3

# Whatever Keras is set to in the user's process, a member is what it was when trained.
_FIXED = {"dtype": "float32"}


def build_cnn(
    architecture: CNNArchitecture,
    input_shape: tuple[int, int, int],
    n_classes: int,
    *,
    offset: float = 0.0,
    scale: float = 1.0,
    seed: int = 0,
) -> keras.Model:
    """Build the network of one member, not compiled.

    Parameters
    ----------
    architecture : CNNArchitecture
        Blocks, dense layer and dropout.
    input_shape : tuple of (int, int, int)
        Height, width and channels of a sample.
    n_classes : int
        Number of outputs.
    offset, scale : float, default=0.0 and 1.0
        The first layer turns a pixel x into (x - offset) / scale.
    seed : int, default=0
        Seed of the initial weights and of dropout. No global random state is used.

    Returns
    -------
    keras.Model
        From pixels of shape (n, height, width, channels) to probabilities (n, n_classes).
    """
    seeds = _Seeds(seed)
    inputs = keras.Input(input_shape, name="pixels", dtype="float32")
    features = _features(inputs, architecture, offset, scale, seeds)
    outputs = _probabilities(features, architecture, n_classes, seeds)
    return keras.Model(inputs, outputs, name="cnn")


def build_tower_and_head(
    architecture: CNNArchitecture,
    input_shape: tuple[int, int, int],
    n_classes: int,
    *,
    offset: float = 0.0,
    scale: float = 1.0,
    seed: int = 0,
) -> tuple[keras.Model, keras.Model]:
    """Build the network of :func:`build_cnn` in two parts, cut after the dense layer.

    Parameters
    ----------
    architecture, input_shape, n_classes, offset, scale, seed
        As for :func:`build_cnn`.

    Returns
    -------
    tower : keras.Model
        From pixels of shape (n, height, width, channels) to features (n, dense_units).
    head : keras.Model
        From features to probabilities (n, n_classes).
    """
    seeds = _Seeds(seed)
    pixels = keras.Input(input_shape, name="pixels", dtype="float32")
    tower = keras.Model(pixels, _features(pixels, architecture, offset, scale, seeds), name="tower")
    features = keras.Input((architecture.dense_units,), name="features", dtype="float32")
    head = keras.Model(
        features, _probabilities(features, architecture, n_classes, seeds), name="head"
    )
    return tower, head


def _features(inputs, architecture, offset, scale, seeds):
    """Standardised pixels, the blocks and the dense layer."""
    height, width = inputs.shape[1:3]
    x = layers.Rescaling(1.0 / scale, -offset / scale, name="standardize", **_FIXED)(inputs)
    for number, block in enumerate(architecture.blocks, start=1):
        for place, filters in enumerate(block.filters, start=1):
            x = layers.Conv2D(
                filters,
                3,
                padding="same",
                data_format="channels_last",
                kernel_initializer=seeds.glorot(),
                name=f"block{number}_conv{place}",
                **_FIXED,
            )(x)
        x = layers.BatchNormalization(
            axis=-1,
            momentum=BATCH_NORM_MOMENTUM,
            epsilon=BATCH_NORM_EPSILON,
            name=f"block{number}_norm",
            **_FIXED,
        )(x)
        x = layers.ReLU(name=f"block{number}_relu", **_FIXED)(x)
        window = pool_window(height, width)
        if window != (1, 1):
            pool = {"average": layers.AveragePooling2D, "max": layers.MaxPooling2D}[block.pooling]
            x = pool(window, data_format="channels_last", name=f"block{number}_pool", **_FIXED)(x)
            height, width = height // window[0], width // window[1]
    x = layers.Flatten("channels_last", name="flatten", **_FIXED)(x)
    return layers.Dense(
        architecture.dense_units,
        activation="relu",
        kernel_initializer=seeds.glorot(),
        name="dense",
        **_FIXED,
    )(x)


def _probabilities(features, architecture, n_classes, seeds):
    """Dropout and the output layer."""
    x = layers.Dropout(architecture.dropout, seed=seeds.next(), name="dropout", **_FIXED)(features)
    return layers.Dense(
        n_classes,
        activation="softmax",
        kernel_initializer=seeds.glorot(),
        name="probabilities",
        **_FIXED,
    )(x)


def compile_cnn(model: keras.Model, adam: keras.optimizers.Adam) -> None:
    """Make a model trainable: Adam and sparse categorical cross-entropy, as in the paper."""
    model.compile(
        optimizer=adam,
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        # Compiling costs 10 to 16 s a model, more than a small member's whole training.
        jit_compile=False,
    )


def make_training_state(model: keras.Model) -> None:
    """Make what Keras's own training steps need of a compiled model, before they are traced.

    State of Adam or metrics made inside the training function would have it traced twice.
    """
    model.optimizer.build(model.trainable_variables)
    n_classes = model.output_shape[1]
    model.compute_metrics(None, np.zeros((1, 1)), np.full((1, n_classes), 1 / n_classes), None)
    model.reset_metrics()


class _Seeds:
    """Seeds for the layers of one model, each used once."""

    def __init__(self, seed: int):
        self._next = seed

    def next(self) -> int:
        self._next += 1
        return self._next % 2**31

    def glorot(self) -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(seed=self.next())
