"""Logarithms of probabilities from votes, against scipy."""

import numpy as np
import pytest
from scipy.special import log_softmax

from skprune.utils import VotingRule


@pytest.mark.parametrize("n_rows", [1, 2, 300])
@pytest.mark.parametrize("n_classes", [2, 3, 7, 8, 10, 100])
@pytest.mark.parametrize("rule", [VotingRule("log"), VotingRule("soft", 0.5)], ids=str)
def test_log_probabilities(n_rows, n_classes, rule):
    rng = np.random.default_rng(0)
    votes = rng.dirichlet(np.ones(n_classes), n_rows)
    logs = np.log(np.maximum(votes, min(1e-3, 0.01 / n_classes))) / 0.5
    if rule.voting == "log":
        votes = logs = 30 * rng.normal(size=(n_rows, n_classes))
    before = votes.copy()
    np.testing.assert_allclose(rule.log_proba(votes), log_softmax(logs, axis=1), rtol=1e-12)
    np.testing.assert_allclose(rule.proba(votes), np.exp(log_softmax(logs, axis=1)), rtol=1e-12)
    np.testing.assert_array_equal(votes, before)  # they may be used again
