"""The logarithmic pool: expansion, exact loss and refit, against exponential cones."""

import cvxpy as cp
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from skprune.exceptions import NoMemberLeftError
from skprune.socp import (
    LogPoolStatistics,
    fit_intercept,
    fit_temperature,
    follow_path,
    log_pool_problem,
    refit_log_pool,
    solve_log_pool,
    solve_subset,
    solve_support,
)

EPS = 1e-3


def made(M=6, N=60, C=3, quality=2.0, seed=0):
    """Probabilities of members of different quality, and labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, C, N)
    z = rng.normal(size=(M, N, C))
    z[:, np.arange(N), y] += rng.uniform(0, quality, M)[:, None]
    return softmax(z, axis=2), y


def logs_of(P):
    logs = np.log(np.maximum(P, EPS))
    return logs - logs.mean(axis=2, keepdims=True)


def loss(w, P, y, weight=None):
    """L(w), by hand."""
    q = softmax(np.tensordot(w, logs_of(P), 1), axis=1)
    return np.average(-np.log(q[np.arange(len(y)), y]), weights=weight)


def cone_loss(w, P, T, bias=0.0):
    """L(w) for targets T (N, C), as a convex expression."""
    z = sum(w[i] * logs for i, logs in enumerate(logs_of(P)))
    z = z + (np.ones((len(T), 1)) @ cp.reshape(bias, (1, T.shape[1]), order="C") if bias else 0)
    return cp.sum(cp.log_sum_exp(z, axis=1) - cp.sum(cp.multiply(T, z), axis=1)) / len(T)


def minimum(objective, w):
    cp.Problem(cp.Minimize(objective)).solve(solver="CLARABEL")
    return objective.value, w.value


def unbalanced():
    P, y = made(C=2, N=200, quality=0.7, seed=2)
    kept = (y == 0) | (np.arange(200) % 10 == 0)
    return P[:, kept], y[kept]


def with_zeros():
    P, y = made(M=4, C=2, N=80, quality=1.0, seed=4)
    P = np.where(P < 0.2, 0.0, np.where(P > 0.8, 1.0, P))
    return P, y


CASES = {
    "several": made(),
    "two classes": made(C=2, seed=1),
    "unbalanced": unbalanced(),
    "more members than samples": made(M=30, N=12, seed=3),
    "zeros": with_zeros(),
    "one member": made(M=1, seed=5),
}


@pytest.mark.parametrize("name", CASES)
def test_the_expansion_has_value_gradient_and_hessian_of_the_loss(name):
    P, y = CASES[name]
    stats = LogPoolStatistics.from_predictions(P, y)
    M = len(P)
    w0, step = np.full(M, stats.scale / M), 1e-5
    moves = step * np.eye(M)
    assert stats.loss == pytest.approx(loss(w0, P, y), rel=1e-12)
    slope = [(loss(w0 + m, P, y) - loss(w0 - m, P, y)) / (2 * step) for m in moves]
    np.testing.assert_allclose(stats.gradient, slope, atol=1e-8)
    for v in np.random.default_rng(0).normal(size=(3, M)):
        along = loss(w0 + step * v, P, y) - 2 * loss(w0, P, y) + loss(w0 - step * v, P, y)
        assert v @ stats.hessian @ v == pytest.approx(along / step**2, abs=1e-4)
    if 0.05 < stats.scale < 20:  # the best scale for smoothed targets
        N, C, z = len(y), P.shape[2], logs_of(P).mean(axis=0)
        T = (1 - 1 / N) * np.eye(C)[y] + 1 / (N * C)
        assert abs(((softmax(stats.scale * z, axis=1) - T) * z).sum() / N) < 1e-9
    near = w0 + 1e-3 * np.random.default_rng(1).normal(size=M)
    for ridge in (0.0, 0.3):
        f = log_pool_problem(stats, ridge=ridge)
        value = loss(near, P, y) + ridge / 2 * near @ near
        assert f.objective(near) + f.constant == pytest.approx(value, abs=1e-6)


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # of one member; compared below
@pytest.mark.parametrize(("alpha", "ridge"), [(1.0, 0.0), (1.0, 0.1), (0.9, 0.1), (0.4, 0.1)])
@pytest.mark.parametrize("name", CASES)
def test_the_exact_solution_is_that_of_exponential_cones(name, alpha, ridge):
    P, y = CASES[name]
    M, T = len(P), np.eye(P.shape[2])[y]
    stats = LogPoolStatistics.from_predictions(P, y)
    first = log_pool_problem(stats, alpha, ridge=ridge)
    w0, H = np.full(M, stats.scale / M), stats.hessian
    h = np.diag(H)
    theta = w0 @ H @ w0 / (h @ w0)
    for lam in (0.05, 0.4):
        found = solve_log_pool(P, y, alpha, lam, ridge=ridge)
        assert found.kkt_residual < 1e-8
        w = cp.Variable(M, nonneg=True)
        ambiguity = cp.quad_form(w, cp.psd_wrap(H)) / 2 - theta * (h @ w)
        penalized = alpha * cone_loss(w, P, T) + (1 - alpha) * ambiguity
        penalized += ridge / 2 * cp.sum_squares(w)
        best, weights = minimum(penalized + lam * first.penalty_max * cp.sum(w), w)
        assert found.objective + first.constant == pytest.approx(best, abs=2e-7)
        if ridge or name != "more members than samples":  # there many are nearly optimal
            np.testing.assert_allclose(found.weights, weights, atol=5e-3)


@pytest.mark.parametrize("name", CASES)
def test_the_path_of_the_expansion_is_certified(name):
    stats = LogPoolStatistics.from_predictions(*CASES[name])
    for alpha in (1.0, 0.7):
        problem = log_pool_problem(stats, alpha, costs=np.arange(1, stats.n_members + 1))
        path = follow_path(problem, alpha)
        assert path.kkt_residual < 1e-8
        assert path.penalty_max > 0
    best = solve_subset(problem, 1)
    alone = [
        problem.objective(solve_support(problem, row)) for row in np.eye(len(stats.gradient)) > 0
    ]
    assert best.objective == pytest.approx(min(alone) if best.n_members else 0)


def test_statistics_of_folds_add_up():
    P, y = made(N=90)
    weight = np.random.default_rng(0).uniform(0, 3, 90)
    whole = LogPoolStatistics.from_predictions(P, y, weight)
    folds = [
        LogPoolStatistics.from_predictions(P[:, k::3], y[k::3], weight[k::3], scale=whole.scale)
        for k in range(3)
    ]
    for found in (sum(folds), folds[2] + folds[0] + folds[1]):
        np.testing.assert_allclose(found.hessian, whole.hessian, rtol=1e-10, atol=1e-15)
        np.testing.assert_allclose(found.gradient, whole.gradient, rtol=1e-9, atol=1e-15)
        assert found.loss == pytest.approx(whole.loss)
    rest = whole - folds[1]
    np.testing.assert_allclose(rest.hessian, (folds[0] + folds[2]).hessian, atol=1e-12)
    with pytest.raises(ValueError, match=r"same scale .* Give from_predictions the scale of all"):
        whole + LogPoolStatistics.from_predictions(P, y, scale=whole.scale * 2)
    with pytest.raises(ValueError, match="leaves no sample"):
        whole - whole


def test_weights_of_samples_are_repetitions():
    P, y = made(N=30)
    times = np.arange(30) % 3
    repeated = np.repeat(np.arange(30), times)
    one = LogPoolStatistics.from_predictions(P, y, times)
    other = LogPoolStatistics.from_predictions(P[:, repeated], y[repeated])
    np.testing.assert_allclose(one.hessian, other.hessian, rtol=1e-10)
    assert one.scale == pytest.approx(other.scale)


@pytest.mark.parametrize("name", ["several", "two classes", "zeros", "one member"])
def test_the_refit_is_that_of_exponential_cones(name):
    P, y = CASES[name]
    M, N, C = P.shape
    T = (1 - 1 / N) * np.eye(C)[y] + 1 / (N * C)
    w = cp.Variable(M, nonneg=True)
    ridge = cp.sum_squares(w - cp.sum(w) / M) * 0.02 / 2
    best, _ = minimum(cone_loss(w, P, T) + ridge, w)
    found = refit_log_pool(P, y)
    assert (found >= 0).all()
    z = np.tensordot(found, logs_of(P), 1)
    value = -(T * np.log(softmax(z, axis=1))).sum(axis=1).mean()
    value += 0.02 / 2 * np.square(found - found.mean()).sum()
    assert value == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("name", ["several", "two classes", "unbalanced", "zeros"])
def test_biases_are_those_of_exponential_cones(name):
    P, y = CASES[name]
    _, N, C = P.shape
    T = (1 - 1 / N) * np.eye(C)[y] + 1 / (N * C)
    w, b = refit_log_pool(P, y), cp.Variable(C)
    z = np.tensordot(w, logs_of(P), 1)
    for ridge in (0.005, 0.2):
        best, _ = minimum(cone_loss(w, P, T, b) + ridge / 2 * cp.sum_squares(b), b)
        found = fit_intercept(z, y, ridge=ridge)
        assert abs(found.sum()) < 1e-9
        value = -(T * np.log(softmax(z + found, axis=1))).sum(axis=1).mean()
        assert value + ridge / 2 * found @ found == pytest.approx(best, abs=1e-6)


def test_separable_samples_give_finite_exponents():
    P, y = made(M=5, N=40)
    P[2] = 0.01 / 2
    P[2, np.arange(40), y] = 0.99  # always right
    w = refit_log_pool(P, y)
    assert np.isfinite(w).all()
    assert w.max() < 50
    assert loss(w, P, y) < 0.05
    found = solve_log_pool(P, y, lam=0.1)
    assert np.isfinite(found.weights).all()


def test_opposite_members_are_bounded():
    P, y = made(M=1, C=2, N=50)
    pair = np.concatenate([P, 1 - P])
    for alpha in (1.0, 0.8):
        stats = LogPoolStatistics.from_predictions(pair, y)
        path = follow_path(log_pool_problem(stats, alpha), alpha)
        assert np.isfinite(path.weights).all()
        assert path.kkt_residual < 1e-7


def test_members_that_know_nothing_are_left_out():
    P, y = made(M=3)
    P[1] = 1 / 3
    found = solve_log_pool(P, y, lam=0.05)
    assert found.weights[1] == 0
    with pytest.raises(NoMemberLeftError):
        solve_log_pool(np.full((2, 60, 3), 1 / 3), y)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"P": np.ones((2, 5))}, "P must have shape"),
        ({"P": np.ones((2, 5, 3))}, "must sum to one"),
        ({"y": np.arange(5)}, "y must be in 0 .. 2"),
        ({"sample_weight": np.zeros(5)}, "sums to zero"),
        ({"P": np.empty((2, 0, 3)), "y": np.empty(0, int)}, "no sample"),
    ],
)
def test_invalid_arguments_are_refused(given, match):
    right = {"P": np.full((2, 5, 3), 1 / 3), "y": np.zeros(5, int)}
    with pytest.raises(ValueError, match=match):
        LogPoolStatistics.from_predictions(**(right | given))


class Given(ClassifierMixin, BaseEstimator):
    """Predicts its input."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return X

    def predict(self, X):
        return self.classes_[X.argmax(axis=1)]


