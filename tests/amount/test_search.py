"""The search finds what brute force finds, and better, in silence."""

import numpy as np
import pytest
from scipy.optimize import minimize

from skprune.amount._cma import cma_search
from skprune.amount._search import N_GRID, Best, _apart, search

from . import notebook

LINE = np.array([[0.0], [1.0]])


def rugged(seed):
    """Waves and steps of one amount, with a limit that some amounts miss."""
    rng = np.random.default_rng(seed)
    size, phase, steps = rng.random(6), rng.random(6), rng.random(4)

    def evaluate(points):
        p = points[:, :1]
        waves = (size * np.sin(2 * np.pi * (np.arange(1, 7) * p + phase))).sum(axis=1)
        return np.maximum(p[:, 0] - 0.9, 0), waves + (p > steps).sum(axis=1) * 0.3

    return evaluate


@pytest.mark.parametrize("seed", range(20))
def test_never_below_a_fine_grid(seed):
    """Seeds of pycma in one dimension used to crash: all of these run."""
    evaluate = rugged(seed)
    found = search(evaluate, LINE, np.random.default_rng(seed), 2)
    fine = np.linspace(0, 1, 100 * (N_GRID - 1) + 1)[:, None]
    violation, reward = evaluate(fine)
    assert found.best.violation == 0
    assert found.best.reward >= reward[violation == 0].max() - 1e-3
    assert not found.grid.beats(found.best)
    coarse = np.linspace(0, 1, N_GRID)[:, None]
    violation, reward = evaluate(coarse)
    assert found.grid.reward == reward[violation == 0].max()


@pytest.mark.parametrize("width", [0.05, 0.01])
@pytest.mark.parametrize("seed", range(20))
def test_narrow_windows(width, seed):
    """A bonus, or the only amounts that meet a limit, in a window of which nothing tells."""
    rng = np.random.default_rng(seed)
    low = rng.random() * (1 - width)

    def within(p):
        return (p >= low) & (p <= low + width)

    def bonus(points):
        p = points[:, 0]
        return np.zeros(len(p)), -p + np.where(within(p), 5 + p, 0)

    def limit(points):
        p = points[:, 0]
        return np.where(within(p), 0.0, 1.0), p

    found = search(bonus, LINE, rng, 2)
    assert found.best.reward == 5
    found = search(limit, LINE, rng, 2)
    assert found.best.violation == 0
    assert found.best.reward == pytest.approx(low + width, abs=1e-6)


def test_the_least_violation_where_nothing_meets_the_limits():
    def evaluate(points):
        p = points[:, 0]
        return 1 + (p - 0.123456) ** 2, p

    found = search(evaluate, LINE, np.random.default_rng(0), 2)
    assert found.best.point[0] == pytest.approx(0.123456, abs=1e-6)


def test_equal_violations_are_told_apart_by_reward():
    found = search(
        lambda points: (np.ones(len(points)), -((points[:, 0] - 0.3) ** 2)),
        LINE,
        np.random.default_rng(0),
        2,
    )
    assert found.best.point[0] == pytest.approx(0.3, abs=1e-6)
    assert Best(np.zeros(1), 1.0, 2.0).beats(Best(np.zeros(1), 1.0, 1.0))
    assert not Best(np.zeros(1), 1.0, 2.0).beats(Best(np.zeros(1), 0.0, 1.0))


def test_without_runs_the_grid_is_polished():
    found = search(rugged(3), LINE, np.random.default_rng(0), 0)
    with_runs = search(rugged(3), LINE, np.random.default_rng(0), 2)
    assert found.n_runs == 0
    assert found.best.reward == pytest.approx(with_runs.best.reward, abs=1e-6)


@pytest.mark.parametrize("d", [1, 3])
def test_bounds_of_no_width(d):
    bounds = np.full((2, d), 0.4)
    found = search(
        lambda points: (np.zeros(len(points)), points.sum(axis=1)),
        bounds,
        np.random.default_rng(0),
        1,
    )
    np.testing.assert_array_equal(found.best.point, bounds[0])
    if d > 1:
        bounds[1, 1] = 0.7
        found = search(
            lambda points: (np.zeros(len(points)), points.sum(axis=1)),
            bounds,
            np.random.default_rng(0),
            1,
        )
        np.testing.assert_allclose(found.best.point, [0.4, 0.7, 0.4])


def test_evaluations_are_counted():
    seen = []

    def evaluate(points):
        seen.append(len(points))
        return np.zeros(len(points)), -(points**2).sum(axis=1)

    for bounds in (LINE, np.array([[0.0] * 4, [1.0] * 4])):
        seen.clear()
        assert search(evaluate, bounds, np.random.default_rng(0), 2).n_evaluations == sum(seen)


def test_silence(tmp_path, monkeypatch, capfd):
    """Nothing printed, no files, NumPy's global generator where it was."""
    monkeypatch.chdir(tmp_path)
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()  # noqa: NPY002
    for d in (1, 4):
        bounds = np.array([[0.0] * d, [1.0] * d])
        search(rugged(1), bounds, np.random.default_rng(0), 2)
    after = np.random.get_state()  # noqa: NPY002
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_one_seed_one_result():
    bounds = np.array([[0.0] * 3, [1.0] * 3])
    one, two = (search(rugged(2), bounds, np.random.default_rng(7), 2) for _ in range(2))
    np.testing.assert_array_equal(one.best.point, two.best.point)
    assert one.n_evaluations == two.n_evaluations


