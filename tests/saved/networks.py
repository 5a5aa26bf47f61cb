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


def with_lambda(meta):
    return _network(layers.Lambda(lambda x: 2 * x, name="twice"))


def with_a_named_function(meta):
    return _network(layers.Lambda(doubled, name="twice"))


def with_lambda_inside(meta):
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Lambda(lambda x: 2 * x, name="twice")], name="inner"
    )
    return _network(layers.TimeDistributed(inner, name="each"), reshape=(1, 4))


def with_activation(meta):
    return _network(layers.Dense(4, activation=lambda x: 2 * x, name="twice"))


def with_a_class(meta):
    return _network(Doubled(name="twice"))


def _network(layer, reshape=None):
    shaped = [layers.Reshape(reshape), layer, layers.Flatten()] if reshape else [layer]
    return keras.Sequential([keras.Input((4,)), *shaped, layers.Dense(3, activation="softmax")])


def classifier(builder):
    return KerasClassifier(
        builder, loss="sparse_categorical_crossentropy", epochs=1, random_state=0, verbose=0
    )


def uncut(model, amount):
    """A pruning function that prunes nothing."""
    return model
