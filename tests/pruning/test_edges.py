"""Costs that cannot be counted or timed, and files that are not there."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from skprune import SOCPEnsemblePruner
from skprune.exceptions import MemberFileError
from skprune.pruning import _costs

X, y = load_iris(return_X_y=True)


def members_of(*estimators):
    return [
        (f"member {i}", FrozenEstimator(each.fit(X[::2], y[::2])))
        for i, each in enumerate(estimators)
    ]


def test_members_whose_parameters_nobody_can_count_are_named():
    members = members_of(DecisionTreeClassifier(max_depth=2), GaussianNB())
    with pytest.raises(TypeError, match=r"costs='parameters', but member 'member 1': "):
        SOCPEnsemblePruner(members, costs="parameters").fit(X, y)


def test_members_that_have_no_parameters_are_named(monkeypatch):
    members = members_of(DecisionTreeClassifier(max_depth=2), LogisticRegression(max_iter=500))
    monkeypatch.setattr(_costs, "n_parameters", lambda member: int(hasattr(member, "tree_")))
    with pytest.raises(ValueError, match=r"'member 1' \(.*\) has none; give the costs as numbers"):
        SOCPEnsemblePruner(members, costs="parameters").fit(X, y)


def test_members_that_are_faster_than_the_clock_are_named(monkeypatch):
    monkeypatch.setattr(_costs, "latencies", lambda calls: np.array([1e-3, 0.0]))
    members = members_of(*(DecisionTreeClassifier(max_depth=d) for d in (1, 2)))
    with pytest.raises(ValueError, match=r"'member 1' \(.*\) is faster than the clock"):
        SOCPEnsemblePruner(members, costs="latency").fit(X, y)


@pytest.mark.parametrize(("n_missing", "more"), [(1, r"$"), (3, r" So it is with 2 more\.$")])
def test_files_that_are_not_there_are_counted_before_any_is_loaded(tmp_path, n_missing, more):
    paths = [tmp_path / f"member_{i}.joblib" for i in range(n_missing)]
    with pytest.raises(MemberFileError, match=rf"holds a path without a file: .*{more}"):
        SOCPEnsemblePruner(paths).fit(X, y)
    named = [(f"name {i}", path) for i, path in enumerate(paths)]
    with pytest.raises(MemberFileError, match=rf"a path without a file: 'name 0': .*{more}"):
        SOCPEnsemblePruner(named).fit(X, y)
