"""How much to prune: curves, rewards, and the amount that is best within limits."""

from ._fit_quality import CurveFit
from ._importance import (
    ViewAmounts,
    importance_inverse_amounts,
    normalize_importance,
    reciprocal_mean_rank,
)
from ._measurements import Measurements
from ._optimizer import PruningAmountOptimizer
from ._points import Goal, OperatingPoints
from ._rewards import (
    DEFAULT_REWARDS,
    AccuracyReward,
    MoreAccuracyLessSizeReward,
    PruningReward,
    Reward,
    SizeReward,
    TimeReward,
)
from ._smallest import smallest_amounts
from ._uncertainty import AmountBootstrap, WeightSensitivity
from .curves import AdditiveCurve, BaseCurve, LogisticCurve, MonotoneCurve, PolynomialCurve

__all__ = [
    "DEFAULT_REWARDS",
    "AccuracyReward",
    "AdditiveCurve",
    "AmountBootstrap",
    "BaseCurve",
    "CurveFit",
    "Goal",
    "LogisticCurve",
    "Measurements",
    "MonotoneCurve",
    "MoreAccuracyLessSizeReward",
    "OperatingPoints",
    "PolynomialCurve",
    "PruningAmountOptimizer",
    "PruningReward",
    "Reward",
    "SizeReward",
    "TimeReward",
    "ViewAmounts",
    "WeightSensitivity",
    "importance_inverse_amounts",
    "normalize_importance",
    "reciprocal_mean_rank",
    "smallest_amounts",
]
