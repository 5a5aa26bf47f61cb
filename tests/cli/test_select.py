"""``skprune select`` chooses as the pruner does that holds the models."""

import csv
import json
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss, r2_score, root_mean_squared_error

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)


def weights_in(text):
    rows = list(csv.DictReader(StringIO(text)))
    return np.array([float(row["weight"]) for row in rows]), rows


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"alpha": 0.5, "lam": 0.3, "reweight": "relaxed"},
        {"threshold": 0.1, "penalty": "l0", "max_members": 4},
        {"voting": "hard", "reweight": "none", "threshold": 0.2},
    ],
)
def test_weights_are_those_of_the_pruner_with_the_models(params, skprune, pool, digits):
    forest, X, y = digits
    options = [each for name, v in params.items() for each in (f"--{name.replace('_', '-')}", v)]
    said = skprune("select", pool(), "--format", "csv", *options)
    assert said.code == 0, said.err
    weights, rows = weights_in(said.out)
    params = {"voting": "soft"} | params
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest), **params).fit(X, y)
    np.testing.assert_allclose(weights, pruner.weights_, atol=1e-12)
    assert [row["kept"] == "1" for row in rows] == pruner.support_.tolist()


WORDS = np.array(["nil", "one", "two", "tre"])
WAYS = {
    "temperature": (
        ["--calibrate", "temperature"],
        {"voting": "soft", "calibrate": "temperature"},
    ),
    "log": (["--voting", "log", "--no-intercept"], {"fit_intercept": False}),
    "bias": (["--voting", "log"], {}),
}


@pytest.mark.parametrize("way", WAYS)
def test_probabilities_from_the_table_are_those_of_the_pruner(way, skprune, pool, P, digits):
    forest, X, y = digits
    options, params = WAYS[way]
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest), max_members=6, **params).fit(X, y)
    command = ["select", pool(classes=WORDS), "--max-members", 6, *options]
    rows = list(csv.DictReader(StringIO(skprune(*command, "--format", "csv").out)))
    if way == "temperature":
        assert {float(row["temperature"]) for row in rows} == {pruner.temperature_}
        vote = np.tensordot([float(row["weight"]) for row in rows], P, 1)
        logs = np.log(np.maximum(vote, 0.001)) / float(rows[0]["temperature"])
    else:
        assert "weight" not in rows[0]
        exponents = [float(row["exponent"]) for row in rows]
        logs = np.tensordot(exponents, np.log(np.maximum(P, 0.001)), 1)
        biases = {name: value for name, value in rows[0].items() if name.startswith("bias_")}
        assert list(biases) == ([f"bias_{word}" for word in WORDS] if way == "bias" else [])
        logs += [float(value) for value in biases.values()] or 0
    proba = np.exp(logs)
    proba /= proba.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(proba, pruner.predict_proba(X), atol=1e-12)

    found = json.loads(skprune(*command, "--format", "json").out)
    assert found["settings"]["alpha"] == pruner.alpha_ == (0.9 if way == "temperature" else 1)
    assert found["settings"]["calibrate"] == pruner.calibrate
    assert found["settings"]["fit_intercept"] == (way == "bias")
    assert found["vote"] == {
        "weights_are": "shares" if way == "temperature" else "exponents",
        "temperature": pruner.temperature_,
        "biases": dict(zip(WORDS, pruner.intercept_, strict=True)) if way == "bias" else None,
    }
    text = skprune(*command).out
    if way == "temperature":
        assert ", voting soft, calibrate temperature\n" in text
        assert f"temperature {pruner.temperature_:.4g}: probabilities are in" in text
    else:
        assert "alpha 1, " in text
        assert "weights are exponents w: probabilities are in proportion to the product of" in text
        assert "member  exponent  accuracy" in text
        assert ("\nbias of each class: nil " in text) == (way == "bias")


