"""Costs against hand counts, files, zlib, and the inputs that a linear layer's outputs use."""

import subprocess
import sys
import zipfile
import zlib
from dataclasses import FrozenInstanceError, astuple

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from skprune import RandomCNNEnsembleClassifier, SOCPEnsemblePruner
from skprune.ensemble import CNNSpace
from skprune.metrics import ModelCost, model_cost, n_parameters

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


@pytest.fixture
def small(keras):
    layers = keras.layers
    stack = [layers.Conv2D(4, 3, name="conv"), layers.Flatten(), layers.Dense(5, name="head")]
    return keras.Sequential([keras.Input((6, 8, 2)), *stack])


def chain(keras, shape, *layers, **kwargs):
    return keras.Sequential([keras.Input(shape, **kwargs), *layers])


class Holder:
    """As scikeras holds its network."""

    def __init__(self, model):
        self.model_ = model


class Ensemble:
    def __init__(self, *members):
        self.estimators_ = list(members)


class TestSizes:
    def test_by_hand(self, small):
        conv, head = 3 * 3 * 2 * 4, 4 * 6 * 4 * 5
        cost = model_cost(small)
        assert cost.parameters == conv + 4 + head + 5
        assert cost.nonzero == conv + head  # biases start at zero
        assert cost.dense_bytes == 4 * cost.parameters
        assert cost.macs == 4 * 6 * conv + head
        assert all(type(number) is int for number in astuple(cost))

    def test_zeros_set_by_hand(self, small):
        head = small.get_layer("head")
        kernel, bias = head.get_weights()
        kernel[:, :3] = 0
        kernel[0, 4] = -0.0
        before = model_cost(small)
        head.set_weights([kernel, bias])
        after = model_cost(small)
        assert after.nonzero == before.nonzero - 3 * len(kernel) - 1
        assert after.compressed_bytes < before.compressed_bytes
        same = ("parameters", "dense_bytes", "file_bytes", "macs")
        assert [getattr(after, n) for n in same] == [getattr(before, n) for n in same]

    def test_not_a_number_is_not_zero(self, small):
        small.get_layer("head").bias.assign([0, np.nan, np.inf, 0, 0])
        conv, head = 3 * 3 * 2 * 4, 4 * 6 * 4 * 5
        assert model_cost(small).nonzero == conv + head + 2

    def test_compressed_is_zlib_of_all_bytes(self, keras):
        model = chain(keras, (30,), keras.layers.Dense(50), keras.layers.BatchNormalization())
        data = b"".join(array.tobytes() for array in model.get_weights())
        cost = model_cost(model)
        assert len(data) == cost.dense_bytes
        assert cost.compressed_bytes == len(zlib.compress(data, 6))
        assert cost.compressed_bytes < cost.dense_bytes  # 200 zeros and ones

    def test_file_is_what_keras_writes_before_compile(self, small, tmp_path):
        path = tmp_path / "model.keras"
        small.save(path)
        size = path.stat().st_size
        assert model_cost(small).file_bytes == size
        with zipfile.ZipFile(path) as archive:
            assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}

        small.compile("adam", "mse", metrics=["mae"])
        small.fit(np.ones((4, 6, 8, 2)), np.ones((4, 5)), verbose=0)
        optimizer, metrics = small.optimizer, small.metrics
        assert model_cost(small).file_bytes == size
        small.save(path)
        assert path.stat().st_size > size + 2 * model_cost(small).dense_bytes
        # and the model still trains on
        assert small.compiled
        assert small.optimizer is optimizer
        assert small.metrics == metrics
        assert int(optimizer.iterations) == 1
        small.fit(np.ones((4, 6, 8, 2)), np.ones((4, 5)), verbose=0)
        assert int(optimizer.iterations) == 2

    def test_a_compiled_functional_model(self, keras, tmp_path):
        x = keras.Input((5,))
        model = keras.Model(x, [keras.layers.Dense(2)(x), keras.layers.Dense(3)(x)])
        model.save(tmp_path / "model.keras")
        model.compile("sgd", ["mse", "mae"])
        found = model_cost(model).file_bytes
        assert found == (tmp_path / "model.keras").stat().st_size

    def test_types_have_their_own_bytes(self, keras):
        layers = keras.layers
        model = chain(
            keras,
            (7,),
            layers.Dense(5, dtype="float16"),
            layers.Dense(4, dtype="float64"),
            layers.Dense(3, dtype="mixed_float16"),  # keeps its weights in float32
            layers.Dense(2, dtype="bfloat16"),
        )
        for layer in model.layers:  # a random half number is zero now and then
            kernel, bias = layer.get_weights()
            layer.set_weights([np.ones_like(kernel), bias])
        cost = model_cost(model)
        counts = [(7 + 1) * 5, (5 + 1) * 4, (4 + 1) * 3, (3 + 1) * 2]
        assert cost.parameters == sum(counts)
        assert cost.dense_bytes == int(np.dot(counts, [2, 8, 4, 2]))
        assert cost.nonzero == 7 * 5 + 5 * 4 + 4 * 3 + 3 * 2
        assert cost.macs == cost.nonzero

    def test_untrained_weights_count_and_states_of_generators_do_not(self, keras):
        layers = keras.layers
        head = layers.Dense(2, use_bias=False, trainable=False)
        model = chain(keras, (6,), layers.BatchNormalization(), layers.Dropout(0.5), head)
        assert len(model.variables) == len(model.weights) + 1
        cost = model_cost(model)
        assert cost.parameters == 4 * 6 + 6 * 2 == model.count_params() == n_parameters(model)
        assert cost.nonzero == 6 + 6 + 6 * 2  # scales and variances are ones
        assert cost.dense_bytes == 4 * cost.parameters
        assert cost.macs == 6 * 2

    def test_a_model_without_weights(self, keras):
        cost = model_cost(chain(keras, (6,), keras.layers.ReLU()))
        assert (cost.parameters, cost.nonzero, cost.dense_bytes, cost.macs) == (0, 0, 0, 0)
        assert cost.file_bytes > 0
        assert "%" not in str(cost)

    def test_objects_that_keras_does_not_know_by_name(self, keras):
        """A count needs no reading back."""

        def unknown(x):
            return x

        class Doubled(keras.layers.Layer):
            def call(self, x):
                return 2 * x

        model = chain(keras, (3,), Doubled(), keras.layers.Dense(4, activation=unknown))
        model.compile("adam", "mse")
        assert model_cost(model).parameters == 3 * 4 + 4

    def test_it_predicts_as_before(self, small):
        X = np.random.default_rng(0).normal(size=(3, 6, 8, 2))
        small.compile("adam", "mse")
        before = small.predict_on_batch(X)
        model_cost(small)
        np.testing.assert_array_equal(small.predict_on_batch(X), before)


