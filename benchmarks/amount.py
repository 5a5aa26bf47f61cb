"""How often, and how fast, the best pruning amount is found.

python benchmarks/amount.py [--seeds 100]

The problem is the notebook's: its published curves, five rewards and limits. Beside ours runs the
notebook's own scheme: CMA-ES on the amount and a dummy variable, 20 points a population, 100
populations, no restart, its reward called point by point, and no notion of a limit.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cma
import numpy as np
from _common import machine, table

from skprune import PruningAmountOptimizer
from skprune.amount import importance_inverse_amounts, smallest_amounts
from skprune.amount._search import search

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.amount import notebook

LIMITS = ((80, 300), (85, 400), (80, 400), (83, 360))
LINE = np.array([[0.0], [1.0]])
FINE = np.linspace(0, 1, 100_001)


def notebooks_scheme(reward: Callable[[float], float], seed: int) -> float:
    """The amount that the notebook's search would answer."""
    strategy = cma.CMAEvolutionStrategy(
        [0.5, 0.0],
        0.4,
        {
            "bounds": [[0.0, -float("inf")], [1.0, float("inf")]],
            "popsize": 20,
            "CMA_diagonal": 0,
            "seed": seed + 1,
            "verbose": -9,
            "verb_log": 0,
            "signals_filename": "",
        },
    )
    for _ in range(100):
        candidates = strategy.ask()
        strategy.tell(candidates, [-reward(c[0]) for c in candidates])
    return float(strategy.result.xbest[0])


def fitted(least: float, most: float) -> PruningAmountOptimizer:
    """Curves through 21 amounts of the published forms."""
    amounts = np.linspace(0, 1, 21)
    optimizer = PruningAmountOptimizer(min_accuracy=least, max_size=most, random_state=0)
    return optimizer.fit(amounts[:, None], notebook.measured(amounts))


def best_feasible(least: float, most: float) -> float:
    """Best reward within the limits on a grid of 100,001 amounts."""
    meets = (notebook.accuracy(FINE) >= least) & (notebook.size(FINE) <= most)
    return max(notebook.reward(p, least, most) for p in FINE[meets])


def shortfall(amount: float, least: float, most: float, best: float) -> float:
    """How far below the best an answer lies; infinite where it misses a limit."""
    # The published boundary is met to rounding of the fitted curves.
    if notebook.accuracy(amount) < least - 1e-9 or notebook.size(amount) > most + 1e-9:
        return float("inf")
    return best - notebook.reward(amount, max(least - 1e-9, 0), most + 1e-9)


@dataclass(frozen=True)
class Problem:
    """One problem for both searches.

    ``evaluate`` gives violations and rewards of many amounts, ``reward`` what the notebook's
    search sees of one, and ``shortfall`` judges an answer.
    """

    evaluate: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    reward: Callable[[float], float]
    shortfall: Callable[[float], float]


def of_limits(least: float, most: float) -> Problem:
    """The notebook's rewards and two limits."""
    best = best_feasible(least, most)
    return Problem(
        fitted(least, most)._landscape.evaluate,
        lambda p: notebook.reward(p, least, most),
        lambda p: shortfall(p, least, most, best),
    )


