"""What the figures show is what the pruner holds, and nothing on them overlaps."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, ValidationCurveDisplay
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skprune import SOCPEnsemblePruner, SOCPEnsemblePrunerCV, SOCPEnsemblePrunerRegressor
from skprune.inspection import (
    AccuracyDiversityDisplay,
    PruningPathDisplay,
    ScoreGridDisplay,
    SelectionFrequencyDisplay,
    WeightPathDisplay,
    pruning_report,
)
from skprune.inspection._drawing import shortened, spread

DISPLAYS = [
    AccuracyDiversityDisplay,
    ScoreGridDisplay,
    SelectionFrequencyDisplay,
    WeightPathDisplay,
]
MEMBERS = [
    ("naive Bayes", GaussianNB()),
    ("stump", DecisionTreeClassifier(max_depth=1, random_state=0)),
    ("tree", DecisionTreeClassifier(random_state=0)),
    ("neighbours", KNeighborsClassifier()),
    ("a member whose name is far too long", KNeighborsClassifier(30)),
    ("small tree", DecisionTreeClassifier(max_depth=4, random_state=0)),
]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:900], y[:900]


@pytest.fixture(scope="module")
def forest(digits):
    X, y = digits
    return RandomForestClassifier(45, max_depth=6, random_state=0).fit(X[:500], y[:500])


@pytest.fixture(scope="module")
def pruner(digits, forest):
    X, y = digits
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest), voting="soft", lam=0.2)
    return pruner.fit(X[500:], y[500:])


@pytest.fixture(scope="module")
def searched(digits, forest):
    X, y = digits
    return SOCPEnsemblePrunerCV(
        FrozenEstimator(forest),
        alphas=[0.8, 1.0],
        lams=[0.05, 0.3, 0.5],
        thresholds=[0.05, 0.2],
        reweights=["none", 0.5],
        inner_cv=3,
        n_resamples=4,
        random_state=0,
    ).fit(X[500:], y[500:])


@pytest.fixture(scope="module")
def pool(digits, forest):
    """A logarithmic pool, whose weights are exponents."""
    X, y = digits
    return SOCPEnsemblePrunerCV(
        FrozenEstimator(forest),
        lams=[0.05, 0.3],
        reweights=["relaxed"],
        inner_cv=3,
        n_resamples=2,
        voting="log",
        fit_intercept=True,
        max_members=12,
        random_state=0,
    ).fit(X[500:], y[500:])


@pytest.fixture(scope="module")
def named(digits):
    return SOCPEnsemblePruner(MEMBERS, lam=0.1, random_state=0).fit(*digits)


@pytest.fixture(scope="module")
def regressor():
    X, y = load_diabetes(return_X_y=True)
    forest = RandomForestRegressor(20, random_state=0)
    return SOCPEnsemblePrunerRegressor(forest, random_state=0).fit(X, y)


def labels_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def texts_of(ax):
    return [text.get_text() for text in ax.texts]


def boxes_of(texts):
    from matplotlib.text import Text

    texts[0].figure.draw_without_rendering()
    return [Text.get_window_extent(text) for text in texts]


def overlapping(boxes):
    return [(i, j) for j, b in enumerate(boxes) for i in range(j) if boxes[i].overlaps(b)]


@pytest.mark.parametrize("display", DISPLAYS)
class TestEveryDisplay:
    def test_on_given_axes_and_again(self, display, searched, plt):
        ax = plt.subplots(layout="constrained")[1]
        shown = display.from_estimator(searched, ax=ax)
        assert shown.ax_ is ax
        assert shown.figure_ is ax.figure
        again = shown.plot()
        assert again is shown
        assert again.ax_ is not ax
        assert ax.get_xlabel() == again.ax_.get_xlabel() != ""
        assert ax.get_ylabel() == again.ax_.get_ylabel() != ""

    def test_not_fitted(self, display):
        with pytest.raises(NotFittedError):
            display.from_estimator(SOCPEnsemblePrunerCV(RandomForestClassifier()))

    def test_of_the_wrong_kind(self, display, forest):
        with pytest.raises(TypeError, match=r"RandomForestClassifier has no .*SOCPEnsemblePruner"):
            display.from_estimator(forest)
        with pytest.raises(TypeError, match="not an estimator"):
            display.from_estimator(3)

    def test_without_matplotlib(self, display, searched, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
        with pytest.raises(ImportError, match=r"skprune\[report\]"):
            display.from_estimator(searched)


@pytest.mark.parametrize("display", [*DISPLAYS, PruningPathDisplay])
def test_of_a_logarithmic_pool(display, pool, axes):
    shown = display.from_estimator(pool, ax=axes)
    assert "mean" not in axes.get_xlabel()
    if hasattr(shown, "weight"):
        np.testing.assert_array_equal(shown.weight, pool.weights_)
        assert shown.kept.sum() == pool.n_members_ <= 12
    assert len(axes.get_children()) > 5


def test_figures_of_a_logarithmic_pool_are_those_of_its_predictions(digits, forest, pool, axes):
    X, y = digits[0][500:], digits[1][500:]
    assert pool.weights_.sum() > 1.2  # exponents
    logs = np.log(np.maximum([tree.predict_proba(X) for tree in forest.estimators_], 1e-3))
    votes = np.tensordot(pool.weights_, logs, 1) + pool.intercept_
    accuracy = (votes.argmax(axis=1) == y).mean()
    full = (logs.sum(axis=0).argmax(axis=1) == y).mean()
    for rows in ((), (X, y)):
        shown = PruningPathDisplay.from_estimator(pool, *rows, ax=axes)
        assert shown.chosen == (pool.n_members_, pytest.approx(accuracy))
        assert shown.full == (45, pytest.approx(full))
        report = pruning_report(pool, *rows)
        assert (report.pruned_score, report.full_score) == pytest.approx((accuracy, full))
    pooled = np.exp(logs.mean(axis=0))
    pooled /= pooled.sum(axis=1, keepdims=True)
    assert report.full_log_loss == pytest.approx(log_loss(y, pooled))
    assert report.pruned_log_loss == pytest.approx(log_loss(y, pool.predict_proba(X)))
    np.testing.assert_array_equal(pool.explain().weight, pool.weights_)


@pytest.mark.parametrize("display", [ScoreGridDisplay, SelectionFrequencyDisplay])
def test_pruners_that_do_not_search(display, pruner):
    with pytest.raises(TypeError, match=r"SOCPEnsemblePruner has no .*SOCPEnsemblePrunerCV"):
        display.from_estimator(pruner)


class TestAccuracyDiversity:
    def test_arrays_are_those_of_explain(self, pruner, axes):
        table = pruner.explain()
        shown = AccuracyDiversityDisplay.from_estimator(pruner, ax=axes)
        for name in ("diversity", "score", "weight", "kept"):
            np.testing.assert_array_equal(getattr(shown, name), getattr(table, name))
        assert shown.names == table.names
        dropped, kept = axes.collections
        np.testing.assert_allclose(
            np.sort(dropped.get_offsets()[:, 0]), np.sort(table.diversity[~table.kept])
        )
        assert len(kept.get_offsets()) == pruner.n_members_
        assert labels_of(axes) == [
            f"dropped: {45 - pruner.n_members_}",
            f"kept: {pruner.n_members_}, area by weight",
        ]
        assert axes.get_ylabel() == "Accuracy alone (calibration rows)"

    def test_area_is_in_proportion_to_weight(self, pruner, axes):
        shown = AccuracyDiversityDisplay.from_estimator(pruner, ax=axes)
        areas = axes.collections[1].get_sizes()
        weights = np.sort(shown.weight[shown.kept])[::-1]
        large = areas > areas.min()
        np.testing.assert_allclose((areas / weights)[large], areas[0] / weights[0])

    def test_names_of_the_largest_weights_keep_apart(self, pruner, named, plt):
        for fitted in (pruner, named):
            shown = AccuracyDiversityDisplay.from_estimator(fitted)
            texts = shown.ax_.texts
            largest = np.argsort(-shown.weight, kind="stable")[: min(8, shown.kept.sum())]
            assert {shortened(shown.names[i]) for i in largest} >= set(texts_of(shown.ax_))
            assert len(texts) >= len(largest) - 2
            legend = shown.ax_.get_legend().get_window_extent()
            assert not overlapping([*boxes_of(texts), legend])

    def test_names_on_demand(self, named, plt):
        assert not AccuracyDiversityDisplay.from_estimator(named, annotate=False).ax_.texts

    def test_many_members_on_one_spot(self, plt):
        shown = AccuracyDiversityDisplay(
            diversity=np.ones(300),
            score=np.ones(300),
            weight=np.ones(300),
            kept=np.ones(300, dtype=bool),
            names=[f"member number {i}" for i in range(300)],
        ).plot()
        assert labels_of(shown.ax_) == ["kept: 300, area by weight"]
        assert not overlapping(boxes_of(shown.ax_.texts))

    def test_style_is_the_users(self, pruner, plt):
        shown = AccuracyDiversityDisplay.from_estimator(pruner, color="k", s=50)
        assert axes_color(shown.ax_.collections[1]) == (0, 0, 0)
        colored = shown.plot(c=np.arange(pruner.n_members_), cmap="cividis")
        assert colored.ax_.collections[1].get_array().max() == pruner.n_members_ - 1

    def test_regressors(self, regressor, plt):
        shown = AccuracyDiversityDisplay.from_estimator(regressor)
        np.testing.assert_array_equal(shown.score, regressor.frontier_.member_score)
        assert shown.ax_.get_ylabel() == "$R^2$ alone (calibration rows)"
        assert "variances" in shown.ax_.get_xlabel()


def axes_color(collection):
    return tuple(collection.get_facecolor()[0][:3])


class TestWeightPath:
    def test_lines_are_the_path(self, pruner, axes):
        shown = WeightPathDisplay.from_estimator(pruner, ax=axes)
        np.testing.assert_array_equal(shown.lams, pruner.path_.lams)
        np.testing.assert_array_equal(shown.weights, pruner.path_.weights)
        np.testing.assert_array_equal(shown.kept, pruner.support_)
        assert shown.lam == pytest.approx(0.2)
        assert axes.get_xlim() == (1, 0)
        assert "not normalized" in axes.get_ylabel()
        assert len(axes.lines) == 45
        drawn = np.array([np.nan_to_num(line.get_ydata()) for line in axes.lines])
        columns = {tuple(w) for w in pruner.path_.weights.T}
        assert {tuple(d) for d in drawn} == columns

    def test_lines_begin_where_members_enter(self, pruner, axes):
        WeightPathDisplay.from_estimator(pruner, ax=axes)
        begin = [
            line.get_xdata()[np.isfinite(line.get_ydata())].max()
            for line in axes.lines
            if np.isfinite(line.get_ydata()).any()
        ]
        entered = pruner.explain().entry_lam
        np.testing.assert_allclose(np.sort(begin), np.sort(entered[np.isfinite(entered)]))

    def test_the_largest_kept_members_are_named(self, pruner, axes):
        shown = WeightPathDisplay.from_estimator(pruner, ax=axes, n_named=5)
        at_lam = np.where(pruner.support_, pruner.path_.at(0.2), -1)
        assert set(texts_of(axes)) == {str(i) for i in np.argsort(-at_lam)[:5]}
        assert not overlapping(boxes_of(axes.texts))
        colors = {text.get_color() for text in axes.texts}
        assert colors == {line.get_color() for line in axes.lines[-5:]}
        assert len(colors) == 5
        assert labels_of(axes) == [
            f"dropped: {45 - pruner.n_members_}",
            f"other kept: {pruner.n_members_ - 5}",
            "kept, named: 5",
            "lam taken: 0.2",
        ]
        assert shown.names == pruner.explain().names

    def test_legend_covers_no_line(self, pruner, searched, regressor, plt):
        for fitted in (pruner, searched, regressor):
            ax = WeightPathDisplay.from_estimator(fitted).ax_
            ax.figure.draw_without_rendering()
            legend, frame = ax.get_legend().get_window_extent(), ax.get_window_extent()
            top = ax.transData.transform((0, fitted.path_.weights.max()))[1]
            assert legend.y0 > top
            assert frame.x0 < legend.x0
            assert legend.x1 < frame.x1

    def test_nobody_named_and_long_names(self, named, plt):
        assert not WeightPathDisplay.from_estimator(named, n_named=0).ax_.texts
        ax = WeightPathDisplay.from_estimator(named, lw=3).ax_
        assert ax.lines[-1].get_linewidth() == 3
        assert all(len(text) <= 28 for text in texts_of(ax))

    def test_kept_members_off_the_path_are_counted_and_not_named(self, plt):
        weights = np.array([[0.0, 0, 0], [0.4, 0, 0], [0.5, 0, 0.1]])
        shown = WeightPathDisplay(
            lams=[1, 0.5, 0], weights=weights, kept=[True, True, False], names="abc", lam=0.1
        ).plot()
        assert texts_of(shown.ax_) == ["a"]
        assert labels_of(shown.ax_) == [
            "dropped: 1",
            "other kept: 1 (1 not on the path)",
            "kept, named: 1",
            "lam taken: 0.1",
        ]

    def test_of_a_search(self, searched, plt):
        shown = WeightPathDisplay.from_estimator(searched)
        assert shown.lam == pytest.approx(searched.lam_)
        np.testing.assert_array_equal(shown.weights, searched.path_.weights)


class TestSelectionFrequency:
    def test_bars_are_sorted_frequencies(self, searched, axes):
        shown = SelectionFrequencyDisplay.from_estimator(searched, ax=axes, max_members=45)
        np.testing.assert_array_equal(shown.frequency, searched.selection_frequency_)
        np.testing.assert_array_equal(shown.kept, searched.support_)
        bars = sorted((bar.get_y(), bar.get_width()) for bar in axes.patches)
        widths = [width for _, width in bars]
        np.testing.assert_array_equal(widths, np.sort(searched.selection_frequency_)[::-1])
        members = [int(label.get_text()) for label in axes.get_yticklabels()]
        np.testing.assert_array_equal(searched.selection_frequency_[members], widths)
        kept, dropped = searched.n_members_, 45 - searched.n_members_
        assert labels_of(axes) == [f"kept: {kept}", f"dropped: {dropped}"]
        assert "4 resamples" in axes.get_xlabel()
        colors = {bar.get_y(): bar.get_facecolor() for bar in axes.patches}
        by_kept = [colors[y] for (y, _), m in zip(bars, members, strict=True) if shown.kept[m]]
        assert len(by_kept) == kept
        assert len(set(by_kept)) == 1

    def test_what_is_left_out_is_said(self, searched, plt):
        ax = SelectionFrequencyDisplay.from_estimator(searched, max_members=10).ax_
        assert len(ax.patches) == 10
        (said,) = texts_of(ax)
        order = np.lexsort((-searched.weights_, -searched.selection_frequency_))[10:]
        assert f"35 more, {searched.support_[order].sum()} of them kept" in said
        assert f"at most {searched.selection_frequency_[order].max():.0%}" in said

    def test_many_members_show_forty_at_most_and_no_empty_bars(self, plt):
        frequency = np.r_[np.linspace(1, 0.1, 30), np.zeros(270)]
        shown = SelectionFrequencyDisplay(
            frequency=frequency, weight=frequency, kept=frequency > 0.4, names=map(str, range(300))
        ).plot()
        assert len(shown.ax_.patches) == 30
        assert texts_of(shown.ax_) == [" 270 more, none of them kept, never chosen"]
        busy = SelectionFrequencyDisplay(
            frequency=np.ones(300),
            weight=np.ones(300),
            kept=np.ones(300),
            names=map(str, range(300)),
        ).plot()
        assert len(busy.ax_.patches) == 40
        assert labels_of(busy.ax_) == ["kept: 300"]
        assert not overlapping(boxes_of(busy.ax_.get_yticklabels()))

    def test_members_kept_though_never_chosen_are_shown(self, plt):
        frequency = np.r_[np.ones(3), np.zeros(47)]
        kept = frequency > 0
        kept[30] = True
        shown = SelectionFrequencyDisplay(
            frequency=frequency, weight=kept / 4, kept=kept, names=map(str, range(50))
        ).plot()
        labels = [label.get_text() for label in shown.ax_.get_yticklabels()]
        assert labels[:4] == ["0", "1", "2", "30"]

    def test_wrong_limit(self, searched):
        with pytest.raises(ValueError, match="max_members must be at least 1"):
            SelectionFrequencyDisplay.from_estimator(searched, max_members=0)


class TestScoreGrid:
    def test_best_over_threshold_and_reweight(self, searched, axes):
        results = searched.cv_results_
        shown = ScoreGridDisplay.from_estimator(searched, ax=axes)
        assert shown.alphas.tolist() == [0.8, 1.0]
        assert shown.lams.tolist() == [0.05, 0.3, 0.5]
        assert shown.fold_scores.shape == (2, 3, 3)
        for i, alpha in enumerate(shown.alphas):
            for j, lam in enumerate(shown.lams):
                cell = (results["param_alpha"] == alpha) & (results["param_lam"] == lam)
                assert cell.sum() == 4
                assert shown.score[i, j] == results["mean_test_score"][cell].max()
                assert shown.n_members[i, j] in results["n_members"][cell]
        np.testing.assert_allclose(shown.fold_scores.mean(axis=2), shown.score)
        np.testing.assert_array_equal(shown.im_.get_array(), shown.score)
        assert axes.figure.axes[1].get_ylabel() == (
            "Cross-validated accuracy\nbest over threshold and reweight"
        )

    def test_chosen_cell_is_marked(self, searched, axes):
        shown = ScoreGridDisplay.from_estimator(searched, ax=axes)
        assert shown.chosen == searched.best_params_
        assert shown.chosen_score == pytest.approx(searched.best_score_)
        row = shown.alphas.tolist().index(searched.alpha_)
        column = shown.lams.tolist().index(searched.lam_)
        assert {patch.get_xy() for patch in axes.patches} == {(column - 0.5, row - 0.5)}
        assert f"lam {searched.lam_:g}" in axes.get_title()
        assert shown.score[row, column] == pytest.approx(searched.best_score_)
        assert shown.n_members[row, column] == searched.n_members_

    def test_numbers_in_cells(self, searched, axes):
        shown = ScoreGridDisplay.from_estimator(searched, ax=axes, cmap="cividis")
        assert len(axes.texts) == 6
        assert not overlapping(boxes_of(axes.texts))
        said = shown.plot(values_format=".1%").ax_.texts[0].get_text()
        assert said == f"{shown.score[0, 0]:.1%}\n{shown.n_members[0, 0]} kept"

    def test_at_one_reweight_and_threshold(self, searched, plt):
        results = searched.cv_results_
        shown = ScoreGridDisplay.from_estimator(searched, reweight="none", threshold=0.2)
        cell = (results["param_reweight"] == "none") & (results["param_threshold"] == 0.2)
        np.testing.assert_array_equal(shown.score.ravel(), results["mean_test_score"][cell])
        is_it = searched.reweight_ == "none" and searched.threshold_ == 0.2
        assert (shown.chosen is None) == (not is_it)
        assert bool(shown.ax_.patches) == is_it
        assert shown.among == "threshold 0.2, reweight none"
        with pytest.raises(ValueError, match=r"reweight=0.7 was not tried.*\['none', 0.5\]"):
            ScoreGridDisplay.from_estimator(searched, reweight=0.7)

    def test_a_grid_search(self, digits, forest, plt):
        X, y = digits
        search = GridSearchCV(
            SOCPEnsemblePruner(FrozenEstimator(forest)),
            {"alpha": [1.0, 0.5], "lam": [0.4, 0.05, 0.1]},
            cv=3,
            scoring="neg_log_loss",
        ).fit(X[500:], y[500:])
        shown = ScoreGridDisplay.from_estimator(search)
        table = search.cv_results_["mean_test_score"].reshape(2, 3)
        np.testing.assert_array_equal(shown.score, table[::-1][:, [1, 2, 0]])
        assert shown.n_members is None
        assert shown.chosen == search.best_params_
        assert shown.figure_.axes[1].get_ylabel() == "Cross-validated neg log loss"
        with pytest.raises(ValueError, match="did not vary reweight"):
            ScoreGridDisplay.from_estimator(search, reweight="none")

    def test_a_pipeline_several_metrics_and_missing_cells(self, digits, plt):
        X, y = digits
        tree = RandomForestClassifier(5, max_depth=4, random_state=0)
        steps = make_pipeline(StandardScaler(), SOCPEnsemblePruner(tree, random_state=0))
        name = "socpensemblepruner__"
        grid = [
            {name + "alpha": [0.5, 0.9], name + "lam": [0.1]},
            {name + "alpha": [0.9], name + "lam": [0.3], name + "reweight": ["equal", "none"]},
            {name + "voting": ["hard"]},
        ]
        search = GridSearchCV(steps, grid, cv=2, scoring=["accuracy", "f1_macro"], refit="f1_macro")
        shown = ScoreGridDisplay.from_estimator(search.fit(X[:300], y[:300]))
        scores = search.cv_results_["mean_test_f1_macro"]
        expected = [[scores[0], np.nan], [scores[1], scores[2:4].max()]]
        np.testing.assert_array_equal(shown.score, expected)
        assert shown.score_name == "f1_macro"
        assert len(shown.ax_.texts) == 3
        search.refit = False
        with pytest.raises(ValueError, match="several scores"):
            ScoreGridDisplay.from_estimator(search)

    def test_other_searches_are_refused(self, digits):
        X, y = digits
        search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2)
        with pytest.raises(ValueError, match=r"it varied max_depth.*ValidationCurveDisplay"):
            ScoreGridDisplay.from_estimator(search.fit(X[:100], y[:100]))
        with pytest.raises(NotFittedError):
            ScoreGridDisplay.from_estimator(search.__sklearn_clone__())

    def test_a_large_grid_stays_readable(self, plt):
        rng = np.random.default_rng(0)
        shown = ScoreGridDisplay(
            alphas=np.linspace(0, 1, 60),
            lams=np.linspace(0, 0.99, 80),
            score=rng.random((60, 80)),
            fold_scores=rng.random((60, 80, 2)),
        ).plot()
        for axis in (shown.ax_.xaxis, shown.ax_.yaxis):
            assert not overlapping(boxes_of(axis.get_ticklabels()))
        assert not shown.ax_.texts

    def test_line_of_one_alpha_by_scikit_learn(self, searched, plt):
        shown = ScoreGridDisplay.from_estimator(searched)
        curve = ValidationCurveDisplay(
            param_name="lam",
            param_range=shown.lams,
            train_scores=shown.fold_scores[0],
            test_scores=shown.fold_scores[0],
        ).plot(score_type="test")
        np.testing.assert_allclose(curve.lines_[0].get_ydata(), shown.score[0])


class TestSpread:
    def test_keeps_order_and_gap(self):
        rng = np.random.default_rng(0)
        for _ in range(50):
            wanted = rng.random(12)
            placed = spread(wanted, 0.05, 0, 1)
            assert np.diff(np.sort(placed)).min() > 0.05 - 1e-12
            np.testing.assert_array_equal(np.argsort(placed), np.argsort(wanted))
            assert placed.min() >= 0
            assert placed.max() <= 1 + 1e-12

    def test_moves_nothing_without_need(self):
        np.testing.assert_allclose(spread([0.9, 0.1, 0.5], 0.2), [0.9, 0.1, 0.5])
        np.testing.assert_allclose(spread([0.5, 0.5], 0.2), [0.4, 0.6])
        assert spread([], 0.2).shape == (0,)

    def test_without_room_the_upper_bound_gives_way(self):
        np.testing.assert_allclose(spread([1, 1, 1], 1, 0, 1), [0, 1, 2])