def connections(model):
    """Pairs of one input and one output that depends on it: by the derivatives of ones."""
    import tensorflow as tf

    for weight in model.weights:
        weight.assign(np.ones(weight.shape))
    x = tf.ones((1, *model.input_shape[1:]))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = model(x)
    return int(np.count_nonzero(tape.jacobian(y, x)))


class TestMacs:
    @pytest.mark.parametrize(
        ("shape", "kind", "settings", "by_hand"),
        [
            ((3,), "Dense", (5,), 3 * 5),
            ((4, 3), "Dense", (5,), 4 * 3 * 5),
            ((2, 4, 3), "Dense", (5,), 2 * 4 * 3 * 5),
            ((10, 3), "Conv1D", (4, 3), 8 * 3 * 3 * 4),
            ((7, 6, 2), "Conv2D", (5, (3, 2)), 5 * 5 * 3 * 2 * 2 * 5),
            ((7, 7, 2), "Conv2D", (3, 3, 2), 3 * 3 * 9 * 2 * 3),
            ((5, 4, 3, 2), "Conv3D", (3, (3, 2, 1)), 3 * 3 * 3 * 6 * 2 * 3),
            ((5, 6, 2), "Conv2DTranspose", (3, 2), 5 * 6 * 4 * 2 * 3),
            ((5, 2), "Conv1DTranspose", (3, 4, 2), 5 * 4 * 2 * 3),
            ((3, 2, 2, 2), "Conv3DTranspose", (2, 2, 2), 12 * 8 * 2 * 2),
            ((6, 6, 3), "DepthwiseConv2D", (3,), 16 * 9 * 3),
            ((9, 3), "DepthwiseConv1D", (3, 2), 4 * 3 * 3),
        ],
    )
    def test_every_multiplication_joins_an_input_and_an_output(
        self, keras, shape, kind, settings, by_hand
    ):
        layer = getattr(keras.layers, kind)(*settings, use_bias=True)
        model = chain(keras, shape, layer)
        assert model_cost(model).macs == by_hand == connections(model)

    @pytest.mark.parametrize(
        ("shape", "kind", "settings", "options", "by_hand"),
        [
            ((6, 6, 4), "Conv2D", (6, 3), {"groups": 2}, 16 * 9 * 2 * 6),
            ((9, 6), "Conv1D", (6, 3), {"groups": 6}, 7 * 3 * 6),
            ((9, 9, 2), "Conv2D", (3, 3), {"dilation_rate": 2}, 25 * 9 * 2 * 3),
            ((6, 6, 3), "DepthwiseConv2D", (3,), {"depth_multiplier": 2}, 16 * 9 * 3 * 2),
        ],
    )
    def test_grouped_and_dilated(self, keras, shape, kind, settings, options, by_hand):
        model = chain(keras, shape, getattr(keras.layers, kind)(*settings, **options))
        assert model_cost(model).macs == by_hand == connections(model)

    def test_separable_is_depthwise_and_pointwise(self, keras):
        layers = keras.layers
        options = {"strides": 2, "padding": "same"}
        one = chain(keras, (9, 7, 3), layers.SeparableConv2D(8, 3, depth_multiplier=2, **options))
        two = chain(
            keras,
            (9, 7, 3),
            layers.DepthwiseConv2D(3, depth_multiplier=2, **options),
            layers.Conv2D(8, 1),
        )
        assert model_cost(one).macs == model_cost(two).macs == 5 * 4 * (9 * 3 * 2 + 6 * 8)
        one = chain(keras, (9, 3), layers.SeparableConv1D(8, 3))
        assert model_cost(one).macs == 7 * (3 * 3 + 3 * 8)

    def test_padding_counts_as_data(self, keras):
        model = chain(keras, (6, 6, 2), keras.layers.Conv2D(4, 3, padding="same"))
        assert model_cost(model).macs == 36 * 9 * 2 * 4
        model = chain(keras, (6, 2), keras.layers.Conv1D(4, 3, padding="causal"))
        assert model_cost(model).macs == 6 * 3 * 2 * 4
        layer = keras.layers.Conv2DTranspose(4, 3, strides=2, padding="same")
        assert model_cost(chain(keras, (6, 6, 2), layer)).macs == 36 * 9 * 2 * 4

    def test_channels_first(self, keras):
        layers = keras.layers
        options = {"data_format": "channels_first"}
        model = chain(keras, (2, 7, 6), layers.Conv2D(5, (3, 2), **options))
        assert model_cost(model).macs == 5 * 5 * 3 * 2 * 2 * 5
        model = chain(keras, (2, 7, 6), layers.SeparableConv2D(5, 3, **options))
        assert model_cost(model).macs == 5 * 4 * (9 * 2 + 2 * 5)

    def test_a_fixed_batch_is_one_sample(self, keras):
        model = chain(keras, (6, 6, 2), keras.layers.Conv2D(4, 3), batch_size=16)
        assert model_cost(model).macs == 16 * 9 * 2 * 4

    def test_a_shared_layer_counts_once_a_call(self, keras):
        left, right = keras.Input((6, 6, 2)), keras.Input((10, 10, 2))
        conv, pool = keras.layers.Conv2D(4, 3), keras.layers.GlobalMaxPooling2D()
        model = keras.Model([left, right], pool(conv(left)) + pool(conv(right)))
        cost = model_cost(model)
        assert cost.parameters == 9 * 2 * 4 + 4
        assert cost.macs == (16 + 64) * 9 * 2 * 4

    def test_nested_models_count_once_a_call(self, keras):
        inner = chain(keras, (6,), keras.layers.Dense(6), keras.layers.ReLU())
        x = keras.Input((6,))
        model = keras.Model(x, keras.layers.Dense(2)(inner(inner(x))))
        cost = model_cost(model)
        assert cost.parameters == 6 * 6 + 6 + 6 * 2 + 2
        assert cost.macs == 2 * 6 * 6 + 6 * 2

    def test_element_by_element_is_not_counted(self, keras):
        layers = keras.layers
        x = keras.Input((4,), dtype="int32")
        rows = layers.Embedding(10, 6)(x)
        rows = layers.PReLU()(layers.LayerNormalization(axis=(1, 2))(rows * 2.0))
        model = keras.Model(x, layers.Dense(3)(layers.Flatten()(rows)))
        assert model_cost(model).macs == 4 * 6 * 3

    def test_sides_that_are_free_where_they_do_not_matter(self, keras):
        model = chain(
            keras, (None, None, 5), keras.layers.GlobalMaxPooling2D(), keras.layers.Dense(3)
        )
        assert model_cost(model).macs == 5 * 3

    @pytest.mark.parametrize(
        ("name", "millions"),
        # Howard et al. 2017 (569), Sandler et al. 2018 (300), He et al. 2015 (3.8 G) with the
        # strides where Keras has them.
        [("MobileNet", 569), ("MobileNetV2", 301), ("ResNet50", 3858)],
    )
    def test_published_networks(self, keras, name, millions):
        from skprune.metrics._macs import count_macs

        model = getattr(keras.applications, name)(weights=None)
        assert round(count_macs(model) / 1e6) == millions

    def test_vgg16(self, keras):
        """15.47 G; without building its 124 million weights of dense layers."""
        from skprune.metrics._macs import count_macs

        model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(224, 224, 3))
        dense = 7 * 7 * 512 * 4096 + 4096 * 4096 + 4096 * 1000
        assert round((count_macs(model) + dense) / 1e7) == 1547


