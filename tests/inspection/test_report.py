"""The paper's two tables, and the figure of the path, against numbers computed by hand."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import train_test_split

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)
from skprune.inspection import PruningPathDisplay, ReliabilityDisplay, pruning_report


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


@pytest.fixture(scope="module")
def targets():
    X, y = load_diabetes(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=120, random_state=0)
    return *train_test_split(X, y, test_size=140, random_state=0), X_test, y_test


@pytest.fixture(scope="module", params=["single", "cv"])
def fitted_regressor(request, targets):
    X, X_cal, y, y_cal, *_ = targets
    forest = RandomForestRegressor(25, max_depth=5, random_state=0).fit(X, y)
    members = FrozenEstimator(forest)
    if request.param == "single":
        return forest, SOCPEnsemblePrunerRegressor(members).fit(X_cal, y_cal)
    pruner = SOCPEnsemblePrunerRegressorCV(
        members, alphas=[0.9], lams=[0.05, 0.3], inner_cv=3, n_resamples=4, random_state=0
    )
    return forest, pruner.fit(X_cal, y_cal)


def regressors_by_hand(forest, fit_rows, X, y):
    """R^2 of (mean of all with the intercept of the calibration rows, each member)."""
    X_cal, y_cal = fit_rows
    members = np.array([r2_score(y, tree.predict(X)) for tree in forest.estimators_])
    mean = np.mean([tree.predict(X) for tree in forest.estimators_], axis=0)
    on_cal = np.mean([tree.predict(X_cal) for tree in forest.estimators_], axis=0)
    return r2_score(y, mean + y_cal.mean() - on_cal.mean()), members


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
        assert report.threshold == pruner.threshold_ == 0.0
        assert report.score_name == "accuracy"
        kept = members[pruner.support_]
        for summary, accuracy in [(report.full_members, members), (report.pruned_members, kept)]:
            assert summary.maximum == pytest.approx(accuracy.max())
            assert summary.mean == pytest.approx(accuracy.mean())
            assert summary.minimum == pytest.approx(accuracy.min())

    def test_log_loss_and_calibration_error(self, fitted, split, plt):
        forest, pruner = fitted
        X, y = split[-2:]
        report = pruning_report(pruner, X, y)
        P = np.array([tree.predict_proba(X) for tree in forest.estimators_])
        votes = P if pruner.voting == "soft" else np.eye(10)[P.argmax(axis=2)]
        assert report.full_log_loss == pytest.approx(log_loss(y, votes.mean(axis=0)))
        assert report.pruned_log_loss == pytest.approx(log_loss(y, pruner.predict_proba(X)))
        shown = ReliabilityDisplay.from_estimator(pruner, X, y)
        errors = [report.full_calibration_error, report.pruned_calibration_error]
        np.testing.assert_allclose(errors, shown.calibration_error, atol=1e-12)
        lines = [line.split() for line in str(report).splitlines()]
        logs = [f"{report.full_log_loss:.4f}", f"{report.pruned_log_loss:.4f}"]
        assert ["Test", "log", "loss", *logs] in lines
        assert ["Test", "calibration", "error", *(f"{error:.2%}" for error in errors)] in lines
        assert pruning_report(pruner).full_log_loss is None

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
        assert "Table 1. Vote of the members" in text
        assert "Threshold                         N/A            0.000" in text
        assert "log loss" not in str(pruning_report(fitted[1]))
        assert "Table 2" in text
        votes, members = report.vote_table(), report.member_table()
        assert isinstance(votes, pd.DataFrame)
        assert votes.loc["accuracy", "full"] == report.full_score
        assert votes.loc["models", "pruned"] == report.n_pruned
        assert np.isnan(votes.loc["threshold", "full"])
        assert votes.loc["log loss", "pruned"] == report.pruned_log_loss
        assert votes.loc["calibration error", "full"] == report.full_calibration_error
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
        with pytest.raises(ValueError, match="y has classes that the fitted members do not know"):
            pruning_report(fitted[1], split[-2], np.full(400, "zebra"))
        with pytest.raises(ValueError, match="y must be given"):
            pruning_report(fitted[1], split[-2])


class TestRegressors:
    @pytest.mark.parametrize("rows", ["calibration", "test"])
    def test_report(self, fitted_regressor, targets, rows):
        forest, pruner = fitted_regressor
        X, y = (targets[1], targets[3]) if rows == "calibration" else targets[-2:]
        report = pruning_report(pruner, *(() if rows == "calibration" else (X, y)))
        full, members = regressors_by_hand(forest, (targets[1], targets[3]), X, y)
        assert (report.sample, report.score_name) == (rows, "R^2")
        assert report.full_score == pytest.approx(full)
        assert report.pruned_score == pytest.approx(pruner.score(X, y))
        assert report.full_members.maximum == pytest.approx(members.max())
        assert report.full_members.mean == pytest.approx(members.mean())
        assert report.pruned_members.minimum == pytest.approx(members[pruner.support_].min())
        assert f"{rows.capitalize()} R^2" in str(report)
        assert f"{report.pruned_score:.4f}" in str(report)
        assert "%" not in str(report)
        assert "log loss" not in str(report)

    def test_table_is_named_after_the_score(self, fitted_regressor):
        pytest.importorskip("pandas")
        report = pruning_report(fitted_regressor[1])
        assert report.vote_table().loc["R^2", "pruned"] == report.pruned_score

    def test_members_trained_here_need_the_ensemble(self, targets):
        X, _, y, _, X_test, y_test = targets
        forest = RandomForestRegressor(15, max_depth=5, random_state=0)
        pruner = SOCPEnsemblePrunerRegressor(forest, random_state=0).fit(X, y)
        with pytest.raises(ValueError, match="Pass the fitted full ensemble as ensemble="):
            pruning_report(pruner, X_test, y_test)
        report = pruning_report(pruner, X_test, y_test, ensemble=forest.fit(X, y))
        assert report.n_full == 15
        assert report.pruned_score == pytest.approx(pruner.score(X_test, y_test))

    def test_several_targets(self, targets):
        X, X_cal, y, y_cal, *_ = targets
        forest = RandomForestRegressor(10, max_depth=4, random_state=0)
        forest.fit(X, np.column_stack([y, -y]))
        both = np.column_stack([y_cal, -y_cal])
        pruner = SOCPEnsemblePrunerRegressor(FrozenEstimator(forest)).fit(X_cal, both)
        here, there = pruning_report(pruner), pruning_report(pruner, X_cal, both)
        assert here.full_score == pytest.approx(there.full_score)
        assert here.pruned_score == pytest.approx(pruner.score(X_cal, both))
        assert here.full_members.mean == pytest.approx(there.full_members.mean)

    @pytest.mark.parametrize("rows", ["calibration", "test"])
    def test_path_display(self, fitted_regressor, targets, rows, axes):
        forest, pruner = fitted_regressor
        X, y = (targets[1], targets[3]) if rows == "calibration" else targets[-2:]
        given = () if rows == "calibration" else (X, y)
        display = PruningPathDisplay.from_estimator(pruner, *given, ensemble=forest, ax=axes)
        full, members = regressors_by_hand(forest, (targets[1], targets[3]), X, y)
        assert display.full == (25, pytest.approx(full))
        assert display.chosen == (pruner.n_members_, pytest.approx(pruner.score(X, y)))
        assert display.best_member == pytest.approx(members.max())
        assert axes.get_ylabel() == f"$R^2$ on {rows} rows"
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert f"best single member: {members.max():.3f}" in labels


class TestPathDisplay:
    def test_shows_path_choice_full_ensemble_and_best_member(self, fitted, split, plt):
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
        assert display.score[-1] == pytest.approx(hits.mean())
        labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
        assert len(labels) == 4
        assert display.figure_ is display.ax_.figure

    def test_calibration_rows_and_a_given_axis(self, fitted, plt):
        _, ax = plt.subplots()
        display = PruningPathDisplay.from_estimator(fitted[1], ax=ax, color="k")
        assert display.ax_ is ax
        assert ax.lines[0].get_color() == "k"
        assert "calibration" in ax.get_ylabel()
        again = display.plot()
        assert again.ax_ is not ax
