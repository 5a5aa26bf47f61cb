"""How fast the program is solved: the whole path against ECOS, statistics against a product.

python benchmarks/program.py
"""

import numpy as np
from _common import made_pool, seconds, table
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from skprune.socp import EnsembleStatistics, socp_path, solve_socp


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


if __name__ == "__main__":
    print(path_against_ecos(), statistics_against_a_product(), sep="\n\n")