@pytest.mark.parametrize("C", [2, 5])
@pytest.mark.parametrize("power", [0.2, 1.0, 3.0])
def test_the_temperature_is_that_of_scikit_learn(C, power):
    P, y = made(M=1, N=400, C=C, seed=7)
    q = P[0] ** power / (P[0] ** power).sum(axis=1, keepdims=True)
    q = 0.98 * q + 0.02 / C  # above the floor of probabilities
    theirs = CalibratedClassifierCV(FrozenEstimator(Given().fit(q, y)), method="temperature")
    expected = theirs.fit(q, y).predict_proba(q)
    tempered = q ** fit_temperature(q, y, smoothed=False)
    tempered /= tempered.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(tempered, expected, atol=2e-4)
    assert (tempered.argmax(axis=1) == q.argmax(axis=1)).all()


def test_the_temperature_of_votes_that_are_always_right_or_wrong_is_bounded():
    y = np.arange(20) % 2
    right = np.where(np.eye(2)[y] > 0, 0.9, 0.1)
    assert fit_temperature(right, y, smoothed=False) == 20
    assert 1 < fit_temperature(right, y) < 20
    assert fit_temperature(1 - right, y) == 0.05
    weight = np.r_[np.ones(10), np.zeros(10)]
    half = fit_temperature(right[:10], y[:10], smoothed=False)
    assert fit_temperature(right, y, weight, smoothed=False) == half
