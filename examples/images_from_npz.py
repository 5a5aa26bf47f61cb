"""
Your own images
===============

The same on MNIST, CIFAR-10 or any .npz file of labelled images::

    python examples/images_from_npz.py mnist.npz
    python examples/images_from_npz.py mnist.npz --members 300 --space paper \\
        --train 40000 --calibration 20000 --test 10000 --epochs 30 --cache cnns

The second line is the paper's scale. With --cache, a run that was stopped goes on where it
stopped, and more members or other grids train only what is new.

Keras's own download (``keras.datasets.mnist.load_data``) leaves such a file in ~/.keras/datasets;
the layout is described in :func:`skprune.datasets.load_image_npz`.
"""

import argparse
import tempfile
import time
from pathlib import Path

import joblib
import matplotlib
import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split

from skprune import CNNSpace, RandomCNNEnsembleClassifier, SOCPEnsemblePruner
from skprune.datasets import load_image_npz
from skprune.inspection import PruningPathDisplay, pruning_report

PAPER_GRID = {"alpha": [0.1, 0.2, 0.3, 0.4, 0.5], "lam": [0.1, 0.3, 0.5, 0.7, 0.9]}
# Of equal scores the first is taken: accuracy before diversity, few members before many.
GRID = {"alpha": [0.9, 0.7, 0.5], "lam": [0.3, 0.2, 0.1, 0.05]}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Train random CNNs on the images of an .npz file, and prune them."
    )
    parser.add_argument("path", type=Path, help=".npz file of labelled images")
    parser.add_argument("--members", type=int, default=24, help="CNNs to train")
    parser.add_argument("--space", choices=["small", "paper"], default="small")
    parser.add_argument("--train", type=int, default=4000, help="images to train on")
    parser.add_argument("--calibration", type=int, default=2000, help="images to prune on")
    parser.add_argument("--test", type=int, default=2000, help="images to test on")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--grid", choices=["default", "paper"], default="default")
    parser.add_argument("--cache", type=Path, default=None, help="folder of trained CNNs")
    parser.add_argument("--jobs", type=int, default=-1, help="CNNs trained at a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("outputs"), help="folder to write to")
    return parser.parse_args()


def draw(X: np.ndarray, y: np.ndarray, sizes: list[int], seed: int) -> list[np.ndarray]:
    """Disjoint samples of the given sizes, by class: X of the first, y of the first, ..."""
    if sum(sizes) > len(y):
        raise SystemExit(f"{sum(sizes)} images were asked for; the file has {len(y)}.")
    drawn = []
    for size in sizes:
        if size == len(y):
            return [*drawn, X, y]
        part, X, y_part, y = train_test_split(X, y, train_size=size, stratify=y, random_state=seed)
        drawn += [part, y_part]
    return drawn


def main() -> None:
    options = parse()
    options.output.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    data = load_image_npz(options.path)
    X_train, y_train, X_cal, y_cal = draw(
        data.X_train, data.y_train, [options.train, options.calibration], options.seed
    )
    X_test, y_test = draw(data.X_test, data.y_test, [options.test], options.seed)

    ensemble = RandomCNNEnsembleClassifier(
        options.members,
        space=CNNSpace.paper() if options.space == "paper" else CNNSpace.small(),
        epochs=options.epochs,
        batch_size=options.batch_size,
        memory=options.cache,
        n_jobs=options.jobs,
        random_state=options.seed,
        verbose=1,
    ).fit(X_train, y_train)
    grid = PAPER_GRID if options.grid == "paper" else GRID
    with tempfile.TemporaryDirectory() as folder:
        # The paper's grid is for its own vote, equation (3).
        voting = "soft" if options.grid == "paper" else "log"
        pruner = SOCPEnsemblePruner(FrozenEstimator(ensemble), voting=voting, memory=folder)
        search = GridSearchCV(pruner, grid, cv=5).fit(X_cal, y_cal)
    best = search.best_estimator_.set_params(memory=None)
    print(f"\nChosen by cross-validation: {search.best_params_}\n")
    print(pruning_report(best, X_test, y_test))

    matplotlib.use("agg")
    display = PruningPathDisplay.from_estimator(best, X_test, y_test)
    display.figure_.savefig(options.output / f"{options.path.stem}.png", dpi=150)
    joblib.dump(best, options.output / f"{options.path.stem}.joblib")
    print(f"\nFigure and pruner: {options.output}. Done in {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
