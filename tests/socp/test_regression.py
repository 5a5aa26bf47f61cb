"""Regressors: the statistics, the loss they stand for, and the program with negative products."""

import numpy as np
import pytest

from skprune.socp import EnsembleStatistics, SOCPProblem, _statistics, socp_path, solve_socp

from .pools import REGRESSORS, regressors, stats_of


def direct_loss(w, F, y, alpha, center, scale, sample_weight=None):
    """Squared error and variance round the mixture, with the columns of ones written out."""
    p = np.concatenate([(F - center) / scale, np.ones_like(F)], axis=2)
    target = np.concatenate([(y - center) / scale, np.ones_like(y)], axis=1)
    N, columns = target.shape
    s = np.full(N, 1 / N) if sample_weight is None else sample_weight / sample_weight.sum()
    mixture = np.tensordot(w, p, axes=1)
    error = ((mixture - target) ** 2).sum(axis=1) / columns
    gini = (mixture * (1 - mixture)).sum(axis=1) - np.tensordot(w, p * (1 - p), axes=1).sum(axis=1)
    return alpha * s @ error + (1 - alpha) * (1 - s @ gini / columns)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0, 0.4, 1])
def test_f_is_the_loss_at_any_weights(alpha, weighted):
    F, y = regressors()
    rng = np.random.default_rng(0)
    sample_weight = rng.exponential(size=len(y)) if weighted else None
    stats = EnsembleStatistics.from_regression(F, y, sample_weight)
    center = np.average(y, axis=0, weights=sample_weight)
    scale = np.sqrt(np.average((y - center) ** 2, axis=0, weights=sample_weight))
    np.testing.assert_allclose(stats.center, center, rtol=1e-12)
    np.testing.assert_allclose(stats.scale, scale, rtol=1e-12)
    problem = SOCPProblem.from_statistics(stats, alpha, diversity="gini")
    for size in (0, 0.05, 1):
        w = size * rng.exponential(size=len(F))
        loss = direct_loss(w, F, y, alpha, center, scale, sample_weight)
        assert problem.objective(w) + problem.constant == pytest.approx(loss, rel=1e-11)


def test_the_fields_say_what_they_hold():
    F, y = regressors()
    stats = EnsembleStatistics.from_regression(F, y, np.full(len(y), 0.5))
    assert (stats.n_members, stats.n_samples, stats.n_classes) == (10, 40, 4)
    assert stats.total_weight == 20
    assert stats.kind == "regression"
    assert stats.reference_gram is None
    assert stats.divergence is None
    assert stats.target_power == pytest.approx(1)  # standardised targets, and ones


def test_units_do_not_matter():
    F, y = regressors()
    one = EnsembleStatistics.from_regression(F, y)
    other = EnsembleStatistics.from_regression(7 * F - 3, 7 * y - 3)
    np.testing.assert_allclose(one.gram, other.gram, rtol=1e-10)
    np.testing.assert_allclose(one.agreement, other.agreement, rtol=1e-10)


def test_center_and_scale_are_taken_as_given():
    F, y = regressors()
    stats = EnsembleStatistics.from_regression(F, y, center=0.0, scale=[2.0, 4.0])
    flat = (F / [2.0, 4.0]).reshape(len(F), -1)
    np.testing.assert_allclose(stats.gram, (flat @ flat.T / y.size + 1) / 2, rtol=1e-12)
    assert stats.target_power == pytest.approx((((y / [2.0, 4.0]) ** 2).mean() + 1) / 2)


def test_one_target_may_come_without_its_axis():
    F, y = regressors(T=1)
    one = EnsembleStatistics.from_regression(F, y)
    for other in ((F[:, :, 0], y[:, 0]), (F[:, :, 0].tolist(), y[:, 0].tolist())):
        np.testing.assert_array_equal(EnsembleStatistics.from_regression(*other).gram, one.gram)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9])
def test_a_constant_target_is_not_blown_up(value):
    y = np.full((30, 1), value)
    F = y + np.random.default_rng(0).normal(size=(3, 30, 1))
    stats = EnsembleStatistics.from_regression(F, y)
    assert stats.scale[0] == 1
    assert EnsembleStatistics.from_regression(F, y, scale=0).scale[0] == 1
    assert stats.gram.max() < 2


def test_blocks_give_the_statistics_of_one(monkeypatch):
    F, y = regressors()
    weight = np.random.default_rng(0).random(len(y))
    whole = EnsembleStatistics.from_regression(F, y, weight)
    monkeypatch.setattr(_statistics, "_BLOCK_BYTES", 2**10)
    cut = EnsembleStatistics.from_regression(F, y, weight)
    for field in ("gram", "agreement", "target_power"):
        np.testing.assert_allclose(getattr(cut, field), getattr(whole, field), rtol=1e-13)


