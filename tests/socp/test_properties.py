"""What holds for every pool: hypothesis draws pools, trade-offs and penalties.

Q and c are computed here independently from the predictions, so that the library does not check
itself. The formulas are equations (3) and (6) to (8) of Guldogus et al.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skprune.exceptions import NoMemberLeftError
from skprune.socp import (
    EnsembleStatistics,
    SOCPProblem,
    socp_path,
    solve_socp,
)

ALPHAS = st.sampled_from([0.0, 1.0, 0.5, 0.9]) | st.floats(0, 1)
LAMS = st.sampled_from([0.0, 0.5, 0.05]) | st.floats(0, 0.999)


@dataclass
class Pool:
    P: np.ndarray
    y: np.ndarray
    sample_weight: np.ndarray | None

    @property
    def stats(self):
        return EnsembleStatistics.from_predictions(self.P, self.y, self.sample_weight)

    @property
    def share(self):
        """Share of each sample; sums to one."""
        weight = np.ones(len(self.y)) if self.sample_weight is None else self.sample_weight
        return weight / weight.sum()

    @property
    def mean_weight(self):
        return 1.0 if self.sample_weight is None else self.sample_weight.mean()

    def with_samples(self, index):
        weight = None if self.sample_weight is None else self.sample_weight[index]
        return Pool(self.P[:, index], self.y[index], weight)


@st.composite
def pools(draw, max_members=7, min_weight=0):
    """Few members, samples and classes, of small integers so that members tie, or not."""
    M, N, C = draw(st.integers(1, max_members)), draw(st.integers(1, 7)), draw(st.integers(2, 4))
    P = draw(arrays(np.int64, (M, N, C), elements=st.integers(0, 4))).astype(float)
    kind = draw(st.sampled_from(["as drawn", "noisy", "one-hot", "confident"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind == "noisy":
        P += rng.random(P.shape)
    elif kind == "one-hot":
        P = np.eye(C)[P.argmax(axis=2)]
    elif kind == "confident":
        P = np.exp(8 * P + rng.random(P.shape))
    constant = draw(st.sets(st.integers(0, M - 1), max_size=2))
    for member in sorted(constant):
        P[member] = P[member, :1]
    if draw(st.booleans()):  # copies
        P = P[draw(st.lists(st.integers(0, M - 1), min_size=1, max_size=max_members))]
    if C > 2 and draw(st.booleans()):  # a class without any probability
        P[:, :, draw(st.integers(0, C - 1))] = 0
    P[P.sum(axis=2) == 0] += 1.0
    P /= P.sum(axis=2, keepdims=True)
    y = draw(arrays(np.int64, N, elements=st.integers(0, C - 1)))
    weights = arrays(np.int64, N, elements=st.integers(min_weight, 3)).filter(np.any)
    return Pool(P, y, draw(st.none() | weights.map(np.float64)))


@st.composite
def costs_of(draw, n_members):
    return draw(arrays(float, n_members, elements=st.sampled_from([0.1, 1.0, 2.0, 7.0])))


def quadratic_and_linear(pool, alpha):
    """Q and c of equation (6), term by term."""
    P, share, C = pool.P, pool.share / pool.P.shape[2], pool.P.shape[2]
    mean = P.mean(axis=0)
    ratio = np.divide(P, mean, out=np.zeros_like(P), where=mean > 0)
    gram = np.einsum("inj,knj,n->ik", P, P, share)
    curvature = np.einsum("inj,knj,n->ik", P, ratio, share)
    agreement = np.einsum("inj,nj,n->i", P, np.eye(C)[pool.y], share)
    log_ratio = np.log(ratio, out=np.zeros_like(P), where=ratio > 0)
    divergence = np.einsum("inj,inj,n->i", P, log_ratio, share)
    Q = alpha * gram + (1 - alpha) / 2 * curvature
    return Q, -2 * alpha * agreement - (1 - alpha) * divergence


def loss(pool, alpha, w, entropy):
    """L of equation (3)."""
    P, share, C = pool.P, pool.share, pool.P.shape[2]
    mixture = np.tensordot(w, P, 1)
    error = share @ ((mixture - np.eye(C)[pool.y]) ** 2).sum(axis=1) / C
    own = np.einsum("i,inj,n->", w, entropy(P), share)
    diversity = (np.einsum("nj,n->", entropy(mixture), share) - own) / C
    return alpha * error + (1 - alpha) * (1 - diversity)


def shannon(x):
    return -x * np.log(x, out=np.zeros_like(x), where=x > 0)


def gini(x):
    return x * (1 - x)


def problem_of(pool, alpha, **options):
    """The program, if it keeps a member at all."""
    problem = SOCPProblem.from_statistics(pool.stats, alpha, **options)
    assume(problem.max_descent_rate > 1e-9)
    return problem


def objective(Q, q, w):
    return w @ Q @ w + q @ w


# Statistics


@given(pools(), ALPHAS)
def test_the_program_is_that_of_the_equations(pool, alpha):
    problem = SOCPProblem.from_statistics(pool.stats, alpha)
    Q, c = quadratic_and_linear(pool, alpha)
    np.testing.assert_allclose(problem.quadratic, Q, atol=1e-13)
    np.testing.assert_allclose(problem.linear, c, atol=1e-13)
    np.testing.assert_array_equal(problem.quadratic, problem.quadratic.T)


def assert_same_statistics(one, other):
    for name in ("gram", "reference_gram", "agreement", "divergence"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-13)
    assert (one.target_power, one.reference_mass) == (other.target_power, other.reference_mass)


@given(pools(), st.data())
def test_a_weight_is_a_number_of_copies(pool, data):
    N = len(pool.y)
    copies = data.draw(arrays(np.int64, N, elements=st.integers(0, 3)).filter(np.any))
    weighted = Pool(pool.P, pool.y, copies.astype(float))
    repeated = Pool(pool.P, pool.y, None).with_samples(np.repeat(np.arange(N), copies))
    assert_same_statistics(weighted.stats, repeated.stats)
    assert weighted.stats.total_weight == repeated.stats.n_samples == copies.sum()


@given(pools(min_weight=1), st.data())
def test_parts_make_the_whole_and_the_whole_less_a_part_the_rest(pool, data):
    N = len(pool.y)
    fold = data.draw(arrays(np.int64, N, elements=st.integers(0, 2)))
    parts = [pool.with_samples(fold == number) for number in np.unique(fold)]
    whole = pool.stats
    assert_same_statistics(sum(part.stats for part in parts), whole)
    blocks = ((part.P, part.y, len(part.y) * part.share * part.mean_weight) for part in parts)
    assert_same_statistics(EnsembleStatistics.from_blocks(blocks), whole)
    if len(parts) > 1:
        rest = pool.with_samples(fold != fold.min()).stats
        assert_same_statistics(whole - parts[0].stats, rest)


# f and L


@given(pools(), ALPHAS)
def test_f_is_the_loss_in_value_and_gradient_at_uniform_weights(pool, alpha):
    problem = SOCPProblem.from_statistics(pool.stats, alpha)
    P, C = pool.P, pool.P.shape[2]
    w = np.full(len(P), 1 / len(P))
    assert problem.objective(w) + problem.constant == pytest.approx(
        loss(pool, alpha, w, shannon), abs=1e-13
    )
    mixture = P.mean(axis=0)
    towards = 2 * alpha * (mixture - np.eye(C)[pool.y])
    towards = towards + (1 - alpha) * (1 + np.log(mixture, out=0 * mixture, where=mixture > 0))
    slope = np.einsum("inj,nj,n->i", P, towards, pool.share) / C
    slope += (1 - alpha) * np.einsum("inj,n->i", shannon(P), pool.share) / C
    np.testing.assert_allclose(problem.gradient(w), slope, atol=1e-13)


@given(pools(), ALPHAS, st.data())
def test_f_is_the_loss_everywhere_by_gini(pool, alpha, data):
    problem = SOCPProblem.from_statistics(pool.stats, alpha, diversity="gini")
    w = data.draw(arrays(float, len(pool.P), elements=st.floats(0, 3)))
    expected = loss(pool, alpha, w, gini)
    assert problem.objective(w) + problem.constant == pytest.approx(expected, abs=1e-12)


# Solutions


@given(pools(), ALPHAS, LAMS, st.data())
def test_a_solution_is_feasible_and_optimal(pool, alpha, lam, data):
    Q, c = quadratic_and_linear(pool, alpha)
    costs = data.draw(st.none() | costs_of(len(pool.P)))
    relative = np.ones(len(c)) if costs is None else costs / costs.mean()
    top = (-c / relative).max()
    if top <= 1e-9:  # no member is kept
        return
    solution = solve_socp(pool.stats, alpha, lam, costs=costs)
    w, q = solution.weights, c + solution.penalty * relative
    assert solution.status == "optimal"
    assert solution.penalty == pytest.approx(lam * top, rel=1e-6, abs=1e-14)
    assert w.min() >= 0
    assert w.any()
    # (7) is convex: w >= 0, a gradient >= 0 and their complementarity are optimality.
    rounding = 1e-8 + 1e-13 / -c.min()
    gradient = (2 * Q @ w + q) / -c.min()
    assert gradient.min() >= -rounding
    assert np.minimum(w, gradient).max() <= rounding
    assert solution.kkt_residual == pytest.approx(
        np.abs(np.minimum(w, gradient)).max(), abs=rounding
    )
    assert solution.objective == pytest.approx(objective(Q, q, w), abs=1e-12)
    # The dual: no feasible v has -v'Qv above the objective, and one comes near it.
    assert -1e-12 <= solution.duality_gap <= 1e-6
    for _ in range(20):
        other = data.draw(arrays(float, len(c), elements=st.floats(0, 4)), label="feasible")
        assert solution.objective <= objective(Q, q, other) + 1e-11


@given(pools(), ALPHAS, st.data())
def test_members_are_kept_below_lambda_max_only(pool, alpha, data):
    costs = data.draw(st.none() | costs_of(len(pool.P)))
    problem, stats = problem_of(pool, alpha, costs=costs), pool.stats
    top = problem.penalty_max
    for factor in (1, 1 + 1e-9, 3):
        with pytest.raises(NoMemberLeftError):
            solve_socp(stats, alpha, factor * top, relative=False, costs=costs)
        assert problem.with_penalty(factor * top).kkt_residual(np.zeros(len(pool.P))) <= 1e-15
    below = solve_socp(stats, alpha, 0.999 * top, relative=False, costs=costs)
    assert below.weights.any()
    path = socp_path(stats, alpha, costs=costs)
    assert not path.at(1).any()
    assert path.at(0.999).any()


@given(pools(), ALPHAS, LAMS, st.randoms(use_true_random=False))
def test_the_order_of_the_members_does_not_matter(pool, alpha, lam, random):
    problem = problem_of(pool, alpha)
    order = list(range(len(pool.P)))
    random.shuffle(order)
    here = solve_socp(pool.stats, alpha, lam)
    there = solve_socp(Pool(pool.P[order], pool.y, pool.sample_weight).stats, alpha, lam)
    assert there.objective == pytest.approx(here.objective, abs=1e-12)
    eigenvalues = np.linalg.eigvalsh(problem.quadratic)
    if eigenvalues[0] > 1e-6 * eigenvalues[-1]:  # else several solutions may do
        np.testing.assert_allclose(there.weights, here.weights[order], atol=1e-8)
