"""What `make demo` keeps and loses, over several seeds.

python benchmarks/demo.py [--seeds 10] [--cache cnns]
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from _common import table
from sklearn.metrics import accuracy_score, log_loss

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from quickstart import run


def over_seeds(n_seeds: int = 10, cache: Path | None = None) -> str:
    rows, found = [], []
    for seed in range(n_seeds):
        result = run(seed, cache=cache)
        full, pruned = (
            (accuracy_score(result.y_test, P.argmax(axis=1)), log_loss(result.y_test, P))
            for P in (m.predict_proba(result.X_test) for m in (result.ensemble, result.pruner))
        )
        best = result.pruner.member_scores(result.X_test, result.y_test).max()
        found.append((result.pruner.n_members_, *full, *pruned, best, 100 * (full[0] - pruned[0])))
        rows.append([str(seed), *_printed(*found[-1])])
    rows.append(["mean", *_printed(*np.mean(found, axis=0))])
    head = ["seed", "kept of 24", "full", "log loss", "pruned", "log loss", "best kept", "lost"]
    return table(head, rows)


def _printed(kept, full, full_loss, pruned, pruned_loss, best, lost) -> list[str]:
    return [
        f"{kept:.3g}",
        *(f"{full:.2%}", f"{full_loss:.4f}", f"{pruned:.2%}", f"{pruned_loss:.4f}"),
        *(f"{best:.2%}", f"{lost:+.2f}"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--cache", type=Path, help="folder of trained CNNs, to go on from")
    options = parser.parse_args()
    print(over_seeds(options.seeds, options.cache))
