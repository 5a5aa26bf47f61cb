"""The ends of what the room does: programs without a member, and paths that are given."""

import numpy as np
import pytest

from skprune.socp import EnsembleStatistics, SOCPProblem, follow_path, subset_path

from .pools import stats_of


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
