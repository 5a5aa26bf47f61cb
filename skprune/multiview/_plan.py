"""Plan and weights of a multi-view network; Keras is imported when the network is built."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .._keras import load_quietly, quiet_first_use
from ..ensemble import CNNArchitecture

__all__ = ["LazyNetworks", "MultiViewNetworks", "MultiViewPlan"]


@dataclass(frozen=True)
class MultiViewPlan:
    """What determines a multi-view network before training.

    ``view_shape`` is views, height, width and channels of a sample. The tower's first layer turns a
    pixel x into (x - offset) / scale. ``view_pooling`` is "max" or "mean". ``seed`` is that of the
    initial weights, dropout and the order of samples.
    """

    architecture: CNNArchitecture
    view_shape: tuple[int, int, int, int]
    n_classes: int
    view_pooling: str
    offset: float
    scale: float
    seed: int


class MultiViewNetworks(NamedTuple):
    """Three Keras models that share their layers."""

    tower: Any  # from views (n, h, w, c) to features (n, d)
    head: Any  # from pooled features (n, d) to probabilities (n, C)
    model: Any  # from pixels (n, V, h, w, c) and a mask (n, V) to probabilities (n, C)


class LazyNetworks:
    """Trained networks: either live, or the plan and the weights of the model to rebuild them."""

    def __init__(self, plan: MultiViewPlan, weights: list[np.ndarray]):
        self.plan = plan
        self._weights, self._live = weights, None

    def get(self) -> MultiViewNetworks:
        """Return the networks, not compiled."""
        # In this order: another thread sets the second before it removes the first.
        weights, live = self._weights, self._live
        if live is None:
            with quiet_first_use():
                network = load_quietly("skprune.multiview._network")
                live = network.build_multi_view(self.plan)
                live.model.set_weights(weights)
            self._live = live
            self._weights = None
        return live

    def __getstate__(self):
        # Only arrays: no Keras object is unpickled.
        weights, live = self._weights, self._live
        if live is not None:
            weights = live.model.get_weights()
        return {"plan": self.plan, "_weights": weights, "_live": None}
