import keras
import numpy as np
import pytest
from keras import layers

from skprune.sparsity import prune_magnitude

from .networks import data, output, sequential

pytestmark = pytest.mark.keras


@pytest.fixture
def model():
    return sequential(
        (8, 8, 2),
        layers.Conv2D(6, 3),
        layers.BatchNormalization(),
        layers.Flatten(),
        layers.Dense(5),
        layers.Dense(3),
    )


def kernels_of(model):
    return [layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel")]


@pytest.mark.parametrize("amount", [0.1, 0.5, 0.8, 0.99])
def test_global_scope_is_one_threshold(model, amount):
    pruned = prune_magnitude(model, amount)
    old = np.concatenate([k.ravel() for k in kernels_of(model)])
    new = np.concatenate([k.ravel() for k in kernels_of(pruned)])
    zeros = new == 0
    assert zeros.sum() == int(amount * len(old))
    assert np.abs(old[zeros]).max() <= np.abs(old[~zeros]).min()
    np.testing.assert_array_equal(new[~zeros], old[~zeros])


def test_layer_scope_is_one_threshold_a_layer(model):
    for old, new in zip(
        kernels_of(model), kernels_of(prune_magnitude(model, 0.5, scope="layer")), strict=True
    ):
        zeros = new == 0
        assert zeros.sum() == old.size // 2
        assert np.abs(old[zeros]).max() <= np.abs(old[~zeros]).min()


def test_other_weights_and_the_given_model_are_unchanged(model):
    before = model.get_weights()
    pruned = prune_magnitude(model, 0.9)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    for old, new in zip(model.weights, pruned.weights, strict=True):
        if not old.name.endswith("kernel"):
            np.testing.assert_array_equal(old.numpy(), new.numpy())


def test_amount_zero_gives_the_same_bits(model):
    x = data(4, 8, 8, 2)
    np.testing.assert_array_equal(output(prune_magnitude(model, 0.0), x), output(model, x))


def test_of_equal_weights_the_first_become_zero():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, kernel_initializer="ones")])
    half = prune_magnitude(model, 0.5).layers[0].kernel.numpy()
    np.testing.assert_array_equal(half.ravel(), [0, 0, 0, 0, 1, 1, 1, 1])


def test_recurrent_kernels_and_layers_without_a_rule_take_part():
    model = sequential((5, 3), layers.LayerNormalization(), layers.GRU(4))
    pruned = prune_magnitude(model, 0.5)
    zeros = {v.name: int((v.numpy() == 0).sum()) for v in pruned.weights}
    assert zeros["kernel"] + zeros["recurrent_kernel"] == (3 * 12 + 4 * 12) // 2


def test_wrong_input(model):
    with pytest.raises(
        ValueError, match=r"0\.9991687448, which leaves one of 1203 weights.* Got 1"
    ):
        prune_magnitude(model, 1)
    with pytest.raises(ValueError, match="float in the range"):
        prune_magnitude(model, -0.5)
    with pytest.raises(TypeError, match="float in the range"):
        prune_magnitude(model, {"dense": 0.5})
    for scope in ("all", np.array(["global"]), []):
        with pytest.raises(ValueError, match=r"'scope' .* a str among"):
            prune_magnitude(model, 0.5, scope=scope)
    with pytest.raises(ValueError, match="no prunable layer"):
        prune_magnitude(keras.Sequential([keras.Input((3,)), layers.ReLU()]), 0.5)
    with pytest.raises(ValueError, match="not built"):
        prune_magnitude(keras.Sequential([layers.Dense(3)]), 0.5)
    with pytest.raises(TypeError, match="must be a Keras model"):
        prune_magnitude(None, 0.5)
