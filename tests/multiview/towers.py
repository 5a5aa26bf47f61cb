"""A tower with a residual and a concatenation, a head, and views for them."""

import keras
import numpy as np
from keras import layers

from ..sparsity.networks import randomize


def residual_tower():
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    y = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(x))
    x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Concatenate()([x, layers.Conv2D(4, 1)(x)])
    x = layers.Dense(6, activation="relu")(layers.Flatten()(layers.MaxPooling2D(4)(x)))
    return randomize(keras.Model(inputs, x))


def softmax_head():
    x = keras.Input((6,))
    return randomize(keras.Model(x, layers.Dense(3, activation="softmax")(x)))


def pixels(n=12, n_views=4):
    return np.random.default_rng(3).normal(size=(n, n_views, 8, 8, 1)).astype(np.float32)


def some_views(n=12, n_views=4, always=0):
    present = np.random.default_rng(4).random((n, n_views)) < 0.6
    present[:, always] = True
    return present


def n_bytes(*models):
    return sum(weight.nbytes for model in models for weight in model.get_weights())
