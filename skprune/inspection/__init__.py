"""Reports and figures of what pruning did."""

from ._frequency_display import SelectionFrequencyDisplay
from ._grid_display import ScoreGridDisplay
from ._member_display import AccuracyDiversityDisplay
from ._path_display import PruningPathDisplay
from ._report import PruningReport, pruning_report
from ._weight_path_display import WeightPathDisplay

__all__ = [
    "AccuracyDiversityDisplay",
    "PruningPathDisplay",
    "PruningReport",
    "ScoreGridDisplay",
    "SelectionFrequencyDisplay",
    "WeightPathDisplay",
    "pruning_report",
]