class TestRefusals:
    def test_what_is_no_keras_model(self):
        for model in (LogisticRegression(), "network", None, [1, 2], DecisionTreeClassifier):
            with pytest.raises(TypeError, match=r"must be a Keras model, a fitted .*; got "):
                model_cost(model)
        with pytest.raises(TypeError, match="got DecisionTreeClassifier"):
            model_cost(Ensemble(DecisionTreeClassifier()))

    def test_not_built(self, keras):
        with pytest.raises(ValueError, match="'unbuilt' is not built"):
            model_cost(keras.Sequential([keras.layers.Dense(2)], name="unbuilt"))

    def test_a_model_that_hides_its_layers(self, keras):
        class Hidden(keras.Model):
            def __init__(self):
                super().__init__(name="hidden")
                self.dense = keras.layers.Dense(2)

            def call(self, x):
                return self.dense(x)

        model = Hidden()
        model(np.ones((1, 3)))
        with pytest.raises(TypeError, match=r"'hidden' \(Hidden\) has its own call method"):
            model_cost(model)

    def test_free_sides(self, keras):
        model = keras.Sequential(
            [keras.Input((None, 8, 3)), keras.layers.Conv2D(4, 3, name="first")], name="free"
        )
        with pytest.raises(
            ValueError, match=r"'free' depend.*'first' \(Conv2D\).*\(None, None, 8, 3\)"
        ):
            model_cost(model)

    def test_layers_that_multiply_in_their_own_way(self, keras):
        layers = keras.layers

        class Own(layers.Layer):
            def build(self, shape):
                self.matrix = self.add_weight(shape=(shape[-1], 2))

            def call(self, x):
                return x @ self.matrix

        for layer in (
            layers.LSTM(3, name="x"),
            layers.EinsumDense("abc,cd->abd", (4, 2), name="x"),
            layers.TimeDistributed(layers.Dense(3), name="x"),
            Own(name="x"),
        ):
            kind = type(layer).__name__
            with pytest.raises(TypeError, match=rf"cannot be counted: its layer 'x' \({kind}\)"):
                model_cost(chain(keras, (4, 5), layer))

    def test_products_without_weights(self, keras):
        x = keras.Input((4, 5))
        products = [
            keras.layers.Dot(axes=2)([x, x]),
            keras.layers.Attention()([x, x]),
            keras.ops.einsum("bij,bkj->bik", x, x),
            keras.ops.matmul(x, keras.ops.transpose(x, (0, 2, 1))),
        ]
        for y in products:
            with pytest.raises(TypeError, match="cannot be counted"):
                model_cost(keras.Model(x, y))


