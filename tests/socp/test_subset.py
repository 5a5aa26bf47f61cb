"""Weights on chosen members, and the choice of at most k: against every support there is."""

from dataclasses import replace
from itertools import combinations

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import nnls

from skprune.exceptions import NoMemberLeftError
from skprune.socp import (
    EnsembleStatistics,
    Limits,
    SOCPProblem,
    follow_path,
    solve_budgets,
    solve_subset,
    solve_support,
    subset_path,
)

from .pools import POOLS, REGRESSORS, digits_trees, dirichlet, problem_of, random_pool, regressors

FULL_RANK = ["dirichlet", "digits_trees", "two_classes", "hundred_classes", "regressors"]


def f(problem, w):
    return w @ problem.quadratic @ w + problem.linear @ w


def best_of_all(problem, n_members, costs=None, max_cost=np.inf):
    """Every support within the bounds, one after the other."""
    M = len(problem.linear)
    costs = np.ones(M) if costs is None else costs
    best = 0.0
    for size in range(1, min(n_members, M) + 1) if max_cost < np.inf else [min(n_members, M)]:
        for members in combinations(range(M), size):
            if costs[list(members)].sum() <= max_cost:
                support = np.isin(np.arange(M), members)
                best = min(best, f(problem, solve_support(problem, support)))
    return best


def small_problem(seed):
    rng = np.random.default_rng(seed)
    kind, M = seed % 5, int(rng.integers(4, 9))
    diversity = "gini" if kind == 3 or seed % 3 == 0 else "shannon"
    if kind == 0:
        pool = dirichlet(seed, M=M, N=int(rng.choice([5, 30])))
    elif kind == 1:
        P, y = random_pool(seed)
        pool = P[:M], y
    elif kind == 2:
        P, y = digits_trees()
        some = rng.choice(len(y), 60, replace=False)
        pool = P[rng.choice(40, M, replace=False)][:, some], y[some]
    elif kind == 3:
        stats = EnsembleStatistics.from_regression(*regressors(seed, M=M, N=20, T=1))
    else:
        pool = rng.dirichlet(np.full(3, 0.3), size=(M, 3)), rng.integers(3, size=3)
    if kind != 3:
        stats = EnsembleStatistics.from_predictions(*pool)
    alpha = float(rng.choice([0.2, 0.5, 0.9, 1]))
    return SOCPProblem.from_statistics(stats, alpha, diversity=diversity)


def assert_sound(problem, solution, n_members, *, budget=False):
    w = solution.weights
    assert w.min() >= 0
    assert solution.n_members == (w > 0).sum() <= n_members
    assert solution.objective == pytest.approx(f(problem, w), rel=1e-13, abs=1e-15)
    assert solution.objective <= solution.relaxation_objective
    # Optimal on its own support.
    gradient = 2 * problem.quadratic @ w + problem.linear
    scale = -problem.linear.min()
    assert np.abs(gradient[w > 0]).max(initial=0) <= 1e-8 * scale
    if not budget and solution.n_members < n_members:  # then no other member would help
        assert gradient.min() >= -1e-5 * scale


def test_it_is_nearly_always_the_best_there_is():
    exact = relaxed = cases = 0
    for seed in range(40):
        problem = small_problem(seed)
        for k in range(1, len(problem.linear) + 1):
            best = best_of_all(problem, k)
            solution = solve_subset(problem, k)
            assert_sound(problem, solution, k)
            assert solution.objective >= best - 1e-9 * abs(best)
            cases += 1
            exact += solution.objective <= best + 1e-9 * abs(best)
            relaxed += solution.relaxation_objective <= best + 1e-9 * abs(best)
    assert exact / cases >= 0.97
    assert relaxed < exact


def test_within_a_budget_too():
    exact = cases = 0
    for seed in range(20):
        problem = small_problem(seed)
        M = len(problem.linear)
        rng = np.random.default_rng(seed)
        costs = rng.uniform(0.2, 2, M)
        for k in range(1, M + 1):
            budget = float(rng.uniform(costs.min(), costs.sum()))
            try:
                solution = solve_subset(problem, k, costs=costs, max_cost=budget)
            except NoMemberLeftError:
                assert best_of_all(problem, k, costs, budget) >= 0
                continue
            assert_sound(problem, solution, k, budget=True)
            assert costs[solution.weights > 0].sum() <= budget
            best = best_of_all(problem, k, costs, budget)
            assert solution.objective >= best - 1e-9 * abs(best)
            cases += 1
            exact += solution.objective <= best + 1e-9 * abs(best)
    assert exact / cases >= 0.99


