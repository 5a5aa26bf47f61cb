"""Figures of amounts show what the optimizer holds, and nothing on them overlaps."""

import sys
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

from skprune import PruningAmountOptimizer
from skprune.amount import (
    DEFAULT_REWARDS,
    AccuracyReward,
    PolynomialCurve,
    Reward,
    importance_inverse_amounts,
    smallest_amounts,
)
from skprune.exceptions import CurveMisfitWarning, InfeasibleLimitsWarning
from skprune.inspection import (
    AmountFrontierDisplay,
    ImportanceAmountDisplay,
    RewardDisplay,
    TotalRewardDisplay,
    ViewAmountsDisplay,
)
from skprune.inspection._drawing import shortened

OF_OPTIMIZER = [AmountFrontierDisplay, RewardDisplay, TotalRewardDisplay]
OF_VIEWS = [ImportanceAmountDisplay, ViewAmountsDisplay]
P = np.linspace(0, 1, 11)
# The views of the notebook, by reciprocal mean rank.
RANKS = [1, 5 / 19, 5 / 27, 5 / 19, 1 / 6, 5 / 23, 5 / 12, 5 / 14, 1 / 5, 5 / 21, 5 / 7, 5 / 33]


def accuracy(p):
    return 100.77107369 / (1 + np.exp(5.12622478 * (p - 0.70644452)))


def time(p):
    return 1.020 - 1.417 * p + 3.677 * p**2 - 3.275 * p**3


def size(p):
    return 480.4 - 427.4 * p


def measured(p=P):
    return np.column_stack([accuracy(p), time(p), size(p)])


def fitted(y=None, X=P[:, None], **params):
    y = measured() if y is None else y
    return PruningAmountOptimizer(random_state=0, **params).fit(X, y)


@pytest.fixture(scope="module")
def optimizer():
    return fitted(min_accuracy=80, max_size=300)


@pytest.fixture(scope="module")
def infeasible():
    with pytest.warns(InfeasibleLimitsWarning):
        return fitted(min_accuracy=90, max_size=300)


@pytest.fixture(scope="module")
def fractions():
    return fitted(measured() * [0.01, 1, 1], min_accuracy=0.8, max_size=300)


@pytest.fixture(scope="module")
def several():
    rng = np.random.default_rng(0)
    X, shares = rng.random((50, 3)), np.array([0.5, 0.3, 0.2])
    y = np.column_stack([accuracy(X) @ shares, time(X).mean(axis=1) + 0.1, size(X) @ shares])
    y[:, 0] += rng.normal(0, 0.5, 50)
    # One run of the search: the best of several is not what a figure is about.
    return fitted(y, X, min_accuracy=80, max_size=300, time_curve="linear", n_restarts=0)


@pytest.fixture(scope="module")
def bootstrap(optimizer):
    return optimizer.bootstrap(8, random_state=0)


@pytest.fixture(scope="module")
def views():
    return importance_inverse_amounts(RANKS, accuracy, target=85)


@pytest.fixture(scope="module")
def smallest():
    return smallest_amounts(RANKS, accuracy, size, target=85, n_restarts=0, random_state=0)


def labels_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def label_like(ax, part):
    (found,) = [label for label in labels_of(ax) if part in label]
    return found


def line_of(ax, part):
    (found,) = [line for line in ax.lines if part in str(line.get_label())]
    return found


def boxes_of(texts):
    from matplotlib.text import Text

    texts[0].figure.draw_without_rendering()
    return [Text.get_window_extent(text) for text in texts]


def overlapping(boxes):
    return [(i, j) for j, b in enumerate(boxes) for i in range(j) if boxes[i].overlaps(b)]


def drawn_points(ax):
    """Pixels of whatever lines, points and bars show."""
    pixels = [ax.transData.transform(line.get_xydata()) for line in ax.lines]
    pixels += [ax.transData.transform(c.get_offsets()) for c in ax.collections]
    corners = [bar.get_corners() for bar in ax.patches]
    pixels += [ax.transData.transform(corner) for corner in corners]
    # Of a line across the axes one coordinate is not in data units.
    return np.vstack([p[np.isfinite(p).all(axis=1)] for p in pixels if len(p)])


def covered_points(ax, points):
    """Points whose markers a text covers."""
    boxes, centers = boxes_of(ax.texts), ax.transData.transform(points.get_offsets())
    radius = np.sqrt(points.get_sizes()[0]) / 2 * ax.figure.dpi / 72
    corners = np.array([[box.p0, box.p1] for box in boxes])
    nearest = np.clip(centers, corners[:, None, 0], corners[:, None, 1])
    return np.argwhere(np.hypot(*(centers - nearest).T) < radius - 1).tolist()


