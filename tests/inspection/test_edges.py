"""Options of the displays that few ask for, and searches that score in ways of their own."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV

from skprune import PruningAmountOptimizer, SOCPEnsemblePruner
from skprune.inspection import AmountFrontierDisplay, ImportanceAmountDisplay
from skprune.inspection._amounts import check_column
from skprune.inspection._candidates import Candidates, _score_name


def test_points_take_colours_of_the_users_own(plt):
    """matplotlib refuses ``c`` beside ``color``."""
    values = np.arange(3.0)
    frontier = AmountFrontierDisplay(
        amounts=np.zeros((3, 1)),
        size=[3, 1, 2],
        accuracy=[5, 1, 4],
        chosen=(1, 1),
        chosen_amount=[0],
    )
    views = ImportanceAmountDisplay(importance=[0, 0.5, 1], amounts=[0.8, 0.4, 0], names="abc")
    for shown in (frontier, views):
        drawn = shown.plot(ax=plt.subplots()[1], c=values).ax_.collections
        assert any(np.array_equal(each.get_array(), values) for each in drawn)


def test_a_column_has_a_number_and_a_name():
    pd = pytest.importorskip("pandas")
    amounts = pd.DataFrame(np.random.default_rng(0).random((30, 2)), columns=["conv", "dense"])
    accuracy = 0.9 - 0.2 * amounts["conv"].to_numpy() - 0.1 * amounts["dense"].to_numpy()
    optimizer = PruningAmountOptimizer(accuracy_curve="linear", n_restarts=0, random_state=0)
    optimizer.fit(amounts, accuracy)
    assert [check_column(optimizer, name) for name in ("conv", "dense", 0, np.int64(1))] == (
        [0, 1, 0, 1]
    )
    for wrong in ("pool", 2, -1, True, None):
        with pytest.raises(ValueError, match=r"one of 0 to 1, or one of \['conv', 'dense'\]; got"):
            check_column(optimizer, wrong)


@pytest.mark.parametrize(
    ("estimator", "scoring", "name"),
    [
        (LogisticRegression(), None, "accuracy"),
        (LinearRegression(), None, "R^2"),
        (GaussianMixture(), None, "score"),
        (LogisticRegression(), "roc_auc", "roc_auc"),
        (LogisticRegression(), lambda estimator, X, y: 1.0, "score"),
    ],
)
def test_the_score_of_a_search_is_called_by_what_it_is(estimator, scoring, name):
    assert _score_name(GridSearchCV(estimator, {}, scoring=scoring)) == name


def test_a_search_by_several_scores_must_say_which_one_counts():
    forest = RandomForestClassifier(4, max_depth=2, random_state=0)
    grid = {"alpha": [0.8, 0.9], "lam": [0.1, 0.3]}
    scores = ["accuracy", "neg_log_loss"]
    search = GridSearchCV(
        SOCPEnsemblePruner(forest, random_state=0), grid, scoring=scores, refit=False, cv=2
    )
    search.fit(*load_iris(return_X_y=True))
    with pytest.raises(ValueError, match=r"several scores\. Name the one to show with refit="):
        Candidates(search)
    search.refit = "neg_log_loss"
    candidates = Candidates(search)
    assert candidates.score_name == "neg_log_loss"
    expected = search.cv_results_["mean_test_neg_log_loss"]
    np.testing.assert_array_equal(candidates.score, expected)
    search.cv_results_["mean_test_neg_log_loss"] = np.full(4, np.nan)
    with pytest.raises(ValueError, match="No candidate of the search has a score"):
        Candidates(search).rows()
