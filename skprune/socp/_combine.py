"""Sums and differences of statistics: averages over samples, weighted by their total weight."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ._statistics import EnsembleStatistics

__all__ = ["combine"]

# A rest lighter than this share of the whole would be rounding, not samples.
_LIGHTEST_REST = 1e-9


def combine(one: "EnsembleStatistics", other: "EnsembleStatistics", sign: int) -> dict[str, Any]:
    """Fields of the samples of both (sign 1), or of those of one without the other (-1)."""
    _check_same_kind(one, other)
    n_samples = one.n_samples + sign * other.n_samples
    total = one.total_weight + sign * other.total_weight
    if n_samples <= 0 or total <= _LIGHTEST_REST * one.total_weight:
        raise ValueError(
            "The difference of statistics leaves no sample: what is taken away has "
            f"{other.n_samples} samples of total weight {other.total_weight:g}, what it is taken "
            f"from {one.n_samples} of {one.total_weight:g}. It must be a part, and less than all."
        )
    share, rest = one.total_weight / total, sign * other.total_weight / total

    def average(a: Any, b: Any) -> Any:
        return None if a is None else share * a + rest * b

    fields: dict[str, Any] = {
        name: average(getattr(one, name), getattr(other, name))
        for name in ("gram", "reference_gram", "agreement", "divergence")
    }
    for name in ("target_power", "reference_mass"):
        a, b = getattr(one, name), getattr(other, name)
        fields[name] = a if a == b else average(a, b)  # 1 / C stays 1 / C to the last bit
    fields |= {"n_samples": n_samples, "n_classes": one.n_classes, "total_weight": total}
    return fields | {"center": one.center, "scale": one.scale}


def _check_same_kind(one: "EnsembleStatistics", other: "EnsembleStatistics") -> None:
    """Refuse statistics of different members, classes, kinds or units."""
    if one.kind != other.kind:
        raise ValueError(
            f"Only statistics of the same kind combine; got {one.kind!r} and {other.kind!r}."
        )
    if one.n_members != other.n_members:
        raise ValueError(
            "Only statistics of the same members combine; got "
            f"{one.n_members} and {other.n_members} members."
        )
    if one.n_classes != other.n_classes:
        unit, per = ("classes", 1) if one.kind == "classes" else ("targets", 2)
        raise ValueError(
            f"Only statistics of the same {unit} combine; got "
            f"{one.n_classes // per} and {other.n_classes // per} {unit}."
        )
    for name in ("center", "scale"):
        a, b = getattr(one, name), getattr(other, name)
        if a is not None and not np.array_equal(a, b):
            raise ValueError(
                f"Only statistics of the same {name} combine; got {a} and {b}. Give "
                f"from_regression the {name} of all samples: {name}=..."
            )
