"""What a pruned ensemble takes to predict, as a share of what the full one takes.

python benchmarks/pruned_forest_speed.py

k of M members are kept at even distances, with equal weights, by a frozen ensemble's pruner. The
full ensemble predicts by scikit-learn's own method on one thread. The two take turns; a turn
repeats its call for 50 ms.
"""

import time
from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np
from _common import machine, table
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, StandardScaler

from skprune import SOCPEnsemblePruner, SOCPEnsemblePrunerRegressor

M = 200
SIZES = (5, 20, 90)
ROWS = (1, 1_000, 100_000)
DATA = {
    "digits": load_digits(return_X_y=True),
    "two classes": make_classification(2000, 30, n_informative=12, random_state=0),
}
SECTION = """
Time to predict with k kept members, divided by k/M of the time of the full ensemble
(`predict_proba` of scikit-learn, `n_jobs=None`). Aim: at most 1.2 for 1 and 1,000 rows.

M = 200 trees grown to the end, {rows} rows. "alone": only the search for the leaves of the k trees.

{trees}

Other members, in a list of M = 40 against `VotingClassifier(voting="soft")` of them; "alone": a
loop over the `predict_proba` of the k members.

{others}
"""


def shares(calls: list[Callable[[], object]], turns: int, budget: float = 0.05) -> list[float]:
    """Median times of one call, in units of the first one's; calls take turns."""
    repeats = []
    for call in calls:
        call()
        start = time.perf_counter()
        call()
        repeats.append(max(1, int(budget / (time.perf_counter() - start))))
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(turns):
        for call, n, taken in zip(calls, repeats, times, strict=True):
            call()
            start = time.perf_counter()
            for _ in range(n):
                call()
            taken.append((time.perf_counter() - start) / n)
    full = np.array(times[0])
    return [float(np.median(full)), *(float(np.median(np.array(t) / full)) for t in times[1:])]


def keeping(pruner, k: int):
    """Let a fitted pruner keep k members at even distances, with equal weights."""
    members = pruner.estimator
    members = members.estimator.estimators_ if not isinstance(members, list) else members
    members = [m[1].estimator if isinstance(m, tuple) else m for m in members]
    kept = np.linspace(0, len(members) - 1, k).astype(int)
    if pruner._features is not None:
        features = pruner.estimator.estimator.estimators_features_
        pruner._features = tuple(features[i] for i in kept)
    pruner.estimators_ = [members[i] for i in kept]
    pruner.weights_ = np.zeros(len(members))
    pruner.weights_[kept] = 1 / k
    pruner.support_ = pruner.weights_ > 0
    return pruner


def rows_like(X: np.ndarray, n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.resize(X, (n, X.shape[1])) + rng.normal(0, 0.1, (n, X.shape[1]))


def of_trees() -> str:
    forest, extra_trees = RandomForestClassifier, ExtraTreesClassifier
    bag = BaggingClassifier(n_estimators=M, max_features=0.5, random_state=0)
    cases = [("forest", forest(M, random_state=0), voting) for voting in ("log", "soft", "hard")]
    cases += [
        ("extra trees", extra_trees(M, random_state=0), "log"),
        ("bag, half of the columns", bag, "log"),
        ("forest of regressors", RandomForestRegressor(M, random_state=0), "sum"),
    ]
    lines = []
    for (data, (X, y)), (name, ensemble, voting) in product(DATA.items(), cases):
        ensemble.fit(X, y)
        regressor = voting == "sum"
        for k in SIZES:
            frozen = FrozenEstimator(ensemble)
            if regressor:
                pruner = SOCPEnsemblePrunerRegressor(frozen, cv="prefit")
            else:
                pruner = SOCPEnsemblePruner(frozen, cv="prefit", voting=voting)
            pruner = keeping(pruner.fit(X[:400], y[:400]), k)
            cells: list[str] = []
            for n in ROWS:
                if n == ROWS[-1] and ensemble is bag:  # minutes for the full one
                    cells += ["", ""]
                    continue
                Z = rows_like(X, n)
                method = "predict" if regressor else "predict_proba"
                calls = [partial(getattr(e, method), Z) for e in (ensemble, pruner)]
                if ensemble is not bag:
                    calls.append(partial(leaves, pruner.estimators_, Z.astype(np.float32)))
                _, *found = shares(calls, 3 if n == ROWS[-1] else 7)
                cells += [f"{share * M / k:.2f}" for share in found]
                cells += [""] * (ensemble is bag)
            lines.append([data, name, voting, k, *cells])
            print(*lines[-1], flush=True)
    head = ["data", "ensemble", "vote", "k"]
    for n in ROWS:
        head += [f"{n:,} row{'s' * (n > 1)}", "alone"]
    return table(head, lines)


def leaves(trees: list, X: np.ndarray) -> list[np.ndarray]:
    return [tree.tree_.apply(X) for tree in trees]


def of_others(n_members: int = 40) -> str:
    kinds = {
        "logistic regressions": lambda seed: LogisticRegression(max_iter=200),
        "pipelines of a scaler and these": lambda seed: make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=200)
        ),
        "gradient boosting by histograms, 10 rounds": lambda seed: HistGradientBoostingClassifier(
            max_iter=10, random_state=seed
        ),
        "forests of 10 trees": lambda seed: RandomForestClassifier(10, random_state=seed),
    }
    lines = []
    for data, (X, y) in DATA.items():
        for name, make in kinds.items():
            draws = [np.random.default_rng(i).integers(0, len(X), 500) for i in range(n_members)]
            members = [(f"m{i}", make(i).fit(X[d], y[d])) for i, d in enumerate(draws)]
            full = VotingClassifier(members, voting="soft")
            full.estimators_ = [member for _, member in members]
            full.le_ = LabelEncoder().fit(y)
            full.classes_ = full.le_.classes_
            frozen = [(key, FrozenEstimator(member)) for key, member in members]
            for k in (4, 20):
                pruner = keeping(SOCPEnsemblePruner(frozen).fit(X[:400], y[:400]), k)
                cells = []
                for n in ROWS[:2]:
                    Z = rows_like(X, n)
                    alone = partial(
                        lambda kept, Z: [m.predict_proba(Z) for m in kept], pruner.estimators_, Z
                    )
                    calls = [partial(full.predict_proba, Z), partial(pruner.predict_proba, Z)]
                    _, *found = shares([*calls, alone], 7)
                    cells += [f"{share * n_members / k:.2f}" for share in found]
                lines.append([data, name, k, *cells])
                print(*lines[-1], flush=True)
    return table(["data", "members", "k", "1 row", "alone", "1,000 rows", "alone"], lines)


def pruned_speed() -> str:
    """The part of the page."""
    rows = ", ".join(f"{n:,}" for n in ROWS)
    return SECTION.format(rows=rows, trees=of_trees(), others=of_others()).strip()


if __name__ == "__main__":
    print(machine(), flush=True)
    print(pruned_speed())
