"""Multi-view networks in Keras: one tower for all views, pooling over views, a head."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from .._keras import JointNetworks, get_compiled, network_output, seconds_to_compile
from ._builder import build_tower_and_head
from ._multi_view_plan import MultiViewNetworks, MultiViewPlan

__all__ = [
    "ViewPooling",
    "build_multi_view",
    "pool_views",
    "predict_features",
    "predict_views",
    "view_features",
]

# Views that are taken out of the samples at a time.
_MOST_ROWS = 4096


def build_multi_view(plan: MultiViewPlan) -> MultiViewNetworks:
    """Build the networks, not compiled.

    Parameters
    ----------
    plan : MultiViewPlan
        What to build; its seed is that of the initial weights and of dropout. No global random
        state is used.

    Returns
    -------
    MultiViewNetworks
        Tower, head, and the model of both.
    """
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
    """One vector of features from those of the views that are there.

    Parameters
    ----------
    features : array or tensor of shape (n, V, d)
        Features of the views. Those of missing views may be anything.
    present : array or tensor of bool of shape (n, V)
        True where a view is there, at least one a sample.
    how : {"max", "mean"}
        Maximum or mean over the views.

    Returns
    -------
    tensor of shape (n, d)
    """
    there = ops.expand_dims(present, -1)
    if how == "max":
        return ops.max(ops.where(there, features, -np.inf), axis=1)
    count = ops.sum(ops.cast(there, features.dtype), axis=1)
    return ops.sum(ops.where(there, features, 0.0), axis=1) / count


@keras.saving.register_keras_serializable(package="skprune")
class ViewPooling(layers.Layer):
    """:func:`pool_views` as a layer.

    Parameters
    ----------
    how : {"max", "mean"}, default="max"
        Maximum or mean over the views.
    **kwargs
        As for ``keras.layers.Layer``.
    """

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
        """Return what the layer is made again from."""
        return {**super().get_config(), "how": self.how}


def predict_views(
    towers: Sequence[keras.Model | None],
    head: keras.Model,
    images: np.ndarray,
    mask: np.ndarray | None = None,
    view_pooling: str = "max",
) -> np.ndarray:
    """Probabilities from one tower for each view, pooling, and a head.

    Parameters
    ----------
    towers : sequence of V keras.Model or None
        From a view, (n, h, w, c), to features, (n, d). None drops the view. Those that are
        the same object are computed in one call.
    head : keras.Model
        From pooled features to probabilities.
    images : ndarray of shape (n, V, h, w, c)
        Pixels of any number type; those of missing views are not looked at.
    mask : ndarray of bool of shape (n, V), or None
        True where a view is there. None: all are.
    view_pooling : {"max", "mean"}, default="max"
        How the features of views become one.

    Returns
    -------
    ndarray of shape (n, C), float32
        Rows sum to 1.

    Raises
    ------
    ValueError
        If there is not one tower a view, or no view is left of a sample.
    """
    features, present = view_features(towers, images, mask)
    return predict_features(head, features, present, view_pooling)


def view_features(
    towers: Sequence[keras.Model | None], images: np.ndarray, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Features of all views that are there.

    Parameters
    ----------
    towers, images, mask
        As for :func:`predict_views`.

    Returns
    -------
    features : ndarray of shape (n, V, d), float32
        Zero where a view is missing or dropped.
    present : ndarray of bool of shape (n, V)
        Where it is neither.
    """
    n_samples, n_views = images.shape[:2]
    if len(towers) != n_views:
        raise ValueError(f"There must be one tower (or None) a view, {n_views}; got {len(towers)}.")
    kept = np.array([tower is not None for tower in towers])
    present = np.broadcast_to(kept if mask is None else mask & kept, (n_samples, n_views))
    empty = np.flatnonzero(~present.any(axis=1))
    if len(empty):
        raise ValueError(
            f"{len(empty)} of {n_samples} samples have no view that was kept, the first of them "
            f"sample {empty[0]}; the views {np.flatnonzero(~kept).tolist()} were dropped."
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
    """Write the features of one tower's views, of those that are there."""
    step = max(1, _MOST_ROWS // len(views))
    for start in range(0, len(images), step):
        rows = slice(start, start + step)
        there = present[rows, views]
        if there.any():
            batch = images[rows, views][there].astype(np.float32)
            found = features[rows, views]
            found[there] = network_output(tower, batch)
            features[rows, views] = found


def _compute_jointly(joint, views, images, features) -> None:
    """Write the features of all views, whether they are there or not, by one function."""
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
    """Probabilities from the features of views.

    Parameters
    ----------
    head : keras.Model
        From pooled features to probabilities.
    features : ndarray of shape (n, V, d), float32
        Features of the views.
    present : ndarray of bool of shape (n, V)
        True where a view is there.
    view_pooling : {"max", "mean"}
        How the features of views become one.

    Returns
    -------
    ndarray of shape (n, C), float32
        Rows sum to 1.
    """
    parts = []
    for start in range(0, len(features), _MOST_ROWS):
        rows = slice(start, start + _MOST_ROWS)
        pooled = pool_views(features[rows], present[rows], view_pooling)
        parts.append(network_output(head, ops.convert_to_numpy(pooled)))
    return np.concatenate(parts)
