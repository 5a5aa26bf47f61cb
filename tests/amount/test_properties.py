"""What holds of the inverse rule for all importances, curves and targets: by hypothesis.

The rule is that of the notebook (REFERENCE of the project, section A): amounts in proportion
to one less the importance by min-max, on the largest common scale that reaches the target.
"""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from skprune import PruningAmountOptimizer
from skprune.amount import (
    importance_inverse_amounts,
    normalize_importance,
    reciprocal_mean_rank,
    smallest_amounts,
)
from skprune.exceptions import InfeasibleLimitsWarning

# Whole numbers tie; others do not.
IMPORTANCES = st.lists(st.integers(0, 4) | st.floats(0, 10), min_size=1, max_size=8)
MAX_AMOUNTS = st.just(0.9) | st.floats(0.05, 1)
UNITS = st.sampled_from([1.0, 100.0])  # fractions, and percent


class Pieces:
    """Straight between points a tenth apart, in [0, unit]."""

    def __init__(self, values, unit):
        self.values, self.unit = np.array(values, dtype=float), unit

    def __call__(self, amounts):
        at = np.linspace(0, 1, len(self.values))
        return self.unit * np.interp(amounts, at, self.values)

    def __repr__(self):
        return f"Pieces({self.values.tolist()}, {self.unit})"


class Logistic:
    """The notebook's curve of accuracy, with any height, steepness and middle."""

    def __init__(self, top, steepness, middle, unit):
        self.top, self.steepness, self.middle, self.unit = top, steepness, middle, unit

    def __call__(self, amounts):
        return self.unit * self.top / (1 + np.exp(self.steepness * (amounts - self.middle)))

    def __repr__(self):
        return f"Logistic({self.top}, {self.steepness}, {self.middle}, {self.unit})"


SHARES = st.lists(st.floats(0.05, 1), min_size=2, max_size=11)
FALLING = st.builds(lambda v, unit: Pieces(sorted(v, reverse=True), unit), SHARES, UNITS) | (
    st.builds(Logistic, st.floats(0.5, 1), st.floats(0.5, 20), st.floats(0.2, 1), UNITS)
)
ANY_CURVE = st.builds(Pieces, SHARES, UNITS)


@st.composite
def problems(draw, curves=FALLING):
    """(importance, curve, target, max_amount): the target is met nowhere, here, or somewhere."""
    curve = draw(curves)
    unit = curve.unit
    target = unit * draw(st.floats(0.05, 1))
    if draw(st.booleans()):  # a value of the curve itself
        target = float(curve(np.array([draw(st.floats(0, 1))]))[0])
    assume(unit == 1 or min(target, curve(np.array([0.0]))[0] / 2) > 1)
    assume(unit == 100 or target <= 1)
    return draw(IMPORTANCES), curve, target, draw(MAX_AMOUNTS)


def found_of(problem, **options):
    """The answer, and whether it was said that it falls short."""
    importance, curve, target, max_amount = problem
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = importance_inverse_amounts(importance, curve, target, max_amount, **options)
    assert all(issubclass(w.category, InfeasibleLimitsWarning) for w in caught)
    return found, bool(caught)


def weighted(found, curve, amounts):
    return float(found.weights @ curve(np.asarray(amounts)))


def assert_in_order(importance, amounts):
    """The more important, the less; the equally important, the same."""
    importance = np.asarray(importance, dtype=float)
    more = importance[:, None] > importance
    assert (amounts[:, None] <= amounts)[more].all()
    equal = importance[:, None] == importance
    assert (amounts[:, None] == amounts)[equal].all()


@given(problems())
def test_amounts_lie_within_their_bounds_and_in_the_order_of_importance(problem):
    importance, curve, _, max_amount = problem
    found, _ = found_of(problem)
    assert found.amounts.shape == (len(importance),)
    assert found.amounts.min() >= 0
    assert found.amounts.max() <= max_amount
    assert_in_order(importance, found.amounts)
    assert found.achieved == pytest.approx(weighted(found, curve, found.amounts))
    assert found.weights.sum() == pytest.approx(1)
    assert found.weights.min() >= 0


