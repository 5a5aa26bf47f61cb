"""Section 3 of the paper, whole: random CNNs, the grid of alpha and lambda, threshold, both tables.

python benchmarks/paper.py mnist=mnist.npz cifar10=cifar10.npz --scale small --cache runs

Each data set is NAME=FILE, an .npz as `skprune.datasets.load_image_npz` reads it; names are those
of `PAPER` below. A run that is killed goes on where it stopped: every network is in the cache once
it is trained, and so are its predictions. The page is written anew, from all results in the cache,
after each data set. A GPU is used where Keras's back end has one.

Scales: "tiny" tries the script out in a minute, "small" is for CPUs, "paper" is the paper's space,
splits and number of networks, for GPUs. The paper does not say how many passes it trained for.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _common import machine, table
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from skprune import (
    CNNSpace,
    RandomCNNEnsembleClassifier,
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
)
from skprune.datasets import load_image_npz

ALPHAS, LAMS = (0.1, 0.2, 0.3, 0.4, 0.5), (0.1, 0.3, 0.5, 0.7, 0.9)
# "Several thresholds were experimented during validation": the published three, and lower ones.
THRESHOLDS = (0.0, 0.01, 0.03, 0.1, 0.131, 0.18, 0.188)


@dataclass(frozen=True)
class Published:
    """Tables 1 and 2 for one data set; accuracies in percent, members as (max, mean, min)."""

    full: float
    pruned: float
    kept: int
    threshold: float
    full_members: tuple[float, float, float]
    pruned_members: tuple[float, float, float]


@dataclass(frozen=True)
class DataSet:
    """How the paper splits one data set, and what it found; Fashion-MNIST is not in it."""

    title: str
    calibration_share: float
    published: Published | None = None


PAPER = {
    "mnist": DataSet(
        "MNIST",
        1 / 2,  # 40,000 to train on, 20,000 to prune on
        Published(99.66, 99.64, 170, 0.18, (99.64, 99.24, 95.22), (99.63, 99.23, 97.86)),
    ),
    "cifar10": DataSet(
        "CIFAR-10",
        1 / 4,  # 40,000 and 10,000
        Published(90.33, 90.12, 56, 0.131, (86.11, 81.28, 69.23), (84.44, 79.10, 69.23)),
    ),
    "cifar100": DataSet(
        "CIFAR-100",
        1 / 4,
        Published(59.54, 59.28, 98, 0.188, (49.45, 33.36, 11.52), (49.45, 34.08, 11.52)),
    ),
    "fashion_mnist": DataSet("Fashion-MNIST", 1 / 2),
}


@dataclass(frozen=True)
class Scale:
    """How much of the paper's experiment is run."""

    models: int
    train: int
    test: int
    space: Callable[[], CNNSpace]
    widths: str
    epochs: int
    batch_size: int = 64

    def __str__(self) -> str:
        return (
            f"{self.models} networks of {self.widths} filters, {self.train:,} images to train on, "
            f"up to {self.epochs} passes"
        )


SCALES = {
    "tiny": Scale(6, 600, 500, CNNSpace.small, "8 to 32", 3),
    "small": Scale(100, 5_000, 10_000, CNNSpace.small, "8 to 32", 6),
    "paper": Scale(300, 40_000, 10_000, CNNSpace.paper, "32 to 256", 40, 128),
}


def split(path: Path, scale: Scale, share: float, seed: int) -> list[np.ndarray]:
    """Images and classes to train on, to prune on and to test on; the last are the file's own."""
    data = load_image_npz(path)
    parts: list[np.ndarray] = []
    X, y = data.X_train, data.y_train
    sizes = scale.train, round(share * scale.train)
    if sum(sizes) > len(y):
        raise SystemExit(f"{path} has {len(y):,} images to train and prune on, not {sum(sizes):,}.")
    for size in sizes:
        if size == len(y):  # the last ones
            part, y_part = X, y
        else:
            part, X, y_part, y = train_test_split(
                X, y, train_size=size, stratify=y, random_state=seed
            )
        parts += [part, y_part]
    X, y = data.X_test, data.y_test
    if scale.test < len(y):
        X, _, y, _ = train_test_split(X, y, train_size=scale.test, stratify=y, random_state=seed)
    return [*parts, X, y]


