"""Measurements at pruning amounts, as a .csv file holds them."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import Refused
from ._files import read_columns

__all__ = ["MeasuredFile", "read_measurements"]

_QUANTITIES = ("accuracy", "time", "size")


@dataclass(frozen=True, eq=False)
class MeasuredFile:
    """Columns of a file that say something here.

    Attributes
    ----------
    amounts : ndarray of shape (n, d)
        Pruning amounts.
    amount_names : tuple of d str
        Names of their columns.
    values : dict of str to ndarray of shape (n,)
        "accuracy", and "time" and "size" where there are such columns.
    """

    amounts: NDArray[np.float64]
    amount_names: tuple[str, ...]
    values: dict[str, NDArray[np.float64]]

    def target(self) -> Any:
        """What PruningAmountOptimizer takes as y."""
        columns = list(self.values.values())
        if len(columns) == 1:
            return columns[0]
        if len(columns) == 3:
            return np.column_stack(columns)
        from ..utils import load_pandas  # of two quantities the names have to be said

        return load_pandas("give both columns, time and size").DataFrame(self.values)


def read_measurements(path: str) -> MeasuredFile:
    """Read and check a file of measurements.

    Parameters
    ----------
    path : str
        A .csv file with the columns ``amount...``, ``accuracy`` and maybe ``time`` and ``size``.

    Returns
    -------
    MeasuredFile

    Raises
    ------
    Refused
        If a column is missing, or something in one cannot be right; it is named.
    """
    heading, rows = read_columns(path)
    names = [name.lower() for name in heading]
    amount_names = tuple(name for name in names if name.startswith("amount"))
    wanted = [*amount_names, *(name for name in _QUANTITIES if name in names)]
    missing = [] if amount_names else ["amount"]
    missing += ["accuracy"] if "accuracy" not in names else []
    if missing:
        raise Refused(
            f"{path}: it lacks the column {' and '.join(missing)}; its columns are "
            f"{', '.join(heading)}. Needed are amount and accuracy; time and size may be there."
        )
    twice = sorted({name for name in wanted if names.count(name) > 1})
    if twice:
        raise Refused(f"{path}: there is more than one column {' and '.join(twice)}.")
    if not rows:
        raise Refused(f"{path}: there is a heading, and no row under it.")
    columns = {
        name: np.array(
            [_number(path, line, name, cells[names.index(name)]) for line, cells in rows]
        )
        for name in wanted
    }
    lines = [line for line, _ in rows]
    for name, column in columns.items():
        _check_range(path, name, column, lines)
    return MeasuredFile(
        np.column_stack([columns[name] for name in amount_names]),
        amount_names,
        {name: columns[name] for name in _QUANTITIES if name in columns},
    )


def _number(path: str, line: int, name: str, cell: str) -> float:
    try:
        value = float(cell.replace("_", "?"))  # which Python would take out of 1_000
    except ValueError:
        what = f"{cell!r} is no number" if cell else "the cell is empty"
        raise Refused(f"{path}: line {line}, column {name}: {what}.") from None
    if not math.isfinite(value):
        raise Refused(f"{path}: line {line}, column {name}: {cell!r} is not finite.")
    return value


def _check_range(path: str, name: str, column: NDArray[np.float64], lines: list[int]) -> None:
    most, right, hint = math.inf, "must not be negative", ""
    if name == "accuracy":
        most, right = 100.0, "must lie in [0, 1] as a fraction, or in [0, 100] in percent"
    elif name not in _QUANTITIES:
        most, right = 1.0, "must lie in [0, 1]"
        hint = " If amounts are in percent, divide them by 100." if 1 < column.max() <= 100 else ""
    wrong = (column < 0) | (column > most)
    if wrong.any():
        at = int(wrong.argmax())
        raise Refused(f"{path}: line {lines[at]}, column {name}: {column[at]:g}; it {right}.{hint}")
