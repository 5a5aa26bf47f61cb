"""The paper's two tables, and the figure, against numbers computed by hand."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from skprune import SOCPEnsemblePruner
from skprune.inspection import PruningPathDisplay, pruning_report


@pytest.fixture(scope="module")
def split():
    X, y = load_digits(return_X_y=True)
    names = np.array([f"digit {d}" for d in range(10)])
    X, X_test, y, y_test = train_test_split(X, names[y], test_size=400, random_state=0)
    return *train_test_split(X, y, test_size=300, random_state=0), X_test, y_test


@pytest.fixture(scope="module", params=["soft", "hard"])
def fitted(request, split):
    X, X_cal, y, y_cal, *_ = split
    forest = RandomForestClassifier(30, max_depth=5, random_state=0).fit(X, y)
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest), voting=request.param)
    return forest, pruner.fit(X_cal, y_cal)


def by_hand(forest, pruner, X, y):
    """Accuracies of (full vote, each member), from the forest alone."""
    P = np.array([tree.predict_proba(X) for tree in forest.estimators_])
    members = (forest.classes_[P.argmax(axis=2)] == y).mean(axis=1)
    votes = P if pruner.voting == "soft" else np.eye(10)[P.argmax(axis=2)]
    return (forest.classes_[votes.sum(axis=0).argmax(axis=1)] == y).mean(), members


class TestReport:
    def test_on_test_rows(self, fitted, split):
        forest, pruner = fitted
        X, y = split[-2:]
        full, members = by_hand(forest, pruner, X, y)
        report = pruning_report(pruner, X, y)
        assert report.full_score == pytest.approx(full)
        assert report.pruned_score == pytest.approx(pruner.score(X, y))
        assert (report.n_full, report.n_pruned) == (30, pruner.n_members_)
        assert report.threshold == pruner.threshold_
        kept = members[pruner.support_]
        for summary, accuracy in [(report.full_members, members), (report.pruned_members, kept)]:
            assert summary.maximum == pytest.approx(accuracy.max())
            assert summary.mean == pytest.approx(accuracy.mean())
            assert summary.minimum == pytest.approx(accuracy.min())

    def test_on_calibration_rows_without_the_full_ensemble(self, fitted, split):
        pruner, X, y = fitted[1], split[1], split[3]
        here, there = pruning_report(pruner), pruning_report(pruner, X, y)
        assert (here.sample, there.sample) == ("calibration", "test")
        assert here.full_score == pytest.approx(there.full_score)
        assert here.pruned_score == pytest.approx(there.pruned_score)
        assert here.full_members.mean == pytest.approx(there.full_members.mean)

    def test_as_text_and_frames(self, fitted, split):
        pd = pytest.importorskip("pandas")
        report = pruning_report(fitted[1], *split[-2:])
        text = str(report)
        for value in (report.full_score, report.pruned_score, report.pruned_members.mean):
            assert f"{value:.2%}" in text
        assert "Table 1" in text
        assert "Table 2" in text
        votes, members = report.vote_table(), report.member_table()
        assert isinstance(votes, pd.DataFrame)
        assert votes.loc["accuracy", "full"] == report.full_score
        assert votes.loc["models", "pruned"] == report.n_pruned
        assert np.isnan(votes.loc["threshold", "full"])
        assert members.loc["minimum", "pruned"] == report.pruned_members.minimum
        assert list(members.index) == ["maximum", "mean", "minimum", "models"]

    def test_a_pruner_that_trained_its_members(self, split):
        X, _, y, _, X_test, y_test = split
        forest = RandomForestClassifier(20, max_depth=5, random_state=0)
        pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, y)
        assert pruning_report(pruner).n_full == 20
        with pytest.raises(ValueError, match="Pass the fitted full ensemble as ensemble="):
            pruning_report(pruner, X_test, y_test)
        report = pruning_report(pruner, X_test, y_test, ensemble=forest.fit(X, y))
        assert report.pruned_score > 0.5

    def test_another_ensemble_is_noticed(self, fitted, split):
        other = RandomForestClassifier(7, random_state=0).fit(split[0], split[2])
        with pytest.raises(ValueError, match="7 members, but the pruner chose among 30"):
            pruning_report(fitted[1], *split[-2:], ensemble=other)

    def test_wrong_input(self, fitted, split):
        with pytest.raises(NotFittedError):
            pruning_report(SOCPEnsemblePruner(RandomForestClassifier()))
        with pytest.raises(ValueError, match="does not know"):
            pruning_report(fitted[1], split[-2], np.full(400, "zebra"))
        with pytest.raises(ValueError, match="y must be given"):
            pruning_report(fitted[1], split[-2])


class TestPathDisplay:
    @pytest.fixture(autouse=True)
    def no_window(self):
        matplotlib = pytest.importorskip("matplotlib")
        matplotlib.use("agg")
        yield
        matplotlib.pyplot.close("all")

    def test_shows_path_choice_full_ensemble_and_best_member(self, fitted, split):
        forest, pruner = fitted
        X, y = split[-2:]
        full, members = by_hand(forest, pruner, X, y)
        display = PruningPathDisplay.from_estimator(pruner, X, y)
        assert display.full == (30, pytest.approx(full))
        assert display.chosen == (pruner.n_members_, pytest.approx(pruner.score(X, y)))
        assert display.best_member == pytest.approx(members.max())
        assert display.n_members[0] == 1
        assert (np.diff(display.n_members) > 0).all()
        # the last point is the unpenalised optimum
        w = pruner.path_.at(0.0)
        P = np.array([t.predict_proba(X) for t in forest.estimators_])
        votes = P if pruner.voting == "soft" else np.eye(10)[P.argmax(axis=2)]
        hits = forest.classes_[np.tensordot(w, votes, 1).argmax(axis=1)] == y
        assert display.accuracy[-1] == pytest.approx(hits.mean())
        labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
        assert len(labels) == 4
        assert display.figure_ is display.ax_.figure

    def test_calibration_rows_and_a_given_axis(self, fitted):
        import matplotlib.pyplot as plt

        _, ax = plt.subplots()
        display = PruningPathDisplay.from_estimator(fitted[1], ax=ax, color="k")
        assert display.ax_ is ax
        assert ax.lines[0].get_color() == "k"
        assert "calibration" in ax.get_ylabel()
        again = display.plot()
        assert again.ax_ is not ax
