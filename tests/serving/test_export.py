"""Exported graphs of members of scikit-learn's kinds: no TensorFlow is needed for these."""

import json
import os
import pickle
import subprocess
import sys
import tracemalloc
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris, make_classification, make_regression
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import skprune
from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)
from skprune.exceptions import (
    GraphFileError,
    SkpruneError,
    UnsupportedMemberError,
)
from skprune.serving import OnnxPredictor, export_onnx, fuse, quantize_onnx

X, Y = load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def pruner():
    forest = RandomForestClassifier(20, max_depth=3, random_state=0)
    return SOCPEnsemblePruner(forest, max_members=4, random_state=0).fit(X, Y)


@pytest.fixture(scope="module")
def log_pruner():
    forest = RandomForestClassifier(20, max_depth=3, random_state=0)
    return SOCPEnsemblePruner(
        forest, max_members=4, voting="log", fit_intercept=True, random_state=0
    ).fit(X, Y)


@pytest.fixture(scope="module")
def graph(pruner, tmp_path_factory):
    return export_onnx(pruner, tmp_path_factory.mktemp("graph") / "iris.onnx")


@pytest.fixture(scope="module")
def log_graph(log_pruner, tmp_path_factory):
    return export_onnx(log_pruner, tmp_path_factory.mktemp("graph") / "log.onnx")


def check(estimator, path, samples, **about):
    predictor = OnnxPredictor(export_onnx(estimator, path))
    np.testing.assert_allclose(
        predictor.predict_proba(samples), estimator.predict_proba(samples), atol=1e-5
    )
    members = estimator.member_predict_proba(samples)
    members = list(members.values()) if isinstance(members, dict) else members
    np.testing.assert_allclose(predictor.member_predict_proba(samples), members, atol=1e-5)
    np.testing.assert_array_equal(predictor.predict(samples), estimator.predict(samples))
    np.testing.assert_array_equal(predictor.classes_, estimator.classes_)
    assert predictor.classes_.dtype == estimator.classes_.dtype
    return predictor


OF_LOGARITHMS = [
    {"fit_intercept": False},
    {},
    {"voting": "soft", "calibrate": "temperature"},
]


