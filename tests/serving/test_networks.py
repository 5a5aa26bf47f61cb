"""Graphs of networks: fused by Keras, exported to ONNX, and rounded to eight bits."""

import dataclasses
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax as softmax_of
from sklearn.frozen import FrozenEstimator
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

pytestmark = pytest.mark.keras

from skprune import (  # noqa: E402
    EnsembleCompressor,
    MultiViewCNNClassifier,
    PrunedCNNClassifier,
    SOCPEnsemblePruner,
)
from skprune.ensemble import _training  # noqa: E402
from skprune.exceptions import GraphFileError, UnsupportedMemberError  # noqa: E402
from skprune.serving import OnnxPredictor, export_onnx, fuse, quantize_onnx  # noqa: E402
from tests.compression.conftest import without_files, without_times  # noqa: E402
from tests.compression.networks import (  # noqa: E402
    RandomFeatureNetwork,
    cnns,
    scikeras,
    sigmoid,
    softmax,
)
from tests.ensemble.random_features import member_by_its_last_layer  # noqa: E402


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    X, y = load_digits(n_class=4, return_X_y=True)
    return X[:300].reshape(-1, 8, 8), np.array(["zero", "one", "two", "three"])[y[:300]]


@pytest.fixture(scope="module")
def ensemble(digits):
    return cnns(4).fit(*digits)


