"""Networks cut to limits, and whole ensembles cut down, on real images.

python benchmarks/compression.py [--cache FOLDER] [--images mnist.npz]

Without images, scikit-learn's digits only.
"""

import argparse
import os
import tempfile
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from _common import machine, table
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from skprune import (
    CNNSpace,
    EnsembleCompressor,
    PrunedCNNClassifier,
    RandomCNNEnsembleClassifier,
)
from skprune.datasets import load_image_npz
from skprune.sparsity import prune_channels

# What each network is asked for: points of accuracy that may go, and shares of size and time.
LIMITS = (
    {"points": 0.5},
    {"points": 2.0},
    {"points": 5.0, "size": 0.5},
    {"points": 5.0, "time": 0.7},
)


WHOLE = """

### Whole ensembles

Random CNNs, few members kept, those cut, with the defaults of `EnsembleCompressor` (on digits with
`round_to=2`); its limit is the full ensemble's accuracy on the held-out quarter less 0.2 points.
Aim: at least 20 times smaller and 10 times faster at equal accuracy (within 0.2 points). Time is
that of network after network, compiled, for full and cut ensemble alike.

"""


@dataclass(frozen=True, eq=False)
class Split:
    """Images to train on, to choose on and to test on."""

    name: str
    X: np.ndarray
    y: np.ndarray
    X_val: np.ndarray
    y_val: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    @classmethod
    def of(cls, name: str, X: np.ndarray, y: np.ndarray, seed: int) -> "Split":
        """Half to train on, a quarter each to choose and to test on, by class."""
        X, X_rest, y, y_rest = train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed)
        X_val, X_test, y_val, y_test = train_test_split(
            X_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=seed
        )
        return cls(name, X, y, X_val, y_val, X_test, y_test)


def digits(seed: int) -> Split:
    X, y = load_digits(return_X_y=True)
    return Split.of("digits", X.reshape(-1, 8, 8), y, seed)


def mnist(path: Path, seed: int, n: int = 12000) -> Split:
    loaded = load_image_npz(path)
    rows = np.random.default_rng(seed).permutation(len(loaded.y_train))[:n]
    return Split.of("MNIST", loaded.X_train[rows], loaded.y_train[rows], seed)


# Promised against delivered


def promised_against_delivered(cache: Path, n_networks: int = 3) -> str:
    rows, errors = [], []
    split = digits(0)
    for seed in range(n_networks):
        space = CNNSpace(n_blocks=[2], filters=[24, 32, 48], learning_rate=(2e-3, 2e-3))
        cnn = RandomCNNEnsembleClassifier(
            1, space=space, epochs=20, memory=cache, random_state=seed
        )
        cnn.fit(split.X, split.y)
        base = _cut(cnn, split, cache, min_accuracy=1e-6).sweep_
        for limit in LIMITS:
            asked = {"min_accuracy": float(base.accuracy[0]) - limit["points"] / 100}
            if "size" in limit:
                asked["max_size"] = limit["size"] * float(base.size[0])
            if "time" in limit:
                asked["max_time"] = limit["time"] * float(base.time[0])
            cut = _cut(cnn, split, cache, **asked)
            promised, delivered = cut.promised_, cut.delivered_
            errors.append(
                (
                    100 * (delivered.accuracy - promised.accuracy),
                    100 * (delivered.time / promised.time - 1),
                    100 * (delivered.size / promised.size - 1),
                )
            )
            said = ", ".join(f"{name} {value:.4g}" for name, value in asked.items())
            rows.append(
                [
                    seed,
                    said,
                    f"{promised.amount:.3f}",
                    f"{delivered.amount:.3f}" + (" (corrected)" if cut.corrected_ else ""),
                    f"{100 * promised.accuracy:.2f}, {100 * delivered.accuracy:.2f}",
                    f"{1e3 * promised.time:.2f}, {1e3 * delivered.time:.2f}",
                    f"{1e3 * promised.size:.1f}, {1e3 * delivered.size:.1f}",
                    "no" if delivered.misses(**asked) else "yes",
                ]
            )
    head = ["network", "limits", "amount promised", "applied", "accuracy, %", "time, ms"]
    head += ["size, kB", "limits kept"]
    size = np.abs(np.array(errors))
    return (
        f"{len(rows)} pairs of a network and limits, networks of two blocks on digits "
        f"({len(split.y)} images to train on). Pairs of numbers are promised and delivered.\n\n"
        + table(head, rows)
        + "\n\nSize of the errors, median (largest): accuracy "
        + f"{np.median(size[:, 0]):.2f} ({size[:, 0].max():.2f}) points, time "
        + f"{np.median(size[:, 1]):.1f} ({size[:, 1].max():.1f}) %, size "
        + f"{np.median(size[:, 2]):.1f} ({size[:, 2].max():.1f}) %. Where a smaller amount was "
        "applied than promised, the errors are those of the two amounts. Size falls in steps of "
        "`round_to` channels, between which the curves have no steps."
    )


def _cut(cnn, split: Split, cache: Path, **limits) -> PrunedCNNClassifier:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PrunedCNNClassifier(
            FrozenEstimator(cnn), memory=cache, random_state=0, **limits
        ).fit(split.X, split.y)


# Whole ensembles


def compressed(splits: list[Split], cache: Path, members: int = 24) -> str:
    rows = []
    for number, split in enumerate(splits):
        large = split.X.shape[1] > 8
        ensemble = RandomCNNEnsembleClassifier(
            members, epochs=6 if large else 20, memory=cache, n_jobs=-1, random_state=number
        ).fit(split.X, split.y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cut = EnsembleCompressor(
                FrozenEstimator(ensemble),
                # Filters come in eights here: rounded to eights, the narrowest are never cut.
                method="channels" if large else partial(prune_channels, round_to=2),
                memory=cache,
                random_state=0,
                verbose=1,
            ).fit(split.X, split.y, X_val=split.X_val, y_val=split.y_val)
        report = cut.report_
        before, after = (
            ensemble.score(split.X_test, split.y_test),
            cut.score(split.X_test, split.y_test),
        )
        rows.append(
            [
                split.name,
                f"{members} -> {report.stages[1].n_models} -> {cut.n_members_}",
                f"{cut.member_amounts_.mean():.2f}",
                f"{100 * report.stages[0].accuracy:.2f} -> {100 * report.stages[2].accuracy:.2f}",
                f"{100 * before:.2f} -> {100 * after:.2f} ({100 * (after - before):+.2f})",
                f"{report.stages[0].size:.3f} -> {report.stages[2].size:.3f}",
                f"**{report.times_smaller:.1f}**",
                f"{1e3 * report.stages[0].time:.1f} -> {1e3 * report.stages[2].time:.1f}",
                f"**{report.times_faster:.1f}**",
            ]
        )
    head = ["images", "members", "mean amount", "accuracy held out, %", "accuracy on test, %"]
    head += ["size, MB", "times smaller", "time of 256, ms", "times faster"]
    return table(head, rows)


def compression_section(cache: Path | None, images: Path | None) -> str:
    """The part of the page."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) if cache is None else cache
        splits = [digits(seed) for seed in range(3)]
        if images is not None:
            splits.append(mnist(images, 0))
        return promised_against_delivered(cache) + WHOLE + compressed(splits, cache)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--images", type=Path, help="an .npz such as Keras's mnist.npz")
    options = parser.parse_args()
    print(f"Machine: {machine()}.\n\n{compression_section(options.cache, options.images)}")
