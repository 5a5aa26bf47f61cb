"""Multi-view networks in Keras: one tower for all views, pooling over views, and a head."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from .._keras import JointNetworks, get_compiled, network_output, seconds_to_compile
from ..ensemble._builder import build_tower_and_head
from ._plan import MultiViewNetworks, MultiViewPlan

__all__ = [
    "ViewPooling",
    "build_multi_view",
    "pool_views",
    "predict_features",
    "predict_views",
    "view_features",
]

# Views of one batch.
_MOST_ROWS = 4096


def build_multi_view(plan: MultiViewPlan) -> MultiViewNetworks:
    """Build the networks, not compiled, without any global random state."""
    n_views, *image_shape = plan.view_shape
    tower, head = build_tower_and_head(
        plan.architecture,
        tuple(image_shape),
        plan.n_classes,
        offset=plan.offset,
        scale=plan.scale,
        seed=plan.seed,
    )
    pixels = keras.Input(plan.view_shape, name="pixels", dtype="float32")
    mask = keras.Input((n_views,), name="mask", dtype="bool")
    features = tower(ops.reshape(pixels, (-1, *image_shape)))
    features = ops.reshape(features, (-1, n_views, plan.architecture.dense_units))
    pooled = ViewPooling(plan.view_pooling, name="view_pooling", dtype="float32")(features, mask)
    model = keras.Model([pixels, mask], head(pooled), name="multi_view_cnn")
    return MultiViewNetworks(tower, head, model)


def pool_views(features, present, how: str):
    """Maximum or mean (n, d) of features (n, V, d) over the views where ``present`` (n, V) is True.

    Each sample has at least one view; features of missing views may be anything.
    """
    present = ops.expand_dims(present, -1)
    if how == "max":
        return ops.max(ops.where(present, features, -np.inf), axis=1)
    count = ops.sum(ops.cast(present, features.dtype), axis=1)
    return ops.sum(ops.where(present, features, 0.0), axis=1) / count


@keras.saving.register_keras_serializable(package="skprune")
class ViewPooling(layers.Layer):
    """:func:`pool_views` as a layer."""

    def __init__(self, how: str = "max", **kwargs):
        super().__init__(**kwargs)
        self.how = how

    def call(self, features, present):
        """Pool features of shape (n, V, d) where ``present``, of shape (n, V), is True."""
        return pool_views(features, present, self.how)

    def compute_output_shape(self, features_shape, present_shape):
        """Return (n, d)."""
        return features_shape[0], features_shape[2]

    def get_config(self):
        """Return the arguments of the constructor."""
        return {**super().get_config(), "how": self.how}


def predict_views(
    towers: Sequence[keras.Model | None],
    head: keras.Model,
    images: np.ndarray,
    mask: np.ndarray | None = None,
    view_pooling: str = "max",
) -> np.ndarray:
    """Probabilities (n, C) from one tower for each view, pooling over views, and a head.

    ``images`` are (n, V, h, w, c), pixels of any number type. ``mask`` (n, V) is True where a view
    is present; None means all. A tower of None drops its view. Views with the same tower are
    computed in one call.
    """
    features, present = view_features(towers, images, mask)
    return predict_features(head, features, present, view_pooling)


def view_features(
    towers: Sequence[keras.Model | None], images: np.ndarray, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, V, d) of :func:`predict_views`, and where views are present and kept (n, V).

    Features of other views are zero.
    """
    n_samples, n_views = images.shape[:2]
    if len(towers) != n_views:
        raise ValueError(
            f"There must be one tower (or None) for each view, {n_views}; got {len(towers)}."
        )
    kept = np.array([tower is not None for tower in towers])
    present = np.broadcast_to(kept if mask is None else mask & kept, (n_samples, n_views))
    empty = np.flatnonzero(~present.any(axis=1))
    if len(empty):
        raise ValueError(
            f"{len(empty)} of {n_samples} samples have no view that was kept, the first is sample "
            f"{empty[0]}; the views {np.flatnonzero(~kept).tolist()} were dropped."
        )
    width = next(tower for tower in towers if tower is not None).output_shape[-1]
    features = np.zeros((n_samples, n_views, width), dtype=np.float32)
    views: dict[int, list[int]] = {}
    for view in np.flatnonzero(kept).tolist():
        views.setdefault(id(towers[view]), []).append(view)
    distinct = [towers[own[0]] for own in views.values()]
    joint = None
    if len(distinct) > 1:  # before each of them is compiled by itself
        joint = get_compiled(
            distinct, [], lambda: JointNetworks(distinct), seconds_to_compile() / 2
        )
    if joint is not None:
        _compute_jointly(joint, list(views.values()), images, features)
        features[~present] = 0.0
        return features, present
    for tower, own in zip(distinct, views.values(), strict=True):
        _compute(tower, own, images, present, features)
    return features, present


def _compute(tower, views, images, present, features) -> None:
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


def _compute_jointly(joint, views, images, features) -> None:
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
    head: keras.Model, features: np.ndarray, present: np.ndarray, view_pooling: str
) -> np.ndarray:
    """Probabilities (n, C) from features (n, V, d) of the present views."""
    parts = []
    for start in range(0, len(features), _MOST_ROWS):
        rows = slice(start, start + _MOST_ROWS)
        pooled = pool_views(features[rows], present[rows], view_pooling)
        parts.append(network_output(head, ops.convert_to_numpy(pooled)))
    return np.concatenate(parts)
