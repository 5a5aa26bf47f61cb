"""Real pools of predictions, for the race between selectors.

python benchmarks/pools.py --images mnist.npz --members 100 --train 1500 --epochs 4 \
    --out predictions/mnist.npz --memory cnns
python benchmarks/pools.py --cache pools [--pools digits fashion] [--seeds 5] \
    [--fashion FOLDER] [--folder predictions]

The first form trains random CNNs on an .npz of images and leaves their predictions of its test
images; the second makes the pools (from those predictions, for mnist and cifar10) and keeps them.
"""

import argparse
import gzip
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

NAMES = {
    "mnist": "CNNs on MNIST",
    "cifar10": "CNNs on CIFAR-10",
    "digits": "digits, few rows",
    "fashion": "small models on Fashion-MNIST",
    "forest": "forest on made data",
}


@dataclass(frozen=True, eq=False)
class Pool:
    """Probabilities (M, N, C) in float32 and classes 0 .. C - 1, to choose on and to test on."""

    name: str
    P_cal: np.ndarray
    y_cal: np.ndarray
    P_test: np.ndarray
    y_test: np.ndarray


# CNNs


def train_cnns(images: Path, members: int, train: int, epochs: int, out: Path, memory: Path | None):
    """Random CNNs trained on some of the file's training images, asked about its test images."""
    # TensorFlow takes seconds to import, and no other pool needs it.
    from skprune import CNNSpace, RandomCNNEnsembleClassifier
    from skprune.datasets import load_image_npz

    data = load_image_npz(images)
    X, _, y, _ = train_test_split(
        data.X_train, data.y_train, train_size=train, stratify=data.y_train, random_state=0
    )
    ensemble = RandomCNNEnsembleClassifier(
        members,
        space=CNNSpace.small(),
        epochs=epochs,
        batch_size=64,
        memory=memory,
        n_jobs=2,
        random_state=0,
        verbose=1,
    ).fit(X, y)
    P = [member.predict_proba(data.X_test) for member in ensemble.estimators_]
    np.savez(out, P=np.array(P, dtype=np.float32), y=data.y_test)


def cnns(name: str, predictions: Path, n_cal: int, seed: int) -> Pool:
    """Rows to choose on and rows to test on, out of the CNNs' predictions.

    The networks are the same for every seed: it draws the rows only, so the spread over seeds is
    that of the calibration sample, not that of training.
    """
    with np.load(predictions) as file:
        P, y = file["P"], file["y"].astype(np.int64)
    cal, test = train_test_split(np.arange(len(y)), train_size=n_cal, stratify=y, random_state=seed)
    return Pool(name, P[:, cal], y[cal], P[:, test], y[test])


# Small models, trained for every seed


def _tree(rng):
    return DecisionTreeClassifier(
        max_depth=rng.choice([4, 6, 8, 12, None]),
        min_samples_leaf=int(rng.choice([1, 2, 5])),
        max_features=rng.choice([None, "sqrt", 0.3]),
        splitter=rng.choice(["best", "random"]),
        random_state=int(rng.integers(2**31)),
    )


def _mlp(rng):
    network = MLPClassifier(
        hidden_layer_sizes=(int(rng.choice([6, 10, 16, 32])),),
        activation=str(rng.choice(["relu", "tanh"])),
        alpha=float(10 ** rng.uniform(-4, -1)),
        learning_rate_init=float(rng.choice([0.003, 0.01])),
        batch_size=64,
        max_iter=int(rng.choice([5, 10, 20, 40])),
        random_state=int(rng.integers(2**31)),
    )
    return make_pipeline(StandardScaler(), network)


def _logistic(rng):
    model = LogisticRegression(C=float(10 ** rng.uniform(-3, 0)), tol=1e-3, max_iter=60)
    return make_pipeline(StandardScaler(), model)


def _neighbours(rng):
    return KNeighborsClassifier(
        int(rng.choice([1, 3, 5, 9, 15])), weights=str(rng.choice(["uniform", "distance"]))
    )


def _bayes(rng):
    return GaussianNB(var_smoothing=float(10 ** rng.uniform(-4, -1)))


def _predictions(model, X, features, C):
    # A member that saw few rows may not know all classes.
    P = np.zeros((len(X), C), np.float32)
    P[:, model[-1].classes_ if hasattr(model, "steps") else model.classes_] = model.predict_proba(
        X[:, features]
    )
    return P


def _small_models(makers, X, y, X_cal, X_test, rng, rows, share):
    """One member per maker, each on its own rows and features; predictions of both parts."""
    C = int(y.max()) + 1
    cal, test = [], []
    for make in makers:
        n = int(rng.integers(rows[0], rows[1] + 1))
        chosen = rng.choice(len(X), n, replace=n >= len(X))
        width = max(1, int(rng.uniform(*share) * X.shape[1]))
        features = rng.choice(X.shape[1], width, replace=False)
        with warnings.catch_warnings():
            # They are meant to be small: stopped early, on features that may be constant.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = make(rng).fit(X[np.ix_(chosen, features)], y[chosen])
        cal.append(_predictions(model, X_cal, features, C))
        test.append(_predictions(model, X_test, features, C))
    return np.stack(cal), np.stack(test)


