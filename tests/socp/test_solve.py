"""Solutions for one penalty: four solvers, costs, optimality conditions, invalid input."""

import re
import sys
from importlib.util import find_spec

import cvxpy
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skprune.exceptions import NoMemberLeftError, SolverError
from skprune.socp import (
    EnsembleStatistics,
    SOCPProblem,
    check_costs,
    minimize_active_set,
    socp_path,
    solve_exact_entropy,
    solve_socp,
    solve_subset,
    solve_support,
)

from .pools import AGREEING, POOLS, REGRESSORS, dirichlet, identical, problem_of, stats_of

STATS, PROBLEM = stats_of("dirichlet"), problem_of("dirichlet")
ALPHAS = np.arange(11) / 10
LAMS = (0, 0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
SOLVERS = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec(name) is None, reason=f"no {name}"))
    for name in ("ecos", "clarabel", "scs")
]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("alpha", "lam"), [(0.1, 0.3), (0.9, 0.05), (1, 0.5)])
@pytest.mark.parametrize(
    "name",
    [
        *("dirichlet", "duplicates", "more_members_than_samples", "digits_trees", "one_member"),
        *("near_copies", "more_members_than_predictions", *REGRESSORS),
    ],
)
def test_the_solvers_agree(name, alpha, lam, solver):
    options = {"diversity": "gini" if name in REGRESSORS else "shannon"}
    exact = solve_socp(stats_of(name), alpha, lam, **options)
    other = solve_socp(stats_of(name), alpha, lam, solver=solver, **options)
    assert other.solver == solver
    assert exact.status == other.status == "optimal"
    assert exact.objective == pytest.approx(other.objective, abs=1e-6)
    assert exact.objective <= other.objective + 1e-12


@pytest.mark.parametrize("diversity", ["shannon", "gini"])
@pytest.mark.parametrize("lam", [0.02, 0.6])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", ["dirichlet", "duplicates"])
def test_the_solvers_agree_with_costs(name, lam, diversity, solver):
    stats = stats_of(name)
    costs = 10 ** np.random.default_rng(0).uniform(-0.5, 0.5, stats.n_members)
    options = {"diversity": diversity, "costs": costs}
    solution = solve_socp(stats, 0.8, lam, solver=solver, **options)
    problem = SOCPProblem.from_statistics(stats, 0.8, solution.penalty, **options)
    reached = problem.objective(socp_path(stats, 0.8, **options).at(lam))
    assert reached == pytest.approx(solution.objective, abs=1e-7)
    assert reached <= solution.objective + 1e-12


@pytest.mark.parametrize("name", POOLS)
def test_the_exact_method_meets_the_optimality_conditions(name):
    stats = stats_of(name)
    for alpha in ALPHAS:
        if alpha == 0 and name in AGREEING:
            continue
        problem = SOCPProblem.from_statistics(stats, alpha)
        for lam in LAMS:
            solution = solve_socp(stats, alpha, lam)  # without a warning
            w = solution.weights
            assert (solution.solver, solution.status) == ("active-set", "optimal")
            assert w.min() >= 0
            assert w.max() > 0
            # The conditions, computed independently.
            gradient = 2 * problem.quadratic @ w + problem.linear + lam * problem.penalty_max
            assert gradient.min() >= -1e-8 * problem.penalty_max
            assert np.abs(w * gradient).max() <= 1e-8 * problem.penalty_max
            assert solution.kkt_residual <= 1e-8
            assert -1e-12 <= solution.duality_gap <= 1e-8


@pytest.mark.parametrize("name", ["single_precision_near_copies", "one_sample", "duplicates"])
@pytest.mark.parametrize("alpha", [0, 0.5, 1])
def test_the_quadratic_term_is_convex_and_the_product_of_its_factor(name, alpha):
    problem = problem_of(name, alpha)
    assert np.linalg.eigvalsh(problem.quadratic).min() >= -1e-14
    np.testing.assert_allclose(problem.factor.T @ problem.factor, problem.quadratic, atol=1e-13)


