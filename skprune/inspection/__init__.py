"""Reports and figures of what pruning did."""

from ._path_display import PruningPathDisplay
from ._report import PruningReport, pruning_report

__all__ = ["PruningPathDisplay", "PruningReport", "pruning_report"]
