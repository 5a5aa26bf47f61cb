"""What the README shows is true: its code runs, and the commands it names exist."""

import re
import warnings
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


@pytest.mark.keras
def test_networks_are_pruned_cut_and_exported(capsys, tmp_path, monkeypatch):
    """The README's code, with smaller numbers."""
    smaller = {
        "    24, image": "    3, space=CNNSpace(n_blocks=[1], filters=[4]), image",
        "epochs=20, n_jobs=-1": "epochs=2",
        "EnsembleCompressor(cnns": "EnsembleCompressor(cnns, amounts=[0, 0.5], min_accuracy=0.3",
    }
    code = "from skprune import CNNSpace\n" + BLOCKS[1]
    for old, new in smaller.items():
        assert old in code
        code = code.replace(old, new)
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two epochs of three networks promise nothing
        exec(compile(code, "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert re.search(r"full ensemble +3 .*\nkept members .*\ncut members ", out)
    assert re.search(r"\[[0-9 ]+\]\n$", out), "the graph predicted nothing"
    assert (tmp_path / "cache").is_dir()


def test_the_pages_it_links_are_there():
    links = re.findall(r"\]\(((?!http)[^)#]+)\)", README)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_commands_are_targets_of_make():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    named = re.findall(r"^    make (\w+)", README, flags=re.MULTILINE)
    assert {"demo", "test"} <= set(named) <= set(targets)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.keras
def test_a_graph_is_exported(capsys, tmp_path, monkeypatch):
    page = "docs/serving.md"
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL
    )
    (code,) = [block for block in blocks if "export_onnx" in block]
    code = re.sub(r"epochs=\d+", "epochs=2", code)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, page, "exec"), {})
    out = capsys.readouterr().out
    assert re.search(r"^(as the pruner: )?1\.0$", out, re.MULTILINE)
    assert re.search(r"^accuracy .* where it was ", out, re.MULTILINE)
    assert {p.name for p in tmp_path.iterdir()} == {"pruner.onnx", "int8.onnx", "pruner.keras"}