def test_within_limits_of_every_kind_and_a_penalty():
    """Budgets one after the other, members that must stay, and families; against all sets."""
    exact = cases = 0
    for seed in range(40):
        problem, rng = small_problem(seed), np.random.default_rng(seed)
        M = len(problem.linear)
        problem = problem.with_penalty(0.05 * problem.penalty_max)
        costs, families = rng.uniform(0.2, 2, M), rng.integers(3, size=M)
        keep = np.arange(M) == rng.integers(M)
        n_members, most = int(rng.integers(2, M + 1)), int(rng.integers(1, 3))
        limits = Limits.of(
            M,
            n_members=n_members,
            costs=costs,
            keep=keep,
            families=families,
            max_per_family=most,
        )
        budgets = np.sort(rng.uniform(costs[keep].sum(), costs.sum(), 4))
        free = replace(problem, linear=problem.penalized_linear, penalty=0.0)
        for budget, w in zip(budgets, solve_budgets(problem, limits, budgets), strict=True):
            best = 0.0
            for size in range(1, n_members + 1):
                for members in combinations(range(M), size):
                    chosen = np.isin(np.arange(M), members)
                    sizes = np.bincount(families[chosen])
                    fits = costs[chosen].sum() <= budget and sizes.max() <= most
                    if fits and chosen[keep].all():
                        best = min(best, f(free, solve_support(free, chosen)))
            kept = (w > 0) | keep
            assert kept.sum() <= n_members
            assert costs[kept].sum() <= budget + 1e-9
            assert np.bincount(families[kept]).max() <= most
            assert f(free, w) >= best - 1e-9 * abs(best)
            cases += 1
            exact += f(free, w) <= best + 1e-9 * abs(best)
    assert exact / cases >= 0.95


@pytest.mark.parametrize("seed", [72, 341, 396])
def test_a_costly_member_can_enter_for_several_cheap_ones_and_the_reverse(seed):
    """Single swaps from the other starting points miss the best support here."""
    problem, rng = small_problem(seed), np.random.default_rng(seed)
    M = len(problem.linear)
    costs = 10 ** rng.uniform(-1, 1, M)
    budget = float(rng.uniform(costs.min(), costs.sum() * 0.7))
    solution = solve_subset(problem, M, costs=costs, max_cost=budget)
    assert solution.objective <= best_of_all(problem, M, costs, budget) + 1e-12


def relaxation_at(problem, path, k):
    """The best that the path's supports of at most k members reach, computed independently."""
    best = 0.0
    for lam in np.r_[path.lams, (path.lams[1:] + path.lams[:-1]) / 2]:
        support = path.at(lam) > 0
        if support.sum() <= k:
            best = min(best, f(problem, solve_support(problem, support)))
    return best


@pytest.mark.parametrize("name", [*POOLS, *REGRESSORS])
@pytest.mark.parametrize("alpha", [0.3, 0.9])
def test_it_is_never_worse_than_the_relaxation(name, alpha):
    problem = problem_of(name, alpha)
    path = follow_path(problem, alpha)
    for k in (1, 2, 3, 5, 8, 13, 40):
        solution = solve_subset(problem, k, path=path)
        assert_sound(problem, solution, k)
        relaxed = relaxation_at(problem, path, k)
        assert solution.relaxation_objective == pytest.approx(relaxed, abs=1e-10)
        assert solution.objective <= relaxed + 1e-12


def test_several_sizes_are_never_worse_than_single_ones():
    problem = problem_of("digits_trees", 1)
    sizes = [1, 3, 4, 8, 12, 40]
    found, single = subset_path(problem, sizes), [solve_subset(problem, k) for k in sizes]
    assert (np.diff([s.objective for s in found]) <= 0).all()
    for k, solution, alone in zip(sizes, found, single, strict=True):
        assert_sound(problem, solution, k)
        assert solution.objective <= alone.objective + 1e-12
    assert sum(s.n_swaps for s in single) > 1
    assert sum(s.objective < s.relaxation_objective - 1e-6 for s in single) > 1
    assert [s.n_members for s in subset_path(problem, [5, 2])] == [5, 2]
    assert subset_path(problem, []) == []


@pytest.mark.parametrize("name", ["dirichlet", "digits_trees", "regressors"])
def test_one_member_is_the_best_one_and_all_reach_the_minimum(name):
    problem = problem_of(name)
    M = len(problem.linear)
    alone = -(problem.linear**2) / (4 * np.diagonal(problem.quadratic))
    one = solve_subset(problem, 1)
    assert one.objective == pytest.approx(alone.min())
    assert one.weights.argmax() == alone.argmin()
    best = f(problem, solve_support(problem, np.ones(M, dtype=bool)))
    for size in (M, 10 * M):
        assert solve_subset(problem, size).objective == pytest.approx(best, abs=1e-13)


