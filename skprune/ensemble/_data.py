"""Images, labels and weights of a fit: checks, layouts, validation rows, files for workers."""

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from ..utils import Constraint, Number, check_sample_weight

__all__ = [
    "PIXELS",
    "TRAINING_CONSTRAINTS",
    "Shape",
    "SharedSamples",
    "as_fitted_images",
    "as_images",
    "check_targets",
    "pixel_statistics",
    "validation_rows",
    "with_channels",
]

#: Pixel types that are kept; all others become the first.
PIXELS = (np.float32, np.uint8)

#: Constraints of the parameters of training.
TRAINING_CONSTRAINTS: dict[str, Any] = {
    "epochs": [Number(Integral, 1)],
    "batch_size": [Number(Integral, 1)],
    "n_iter_no_change": [None, Number(Integral, 1)],
    "validation_fraction": [None, Number(Real, 0, 1)],
    "verbose": ["verbose"],
}

# Samples whose pixels are float64 at one time.
_BLOCK = 1024


class Shape(Constraint):
    """Some positive integers, as many as one of the names says."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = names

    def is_satisfied_by(self, val: Any) -> bool:
        if isinstance(val, str) or not isinstance(val, Iterable):
            return False
        sides = tuple(val)
        positive = all(isinstance(side, Integral) and side >= 1 for side in sides)
        return positive and len(sides) in [name.count(",") + 1 for name in self.names]

    def __str__(self) -> str:
        return " or ".join(self.names)


def check_targets(
    X: np.ndarray, y: Any, sample_weight: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | slice]:
    """Check labels and weights of a fit; return classes, class indices, weights and kept samples.

    Samples of weight 0 are not kept; indices and weights are those of the kept samples.
    """
    check_classification_targets(y)
    classes, codes = np.unique(column_or_1d(y), return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y must have at least two classes, got one class: {classes[0]!r}.")
    if sample_weight is None:
        return classes, codes, None, slice(None)
    weights = check_sample_weight(sample_weight, X, dtype=np.float32, allow_all_zero_weights=True)
    if (weights < 0).any():
        raise ValueError(f"sample_weight must not be negative, got {weights.min()} as the lowest.")
    kept = weights > 0
    if not kept.any():
        raise ValueError("sample_weight must hold a positive weight, got only zeros.")
    if len(np.unique(codes[kept])) < 2:
        raise ValueError(
            "sample_weight leaves rows of one class only; at least two classes must have rows "
            "of positive weight."
        )
    return classes, codes[kept], weights[kept], kept


def as_images(X: np.ndarray, image_shape: tuple[int, ...] | None) -> np.ndarray:
    """View samples of shape (n, h, w), (n, h, w, c) or (n, features) as (n, h, w, c)."""
    return with_channels(X, image_shape, "image_shape", ("height", "width"))


def with_channels(
    X: np.ndarray, shape: tuple[int, ...] | None, parameter: str, axes: tuple[str, ...]
) -> np.ndarray:
    """View samples of shape (n, *axes), (n, *axes, c) or (n, features) as (n, *axes, c).

    ``shape`` is the value of a parameter: the lengths of the axes, with or without channels. Flat
    samples without it are one row of pixels each; other axes have length 1.
    """
    given = () if shape is None else tuple(int(side) for side in shape)
    wanted = (*given, 1) if len(given) == len(axes) else given
    if X.ndim == 2:
        wanted = wanted or (*[1] * (len(axes) - 1), X.shape[1], 1)
        if X.shape[1] != np.prod(wanted):
            raise ValueError(
                f"{parameter}={given} has {np.prod(wanted)} pixels, but X has {X.shape[1]} "
                f"features; give X with {np.prod(wanted)} features, or the {parameter} of its rows."
            )
        return X.reshape(len(X), *wanted)
    if X.ndim not in (len(axes) + 1, len(axes) + 2):
        names = ", ".join(axes)
        raise ValueError(
            f"X must have the shape (n, {names}), (n, {names}, channels) or (n, features), got "
            f"{X.ndim} dimensions: {X.shape}."
        )
    images = X.reshape(*X.shape, 1) if X.ndim == len(axes) + 1 else X
    if 0 in images.shape:
        raise ValueError(f"X has no pixels: its shape is {X.shape}.")
    if wanted and images.shape[1:] != wanted:
        raise ValueError(
            f"{parameter}={given}, but the samples of X have the shape {X.shape[1:]}; leave "
            f"{parameter} out, or make the two equal."
        )
    return images


def as_fitted_images(X: np.ndarray, shape: tuple[int, int, int], name: str) -> np.ndarray:
    """View samples as images of the shape that an estimator was fitted on.

    They may be flat, and without their axis of one channel.
    """
    flat = X.ndim == 2 and X.shape[1] == np.prod(shape)
    if flat or shape in (X.shape[1:], (*X.shape[1:], 1)):
        return X.reshape(len(X), *shape)
    raise ValueError(
        f"X has samples of shape {X.shape[1:]}, but this {name} was fitted on samples of shape "
        f"{shape}."
    )


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
class SharedSamples:
    """Training and validation samples in a folder, which worker processes map into memory."""

    folder: str

    @classmethod
    def write(
        cls, folder: str, arrays: Sequence[np.ndarray | None], held_out: np.ndarray
    ) -> "SharedSamples":
        """Write X, y and weights (or None) of the training and of the held-out samples."""
        for part, rows in (("training", ~held_out), ("validation", held_out)):
            for i, array in enumerate(arrays):
                if array is not None and rows.any():
                    np.save(os.path.join(folder, f"{part}_{i}.npy"), array[rows])
        return cls(folder)

    def load(self, part: str) -> list[np.ndarray]:
        """X, y and, if there are any, weights of a part, read-only; nothing if it has no sample."""
        if not os.path.isdir(self.folder):
            raise FileNotFoundError(
                f"the training data in {self.folder} cannot be seen by {platform.node()}. On a "
                "cluster, set JOBLIB_TEMP_FOLDER to a folder that all its machines share."
            )
        paths = (os.path.join(self.folder, f"{part}_{i}.npy") for i in range(3))
        return [np.asarray(np.load(p, mmap_mode="r")) for p in paths if os.path.exists(p)]
