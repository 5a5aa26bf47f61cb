"""The main job: random CNNs, pruned, saved, and served in a new process."""

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split

from skprune import CNNSpace, RandomCNNEnsembleClassifier, SOCPEnsemblePruner

pytestmark = pytest.mark.keras

SPACE = CNNSpace(n_blocks=(1,), filters=(4,), dense_units=(10, 20), learning_rate=(1e-2, 2e-2))


def cnns(n, **params):
    return RandomCNNEnsembleClassifier(
        n, **{"space": SPACE, "epochs": 4, "random_state": 0, "batch_size": 32, **params}
    )


@pytest.fixture(scope="module")
def split():
    digits = load_digits(n_class=4)
    names = np.array(["zero", "one", "two", "three"])
    return train_test_split(digits.images, names[digits.target], random_state=0)


@pytest.fixture(scope="module")
def ensemble(split):
    X, _, y, _ = split
    return cnns(4).fit(X[:350], y[:350])


def test_images_of_every_layout_give_the_same_pruner(split, ensemble):
    X, X_test, y, y_test = split
    fits = []
    for shape in [(8, 8), (8, 8, 1), (64,)]:
        pruner = SOCPEnsemblePruner(FrozenEstimator(ensemble), threshold=0)
        pruner.fit(X[350:].reshape(-1, *shape).astype(np.uint8), y[350:])
        assert pruner.sample_shape_ == shape
        fits.append(pruner.predict_proba(X_test.reshape(-1, *shape)))
    np.testing.assert_array_equal(fits[0], fits[1])
    np.testing.assert_array_equal(fits[0], fits[2])
    assert (pruner.predict(X_test.reshape(-1, 64)) == y_test).mean() > 0.9


def test_what_a_grid_found_is_saved_without_the_dropped(split, ensemble, tmp_path):
    X, X_test, y, _ = split
    search = GridSearchCV(
        SOCPEnsemblePruner(FrozenEstimator(ensemble), memory=tmp_path / "cache"),
        {"lam": [0.05, 0.6]},
        cv=2,
    ).fit(X[350:], y[350:])
    pruner = search.best_estimator_
    joblib.dump(pruner, tmp_path / "pruner.joblib")
    joblib.dump(ensemble, tmp_path / "ensemble.joblib")
    sizes = [(tmp_path / f"{name}.joblib").stat().st_size for name in ("pruner", "ensemble")]
    assert sizes[0] < sizes[1] * pruner.n_members_ / 4 + 100_000
    loaded = joblib.load(tmp_path / "pruner.joblib")
    assert len(loaded.estimators_) == pruner.n_members_
    np.testing.assert_array_equal(loaded.predict_proba(X_test), pruner.predict_proba(X_test))


def test_a_grid_trains_each_network_once_a_fold_and_once_for_the_refit(split, tmp_path):
    X, _, y, _ = split
    pruner = SOCPEnsemblePruner(
        cnns(2, epochs=1, memory=tmp_path / "cnns"), memory=tmp_path / "pruner", random_state=0
    )
    grid = {"alpha": [0.3, 0.9], "lam": [0.1, 0.9]}
    GridSearchCV(pruner, grid, cv=2).fit(X[:200], y[:200])
    # two networks, two folds and the refit; not 2 x (4 x 2 + 1)
    assert len(list((tmp_path / "cnns").rglob("output.pkl"))) == 2 * 3


def test_networks_cost_their_weights(split, ensemble):
    X, _, y, _ = split
    pruner = SOCPEnsemblePruner(FrozenEstimator(ensemble), costs="parameters", penalty="l0")
    pruner.fit(X[350:], y[350:])
    counted = [sum(w.size for w in m.model_.get_weights()) for m in ensemble.estimators_]
    np.testing.assert_array_equal(pruner.explain().cost, counted)
