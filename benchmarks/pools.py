"""Pools of predictions for the race between selectors, old ones and new ones.

    mkdir data && cd data
    apt-get download r-cran-mlbench r-cran-kernlab r-cran-caret r-cran-aer dataset-fashion-mnist
    for package in *.deb; do dpkg-deb -x $package .; done
    pip install rdata
    python benchmarks/pools.py --cache pools --data data [--pools digits dna] [--seeds 0 1 2]

The packages are extracted, not installed. For the CNNs on MNIST and CIFAR-10 the folder of the data
also holds mnist.npz and cifar10.npz, in one of the layouts of `skprune.datasets.load_image_npz`.
A pool that was made is kept in the cache. Members are trained on some rows; they predict others,
to choose members on and to test the choice on. A seed draws the rows and trains the members;
CNNs are trained once, and a seed draws their rows only.
"""

import argparse
import gzip
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.datasets import (
    load_digits,
    make_blobs,
    make_classification,
    make_gaussian_quantiles,
    make_hastie_10_2,
    make_moons,
)
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier


@dataclass(frozen=True, eq=False)
class Pool:
    """Probabilities (M, N, C) in float32 and classes 0 .. C - 1, to choose on and to test on."""

    P_cal: np.ndarray
    y_cal: np.ndarray
    P_test: np.ndarray
    y_test: np.ndarray


@dataclass(frozen=True)
class Rows:
    """Rows to train on, to choose on and to test on."""

    X: np.ndarray
    y: np.ndarray
    X_cal: np.ndarray
    y_cal: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def split(X, y, train: int, cal: int, seed: int, test: int | None = None) -> Rows:
    """Random rows of each part, with the same shares of the classes."""
    X, X_rest, y, y_rest = train_test_split(X, y, train_size=train, stratify=y, random_state=seed)
    X_cal, X_test, y_cal, y_test = train_test_split(
        X_rest, y_rest, train_size=cal, test_size=test, stratify=y_rest, random_state=seed
    )
    return Rows(X, y, X_cal, y_cal, X_test, y_test)


def predictions(model, X: np.ndarray, C: int) -> np.ndarray:
    # A member that was trained on few rows may not know all classes.
    P = np.zeros((len(X), C), np.float32)
    P[:, model.classes_.astype(int)] = model.predict_proba(X)
    return P


# Data


def r_object(data: Path, package: str, file: str, name: str):
    """A data frame or array of an R package."""
    import rdata

    suffix = "RData" if package == "caret" else "rda"
    path = data / f"usr/lib/R/site-library/{package}/data/{file}.{suffix}"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Unknown encoding")
        return rdata.read_rda(path)[name]


def columns(frame) -> np.ndarray:
    """Columns as numbers: levels of factors in their order; a missing one is -1."""
    return np.column_stack(
        [
            (c.cat.codes if c.dtype == "category" else c).to_numpy(np.float64)
            for _, c in frame.items()
        ]
    )


def r_table(
    data: Path, package: str, name: str, target: str, drop: tuple[str, ...] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Columns and classes of a data frame of an R package."""
    frame = r_object(data, package, name, name).drop(columns=list(drop))
    y = frame.pop(target).cat.codes.to_numpy(np.int64)
    return columns(frame), y


def fashion_mnist(data: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 28, 28) and classes of "train" or "t10k"."""
    folder = data / "usr/share/datasets/fashion-mnist"
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        return images, np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)


