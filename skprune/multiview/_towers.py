"""Networks of several views: a tower for each view, and the head over their pooled features."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import ModelCost, model_cost
from ..utils import ReprHTML

__all__ = ["ViewNetworks", "assemble"]


@dataclass(frozen=True, eq=False)
class ViewNetworks(ReprHTML):
    """Towers, one a view, and the head over their pooled features.

    Attributes
    ----------
    towers : tuple of V keras.Model or None
        From a view to its features; views may share one. None: the view is dropped.
    head : keras.Model
        From pooled features to probabilities.
    pooling : {"max", "mean"}
        Whether the features of the views become their maximum or their mean.

    Examples
    --------
    >>> import keras, numpy as np
    >>> from skprune.multiview import ViewNetworks
    >>> tower = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()])
    >>> head = keras.Sequential([keras.Input((16,)), keras.layers.Dense(2, activation="softmax")])
    >>> networks = ViewNetworks((tower, None, tower), head, "max")
    >>> networks.predict_proba(np.zeros((5, 3, 4, 4, 1), "float32")).shape
    (5, 2)
    >>> networks.cost().parameters
    34
    """

    towers: tuple[Any, ...]
    head: Any
    pooling: str

    @property
    def kept(self) -> NDArray[np.bool_]:
        """For each view, whether it has a tower."""
        return np.array([tower is not None for tower in self.towers])

    @property
    def distinct(self) -> list[Any]:
        """The towers, each once."""
        return list({id(t): t for t in self.towers if t is not None}.values())

    @property
    def n_bytes(self) -> int:
        """Bytes of all weights; a shared tower counts once."""
        models = [*self.distinct, self.head]
        return sum(weight.nbytes for model in models for weight in model.get_weights())

    def cost(self) -> ModelCost:
        """Size of the networks, and arithmetic for one sample.

        Returns
        -------
        ModelCost
        """
        own = {id(tower): model_cost(tower) for tower in self.distinct}
        head = model_cost(self.head)
        macs = head.macs + sum(own[id(tower)].macs for tower in self.towers if tower is not None)
        return replace(sum(own.values(), head), macs=macs)

    def predict_proba(self, images: NDArray, mask: NDArray[np.bool_] | None = None) -> NDArray:
        """Probabilities of the classes.

        Parameters
        ----------
        images : ndarray of shape (n, V, height, width, channels)
            All V views of each sample; missing and dropped ones may have any pixels.
        mask : ndarray of shape (n, V), bool, default=None
            True where a view is present; None means all.

        Returns
        -------
        ndarray of shape (n, C), float32
            Each row sums to one.
        """
        from ._network import predict_features, view_features

        return predict_features(self, *view_features(self, images, mask))

    def retrained(self, model: Any) -> "ViewNetworks":
        """The same networks with the weights of a trained model of :func:`assemble`.

        Parameters
        ----------
        model : keras.Model
            The networks assembled into one model, which has the new weights.

        Returns
        -------
        ViewNetworks
        """
        new = {id(tower): model.get_layer(_name(i)) for i, tower in enumerate(self.distinct)}
        towers = tuple(None if t is None else new[id(t)] for t in self.towers)
        return ViewNetworks(towers, model.get_layer("head"), self.pooling)


def assemble(networks: ViewNetworks, view_shape: Sequence[int]) -> Any:
    """One Keras model from pixels (n, V, h, w, c) and a mask (n, V); it shares all layers."""
    import keras
    from keras import ops

    from ._network import ViewPooling

    n_views, *image_shape = (int(side) for side in view_shape)
    pixels = keras.Input((n_views, *image_shape), name="pixels", dtype="float32")
    mask = keras.Input((n_views,), name="mask", dtype="bool")
    features, order = [], []
    for number, tower in enumerate(networks.distinct):
        views = [v for v, own in enumerate(networks.towers) if own is tower]
        named = keras.Model(tower.inputs[0], tower.outputs[0], name=_name(number))
        given = pixels if len(views) == n_views else ops.take(pixels, np.array(views), axis=1)
        found = named(ops.reshape(given, (-1, *image_shape)))
        features.append(ops.reshape(found, (-1, len(views), tower.output_shape[-1])))
        order += views
    joined = features[0] if len(features) == 1 else ops.concatenate(features, axis=1)
    present = mask if order == list(range(n_views)) else ops.take(mask, np.array(order), axis=1)
    pooled = ViewPooling(networks.pooling, name="view_pooling", dtype="float32")(joined, present)
    head = keras.Model(networks.head.inputs[0], networks.head.outputs[0], name="head")
    return keras.Model([pixels, mask], head(pooled), name="multi_view")


def _name(number: int) -> str:
    return f"tower_{number}"
