"""
The quickstart: 24 networks, few of them kept
=============================================

Train 24 random CNNs on images of digits, keep the few that matter, and serve them::

    python examples/quickstart.py [--seed 0] [--members 24] [--output outputs]

Everything happens here that a user of skprune does: an ensemble is trained once, a grid over
alpha and lambda prunes it, the paper's two tables say what was kept and lost, a figure shows
the way there, and a new Python process loads the saved pruner and answers the same.
"""

# sphinx_gallery_thumbnail_path = 'quickstart.png'

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import joblib
import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split

from skprune import RandomCNNEnsembleClassifier, SOCPEnsemblePruner
from skprune.inspection import PruningPathDisplay, PruningReport, pruning_report

# Of equal scores the first is taken: accuracy before diversity, few members before many.
GRID = {"alpha": [0.9, 0.7, 0.5], "lam": [0.3, 0.2, 0.1, 0.05]}


@dataclass(frozen=True)
class Result:
    """What one run found."""

    search: GridSearchCV
    report: PruningReport
    X_test: np.ndarray
    y_test: np.ndarray


def run(seed: int = 0, members: int = 24, cache: Path | None = None, verbose: int = 0) -> Result:
    """Train, prune and compare, on scikit-learn's 1,797 digits of 8 x 8 pixels."""
    digits = load_digits()
    X, X_test, y, y_test = train_test_split(
        digits.images, digits.target, test_size=0.25, stratify=digits.target, random_state=seed
    )
    # Members must not be calibrated on what they were trained on.
    X_train, X_cal, y_train, y_cal = train_test_split(
        X, y, test_size=1 / 3, stratify=y, random_state=seed
    )
    ensemble = RandomCNNEnsembleClassifier(
        members, epochs=20, memory=cache, n_jobs=-1, random_state=seed, verbose=verbose
    ).fit(X_train, y_train)
    with tempfile.TemporaryDirectory() as predictions:
        # FrozenEstimator: the grid prunes the ensemble, and does not train it again.
        # threshold="auto": as few as do no measurable harm.
        pruner = SOCPEnsemblePruner(FrozenEstimator(ensemble), threshold="auto", memory=predictions)
        search = GridSearchCV(pruner, GRID, cv=5).fit(X_cal, y_cal)
    search.best_estimator_.set_params(memory=None)
    return Result(search, pruning_report(search.best_estimator_, X_test, y_test), X_test, y_test)


def serve_elsewhere(path: Path, X: np.ndarray, folder: Path) -> np.ndarray:
    """Predict with the saved pruner in a new process, as a server would."""
    np.save(folder / "X.npy", X)
    code = (
        "import sys, joblib, numpy as np\n"
        "pruner = joblib.load(sys.argv[1])\n"
        "np.save(sys.argv[3], pruner.predict_proba(np.load(sys.argv[2])))\n"
    )
    answer = folder / "probabilities.npy"
    command = [sys.executable, "-c", code, str(path), str(folder / "X.npy"), str(answer)]
    subprocess.run(command, check=True)
    return np.load(answer)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train, prune, save and serve random CNNs.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--members", type=int, default=24, help="CNNs to train")
    parser.add_argument("--cache", type=Path, help="folder of trained CNNs, to go on from")
    parser.add_argument("--output", type=Path, default=Path("outputs"), help="folder to write to")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()

    print(f"Training {options.members} random CNNs on scikit-learn's digits ...", flush=True)
    result = run(options.seed, options.members, options.cache, verbose=1)
    pruner = result.search.best_estimator_
    best = result.search.best_params_
    print(f"\nChosen by 5-fold cross-validation: alpha={best['alpha']}, lambda={best['lam']}\n")
    print(result.report)

    matplotlib.use("agg")
    figure = options.output / "quickstart.png"
    display = PruningPathDisplay.from_estimator(pruner, result.X_test, result.y_test)
    display.ax_.set_title("Random CNNs on digits: members kept and accuracy")
    display.figure_.savefig(figure, dpi=150)

    path = options.output / "pruner.joblib"
    joblib.dump(pruner, path)
    with tempfile.TemporaryDirectory() as folder:
        served = serve_elsewhere(path, result.X_test, Path(folder))
    if not np.array_equal(served, pruner.predict_proba(result.X_test)):
        raise SystemExit("The saved pruner predicts otherwise than the one that was saved.")
    print(f"\nFigure: {figure}")
    print(
        f"Saved pruner: {path}, {path.stat().st_size / 1024:.0f} KiB; a new process loaded it and "
        "gave the same probabilities to the last bit."
    )
    print(f"Done in {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
