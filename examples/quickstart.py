"""
The quickstart: 24 networks, few of them kept
=============================================

Train 24 random CNNs on images of digits, keep the few that matter, and serve them::

    python examples/quickstart.py [--seed 0] [--members 24] [--output outputs]

An ensemble is trained once, and a pruner with its defaults, and a limit of half of the members,
selects some of them on rows that they were not trained on. A table compares all members with the
kept ones: accuracy, log loss, time and bytes. A figure shows accuracy against the number of
members. At the end a new Python process loads the saved pruner and gives the same probabilities.
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
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

from skprune import RandomCNNEnsembleClassifier, SOCPEnsemblePruner
from skprune.inspection import PruningPathDisplay
from skprune.metrics import latency_ratio


@dataclass(frozen=True)
class Result:
    """The ensemble, the pruner that keeps some of its members, and rows neither has seen."""

    ensemble: RandomCNNEnsembleClassifier
    pruner: SOCPEnsemblePruner
    X_test: np.ndarray
    y_test: np.ndarray


def run(seed: int = 0, members: int = 24, cache: Path | None = None, verbose: int = 0) -> Result:
    """Train and prune on scikit-learn's 1,797 digits of 8 x 8 pixels."""
    digits = load_digits()
    X, X_test, y, y_test = train_test_split(
        digits.images, digits.target, test_size=0.25, stratify=digits.target, random_state=seed
    )
    # Members are selected on rows that they were not trained on.
    X_train, X_cal, y_train, y_cal = train_test_split(
        X, y, test_size=1 / 3, stratify=y, random_state=seed
    )
    ensemble = RandomCNNEnsembleClassifier(
        members, epochs=40, memory=cache, n_jobs=-1, random_state=seed, verbose=verbose
    ).fit(X_train, y_train)
    # FrozenEstimator: the ensemble is fitted already, and is not trained again.
    pruner = SOCPEnsemblePruner(FrozenEstimator(ensemble), max_members=max(1, members // 2))
    pruner.fit(X_cal, y_cal)
    return Result(ensemble, pruner, X_test, y_test)


def compare(result: Result, path: Path) -> str:
    """Save the pruner, and print what was gained beside what was kept."""
    models = result.ensemble, result.pruner
    joblib.dump(result.pruner, path)
    whole = path.with_name("ensemble.joblib")
    joblib.dump(result.ensemble, whole)
    X, y = result.X_test, result.y_test
    P = [model.predict_proba(X) for model in models]
    # Both are timed in turns, one image at a time.
    times = latency_ratio(*(model.predict_proba for model in models), X[:50], 1)
    rows = {
        "members": [f"{len(model.estimators_)}" for model in models],
        "test accuracy": [f"{accuracy_score(y, p.argmax(axis=1)):.2%}" for p in P],
        "test log loss": [f"{log_loss(y, p):.4f}" for p in P],
        "ms for one image": [f"{1e3 * each.median:.1f}" for each in (times.a, times.b)],
        "KiB on disk": [f"{file.stat().st_size / 1024:,.0f}" for file in (whole, path)],
    }
    lines = [f"{'':18}{'full ensemble':>15}{'kept members':>15}", "-" * 48]
    lines += [f"{name:18}{full:>15}{kept:>15}" for name, (full, kept) in rows.items()]
    return "\n".join(lines)


def draw(result: Result, path: Path) -> None:
    """Accuracy against the number of members."""
    matplotlib.use("agg")
    display = PruningPathDisplay.from_estimator(result.pruner, result.X_test, result.y_test)
    display.ax_.set_title("Random CNNs on digits: members kept and accuracy")
    # One test image is 0.0022: a narrower axis would show little else.
    display.ax_.set(ylim=(0.95, 1.015), yticks=np.linspace(0.95, 1, 6))
    display.figure_.savefig(path, dpi=150)


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
    path, figure = options.output / "pruner.joblib", options.output / "quickstart.png"
    print(f"\n{compare(result, path)}\n")
    draw(result, figure)

    with tempfile.TemporaryDirectory() as folder:
        served = serve_elsewhere(path, result.X_test, Path(folder))
    if not np.array_equal(served, result.pruner.predict_proba(result.X_test)):
        raise SystemExit("The saved pruner gives other probabilities than before it was saved.")
    print(f"Figure: {figure}")
    print(f"Saved pruner: {path}; a new process loaded it and gave the same probabilities.")
    print(f"Done in {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
