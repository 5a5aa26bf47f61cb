"""Networks that hold code, by name: what is saved needs one."""

import keras
from keras import layers
from scikeras.wrappers import KerasClassifier

ran = []  # what code in a network did


def doubled(x):
    ran.append("doubled")
    return 2 * x


@keras.saving.register_keras_serializable("skprune_tests")
class Doubled(layers.Layer):
    def call(self, x):
        return 2 * x


def plain(meta):
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, activation="relu"), layers.Dense(3, "softmax")]
    )


def classifier():
    loss = "sparse_categorical_crossentropy"
    return KerasClassifier(plain, loss=loss, epochs=1, random_state=0, verbose=0)


# Functions that put a layer into a network.


def with_lambda(model):
    return _with(model, layers.Lambda(lambda x: 2 * x, name="twice"))


def with_a_named_function(model):
    return _with(model, layers.Lambda(doubled, name="twice"))


def with_lambda_inside(model):
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Lambda(lambda x: 2 * x, name="twice")], name="inner"
    )
    each = layers.TimeDistributed(inner, name="each")
    return _with(model, layers.Reshape((1, 4)), each, layers.Flatten())


def with_activation(model):
    return _with(model, layers.Dense(4, activation=lambda x: 2 * x, name="twice"))


def with_a_class(model):
    return _with(model, Doubled(name="twice"))


def _with(model, *more):
    return keras.Sequential([keras.Input((4,)), model.layers[0], *more, model.layers[1]])


def uncut(model, amount):
    """A pruning function that prunes nothing."""
    return model
