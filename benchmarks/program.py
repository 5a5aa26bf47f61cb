"""How fast the program is solved: the whole path against ECOS, statistics against a product.

python benchmarks/program.py
"""

from itertools import combinations

import numpy as np
from _common import made_pool, seconds, table
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from skprune.socp import (
    EnsembleStatistics,
    SOCPProblem,
    follow_path,
    socp_path,
    solve_socp,
    solve_subset,
    solve_support,
)


def digits_pool(M: int) -> tuple[np.ndarray, np.ndarray]:
    X, y = load_digits(return_X_y=True)
    X, X_cal, y, y_cal = train_test_split(X, y, test_size=449, random_state=0, stratify=y)
    forest = RandomForestClassifier(M, max_depth=8, min_samples_leaf=5, random_state=0).fit(X, y)
    return np.array([t.predict_proba(X_cal) for t in forest.estimators_]), y_cal


def path_against_ecos(M: int = 300, alpha: float = 0.5, n_lams: int = 100) -> str:
    rows = []
    for name, (P, y) in {
        "made, N = 10,000, C = 10": made_pool(M, 10_000, 10),
        "trees on digits, N = 449, C = 10": digits_pool(M),
    }.items():
        stats = EnsembleStatistics.from_predictions(P, y)
        lams = np.linspace(0.01, 0.99, n_lams)
        path = socp_path(stats, alpha)
        ours = seconds(lambda stats=stats: socp_path(stats, alpha))

        def by_ecos(stats=stats, lams=lams):
            return [solve_socp(stats, alpha, lam, solver="ecos") for lam in lams]

        theirs = seconds(by_ecos, repeats=3)
        apart = max(
            abs(solution.objective - solve_socp(stats, alpha, solution.lam).objective)
            for solution in by_ecos()
        )
        rows.append(
            [
                name,
                f"{len(path.lams)}",
                f"{path.kkt_residual:.0e}",
                f"{1e3 * ours:.1f} ms",
                f"{theirs:.1f} s",
                f"{theirs / ours:,.0f}",
                f"{apart:.0e}",
            ]
        )
    head = [
        f"pool, M = {M}",
        "knots",
        "worst KKT residual",
        "whole path",
        f"{n_lams} solves, cvxpy and ECOS",
        "ratio",
        "largest difference of objectives",
    ]
    return table(head, rows)


def statistics_against_a_product(M: int = 300, N: int = 10_000, C: int = 10) -> str:
    P, y = made_pool(M, N, C)
    left = P.reshape(M, N * C)
    right = np.ascontiguousarray(left.T)
    floor, ours = [], []
    # In turn, so that a change of the machine's speed meets both.
    for _ in range(7):
        floor.append(seconds(lambda: left @ right, repeats=1))
        ours.append(
            seconds(lambda: socp_path(EnsembleStatistics.from_predictions(P, y), 0.5), repeats=1)
        )
    only = seconds(lambda: EnsembleStatistics.from_predictions(P, y))
    head = [
        "pool",
        "one float32 product",
        "statistics",
        "statistics and path",
        "ratio (median of 7)",
    ]
    ratio = np.median(np.array(ours) / np.array(floor))
    return table(
        head,
        [
            [
                f"M = {M}, N = {N:,}, C = {C}",
                f"{1e3 * np.median(floor):.0f} ms",
                f"{1e3 * only:.0f} ms",
                f"{1e3 * np.median(ours):.0f} ms",
                f"{ratio:.2f}",
            ]
        ],
    )


def zero_norm(n_pools: int = 12, M: int = 12) -> str:
    """How often the search finds the best set there is, and how long it takes on a large pool."""
    rng = np.random.default_rng(0)
    large = {"trees on digits": digits_pool(300), "made": made_pool(300, 2_000, 10)}
    rows = []
    for name, (P, y) in large.items():
        searched = relaxed = cases = 0
        for _ in range(n_pools):
            members = rng.choice(len(P), M, replace=False)
            stats = EnsembleStatistics.from_predictions(P[members], y)
            problem = SOCPProblem.from_statistics(stats, float(rng.choice([0.5, 0.9, 1.0])))
            for size in range(1, M):
                best = min(
                    problem.objective(solve_support(problem, np.isin(np.arange(M), some)))
                    for some in combinations(range(M), size)
                )
                found = solve_subset(problem, size)
                enough = best + 1e-9 * abs(best)
                searched += found.objective <= enough
                relaxed += found.relaxation_objective <= enough
                cases += 1
        problem = SOCPProblem.from_statistics(EnsembleStatistics.from_predictions(P, y), 0.9)
        path = follow_path(problem, 0.9)
        time = seconds(lambda problem=problem, path=path: solve_subset(problem, 50, path=path))
        rows.append(
            [
                f"{name}, 12 of 300 members",
                cases,
                f"{searched / cases:.1%}",
                f"{relaxed / cases:.1%}",
                f"{1e3 * time:.0f} ms",
            ]
        )
    head = ["pool", "cases", "search exact", "relaxation exact", "50 of all 300"]
    return table(head, rows)


if __name__ == "__main__":
    print(path_against_ecos(), zero_norm(), statistics_against_a_product(), sep="\n\n")
