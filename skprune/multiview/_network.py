"""Networks of several views in Keras: building, layers, and prediction by towers and a head."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from .._keras import JointNetworks, get_compiled, network_output, seconds_to_compile
from ..ensemble._builder import build_tower_and_head
from ._towers import ViewNetworks

if TYPE_CHECKING:
    from ._classifier import MultiViewPlan

__all__ = [
    "SliceNorm",
    "ViewMask",
    "ViewPooling",
    "build_networks",
    "pool_views",
    "predict_features",
    "view_features",
]

# Views of one batch.
_MOST_ROWS = 4096


def build_networks(plan: "MultiViewPlan") -> ViewNetworks:
    """Build one tower for all views and the head, without any global random state."""
    tower, head = build_tower_and_head(
        plan.architecture,
        plan.view_shape[1:],
        plan.n_classes,
        offset=plan.offset,
        scale=plan.scale,
        seed=plan.seed,
    )
    return ViewNetworks((tower,) * plan.view_shape[0], head, plan.view_pooling)


def pool_views(features: Any, present: Any, how: str) -> Any:
    """Maximum or mean (n, d) of features (n, V, d) over the views where ``present`` is True."""
    present = ops.expand_dims(present, -1)
    if how == "max":
        return ops.max(ops.where(present, features, -np.inf), axis=1)
    count = ops.sum(ops.cast(present, features.dtype), axis=1)
    return ops.sum(ops.where(present, features, 0.0), axis=1) / count


@keras.saving.register_keras_serializable(package="skprune")
class ViewPooling(layers.Layer):
    """:func:`pool_views` as a layer."""

    def __init__(self, how: str = "max", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.how = how

    def call(self, features: Any, present: Any) -> Any:
        """Pool features of shape (n, V, d) where ``present``, of shape (n, V), is True."""
        return pool_views(features, present, self.how)

    def compute_output_shape(self, features_shape: Any, present_shape: Any) -> Any:
        """Return (n, d)."""
        return features_shape[0], features_shape[2]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "how": self.how}


class ViewMask(layers.Layer):
    """Multiply the channels of each of k views by its row of zeros and ones, (k, c)."""

    def __init__(self, mask: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask = np.asarray(mask, dtype=np.float32)

    def call(self, inputs: Any) -> Any:
        """Inputs of shape (n * k, ..., c), the k views of a sample one after the other."""
        k, c = self.mask.shape
        sides = inputs.shape[1:]
        of_views = ops.reshape(inputs, (-1, k, *sides))
        mask = self.mask.reshape(k, *[1] * (len(sides) - 1), c)
        return ops.reshape(of_views * mask, (-1, *sides))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "mask": self.mask.tolist()}


class SliceNorm(layers.Layer):
    """Batch normalization whose k views have the statistics of their slices, 0 to g - 1.

    A channel with many inputs has far larger values in a wide slice than in a narrow one: one mean
    and variance cannot serve both. Factors and offsets are shared by all slices, as in Yu et al.,
    "Slimmable Neural Networks", ICLR 2019.
    """

    def __init__(
        self,
        slices: Any,
        momentum: float = 0.9,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.slices = np.asarray(slices, dtype=int)
        self.momentum, self.epsilon = momentum, epsilon
        self.center, self.scale = center, scale
        # Each row averages over the views of one slice.
        share = np.equal.outer(np.arange(self.slices.max() + 1), self.slices)
        self._average = (share / share.sum(axis=1, keepdims=True)).astype(np.float32)

    def build(self, input_shape: Any) -> None:
        """Create the weights, for the last axis."""
        c, g = input_shape[-1], len(self._average)
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(shape=(c,), initializer="ones", name="gamma")
        if self.center:
            self.beta = self.add_weight(shape=(c,), initializer="zeros", name="beta")
        fixed = {"shape": (g, c), "trainable": False}
        self.moving_mean = self.add_weight(initializer="zeros", name="moving_mean", **fixed)
        self.moving_variance = self.add_weight(initializer="ones", name="moving_variance", **fixed)

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Inputs of shape (n * k, ..., c), the k views of a sample one after the other."""
        k, sides = len(self.slices), inputs.shape[1:]
        x = ops.reshape(inputs, (-1, k, *sides))
        if training:
            others = (0, *range(2, len(sides) + 1))
            mean = ops.matmul(self._average, ops.mean(x, axis=others))
            square = ops.matmul(self._average, ops.mean(ops.square(x), axis=others))
            variance = ops.maximum(square - ops.square(mean), 0.0)
            kept = self.momentum
            self.moving_mean.assign(kept * self.moving_mean + (1 - kept) * mean)
            self.moving_variance.assign(kept * self.moving_variance + (1 - kept) * variance)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        factor = ops.rsqrt(variance + self.epsilon)
        if self.gamma is not None:
            factor = factor * self.gamma
        offset = -mean * factor
        if self.beta is not None:
            offset = offset + self.beta
        of_views = (k, *[1] * (len(sides) - 1), sides[-1])
        factor = ops.reshape(ops.take(factor, self.slices, axis=0), of_views)
        offset = ops.reshape(ops.take(offset, self.slices, axis=0), of_views)
        return ops.reshape(x * factor + offset, (-1, *sides))

    def copy_from(self, norm: layers.BatchNormalization) -> None:
        """Take over a batch normalization, its statistics for each slice."""
        for own, other in ((self.gamma, norm.gamma), (self.beta, norm.beta)):
            if own is not None:
                own.assign(other)
        g = len(self._average)
        self.moving_mean.assign(ops.tile(norm.moving_mean[None], (g, 1)))
        self.moving_variance.assign(ops.tile(norm.moving_variance[None], (g, 1)))

    def copy_factors_to(self, norm: layers.BatchNormalization) -> None:
        """Give factors and offsets, but not statistics, to a batch normalization."""
        for own, other in ((self.gamma, norm.gamma), (self.beta, norm.beta)):
            if own is not None:
                other.assign(own)

    def statistics(self) -> tuple[NDArray, NDArray]:
        """Means and variances, of shape (g, c) each."""
        return (
            ops.convert_to_numpy(self.moving_mean),
            ops.convert_to_numpy(self.moving_variance),
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        own = {name: getattr(self, name) for name in ("momentum", "epsilon", "center", "scale")}
        return {**super().get_config(), "slices": self.slices.tolist(), **own}


def view_features(
    networks: ViewNetworks, images: NDArray, mask: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Features (n, V, d), and where a view is present and not dropped, (n, V)."""
    n_samples, n_views = images.shape[:2]
    towers, kept = networks.towers, networks.kept
    if len(towers) != n_views:
        raise ValueError(
            f"There must be one tower (or None) for each view, {n_views}; got {len(towers)}."
        )
    present = np.broadcast_to(kept if mask is None else mask & kept, (n_samples, n_views))
    empty = np.flatnonzero(~present.any(axis=1))
    if len(empty):
        raise ValueError(
            f"{len(empty)} of {n_samples} samples have no view that was kept, the first is sample "
            f"{empty[0]}; the views {np.flatnonzero(~kept).tolist()} were dropped."
        )
    distinct = networks.distinct
    views = [[v for v, own in enumerate(towers) if own is tower] for tower in distinct]
    features = np.zeros((n_samples, n_views, distinct[0].output_shape[-1]), dtype=np.float32)
    joint = None
    if len(distinct) > 1:  # before each of them is compiled by itself
        joint = get_compiled(
            distinct, [], lambda: JointNetworks(distinct), seconds_to_compile() / 2
        )
    if joint is not None:
        _compute_jointly(joint, views, images, features)
        features[~present] = 0.0
        return features, present
    for tower, own in zip(distinct, views, strict=True):
        _compute(tower, own, images, present, features)
    return features, present


def _compute(
    tower: keras.Model, views: list[int], images: NDArray, present: NDArray, features: NDArray
) -> None:
    """Write the features of one tower's views, where they are present."""
    step = max(1, _MOST_ROWS // len(views))
    for start in range(0, len(images), step):
        rows = slice(start, start + step)
        computed = present[rows, views]
        if computed.any():
            batch = images[rows, views][computed].astype(np.float32)
            found = features[rows, views]
            found[computed] = network_output(tower, batch)
            features[rows, views] = found


def _compute_jointly(
    joint: JointNetworks, views: list[list[int]], images: NDArray, features: NDArray
) -> None:
    """Write the features of all views, present or not, by one function."""
    step = max(1, joint.rows // max(map(len, views)))
    for start in range(0, len(images), step):
        rows = slice(start, start + step)
        n = len(images[rows])
        batches = [
            images[rows, own].reshape(n * len(own), *images.shape[2:]).astype(np.float32)
            for own in views
        ]
        for own, found in zip(views, joint.predict_each(batches), strict=True):
            features[rows, own] = found.reshape(n, len(own), -1)


def predict_features(
    networks: ViewNetworks, features: NDArray, present: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Probabilities (n, C) from features (n, V, d) of the present views."""
    parts = []
    for start in range(0, len(features), _MOST_ROWS):
        rows = slice(start, start + _MOST_ROWS)
        pooled = pool_views(features[rows], present[rows], networks.pooling)
        parts.append(network_output(networks.head, ops.convert_to_numpy(pooled)))
    return np.concatenate(parts)
