"""``skprune amount`` finds the published optima, and says which limit is in the way."""

import json

import numpy as np
import pytest

from skprune import PruningAmountOptimizer
from tests.amount import notebook


def test_published_optima(skprune, measured):
    """Of the notebook's curves: the fine grid of its problem, and what its CMA-ES printed."""
    for limits, amount, total in (((80, 300), 0.4433922, 268.464), ((85, 400), 0.3778452, 303.739)):
        options = ["--min-accuracy", limits[0], "--max-size", limits[1]]
        said = skprune("amount", measured, *options, "--format", "json")
        assert (said.code, said.err) == (0, "")
        found = json.loads(said.out)
        assert found["best"]["amount"]["amount"] == pytest.approx(amount, abs=1e-5)
        assert found["best"]["feasible"] is True
        assert found["rewards"]["total"] == pytest.approx(total, abs=1e-2)
        predicted = {row["quantity"]: row["predicted"] for row in found["predicted"]}
        at = found["best"]["amount"]["amount"]
        assert predicted["accuracy"] == pytest.approx(notebook.accuracy(at), abs=1e-4)
        assert predicted["time"] == pytest.approx(notebook.time(at))
        assert predicted["size"] == pytest.approx(notebook.size(at))
    text = skprune("amount", measured, "--min-accuracy", 80, "--max-size", 300).out
    assert "prune 0.4434 of the network: all limits are met" in text
    assert "at most 300" in text


def test_limits_that_cannot_be_met(skprune, measured):
    said = skprune("amount", measured, "--min-accuracy", 85, "--max-size", 300)
    assert said.code == 3
    assert "prune 0.4100 of the network: the limits cannot be met; this comes nearest" in said.out
    assert said.err.startswith(
        f"skprune amount: error: {measured}: --min-accuracy 85 and --max-size 300 cannot be met "
        "together"
    )
    assert "--min-accuracy is met at amounts 0.000 to 0.377" in said.err
    assert said.err.count("\n") == 1
    said = skprune("amount", measured, "--max-time", 0.001, "--format", "json")
    assert said.code == 3
    found = json.loads(said.out)
    assert found["best"]["feasible"] is False
    misses = {row["quantity"]: row["missed_by"] for row in found["predicted"]}
    assert misses["time"] > 0
    assert misses["accuracy"] is None


def test_measured_amounts_that_meet_the_limits_are_not_denied(skprune, tmp_path):
    path = tmp_path / "zigzag.csv"
    accuracy = [90, 60, 95, 50, 92, 40, 91, 45, 88, 30]
    path.write_text("amount,accuracy\n" + "\n".join(f".{i},{a}" for i, a in enumerate(accuracy)))
    said = skprune("amount", path, "--min-accuracy", 90)
    assert said.code == 0
    assert "prune 0.6000 of the network: all limits are met by what was measured there" in said.out
    assert "warning: By the curves no amount meets --min-accuracy 90, but the meas" in said.err
    found = json.loads(skprune("amount", path, "--min-accuracy", 90, "--format", "json").out)
    assert found["best"] == {"amount": {"amount": 0.6}, "feasible": True}


def test_without_limits_and_with_fewer_columns(skprune, tmp_path):
    p = np.linspace(0, 0.9, 10)
    path = tmp_path / "a.csv"
    lines = [
        ", Amount ,note,ACCURACY,time",
        *(f"{i},{a},x,{notebook.accuracy(a) / 100},{1 - a / 2}" for i, a in enumerate(p)),
    ]
    path.write_text("\ufeff" + "\n\n".join(lines) + "\n", encoding="utf-8")
    options = ["--min-accuracy", "0.8", "--time-curve", "pchip", "--seed", 5]
    said = skprune("amount", path, *options, "--format", "json")
    assert (said.code, said.err) == (0, "")
    found = json.loads(said.out)
    assert found["measurements"]["quantities"] == ["accuracy", "time"]
    assert notebook.accuracy(found["best"]["amount"]["amount"]) >= 79.99
    assert found["curves"]["time"]["curve"] == "pchip"
    assert "there are no limits" in skprune("amount", path).out
    path.write_text("amount,accuracy\n" + "\n".join(f"{a},{1 - a / 2}" for a in p))
    assert skprune("amount", path, "--accuracy-curve", "linear").code == 0


