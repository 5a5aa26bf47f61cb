"""The notebook's table of details, as a DataFrame."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..utils import load_pandas
from ._landscape import Landscape

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["details_frame"]


def details_frame(
    landscape: Landscape, amounts: NDArray[np.float64], names: Iterable[Any]
) -> "DataFrame":
    """One row an amount: what the curves and the rewards say.

    Parameters
    ----------
    landscape : Landscape
        Curves and rewards.
    amounts : ndarray of shape (n, d)
        Pruning amounts.
    names : iterable of d names
        What to call their columns; a single column needs none.

    Returns
    -------
    DataFrame

    Raises
    ------
    ImportError
        If pandas is not installed.
    """
    pd = load_pandas("use transform")
    points = landscape.points(amounts)
    rewards = landscape.rewards_of(points)
    heads = [f"Pruning Amount {name}".strip() for name in names]
    columns = dict(zip(heads, amounts.T, strict=True))
    columns |= {name.capitalize(): value for name, value in landscape.in_units(points).items()}
    columns |= {
        f"{name.replace('_', ' ').title()} Reward": value for name, value in rewards.items()
    }
    columns["Total Reward"] = np.sum(list(rewards.values()), axis=0)
    return pd.DataFrame(columns)
