"""How long the whole choice takes, and how much of it is matrix products.

python benchmarks/search.py
"""

import cProfile
import pstats

import numpy as np
from _common import made_pool, seconds, table
from race import given
from sklearn.base import clone

from skprune import SOCPEnsemblePruner, SOCPEnsemblePrunerCV

# The functions whose time is products of predictions, with the passes over their results.
PRODUCTS = ("add_block", "quick_scores", "outputs")


def share_of_products(pruner: SOCPEnsemblePrunerCV, X: np.ndarray, y: np.ndarray) -> float:
    profile = cProfile.Profile()
    profile.runcall(pruner.fit, X, y)
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(row[2] for row in stats.values())
    return sum(row[3] for (_, _, name), row in stats.items() if name in PRODUCTS) / total


def search_times() -> str:
    """Seconds of a fit on given predictions: shapes of the pools, all rows once or six halves."""
    rows = []
    for M, N, C in ((150, 449, 10), (300, 10_000, 10)):
        P, y = made_pool(M, N, C)
        members, X = given(P), np.arange(N)[:, None]
        single = SOCPEnsemblePruner(members, cv="prefit", voting="soft")
        single_time = seconds(lambda single=single, X=X, y=y: clone(single).fit(X, y), repeats=3)
        for n_resamples in (0, 6):
            pruner = SOCPEnsemblePrunerCV(
                members, cv="prefit", voting="soft", n_resamples=n_resamples, random_state=0
            )
            time = seconds(lambda pruner=pruner, X=X, y=y: clone(pruner).fit(X, y), repeats=3)
            rows.append(
                [
                    f"{M} members, {N:,} rows, {C} classes",
                    n_resamples,
                    f"{single_time:.2f} s",
                    f"{time:.2f} s",
                    f"{share_of_products(clone(pruner), X, y):.0%}",
                ]
            )
    head = ["pool", "resamples", "SOCPEnsemblePruner", "SOCPEnsemblePrunerCV", "in products"]
    return table(head, rows)


if __name__ == "__main__":
    print(search_times())
