"""From what a user names or gives to fitted curves."""

from collections.abc import Mapping
from typing import Any

from sklearn.utils.validation import has_fit_parameter

from ._measurements import Measurements
from .curves import CURVES, AdditiveCurve, BaseCurve, distinct_counts, unfitted_copy

__all__ = ["fit_curves", "make_curves"]


def make_curves(kinds: Mapping[str, Any], measured: Measurements) -> dict[str, Any]:
    """A curve to fit for each measured quantity, or what is wrong.

    Parameters
    ----------
    kinds : mapping of str to str or object
        Name of a curve, or an object with ``fit`` and ``predict``, for each quantity.
    measured : Measurements
        What they will be fitted to.

    Returns
    -------
    dict of str to curve, not fitted
    """
    return {
        name: _make_curve(name, kind, measured)
        for name, kind in kinds.items()
        if name in measured.values
    }


def fit_curves(curves: Mapping[str, Any], measured: Measurements) -> dict[str, Any]:
    """Fit each curve to its quantity.

    Parameters
    ----------
    curves : mapping of str to curve
        As made by :func:`make_curves`; fitted in place.
    measured : Measurements
        Amounts and measurements.

    Returns
    -------
    dict of str to fitted curve
    """
    for name, curve in curves.items():
        y, weights = measured.values[name], measured.weights
        if has_fit_parameter(curve, "sample_weight"):
            curve.fit(measured.amounts, y, sample_weight=weights)
        else:
            curve.fit(measured.amounts, y)
    return dict(curves)


def _make_curve(quantity: str, kind: Any, measured: Measurements) -> Any:
    parameter = f"{quantity}_curve"
    if isinstance(kind, str):
        if kind not in CURVES:
            raise ValueError(
                f"{parameter} must be one of {list(CURVES)}, or an object with fit and predict; "
                f"got {kind!r}."
            )
        curve: Any = CURVES[kind]()
    elif isinstance(kind, type) or not (hasattr(kind, "fit") and hasattr(kind, "predict")):
        raise TypeError(
            f"{parameter} must be one of {list(CURVES)}, or an object with fit and predict; got "
            f"{kind!r}."
        )
    else:
        curve = unfitted_copy(kind)
    amounts, weights = measured.amounts, measured.weights
    if not isinstance(curve, BaseCurve):
        if (weights != weights[0]).any() and not has_fit_parameter(curve, "sample_weight"):
            raise TypeError(
                f"Measurements with weights need a curve whose fit takes sample_weight; that of "
                f"{parameter}={kind!r} does not."
            )
        return curve if amounts.shape[1] == 1 else AdditiveCurve(curve)
    curve._validate_params()
    needed = curve.n_parameters
    for j, count in enumerate(distinct_counts(amounts)):
        if count < needed:
            raise ValueError(
                f"{parameter}={kind!r} needs at least {needed} distinct amounts in every column of "
                f"X; column {j} has {count} (n_samples={len(amounts)}). Measure more amounts, or "
                "take a curve with fewer parameters."
            )
    return curve
