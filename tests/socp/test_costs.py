"""Members that cost different amounts, and the Gini diversity: in every solver and on the path."""

import numpy as np
import pytest

from skprune.exceptions import NoMemberLeftError
from skprune.socp import (
    EnsembleStatistics,
    SOCPProblem,
    check_costs,
    follow_path,
    socp_path,
    solve_socp,
)

from .pools import AGREEING, POOLS, REGRESSORS, dirichlet, random_pool, stats_of
from .test_path import lams_to_try
from .test_solve import CONIC

NAMES = [*POOLS, *REGRESSORS]


def costs_of(name, spread=1.0):
    rng = np.random.default_rng(len(name))
    return 10 ** rng.uniform(-spread / 2, spread / 2, stats_of(name).n_members)


def gini(x):
    return (x * (1 - x)).sum(axis=-1)


@pytest.mark.parametrize("alpha", [0, 0.3, 1])
@pytest.mark.parametrize("name", ["dirichlet", "one_hot", "duplicates", "hundred_classes"])
def test_with_gini_f_is_the_loss_at_any_weights(name, alpha):
    P, y = POOLS[name]()
    N, C = len(y), P.shape[2]
    problem = SOCPProblem.from_statistics(stats_of(name), alpha, diversity="gini")
    rng = np.random.default_rng(0)
    for size in (0, 0.05, 1):
        w = size * rng.exponential(size=len(P))
        mixture = np.tensordot(w, P, axes=1)
        error = ((mixture - np.eye(C)[y]) ** 2).sum() / (N * C)
        diversity = (gini(mixture) - np.tensordot(w, gini(P), axes=1)).sum() / (N * C)
        loss = alpha * error + (1 - alpha) * (1 - diversity)
        assert problem.objective(w) + problem.constant == pytest.approx(loss, rel=1e-12)


def test_gini_differs_from_shannon():
    one, other = (solve_socp(stats_of("dirichlet"), 0.3, diversity=d) for d in ("shannon", "gini"))
    assert np.abs(one.weights - other.weights).max() > 0.01


@pytest.mark.parametrize("diversity", ["Gini", "", None, 1, ["gini"]])
def test_an_unknown_diversity_is_refused(diversity):
    for solve in (solve_socp, socp_path):
        with pytest.raises(ValueError, match="diversity must be one of"):
            solve(stats_of("dirichlet"), diversity=diversity)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("alpha", "spread"), [(0.3, 0.3), (0.9, 1.0), (1, 2.0)])
def test_solver_and_path_are_optimal_under_costs(name, alpha, spread):
    stats, costs = stats_of(name), costs_of(name, spread)
    diversity = "gini" if name in REGRESSORS else "shannon"
    path = socp_path(stats, alpha, diversity=diversity, costs=costs)
    problem = SOCPProblem.from_statistics(stats, alpha, diversity=diversity, costs=costs)
    assert path.penalty_max == problem.penalty_max
    assert path.lams[0] == 1
    assert path.lams[-1] == 0
    assert (np.diff(path.lams) < 0).all()
    relative = costs / costs.mean()
    for lam in lams_to_try(path):
        penalty = lam * path.penalty_max
        w = path.at(lam)
        # The conditions, written once more.
        gradient = 2 * problem.quadratic @ w + problem.linear + penalty * relative
        scale = -problem.linear.min()
        assert np.abs(np.minimum(w, gradient / scale)).max() <= 1e-8, f"lam {lam}"
        if 1e-6 < lam < 1:
            solution = solve_socp(stats, alpha, lam, diversity=diversity, costs=costs)
            assert solution.status == "optimal"
            assert -1e-12 <= solution.duality_gap <= 1e-8
            at = problem.with_penalty(penalty)
            assert at.objective(w) == pytest.approx(solution.objective, abs=1e-10)


@pytest.mark.parametrize("seed", range(60))
def test_the_path_of_a_random_pool_is_optimal_under_costs(seed):
    P, y = random_pool(seed)
    stats = EnsembleStatistics.from_predictions(P, y)
    rng = np.random.default_rng(seed)
    costs = rng.choice([1, 2, 3], size=len(P)) if seed % 2 else 10 ** rng.uniform(-1, 1, len(P))
    for diversity in ("shannon", "gini"):
        path = socp_path(stats, 0.6, diversity=diversity, costs=costs)
        problem = SOCPProblem.from_statistics(stats, 0.6, diversity=diversity, costs=costs)
        assert path.kkt_residual <= 1e-8
        for lam in lams_to_try(path, seed):
            at = problem.with_penalty(lam * path.penalty_max)
            assert at.kkt_residual(path.at(lam)) <= 1e-8, f"lam {lam}"


