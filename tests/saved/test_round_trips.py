"""Saved here, loaded in a new process that was started elsewhere: the same bits."""

import copy
import io
import json
import os
import pickle
import subprocess
import sys
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
from skprune.utils import SAVED_TYPES, MemberFile

from .models import Saved, answer

TREE = "sklearn.tree._tree.Tree"

# Everything is loaded before anything predicts, and what has no member that is a CNN before
# what has one, whose class brings Keras along.
FRESH = """
import gc, json, pickle, sys, warnings
from pathlib import Path
import joblib, numpy as np, skops.io

warnings.simplefilter("error")
sys.modules["tests"] = None  # only what is installed may be needed
folder, free_of_keras, all_names = Path(sys.argv[1]), *map(json.loads, sys.argv[2:])
from skprune.utils import SAVED_TYPES


def loaded(name):
    yield "joblib", joblib.load(folder / f"{name}.joblib")
    yield "pickle", pickle.loads((folder / f"{name}.pickle").read_bytes())
    trusted = [*SAVED_TYPES, "sklearn.tree._tree.Tree"]
    yield "skops", skops.io.load(folder / f"{name}.skops", trusted=trusted)


heavy = {"keras", "scikeras", "tensorflow", "cvxpy", "matplotlib"}
found = {name: dict(loaded(name)) for name in free_of_keras}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
found |= {name: dict(loaded(name)) for name in all_names if name not in found}
if "keras" in sys.modules:
    import keras
    assert not any(isinstance(each, keras.Model) for each in gc.get_objects())
X, answers = np.load(folder / "X.npz"), {}
for name, ways in found.items():
    for way, estimator in ways.items():
        method = next(m for m in ("predict_proba", "predict", "transform") if hasattr(estimator, m))
        answers[f"{name}/{way}"] = getattr(estimator, method)(X[name])
np.savez(folder / "answers.npz", **answers)
"""


WAYS = ("joblib", "pickle", "skops")


def save(way, estimator):
    if way == "joblib":
        file = io.BytesIO()
        joblib.dump(estimator, file)
        return file.getvalue()
    return pickle.dumps(estimator) if way == "pickle" else sio.dumps(estimator)


def saved_by_all(estimator):
    return {way: save(way, estimator) for way in WAYS}


def load(way, data, trusted=(*SAVED_TYPES, TREE)):
    if way == "joblib":
        return joblib.load(io.BytesIO(data))
    return pickle.loads(data) if way == "pickle" else sio.loads(data, trusted=trusted)


