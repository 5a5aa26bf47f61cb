"""What all four pruners have in common with each other and with scikit-learn's estimators."""

import pickle

import numpy as np
import pytest
from joblib import parallel_config
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_friedman1
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from .conftest import ALL

pytestmark = [
    pytest.mark.filterwarnings("ignore:The cross-validated score of the selection"),
    pytest.mark.parametrize(("cls", "params"), ALL),
]


@pytest.fixture
def case(cls, params, data):
    """The pruner of a list of trees without seeds, a forest, and samples."""
    if "Regressor" in cls.__name__:
        tree, forest = DecisionTreeRegressor, RandomForestRegressor
        samples = make_friedman1(300, 12, noise=1.0, random_state=0)
    else:
        tree, forest, samples = DecisionTreeClassifier, RandomForestClassifier, data
    trees = [(f"t{d}", tree(max_depth=d, splitter="random")) for d in (2, 4, 6)]
    pruner = cls(trees, **(params | {"random_state": 3}))
    return pruner, forest(30, max_depth=6, random_state=0), *samples


def test_the_same_for_every_n_jobs_and_run(case):
    pruner, _, X, y = case
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    with parallel_config("threading"):
        fits = [clone(pruner).set_params(n_jobs=n).fit(X, y) for n in (None, 2, 1)]
    for other in fits[1:]:
        np.testing.assert_array_equal(other.weights_, fits[0].weights_)
        np.testing.assert_array_equal(other.predict(X), fits[0].predict(X))
        for name, values in getattr(fits[0], "cv_results_", {}).items():
            np.testing.assert_array_equal(other.cv_results_[name], values)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    another = clone(pruner).set_params(random_state=4).fit(X, y)
    assert (another.weights_ != fits[0].weights_).any()


def test_nothing_is_printed_unless_asked(case, capfd):
    pruner, _, X, y = case
    pruner.fit(X, y)
    assert capfd.readouterr() == ("", "")
    pruner.set_params(verbose=1).fit(X, y)
    printed = capfd.readouterr().out
    assert "kept" in printed
    if hasattr(pruner, "cv_results_"):
        assert f"scored {len(pruner.cv_results_['params'])} candidates on 3 folds" in printed


def test_frames_keep_their_names(case):
    pd = pytest.importorskip("pandas")
    pruner, forest, X, y = case
    frame, labels = pd.DataFrame(X).add_prefix("c"), pd.Series(y)
    for estimator in (pruner.estimator, forest):
        pruner.set_params(estimator=estimator).fit(frame, labels)
        assert list(pruner.feature_names_in_) == list(frame)
        np.testing.assert_array_equal(pruner.predict(frame), clone(pruner).fit(X, y).predict(X))
        with pytest.raises(ValueError, match="feature names"):
            pruner.predict(frame.rename(columns={"c0": "other"}))


def test_sparse_and_in_a_pipeline(case):
    pruner, forest, X, y = case
    pipe = make_pipeline(StandardScaler(), pruner.set_params(estimator=forest))
    assert cross_val_score(pipe, X, y, cv=3, error_score="raise").mean() > 0.5
    X = sparse.csr_array(np.maximum(X - 0.5, 0))
    np.testing.assert_allclose(pruner.fit(X, y).predict(X), pruner.predict(X.toarray()))


def test_in_a_grid_search_and_saved_without_the_dropped_members(case):
    pruner, forest, X, y = case
    forest.fit(X[:150], y[:150])
    pruner.set_params(estimator=FrozenEstimator(forest))
    search = GridSearchCV(pruner, {"max_members": [2, 5]}, cv=2, error_score="raise")
    best = search.fit(X[150:], y[150:]).best_estimator_
    assert best.n_members_ <= search.best_params_["max_members"]
    saved = pickle.dumps(best)
    assert len(saved) < len(pickle.dumps(forest)) / 2
    loaded = pickle.loads(saved)
    np.testing.assert_array_equal(loaded.predict(X), best.predict(X))
    assert str(loaded.explain()) == str(best.explain())
    assert getattr(loaded, "best_params_", None) == getattr(best, "best_params_", None)
    assert len(best.estimator.estimators_) == 30  # the one in memory is untouched
    with pytest.raises(ValueError, match="needs fitted members"):
        loaded.fit(X, y)
    # an unfitted pruner, on its way to a worker process, keeps its fitted members
    sent = pickle.loads(pickle.dumps(clone(best)))
    np.testing.assert_allclose(sent.fit(X[150:], y[150:]).weights_, best.weights_)


def test_not_fitted(case):
    pruner, _, X, _ = case
    methods = ["predict", "explain", "member_predict", "predict_proba", "member_predict_proba"]
    for method in methods:
        if hasattr(pruner, method):
            with pytest.raises(NotFittedError):
                getattr(pruner, method)(*([] if method == "explain" else [X]))


def test_rows_to_score_are_checked(case):
    pruner, forest, X, y = case
    forest.fit(X, y)
    pruner.set_params(estimator=FrozenEstimator(forest)).fit(X, y)

    def predictions_on(X, y):
        return pruner.predictions_on(forest, X, y)

    for method in (pruner.member_scores, predictions_on):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            method(X, y[:-1])
        with pytest.raises(ValueError, match="X has 5 features, but SOCP"):
            method(X[:, :5], y)
    assert len(pruner.member_scores(X, y)) == pruner.n_members_
    assert predictions_on(X, y).member_scores().max() > 0.5