def test_neither_penalty_path_nor_a_large_budget_change_the_result():
    problem, costs = problem_of("digits_trees"), np.full(40, 2.0)
    free = solve_subset(problem, 6)
    for same in (
        solve_subset(problem.with_penalty(0.1), 6),
        solve_subset(problem, 6, path=follow_path(problem, 0.8)),
    ):
        np.testing.assert_array_equal(same.weights, free.weights)
    bound = solve_subset(problem, 6, costs=costs, max_cost=12.0)
    assert bound.objective == pytest.approx(free.objective, abs=1e-12)
    tight = solve_subset(problem, 6, costs=costs, max_cost=8.0)
    assert tight.n_members == 4
    assert tight.objective == pytest.approx(solve_subset(problem, 4).objective, abs=1e-12)
    # By rounding, three tenths are more than 0.3.
    problem, tenths = problem_of("dirichlet"), np.full(8, 0.1)
    assert solve_subset(problem, 8, costs=tenths, max_cost=0.3).n_members == 3


ONES, EYE = np.ones(8), np.eye(2)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"max_cost": 3.0}, "max_cost=3.0 needs costs"),
        ({"costs": np.ones(7), "max_cost": 1.0}, r"costs must have shape \(8,\)"),
        ({"costs": -ONES}, "costs must be finite and positive"),
    ],
)
def test_invalid_sizes_and_budgets_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        solve_subset(problem_of("dirichlet"), **({"n_members": 3} | options))


@pytest.mark.parametrize(
    ("linear", "options", "match"),
    [
        ([-1.0, -1.0], {"costs": [2, 3], "max_cost": 1}, r"max_cost=1 .* cheapest costs 2"),
        ([-1.0, 1.0], {"costs": [5, 1], "max_cost": 2}, "none that it allows lowers f"),
        ([1.0, 1.0], {}, "No member is worth a weight"),
    ],
)
def test_where_no_member_is_left_the_message_says_why(linear, options, match):
    with pytest.raises(NoMemberLeftError, match=match):
        solve_subset(SOCPProblem(EYE, np.array(linear), 0.0, 0.0), 1, **options)


@pytest.mark.parametrize(
    "support", [np.ones(7, bool), np.ones((8, 1), bool), np.arange(8), [0, 3], True, None]
)
def test_an_invalid_support_is_refused(support):
    with pytest.raises(ValueError, match="support must be 8 booleans"):
        solve_support(problem_of("dirichlet"), support)


# Weights on chosen members


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", FULL_RANK)
def test_weights_on_a_support_are_non_negative_least_squares_on_the_factor(name, seed):
    """Where Q = R'R has full rank, f(w) = |Rw - r|^2 + const with R'r = -c / 2."""
    problem = problem_of(name)
    M = len(problem.linear)
    support = np.random.default_rng(seed).random(M) < (seed + 1) / 4
    support[0] = True
    R = problem.factor
    r = np.linalg.solve(R.T, -problem.linear / 2)
    expected = np.zeros(M)
    expected[support] = nnls(R[:, support], r)[0]
    np.testing.assert_allclose(solve_support(problem, support), expected, atol=1e-9)
    # Neither penalty, costs nor where the solver starts matter.
    other = SOCPProblem(problem.quadratic, problem.linear, 0.05, 0.0, np.linspace(1, 3, M))
    for start in (np.ones(M), 100 * np.eye(M)[0]):
        found = solve_support(other, support.tolist(), start=start)
        np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("name", ["duplicates", "one_sample", "near_copies", "copied_regressors"])
def test_a_singular_support_is_solved_too(name):
    problem = problem_of(name)
    M = len(problem.linear)
    for seed in range(5):
        support = np.random.default_rng(seed).random(M) < 0.7
        w = solve_support(problem, support)
        gradient = 2 * problem.quadratic @ w + problem.linear
        assert not w[~support].any()
        assert np.abs(np.minimum(w, gradient))[support].max(initial=0) <= 1e-9
    assert not solve_support(problem, np.zeros(M, dtype=bool)).any()


@pytest.mark.parametrize("name", [*FULL_RANK, "duplicates", "one_sample"])
def test_summing_to_one_is_the_minimum_on_the_simplex(name):
    problem = problem_of(name)
    M = len(problem.linear)
    w = solve_support(problem.summing_to_one(), np.ones(M, bool))
    assert w.sum() == pytest.approx(1, abs=1e-3)
    v = cp.Variable(M, nonneg=True)
    objective = cp.sum_squares(problem.factor @ v) + problem.linear @ v
    best = cp.Problem(cp.Minimize(objective), [cp.sum(v) == 1]).solve(solver="CLARABEL")
    found = f(problem, w / w.sum())
    assert found == pytest.approx(best, abs=1e-6 * abs(best))
    # The unconstrained minimum, scaled to a sum of one, is another point and no better.
    free = solve_support(problem, np.ones(M, bool))
    assert found <= f(problem, free / free.sum()) + 1e-9
