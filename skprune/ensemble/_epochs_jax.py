"""Whole passes over the data as one JAX program."""

from functools import partial

import jax
import keras
import numpy as np
from jax import lax
from jax import numpy as jnp

from ._adam import BETA_1, BETA_2, EPSILON

__all__ = ["Epochs"]


class Epochs:
    """See :class:`~skprune.ensemble._epochs.EpochRunner`."""

    def __init__(self, model, X, y, sample_weight, batch_size):
        self._model = model
        self._data = [jnp.asarray(X), jnp.asarray(np.asarray(y, dtype=np.int32))]
        if sample_weight is not None:
            self._data.append(jnp.asarray(np.asarray(sample_weight, dtype=np.float32)))
        self._n, self._batch_size = len(X), batch_size
        weights = [variable.value for variable in model.trainable_variables]
        zeros = [jnp.zeros_like(weight) for weight in weights]
        self._moments = (zeros, [jnp.zeros_like(weight) for weight in weights])
        self._steps_done = 0
        self._pass = jax.jit(self._whole_pass)

    def run(self, order: np.ndarray, learning_rate: float) -> tuple[float, float]:
        model = self._model
        weights = [variable.value for variable in model.trainable_variables]
        others = [variable.value for variable in model.non_trainable_variables]
        state, loss, hits = self._pass(
            (weights, others, *self._moments),
            jnp.asarray(order.astype(np.int32)),
            jnp.float32(learning_rate),
            jnp.int32(self._steps_done),
            self._data,
        )
        weights, others, *self._moments = state
        for variable, value in zip(model.trainable_variables, weights, strict=True):
            variable.assign(value)
        for variable, value in zip(model.non_trainable_variables, others, strict=True):
            variable.assign(value)
        self._steps_done += -(-self._n // self._batch_size)
        return float(loss) / self._n, float(hits) / self._n

    def _whole_pass(self, state, order, learning_rate, steps_done, data):
        size = self._batch_size
        n_full, n_left = divmod(self._n, size)

        def step(number, carried, n_rows):
            state, loss, hits = carried
            rows = lax.dynamic_slice(order, (number * size,), (n_rows,))
            batch = [each[rows] for each in data]
            state, batch_loss, batch_hits = self._step(
                state, learning_rate, steps_done + number + 1, *batch
            )
            return state, loss + n_rows * batch_loss, hits + batch_hits

        carried = (state, jnp.float32(0), jnp.float32(0))
        if n_full:
            carried = lax.fori_loop(0, n_full, partial(step, n_rows=size), carried)
        # Shapes are fixed in JAX: the rest is a step of its own.
        return step(n_full, carried, n_left) if n_left else carried

    def _step(self, state, learning_rate, t, X, y, sample_weight=None):
        weights, others, means, squares = state

        def loss_of(weights):
            probabilities, changed = self._model.stateless_call(weights, others, X, training=True)
            losses = keras.losses.sparse_categorical_crossentropy(y, probabilities)
            loss = jnp.mean(losses if sample_weight is None else sample_weight * losses)
            return loss, (probabilities, changed)

        (loss, (probabilities, others)), gradients = jax.value_and_grad(loss_of, has_aux=True)(
            weights
        )
        t = t.astype(jnp.float32)
        rate = learning_rate * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
        means = [m + (1 - BETA_1) * (g - m) for m, g in zip(means, gradients, strict=True)]
        squares = [v + (1 - BETA_2) * (g * g - v) for v, g in zip(squares, gradients, strict=True)]
        weights = [
            w - rate * m / (jnp.sqrt(v) + EPSILON)
            for w, m, v in zip(weights, means, squares, strict=True)
        ]
        hits = jnp.sum(probabilities.argmax(axis=1) == y).astype(jnp.float32)
        return (weights, others, means, squares), loss, hits
