"""Pools beyond memory: members in files, their predictions in another, and how the choice grows.

python benchmarks/large_pools.py [--folder /tmp] [--minutes 12] [--only pool|growth]

The first table needs 6 GB of disk, the second as much as its largest pool; both are deleted.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _common import machine, table

# Of the pool in files, as in the text above its table.
MEMBERS, ROWS, CLASSES = 300, 50_000, 100
SIZES = [(M, N) for N in (1_000, 10_000, 100_000) for M in (100, 300, 1_000, 3_000)]


class Watch:
    """Samples what this process holds in memory, in a thread."""

    def __enter__(self) -> "Watch":
        self.anonymous = self.total = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.before = self._read()
        self._thread.start()
        self.start, self.cpu_start = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds = time.perf_counter() - self.start
        self.cpu = time.process_time() - self.cpu_start
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            anonymous, total = self._read()
            self.anonymous = max(self.anonymous, anonymous)
            self.total = max(self.total, total)

    @staticmethod
    def _read() -> tuple[int, int]:
        lines = Path("/proc/self/status").read_text().splitlines()
        kb = {line.split(":")[0]: line.split()[1] for line in lines if " kB" in line}
        return 1024 * int(kb["RssAnon"]), 1024 * int(kb["VmRSS"])


def pool_data(part: str) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import make_classification

    X, y = make_classification(
        ROWS + 10_000, 20, n_informative=15, n_classes=CLASSES, class_sep=2.0, random_state=0
    )
    return (X[:ROWS], y[:ROWS]) if part == "calibration" else (X[ROWS:], y[ROWS:])


def save_members(folder: Path) -> int:
    """Write the members, and return their bytes."""
    from sklearn.tree import ExtraTreeClassifier

    from skprune.pruning import MemberFile

    X, y = pool_data("training")
    for i in range(MEMBERS):
        tree = ExtraTreeClassifier(min_samples_leaf=5, random_state=i).fit(X, y)
        MemberFile.save(tree, folder / f"member_{i:03d}.joblib")
    return sum(path.stat().st_size for path in folder.iterdir())


def fit_pool(folder: str, name: str, dtype: str) -> dict:
    """In a process of its own: fit a pruner on the files, watching memory."""
    import skprune

    paths = sorted(map(str, Path(folder).glob("*.joblib")))
    X, y = pool_data("calibration")
    # Members that are kept are in memory in the end: a tenth, as one prunes for.
    pruner = getattr(skprune, name)(
        paths,
        voting="soft",
        prediction_dtype=dtype,
        max_members=MEMBERS // 10,
        random_state=0,
    )
    with Watch() as watch:
        pruner.fit(X, y)
    return {
        "seconds": watch.seconds,
        "cpu": watch.cpu,
        "anonymous": watch.anonymous,
        "total": watch.total,
        "before": watch.before[1],
        "kept": pruner.n_members_,
        "score": pruner.frontier_.pruned_score,
        "full": pruner.frontier_.full_score,
    }


def pool_in_files(folder: Path) -> str:
    files = folder / "members"
    files.mkdir()
    begun = time.perf_counter()
    n_bytes = save_members(files)
    saving = time.perf_counter() - begun
    rows = []
    for name in ("SOCPEnsemblePruner", "SOCPEnsemblePrunerCV"):
        for dtype in ("float32", "float16"):
            found = in_a_process_of_its_own("pool", str(files), name, dtype)
            rows.append(
                [
                    f"`{name}`, {dtype}",
                    f"{MEMBERS * ROWS * CLASSES * np.dtype(dtype).itemsize / 1e9:.1f} GB",
                    f"{found['seconds']:.0f} s ({found['cpu']:.0f})",
                    f"{found['anonymous'] / 1e9:.2f} GB",
                    f"{found['total'] / 1e9:.2f} GB",
                    f"{found['before'] / 1e9:.2f} GB",
                    f"{found['kept']} of {MEMBERS}",
                    f"{100 * found['score']:.1f} ({100 * found['full']:.1f})",
                ]
            )
            print(rows[-1], flush=True)
    shutil.rmtree(files)
    head = [
        f"{MEMBERS} trees in files, {ROWS:,} rows, {CLASSES} classes",
        "all predictions",
        "fit (CPU time)",
        "peak of anonymous memory",
        "peak of resident memory",
        "of it before the fit",
        "kept",
        "calibration accuracy, % (all members)",
    ]
    return (
        f"The members take {n_bytes / 1e6:.0f} MB of disk and took {saving:.0f} s to train and "
        f"save.\n\n{table(head, rows)}"
    )


def made_outputs(M: int, N: int, C: int, y: np.ndarray, seed: int = 0) -> Iterator[np.ndarray]:
    """Predictions that err together and apart, a member at a time; as `made_pool` gives them."""
    rng = np.random.default_rng(seed)
    shared = 0.8 * rng.standard_normal((N, C), dtype=np.float32)
    for _ in range(M):
        logits = shared + rng.standard_normal((N, C), dtype=np.float32)
        logits[np.arange(N), y] += np.float32(1 + 2 * rng.random())
        np.exp(logits, out=logits)
        yield logits / logits.sum(axis=1, keepdims=True)


def fit_made(folder: str, M: str, N: str, dtype: str) -> dict:
    """In a process of its own: choose among members by predictions on disk."""
    from sklearn.dummy import DummyClassifier
    from sklearn.frozen import FrozenEstimator

    from skprune import SOCPEnsemblePruner
    from skprune.pruning import _base, _predictions, _selection
    from skprune.utils import write_predictions

    shape = int(M), int(N), 10
    y = np.random.default_rng(1).integers(0, 10, shape[1])
    store = write_predictions(
        f"{folder}/P.npy", shape, np.dtype(dtype), lambda _: made_outputs(*shape, y), lambda _: None
    )
    member = FrozenEstimator(DummyClassifier().fit(np.zeros((10, 1)), np.arange(10)))
    pruner = SOCPEnsemblePruner([(str(i), member) for i in range(shape[0])], voting="soft")
    spent: dict[str, float] = {}

    def clocked(owner, name, label):
        inner = getattr(owner, name)

        def call(*args, **kwargs):
            begun = time.process_time()
            try:
                return inner(*args, **kwargs)
            finally:
                spent[label] = spent.get(label, 0.0) + time.process_time() - begun

        setattr(owner, name, call)

    clocked(_predictions.ClassPredictions, "statistics", "statistics")
    clocked(_selection, "follow_path", "path")
    clocked(_selection, "solve_socp", "solution")
    clocked(_base, "frontier", "frontier")
    with Watch() as watch:
        pruner.fit_predictions(store, y)
    before = time.process_time()
    pruner.explain()
    return {
        "seconds": watch.cpu,
        "anonymous": watch.anonymous,
        "total": watch.total,
        "before": watch.before[1],
        "bytes": int(np.prod(shape)) * store.dtype.itemsize,
        "knots": len(pruner.path_.lams),
        "kept": pruner.n_members_,
        "explain": time.process_time() - before,
        **spent,
    }


def growth(folder: Path, minutes: float) -> str:
    """As many sizes as there is time for, the cheap ones first."""
    stop, rows, found, left_out = time.perf_counter() + 60 * minutes, [], [], []
    rate = 1e-11  # seconds for one product of M x M x N, until it is known
    for M, N in sorted(SIZES, key=lambda size: size[0] ** 2 * size[1]):
        if time.perf_counter() + rate * M * M * N > stop:
            left_out.append(f"M = {M:,}, N = {N:,}")
            continue
        dtype = "float16" if M * N > 1e8 else "float32"
        begun = time.perf_counter()
        one = in_a_process_of_its_own("made", str(folder), str(M), str(N), dtype)
        rate = (time.perf_counter() - begun) / (M * M * N)
        found.append((M, N, one))
        stages = [one.get(name, 0.0) for name in ("statistics", "path", "solution", "frontier")]
        rows.append(
            [
                f"{M:,}",
                f"{N:,}",
                f"{one['bytes'] / 1e9:.3g} GB {dtype}",
                f"{one['seconds']:.2f}",
                *(f"{seconds:.2f}" for seconds in stages),
                f"{one['explain']:.2f}",
                f"{one['anonymous'] / 1e9:.2f} GB",
                f"{one['total'] / 1e9:.2f} GB",
                f"{one['knots']:,}",
                one["kept"],
            ]
        )
        print(rows[-1], flush=True)
    head = [
        "M",
        "N",
        "predictions, C = 10",
        "seconds (of CPU)",
        "statistics",
        "path",
        "solution",
        "frontier",
        "`explain()`, when asked for",
        "peak anonymous",
        "peak resident",
        "knots",
        "kept",
    ]
    missing = f"\n\nLeft out for want of time: {'; '.join(left_out)}." if left_out else ""
    return f"{table(head, rows)}\n\n{exponents(found)}{missing}"


def exponents(found: list[tuple[int, int, dict]]) -> str:
    """Powers of M and N that the times follow, by least squares on logarithms."""
    lines = []
    for name in ("seconds", "statistics", "path", "frontier"):
        # Below this, what is measured is the start of things.
        cases = [(M, N, one[name]) for M, N, one in found if one.get(name, 0) > 0.2]
        if len({M for M, _, _ in cases}) > 1 and len({N for _, N, _ in cases}) > 1:
            logs = np.log(np.array(cases, dtype=float))
            design = np.column_stack([logs[:, :2], np.ones(len(logs))])
            a, b, _ = np.linalg.lstsq(design, logs[:, 2], rcond=None)[0]
            label = "the whole choice" if name == "seconds" else name
            lines.append(f"{label}: M^{a:.2f} N^{b:.2f} ({len(cases)} sizes above 0.2 s)")
    return "Fitted powers: " + "; ".join(lines) + "."


def in_a_process_of_its_own(what: str, *args: str) -> dict:
    done = subprocess.run(
        [sys.executable, __file__, "--child", what, *args],
        # On two hyperthreads shared with others, two threads of a product wait for each other:
        # the same one took 22 ms and 720.
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def large_pools(folder: str | None = None, minutes: float = 12, only: str | None = None) -> str:
    """Both tables in Markdown; products of matrices run on one thread."""
    parts = []
    with tempfile.TemporaryDirectory(prefix="large_pools_", dir=folder) as made:
        if only in (None, "pool"):
            parts.append(pool_in_files(Path(made)))
        if only in (None, "growth"):
            parts.append(growth(Path(made), minutes))
    return "\n\n".join(parts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", help="where files go; the system's temporary folder")
    parser.add_argument("--minutes", type=float, default=12, help="for the table of growth")
    parser.add_argument("--only", choices=["pool", "growth"])
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        task, *given = options.child
        print(json.dumps((fit_pool if task == "pool" else fit_made)(*given)))
    else:
        print(f"Machine: {machine()}.\n")
        print(large_pools(options.folder, options.minutes, options.only))
