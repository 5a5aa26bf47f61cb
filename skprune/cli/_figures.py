"""Figures of what a command found, drawn by the displays of ``inspection``."""

from typing import Any

from ._errors import FAILED, Refused
from ._output import write_figure

__all__ = ["draw_frontier", "draw_total_reward"]


def draw_frontier(pruner: Any, path: str) -> None:
    """Accuracy against the number of members along the penalty path.

    Parameters
    ----------
    pruner : fitted pruner
        What found it.
    path : str
        File to draw to.
    """
    from ..inspection import PruningPathDisplay

    ax = _axes()
    PruningPathDisplay.from_estimator(pruner, ax=ax)
    write_figure(ax.figure, path, "--frontier")


def draw_total_reward(optimizer: Any, path: str) -> None:
    """The total reward against the pruning amount, the best one, and where limits are met.

    Parameters
    ----------
    optimizer : fitted PruningAmountOptimizer
        What found it; with several columns, the first one varies.
    path : str
        File to draw to.
    """
    from ..inspection import TotalRewardDisplay

    ax = _axes()
    TotalRewardDisplay.from_estimator(optimizer, ax=ax)
    write_figure(ax.figure, path, "--figure")


def _axes() -> Any:
    """Axes of a figure that needs no screen, and is no business of pyplot's."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Refused(
            "figures need matplotlib: run `pip install skprune[report]`.", FAILED
        ) from error
    return Figure(layout="constrained").subplots()
