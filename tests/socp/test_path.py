"""The whole path: optimal at and between its knots, as every other method there."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lars_path_gram

from skprune.exceptions import NoMemberLeftError
from skprune.socp import EnsembleStatistics, SOCPProblem, follow_path, socp_path, solve_socp

from .pools import AGREEING, POOLS, REGRESSORS, lams_to_try, problem_of, random_pool, stats_of

ALPHAS = (0, 1e-6, 0.3, 0.7, 0.999, 1)
UNIQUE = ["dirichlet", "digits_trees", "two_classes", "hundred_classes"]  # one solution each


def assert_optimal_everywhere(stats, alpha, **options):
    path = socp_path(stats, alpha, **options)
    problem = SOCPProblem.from_statistics(stats, alpha, **options)
    assert (path.alpha, path.penalty_max) == (alpha, problem.penalty_max)
    assert (path.lams[0], path.lams[-1]) == (1, 0)
    assert (np.diff(path.lams) < 0).all()
    assert path.weights.shape == (len(path.lams), stats.n_members)
    assert path.weights.min() >= 0
    assert path.kkt_residual <= 1e-8
    np.testing.assert_array_equal(path.n_members, (path.weights > 0).sum(axis=1))
    costs = options.get("costs", np.ones(1))
    relative = costs / costs.mean()
    for lam, w in zip(path.lams, path.weights, strict=True):
        np.testing.assert_array_equal(path.at(lam), w)
    for lam in lams_to_try(path):
        w = path.at(lam)
        # The conditions, computed independently.
        gradient = 2 * problem.quadratic @ w + problem.linear + lam * path.penalty_max * relative
        residual = np.abs(np.minimum(w, gradient / -problem.linear.min())).max()
        assert residual <= path.kkt_residual + 1e-14, f"lam {lam}"
    return path


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", [*POOLS, *REGRESSORS])
def test_the_path_is_optimal_at_and_between_its_knots(name):
    for alpha in ALPHAS:
        if not (alpha <= 1e-6 and name in AGREEING):
            diversity = "gini" if name in REGRESSORS else "shannon"
            path = assert_optimal_everywhere(stats_of(name), alpha, diversity=diversity)
            assert path.kkt_residual <= 1e-10 or name not in REGRESSORS


@pytest.mark.parametrize("name", [*POOLS, *REGRESSORS])
@pytest.mark.parametrize(("alpha", "spread"), [(0.3, 0.3), (0.9, 1.0), (1, 2.0)])
def test_the_path_is_optimal_with_costs(name, alpha, spread):
    stats, rng = stats_of(name), np.random.default_rng(len(name))
    costs = 10 ** rng.uniform(-spread / 2, spread / 2, stats.n_members)
    options = {"diversity": "gini" if name in REGRESSORS else "shannon", "costs": costs}
    path = assert_optimal_everywhere(stats, alpha, **options)
    for lam in (1e-5, 0.02, 0.3, 0.9):
        solution = solve_socp(stats, alpha, lam, **options)
        assert solution.status == "optimal"
        assert -1e-12 <= solution.duality_gap <= 1e-8
        at = SOCPProblem.from_statistics(stats, alpha, solution.penalty, **options)
        assert at.objective(path.at(lam)) == pytest.approx(solution.objective, abs=1e-10)


@pytest.mark.parametrize("seed", range(120))
def test_the_path_of_a_random_pool_is_optimal(seed):
    P, y = random_pool(seed)
    stats = EnsembleStatistics.from_predictions(P, y)
    if seed < 60:
        rng = np.random.default_rng(seed)
        costs = rng.choice([1, 2, 3], size=len(P)) if seed % 2 else 10 ** rng.uniform(-1, 1, len(P))
        for diversity in ("shannon", "gini"):
            assert_optimal_everywhere(stats, 0.6, diversity=diversity, costs=costs)
    alpha = ALPHAS[seed % len(ALPHAS)]
    try:
        path = assert_optimal_everywhere(stats, alpha)
    except NoMemberLeftError:
        assert SOCPProblem.from_statistics(stats, alpha).penalty_max <= 1e-12
        return
    for lam in (0, 0.02, 0.4, 0.95):
        solution = solve_socp(stats, alpha, lam)
        problem = SOCPProblem.from_statistics(stats, alpha, solution.penalty)
        assert problem.objective(path.at(lam)) == pytest.approx(solution.objective, abs=1e-11)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("alpha", [0.2, 0.9])
@pytest.mark.parametrize("name", UNIQUE)
def test_the_path_is_that_of_scikit_learn_where_that_is_optimal(name, alpha):
    problem = problem_of(name, alpha)
    penalties, _, weights = lars_path_gram(
        Xy=-problem.linear.copy(),
        Gram=2 * problem.quadratic,
        n_samples=1,
        method="lasso",
        positive=True,
        max_iter=10_000,
    )
    path = socp_path(stats_of(name), alpha)
    assert penalties[0] == pytest.approx(path.penalty_max)
    compared = 0
    for penalty, w in zip(penalties, weights.T, strict=True):
        if problem.with_penalty(penalty).kkt_residual(w) <= 1e-12:
            lam = min(penalty / path.penalty_max, 1)
            np.testing.assert_allclose(path.at(lam), w, atol=1e-9)
            compared += 1
    assert compared >= 3


@pytest.mark.parametrize("name", ["dirichlet", "digits_trees", "single_precision", "one_hot"])
def test_the_path_starts_without_a_member_and_then_has_one(name):
    path = socp_path(stats_of(name), 0.9)
    assert not path.at(3).any()
    path.at(1)[:] = 7  # a copy
    assert not path.at(1).any()
    for gap in (1e-6, 1e-9, 1e-12):
        assert (path.at(1 - gap) > 0).sum() == 1
    assert path.at(1 - 1e-9).argmax() == problem_of(name, 0.9).linear.argmin()


def test_members_that_tie_exactly_enter_together():
    path = assert_optimal_everywhere(stats_of("cyclic"), 0.9)
    for lam in (0, 0.5, 0.9, 0.99):
        w = path.at(lam)
        np.testing.assert_allclose(w, w.mean(), rtol=1e-6)
        assert w.min() > 0
    for period in (2, 3):
        costs = np.arange(6) % period + 1.0
        path = assert_optimal_everywhere(stats_of("cyclic"), 0.9, costs=costs)
        assert path.at(0.3)[costs == 1].min() > 0


def test_a_tie_hidden_by_rounding_is_passed_in_few_steps():
    """The second member is a copy of the first up to 5e-12: always about to enter."""
    nearly = 1 - 5e-12
    Q = np.array([[1, nearly, 0.2, 0.1], [nearly, 1, 0.2, 0.1], [0.2] * 4, [0.1] * 4])
    Q[2:, 2:] = [[1, 0.1], [0.1, 1]]
    problem = SOCPProblem(Q, np.array([-1.0, -1.0, -0.5, 10.0]), 0.0, 0.0)
    path = follow_path(problem, 0.5)
    assert path.lams[-1] == 0
    assert len(path.lams) < 60
    assert path.n_members[-1] > path.n_members[1]  # the third entered on the way
    for lam in lams_to_try(path):
        assert problem.with_penalty(lam).kkt_residual(path.at(lam)) <= 1e-8


@pytest.mark.parametrize("name", ["sharp", "digits_trees", "two_classes", "hundred_classes"])
def test_without_ties_one_member_enters_or_leaves_at_each_knot(name):
    path = socp_path(stats_of(name), 0.7)
    assert np.diff(path.lams).max() < -1e-6
    changes = np.diff(path.weights > 0, axis=0).sum(axis=1)
    assert (changes[:-1] <= 2).all()
    if name == "sharp":  # where members leave again
        assert (np.diff((path.weights > 0).astype(int), axis=0) < 0).any()


def near_copies(seed, noise, M=6):
    """Members that differ by a little noise, and their classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=200)
    P = 0.5 * rng.dirichlet(np.ones(3), size=200)
    P[np.arange(200), y] += 0.5
    P = np.clip(P + noise * rng.normal(size=(M, 200, 3)), 1e-9, None)
    return EnsembleStatistics.from_predictions(P / P.sum(axis=-1, keepdims=True), y)


