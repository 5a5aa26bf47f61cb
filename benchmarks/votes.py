"""How sure votes are: soft, with a temperature, and logarithmic pools, on five pools of pools.py.

python benchmarks/votes.py --cache pools [--pools digits mnist] [--seeds 2 3 4]
    [--data FOLDER]

The plain calls of the pruner, and one refit of the logarithmic pool given to the members that
others choose. Weights, temperatures and biases come from the calibration rows, scores from the
test rows, and are means over pools and seeds.
"""

import argparse
from pathlib import Path

import numpy as np
from _common import machine, made_pool, seconds, table
from pools import FIRST, NAMES, Pool, load
from race import SIZES, given, pruned, refitted, scores, tempered, timed
from rivals import full, greedy, top_k

from skprune import SOCPEnsemblePruner

# Others were looked at while the votes were written.
SEEDS = (2, 3, 4)
VOTES = """
## How sure votes are

The plain calls of `SOCPEnsemblePruner` on calibration predictions, with at most so many members:
"soft" is `voting="soft"`, "temperature" `calibrate="temperature"`, "log, bias" the default, "log"
`fit_intercept=False`. Below them the members that others choose, with the temperature of their own
vote, or with the weights that the logarithmic pool gives them ("log refit"): what is gained by
refitting and what by choosing. "greedy" selects on log loss (100 rounds). The first five of the old
pools of the race, three seeds each; CNNs: 48 on MNIST, 40 on CIFAR-10. Calibration error: 15 bins
of equal width.

{tables}

Seconds of a fit of 150 members on 3,000 rows of ten classes, whose predictions are there already.
Aim: at most 0.3 for the logarithmic pool.

{time}
"""
OURS = {
    "soft": {"voting": "soft"},
    "soft, temperature": {"voting": "soft", "calibrate": "temperature"},
    "log": {"fit_intercept": False},
    "log, bias": {},
}
CHOSEN = {
    "top-k": top_k,
    "greedy": greedy,
    "all": full,
}
MEASURES = {
    "log_loss": ("Log loss", 4),
    "calibration_error": ("Calibration error", 4),
    "accuracy": ("Accuracy", 4),
    "members": ("Members", 1),
    "seconds": ("Seconds", 3),
}


def results(pool: Pool, seed: int, sizes: tuple) -> dict[tuple[str, int | None], dict]:
    """Scores by name and size."""
    found = {}
    for size in sizes:
        for name, params in OURS.items():
            pruner = SOCPEnsemblePruner([], max_members=size, random_state=seed, **params)
            p, members, taken, _ = pruned(pool, pruner)
            found[name, size] = {**scores(p, pool.y_test), "members": members, "seconds": taken}
        for name, choose in CHOSEN.items():
            if name == "all" and size is not None:
                continue
            P, y = pool.P_cal, pool.y_cal
            weights, choosing, _ = timed(choose, P, y, size)
            for how, fit in (("temperature", tempered), ("log refit", refitted)):
                model, fitting, _ = timed(fit, weights, P, y)
                found[f"{name}, {how}", size] = {
                    **scores(model(pool.P_test), pool.y_test),
                    "members": int((weights > 0).sum()),
                    "seconds": choosing + fitting,
                }
    return found


def votes_section(
    cache: Path,
    keys: tuple[str, ...] = tuple(FIRST),
    seeds: tuple[int, ...] = SEEDS,
    data: Path | None = None,
) -> str:
    """Tables in Markdown: a measure each, and the log loss of each pool."""
    by_pool = {}
    for key in keys:
        runs = [results(load(key, seed, cache, data), seed, SIZES) for seed in seeds]
        by_pool[key] = {
            at: {measure: np.mean([run[at][measure] for run in runs]) for measure in MEASURES}
            for at in runs[0]
        }
        print(f"{key} done", flush=True)
    names = list(dict.fromkeys(name for name, _ in by_pool[keys[0]]))
    head = [f"{size} members" if size else "no limit" for size in SIZES]
    parts = []
    for measure, (title, digits) in MEASURES.items():
        rows = []
        for name in names:
            values = [
                np.mean([found[name, size][measure] for found in by_pool.values()])
                if (name, size) in by_pool[keys[0]]
                else None
                for size in SIZES
            ]
            rows.append([name, *("" if v is None else f"{v:.{digits}f}" for v in values)])
        parts.append(f"{title}, mean over pools:\n\n{table(['vote', *head], rows)}")
    for size in (10, None):
        rows = [
            [name, *(f"{by_pool[key][name, size]['log_loss']:.4f}" for key in keys)]
            for name in names
            if (name, size) in by_pool[keys[0]]
        ]
        limit = "at most 10 members" if size else "no limit"
        parts.append(
            f"Log loss by pool, {limit}:\n\n{table(['vote', *(NAMES[key] for key in keys)], rows)}"
        )
    return "\n\n".join(parts)


def time_of_a_fit() -> str:
    """A fit of 150 members on 3,000 rows of ten classes."""
    P, y = made_pool(150, 3000, 10)
    members = given(P)
    rows = []
    for name, params in OURS.items():
        pruner = SOCPEnsemblePruner(members, cv="prefit", **params)
        taken = seconds(lambda pruner=pruner: pruner.fit_predictions(P, y))
        rows.append([name, f"{taken:.3f}"])
    return table(["vote", "seconds"], rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=Path, default=Path("pools"), help="folder of pools")
    parser.add_argument("--pools", nargs="*", choices=NAMES, default=list(FIRST))
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    parser.add_argument("--data", type=Path, help="folder of the data of pools.py")
    options = parser.parse_args()
    print(machine())
    print(time_of_a_fit(), flush=True)
    print(votes_section(options.cache, options.pools, options.seeds, options.data))
