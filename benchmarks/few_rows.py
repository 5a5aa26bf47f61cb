"""How many calibration rows of a rare class a selection needs: average precision on test rows.

Fifteen classifiers of many kinds, trained on 2,000 rows with 3 % positives; the selection sees so
many positives, and 32 times as many negatives. Six data sets, eight draws each.
"""

import warnings

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skprune import SOCPEnsemblePruner

POSITIVES = (2, 3, 5, 7, 10, 15, 20, 30, 50, 100)


def members(seed):
    gradient = ((30, 0.1), (100, 0.1), (60, 0.3))
    return [
        *(LogisticRegression(C=C, max_iter=500) for C in (0.01, 1)),
        GaussianNB(),
        *(make_pipeline(StandardScaler(), KNeighborsClassifier(k)) for k in (5, 25)),
        *(RandomForestClassifier(60, max_features=m, random_state=seed) for m in (2, 8)),
        ExtraTreesClassifier(60, random_state=seed),
        *(
            HistGradientBoostingClassifier(max_iter=n, learning_rate=rate, random_state=seed)
            for n, rate in gradient
        ),
        *(
            BaggingClassifier(DecisionTreeClassifier(max_depth=d), 20, random_state=seed)
            for d in (2, 5)
        ),
        *(DecisionTreeClassifier(max_depth=d, random_state=seed) for d in (3, 6)),
    ]


def main():
    warnings.simplefilter("ignore", UserWarning)
    gains = {n: [] for n in POSITIVES}
    for seed in range(6):
        X, y = make_classification(
            *(24_000, 20), n_informative=8, n_redundant=4, weights=[0.97], class_sep=1.2,
            flip_y=0.004, random_state=seed,
        )  # fmt: skip
        train, pool, test = slice(2000), slice(2000, 12_000), slice(12_000, None)
        fitted = [member.fit(X[train], y[train]) for member in members(seed)]
        P, P_test = (
            np.array([member.predict_proba(X[rows])[:, 1] for member in fitted])
            for rows in (pool, test)
        )
        full = average_precision_score(y[test], P_test.mean(axis=0))
        positive, negative = (np.flatnonzero(y[pool] == c) for c in (1, 0))
        for n in POSITIVES:
            for draw in range(8):
                rng = np.random.default_rng(100 * seed + draw)
                rows = np.r_[
                    rng.choice(positive, n, replace=False),
                    rng.choice(negative, min(len(negative), 32 * n), replace=False),
                ]
                pruner = SOCPEnsemblePruner().fit_predictions(P[:, rows], y[pool][rows])
                found = average_precision_score(y[test], pruner.combine(P_test)[:, 1])
                gains[n].append(found - full)
    print("positives  mean gain  below the full vote  worst")
    for n, gain in gains.items():
        print(f"{n:9d}  {np.mean(gain):9.3f}  {np.mean(np.array(gain) < 0):19.0%}  {min(gain):.3f}")


if __name__ == "__main__":
    main()
