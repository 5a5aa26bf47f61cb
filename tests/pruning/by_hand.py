"""The program of DESIGN section 3 written out in NumPy, and members with given predictions.

Nothing here uses ``skprune.socp``: what the pruners do is compared with it.
"""

import time

import numpy as np
from scipy.optimize import minimize, nnls
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.frozen import FrozenEstimator

from skprune import SOCPEnsemblePruner, SOCPEnsemblePrunerRegressor


class Told(ClassifierMixin, BaseEstimator):
    """A member whose probabilities are its columns of X, after a pause."""

    def __init__(self, place=0, classes=(0, 1, 2), seconds=0.0):
        self.place = place
        self.classes = classes
        self.seconds = seconds

    def fit(self, X, y, sample_weight=None):
        return self

    @property
    def classes_(self):
        return np.array(self.classes)

    def predict_proba(self, X):
        time.sleep(self.seconds)
        C = len(self.classes)
        return np.asarray(X)[:, self.place * C : (self.place + 1) * C]

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def __sklearn_is_fitted__(self):
        return True


class ToldNumbers(RegressorMixin, BaseEstimator):
    """A regressor whose predictions are its columns of X."""

    def __init__(self, place=0, n_targets=1):
        self.place = place
        self.n_targets = n_targets

    def fit(self, X, y, sample_weight=None):
        return self

    def predict(self, X):
        T = self.n_targets
        predicted = np.asarray(X)[:, self.place * T : (self.place + 1) * T]
        return predicted[:, 0] if T == 1 else predicted

    def __sklearn_is_fitted__(self):
        return True


def as_rows(P):
    """X from which told members read P of shape (M, N, k)."""
    return np.concatenate(list(P), axis=1)


def told(P, classes=None, **params):
    """Frozen members that give the probabilities P, each under a name."""
    classes = tuple(range(P.shape[2])) if classes is None else tuple(classes)
    return [(f"m{i}", FrozenEstimator(Told(i, classes, **params))) for i in range(len(P))]


def told_numbers(P):
    """Frozen regressors that predict P of shape (M, N, T)."""
    return [(f"m{i}", FrozenEstimator(ToldNumbers(i, P.shape[2]))) for i in range(len(P))]


EQUAL = {"alpha": 1.0, "lam": 0.0, "threshold": 0.0, "reweight": "equal"}


def keeping_all(estimator, n_members, classes, **params):
    """A pruner of classifiers that keeps all members, with the same weight in a soft vote.

    It is fitted on made predictions, where each member is right on as many samples as any other.
    """
    C = len(classes)
    codes, own = np.tile(np.arange(C), n_members), np.repeat(np.arange(n_members), C)
    P = np.full((n_members, len(codes), C), 1 / C)
    P[own, np.arange(len(codes))] = np.eye(C)[codes]
    params = EQUAL | {"voting": "soft"} | params
    pruner = SOCPEnsemblePruner(estimator, cv="prefit", **params)
    pruner.fit_predictions(P, np.asarray(classes)[codes])
    assert pruner.n_members_ == n_members
    return pruner


def keeping_all_regressors(estimator, n_members, n_targets=1):
    """The same of regressors, with an intercept of zero."""
    y = np.tile([[-1.0], [1.0]], (n_members, n_targets))
    P = np.zeros((n_members, *y.shape))
    P[np.repeat(np.arange(n_members), 2), np.arange(len(y))] = y
    pruner = SOCPEnsemblePrunerRegressor(estimator, cv="prefit", **EQUAL)
    pruner.fit_predictions(P, y[:, 0] if n_targets == 1 else y)
    assert pruner.n_members_ == n_members
    np.testing.assert_allclose(pruner.intercept_, 0, atol=1e-12)
    return pruner


def stacked(predictions):
    """What the kept members predict as one array, with or without names."""
    return np.stack(list(predictions.values() if isinstance(predictions, dict) else predictions))


