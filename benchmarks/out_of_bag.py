"""Forests calibrated out of bag, on a quarter held out, and by folds, against the full forest.

python benchmarks/out_of_bag.py --data FOLDER [--sets satellite vowel] [--seeds 4]

The folder is that of pools.py. The defaults were chosen on the first four sets; the others were
looked at once. A third of the rows, at most 5,000, are tested on.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from _common import machine, table
from pools import fashion_mnist, r_table
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skprune import SOCPEnsemblePruner


def made(seed: int) -> tuple[np.ndarray, np.ndarray]:
    return make_classification(
        4000, 20, n_informative=10, n_classes=5, flip_y=0.1, random_state=seed
    )


def clothes(data: Path) -> tuple[np.ndarray, np.ndarray]:
    images, y = fashion_mnist(data, "train")
    return images[:20_000].reshape(20_000, -1), y[:20_000]


def sets(data: Path) -> dict[str, tuple[int, Callable]]:
    """Trees, and the rows for a seed."""
    of = partial(r_table, data)
    return {
        "digits": (200, lambda seed: load_digits(return_X_y=True)),
        "breast cancer": (200, lambda seed: load_breast_cancer(return_X_y=True)),
        "wine": (200, lambda seed: load_wine(return_X_y=True)),
        "made": (200, made),
        "satellite": (200, lambda seed: of("mlbench", "Satellite", "classes")),
        "vowel": (200, lambda seed: of("mlbench", "Vowel", "Class")),
        "vehicle": (200, lambda seed: of("mlbench", "Vehicle", "Class")),
        "DNA": (200, lambda seed: of("mlbench", "DNA", "Class")),
        "Pima": (200, lambda seed: of("mlbench", "PimaIndiansDiabetes", "diabetes")),
        "spam": (200, lambda seed: of("kernlab", "spam", "type")),
        "income": (200, lambda seed: of("kernlab", "income", "INCOME")),
        "letters": (200, lambda seed: of("mlbench", "LetterRecognition", "lettr")),
        "clothes": (300, lambda seed: clothes(data)),
    }


OUT_OF_BAG = """
## Out of bag

Random forests of 200 trees with pure leaves (clothes, 20,000 images of Fashion-MNIST: 300), pruned
by `SOCPEnsemblePruner` in one call, training included; means of four seeds. "out of bag" is the
default, "soft" `voting="soft", calibrate="temperature"`, "quarter held out" `cv=0.25`, "five folds"
`cv=5`. The defaults were chosen on the first four sets, the others were looked at once. The log
loss of the full forest is that of its mean probabilities, which count as at least 0.001. Aim: at
most 0.4 points below the full forest in the mean, with half of the trees or fewer.

{tables}
"""
CHOSEN_ON = ("digits", "breast cancer", "wine", "made")
WAYS = {
    "out of bag": {},
    "out of bag, soft": {"voting": "soft", "calibrate": "temperature"},
    "quarter held out": {"cv": 0.25},
    "quarter held out, soft": {"cv": 0.25, "voting": "soft", "calibrate": "temperature"},
    "five folds": {"cv": 5},
}


def results(X, y, n_trees: int, seed: int, slow: bool) -> dict[str, list[float]]:
    """Accuracy, log loss, members and seconds (training included) of each way."""
    test = min(5000, len(y) // 3)
    X, X_test, y, y_test = train_test_split(X, y, test_size=test, stratify=y, random_state=seed)
    forest = RandomForestClassifier(n_trees, random_state=seed)
    start = time.perf_counter()
    forest.fit(X, y)
    taken = time.perf_counter() - start
    proba = forest.predict_proba(X_test)
    accuracy = (forest.classes_[proba.argmax(axis=1)] == y_test).mean()
    loss = log_loss(y_test, np.maximum(proba, 1e-3) / np.maximum(proba, 1e-3).sum(1)[:, None])
    found = {"full forest": [accuracy, loss, n_trees, taken]}
    for name, params in WAYS.items():
        if name == "five folds" and slow:
            continue
        pruner = SOCPEnsemblePruner(forest, random_state=seed, **params)
        start = time.perf_counter()
        pruner.fit(X, y)
        taken = time.perf_counter() - start
        loss = log_loss(y_test, pruner.predict_proba(X_test))
        found[name] = [pruner.score(X_test, y_test), loss, pruner.n_members_, taken]
    return found


def report(means: dict[str, dict[str, np.ndarray]]) -> str:
    names = ["full forest", *WAYS]
    head = ["rows", *names]
    parts = []
    for title, at, digits in (("Accuracy, % (members)", 0, 2), ("Log loss", 1, 4)):
        rows = []
        for key, found in means.items():
            cells = []
            for name in names:
                if name not in found:
                    cells.append("")
                    continue
                value = (100 if at == 0 else 1) * found[name][at]
                members = f" ({found[name][2]:.0f})" if at == 0 else ""
                cells.append(f"{value:.{digits}f}{members}")
            rows.append([key, *cells])
        for label, keys in (
            ("mean, chosen on", [k for k in means if k in CHOSEN_ON]),
            ("mean, looked at once", [k for k in means if k not in CHOSEN_ON]),
        ):
            whole = [n for n in names if keys and all(n in means[k] for k in keys)]
            cells = []
            for name in names:
                if name not in whole:
                    cells.append("")
                    continue
                value = np.mean([means[k][name][at] for k in keys]) * (100 if at == 0 else 1)
                share = np.mean([means[k][name][2] / means[k]["full forest"][2] for k in keys])
                cells.append(f"{value:.{digits}f}" + (f" ({share:.0%})" if at == 0 else ""))
            rows.append([f"**{label}**", *cells])
        parts.append(f"{title}:\n\n{table(head, rows)}")
    seconds = [
        [key, *(f"{found[n][3]:.1f}" if n in found else "" for n in names)]
        for key, found in means.items()
    ]
    parts.append(f"Seconds, training included:\n\n{table(head, seconds)}")
    return "\n\n".join(parts)


def out_of_bag_section(data: Path, seeds: int = 4, names: list[str] | None = None) -> str:
    """The section of benchmarks.md."""
    every, means = sets(data), {}
    for key in names or every:
        n_trees, load = every[key]
        slow = key == "clothes"
        runs = [results(*load(seed), n_trees, seed, slow) for seed in range(seeds)]
        means[key] = {name: np.mean([run[name] for run in runs], axis=0) for name in runs[0]}
        print(key, {n: v.round(4).tolist() for n, v in means[key].items()}, flush=True)
    return OUT_OF_BAG.format(tables=report(means))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of the data, as in pools.py"
    )
    parser.add_argument("--sets", nargs="*", help="all by default")
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    print(machine())
    print(out_of_bag_section(options.data, options.seeds, options.sets))