def of_bonus(low: float, width: float) -> Problem:
    """A reward that falls slowly, and a bonus in a window of which nothing tells."""

    def reward(p: float) -> float:
        return 5.0 if low <= p <= low + width else -p

    def evaluate(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p = points[:, 0]
        return np.zeros(len(p)), np.where((low <= p) & (p <= low + width), 5.0, -p)

    return Problem(evaluate, reward, lambda p: 5.0 - reward(p))


def race(problems: list[Problem], seeds: int) -> dict[str, np.ndarray]:
    """Both searches on each problem in turn: seconds and shortfalls, of shape (n,)."""
    found: dict[str, list[float]] = {"ours, s": [], "ours": [], "theirs, s": [], "theirs": []}
    for number, problem in enumerate(problems):
        for seed in range(number * seeds, (number + 1) * seeds):
            answers: dict[str, Callable[[], float]] = {
                "ours": lambda o=problem, s=seed: float(
                    search(o.evaluate, LINE, np.random.default_rng(s), 3).best.point[0]
                ),
                "theirs": lambda o=problem, s=seed: notebooks_scheme(o.reward, s),
            }
            for name, answer in answers.items():
                start = time.perf_counter()
                amount = answer()
                found[f"{name}, s"].append(time.perf_counter() - start)
                found[name].append(problem.shortfall(amount))
    return {name: np.asarray(values) for name, values in found.items()}


def row(label: str, found: dict[str, np.ndarray]) -> list[object]:
    ours, theirs = np.median(found["ours, s"]), np.median(found["theirs, s"])
    worst = max(float(found["ours"].max()), 0.0)
    return [
        label,
        f"{(found['ours'] <= 1e-3).mean():.0%}",
        f"{worst:.1e}",
        f"{(found['theirs'] <= 1e-3).mean():.0%}",
        f"{ours * 1e3:.1f} ms",
        f"{theirs * 1e3:.1f} ms",
        f"{theirs / ours:.1f}",
    ]


HEAD = [
    "problem",
    "ours finds it",
    "worst shortfall",
    "notebook's scheme finds it",
    "ours",
    "notebook's scheme",
    "times faster",
]


def published(seeds: int) -> str:
    """The notebook's limits."""
    rows = []
    for least, most in LIMITS:
        rows.append(row(f"accuracy {least}, size {most}", race([of_limits(least, most)], seeds)))
    return table(HEAD, rows)


def windows(seeds: int) -> str:
    """Narrow windows of amounts, placed at random: all that meet two limits, or a bonus."""
    rows = []
    for width in (0.05, 0.01):
        lows = np.random.default_rng(0).uniform(0.02, 0.95 - width, seeds)
        limits = [
            of_limits(float(notebook.accuracy(low + width)), float(notebook.size(low)))
            for low in lows
        ]
        rows.append(row(f"limits met in {width}", race(limits, 1)))
        rows.append(row(f"bonus in {width}", race([of_bonus(low, width) for low in lows], 1)))
    return table(HEAD, rows)


def twelve_views(seeds: int) -> str:
    """The cube of twelve amounts against the inverse rule, accuracy 85 and size 400."""
    ranking = np.array([notebook.RANKING[view] for view in range(12)])
    importance = np.array([notebook.NORMALIZED[view] for view in range(12)])
    shares = importance / importance.sum()
    rng = np.random.default_rng(0)
    X = rng.random((200, 12))
    y = np.column_stack(
        [
            notebook.accuracy(X) @ shares,
            notebook.time(X).mean(axis=1),
            notebook.size(X).mean(axis=1),
        ]
    )
    optimizer = PruningAmountOptimizer(
        min_accuracy=85, max_size=400, bounds=(0, 0.9), n_restarts=0, random_state=0
    ).fit(X, y)
    evaluate, bounds = optimizer._landscape.evaluate, optimizer.bounds_
    answers: dict[str, list[tuple[float, np.ndarray]]] = {}

    def timed(name: str, answer: Callable[[], np.ndarray]) -> None:
        start = time.perf_counter()
        amounts = answer()
        answers.setdefault(name, []).append((time.perf_counter() - start, amounts))

    for seed in range(seeds):
        timed(
            "inverse rule",
            lambda: importance_inverse_amounts(ranking, notebook.accuracy, 85).amounts,
        )
        timed(
            "cube, least size",
            lambda s=seed: (
                smallest_amounts(
                    ranking, notebook.accuracy, notebook.size, 85, random_state=s
                ).amounts
            ),
        )
        timed(
            "cube, most reward",
            lambda s=seed: search(evaluate, bounds, np.random.default_rng(s), 3).best.point,
        )
    rows = []
    for name, found in answers.items():
        amounts = np.array([a for _, a in found])
        totals = evaluate(amounts)[1]
        rows.append(
            [
                name,
                f"{np.median([s for s, _ in found]):.3g} s",
                f"{(notebook.accuracy(amounts) @ shares).min():.2f}",
                f"{notebook.size(amounts).mean(axis=1).mean():.1f}",
                f"{np.median(totals):.2f}",
                f"{totals.min():.2f}",
            ]
        )
    head = ["amounts", "time", "accuracy", "mean size", "reward, median", "reward, worst"]
    return table(head, rows)


SECTION = """Machine: {machine}.

Search alone, on curves that are fitted already; {seeds} seeds each. "Finds it" means a reward at
most 1e-3 below that of the best amount within the limits on a grid of 100,001, and no limit
missed. Aim: 100 % of the runs, at least 5 times faster than the notebook's scheme.

{published}

Narrow windows of amounts, {seeds} placed at random for each width: the only amounts that meet two
limits, with the notebook's rewards; or those with a bonus, of which the reward elsewhere tells
nothing.

{windows}

Twelve views with the notebook's importance: weighted accuracy at least 85, mean size at most 400,
amounts up to 0.9; {cubes} seeds. The inverse rule keeps the order of importance, the two searches
of the cube need not; the difference is what the rule gives away.

{views}"""


def amount_section(seeds: int = 100, cubes: int = 10) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SECTION.format(
            machine=machine(),
            seeds=seeds,
            cubes=cubes,
            published=published(seeds),
            windows=windows(seeds),
            views=twelve_views(cubes),
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=100)
    print(amount_section(parser.parse_args().seeds))