def test_the_solution_repeats_what_was_asked():
    stats, problem = stats_of("dirichlet"), problem_of("dirichlet", 0.3)
    solution = solve_socp(stats, 0.3, 0.2)
    assert solution.alpha == 0.3
    assert (solution.lam, solution.penalty) == pytest.approx((0.2, 0.2 * problem.penalty_max))
    assert solution.objective == problem.with_penalty(solution.penalty).objective(solution.weights)
    absolute = solve_socp(stats, 0.3, solution.penalty, relative=False)
    np.testing.assert_allclose(solution.weights, absolute.weights, atol=1e-14)
    assert absolute.lam == pytest.approx(0.2)


def test_copies_share_the_weight_of_the_original():
    P, y = dirichlet()
    alone = solve_socp(EnsembleStatistics.from_predictions(P, y), 0.9, 0.1)
    # The mean of the members, and so f, is that of the members alone.
    doubled = EnsembleStatistics.from_predictions(np.concatenate([P, P]), y)
    together = solve_socp(doubled, 0.9, 0.1)
    assert together.objective == pytest.approx(alone.objective, abs=1e-14)
    np.testing.assert_allclose(together.weights[:8] + together.weights[8:], alone.weights)


@pytest.mark.parametrize("gap", [1e-3, 1e-9, 2.0**-53])
@pytest.mark.parametrize("name", ["dirichlet", "digits_trees", "cyclic", "single_precision"])
def test_every_lam_below_one_keeps_a_member(name, gap):
    solution = solve_socp(stats_of(name), 0.5, 1 - gap)
    assert (solution.weights > 0).any()
    assert solution.status == "optimal"


def test_an_absolute_penalty_that_leaves_no_member_names_one_that_does():
    with pytest.raises(NoMemberLeftError, match="leaves no member") as caught:
        solve_socp(stats_of("dirichlet"), 0.5, 5.0, relative=False)
    bound = float(re.search(r"below (\S+) keeps", str(caught.value)).group(1))
    assert solve_socp(stats_of("dirichlet"), 0.5, bound * 0.9999, relative=False).weights.any()
    with pytest.raises(NoMemberLeftError):
        solve_socp(stats_of("dirichlet"), 0.5, bound * 1.0001, relative=False)


