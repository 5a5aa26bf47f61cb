"""Training once for a whole grid, and metadata on its way to the members."""

import numpy as np
import pytest
import sklearn
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skprune import SOCPEnsemblePruner

from .conftest import CountingBag


def test_other_data_or_parameters_are_trained_again(data, tmp_path):
    X, y = data
    log = tmp_path / "trainings"

    def fit(X, sample_weight=None, **params):
        bag = CountingBag(log=log, n_estimators=params.pop("n_estimators", 4))
        SOCPEnsemblePruner(bag, memory=tmp_path / "cache", random_state=0, **params).fit(
            X, y, sample_weight
        )
        return len(log.read_text().splitlines())

    assert fit(X) == 1
    assert fit(X.copy(), lam=0.5, alpha=0.2, threshold=0.1, voting="hard") == 1
    assert fit(X + 1e-9) == 2
    assert fit(X, cv=0.3) == 3
    assert fit(X, n_estimators=5) == 4
    assert fit(X, sample_weight=np.ones(len(y))) == 5


def test_the_same_rows_in_other_folds_are_another_calibration(data, tmp_path):
    """The same training sets and the same rows in a row, but of other members' folds."""
    X, y = data
    train, test = np.arange(100), np.arange(100, len(y))
    fits = []
    for cut in (20, len(test) - 20):
        cv = [(train[:60], test[:cut]), (train[40:], test[cut:])]
        for memory in (None, str(tmp_path)):
            pruner = SOCPEnsemblePruner(BaggingClassifier(n_estimators=5, random_state=0), cv=cv)
            pruner.set_params(random_state=0)
            fits.append(pruner.set_params(memory=memory).fit(X, y).weights_)
    np.testing.assert_array_equal(fits[0], fits[1])
    np.testing.assert_array_equal(fits[2], fits[3])
    assert np.abs(fits[0] - fits[2]).max() > 1e-3


class OnABackEnd(BaggingClassifier):
    """As an ensemble of networks, of which another back end would train others."""

    back_end = "one"
    n_fits = 0

    def __skprune_training_key__(self):
        return OnABackEnd.back_end

    def fit(self, X, y, sample_weight=None):
        OnABackEnd.n_fits += 1
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize("wrapped", [False, True])
def test_another_back_end_trains_again(wrapped, data, tmp_path, monkeypatch):
    ensemble = OnABackEnd(n_estimators=3, random_state=0)
    estimator = [("a", make_pipeline(ensemble)), ("b", GaussianNB())] if wrapped else ensemble
    pruner = SOCPEnsemblePruner(estimator, memory=str(tmp_path), random_state=0)
    counts = []
    monkeypatch.setattr(OnABackEnd, "n_fits", 0)
    for back_end in ("one", "two", "one"):
        monkeypatch.setattr(OnABackEnd, "back_end", back_end)
        pruner.fit(*data)
        counts.append(OnABackEnd.n_fits)
    assert counts == [counts[0], 2 * counts[0], 2 * counts[0]]


def test_memory_without_a_seed_warns(data, tmp_path):
    with pytest.warns(UserWarning, match="With memory set, pass an integer random_state"):
        SOCPEnsemblePruner(BaggingClassifier(n_estimators=3), memory=tmp_path).fit(*data)


class TestSampleWeight:
    def test_reaches_members_and_calibration(self, numbered, diary):
        X, y = numbered
        weight = np.random.RandomState(0).rand(len(y))
        members = [("a", diary(2)), ("b", diary(3))]
        pruner = SOCPEnsemblePruner(members, random_state=0, threshold=0).fit(X, y, weight)
        for member in pruner.estimators_:
            rows = sorted(member.trained_on_)
            np.testing.assert_array_equal(member.weight_, weight[rows])
        plain = SOCPEnsemblePruner(members, random_state=0, threshold=0).fit(X, y)
        assert not np.allclose(plain.weights_, pruner.weights_)

    def test_zero_weight_rows_do_not_count_in_calibration(self, data):
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.frozen import FrozenEstimator

        X, y = data
        forest = FrozenEstimator(RandomForestClassifier(9, random_state=0).fit(X[:200], y[:200]))
        weight = np.ones(200)
        weight[150:] = 0
        weighted = SOCPEnsemblePruner(forest).fit(X[200:], y[200:], weight)
        fewer = SOCPEnsemblePruner(forest).fit(X[200:350], y[200:350])
        np.testing.assert_allclose(weighted.weights_, fewer.weights_, atol=1e-9)

    def test_members_that_take_none_are_named(self, data):
        members = [("knn", KNeighborsClassifier()), ("tree", DecisionTreeClassifier(max_depth=3))]
        with pytest.warns(UserWarning, match="KNeighborsClassifier takes no sample_weight"):
            SOCPEnsemblePruner(members, random_state=0).fit(*data, np.ones(400))

    def test_all_zero_or_negative_weights_are_refused(self, data):
        pruner = SOCPEnsemblePruner([("a", DecisionTreeClassifier())])
        with pytest.raises(ValueError, match=r"[Ww]eight"):
            pruner.fit(*data, np.zeros(400))
        with pytest.raises(ValueError, match=r"[Nn]egative"):
            pruner.fit(*data, np.full(400, -1.0))


class TestRouting:
    @pytest.fixture(autouse=True)
    def on(self):
        with sklearn.config_context(enable_metadata_routing=True):
            yield

    def test_sample_weight_goes_where_it_is_requested(self, numbered, diary):
        X, y = numbered
        weight = np.random.RandomState(0).rand(len(y))
        members = [
            ("a", diary(2).set_fit_request(sample_weight=True)),
            ("b", diary(3).set_fit_request(sample_weight=False)),
        ]
        pruner = SOCPEnsemblePruner(members, random_state=0, threshold=0, lam=0.0)
        pruner.set_fit_request(sample_weight=True).fit(X, y, sample_weight=weight)
        given = {m.max_depth: m.weight_ is not None for m in pruner.estimators_}
        assert given == {2: True, 3: False}

    def test_through_a_grid_search(self, data):
        bag = BaggingClassifier(
            DecisionTreeClassifier(max_depth=3).set_fit_request(sample_weight=True),
            n_estimators=5,
            random_state=0,
        ).set_fit_request(sample_weight=True)
        pruner = SOCPEnsemblePruner(bag, random_state=0)
        pruner.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(pruner, {"lam": [0.1, 0.5]}, cv=3)
        search.fit(*data, sample_weight=np.random.RandomState(0).rand(400))
        assert search.best_estimator_.n_members_ >= 1

    def test_a_weight_that_no_member_requests_is_refused(self, data):
        pruner = SOCPEnsemblePruner([("a", LogisticRegression())], random_state=0)
        with pytest.raises(ValueError, match="sample_weight"):
            pruner.fit(*data, sample_weight=np.ones(400))
