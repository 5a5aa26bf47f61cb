"""Seeds: only those that are missing, and the same ones every time."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skprune import SOCPEnsemblePruner
from skprune.utils import (
    check_random_state,
    draw_seed,
    generator,
    hold_out,
    integer_seed,
    set_missing_seeds,
)


def nested():
    return VotingClassifier(
        [
            ("free", DecisionTreeClassifier()),
            ("set", DecisionTreeClassifier(random_state=7)),
            ("bag", BaggingClassifier(LogisticRegression(), random_state=0)),
            ("pipe", make_pipeline(RandomForestClassifier())),
            ("none", GaussianNB()),
        ]
    )


def seeds(estimator):
    params = estimator.get_params()
    return {name: value for name, value in params.items() if name.endswith("random_state")}


def test_only_missing_seeds_are_set():
    estimator = nested()
    before = seeds(estimator)
    assert set_missing_seeds(estimator, np.random.RandomState(0)) is estimator
    after = seeds(estimator)
    assert after.keys() == before.keys()
    assert after["set__random_state"] == 7
    assert after["bag__random_state"] == 0
    drawn = [after[name] for name, value in before.items() if value is None]
    assert len(drawn) == 3
    assert len(set(drawn)) == 3
    assert all(type(seed) is int and 0 <= seed < 2**31 for seed in drawn)


def test_the_same_generator_gives_the_same_seeds():
    one, other = (seeds(set_missing_seeds(nested(), np.random.RandomState(3))) for _ in range(2))
    assert one == other
    assert one != seeds(set_missing_seeds(nested(), np.random.RandomState(4)))


def test_setting_seeds_twice_changes_nothing():
    estimator = set_missing_seeds(nested(), np.random.RandomState(0))
    before = seeds(estimator)
    rng = np.random.RandomState(1)
    set_missing_seeds(estimator, rng)
    assert seeds(estimator) == before
    assert draw_seed(rng) == draw_seed(np.random.RandomState(1))  # nothing was drawn


def test_a_generator_that_was_given_is_kept():
    rng = np.random.RandomState(5)
    tree = set_missing_seeds(DecisionTreeClassifier(random_state=rng), np.random.RandomState(0))
    assert tree.random_state is rng


def test_a_frozen_estimator_is_left_alone_wherever_it_stands():
    tree = DecisionTreeClassifier().fit([[0], [1]], [0, 1])
    alone = FrozenEstimator(tree)
    inside = VotingClassifier([("old", FrozenEstimator(tree)), ("new", DecisionTreeClassifier())])
    for estimator in (alone, inside, make_pipeline(FrozenEstimator(tree))):
        set_missing_seeds(estimator, np.random.RandomState(0))
    assert tree.random_state is None
    assert inside.get_params()["new__random_state"] is not None


def test_an_estimator_without_seeds_is_returned_as_it_is():
    estimator = GaussianNB()
    assert set_missing_seeds(estimator, np.random.RandomState(0)) is estimator


def test_seeds_make_a_fit_repeatable():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(60, 5)), rng.randint(3, size=60)
    estimator = set_missing_seeds(RandomForestClassifier(5), np.random.RandomState(0))
    one, other = (clone(estimator).fit(X, y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_seeds_fit_every_library():
    rng = np.random.RandomState(0)
    drawn = [draw_seed(rng) for _ in range(1000)]
    assert min(drawn) >= 0
    assert max(drawn) < 2**31 - 1
    assert len(set(drawn)) == 1000


def test_a_random_state_instance_draws_the_seed():
    one, same = np.random.RandomState(3), np.random.RandomState(3)
    assert integer_seed(one) == integer_seed(same)
    assert integer_seed(one) == integer_seed(same)
    assert integer_seed(None) != integer_seed(None)
    assert integer_seed(np.int64(4)) == 4


@pytest.mark.parametrize("seed", ["0", -1, 1.5, True, [1], np.array(1)])
def test_what_is_no_seed_is_refused(seed):
    for function in (integer_seed, generator, check_random_state):
        with pytest.raises(ValueError, match=r"random_state must be .*; got "):
            function(seed)


def test_none_is_the_global_generator_as_in_scikit_learn():
    X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 3
    pruner = SOCPEnsemblePruner(RandomForestClassifier(5))
    before = np.random.get_state()  # noqa: NPY002
    try:
        found = []
        for _ in range(2):
            np.random.seed(0)  # noqa: NPY002
            found.append(pruner.fit(X, y).predict_proba(X))
        np.testing.assert_array_equal(*found)
    finally:
        np.random.set_state(before)  # noqa: NPY002


@pytest.mark.parametrize(("n_held_out", "by_class"), [(2, False), (3, True), (15, True)])
def test_rows_are_held_out_by_class_where_that_can_be(n_held_out, by_class):
    y = np.repeat([0, 1, 2], [12, 12, 6])
    for seed in range(20):
        held_out = hold_out(y, n_held_out, seed)
        assert held_out.sum() == n_held_out
        assert not by_class or set(y[held_out]) == set(y[~held_out]) == {0, 1, 2}
    np.testing.assert_array_equal(held_out, hold_out(y, n_held_out, seed))
