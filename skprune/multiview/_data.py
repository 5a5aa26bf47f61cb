"""Views as arrays: layouts, present views, and substitutes for missing ones."""

import numpy as np

__all__ = ["as_mask", "as_views", "check_same_views", "fill_missing", "present_views"]


def as_views(X: np.ndarray, view_shape: tuple[int, ...] | None) -> np.ndarray:
    """View samples of shape (n, V, h, w), (n, V, h, w, c) or (n, features) as (n, V, h, w, c).

    Flat samples without ``view_shape`` are one view of one row of pixels.
    """
    wanted = None if view_shape is None else tuple(int(side) for side in view_shape)
    if wanted is not None and len(wanted) == 3:
        wanted = (*wanted, 1)
    if X.ndim == 2:
        if wanted is None:
            wanted = (1, 1, X.shape[1], 1)
        if X.shape[1] != np.prod(wanted):
            raise ValueError(
                f"view_shape={tuple(view_shape)} has {np.prod(wanted)} pixels, but X has "
                f"{X.shape[1]} features; give X with {np.prod(wanted)} features, or the "
                "view_shape of its rows."
            )
        return X.reshape(len(X), *wanted)
    if X.ndim not in (4, 5):
        raise ValueError(
            "X must have the shape (n, views, height, width), (n, views, height, width, channels) "
            f"or (n, features), got {X.ndim} dimensions: {X.shape}."
        )
    images = X.reshape(*X.shape, 1) if X.ndim == 4 else X
    if 0 in images.shape:
        raise ValueError(f"X has no pixels: its shape is {X.shape}.")
    if wanted is not None and images.shape[1:] != wanted:
        raise ValueError(
            f"view_shape={tuple(view_shape)}, but the samples of X have the shape {X.shape[1:]}; "
            "leave view_shape out, or make the two equal."
        )
    return images


def check_same_views(images: np.ndarray, fitted: tuple[int, int, int, int], name: str) -> None:
    """Raise a ValueError unless samples have the views that an estimator was fitted on."""
    n_views, n_fitted = images.shape[1], fitted[0]
    if n_views != n_fitted:
        raise ValueError(
            f"X has samples of {n_views} view(s), of shape {images.shape[1:]}, but this {name} was "
            f"fitted on {n_fitted} view(s), of shape {fitted}. Pass all {n_fitted} views, and mark "
            "missing ones by False in mask=; their pixels may be anything."
        )
    if images.shape[2:] != fitted[1:]:
        raise ValueError(
            f"X has views of shape {images.shape[2:]}, but this {name} was fitted on views of "
            f"shape {fitted[1:]}."
        )


def as_mask(mask, n_samples: int, n_views: int) -> np.ndarray:
    """Which views are present in each sample, (n_samples, n_views); None means all."""
    if mask is None:
        return np.ones((n_samples, n_views), dtype=bool)
    given = np.asarray(mask)
    if given.dtype != bool or given.shape not in ((n_samples, n_views), (n_views,)):
        raise ValueError(
            f"mask must be an array of bool of shape {(n_samples, n_views)} or {(n_views,)}, True "
            f"where a view is present; got {given.dtype} of shape {given.shape}."
        )
    present = np.broadcast_to(given, (n_samples, n_views))
    empty = np.flatnonzero(~present.any(axis=1))
    if len(empty):
        raise ValueError(
            f"mask must leave each sample at least one view; it leaves {len(empty)} of "
            f"{n_samples} without any, the first is sample {empty[0]}."
        )
    return present


def fill_missing(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Replace each missing view by the next present one of the sample, cyclically.

    So nothing is computed from the pixels of missing views, and batch normalization, which uses all
    pixels of a batch, uses present views only. ``images`` itself is returned if none is missing.
    """
    if mask.all():
        return images
    places = np.arange(mask.shape[1])
    # Row v: the views in the order in which they may replace view v, itself first.
    candidates = (places[:, None] + places) % len(places)
    chosen = candidates[places, mask[:, candidates].argmax(axis=2)]
    return images[np.arange(len(images))[:, None], chosen]


def present_views(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """All present views as images (n_present, h, w, c), not copied if none is missing."""
    return images.reshape(-1, *images.shape[2:]) if mask.all() else images[mask]
