"""What a budget buys on the pools of the race: test log loss against the cost of the members.

    python benchmarks/budgets.py --cache pools --data data [--pools digits dna] [--seeds 0]

Costs are drawn, from a log-normal distribution; budgets are shares of the cost of all members. See
pools.py for the data.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from _common import machine, table
from pools import NEW, load
from sklearn.metrics import log_loss

from skprune import SOCPEnsemblePruner

SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)


def best_single(P: np.ndarray, y: np.ndarray, costs: np.ndarray, budget: float) -> np.ndarray:
    """The member within the budget with the least log loss, as weights."""
    true = np.take_along_axis(P, y[None, :, None], axis=2)[:, :, 0].astype(float)
    losses = -np.log(np.maximum(true, 1e-3)).mean(axis=1)
    return np.eye(len(P))[np.where(costs <= budget, losses, np.inf).argmin()]


def run(keys: list[str], seeds: list[int], cache: Path, data: Path | None) -> str:
    found: dict[tuple[str, float], list[tuple[float, float, float]]] = {}
    for key in keys:
        for seed in seeds:
            pool = load(key, seed, cache, data)
            P, y = pool.P_cal.astype(np.float64), pool.y_cal
            P_test = pool.P_test.astype(np.float64)
            P /= P.sum(axis=2, keepdims=True)
            P_test /= P_test.sum(axis=2, keepdims=True)
            costs = np.exp(np.random.default_rng(seed).normal(0, 1.2, len(P)))
            labels = np.arange(P.shape[2])
            for share in SHARES:
                budget = max(share * costs.sum(), costs.min())
                start = time.perf_counter()
                pruner = SOCPEnsemblePruner(costs=costs, max_cost=budget).fit_predictions(P, y)
                seconds = time.perf_counter() - start
                spent = costs[pruner.support_].sum() / budget
                loss = log_loss(pool.y_test, pruner.combine(P_test), labels=labels)
                found.setdefault(("within the budget", share), []).append((loss, spent, seconds))
                alone = SOCPEnsemblePruner(lam=0.0, reweight="relaxed")
                i = best_single(P, y, costs, budget).argmax()
                one = alone.fit_predictions(P[[i]], y).combine(P_test[[i]])
                loss = log_loss(pool.y_test, one, labels=labels)
                found.setdefault(("best single member", share), []).append((loss, 0, 0))
            start = time.perf_counter()
            pruner = SOCPEnsemblePruner().fit_predictions(P, y)
            seconds = time.perf_counter() - start
            loss = log_loss(pool.y_test, pruner.combine(P_test), labels=labels)
            found.setdefault(("no budget", 1.0), []).append((loss, 0, seconds))
            print(key, seed, flush=True)
    rows = []
    for (method, share), values in found.items():
        loss, spent, seconds = np.mean(values, axis=0)
        used = f"{spent:.0%}" if method.startswith("within") else ""
        rows.append([method, f"{share:.0%}", f"{loss:.3f}", used, f"{seconds:.2f}"])
    head = ["choice", "budget, of all members", "test log loss", "of it spent", "seconds"]
    return table(head, sorted(rows, key=lambda row: row[0]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--pools", nargs="+", default=list(NEW))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    text = run(options.pools, options.seeds, options.cache, options.data)
    print(f"\nMachine: {machine()}. {len(options.pools)} pools.\n\n{text}")
