"""Towers and head on a scikit-learn estimator: in pickles, the bytes of .keras files."""

from typing import Any

from ..compression._kept_model import KeptModel
from ._nested import NestedTowers
from ._towers import ViewNetworks

__all__ = ["KeptViews"]


class KeptViews:
    """The networks of a pruned multi-view classifier, live or as bytes.

    Parameters
    ----------
    towers : list of KeptModel or None
        One a view; with nested towers the one that holds all slices.
    head : KeptModel
        The head.
    pooling : {"max", "mean"}
        How the features of views become one.
    nested : tuple or None
        Kept channels, views and statistics of nested towers, and the number of all views.
    """

    def __init__(
        self, towers: list[KeptModel | None], head: KeptModel, pooling: str, nested: Any = None
    ) -> None:
        self._towers, self._head, self._pooling, self._nested = towers, head, pooling, nested
        self._live: ViewNetworks | None = None

    @classmethod
    def of_copies(cls, networks: ViewNetworks) -> "KeptViews":
        """Keep a tower for each view."""
        towers = [None if tower is None else KeptModel(tower) for tower in networks.towers]
        return cls(towers, KeptModel(networks.head), networks.pooling)

    @classmethod
    def of_nested(cls, nested: NestedTowers, head: Any, pooling: str, n_views: int) -> "KeptViews":
        """Keep one tower and what is a slice of it."""
        slices = (nested.slices.kept, nested.views, nested.norms, n_views)
        return cls([KeptModel(nested.tower)], KeptModel(head), pooling, slices)

    @property
    def stored(self) -> Any:
        """The one tower that is held, where all are slices of it; None for copies."""
        if self._nested is None:
            return None
        (tower,) = self._towers
        assert tower is not None
        return tower.get()

    @property
    def norm_bytes(self) -> int:
        """What nested slices hold besides the one tower."""
        if self._nested is None:
            return 0
        kept, views, norms, _ = self._nested
        return NestedTowers.from_kept(self.stored, kept, views, norms).norm_bytes

    def get(self) -> ViewNetworks:
        """Return the networks, one tower a view."""
        if self._live is None:
            head = self._head.get()
            if self._nested is None:
                towers = tuple(None if kept is None else kept.get() for kept in self._towers)
                self._live = ViewNetworks(towers, head, self._pooling)
            else:
                kept, views, norms, n_views = self._nested
                nested = NestedTowers.from_kept(self.stored, kept, views, norms)
                self._live = ViewNetworks(nested.cut(n_views), head, self._pooling)
        return self._live

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_live": None}
