"""Small fits whose results are frozen. Every parameter is given, so that defaults may change.

Each case is a function without arguments that returns a dict of arrays and numbers.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import BaggingRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)
from skprune.socp import (
    EnsembleStatistics,
    SOCPProblem,
    socp_path,
    solve_exact_entropy,
    solve_socp,
    solve_subset,
    solve_support,
    subset_path,
)

COMMON = {
    "penalty": "l1",
    "costs": None,
    "max_members": None,
    "max_cost": None,
    "solver": "auto",
    "prediction_dtype": None,
    "memory": None,
    "n_jobs": None,
    "random_state": 0,
    "verbose": 0,
}
ONE = {"alpha": 0.9, "lam": 0.05, "threshold": 0.0, "reweight": 0.5}
MANY = {
    "alphas": (0.7, 0.9, 1.0),
    "lams": (0.02, 0.1, 0.3),
    "thresholds": (0.05,),
    "reweights": ("relaxed", 0.5, "equal"),
    "scoring": None,
    "selection": "best",
    "inner_cv": 4,
    "n_resamples": 4,
}
VOTE = {"voting": "soft", "diversity": "shannon"}
COSTS = [5.0, 1.0, 2.0, 3.0, 1.0, 4.0, 2.0, 6.0, 1.0, 3.0, 2.0, 5.0]

CASES: dict[str, Callable[[], dict[str, Any]]] = {}


def case(name: str) -> Callable:
    def register(function: Callable) -> Callable:
        CASES[name] = function
        return function

    return register


def classes(labels: Any = None) -> tuple[np.ndarray, np.ndarray]:
    X, y = make_classification(
        420, 8, n_informative=5, n_classes=3, flip_y=0.1, class_sep=0.8, random_state=3
    )
    return X, y if labels is None else np.asarray(labels)[y]


def numbers(n_targets: int = 1) -> tuple[np.ndarray, np.ndarray]:
    return make_regression(420, 8, n_informative=6, n_targets=n_targets, noise=30.0, random_state=5)


def forest(n: int = 12) -> RandomForestClassifier:
    return RandomForestClassifier(n, max_depth=4, random_state=1)


def bag(n: int = 12) -> RandomForestRegressor:
    return RandomForestRegressor(n, max_depth=5, max_features=3, random_state=1)


def listed() -> list[tuple[str, BaseEstimator]]:
    return [
        ("logistic", LogisticRegression(C=0.5)),
        ("stump", DecisionTreeClassifier(max_depth=2, random_state=0)),
        ("tree", DecisionTreeClassifier(max_depth=5, random_state=0)),
        ("bayes", GaussianNB()),
    ]


def listed_regressors() -> list[tuple[str, BaseEstimator]]:
    return [
        ("linear", LinearRegression()),
        ("tree", DecisionTreeRegressor(max_depth=4, random_state=0)),
        ("neighbors", KNeighborsRegressor(7)),
        ("bag", BaggingRegressor(n_estimators=5, random_state=0)),
    ]


def pool(M: int = 12, N: int = 90, C: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of made members of different quality, and the classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(N) % C
    logits = rng.normal(size=(M, N, C)) + 0.8 * rng.normal(size=(2, N, C))[np.arange(M) % 2]
    logits += np.linspace(0.2, 1.6, M)[:, None, None] * np.eye(C)[y]
    P = np.exp(logits)
    return P / P.sum(axis=2, keepdims=True), y


def of_pruner(pruner: Any, X: np.ndarray) -> dict[str, Any]:
    """Everything that a fitted pruner says."""
    found: dict[str, Any] = {
        "weights": pruner.weights_,
        "n_members": pruner.n_members_,
        "threshold": pruner.threshold_,
        "solution_weights": pruner.solution_.weights,
        "solution_objective": pruner.solution_.objective,
        "path_lams": pruner.path_.lams,
        "path_n_members": pruner.path_.n_members,
        "frontier_score": pruner.frontier_.score,
        "frontier_member_score": pruner.frontier_.member_score,
        "frontier_full_score": pruner.frontier_.full_score,
        "frontier_pruned_score": pruner.frontier_.pruned_score,
    }
    table = pruner.explain()
    found |= {
        "explain_names": list(table.names),
        "explain_score": table.score,
        "explain_diversity": table.diversity,
        "explain_entry": table.entry_lam,
        "explain_increase": table.leave_one_out_increase,
        "explain_similar": table.most_similar_member,
        "explain_correlation": table.error_correlation,
    }
    if table.cost is not None:
        found["explain_cost"] = table.cost
    if hasattr(pruner, "predict_proba"):
        found["probabilities"] = pruner.predict_proba(X)
        found["classes"] = pruner.classes_.tolist()
    else:
        found["predictions"] = pruner.predict(X)
        found["intercept"] = pruner.intercept_
    if hasattr(pruner, "cv_results_"):
        results = pruner.cv_results_
        folds = sum(name.startswith("split") for name in results)
        found |= {
            "cv_scores": [results[f"split{i}_test_score"] for i in range(folds)],
            "cv_mean": results["mean_test_score"],
            "cv_std": results["std_test_score"],
            "cv_rank": results["rank_test_score"],
            "cv_n_members": results["n_members"],
            "cv_params": [str(params) for params in results["params"]],
            "best_index": pruner.best_index_,
            "best_score": pruner.best_score_,
            "nested_scores": pruner.nested_scores_,
            "full_score": pruner.full_score_,
            "best_member_score": pruner.best_member_score_,
            "frequency": pruner.selection_frequency_,
        }
    return found


def pruned(cls: type, estimator: Any, data: tuple, weight: Any = None, **params: Any) -> dict:
    """Fit on all rows but the last 20, which are predicted."""
    own = {**COMMON, **(MANY if cls.__name__.endswith("CV") else ONE)}
    if "Regressor" not in cls.__name__:
        own |= VOTE
    X, y = data
    pruner = cls(estimator, **(own | {"cv": 0.25} | params))
    pruner.fit(X[:-20], y[:-20], None if weight is None else weight[:-20])
    return of_pruner(pruner, X[-20:])


VARIANTS: dict[str, dict[str, Any]] = {
    "held out": {},
    "folds": {"cv": 3},
    "splitter": {"cv": StratifiedKFold(4)},
    "hard": {"voting": "hard"},
    "gini": {"diversity": "gini", "alpha": 0.5},
    "exact": {"diversity": "exact", "alpha": 0.5},
    "zero norm": {"penalty": "l0", "lam": 0.2},
    "relaxed": {"reweight": "relaxed", "lam": 0.1},
    "equal": {"reweight": "equal", "lam": 0.1},
    "not reweighted": {"reweight": "none", "lam": 0.1, "threshold": 0.3},
    "at most four": {"max_members": 4},
    "costs": {"costs": COSTS, "max_cost": 9.0},
    "costs in the penalty": {"costs": COSTS, "penalize_costs": True},
    "costs, zero norm": {"costs": COSTS, "max_cost": 9.0, "penalty": "l0"},
    "parameters": {"costs": "parameters", "penalize_costs": True},
    "single precision": {"prediction_dtype": "float32"},
}
for name, params in VARIANTS.items():
    CASES[f"classifier, {name}"] = lambda params=params: pruned(
        SOCPEnsemblePruner, forest(), classes(), **params
    )


@case("classifier, weighted rows and text labels")
def _() -> dict[str, Any]:
    weight = np.random.default_rng(0).integers(0, 4, 420).astype(float)
    return pruned(SOCPEnsemblePruner, forest(), classes(["b", "a", "c"]), weight)


@case("classifier, list")
def _() -> dict[str, Any]:
    return pruned(SOCPEnsemblePruner, listed(), classes(), cv=3)


@case("classifier, frozen")
def _() -> dict[str, Any]:
    X, y = classes()
    fitted = FrozenEstimator(forest().fit(X[:200], y[:200]))
    return pruned(SOCPEnsemblePruner, fitted, (X[200:], y[200:]), cv="prefit")


@case("classifier, predictions")
def _() -> dict[str, Any]:
    X, y = classes()
    fitted = forest().fit(X[:200], y[:200])
    P = np.array([tree.predict_proba(X[200:400]) for tree in fitted.estimators_])
    params = {**COMMON, **ONE, **VOTE, "cv": "prefit"}
    pruner = SOCPEnsemblePruner(FrozenEstimator(fitted), **params)
    return of_pruner(pruner.fit_predictions(P, y[200:400]), X[400:])


@case("classifier, blocks")
def _() -> dict[str, Any]:
    X, y = classes()
    fitted = FrozenEstimator(forest().fit(X[:200], y[:200]))
    pruner = SOCPEnsemblePruner(fitted, **{**COMMON, **ONE, **VOTE, "cv": "prefit"})
    pruner.fit_blocks([(X[200:260], y[200:260]), (X[260:400], y[260:400])])
    return of_pruner(pruner, X[400:])


SEARCHES: dict[str, dict[str, Any]] = {
    "accuracy": {},
    "log loss": {"scoring": "neg_log_loss", "n_resamples": 0},
    "one standard error": {"selection": "one_se"},
    "hard": {"voting": "hard", "alphas": (0.9,)},
    "zero norm, limit": {"penalty": "l0", "max_members": 5, "alphas": (0.9,)},
    "costs": {"costs": COSTS, "max_cost": 9.0, "scoring": "roc_auc_ovr"},
    "folds": {"cv": 3, "alphas": (0.5, 0.9), "thresholds": (0.0, 0.2)},
}
for name, params in SEARCHES.items():
    CASES[f"search, {name}"] = lambda params=params: pruned(
        SOCPEnsemblePrunerCV, forest(), classes(), **params
    )

REGRESSIONS: dict[str, dict[str, Any]] = {
    "held out": {},
    "folds": {"cv": 3},
    "zero norm": {"penalty": "l0", "lam": 0.3},
    "relaxed": {"reweight": "relaxed"},
    "not reweighted": {"reweight": "none", "threshold": 0.2},
    "costs": {"costs": COSTS, "max_cost": 9.0},
}
for name, params in REGRESSIONS.items():
    CASES[f"regressor, {name}"] = lambda params=params: pruned(
        SOCPEnsemblePrunerRegressor, bag(), numbers(), **params
    )


@case("regressor, two targets, list")
def _() -> dict[str, Any]:
    return pruned(SOCPEnsemblePrunerRegressor, listed_regressors(), numbers(2), cv=3)


@case("regressor, weighted rows")
def _() -> dict[str, Any]:
    weight = np.random.default_rng(0).integers(0, 4, 420).astype(float)
    return pruned(SOCPEnsemblePrunerRegressor, bag(), numbers(), weight)


@case("search of regressors")
def _() -> dict[str, Any]:
    return pruned(SOCPEnsemblePrunerRegressorCV, bag(), numbers())


@case("search of regressors, two targets")
def _() -> dict[str, Any]:
    params = {"scoring": "neg_mean_absolute_error", "cv": 3, "alphas": (0.9,)}
    return pruned(SOCPEnsemblePrunerRegressorCV, bag(), numbers(2), **params)


@case("statistics")
def _() -> dict[str, Any]:
    P, y = pool()
    stats = EnsembleStatistics.from_predictions(P, y)
    weighted = EnsembleStatistics.from_predictions(P, y, np.arange(len(y)) % 3)
    return {
        f"{name} {field}": getattr(each, field)
        for name, each in (("all rows", stats), ("weighted", weighted))
        for field in ("gram", "agreement", "reference_gram", "divergence")
    }


@case("path")
def _() -> dict[str, Any]:
    stats, found = EnsembleStatistics.from_predictions(*pool()), {}
    for alpha in (0.1, 0.5, 0.9, 1.0):
        for diversity in ("shannon", "gini"):
            for costs in (None, COSTS):
                path = socp_path(stats, alpha, diversity=diversity, costs=costs)
                name = f"{alpha} {diversity} {'costs' if costs else ''}"
                found |= {f"{name} lams": path.lams, f"{name} weights": path.weights}
    return found


@case("solvers")
def _() -> dict[str, Any]:
    P, y = pool()
    stats, found = EnsembleStatistics.from_predictions(P, y), {}
    for lam in (0.0, 0.1, 0.5):
        solution = solve_socp(stats, 0.8, lam, solver="auto", diversity="shannon", costs=COSTS)
        exact = solve_exact_entropy(P, y, 0.5, lam, costs=COSTS)
        found |= {
            f"{lam} weights": solution.weights,
            f"{lam} objective": solution.objective,
            f"{lam} exact weights": exact.solution.weights,
        }
    problem = SOCPProblem.from_statistics(stats, 0.9, diversity="shannon", costs=None)
    found["support"] = solve_support(problem, np.arange(12) % 2 == 0)
    found["subset"] = solve_subset(problem, 3).weights
    found["subsets"] = [each.weights for each in subset_path(problem, [1, 2, 5])]
    return found


# Wrong values of one parameter each; the error's class and the name of the parameter are frozen.
WRONG: list[tuple[str, Any]] = [
    ("estimator", 3),
    ("estimator", []),
    ("estimator", LogisticRegression()),
    ("cv", 1.5),
    ("cv", "folds"),
    ("cv", []),
    ("cv", [([0, 1], [999])]),
    ("alpha", 2),
    ("alpha", "0.9"),
    ("lam", -1),
    ("lam", 1),
    ("threshold", "auto"),
    ("reweight", "some"),
    ("voting", "loud"),
    ("diversity", None),
    ("penalty", "l2"),
    ("costs", "euros"),
    ("costs", [1.0, -1.0]),
    ("max_members", 0),
    ("max_cost", 1.0),
    ("solver", "gurobi"),
    ("prediction_dtype", "float64"),
    ("memory", ""),
    ("n_jobs", 0),
    ("random_state", "seed"),
]


@case("errors")
def _() -> dict[str, Any]:
    X, y = classes()
    found = {}
    for name, value in WRONG:
        pruner = SOCPEnsemblePruner(forest(), **(COMMON | ONE | VOTE | {"cv": 0.25}))
        try:
            pruner.set_params(**{name: value}).fit(X, y)
        except Exception as error:
            kinds = [kind.__name__ for kind in (TypeError, ValueError) if isinstance(error, kind)]
            found[f"{name}={value!r}"] = [*kinds, f"names it: {name in str(error)}"]
    return found
