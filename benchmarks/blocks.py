"""Statistics of a pool too large to hold: predictions come block by block and go again.

python benchmarks/blocks.py [--members 300] [--samples 200000] [--classes 100] [--block 500]

24 GB of float32 at these sizes; aim: a peak under 2 GB.
"""

import argparse
import resource
import sys
import time
from collections.abc import Iterator

import numpy as np
from _common import machine, table

from skprune.socp import EnsembleStatistics, socp_path


def made_blocks(
    M: int, N: int, C: int, size: int, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Random predictions that favour the true class, each member by its own skill.

    Uniform numbers cubed, which is cheap: what is measured is the accumulation. Each block is
    written over the one before, as a reader of files would do.
    """
    rng = np.random.default_rng(seed)
    skill = rng.uniform(1, 20, M).astype(np.float32)[:, None]
    buffer = np.empty((M, size, C), np.float32)
    for start in range(0, N, size):
        n = min(size, N - start)
        y = rng.integers(0, C, n)
        # A shorter last block needs an array of its own: a slice would not be contiguous.
        block = buffer if n == size else np.empty((M, n, C), np.float32)
        rng.random(out=block, dtype=np.float32)
        for member in block:  # one member stays in the cache, the block does not
            member *= member * member
        block[:, np.arange(n), y] += skill * rng.random((1, n), dtype=np.float32)
        for member in block:
            member /= member.sum(axis=1, keepdims=True)
        yield block, y


def peak_bytes() -> int:
    # In KiB on Linux, in bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def run(M: int, N: int, C: int, size: int) -> str:
    before = peak_bytes()
    start = time.perf_counter()
    making = 0.0

    def blocks():
        nonlocal making
        source = made_blocks(M, N, C, size)
        while True:
            begun = time.perf_counter()
            block = next(source, None)
            making += time.perf_counter() - begun
            if block is None:
                return
            yield block

    stats = EnsembleStatistics.from_blocks(blocks())
    taken = time.perf_counter() - start
    peak = peak_bytes()
    start = time.perf_counter()
    path = socp_path(stats, 0.9)
    head = [
        "pool",
        "held in float32",
        "samples a block",
        "peak memory",
        "of it before the first block",
        "seconds",
        "of them making predictions",
        "then the whole path",
    ]
    row = [
        f"M = {M}, N = {N:,}, C = {C}",
        f"{4 * M * N * C / 1e9:.1f} GB",
        f"{size:,}",
        f"{peak / 1e9:.2f} GB",
        f"{before / 1e9:.2f} GB",
        f"{taken:.0f}",
        f"{making:.0f}",
        f"{time.perf_counter() - start:.2f} s, {len(path.lams)} knots",
    ]
    return table(head, [row])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, default=300)
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--classes", type=int, default=100)
    # 60 MB of predictions at 300 members and 100 classes; the accumulation needs about as much
    # again twice.
    parser.add_argument("--block", type=int, default=500, help="samples in a block")
    options = parser.parse_args()
    print(f"Machine: {machine()}.\n")
    print(run(options.members, options.samples, options.classes, options.block))