def digits(seed: int) -> Pool:
    """150 models of five kinds; only 449 rows to choose on, where choosing overfits."""
    X, y = load_digits(return_X_y=True)
    X, X_rest, y, y_rest = train_test_split(X, y, train_size=898, stratify=y, random_state=seed)
    X_cal, X_test, y_cal, y_test = train_test_split(
        X_rest, y_rest, train_size=449, stratify=y_rest, random_state=seed
    )
    makers = [_tree] * 60 + [_mlp] * 35 + [_logistic] * 20 + [_neighbours] * 15 + [_bayes] * 20
    rng = np.random.default_rng(seed)
    P_cal, P_test = _small_models(
        makers, X, y, X_cal, X_test, rng, rows=(200, len(X)), share=(0.2, 1)
    )
    return Pool(NAMES["digits"], P_cal, y_cal, P_test, y_test)


def fashion(seed: int, folder: Path) -> Pool:
    """120 models of three kinds, each on 300 to 2,000 of 5,000 images and some of the pixels."""
    with gzip.open(folder / "train-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
    with gzip.open(folder / "train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(images))[:15_000]
    (X, X_cal, X_test), (y, y_cal, y_test) = (
        np.split(images[rows].astype(np.float32) / 255, 3),
        np.split(labels[rows], 3),
    )
    makers = [_tree] * 50 + [_mlp] * 40 + [_logistic] * 30
    P_cal, P_test = _small_models(
        makers, X, y, X_cal, X_test, rng, rows=(300, 2000), share=(0.05, 0.5)
    )
    return Pool(NAMES["fashion"], P_cal, y_cal, P_test, y_test)


def forest(seed: int) -> Pool:
    """200 trees of one forest on made data with 10 % of the labels drawn at random."""
    X, y = make_classification(
        6000,
        n_features=20,
        n_informative=10,
        n_classes=5,
        n_clusters_per_class=2,
        flip_y=0.1,
        random_state=seed,
    )
    X, X_rest, y, y_rest = train_test_split(X, y, train_size=1500, stratify=y, random_state=seed)
    X_cal, X_test, y_cal, y_test = train_test_split(
        X_rest, y_rest, train_size=1500, stratify=y_rest, random_state=seed
    )
    trees = RandomForestClassifier(200, min_samples_leaf=3, random_state=seed).fit(X, y).estimators_
    P_cal, P_test = (
        np.stack([tree.predict_proba(part) for tree in trees]).astype(np.float32)
        for part in (X_cal, X_test)
    )
    return Pool(NAMES["forest"], P_cal, y_cal, P_test, y_test)


# Kept pools


def make(key: str, seed: int, predictions: Path | None = None, folder: Path | None = None) -> Pool:
    """One pool, from nothing or from the predictions of its CNNs."""
    if key in ("mnist", "cifar10"):
        if predictions is None:
            raise ValueError(f"{key} needs the folder with the predictions of its CNNs.")
        n_cal = 1000 if key == "mnist" else 2500
        return cnns(NAMES[key], predictions / f"{key}.npz", n_cal, seed)
    if key == "fashion":
        if folder is None:
            raise ValueError("fashion needs the folder with the images.")
        return fashion(seed, folder)
    return {"digits": digits, "forest": forest}[key](seed)


def load(
    key: str,
    seed: int,
    cache: Path,
    predictions: Path | None = None,
    folder: Path | None = None,
) -> Pool:
    """One pool, out of the cache where it is there."""
    path = cache / f"{key}_{seed}.npz"
    if path.exists():
        with np.load(path) as file:
            return Pool(NAMES[key], **{part: file[part] for part in file.files})
    pool = make(key, seed, predictions, folder)
    cache.mkdir(parents=True, exist_ok=True)
    # Moved into place when whole, so that a run that was cut off leaves no half of a pool.
    half = path.with_suffix(".half.npz")
    np.savez_compressed(
        half, P_cal=pool.P_cal, y_cal=pool.y_cal, P_test=pool.P_test, y_test=pool.y_test
    )
    half.rename(path)
    return pool


def describe(key: str, seed: int, pool: Pool, seconds: float) -> str:
    M, n_cal, C = pool.P_cal.shape
    alone = (pool.P_test.argmax(axis=2) == pool.y_test).mean(axis=1)
    full = (pool.P_test.mean(axis=0).argmax(axis=1) == pool.y_test).mean()
    return (
        f"{key} {seed}: {M} members, {C} classes, {n_cal} + {len(pool.y_test)} rows; members "
        f"{alone.min():.4f} to {alone.max():.4f}, median {np.median(alone):.4f}; all {full:.4f}; "
        f"{seconds:.1f} s"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=Path, help="train CNNs on this .npz of images")
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--train", type=int, default=1500, help="images to train on")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--memory", type=Path, help="folder of trained CNNs, to go on from")
    parser.add_argument("--out", type=Path, help="where the CNNs' predictions go, an .npz")
    parser.add_argument("--cache", type=Path, default=Path("pools"), help="folder of pools")
    parser.add_argument("--pools", nargs="*", choices=NAMES, default=["digits", "forest"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="folder of mnist.npz and cifar10.npz")
    parser.add_argument("--fashion", type=Path, help="folder of Fashion-MNIST's .gz files")
    options = parser.parse_args()
    if options.images is not None:
        out = options.out or options.cache / f"{options.images.stem}.npz"
        out.parent.mkdir(parents=True, exist_ok=True)
        train_cnns(
            options.images, options.members, options.train, options.epochs, out, options.memory
        )
    else:
        for key in options.pools:
            for seed in range(options.seeds):
                start = time.perf_counter()
                pool = load(key, seed, options.cache, options.folder, options.fashion)
                print(describe(key, seed, pool, time.perf_counter() - start), flush=True)
