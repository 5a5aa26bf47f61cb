"""Pools of predictions, timing, and the machine in words."""

import os
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np


def seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """Median wall time of several calls, after one that is not counted."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def made_pool(M: int, N: int, C: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Predictions that err together and apart, as those of networks on one data set do."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, C, N)
    shared = rng.normal(size=(N, C))
    P = np.empty((M, N, C), np.float32)
    for i in range(M):
        skill = 1 + 2 * rng.random()
        logits = 0.8 * shared + rng.normal(size=(N, C)) + skill * np.eye(C)[y]
        logits -= logits.max(axis=1, keepdims=True)
        P[i] = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return P, y


def machine() -> str:
    """Processor, cores, memory, versions and date."""
    import sklearn

    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            r.split(":", 1)[1].strip() for r in info.read_text().splitlines() if "model name" in r
        ]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB; Python {platform.python_version()}, "
        f"NumPy {np.__version__}, scikit-learn {sklearn.__version__}; {date.today().isoformat()}"
    )


def table(head: list[str], rows: list[list[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