def test_several_amounts(skprune, tmp_path):
    rng = np.random.default_rng(0)
    X = np.vstack([np.zeros(2), np.ones(2), rng.random((40, 2))])
    y = np.column_stack([95 - 40 * X[:, 0] ** 2 - 10 * X[:, 1] ** 2, 9 - 4 * X.sum(axis=1)])
    path = tmp_path / "views.csv"
    rows = "\n".join(",".join(map(repr, row)) for row in np.column_stack([X, y]).tolist())
    path.write_text(f"amount_left,amount_right,accuracy,size\n{rows}\n")
    curves = ["--accuracy-curve", "quadratic"]
    limits = ["--min-accuracy", 85, "--max-size", 6]
    said = skprune("amount", path, *curves, *limits, "--format", "json")
    assert (said.code, said.err) == (0, "")
    amounts = json.loads(said.out)["best"]["amount"]
    assert list(amounts) == ["amount_left", "amount_right"]
    assert amounts["amount_left"] < amounts["amount_right"]
    text = skprune("amount", path, *curves, *limits).out
    assert f"amount_right  {amounts['amount_right']:.4f}" in text


def test_relative_rewards_do_not_depend_on_the_units(skprune, tmp_path):
    p = np.linspace(0, 1, 11)
    found = []
    for factor in (1, 1000):
        values = notebook.measured(p) * np.array([1, factor, factor])
        path = tmp_path / f"{factor}.csv"
        rows = "\n".join(",".join(map(repr, row)) for row in np.column_stack([p, values]).tolist())
        path.write_text(f"amount,accuracy,time,size\n{rows}\n")
        limits = ["--min-accuracy", 80, "--max-size", 300 * factor]
        said = skprune("amount", path, *limits, "--relative", "--format", "json")
        assert (said.code, said.err) == (0, "")
        found.append(json.loads(said.out))
        warned = skprune("amount", path, *limits)
    assert found[0]["best"]["amount"] == found[1]["best"]["amount"]
    # Of the network of the notebook they are the notebook's.
    assert found[0]["rewards"]["total"] == pytest.approx(268.464, abs=1e-2)
    assert found[1]["rewards"] == pytest.approx(found[0]["rewards"])
    assert "skprune amount: warning: The time reward" in warned.err
    assert "Give --relative." in warned.err


def test_a_curve_that_does_not_follow_is_warned_of(skprune, tmp_path):
    path = tmp_path / "steps.csv"
    lines = [f"{a / 10},{95 if a < 5 else 40},1,{20 - a}" for a in range(10)]
    path.write_text("amount,accuracy,time,size\n" + "\n".join(lines))
    said = skprune("amount", path, "--accuracy-curve", "linear")
    assert said.code == 0
    assert "skprune amount: warning: The accuracy curve (linear) does not follow" in said.err
    assert "Take another --accuracy-curve: 'pchip' follows" in said.err
    assert "GridSearchCV" not in said.err


def test_the_figure(skprune, measured, tmp_path):
    figure = tmp_path / "reward.png"
    assert skprune("amount", measured, "--min-accuracy", 80, "--figure", figure).code == 0
    assert figure.read_bytes().startswith(b"\x89PNG")


def csv(*rows, heading="amount,accuracy,time,size"):
    return "\n".join([heading, *rows]) + "\n"


