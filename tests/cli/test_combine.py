"""``skprune combine`` predicts as ``combine`` of the pruner that ``skprune select`` has fitted."""

import json
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor

from skprune import SOCPEnsemblePruner, SOCPEnsemblePrunerRegressor

VOTES = [
    {"voting": "soft"},
    {"voting": "soft", "calibrate": "temperature"},
    {"voting": "hard"},
    {"voting": "log"},
    {"voting": "log", "fit_intercept": False},
]
NAMES = [f"tree {i}" for i in range(20)]
WORDS = np.array(["nil", "one", "two", "tre"])


def options_of(params):
    options = ["--voting", params["voting"]]
    options += ["--calibrate", params["calibrate"]] if "calibrate" in params else []
    return options + ([] if params.get("fit_intercept", True) else ["--no-intercept"])


@pytest.fixture
def select(skprune, tmp_path):
    """Path of the weights of a file of predictions."""

    def run(path, *options):
        weights = tmp_path / "weights.json"
        said = skprune("select", path, *options, "--output", weights)  # JSON, by the ending
        assert (said.code, said.out, said.err) == (0, "", "")
        return weights

    return run


@pytest.fixture
def combine(skprune):
    """Columns of the table that is printed."""

    def run(weights, path):
        said = skprune("combine", weights, path)
        assert (said.code, said.err) == (0, "")
        return pd.read_csv(StringIO(said.out))

    return run


@pytest.fixture(scope="module")
def two(P, digits):
    """Probabilities of the second of two classes, a column a tree, with their labels."""
    odd = P[:, :, 1] + P[:, :, 3]
    return pd.DataFrame(odd.T, columns=NAMES), np.array(["even", "odd"])[digits[2] % 2]


@pytest.fixture(scope="module")
def targets():
    """What trees predict of one target, (20, n), and it."""
    X, y = load_diabetes(return_X_y=True)
    forest = RandomForestRegressor(20, max_depth=3, random_state=0).fit(X[:200], y[:200])
    return np.stack([tree.predict(X[200:]) for tree in forest.estimators_]), y[200:]


def probabilities(table, classes):
    assert list(table) == [*(f"proba_{label}" for label in classes), "predicted"]
    return table[list(table)[:-1]].to_numpy()


@pytest.mark.parametrize("params", VOTES)
def test_of_two_classes(params, select, combine, two, tmp_path):
    columns, y = two
    path, test = tmp_path / "oof.csv", tmp_path / "test.csv"
    columns[:150].assign(y=y[:150]).to_csv(path, index=False)
    columns[150:].assign(id="x").iloc[:, ::-1].to_csv(test, index=False)
    pruner = SOCPEnsemblePruner(**params).fit_predictions(columns[:150], y[:150])
    expected = pruner.combine(columns[150:])
    table = combine(select(path, *options_of(params)), test)
    np.testing.assert_allclose(probabilities(table, ["even", "odd"]), expected, atol=1e-12)
    assert table["predicted"].tolist() == pruner.classes_[expected.argmax(axis=1)].tolist()


@pytest.mark.parametrize("params", VOTES)
def test_of_more_classes(params, select, combine, pool, P, digits):
    y = digits[2]
    pruner = SOCPEnsemblePruner(**params).fit_predictions(P[:, :150], y[:150])
    weights = select(pool(P=P[:, :150], y=y[:150], classes=WORDS), *options_of(params))
    expected = pruner.combine(P[:, 150:])
    for members in (slice(None), pruner.support_):  # all, or the kept ones alone
        table = combine(weights, pool(P=P[members, 150:], y=None))
        np.testing.assert_allclose(probabilities(table, WORDS), expected, atol=1e-12)
        assert table["predicted"].tolist() == WORDS[expected.argmax(axis=1)].tolist()