@given(problems())
def test_a_target_that_can_be_reached_is_reached_and_else_it_is_said(problem):
    """A falling curve is highest for views that are not pruned."""
    _, curve, target, _ = problem
    found, warned = found_of(problem)
    most = weighted(found, curve, np.zeros(len(found.amounts)))
    if most >= target * (1 + 1e-12):
        assert found.reachable
        assert found.achieved >= target * (1 - 1e-9)
    if most < target * (1 - 1e-8):
        assert not found.reachable
    assert found.reachable == (found.achieved >= target * (1 - 1e-9))
    assert warned != found.reachable


@given(problems())
def test_the_scale_is_one_where_the_target_is_met_at_once_and_else_the_largest(problem):
    _, curve, target, max_amount = problem
    found, _ = found_of(problem)
    whole = max_amount * (1 - found.importance)
    if weighted(found, curve, whole) >= target:
        assert found.scale == 1
        np.testing.assert_array_equal(found.amounts, whole)
    elif found.reachable and not np.isnan(found.scale):
        assert 0 <= found.scale < 1
        np.testing.assert_allclose(found.amounts, found.scale * whole)
        # No larger one does; but for rounding, where the curve is level at the target.
        further = min(1.0, found.scale + 1e-8)
        assert weighted(found, curve, further * whole) < target * (1 + 1e-12)
    if np.ptp(found.amounts) > 1e-6 and not np.isnan(found.scale):
        assert found.correlation == pytest.approx(-1, abs=1e-6)


@given(problems(ANY_CURVE))
def test_a_curve_that_goes_up_and_down_breaks_no_promise(problem):
    importance, curve, target, max_amount = problem
    found, warned = found_of(problem)
    assert found.amounts.min() >= 0
    assert found.amounts.max() <= max_amount
    assert_in_order(importance, found.amounts)
    assert found.achieved == pytest.approx(weighted(found, curve, found.amounts))
    assert found.reachable == (found.achieved >= target * (1 - 1e-9)) == (not warned)
    whole = max_amount * (1 - found.importance)
    if any(weighted(found, curve, s * whole) >= target for s in np.linspace(0, 1, 11)):
        assert found.reachable


@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_the_views_is_theirs(problem, random):
    importance, curve, target, max_amount = problem
    order = list(range(len(importance)))
    random.shuffle(order)
    here, _ = found_of(problem)
    there, _ = found_of(([importance[i] for i in order], curve, target, max_amount))
    np.testing.assert_allclose(there.amounts, here.amounts[order], atol=1e-8)
    assert there.achieved == pytest.approx(here.achieved)


@given(problems(), st.floats(1e-3, 1e3), st.floats(0, 100))
def test_only_the_proportions_of_importance_matter(problem, unit, shift):
    importance, curve, target, max_amount = problem
    assume(np.ptp(importance) > 1e-3 or np.ptp(importance) == 0)
    moved = unit * np.array(importance, dtype=float)
    moved = moved + shift * unit if np.ptp(importance) else moved
    here, _ = found_of(problem)
    there, _ = found_of((moved, curve, target, max_amount))
    np.testing.assert_allclose(there.importance, here.importance, atol=1e-9)
    assert there.reachable == here.reachable or abs(here.achieved / target - 1) < 1e-6


@given(st.integers(1, 8), st.floats(0, 5), problems())
def test_equal_views_are_pruned_alike(n_views, importance, problem):
    found, _ = found_of(([importance] * n_views, *problem[1:]))
    assert np.ptp(found.amounts) == 0
    np.testing.assert_allclose(found.weights, 1 / n_views)


@given(problems(), st.data())
def test_a_higher_target_never_prunes_more(problem, data):
    importance, curve, target, max_amount = problem
    higher = target + (curve.unit - target) * data.draw(st.floats(0, 1))
    low, _ = found_of(problem)
    high, _ = found_of((importance, curve, higher, max_amount))
    if low.reachable and high.reachable:
        assert (high.amounts <= low.amounts + 1e-8).all()