def pool(M=8, N=120, C=3, seed=0, low=0.2, high=1.6):
    """Members between hardly and rather good, with errors that they share in part."""
    rng = np.random.default_rng(seed)
    y = np.arange(N) % C
    shared = rng.normal(size=(2, N, C))[np.arange(M) % 2]
    logits = 1.2 * rng.normal(size=(M, N, C)) + 0.8 * shared
    logits += np.linspace(low, high, M)[rng.permutation(M), None, None] * np.eye(C)[y]
    P = np.exp(logits)
    return P / P.sum(axis=2, keepdims=True), y


def targets(M=8, N=120, T=1, seed=0):
    """Predictions of targets with errors of their own and shared ones, and the targets."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(N, T)) * 3 + 5
    shared = rng.normal(size=(2, N, T))[np.arange(M) % 2]
    noise = np.linspace(0.5, 4, M)[rng.permutation(M), None, None] * rng.normal(size=(M, N, T))
    return 0.8 * y + 1 + shared + noise, y


def quadratic(P, y, alpha, diversity="shannon", weight=None):
    """Q and c of equation (6)."""
    _, N, C = P.shape
    weight = np.ones(N) if weight is None else weight
    share = (weight / weight.sum() / C)[:, None]
    Y, m = np.eye(C)[y], P.mean(axis=0)
    G = np.einsum("inj,knj,nj->ik", P, P, share * np.ones(C))
    b = np.einsum("inj,nj->i", P, share * Y)
    if diversity == "gini":
        return G, -2 * alpha * b - (1 - alpha) * np.diag(G)
    W = np.einsum("inj,knj,nj->ik", P, P, share / m)
    with np.errstate(divide="ignore", invalid="ignore"):
        d = (np.where(P > 0, P * (np.log(P) - np.log(m)), 0.0) * share).sum(axis=(1, 2))
    return alpha * G + (1 - alpha) / 2 * W, -2 * alpha * b - (1 - alpha) * d


def quadratic_of_targets(P, y, alpha, center=None, scale=None, weight=None):
    """Q and c for targets: centered, scaled, and a column of ones for each target."""
    center = y.mean(axis=0) if center is None else center
    scale = y.std(axis=0) if scale is None else scale
    F, Y = (P - center) / scale, (y - center) / scale
    F, Y = np.concatenate([F, np.ones_like(F)], axis=2), np.hstack([Y, np.ones_like(Y)])
    weight = np.ones(len(y)) if weight is None else weight
    share = weight / weight.sum() / Y.shape[1]
    G = np.einsum("inj,knj,n->ik", F, F, share)
    b = np.einsum("inj,nj,n->i", F, Y, share)
    return G, -2 * alpha * b - (1 - alpha) * np.diag(G)


def minimum(Q, c, support=None):
    """Minimise w'Qw + c'w over w >= 0 on a support, by nnls on the Cholesky factor."""
    w = np.zeros(len(c))
    index = np.arange(len(c)) if support is None else np.flatnonzero(support)
    R = np.linalg.cholesky(Q[np.ix_(index, index)]).T
    w[index] = nnls(R, np.linalg.solve(R.T, -c[index] / 2))[0]
    return w


def relaxed(Q, c, support):
    """Minimise w'Qw + c'w over w >= 0 on a support, where the weights sum to one."""
    w, index = np.zeros(len(c)), np.flatnonzero(support)
    Q, c = Q[np.ix_(index, index)], c[index]
    found = minimize(
        lambda v: (v @ Q @ v + c @ v) / np.abs(c).max(),
        np.full(len(index), 1 / len(index)),
        jac=lambda v: (2 * Q @ v + c) / np.abs(c).max(),
        bounds=[(0, 1)] * len(index),
        constraints={"type": "eq", "fun": lambda v: v.sum() - 1, "jac": np.ones_like},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    w[index] = found.x
    return w


def penalised(Q, c, lam, costs=None):
    """The same with the penalty lam * lambda_max * costs'w."""
    costs = np.ones(len(c)) if costs is None else np.asarray(costs, dtype=float)
    return minimum(Q, c + lam * (-c / costs).max() * costs)


def objective(Q, c, w):
    return w @ Q @ w + c @ w


def normalised(w):
    return w / w.sum()
