"""The whole path: optimal at and between its knots, equal to every other way there."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lars_path_gram

from skprune.exceptions import NoMemberLeftError
from skprune.socp import EnsembleStatistics, SOCPProblem, _path, socp_path, solve_socp
from skprune.socp._active_set import solve_semidefinite
from skprune.socp._path import follow_path

from .pools import AGREEING, POOLS, cyclic, identical, random_pool, stats_of

ALPHAS = (0, 1e-6, 0.3, 0.7, 0.999, 1)


def lams_to_try(path, seed=0):
    """Knots, the middles between them, and random penalties of every size."""
    rng = np.random.default_rng(seed)
    middles = (path.lams[1:] + path.lams[:-1]) / 2
    return np.r_[path.lams, middles, rng.random(20), 10 ** rng.uniform(-8, 0, 10)]


def assert_optimal_everywhere(stats, alpha):
    path = socp_path(stats, alpha)
    problem = SOCPProblem.from_statistics(stats, alpha)
    assert path.alpha == alpha
    assert path.penalty_max == problem.penalty_max
    assert path.lams[0] == 1
    assert path.lams[-1] == 0
    assert (np.diff(path.lams) < 0).all()
    assert path.weights.shape == (len(path.lams), stats.n_members)
    assert path.weights.min() >= 0
    assert path.kkt_residual <= 1e-8
    for lam in lams_to_try(path):
        at_lam = problem.with_penalty(lam * path.penalty_max)
        assert at_lam.kkt_residual(path.at(lam)) <= 1e-8, f"lam {lam}"
    return path


@pytest.mark.parametrize("name", POOLS)
def test_the_path_is_optimal_at_and_between_its_knots(name):
    for alpha in ALPHAS:
        if not (alpha <= 1e-6 and name in AGREEING):
            assert_optimal_everywhere(stats_of(name), alpha)


@pytest.mark.parametrize("seed", range(120))
def test_the_path_of_a_random_pool_is_optimal(seed):
    P, y = random_pool(seed)
    stats = EnsembleStatistics.from_predictions(P, y)
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


@pytest.mark.parametrize("lam", [0, 0.013, 0.17, 0.6, 0.95])
@pytest.mark.parametrize("name", ["dirichlet", "digits_trees", "two_classes", "hundred_classes"])
def test_the_path_gives_the_weights_of_the_solver(name, lam):
    """These pools have one solution each."""
    path = socp_path(stats_of(name), 0.8)
    expected = solve_socp(stats_of(name), 0.8, lam).weights
    np.testing.assert_allclose(path.at(lam), expected, atol=1e-10)


@pytest.mark.parametrize("lam", [0.01, 0.3, 0.9])
@pytest.mark.parametrize("name", ["duplicates", "digits_trees", "more_members_than_predictions"])
def test_clarabel_does_no_better_than_the_path(name, lam):
    solution = solve_socp(stats_of(name), 0.6, lam, solver="clarabel")
    problem = SOCPProblem.from_statistics(stats_of(name), 0.6, solution.penalty)
    reached = problem.objective(socp_path(stats_of(name), 0.6).at(lam))
    assert reached == pytest.approx(solution.objective, abs=1e-8)
    assert reached <= solution.objective + 1e-12


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("alpha", [0.2, 0.9])
@pytest.mark.parametrize("name", ["dirichlet", "digits_trees", "two_classes", "hundred_classes"])
def test_the_path_is_that_of_scikit_learn_where_that_is_optimal(name, alpha):
    problem = SOCPProblem.from_statistics(stats_of(name), alpha)
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
def test_the_path_starts_with_nobody_and_then_one(name):
    path = socp_path(stats_of(name), 0.9)
    assert not path.at(1).any()
    assert not path.at(3).any()
    assert path.n_members[0] == 0
    for gap in (1e-6, 1e-9, 1e-12):
        assert (path.at(1 - gap) > 0).sum() == 1
    first = path.at(1 - 1e-9).argmax()
    assert first == SOCPProblem.from_statistics(stats_of(name), 0.9).linear.argmin()


def test_the_path_stops_at_its_knots():
    """At a knot, `at` gives the knot, to the last bit."""
    path = socp_path(stats_of("digits_trees"), 0.9)
    for lam, w in zip(path.lams, path.weights, strict=True):
        np.testing.assert_array_equal(path.at(lam), w)
    np.testing.assert_array_equal(path.n_members, (path.weights > 0).sum(axis=1))


def test_what_the_path_hands_out_is_a_copy():
    path = socp_path(stats_of("dirichlet"), 0.9)
    for lam in (1, path.lams[1], 0):
        path.at(lam)[:] = 7
    assert path.weights.max() < 7


def test_members_that_tie_exactly_enter_together():
    stats = EnsembleStatistics.from_predictions(*cyclic(6))
    path = assert_optimal_everywhere(stats, 0.9)
    for lam in (0, 0.5, 0.9, 0.99):
        w = path.at(lam)
        np.testing.assert_allclose(w, w.mean(), rtol=1e-6)
        assert w.min() > 0


def test_a_tie_that_rounding_never_resolves_is_crossed_in_growing_strides():
    """The second member is a copy of the first but for 5e-12: always about to enter."""
    nearly = 1 - 5e-12
    Q = np.array([[1, nearly, 0.2, 0.1], [nearly, 1, 0.2, 0.1], [0.2] * 4, [0.1] * 4])
    Q[2:, 2:] = [[1, 0.1], [0.1, 1]]
    problem = SOCPProblem(Q, np.array([-1.0, -1.0, -0.5, 10.0]), 0.0, 0.0)
    path = follow_path(problem, 0.5)
    assert path.lams[-1] == 0
    assert len(path.lams) < 60
    assert path.n_members[-1] > path.n_members[1]  # the third came in on the way
    for lam in lams_to_try(path):
        assert problem.with_penalty(lam).kkt_residual(path.at(lam)) <= 1e-8


@pytest.mark.parametrize("name", ["sharp", "digits_trees", "two_classes", "hundred_classes"])
def test_no_knot_is_wasted_where_nothing_ties(name):
    """One member comes or goes at each knot, and none is a stride past a tie."""
    path = socp_path(stats_of(name), 0.7)
    assert np.diff(path.lams).max() < -1e-6
    changes = np.diff(path.weights > 0, axis=0).sum(axis=1)
    assert (changes[:-1] <= 2).all()


def test_members_leave_on_the_way_where_better_ones_come_in():
    weights = socp_path(stats_of("sharp"), 0.1).weights
    assert (np.diff((weights > 0).astype(int), axis=0) < 0).any()


def inaccurate(A, b):
    return solve_semidefinite(A, b) * (1 + 1e-5 * np.sin(np.arange(len(b))))


def test_a_path_of_inaccurate_steps_is_corrected(monkeypatch):
    problem = SOCPProblem.from_statistics(stats_of("digits_trees"), 0.9)
    exact = follow_path(problem, 0.9)
    monkeypatch.setattr(_path, "solve_semidefinite", inaccurate)
    path = follow_path(problem, 0.9)
    assert path.lams[-1] == 0
    assert path.kkt_residual <= 1e-8
    for lam in lams_to_try(exact):
        assert problem.with_penalty(lam * path.penalty_max).kkt_residual(path.at(lam)) <= 1e-8


def test_a_path_that_cannot_be_corrected_warns_and_bounds_its_residual(monkeypatch):
    problem = SOCPProblem.from_statistics(stats_of("digits_trees"), 0.9)
    monkeypatch.setattr(_path, "solve_semidefinite", inaccurate)
    monkeypatch.setattr(_path, "minimize_active_set", lambda Q, q, start: start)
    with pytest.warns(ConvergenceWarning, match="KKT residual may reach .* solve_socp"):
        path = follow_path(problem, 0.9)
    reached = [
        problem.with_penalty(lam * path.penalty_max).kkt_residual(path.at(lam))
        for lam in lams_to_try(path)
    ]
    assert 1e-8 < max(reached) <= path.kkt_residual


@pytest.mark.parametrize("lam", [-1e-9, np.nan, np.inf])
def test_penalties_that_are_none_are_refused(lam):
    path = socp_path(stats_of("dirichlet"), 0.9)
    with pytest.raises(ValueError, match="lam must be finite and not negative"):
        path.at(lam)


@pytest.mark.parametrize("lam", [True, "0.1", None])
def test_penalties_of_wrong_type_are_refused(lam):
    path = socp_path(stats_of("dirichlet"), 0.9)
    with pytest.raises(TypeError, match="lam must be a number"):
        path.at(lam)


@pytest.mark.parametrize(
    ("alpha", "error"),
    [(-0.1, ValueError), (1.1, ValueError), (np.nan, ValueError), ("1", TypeError)],
)
def test_a_wrong_alpha_is_refused(alpha, error):
    with pytest.raises(error, match="alpha must"):
        socp_path(stats_of("dirichlet"), alpha)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_there_is_no_path_where_no_penalty_keeps_a_member(dtype):
    P, y = identical()
    stats = EnsembleStatistics.from_predictions(P.astype(dtype), y)
    with pytest.raises(NoMemberLeftError, match="Use alpha > 0"):
        socp_path(stats, alpha=0)


def test_following_the_path_warns_of_nothing(recwarn):
    for name in POOLS:
        socp_path(stats_of(name), 0.5)
    assert not [w for w in recwarn if issubclass(w.category, (ConvergenceWarning, RuntimeWarning))]


@pytest.mark.parametrize("min_lam", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("name", ["dirichlet", "digits_trees", "cyclic", "duplicates"])
def test_a_path_may_end_where_it_is_needed_no_further(name, min_lam):
    problem = SOCPProblem.from_statistics(stats_of(name), 0.8)
    whole, part = follow_path(problem, 0.8), follow_path(problem, 0.8, min_lam=min_lam)
    assert len(part.lams) <= len(whole.lams)
    assert part.lams[-1] <= min_lam
    assert len(part.lams) < 3 or part.lams[-2] > min_lam
    for lam in (min_lam, (1 + min_lam) / 2, 1):
        np.testing.assert_array_equal(part.at(lam), whole.at(lam))
    if part.lams[-1] > 0:
        with pytest.raises(ValueError, match="The path ends at lam="):
            part.at(part.lams[-1] / 2)