def test_integer_and_single_precision_are_computed_in_double():
    F, y = regressors()
    F = np.round(F)
    expected = EnsembleStatistics.from_regression(F, y).gram
    for dtype in (np.float32, np.int64):
        before = F.astype(dtype)
        found = EnsembleStatistics.from_regression(before, y).gram
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(before, F)


def spoilt(value):
    F, y = regressors()
    F[3, 5, 1] = value
    return F, y


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (lambda F, y: spoilt(np.nan), "NaN or infinite predictions: member 3"),
        (lambda F, y: spoilt(-np.inf), "NaN or infinite predictions: member 3"),
        (lambda F, y: spoilt(1e200), "too large to be squared: member 3"),
        (lambda F, y: (F, np.where(y > y.max() - 1e-9, np.nan, y)), "y has NaN"),
        (lambda F, y: (F[0, 0], y), "F must have shape"),
        (lambda F, y: (F[:0], y), "F must have shape"),
        (lambda F, y: (F[:, :0], y[:0]), "F must have shape"),
        (lambda F, y: (F, y[:-1]), r"y must have shape \(40, 2\)"),
        (lambda F, y: (F, y[:, 0]), r"y must have shape \(40, 2\)"),
        (lambda F, y: (F, y, np.zeros(40)), "sums to zero"),
        (lambda F, y: (F, y, np.ones(39)), r"sample_weight must have shape \(40,\)"),
    ],
)
def test_wrong_predictions_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        EnsembleStatistics.from_regression(*arguments(*regressors()))


@pytest.mark.parametrize(
    ("units", "match"),
    [
        ({"center": np.ones(3)}, r"center must be finite and have shape \(2,\)"),
        ({"center": np.nan}, "center must be finite"),
        ({"scale": [1.0, np.inf]}, "scale must be finite"),
        ({"scale": [1.0, -1.0]}, "scale must not be negative"),
    ],
)
def test_wrong_units_are_refused(units, match):
    with pytest.raises(ValueError, match=match):
        EnsembleStatistics.from_regression(*regressors(), **units)


@pytest.mark.parametrize("solve", [solve_socp, socp_path])
def test_regression_has_no_entropy_and_says_what_to_use(solve):
    with pytest.raises(ValueError, match="use diversity='gini'"):
        solve(stats_of("regressors"))


def test_the_pools_are_what_they_claim():
    assert stats_of("cancelling_regressors").gram.min() < -0.1
    assert stats_of("far_off_regressors").gram.sum(axis=1).min() < 0


@pytest.mark.parametrize("name", REGRESSORS)
@pytest.mark.parametrize("alpha", [0, 0.5, 1])
def test_solver_and_path_are_optimal_though_products_are_negative(name, alpha):
    stats = stats_of(name)
    path = socp_path(stats, alpha, diversity="gini")
    problem = SOCPProblem.from_statistics(stats, alpha, diversity="gini")
    assert path.kkt_residual <= 1e-10
    for lam in np.r_[path.lams, (path.lams[1:] + path.lams[:-1]) / 2, 0.01, 0.3, 0.8]:
        at = problem.with_penalty(lam * problem.penalty_max)
        assert at.kkt_residual(path.at(lam)) <= 1e-9
        if lam < 1:
            solution = solve_socp(stats, alpha, lam, diversity="gini")
            assert solution.status == "optimal"
            assert -1e-12 <= solution.duality_gap <= 1e-9
            assert at.objective(path.at(lam)) == pytest.approx(solution.objective, abs=1e-10)


@pytest.mark.parametrize("name", REGRESSORS)
def test_clarabel_agrees_on_regressors(name):
    exact = solve_socp(stats_of(name), 0.7, 0.05, diversity="gini")
    other = solve_socp(stats_of(name), 0.7, 0.05, diversity="gini", solver="clarabel")
    assert exact.objective == pytest.approx(other.objective, abs=1e-8)
    assert -1e-12 <= other.duality_gap < 1e-4


def test_members_that_cancel_each_other_are_not_free():
    """Without the column of ones the Gini program would have no minimum here."""
    F = np.array([[1.0, -1.0], [-1.0, 1.0]])
    stats = EnsembleStatistics.from_regression(F, [1.0, -1.0], center=0.0, scale=1.0)
    weights = solve_socp(stats, 0, 0, diversity="gini").weights
    assert weights.max() < 10


def test_the_mixture_beats_its_best_member():
    F, y = regressors(M=20, N=400)
    half = slice(0, 200), slice(200, 400)
    w = solve_socp(
        EnsembleStatistics.from_regression(F[:, half[0]], y[half[0]]), 1, 0.05, diversity="gini"
    ).weights
    mixture = np.tensordot(w / w.sum(), F[:, half[1]], axes=1)
    scale = y.std(axis=0)
    error = (((mixture - y[half[1]]) / scale) ** 2).mean()
    best = (((F[:, half[1]] - y[half[1]]) / scale) ** 2).mean(axis=(1, 2)).min()
    assert error < best