@pytest.mark.parametrize("n_targets", [1, 2])
def test_of_targets(n_targets, select, combine, pool, targets):
    P, y = targets
    if n_targets == 2:
        P, y = np.stack([P, P**2], axis=2), np.stack([y, y**2], axis=1)
    pruner = SOCPEnsemblePrunerRegressor().fit_predictions(P[:, :150], y[:150])
    weights = select(pool(P=P[:, :150], y=y[:150]), "--regression")
    table = combine(weights, pool(P=P[:, 150:], y=None))
    names = ["predicted"] if n_targets == 1 else ["predicted_0", "predicted_1"]
    assert list(table) == names
    expected = pruner.combine(P[:, 150:]).reshape(len(table), n_targets)
    np.testing.assert_allclose(table.to_numpy(), expected, rtol=1e-12)


def test_members_are_found_by_name(select, combine, pool, two, P, digits, tmp_path):
    columns, y = two
    table, arrays = tmp_path / "two.parquet", tmp_path / "two.npz"
    columns.assign(y=y).to_parquet(table)
    weights = select(table)
    expected = combine(weights, table)
    kept = [row["name"] for row in json.loads(weights.read_text())["members"] if row["kept"]]
    assert 0 < len(kept) < 20
    columns[kept[::-1]].to_csv(tmp_path / "kept.csv", index=False)
    pd.testing.assert_frame_equal(combine(weights, tmp_path / "kept.csv"), expected)
    back = columns.iloc[:, ::-1]
    np.savez(arrays, P=back.to_numpy().T, names=list(back))
    pd.testing.assert_frame_equal(combine(weights, arrays), expected)
    np.savez(arrays, P=columns.to_numpy().T)  # without names, by position
    pd.testing.assert_frame_equal(combine(weights, arrays), expected)
    # Weights without names, too: columns are taken by position.
    weights = select(pool())
    lists = pd.DataFrame({name: list(p) for name, p in zip(NAMES, P, strict=True)})
    lists.to_parquet(tmp_path / "lists.parquet")
    expected = combine(weights, pool(y=None))
    pd.testing.assert_frame_equal(combine(weights, tmp_path / "lists.parquet"), expected)


def test_other_formats(skprune, select, combine, two, pool, targets, tmp_path):
    columns, y = two
    path = tmp_path / "two.csv"
    columns.assign(y=y).to_csv(path, index=False)
    weights = select(path)
    table = combine(weights, path)
    proba = table[["proba_even", "proba_odd"]].to_numpy()
    for name in ("out.csv", "out.parquet", "out.npz", "out.json"):
        options = ["--format", "json"] if name == "out.json" else []
        said = skprune("combine", weights, path, "--output", tmp_path / name, *options)
        assert (said.code, said.out, said.err) == (0, "", "")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out.csv"), table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out.parquet"), table)
    with np.load(tmp_path / "out.npz") as written:
        np.testing.assert_array_equal(written["proba"], proba)
        assert written["classes"].tolist() == ["even", "odd"]
        assert written["predicted"].tolist() == table["predicted"].tolist()
    found = json.loads((tmp_path / "out.json").read_text())
    np.testing.assert_array_equal(found["proba"], proba)
    assert found["classes"] == ["even", "odd"]
    assert found["predicted"] == table["predicted"].tolist()

    P, y = targets
    arrays = pool(P=P, y=y)
    weights = select(arrays, "--regression")
    assert skprune("combine", weights, arrays, "--output", tmp_path / "out.npz").code == 0
    with np.load(tmp_path / "out.npz") as written:
        assert list(written) == ["predicted"]
        np.testing.assert_array_equal(written["predicted"], combine(weights, arrays)["predicted"])


