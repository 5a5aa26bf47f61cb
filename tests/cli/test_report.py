"""``skprune report`` says what the attributes of a saved estimator say."""

import json
import pickle
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skprune import (
    PruningAmountOptimizer,
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
)
from skprune.inspection import pruning_report
from tests.amount import notebook

SAVED = Path(__file__).parents[1] / "saved" / "format_1"


@pytest.fixture
def saved(tmp_path):
    """Path of a saved object."""

    def write(thing, name="model.joblib", **options):
        path = tmp_path / name
        joblib.dump(thing, path, **options)
        return path

    return write


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X, np.array(["setosa", "versicolor", "virginica"])[y]


@pytest.fixture(scope="module")
def forest(iris):
    X, y = iris
    return RandomForestClassifier(8, max_depth=2, random_state=0).fit(X[::2], y[::2])


@pytest.fixture(scope="module")
def pruner(iris, forest):
    X, y = iris
    return SOCPEnsemblePruner(FrozenEstimator(forest), max_members=3, costs=[1] * 8).fit(X, y)


@pytest.fixture
def data(tmp_path, iris):
    path = tmp_path / "data.npz"
    np.savez(path, X=iris[0][1::2], y=iris[1][1::2])
    return path


def test_a_pruner(skprune, saved, pruner):
    path = saved(pruner, compress=3)
    said = skprune("report", path)
    assert (said.code, said.err) == (0, "")
    assert "3 of 8 members kept" in said.out
    assert "max_members 3" in said.out
    assert str(pruning_report(pruner)) in said.out
    assert str(pruner.explain()) in said.out
    found = json.loads(skprune("report", path, "--format", "json").out)
    assert found["model"]["kind"] == "SOCPEnsemblePruner"
    assert found["kept"]["classes"] == pruner.classes_.tolist()
    assert found["kept"]["parameters_of_kept_members"] > 0
    weights = [row["weight"] for row in found["explained"]]
    np.testing.assert_allclose(weights, pruner.weights_)
    assert found["tables"]["pruned_score"] == pruner.frontier_.pruned_score
    assert found["settings"]["alpha"] == 1
    assert found["settings"]["reweight"] == 0.5


@pytest.mark.parametrize(
    ("params", "settings", "vote"),
    [
        (
            {},
            "alpha 1, lam 0.05, threshold 0, reweight 0.5, penalty l1, voting log, ",
            "exponents w",
        ),
        ({"voting": "soft"}, "alpha 0.9, lam 0.05, threshold 0, reweight 0.5, ", None),
        ({"voting": "hard"}, "voting hard, ", None),
        (
            {"voting": "soft", "calibrate": "temperature"},
            "voting soft, diversity shannon, calibrate temperature",
            "temperature {:.4g}: probabilities are in proportion to max(vote, 0.001) ** ",
        ),
        ({"fit_intercept": False}, "alpha 1, ", "weights are exponents w: "),
        ({}, "fit_intercept True", "each class: setosa "),
    ],
    ids=str,
)
def test_every_way_to_vote(params, settings, vote, skprune, saved, forest, iris, data):
    X, y = iris
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest), **params).fit(X, y)
    path, full = saved(pruner), saved(forest, "forest.joblib")
    command = ["report", path, "--data", data, "--ensemble", full]
    text = skprune(*command).out
    assert settings in text
    if vote is None:
        assert "probabilities are" not in text
    else:
        assert vote.format(pruner.temperature_) in text
    found = json.loads(skprune(*command, "--format", "json").out)
    assert found["settings"]["alpha"] == pruner.alpha_
    assert found["vote"]["temperature"] == pruner.temperature_
    assert (found["vote"]["weights_are"] == "exponents") == (pruner.voting == "log")
    if pruner.voting == "log" and pruner.fit_intercept:
        assert list(found["vote"]["biases"].values()) == pruner.intercept_.tolist()
    X_test, y_test = iris[0][1::2], iris[1][1::2]
    loss = log_loss(y_test, pruner.predict_proba(X_test))
    assert found["tables"]["pruned_log_loss"] == pytest.approx(loss)
    assert "Test calibration error" in text


def test_on_other_samples(skprune, saved, pruner, forest, iris, data):
    X, y = iris[0][1::2], iris[1][1::2]
    path = saved(pruner)
    said = skprune("report", path, "--data", data)
    assert (said.code, said.err) == (0, "")
    found = json.loads(skprune("report", path, "--data", data, "--format", "json").out)
    assert found["test"]["accuracy_of_the_kept_members"] == pruner.score(X, y)
    assert found["test"]["worst_of_them_alone"] == pruner.member_scores(X, y).min()
    assert found["tables"]["sample"] == "calibration"
    full = saved(forest, "forest.joblib")
    said = skprune("report", path, "--data", data, "--ensemble", full)
    assert (said.code, said.err) == (0, "")
    assert str(pruning_report(pruner, X, y, ensemble=forest)) in said.out