class TestClassifiers:
    @pytest.mark.parametrize("params", [{"voting": "soft"}, {"voting": "hard"}, *OF_LOGARITHMS])
    def test_a_forest(self, tmp_path, params):
        forest = RandomForestClassifier(20, random_state=0)
        pruner = SOCPEnsemblePruner(forest, **params, random_state=0).fit(X, Y)
        predictor = check(pruner, tmp_path / "g.onnx", X)
        about = predictor.metadata_
        assert about.voting == pruner.voting
        assert about.temperature == pruner.temperature_
        assert (about.temperature != 1) == ("calibrate" in params)
        np.testing.assert_array_equal(about.intercept, getattr(pruner, "intercept_", None))
        assert about.estimator == "SOCPEnsemblePruner"
        assert about.version == skprune.__version__
        assert about.members == [f"member_{i}" for i in np.flatnonzero(pruner.support_)]
        np.testing.assert_allclose(about.weights, pruner.weights_[pruner.support_])

    @pytest.mark.parametrize(
        "labels", [np.array(["Ä b", "c", "d"]), np.array(["x", "y", "z"], dtype=object), [7, 9, 12]]
    )
    def test_labels_of_every_kind(self, tmp_path, labels):
        forest = ExtraTreesClassifier(8, max_depth=3, random_state=0)
        pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, np.asarray(labels)[Y])
        check(pruner, tmp_path / "g.onnx", X)

    @pytest.mark.parametrize("params", [{"voting": "soft"}, *OF_LOGARITHMS])
    def test_two_classes_that_are_booleans(self, tmp_path, params):
        forest = RandomForestClassifier(8, random_state=0)
        pruner = SOCPEnsemblePruner(forest, **params, random_state=0).fit(X, Y == 1)
        check(pruner, tmp_path / "g.onnx", X)

    @pytest.mark.parametrize("params", OF_LOGARITHMS[::2])
    def test_equal_votes_of_trees_stay_equal(self, tmp_path, params):
        """Among equals the first class wins, in the graph as in the estimator; 16 classes."""
        samples, y = make_classification(
            700, 8, n_informative=6, n_classes=16, n_clusters_per_class=1, flip_y=0.3,
            random_state=0,
        )  # fmt: skip
        samples = samples.astype(np.float32)
        pruner = SOCPEnsemblePruner(
            RandomForestClassifier(20, random_state=0),
            lam=0.0, reweight="equal", random_state=0, **params,
        ).fit(samples[:400], y[:400])  # fmt: skip
        best = np.sort(pruner.predict_log_proba(samples), axis=1)
        assert np.isclose(best[:, -1], best[:, -2], rtol=0, atol=1e-12).sum() > 30
        check(pruner, tmp_path / "g.onnx", samples)

    @pytest.mark.parametrize("params", OF_LOGARITHMS)
    def test_log_probabilities(self, tmp_path, params):
        forest = RandomForestClassifier(6, max_depth=4, random_state=0)
        pruner = SOCPEnsemblePruner(forest, random_state=0, **params).fit(X, Y)
        predictor = OnnxPredictor(export_onnx(pruner, tmp_path / "g.onnx"))
        found = predictor.predict_log_proba(X)
        np.testing.assert_allclose(found, pruner.predict_log_proba(X), atol=1e-4)

    def test_exponents_that_are_large(self, tmp_path, log_pruner):
        pruner = pickle.loads(pickle.dumps(log_pruner))
        pruner.weights_ *= 20 / pruner.weights_.sum()
        check(pruner, tmp_path / "g.onnx", X)

    def test_labels_that_cannot_be_written(self, tmp_path, pruner):
        pruner = pickle.loads(pickle.dumps(pruner))
        pruner.classes_ = np.array([(1,), (2,), (3,)], dtype=object)
        with pytest.raises(GraphFileError, match="Use integers, floats, booleans or strings"):
            export_onnx(pruner, tmp_path / "g.onnx")

    def test_members_of_many_kinds(self, tmp_path):
        members = [
            ("tree", DecisionTreeClassifier(max_depth=4, random_state=0)),
            ("forest", RandomForestClassifier(5, random_state=0)),
            ("logistic", LogisticRegression(max_iter=500)),
            ("scaled", make_pipeline(StandardScaler(), LogisticRegression())),
            ("naive", GaussianNB()),
            ("neighbours", KNeighborsClassifier()),
            ("network", MLPClassifier([8], max_iter=300, random_state=0)),
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = [(name, FrozenEstimator(m.fit(X, Y))) for name, m in members]
        # A weight for each.
        pruner = SOCPEnsemblePruner(fitted, lam=0.0, alpha=0.1, reweight=0.0).fit(X, Y)
        pruner.estimators_ = [m.estimator for _, m in fitted]
        pruner.support_, pruner.n_members_ = np.ones(7, bool), 7
        pruner.weights_ = np.full(7, 1 / 7)
        # Of two neighbours equally far away, single precision may choose the other.
        samples = np.random.default_rng(0).normal(X, 0.05).astype(np.float32)
        check(pruner, tmp_path / "g.onnx", samples)

    @pytest.mark.parametrize("params", [{"voting": "soft"}, *OF_LOGARITHMS])
    def test_members_that_lack_a_class(self, tmp_path, params):
        members = []
        for lacking in range(3):
            tree = DecisionTreeClassifier(max_depth=2, random_state=0)
            members.append(FrozenEstimator(tree.fit(X[lacking != Y], Y[lacking != Y])))
        named = [(f"without {i}", member) for i, member in enumerate(members)]
        pruner = SOCPEnsemblePruner(named, lam=0.0, **params).fit(X, Y)
        assert pruner.n_members_ > 1
        check(pruner, tmp_path / "g.onnx", X)

    def test_members_that_see_some_columns(self, tmp_path):
        bag = BaggingClassifier(
            DecisionTreeClassifier(max_depth=4), 12, max_features=0.6, random_state=0
        )
        samples, y = make_classification(300, 9, n_informative=5, n_classes=4, random_state=0)
        samples = samples.astype(np.float32)
        check(SOCPEnsemblePruner(bag, random_state=0).fit(samples, y), tmp_path / "g.onnx", samples)

    def test_the_tuned_one_of_a_data_frame(self, tmp_path):
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame(X.astype(np.float32), columns=list("abcd"))
        forest = RandomForestClassifier(10, max_depth=3, random_state=0)
        pruner = SOCPEnsemblePrunerCV(forest, alphas=[0.9], random_state=0).fit(frame, Y)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of names that are missing
            predictor = OnnxPredictor(export_onnx(pruner, tmp_path / "g.onnx"))
        np.testing.assert_allclose(
            predictor.predict_proba(frame), pruner.predict_proba(frame), atol=1e-5
        )
        assert list(predictor.feature_names_in_) == list("abcd")
        with pytest.raises(ValueError, match=r"columns of X must be those of fit.*\['a', 'b'"):
            predictor.predict(frame[list("badc")])
        assert predictor.predict(frame.to_numpy()).shape == (150,)

    def test_members_that_double_precision_decides(self, tmp_path):
        """On random samples nobody would notice; on samples as they come one does."""
        rng = np.random.default_rng(0)
        samples = np.column_stack([rng.normal(1.7e9, 1e4, 200), rng.normal(size=200)])
        y = samples[:, 0] + 1e4 * samples[:, 1] > 1.7e9
        members = [("lr", FrozenEstimator(
            make_pipeline(StandardScaler(), LogisticRegression()).fit(samples, y)))]  # fmt: skip
        pruner = SOCPEnsemblePruner(members).fit(samples, y)
        with pytest.raises(
            UnsupportedMemberError,
            match=r"member_0 \(Pipeline\) .* the samples .* scale the",
        ):
            export_onnx(pruner, tmp_path / "g.onnx", samples)
        assert not list(tmp_path.iterdir())
        export_onnx(pruner, tmp_path / "g.onnx", samples - [1.7e9, 0])

    @pytest.mark.parametrize("params", [{"voting": "soft"}, *OF_LOGARITHMS])
    def test_one_member(self, tmp_path, params):
        tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, Y)
        pruner = SOCPEnsemblePruner([("t", FrozenEstimator(tree))], **params).fit(X, Y)
        check(pruner, tmp_path / "g.onnx", X)

    def test_logarithms_enlarge_differences_of_members(self, tmp_path):
        """Rounding moves a probability near 0.001 by 1e-6, and the vote by up to 1e-3."""
        samples = np.random.default_rng(0).uniform(-0.2, 0.2, (60, 1))
        y = (samples[:, 0] > 0).astype(int)
        members = [LogisticRegression().fit(samples, y) for _ in range(2)]
        frozen = [(name, FrozenEstimator(m)) for name, m in zip("ab", members, strict=True)]
        pruner = SOCPEnsemblePruner(frozen, lam=0.0, voting="log").fit(samples, y)
        pruner.estimators_, pruner.support_ = members, np.ones(2, bool)
        pruner.n_members_, pruner.weights_ = 2, np.full(2, 2.0)
        samples += 2**16
        # One member gives about 0.998 to the first class, the other 0.998 to the second.
        members[1].coef_[:], members[1].intercept_[:] = 0, 6.5
        members[0].coef_[:], members[0].intercept_[:] = 0.1, -6.5 - 0.1 * 2**16
        path = export_onnx(pruner, tmp_path / "g.onnx", samples)
        vote = OnnxPredictor(path).predict_proba(samples)
        assert 1e-5 < np.abs(vote - pruner.predict_proba(samples)).max() < 1e-3
        members[0].coef_[:], members[0].intercept_[:] = 1, -6.5 - 2**16
        with pytest.raises(GraphFileError, match=r"logarithms of small .* enlarge"):
            export_onnx(pruner, tmp_path / "other.onnx", samples)
        assert [p.name for p in tmp_path.iterdir()] == ["g.onnx"]

    def test_the_same_bytes_every_time(self, tmp_path, pruner, graph):
        again = export_onnx(pruner, tmp_path / "again.onnx")
        assert Path(again).read_bytes() == Path(graph).read_bytes()


