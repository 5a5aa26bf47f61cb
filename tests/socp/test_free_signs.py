"""Weights of regressors whose signs are free: the same program for two parts of each weight."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.linear_model import Lasso, lars_path_gram

from skprune.socp import (
    EnsembleStatistics,
    SOCPProblem,
    socp_path,
    solve_socp,
    solve_subset,
    solve_support,
    subset_path,
)

FREE = {"diversity": "gini", "positive": False}


def pool(M=10, N=150, seed=0):
    """Regressors that share errors, each more of them, so that some cancel those of others."""
    rng = np.random.default_rng(seed)
    y, shared = rng.normal(size=N), rng.normal(size=(3, N))
    own = 0.5 * rng.normal(size=(M, N))
    F = y + shared[np.arange(M) % 3] * (1 + 0.4 * np.arange(M))[:, None] + own
    return F, y


@pytest.fixture(scope="module", params=range(3))
def stats(request):
    return EnsembleStatistics.from_regression(*pool(seed=request.param))


def problem_of(stats):
    return SOCPProblem.from_statistics(stats, 1.0, **FREE)


LAMS = [0.9, 0.3, 0.1, 0.03, 0.01, 0.0]


def test_the_path_is_that_of_the_lasso(stats):
    """Of scikit-learn, with signs."""
    path, problem = socp_path(stats, 1.0, **FREE), problem_of(stats)
    alphas, _, coefs = lars_path_gram(
        Xy=-problem.linear, Gram=2 * problem.quadratic, n_samples=1, method="lasso"
    )
    assert path.penalty_max == pytest.approx(alphas[0])
    assert path.kkt_residual < 1e-9
    for lam in LAMS:
        expected = [np.interp(lam * alphas[0], alphas[::-1], coef[::-1]) for coef in coefs]
        np.testing.assert_allclose(path.at(lam), expected, atol=1e-9)
    assert (path.weights < 0).any()
    assert path.n_members.tolist() == (path.weights != 0).sum(axis=1).tolist()


@pytest.mark.parametrize("solver", ["clarabel", "ecos"])
@pytest.mark.parametrize("lam", [0.3, 0.03])
@pytest.mark.parametrize("costs", [None, np.arange(1.0, 11.0)], ids=["", "costs"])
def test_cone_solvers_agree(stats, solver, lam, costs):
    """They are given (8) as printed, with the one norm, without w >= 0."""
    exact = solve_socp(stats, 1.0, lam, costs=costs, **FREE)
    cone = solve_socp(stats, 1.0, lam, costs=costs, solver=solver, **FREE)
    assert exact.status == cone.status == "optimal"
    assert cone.objective == pytest.approx(exact.objective, abs=1e-7)
    np.testing.assert_allclose(cone.weights, exact.weights, atol=1e-4)


@pytest.mark.parametrize("lam", LAMS)
def test_optimality_conditions(stats, lam):
    solution, problem = solve_socp(stats, 1.0, lam, **FREE), problem_of(stats)
    w, gradient = solution.weights, 2 * problem.quadratic @ solution.weights + problem.linear
    np.testing.assert_allclose(gradient[w != 0], -solution.penalty * np.sign(w[w != 0]), atol=1e-9)
    assert np.abs(gradient).max() <= solution.penalty + 1e-9
    assert solution.kkt_residual < 1e-12
    assert abs(solution.duality_gap) < 1e-9
    off = w + np.where(np.arange(10) == 3, 0.1, 0.0)
    penalized = problem.with_penalty(solution.penalty)
    assert penalized.kkt_residual(off) > 1e-3
    assert penalized.duality_gap(off) > 1e-6
    assert penalized.objective(off) > solution.objective


def test_without_a_penalty_it_is_least_squares(stats):
    problem = problem_of(stats)
    expected = np.linalg.solve(2 * problem.quadratic, -problem.linear)
    np.testing.assert_allclose(solve_socp(stats, 1.0, 0.0, **FREE).weights, expected, atol=1e-8)
    some = np.arange(10) % 3 == 0
    both = np.ix_(some, some)
    expected = np.linalg.solve(2 * problem.quadratic[both], -problem.linear[some])
    found = solve_support(problem, some)
    np.testing.assert_allclose(found[some], expected, atol=1e-8)
    assert not found[~some].any()


@pytest.mark.parametrize("lam", [0.5, 0.1])
def test_the_squared_error_is_what_is_minimized(lam):
    """As scikit-learn's Lasso has it, on predictions and targets less the mean of the targets."""
    F, y = pool()
    F, y = 3 * F + 5, 3 * y + 5
    solution = solve_socp(EnsembleStatistics.from_regression(F, y), 1.0, lam, **FREE)
    # Its objective is half of ours; lambda is in the unit of the scaled targets.
    lasso = Lasso(solution.penalty / 2 + 1e-12, fit_intercept=False, tol=1e-12, max_iter=100_000)
    lasso.fit(((F - y.mean()) / y.std()).T, (y - y.mean()) / y.std())
    np.testing.assert_allclose(solution.weights, lasso.coef_, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_subsets(stats, size):
    problem = problem_of(stats)
    best = min(
        problem.objective(solve_support(problem, np.isin(np.arange(10), kept)))
        for kept in combinations(range(10), size)
    )
    found = solve_subset(problem, size)
    assert found.n_members == size
    assert found.objective <= best + 0.03 * abs(best)
    assert found.objective <= found.relaxation_objective + 1e-12
    assert problem.objective(found.weights) == pytest.approx(found.objective)


def test_subsets_within_a_budget(stats):
    problem, costs = problem_of(stats), np.arange(1.0, 11.0)
    for found in subset_path(problem, [2, 4], costs=costs, max_cost=9.0):
        assert costs[found.weights != 0].sum() <= 9
    assert (solve_subset(problem, 6).weights < 0).any()


@pytest.mark.parametrize(("M", "N", "copies"), [(40, 20, 0), (12, 80, 5), (6, 3, 2)])
def test_singular_programs(M, N, copies):
    """More members than samples, and copies."""
    F, y = pool(M, N)
    F = np.concatenate([F, F[:copies]])
    stats = EnsembleStatistics.from_regression(F, y)
    path = socp_path(stats, 1.0, **FREE)
    assert path.kkt_residual < 1e-8
    for lam in (0.3, 0.05, 0.005):
        solution = solve_socp(stats, 1.0, lam, **FREE)
        assert solution.status == "optimal"
        problem = problem_of(stats).with_penalty(solution.penalty)
        assert problem.objective(path.at(lam)) == pytest.approx(solution.objective, abs=1e-9)


def test_refusals():
    stats = EnsembleStatistics.from_regression(*pool())
    for function in (solve_socp, socp_path):
        with pytest.raises(ValueError, match=r"positive=False needs alpha=1; got 0.5"):
            function(stats, 0.5, **FREE)
    P = np.full((2, 4, 2), 0.5)
    classes = EnsembleStatistics.from_predictions(P, [0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"positive=False is for regression"):
        solve_socp(classes, 1.0, positive=False)
    with pytest.raises(ValueError, match="positive"):
        solve_socp(stats, 1.0, diversity="gini", positive="no")