@given(problems(), st.data())
def test_weights_of_the_users_own_are_what_accuracies_count(problem, data):
    importance, curve, target, _ = problem
    n = len(importance)
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), float)
    found, _ = found_of(problem, weights=weights)
    shares = weights / weights.sum() if weights.any() else np.full(n, 1 / n)
    np.testing.assert_allclose(found.weights, shares)
    assert found.achieved == pytest.approx(shares @ curve(found.amounts))
    assert found.reachable == (found.achieved >= target * (1 - 1e-9))


@given(IMPORTANCES)
def test_importance_by_min_max(importance):
    normalized = normalize_importance(importance)
    values = np.array(importance, dtype=float)
    if np.ptp(values) == 0:
        assert not normalized.any()
        return
    assert (normalized.min(), normalized.max()) == (0, 1)
    assert normalized[values.argmin()] == 0
    assert normalized[values.argmax()] == 1
    np.testing.assert_array_equal(np.argsort(normalized), np.argsort(values))
    np.testing.assert_array_equal(normalize_importance(normalized), normalized)


@given(st.integers(1, 6), st.lists(st.randoms(use_true_random=False), min_size=1, max_size=5))
def test_importance_from_ranks_is_what_the_mean_rank_divides_one_by(n_views, draws):
    ranks = [draw.sample(range(1, n_views + 1), n_views) for draw in draws]
    found = reciprocal_mean_rank(ranks)
    np.testing.assert_allclose(found, 1 / np.mean(ranks, axis=0))
    assert found.min() >= 1 / n_views
    assert found.max() <= 1


@settings(max_examples=4)
@given(problems())
def test_free_amounts_are_no_larger_in_the_mean_than_those_of_the_rule(problem):
    importance, curve, target, max_amount = problem
    assume(len(importance) <= 3)
    rule, _ = found_of(problem)

    def size(amounts):
        return 480.4 - 427.4 * amounts

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfeasibleLimitsWarning)
        free = smallest_amounts(importance, curve, size, target, max_amount, random_state=0)
    assert free.amounts.min() >= 0
    assert free.amounts.max() <= max_amount
    assert free.reachable == (free.achieved >= target * (1 - 1e-9))
    if rule.reachable:
        assert free.reachable
        assert free.mean_size(size) <= rule.mean_size(size) + 0.5


@settings(max_examples=12)
@given(
    st.floats(0.5, 1),
    st.floats(2, 12),
    st.floats(0.3, 0.9),
    st.none() | st.floats(0.2, 0.99),
    st.none() | st.floats(10, 60),
)
def test_no_amount_on_a_grid_is_better_than_the_best(top, steepness, middle, least, most):
    amounts = np.linspace(0, 1, 11)
    measured = np.column_stack(
        [
            Logistic(top, steepness, middle, 1.0)(amounts),
            1.2 - amounts**2 / 2,
            50 - 40 * amounts,
        ]
    )
    optimizer = PruningAmountOptimizer(
        accuracy_curve="pchip", min_accuracy=least, max_size=most, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optimizer.fit(amounts[:, None], measured)
    grid = np.linspace(0, 1, 301)[:, None]
    accuracy, _, size = (optimizer.curves_[q].predict(grid) for q in ("accuracy", "time", "size"))
    feasible = np.ones(len(grid), dtype=bool)
    if least is not None:
        feasible &= accuracy >= least
    if most is not None:
        feasible &= size <= most
    assert 0 <= optimizer.best_amount_ <= 1
    if feasible.any():
        assert optimizer.feasible_
        totals = optimizer.transform(grid[feasible])[:, -1]
        assert optimizer.best_reward_ >= totals.max() - 1e-6
    assert optimizer.feasible_ == (max(optimizer.misses_.values(), default=0) <= 0)
