"""What `make demo` keeps and loses, over several seeds.

python benchmarks/demo.py [--seeds 5] [--cache cnns]
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from _common import table

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from quickstart import run


def over_seeds(n_seeds: int = 5, cache: Path | None = None) -> str:
    rows, kept, lost = [], [], []
    for seed in range(n_seeds):
        result = run(seed, cache=cache)
        report, best = result.report, result.search.best_params_
        kept.append(report.n_pruned / report.n_full)
        lost.append(100 * (report.full_score - report.pruned_score))
        rows.append(
            [
                seed,
                f"{best['alpha']}, {best['lam']}",
                f"{report.n_pruned} of {report.n_full}",
                f"{report.full_score:.2%}",
                f"{report.pruned_score:.2%}",
                f"{report.full_members.maximum:.2%}",
                f"{lost[-1]:+.2f}",
            ]
        )
    rows.append(["mean", "", f"{np.mean(kept):.0%}", "", "", "", f"{np.mean(lost):+.2f}"])
    head = ["seed", "alpha, lambda", "members", "full", "pruned", "best member", "points lost"]
    return table(head, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, help="folder of trained CNNs, to go on from")
    options = parser.parse_args()
    print(over_seeds(options.seeds, options.cache))
