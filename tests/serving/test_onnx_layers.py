"""Every layer that can be written as ONNX, against Keras."""

import numpy as np
import pytest

pytestmark = pytest.mark.keras

keras = pytest.importorskip("keras")
onnxruntime = pytest.importorskip("onnxruntime")

from keras import layers as L  # noqa: E402

from skprune.serving._onnx_activations import ACTIVATIONS, LayerError  # noqa: E402
from skprune.serving._onnx_graph import OnnxGraph, Value  # noqa: E402
from skprune.serving._onnx_network import add_network  # noqa: E402


def onnx_of(model, shape):
    graph = OnnxGraph()
    made = add_network(graph, model, Value("X", shape))
    return graph.model({"X": shape}, {"y": (made.name, tuple(made.shape))}, {})


def run(onnx_model, X):
    session = onnxruntime.InferenceSession(
        onnx_model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(["y"], {"X": X})[0]


def operators(onnx_model):
    return [node.op_type for node in onnx_model.graph.node]


def shaken(model, seed=0):
    """Weights and statistics that are no initial ones."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        value = rng.normal(scale=0.5, size=weight.shape)
        weight.assign(np.abs(value) + 0.5 if "variance" in weight.name else value)
    return model


def compare(model, shape, *, seed=0, tolerance=1e-5):
    shaken(model, seed)
    X = np.random.default_rng(seed + 1).normal(size=(5, *shape)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(model(X, training=False))
    written = onnx_of(model, shape)
    found = run(written, X)
    assert found.shape == expected.shape
    scale = max(1, np.abs(expected).max())
    np.testing.assert_allclose(found / scale, expected / scale, atol=tolerance)
    return written


IMAGE = (9, 8, 3)  # an odd and an even side
ONE_LAYER = {
    "conv same": lambda: L.Conv2D(4, 3, padding="same"),
    "conv valid, no bias": lambda: L.Conv2D(4, (3, 2), use_bias=False),
    "conv strides same": lambda: L.Conv2D(4, 3, strides=2, padding="same"),
    "conv even window": lambda: L.Conv2D(4, 2, padding="same"),
    "conv even window strides": lambda: L.Conv2D(4, 4, strides=(2, 3), padding="same"),
    "conv dilated": lambda: L.Conv2D(4, 3, dilation_rate=2, padding="same"),
    "conv groups": lambda: L.Conv2D(6, 3, groups=3, padding="same"),
    "conv activation": lambda: L.Conv2D(4, 3, activation="tanh"),
    "depthwise": lambda: L.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
    "depthwise strides": lambda: L.DepthwiseConv2D(3, strides=2, padding="same"),
    "separable": lambda: L.SeparableConv2D(5, 3, padding="same", activation="relu"),
    "separable strides": lambda: L.SeparableConv2D(
        5, 3, strides=2, depth_multiplier=2, use_bias=False
    ),
    "dense on an image": lambda: L.Dense(4),
    "norm": lambda: L.BatchNormalization(),
    "norm bare": lambda: L.BatchNormalization(center=False, scale=False),
    "max pool": lambda: L.MaxPooling2D(2),
    "max pool same": lambda: L.MaxPooling2D(3, strides=2, padding="same"),
    "average pool": lambda: L.AveragePooling2D((3, 2)),
    "average pool same": lambda: L.AveragePooling2D(3, strides=2, padding="same"),
    "global average": lambda: L.GlobalAveragePooling2D(),
    "global max keepdims": lambda: L.GlobalMaxPooling2D(keepdims=True),
    "flatten": lambda: L.Flatten(),
    "reshape": lambda: L.Reshape((8, 27)),
    "zero padding": lambda: L.ZeroPadding2D(((1, 2), (0, 3))),
    "rescaling": lambda: L.Rescaling(1 / 3, offset=-0.2),
    "relu": lambda: L.ReLU(),
    "relu6": lambda: L.ReLU(max_value=0.7),
    "relu slope": lambda: L.ReLU(negative_slope=0.1),
    "leaky": lambda: L.LeakyReLU(negative_slope=0.3),
    "elu": lambda: L.ELU(alpha=0.7),
    "softmax": lambda: L.Softmax(),
    "dropout": lambda: L.Dropout(0.5),
    "cropping": lambda: L.Cropping2D(((1, 2), (0, 3))),
    "up sampling": lambda: L.UpSampling2D((2, 3)),
    **{
        f"random {name}": (lambda name=name, args=args: getattr(L, f"Random{name}")(*args))
        for name, args in {
            "Brightness": (0.5,),
            "Contrast": (0.5,),
            "Flip": (),
            "Rotation": (0.5,),
            "Translation": (0.5, 0.5),
            "Zoom": (0.5,),
        }.items()
    },
    **{f"activation {name}": (lambda name=name: L.Activation(name)) for name in ACTIVATIONS},
}


@pytest.mark.parametrize("name", ONE_LAYER)
def test_a_layer(name):
    """After a convolution, so that it is given channels first."""
    inputs = keras.Input(IMAGE)
    compare(keras.Model(inputs, ONE_LAYER[name]()(L.Conv2D(3, 1)(inputs))), IMAGE)
    compare(keras.Sequential([keras.Input(IMAGE), ONE_LAYER[name]()]), IMAGE)


FLAT = ("acti", "relu", "soft", "norm", "rescaling", "dropout", "leaky", "elu")


@pytest.mark.parametrize("name", [name for name in ONE_LAYER if name.startswith(FLAT)])
def test_what_follows_a_flat_row(name):
    model = keras.Sequential(
        [keras.Input(IMAGE), L.Conv2D(3, 1), L.Flatten(), ONE_LAYER[name](), L.Dense(4)]
    )
    compare(model, IMAGE)


@pytest.mark.parametrize(
    "before",
    [
        lambda: L.Conv2D(4, 3, padding="same"),
        lambda: L.Conv2D(4, 3, use_bias=False),
        lambda: L.Conv2D(6, 3, groups=3),
        lambda: L.DepthwiseConv2D(3, depth_multiplier=2),
        lambda: L.Dense(5),
    ],
)
def test_normalisations_are_folded(before):
    model = keras.Sequential(
        [keras.Input(IMAGE), before(), L.BatchNormalization(epsilon=0.01), L.ReLU(), L.Flatten()]
    )
    written = compare(model, IMAGE)
    assert not {"Mul", "BatchNormalization"} & set(operators(written))


def test_normalisations_that_cannot_be_folded():
    """After an activation, of what others read too, and of what is an output."""
    inputs = keras.Input(IMAGE)
    x = L.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    x = L.BatchNormalization()(x)
    y = L.Conv2D(4, 1)(x)
    z = L.Add()([y, L.BatchNormalization()(y)])
    compare(keras.Model(inputs, z), IMAGE)
    shared = L.Conv2D(3, 1)
    once = L.BatchNormalization()(shared(inputs))
    compare(keras.Model(inputs, L.Add()([once, shared(once)])), IMAGE)


def test_a_network_with_branches():
    """Squeeze and excitation, concatenation, a flat branch and a nested model."""
    inputs = keras.Input(IMAGE)
    x = L.Conv2D(4, 3, padding="same")(inputs)
    squeezed = L.GlobalAveragePooling2D(keepdims=True)(x)
    gate = L.Conv2D(4, 1, activation="sigmoid")(squeezed)
    x = L.Multiply()([x, gate])
    joined = L.Concatenate()([x, inputs])
    tall = L.Concatenate(axis=1)([joined, joined])
    inner = keras.Sequential([keras.Input((18, 8, 7)), L.Conv2D(2, 3), L.BatchNormalization()])
    flat = L.Flatten()(inner(tall))
    other = L.GlobalMaxPooling2D()(x)
    both = L.Concatenate()([L.Dense(3)(flat), other])
    outputs = L.Average()([L.Dense(3)(both), L.Maximum()([L.Dense(3)(other), L.Dense(3)(flat)])])
    compare(keras.Model(inputs, L.Subtract()([outputs, L.Minimum()([outputs, outputs])])), IMAGE)


def test_a_dense_layer_takes_a_flat_image_as_it_lies():
    model = keras.Sequential([keras.Input(IMAGE), L.Conv2D(3, 2), L.Flatten(), L.Dense(4)])
    written = compare(model, IMAGE)
    assert operators(written) == ["Transpose", "Conv", "Reshape", "Gemm", "Identity"]


def test_what_is_the_same_is_computed_once():
    model = shaken(keras.Sequential([keras.Input(IMAGE), L.Rescaling(0.5), L.Conv2D(3, 2)]))
    graph = OnnxGraph()
    names = {add_network(graph, model, Value("X", IMAGE)).name for _ in range(3)}
    assert len(names) == 1


def test_what_may_follow_two_flat_rows():
    inputs = keras.Input(IMAGE)
    a, b = (L.Flatten()(L.Conv2D(3, 1, name=name)(inputs)) for name in "ab")
    joined = L.Concatenate()([L.Add()([a, b]), L.Multiply()([a, L.ReLU()(b)])])
    compare(keras.Model(inputs, L.Reshape((9, 8, 6))(joined)), IMAGE)


def test_channels_first_is_refused():
    model = keras.Sequential([keras.Input(IMAGE)])
    model.add(L.GlobalAveragePooling2D(data_format="channels_first", name="first"))
    with pytest.raises(LayerError, match="'first' holds images with their channels first"):
        onnx_of(model, IMAGE)


def test_flat_samples():
    model = keras.Sequential([keras.Input((6,)), L.Dense(5), L.BatchNormalization(), L.Dense(3)])
    written = compare(model, (6,))
    assert operators(written) == ["Gemm", "Gemm", "Identity"]


@keras.saving.register_keras_serializable("tests")
class Own(L.Layer):
    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (lambda: L.Lambda(lambda x: x, name="odd"), "'odd' is of kind Lambda"),
        (lambda: Own(name="mine"), "'mine' is of kind Own"),
        (lambda: L.LayerNormalization(name="ln"), "'ln' is of kind LayerNormalization"),
        (lambda: L.Activation("mish", name="act"), "activation 'mish'"),
        (lambda: L.Conv2D(3, 1, activation=lambda x: x, name="c"), "'c' has the activation"),
        (lambda: L.ReLU(threshold=0.5, name="r"), "'r' has a threshold"),
        (lambda: L.Softmax(axis=1, name="s"), "'s' is a softmax along axis 1"),
        (lambda: L.BatchNormalization(axis=1, name="b"), "'b' normalises axis 1"),
    ],
)
def test_layers_without_a_counterpart_are_named(layer, said):
    model = keras.Sequential([keras.Input(IMAGE), L.Conv2D(3, 1), L.ReLU(), layer()])
    with pytest.raises(LayerError, match=said):
        onnx_of(model, IMAGE)


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: keras.ops.minimum(x, 6.0),
        lambda x: keras.ops.maximum(x, 0.5),
        lambda x: 1 - x,
        lambda x: x * 2.0,
        lambda x: keras.ops.average(x, axis=1),
    ],
)
def test_operations_are_no_layers(operation):
    """Some have the names of layers, and constants besides their tensors."""
    inputs = keras.Input(IMAGE)
    model = keras.Model(inputs, operation(L.Conv2D(3, 1)(inputs)))
    with pytest.raises(LayerError, match=r"the operation '.*' is of kind"):
        onnx_of(model, IMAGE)


def test_layers_that_were_called_for_training_predict_as_others():
    """Keras's `training=False` outside wins."""
    inputs = keras.Input(IMAGE)
    compare(keras.Model(inputs, L.Dropout(0.5)(inputs, training=True)), IMAGE)


def test_a_vector_gates_an_image():
    """Squeeze and excitation without a reshape: Keras adds the axes."""
    inputs = keras.Input(IMAGE)
    x = L.Conv2D(4, 3, padding="same")(inputs)
    gate = L.Dense(4, activation="sigmoid")(L.GlobalAveragePooling2D()(x))
    compare(keras.Model(inputs, L.Multiply()([x, gate])), IMAGE)
    compare(keras.Model(inputs, L.Add()([gate, x])), IMAGE)


def test_normalization_of_samples():
    layer = L.Normalization()
    layer.adapt(np.random.default_rng(0).normal(3, 2, (50, *IMAGE)))
    inputs = keras.Input(IMAGE)
    model = keras.Model(inputs, L.Conv2D(3, 2)(layer(inputs)))
    X = np.random.default_rng(1).normal(3, 2, (4, *IMAGE)).astype(np.float32)
    np.testing.assert_allclose(run(onnx_of(model, IMAGE), X), model(X), rtol=1e-4, atol=1e-5)
