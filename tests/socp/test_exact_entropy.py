"""The exact entropy: against exponential cones, its loss, and its quadratic expansion."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skprune.exceptions import NoMemberLeftError
from skprune.socp import (
    EnsembleStatistics,
    SOCPProblem,
    follow_path,
    solve_exact_entropy,
    solve_socp,
)

from .pools import AGREEING, POOLS, Recorded, dirichlet, exact_loss, identical, large_pool

# Members that are certain and wrong, or get no weight: where the entropy is steep.
HARD = ["one_hot", "perfect_and_hopeless", "sharp", "quarters"]


def penalized_loss(w, P, y, alpha, penalty, costs=None, sample_weight=None):
    costs = np.ones(len(P)) if costs is None else costs / costs.mean()
    return exact_loss(w, P, y, alpha, sample_weight) + penalty * costs @ w


def uniform_problem(P, y, alpha, sample_weight=None, costs=None):
    stats = EnsembleStatistics.from_predictions(np.asarray(P, float), y, sample_weight)
    return SOCPProblem.from_statistics(stats, alpha, costs=costs)


def with_exponential_cones(P, y, alpha, penalty, costs=None, sample_weight=None):
    """Equation (3) itself, handed to a general conic solver."""
    import cvxpy as cp

    M, N, C = P.shape
    weight = np.ones(N) if sample_weight is None else sample_weight
    each = np.repeat(weight / weight.sum(), C) / C
    flat = P.reshape(M, N * C)
    entropies = -(flat * np.log(np.where(flat > 0, flat, 1))) @ each
    costs = np.ones(M) if costs is None else costs / costs.mean()
    # Cells without probability are constant, and only make the solver inaccurate.
    seen = flat.max(axis=0) > 0
    w = cp.Variable(M, nonneg=True)
    mixture = flat.T @ w
    error = cp.sum_squares(cp.multiply(np.sqrt(each), mixture - np.eye(C)[y].ravel()))
    entropy = each[seen] @ cp.entr(mixture[seen])
    loss = alpha * error + (1 - alpha) * (1 - entropy + entropies @ w) + penalty * costs @ w
    problem = cp.Problem(cp.Minimize(loss))
    problem.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    return problem.value


@pytest.mark.parametrize("lam", [0, 0.1, 0.5])
@pytest.mark.parametrize("alpha", [0, 0.1, 0.9])
@pytest.mark.parametrize("name", ["dirichlet", "duplicates", "two_classes", *HARD])
def test_it_is_the_optimum_of_the_exact_loss(name, alpha, lam):
    P, y = POOLS[name]()
    solution = solve_exact_entropy(P, y, alpha, lam).solution
    penalty = lam * uniform_problem(P, y, alpha).penalty_max
    assert solution.penalty == pytest.approx(penalty, rel=1e-12)
    assert solution.weights.min() >= 0
    reached = penalized_loss(solution.weights, P, y, alpha, penalty)
    expected = with_exponential_cones(P, y, alpha, penalty)
    assert reached == pytest.approx(expected, rel=1e-7)
    assert reached <= expected + 1e-9


def test_costs_sample_weights_and_absolute_penalties_are_used():
    P, y = dirichlet()
    rng = np.random.default_rng(0)
    options = {"costs": rng.uniform(0.5, 2, 8), "sample_weight": rng.exponential(size=len(y))}
    solution = solve_exact_entropy(P, y, 0.4, 0.3, **options).solution
    problem = uniform_problem(P, y, 0.4, **options)
    assert solution.penalty == pytest.approx(0.3 * problem.penalty_max)
    reached = penalized_loss(solution.weights, P, y, 0.4, solution.penalty, **options)
    expected = with_exponential_cones(P, y, 0.4, solution.penalty, **options)
    assert reached == pytest.approx(expected, rel=1e-8)
    for left_out in options:
        other = solve_exact_entropy(P, y, 0.4, 0.3, **{**options, left_out: None}).solution
        assert np.abs(other.weights - solution.weights).max() > 1e-3
    absolute = solve_exact_entropy(P, y, 0.4, solution.penalty, relative=False, **options).solution
    np.testing.assert_allclose(absolute.weights, solution.weights, atol=1e-12)
    assert absolute.lam == pytest.approx(0.3)


@pytest.mark.parametrize("name", POOLS)
def test_every_pool_is_solved_and_certified(name):
    P, y = POOLS[name]()
    for alpha in (0, 0.1, 0.9, 1):
        if alpha == 0 and name in AGREEING:
            continue
        for lam in (0, 0.1, 0.9):
            found = solve_exact_entropy(P, y, alpha, lam)
            assert found.solution.solver == "re-centered"
            assert found.solution.status == "optimal"
            assert found.solution.kkt_residual <= 1e-8
            assert -1e-12 <= found.solution.duality_gap <= 1e-7
            assert found.n_rounds <= 30
            assert found.problem.kkt_residual(found.solution.weights) <= 1e-7
            if alpha == 1:  # no entropy: the quadratic itself, in one round
                expected = solve_socp(
                    EnsembleStatistics.from_predictions(P.astype(float), y), 1, lam
                )
                assert found.n_rounds <= 1
                assert found.solution.objective == pytest.approx(expected.objective, abs=1e-14)
                assert found.solution.lam == pytest.approx(lam)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ["dirichlet", "perfect_and_hopeless"])
@pytest.mark.parametrize("alpha", [0.1, 0.9])
def test_the_loss_decreases_in_every_round(name, alpha):
    P, y = POOLS[name]()
    objectives = []
    for limit in range(30):
        found = solve_exact_entropy(P, y, alpha, 0.05, max_iter=limit)
        assert found.n_rounds == limit
        w, penalty = found.solution.weights, found.solution.penalty
        objectives.append(penalized_loss(w, P, y, alpha, penalty))
        if found.solution.status == "optimal":
            break
    assert len(objectives) > 2
    assert (np.diff(objectives) < 0).all()
    # Newton's method: the last steps are far shorter than the first.
    assert objectives[-2] - objectives[-1] < 1e-3 * (objectives[0] - objectives[-1])


@pytest.mark.parametrize("name", ["dirichlet", "one_hot", "class_never_predicted"])
@pytest.mark.parametrize("alpha", [0.2, 0.8])
def test_the_problem_returned_is_the_expansion_around_the_solution(name, alpha):
    P, y = POOLS[name]()
    weight = np.random.default_rng(1).random(len(y))
    found = solve_exact_entropy(P, y, alpha, 0.1, sample_weight=weight)
    problem, w = found.problem, found.solution.weights

    def loss(w):
        return penalized_loss(w, P, y, alpha, found.solution.penalty, sample_weight=weight)

    assert problem.objective(w) + problem.constant == pytest.approx(loss(w), abs=1e-9)
    constant = uniform_problem(P, y, alpha, weight).constant
    assert found.solution.objective == pytest.approx(loss(w) - constant, abs=1e-9)
    kept = np.flatnonzero(w)
    steps = 1e-4 * np.diag(w)[kept]
    slopes = [(loss(w + h) - loss(w - h)) / (2 * h.max()) for h in steps]
    np.testing.assert_allclose(problem.gradient(w)[kept], slopes, atol=1e-6)
    # And so its path goes through the solution.
    path = follow_path(problem, alpha)
    assert path.kkt_residual <= 1e-8
    at = path.at(problem.penalty / problem.penalty_max)
    assert problem.objective(at) == pytest.approx(problem.objective(w), abs=1e-9)


def test_large_predictions_are_read_in_blocks_in_any_order():
    P, y = (part[..., :12_000, :] if part.ndim == 3 else part[:12_000] for part in large_pool())
    read = P.view(Recorded)
    found = solve_exact_entropy(read, y, 0.5).solution
    assert 0 < max(read.sizes) < P.size / 2
    other = solve_exact_entropy(P[:, ::-1], y[::-1], 0.5).solution
    np.testing.assert_allclose(found.weights, other.weights, atol=1e-7)


def test_too_few_rounds_warn():
    P, y = dirichlet()
    with pytest.warns(ConvergenceWarning, match="Raise max_iter or tol") as caught:
        found = solve_exact_entropy(P, y, 0.2, max_iter=1)
    assert caught[0].filename == __file__
    assert found.solution.status == "inaccurate"
    error = found.solution.objective - solve_exact_entropy(P, y, 0.2).solution.objective
    assert 0 < error <= found.solution.duality_gap < np.inf
    assert found.solution.kkt_residual > 1e-8


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("alpha", [0, 0.3])
@pytest.mark.parametrize(
    "name", ["dirichlet", "hundred_classes", "more_members_than_samples", *HARD]
)
def test_the_duality_gap_bounds_the_error_in_every_round(name, alpha):
    P, y = POOLS[name]()
    for lam in (0, 0.1, 0.6):
        exact = solve_exact_entropy(P, y, alpha, lam).solution
        for limit in range(6):
            early = solve_exact_entropy(P, y, alpha, lam, max_iter=limit).solution
            error = early.objective - exact.objective
            assert -1e-9 <= error <= early.duality_gap + 1e-12


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"lam": 10, "relative": False}, "leaves no member"),
        ({"costs": [1]}, "costs must have shape"),
        ({"sample_weight": np.zeros(40)}, "sums to zero"),
        ({"sample_weight": -np.ones(40)}, "finite and non-negative"),
        ({"y": np.full(40, 9)}, "y must be in"),
        ({"P": np.ones((8, 40, 4))}, "must sum to one"),
        ({"P": np.ones((8, 40))}, "P must have shape"),
        ({"P": np.empty((8, 0, 4)), "y": np.empty(0, int)}, "at least one calib"),
        ({"P": identical()[0], "alpha": 0}, "Use alpha > 0"),
    ],
)
def test_invalid_arguments_are_refused(options, match):
    P, y = dirichlet()
    error = NoMemberLeftError if "leaves" in match or "alpha >" in match else ValueError
    with pytest.raises(error, match=match):
        solve_exact_entropy(**{"P": P, "y": y, **options})
