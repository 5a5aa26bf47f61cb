"""Adam as in Keras (Kingma and Ba 2015, Algorithm 1, in the order of its section 2).

m <- m + (1 - b1) (g - m), v <- v + (1 - b2) (g^2 - v), and
w <- w - rate sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps).
"""

from functools import cache
from typing import Any

__all__ = ["BETA_1", "BETA_2", "EPSILON", "keras_adam"]

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


def keras_adam(learning_rate: float) -> Any:
    """Adam for Keras's own training steps; not to be saved with a model.

    With TensorFlow it is one fused operation for each weight. Keras's has nine, and tracing them
    takes longer than tracing the rest of a small network's step.
    """
    import keras

    on_tensorflow = keras.backend.backend() == "tensorflow"
    optimizer = _fused_adam() if on_tensorflow else keras.optimizers.Adam
    return optimizer(learning_rate, BETA_1, BETA_2, EPSILON)


@cache
def _fused_adam() -> Any:
    import keras
    import tensorflow as tf

    class FusedAdam(keras.optimizers.Adam):
        def apply(self, grads: Any, trainable_variables: Any = None) -> None:
            # Made once a step: Python numbers would become separate constants for each weight.
            t = tf.cast(self.iterations + 1, tf.float32)
            beta_1, beta_2 = tf.constant(BETA_1), tf.constant(BETA_2)
            self._step_arguments = {
                "beta1_power": tf.pow(beta_1, t),
                "beta2_power": tf.pow(beta_2, t),
                "beta1": beta_1,
                "beta2": beta_2,
                "epsilon": tf.constant(EPSILON),
            }
            super().apply(grads, trainable_variables)
            del self._step_arguments

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            sparse = isinstance(gradient, tf.IndexedSlices)
            if sparse or variable.dtype != tf.float32:
                super().update_step(gradient, variable, learning_rate)
                return
            index = self._get_variable_index(variable)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=self._momentums[index].value.handle,
                v=self._velocities[index].value.handle,
                lr=learning_rate,
                grad=gradient,
                **self._step_arguments,
            )

    return FusedAdam