@pytest.mark.parametrize("options", [[], ["--voting", "hard"], *(way[0] for way in WAYS.values())])
def test_log_loss_and_calibration_error(options, skprune, pool, P, digits):
    y, weight = digits[2], np.linspace(0, 1, len(digits[2]))
    path = pool(sample_weight=weight)
    found = json.loads(skprune("select", path, "--format", "json", *options).out)
    equal = P.mean(axis=0)
    if "hard" in options:
        equal = np.eye(4)[P.argmax(axis=2)].mean(axis=0)
    elif "log" in options:
        equal = np.exp(np.log(np.maximum(P, 0.001)).mean(axis=0))
        equal /= equal.sum(axis=1, keepdims=True)
    alone = P[(P.argmax(axis=2) == y) @ weight == ((P.argmax(axis=2) == y) @ weight).max()][0]
    for name, proba in (("all_members", equal), ("best_single_member", alone)):
        assert found["log_loss"][name] == pytest.approx(log_loss(y, proba, sample_weight=weight))
        sure, right = proba.max(axis=1), proba.argmax(axis=1) == y
        in_bin = np.minimum(np.round(sure * 15, 9).astype(int), 14) == np.arange(15)[:, None]
        error = np.abs(in_bin @ (weight * (sure - right))).sum() / weight.sum()
        assert found["calibration_error"][name] == pytest.approx(error)
    assert 0 < found["log_loss"]["kept_members"] < 2
    assert f"{found['log_loss']['kept_members']:.4f}" in skprune("select", path, *options).out


def test_a_tuned_logarithmic_pool(skprune, pool, digits):
    forest, X, y = digits
    options = ["--voting", "log", "--tune", "--lam", 0.1, "--reweight", "relaxed"]
    found = json.loads(skprune("select", pool(), "--format", "json", *options).out)
    pruner = SOCPEnsemblePrunerCV(
        FrozenEstimator(forest), lams=[0.1], reweights=["relaxed"], voting="log", random_state=0
    ).fit(X, y)
    exponents = [row["exponent"] for row in found["members"]]
    np.testing.assert_allclose(exponents, pruner.weights_, atol=1e-12)
    assert found["settings"]["alpha"] == pruner.alpha_ == 1


def test_tuned_as_the_cv_pruner_with_the_models(skprune, pool, digits):
    forest, X, y = digits
    options = ["--tune", "--alpha", 0.9, "--max-members", 5, "--scoring", "neg_log_loss"]
    said = skprune("select", pool(), "--format", "json", "--seed", 3, *options)
    assert said.code == 0, said.err
    found = json.loads(said.out)
    pruner = SOCPEnsemblePrunerCV(
        FrozenEstimator(forest),
        voting="soft",
        alphas=[0.9],
        max_members=5,
        scoring="neg_log_loss",
        random_state=3,
    ).fit(X, y)
    weights = [row["weight"] for row in found["members"]]
    np.testing.assert_allclose(weights, pruner.weights_, atol=1e-12)
    settings = {name: found["settings"][name] for name in pruner.best_params_}
    assert settings == pruner.best_params_
    nested = found["cross_validation"]["chosen_members_and_the_choice"]
    assert nested == pytest.approx(pruner.nested_score_)
    assert "(chosen by cross-validation)" in skprune("select", pool(), *options).out


def test_costs_and_weights_of_samples(skprune, pool, digits):
    forest, X, y = digits
    costs, weight = np.linspace(1, 3, 20), np.linspace(0, 1, len(y))
    path = pool(costs=costs, sample_weight=weight)
    said = skprune("select", path, "--max-cost", 9, "--format", "json")
    members = json.loads(said.out)["members"]
    params = {"voting": "soft", "costs": costs, "max_cost": 9}
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest), **params)
    pruner.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose([row["weight"] for row in members], pruner.weights_, atol=1e-12)
    assert sum(row["cost"] for row in members if row["kept"]) <= 9