class TestSums:
    def test_costs_add_up(self):
        a, b = ModelCost(6, 5, 4, 3, 2, 1), ModelCost(10, 20, 30, 40, 50, 60)
        assert a + b == sum([a, b]) == ModelCost(16, 25, 34, 43, 52, 61)
        for other in (1, None, (1,) * 6):
            with pytest.raises(TypeError):
                a + other
            with pytest.raises(TypeError):
                other + a

    def test_holders_and_ensembles(self, keras, small):
        other = chain(keras, (4,), keras.layers.Dense(3))
        one, two = model_cost(small), model_cost(other)
        assert model_cost(Holder(small)) == one
        assert model_cost(FrozenEstimator(Holder(small))) == one
        assert model_cost(Ensemble(small, Holder(other))) == one + two
        assert model_cost(Ensemble(Ensemble(small), other, other)) == one + two + two
        assert model_cost(Ensemble()) == ModelCost(0, 0, 0, 0, 0, 0)

    def test_a_fitted_ensemble_and_what_a_pruner_keeps(self):
        X, y = load_digits(n_class=3, return_X_y=True)
        X, y = X[:90].reshape(-1, 8, 8), y[:90]
        space = CNNSpace(n_blocks=(1, 1), filters=(4,), dense_units=(8,))
        ensemble = RandomCNNEnsembleClassifier(2, space=space, epochs=1, random_state=0).fit(X, y)
        costs = [model_cost(member) for member in ensemble.estimators_]
        assert model_cost(ensemble) == sum(costs)
        assert model_cost(ensemble).parameters == n_parameters(ensemble)
        pruner = SOCPEnsemblePruner(FrozenEstimator(ensemble), lam=0.9).fit(X, y)
        kept = [costs[i] for i in np.flatnonzero(pruner.support_)]
        assert len(kept) == 1
        assert model_cost(pruner) == sum(kept)


def test_it_reads_well():
    cost = ModelCost(1234567, 617284, 4938268, 4950000, 2345678, 568740352)
    assert str(cost).splitlines() == [
        "Parameters              1,234,567",
        "Not zero                  617,284  (50.0% of them)",
        "Bytes in memory         4,938,268",
        "Bytes of the file       4,950,000",
        "Bytes compressed        2,345,678",
        "Multiply-accumulates  568,740,352",
    ]
    assert repr(cost).startswith("ModelCost(parameters=1234567, nonzero=617284, ")
    with pytest.raises(FrozenInstanceError):
        cost.macs = 3


def test_the_subpackage_loads_no_keras():
    code = "import skprune.metrics, sys; print('keras' in sys.modules, 'tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
