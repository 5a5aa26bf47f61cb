"""The table of `make coverage`: every subpackage has an aim, and what misses it is said."""

import json
import sys
from pathlib import Path

import pytest

import skprune

from . import coverage_table


def report(**subpackages):
    """As `coverage json` writes it, for subpackages of (statements, reached, branches, reached)."""
    names = ("num_statements", "covered_lines", "num_branches", "covered_branches")
    files = {
        f"skprune/{subpackage}/_{i}.py": {"summary": dict(zip(names, counts, strict=True))}
        for subpackage, each in subpackages.items()
        for i, counts in enumerate(each)
    }
    return {"files": files}


def whole(**changed):
    return report(
        **({subpackage: [(10, 10, 4, 4)] for subpackage in coverage_table.AIMS} | changed)
    )


def test_every_subpackage_has_an_aim():
    subpackages = {path.parent.name for path in Path(skprune.__path__[0]).glob("*/__init__.py")}
    assert set(coverage_table.AIMS) == subpackages


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({}, []),
        ({"socp": [(60, 60, 19, 19), (40, 36, 1, 0)]}, []),
        ({"socp": [(60, 60, 19, 18), (40, 40, 1, 0)]}, ["socp"]),
        ({"socp": [(100, 94, 20, 20)]}, ["socp"]),
        ({"ensemble": [(100, 86, 20, 17)]}, []),
        ({"ensemble": [(100, 100, 20, 16)]}, ["ensemble"]),
        ({"cli": []}, ["cli"]),
        ({"datasets": [(3, 3, 0, 0)]}, []),
    ],
)
def test_subpackages_below_their_aims_are_named(changed, missed, tmp_path, monkeypatch, capsys):
    path = tmp_path / "coverage.json"
    path.write_text(json.dumps(whole(**changed)))
    monkeypatch.setattr(sys, "argv", ["coverage_table.py", str(path)])
    assert coverage_table.main() == bool(missed)
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines() if line.endswith("missed")] == missed
    assert ("Below the aim: " in said) == bool(missed)


def test_files_of_no_subpackage_and_paths_of_windows_are_counted():
    files = report(socp=[(4, 3, 2, 1)])["files"]
    summary = next(iter(files.values()))["summary"]
    files = {
        "C:\\skprune\\skprune\\socp\\backends\\_ecos.py": {"summary": summary},
        "/home/skprune/skprune/exceptions.py": {"summary": summary},
    }
    found = coverage_table.counts_by_subpackage({"files": files})
    assert found == {"socp": [4, 3, 2, 1], "(top)": [4, 3, 2, 1]}
    assert "(top)" in coverage_table.table(found)[0]
