"""Rows that come in blocks, and predictions made elsewhere, give what one fit gives."""

import os
import pickle
import shutil
import weakref
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier, ExtraTreeRegressor

from skprune import SOCPEnsemblePruner, SOCPEnsemblePrunerRegressor
from skprune.exceptions import MemberFileError

from .by_hand import as_rows, pool, targets, told, told_numbers
from .conftest import ALL, CLASSIFIERS

pytestmark = [
    pytest.mark.filterwarnings("ignore:The cross-validated score of the selection"),
    pytest.mark.usefixtures("scratch"),
]

WAYS = ["forest", "list", "files"]


@pytest.fixture
def problem(data, tmp_path):
    """An ensemble in one of three guises, and calibration rows, for a pruner."""

    def made(cls, way):
        X, y = data[0], np.array(["ant", "bee", "cat"])[data[1]]
        forest, tree = RandomForestClassifier, ExtraTreeClassifier
        if "Regressor" in cls.__name__:
            X, y = make_regression(400, 12, noise=20, random_state=0)
            forest, tree = RandomForestRegressor, ExtraTreeRegressor
        train, rest = slice(0, 200), slice(200, 400)
        if way == "forest":
            fitted = forest(12, max_depth=4, random_state=0).fit(X[train], y[train])
            return FrozenEstimator(fitted), X[rest], y[rest]
        trees = [tree(max_depth=4, random_state=i).fit(X[train], y[train]) for i in range(12)]
        if way == "files":
            folder = tmp_path / cls.__name__
            folder.mkdir()
            files = [str(folder / f"{i}.joblib") for i in range(12)]
            for member, path in zip(trees, files, strict=True):
                joblib.dump(member, path)
            return files, X[rest], y[rest]
        return [(str(i), FrozenEstimator(t)) for i, t in enumerate(trees)], X[rest], y[rest]

    return made


def blocks(X, y, sizes, sample_weight=None):
    start = 0
    for n in sizes:
        part = slice(start, start + n)
        yield tuple(a[part] for a in (X, y, sample_weight) if a is not None)
        start += n
    assert start == len(X)


def the_same(found, expected, X):
    np.testing.assert_allclose(found.weights_, expected.weights_, atol=1e-6)
    np.testing.assert_array_equal(found.support_, expected.support_)
    np.testing.assert_allclose(found.frontier_.score, expected.frontier_.score, atol=1e-6)
    if hasattr(found, "classes_"):
        np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    else:
        np.testing.assert_allclose(found.predict(X), expected.predict(X), rtol=1e-6)
    for name in ("sample_shape_", "n_features_in_"):
        assert getattr(found, name) == getattr(expected, name)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("way", "sizes"),
    [*((way, [70, 1, 0, 99, 30]) for way in WAYS), ("list", [1] * 20 + [180])],
    ids=lambda value: f"{len(value)} blocks" if isinstance(value, list) else value,
)
@pytest.mark.parametrize(("cls", "params"), ALL)
def test_blocks_give_what_one_fit_gives(cls, params, way, sizes, weighted, problem):
    estimator, X, y = problem(cls, way)
    weight = np.random.default_rng(0).exponential(size=200) if weighted else None
    expected = cls(estimator, **params).fit(X, y, weight)
    assert expected.n_members_ < expected.n_members_in_
    found = cls(estimator, **params).fit_blocks(blocks(X, y, sizes, weight))
    the_same(found, expected, X)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("cls", "params"), CLASSIFIERS)
