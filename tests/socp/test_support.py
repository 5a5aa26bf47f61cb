"""Weights of chosen members without the penalty: the relaxed lasso, against SciPy's nnls."""

import numpy as np
import pytest
from scipy.optimize import nnls

from skprune.socp import SOCPProblem, socp_path, solve_support

from .pools import REGRESSORS, dirichlet, stats_of

FULL_RANK = ["dirichlet", "digits_trees", "two_classes", "hundred_classes", "regressors"]


def problem_of(name, alpha=0.8):
    diversity = "gini" if name in REGRESSORS else "shannon"
    return SOCPProblem.from_statistics(stats_of(name), alpha, diversity=diversity)


def f(problem, w):
    return w @ problem.quadratic @ w + problem.linear @ w


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", FULL_RANK)
def test_it_is_non_negative_least_squares_on_the_factor(name, seed):
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


def test_the_penalty_and_the_costs_have_done_their_work():
    stats = stats_of("digits_trees")
    costs = np.linspace(1, 3, 40)
    penalised = SOCPProblem.from_statistics(stats, 0.8, 0.05, costs=costs)
    support = socp_path(stats, 0.8, costs=costs).at(0.2) > 0
    np.testing.assert_array_equal(
        solve_support(penalised, support), solve_support(problem_of("digits_trees"), support)
    )


def test_no_penalty_means_no_shrinkage():
    problem = problem_of("digits_trees")
    shrunk = socp_path(stats_of("digits_trees"), 0.8).at(0.3)
    w = solve_support(problem, shrunk > 0)
    assert f(problem, w) < f(problem, shrunk)
    assert w.sum() > shrunk.sum()


def test_where_it_starts_does_not_matter():
    problem = problem_of("digits_trees")
    support = np.arange(40) % 3 == 0
    expected = solve_support(problem, support)
    for start in (np.ones(40), 100 * np.eye(40)[3]):
        np.testing.assert_allclose(
            solve_support(problem, support, start=start), expected, atol=1e-12
        )


def test_nobody_gets_nothing():
    w = solve_support(problem_of("dirichlet"), np.zeros(8, dtype=bool))
    np.testing.assert_array_equal(w, np.zeros(8))


@pytest.mark.parametrize(
    "support", [np.ones(7, bool), np.ones((8, 1), bool), np.arange(8), [0, 3], True, None]
)
def test_a_support_that_is_none_is_refused(support):
    with pytest.raises(ValueError, match="support must be 8 booleans"):
        solve_support(problem_of("dirichlet"), support)


def test_a_list_of_booleans_is_taken():
    assert len(dirichlet()[0]) == 8
    assert solve_support(problem_of("dirichlet"), [True] * 4 + [False] * 4)[:4].any()


@pytest.mark.parametrize("name", [*FULL_RANK, "duplicates", "one_sample"])
def test_summing_to_one_is_the_minimum_on_the_simplex(name):
    import cvxpy as cp

    problem = problem_of(name)
    M = len(problem.linear)
    w = solve_support(problem.summing_to_one(), np.ones(M, bool))
    assert w.sum() == pytest.approx(1, abs=1e-3)
    v = cp.Variable(M, nonneg=True)
    objective = cp.sum_squares(problem.factor @ v) + problem.linear @ v
    best = cp.Problem(cp.Minimize(objective), [cp.sum(v) == 1]).solve(solver="CLARABEL")
    found = f(problem, w / w.sum())
    assert found == pytest.approx(best, abs=1e-6 * abs(best))
    # and better than the free minimum brought to that scale, which is not the same point
    free = solve_support(problem, np.ones(M, bool))
    assert found <= f(problem, free / free.sum()) + 1e-9