def test_within_searches_and_pipelines(skprune, saved, iris, forest, data):
    X, y = iris
    pipeline = make_pipeline(StandardScaler(), SOCPEnsemblePruner(forest, random_state=0))
    search = GridSearchCV(pipeline, {"socpensemblepruner__alpha": [0.8, 0.9]}, cv=2).fit(X, y)
    found = json.loads(skprune("report", saved(search), "--data", data, "--format", "json").out)
    assert found["model"]["within"] == ["GridSearchCV", "Pipeline"]
    assert found["model"]["best_params"] == search.best_params_
    score = search.score(X[1::2], y[1::2])
    assert found["test"]["accuracy_of_the_kept_members"] == score
    text = skprune("report", saved(search)).out
    assert "SOCPEnsemblePruner, in Pipeline in GridSearchCV" in text
    assert "chosen by the search: socpensemblepruner__alpha" in text


def test_tuned_pruners_and_regressors(skprune, saved, iris, forest):
    X, y = iris
    tuned = SOCPEnsemblePrunerCV(FrozenEstimator(forest), alphas=[0.9], inner_cv=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = saved(tuned.fit(X, y))
    found = json.loads(skprune("report", path, "--format", "json").out)
    scores = found["cross_validation"]
    assert scores["chosen_members_and_the_choice"] == tuned.nested_score_
    assert found["settings"]["lam"] == tuned.lam_
    trees = RandomForestRegressor(6, max_depth=2, random_state=0)
    regressor = SOCPEnsemblePrunerRegressor(trees, random_state=0).fit(X[:, :3], X[:, 3])
    assert "Calibration R^2" in skprune("report", saved(regressor)).out


def test_an_optimizer_of_amounts(skprune, saved, data):
    p = np.linspace(0, 1, 11)
    optimizer = PruningAmountOptimizer(min_accuracy=80, max_size=300, random_state=0)
    path = saved(optimizer.fit(p[:, None], notebook.measured(p)))
    said = skprune("report", path)
    assert (said.code, said.err) == (0, "")
    assert "prune 0.4434 of the network: all limits are met" in said.out
    why = skprune("report", path, "--data", data).refused("report")
    assert "predicts no samples; leave --data out" in why
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"p": p})
    named = PruningAmountOptimizer(random_state=0).fit(frame, notebook.accuracy(p))
    found = json.loads(skprune("report", saved(named), "--format", "json").out)
    assert list(found["best"]["amount"]) == ["p"]