@pytest.mark.parametrize(
    ("noise", "cheapest"),
    [(1e-6, 1e-6), (1e-4, 1e-5), (1e-8, 1e-6), (1e-3, 1e-6), (1e-6, 1e-12), (0, 1e-6)],
)
def test_the_path_is_optimal_for_near_copies_of_very_unequal_cost(noise, cheapest):
    costs = np.r_[cheapest, np.ones(5)]
    for seed in range(10):
        stats = near_copies(seed, noise)
        path = assert_optimal_everywhere(stats, 0.9, costs=costs)
        problem = SOCPProblem.from_statistics(stats, 0.9, costs=costs)
        assert path.at(0.05)[0] > 0
        for lam in (0.3, *(cheapest * np.geomspace(1e-9, 1, 10))):
            exact = solve_socp(stats, 0.9, lam, costs=costs)
            assert exact.status == "optimal"
            at = problem.with_penalty(exact.penalty)
            assert at.kkt_residual(path.at(lam)) <= path.kkt_residual + 1e-14, f"lam {lam}"
            assert at.objective(path.at(lam)) == pytest.approx(exact.objective, abs=1e-9)


def test_jumps_between_mixtures_that_only_their_costs_distinguish_are_found():
    """With more members than predictions, weights jump at single penalties."""
    stats = stats_of("more_members_than_predictions")
    jumps = 0
    for seed in range(20):
        costs = 10 ** np.random.default_rng(seed).uniform(-1, 1, stats.n_members)
        path = assert_optimal_everywhere(stats, 0.2, diversity="gini", costs=costs)
        near = np.diff(path.lams) > -1e-12
        jumps += int((np.abs(np.diff(path.weights, axis=0)).max(axis=1)[near] > 1e-3).sum())
    assert jumps > 0