def only(X: np.ndarray, y: np.ndarray, classes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of these classes, which become 0, 1, ..."""
    kept = np.isin(y, classes)
    return X[kept], np.searchsorted(classes, y[kept])


# CNNs

# Members, images to train on, epochs, rows to choose on.
CNNS = {
    "mnist": (48, 1500, 4, 1000),
    "cifar10": (40, 6000, 6, 2500),
    "clothes": (40, 1000, 4, 1500),
    "shirts": (30, 600, 6, 800),
}


def train_cnns(key: str, data: Path, path: Path) -> None:
    """Random CNNs trained on some of the training images, asked about all test images."""
    # TensorFlow takes seconds to import, and no other pool needs it.
    from skprune import CNNSpace, RandomCNNEnsembleClassifier
    from skprune.datasets import load_image_npz

    members, train, epochs, _ = CNNS[key]
    if key in ("clothes", "shirts"):
        (X, y), (X_test, y_test) = (fashion_mnist(data, part) for part in ("train", "t10k"))
        if key == "shirts":
            # T-shirts, pullovers, coats and shirts: the classes that are hard to tell apart.
            (X, y), (X_test, y_test) = only(X, y, [0, 2, 4, 6]), only(X_test, y_test, [0, 2, 4, 6])
    else:
        images = load_image_npz(data / f"{key}.npz")
        X, y, X_test, y_test = images.X_train, images.y_train, images.X_test, images.y_test
    X, _, y, _ = train_test_split(X, y, train_size=train, stratify=y, random_state=0)
    ensemble = RandomCNNEnsembleClassifier(
        members, space=CNNSpace.small(), epochs=epochs, batch_size=64, random_state=0, verbose=1
    ).fit(X, y)
    P = [member.predict_proba(X_test) for member in ensemble.estimators_]
    np.savez(path, P=np.array(P, dtype=np.float32), y=y_test)


def cnns(key: str, seed: int, cache: Path, data: Path | None) -> Pool:
    path = cache / f"{key}_cnns.npz"
    if not path.exists():
        train_cnns(key, data, path)
    with np.load(path) as file:
        P, y = file["P"], file["y"].astype(np.int64)
    cal, test = train_test_split(
        np.arange(len(y)), train_size=CNNS[key][-1], stratify=y, random_state=seed
    )
    return Pool(P[:, cal], y[cal], P[:, test], y[test])


# Small models, each on its own rows and columns


def _tree(rng):
    return DecisionTreeClassifier(
        max_depth=rng.choice([4, 6, 8, 12, None]),
        min_samples_leaf=int(rng.choice([1, 2, 5])),
        max_features=rng.choice([None, "sqrt", 0.3]),
        splitter=rng.choice(["best", "random"]),
        random_state=int(rng.integers(2**31)),
    )


def _shallow(rng):
    return DecisionTreeClassifier(
        max_depth=int(rng.integers(1, 6)), random_state=int(rng.integers(2**31))
    )


def _pure(rng):
    return DecisionTreeClassifier(random_state=int(rng.integers(2**31)))


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


def _neighbors(rng):
    return KNeighborsClassifier(
        int(rng.choice([1, 3, 5, 9, 15])), weights=str(rng.choice(["uniform", "distance"]))
    )


def _bayes(rng):
    return GaussianNB(var_smoothing=float(10 ** rng.uniform(-4, -1)))


def _boosted(rng):
    return HistGradientBoostingClassifier(
        learning_rate=float(10 ** rng.uniform(-1.5, -0.3)),
        max_iter=int(rng.choice([10, 30, 60])),
        max_leaf_nodes=int(rng.choice([4, 8, 16])),
        min_samples_leaf=int(rng.choice([5, 20])),
        early_stopping=False,
        random_state=int(rng.integers(2**31)),
    )


def small_models(rows: Rows, makers, n_rows, share, seed, predict=None) -> Pool:
    """One member per maker, on as many rows, and such a share of the columns, as these allow.

    ``predict`` of a member and rows; None: probabilities of all classes.
    """
    rng = np.random.default_rng(seed)
    X, y = rows.X, rows.y
    if predict is None:
        predict = partial(predictions, C=int(y.max()) + 1)
    cal, test = [], []
    for make in makers:
        n = int(rng.integers(n_rows[0], n_rows[1] + 1))
        chosen = rng.choice(len(X), n, replace=n >= len(X))
        width = max(1, int(rng.uniform(*share) * X.shape[1]))
        features = rng.choice(X.shape[1], width, replace=False)
        with warnings.catch_warnings():
            # They are meant to be small: stopped early, on features that may be constant.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = make(rng).fit(X[np.ix_(chosen, features)], y[chosen])
        cal.append(predict(model, rows.X_cal[:, features]))
        test.append(predict(model, rows.X_test[:, features]))
    return Pool(np.stack(cal), rows.y_cal, np.stack(test), rows.y_test)


def digits(seed: int, data: Path | None) -> Pool:
    rows = split(*load_digits(return_X_y=True), 898, 449, seed)
    makers = [_tree] * 60 + [_mlp] * 35 + [_logistic] * 20 + [_neighbors] * 15 + [_bayes] * 20
    return small_models(rows, makers, (200, 898), (0.2, 1), seed)


def fashion(seed: int, data: Path | None) -> Pool:
    images, labels = fashion_mnist(data, "train")
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(images))[:15_000]
    X = np.split(images[chosen].reshape(-1, 784).astype(np.float32) / 255, 3)
    y = np.split(labels[chosen], 3)
    makers = [_tree] * 50 + [_mlp] * 40 + [_logistic] * 30
    rows = Rows(X[0], y[0], X[1], y[1], X[2], y[2])
    return small_models(rows, makers, (300, 2000), (0.05, 0.5), rng)


def letters(seed: int, data: Path | None) -> Pool:
    rows = split(*r_table(data, "mlbench", "LetterRecognition", "lettr"), 4000, 2000, seed, 8000)
    return small_models(rows, [_mlp] * 60, (1000, 4000), (0.5, 1), seed)


def vowel(seed: int, data: Path | None) -> Pool:
    rows = split(*r_table(data, "mlbench", "Vowel", "Class"), 400, 250, seed)
    makers = [_neighbors] * 40 + [_logistic] * 30 + [_bayes] * 30
    return small_models(rows, makers, (150, 400), (0.3, 0.9), seed)


def vehicle(seed: int, data: Path | None) -> Pool:
    rows = split(*r_table(data, "mlbench", "Vehicle", "Class"), 300, 250, seed)
    makers = [_tree] * 40 + [_mlp] * 25 + [_logistic] * 25 + [_neighbors] * 15 + [_bayes] * 15
    return small_models(rows, makers, (100, 300), (0.3, 1), seed)


def pima(seed: int, data: Path | None) -> Pool:
    rows = split(*r_table(data, "mlbench", "PimaIndiansDiabetes", "diabetes"), 280, 220, seed)
    makers = [_logistic] * 30 + [_bayes] * 25 + [_neighbors] * 25
    return small_models(rows, makers, (60, 280), (0.3, 1), seed)


def spam(seed: int, data: Path | None) -> Pool:
    rows = split(*r_table(data, "kernlab", "spam", "type"), 1500, 1000, seed)
    return small_models(rows, [_boosted] * 60, (300, 1500), (0.2, 1), seed)


def musk(seed: int, data: Path | None) -> Pool:
    rows = split(*r_table(data, "kernlab", "musk", "Class"), 180, 130, seed)
    return small_models(rows, [_mlp] * 80, (80, 180), (0.1, 0.6), seed)


def caravan(seed: int, data: Path | None) -> Pool:
    rows = split(*r_table(data, "kernlab", "ticdata", "CARAVAN"), 3000, 1500, seed)
    makers = [_tree] * 30 + [_logistic] * 30 + [_boosted] * 20 + [_bayes] * 10
    return small_models(rows, makers, (1000, 3000), (0.1, 0.8), seed)


def hastie(seed: int, data: Path | None) -> Pool:
    X, y = make_hastie_10_2(6500, random_state=seed)
    rows = split(X, (y > 0).astype(np.int64), 1500, 1000, seed)
    return small_models(rows, [_shallow] * 150, (500, 1500), (0.5, 1), seed)


def fashion_neighbors(seed: int, data: Path | None) -> Pool:
    images, y = fashion_mnist(data, "t10k")
    rows = split(images.reshape(-1, 784) / 255, y, 2500, 1200, seed, 4000)
    pca = PCA(40, svd_solver="randomized", random_state=seed).fit(rows.X)
    X, X_cal, X_test = map(pca.transform, (rows.X, rows.X_cal, rows.X_test))
    rows = Rows(X, rows.y, X_cal, rows.y_cal, X_test, rows.y_test)
    return small_models(rows, [_neighbors] * 50, (500, 2500), (0.1, 0.4), seed)


def shuttle(seed: int, data: Path | None) -> Pool:
    X, y = r_table(data, "mlbench", "Shuttle", "Class")
    # Three classes have 10 to 50 rows among 58,000.
    rows = split(*only(X, y, [0, 2, 3, 4]), 3000, 1500, seed, 6000)
    return small_models(rows, [_shallow] * 40 + [_bayes] * 40, (300, 3000), (0.15, 0.6), seed)


def votes(seed: int, data: Path | None) -> Pool:
    rows = split(*r_table(data, "mlbench", "HouseVotes84", "Class"), 120, 120, seed)
    makers = [_logistic] * 30 + [_shallow] * 30 + [_neighbors] * 20
    return small_models(rows, makers, (40, 120), (0.2, 0.8), seed)


def ionosphere(seed: int, data: Path | None) -> Pool:
    rows = split(*r_table(data, "mlbench", "Ionosphere", "Class"), 120, 100, seed)
    return small_models(rows, [_boosted] * 60, (60, 120), (0.1, 0.6), seed)


def credit(seed: int, data: Path | None) -> Pool:
    rows = split(*r_table(data, "caret", "GermanCredit", "Class"), 350, 250, seed)
    return small_models(rows, [_pure] * 100, (350, 350), (0.2, 0.6), seed)


def smoking(seed: int, data: Path | None) -> Pool:
    rows = split(*r_table(data, "AER", "SmokeBan", "smoker"), 2000, 1000, seed, 5000)
    makers = [_boosted] * 30 + [_tree] * 30 + [_logistic] * 20
    return small_models(rows, makers, (200, 2000), (0.4, 1), seed)


def mortgages(seed: int, data: Path | None) -> Pool:
    rows = split(*r_table(data, "AER", "HMDA", "deny"), 900, 600, seed)
    return small_models(rows, [_mlp] * 60, (200, 900), (0.3, 1), seed)


def quantiles(seed: int, data: Path | None) -> Pool:
    X, y = make_gaussian_quantiles(n_samples=7000, n_features=6, n_classes=6, random_state=seed)
    return small_models(split(X, y, 2000, 1000, seed), [_mlp] * 60, (500, 2000), (0.7, 1), seed)


def moons(seed: int, data: Path | None) -> Pool:
    X, y = make_moons(6000, noise=0.3, random_state=seed)
    # Ten columns that say nothing.
    X = np.hstack([X, np.random.default_rng(seed).standard_normal((len(X), 10))])
    rows = split(X, y, 600, 600, seed)
    return small_models(rows, [_neighbors] * 40 + [_tree] * 40, (100, 600), (0.2, 0.6), seed)


def noisy(seed: int, data: Path | None) -> Pool:
    X, y = make_classification(
        7500, 25, n_informative=12, n_classes=15, flip_y=0.25, class_sep=2, random_state=seed
    )
    makers = [_tree] * 40 + [_mlp] * 30 + [_logistic] * 20
    return small_models(split(X, y, 2000, 1500, seed), makers, (500, 2000), (0.5, 1), seed)


def blobs(seed: int, data: Path | None) -> Pool:
    X, y = make_blobs(6000, 8, centers=12, cluster_std=5, random_state=seed)
    makers = [_bayes] * 40 + [_logistic] * 40
    return small_models(split(X, y, 1000, 1000, seed), makers, (100, 1000), (0.3, 0.9), seed)


def rare(seed: int, data: Path | None) -> Pool:
    shares = [0.85, 0.08, 0.04, 0.03]
    X, y = make_classification(
        8000, n_informative=8, n_classes=4, weights=shares, flip_y=0.02, random_state=seed
    )
    return small_models(split(X, y, 2000, 1500, seed), [_boosted] * 60, (500, 2000), (0.3, 1), seed)


# Trees of one forest or bag


def trees(rows: Rows, ensemble) -> Pool:
    ensemble.fit(rows.X, rows.y)
    C = int(rows.y.max()) + 1
    P_cal, P_test = (
        np.stack([predictions(tree, part, C) for tree in ensemble.estimators_])
        for part in (rows.X_cal, rows.X_test)
    )
    return Pool(P_cal, rows.y_cal, P_test, rows.y_test)


def forest(seed: int, data: Path | None) -> Pool:
    X, y = make_classification(
        6000,
        n_features=20,
        n_informative=10,
        n_classes=5,
        n_clusters_per_class=2,
        flip_y=0.1,
        random_state=seed,
    )
    rows = split(X, y, 1500, 1500, seed)
    return trees(rows, RandomForestClassifier(200, min_samples_leaf=3, random_state=seed))


def satellite(seed: int, data: Path | None) -> Pool:
    rows = split(*r_table(data, "mlbench", "Satellite", "classes"), 2000, 1000, seed)
    return trees(rows, RandomForestClassifier(150, random_state=seed))


def dna(seed: int, data: Path | None) -> Pool:
    rows = split(*r_table(data, "mlbench", "DNA", "Class"), 1000, 700, seed)
    return trees(rows, ExtraTreesClassifier(150, random_state=seed))


def income(seed: int, data: Path | None) -> Pool:
    rows = split(*r_table(data, "kernlab", "income", "INCOME"), 3000, 1500, seed)
    return trees(rows, BaggingClassifier(n_estimators=100, random_state=seed))


def fashion_forest(seed: int, data: Path | None) -> Pool:
    images, y = fashion_mnist(data, "t10k")
    rows = split(images.reshape(-1, 784), y, 2000, 1200, seed, 5000)
    return trees(rows, RandomForestClassifier(120, max_depth=8, random_state=seed))


def segmentation(seed: int, data: Path | None) -> Pool:
    table = r_table(data, "caret", "segmentationData", "Class", ("Cell", "Case"))
    return trees(split(*table, 700, 500, seed), ExtraTreesClassifier(120, random_state=seed))


def soybean(seed: int, data: Path | None) -> Pool:
    rows = split(*r_table(data, "mlbench", "Soybean", "Class"), 260, 160, seed)
    return trees(rows, RandomForestClassifier(100, random_state=seed))


FIRST = {
    "mnist": "CNNs on MNIST",
    "cifar10": "CNNs on CIFAR-10",
    "digits": "mixed models on digits, few rows",
    "fashion": "mixed models on Fashion-MNIST",
    "forest": "random forest on made data",
}
# Settings of skprune were chosen on the old pools, never on the new ones.
OLD = FIRST | {
    "clothes": "CNNs on Fashion-MNIST",
    "satellite": "random forest with pure leaves, 6 classes",
    "dna": "extremely randomized trees with pure leaves, 3 classes",
    "income": "bagged trees with pure leaves, 9 classes",
    "hastie": "shallow trees on made data, 2 classes",
    "spam": "boosted trees, 2 classes",
    "letters": "small networks, 26 classes",
    "musk": "small networks, 2 classes, few rows",
    "vowel": "neighbors, Bayes and logistic models, 11 classes, few rows",
    "pima": "neighbors, Bayes and logistic models, 2 classes, few rows",
    "vehicle": "mixed models, 4 classes, few rows",
    "caravan": "mixed models, 2 classes, one of them rare",
}
NEW = {
    "shirts": "CNNs on four classes of Fashion-MNIST",
    "fashion_forest": "random forest of limited depth on Fashion-MNIST, 10 classes",
    "fashion_neighbors": "neighbors on principal components of Fashion-MNIST, 10 classes",
    "segmentation": "extremely randomized trees with pure leaves, 2 classes",
    "soybean": "random forest with pure leaves, 19 classes, few rows",
    "credit": "bagged trees with pure leaves on some of the columns, 2 classes, few rows",
    "smoking": "mixed models, 2 classes, columns that say little",
    "mortgages": "small networks, 2 classes, one of them rare",
    "shuttle": "shallow trees and Bayes, 4 classes, one of them rare",
    "votes": "mixed models, 2 classes, few rows",
    "ionosphere": "boosted trees, 2 classes, few rows",
    "quantiles": "small networks on made data, 6 classes",
    "moons": "neighbors and trees on made data, 2 classes, many useless columns",
    "noisy": "mixed models on made data, 15 classes, many wrong labels",
    "blobs": "Bayes and logistic models on made data, 12 classes",
    "rare": "boosted trees on made data, 4 classes, three of them rare",
}
NAMES = OLD | NEW
# Seeds 0 and 1 of the first five pools were looked at while the votes were written.
SEEDS = dict.fromkeys(NAMES, (0, 1, 2)) | dict.fromkeys(FIRST, (2, 3, 4))
MAKERS: dict[str, Callable[[int, Path | None], Pool]] = {
    f.__name__: f
    for f in (
        *(digits, fashion, forest, satellite, dna, income, hastie, spam),
        *(letters, musk, vowel, pima, vehicle, caravan),
        *(fashion_forest, fashion_neighbors, segmentation, soybean, credit, smoking, mortgages),
        *(shuttle, votes, ionosphere, quantiles, moons, noisy, blobs, rare),
    )
}
# Made by scikit-learn, or shipped with it.
NO_DATA = {"digits", "forest", "hastie", "quantiles", "moons", "noisy", "blobs", "rare"}


def load(key: str, seed: int, cache: Path, data: Path | None = None) -> Pool:
    """One pool, out of the cache where it is there."""
    path = cache / f"{key}_{seed}.npz"
    if data is None and key not in NO_DATA and not path.exists():
        raise ValueError(f"{path} does not exist; the folder of the data is needed to make it.")
    if key in CNNS:
        return cached(path, partial(cnns, key, seed, cache, data))
    return cached(path, partial(MAKERS[key], seed, data))


def cached(path: Path, make: Callable[[], Pool]) -> Pool:
    """The pool of a file, made and written where it is not there."""
    if path.exists():
        with np.load(path) as file:
            return Pool(**{part: file[part] for part in file.files})
    path.parent.mkdir(parents=True, exist_ok=True)
    pool = make()
    # Moved into place when complete, so that an interrupted run leaves no half of a pool.
    half = path.with_suffix(".half.npz")
    np.savez_compressed(half, **vars(pool))
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
    parser.add_argument("--cache", type=Path, default=Path("pools"), help="folder of pools")
    parser.add_argument("--data", type=Path, help="folder of the extracted packages")
    parser.add_argument("--pools", nargs="*", choices=NAMES, default=list(NAMES))
    parser.add_argument("--seeds", nargs="*", type=int, help="default: those of the race")
    options = parser.parse_args()
    for key in options.pools:
        for seed in options.seeds or SEEDS[key]:
            start = time.perf_counter()
            pool = load(key, seed, options.cache, options.data)
            print(describe(key, seed, pool, time.perf_counter() - start), flush=True)
