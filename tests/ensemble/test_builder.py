import random

import numpy as np
import pytest

from skprune.ensemble import CNNArchitecture, ConvBlock

pytestmark = pytest.mark.keras


def global_numpy_state():
    return np.random.get_state()[1].copy()  # noqa: NPY002


def build(architecture, shape, n_classes, **params):
    """The network of a member that is not trained."""
    from skprune.ensemble import CNNMember

    X, y = np.zeros((n_classes, *shape)), np.arange(n_classes)
    return CNNMember(architecture, n_classes, **params).initialize(X, y).model_


def architecture(*poolings, dropout=0.3):
    blocks = tuple(ConvBlock((3, 5), pooling) for pooling in poolings)
    return CNNArchitecture(blocks, dense_units=20, dropout=dropout, learning_rate=1e-3)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def test_a_block_is_the_papers():
    model = build(architecture("max", "average"), (8, 8, 3), 10)
    block = ["Conv2D", "Conv2D", "BatchNormalization", "ReLU"]
    assert kinds(model) == [
        "InputLayer",
        "Rescaling",
        *block,
        "MaxPooling2D",
        *block,
        "AveragePooling2D",
        "Flatten",
        "Dense",
        "Dropout",
        "Dense",
    ]
    convolutions = [layer for layer in model.layers if type(layer).__name__ == "Conv2D"]
    assert [layer.filters for layer in convolutions] == [3, 5, 3, 5]
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    assert {layer.padding for layer in convolutions} == {"same"}
    assert model.get_layer("block1_norm").momentum == 0.9
    assert model.get_layer("dropout").rate == 0.3
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize("shape", [(8, 8, 1), (1, 9, 1), (7, 1, 2), (1, 1, 1)])
def test_pooling_stops_at_one_pixel(shape):
    model = build(architecture("max", "average", "max", "average", "max"), shape, 4)
    probabilities = np.asarray(model(np.ones((2, *shape), np.float32)))
    assert probabilities.shape == (2, 4)
    n_poolings = sum("Pooling" in kind for kind in kinds(model))
    assert n_poolings == int(np.log2(max(shape[:2])))


def test_pixels_are_standardized_by_the_first_layer():
    model = build(architecture("max"), (4, 4, 1), 3, offset=100.0, scale=50.0)
    layer = model.get_layer("standardize")
    np.testing.assert_allclose(layer(np.array([100.0, 200.0], np.float32)), [0, 2], atol=1e-6)


def test_the_seed_decides_the_weights_and_no_global_generator_is_used():
    before = random.getstate(), global_numpy_state()
    one, same, other = (build(architecture("max"), (4, 4, 1), 3, random_state=s) for s in (1, 1, 2))
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(global_numpy_state(), before[1])
    for a, b in zip(one.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(one.get_weights()[0], other.get_weights()[0])


def test_keras_settings_of_the_user_do_not_matter():
    import keras

    policy, layout = keras.config.dtype_policy(), keras.config.image_data_format()
    try:
        keras.config.set_dtype_policy("mixed_float16")
        keras.config.set_image_data_format("channels_first")
        model = build(architecture("max"), (8, 6, 2), 3)
        assert {layer.compute_dtype for layer in model.layers[1:]} == {"float32"}
        assert model.get_layer("flatten").data_format == "channels_last"
        assert model.get_layer("block1_pool").output.shape == (None, 4, 3, 5)
    finally:
        keras.config.set_dtype_policy(policy)
        keras.config.set_image_data_format(layout)


@pytest.mark.parametrize("shape", [(8, 8, 1), (5, 1, 3), (1, 64, 1)])
def test_weights_are_counted_without_building(shape):
    planned = architecture("max", "average", "max")
    assert planned.n_weights(shape, 7) == build(planned, shape, 7).count_params()