def test_a_class_that_only_a_late_block_has(cls, params, way, problem):
    estimator, X, y = problem(cls, way)
    order = np.argsort(y, kind="stable")
    X, y = X[order], y[order]
    found = cls(estimator, **params).fit_blocks(blocks(X, y, [40, 60, 100]))
    the_same(found, cls(estimator, **params).fit(X, y), X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_several_targets(dtype):
    P, y = targets(6, T=2)
    X = as_rows(P).astype(dtype)
    pruner = SOCPEnsemblePrunerRegressor(told_numbers(P))
    found = clone(pruner).fit_blocks(blocks(X, y, [50, 70]))
    the_same(found, pruner.fit(X, y), X)


def test_frames_lists_and_blocks_without_weight(problem):
    estimator, X, y = problem(SOCPEnsemblePruner, "list")
    expected, pruner = SOCPEnsemblePruner(estimator).fit(X, y), SOCPEnsemblePruner(estimator)
    lists = [(X[:90].tolist(), list(y[:90])), [X[90:].tolist(), list(y[90:])]]
    the_same(pruner.fit_blocks(lists), expected, X)
    frame = pd.DataFrame(X, columns=list("abcdefghijkl"))
    parts = [slice(0, 90), slice(90, 200)]
    pruner.fit_blocks((frame.iloc[part], pd.Series(y).iloc[part]) for part in parts)
    np.testing.assert_array_equal(pruner.feature_names_in_, list("abcdefghijkl"))
    np.testing.assert_allclose(pruner.weights_, expected.weights_)
    weight = np.repeat([0.0, 1.0], [80, 120])  # the first block is as good as absent
    found = SOCPEnsemblePruner(estimator).fit_blocks(blocks(X, y, [80, 120], weight))
    the_same(found, SOCPEnsemblePruner(estimator).fit(X[80:], y[80:]), X)


def test_costs_are_counted_and_timed(problem):
    estimator, X, y = problem(SOCPEnsemblePruner, "files")
    for costs in ("parameters", "latency"):
        pruner = SOCPEnsemblePruner(estimator, costs=costs).fit_blocks(blocks(X, y, [120, 80]))
        assert (pruner.explain().cost > 0).all()


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.coo_array, sparse.coo_matrix])
def test_sparse_blocks(form):
    rng = np.random.default_rng(0)
    X, y = np.maximum(rng.normal(size=(80, 5)), 0), np.arange(80) % 2
    trees = [
        (f"t{i}", FrozenEstimator(DecisionTreeClassifier(max_depth=2, random_state=i).fit(X, y)))
        for i in range(4)
    ]
    blocks = [(form(X[start : start + 30]), y[start : start + 30]) for start in (0, 30, 60)]
    found = SOCPEnsemblePruner(trees, costs="latency").fit_blocks(blocks)
    assert found.sample_shape_ == (5,)
    found, expected = SOCPEnsemblePruner(trees), SOCPEnsemblePruner(trees).fit(X, y)
    np.testing.assert_allclose(found.fit_blocks(blocks).weights_, expected.weights_, atol=1e-12)


def test_only_rows_to_time_members_on_are_kept_of_a_block():
    P, y = pool(4, N=90)
    X, arrays = as_rows(P), []

    def blocks():
        for start in (0, 30, 60):
            block = X[start : start + 30].copy()
            arrays.append(weakref.ref(block))
            yield block, y[start : start + 30]
            assert arrays[0]() is None or len(arrays) == 1

    SOCPEnsemblePruner(told(P)).fit_blocks(blocks())


ONE = r"; the blocks before it have .* "


