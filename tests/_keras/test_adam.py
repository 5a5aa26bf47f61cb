import keras
import numpy as np
import pytest

from skprune._keras import keras_adam

pytestmark = pytest.mark.keras


def weights_after(adam, dtype, traced, sparse=False):
    """Of two weights of very different gradients, one of them held positive."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    starts, sizes = (rng.normal(size=(4, 3)), rng.normal(size=7)), (1.0, 1e-4)
    weights = [keras.Variable(start, dtype=dtype) for start in starts]
    weights[1].constraint = keras.constraints.NonNeg()
    adam.build(weights)

    def step(*gradients):
        if sparse:
            gradients = (tf.IndexedSlices(gradients[0][:2], [1, 3], [4, 3]), gradients[1])
        adam.apply(gradients, weights)

    step = tf.function(step) if traced else step
    for _ in range(9):
        drawn = [
            size * rng.normal(size=start.shape) for size, start in zip(sizes, starts, strict=True)
        ]
        step(*(tf.constant(gradient, dtype) for gradient in drawn))
    assert int(adam.iterations) == 9
    return [keras.ops.convert_to_numpy(weight) for weight in weights]


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(
    ("dtype", "sparse"), [("float32", False), ("float32", True), ("float64", False)]
)
def test_it_is_the_adam_of_keras(dtype, sparse, traced):
    ours = weights_after(keras_adam(0.05), dtype, traced, sparse)
    theirs = weights_after(keras.optimizers.Adam(0.05), dtype, traced, sparse)
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == dtype
        # In float32, 1 - 0.999 has a relative error of 1e-5; nine steps of 0.05 were made.
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    assert (ours[1] == 0).any()


def test_it_is_one_operation_a_weight(monkeypatch):
    import tensorflow as tf

    plain, n_calls = tf.raw_ops.ResourceApplyAdam, []
    monkeypatch.setattr(
        tf.raw_ops, "ResourceApplyAdam", lambda **given: n_calls.append(1) or plain(**given)
    )
    weights_after(keras_adam(0.05), "float32", traced=False)
    assert len(n_calls) == 9 * 2
