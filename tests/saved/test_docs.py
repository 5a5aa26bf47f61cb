"""What docs/persistence.md shows is true."""

import re
from pathlib import Path

import numpy as np

PAGE = Path(__file__).parents[2] / "docs" / "persistence.md"


def test_the_code_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
        predicted = names["pruner"].predict_proba(names["X"])
        np.testing.assert_array_equal(names.pop("loaded").predict_proba(names["X"]), predicted)
    assert capsys.readouterr().out == "{'sklearn.tree._tree.Tree'}\n"
    assert {path.name for path in tmp_path.iterdir()} == {"pruner.joblib", "pruner.skops"}
