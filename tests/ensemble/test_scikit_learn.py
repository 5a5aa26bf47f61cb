import numpy as np
import pytest
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import (
    check_classifiers_train,
    check_estimators_pickle,
    check_fit_idempotent,
    parametrize_with_checks,
)

from skprune.ensemble import CNNSpace, RandomCNNEnsembleClassifier, _training

from .random_features import member_by_its_last_layer

pytestmark = pytest.mark.keras


def test_pipeline_and_stratified_cross_validation(tiny, digits):
    X, y = digits
    order = np.argsort(y, kind="stable")
    pipeline = make_pipeline(MinMaxScaler(), tiny(1, image_shape=(8, 8), epochs=6))
    # Sorted by label, so that folds without stratification would lack whole classes.
    scores = cross_val_score(pipeline, X.reshape(90, 64)[order], y[order], cv=2)
    assert scores.min() > 0.5


def test_grid_search_in_a_process_of_its_own(tiny, digits, tmp_path):
    """It finds the member that is trained here; training it there takes as long again."""
    X, y = digits
    memory = str(tmp_path)
    tiny(1, epochs=6, memory=memory).fit(X[::2], y[::2])
    (member,) = tmp_path.rglob("output.pkl")
    halves = [(np.arange(0, 90, 2), np.arange(1, 90, 2))]
    search = GridSearchCV(
        tiny(1, memory=memory), {"epochs": [6]}, cv=halves, n_jobs=2, refit=False,
        error_score="raise",
    )  # fmt: skip
    assert search.fit(X, y).cv_results_["mean_test_score"][0] > 0.5
    assert list(tmp_path.rglob("output.pkl")) == [member]


def test_voting_classifier(tiny, digits):
    X, y = digits
    names = np.array(["zero", "one", "two"])
    voting = VotingClassifier(
        [("cnn", tiny(1, image_shape=(8, 8))), ("tree", DecisionTreeClassifier(random_state=0))],
        voting="soft",
    ).fit(X.reshape(90, 64), names[y])
    assert voting.score(X.reshape(90, 64), names[y]) > 0.8


CHECKED = RandomCNNEnsembleClassifier(
    1,
    space=CNNSpace(
        n_blocks=[1],
        filters=[4],
        pooling=["max"],
        dense_units=[20],
        dropout=[0.0],
        learning_rate=(1e-2, 1e-2),
    ),
    epochs=5,
    batch_size=16,
    validation_fraction=None,
    random_state=0,
)

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "In stochastic gradient descent a row of weight 2 is in one step of an epoch, a row that "
        "stands twice in two. Rows of weight 0 are as if absent, and tested elsewhere."
    ),
}


# What training comes to; the other checks look at names, shapes, types and errors.
OF_TRAINING = check_classifiers_train, check_fit_idempotent, check_estimators_pickle


@parametrize_with_checks([CHECKED], expected_failed_checks=lambda estimator: EXPECTED_FAILURES)
def test_estimator_checks(estimator, check, monkeypatch):
    if check.func not in OF_TRAINING:
        monkeypatch.setattr(_training, "run_in_worker", member_by_its_last_layer)
    check(estimator)
