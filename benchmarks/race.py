"""Selectors raced on the same predictions: the pruners against what a user would pick instead.

python benchmarks/race.py --cache pools --results race.jsonl [--pools digits mnist] [--seeds 5]
    [--methods "top-k" "pruner"] [--sizes 5 10 none] [--redo] [--report race.md]
    [--folder predictions] [--fashion FOLDER]

Every result is a line of the file as soon as it is there, and what is there is not run again
(--redo runs it again, and the last line counts). --report writes the tables from all of them.
Methods that are not installed, or not written yet, are left out with a note.
"""

import argparse
import inspect
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from _common import machine, table
from pools import NAMES, Pool, load
from rivals import RIVALS, UNLIMITED, AutoGluon, Missing, cut
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

SIZES = (5, 10, 20, 50, None)

# Ours


class Recalled(ClassifierMixin, BaseEstimator):
    """A fitted member that looks its predictions up: X holds the numbers of rows."""

    def __init__(self, P):
        self.P = P

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        return self

    @property
    def classes_(self):
        return np.arange(self.P.shape[1])

    @property
    def n_features_in_(self):
        return 1

    def predict_proba(self, X):
        return self.P[np.asarray(X)[:, 0].astype(np.intp)]

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)


def given(P: np.ndarray) -> list[tuple[str, FrozenEstimator]]:
    """Members that were fitted beforehand, as a pruner takes them."""
    return [(f"m{i}", FrozenEstimator(Recalled(p))) for i, p in enumerate(P)]


@dataclass(frozen=True)
class Ours:
    """One of our pruners, given the calibration predictions as members fitted beforehand."""

    estimator: str
    options: dict = field(default_factory=dict)

    def prepare(self, P: np.ndarray, y: np.ndarray, max_members: int | None, seed: int) -> Callable:
        """The call to be timed: the predictions exist already, as they do for the rivals."""
        try:
            import skprune

            pruner = getattr(skprune, self.estimator)
        except (ImportError, AttributeError) as error:
            raise Missing(f"{self.estimator}: {error}") from error
        arguments = {"cv": "prefit", "max_members": max_members, "random_state": seed}
        arguments |= self.options
        unknown = set(arguments) - set(inspect.signature(pruner).parameters)
        if unknown:
            raise Missing(f"{self.estimator} has no {sorted(unknown)} yet.")
        members = given(P)
        X = np.arange(len(y))[:, None]
        return lambda: pruner(members, **arguments).fit(X, y).weights_


# Squared error alone, weights summing to one: what a user without time to tune takes for log loss.
PLAIN = {"alpha": 1.0, "lam": 0.01, "reweight": "relaxed"}
ACCURACY, LOG_LOSS, L0 = {"scoring": "accuracy"}, {"scoring": "neg_log_loss"}, {"penalty": "l0"}
OURS = {
    "pruner": Ours("SOCPEnsemblePruner"),
    "pruner, alpha 1, relaxed": Ours("SOCPEnsemblePruner", PLAIN),
    "pruner l0, alpha 1, relaxed": Ours("SOCPEnsemblePruner", PLAIN | L0),
    "pruner CV, accuracy": Ours("SOCPEnsemblePrunerCV", ACCURACY),
    "pruner CV, log loss": Ours("SOCPEnsemblePrunerCV", LOG_LOSS),
    "pruner CV l0, accuracy": Ours("SOCPEnsemblePrunerCV", ACCURACY | L0),
    "pruner CV l0, log loss": Ours("SOCPEnsemblePrunerCV", LOG_LOSS | L0),
}
METHODS = {**OURS, **RIVALS}

# Scores


def vote(weights: np.ndarray, P: np.ndarray) -> np.ndarray:
    """Weighted mean in float64, of the members that have a weight."""
    total = np.zeros(P.shape[1:])
    for i in np.flatnonzero(weights):
        total += weights[i] * P[i]
    return total / total.sum(axis=1, keepdims=True)


