"""Rewards for accuracy, time and size: each a formula, its parameters and its weight.

The formulas and numbers are those of the notebook "mvcnn-results-reg-fit"; the code of its
accuracy reward is missing there, and was recovered from two of its printed results.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..utils import ReprHTML
from ._points import Goal, OperatingPoints

__all__ = [
    "DEFAULT_REWARDS",
    "AccuracyReward",
    "MoreAccuracyLessSizeReward",
    "PruningReward",
    "Reward",
    "SizeReward",
    "TimeReward",
    "check_rewards",
]


@dataclass(frozen=True, kw_only=True)
class Reward(ReprHTML, ABC):
    """What a point of operation is worth; derive a frozen dataclass from it to add your own.

    Parameters
    ----------
    weight : float, default=1.0
        What :meth:`value` is multiplied with in the total; zero leaves the reward out.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from skprune.amount import DEFAULT_REWARDS, PruningAmountOptimizer, Reward
    >>> @dataclass(frozen=True, kw_only=True)
    ... class RoundAmounts(Reward):
    ...     name = "round"
    ...     needs = ()
    ...
    ...     def value(self, points, goal):
    ...         return -abs((points.amounts * 10 + 0.5) % 1 - 0.5).mean(axis=1)
    >>> optimizer = PruningAmountOptimizer(rewards=(*DEFAULT_REWARDS, RoundAmounts(weight=0.1)))
    >>> [reward.name for reward in optimizer.rewards][-2:]
    ['pruning', 'round']
    """

    weight: float = 1.0
    #: Name of the column: ``f"{name}_reward"``.
    name: ClassVar[str]
    #: Quantities that must be measured besides the amounts.
    needs: ClassVar[tuple[str, ...]] = ("accuracy",)

    @abstractmethod
    def value(self, points: OperatingPoints, goal: Goal) -> NDArray[np.float64]:
        """Value of each point, before the weight.

        Parameters
        ----------
        points : OperatingPoints
            The n points.
        goal : Goal
            Limits, and what to aim at where there are none.

        Returns
        -------
        ndarray of shape (n,)
            One number a point.
        """


@dataclass(frozen=True, kw_only=True)
class AccuracyReward(Reward):
    """``100 exp(-|accuracy - target|^1.5 / (2 sigma^2))``.

    The target is ``min_accuracy``; without that limit, the highest accuracy of the curve.

    Parameters
    ----------
    weight : float, default=1.0
        Its share in the total.
    sigma : float, default=4.0
        Width, in points of accuracy to the power of 0.75.

    References
    ----------
    The notebook "mvcnn-results-reg-fit": the accuracy reward of its details. Its code is
    missing there, and the form was recovered from two of the printed values.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.amount import AccuracyReward, Goal, OperatingPoints
    >>> points = OperatingPoints(np.array([[0.443]]), accuracy=np.array([80.03313313412143]))
    >>> AccuracyReward().value(points, Goal(min_accuracy=85)).round(6)
    array([70.757015])
    """

    sigma: float = 4.0
    name: ClassVar[str] = "accuracy"

    def value(self, points: OperatingPoints, goal: Goal) -> NDArray[np.float64]:
        """Value of each point, before the weight.

        Parameters
        ----------
        points : OperatingPoints
            The n points.
        goal : Goal
            ``min_accuracy`` in percent; without it, ``best_accuracy`` is aimed at.

        Returns
        -------
        ndarray of shape (n,)
            In (0, 100].
        """
        target = goal.best_accuracy if goal.min_accuracy is None else goal.min_accuracy
        return 100 * np.exp(-(np.abs(points.accuracy - target) ** 1.5) / (2 * self.sigma**2))


@dataclass(frozen=True, kw_only=True)
class TimeReward(Reward):
    """``100 exp(-time^2 / (2 sigma^2))``.

    Parameters
    ----------
    weight : float, default=1.0
        Its share in the total.
    sigma : float, default=0.8
        Width, in the unit of the measured times: about four fifths of the time of the whole
        network in the notebook.

    References
    ----------
    The notebook "mvcnn-results-reg-fit": the time reward of its details.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.amount import Goal, OperatingPoints, TimeReward
    >>> accuracy, time = np.array([80.03]), np.array([0.829153617575])
    >>> points = OperatingPoints(np.array([[0.443]]), accuracy, time)
    >>> TimeReward().value(points, Goal()).round(6)
    array([58.443715])
    """

    sigma: float = 0.8
    name: ClassVar[str] = "time"
    needs: ClassVar[tuple[str, ...]] = ("time",)

    def value(self, points: OperatingPoints, goal: Goal) -> NDArray[np.float64]:
        """Value of each point, before the weight.

        Parameters
        ----------
        points : OperatingPoints
            The n points.
        goal : Goal
            Not used: time has no target.

        Returns
        -------
        ndarray of shape (n,)
            In (0, 100], 100 for no time at all.
        """
        assert points.time is not None
        return 100 * np.exp(-(points.time**2) / (2 * self.sigma**2))


@dataclass(frozen=True, kw_only=True)
class SizeReward(Reward):
    """Under the largest size ``100 + max_size / size``, at it 100, over it a steep fall.

    Over it, ``100 exp(-(size - max_size)^2 / (10 sigma_left^2))``. Without that limit, the
    size of the whole network stands for it.

    Parameters
    ----------
    weight : float, default=1.0
        Its share in the total.
    sigma_left : float, default=2.0
        Width of the fall, in the unit of the measured sizes.

    References
    ----------
    The notebook "mvcnn-results-reg-fit": the size reward of its details.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.amount import Goal, OperatingPoints, SizeReward
    >>> accuracy, size = np.array([80.03]), np.array([291.0618])
    >>> points = OperatingPoints(np.array([[0.443]]), accuracy, size=size)
    >>> SizeReward().value(points, Goal(max_size=400)).round(6)
    array([101.374279])
    """

    sigma_left: float = 2.0
    name: ClassVar[str] = "size"
    needs: ClassVar[tuple[str, ...]] = ("size",)

    def value(self, points: OperatingPoints, goal: Goal) -> NDArray[np.float64]:
        """Value of each point, before the weight.

        Parameters
        ----------
        points : OperatingPoints
            The n points.
        goal : Goal
            ``max_size``; without it, ``largest_size`` stands for it.

        Returns
        -------
        ndarray of shape (n,)
            More than 100 below the largest size, less above it.
        """
        most = goal.largest_size if goal.max_size is None else goal.max_size
        size = points.size
        assert size is not None
        assert most is not None
        over = 100 * np.exp(-((size - most) ** 2) / (10 * self.sigma_left**2))
        # Sizes of zero and less are ruled out by the search; the formula has no value there.
        ratio = most / np.where(size > 0, size, np.inf)
        return np.where(size > most, over, np.where(size == most, 100.0, 100.0 + ratio))


@dataclass(frozen=True, kw_only=True)
class MoreAccuracyLessSizeReward(Reward):
    """Where both limits are met, ``2 (accuracy - min_accuracy) + (max_size - size) / 2``.

    Zero elsewhere, and where one of the two limits is not given.

    Parameters
    ----------
    weight : float, default=1.0
        Its share in the total.
    per_accuracy : float, default=2.0
        Worth of a point of accuracy more than needed.
    per_size : float, default=0.5
        Worth of a unit of size less than allowed.

    References
    ----------
    The notebook "mvcnn-results-reg-fit": the bonus "more accuracy, less size" of its
    details.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.amount import Goal, MoreAccuracyLessSizeReward, OperatingPoints
    >>> accuracy, size = np.array([90.0, 75.0]), np.array([360.0, 250.0])
    >>> points = OperatingPoints(np.array([[0.3], [0.5]]), accuracy, size=size)
    >>> MoreAccuracyLessSizeReward().value(points, Goal(min_accuracy=80, max_size=400))
    array([40.,  0.])
    """

    per_accuracy: float = 2.0
    per_size: float = 0.5
    name: ClassVar[str] = "more_accuracy_less_size"
    needs: ClassVar[tuple[str, ...]] = ("accuracy", "size")

    def value(self, points: OperatingPoints, goal: Goal) -> NDArray[np.float64]:
        """Value of each point, before the weight.

        Parameters
        ----------
        points : OperatingPoints
            The n points.
        goal : Goal
            ``min_accuracy`` in percent and ``max_size``.

        Returns
        -------
        ndarray of shape (n,)
            The bonus; zero where a limit is missed or not given.
        """
        assert points.size is not None
        if goal.min_accuracy is None or goal.max_size is None:
            return np.zeros(len(points.accuracy))
        more, less = points.accuracy - goal.min_accuracy, goal.max_size - points.size
        bonus = self.per_accuracy * more + self.per_size * less
        return np.where((more >= 0) & (less >= 0), bonus, 0.0)


@dataclass(frozen=True, kw_only=True)
class PruningReward(Reward):
    """``height`` times the pruning amount; the mean amount where there are several columns.

    Parameters
    ----------
    weight : float, default=1.0
        Its share in the total.
    height : float, default=10.0
        Its value at amount one.

    References
    ----------
    The notebook "mvcnn-results-reg-fit": the term ``10 p`` of its total reward.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.amount import Goal, OperatingPoints, PruningReward
    >>> points = OperatingPoints(np.array([[0.2], [0.6]]), accuracy=np.array([94.0, 63.5]))
    >>> PruningReward().value(points, Goal())
    array([2., 6.])
    """

    height: float = 10.0
    name: ClassVar[str] = "pruning"
    needs: ClassVar[tuple[str, ...]] = ()

    def value(self, points: OperatingPoints, goal: Goal) -> NDArray[np.float64]:
        """Value of each point, before the weight.

        Parameters
        ----------
        points : OperatingPoints
            The n points.
        goal : Goal
            Not used.

        Returns
        -------
        ndarray of shape (n,)
            In [0, ``height``].
        """
        return self.height * points.amounts.mean(axis=1)


#: The notebook's five rewards, whose sum is its total.
DEFAULT_REWARDS: tuple[Reward, ...] = (
    AccuracyReward(),
    TimeReward(),
    SizeReward(),
    MoreAccuracyLessSizeReward(),
    PruningReward(),
)


def check_rewards(rewards: Any, measured: Sequence[str]) -> tuple[Reward, ...]:
    """The rewards that count, or what is wrong with them.

    Parameters
    ----------
    rewards : sequence of Reward, or None
        None stands for those of :data:`DEFAULT_REWARDS` whose quantities were measured.
    measured : sequence of str
        Quantities that were measured.

    Returns
    -------
    tuple of Reward

    Raises
    ------
    TypeError
        If one of them is no Reward.
    ValueError
        If there are none, two have one name, one has a wrong number, or needs a quantity that
        was not measured.
    """
    if rewards is None:
        return tuple(r for r in DEFAULT_REWARDS if set(r.needs) <= set(measured))
    if isinstance(rewards, Reward) or not isinstance(rewards, Sequence) or not len(rewards):
        raise ValueError(
            "rewards must be None or a non-empty sequence of rewards, such as "
            f"(AccuracyReward(), PruningReward()); got {rewards!r}."
        )
    for reward in rewards:
        if not isinstance(reward, Reward):
            raise TypeError(
                "rewards must hold instances of Reward, such as AccuracyReward(weight=2); it holds "
                f"{reward!r}. DEFAULT_REWARDS holds the usual ones."
            )
        if not isinstance(getattr(reward, "name", None), str) or reward.name == "total":
            raise ValueError(
                f"{type(reward).__name__} must have a name, a string other than 'total'."
            )
        _check_numbers(reward)
        missing = [need for need in reward.needs if need not in measured]
        if missing:
            raise ValueError(
                f"{type(reward).__name__} needs {' and '.join(missing)}, which y does not hold: "
                "measure it, or leave that reward out of rewards."
            )
    names = [reward.name for reward in rewards]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"The names of rewards must differ; {twice} occur more than once.")
    return tuple(rewards)


def _check_numbers(reward: Reward) -> None:
    kind = type(reward).__name__
    for field in fields(reward):
        value = getattr(reward, field.name)
        if field.type not in (float, "float"):
            continue  # something of the user's own
        if not isinstance(value, Real) or isinstance(value, bool) or not np.isfinite(float(value)):
            raise ValueError(f"{field.name} of {kind} must be a finite number; got {value!r}.")
        if field.name == "weight" and float(value) < 0:
            raise ValueError(f"weight of {kind} must not be negative; got {value!r}.")
        if field.name.startswith("sigma") and float(value) <= 0:
            raise ValueError(f"{field.name} of {kind} must be positive; got {value!r}.")
