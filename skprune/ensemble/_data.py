"""Images as arrays: layouts, validation rows, and files that workers share."""

import os
import platform
from dataclasses import dataclass

import numpy as np

__all__ = ["SharedArrays", "as_images", "pixel_statistics", "validation_rows"]

# Samples whose pixels are float64 at one time.
_BLOCK = 1024


def as_images(X: np.ndarray, image_shape: tuple[int, ...] | None) -> np.ndarray:
    """View samples of shape (n, h, w), (n, h, w, c) or (n, features) as (n, h, w, c).

    Flat samples without ``image_shape`` are one row of pixels each, (n, 1, features, 1).
    """
    wanted = None if image_shape is None else tuple(int(side) for side in image_shape)
    if wanted is not None and len(wanted) == 2:
        wanted = (*wanted, 1)
    if X.ndim == 2:
        if wanted is None:
            wanted = (1, X.shape[1], 1)
        if X.shape[1] != np.prod(wanted):
            raise ValueError(
                f"image_shape={tuple(image_shape)} has {np.prod(wanted)} pixels, but X has "
                f"{X.shape[1]} features; give X with {np.prod(wanted)} features, or the "
                "image_shape of its rows."
            )
        return X.reshape(len(X), *wanted)
    if X.ndim not in (3, 4):
        raise ValueError(
            "X must have the shape (n, height, width), (n, height, width, channels) or "
            f"(n, features), got {X.ndim} dimensions: {X.shape}."
        )
    images = X.reshape(*X.shape, 1) if X.ndim == 3 else X
    if 0 in images.shape:
        raise ValueError(f"X has no pixels: its shape is {X.shape}.")
    if wanted is not None and images.shape[1:] != wanted:
        raise ValueError(
            f"image_shape={tuple(image_shape)}, but the samples of X have the shape "
            f"{X.shape[1:]}; leave image_shape out, or make the two equal."
        )
    return images


def pixel_statistics(images: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation over all pixels in double precision; a deviation of 0 becomes 1.

    They are equal for equal numbers of any type.
    """

    def total(function):
        blocks = range(0, len(images), _BLOCK)
        return sum(
            float(function(images[at : at + _BLOCK].astype(np.float64)).sum()) for at in blocks
        )

    mean = total(lambda block: block) / images.size
    variance = total(lambda block: (block - mean) ** 2) / images.size
    return mean, float(np.sqrt(variance)) or 1.0


def validation_rows(y: np.ndarray, fraction: float | None, seed: int) -> np.ndarray:
    """Draw the validation rows (n,), True, as a share of each class; None is 0.

    At least one row of each class is left for training.
    """
    chosen = np.zeros(len(y), dtype=bool)
    if not fraction:
        return chosen
    rng = np.random.default_rng(seed)
    classes, counts = np.unique(y, return_counts=True)
    shares = counts * fraction
    quota = np.minimum(np.floor(shares).astype(int), counts - 1)
    # Largest remainders first; ties in random order.
    wanted = max(1, round(len(y) * fraction))
    order = rng.permutation(len(classes))
    order = order[np.argsort(-(shares - np.floor(shares))[order], kind="stable")]
    for place in order:
        if quota.sum() >= wanted:
            break
        quota[place] = min(quota[place] + 1, counts[place] - 1)
    for label, size in zip(classes, quota, strict=True):
        chosen[rng.permutation(np.flatnonzero(y == label))[:size]] = True
    return chosen


@dataclass(frozen=True)
class SharedArrays:
    """Arrays in a folder, which worker processes map into memory.

    Parameters
    ----------
    folder : str
        Where each array is a ``.npy`` file.
    names : tuple of str
        The arrays that there are.
    """

    folder: str
    names: tuple[str, ...]

    @classmethod
    def write(cls, folder: str, **arrays: np.ndarray | None) -> "SharedArrays":
        """Write arrays, leaving out those that are None."""
        given = {name: array for name, array in arrays.items() if array is not None}
        shared = cls(folder, tuple(given))
        for name, array in given.items():
            np.save(shared._path(name), array)
        return shared

    def load(self, name: str) -> np.ndarray | None:
        """Map one array into memory, read-only; None if there is none of that name."""
        if name not in self.names:
            return None
        if not os.path.isdir(self.folder):
            raise FileNotFoundError(
                f"the training data in {self.folder} cannot be seen by {platform.node()}. On a "
                "cluster, set JOBLIB_TEMP_FOLDER to a folder that all its machines share."
            )
        return np.asarray(np.load(self._path(name), mmap_mode="r"))

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, f"{name}.npy")
