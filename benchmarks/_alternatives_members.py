"""Members: DESlib and PyPruning beside skprune, on forests and a bag of lines."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from _alternatives import SIZES, by_turns
from sklearn.datasets import load_digits, make_classification, make_moons
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split


@dataclass(frozen=True, eq=False)
class Pool:
    """A fitted ensemble, rows to choose on and rows to test on."""

    ensemble: Any
    X_cal: np.ndarray
    y_cal: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def fitted(ensemble: Any, X: np.ndarray, y: np.ndarray, train: int, cal: int, seed: int) -> Pool:
    X, X_rest, y, y_rest = train_test_split(X, y, train_size=train, stratify=y, random_state=seed)
    X_cal, X_test, y_cal, y_test = train_test_split(
        X_rest, y_rest, train_size=cal, stratify=y_rest, random_state=seed
    )
    return Pool(ensemble.fit(X, y), X_cal, y_cal, X_test, y_test)


def forest(seed: int) -> Pool:
    """The forest of pools.py: made data, 10 % of the labels drawn at random."""
    X, y = make_classification(
        6000,
        n_features=20,
        n_informative=10,
        n_classes=5,
        n_clusters_per_class=2,
        flip_y=0.1,
        random_state=seed,
    )
    trees = RandomForestClassifier(200, min_samples_leaf=3, random_state=seed)
    return fitted(trees, X, y, 1500, 1500, seed)


def digits(seed: int) -> Pool:
    X, y = load_digits(return_X_y=True)
    return fitted(RandomForestClassifier(200, random_state=seed), X, y, 898, 449, seed)


def moons(seed: int) -> Pool:
    """Weak members, each good somewhere: straight lines between two half moons."""
    X, y = make_moons(4000, noise=0.2, random_state=seed)
    lines = BaggingClassifier(LogisticRegression(), 100, max_samples=0.02, random_state=seed)
    return fitted(lines, X, y, 1000, 1000, seed)


POOLS = {
    "forest": (forest, "200 trees on made data (1,500 rows to choose on, 3,000 to test on)"),
    "digits": (digits, "200 trees on digits (449 rows to choose on, 450 to test on)"),
    "moons": (moons, "100 lines on two moons (1,000 rows to choose on, 2,000 to test on)"),
}


def skprune_members(pool: Pool, seed: int) -> Iterator[tuple[str, Callable, int | None]]:
    from skprune import SOCPEnsemblePruner, SOCPEnsemblePrunerCV

    def chosen(make: Callable, **options: Any) -> Callable:
        pruner = make(pool.ensemble, cv="prefit", voting="soft", random_state=seed, **options)
        return lambda: pruner.fit(pool.X_cal, pool.y_cal)

    yield "skprune, SOCPEnsemblePruner", chosen(SOCPEnsemblePruner), None
    yield "skprune, SOCPEnsemblePrunerCV", chosen(SOCPEnsemblePrunerCV), None
    for size in SIZES:
        make = chosen(SOCPEnsemblePruner, max_members=size)
        yield f"skprune, SOCPEnsemblePruner, at most {size}", make, None


def deslib_members(pool: Pool, seed: int) -> Iterator[tuple[str, Callable, int | None]]:
    from deslib.des import KNORAE, KNORAU, METADES
    from deslib.static import StaticSelection

    n = len(pool.ensemble.estimators_)
    for name, make in (("KNORA-E", KNORAE), ("KNORA-U", KNORAU), ("META-DES", METADES)):
        for voting in ("hard", "soft"):

            def call(make: Any = make, voting: str = voting) -> Any:
                selector = make(pool.ensemble, voting=voting, random_state=seed, n_jobs=1)
                return selector.fit(pool.X_cal, pool.y_cal)

            yield f"DESlib, {name}, {voting} vote", call, n
    yield (
        "DESlib, StaticSelection",
        lambda: StaticSelection(pool.ensemble, n_jobs=1).fit(pool.X_cal, pool.y_cal),
        n // 2,
    )


def pypruning_members(pool: Pool, seed: int) -> Iterator[tuple[str, Callable, int | None]]:
    from PyPruning.GreedyPruningClassifier import GreedyPruningClassifier
    from PyPruning.ProxPruningClassifier import ProxPruningClassifier

    members = pool.ensemble.estimators_

    def chosen(make: Callable, **options: Any) -> Callable:
        def call() -> Any:
            np.random.seed(seed)  # noqa: NPY002  the package shuffles with it
            return make(**options).prune(pool.X_cal, pool.y_cal, members, *classes)

        return call

    C = int(pool.y_cal.max()) + 1
    # Trees know their number of classes, other members are told.
    classes = () if hasattr(members[0], "n_classes_") else (np.arange(C), C)
    for size in SIZES:
        for loss in ("mse", "cross-entropy"):
            # As its own tests call it.
            options = {"epochs": 25, "step_size": 0.25, "batch_size": 0, "loss": loss}
            make = chosen(ProxPruningClassifier, l_ensemble_reg=size, **options)
            yield f"PyPruning, proximal, {loss}, at most {size}", make, None
        make = chosen(GreedyPruningClassifier, n_estimators=size, n_jobs=1)
        yield f"PyPruning, greedy reduced error, {size}", make, None


MEMBERS = {"skprune": skprune_members, "DESlib": deslib_members, "PyPruning": pypruning_members}


def normal(proba: np.ndarray) -> np.ndarray:
    # A vote of which nothing is left counts as not knowing.
    proba = np.asarray(proba, float) + 1e-12
    return proba / proba.sum(axis=1, keepdims=True)


def members(seeds: int, rounds: int, done: set[tuple]) -> Iterator[dict]:
    for key, (make, _) in POOLS.items():
        for seed in range(seeds):
            pool = make(seed)
            same = float((pool.ensemble.predict_proba(pool.X_test) ** 2).sum())
            for package, of_package in MEMBERS.items():
                for name, fit, n in every(of_package(pool, seed)):
                    if (key, seed, name) in done:
                        continue
                    yield {
                        "part": "members",
                        "pool": key,
                        "seed": seed,
                        "package": package,
                        "method": name,
                        "same": same,
                        **judged(pool, fit, n, rounds),
                    }


def every(found: Iterator) -> Iterator:
    """What a package offers; nothing where it is not installed."""
    try:
        yield from found
    except ImportError as error:
        print(f"left out: {error}", flush=True)


def judged(pool: Pool, fit: Callable, n: int | None, rounds: int) -> dict:
    X, y = pool.X_test, pool.y_test
    start = time.perf_counter()
    chosen = fit()
    seconds = time.perf_counter() - start
    full = pool.ensemble
    labels = np.arange(int(y.max()) + 1)
    # The base of the ratio is the ensemble's own predict, in the same process and by turns.
    times = by_turns([lambda: full.predict(X[:1000]), lambda: chosen.predict(X[:1000])], rounds)
    scale = 1000 / len(X[:1000])
    kept = getattr(chosen, "n_members_", None) or len(getattr(chosen, "estimators_", []))
    return {
        "full": float((full.predict(X) == y).mean()),
        "full_log_loss": float(log_loss(y, normal(full.predict_proba(X)), labels=labels)),
        "full_seconds": float(np.median(times[:, 0])) * scale,
        "n_members": len(full.estimators_),
        "accuracy": float((chosen.predict(X) == y).mean()),
        "log_loss": float(log_loss(y, normal(chosen.predict_proba(X)), labels=labels)),
        "members": int(kept if n is None else n),
        "fit_seconds": seconds,
        "seconds": float(np.median(times[:, 1])) * scale,
        "ratio": float(np.median(times[:, 1] / times[:, 0])),
    }