@pytest.fixture(scope="module")
def kinds(digits, ensemble):
    """Every estimator that can be exported, with samples as it takes them.

    One of the cut networks is fine-tuned, none is timed; but for the ensemble's, none is trained.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_training, "run_in_worker", member_by_its_last_layer)
        without_times(patch)
        without_files(patch)
        return kinds_of(digits, ensemble)


def kinds_of(digits, ensemble):
    X, y = digits
    flat = X.reshape(len(X), -1)
    frozen = FrozenEstimator(ensemble)
    rows = cnns(2, image_shape=(8, 8)).fit(flat, y)
    f32 = X.astype(np.float32)
    members = [(str(n), FrozenEstimator(scikeras(softmax, epochs=1, model__units=n).fit(f32, y)))
               for n in (24, 9)]  # fmt: skip
    hard = pickle.loads(pickle.dumps(ensemble)).set_params(voting="hard")
    two = np.isin(y, ["zero", "one"])
    half = FrozenEstimator(scikeras(sigmoid, epochs=1).fit(f32[two], y[two]))
    lacking = [
        (without, FrozenEstimator(RandomFeatureNetwork(random_state=0).fit(f32[rest], y[rest])))
        for without in ("one", "two", "three")
        for rest in [y != without]
    ]
    codes = np.unique(y, return_inverse=True)[1]
    tempered = {"voting": "soft", "lam": 0.0, "calibrate": "temperature"}
    mixed = [("cnn", FrozenEstimator(rows.estimators_[0])),
             ("bayes", FrozenEstimator(GaussianNB().fit(flat, codes)))]  # fmt: skip
    return {
        "ensemble": (ensemble, X),
        "hard ensemble": (hard, X),
        "pruner": (
            SOCPEnsemblePruner(frozen, lam=0.0, max_members=2, voting="soft").fit(X, y), X
        ),
        "hard pruner": (
            SOCPEnsemblePruner(frozen, lam=0.0, max_members=2, voting="hard").fit(X, y), X
        ),
        "log pruner": (
            SOCPEnsemblePruner(frozen, lam=0.0, max_members=2, voting="log").fit(X, y), X
        ),
        "log pruner with a bias": (
            SOCPEnsemblePruner(frozen, lam=0.0, voting="log", fit_intercept=True).fit(X, y), X
        ),
        "log pruner of one column": (
            SOCPEnsemblePruner([("h", half)], voting="log", fit_intercept=True).fit(
                f32[two], y[two]
            ),
            f32[two],
        ),
        "log pruner of members that lack classes": (
            SOCPEnsemblePruner(lacking, lam=0.0, voting="log", reweight="equal").fit(f32, y), f32
        ),
        "pruner with a temperature": (
            SOCPEnsemblePruner(frozen, **tempered).fit(X, y), X
        ),
        "pruner with a temperature of members that lack classes": (
            SOCPEnsemblePruner(lacking, **tempered).fit(f32, y), f32
        ),
        "pruner of rows": (SOCPEnsemblePruner(FrozenEstimator(rows)).fit(flat, y), flat),
        "pruner of scikeras": (SOCPEnsemblePruner(members, lam=0.0).fit(f32, y), f32),
        "pruner of one column": (
            SOCPEnsemblePruner([("h", half)], voting="soft").fit(f32[two], y[two]), f32[two]
        ),
        "mixed pruner": (SOCPEnsemblePruner(mixed, lam=0.0, alpha=0.3).fit(flat, codes), flat),
        "one cut network": (
            PrunedCNNClassifier(cnns(), amount=0.5, fine_tune_epochs=1, random_state=0).fit(X, y),
            X,
        ),
        "one cut network of rows": (
            PrunedCNNClassifier(
                cnns(1, image_shape=(8, 8)), amount=0.5, fine_tune_epochs=0, random_state=0
            ).fit(flat, y),
            flat,
        ),
        "compressor of rows": (
            EnsembleCompressor(
                FrozenEstimator(rows), pruner=SOCPEnsemblePruner(None, lam=0.0), amounts=[0, 0.5],
                fine_tune_epochs=0, min_accuracy=0.3, random_state=0,
            ).fit(flat, y),
            flat,
        ),
        "compressor": (
            EnsembleCompressor(
                frozen, pruner=SOCPEnsemblePruner(None, lam=0.0), amounts=[0, 0.5],
                fine_tune_epochs=0, min_accuracy=0.3, random_state=0,
            ).fit(X, y),
            X,
        ),
    }  # fmt: skip


KINDS = (
    "ensemble", "hard ensemble", "pruner", "hard pruner", "pruner of rows", "pruner of scikeras",
    "pruner of one column", "mixed pruner", "one cut network", "compressor",
    "one cut network of rows",
    "compressor of rows",
)  # fmt: skip
OF_LOGARITHMS = (
    "log pruner", "log pruner with a bias", "log pruner of one column",
    "log pruner of members that lack classes", "pruner with a temperature",
    "pruner with a temperature of members that lack classes",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore::skprune.exceptions.InfeasibleLimitsWarning")
@pytest.mark.parametrize("kind", KINDS + OF_LOGARITHMS)
def test_every_kind_is_exported(kinds, kind, tmp_path):
    estimator, X = kinds[kind]
    predictor = OnnxPredictor(export_onnx(estimator, tmp_path / "g.onnx"))
    expected = estimator.predict_proba(X)
    np.testing.assert_allclose(predictor.predict_proba(X), expected, atol=1e-5)
    np.testing.assert_array_equal(predictor.predict(X), estimator.predict(X))
    if kind != "mixed pruner":
        # Rows of pixels, and images with their channel.
        for other in (X.reshape(len(X), -1), X.reshape(len(X), 8, 8, 1)):
            if other.shape[1:] == predictor.sample_shape_ or other.ndim == 2:
                np.testing.assert_allclose(predictor.predict_proba(other), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
@pytest.mark.parametrize("kind", [k for k in KINDS + OF_LOGARITHMS if k != "mixed pruner"])
def test_every_kind_is_fused(kinds, kind):
    estimator, X = kinds[kind]
    model = fuse(estimator)
    samples = X.reshape(len(X), *model.input_shape[1:]).astype(np.float32)
    found = np.asarray(model(samples, training=False))
    np.testing.assert_allclose(found, estimator.predict_proba(X), atol=1e-5)
    assert [i.name for i in model.inputs] == ["pixels"]
    assert len({layer.name for layer in model.layers}) == len(model.layers)


@pytest.mark.parametrize("kind", OF_LOGARITHMS)
def test_a_graph_computes_the_equation_of_its_metadata(kinds, kind, tmp_path):
    estimator, X = kinds[kind]
    predictor = OnnxPredictor(export_onnx(estimator, tmp_path / "g.onnx"))
    about, (vote, members) = predictor.metadata_, predictor.predict_proba(X, return_members=True)
    weights, p = np.array(about.weights), members.astype(np.float64)
    if about.voting == "log":
        assert about.weights == estimator.weights_[estimator.support_].tolist()
        np.testing.assert_array_equal(about.intercept, estimator.intercept_)
        assert np.any(estimator.intercept_) == estimator.fit_intercept
        logs = np.tensordot(weights, np.log(np.maximum(p, 1e-3)), 1) + about.intercept
    else:
        assert about.temperature == estimator.temperature_ != 1
        assert about.intercept is None
        logs = np.log(np.maximum(np.tensordot(weights, p, 1), 1e-3)) / about.temperature
    np.testing.assert_allclose(vote, softmax_of(logs, axis=1), atol=1e-6)


def test_a_member_that_is_no_network_is_named(kinds):
    with pytest.raises(UnsupportedMemberError, match=r"member_1 \(GaussianNB\) .*export_onnx"):
        fuse(kinds["mixed pruner"][0])


def test_equal_votes_stay_equal(kinds):
    """Among equals the first class wins, in the graph as in the estimator."""
    estimator, X = kinds["hard ensemble"]
    p = estimator.predict_proba(X)
    assert (np.sort(p, axis=1)[:, -1] == np.sort(p, axis=1)[:, -2]).any()


def test_fused_models_load_where_only_keras_is(kinds, tmp_path):
    """Without skprune and scikeras, in safe mode; and as a SavedModel of TensorFlow's."""
    estimator, X = kinds["pruner"]
    hard, _ = kinds["hard pruner"]
    assert estimator.n_members_ == hard.n_members_ == 2
    samples = X[:50].reshape(-1, 8, 8, 1).astype(np.float32)
    soft = fuse(estimator)
    soft.save(tmp_path / "soft.keras")
    soft.export(tmp_path / "saved", verbose=False)
    log, _ = kinds["log pruner of members that lack classes"]
    tempered, _ = kinds["pruner with a temperature"]
    for name, each in (("hard", hard), ("log", log), ("tempered", tempered)):
        fuse(each).save(tmp_path / f"{name}.keras")
    np.save(tmp_path / "X.npy", samples)
    code = """
import sys
sys.modules["skprune"] = sys.modules["scikeras"] = None
import keras, numpy as np, tensorflow as tf
X = np.load("X.npy")
for name in ("soft", "hard", "log", "tempered"):
    model = keras.models.load_model(f"{name}.keras", safe_mode=True)
    np.save(f"{name}.npy", model(X.reshape(-1, *model.input_shape[1:]), training=False).numpy())
saved = tf.saved_model.load("saved")
np.save("saved.npy", saved.serve(X).numpy())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    by = {"soft": estimator, "saved": estimator, "hard": hard, "log": log, "tempered": tempered}
    for name, each in by.items():
        expected = each.predict_proba(X[:50].astype(np.float32))
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), expected, atol=1e-5)


def test_the_estimator_stays_as_it_was(kinds, tmp_path):
    """No Keras model is left on the members, and no weights are shared."""
    estimator, X = kinds["ensemble"]
    estimator = pickle.loads(pickle.dumps(estimator))  # others have made it build its models
    expected = estimator.predict_proba(X)
    model = fuse(estimator)
    export_onnx(estimator, tmp_path / "g.onnx")
    assert all(vars(member).get("_model") is None for member in estimator.estimators_)
    for weight in model.weights:
        weight.assign(weight * 0)
    np.testing.assert_array_equal(estimator.predict_proba(X), expected)


def test_normalisations_are_folded_and_pixels_scaled_once(kinds, tmp_path):
    import onnx

    path = export_onnx(kinds["ensemble"][0], tmp_path / "g.onnx")
    operators = [node.op_type for node in onnx.load(path).graph.node]
    assert "BatchNormalization" not in operators
    assert operators.count("Mul") == 1  # the pixels' scale, the same for all members
    assert operators.count("Conv") == 8


def test_batches_are_bounded_by_the_widths(kinds, tmp_path, monkeypatch):
    from skprune.serving import _export

    estimator, X = kinds["ensemble"]
    monkeypatch.setattr(_export, "_BATCH_BYTES", 7 * 4 * 4 * 64 * 16)
    predictor = OnnxPredictor(export_onnx(estimator, tmp_path / "g.onnx"))
    assert predictor.metadata_.batch_rows == 7
    np.testing.assert_allclose(predictor.predict_proba(X), estimator.predict_proba(X), atol=1e-5)


def test_too_many_weights_are_refused_before_the_work(kinds, tmp_path, monkeypatch):
    from skprune.serving import _export

    monkeypatch.setattr(_export, "_MOST_BYTES", 1000)
    monkeypatch.setattr(_export, "_graph", lambda *_: pytest.fail("there was work before"))
    for kind in ("ensemble", "compressor", "pruner of scikeras"):
        with pytest.raises(GraphFileError, match=r"ends at 2 GiB.*max_members"):
            export_onnx(kinds[kind][0], tmp_path / "g.onnx")
    assert not list(tmp_path.iterdir())


def test_several_views_are_refused(digits, tmp_path):
    for function in (fuse, lambda e: export_onnx(e, tmp_path / "g.onnx")):
        with pytest.raises(TypeError, match=r"MultiViewCNNClassifier cannot .* several views"):
            function(MultiViewCNNClassifier())


def test_samples_that_a_transformer_changes_are_refused(digits, tmp_path):
    """The transformer would be lost, and the graph would predict something else."""
    X, y = digits
    network = scikeras(softmax).fit(X.astype(np.float32), y)
    network.feature_encoder_ = StandardScaler().fit(X.reshape(len(X), -1))
    twin = SOCPEnsemblePruner([("n", FrozenEstimator(network))])
    P = np.full((1, len(X), len(network.classes_)), 1 / len(network.classes_))
    twin.fit_predictions(P, y).sample_shape_ = (8, 8)
    with pytest.raises(
        UnsupportedMemberError, match=r"member_0 \(KerasClassifier\) changes its sa"
    ):
        export_onnx(twin, tmp_path / "g.onnx")


def test_layers_without_a_counterpart_are_named(kinds, tmp_path):
    import keras

    estimator = pickle.loads(pickle.dumps(kinds["one cut network"][0]))
    model = estimator.network_
    odd = keras.layers.LayerNormalization(name="odd")(model.outputs[0])
    estimator._kept._live = keras.Model(model.inputs, keras.layers.Softmax()(odd))
    with pytest.raises(
        UnsupportedMemberError, match=r"'odd' is of kind LayerN.*serving.fuse makes"
    ):
        export_onnx(estimator, tmp_path / "g.onnx")
    assert fuse(estimator) is not None
    assert not list(tmp_path.iterdir())


def pruner_of(model, X, y):
    """A fitted pruner whose only member has this network."""
    member = RandomFeatureNetwork(2).fit(X, y)
    member.model_ = model
    return SOCPEnsemblePruner([("n", FrozenEstimator(member))]).fit(X, y)


@pytest.mark.parametrize("nested", [False, True])
def test_adapted_preprocessing_is_fused_and_exported(digits, nested, tmp_path):
    import keras
    from keras import layers

    X, y = digits[0].astype(np.float32), digits[1]
    norm = layers.Normalization(axis=None)
    norm.adapt(X)
    first = [norm, layers.Flatten()]
    if nested:
        first = [keras.Sequential([keras.Input((8, 8)), *first])]
    model = keras.Sequential(
        [keras.Input((8, 8)), *first, layers.Dense(8, "relu"), layers.Dense(4, "softmax")]
    )
    estimator = pruner_of(model, X, y)
    expected = estimator.predict_proba(X)
    np.testing.assert_allclose(np.asarray(fuse(estimator)(X)), expected, atol=1e-6)
    predictor = OnnxPredictor(export_onnx(estimator, tmp_path / "g.onnx"))
    np.testing.assert_allclose(predictor.predict_proba(X), expected, atol=1e-5)


def test_initializers_that_hold_an_array_are_fused(digits):
    import keras
    from keras import layers

    X, y = digits[0].astype(np.float32), digits[1]
    constant = keras.initializers.Constant(np.random.default_rng(0).normal(size=(64, 8)))
    hidden = layers.Dense(8, "relu", kernel_initializer=constant)
    model = keras.Sequential(
        [keras.Input((8, 8)), layers.Flatten(), hidden, layers.Dense(4, "softmax")]
    )
    estimator = pruner_of(model, X, y)
    found = np.asarray(fuse(estimator)(X))
    np.testing.assert_allclose(found, estimator.predict_proba(X), atol=1e-6)


def test_a_layer_that_is_shared_through_a_wrapper_is_refused(digits, tmp_path):
    import keras
    from keras import layers

    X, y = digits[0].astype(np.float32), digits[1]
    x = keras.Input((8, 8))
    dense = layers.Dense(4, activation="relu", name="shared")
    both = layers.Concatenate()([layers.TimeDistributed(dense, name="steps")(x), dense(x)])
    model = keras.Model(x, layers.Dense(4, activation="softmax")(layers.Flatten()(both)))
    estimator = pruner_of(model, X, y)
    with pytest.raises(UnsupportedMemberError, match=r"member_0.*'steps'.*share the weight"):
        fuse(estimator)
    with pytest.raises(UnsupportedMemberError, match=r"'steps' is of kind TimeDistributed"):
        export_onnx(estimator, tmp_path / "g.onnx")


def test_networks_with_a_call_of_their_own_inside_are_fused(digits):
    import keras
    from keras import layers

    @keras.saving.register_keras_serializable(package="skprune_tests.serving")
    class Doubled(keras.Sequential):
        def call(self, inputs, **kwargs):
            return 2 * super().call(inputs, **kwargs)

    X, y = digits[0].astype(np.float32), digits[1]
    inner = Doubled([keras.Input((64,)), layers.Dense(8, "relu")])
    model = keras.Sequential(
        [keras.Input((8, 8)), layers.Flatten(), inner, layers.Dense(4, "softmax")]
    )
    estimator = pruner_of(model, X, y)
    found = np.asarray(fuse(estimator)(X))
    np.testing.assert_allclose(found, estimator.predict_proba(X), atol=1e-6)


@pytest.fixture(scope="module")
def source(kinds, tmp_path_factory):
    return export_onnx(kinds["ensemble"][0], tmp_path_factory.mktemp("q") / "g.onnx")


class TestEightBits:
    def test_the_cost_is_printed_and_returned(self, source, digits, tmp_path, capsys, caplog):
        X, y = digits
        report = quantize_onnx(source, tmp_path / "q.onnx", X, y)
        said = capsys.readouterr()
        assert said.out == f"{report}\n"
        assert not said.err
        assert not caplog.records
        assert re.search(r"accuracy \d+\.\d+% where it was \d+\.\d+%", said.out)
        before, after = OnnxPredictor(source), OnnxPredictor(tmp_path / "q.onnx")
        assert after.metadata_.quantization == "int8"
        assert report.accuracy == np.mean(before.predict(X) == y)
        assert report.accuracy_int8 == np.mean(after.predict(X) == y)
        assert report.agreement == np.mean(before.predict(X) == after.predict(X))
        assert report.agreement > 0.9
        assert report.n_bytes_int8 == (tmp_path / "q.onnx").stat().st_size < report.n_bytes
        with pytest.raises(GraphFileError, match="quantised already"):
            quantize_onnx(report.path, tmp_path / "again.onnx", X)

    @pytest.mark.parametrize("kind", ["log pruner with a bias", "pruner with a temperature"])
    def test_a_vote_of_logarithms_stays_in_single_precision(self, kinds, kind, digits, tmp_path):
        source = export_onnx(kinds[kind][0], tmp_path / "g.onnx")
        report = quantize_onnx(source, tmp_path / "q.onnx", *digits, verbose=0)
        assert report.agreement > 0.9
        before, after = (OnnxPredictor(path).metadata_ for path in (source, report.path))
        assert after == dataclasses.replace(before, quantization="int8")

    def test_quietly_and_without_labels(self, source, digits, tmp_path, capsys):
        report = quantize_onnx(source, tmp_path / "q.onnx", digits[0], verbose=0)
        assert report.accuracy is None
        assert "accuracy" not in str(report)
        assert not capsys.readouterr().out

    def test_a_graph_may_be_replaced(self, source, digits, tmp_path):
        path = tmp_path / "g.onnx"
        path.write_bytes(Path(source).read_bytes())
        report = quantize_onnx(path, path, digits[0], verbose=0)
        assert report.n_bytes == Path(source).stat().st_size
        assert report.n_bytes_int8 == path.stat().st_size < report.n_bytes

    def test_wrong_input(self, source, digits, tmp_path):
        X, y = digits
        with pytest.raises(ValueError, match=r"y must hold labels among \['four'|'one'.*got \[0\]"):
            quantize_onnx(source, tmp_path / "q.onnx", X, np.zeros(len(X), int))
        with pytest.raises(ValueError, match=r"one label a sample, of shape \(300,\); got \(2,\)"):
            quantize_onnx(source, tmp_path / "q.onnx", X, y[:2])
        with pytest.raises(ValueError, match="X has no samples"):
            quantize_onnx(source, tmp_path / "q.onnx", X[:0])
        with pytest.raises(ValueError, match="must have shape"):
            quantize_onnx(source, tmp_path / "q.onnx", X[:, :4])
        with pytest.raises(OSError, match="nowhere"):
            quantize_onnx(source, tmp_path / "nowhere" / "q.onnx", X, verbose=0)
        assert not list(tmp_path.iterdir())
