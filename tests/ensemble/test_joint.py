"""Predicting with all members by one compiled function."""

import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator

from skprune import SOCPEnsemblePruner
from skprune._keras import _joint_prediction, joint_prediction, record_eager_time
from skprune.ensemble import _forward, _member
from skprune.exceptions import UnsupportedMemberError
from skprune.serving import fuse

pytestmark = pytest.mark.keras


@pytest.fixture
def ensemble(fitted):
    """A copy that has not predicted yet."""
    return pickle.loads(pickle.dumps(fitted))


@pytest.fixture
def compiled(monkeypatch):
    """Compile at once, and count how often."""
    made = []
    real = _forward.JointCNNs

    def counted(*args):
        made.append(len(args[0]))
        return real(*args)

    monkeypatch.setattr(_member, "_SECONDS_TO_COMPILE", 0.0)
    monkeypatch.setattr(_member, "JointCNNs", counted)
    return made


def test_joint_prediction_equals_the_members(fitted, digits, compiled):
    """To the last bit or so: the same operations, in a graph."""
    one_by_one = np.stack([m.predict_proba(digits[0][..., None]) for m in fitted.estimators_])
    ensemble = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_allclose(ensemble.member_predict_proba(digits[0]), one_by_one, rtol=1e-6)
    np.testing.assert_allclose(
        ensemble.predict_proba(digits[0]), one_by_one.mean(axis=0), rtol=1e-6
    )
    for n in (1, 2, 17):  # batches of other sizes need no other function
        ensemble.predict(digits[0][:n])
    assert compiled == [2]


def test_it_is_compiled_once_that_pays(ensemble, digits, monkeypatch):
    made = []
    real = _forward.JointCNNs
    monkeypatch.setattr(_member, "JointCNNs", lambda *a: made.append(1) or real(*a))
    ensemble.predict(digits[0])
    assert not made
    for member in ensemble.estimators_:
        record_eager_time(member, _member._SECONDS_TO_COMPILE)
    first = ensemble.predict_proba(digits[0])
    assert made == [1]
    np.testing.assert_array_equal(ensemble.predict_proba(digits[0]), first)
    assert made == [1]


def test_batches_are_bounded(ensemble, digits, compiled, monkeypatch):
    expected = ensemble.predict_proba(digits[0])
    twin = pickle.loads(pickle.dumps(ensemble))
    monkeypatch.setattr(_joint_prediction, "_BYTES", 4 * 64 * 4 * 8)
    monkeypatch.setattr(_joint_prediction, "_FEWEST_ROWS", 8)
    np.testing.assert_allclose(twin.predict_proba(digits[0]), expected, rtol=1e-6)
    joint = vars(twin.estimators_[0])[_joint_prediction._COMPILED][0].function
    assert [rows for _, rows in joint._groups] == [8, 8]


def test_a_member_that_is_trained_again_predicts_with_its_new_weights(ensemble, digits, compiled):
    X, y = digits
    before = ensemble.predict_proba(X)
    codes = np.searchsorted(ensemble.classes_, y)
    ensemble.estimators_[1].fit(X[..., None].astype(np.float32), codes)
    expected = np.mean([m.predict_proba(X[..., None]) for m in ensemble.estimators_], axis=0)
    found = ensemble.predict_proba(X)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert np.abs(found - before).max() > 1e-3


def test_a_replaced_member_is_not_predicted(ensemble, digits, compiled):
    ensemble.predict_proba(digits[0])
    ensemble.estimators_[1] = ensemble.estimators_[0]
    np.testing.assert_allclose(
        ensemble.predict_proba(digits[0]),
        ensemble.estimators_[0].predict_proba(digits[0][..., None]),
        rtol=1e-6,
    )
    assert compiled == [2, 2]


def test_it_is_released_with_the_members(fitted, digits, compiled):
    ensemble = pickle.loads(pickle.dumps(fitted))
    ensemble.predict(digits[0])
    joint = weakref.ref(vars(ensemble.estimators_[0])[_joint_prediction._COMPILED][0].function)
    assert joint() is not None
    del ensemble
    gc.collect()
    assert joint() is None


def test_few_functions_are_kept(ensemble, digits, compiled, caplog):
    first = ensemble.estimators_[0]
    for _ in range(10):
        ensemble.estimators_[1] = pickle.loads(pickle.dumps(ensemble.estimators_[1]))
        ensemble.predict(digits[0][:2])
    assert len(compiled) == 10
    assert len(vars(first)[_joint_prediction._COMPILED]) == _joint_prediction._MOST_COMPILED
    assert not caplog.records  # TensorFlow finds that too much is traced


def test_recorded_time_is_reset(ensemble, digits, monkeypatch):
    """So that lists that share members do not all compile for the same time."""
    made = []
    real = _forward.JointCNNs
    monkeypatch.setattr(_member, "JointCNNs", lambda *a: made.append(len(a[0])) or real(*a))
    for member in ensemble.estimators_:
        record_eager_time(member, _member._SECONDS_TO_COMPILE)
    assert joint_prediction(ensemble.estimators_) is not None
    assert joint_prediction(ensemble.estimators_[::-1]) is None
    assert joint_prediction(ensemble.estimators_) is not None
    assert made == [2]


def test_threads_compile_once(ensemble, digits, compiled):
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ensemble.predict_proba, [digits[0]] * 16))
    assert compiled == [2]
    for p in found:
        np.testing.assert_array_equal(p, found[0])


def test_changed_parameters_are_used(ensemble, digits, compiled):
    before = ensemble.predict_proba(digits[0])
    ensemble.estimators_[1].set_params(scale=3.0)
    found = ensemble.predict_proba(digits[0])
    expected = np.mean(
        [m.predict_proba(digits[0][..., None]) for m in ensemble.estimators_], axis=0
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert np.abs(found - before).max() > 1e-3


def test_a_subclass_predicts_itself(ensemble, digits, compiled):
    """It may do more than its network."""

    class Own(_member.CNNMember):
        def predict_proba(self, X, **kwargs):
            return super().predict_proba(X)[:, ::-1]

    for i, member in enumerate(ensemble.estimators_):
        own = Own(**member.get_params(deep=False))
        own.__setstate__(member.__getstate__())
        ensemble.estimators_[i] = own
    assert joint_prediction(ensemble.estimators_) is None
    with pytest.raises(UnsupportedMemberError, match=r"member_0 \(Own\) says something else"):
        fuse(ensemble)


def test_a_pruner_predicts_with_it(ensemble, digits, compiled):
    X, y = digits
    pruner = SOCPEnsemblePruner(FrozenEstimator(ensemble), voting="soft", lam=0.0).fit(X, y)
    assert compiled == [2]
    expected = sum(
        weight * member.predict_proba(X[..., None])
        for weight, member in zip(pruner.weights_[pruner.support_], pruner.estimators_, strict=True)
    )
    np.testing.assert_allclose(pruner.predict_proba(X), expected, rtol=1e-6)
    flat = pickle.loads(pickle.dumps(pruner))
    assert b"_skprune_compiled" not in pickle.dumps(pruner)
    np.testing.assert_allclose(flat.predict_proba(X), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="NaN"):
        pruner.predict(np.full((2, 8, 8), np.nan))


class Other(ClassifierMixin, BaseEstimator):
    pass


def test_members_of_several_classes_are_predicted_one_by_one(ensemble):
    assert joint_prediction([*ensemble.estimators_, Other()]) is None
    assert joint_prediction([Other(), Other()]) is None
