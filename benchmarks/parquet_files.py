"""Statistics of predictions in parquet files, and the program made from them.

python benchmarks/parquet_files.py [--members 1000 2000 5000 10000] [--folder /tmp]

Two classes, float32, a column a member. Rates are by seconds of processor time, which other work
on the machine disturbs less than wall time. 10,000 members take four minutes, 0.8 GB of disk and
6 GB of memory. The last table is arithmetic: from the last rates, 10,000 members and 10^8 rows.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
from _common import machine, table
from pyarrow import parquet

from skprune.socp import EnsembleStatistics, socp_path, solve_socp

ROW_GROUP, CLASSES = 2_000, 2
# The case of docs/scaling.md, and the cluster that it names.
MEMBERS, ROWS, MACHINES, CORES = 10_000, 10**8, 10, 32


def write(path: Path, M: int, N: int) -> None:
    """Members of different skill, whose errors have a part in common."""
    rng = np.random.default_rng(0)
    skill = rng.uniform(0.5, 1.5, (M, 1)).astype(np.float32)
    names = [f"model_{i}" for i in range(M)]
    schema = pa.schema([(name, pa.float32()) for name in names] + [("y", pa.int8())])
    with parquet.ParquetWriter(path, schema, use_dictionary=False, compression="none") as writer:
        for start in range(0, N, ROW_GROUP):
            n = min(ROW_GROUP, N - start)
            y = rng.integers(0, 2, n, dtype=np.int8)
            logits = rng.standard_normal((M, n), dtype=np.float32)
            logits += rng.standard_normal(n, dtype=np.float32) + skill * (2 * y - 1)
            columns = [*(1 / (1 + np.exp(-logits))), y]
            writer.write_batch(pa.record_batch(list(map(pa.array, columns)), schema=schema))


def timed(function: Callable[[], object]) -> tuple[float, float, object]:
    """Wall time, processor time and the result of one call."""
    wall, processor = time.perf_counter(), time.process_time()
    result = function()
    return time.perf_counter() - wall, time.process_time() - processor, result


def read(path: Path) -> None:
    with parquet.ParquetFile(path) as file:
        for group in range(file.metadata.num_row_groups):
            for _ in file.iter_batches(row_groups=[group], use_threads=False):
                pass


def peak_bytes() -> int:
    """Of this process alone, on Linux: getrusage begins with what the parent process had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def summed(path: Path, n_jobs: int) -> tuple[float, float, int, object]:
    """Wall time, processor time, bytes of memory, and the statistics: in a process of its own."""
    EnsembleStatistics.from_parquet(path, members=["model_0", "model_1"])  # loads what it needs
    before = peak_bytes()
    times = timed(lambda: EnsembleStatistics.from_parquet(path, n_jobs=n_jobs))
    return *times[:2], peak_bytes() - before, times[2]


def in_new_process(path: Path, n_jobs: int) -> tuple[float, float, int, object]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        return executor.submit(summed, path, n_jobs).result()


def run(M: int, folder: str) -> tuple[list[object], float, float, float]:
    """A line of the table, operations and bytes a second of one core, seconds of the program."""
    path, N = Path(folder, f"{M}.parquet"), max(2 * M, 50_000_000 // M)
    write(path, M, N)
    size, products = path.stat().st_size, 2 * M**2 * N * CLASSES
    _, reading, _ = timed(lambda: read(path))
    wall, processor, memory, stats = in_new_process(path, 1)
    two = "-"
    if M <= 5_000:
        wall_2, both, memory_2, _ = in_new_process(path, 2)
        two = f"{wall_2:.0f} s; {both:.0f} s; {memory_2 / 1e9:.2f} GB"
    path.unlink()
    assert isinstance(stats, EnsembleStatistics)
    solving, _, solution = timed(lambda: solve_socp(stats, alpha=0.9, lam=0.05))
    following, _, whole = timed(lambda: socp_path(stats, alpha=0.9))
    line = [
        f"{M:,}",
        f"{N:,}",
        f"{size / 1e9:.2f} GB",
        f"{size / reading / 1e9:.2f} GB/s",
        f"{wall:.0f} s; {processor:.0f} s; {memory / 1e9:.2f} GB",
        f"{products / processor / 1e9:.0f} GFLOP/s",
        two,
        f"{solving:.1f} s, {(solution.weights > 0).sum()} members",  # type: ignore[attr-defined]
        f"{following:.1f} s, {len(whole.lams)} knots",  # type: ignore[attr-defined]
    ]
    return line, products / processor, size / reading, solving


def arithmetic(rate: float, reading: float, solving: float) -> str:
    seconds = 2 * MEMBERS**2 * ROWS * CLASSES / rate
    each = seconds / (MACHINES * CORES)
    # Two matrices; a row group, a block of 2,048 columns and what is formed of them, measured.
    file, pair, rest = 4 * MEMBERS * ROWS, 16 * MEMBERS**2, 5e8
    rows: list[list[object]] = [
        ["files, float32", f"{file / 1e12:.0f} TB"],
        ["multiplications and additions", f"{2 * MEMBERS**2 * ROWS * CLASSES:.0e}"],
        ["sums: one core", f"{seconds / 86400:.1f} days"],
        ["of it reading", f"{file / reading / 3600:.1f} h"],
        [f"sums: {MACHINES} machines of {CORES} cores", f"{each / 60:.0f} min"],
        ["read a second by each of them", f"{file / MACHINES / each / 1e9:.2f} GB"],
        ["memory of a job", f"{(pair + rest) / 1e9:.1f} GB"],
        [f"of {CORES} jobs and their sum", f"{(CORES * (pair + rest) + pair) / 1e9:.0f} GB"],
        ["sums that a task returns", f"{pair / 1e9:.1f} GB"],
        ["the program, from the statistics", f"{solving:.0f} s"],
    ]
    return table(["10,000 members, 10^8 rows, two classes", ""], rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, nargs="+", default=[1_000, 2_000, 5_000, 10_000])
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where files are written")
    options = parser.parse_args()
    print(f"Machine: {machine()}.\n")
    head = [
        *("members", "rows", "file", "reading alone, one core"),
        *("n_jobs=1: wall; processor; memory", "rate of one core"),
        *("n_jobs=2: wall; processor; memory", "solve_socp", "socp_path"),
    ]
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        lines, *rates = zip(*(run(M, folder) for M in options.members), strict=True)
    print(table(head, list(lines)))
    print()
    print(arithmetic(*(float(rate[-1]) for rate in rates)))
