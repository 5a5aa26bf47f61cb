"""The ends of what the room does: programs without a member, and paths that are given."""

import numpy as np
import pytest

from skprune.socp import (
    EnsembleStatistics,
    SOCPProblem,
    follow_path,
    socp_path,
    solve_exact_entropy,
    solve_socp,
    solve_subset,
    solve_support,
    subset_path,
)

from .pools import stats_of

NO_NUMBERS = [np.nan, np.inf, -1, True, None, "1", 1j, np.array([1]), [1]]


def test_the_path_of_a_program_that_nobody_is_worth_a_weight_in_is_zero():
    problem = SOCPProblem(np.eye(3), np.array([0.0, 1.0, 2.0]), 0.0, 0.0)
    path = follow_path(problem, 1.0)
    assert (path.penalty_max, path.kkt_residual) == (0, 0)
    assert not path.weights.any()
    assert not path.at(0.5).any()


def test_a_path_that_is_known_is_not_followed_again():
    problem = SOCPProblem.from_statistics(stats_of("digits_trees"), 0.9)
    own = subset_path(problem, [1, 3])
    given = subset_path(problem, [1, 3], path=follow_path(problem, 0.9))
    for one, other in zip(own, given, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)


def test_statistics_add_up_with_nothing_else():
    stats = stats_of("dirichlet")
    for other in (1, None, "statistics"):
        with pytest.raises(TypeError):
            stats + other
        with pytest.raises(TypeError):
            stats - other
    assert isinstance(sum([stats]), EnsembleStatistics)


P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
STATS = EnsembleStatistics.from_predictions(P, [0, 1])


@pytest.mark.parametrize("wrong", [None, "stats", 3, [], P])
def test_what_is_no_statistics_and_no_problem_is_refused_by_name(wrong):
    for call in (solve_socp, socp_path, lambda stats: SOCPProblem.from_statistics(stats, 0.5)):
        with pytest.raises(TypeError, match=r"stats must be EnsembleStatistics.* got "):
            call(wrong)
    for call in (
        lambda problem: solve_subset(problem, 1),
        lambda problem: subset_path(problem, [1]),
        lambda problem: solve_support(problem, [True, False]),
    ):
        with pytest.raises(TypeError, match=r"problem must be SOCPProblem.* got "):
            call(wrong)


@pytest.mark.parametrize("kind", [complex, str, object])
def test_predictions_that_are_no_real_numbers_are_refused(kind):
    wrong = P.astype(kind)
    for call in (
        lambda: EnsembleStatistics.from_predictions(wrong, [0, 1]),
        lambda: EnsembleStatistics.from_blocks([(P, [0, 1]), (wrong, [0, 1])]),
        lambda: EnsembleStatistics.from_regression(wrong, [[0, 1], [0, 1]]),
        lambda: EnsembleStatistics.from_regression(P[:, :, 0], np.array([0, 1]).astype(kind)),
        lambda: solve_exact_entropy(wrong, [0, 1]),
    ):
        with pytest.raises(TypeError, match=r"(Block 1: P|P|F|y) must hold real numbers; got "):
            call()


@pytest.mark.parametrize("blocks", [None, 3, "ab", [P], [(P,)], [(P, [0, 1], None, None)]])
def test_what_is_no_block_is_refused(blocks):
    with pytest.raises(TypeError, match="blocks must "):
        EnsembleStatistics.from_blocks(blocks)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        *(({"tol": tol}, "tol must be a finite number of at least 0; got") for tol in NO_NUMBERS),
        *(
            ({"max_iter": n}, "max_iter must be an integer of at least 0; got")
            for n in (*NO_NUMBERS, 1.0)
        ),
    ],
)
def test_when_to_stop(given, message):
    with pytest.raises(ValueError, match=message):
        solve_exact_entropy(P, [0, 1], **given)


@pytest.mark.parametrize("name", ["diversity", "solver"])
@pytest.mark.parametrize("value", [np.array(["auto"]), np.array("gini"), [], {}, None])
def test_names_that_are_no_strings(name, value):
    with pytest.raises(ValueError, match=f"{name} must be one of .*; got "):
        solve_socp(STATS, **{name: value})


def test_numbers_that_are_large():
    for lam in (10**30, 10**400, -(10**400)):
        with pytest.raises(ValueError, match="lam must "):
            solve_socp(STATS, lam=lam)
    with pytest.raises(ValueError, match="lam must be finite"):
        solve_socp(STATS, lam=10**400, relative=False)
