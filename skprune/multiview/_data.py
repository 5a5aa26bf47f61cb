"""Samples of several views as arrays: layouts, masks, substitutes for missing views."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ensemble import with_channels

__all__ = ["ViewSamples", "as_mask", "as_views", "check_same_views", "fill_missing"]


@dataclass(frozen=True, eq=False)
class ViewSamples:
    """Samples of several views with their labels."""

    images: NDArray  # (n, V, h, w, c), pixels of missing views filled
    mask: NDArray[np.bool_]  # (n, V), True where a view is present
    y: NDArray  # (n,), labels, or their positions in the classes
    weights: NDArray | None = None  # (n,), weights in the loss

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, rows: Any) -> "ViewSamples":
        weights = None if self.weights is None else self.weights[rows]
        return ViewSamples(self.images[rows], self.mask[rows], self.y[rows], weights)

    def with_positions(self, classes: NDArray) -> "ViewSamples":
        """The same samples with labels as positions in the sorted classes."""
        return replace(self, y=np.searchsorted(classes, self.y))

    def present_views(self) -> NDArray:
        """All present views as images (n_present, h, w, c), not copied if none is missing."""
        if self.mask.all():
            return self.images.reshape(-1, *self.images.shape[2:])
        return self.images[self.mask]

    def filled_by_view(self) -> "ViewSamples":
        """The same samples, a missing view replaced by the same view of another sample."""
        # The batch normalizations of a view's own tower then see this view only.
        if self.mask.all():
            return self
        images = self.images.copy()
        for view, present in enumerate(self.mask.T):
            if present.any():
                rows = np.resize(np.flatnonzero(present), (~present).sum())
                images[~present, view] = images[rows, view]
        return replace(self, images=images)


def as_views(X: NDArray, view_shape: tuple[int, ...] | None) -> NDArray:
    """Samples (n, V, h, w), (n, V, h, w, c) or (n, features) as (n, V, h, w, c)."""
    return with_channels(X, view_shape, "view_shape", ("views", "height", "width"))


def check_same_views(images: NDArray, fitted: tuple[int, ...], name: str) -> None:
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


def as_mask(
    mask: Any, n_samples: int, n_views: int, *, allow_empty: bool = False
) -> NDArray[np.bool_]:
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
    if len(empty) and not allow_empty:
        raise ValueError(
            f"mask must leave each sample at least one view; it leaves {len(empty)} of "
            f"{n_samples} without any, the first is sample {empty[0]}."
        )
    return present


def fill_missing(images: NDArray, mask: NDArray[np.bool_]) -> NDArray:
    """Replace each missing view by the next present one of the sample, cyclically."""
    # So nothing is computed from the pixels of missing views, and batch normalization, which uses
    # all pixels of a batch, uses present views only.
    if mask.all():
        return images
    places = np.arange(mask.shape[1])
    # Row v: the views in the order in which they may replace view v, itself first.
    candidates = (places[:, None] + places) % len(places)
    chosen = candidates[places, mask[:, candidates].argmax(axis=2)]
    return images[np.arange(len(images))[:, None], chosen]
