"""Branch coverage of each room beside its aim; exits with 1 where one is missed.

pytest -n 2 --cov --cov-report=
python tests/coverage_rooms.py [data file of coverage, or what `coverage json` wrote]
"""

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

#: Percent of the branches and of the statements of a room that the tests have to reach.
AIMS = {
    **dict.fromkeys(("utils", "_keras", "socp", "metrics", "datasets"), 95),
    **dict.fromkeys(("amount", "pruning", "inspection", "cli"), 95),
    **dict.fromkeys(("ensemble", "sparsity", "compression", "serving"), 85),
}
_COUNTS = ("num_statements", "covered_lines", "num_branches", "covered_branches")


def counts_by_room(report: dict[str, Any]) -> dict[str, list[int]]:
    """Numbers of statements and branches, and how many of each were reached, room by room."""
    rooms: dict[str, list[int]] = defaultdict(lambda: [0] * len(_COUNTS))
    for path, of_file in report["files"].items():
        below = Path(path.replace("\\", "/")).parts
        below = below[len(below) - below[::-1].index("skprune") :]
        room = below[0] if len(below) > 1 else "(top)"
        for i, name in enumerate(_COUNTS):
            rooms[room][i] += of_file["summary"][name]
    return dict(rooms)


def percent(n: int, of: int) -> float:
    """All of nothing is everything."""
    return 100 * n / of if of else 100.0


def table(rooms: dict[str, list[int]]) -> tuple[str, list[str]]:
    """The table, and the rooms that miss their aims; a room that was not measured does."""
    lines = [f"{'room':<12} {'branches':>18} {'statements':>18} {'aim':>5}"]
    missed = [room for room in AIMS if room not in rooms]
    for room in (*AIMS, *sorted(rooms.keys() - AIMS.keys())):
        n_statements, lines_reached, n_branches, branches_reached = rooms.get(room, [0] * 4)
        shares = percent(branches_reached, n_branches), percent(lines_reached, n_statements)
        aim = AIMS.get(room)
        if aim is not None and room not in missed and min(shares) < aim:
            missed.append(room)
        lines.append(
            f"{room:<12} {f'{branches_reached}/{n_branches}':>10}{shares[0]:>7.1f}%"
            f" {f'{lines_reached}/{n_statements}':>10}{shares[1]:>7.1f}%"
            f" {'' if aim is None else f'{aim}%':>5}{'  missed' if room in missed else ''}"
        )
    return "\n".join(lines), missed


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
    text, missed = table(counts_by_room(report_of(parser.parse_args().path)))
    print(text)
    if missed:
        print(f"Below the aim: {', '.join(missed)}.")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