def calibration_error(proba: np.ndarray, y: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error of the top label, bins of equal width."""
    sure, right = proba.max(axis=1), proba.argmax(axis=1) == y
    which = np.minimum((sure * bins).astype(int), bins - 1)
    gap = np.bincount(which, right, bins) - np.bincount(which, sure, bins)
    return float(np.abs(gap).sum() / len(y))


def scores(proba: np.ndarray, y: np.ndarray) -> dict[str, float]:
    return {
        "accuracy": float((proba.argmax(axis=1) == y).mean()),
        "log_loss": float(log_loss(y, proba, labels=np.arange(proba.shape[1]))),
        "calibration_error": calibration_error(proba, y),
    }


# Running


def read(path: Path) -> dict[tuple, dict]:
    """Results by pool, seed, size and method; of several the last."""
    if not path.exists():
        return {}
    records = {}
    for line in path.read_text().splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue  # a line that was cut off: it is run again
        records[record["pool"], record["seed"], record["size"], record["method"]] = record
    return records


def sizes_of(method: str, sizes: list) -> list:
    return [None] if method in UNLIMITED else sizes


def timed(function: Callable) -> tuple[object, float, float]:
    start, cpu = time.perf_counter(), time.process_time()
    result = function()
    # Other work on the machine lengthens the wall time; the processor time is less moved by it.
    return result, time.perf_counter() - start, time.process_time() - cpu


def run_method(name: str, pool: Pool, seed: int, sizes: list):
    """Size, what came out (weights or a model) and seconds, for every size."""
    method, P, y = METHODS[name], pool.P_cal, pool.y_cal
    if isinstance(method, AutoGluon):
        # It knows no limit: the same rounds are cut for each, and each costs all of them.
        (order, errors), wall, cpu = timed(lambda: method.order(P, y))
        for size in sizes:
            yield size, cut(order, errors, len(P), size), wall, cpu
        return
    for size in sizes:
        if isinstance(method, Ours):
            call = method.prepare(P, y, size, seed)
        else:

            def call(size=size):
                return method(P, y, size)

        yield size, *timed(call)


def race(results: Path, names, keys, seeds, sizes, redo, where) -> None:
    done = {} if redo else read(results)
    missing: set[str] = set()
    for key in keys:
        for seed in range(seeds):
            todo = {}
            for name in names:
                left = [s for s in sizes_of(name, sizes) if (key, seed, s, name) not in done]
                if left and name not in missing:
                    todo[name] = left
            if not todo:
                continue
            try:
                pool = load(key, seed, *where)
            except (FileNotFoundError, ValueError) as error:
                print(f"{key} {seed} left out: {error}", flush=True)
                continue
            for name, left in todo.items():
                try:
                    for size, found, wall, cpu in run_method(name, pool, seed, left):
                        record = judge(pool, found)
                        record |= {"pool": key, "seed": seed, "size": size, "method": name}
                        record |= {"seconds": wall, "cpu_seconds": cpu}
                        with results.open("a") as file:
                            file.write(json.dumps(record) + "\n")
                        print(
                            f"{key} {seed} {size} {name}: {record['accuracy']:.4f}, "
                            f"{record['log_loss']:.4f}, {record['members']} members, {wall:.3f} s",
                            flush=True,
                        )
                except Missing as error:
                    missing.add(name)
                    print(f"{name} left out: {error}", flush=True)


def judge(pool: Pool, found) -> dict:
    if isinstance(found, np.ndarray):
        if not np.isclose(found.sum(), 1) or found.min() < 0:
            raise ValueError(f"Weights must sum to one; these sum to {found.sum()}.")
        return scores(vote(found, pool.P_test), pool.y_test) | {"members": int((found > 0).sum())}
    return scores(found.predict_proba(pool.P_test), pool.y_test) | {"members": len(pool.P_test)}


# Report


class Report:
    """Tables of all results of a file."""

    def __init__(self, records: dict[tuple, dict]):
        self.records = records
        self.keys = [k for k in NAMES if any(r[0] == k for r in records)]
        self.methods = [m for m in METHODS if any(r[3] == m for r in records)]
        self.sizes = [s for s in SIZES if any(r[2] == s for r in records)]
        self.seeds = sorted({r[1] for r in records})

    def get(self, key, seed, size, method) -> dict | None:
        # What knows no limit stands in the tables of all sizes.
        size = None if method in UNLIMITED else size
        return self.records.get((key, seed, size, method))

    def values(self, key, size, method, what) -> np.ndarray:
        found = [self.get(key, seed, size, method) for seed in self.seeds]
        return np.array([record[what] for record in found if record is not None])

    def mean(self, size, method, what) -> float:
        """Mean over pools of the mean over seeds; NaN where a pool or a seed is missing."""
        found = [self.values(key, size, method, what) for key in self.keys]
        # Methods with other pools or seeds missing could not be compared.
        if any(len(values) < len(self.seeds) for values in found):
            return np.nan
        return float(np.mean([values.mean() for values in found]))

    def pairs(self, size, a, b, what, keys=None) -> np.ndarray:
        """Differences a - b, one for every pool and seed that both have."""
        both = [
            (self.get(key, seed, size, a), self.get(key, seed, size, b))
            for key in keys or self.keys
            for seed in self.seeds
        ]
        return np.array([x[what] - y[what] for x, y in both if x is not None and y is not None])

    def of_pool(self, key: str, size) -> str:
        head = ["method", "accuracy, %", "log loss", "calibration error, %", "members", "seconds"]
        rows = []
        for method in self.methods:
            cells = [
                with_error(scale * self.values(key, size, method, what), digits)
                for what, scale, digits in (
                    ("accuracy", 100, 2),
                    ("log_loss", 1, 4),
                    ("calibration_error", 100, 2),
                    ("members", 1, 1),
                )
            ]
            seconds = self.values(key, size, method, "seconds")
            if len(seconds):
                rows.append([method, *cells, f"{np.median(seconds):.3g}"])
        return table(head, rows)

    def over_pools(self, what: str, scale: float, digits: int) -> str:
        head = ["method", *(words(size) for size in self.sizes)]
        best = np.nanmax if what == "accuracy" else np.nanmin
        means = np.array([[self.mean(s, m, what) for s in self.sizes] for m in self.methods])
        # Under a limit those that break it stand for comparison only.
        barred = np.array(
            [
                [s is not None and m in ("full", "stacking") for s in self.sizes]
                for m in self.methods
            ]
        )
        able = np.where(barred, np.nan, scale * means)
        tops = [best(column) if np.isfinite(column).any() else np.nan for column in able.T]
        rows = []
        for method, line, bar in zip(self.methods, scale * means, barred, strict=True):
            cells = ["" if np.isnan(v) else f"{v:.{digits}f}" for v in line]
            marked = [
                f"**{cell}**" if cell and not no and cell == f"{top:.{digits}f}" else cell
                for cell, no, top in zip(cells, bar, tops, strict=True)
            ]
            rows.append([method, *marked])
        return table(head, rows)

    def duels(self, ours: str) -> str:
        """Wins, draws and losses of one of ours; what stands after them is the mean difference."""
        head = ["against"]
        for size in self.sizes:
            head += [f"accuracy, {words(size)}", f"log loss, {words(size)}"]
        rows = []
        for rival in self.methods:
            if rival in OURS:
                continue
            row = [rival]
            for size in self.sizes:
                row.append(duel(100 * self.pairs(size, ours, rival, "accuracy"), 2))
                row.append(duel(-self.pairs(size, ours, rival, "log_loss"), 4))
            rows.append(row)
        return table(head, rows)

    def against_full(self) -> str:
        head = ["method", *(words(size) for size in self.sizes)]
        rows = []
        for method in self.methods:
            cells = []
            for size in self.sizes:
                points = {
                    key: 100 * self.pairs(size, method, "full", "accuracy", [key])
                    for key in self.keys
                }
                means = {key: values.mean() for key, values in points.items() if len(values)}
                worst = min(means, key=means.__getitem__, default=None)
                cells.append("" if worst is None else f"{means[worst]:+.2f} ({worst})")
            rows.append([method, *cells])
        return table(head, rows)

    def times(self) -> str:
        """Median seconds, and how many times as long AutoGluon's greedy selection took."""
        bases = [m for m in self.methods if m.startswith("AutoGluon")]
        head = ["method", "wall, s", "processor, s", *(f"{base} / this" for base in bases)]
        rows = []
        for method in self.methods:
            own = {k: r for k, r in self.records.items() if k[3] == method}
            cells = []
            for base in bases:
                ratios = [
                    self.get(*key[:3], base)["cpu_seconds"] / max(record["cpu_seconds"], 1e-6)
                    for key, record in own.items()
                    if self.get(*key[:3], base) is not None
                ]
                cells.append(f"{np.median(ratios):,.0f} ({min(ratios):,.0f})" if ratios else "")
            medians = [
                f"{np.median([r[what] for r in own.values()]):.3g}"
                for what in ("seconds", "cpu_seconds")
            ]
            rows.append([method, *medians, *cells])
        return table(head, rows)

    def text(self) -> str:
        # Summaries, then the details by pool.
        parts = [
            "# The race of selectors",
            f"Machine: {machine()}. Pools: {', '.join(NAMES[k] for k in self.keys)}; seeds "
            f"{len(self.seeds)}. All methods get the same predictions. What knows no limit (full, "
            "best single, stacking) stands in all columns. AutoGluon's selection has no limit: its "
            "rounds are cut. A mean over pools is left out until every pool and seed is there.",
            "## Mean test accuracy over pools, %",
            self.over_pools("accuracy", 100, 2),
            "## Mean test log loss over pools",
            self.over_pools("log_loss", 1, 4),
            "## Mean calibration error over pools, % (15 bins, top label)",
            self.over_pools("calibration_error", 100, 2),
            "## Worst mean difference of any pool to the full ensemble, points of accuracy",
            self.against_full(),
        ]
        for ours in OURS:
            if ours in self.methods:
                parts += [
                    f"## {ours}: wins-draws-losses by pool and seed, and mean difference",
                    "Positive differences are in its favour (accuracy in points).",
                    self.duels(ours),
                ]
        parts += [
            "## Time",
            "Medians over pools, seeds and sizes. Ratios are of processor time, which other work "
            "on the machine moves less: median, and the least in brackets.",
            self.times(),
        ]
        for key in self.keys:
            parts.append(f"## {NAMES[key]}")
            for size in self.sizes:
                parts += [f"### {words(size)} (means and standard errors)", self.of_pool(key, size)]
        return "\n\n".join(parts) + "\n"


def words(size) -> str:
    return "no limit" if size is None else f"{size} members"


def with_error(values: np.ndarray, digits: int) -> str:
    if not len(values):
        return ""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    error = values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.{digits}f} ± {error:.{digits}f}"


