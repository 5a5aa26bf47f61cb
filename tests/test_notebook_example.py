"""The example runs the notebook's whole story; every number that it printed comes out again."""

import contextlib
import io
import re
import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pandas")
matplotlib = pytest.importorskip("matplotlib")

PATH = Path(__file__).parent.parent / "examples" / "amount" / "plot_notebook.py"


@pytest.fixture(scope="module")
def story():
    """Names the example leaves behind, and what it prints."""
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    plt.close("all")
    out = io.StringIO()
    with contextlib.redirect_stdout(out), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        names = runpy.run_path(str(PATH))
    figures = [plt.figure(number) for number in plt.get_fignums()]
    names["drawn"] = len(figures)
    plt.close("all")
    return names, out.getvalue()


def printed(story, pattern):
    found = re.search(pattern, story[1])
    assert found, f"{pattern} is not in\n{story[1]}"
    return float(found[1])


def test_curves(story):
    out = story[1]
    assert "size(p) = 480.4 -427.4 p" in out
    assert "time(p) = 1.020 -1.417 p +3.677 p^2 -3.275 p^3" in out
    assert "accuracy(p) = 100.7711 / (1 + exp(5.1262 (p - 0.7064)))" in out
    accuracy = story[0]["accuracy"]
    at = accuracy.predict([[0.443], [0.37784523703472334]])
    np.testing.assert_allclose(at, [80.03313313412143, 85.0], rtol=1e-8)


def test_optima(story):
    names = story[0]
    assert printed(story, r"Brute-force search optimal pruning amount: (\S+)") == 0.4430
    assert printed(story, r"Reward at brute-force optimum: (\S+)") == 268.42
    assert printed(story, r"CMA-ES found optimal pruning amount: (\S+)") == 0.4434
    assert printed(story, r"Reward at CMA-ES optimum: (\S+)") == 268.46
    assert names["optimizer"].grid_reward_ == pytest.approx(268.4209448716784, abs=1e-6)
    assert names["other"].best_amount_ == pytest.approx(0.37784523703472334, abs=1e-7)
    assert printed(story, r"judged for accuracy 80 and size 300: (\S+)") == 132.47


def test_details(story):
    table = story[0]["details"]
    strict, loose = table.iloc[0], table.iloc[1]
    expected = {
        "Pruning Amount": 0.443,
        "Accuracy": 80.03313313412143,
        "Time": 0.829153617575,
        "Size": 291.06179999999995,
        "Accuracy Reward": 70.757014534568,
        "Time Reward": 58.443714953347126,
        "Size Reward": 101.37427858963285,
        "More Accuracy Less Size Reward": 0,
    }
    for name, value in expected.items():
        assert strict[name] == pytest.approx(value, rel=1e-7), name
    assert loose["Accuracy Reward"] == pytest.approx(99.98115470786377, rel=1e-7)
    assert loose["Total Reward"] == pytest.approx(268.4209448716784, abs=1e-6)
    assert 10 * strict["Pruning Reward"] == pytest.approx(44.3)  # the notebook shows 100 p
    assert "70.75701" in story[1]
    assert "268.420945" in story[1]


def test_limits_that_cannot_be_met(story):
    assert "Largest reward: 215.66 at amount 1.0, with accuracy\n18.3." in story[1]
    assert "min_accuracy=90 and max_size=300 cannot be met together" in story[1]
    assert not story[0]["neither"].feasible_
    assert len(story[0]["caught"]) == 1


def test_views(story):
    views = story[0]["views"]
    ranking = [1.0, 0.2631578947368421, 0.18518518518518517, 0.2631578947368421]
    ranking += [0.16666666666666666, 0.21739130434782608, 0.4166666666666667, 0.35714285714285715]
    ranking += [0.2, 0.23809523809523808, 0.7142857142857143, 0.15151515151515152]
    np.testing.assert_allclose(views["ranking"], ranking, rtol=1e-14)
    share = [0.23962056141346544, 0.06305804247722775, 0.044374178039530636, 0.06305804247722775]
    share += [0.03993676023557757, 0.05209142639423162, 0.09984190058894395, 0.08557877193338052]
    share += [0.047924112282693096, 0.05705251462225368, 0.17115754386676105, 0.036306145668706886]
    np.testing.assert_allclose(views["share"], share, rtol=1e-13)
    importance = [1.0, 0.13157894736842107, 0.039682539682539666, 0.13157894736842107]
    importance += [0.017857142857142846, 0.07763975155279505, 0.3125, 0.24234693877551025]
    importance += [0.057142857142857176, 0.10204081632653061, 0.663265306122449, 0.0]
    np.testing.assert_allclose(views["importance"], importance, atol=1e-14)


def test_amounts_of_views(story):
    assert "Initial weighted accuracy 75.87% is below target 85.00%" in story[1]
    assert printed(story, r"Common scale: (\S+)") == 0.76184084
    assert printed(story, r"Achieved weighted accuracy: (\S+)%") == 85.00
    assert printed(story, r"Correlation between importance and pruning: (\S+)") == -1.0
    assert printed(story, r"R\^2: (\S+)") == 1.0
    rule = printed(story, r"Mean size of a view: (\S+) by the rule")
    assert printed(story, r"by the rule, (\S+) at the same accuracy") < rule


def test_figures(story):
    assert story[0]["drawn"] == 7
