"""Branch coverage of each subpackage beside its aim; exits with 1 where one is missed.

pytest -n 2 --cov --cov-report=
python tests/coverage_table.py [data file of coverage, or what `coverage json` wrote]
"""

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from skprune.utils import text_table

#: Percent of the branches and of the statements of a subpackage that the tests have to reach.
AIMS = {
    **dict.fromkeys(("utils", "_keras", "socp", "metrics", "datasets"), 95),
    **dict.fromkeys(("amount", "pruning", "inspection", "cli"), 95),
    **dict.fromkeys(("ensemble", "sparsity", "multiview", "compression", "serving"), 85),
}
_COUNTS = ("num_statements", "covered_lines", "num_branches", "covered_branches")


def counts_by_subpackage(report: dict[str, Any]) -> dict[str, list[int]]:
    """Numbers of statements and branches, and how many were reached, by subpackage."""
    subpackages: dict[str, list[int]] = defaultdict(lambda: [0] * len(_COUNTS))
    for path, of_file in report["files"].items():
        below = Path(path.replace("\\", "/")).parts
        below = below[len(below) - below[::-1].index("skprune") :]
        subpackage = below[0] if len(below) > 1 else "(top)"
        for i, name in enumerate(_COUNTS):
            subpackages[subpackage][i] += of_file["summary"][name]
    return dict(subpackages)


def percent(n: int, of: int) -> float:
    """All of nothing is everything."""
    return 100 * n / of if of else 100.0


def table(subpackages: dict[str, list[int]]) -> tuple[str, list[str]]:
    """The table, and the subpackages that miss their aims or were not measured."""
    missed = [name for name in AIMS if name not in subpackages]
    rows = []
    for name in (*AIMS, *sorted(subpackages.keys() - AIMS.keys())):
        n_statements, lines_reached, n_branches, branches_reached = subpackages.get(name, [0] * 4)
        shares = percent(branches_reached, n_branches), percent(lines_reached, n_statements)
        aim = AIMS.get(name)
        if aim is not None and name not in missed and min(shares) < aim:
            missed.append(name)
        branches, statements = f"{branches_reached}/{n_branches}", f"{lines_reached}/{n_statements}"
        note = "missed" if name in missed else ""
        rows.append((name, branches, shares[0], statements, shares[1], aim, note))
    head = ("subpackage", "branches", "branches, %", "statements", "statements, %", "aim, %", "")
    columns = dict(zip(head, zip(*rows, strict=True), strict=True))
    formats = {"branches": ">", "statements": ">", "branches, %": ".1f", "statements, %": ".1f"}
    return text_table(columns, formats), missed


def report_of(path: Path) -> dict[str, Any]:
    """What coverage says in JSON, whether it said so already or only kept its data."""
    if path.suffix != ".json":
        import coverage

        measured = coverage.Coverage(data_file=path)
        measured.load()
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder, "coverage.json")
            measured.json_report(outfile=str(written))
            return json.loads(written.read_text())
    return json.loads(path.read_text())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", default=Path(".coverage"), type=Path)
    text, missed = table(counts_by_subpackage(report_of(parser.parse_args().path)))
    print(text)
    if missed:
        print(f"Below the aim: {', '.join(missed)}.")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
