"""Each reward is the notebook's formula, to its printed digits."""

from dataclasses import FrozenInstanceError, dataclass, replace

import numpy as np
import pytest

from skprune.amount import (
    DEFAULT_REWARDS,
    AccuracyReward,
    Goal,
    MoreAccuracyLessSizeReward,
    OperatingPoints,
    PruningReward,
    Reward,
    SizeReward,
    TimeReward,
)
from skprune.amount._rewards import check_rewards

from . import notebook


def at(p):
    p = np.atleast_1d(p)
    return OperatingPoints(p[:, None], notebook.accuracy(p), notebook.time(p), notebook.size(p))


def test_printed_details():
    """p = 0.443, min_accuracy 85, max_size 400."""
    points, goal = at(0.443), Goal(min_accuracy=85, max_size=400)
    values = {reward.name: reward.value(points, goal)[0] for reward in DEFAULT_REWARDS}
    assert points.accuracy[0] == pytest.approx(80.03313313412143, rel=1e-8)
    assert points.time[0] == pytest.approx(0.829153617575, rel=1e-12)
    assert points.size[0] == pytest.approx(291.0618, rel=1e-12)
    assert values["accuracy"] == pytest.approx(70.757014534568, rel=1e-7)
    assert values["time"] == pytest.approx(58.443714953347126, rel=1e-12)
    assert values["size"] == pytest.approx(101.37427858963285, rel=1e-12)
    assert values["more_accuracy_less_size"] == 0
    # The notebook prints 44.3 here; its printed total holds 4.43.
    assert values["pruning"] == pytest.approx(4.43, rel=1e-12)


def test_accuracy_reward_to_fourteen_digits():
    points = OperatingPoints(np.zeros((1, 1)), np.array([80.03313313412143]))
    value = AccuracyReward().value(points, Goal(min_accuracy=85))[0]
    assert value == pytest.approx(70.757014534568, rel=1e-14)
    value = AccuracyReward().value(points, Goal(min_accuracy=80))[0]
    assert value == pytest.approx(99.98115470786377, rel=1e-14)


@pytest.mark.parametrize("goal", [(80, 300), (85, 400), (90, 300)])
def test_total_is_the_notebooks(goal):
    p = np.linspace(0, 1, 101)
    total = sum(reward.value(at(p), Goal(*goal)) for reward in DEFAULT_REWARDS)
    np.testing.assert_allclose(total, [notebook.reward(q, *goal) for q in p], rtol=1e-13)


def test_size_reward_around_its_limit():
    sizes = np.array([299.0, 300.0, 301.0])
    points = OperatingPoints(np.zeros((3, 1)), np.full(3, 90.0), None, sizes)
    np.testing.assert_allclose(
        SizeReward().value(points, Goal(max_size=300)),
        [100 + 300 / 299, 100, 100 * np.exp(-1 / 40)],
    )


def test_without_limits_rewards_aim_at_the_whole_network():
    points = at([0.0, 0.5])
    goal = Goal(best_accuracy=float(points.accuracy[0]), largest_size=480.4)
    assert AccuracyReward().value(points, goal)[0] == 100
    assert AccuracyReward().value(points, goal)[1] < 3
    np.testing.assert_allclose(SizeReward().value(points, goal), [100, 100 + 480.4 / 266.7])
    assert (MoreAccuracyLessSizeReward().value(points, goal) == 0).all()
    only_size = replace(goal, max_size=300)
    assert (MoreAccuracyLessSizeReward().value(points, only_size) == 0).all()


def test_pruning_reward_is_that_of_the_mean_amount():
    points = OperatingPoints(np.array([[0.2, 0.6]]), np.array([90.0]))
    assert PruningReward().value(points, Goal())[0] == pytest.approx(4)


def test_rewards_are_frozen_and_equal_by_value():
    assert TimeReward() == TimeReward(sigma=0.8)
    with pytest.raises(FrozenInstanceError):
        TimeReward().sigma = 3


def test_those_of_what_was_not_measured_are_left_out():
    assert [r.name for r in check_rewards(None, ("accuracy",))] == ["accuracy", "pruning"]
    assert check_rewards(None, ("accuracy", "time", "size")) == DEFAULT_REWARDS


@dataclass(frozen=True, kw_only=True)
class Own(Reward):
    name = "own"
    label: str = "anything"

    def value(self, points, goal):
        return points.accuracy


def test_own_rewards_may_hold_anything():
    assert check_rewards([Own(label="x")], ("accuracy",)) == (Own(label="x"),)


@pytest.mark.parametrize(
    ("rewards", "error", "message"),
    [
        ([], ValueError, "non-empty sequence of rewards"),
        (AccuracyReward(), ValueError, "non-empty sequence of rewards"),
        ("accuracy", TypeError, "instances of Reward.* it holds 'a'"),
        ([AccuracyReward], TypeError, "instances of Reward"),
        ([Own(), Own(weight=2)], ValueError, r"\['own'\] occur more than once"),
        ([TimeReward()], ValueError, "TimeReward needs time, which y does not hold"),
        ([MoreAccuracyLessSizeReward()], ValueError, "needs size"),
        ([AccuracyReward(weight=-1)], ValueError, "weight of AccuracyReward must not be negative"),
        ([AccuracyReward(weight="2")], ValueError, "weight of AccuracyReward must be a finite"),
        ([AccuracyReward(sigma=0)], ValueError, "sigma of AccuracyReward must be positive; got 0"),
        ([PruningReward(height=np.nan)], ValueError, "height of PruningReward must be a finite"),
    ],
)
def test_wrong_rewards(rewards, error, message):
    with pytest.raises(error, match=message):
        check_rewards(rewards, ("accuracy",))
