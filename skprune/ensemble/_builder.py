"""Keras models from architectures."""

from collections.abc import Iterator
from itertools import count

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

# Independent of Keras's settings in the user's process.
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
    """Build the network of one member, from pixels to probabilities, not compiled.

    The first layer turns a pixel x into (x - offset) / scale. The seed is that of the initial
    weights and of dropout; no global random state is used.
    """
    seeds = _layer_seeds(seed)
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
    """Build the network of :func:`build_cnn` as two models, pixels to features to probabilities.

    The features are the outputs of the dense layer.
    """
    seeds = _layer_seeds(seed)
    pixels = keras.Input(input_shape, name="pixels", dtype="float32")
    tower = keras.Model(pixels, _features(pixels, architecture, offset, scale, seeds), name="tower")
    features = keras.Input((architecture.dense_units,), name="features", dtype="float32")
    head = keras.Model(
        features, _probabilities(features, architecture, n_classes, seeds), name="head"
    )
    return tower, head


def _features(inputs, architecture, offset, scale, seeds):
    """Standardized pixels, the blocks and the dense layer."""
    height, width = inputs.shape[1:3]
    x = layers.Rescaling(1.0 / scale, -offset / scale, name="standardize", **_FIXED)(inputs)
    for number, block in enumerate(architecture.blocks, start=1):
        for place, filters in enumerate(block.filters, start=1):
            x = layers.Conv2D(
                filters,
                3,
                padding="same",
                data_format="channels_last",
                kernel_initializer=_glorot(seeds),
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
        kernel_initializer=_glorot(seeds),
        name="dense",
        **_FIXED,
    )(x)


def _probabilities(features, architecture, n_classes, seeds):
    """Dropout and the output layer."""
    x = layers.Dropout(architecture.dropout, seed=next(seeds), name="dropout", **_FIXED)(features)
    return layers.Dense(
        n_classes,
        activation="softmax",
        kernel_initializer=_glorot(seeds),
        name="probabilities",
        **_FIXED,
    )(x)


def compile_cnn(model: keras.Model, adam: keras.optimizers.Adam) -> None:
    """Compile a model with Adam and sparse categorical cross-entropy, as in the paper."""
    model.compile(
        optimizer=adam,
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        # Compiling costs 10 to 16 s a model, more than a small member's whole training.
        jit_compile=False,
    )


def make_training_state(model: keras.Model) -> None:
    """Create the state of Adam and metrics before Keras traces its training step.

    Created inside that step, it would have the step traced twice.
    """
    model.optimizer.build(model.trainable_variables)
    n_classes = model.output_shape[1]
    model.compute_metrics(None, np.zeros((1, 1)), np.full((1, n_classes), 1 / n_classes), None)
    model.reset_metrics()


def _glorot(seeds: Iterator[int]) -> keras.initializers.Initializer:
    return keras.initializers.GlorotUniform(seed=next(seeds))


def _layer_seeds(seed: int) -> Iterator[int]:
    """Seeds for the layers of one model, each used once."""
    return (each % 2**31 for each in count(seed + 1))
