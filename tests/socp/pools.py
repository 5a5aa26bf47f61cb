"""Difficult prediction pools, each as (P, y), and what several test files need of them."""

from functools import cache

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from skprune.socp import EnsembleStatistics, SOCPProblem


def dirichlet(seed=0, M=8, N=40, C=4, concentration=0.5):
    rng = np.random.default_rng(seed)
    y = rng.integers(C, size=N)
    P = rng.dirichlet(np.full(C, concentration), size=(M, N)) + 0.6 * np.eye(C)[y]
    return P / P.sum(axis=2, keepdims=True), y


@cache
def digits_trees():
    """Probabilities that real, varied trees give to digits they did not see."""
    X, y = load_digits(return_X_y=True)
    forest = RandomForestClassifier(40, max_depth=6, random_state=0).fit(X[:1000], y[:1000])
    return np.stack([tree.predict_proba(X[1000:]) for tree in forest.estimators_]), y[1000:]


def duplicates():
    P, y = dirichlet(1)
    return np.concatenate([P, P[:4], P[:2]]), y


def more_members_than_predictions():
    """M > N * C, so that c lies outside the range of Q."""
    rng = np.random.default_rng(2)
    return rng.dirichlet(np.ones(2), size=(15, 3)), np.array([0, 1, 1])


def near_copies(step=1e-6):
    P, y = dirichlet(4, M=5)
    moved = np.abs(P + step * np.random.default_rng(4).normal(size=P.shape))
    return np.concatenate([P, moved / moved.sum(axis=2, keepdims=True)]), y


def single_precision():
    P, y = dirichlet(5, M=12, N=4)
    return P.astype(np.float32), y


def single_precision_near_copies():
    P, y = near_copies(1e-7)
    return P.astype(np.float32), y


def one_sample():
    """Forty members of two free numbers each, in float32: a Gram matrix of rank two."""
    P = np.random.default_rng(1534).dirichlet(np.ones(2), size=(40, 1))
    return P.astype(np.float32), np.array([0])


def identical():
    P, y = dirichlet(7, M=1)
    return np.repeat(P, 6, axis=0), y


def cyclic(M=6):
    """Each member is another one with its samples rotated, so that all enter at once."""
    base = np.random.default_rng(8).dirichlet(np.ones(3), size=M)
    return np.stack([np.roll(base, i, axis=0) for i in range(M)]), np.zeros(M, dtype=int)


def shuffled():
    """Members tie in accuracy but not in correlation."""
    rng = np.random.default_rng(9)
    base = rng.dirichlet(np.ones(3), size=20)
    return np.stack([base[rng.permutation(20)] for _ in range(12)]), np.zeros(20, dtype=int)


def opposite():
    P, y = dirichlet(10, M=3)
    return np.concatenate([P, P[:, :, ::-1]]), y


def one_hot():
    rng = np.random.default_rng(11)
    return np.eye(4)[rng.integers(4, size=(10, 12))], rng.integers(4, size=12)


def sharp(seed=0):
    """Nearly one-hot: members enter and leave again, without ties."""
    rng = np.random.default_rng(seed)
    logits = 20 * rng.normal(size=(40, 3, 5))
    P = np.exp(logits - logits.max(axis=2, keepdims=True))
    return P / P.sum(axis=2, keepdims=True), rng.integers(5, size=3)


def perfect_and_hopeless():
    P, y = dirichlet(12)
    P[2], P[5] = np.eye(4)[y], np.eye(4)[(y + 1) % 4]
    return P, y


def class_never_predicted():
    P, y = dirichlet(13)
    P[:, :, 3] = 0
    return P / P.sum(axis=2, keepdims=True), y


def quarters():
    """Rounded probabilities: ties everywhere."""
    rng = np.random.default_rng(14)
    return rng.multinomial(4, np.full(3, 1 / 3), size=(15, 10)) / 4, rng.integers(3, size=10)


POOLS = {
    pool.__name__: pool
    for pool in (
        *(dirichlet, digits_trees, duplicates, near_copies, single_precision, one_sample),
        *(more_members_than_predictions, single_precision_near_copies, cyclic, shuffled, quarters),
        *(opposite, one_hot, sharp, perfect_and_hopeless, class_never_predicted, identical),
    )
} | {
    "more_members_than_samples": lambda: dirichlet(3, M=20, N=6, C=5),
    "one_member": lambda: dirichlet(6, M=1),
    "two_classes": lambda: dirichlet(15, M=10, N=30, C=2),
    "hundred_classes": lambda: dirichlet(16, M=10, N=30, C=100, concentration=0.05),
}


