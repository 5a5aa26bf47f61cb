"""Statistics of regressors: the same program, with targets in the place of classes."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..utils import Predictions, as_predictions
from ._checks import check_real, check_weights

__all__ = ["regression_fields"]


def regression_fields(
    F: ArrayLike | Predictions,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    center: ArrayLike | None,
    scale: ArrayLike | None,
    block_bytes: int,
) -> dict[str, Any]:
    """Fields of ``EnsembleStatistics.from_regression``, block by block."""
    given, target = _check_predictions(F, y)
    M, N, T = given.shape
    weight = np.ones(N) if sample_weight is None else check_weights(sample_weight, N)
    total = float(weight.sum())
    if not total > 0:
        raise ValueError("sample_weight sums to zero: at least one weight must be positive.")
    share = weight / total
    center_, scale_ = _center_and_scale(target, share, center, scale)

    gram, agreement, power = np.zeros((M, M)), np.zeros(M), 0.0
    step = max(1, block_bytes // (8 * M * T))
    for start in range(0, N, step):
        part = slice(start, start + step)
        root = np.sqrt(share[part])[:, None]
        block = np.array(given[:, part], dtype=np.float64)
        _check_finite(block)
        block -= center_
        block /= scale_
        block *= root
        flat = block.reshape(M, -1)
        wanted = ((target[part] - center_) / scale_ * root).ravel()
        with np.errstate(over="ignore", invalid="ignore"):
            gram += flat @ flat.T
            agreement += flat @ wanted
            power += float(wanted @ wanted)
    if not np.isfinite(gram).all():
        worst = int(np.diagonal(gram).argmax())
        raise ValueError(f"F is too large to be squared: member {worst} overflows.")
    # Half of the 2 T columns are the targets, half are ones to be met by ones.
    return {
        "gram": (gram / T + 1) / 2,
        "reference_gram": None,
        "agreement": (agreement / T + 1) / 2,
        "divergence": None,
        "n_samples": N,
        "n_classes": 2 * T,
        "total_weight": total,
        "target_power": (power / T + 1) / 2,
        "center": center_,
        "scale": scale_,
    }


def _check_predictions(F: Any, y: ArrayLike) -> tuple[Any, NDArray[np.float64]]:
    F = as_predictions(F)
    if F.ndim == 2:
        F = F[:, :, None]
    if F.ndim != 3 or 0 in F.shape:
        raise ValueError(
            "F must have shape (n_members, n_samples, n_targets), or (n_members, n_samples), "
            f"with at least one of each; got shape {F.shape}."
        )
    check_real("F", F)
    check_real("y", np.asarray(y))
    target = np.asarray(y, dtype=np.float64)
    if target.ndim == 1:
        target = target[:, None]
    if target.shape != F.shape[1:]:
        raise ValueError(
            f"y must have shape {F.shape[1:]}, as F has {F.shape[1]} samples and {F.shape[2]} "
            f"targets; got {np.shape(y)}."
        )
    if not np.isfinite(target).all():
        raise ValueError("y has NaN or infinite targets.")
    return F, target


def _check_finite(block: NDArray[np.float64]) -> None:
    bad = ~np.isfinite(block).all(axis=(1, 2))
    if bad.any():
        raise ValueError(f"F has NaN or infinite predictions: member {int(bad.argmax())} does.")


def _center_and_scale(
    target: NDArray[np.float64],
    share: NDArray[np.float64],
    center: ArrayLike | None,
    scale: ArrayLike | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the caller gave, or the weighted mean and standard deviation of the targets."""
    T = target.shape[1]
    mean = share @ target if center is None else _per_target(center, "center", T)
    if scale is not None:
        deviation = _per_target(scale, "scale", T)
        if (deviation < 0).any():
            raise ValueError(f"scale must not be negative; got {deviation}.")
    else:
        deviation = np.sqrt(share @ (target - share @ target) ** 2)
        # The deviation of a constant is the rounding of its mean.
        deviation[deviation <= 8 * np.finfo(float).eps * np.abs(target).max(axis=0)] = 0
    return mean, np.where(deviation == 0, 1.0, deviation)


def _per_target(value: ArrayLike, name: str, n_targets: int) -> NDArray[np.float64]:
    array = np.array(value, dtype=np.float64)
    if array.ndim == 0:
        array = np.full(n_targets, float(array))
    if array.shape != (n_targets,) or not np.isfinite(array).all():
        raise ValueError(
            f"{name} must be finite and have shape ({n_targets},), one number a target; got "
            f"{value!r}."
        )
    return array