def test_scores_are_those_of_the_votes(skprune, pool, P, digits):
    y = digits[2]
    path = pool()
    found = json.loads(skprune("select", path, "--format", "json").out)
    weights, rows = weights_in(skprune("select", path, "--format", "csv").out)

    def accuracy(votes):
        return float((votes.argmax(axis=1) == y).mean())

    scores = found["accuracy"]
    assert scores["all_members"] == pytest.approx(accuracy(P.mean(axis=0)))
    assert scores["kept_members"] == pytest.approx(accuracy(np.tensordot(weights, P, 1)))
    alone = [accuracy(member) for member in P]
    assert scores["best_single_member"] == pytest.approx(max(alone))
    np.testing.assert_allclose([float(row["accuracy"]) for row in rows], alone)
    assert weights.sum() == pytest.approx(1)
    kept = found["pool"]["kept"]
    assert kept == (weights > 0).sum() < 20
    text = skprune("select", path).out
    assert text.startswith(f"{kept} of 20 members kept, by {len(y)} samples of 4 classes\n")
    table = text.split("\n\n")[-1].splitlines()[2:]
    assert [int(line.split()[0]) for line in table] == np.argsort(-weights)[:kept].tolist()


def test_labels_of_any_kind_are_the_same_problem(skprune, pool, digits):
    y = digits[2]
    expected = skprune("select", pool(), "--format", "csv").out
    words = np.array(["nil", "one", "two", "tre"])  # not in the order of the alphabet
    for changes in (
        {"y": y.astype(np.float64)},
        {"y": y[:, None]},
        {"y": words[y], "classes": words},
        {"y": words.astype("S")[y], "classes": words.astype("S")},
        {"y": y, "classes": words},  # numbers where classes are names: positions
        {"y": (y + 1).astype(np.uint8), "classes": np.arange(1, 5)},
        {"y": -3.5 * y, "classes": -3.5 * np.arange(4)},
    ):
        said = skprune("select", pool(**changes), "--format", "csv")
        assert said.out == expected, said.err
    found = json.loads(skprune("select", pool(classes=words), "--format", "json").out)
    assert found["pool"]["classes"] == words.tolist()


@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8"])
def test_numbers_of_any_width(dtype, skprune, pool, P):
    exact, _ = weights_in(skprune("select", pool(), "--format", "csv").out)
    said = skprune("select", pool(P=np.asfortranarray(P.astype(dtype))), "--format", "csv")
    assert said.code == 0, said.err
    np.testing.assert_allclose(weights_in(said.out)[0], exact, atol=2e-2)


def test_names_from_the_file_or_from_another(skprune, pool, tmp_path):
    names = [f"net {i}" for i in range(20)]
    _, rows = weights_in(skprune("select", pool(names=names), "--format", "csv").out)
    assert [row["name"] for row in rows] == names
    listed = tmp_path / "names.txt"
    listed.write_text("\n".join(f"nät {i}" for i in range(20)), encoding="utf-8")
    said = skprune("select", pool(names=names), "--names", listed)
    assert "nät 1" in said.out
    assert "net" not in said.out
    listed.write_text("one\ntwo\n")
    why = skprune("select", pool(), "--names", listed).refused("select")
    assert f"{listed} must hold a name for each member of P, 20 in all; it holds 2." in why


def test_the_frontier_is_drawn(skprune, pool, tmp_path):
    import matplotlib.image

    figure = tmp_path / "frontier.png"
    said = skprune("select", pool(), "--frontier", figure)
    assert (said.code, said.err) == (0, "")
    height, width, _ = matplotlib.image.imread(figure).shape
    assert height > 400
    assert width > 600
    assert skprune("select", pool(), "--frontier", tmp_path / "frontier.SVG").code == 0
    assert "<svg" in (tmp_path / "frontier.SVG").read_text(encoding="utf-8")


def test_no_matplotlib(skprune, pool, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    figure = tmp_path / "frontier.png"
    why = skprune("select", pool(), "--frontier", figure).refused("select", code=1)
    assert "pip install skprune[report]" in why
    assert not figure.exists()


@pytest.fixture(scope="module")
def two(P, digits):
    """Probabilities of the second of two classes, a column a tree, with their labels."""
    odd = P[:, :, 1] + P[:, :, 3]
    columns = pd.DataFrame(odd.T, columns=[f"tree {i}" for i in range(20)])
    return columns, np.array(["even", "odd"])[digits[2] % 2]


@pytest.fixture
def written(tmp_path):
    """Path of a table that is written by the ending of a name."""

    def write(frame, name="oof.csv"):
        path = tmp_path / name
        if path.suffix.lower() == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path)
        return path

    return write