@pytest.mark.keras
def test_networks(skprune, saved, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other versions than they were saved with
        networks = joblib.load(SAVED / "networks.joblib")
    known = np.load(SAVED / "known.npz")
    kept = {
        "pruned_cnn": ("cut", lambda each: {"amount": each.amount_}),
        "compressor": ("kept", lambda each: {"kept": each.n_members_}),
        "pruned_views_nested": ("kept", lambda each: {"kept": int((each.amounts_ < 1).sum())}),
        "pruner_of_cnns": ("kept", lambda each: {"kept": each.n_members_}),
    }
    for name, (key, expected) in kept.items():
        estimator = networks[name]
        X, answer = known[f"{name}.X"], known[f"{name}.answer"]
        data = tmp_path / f"{name}.npz"
        np.savez(data, X=X, y=estimator.classes_[answer.argmax(axis=1)])
        path = saved(estimator, f"{name}.joblib")
        said = skprune("report", path, "--data", data, "--format", "json")
        assert said.code == 0, said.err
        found = json.loads(said.out)
        assert found[key].items() >= expected(estimator).items()
        scored = found["test"]
        assert scored.get("score", scored.get("accuracy_of_the_kept_members")) == 1
        if "delivery" in found:
            delivered = [r for r in found["delivery"] if r["measured"] == "delivered"]
            assert delivered[0]["size"] == estimator.delivered_.size
        text = skprune("report", path).out
        assert text.startswith(f"{name}.joblib: {type(estimator).__name__}\n")
    assert (
        str(networks["compressor"].report_) in skprune("report", tmp_path / "compressor.joblib").out
    )
    why = skprune("report", saved(networks["cnns"])).refused("report")
    assert "it holds a RandomCNNEnsembleClassifier, which has nothing pruned" in why


class Needy:
    def __reduce__(self):
        return __import__, ("a_package_that_is_nowhere",)


def test_files_that_are_no_models(skprune, saved, pool, pruner, tmp_path):
    whole = saved(pruner).read_bytes()
    text, short, empty = (tmp_path / name for name in ("a.txt", "short.joblib", "empty.joblib"))
    text.write_text("hello\n")
    short.write_bytes(whole[: len(whole) // 2])
    empty.write_bytes(b"")
    for path, reason in [
        (tmp_path / "none.joblib", "there is no such file"),
        (tmp_path, "that is a folder"),
        (empty, "it is empty. Write it with joblib.dump"),
        (text, "it is not what joblib.dump writes, or is damaged or cut short"),
        (short, "it is not what joblib.dump writes, or is damaged or cut short"),
        (pool(), "it is a zip archive, such as .npz, .skops, .keras or .xlsx, not a joblib file"),
        (saved({"a": 1}, "dict"), "it holds a dict, which has nothing pruned"),
        (saved(RandomForestClassifier(), "forest"), "it holds a RandomForestClassifier"),
        (saved(SOCPEnsemblePruner(None), "new"), "SOCPEnsemblePruner in it is not fitted"),
        (saved(GridSearchCV(pruner, {"alpha": [1]}), "gs"), "GridSearchCV in it is not fitted"),
    ]:
        why = skprune("report", path).refused("report")
        assert f"{path}: " in why
        assert reason in why
    (tmp_path / "needy").write_bytes(pickle.dumps(Needy()))
    why = skprune("report", tmp_path / "needy").refused("report", code=1)
    assert "a_package_that_is_nowhere" in why


def test_a_later_format(skprune, tmp_path, pruner):
    from skprune.utils import _estimator

    with pytest.MonkeyPatch.context() as later:
        later.setattr(_estimator, "FORMAT", 99)
        _estimator._this_release.cache_clear()
        (tmp_path / "later.joblib").write_bytes(pickle.dumps(pruner))
    _estimator._this_release.cache_clear()
    why = skprune("report", tmp_path / "later.joblib").refused("report")
    assert "has format 99" in why


def test_a_search_without_refit(skprune, saved, iris, forest):
    X, y = iris
    search = GridSearchCV(SOCPEnsemblePruner(forest), {"alpha": [0.9]}, cv=2, refit=False)
    why = skprune("report", saved(search.fit(X, y))).refused("report")
    assert "the GridSearchCV has refit=False, and holds no fitted estimator" in why


def test_wrong_data(skprune, saved, pruner, forest, iris, tmp_path, data):
    path, wrong = saved(pruner), tmp_path / "wrong.npz"
    X, y = iris
    for arrays, reason in [
        ({"X": X}, "it lacks the key y"),
        ({"X": X, "y": y[1:]}, "X must have shape (samples, ...) and y (samples,)"),
        ({"X": X[:, 0], "y": y}, "X must have shape (samples, ...)"),
        ({"X": X[:, 1:], "y": y}, "X has 3 features"),
        ({"X": X, "y": np.arange(len(y))}, "y has classes that the fitted members do not know"),
        ({"X": X[:0], "y": y[:0]}, "with at least one sample"),
    ]:
        np.savez(wrong, **arrays)
        why = skprune("report", path, "--data", wrong).refused("report")
        assert str(wrong) in why
        assert reason in why
    full = saved(forest, "forest.joblib")
    assert "give --data too" in skprune("report", path, "--ensemble", full).refused("report")
    other = saved(RandomForestClassifier(3).fit(X, y), "other.joblib")
    why = skprune("report", path, "--data", data, "--ensemble", other).refused("report")
    assert "it is not the ensemble that was pruned" in why
    new = saved(RandomForestClassifier(3), "new.joblib")
    why = skprune("report", path, "--data", data, "--ensemble", new).refused("report")
    assert "it must hold the fitted full ensemble" in why


def test_what_a_file_prints_is_no_result(skprune, tmp_path, pruner):
    (tmp_path / "loud.joblib").write_bytes(pickle.dumps(Loud(pruner)))
    said = skprune("report", tmp_path / "loud.joblib")
    assert said.code == 0
    assert said.out.startswith("loud.joblib: SOCPEnsemblePruner")
    assert said.err == "here I am\n"


class Loud:
    def __init__(self, thing):
        self.thing = thing

    def __reduce__(self):
        return _loudly, (self.thing,)


def _loudly(thing):
    print("here I am")
    return thing