def duel(differences: np.ndarray, digits: int) -> str:
    if not len(differences):
        return ""
    # Accuracies are counts over the same rows: what differs by less is the same count.
    won, lost = (differences > 1e-9).sum(), (differences < -1e-9).sum()
    drawn = len(differences) - won - lost
    return f"{won}-{drawn}-{lost}, {with_sign(differences.mean(), digits)}"


def with_sign(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}"


def size_from(text: str) -> int | None:
    return None if text == "none" else int(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--results", type=Path, required=True, help="file of lines of JSON")
    parser.add_argument("--report", type=Path, help="write the tables of all results here")
    parser.add_argument("--only-report", action="store_true", help="run nothing")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--pools", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--sizes", nargs="+", type=size_from, default=list(SIZES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--redo", action="store_true", help="run again what is there")
    parser.add_argument("--cache", type=Path, default=Path("pools"), help="folder of pools")
    parser.add_argument("--folder", type=Path, help="folder of the CNNs' predictions")
    parser.add_argument("--fashion", type=Path, help="folder of Fashion-MNIST's .gz files")
    options = parser.parse_args()
    if not options.only_report:
        # scikit-learn's note on rows whose float32 sum is not one, thousands of times.
        warnings.filterwarnings("ignore", "The y_prob values do not sum to one")
        race(
            options.results,
            options.methods,
            options.pools,
            options.seeds,
            options.sizes,
            options.redo,
            (options.cache, options.folder, options.fashion),
        )
    if options.report is not None:
        options.report.write_text(Report(read(options.results)).text())