class TestWrongBlocks:
    @pytest.mark.parametrize(
        ("made", "match"),
        [
            (lambda X, y: [], "blocks hold 0 samples"),
            (lambda X, y: [(X[:0], y[:0])], "blocks hold 0 samples"),
            (lambda X, y: iter(()), "An iterator that was read before is empty"),
            (lambda X, y: None, "blocks must be an iterable of .*got NoneType"),
            (lambda X, y: [(X, y, 2.0)], "Block 0: "),
            (lambda X, y: (X, y), r"\(X, y, sample_weight\); block 0 is ndarray"),
            (lambda X, y: [(X, y), X], "block 1 is ndarray"),
            (lambda X, y: [(X,)], "block 0 is tuple"),
            (lambda X, y: [(X, y[:-1])], "inconsistent numbers of samples"),
            (lambda X, y: [(X, y, np.ones(3))], "inconsistent numbers of samples"),
            (lambda X, y: [(X, y), (X[:, :5], y)], "Block 1: X has 5 features.*12"),
            (lambda X, y: [(X, y), (X, y, np.ones(200))], f" a sample_weight{ONE}no sample_weight"),
            (lambda X, y: [(X, y, np.ones(200)), (X, y)], f" no sample_weight{ONE}a sample_weight"),
            (lambda X, y: [(X, y, -np.ones(200))], "Block 0: Negative values"),
            (lambda X, y: [(X, y, np.zeros(200))], "zero for all calibration samples"),
            (lambda X, y: [(X, y), (X[:1], ["dog"])], r"Block 1: .* do not know: \['dog'\]"),
            (lambda X, y: [(X, np.full(200, "ant"))] * 2, "y has one class only"),
        ],
    )
    def test_are_named(self, made, match, problem):
        estimator, X, y = problem(SOCPEnsemblePruner, "list")
        pruner = SOCPEnsemblePruner(estimator)
        with pytest.raises((TypeError, ValueError), match=match):
            pruner.fit_blocks(made(X, y))
        with pytest.raises(NotFittedError):
            pruner.predict(X)

    def test_other_targets(self):
        P, y = targets(6, T=2)
        X = as_rows(P)
        pruner = SOCPEnsemblePrunerRegressor(told_numbers(P))
        with pytest.raises(ValueError, match=r"Block 1 has .*targets of shape \(\) .*shape \(2,\)"):
            pruner.fit_blocks([(X, y), (X, y[:, 0])])

    @pytest.mark.parametrize("way", WAYS)
    def test_a_disk_without_room(self, way, problem, monkeypatch):
        estimator, X, y = problem(SOCPEnsemblePruner, way)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
        with pytest.raises(OSError, match=r"12 members for .*JOBLIB_TEMP_FOLDER"):
            SOCPEnsemblePruner(estimator).fit_blocks([(X, y)])

    def test_a_file_that_is_broken_between_blocks(self, problem):
        estimator, X, y = problem(SOCPEnsemblePruner, "files")

        def interrupted():
            yield X[:100], y[:100]
            os.unlink(estimator[5])
            yield X[100:], y[100:]

        with pytest.raises(MemberFileError, match=r"member 5: '.*5.joblib' does not exist"):
            SOCPEnsemblePruner(estimator).fit_blocks(interrupted())


@pytest.mark.parametrize("method", ["fit_blocks", "fit_predictions"])
@pytest.mark.parametrize(("cls", "params"), ALL)
def test_fitted_members_only(cls, params, method, problem):
    estimator, X, y = problem(cls, "list")

    def fit(pruner, X, y):
        given = [iter([(X, y)])] if method == "fit_blocks" else [np.zeros((2, len(y), 3)), y]
        try:
            getattr(pruner, method)(*given)
        finally:  # no block is read before that is known
            assert method != "fit_blocks" or len(X) == 1 or len(list(given[0])) == 1

    ensemble = RandomForestRegressor if "Regressor" in cls.__name__ else RandomForestClassifier
    with pytest.raises(ValueError, match=f"{method} takes fitted members only, and cv='auto'"):
        fit(cls(ensemble(), **params), X, y)
    with pytest.raises(ValueError, match="needs fitted members, and 'estimator' is not"):
        fit(cls(ensemble(), cv="prefit", **params), X, y)
    pruner = cls(estimator, **params).fit(X, y)  # an earlier fit does not count
    with pytest.raises((ValueError, TypeError)):
        fit(pruner, X[:1, :5], y[:0])
    with pytest.raises(NotFittedError):
        pruner.predict(X)


def predictions(estimator, X, y):
    members = [m.estimator for _, m in estimator]
    if hasattr(members[0], "classes_"):
        return np.array([m.predict_proba(X) for m in members])
    return np.array([m.predict(X) for m in members])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("cls", "params"), ALL)
