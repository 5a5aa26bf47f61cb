"""Adam as Keras has it (Kingma and Ba 2015, Algorithm 1, in the order of its section 2).

m <- m + (1 - b1) (g - m), v <- v + (1 - b2) (g^2 - v), and
w <- w - rate sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps).
"""

from functools import cache
from typing import Any

__all__ = ["BETA_1", "BETA_2", "EPSILON", "keras_adam"]

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


def keras_adam(learning_rate: float) -> Any:
    """Adam for Keras's own training steps.

    Parameters
    ----------
    learning_rate : float
        Step size.

    Returns
    -------
    keras.optimizers.Adam
        With TensorFlow, one fused operation a weight where Keras has nine, which take longer to
        trace than all the rest of a small network's step. Not to be saved with a model.
    """
    import keras

    of_tensorflow = keras.backend.backend() == "tensorflow"
    optimizer = _fused_adam() if of_tensorflow else keras.optimizers.Adam
    return optimizer(learning_rate, BETA_1, BETA_2, EPSILON)


@cache
def _fused_adam() -> Any:
    import keras
    import tensorflow as tf

    class FusedAdam(keras.optimizers.Adam):
        def apply(self, grads: Any, trainable_variables: Any = None) -> None:
            # Made once a step: as Python numbers, each weight would get constants of its own.
            t = tf.cast(self.iterations + 1, tf.float32)
            beta_1, beta_2 = tf.constant(BETA_1), tf.constant(BETA_2)
            self._of_step = {
                "beta1_power": tf.pow(beta_1, t),
                "beta2_power": tf.pow(beta_2, t),
                "beta1": beta_1,
                "beta2": beta_2,
                "epsilon": tf.constant(EPSILON),
            }
            super().apply(grads, trainable_variables)
            del self._of_step

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            sparse = isinstance(gradient, tf.IndexedSlices)
            if sparse or variable.dtype != tf.float32:
                super().update_step(gradient, variable, learning_rate)
                return
            at = self._get_variable_index(variable)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=self._momentums[at].value.handle,
                v=self._velocities[at].value.handle,
                lr=learning_rate,
                grad=gradient,
                **self._of_step,
            )

    return FusedAdam
