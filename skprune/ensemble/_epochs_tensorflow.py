"""A whole epoch as one TensorFlow graph."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import config  # tf.config has no way to disable determinism

from .._keras import BETA_1, BETA_2, EPSILON

__all__ = ["Epochs"]


class Epochs:
    """See :class:`~skprune.ensemble._epochs.EpochRunner`."""

    def __init__(self, model, X, y, sample_weight, batch_size):
        self._model = model
        self._data = [
            tf.convert_to_tensor(X),
            tf.convert_to_tensor(np.asarray(y, dtype=np.int32)),
        ]
        if sample_weight is not None:
            self._data.append(tf.convert_to_tensor(np.asarray(sample_weight, dtype=np.float32)))
        self._n, self._batch_size = len(X), batch_size
        self._weights = [variable.value for variable in model.trainable_variables]
        self._means = [tf.Variable(tf.zeros_like(w), trainable=False) for w in self._weights]
        self._squares = [tf.Variable(tf.zeros_like(w), trainable=False) for w in self._weights]
        self._steps_done = 0
        self._traced_epoch = tf.function(self._epoch, autograph=False)

    def run(self, order: np.ndarray, learning_rate: float) -> tuple[float, float]:
        with _deterministic_operations():
            loss, hits = self._traced_epoch(
                tf.convert_to_tensor(order.astype(np.int32)),
                tf.constant(learning_rate, tf.float32),
                tf.constant(self._steps_done, tf.int32),
                *self._data,
            )
        self._steps_done += -(-self._n // self._batch_size)
        return float(loss) / self._n, float(hits) / self._n

    def _epoch(self, order, learning_rate, steps_done, *data):
        def step(number, loss, hits):
            start = number * self._batch_size
            rows = order[start : start + self._batch_size]
            batch = [tf.gather(each, rows) for each in data]
            batch_loss, batch_hits = self._step(learning_rate, steps_done + number + 1, *batch)
            size = tf.cast(tf.shape(rows)[0], tf.float32)
            return number + 1, loss + size * batch_loss, hits + batch_hits

        n_steps = -(-self._n // self._batch_size)
        _, loss, hits = tf.while_loop(
            lambda number, loss, hits: number < n_steps,
            step,
            (0, 0.0, 0.0),
            parallel_iterations=1,
        )
        return loss, hits

    def _step(self, learning_rate, t, X, y, sample_weight=None):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._weights)
            probabilities = self._model(X, training=True)
            losses = keras.losses.sparse_categorical_crossentropy(y, probabilities)
            loss = tf.reduce_mean(losses if sample_weight is None else sample_weight * losses)
        gradients = tape.gradient(loss, self._weights)
        t = tf.cast(t, tf.float32)
        # Made once: Python numbers would become separate constants for each weight.
        beta_1, beta_2, epsilon = (tf.constant(value) for value in (BETA_1, BETA_2, EPSILON))
        powers = tf.pow(beta_1, t), tf.pow(beta_2, t)
        for weight, mean, square, gradient in zip(
            self._weights, self._means, self._squares, gradients, strict=True
        ):
            # One fused operation for each weight: tracing the nine of Keras's update takes longer
            # than tracing everything else.
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle,
                m=mean.handle,
                v=square.handle,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=learning_rate,
                beta1=beta_1,
                beta2=beta_2,
                epsilon=epsilon,
                grad=gradient,
            )
        hits = tf.equal(tf.argmax(probabilities, axis=1, output_type=tf.int32), y)
        return loss, tf.reduce_sum(tf.cast(hits, tf.float32))


@contextmanager
def _deterministic_operations() -> Iterator[None]:
    """The same results on every run, also on a GPU."""
    before = config.is_op_determinism_enabled()
    config.enable_op_determinism()
    try:
        yield
    finally:
        if not before:
            config.disable_op_determinism()
