"""Some rows of predictions, not copied before a block of them is asked for."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._prediction_store import PredictionStore, is_run, outer

__all__ = ["Predictions", "PredictionSelection", "as_predictions", "select"]


@dataclass(frozen=True, eq=False)
class PredictionSelection:
    """Some members and samples of predictions; slices of it are copied when they are taken.

    Attributes
    ----------
    source : ndarray or PredictionStore
        All predictions.
    members, rows : ndarray of int
        Positions of what is selected.
    """

    source: NDArray | PredictionStore
    members: NDArray[np.intp]
    rows: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(members, samples, classes or targets)."""
        return len(self.members), len(self.rows), self.source.shape[2]

    @property
    def dtype(self) -> np.dtype:
        """That of the predictions."""
        return self.source.dtype

    @property
    def ndim(self) -> int:
        """Three."""
        return 3

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, key: Any) -> NDArray:
        members, rows = key if isinstance(key, tuple) else (key, slice(None))
        members, rows = self.members[members], self.rows[rows]
        if isinstance(self.source, PredictionStore):
            return self.source[members, rows]
        return outer(self.source, members, rows)


Predictions = NDArray | PredictionStore | PredictionSelection


def as_predictions(P: Any) -> Any:
    """Predictions that can be read block by block as they are; anything else as an array."""
    known = (np.ndarray, PredictionStore, PredictionSelection)
    return P if isinstance(P, known) else np.asarray(P)


def select(
    P: Predictions, rows: NDArray[np.intp], members: NDArray[np.intp] | None = None
) -> Predictions:
    """Some samples, and some members, of predictions.

    Parameters
    ----------
    P : Predictions
        All.
    rows : ndarray of int
        Positions of samples.
    members : ndarray of int, default=None
        Positions of members; None is all of them.

    Returns
    -------
    Predictions
        A view of an array where the positions follow each other; nothing is copied.
    """
    if members is None:
        members = np.arange(len(P))
    if isinstance(P, PredictionSelection):
        return replace(P, members=P.members[members], rows=P.rows[rows])
    if isinstance(P, np.ndarray) and is_run(rows) and is_run(members):
        return outer(P, members, rows)
    return PredictionSelection(P, members, rows)