@pytest.mark.parametrize("name", ["oof.csv", "oof.parquet", "OOF.CSV"])
def test_columns_of_a_table(name, skprune, written, two):
    columns, y = two
    weight = np.linspace(0, 1, len(y))
    path = written(columns.assign(sample_weight=weight, truth=y), name)
    said = skprune("select", path, "--target", "truth", "--format", "json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    pruner = SOCPEnsemblePruner(voting="soft").fit_predictions(columns, y, weight)
    assert found["pool"]["classes"] == ["even", "odd"]
    assert [row["name"] for row in found["members"]] == list(columns)
    weights = [row["weight"] for row in found["members"]]
    np.testing.assert_allclose(weights, pruner.weights_, atol=1e-12)
    assert (
        f" {columns.columns[pruner.weights_.argmax()]} "
        in skprune("select", path, "--target", "truth").out
    )


@pytest.mark.parametrize(
    "labels", [[0, 1], [-3, 4], [0.5, 1.5], [False, True], ["NA", "None"], ["ja", "nein"]]
)
def test_labels_of_any_kind_in_a_table(labels, skprune, written, two):
    columns, y = two
    frame = columns.assign(y=np.array(labels)[(y == "odd").astype(int)])
    found = json.loads(skprune("select", written(frame), "--format", "json").out)
    assert found["pool"]["classes"] == labels
    expected = SOCPEnsemblePruner(voting="soft").fit_predictions(columns, y).weights_
    weights = [row["weight"] for row in found["members"]]
    np.testing.assert_allclose(weights, expected, atol=1e-12)


def test_lists_of_probabilities(skprune, written, pool, P, digits):
    expected = skprune("select", pool(), "--format", "csv")
    frame = pd.DataFrame({f"tree {i}": list(p) for i, p in enumerate(P)})
    path = written(frame.assign(y=digits[2]), "oof.parquet")
    weights, rows = weights_in(skprune("select", path, "--format", "csv").out)
    np.testing.assert_allclose(weights, weights_in(expected.out)[0], atol=1e-12)
    assert rows[3]["name"] == "tree 3"
    # A class that does not occur leaves the position of the others.
    some = written(frame.assign(y=digits[2])[digits[2] != 1], "some.parquet")
    found = json.loads(skprune("select", some, "--format", "json").out)
    assert found["pool"]["classes"] == [0, 1, 2, 3]


def test_two_classes_in_two_dimensions(skprune, pool, two):
    columns, y = two
    P = columns.to_numpy().T
    both = pool(P=np.stack([1 - P, P], axis=2), y=(y == "odd").astype(int))
    expected = skprune("select", both, "--format", "csv").out
    assert skprune("select", pool(P=P, y=y), "--format", "csv").out == expected
    named = pool(P=P, y=(y == "odd").astype(int), classes=["even", "odd"])
    assert skprune("select", named, "--format", "csv").out == expected


@pytest.mark.parametrize("scoring", ["roc_auc", "f1", "neg_brier_score"])
def test_any_scorer(scoring, skprune, written, two):
    columns, y = two
    options = ["--tune", "--scoring", scoring, "--lam", 0.1, "--alpha", 0.9]
    said = skprune("select", written(columns.assign(y=y)), "--format", "json", *options)
    found = json.loads(said.out)
    pruner = SOCPEnsemblePrunerCV(
        alphas=[0.9], lams=[0.1], voting="soft", scoring=scoring, random_state=0
    ).fit_predictions(columns, (y == "odd").astype(int))
    weights = [row["weight"] for row in found["members"]]
    np.testing.assert_allclose(weights, pruner.weights_, atol=1e-12)
    chosen = found["cross_validation"]["chosen_members"]
    assert chosen == pytest.approx(pruner.best_score_)


@pytest.fixture(scope="module")
def regression():
    """What twelve members predict of one target, (12, n), and it."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=200)
    return y + rng.normal(size=(12, 200)) * np.linspace(0.3, 2, 12)[:, None], y


def test_targets_in_a_table(skprune, written, regression):
    P, y = regression
    weight = np.linspace(0, 1, len(y))
    frame = pd.DataFrame(P.T, columns=[f"net{i}" for i in range(12)])
    path = written(frame.assign(y=y, sample_weight=weight))
    found = json.loads(skprune("select", path, "--regression", "--format", "json").out)
    pruner = SOCPEnsemblePrunerRegressor().fit_predictions(frame, y, weight)
    np.testing.assert_allclose([row["weight"] for row in found["members"]], pruner.weights_)
    np.testing.assert_allclose(found["vote"]["intercept"], pruner.intercept_)
    assert found["settings"]["voting"] is None
    assert "accuracy" not in found
    equal = P.mean(axis=0) + np.average(y - P.mean(axis=0), weights=weight)
    scored = {"all_members": equal, "kept_members": pruner.combine(frame)}
    for name, predicted in scored.items():
        r2 = r2_score(y, predicted, sample_weight=weight)
        error = root_mean_squared_error(y, predicted, sample_weight=weight)
        assert found["r2"][name] == pytest.approx(r2)
        assert found["root_mean_squared_error"][name] == pytest.approx(error)
    assert found["r2"]["all_members"] == pytest.approx(pruner.frontier_.full_score)
    alone = [row["r2"] for row in found["members"]]
    assert found["r2"]["best_single_member"] == pytest.approx(max(alone))
    options = ["select", path, "--regression"]
    text = skprune(*options).out
    assert text.startswith(f"{pruner.n_members_} of 12 members kept, by 200 samples\n")
    assert "\nintercept " in text
    rows = list(csv.DictReader(StringIO(skprune(*options, "--format", "csv").out)))
    assert float(rows[0]["intercept"]) == pytest.approx(pruner.intercept_[0])


def test_several_targets(skprune, pool, regression):
    P, y = regression
    P, y = np.stack([P, P**3], axis=2), np.stack([y, y**3], axis=1)
    path = pool(P=P, y=y, names=[f"net{i}" for i in range(12)], costs=np.arange(1, 13))
    said = skprune("select", path, "--regression", "--format", "json", "--max-cost", 20)
    found = json.loads(said.out)
    pruner = SOCPEnsemblePrunerRegressor(costs=np.arange(1, 13), max_cost=20)
    pruner.fit_predictions(P, y)
    np.testing.assert_allclose([row["weight"] for row in found["members"]], pruner.weights_)
    predicted = pruner.combine(P)
    assert found["r2"]["kept_members"] == pytest.approx(r2_score(y, predicted))
    assert found["root_mean_squared_error"]["kept_members"] == pytest.approx(
        root_mean_squared_error(y, predicted)
    )
    options = ["select", path, "--regression"]
    rows = list(csv.DictReader(StringIO(skprune(*options, "--format", "csv").out)))
    assert {"intercept_0", "intercept_1"} <= set(rows[0])
    assert "by 200 samples of 2 targets" in skprune(*options).out


def test_tuned_regression(skprune, pool, regression, tmp_path):
    P, y = regression
    scoring, figure = "neg_median_absolute_error", tmp_path / "frontier.png"
    options = ["--regression", "--tune", "--scoring", scoring, "--lam", 0.1, "--frontier", figure]
    found = json.loads(skprune("select", pool(P=P, y=y), "--format", "json", *options).out)
    pruner = SOCPEnsemblePrunerRegressorCV(lams=[0.1], scoring=scoring, random_state=0)
    pruner.fit_predictions(P, y)
    np.testing.assert_allclose([row["weight"] for row in found["members"]], pruner.weights_)
    chosen = found["cross_validation"]["chosen_members"]
    assert chosen == pytest.approx(pruner.best_score_)
    assert figure.exists()
    assert (
        "R^2 by cross-validation over"
        in skprune("select", pool(P=P, y=y), "--regression", "--tune", "--lam", 0.1).out
    )