def test_a_path_without_an_optimum_warns_and_bounds_its_residual():
    Q = np.array([[1, -1.01], [-1.01, 1]])  # not convex: w'Qw decreases without bound
    problem = SOCPProblem(Q, np.array([-1.0, -2.0]), 0.0, 0.0)
    with pytest.warns(ConvergenceWarning, match=r"KKT residual may reach .* solve_socp"):
        path = follow_path(problem, 0.9)
    reached = [
        problem.with_penalty(lam * path.penalty_max).kkt_residual(path.at(lam))
        for lam in lams_to_try(path)
    ]
    assert 1e-8 < max(reached) <= path.kkt_residual + 1e-14


def test_the_path_of_a_program_whose_optimum_is_zero_is_zero():
    path = follow_path(SOCPProblem(np.eye(3), np.array([0.0, 1.0, 2.0]), 0.0, 0.0), 1.0)
    assert (path.penalty_max, path.kkt_residual) == (0, 0)
    assert not path.weights.any()
    assert not path.at(0.5).any()


@pytest.mark.parametrize("min_lam", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("name", ["dirichlet", "digits_trees", "cyclic", "duplicates"])
def test_a_path_may_end_early(name, min_lam):
    problem = problem_of(name)
    whole, part = follow_path(problem, 0.8), follow_path(problem, 0.8, min_lam=min_lam)
    assert len(part.lams) <= len(whole.lams)
    assert part.lams[-1] <= min_lam
    assert len(part.lams) < 3 or part.lams[-2] > min_lam
    for lam in (min_lam, (1 + min_lam) / 2, 1):
        np.testing.assert_array_equal(part.at(lam), whole.at(lam))
    if part.lams[-1] > 0:
        with pytest.raises(ValueError, match="The path ends at lam="):
            part.at(part.lams[-1] / 2)