def arms(ensemble: Any, memory: Path) -> dict[str, Any]:
    """The paper's choice, and what skprune chooses for the paper's vote; not fitted."""
    given = {"estimator": FrozenEstimator(ensemble), "memory": memory, "random_state": 0}
    given["voting"] = "soft"
    return {
        "paper": SOCPEnsemblePrunerCV(
            **given, alphas=ALPHAS, lams=LAMS, thresholds=THRESHOLDS, reweights=["none"]
        ),
        "skprune": SOCPEnsemblePruner(**given),
        "skprune, tuned": SOCPEnsemblePrunerCV(**given),
    }


def chosen(pruner: Any) -> dict[str, float]:
    """Alpha, lambda and threshold, whoever chose them."""
    if hasattr(pruner, "alpha_"):
        return {"alpha": pruner.alpha_, "lam": pruner.lam_, "threshold": pruner.threshold_}
    return {"alpha": pruner.alpha, "lam": pruner.lam, "threshold": pruner.threshold_}


def tables(P: np.ndarray, y: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
    """Tables 1 and 2, in percent, from all networks' probabilities on the test images."""
    alone = 100 * (P.argmax(axis=2) == y).mean(axis=1)

    def vote(w: np.ndarray) -> float:
        return 100 * float((np.tensordot(w, P, axes=1).argmax(axis=1) == y).mean())

    def members(scores: np.ndarray) -> list[float]:
        return [float(scores.max()), float(scores.mean()), float(scores.min())]

    return {
        "full": vote(np.full(len(P), 1 / len(P))),
        "pruned": vote(weights),
        "kept": int((weights > 0).sum()),
        "full_members": members(alone),
        "pruned_members": members(alone[weights > 0]),
    }


def run(name: str, path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One data set: train, prune three ways, report."""
    scale = SCALES[options.scale]
    X, y, X_cal, y_cal, X_test, y_test = split(
        path, scale, PAPER[name].calibration_share, options.seed
    )
    # The labels of the files are 0, 1, ...: a network's columns are in their order.
    cache = options.cache / f"{name}_{options.scale}_{options.seed}"
    resumed = cache.exists()
    start = time.perf_counter()
    ensemble = RandomCNNEnsembleClassifier(
        scale.models,
        space=scale.space(),
        epochs=scale.epochs,
        batch_size=scale.batch_size,
        memory=cache,
        n_jobs=options.jobs,
        random_state=options.seed,
        verbose=1,
    ).fit(X, y)
    trained = time.perf_counter() - start
    P_test = ensemble.member_predict_proba(X_test)
    found = {}
    for arm, pruner in arms(ensemble, cache).items():
        pruner.fit(X_cal, y_cal)
        found[arm] = {**tables(P_test, y_test, pruner.weights_), **chosen(pruner)}
        print(f"{name}, {arm}: {found[arm]}", flush=True)
        if arm == "skprune" and options.figures is not None:
            draw(pruner, X_test, y_test, name, options.figures)
    return {
        "data": name,
        "scale": options.scale,
        "seed": options.seed,
        "rows": [len(y), len(y_cal), len(y_test)],
        "jpeg": is_jpeg(path),
        "models": scale.models,
        "settings": str(scale),
        "machine": machine(),
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
        "training_seconds": None if resumed else trained,
        "arms": found,
    }


def draw(pruner: Any, X: np.ndarray, y: np.ndarray, name: str, folder: Path) -> None:
    """Accuracy on the test images against the number of networks."""
    import matplotlib

    matplotlib.use("agg")
    from skprune.inspection import PruningPathDisplay

    display = PruningPathDisplay.from_estimator(pruner, X, y)
    display.ax_.set_title(f"{pruner.n_members_in_} random CNNs on {PAPER[name].title}")
    display.ax_.set_ylabel(f"Accuracy on {len(y):,} test images")
    folder.mkdir(parents=True, exist_ok=True)
    display.figure_.savefig(folder / f"{name}.png", dpi=150)


def is_jpeg(path: Path) -> bool:
    with np.load(path) as file:
        return "train_jpeg" in file.files


# The page

HEAD = """# The paper, again

Written by `benchmarks/paper.py`, which runs Section 3 of the paper: random CNNs, a split to train
on, one to prune on, and the test images of the file; alpha and lambda of the paper's grid, and the
threshold, by 5-fold cross-validation on the second; weights as the program gives them, and their
vote. Accuracies in percent of the test images. "Paper's grid" is that; "defaults" is
`SOCPEnsemblePruner(voting="soft")`, "tuned" `SOCPEnsemblePrunerCV(voting="soft")`. The paper's own
numbers are of 300 networks of 32 to 256 filters on 40,000 images; compare them with a smaller scale
only in what pruning loses, and keeps. A threshold here is a share of the largest weight; the paper
does not say what of its own are. One seed each: what another would change was not measured.
"""


def page(results: list[dict[str, Any]]) -> str:
    """The largest scale of each data set, of its first seed, as one page."""
    order = list(SCALES)
    best: dict[str, dict[str, Any]] = {}
    for result in sorted(results, key=lambda r: (order.index(r["scale"]), -r["seed"])):
        best[result["data"]] = result
    return "\n".join([HEAD, *(section(best[name]) for name in PAPER if name in best)])


def section(result: dict[str, Any]) -> str:
    """One data set beside the paper's numbers."""
    data = PAPER[result["data"]]
    rows = result["rows"]
    arms, full = result["arms"], next(iter(result["arms"].values()))
    said = data.published
    names = {"paper": "paper's grid", "skprune": "defaults", "skprune, tuned": "tuned"}
    columns = [("paper: all", None), ("paper: pruned", None), ("here: all", full)]
    columns += [(f"here: {names[arm]}", values) for arm, values in arms.items()]

    def line(label: str, paper: tuple[Any, Any], here_full: str, key: Callable[..., str]) -> list:
        return [label, *paper, here_full, *(key(values) for values in arms.values())]

    def published(full_value: Any, pruned_value: Any) -> tuple[Any, Any]:
        return ("-", "-") if said is None else (full_value(said), pruned_value(said))

    body = [
        line(
            "test accuracy of the vote",
            published(lambda s: s.full, lambda s: s.pruned),
            f"{full['full']:.2f}",
            lambda v: f"{v['pruned']:.2f}",
        ),
        line(
            "networks",
            published(lambda s: 300, lambda s: s.kept),
            str(result["models"]),
            lambda v: str(v["kept"]),
        ),
        line(
            "threshold",
            published(lambda s: "", lambda s: s.threshold),
            "",
            lambda v: f"{v['threshold']:.3g}",
        ),
        line("alpha, lambda", ("", ""), "", lambda v: f"{v['alpha']:g}, {v['lam']:g}"),
    ]
    for i, label in enumerate(("best", "mean", "worst")):
        body.append(
            line(
                f"{label} single network",
                published(lambda s, i=i: s.full_members[i], lambda s, i=i: s.pruned_members[i]),
                f"{full['full_members'][i]:.2f}",
                lambda v, i=i: f"{v['pruned_members'][i]:.2f}",
            )
        )
    took = ""
    if result["training_seconds"] is not None:
        took = f" Training took {result['training_seconds'] / 60:.0f} minutes."
    jpeg = " Images are of low quality (JPEG), so that the paper's are easier." * result["jpeg"]
    return "\n".join(
        [
            f"## {data.title}, scale {result['scale']}\n",
            f"{result['settings']}, {rows[1]:,} to prune on, {rows[2]:,} to test on; "
            f"seed {result['seed']}.{jpeg}{took} "
            f"Keras on {result['backend']}; {result['machine']}.\n",
            table(["", *(name for name, _ in columns)], body),
            "",
        ]
    )


def named_file(text: str) -> tuple[str, Path]:
    """NAME=FILE of a data set that PAPER knows."""
    name, _, path = text.partition("=")
    if name not in PAPER or not path:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME=FILE with NAME one of {', '.join(PAPER)}"
        )
    if not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {path}")
    return name, Path(path)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run Section 3 of the paper.")
    parser.add_argument("data", nargs="*", type=named_file, metavar="NAME=FILE")
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--cache", type=Path, required=True, help="folder to go on from")
    parser.add_argument("--jobs", type=int, default=-1, help="networks trained at a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figures", type=Path, help="folder to draw the defaults' choices into")
    parser.add_argument("--output", type=Path, default=Path("docs/paper.md"))
    return parser.parse_args()


def main() -> None:
    options = parse()
    results = options.cache / "results"
    results.mkdir(parents=True, exist_ok=True)
    for name, path in options.data:
        result = run(name, path, options)
        file = results / f"{name}_{options.scale}_{options.seed}.json"
        file.write_text(json.dumps(result, indent=1))
    found = [json.loads(file.read_text()) for file in sorted(results.glob("*.json"))]
    options.output.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