@pytest.mark.parametrize("costs", [None, np.arange(1.0, 7.0)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_identical_members_have_no_diversity_to_reward(dtype, costs):
    P, y = identical()
    stats = EnsembleStatistics.from_predictions(P.astype(dtype), y)
    for solve in (solve_socp, socp_path):
        with pytest.raises(NoMemberLeftError, match="Use alpha > 0"):
            solve(stats, alpha=0, costs=costs)
    assert solve_socp(stats, alpha=0.1, costs=costs).status == "optimal"


def test_members_that_give_the_true_class_no_probability_are_refused():
    stats = EnsembleStatistics.from_predictions(
        np.repeat(np.eye(3)[[0, 0]][None], 4, axis=0), [1, 2]
    )
    for alpha in (0.5, 1):
        with pytest.raises(NoMemberLeftError, match="Check that y belongs to these predictions"):
            solve_socp(stats, alpha=alpha)


# Costs


@pytest.mark.parametrize("name", [*POOLS, *REGRESSORS])
def test_equal_costs_change_nothing(name):
    stats = stats_of(name)
    options = {"diversity": "gini" if name in REGRESSORS else "shannon"}
    equal = {**options, "costs": np.full(stats.n_members, 7.5)}
    one, other = socp_path(stats, 0.7, **options), socp_path(stats, 0.7, **equal)
    np.testing.assert_array_equal(one.lams, other.lams)
    np.testing.assert_array_equal(one.weights, other.weights)
    one, other = solve_socp(stats, 0.7, 0.3, **options), solve_socp(stats, 0.7, 0.3, **equal)
    np.testing.assert_array_equal(one.weights, other.weights)


def test_an_absolute_lambda_is_that_of_a_member_of_mean_cost():
    costs, stats = np.linspace(1, 3, 8), stats_of("dirichlet")
    problem = SOCPProblem.from_statistics(stats, 0.7, 0.01, costs=costs)
    expected = problem.linear + 0.01 * costs / costs.mean()
    np.testing.assert_allclose(problem.penalized_linear, expected)
    found = solve_socp(stats, 0.7, 0.01, relative=False, costs=costs)
    assert problem.objective(found.weights) == found.objective
    np.testing.assert_array_equal(costs, np.linspace(1, 3, 8))


@pytest.mark.parametrize("diversity", ["shannon", "gini"])
@pytest.mark.parametrize("costly_first", [False, True])
def test_a_costlier_copy_never_gets_a_weight(costly_first, diversity):
    P, y = dirichlet()
    cheap, costly = np.ones(8), np.linspace(1.01, 30, 8)
    costs = np.r_[costly, cheap] if costly_first else np.r_[cheap, costly]
    copies = slice(0, 8) if costly_first else slice(8, 16)
    stats = EnsembleStatistics.from_predictions(np.concatenate([P, P]), y)
    path = socp_path(stats, 0.7, diversity=diversity, costs=costs)
    assert not path.weights[:, copies].any()
    assert (path.weights[-1] > 0).sum() > 3
    for lam in (0.001, 0.1, 0.5):
        found = solve_socp(stats, 0.7, lam, diversity=diversity, costs=costs).weights
        assert found.any()
        assert not found[copies].any()


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
def test_invalid_costs_are_refused_and_the_member_named(costs, match):
    stats = EnsembleStatistics.from_predictions(*dirichlet(M=3))
    for solve in (solve_socp, socp_path):
        with pytest.raises(ValueError, match=match):
            solve(stats, costs=costs)
    found = check_costs(np.array([3, 1, 2]), 3)  # in their own unit
    assert (found.tolist(), found.dtype) == ([3.0, 1.0, 2.0], np.float64)


# Equation (8) as printed


@pytest.mark.parametrize("alpha", [0.2, 0.9])
def test_the_entropy_to_first_order_is_linear(alpha):
    P, y = dirichlet()
    M, N, C = P.shape
    problem = SOCPProblem.from_statistics(STATS, alpha, diversity="first-order")
    flat, true = P.reshape(M, -1), P[:, np.arange(N), y]
    np.testing.assert_allclose(problem.quadratic, alpha * flat @ flat.T / (N * C))
    divergence = (P * np.log(P / P.mean(axis=0))).sum(axis=(1, 2)) / (N * C)
    accuracy = true.sum(axis=1) / (N * C)
    np.testing.assert_allclose(problem.linear, -2 * alpha * accuracy - (1 - alpha) * divergence)
    exact = solve_socp(STATS, alpha, 0.1, diversity="first-order")
    conic = solve_socp(STATS, alpha, 0.1, diversity="first-order", solver="clarabel")
    assert exact.objective == pytest.approx(conic.objective, abs=1e-6)
    assert socp_path(STATS, alpha, diversity="first-order").kkt_residual < 1e-8
    with pytest.raises(ValueError, match="needs alpha > 0"):
        solve_socp(STATS, 0, diversity="first-order")
    with pytest.raises(ValueError, match="'first-order' needs probabilities"):
        solve_socp(stats_of(next(iter(REGRESSORS))), alpha, diversity="first-order")


def test_to_first_order_poor_members_are_rewarded():
    """Which is why it is not the default: the page about the papers."""
    P, y = POOLS["digits_trees"]()
    stats = stats_of("digits_trees")
    accuracy = {}
    for diversity in ("shannon", "first-order"):
        w = solve_socp(stats, 0.2, 0.3, diversity=diversity).weights
        accuracy[diversity] = (np.tensordot(w, P, 1).argmax(axis=1) == y).mean()
    assert accuracy["first-order"] < accuracy["shannon"] - 0.05


# Invalid arguments


@pytest.mark.parametrize(
    ("function", "given", "name", "values"),
    [
        (solve_socp, (STATS,), "alpha", (True, "0.5", None, [0.5], 0.5j, -1e-12, 1.0001, np.nan)),
        (solve_socp, (STATS,), "lam", (True, "0.5", None, -1e-12, 1, np.inf, 10**400, -(10**400))),
        (solve_socp, (STATS,), "solver", ("ECOS", "", None, 3, ["ecos"], np.array("auto"), {})),
        (solve_socp, (), "stats", (None, "stats", [], np.eye(2))),
        (SOCPProblem.from_statistics, (STATS, 1), "diversity", ("Gini", None, np.array("gini"))),
        (socp_path, (STATS,), "alpha", (True, "0.5", 2)),
        (socp_path, (), "stats", (None, np.eye(2))),
        (socp_path(STATS).at, (), "lam", (-1, np.nan, np.inf, True, "0.1", None)),
        (solve_exact_entropy, dirichlet(), "alpha", (2, "1")),
        (solve_exact_entropy, dirichlet(), "lam", (1, None)),
        (solve_exact_entropy, dirichlet(), "tol", (np.nan, np.inf, -1, True, None, "1")),
        (solve_exact_entropy, dirichlet(), "max_iter", (-1, 1.0, True, None, "1")),
        (solve_subset, (PROBLEM,), "n_members", (0, -1, 2.0, True, None, "3", np.nan)),
        (solve_subset, (PROBLEM, 3), "max_cost", (0, np.nan, "3", True)),
        (solve_subset, (), "problem", (None, np.eye(2))),
        (solve_support, (), "problem", (None, np.eye(2))),
    ],
)
def test_wrong_arguments_are_refused_by_name(function, given, name, values):
    needed = {"n_members": 1} if function is solve_subset and not given else {}
    needed |= {"support": [True]} if function is solve_support else {}
    for value in values:
        for error in (TypeError, ValueError):
            with pytest.raises(error, match=rf"(?s)'{name}' parameter of .* Got .* instead"):
                function(*given, **needed, **{name: value})


def test_the_message_says_which_lam_is_right():
    with pytest.raises(ValueError, match="any lam below 1 keeps at least one member"):
        solve_socp(STATS, lam=1)
    with pytest.raises(ValueError, match=r"float in the range \[0.0, inf\)"):
        solve_socp(STATS, lam=10**400, relative=False)
    for kind in (int, np.int64, np.float32, np.float64):
        assert solve_socp(STATS, alpha=kind(1), lam=kind(0)).status == "optimal"


# Solvers that are missing, fail or stop early


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_solver_that_is_not_installed_or_found_is_named(monkeypatch, solver):
    monkeypatch.setattr(cvxpy, "installed_solvers", lambda: ["OSQP"])
    with pytest.raises(ImportError, match=f"does not find {solver.upper()}"):
        solve_socp(stats_of("dirichlet"), solver=solver)
    monkeypatch.setitem(sys.modules, solver, None)
    with pytest.raises(ImportError, match=f"needs {solver}, which is not installed"):
        solve_socp(stats_of("dirichlet"), solver=solver)
    assert solve_socp(stats_of("dirichlet")).status == "optimal"


@pytest.mark.parametrize("error", [None, cvxpy.error.SolverError, ZeroDivisionError, ValueError])
def test_a_solver_that_fails_raises_an_error_of_this_library(monkeypatch, error):
    def fail(*args, **kwargs):
        if error is not None:
            raise error("no luck")

    monkeypatch.setattr(cvxpy.Problem, "solve", fail)
    match = "returned no weights" if error is None else "failed on a program of 8 members: no luck"
    with pytest.raises(SolverError, match=f"CLARABEL {match}"):
        solve_socp(stats_of("dirichlet"), solver="clarabel")


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_solver_that_stops_early_is_detected(monkeypatch, solver):
    solve = cvxpy.Problem.solve
    early = {"max_iter": 4} if solver == "clarabel" else {"max_iters": 4 if solver == "ecos" else 9}
    monkeypatch.setattr(
        cvxpy.Problem, "solve", lambda *args, solver, **_: solve(*args, solver, **early)
    )
    match = f"{solver} stopped before .*KKT residual"
    with pytest.warns(ConvergenceWarning, match=match) as caught:
        solution = solve_socp(stats_of("dirichlet"), 0.9, 0.05, solver=solver)
    assert caught[0].filename == __file__
    assert solution.status == "inaccurate"
    assert solution.kkt_residual > 3e-5
    exact = solve_socp(stats_of("dirichlet"), 0.9, 0.05)
    assert solution.duality_gap >= solution.objective - exact.objective - 1e-12


def test_the_exact_method_falls_back_on_clarabel(monkeypatch):
    """Two tiny members that all but cancel each other, where rounding misleads the active set."""
    A = np.random.default_rng(83).normal(size=(2, 3)) * [1e-5, 1, 0]
    A[:, 2] = -A[:, 0] * (1 + 1e-5)
    stats = EnsembleStatistics(A.T @ A, None, A.sum(axis=0), None, 2, 2, 2.0)
    found = []
    for solvers in (cvxpy.installed_solvers(), []):
        monkeypatch.setattr(cvxpy, "installed_solvers", lambda solvers=solvers: solvers)
        with pytest.warns(ConvergenceWarning, match="active-set stopped before the optimum"):
            found.append(solve_socp(stats, 1, 0, diversity="gini"))
    assert [each.solver for each in found] == ["clarabel+active-set", "active-set"]
    assert found[0].kkt_residual < 1e-4 < found[1].kkt_residual


@pytest.mark.parametrize("cvxpy_works", [True, False])
def test_where_no_minimum_exists_the_weights_are_not_called_optimal(monkeypatch, cvxpy_works):
    if not cvxpy_works:
        monkeypatch.setattr("cvxpy.installed_solvers", lambda: [])
    gram = np.array([[1.0, -1.0], [-1.0, 1.0]])
    stats = EnsembleStatistics(gram, None, np.array([1.0, 2.0]), None, 2, 2, 2.0)
    with pytest.warns(ConvergenceWarning, match="active-set stopped before the optimum"):
        solution = solve_socp(stats, 1, 0.01, diversity="gini")
    assert solution.status == "inaccurate"


# The certificate


@pytest.mark.parametrize(
    "name", ["dirichlet", "duplicates", "digits_trees", "one_hot", "far_off_regressors"]
)
@pytest.mark.parametrize("alpha", [0.1, 1])
@pytest.mark.parametrize("spread", [0, 1])
def test_the_duality_gap_bounds_the_error_of_any_weights(name, alpha, spread):
    rng, M = np.random.default_rng(0), stats_of(name).n_members
    options = {"diversity": "gini" if name in REGRESSORS else "shannon"}
    options["costs"] = 10 ** rng.uniform(-spread / 2, spread / 2, M)
    exact = solve_socp(stats_of(name), alpha, 0.1, **options)
    problem = SOCPProblem.from_statistics(stats_of(name), alpha, exact.penalty, **options)
    guesses = [np.zeros(M), np.full(M, 1 / M), rng.exponential(size=M), np.full(M, 100.0)]
    guesses += [np.abs(exact.weights + scale * rng.normal(size=M)) for scale in (1e-4, 1e-2, 1)]
    guesses += [exact.weights * 0.99, exact.weights * 1.01]
    for w in guesses:
        error = problem.objective(w) - exact.objective
        assert error > 0
        assert error * (1 - 1e-12) - 1e-14 <= problem.duality_gap(w) < np.inf
        assert problem.kkt_residual(w) > 1e-6


def test_certificates_of_wrong_weights_and_of_no_dual_point():
    problem = SOCPProblem(np.zeros((2, 2)), np.array([-1.0, -1.0]), 0.0, 0.0)
    assert problem.duality_gap(np.zeros(2)) == np.inf
    for value in (-0.1, np.nan):
        w = solve_socp(stats_of("dirichlet"), 0.9, 0).weights
        w[0] = value
        assert not problem_of("dirichlet", 0.9).kkt_residual(w) <= 1e-8


def test_the_kkt_residual_does_not_depend_on_the_scale_of_the_data():
    problem = problem_of("dirichlet", 0.5, penalty=0.01)
    scaled = SOCPProblem(1e-3 * problem.quadratic, 1e-3 * problem.linear, 1e-5, 0.0)
    w = np.random.default_rng(0).random(8)
    assert scaled.kkt_residual(w) == pytest.approx(problem.kkt_residual(w))


def test_the_active_set_may_start_anywhere_and_leaves_its_arguments_unchanged():
    problem = problem_of("digits_trees", 0.9)
    Q, q = problem.quadratic, problem.linear + 0.1 * problem.penalty_max
    rng = np.random.default_rng(0)
    expected = minimize_active_set(Q, q, np.zeros(40))
    for start in (np.ones(40), rng.normal(size=40), 1e6 * rng.random(40), np.eye(40)[3]):
        before = [a.copy() for a in (Q, q, start)]
        np.testing.assert_allclose(minimize_active_set(Q, q, start), expected, atol=1e-12)
        for array, old in zip((Q, q, start), before, strict=True):
            np.testing.assert_array_equal(array, old)
