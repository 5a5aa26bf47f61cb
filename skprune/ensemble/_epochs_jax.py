"""Epochs over data on the device, in JAX."""

from functools import partial

import jax
import keras
import numpy as np
from jax import lax
from jax import numpy as jnp

from .._keras import BETA_1, BETA_2, EPSILON

__all__ = ["Epochs"]

# Deterministic results. Kernels are autotuned, which takes seconds for each network, only where
# they run often.
_GPU_OPTIONS = {"xla_gpu_deterministic_ops": True}
_GPU_REST_OPTIONS = {**_GPU_OPTIONS, "xla_gpu_autotune_level": 0}


class Epochs:
    """See :class:`~skprune.ensemble._epochs.EpochRunner`."""

    def __init__(self, model, X, y, sample_weight, batch_size):
        self._model = model
        self._data = [jnp.asarray(X), jnp.asarray(np.asarray(y, dtype=np.int32))]
        if sample_weight is not None:
            self._data.append(jnp.asarray(np.asarray(sample_weight, dtype=np.float32)))
        self._batch_size = batch_size
        self._n = len(X)
        weights = [variable.value for variable in model.trainable_variables]
        zeros = [jnp.zeros_like(weight) for weight in weights]
        self._moments = (zeros, [jnp.zeros_like(weight) for weight in weights])
        self._steps_done = 0
        on_gpu = jax.default_backend() == "gpu"
        # The new state reuses the memory of the old one.
        compiled = partial(jax.jit, donate_argnums=0, static_argnames="n_rows")
        self._one = compiled(self._next, compiler_options=_GPU_REST_OPTIONS if on_gpu else None)
        # On a GPU, XLA's own loop is faster than a Python loop. On a CPU the convolutions in it
        # have no fast kernels and take about fifteen times as long.
        self._whole = self._python_loop
        if on_gpu:
            self._whole = compiled(self._xla_loop, compiler_options=_GPU_OPTIONS)

    def run(self, order: np.ndarray, learning_rate: float) -> tuple[float, float]:
        model = self._model
        weights = [variable.value for variable in model.trainable_variables]
        others = [variable.value for variable in model.non_trainable_variables]
        state = ((weights, others, *self._moments), jnp.float32(0), jnp.float32(0))
        size = self._batch_size
        n_full, n_left = divmod(self._n, size)
        given = (jnp.asarray(order.astype(np.int32)), np.float32(learning_rate))
        done = np.int32(self._steps_done)
        if n_full:
            state = self._whole(state, done, *given, self._data, n_rows=size)
        if n_left:  # shapes are fixed in JAX: the rest is a separate step
            state = self._one(state, n_full, done, *given, self._data, n_rows=n_left)
        self._steps_done += -(-self._n // size)
        (weights, others, *self._moments), loss, hits = state
        for variable, value in zip(model.trainable_variables, weights, strict=True):
            variable.assign(value)
        for variable, value in zip(model.non_trainable_variables, others, strict=True):
            variable.assign(value)
        return float(loss) / self._n, float(hits) / self._n

    def _python_loop(self, state, *given, n_rows):
        for number in range(self._n // n_rows):
            state = self._one(state, np.int32(number), *given, n_rows=n_rows)
        return state

    def _xla_loop(self, state, *given, n_rows):
        def step(number, state):
            return self._next(state, number, *given, n_rows=n_rows)

        # Constant bounds: otherwise XLA would synchronize with the host before each step.
        return lax.fori_loop(0, self._n // n_rows, step, state)

    def _next(self, state, number, done, order, learning_rate, data, n_rows):
        state, loss, hits = state
        rows = lax.dynamic_slice(order, (number * self._batch_size,), (n_rows,))
        state, batch_loss, batch_hits = self._step(
            state, learning_rate, done + number + 1, *(each[rows] for each in data)
        )
        return state, loss + n_rows * batch_loss, hits + batch_hits

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