class TestRegressors:
    @pytest.mark.parametrize("n_targets", [1, 3])
    def test_a_forest(self, tmp_path, n_targets):
        samples, y = make_regression(200, 5, n_targets=n_targets, random_state=0)
        samples = samples.astype(np.float32)
        forest = RandomForestRegressor(20, max_depth=5, random_state=0)
        kind = SOCPEnsemblePrunerRegressor if n_targets == 3 else SOCPEnsemblePrunerRegressorCV
        pruner = kind(forest, random_state=0).fit(samples, y + 100)
        predictor = OnnxPredictor(export_onnx(pruner, tmp_path / "g.onnx"))
        expected = pruner.predict(samples)
        assert predictor.predict(samples).shape == expected.shape
        np.testing.assert_allclose(predictor.predict(samples), expected, rtol=1e-4)
        assert not hasattr(predictor, "classes_")
        for method in ("predict_proba", "member_predict_proba"):
            with pytest.raises(AttributeError, match=f"a regressor, .* and has no {method}"):
                getattr(predictor, method)(samples)
        with pytest.raises(TypeError, match="predicts numbers; fuse makes one model of classif"):
            fuse(pruner)
        with pytest.raises(GraphFileError, match="was a regressor"):
            quantize_onnx(predictor.path, tmp_path / "q.onnx", samples)

    def test_members_that_are_linear(self, tmp_path):
        samples, y = make_regression(100, 4, noise=10, random_state=0)
        members = [(str(i), FrozenEstimator(LinearRegression().fit(samples[i::3], y[i::3])))
                   for i in range(3)]  # fmt: skip
        pruner = SOCPEnsemblePrunerRegressor(members).fit(samples, y)
        predictor = OnnxPredictor(export_onnx(pruner, tmp_path / "g.onnx"))
        np.testing.assert_allclose(predictor.predict(samples), pruner.predict(samples), rtol=1e-3)


