"""Pruned forests of regressors against the full forest and scikit-learn's stacking.

python benchmarks/regression.py [--seeds 5]
"""

import argparse
from collections.abc import Callable

import numpy as np
from _common import table
from sklearn.datasets import load_diabetes, make_friedman1, make_friedman3
from sklearn.ensemble import RandomForestRegressor, StackingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split

from skprune import SOCPEnsemblePrunerRegressor, SOCPEnsemblePrunerRegressorCV

DATA: dict[str, Callable[[int], tuple[np.ndarray, np.ndarray]]] = {
    "diabetes (442 rows)": lambda seed: load_diabetes(return_X_y=True),
    "Friedman 1 (1,200 rows)": lambda seed: make_friedman1(1200, noise=1.0, random_state=seed),
    "Friedman 3 (1,200 rows)": lambda seed: make_friedman3(1200, noise=0.1, random_state=seed),
}


def race(seed: int, X: np.ndarray, y: np.ndarray) -> dict[str, tuple[float, int]]:
    """R^2 on test rows and members kept; half to train on, a quarter to choose on."""
    X, X_rest, y, y_rest = train_test_split(X, y, test_size=0.5, random_state=seed)
    X_cal, X_test, y_cal, y_test = train_test_split(
        X_rest, y_rest, test_size=0.5, random_state=seed
    )
    forest = RandomForestRegressor(100, random_state=seed).fit(X, y)
    frozen = [(str(i), FrozenEstimator(tree)) for i, tree in enumerate(forest.estimators_)]
    stacking = StackingRegressor(frozen, Ridge(positive=True), cv="prefit").fit(X_cal, y_cal)
    pruner = SOCPEnsemblePrunerRegressor(FrozenEstimator(forest)).fit(X_cal, y_cal)
    tuned = SOCPEnsemblePrunerRegressorCV(FrozenEstimator(forest), random_state=0)
    tuned.fit(X_cal, y_cal)
    return {
        "full forest": (forest.score(X_test, y_test), 100),
        "stacking, non-negative ridge": (
            stacking.score(X_test, y_test),
            int((stacking.final_estimator_.coef_ > 1e-9).sum()),
        ),
        "SOCPEnsemblePrunerRegressor": (pruner.score(X_test, y_test), pruner.n_members_),
        "SOCPEnsemblePrunerRegressorCV": (tuned.score(X_test, y_test), tuned.n_members_),
    }


def regression(n_seeds: int = 5) -> str:
    rows = []
    for name, draw in DATA.items():
        results = [race(seed, *draw(seed)) for seed in range(n_seeds)]
        full = np.array([result["full forest"][0] for result in results])
        for method in results[0]:
            score = np.array([result[method][0] for result in results])
            members = np.mean([result[method][1] for result in results])
            # The standard error is that of the difference to the full forest on the same rows.
            error = (score - full).std(ddof=1) / np.sqrt(n_seeds)
            rows.append(
                [
                    name,
                    method,
                    f"{score.mean():.4f}",
                    f"{(score - full).mean():+.4f} ± {error:.4f}",
                    f"{members:.0f}",
                ]
            )
    return table(["data", "method", "R^2 on test rows", "less the full forest", "members"], rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    print(regression(parser.parse_args().seeds))
