"""Reports and figures of what pruning did."""

from ._amount_frontier_display import AmountFrontierDisplay
from ._frequency_display import SelectionFrequencyDisplay
from ._full import equal_vote as equal_vote
from ._grid_display import ScoreGridDisplay
from ._importance_amount_display import ImportanceAmountDisplay
from ._member_display import AccuracyDiversityDisplay
from ._path_display import PruningPathDisplay
from ._reliability_display import ReliabilityDisplay
from ._reliability_display import probability_scores as probability_scores
from ._report import PruningReport, pruning_report
from ._reward_display import RewardDisplay
from ._total_reward_display import TotalRewardDisplay
from ._view_amounts_display import ViewAmountsDisplay
from ._weight_path_display import WeightPathDisplay

__all__ = [
    "AccuracyDiversityDisplay",
    "AmountFrontierDisplay",
    "ImportanceAmountDisplay",
    "PruningPathDisplay",
    "PruningReport",
    "ReliabilityDisplay",
    "RewardDisplay",
    "ScoreGridDisplay",
    "SelectionFrequencyDisplay",
    "TotalRewardDisplay",
    "ViewAmountsDisplay",
    "WeightPathDisplay",
    "pruning_report",
]
