"""A grid over a growing ensemble: what it costs beside training.

python benchmarks/grid.py [--members 300] [--epochs 10] [--quick] [--n-jobs 1] [--only grid|cv]

Five values of alpha by five of lambda, five folds: 126 fits of `SOCPEnsemblePruner`, which share
6 trained ensembles; and one `SOCPEnsemblePrunerCV` with five folds, which trains 6 as well. All
is kept in an empty cache. --quick takes small trees instead of networks, to see what a fit costs.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from _common import machine, table
from sklearn.datasets import load_digits
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

from skprune import CNNSpace, RandomCNNEnsembleClassifier, SOCPEnsemblePruner, SOCPEnsemblePrunerCV

GRID = {"alpha": [0.5, 0.7, 0.8, 0.9, 0.95], "lam": [0.02, 0.05, 0.1, 0.2, 0.4]}

# Seconds and number of each training, a line each: candidates may run in other processes.
LOG = "SKPRUNE_GRID_LOG"


def noted(fit):
    def fit_and_note(self, X, y, sample_weight=None):
        start = time.perf_counter()
        fit(self, X, y, sample_weight)
        with Path(os.environ[LOG]).open("a") as file:
            file.write(f"{time.perf_counter() - start} {len(self.estimators_)}\n")
        return self

    return fit_and_note


class NotedCNNs(RandomCNNEnsembleClassifier):
    """Writes down what each training takes."""

    fit = noted(RandomCNNEnsembleClassifier.fit)


class NotedTrees(BaggingClassifier):
    """Writes down what each training takes."""

    fit = noted(BaggingClassifier.fit)


def ensemble(members: int, epochs: int, quick: bool, memory: Path, n_jobs: int | None):
    if quick:
        return NotedTrees(DecisionTreeClassifier(max_depth=8), members, max_samples=0.3)
    return NotedCNNs(
        members,
        space=CNNSpace.small(),
        image_shape=(8, 8),
        epochs=epochs,
        memory=memory,
        n_jobs=n_jobs,
    )


def grid_section(
    members: int = 300,
    epochs: int = 10,
    *,
    quick: bool = False,
    n_jobs: int | None = None,
    memory: Path | None = None,
    only: str | None = None,
) -> str:
    """Seconds in training and in all else, for a grid of 25 candidates and for the search."""
    X, y = load_digits(return_X_y=True)
    rows = []
    names = {"grid": "GridSearchCV, 25 candidates", "cv": "SOCPEnsemblePrunerCV(cv=5)"}
    for name in [names[only]] if only else names.values():
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            cache, log = Path(folder) / "cache", Path(folder) / "log"
            os.environ[LOG] = str(log)
            networks = ensemble(members, epochs, quick, cache, n_jobs)
            if name.startswith("Grid"):
                pruner = SOCPEnsemblePruner(networks, voting="soft", memory=cache, random_state=0)
                search, n_fits = GridSearchCV(pruner, GRID, cv=5), 126
            else:
                search, n_fits = (
                    SOCPEnsemblePrunerCV(
                        networks, cv=5, voting="soft", memory=cache, random_state=0
                    ),
                    1,
                )
            start = time.perf_counter()
            search.fit(X, y)
            total = time.perf_counter() - start
            trainings = [line.split() for line in log.read_text().splitlines()]
            size = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
            n_files = sum(file.is_file() for file in cache.rglob("*"))
        training = sum(float(seconds) for seconds, _ in trainings)
        rest = total - training
        rows.append(
            [
                name,
                f"{sum(int(n) for _, n in trainings)} ({len(trainings)} x {members})",
                f"{training:.1f}",
                f"{rest:.1f}",
                f"{1000 * rest / n_fits:.0f} ms",
                f"{100 * rest / training:.1f} %",
                f"{size / 1e6:.0f} MB in {n_files} files",
            ]
        )
    head = ["", "members trained", "seconds training", "seconds of all else", "a fit", "overhead"]
    return table([*head, "cache"], rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="small trees for networks")
    parser.add_argument("--n-jobs", type=int, default=None, help="networks trained at a time")
    parser.add_argument("--memory", type=Path, help="a folder on the disk to measure")
    parser.add_argument("--only", choices=["grid", "cv"])
    options = parser.parse_args()
    print(machine(), end="\n\n")
    print(
        grid_section(
            options.members,
            options.epochs,
            quick=options.quick,
            n_jobs=options.n_jobs,
            memory=options.memory,
            only=options.only,
        )
    )