class Odd(ClassifierMixin, BaseEstimator):
    """A classifier that no converter knows."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


class TestWrongInput:
    def test_a_pruner_that_is_not_fitted(self, tmp_path):
        for function in (lambda p: export_onnx(p, tmp_path / "g.onnx"), fuse):
            with pytest.raises(NotFittedError):
                function(SOCPEnsemblePruner(RandomForestClassifier()))
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("given", [None, "pruner", 3, [], {}])
    def test_no_estimator(self, given, tmp_path):
        for function in (lambda p: export_onnx(p, tmp_path / "g.onnx"), fuse):
            message = f"estimator: a {type(given).__name__} cannot be made one graph of a vote"
            with pytest.raises(TypeError, match=message):
                function(given)
        assert not list(tmp_path.iterdir())

    def test_another_estimator(self, tmp_path):
        forest = RandomForestClassifier(3).fit(X, Y)
        with pytest.raises(TypeError, match=r"RandomForestClassifier cannot .* fit a SOCPEnsemble"):
            export_onnx(forest, tmp_path / "g.onnx")
        with pytest.raises(TypeError, match="SOCPEnsemblePruner is a class; give a fitted instan"):
            export_onnx(SOCPEnsemblePruner, tmp_path / "g.onnx")
        pipeline = make_pipeline(StandardScaler(), SOCPEnsemblePruner(forest))
        with pytest.raises(TypeError, match="give its last step, and put the transformers before"):
            export_onnx(pipeline, tmp_path / "g.onnx")
        search = GridSearchCV(SOCPEnsemblePruner(forest, random_state=0), {"lam": [0.1]}, cv=2)
        with pytest.raises(TypeError, match="give its best_estimator_"):
            export_onnx(search.fit(X, Y), tmp_path / "g.onnx")

    def test_members_without_a_converter_are_named(self, tmp_path):
        members = [("odd", FrozenEstimator(Odd().fit(X, Y))),
                   ("good", FrozenEstimator(GaussianNB().fit(X, Y)))]  # fmt: skip
        pruner = SOCPEnsemblePruner(members, lam=0.0).fit(X, Y)
        pruner.support_[:], pruner.n_members_ = True, 2
        pruner.weights_ = np.array([0.5, 0.5])
        pruner.estimators_ = [m.estimator for _, m in members]
        with pytest.raises(
            UnsupportedMemberError, match=r"member_0 \(Odd\) cannot be written as ONNX"
        ):
            export_onnx(pruner, tmp_path / "g.onnx")
        assert not list(tmp_path.iterdir())

    def test_fuse_is_for_networks(self, pruner):
        with pytest.raises(
            UnsupportedMemberError,
            match=r"\(DecisionTreeClassifier\) is not a neural .*export_onnx",
        ):
            fuse(pruner)

    def test_samples_that_are_no_rows(self, tmp_path):
        images = X.reshape(-1, 2, 2)
        odd = [("odd", FrozenEstimator(Odd().fit(images, Y)))]
        pruner = SOCPEnsemblePruner(odd).fit(images, Y)
        with pytest.raises(UnsupportedMemberError, match=r"have\s+shape \(2, 2\)"):
            export_onnx(pruner, tmp_path / "g.onnx")

    @pytest.mark.parametrize("where", ["nowhere/g.onnx", "."])
    def test_a_path_that_cannot_be_written(self, tmp_path, pruner, where, monkeypatch):
        from skprune.serving import _export

        monkeypatch.setattr(_export, "_graph", lambda *_: pytest.fail("there was work before"))
        with pytest.raises(OSError, match=r"nowhere|folder"):
            export_onnx(pruner, tmp_path / where)
        assert not list(tmp_path.iterdir())

    def test_a_disk_that_is_full(self, small_disk, pruner):
        with suppress(OSError), (small_disk / "other").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        with pytest.raises(OSError, match="space"):
            export_onnx(pruner, small_disk / "g.onnx")
        assert [p.name for p in small_disk.iterdir()] == ["other"]

    @pytest.mark.parametrize("of", ["pruner", "log_pruner"])
    def test_a_graph_that_differs_is_not_written(self, tmp_path, request, of):
        """A file that stands there stays as it was."""
        path = tmp_path / "g.onnx"
        path.write_bytes(b"before")
        wrong = pickle.loads(pickle.dumps(request.getfixturevalue(of)))
        proba = wrong.predict_proba
        wrong.predict_proba = lambda X: proba(X)[:, ::-1]
        with pytest.raises(GraphFileError, match=r"differs from that of SOCP.* its class"):
            export_onnx(wrong, path)
        assert path.read_bytes() == b"before"
        assert len(list(tmp_path.iterdir())) == 1

    def test_more_than_a_file_holds(self, tmp_path, pruner, monkeypatch):
        from skprune.serving import _export

        monkeypatch.setattr(_export, "_MOST_BYTES", 1000)
        with pytest.raises(GraphFileError, match=r"ends at 2 GiB.*max_members"):
            export_onnx(pruner, tmp_path / "g.onnx")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("module", ["onnx", "onnxruntime", "skl2onnx"])
    def test_a_package_that_is_missing(self, tmp_path, pruner, monkeypatch, module):
        for name in [m for m in sys.modules if m.partition(".")[0] == module]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ImportError, match=rf'{module} .*pip install "skprune\[onnx\]"'):
            export_onnx(pruner, tmp_path / "g.onnx")
        assert not list(tmp_path.iterdir())

    def test_a_predictor_without_its_runtime(self, graph, monkeypatch):
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(ImportError, match=r'onnxruntime .*pip install "skprune\[serve\]"'):
            OnnxPredictor(graph)


class TestPredictor:
    def test_samples_of_every_type(self, pruner, graph):
        predictor = OnnxPredictor(graph)
        whole = X.round()
        expected = pruner.predict(whole)
        for samples in (
            whole, whole.astype(np.float16), whole.astype(np.uint8), whole.astype(np.int64),
            whole.tolist(), np.asfortranarray(whole), whole.astype(object), whole[::-1][::-1],
        ):  # fmt: skip
            np.testing.assert_array_equal(predictor.predict(samples), expected)
        assert predictor.predict(X[:0]).shape == (0,)
        assert predictor.predict_proba(X[:0]).shape == (0, 3)

    def test_both_outputs_of_one_run(self, graph):
        predictor = OnnxPredictor(graph)
        vote, members = predictor.predict_proba(X, return_members=True)
        np.testing.assert_array_equal(vote, predictor.predict_proba(X))
        np.testing.assert_array_equal(members, predictor.member_predict_proba(X))

    def test_batches_give_the_same(self, graph):
        predictor = OnnxPredictor(graph)
        expected = predictor.predict_proba(X)
        object.__setattr__(predictor.metadata_, "batch_rows", 7)
        np.testing.assert_array_equal(predictor.predict_proba(X), expected)

    @pytest.mark.parametrize(
        ("samples", "error", "said"),
        [
            (X[:, :3], ValueError, r"must have shape \(n, 4\), or rows of 4 numbers; got \(150, 3"),
            (X[0], ValueError, r"got \(4,\).* X\[None\] for a single"),
            (X[None], ValueError, "got .1, 150, 4"),
            (np.where(X == 1.4, np.nan, X), ValueError, "NaN or infinity"),
            (np.where(X == 1.4, np.inf, X), ValueError, "NaN or infinity"),
            (np.where(X == 1.4, 1e60, X), ValueError, "beyond single precision"),
            ([["a"] * 4], TypeError, "must hold real numbers"),
            ([[10**400] * 4], TypeError, "must hold real numbers"),
            ([[1j] * 4], TypeError, "must hold real numbers"),
            ([["1"] * 4], TypeError, "must hold real numbers"),
            (np.full((2, 4), "2020-01-01", "M8[D]"), TypeError, "must hold real numbers"),
            (None, ValueError, r"got \(\)"),
        ],
    )
    def test_wrong_samples(self, graph, samples, error, said):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(error, match=said):
                OnnxPredictor(graph).predict(samples)

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="There is no graph at"):
            OnnxPredictor(tmp_path / "g.onnx")
        with pytest.raises(FileNotFoundError):
            OnnxPredictor(tmp_path)

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
    def test_a_file_that_is_cut(self, tmp_path, graph, share):
        text = Path(graph).read_bytes()
        path = tmp_path / "cut.onnx"
        path.write_bytes(text[: int(share * len(text))])
        with pytest.raises(GraphFileError, match=r"cut\.onnx"):
            OnnxPredictor(path)

    def test_a_graph_of_someone_else(self, tmp_path):
        node = helper.make_node("Identity", ["a"], ["b"])
        values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in "ab"]
        model = helper.make_model(
            helper.make_graph([node], "g", values[:1], values[1:]),
            opset_imports=[helper.make_opsetid("", 17)],
        )
        model.ir_version = 8
        onnx.save(model, tmp_path / "other.onnx")
        with pytest.raises(GraphFileError, match="not one that skprune"):
            OnnxPredictor(tmp_path / "other.onnx")

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda about: {**about, "format": 2, "version": "9.9"}, "format 2, .* skprune 9.9"),
            (lambda about: {**about, "format": "new"}, "skprune did not write"),
            (lambda about: {"format": 1}, "skprune did not write"),
            (lambda about: [], "skprune did not write"),
            (lambda about: {**about, "format": 1.9}, "skprune did not write"),
            (lambda about: {**about, "batch_rows": 0}, "batch_rows is 0"),
            (lambda about: {**about, "label_type": "nonsense"}, "skprune did not write"),
            (lambda about: {**about, "weights": []}, "members have 0 weights"),
            (lambda about: {**about, "sample_shape": [-1]}, "sample_shape is"),
            (lambda about: {**about, "labels": [0, 1], "intercept": None}, "of its 2 labels"),
            (lambda about: {**about, "labels": [0, 1]}, "2 labels have an intercept of 3"),
            (lambda about: {**about, "labels": [10**400, 1, 2]}, "labels are not"),
            (lambda about: {**about, "labels": [0.5, 1, 2]}, "labels are not"),
            (lambda about: {**about, "labels": ["a", 1, 2], "label_type": "O"}, "labels are not"),
            (lambda about: {**about, "labels": [[0], [1], [2]]}, "labels are not"),
            (lambda about: {**about, "labels": 3}, "labels is 3"),
            (lambda about: {**about, "label_type": "(1000,)<i8"}, "label type"),
            (lambda about: {**about, "label_type": "i8,i8"}, "label type"),
            (lambda about: {**about, "label_type": "3)"}, "label type"),
            (lambda about: {**about, "label_type": None}, "label type"),
            (lambda about: {**about, "label_type": "M8[s]"}, "label type"),
            (lambda about: {**about, "members": 4}, "members is 4"),
            (lambda about: {**about, "members": [*about["members"][1:], 3]}, "members is"),
            (lambda about: {**about, "weights": [float("nan")] * 4}, "weights is"),
            (lambda about: {**about, "weights": [10**400] * 4}, "weights is"),
            (lambda about: {**about, "sample_shape": 4}, "sample_shape is 4"),
            (lambda about: {**about, "sample_shape": [10**400]}, "input"),
            (lambda about: {**about, "sample_shape": [2, 2]}, "input"),
            (lambda about: {**about, "voting": []}, "voting is"),
            (lambda about: {**about, "version": {}}, "version is"),
            (lambda about: {**about, "feature_names": [["a"]]}, "feature_names is"),
            (lambda about: {**about, "quantization": 4}, "quantization is"),
            (lambda about: {**about, "flat": "no"}, "flat is"),
            (lambda about: {**about, "voting": None}, "voting is None"),
            (lambda about: {**about, "labels": None, "label_type": None}, "voting is 'log'"),
            (lambda about: {**about, "temperature": 2.0}, "temperature is 2.0"),
            (lambda about: {**about, "voting": "hard"}, "intercept is"),
            (lambda about: {**about, "intercept": [0.0, 0.0]}, "3 labels have an intercept of 2"),
            (lambda about: {**about, "intercept": []}, "3 labels have an intercept of 0"),
            (lambda about: {**about, "intercept": [0.0, 0.0, "0"]}, "intercept is"),
            (lambda about: {**about, "intercept": [0.0, 0.0, float("nan")]}, "intercept is"),
            (lambda about: {**about, "intercept": 0.0}, "intercept is 0.0"),
            *(
                (lambda about, t=t: {**about, "voting": "soft", "intercept": None,
                                     "temperature": t}, "temperature is")
                for t in (0.0, -1.0, float("nan"), float("inf"), "2", None, [], 1, True)
            ),
        ],
    )  # fmt: skip
    def test_another_format(self, tmp_path, log_graph, change, said):
        model = onnx.load(log_graph)
        about = json.loads(model.metadata_props[0].value)
        model.metadata_props[0].value = json.dumps(change(about))
        onnx.save(model, tmp_path / "g.onnx")
        with pytest.raises(GraphFileError, match=said):
            OnnxPredictor(tmp_path / "g.onnx")

    def test_labels_take_no_more_room_than_labels_need(self, tmp_path, graph):
        """Of a file of some kilobytes; as text they would take 11 GB."""
        model = onnx.load(graph)
        about = json.loads(model.metadata_props[0].value)
        many = [f"{k}" for k in range(10**5)]
        for labels, width in ((["a", "b", "c"], 10**8), (many, 999), ([many], 999)):
            change = {"labels": labels, "label_type": f"<U{width}"}
            model.metadata_props[0].value = json.dumps(about | change)
            onnx.save(model, tmp_path / "g.onnx")
            tracemalloc.start()
            with pytest.raises(GraphFileError, match="label"):
                OnnxPredictor(tmp_path / "g.onnx")
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 2**26

    def test_labels_that_are_too_wide_are_not_written(self, tmp_path):
        labels = np.array(["a" * 2000, "b", "c"])
        forest = RandomForestClassifier(4, max_depth=3, random_state=0)
        pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, labels[Y])
        with pytest.raises(GraphFileError, match="objects"):
            export_onnx(pruner, tmp_path / "g.onnx")
        pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, labels.astype(object)[Y])
        check(pruner, tmp_path / "g.onnx", X)

    @pytest.mark.parametrize(
        "text",
        [
            "[" * 100_000 + "]" * 100_000,
            '{"format": ' + "9" * 5000 + "}",
            '{"format": 1, "labels": ' + "[" * 500 + "]" * 500 + "}",
            "",
        ],
    )
    def test_metadata_that_is_no_json_of_ours(self, tmp_path, graph, text):
        model = onnx.load(graph)
        model.metadata_props[0].value = text
        onnx.save(model, tmp_path / "g.onnx")
        with pytest.raises(GraphFileError, match="skprune did not write"):
            OnnxPredictor(tmp_path / "g.onnx")

    @pytest.mark.parametrize("flips", [1, 4])
    def test_flipped_bytes(self, tmp_path, capfd, graph, flips):
        """Whatever is broken, the error is the library's own, and nothing is printed."""
        whole, rng = Path(graph).read_bytes(), np.random.default_rng(flips)
        path = tmp_path / "g.onnx"
        refused = 0
        for _ in range(200):
            broken = np.frombuffer(whole, np.uint8).copy()
            broken[rng.integers(len(whole), size=flips)] = rng.integers(256, size=flips)
            path.write_bytes(broken.tobytes())
            try:
                OnnxPredictor(path, n_threads=1).predict(X[:2])
            except GraphFileError:
                refused += 1
        assert refused > 100
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("n", [0, -1, 1.5, "2", True])
    def test_threads(self, graph, n):
        with pytest.raises(ValueError, match="n_threads must be a positive integer or None"):
            OnnxPredictor(graph, n_threads=n)
        assert OnnxPredictor(graph, n_threads=1).predict(X[:2]).shape == (2,)

    def test_it_can_be_sent_to_processes(self, pruner, graph):
        predictor = OnnxPredictor(graph, n_threads=1)
        twin = pickle.loads(pickle.dumps(predictor))
        np.testing.assert_array_equal(twin.predict_proba(X), predictor.predict_proba(X))
        assert repr(twin) == repr(predictor)
        assert f"{pruner.n_members_} members of SOCPEnsemblePruner" in repr(twin)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
    @pytest.mark.parametrize("n_threads", [None, 1, 3])
    def test_it_survives_a_fork(self, tmp_path, graph, n_threads):
        np.save(tmp_path / "X.npy", np.repeat(X, 100, axis=0))
        code = f"""
import os, signal
import numpy as np
from skprune.serving import OnnxPredictor
X = np.load("X.npy")
predictor = OnnxPredictor({str(graph)!r}, n_threads={n_threads})
expected = predictor.predict_proba(X)
pid = os.fork()
if not pid:
    signal.alarm(60)  # a child that waits for ever ends by this
    same = False
    try:
        same = (predictor.predict_proba(X) == expected).all()
    finally:
        os._exit(7 if same else 1)
print(os.waitpid(pid, 0)[1] // 256)
"""
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
        )
        assert done.stdout == "7\n", done.stderr

    def test_nothing_to_quantise(self, tmp_path, graph):
        with pytest.raises(GraphFileError, match="holds no network"):
            quantize_onnx(graph, tmp_path / "q.onnx", X)
        assert not list(tmp_path.iterdir())

    def test_the_errors_are_the_librarys_own(self):
        for error in (GraphFileError, UnsupportedMemberError):
            assert issubclass(error, SkpruneError)