def check_in_a_new_process(models, free_of_keras, tmp_path):
    files, elsewhere = tmp_path / "files", tmp_path / "elsewhere"
    files.mkdir()
    elsewhere.mkdir()
    for name, saved in models.items():
        for way, data in saved_by_all(saved.estimator).items():
            (files / f"{name}.{way}").write_bytes(data)
    np.savez(files / "X.npz", **{name: saved.X for name, saved in models.items()})
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    names = [json.dumps(sorted(n)) for n in (free_of_keras, models)]
    run = subprocess.run(
        [sys.executable, "-c", FRESH, files, *names],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert not list(elsewhere.iterdir())
    answers = np.load(files / "answers.npz")
    assert len(answers.files) == 3 * len(models)
    for key in answers.files:
        expected = models[key.split("/")[0]].answer()
        assert answers[key].dtype == expected.dtype
        np.testing.assert_array_equal(answers[key], expected, err_msg=key)


def test_without_networks(trees, amounts, tmp_path):
    models = {**trees, **amounts}
    check_in_a_new_process(models, models, tmp_path)


@pytest.mark.keras
def test_with_networks(networks, tmp_path):
    members = {"cnns", "member", "pruner_of_cnns"}
    check_in_a_new_process(networks, set(networks) - members, tmp_path)


def check_again_and_again(models):
    """What was loaded can be saved, cloned and copied as well as what was fitted."""
    for name, saved in models.items():
        expected = saved.answer()
        for way, data in saved_by_all(saved.estimator).items():
            estimator = load(way, data)
            again = load(way, save(way, estimator))
            copies = [again]
            if way == "pickle":  # what is copied is the same however it was saved
                copies += [copy.copy(again), copy.deepcopy(again)]
            for each in copies:
                np.testing.assert_array_equal(answer(each, saved.X), expected, err_msg=name)
                assert _kept(each) == _kept(estimator)
            used = load(way, save(way, again))  # now that it has predicted
            np.testing.assert_array_equal(answer(used, saved.X), expected, err_msg=name)
            assert _kept(used) == _kept(estimator)
            clone(used)


def _kept(estimator):
    """Names of attributes, but for what predictions leave behind."""
    return {name for name in vars(estimator) if not name.startswith(("_skprune_", "_shelf"))}


def test_saved_again_without_networks(trees, amounts):
    check_again_and_again({**trees, **amounts})


@pytest.mark.keras
def test_saved_again_with_networks(networks):
    check_again_and_again(networks)


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


@pytest.mark.keras
def test_no_optimizer_is_in_a_file(networks):
    from skprune.compression._kept_model import KeptModel

    member = copy.deepcopy(networks["member"].estimator)
    size = len(pickle.dumps(member))
    images = networks["member"].X[..., None]
    member.partial_fit(images, np.arange(len(images)) % 3)
    assert member.model_.optimizer is not None
    assert abs(len(pickle.dumps(member)) - size) < 100  # one more pass in its history
    pruned = pickle.loads(pickle.dumps(networks["pruned_cnn"].estimator))
    network, before = pruned.network_, len(pickle.dumps(pruned))
    network.compile("adam", "sparse_categorical_crossentropy")
    network.fit(networks["pruned_cnn"].X[..., None], np.arange(40) % 3, verbose=0)
    after = pickle.dumps(pruned)
    assert abs(len(after) - before) < 100
    kept = KeptModel(network).__getstate__()["_bytes"]
    assert b"optimizer" not in zipfile.ZipFile(io.BytesIO(kept)).read("model.weights.h5")
    assert network.optimizer is not None  # itself it is as it was
    # And it is the network as it is now that was saved.
    X = networks["pruned_cnn"].X
    assert not np.array_equal(answer(pruned, X), networks["pruned_cnn"].answer())
    np.testing.assert_array_equal(answer(pickle.loads(after), X), answer(pruned, X))


@pytest.mark.keras
def test_the_same_pickle_twice(networks):
    """Caches know an estimator by its pickle."""
    for name in ("member", "pruned_cnn", "compressor", "views", "pruned_views_nested"):
        estimator = networks[name].estimator
        assert joblib.hash(estimator) == joblib.hash(estimator)
    # What predictions leave behind, to be faster, is nobody else's.
    for saved in networks.values():
        before = saved.answer(), joblib.hash(saved.estimator)
        for _ in range(50):
            after = saved.answer()
        np.testing.assert_array_equal(after, before[0])
        assert joblib.hash(saved.estimator) == before[1]
    loaded = pickle.loads(pickle.dumps(networks["pruned_cnn"].estimator))
    unread = joblib.hash(loaded)
    loaded.predict(networks["pruned_cnn"].X)
    assert joblib.hash(loaded) == unread


@pytest.mark.keras
def test_weights_may_be_mapped_into_memory(networks, tmp_path):
    for name in ("pruner_of_cnns", "views", "pruned_views_nested"):
        joblib.dump(networks[name].estimator, tmp_path / name)
        mapped = joblib.load(tmp_path / name, mmap_mode="r")
        np.testing.assert_array_equal(answer(mapped, networks[name].X), networks[name].answer())


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
        assert not issubclass(found, MemberFile)


def test_types_to_trust(trees, amounts):
    for name, saved in {**trees, **amounts}.items():
        unknown = set(sio.get_untrusted_types(data=sio.dumps(saved.estimator))) - set(SAVED_TYPES)
        assert unknown == ({TREE} if name in trees else set())


@pytest.mark.keras
def test_types_to_trust_with_networks(networks):
    for saved in networks.values():
        data = sio.dumps(saved.estimator)
        assert set(sio.get_untrusted_types(data=data)) <= set(SAVED_TYPES)


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