def test_a_tuned_pool_of_labels_that_are_numbers(select, combine, two, tmp_path):
    columns, y = two
    path = tmp_path / "two.csv"
    columns.assign(y=np.where(y == "odd", 7, -1)).to_csv(path, index=False)
    table = combine(select(path, "--tune", "--lam", 0.1, "--scoring", "roc_auc"), path)
    assert list(table) == ["proba_-1", "proba_7", "predicted"]
    assert set(table["predicted"]) == {-1, 7}
    assert (np.where(table["predicted"] == 7, "odd", "even") == y).mean() > 0.9


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("weights", "it is not JSON. Give what `skprune select ... --format json"),
        (b"\xff\xfe", "it is not JSON."),
        ("[1]", "it is not of skprune select."),
        ('{"skprune": "0.3", "best": {}}', "it is not of skprune select."),
        ('{"skprune": "0.3", "members": [], "settings": {}}', "skprune 0.3, which left out what"),
        (lambda w: w["combine"].update(format=9), "in format 9; skprune "),
        (lambda w: w["members"][0].pop("weight"), "it is damaged (KeyError: 'weight')"),
        (lambda w: w["combine"].pop("outputs"), "it is damaged (KeyError: 'outputs')"),
        (lambda w: w["pool"]["classes"].pop(), "there must be 4 classes"),
        (lambda w: w["members"][0].update(weight=None), "weights must be finite"),
    ],
)
def test_weights_that_are_none(content, reason, skprune, select, pool):
    path = pool()
    weights = select(path)
    if callable(content):
        found = json.loads(weights.read_text())
        content(found)
        content = json.dumps(found)
    weights.write_bytes(content if isinstance(content, bytes) else content.encode())
    why = skprune("combine", weights, path).refused("combine")
    assert f"error: {weights}: " in why
    assert reason in why


def test_predictions_that_do_not_match(skprune, select, pool, two, P, tmp_path):
    columns, y = two
    path, wrong = tmp_path / "two.csv", tmp_path / "wrong.csv"
    columns.assign(y=y).to_csv(path, index=False)
    weights = select(path)
    kept = [row["name"] for row in json.loads(weights.read_text())["members"] if row["kept"]]

    def why(weights, path):
        return skprune("combine", weights, path).refused("combine")

    columns.drop(columns=kept[:2]).to_csv(wrong, index=False)
    assert f"{wrong}: it lacks the column {kept[0]} and {kept[1]}; its" in why(weights, wrong)
    columns.assign(**{kept[1]: 1.5}).to_csv(wrong, index=False)
    assert f"column {kept[1]}: 1.5 is not a probability, in [0, 1]" in why(weights, wrong)
    columns.assign(**{kept[1]: ["?"] * len(y)}).to_csv(wrong, index=False)
    assert f"column {kept[1]}: could not convert string to float" in why(weights, wrong)
    arrays = pool(P=columns.to_numpy().T, y=None, names=["other"] * 20)
    assert f"it does not hold {kept[0]}" in why(weights, arrays)
    same = tmp_path / "same.txt"
    same.write_text("same\n" * 20)
    P_two = pool(P=columns.to_numpy().T, y=y)
    weights = select(P_two, "--names", same)
    assert skprune("combine", weights, P_two).code == 0
    for found in (path, pool(P=columns.to_numpy().T, names=NAMES)):
        assert "several kept members have the name same" in why(weights, found)

    weights = select(pool())
    assert "P must have shape (20, n_samples, 4), or of" in why(weights, pool(P=P[:18], y=None))
    assert "P must have shape (20, n_samples, 4)" in why(weights, pool(P=P[:, :, 1:], y=None))
    assert "must sum to one" in why(weights, pool(P=2 * P, y=None))
    assert "it lacks the key P; it has y. Needed are P." in why(weights, pool(P=None))
    columns.to_csv(wrong, index=False)
    assert "weights are for 4 classes, and there is one number" in why(weights, wrong)


def test_places_and_formats(skprune, select, pool, tmp_path, monkeypatch):
    path = pool()
    weights = select(path)
    why = skprune("combine", weights, path, "--output", weights).refused("combine")
    assert "that file is read" in why
    options = ["--format", "json", "--output", tmp_path / "out.npz"]
    assert "another format" in skprune("combine", weights, path, *options).refused("combine")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    output = ["--output", tmp_path / "out.parquet"]
    why = skprune("combine", weights, path, *output).refused("combine", code=1)
    assert "writing it needs pyarrow: run `pip install skprune[parquet]`" in why