def test_cma_alone_converges_on_a_constrained_optimum():
    """Most of x + y on the disc around (0.3, 0.4): the point on its rim, by arithmetic."""

    def evaluate(points):
        away = np.hypot(points[:, 0] - 0.3, points[:, 1] - 0.4) - 0.2
        return np.maximum(away, 0), points.sum(axis=1)

    path = cma_search(
        evaluate,
        np.array([0.9, 0.1]),
        np.array([[0.0, 0.0], [1.0, 1.0]]),
        0.2,
        12,
        1e-8,
        np.random.default_rng(0),
    )
    rim = 0.2 / np.sqrt(2)
    np.testing.assert_allclose(path[-1], [0.3 + rim, 0.4 + rim], atol=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_one_dimension_with_a_wide_step(seed):
    """pycma crashes here for a third of the seeds unless it is told not to bound the step."""
    path = cma_search(
        lambda points: (np.zeros(len(points)), -np.abs(points[:, 0] - 0.7)),
        np.array([0.5]),
        LINE,
        0.3,
        8,
        1e-6,
        np.random.default_rng(seed),
    )
    assert path[-1, 0] == pytest.approx(0.7, abs=1e-4)


def two_hills(points):
    """A wide low hill with the best of a coarse grid on it, and a narrow high one between."""
    p = points[:, 0]
    return np.zeros(len(p)), np.maximum(1 - 4 * np.abs(p - 0.3), 2 - 500 * np.abs(p - 0.7042))


def test_what_the_first_run_misses_the_next_one_finds():
    one = search(two_hills, LINE, np.random.default_rng(0), 3)
    assert one.n_runs == 2
    assert one.best.point[0] == pytest.approx(0.7042, abs=1e-6)
    # With a single run brute force has the last word, and is polished.
    assert search(two_hills, LINE, np.random.default_rng(0), 1).best.reward == pytest.approx(2)


def test_restarts_begin_apart():
    """The first point, then the best of those that are far from the ones before."""
    points = np.array([[0.5, 0.5], [0.51, 0.5], [0.5, 0.52], [0.9, 0.9], [0.1, 0.9], [0.91, 0.9]])
    np.testing.assert_array_equal(_apart(points, 3), points[[0, 3, 4]])
    # Where none is far enough any more, the farthest.
    np.testing.assert_array_equal(_apart(points[:3], 3), points[[0, 2, 1]])


@pytest.mark.parametrize("seed", range(4))
def test_restarts_in_the_cube_leave_the_first_basin(seed):
    """Deep basins at 0.25 and 0.75 of each column: the best of 32 corners is found."""
    d = 5
    height = np.random.default_rng(5).random((2,) * d)

    def evaluate(points):
        corner = (points > 0.5).astype(int)
        middle = 0.25 + 0.5 * corner
        bowl = 0.3 * ((points - middle) ** 2).sum(axis=1)
        return np.zeros(len(points)), height[tuple(corner.T)] - bowl

    bounds = np.array([[0.0] * d, [1.0] * d])
    found = search(evaluate, bounds, np.random.default_rng(seed), 3).best
    assert found.reward == pytest.approx(height.max(), abs=1e-6)


def least_by_dynamic_programming(weights, target, most):
    """Largest sum of amounts whose weighted accuracy reaches the target, to about 0.005."""
    n_losses, amounts = 8000, np.linspace(0, most, 451)
    unit = (notebook.accuracy(0) - target) / n_losses
    best = np.zeros(n_losses + 1)
    for weight in weights:
        loss = np.ceil(weight * (notebook.accuracy(0) - notebook.accuracy(amounts)) / unit - 1e-9)
        loss = loss.astype(int)
        new = np.full(n_losses + 1, -np.inf)
        for cost in np.unique(loss[loss <= n_losses]):
            amount = amounts[loss == cost].max()
            new[cost:] = np.maximum(new[cost:], best[: n_losses + 1 - cost] + amount)
        best = new
    return best.max()


@pytest.mark.parametrize("target", [80, 90])
def test_the_cube_against_dynamic_programming(target):
    """Twelve amounts under a limit that is not convex, with the notebook's accuracy."""
    importance = np.array([notebook.RANKING[view] for view in range(12)])
    weights = importance / importance.sum()

    def evaluate(points):
        short = np.maximum(target - notebook.accuracy(points) @ weights, 0) / target
        return short, points.sum(axis=1)

    bounds = np.array([[0.0] * 12, [0.9] * 12])
    found = search(evaluate, bounds, np.random.default_rng(0), 2).best
    assert found.violation == 0
    reached = least_by_dynamic_programming(weights, target, 0.9)
    assert found.reward >= reached - 1e-3
    assert found.reward <= reached + 0.02  # what the grid of losses gives away
    local = minimize(
        lambda x: -x.sum(),
        found.point,
        method="SLSQP",
        bounds=[(0, 0.9)] * 12,
        constraints={"type": "ineq", "fun": lambda x: notebook.accuracy(x) @ weights - target},
    )
    assert found.reward >= -local.fun - 1e-3