def near_copies(seed, noise, M=6):
    """Members that differ by a little noise, and their classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=200)
    P = 0.5 * rng.dirichlet(np.ones(3), size=200)
    P[np.arange(200), y] += 0.5
    P = np.clip(P + noise * rng.normal(size=(M, 200, 3)), 1e-9, None)
    return P / P.sum(axis=-1, keepdims=True), y


@pytest.mark.parametrize(
    ("noise", "cheapest"),
    [(1e-6, 1e-6), (1e-4, 1e-5), (1e-8, 1e-6), (1e-3, 1e-6), (1e-6, 1e-12), (0, 1e-6)],
)
def test_the_path_is_optimal_for_near_copies_of_very_unequal_cost(noise, cheapest):
    """Measured before: the KKT residual was up to 0.56, and nothing said so."""
    costs = np.ones(6)
    costs[0] = cheapest
    for seed in range(10):
        stats = EnsembleStatistics.from_predictions(*near_copies(seed, noise))
        path = socp_path(stats, 0.9, costs=costs)
        problem = SOCPProblem.from_statistics(stats, 0.9, costs=costs)
        assert path.kkt_residual <= 1e-8
        assert path.at(0.05)[0] > 0
        for lam in (*lams_to_try(path, seed), *(cheapest * np.geomspace(1e-9, 1, 10))):
            w = path.at(lam)
            at = problem.with_penalty(lam * path.penalty_max)
            assert at.kkt_residual(w) <= path.kkt_residual + 1e-14, f"lam {lam}"
            if 0 < lam < 1:
                exact = solve_socp(stats, 0.9, lam, costs=costs)
                assert exact.status == "optimal"
                assert at.objective(w) == pytest.approx(exact.objective, abs=1e-9)


def test_a_solver_of_another_kind_agrees_for_near_copies_of_unequal_cost():
    stats = EnsembleStatistics.from_predictions(*near_copies(0, 1e-2))
    costs = np.r_[1e-3, np.ones(5)]
    problem = SOCPProblem.from_statistics(stats, 0.9, costs=costs)
    path = socp_path(stats, 0.9, costs=costs)
    # Where the penalty no longer decides alone: at lam = 0.05 only the cheap member is worth it.
    for lam in (0.05, 1e-3, 3e-4, 1e-4):
        by_cone = solve_socp(stats, 0.9, lam, costs=costs, solver="clarabel")
        reached = problem.with_penalty(by_cone.penalty).objective(path.at(lam))
        assert reached == pytest.approx(by_cone.objective, abs=1e-7)
        assert reached <= by_cone.objective + 1e-10


@pytest.mark.parametrize("diversity", ["shannon", "gini"])
@pytest.mark.parametrize("lam", [0.02, 0.2, 0.6])
@pytest.mark.parametrize("solver", CONIC)
@pytest.mark.parametrize("name", ["dirichlet", "duplicates"])
def test_the_solvers_agree_under_costs(name, lam, diversity, solver):
    solvers_agree(name, lam, diversity, solver)


@pytest.mark.parametrize("diversity", ["shannon", "gini"])
@pytest.mark.parametrize("lam", [0.02, 0.2, 0.6])
@pytest.mark.parametrize("solver", CONIC[:2])  # SCS is slow on forty trees
def test_the_solvers_agree_under_costs_of_trees(lam, diversity, solver):
    solvers_agree("digits_trees", lam, diversity, solver)


def solvers_agree(name, lam, diversity, solver):
    stats, options = stats_of(name), {"diversity": diversity, "costs": costs_of(name)}
    solution = solve_socp(stats, 0.8, lam, solver=solver, **options)
    problem = SOCPProblem.from_statistics(stats, 0.8, solution.penalty, **options)
    reached = problem.objective(socp_path(stats, 0.8, **options).at(lam))
    assert reached == pytest.approx(solution.objective, abs=1e-7)
    assert reached <= solution.objective + 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_members_of_equal_cost_are_members_without_cost(name):
    stats = stats_of(name)
    diversity = "gini" if name in REGRESSORS else "shannon"
    equal = {"diversity": diversity, "costs": np.full(stats.n_members, 7.5)}
    one, other = socp_path(stats, 0.7, diversity=diversity), socp_path(stats, 0.7, **equal)
    np.testing.assert_array_equal(one.lams, other.lams)
    np.testing.assert_array_equal(one.weights, other.weights)
    for lam in (0, 0.3):
        without = solve_socp(stats, 0.7, lam, diversity=diversity)
        np.testing.assert_array_equal(without.weights, solve_socp(stats, 0.7, lam, **equal).weights)


@pytest.mark.parametrize("factor", [2, 1e-300, 1e290, 0.3])
def test_only_the_ratios_of_costs_matter(factor):
    costs = costs_of("dirichlet")
    one = socp_path(stats_of("dirichlet"), 0.7, costs=costs)
    other = socp_path(stats_of("dirichlet"), 0.7, costs=factor * costs)
    np.testing.assert_allclose(one.lams, other.lams, rtol=1e-13)
    np.testing.assert_allclose(one.weights, other.weights, atol=1e-13)


def test_an_absolute_lambda_is_that_of_a_member_of_mean_cost():
    costs = costs_of("dirichlet")
    problem = SOCPProblem.from_statistics(stats_of("dirichlet"), 0.7, 0.01, costs=costs)
    np.testing.assert_allclose(problem.costs, costs / costs.mean())
    np.testing.assert_array_equal(problem.with_penalty(1.0).costs, problem.costs)
    np.testing.assert_allclose(
        problem.penalized_linear, problem.linear + 0.01 * costs / costs.mean()
    )
    found = solve_socp(stats_of("dirichlet"), 0.7, 0.01, relative=False, costs=costs)
    assert problem.objective(found.weights) == found.objective


def test_penalty_max_is_the_smallest_penalty_that_leaves_no_member_under_costs():
    stats, costs = stats_of("digits_trees"), costs_of("digits_trees")
    top = SOCPProblem.from_statistics(stats, 0.7, costs=costs).penalty_max
    assert solve_socp(stats, 0.7, top * (1 - 1e-9), relative=False, costs=costs).weights.any()
    with pytest.raises(NoMemberLeftError, match="leaves no member"):
        solve_socp(stats, 0.7, top, relative=False, costs=costs)


@pytest.mark.parametrize("diversity", ["shannon", "gini"])
@pytest.mark.parametrize("dear_first", [False, True])
def test_a_dear_twin_is_never_kept_in_the_place_of_the_cheap_one(dear_first, diversity):
    P, y = dirichlet()
    cheap, dear = np.ones(8), np.linspace(1.01, 30, 8)
    order = [P, P]
    costs = np.r_[dear, cheap] if dear_first else np.r_[cheap, dear]
    twins = slice(0, 8) if dear_first else slice(8, 16)
    stats = EnsembleStatistics.from_predictions(np.concatenate(order), y)
    path = socp_path(stats, 0.7, diversity=diversity, costs=costs)
    assert not path.weights[:, twins].any()
    assert (path.weights[-1] > 0).sum() > 3
    for lam in (0.001, 0.1, 0.5):
        found = solve_socp(stats, 0.7, lam, diversity=diversity, costs=costs).weights
        assert not found[twins].any()
        assert found.any()


@pytest.mark.parametrize("period", [2, 3])
def test_members_that_tie_at_equal_cost_enter_together(period):
    costs = np.arange(6) % period + 1.0
    path = socp_path(stats_of("cyclic"), 0.9, costs=costs)
    problem = SOCPProblem.from_statistics(stats_of("cyclic"), 0.9, costs=costs)
    assert path.lams[-1] == 0
    assert path.kkt_residual <= 1e-11
    for lam in lams_to_try(path):
        at = problem.with_penalty(lam * path.penalty_max)
        assert at.kkt_residual(path.at(lam)) <= 1e-8, f"lam {lam}"
    assert path.at(0.3)[costs == 1].min() > 0


def test_a_dearer_member_gets_less():
    stats = stats_of("dirichlet")
    plain = solve_socp(stats, 0.9, 0.2)
    best = plain.weights.argmax()
    shares = [1.0]
    for cost in (1.02, 1.05, 1.1):
        costs = np.where(np.arange(8) == best, cost, 1)
        penalty = plain.penalty * costs.mean()  # so that the others pay what they did
        found = solve_socp(stats, 0.9, penalty, relative=False, costs=costs).weights
        shares.append(found[best] / plain.weights[best])
        assert found.sum() > 0.1 * plain.weights.sum()
    assert (np.diff(shares) < 0).all()


def test_the_jump_between_mixtures_that_only_the_costs_tell_apart_is_crossed():
    """More members than predictions: weights jump at single penalties, and the path says so."""
    stats = stats_of("more_members_than_predictions")
    jumps = 0
    for seed in range(20):
        costs = 10 ** np.random.default_rng(seed).uniform(-1, 1, stats.n_members)
        problem = SOCPProblem.from_statistics(stats, 0.2, diversity="gini", costs=costs)
        path = follow_path(problem, 0.2)
        near = np.diff(path.lams) > -1e-12
        jumps += int((np.abs(np.diff(path.weights, axis=0)).max(axis=1)[near] > 1e-3).sum())
        for lam in (path.lams[1:] + path.lams[:-1]) / 2:
            at = problem.with_penalty(lam * path.penalty_max)
            assert at.kkt_residual(path.at(lam)) <= 1e-9
    assert jumps > 0


@pytest.mark.parametrize("alpha", [0.2, 1])
@pytest.mark.parametrize("name", ["dirichlet", "far_off_regressors", "duplicates"])
def test_the_certificate_bounds_the_error_of_any_weights_under_costs(name, alpha):
    stats, rng = stats_of(name), np.random.default_rng(0)
    options = {"diversity": "gini", "costs": costs_of(name)}
    exact = solve_socp(stats, alpha, 0.1, **options)
    problem = SOCPProblem.from_statistics(stats, alpha, exact.penalty, **options)
    M = stats.n_members
    guesses = [np.zeros(M), np.full(M, 1 / M), rng.exponential(size=M), np.full(M, 100.0)]
    for w in [*guesses, exact.weights * 0.99, exact.weights * 1.01]:
        error = problem.objective(w) - exact.objective
        assert error > 0
        assert error * (1 - 1e-12) <= problem.duality_gap(w) < np.inf
        assert problem.kkt_residual(w) > 1e-6


def test_the_gap_is_infinite_where_no_dual_point_is_found():
    problem = SOCPProblem(np.zeros((2, 2)), np.array([-1.0, -1.0]), 0.0, 0.0)
    assert problem.duality_gap(np.zeros(2)) == np.inf


@pytest.mark.parametrize("name", AGREEING)
def test_members_that_agree_are_refused_under_costs_too(name):
    with pytest.raises(NoMemberLeftError, match="Use alpha > 0"):
        solve_socp(stats_of(name), 0, costs=costs_of(name))


@pytest.mark.parametrize(
    ("costs", "match"),
    [
        ([1, 2], r"costs must have shape \(3,\), one cost a member; got \(2,\)"),
        (5.0, r"costs must have shape \(3,\)"),
        ([[1, 2, 3]], r"costs must have shape \(3,\)"),
        ([1, -2, 3], "finite and positive: member 1 costs -2"),
        ([1, 2, 0], "finite and positive: member 2 costs 0"),
        ([np.nan, 2, 3], "finite and positive: member 0 costs nan"),
        ([1, np.inf, 3], "finite and positive: member 1 costs inf"),
        ([1, 1e-200, 3], "within a factor of .* member 1 costs 1e-200 and member 2"),
        (["a", 1, 2], "costs must be 3 numbers"),
        ([1j, 1, 2], "costs must be 3 numbers"),
        ([None, 1, 2], "costs must be finite and positive: member 0"),
        ([[1], 1, 2], "costs must be 3 numbers"),
    ],
)
def test_wrong_costs_are_refused_and_the_member_named(costs, match):
    with pytest.raises(ValueError, match=match):
        check_costs(costs, 3)
    stats = EnsembleStatistics.from_predictions(*dirichlet(M=3))
    for solve in (solve_socp, socp_path):
        with pytest.raises(ValueError, match=match):
            solve(stats, costs=costs)


def test_costs_come_back_as_they_are():
    given = np.array([3, 1, 2])
    found = check_costs(given, 3)
    np.testing.assert_array_equal(found, [3.0, 1.0, 2.0])
    assert found.dtype == np.float64
    np.testing.assert_array_equal(check_costs(None, 2), [1.0, 1.0])
    floats = np.array([3.0, 1.0])
    SOCPProblem.from_statistics(
        EnsembleStatistics.from_predictions(*dirichlet(M=2)), 1, costs=floats
    )
    np.testing.assert_array_equal(floats, [3.0, 1.0])
