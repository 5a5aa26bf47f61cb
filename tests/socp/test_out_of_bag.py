"""Statistics of out-of-bag rows, against loops over members and rows."""

import numpy as np
import pytest
from scipy.special import softmax

from skprune.socp import (
    EnsembleStatistics,
    LogPoolStatistics,
    SOCPProblem,
    follow_path,
    log_pool_problem,
    out_of_bag_log_pool,
    out_of_bag_regression,
    out_of_bag_statistics,
)


def made(M=5, N=40, C=3, seed=0):
    """Probabilities, classes, rows that count, and sample weights."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, C, N)
    z = rng.normal(size=(M, N, C))
    z[:, np.arange(N), y] += 1
    return softmax(2 * z, axis=2), y, rng.random((M, N)) < 0.4, rng.uniform(0.5, 2, N)


def targets(M=4, N=30, T=2, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(N, T))
    F = y + rng.normal(size=(M, N, T))
    return F, y, rng.random((M, N)) < 0.5, rng.uniform(0.5, 2, N)


def pair_mean(term, own, weight, i, k):
    """Weighted mean of ``term(i, k, n)`` over the rows that both members have."""
    rows = np.flatnonzero(own[i] & own[k])
    return np.average([term(i, k, n) for n in rows], weights=weight[rows])


def pairs(term, own, weight):
    M = len(own)
    return np.array([[pair_mean(term, own, weight, i, k) for k in range(M)] for i in range(M)])


def singles(term, own, weight):
    return np.array(
        [pair_mean(lambda i, k, n: term(i, n), own, weight, i, i) for i, _ in enumerate(own)]
    )


def test_classes_by_hand():
    P, y, own, weight = made()
    stats = out_of_bag_statistics(P, y, own, weight)
    C = P.shape[2]
    m = np.array([P[own[:, n], n].mean(axis=0) for n in range(len(y))])
    close = np.testing.assert_allclose
    close(stats.gram, pairs(lambda i, k, n: P[i, n] @ P[k, n] / C, own, weight))
    close(stats.reference_gram, pairs(lambda i, k, n: P[i, n] @ (P[k, n] / m[n]) / C, own, weight))
    close(stats.agreement, singles(lambda i, n: P[i, n, y[n]] / C, own, weight))
    kl = singles(lambda i, n: P[i, n] @ np.log(P[i, n] / m[n]) / C, own, weight)
    close(stats.divergence, kl)
    close(stats.pair_weight[1, 2], weight[own[1] & own[2]].sum())
    assert stats.total_weight == pytest.approx(weight.sum())


def test_targets_by_hand():
    F, y, own, weight = targets()
    center, scale = y.mean(axis=0), y.std(axis=0)
    stats = out_of_bag_regression(F, y, own, weight, center, scale)
    f, t = (F - center) / scale, (y - center) / scale
    by_hand = pairs(lambda i, k, n: f[i, n] @ f[k, n] / 2, own, weight)
    np.testing.assert_allclose(stats.gram, (by_hand + 1) / 2)
    by_hand = singles(lambda i, n: f[i, n] @ t[n] / 2, own, weight)
    np.testing.assert_allclose(stats.agreement, (by_hand + 1) / 2)


def test_logarithmic_pool_by_hand():
    P, y, own, weight = made()
    stats = out_of_bag_log_pool(P, y, own, weight)
    logs = np.log(np.maximum(P, 1e-3))
    z = np.array([logs[own[:, n], n].mean(axis=0) for n in range(len(y))])
    q = softmax(stats.scale * z, axis=1)

    def covariance(i, k, n):
        one, two = logs[i, n], logs[k, n]
        return q[n] @ (one * two) - (q[n] @ one) * (q[n] @ two)

    np.testing.assert_allclose(stats.hessian, pairs(covariance, own, weight))
    slope = singles(lambda i, n: q[n] @ logs[i, n] - logs[i, n, y[n]], own, weight)
    np.testing.assert_allclose(stats.gradient, slope)
    assert stats.loss == pytest.approx(np.average(-np.log(q[np.arange(40), y]), weights=weight))


def test_where_all_rows_count_they_are_the_usual_ones():
    P, y, own, weight = made()
    every = np.ones_like(own)
    usual = EnsembleStatistics.from_predictions(P, y, weight)
    found = out_of_bag_statistics(P, y, every, weight)
    for name in ("gram", "reference_gram", "agreement", "divergence"):
        np.testing.assert_allclose(getattr(found, name), getattr(usual, name), rtol=1e-10)
    usual = LogPoolStatistics.from_predictions(P, y, weight)
    found = out_of_bag_log_pool(P, y, every, weight)
    assert found.scale == pytest.approx(usual.scale)
    np.testing.assert_allclose(found.hessian, usual.hessian, rtol=1e-7)
    np.testing.assert_allclose(found.gradient, usual.gradient, rtol=1e-7, atol=1e-12)
    F, t, _, weight = targets()
    usual = EnsembleStatistics.from_regression(F, t, weight)
    every = np.ones(F.shape[:2], dtype=bool)
    found = out_of_bag_regression(F, t, every, weight, usual.center, usual.scale)
    np.testing.assert_allclose(found.gram, usual.gram, rtol=1e-10)
    np.testing.assert_allclose(found.agreement, usual.agreement, rtol=1e-10)
    assert found.target_power == pytest.approx(usual.target_power)


def statistics_of(kind, rows):
    if kind == "targets":
        F, y, own, weight = targets()
        return out_of_bag_regression(
            F[:, rows], y[rows], own[:, rows], weight[rows], np.zeros(2), np.ones(2)
        )
    P, y, own, weight = made()
    part = P[:, rows], y[rows], own[:, rows], weight[rows]
    if kind == "classes":
        return out_of_bag_statistics(*part)
    return out_of_bag_log_pool(*part, scale=1.5)


@pytest.mark.parametrize("kind", ["classes", "targets", "logarithms"])
def test_folds_add_up_and_can_be_taken_away(kind):
    N = 30
    whole = statistics_of(kind, np.arange(N))
    # Folds of two rows: most pairs of members have no common row in them.
    folds = [statistics_of(kind, np.arange(k, k + 2)) for k in range(0, N, 2)]
    assert (folds[0].pair_weight == 0).any()
    names = ("hessian", "gradient") if kind == "logarithms" else ("gram", "agreement")
    rest = sum(folds[1:])
    for name in names:
        found = getattr(sum(folds), name)
        np.testing.assert_allclose(found, getattr(whole, name), rtol=1e-10, atol=1e-14)
        found = getattr(whole - folds[0], name)
        np.testing.assert_allclose(found, getattr(rest, name), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose((whole - folds[0]).pair_weight, rest.pair_weight, atol=1e-12)


def test_pairs_without_a_common_row_are_as_the_others_in_the_mean():
    P, y, own, weight = made()
    own[0], own[1] = np.arange(40) < 20, np.arange(40) >= 20
    stats = out_of_bag_statistics(P, y, own, weight)
    known = ~np.eye(5, dtype=bool)
    known[0, 1] = known[1, 0] = False
    full = stats.completed()
    assert full.gram[0, 1] == full.gram[1, 0] == pytest.approx(stats.gram[known].mean())
    np.testing.assert_array_equal(full.gram[known], stats.gram[known])
    path = follow_path(SOCPProblem.from_statistics(full, 0.9), 0.9)
    assert path.kkt_residual < 1e-8
    hessian = out_of_bag_log_pool(P, y, own, weight).completed()
    assert follow_path(log_pool_problem(hessian), 1.0).kkt_residual < 1e-8


def test_a_member_without_a_row_is_as_the_others_in_the_mean():
    P, y, own, weight = made()
    own[3] = False
    full = out_of_bag_statistics(P, y, own, weight).completed()
    others = np.delete(np.arange(5), 3)
    assert full.agreement[3] == pytest.approx(full.agreement[others].mean())
    assert full.gram[3, 3] == pytest.approx(np.diagonal(full.gram)[others].mean())
    assert np.isfinite(full.divergence).all()


def test_the_two_kinds_do_not_mix():
    P, y, own, weight = made()
    usual = EnsembleStatistics.from_predictions(P, y, weight)
    with pytest.raises(ValueError, match="combine with each other only"):
        usual + out_of_bag_statistics(P, y, own, weight)


def test_probabilities_that_are_zero_and_float32():
    P, y, own, weight = made()
    P = np.round(P)
    P[P.sum(axis=2) == 0] = [1, 0, 0]
    P = P / P.sum(axis=2, keepdims=True)
    double = out_of_bag_statistics(P, y, own, weight)
    single = out_of_bag_statistics(P.astype(np.float32), y, own, weight)
    for name in ("gram", "reference_gram", "agreement", "divergence"):
        assert np.isfinite(getattr(double, name)).all()
        np.testing.assert_allclose(getattr(single, name), getattr(double, name), atol=1e-6)