def regressors(seed=0, M=10, N=40, T=2, noise=0.7):
    """Members that predict the targets with noise, each of its own scale."""
    rng = np.random.default_rng(seed)
    y = [3.0, -20.0][:T] + rng.normal(size=(N, T)) * [2.0, 0.1][:T]
    own = rng.uniform(0.3, 2, size=(M, 1, 1)) * noise
    return y + own * y.std(axis=0) * rng.normal(size=(M, N, T)), y


def cancelling_regressors():
    """Pairs of members mirrored at the mean: most products are negative."""
    F, y = regressors(1, M=6)
    return np.concatenate([F, 2 * y.mean(axis=0) - F]), y


def more_regressors_than_samples():
    return regressors(2, M=12, N=3, T=1)


def copied_regressors():
    F, y = regressors(3, M=5)
    return np.concatenate([F, F[:3]]), y


def far_off_regressors():
    """One member is opposite to the sum of the others: not every row sum of Q is positive."""
    F, y = regressors(4, M=5, T=1)
    F[4] = y.mean() - 30 * (y - y.mean())
    return F, y


REGRESSORS = {
    pool.__name__: pool
    for pool in (
        *(regressors, cancelling_regressors, more_regressors_than_samples),
        *(copied_regressors, far_off_regressors),
    )
}

# Pools in which all members agree: alpha = 0 has nothing to reward.
AGREEING = ("one_member", "identical")


@cache
def stats_of(name):
    if name in REGRESSORS:
        return EnsembleStatistics.from_regression(*REGRESSORS[name]())
    return EnsembleStatistics.from_predictions(*POOLS[name]())


def random_pool(seed):
    """A small random pool of a random kind."""
    rng = np.random.default_rng(seed)
    M, N, C = (int(rng.choice(sizes)) for sizes in ((2, 5, 12, 25), (1, 3, 10, 40), (2, 3, 10)))
    y = rng.integers(C, size=N)
    P = rng.dirichlet(np.full(C, rng.choice([0.05, 0.3, 1, 5])), size=(M, N))
    kind = seed % 6
    if kind == 1:  # copies
        P = P[rng.integers(max(1, M // 2), size=M)]
    elif kind == 2:  # permutations of one member
        y[:] = 0
        P = np.stack([P[0][rng.permutation(N)] for _ in range(M)])
    elif kind == 3:  # one-hot and rounded
        P = rng.multinomial(int(rng.choice([1, 2, 4])), np.full(C, 1 / C), size=(M, N))
        P = P / P.sum(axis=2, keepdims=True)
    elif kind == 4:  # opposite directions
        P[1::2] = P[::2][: len(P[1::2]), :, ::-1]
    elif kind == 5:
        P = P.astype(np.float32)
    return P, y


def problem_of(name, alpha=0.8, **options):
    options.setdefault("diversity", "gini" if name in REGRESSORS else "shannon")
    return SOCPProblem.from_statistics(stats_of(name), alpha, **options)


def lams_to_try(path, seed=0):
    """Knots, midpoints of segments, and random penalties of every size."""
    rng = np.random.default_rng(seed)
    middles = (path.lams[1:] + path.lams[:-1]) / 2
    return np.r_[path.lams, middles, rng.random(20), 10 ** rng.uniform(-8, 0, 10)]


def entropy(p):
    return -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1)


def exact_loss(w, P, y, alpha, sample_weight=None):
    """Equation (3), sample by sample."""
    N, C = len(y), P.shape[2]
    s = np.full(N, 1 / N) if sample_weight is None else sample_weight / sample_weight.sum()
    mixture = np.tensordot(w, P, axes=1)
    error = ((mixture - np.eye(C)[y]) ** 2).sum(axis=1) / C
    diversity = (entropy(mixture) - w @ entropy(P)) / C
    return alpha * s @ error + (1 - alpha) * (1 - s @ diversity)


class Recorded(np.ndarray):
    """An array, such as a memory map, that records how much is read at once."""

    def __array_finalize__(self, other):
        self.sizes = getattr(other, "sizes", [])

    def __getitem__(self, key):
        part = super().__getitem__(key)
        self.sizes.append(part.size)
        return np.asarray(part)


@cache
def large_pool(M=40, N=24_000, C=10):
    """More predictions than one block holds, in float32."""
    rng = np.random.default_rng(0)
    P = rng.random((M, N, C), dtype=np.float32)
    y = rng.integers(C, size=N)
    P[:, np.arange(N), y] += 1
    return P / P.sum(axis=2, keepdims=True), y
