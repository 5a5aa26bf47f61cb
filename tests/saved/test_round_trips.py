"""Saved here, loaded in a new process that was started elsewhere: the same bits."""

import io
import pickle
import warnings
import zipfile
from importlib import import_module

import joblib
import numpy as np
import pytest
import skops.io as sio
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skprune import PrunedCNNClassifier, PruningAmountOptimizer, SOCPEnsemblePruner
from skprune.amount import AccuracyReward, PolynomialCurve, PruningReward
from skprune.ensemble import RandomCNNEnsembleClassifier
from skprune.sparsity import prune_channels
from skprune.utils import SAVED_TYPES

from .models import Saved
from .ways import (
    MEMBER_FILE,
    TREE,
    check_again_and_again,
    check_in_a_new_process,
    load,
    save,
    saved_by_all,
)


def test_in_a_new_process(trees, amounts, tmp_path):
    models = {**trees, **amounts}
    check_in_a_new_process(models, models, tmp_path)


def test_saved_again(trees, amounts):
    check_again_and_again({**trees, **amounts})


def test_compressed(trees, tmp_path):
    for name, saved in trees.items():
        joblib.dump(saved.estimator, tmp_path / name, compress=3)
        loaded = Saved(joblib.load(tmp_path / name), saved.X)
        np.testing.assert_array_equal(loaded.answer(), saved.answer())


# What stands in a file


def test_attributes_come_back(trees, amounts):
    warnings.simplefilter("ignore")  # the bootstrap of a curve through all points
    for saved in [*trees.values(), *amounts.values()]:
        for way, data in saved_by_all(saved.estimator).items():
            loaded = load(way, data)
            assert str(loaded) == str(saved.estimator)
            if hasattr(loaded, "explain"):
                assert str(loaded.explain()) == str(saved.estimator.explain())
                assert loaded.solution_.lam == saved.estimator.solution_.lam
                np.testing.assert_array_equal(loaded.support_, saved.estimator.support_)
            for attribute in ("temperature_", "intercept_"):
                values = [getattr(o, attribute, None) for o in (loaded, saved.estimator)]
                np.testing.assert_array_equal(*values)
            if hasattr(loaded, "bootstrap"):
                boots = [o.bootstrap(5, random_state=0) for o in (loaded, saved.estimator)]
                np.testing.assert_array_equal(boots[0].amounts, boots[1].amounts)


def pruner_of(n_trees, data):
    X, y = data
    rng = np.random.default_rng(0)
    members = []
    for i in range(n_trees):
        rows = rng.integers(len(X), size=len(X))
        members.append(
            (f"tree{i}", FrozenEstimator(DecisionTreeClassifier().fit(X[rows], y[rows])))
        )
    return members, SOCPEnsemblePruner(members, max_members=2, penalty="l0").fit(X, y)


def test_dropped_members_are_not_in_the_file():
    rng = np.random.default_rng(1)
    X, y = rng.random((2000, 5)), rng.integers(3, size=2000)
    members, pruner = pruner_of(12, (X, y))
    kept = sum(len(pickle.dumps(tree)) for tree in pruner.estimators_)
    assert kept > 100_000
    assert pruner.n_members_ == 2
    for way in ("joblib", "pickle"):
        assert len(save(way, pruner)) < kept + 20_000
    state = zipfile.ZipFile(io.BytesIO(save("skops", pruner))).read("schema.json")
    assert state.count(TREE.rpartition(".")[0].encode()) == 2
    assert all(hasattr(member.estimator, "tree_") for _, member in members)  # here they stay


# skops


@pytest.mark.keras
def test_every_type_to_trust_is_a_class_of_ours():
    import skprune  # noqa: F401

    assert len(set(SAVED_TYPES)) == len(SAVED_TYPES)
    for name in SAVED_TYPES:
        module, _, attribute = name.rpartition(".")
        found = getattr(import_module(module), attribute)
        assert isinstance(found, type)
        assert f"{found.__module__}.{found.__name__}" == name
    assert MEMBER_FILE not in SAVED_TYPES


def test_types_to_trust(trees, amounts):
    for name, saved in {**trees, **amounts}.items():
        unknown = set(sio.get_untrusted_types(data=sio.dumps(saved.estimator))) - set(SAVED_TYPES)
        assert unknown == ({TREE} if name in trees else set())


@pytest.mark.parametrize(
    "params",
    [
        {"random_state": np.random.default_rng(3)},
        {"random_state": np.random.RandomState(3)},
        {"bounds": (0.0, 0.5), "min_accuracy": np.float32(0.5), "n_restarts": np.int64(1)},
        {"accuracy_curve": DecisionTreeRegressor(), "time_curve": PolynomialCurve(4)},
        {"rewards": (AccuracyReward(weight=2.0), PruningReward())},
    ],
)
def test_parameters_that_skops_takes(params):
    optimizer = PruningAmountOptimizer(**params)
    loaded = sio.loads(sio.dumps(optimizer), trusted=SAVED_TYPES)
    if "random_state" in params:
        drawn = [o.random_state.uniform() for o in (loaded, optimizer)]
        assert drawn[0] == drawn[1]
    else:
        assert str(loaded) == str(optimizer)


def test_a_function_and_a_cache_are_to_be_trusted_by_name(tmp_path):
    inner = RandomCNNEnsembleClassifier(1, memory=joblib.Memory(str(tmp_path), verbose=0))
    data = sio.dumps(PrunedCNNClassifier(inner, method=prune_channels))
    function = "skprune.sparsity._channels.prune_channels"
    unknown = set(sio.get_untrusted_types(data=data)) - set(SAVED_TYPES)
    cache = {"joblib.memory.Memory", "joblib._store_backends.FileSystemStoreBackend"}
    assert unknown == {function} | cache
    loaded = sio.loads(data, trusted=[*SAVED_TYPES, *unknown])
    assert loaded.method is prune_channels
    assert loaded.estimator.memory.location == inner.memory.location


def test_the_names_of_columns_and_odd_classes_come_back():
    pd = pytest.importorskip("pandas")
    X, y = load_iris(return_X_y=True, as_frame=True)
    assert isinstance(X, pd.DataFrame)
    labels = {"numbers": y, "true": y > 0, "objects": y.map("abc".__getitem__)}
    for target in labels.values():
        forest = RandomForestClassifier(4, max_depth=2, random_state=0)
        pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, target)
        for way, data in saved_by_all(pruner).items():
            loaded = load(way, data)
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # of names that differ
                np.testing.assert_array_equal(loaded.predict(X), pruner.predict(X))
            assert loaded.classes_.dtype == pruner.classes_.dtype
            assert loaded.feature_names_in_.tolist() == pruner.feature_names_in_.tolist()


def test_an_unfitted_one_keeps_its_fitted_members():
    X, y = load_iris(return_X_y=True)
    forest = RandomForestClassifier(4, max_depth=2, random_state=0).fit(X, y)
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest))
    expected = Saved(clone(pruner).fit(X, y), X).answer()
    for way, data in saved_by_all(pruner).items():
        np.testing.assert_array_equal(load(way, data).fit(X, y).predict_proba(X), expected)
