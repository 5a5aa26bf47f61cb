"""The code of the guide, and of the pages on adding to skprune, runs as it stands."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
GUIDE = ["ensemble_pruning", "how_much_to_prune", "choosing_parameters", "scaling_out"]
PAGES = sorted(path.relative_to(DOCS) for path in DOCS.rglob("*.md") if "_build" not in path.parts)


def blocks_of(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def run(page, names=None, smaller=()):
    """The blocks of a page, one after the other, in one namespace."""
    names = {"__name__": "guide"} if names is None else names
    for block in blocks_of(page):
        for old, new in smaller:
            block = block.replace(old, new)
        exec(compile(block, str(page), "exec"), names)
    return names


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def without_windows():
    matplotlib = pytest.importorskip("matplotlib")
    pytest.importorskip("pandas")
    matplotlib.use("agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_no_page_of_the_guide_is_forgotten():
    pages = {path.stem for path in (DOCS / "guide").glob("*.md") if blocks_of(path)}
    assert pages == {*GUIDE, "networks"}


def test_ensemble_pruning(without_windows, capsys):
    names = run("guide/ensemble_pruning.md")
    out = capsys.readouterr().out
    kept = re.search(r"(\d+) of 100 trees: (0\.\d+)", out)
    assert int(kept[1]) <= 20
    assert float(kept[2]) > 0.9
    assert "Table 2" in out
    assert names["cheap"].explain().cost[names["cheap"].support_].sum() <= 3000
    assert names["tuned"].n_members_ <= 20


def test_how_much_to_prune(without_windows, capsys):
    names = run("guide/how_much_to_prune.md")
    assert "limits met: True" in capsys.readouterr().out
    assert not names["strict"].feasible_
    assert names["views"].achieved == pytest.approx(90, abs=0.01)
    assert (names["views"].amounts[1:] > names["views"].amounts[:-1]).all()


def test_choosing_parameters(capsys):
    names = run("guide/choosing_parameters.md")
    assert "on the calibration rows" in capsys.readouterr().out
    assert names["tuned"].n_members_ < 80


def test_scaling_out():
    names = run("guide/scaling_out.md")
    assert 0 < names["pruner"].n_members_ < 30
    assert 0 < names["by_blocks"].n_members_ <= 30


@pytest.mark.keras
def test_networks(without_windows, capsys):
    smaller = [
        ("load_digits(", "load_digits(n_class=2, "),
        ("Classifier(4", "Classifier(3"),
        ("epochs=4", "epochs=2"),
        ("epochs=5", "epochs=2"),
        ("fine_tune_epochs=2", "fine_tune_epochs=1"),
    ]
    names = run("guide/networks.md", smaller=smaller)
    out = capsys.readouterr().out
    assert out.count("OperatingPoint(amount=") == 2
    assert re.search(r"full ensemble +3 .*\nkept members .*\ncut members ", out)
    before, after = re.search(r"(\d+) -> (\d+) parameters", out).groups()
    assert int(after) < int(before)
    assert names["compressor"].n_members_ <= 2


@pytest.fixture
def backends():
    """The table of solvers, which is put back after the test."""
    from skprune.socp.backends import BACKENDS

    before = dict(BACKENDS)
    yield BACKENDS
    BACKENDS.clear()
    BACKENDS.update(before)


def test_adding_a_solver(backends, capsys):
    # As the file would be: its imports are those of its folder.
    file = {"__name__": "skprune.socp.backends._lbfgsb", "__package__": "skprune.socp.backends"}
    names = run("adding_a_solver.md", file)
    assert names["other"].solver == "lbfgsb"
    assert names["other"].status == "optimal"
    assert names["other"].objective == pytest.approx(names["exact"].objective, abs=1e-6)
    assert "optimal KKT residual" in capsys.readouterr().out


def test_an_added_solver_agrees_where_the_others_do(backends):
    """What `test_the_solvers_agree` would ask of it, on its pools."""
    from skprune.socp import solve_socp

    from .socp.pools import stats_of

    run("adding_a_solver.md", {"__name__": "x", "__package__": "skprune.socp.backends"})
    for pool in ("dirichlet", "duplicates", "more_members_than_samples", "one_member"):
        for alpha, lam in ((0.1, 0.3), (0.9, 0.05), (1, 0.5)):
            exact = solve_socp(stats_of(pool), alpha, lam)
            other = solve_socp(stats_of(pool), alpha, lam, solver="lbfgsb")
            assert other.status == "optimal"
            assert other.objective == pytest.approx(exact.objective, abs=1e-6)


def test_adding_a_reward(without_windows, capsys):
    names = run("adding_a_reward.md")
    optimizer = names["optimizer"]
    reward = optimizer.details()["Serving Cost Reward"][0]
    time = optimizer.details()["Time"][0]
    assert reward == pytest.approx(-100 * 2.0 * time / 1000 * 1e6 / 3600)
    assert optimizer.best_amount_ > names["plain"].best_amount_
    assert "Serving Cost Reward" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page):
    """Links to pages, also as a reader of the repository sees them."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", text):
        made = ("auto_examples/", "reference/generated/")
        if not any(part in target for part in made):
            assert ((DOCS / page).parent / target).exists(), f"{page} links to {target}"


def test_decisions_are_short_dated_and_in_the_index():
    index, *sections = (DOCS / "decisions.md").read_text(encoding="utf-8").split("\n## ")[1:]
    listed = re.findall(r"^  - \[(.*)\]\(#[^)]*\), (.*)$", index, flags=re.MULTILINE)
    found = []
    for entry in (entry for section in sections for entry in section.split("\n### ")[1:]):
        heading, *lines = filter(None, entry.splitlines())
        found += re.findall(r"^(.*) \((\d{4}-\d\d-\d\d.*)\)$", heading) or [heading]
        assert len(lines) <= 15, heading
    assert listed == found