def check_legend_covers_nothing(display):
    """The legend lies within the frame, above all that is drawn, and on no text."""
    ax, twin = display.ax_, getattr(display, "twin_", None)
    ax.figure.draw_without_rendering()
    legend, frame = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert frame.x0 < legend.x0
    assert legend.x1 < frame.x1
    assert legend.y1 <= frame.y1 + 1
    for layer in [ax] if twin is None else [ax, twin]:
        points = drawn_points(layer)
        inside = (points[:, 0] > legend.x0) & (points[:, 0] < legend.x1)
        assert points[inside, 1].max() < legend.y0
    assert not overlapping([legend, *(boxes_of(ax.texts) if len(ax.texts) else [])])
    assert not overlapping(boxes_of(ax.get_legend().get_texts()))


def along(optimizer, name):
    """A column of transform over the grid of 1,001 amounts."""
    amounts = np.linspace(*optimizer.bounds_[:, 0], 1001)
    column = list(optimizer.get_feature_names_out()).index(name)
    return amounts, np.asarray(optimizer.transform(amounts[:, None]))[:, column]


class TestEveryDisplay:
    @pytest.mark.parametrize("display", OF_OPTIMIZER + OF_VIEWS)
    def test_on_given_axes_and_again(self, display, optimizer, views, plt):
        ax = plt.subplots(layout="constrained")[1]
        draw = display.from_result if display in OF_VIEWS else display.from_estimator
        shown = draw(views if display in OF_VIEWS else optimizer, ax=ax)
        assert shown.ax_ is ax
        assert shown.figure_ is ax.figure
        again = shown.plot()
        assert again is shown
        assert again.ax_ is not ax
        assert ax.get_xlabel() == again.ax_.get_xlabel() != ""
        assert ax.get_ylabel() == again.ax_.get_ylabel() != ""
        assert labels_of(ax) == labels_of(again.ax_)
        assert not ax.get_title()

    @pytest.mark.parametrize("display", OF_OPTIMIZER)
    def test_not_fitted(self, display):
        with pytest.raises(NotFittedError):
            display.from_estimator(PruningAmountOptimizer())

    @pytest.mark.parametrize("display", OF_OPTIMIZER)
    def test_of_the_wrong_kind(self, display):
        with pytest.raises(TypeError, match=r"LinearRegression has no .*PruningAmountOptimizer"):
            display.from_estimator(LinearRegression().fit([[0], [1]], [0, 1]))
        with pytest.raises(TypeError, match="not an estimator"):
            display.from_estimator(3)

    @pytest.mark.parametrize("display", OF_VIEWS)
    def test_of_the_wrong_result(self, display, views):
        with pytest.raises(TypeError, match=r"ViewAmounts that importance.*got ndarray"):
            display.from_result(views.amounts)
        with pytest.raises(TypeError, match="other must be the ViewAmounts"):
            display.from_result(views, other=views.amounts)
        with pytest.raises(ValueError, match="12; got 3"):
            display.from_result(views, names="abc")
        two = importance_inverse_amounts([1, 2], accuracy, target=85)
        with pytest.raises(ValueError, match="other has 2 views where result has 12"):
            display.from_result(views, other=two)
        with pytest.raises(ValueError, match="importance differs"):
            display.from_result(views, other=replace(views, importance=views.importance[::-1]))

    @pytest.mark.parametrize("display", OF_OPTIMIZER + OF_VIEWS)
    def test_without_matplotlib(self, display, optimizer, views, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
        draw = display.from_result if display in OF_VIEWS else display.from_estimator
        with pytest.raises(ImportError, match=r"skprune\[report\]"):
            draw(views if display in OF_VIEWS else optimizer)

    @pytest.mark.parametrize("display", OF_OPTIMIZER)
    def test_nothing_overlaps(self, display, optimizer, infeasible, fractions, several, plt):
        for fit in (optimizer, infeasible, fractions, several):
            check_legend_covers_nothing(display.from_estimator(fit))
            plt.close("all")

    @pytest.mark.parametrize("display", OF_VIEWS)
    def test_nothing_overlaps_for_views(self, display, views, smallest, plt):
        few = importance_inverse_amounts([1, 2], accuracy, target=85)
        equal = importance_inverse_amounts(np.ones(5), accuracy, target=85)
        for result, more in [(views, {}), (views, {"other": smallest}), (few, {}), (equal, {})]:
            check_legend_covers_nothing(display.from_result(result, **more))
            plt.close("all")

    @pytest.mark.parametrize("display", [RewardDisplay, TotalRewardDisplay])
    def test_nothing_overlaps_on_small_axes(self, display, optimizer, plt):
        ax = plt.subplots(figsize=(3, 4), layout="constrained")[1]
        shown = display.from_estimator(optimizer, ax=ax)
        check_legend_covers_nothing(shown)
        # Where a legend has no room at all, the axes keep theirs.
        ax = plt.subplots(figsize=(1.7, 4), layout="constrained")[1]
        display.from_estimator(optimizer, ax=ax)
        width = ax.get_window_extent().width
        ax.figure.draw_without_rendering()
        assert ax.get_window_extent().width == pytest.approx(width, rel=0.01)

    @pytest.mark.parametrize("display", OF_OPTIMIZER)
    def test_named_columns_and_other_containers(self, display, plt, recwarn):
        pd = pytest.importorskip("pandas")
        X = pd.DataFrame({"amount": P})
        plain = fitted(min_accuracy=80)
        framed = fitted(X=X, min_accuracy=80).set_output(transform="pandas")
        recwarn.clear()
        one, two = display.from_estimator(plain), display.from_estimator(framed)
        assert not recwarn.list
        np.testing.assert_array_equal(one.amounts, two.amounts)
        for name in ("reward", "accuracy", "met"):
            if hasattr(one, name):
                np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


class TestReward:
    @pytest.mark.parametrize("name", ["accuracy", "time", "size"])
    def test_quantity_and_reward(self, optimizer, name, axes):
        shown = RewardDisplay.from_estimator(optimizer, name, ax=axes)
        amounts, values = along(optimizer, name)
        grid = np.isin(shown.amounts, amounts)
        assert grid.sum() == 1001
        np.testing.assert_allclose(shown.quantity[grid], values)
        np.testing.assert_allclose(shown.reward[grid], along(optimizer, f"{name}_reward")[1])
        np.testing.assert_array_equal(shown.measured_amounts, optimizer.measurements_.amounts[:, 0])
        np.testing.assert_array_equal(shown.measured, optimizer.measurements_.values[name])
        curve, reward = line_of(axes, f"{name} curve"), line_of(shown.twin_, f"{name} reward")
        np.testing.assert_array_equal(curve.get_xydata().T, [shown.amounts, shown.quantity])
        np.testing.assert_array_equal(reward.get_xydata().T, [shown.amounts, shown.reward])
        scattered = axes.collections[0].get_offsets()
        np.testing.assert_array_equal(scattered.T, [shown.measured_amounts, shown.measured])
        assert curve.get_color() != reward.get_color()
        assert shown.twin_.get_ylabel() == f"{name.capitalize()} reward"

    @pytest.mark.parametrize(
        ("name", "limit", "said"),
        [
            ("accuracy", 80, "least accuracy 80.00 %"),
            ("size", 300, "largest size 300"),
            ("time", None, None),
        ],
    )
    def test_limits(self, optimizer, name, limit, said, axes):
        shown = RewardDisplay.from_estimator(optimizer, name, ax=axes)
        assert shown.limit == limit
        dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert [line.get_ydata()[0] for line in dashed] == ([] if limit is None else [limit])
        told = [label for label in labels_of(axes) if label.startswith(("least", "largest"))]
        assert told == ([] if said is None else [said])

    def test_best_amount_is_marked(self, optimizer, axes):
        shown = RewardDisplay.from_estimator(optimizer, ax=axes)
        assert shown.best[0] == optimizer.best_amount_
        details = optimizer.transform([[optimizer.best_amount_]])[0]
        names = list(optimizer.get_feature_names_out())
        assert shown.best[1] == pytest.approx(details[names.index("accuracy_reward")])
        assert shown.best_quantity == pytest.approx(details[names.index("accuracy")])
        star = line_of(shown.twin_, "best amount")
        assert star.get_xydata().tolist() == [list(shown.best)]
        assert label_like(axes, "best amount") == (
            "best amount 0.443: reward 100.00,\naccuracy 80.00 %"
        )

    @pytest.mark.parametrize("name", ["pruning", "more_accuracy_less_size"])
    def test_rewards_of_no_or_several_quantities_are_alone(self, optimizer, name, axes):
        shown = RewardDisplay.from_estimator(optimizer, name, ax=axes)
        assert shown.twin_ is None
        assert shown.quantity is None
        drawn = line_of(axes, f"{name.replace('_', ' ')} reward").get_ydata()
        np.testing.assert_array_equal(drawn, shown.reward)
        assert shown.reward.max() > 4
        assert axes.get_ylabel() == f"{name.replace('_', ' ').capitalize()} reward"

    def test_a_reward_of_the_users(self, plt):
        @dataclass(frozen=True, kw_only=True)
        class Slow(Reward):
            name: ClassVar[str] = "slowness"
            needs: ClassVar[tuple[str, ...]] = ("time",)

            def value(self, points, goal):
                return -points.time

        fit = fitted(rewards=(*DEFAULT_REWARDS, Slow(weight=3)), min_accuracy=80)
        shown = RewardDisplay.from_estimator(fit, "slowness", linewidth=4)
        assert shown.quantity_name == "time"
        np.testing.assert_allclose(shown.reward, -3 * shown.quantity)
        assert shown.twin_.get_ylim()[0] < -3
        assert line_of(shown.twin_, "slowness").get_linewidth() == 4

    def test_weighted(self, axes):
        once, twice = (fitted(rewards=[AccuracyReward(weight=w)], min_accuracy=80) for w in (1, 2))
        one = RewardDisplay.from_estimator(once, ax=axes)
        two = RewardDisplay.from_estimator(twice, ax=axes)
        assert two.reward.max() == pytest.approx(2 * one.reward.max())

    def test_wrong_reward_or_column(self, optimizer, several):
        with pytest.raises(ValueError, match=r"a str among {.*'accuracy'.*}. Got 'speed'"):
            RewardDisplay.from_estimator(optimizer, "speed")
        with pytest.raises(ValueError, match=r"a str among .* Got array"):
            RewardDisplay.from_estimator(optimizer, np.array(["accuracy"]))
        for column in (3, -1, True, "conv1"):
            with pytest.raises(ValueError, match="column must be one of 0 to 2"):
                RewardDisplay.from_estimator(several, column=column)

    def test_fractions(self, fractions, axes):
        shown = RewardDisplay.from_estimator(fractions, ax=axes)
        assert shown.limit == pytest.approx(0.8)
        assert shown.quantity.max() < 1
        assert axes.get_ylabel() == "Accuracy"
        assert label_like(axes, "least") == "least accuracy 0.8000"
        assert "accuracy 0.8000" in label_like(axes, "best amount")

    def test_infeasible(self, infeasible, axes):
        RewardDisplay.from_estimator(infeasible, ax=axes)
        assert label_like(axes, "amount").startswith(
            f"nearest amount {infeasible.best_amount_:.3f}"
        )

    def test_one_of_several_columns(self, several, axes):
        shown = RewardDisplay.from_estimator(several, column=1, ax=axes)
        assert axes.get_xlabel() == "Pruning amount of column 1 (others held at best_amount_)"
        rows = np.tile(several.best_amount_, (len(shown.amounts), 1))
        rows[:, 1] = shown.amounts
        np.testing.assert_allclose(shown.quantity, several.transform(rows)[:, 0])
        assert shown.best[0] == several.best_amount_[1]
        assert (shown.amounts[0], shown.amounts[-1]) == tuple(several.bounds_[:, 1])
        # Measurements are as far from the line as from the curves at their own amounts.
        own = (
            several.measurements_.values["accuracy"]
            - several.transform(several.measurements_.amounts)[:, 0]
        )
        line = np.interp(shown.measured_amounts, shown.amounts, shown.quantity)
        np.testing.assert_allclose(shown.measured - line, own, atol=1e-3)
        assert label_like(axes, "measured") == "measured, carried over"


class TestTotalReward:
    def test_line_and_optima(self, optimizer, axes):
        shown = TotalRewardDisplay.from_estimator(optimizer, ax=axes)
        amounts, total = along(optimizer, "total_reward")
        grid = np.isin(shown.amounts, amounts)
        np.testing.assert_allclose(shown.reward[grid], total)
        line = line_of(axes, "total reward")
        np.testing.assert_array_equal(line.get_xydata().T, [shown.amounts, shown.reward])
        assert shown.best == (optimizer.best_amount_, optimizer.best_reward_)
        assert shown.grid == (optimizer.grid_amount_, optimizer.grid_reward_)
        assert line_of(axes, "CMA-ES").get_xydata().tolist() == [list(shown.best)]
        assert line_of(axes, "brute force").get_xydata().tolist() == [list(shown.grid)]
        assert {"brute force 0.4430: 268.42", "CMA-ES 0.4434: 268.46"} <= set(labels_of(axes))
        at_best = shown.reward[shown.amounts == optimizer.best_amount_]
        np.testing.assert_allclose(at_best, optimizer.best_reward_)

    def test_feasible_amounts_are_shaded(self, optimizer, axes):
        shown = TotalRewardDisplay.from_estimator(optimizer, ax=axes)
        met = (accuracy(shown.amounts) >= 80) & (size(shown.amounts) <= 300)
        differ = shown.amounts[shown.met != met]
        assert all(abs(differ - optimizer.best_amount_) < 1e-6)
        assert label_like(axes, "limits") == "all limits met: 0.423 to 0.443"
        (band,) = axes.collections
        x = band.get_paths()[0].vertices[:, 0]
        assert (x.min(), x.max()) == (shown.amounts[shown.met].min(), optimizer.best_amount_)

    def test_several_regions(self, plt):
        wave = 60 + 20 * np.sin(4 * np.pi * P) ** 2
        with pytest.warns(CurveMisfitWarning):
            fit = fitted(wave, accuracy_curve=PolynomialCurve(8), min_accuracy=70)
        shown = TotalRewardDisplay.from_estimator(fit)
        regions = (np.diff(shown.met.astype(int)) == 1).sum() + shown.met[0]
        assert regions > 2
        assert len(shown.ax_.collections) == regions
        assert label_like(shown.ax_, "limits") == "all limits met"

    def test_infeasible(self, infeasible, axes):
        shown = TotalRewardDisplay.from_estimator(infeasible, ax=axes)
        assert not shown.met.any()
        assert "no amount meets all limits by the curves" in labels_of(axes)
        assert label_like(axes, "CMA-ES").startswith("CMA-ES, nearest 0.39")
        assert not any(len(c.get_paths()[0].vertices) for c in axes.collections if c.get_paths())

    def test_without_limits(self, axes):
        shown = TotalRewardDisplay.from_estimator(fitted(), ax=axes)
        assert shown.met is None
        assert not axes.collections
        assert len(labels_of(axes)) == 3

    def test_fractions_meet_the_same_limits(self, optimizer, fractions, plt):
        one, two = (TotalRewardDisplay.from_estimator(fit) for fit in (optimizer, fractions))
        inner = np.linspace(0.01, 0.99, 99)
        met = [np.interp(inner, shown.amounts, shown.met) for shown in (one, two)]
        np.testing.assert_array_equal(*met)
        assert met[0].any()

    def test_sizes_that_cannot_be_meet_no_limit(self, plt):
        few = P[:6]
        y = np.column_stack([accuracy(few), time(few), 500 - 800 * few])
        with (
            pytest.warns(CurveMisfitWarning, match="outside the measured ones"),
            pytest.warns(CurveMisfitWarning, match="size curve lies below 1%"),
        ):
            fit = fitted(y, few[:, None], max_size=300, bounds=(0, 1))
        shown = TotalRewardDisplay.from_estimator(fit)
        assert shown.amounts[shown.met].min() == pytest.approx(0.25)
        assert shown.amounts[shown.met].max() == pytest.approx(0.625, abs=0.002)
        frontier = AmountFrontierDisplay.from_estimator(fit)
        assert 0 < frontier.size.min() < 10

    def test_interval(self, optimizer, bootstrap, several, axes):
        shown = TotalRewardDisplay.from_estimator(optimizer, bootstrap=bootstrap, ax=axes)
        assert shown.interval == (bootstrap.low[0], bootstrap.high[0])
        bar = line_of(axes, "resamples")
        assert tuple(bar.get_xdata()) == shown.interval
        assert min(bar.get_ydata()) > shown.reward.max()
        assert label_like(axes, "resamples").startswith("90% of 8 resamples: 0.44")
        check_legend_covers_nothing(shown)
        half = replace(bootstrap, feasible=np.arange(8) < 4)
        shown = TotalRewardDisplay.from_estimator(optimizer, bootstrap=half)
        assert "limits met in 50%" in label_like(shown.ax_, "resamples")
        with pytest.raises(TypeError, match=r"must be the AmountBootstrap.*got tuple"):
            TotalRewardDisplay.from_estimator(optimizer, bootstrap=(0.4, 0.5))
        with pytest.raises(ValueError, match=r"of 1 column.*of 3"):
            TotalRewardDisplay.from_estimator(several, bootstrap=bootstrap)

    def test_one_of_several_columns(self, several, axes):
        shown = TotalRewardDisplay.from_estimator(several, column=2, ax=axes, color="k")
        assert "column 2 (others held at best_amount_)" in axes.get_xlabel()
        assert shown.best[0] == several.best_amount_[2]
        assert shown.grid == (several.grid_amount_[2], several.grid_reward_)
        rows = np.tile(several.best_amount_, (len(shown.amounts), 1))
        rows[:, 2] = shown.amounts
        np.testing.assert_allclose(shown.reward, several.transform(rows)[:, -1])
        assert "others free" in label_like(axes, "brute force")
        assert line_of(axes, "total").get_color() == "k"


class TestFrontier:
    def test_points_are_the_curves(self, optimizer, axes):
        shown = AmountFrontierDisplay.from_estimator(optimizer, n_points=51, ax=axes)
        np.testing.assert_array_equal(shown.amounts[:, 0], np.linspace(0, 1, 51))
        table = optimizer.transform(shown.amounts)
        for name, column in zip(("accuracy", "time", "size"), table.T, strict=False):
            np.testing.assert_array_equal(getattr(shown, name), column)
        drawn = axes.collections[0]
        np.testing.assert_array_equal(drawn.get_offsets().T, [shown.size, shown.accuracy])
        np.testing.assert_array_equal(drawn.get_array(), shown.time)
        (bar,) = [other for other in axes.figure.axes if other is not axes]
        assert bar.get_ylabel() == "Time"
        np.testing.assert_array_equal(shown.measured_size, optimizer.measurements_.values["size"])
        np.testing.assert_array_equal(
            shown.measured_accuracy, optimizer.measurements_.values["accuracy"]
        )

    def test_chosen_and_limits(self, optimizer, axes):
        shown = AmountFrontierDisplay.from_estimator(optimizer, ax=axes)
        row = optimizer.transform([[optimizer.best_amount_]])[0]
        assert shown.chosen == (row[2], row[0])
        assert line_of(axes, "chosen").get_xydata().tolist() == [[row[2], row[0]]]
        assert label_like(axes, "chosen") == ("chosen amount 0.443:\naccuracy 80.00 %, size 290.9")
        assert line_of(axes, "least accuracy").get_ydata()[0] == shown.min_accuracy == 80
        assert shown.max_size == 300
        assert label_like(axes, "largest size") == "largest size 300"
        assert shown.max_time is None

    def test_frontier_is_not_dominated(self, several, plt):
        for shown in (
            AmountFrontierDisplay.from_estimator(several, n_points=30),
            AmountFrontierDisplay(
                amounts=np.zeros((6, 1)),
                size=[3, 1, 2, 2, 4, 4],
                accuracy=[5, 1, 4, 3, 5, 6],
                chosen=(1, 1),
                chosen_amount=[0],
            ),
        ):
            smaller = shown.size[:, None] <= shown.size
            better = shown.accuracy[:, None] >= shown.accuracy
            equal = (shown.size[:, None] == shown.size) & (
                shown.accuracy[:, None] == shown.accuracy
            )
            beaten = (smaller & better & ~equal).any(axis=0)
            assert not (beaten & shown.on_frontier).any()
            # Of equal points one stands for all.
            alike = equal[:, shown.on_frontier].sum(axis=1)
            np.testing.assert_array_equal(alike, ~beaten)
            assert 0 < beaten.sum() < len(beaten)

    def test_rim_leaves_out_what_is_beaten(self, plt):
        # Accuracy rises at first, so that whole networks are worse than slightly pruned ones.
        hill = 60 + 40 * P - 80 * P**2
        fit = fitted(np.column_stack([hill, time(P), size(P)]), accuracy_curve="quadratic")
        shown = AmountFrontierDisplay.from_estimator(fit)
        np.testing.assert_array_equal(shown.on_frontier, shown.amounts[:, 0] > 0.2475)
        rim = line_of(shown.ax_, "Pareto").get_xdata()
        np.testing.assert_array_equal(np.isfinite(rim), shown.on_frontier)

    def test_several_columns_are_a_seeded_cloud(self, several, axes):
        shown = AmountFrontierDisplay.from_estimator(several, n_points=40, ax=axes)
        again = AmountFrontierDisplay.from_estimator(several, n_points=40)
        other = AmountFrontierDisplay.from_estimator(several, n_points=40, random_state=1)
        np.testing.assert_array_equal(shown.amounts, again.amounts)
        assert not np.array_equal(shown.amounts, other.amounts)
        assert shown.amounts.shape == (40 + 1 + 4 * 40 + 3 * 2 * 40, 3)
        low, high = several.bounds_
        assert ((shown.amounts >= low) & (shown.amounts <= high)).all()
        np.testing.assert_allclose(shown.accuracy, several.transform(shown.amounts)[:, 0])
        front = line_of(axes, "Pareto frontier of those drawn").get_xydata()
        assert len(front) == shown.on_frontier.sum()
        assert (np.diff(front, axis=0) > 0).all()
        assert not axes.texts

    def test_round_amounts_are_named(self, optimizer, axes):
        shown = AmountFrontierDisplay.from_estimator(optimizer, ax=axes)
        assert {t.get_text() for t in axes.texts} >= {"amount 0", "0.2", "0.6", "0.8", "1"}
        assert not overlapping(boxes_of(axes.texts))
        named = next(t for t in axes.texts if t.get_text() == "0.6")
        np.testing.assert_allclose(named.xy, optimizer.transform([[0.6]])[0, [2, 0]], rtol=1e-3)
        assert shown.ax_ is axes

    def test_without_time(self, plt):
        pd = pytest.importorskip("pandas")
        fit = fitted(pd.DataFrame({"accuracy": accuracy(P) / 100, "size": size(P)}))
        shown = AmountFrontierDisplay.from_estimator(fit)
        assert shown.time is None
        assert len(shown.figure_.axes) == 1
        assert shown.ax_.collections[0].get_array() is None
        assert shown.ax_.get_ylabel() == "Accuracy"
        assert "accuracy 0.9" in label_like(shown.ax_, "chosen")

    def test_time_limit_is_on_the_bar(self, axes):
        fit = fitted(max_time=0.9, min_accuracy=70)
        shown = AmountFrontierDisplay.from_estimator(fit, ax=axes)
        (bar,) = [other for other in axes.figure.axes if other is not axes]
        assert bar.get_ylabel() == "Time (limit 0.9, marked)"
        assert [line.get_ydata()[0] for line in bar.lines] == [0.9]
        shown.max_time = 5.0
        bar = shown.plot().figure_.axes[1]
        assert bar.get_ylabel() == "Time (limit 5)"
        assert not bar.lines

    def test_infeasible(self, infeasible, axes):
        AmountFrontierDisplay.from_estimator(infeasible, ax=axes)
        assert label_like(axes, "amount").startswith("nearest amount 0.39")

    def test_needs_size(self):
        with pytest.raises(ValueError, match=r"needs the size.*TotalRewardDisplay"):
            AmountFrontierDisplay.from_estimator(fitted(accuracy(P)))

    @pytest.mark.parametrize("n_points", [1, 2.5])
    def test_wrong_number(self, optimizer, n_points):
        with pytest.raises(ValueError, match=r"'n_points' .* int in the range .2, inf"):
            AmountFrontierDisplay.from_estimator(optimizer, n_points=n_points)

    @pytest.mark.parametrize("seed", ["foo", -1, 1.5])
    def test_wrong_seed(self, optimizer, several, seed):
        for fit in (optimizer, several):
            with pytest.raises(ValueError, match=r"random_state must be None, an int >= 0.* got"):
                AmountFrontierDisplay.from_estimator(fit, random_state=seed)


class TestViewAmounts:
    def test_bars_by_falling_importance(self, views, axes):
        shown = ViewAmountsDisplay.from_result(views, ax=axes)
        np.testing.assert_array_equal(shown.amounts, views.amounts)
        np.testing.assert_array_equal(shown.importance, views.importance)
        order = [0, 10, 6, 7, 1, 3, 9, 5, 8, 2, 4, 11]  # the notebook's
        assert [int(label.get_text()) for label in axes.get_xticklabels()] == order
        np.testing.assert_array_equal([b.get_height() for b in axes.patches], views.amounts[order])
        centers = [b.get_x() + b.get_width() / 2 for b in axes.patches]
        np.testing.assert_allclose(centers, np.arange(12))
        (line,) = shown.twin_.lines
        np.testing.assert_array_equal(line.get_ydata(), views.importance[order])
        assert max(shown.twin_.get_yticks()) == 1
        assert axes.get_ylim() == shown.twin_.get_ylim()
        assert labels_of(axes)[0] == "amount: weighted accuracy 85 (target 85)"

    def test_other_amounts_stand_beside(self, views, smallest, axes):
        shown = ViewAmountsDisplay.from_result(views, other=smallest, ax=axes, color="k")
        np.testing.assert_array_equal(shown.other, smallest.amounts)
        order = np.argsort(-views.importance, kind="stable")
        heights = [b.get_height() for b in axes.patches]
        np.testing.assert_array_equal(heights[12:], smallest.amounts[order])
        ours, theirs = axes.patches[3], axes.patches[15]
        assert ours.get_x() + ours.get_width() <= theirs.get_x() + 1e-12
        assert ours.get_facecolor() != theirs.get_facecolor()
        assert labels_of(axes)[1].startswith("other amount: weighted accuracy 85")

    def test_target_that_is_missed_by_rounding_is_not_missed(self, axes):
        below = importance_inverse_amounts(RANKS, accuracy, target=85)
        below = replace(below, achieved=np.nextafter(85.0, 0))
        ViewAmountsDisplay.from_result(below, other=replace(below, reachable=False), ax=axes)
        assert labels_of(axes)[:2] == [
            "amount: weighted accuracy 85 (target 85)",
            "other amount: weighted accuracy 85 (target 85, missed)",
        ]

    def test_target_that_is_missed(self, axes):
        with pytest.warns(InfeasibleLimitsWarning):
            missed = importance_inverse_amounts(RANKS, accuracy, target=99)
        assert np.isnan(missed.scale)
        ViewAmountsDisplay.from_result(missed, ax=axes)
        assert labels_of(axes)[0] == "amount: weighted accuracy 98.15 (target 99, missed)"

    @pytest.mark.parametrize("long", [False, True])
    @pytest.mark.parametrize("n", [1, 2, 12, 60])
    def test_names_keep_apart(self, n, long, plt):
        rng = np.random.default_rng(0)
        result = importance_inverse_amounts(rng.random(n), accuracy, target=85)
        names = [f"the view from camera {i}" for i in range(n)] if long else None
        shown = ViewAmountsDisplay.from_result(result, names=names)
        ticks = shown.ax_.get_xticklabels()
        assert len(ticks) == n
        assert not overlapping(boxes_of(ticks))
        small = plt.subplots(figsize=(3, 3), layout="constrained")[1]
        thin = shown.plot(ax=small).ax_.get_xticklabels()
        assert not overlapping(boxes_of(thin))
        order = np.argsort(-result.importance, kind="stable")
        for label in thin:
            assert label.get_text() == shortened(shown.names[order[int(label.get_position()[0])]])


class TestImportanceAmount:
    def test_points_trend_and_rule(self, views, axes):
        shown = ImportanceAmountDisplay.from_result(views, ax=axes)
        np.testing.assert_array_equal(
            axes.collections[0].get_offsets().T, [views.importance, views.amounts]
        )
        assert labels_of(axes) == [
            "views: correlation -1.0000, $R^2$ 1.0000",
            "trend: y = -0.69 x + 0.69",
            "unscaled rule: y = 0.9 (1 - x)",
        ]
        trend, rule = line_of(axes, "trend"), line_of(axes, "rule")
        x = trend.get_xdata()
        scaled = views.scale * 0.9 * (1 - x)
        np.testing.assert_allclose(trend.get_ydata(), scaled, atol=1e-9)
        np.testing.assert_allclose(rule.get_ydata(), 0.9 * (1 - rule.get_xdata()))
        assert shown.max_amount == 0.9

    def test_trend_and_correlation_of_other_amounts(self, smallest, axes):
        ImportanceAmountDisplay.from_result(smallest, ax=axes)
        slope, level = np.polyfit(smallest.importance, smallest.amounts, 1)
        assert label_like(axes, "trend") == f"trend: y = {slope:.2f} x + {level:.2f}"
        r = smallest.correlation
        assert -1 < r < -0.5
        assert labels_of(axes)[0] == f"views: correlation {r:.4f}, $R^2$ {r * r:.4f}"

    def test_a_trend_below_zero(self, axes):
        ImportanceAmountDisplay(
            importance=[0.5, 1], amounts=[0, 0.5], names="ab", max_amount=0.8
        ).plot(ax=axes)
        assert label_like(axes, "trend") == "trend: y = 1.00 x - 0.50"
        assert label_like(axes, "rule") == "unscaled rule: y = 0.8 (1 - x)"

    def test_names_stand_apart_and_on_no_point(self, views, axes):
        ImportanceAmountDisplay.from_result(views, ax=axes)
        texts = axes.texts
        assert {t.get_text() for t in texts} == {*map(str, (0, 2, 4, *range(5, 12))), "1, 3"}
        boxes = boxes_of(texts)
        assert not overlapping(boxes)
        points = axes.transData.transform(axes.collections[0].get_offsets())
        for text, box in zip(texts, boxes, strict=True):
            assert not any(box.contains(*point) for point in points)
            first = int(text.get_text().split(",")[0])
            np.testing.assert_allclose(text.xy, [views.importance[first], views.amounts[first]])

    def test_many_long_names(self, plt):
        rng = np.random.default_rng(0)
        many = importance_inverse_amounts(rng.gamma(1, size=60), accuracy, target=85)
        names = [f"the view from camera {i}" for i in range(60)]
        for given in (None, names):
            ax = ImportanceAmountDisplay.from_result(many, names=given).ax_
            assert len(ax.texts) >= 5
            boxes = boxes_of(ax.texts)
            assert not overlapping([*boxes, ax.get_legend().get_window_extent()])
            frame = ax.get_window_extent()
            assert all(frame.x0 <= b.x0 and b.x1 <= frame.x1 for b in boxes)

    def test_equal_importance(self, axes):
        equal = importance_inverse_amounts(np.ones(12), accuracy, target=85)
        ImportanceAmountDisplay.from_result(equal, ax=axes)
        assert labels_of(axes) == [
            "views: no correlation, importance constant",
            "unscaled rule: y = 0.9 (1 - x)",
        ]
        assert [t.get_text() for t in axes.texts] == ["0 and 11 more"]

    def test_amounts_that_are_equal(self, axes):
        with pytest.warns(InfeasibleLimitsWarning):
            none = importance_inverse_amounts(RANKS, accuracy, target=99)
        ImportanceAmountDisplay.from_result(none, ax=axes)
        assert labels_of(axes)[0] == "views: no correlation, amounts constant"
        assert label_like(axes, "trend") == "trend: y = 0.00 x + 0.00"

    def test_other_amounts(self, views, smallest, axes):
        shown = ImportanceAmountDisplay.from_result(views, other=smallest, ax=axes, s=90)
        np.testing.assert_array_equal(shown.other, smallest.amounts)
        ours, theirs = axes.collections
        assert ours.get_sizes().tolist() == [90]
        np.testing.assert_array_equal(
            theirs.get_offsets().T, [smallest.importance, smallest.amounts]
        )
        assert f"correlation {smallest.correlation:.4f}" in label_like(axes, "other amounts")
        assert not covered_points(axes, theirs)

    def test_long_names_cover_no_point(self, views, plt):
        names = [f"a view from {30 * i} degrees" for i in range(12)]
        ax = ImportanceAmountDisplay.from_result(views, names=names).ax_
        assert len(ax.texts) >= 6
        assert not covered_points(ax, ax.collections[0])

    def test_names_keep_off_other_amounts(self, plt):
        x = np.linspace(0, 1, 9)
        shown = ImportanceAmountDisplay(
            importance=x, amounts=np.full(9, 0.4), names="abcdefghi", other=np.full(9, 0.44)
        )
        ax = shown.plot().ax_
        assert len(ax.texts) == 9
        assert not covered_points(ax, ax.collections[1])
