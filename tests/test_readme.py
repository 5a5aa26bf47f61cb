"""What the README shows is true: its code runs, and the commands it names exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_forest_is_pruned(capsys):
    pytest.importorskip("pandas")
    exec(compile(BLOCKS[0], "README.md", "exec"), {})
    out = capsys.readouterr().out
    kept = re.search(r"(\d+) of 300 trees kept: (0\.\d+)", out)
    assert int(kept[1]) <= 30
    assert float(kept[2]) > 0.9
    assert "Table 2" in out


def test_the_forest_is_tuned(capsys):
    exec(compile(BLOCKS[1], "README.md", "exec"), {})
    out = capsys.readouterr().out
    kept = re.search(r"} (\d+) trees kept: (0\.\d+)", out)
    assert int(kept[1]) <= 20
    assert float(kept[2]) > 0.9
    assert out.count(" yes ") == int(kept[1])


def test_the_other_code_is_about_what_exists():
    from skprune import RandomCNNEnsembleClassifier, SOCPEnsemblePruner

    code = BLOCKS[2].replace(".fit(images, labels)", "")
    names: dict = {}
    exec(compile(code.replace("best = search.best_estimator_", "#"), "README.md", "exec"), names)
    assert isinstance(names["search"].estimator, SOCPEnsemblePruner)
    assert isinstance(names["cnns"], RandomCNNEnsembleClassifier)


def test_the_best_amount(capsys):
    pytest.importorskip("pandas")
    exec(compile(BLOCKS[3], "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert 0.3 < float(re.search(r"cut (0\.\d+) limits met: True", out)[1]) < 0.4
    assert "Total Reward" in out
    assert "resamples: amount 0.3" in out


@pytest.mark.keras
def test_networks_are_cut(capsys):
    """The README's code, with smaller numbers."""
    pytest.importorskip("pandas")
    smaller = {
        "epochs=20": "epochs=3",
        "Classifier(12": "Classifier(3",
        "min_accuracy=0.95": "amounts=[0, 0.5], min_accuracy=0.3",
        "EnsembleCompressor(cnns": "EnsembleCompressor(cnns, amounts=[0, 0.5], min_accuracy=0.3",
    }
    code = BLOCKS[4]
    for old, new in smaller.items():
        assert old in code
        code = code.replace(old, new)
    exec(compile(code, "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert out.count("OperatingPoint(amount=") == 2
    assert re.search(r"full ensemble +3 .*\nkept members .*\ncut members ", out)


def test_the_commands_are_targets_of_make():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    named = re.findall(r"^    make (\w+)", README, flags=re.MULTILINE)
    assert {"demo", "test"} <= set(named) <= set(targets)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_a_pool_in_files(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(BLOCKS[5], "README.md", "exec"), {})
    kept = re.search(r"(\d+) of 50 kept", capsys.readouterr().out)
    assert 0 < int(kept[1]) < 50
    assert list((tmp_path / "cache").rglob("*.npy")), "no predictions were written"


@pytest.mark.keras
@pytest.mark.parametrize("page", ["README.md", "docs/serving.md"])
def test_a_graph_is_exported(page, capsys, tmp_path, monkeypatch):
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL
    )
    (code,) = [block for block in blocks if "export_onnx" in block]
    code = re.sub(r"epochs=\d+", "epochs=2", code)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, page, "exec"), {})
    out = capsys.readouterr().out
    assert re.search(r"^(as the pruner: )?1\.0$", out, re.MULTILINE)
    if page == "docs/serving.md":
        assert re.search(r"^accuracy .* where it was ", out, re.MULTILINE)
        assert {p.name for p in tmp_path.iterdir()} == {"pruner.onnx", "int8.onnx", "pruner.keras"}