def test_predictions_give_what_their_members_give(cls, params, weighted, problem):
    """Those of targets have no axis for a single one; test_predictions.py has other arrays."""
    estimator, X, y = problem(cls, "list")
    weight = np.random.default_rng(0).integers(0, 3, 200).astype(float) if weighted else None
    expected = cls(estimator, **params).fit(X, y, weight)
    found = cls(estimator, **params).fit_predictions(predictions(estimator, X, y), y, weight)
    np.testing.assert_allclose(found.weights_, expected.weights_, atol=1e-12)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    assert found.sample_shape_ is None
    assert not hasattr(found, "n_features_in_")
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.predict(X), expected.predict(X))


def test_files_are_loaded_for_their_classes_and_where_they_are_kept(problem):
    estimator, X, y = problem(SOCPEnsemblePruner, "files")
    P = np.array([joblib.load(path).predict_proba(X) for path in estimator])
    expected = SOCPEnsemblePruner(estimator).fit(X, y)
    dropped = np.flatnonzero(~expected.support_)
    for i in dropped[dropped > 0]:
        with open(estimator[i], "w") as file:
            file.write("this is not read")
    found = SOCPEnsemblePruner(estimator).fit_predictions(P, y)
    np.testing.assert_allclose(found.weights_, expected.weights_, atol=1e-5)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))


class TestWrongPredictions:
    P, y = pool(5, N=60)

    @pytest.mark.parametrize(
        ("changed", "match"),
        [
            ({"P": P[:4]}, r"P has 4 members where there are 5 \(axis 0 .*\(5, 60, 3\)"),
            ({"P": P[:, :59]}, r"P has 59 samples where there are 60 .*\(5, 60, 3\)"),
            ({"P": P[:, :, :2]}, r"P has 2 outputs where there are 3 .*classes \[0 1 2\]"),
            ({"P": P[0]}, r"P has 2 dimensions and shape \(60, 3\).*n_samples, 3\)"),
            ({"P": P.astype(str)}, "P must hold real numbers; got <U"),
            ({"P": P.transpose(1, 0, 2)}, "P has 60 members where there are 5"),
            ({"P": 3 * P}, "must sum to one: those of member 0"),
            ({"P": np.where(P > 0.9, np.nan, P)}, "NaN or infinite"),
            ({"P": None}, "P "),
            ({"y": y[:0]}, "y has 0 samples"),
            ({"y": np.zeros(60, int)}, "one class only"),
            ({"y": np.where(y == 2, 3, y)}, r"do not know: \[3\]"),
            ({"y": y[:50]}, "P has 60 samples where there are 50"),
            ({"sample_weight": np.ones(59)}, "[Ww]eight"),
            ({"sample_weight": -np.ones(60)}, "[Ww]eight"),
            ({"sample_weight": np.zeros(60)}, "[Ww]eight"),
        ],
    )
    def test_are_named(self, changed, match):
        with pytest.raises((ValueError, TypeError), match=match):
            SOCPEnsemblePruner(told(self.P)).fit_predictions(
                **({"P": self.P, "y": self.y} | changed)
            )

    def test_of_regressors(self):
        P, y = targets(5, N=60, T=2)
        pruner = SOCPEnsemblePrunerRegressor(told_numbers(P))
        with pytest.raises(ValueError, match=r"P has 2 dimensions .*n_samples, 2\)"):
            pruner.fit_predictions(P[:, :, 0], y)
        with pytest.raises(ValueError, match="P has 2 outputs where there are 1"):
            SOCPEnsemblePrunerRegressor(told_numbers(P[:, :, :1])).fit_predictions(P, y[:, 0])
        P[3, 5, 1] = np.inf
        with pytest.raises(ValueError, match="P has NaN or infinite predictions: member 'm3'"):
            pruner.fit_predictions(P, y)

    def test_rows_to_time_members_on(self):
        pruner = SOCPEnsemblePruner(told(self.P), costs="latency")
        with pytest.raises(ValueError, match="costs='latency' is measured on rows"):
            pruner.fit_predictions(self.P, self.y)