def test_a_graph_runs_where_only_numpy_and_onnxruntime_are(tmp_path, pruner, graph):
    """An installation of its own, in which nothing else can be imported."""
    import importlib.metadata

    site = tmp_path / "site"
    site.mkdir()
    os.symlink(Path(skprune.__file__).parent, site / "skprune")
    for package in ("numpy", "onnxruntime", "flatbuffers", "packaging", "protobuf"):
        for file in importlib.metadata.files(package) or ():
            top = file.parts[0]
            if top != ".." and not (site / top).exists():
                os.symlink(file.locate().parents[len(file.parts) - 2] if len(file.parts) > 1
                           else file.locate(), site / top)  # fmt: skip
    np.save(tmp_path / "X.npy", X)
    code = f"""
import sys
sys.path.insert(0, {str(site)!r})
import numpy as np
from skprune.serving import OnnxPredictor
p = OnnxPredictor({str(graph)!r}).predict_proba(np.load("X.npy"))
np.save("p.npy", p)
print(*sorted({{m.partition(".")[0] for m in sys.modules}}))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert not {"sklearn", "scipy", "tensorflow", "keras", "onnx"} & set(done.stdout.split())
    np.testing.assert_allclose(np.load(tmp_path / "p.npy"), pruner.predict_proba(X), atol=1e-5)
