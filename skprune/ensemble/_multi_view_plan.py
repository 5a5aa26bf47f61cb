"""What a multi-view network is rebuilt from; needs no Keras until the network is asked for."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .._keras import load_quietly, quiet_first_use
from ._space import CNNArchitecture

__all__ = ["LazyNetworks", "MultiViewNetworks", "MultiViewPlan"]


@dataclass(frozen=True)
class MultiViewPlan:
    """All that a multi-view network is before training.

    Parameters
    ----------
    architecture : CNNArchitecture
        Blocks and dense layer of the tower, dropout of the head.
    view_shape : tuple of (int, int, int, int)
        Views, height, width and channels of a sample.
    n_classes : int
        Number of classes.
    view_pooling : {"max", "mean"}
        How the features of views become one.
    offset, scale : float
        The tower's first layer turns a pixel x into (x - offset) / scale.
    seed : int
        Seed of initial weights, dropout and order of samples.
    """

    architecture: CNNArchitecture
    view_shape: tuple[int, int, int, int]
    n_classes: int
    view_pooling: str
    offset: float
    scale: float
    seed: int


class MultiViewNetworks(NamedTuple):
    """Three Keras models that share their layers.

    Parameters
    ----------
    tower : keras.Model
        From one view, (n, h, w, c), to its features, (n, d).
    head : keras.Model
        From pooled features, (n, d), to probabilities, (n, C).
    model : keras.Model
        From pixels (n, V, h, w, c) and a mask (n, V) to probabilities (n, C).
    """

    tower: Any
    head: Any
    model: Any


class LazyNetworks:
    """Trained networks: either live, or the plan and weights they are rebuilt from.

    Parameters
    ----------
    plan : MultiViewPlan
        What to build.
    weights : list of ndarray
        In the order of ``get_weights`` of the whole model.
    """

    def __init__(self, plan: MultiViewPlan, weights: list[np.ndarray]):
        self.plan = plan
        self._weights, self._live = weights, None

    def get(self) -> MultiViewNetworks:
        """Return the networks, not compiled."""
        # In this order: another thread sets the second before it lets go of the first.
        weights, live = self._weights, self._live
        if live is None:
            with quiet_first_use():
                network = load_quietly("skprune.ensemble._multi_view_network")
                live = network.build_multi_view(self.plan)
                live.model.set_weights(weights)
            self._live = live
            self._weights = None
        return live

    def __getstate__(self):
        # Arrays: no object of Keras is ever unpickled.
        weights, live = self._weights, self._live
        if live is not None:
            weights = live.model.get_weights()
        return {"plan": self.plan, "_weights": weights, "_live": None}