GOOD = [f"{a / 10},{95 - a * a / 2},{1 - a / 20},{100 - 8 * a}" for a in range(10)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty; a heading with names of columns must come first"),
        ("\n ,\n", "it is empty"),
        (csv(), "there is a heading, and no row under it"),
        (csv(*GOOD, heading="p,accuracy,time,size"), "it lacks the column amount; its columns are"),
        (csv("1,2", heading="p,size"), "it lacks the column amount and accuracy"),
        (csv(*GOOD, heading="amount,accuracy,accuracy,size"), "more than one column accuracy"),
        (csv(*GOOD).replace(",", ";"), "there are semicolons between its columns"),
        (csv(*GOOD).replace(",", "\t"), "there are tabs between its columns"),
        (csv(*GOOD, "0.5,n/a,1,2"), "line 12, column accuracy: 'n/a' is no number"),
        (csv(*GOOD, "0.5,,1,2"), "line 12, column accuracy: the cell is empty"),
        (csv(*GOOD, "0.5,7_5,1,2"), "column accuracy: '7_5' is no number"),
        (csv(*GOOD, "0.5,75,inf,2"), "column time: 'inf' is not finite"),
        (csv(*GOOD, "0.5,75"), "line 12 has 2 cells where the heading has 4"),
        (csv(*GOOD, "0,5,75,1,2"), "line 12 has 5 cells where the heading has 4"),
        (
            csv(*GOOD, "50,75,1,2"),
            "column amount: 50; it must lie in [0, 1]. If amounts are in",
        ),
        (csv(*GOOD, "-0.5,75,1,2"), "column amount: -0.5; it must lie in [0, 1]"),
        (
            csv(*GOOD, "0.5,175,1,2"),
            "column accuracy: 175; it must lie in [0, 1] as a fraction",
        ),
        (csv(*GOOD, "0.5,75,-1,2"), "line 12, column time: -1; it must not be negative"),
        (csv(*GOOD[:2]), "--accuracy-curve 'logistic' needs at least 3 different amounts"),
        (csv('0.5,"75,1,2'), "line 2: unexpected end of data"),
        (csv(*GOOD, "0.5,75,\0,2"), "line 12, column time"),
    ],
)
def test_wrong_files(text, reason, skprune, tmp_path):
    path = tmp_path / "wrong.csv"
    path.write_text(text)
    why = skprune("amount", path).refused("amount")
    assert f"error: {path}: " in why
    assert reason in why


def test_files_that_are_none(skprune, tmp_path, pool):
    assert "there is no such file" in skprune("amount", tmp_path / "none").refused("amount")
    assert "that is a folder" in skprune("amount", tmp_path).refused("amount")
    assert "it is no text in UTF-8" in skprune("amount", pool()).refused("amount")


def test_limits_of_another_unit_or_of_what_was_not_measured(skprune, measured, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(csv("0,.9", "0.5,.8", "0.7,.6", "0.9,.2", heading="amount,accuracy"))
    why = skprune("amount", path, "--max-size", 300).refused("amount")
    assert "--max-size 300 limits the column size, which it lacks; it has amount, accuracy." in why
    why = skprune("amount", path, "--min-accuracy", 80).refused("amount")
    assert "--min-accuracy 80 is in percent, but the column accuracy is a fraction" in why
    assert why.endswith("give --min-accuracy 0.8.\n")
    why = skprune("amount", measured, "--min-accuracy", 0.8).refused("amount")
    assert why.endswith("give --min-accuracy 80.\n")
    path.write_text(csv("0,90,0,4", "0.5,80,0,3", "0.7,70,0,2", "0.9,20,0,1"))
    why = skprune("amount", path, "--relative").refused("amount")
    assert "--relative needs a time above zero at the smallest amount; it is 0." in why


def test_the_same_as_the_optimizer(skprune, measured):
    values = np.loadtxt(measured, delimiter=",", skiprows=1)
    optimizer = PruningAmountOptimizer(min_accuracy=90, max_time=0.9, random_state=0)
    optimizer.fit(values[:, :1], values[:, 1:])
    options = ["--min-accuracy", 90, "--max-time", 0.9, "--format", "json"]
    found = json.loads(skprune("amount", measured, *options).out)
    assert found["best"]["amount"]["amount"] == optimizer.best_amount_
    names = optimizer.get_feature_names_out()
    said = dict(zip(names, optimizer.transform([[optimizer.best_amount_]])[0], strict=True))
    assert found["rewards"]["total"] == pytest.approx(said["total_reward"])
    assert found["curves"]["accuracy"]["r2"] == pytest.approx(optimizer.fits_["accuracy"].r2)
