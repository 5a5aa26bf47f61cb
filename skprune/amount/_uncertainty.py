"""How far the answer can be trusted: other measurements, and other weights of the rewards."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray

from ..exceptions import CurveMisfitWarning
from ..utils import N_JOBS, Number, ReprHTML, check_parameters, load_pandas, text_table
from ._fit_quality import CurveFit
from ._fitting import fit_curves
from ._landscape import Landscape
from ._measurements import Measurements
from ._outcome import with_curves
from ._points import ROUNDING
from ._search import search
from .curves import BaseCurve, unfitted_copy

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["AmountBootstrap", "WeightSensitivity", "bootstrap_amounts", "vary_weights"]


@dataclass(frozen=True, eq=False)
class AmountBootstrap(ReprHTML):
    """Best amounts of resampled measurements.

    Attributes
    ----------
    amounts : ndarray of shape (n_resamples, d)
        Best (or nearest) amount of each resample.
    feasible : ndarray of shape (n_resamples,), bool
        Whether its limits could be met.
    confidence : float
        Share of the resamples between ``low`` and ``high``.
    low, high : ndarray of shape (d,)
        Ends of the interval of each column.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune import PruningAmountOptimizer
    >>> amount = np.array([[0.0], [0.2], [0.4], [0.6], [0.8], [0.9]])
    >>> accuracy = [98.1, 94.0, 83.4, 63.5, 38.0, 27.3]
    >>> optimizer = PruningAmountOptimizer(min_accuracy=85, random_state=0).fit(amount, accuracy)
    >>> found = optimizer.bootstrap(20, random_state=0)
    >>> found.amounts.shape, bool(found.low[0] < optimizer.best_amount_ < found.high[0])
    ((20, 1), True)
    """

    amounts: NDArray[np.float64]
    feasible: NDArray[np.bool_]
    confidence: float
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def __str__(self) -> str:
        ends = "; ".join(f"{a:.4f} to {b:.4f}" for a, b in zip(self.low, self.high, strict=True))
        return (
            f"{self.confidence:.0%} of {len(self.amounts)} resamples: amount {ends}; limits met in "
            f"{self.feasible.mean():.0%}"
        )


@dataclass(frozen=True, eq=False)
class WeightSensitivity(ReprHTML):
    """Best amounts where the weight of one reward is changed.

    Attributes
    ----------
    rewards : tuple of r str
        Names of the rewards.
    factors : ndarray of shape (f,)
        What a weight was multiplied with.
    amounts : ndarray of shape (r, f, d)
        Best amount for each.
    best : ndarray of shape (d,)
        Best amount with the weights as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune import PruningAmountOptimizer
    >>> amount = np.array([[0.0], [0.2], [0.4], [0.6], [0.8], [0.9]])
    >>> accuracy = [98.1, 94.0, 83.4, 63.5, 38.0, 27.3]
    >>> optimizer = PruningAmountOptimizer(min_accuracy=85, random_state=0).fit(amount, accuracy)
    >>> found = optimizer.weight_sensitivity(random_state=0)
    >>> found.rewards, found.amounts.shape
    (('accuracy', 'pruning'), (2, 5, 1))
    """

    rewards: tuple[str, ...]
    factors: NDArray[np.float64]
    amounts: NDArray[np.float64]
    best: NDArray[np.float64]

    def to_frame(self) -> "DataFrame":
        """One row a reward, one column a factor; several columns of X make a second level.

        Returns
        -------
        DataFrame
            Best amounts, a row a reward (and column of X), a column a factor.
        """
        pd = load_pandas("print it")
        r, f, d = self.amounts.shape
        columns = pd.Index(self.factors, name="factor")
        if d > 1:
            columns = pd.MultiIndex.from_product(
                [self.factors, range(d)], names=["factor", "column"]
            )
        return pd.DataFrame(
            self.amounts.reshape(r, f * d),
            index=pd.Index(self.rewards, name="reward"),
            columns=columns,
        )

    def __str__(self) -> str:
        return "\n".join(self._parts(text_table))

    def _parts(self, table: Callable[..., str]) -> list[str]:
        head = "mean amount" if self.amounts.shape[2] > 1 else "amount"
        means = self.amounts.mean(axis=2)
        names = [f"x{factor:g}" for factor in self.factors]
        columns = {head: self.rewards, **dict(zip(names, means.T, strict=True))}
        return [table(columns, dict.fromkeys(names, ".4f"))]


def bootstrap_amounts(
    landscape: Landscape,
    measured: Measurements,
    bounds: NDArray[np.float64],
    fits: Mapping[str, CurveFit],
    n_resamples: int,
    confidence: float,
    n_runs: int,
    rng: np.random.Generator,
    n_jobs: int | None,
    verbose: int = 0,
) -> AmountBootstrap:
    """Find the best amount again and again, on curves with other residuals added.

    The residual bootstrap of a designed experiment (Efron 1979): amounts are chosen, not
    drawn, so they stay, and the residuals of whole rows are drawn, each inflated for the
    parameters that were fitted. Drawing rows instead loses amounts, and curves with them.

    Parameters
    ----------
    landscape : Landscape
        Fitted curves, rewards and limits.
    measured : Measurements
        What the curves were fitted to.
    bounds : ndarray of shape (2, d)
        Amounts to consider.
    fits : mapping of str to CurveFit
        How the curves follow the measurements.
    n_resamples : int
        How many resamples.
    confidence : float
        Share of them in the interval.
    n_runs : int
        Runs of CMA-ES a search, where there are several columns.
    rng : numpy Generator
        Where the draws come from.
    n_jobs : int or None
        Processes.
    verbose : int, default=0
        Progress, as in joblib.

    Returns
    -------
    AmountBootstrap
    """
    check_parameters(
        "bootstrap",
        {
            "n_jobs": N_JOBS,
            "n_resamples": [Number(Integral, 1)],
            "confidence": [Number(Real, 0, 1, closed="neither")],
        },
        n_jobs=n_jobs,
        n_resamples=n_resamples,
        confidence=confidence,
    )
    for name, fit in fits.items():
        if _interpolates(fit):
            warnings.warn(
                f"The {name} curve passes through every measurement, so the interval knows nothing "
                f"of the error of {name}: measure amounts several times, or take a curve with "
                "fewer parameters.",
                CurveMisfitWarning,
                stacklevel=3,
            )
    n = len(measured.weights)
    drawn = rng.integers(0, n, size=(int(n_resamples), n))
    # Seeds drawn, not spawned: a generator of the user's may have no seed sequence to spawn from.
    seeds = rng.integers(np.iinfo(np.int64).max, size=int(n_resamples))
    found = Parallel(n_jobs=n_jobs, verbose=verbose)(
        delayed(_one_resample)(landscape, measured, bounds, fits, rows, n_runs, seed)
        for rows, seed in zip(drawn, seeds, strict=True)
    )
    amounts = np.array([point for point, _ in found])
    tail = (1 - confidence) / 2
    low, high = np.quantile(amounts, [tail, 1 - tail], axis=0)
    feasible = np.array([met for _, met in found])
    return AmountBootstrap(amounts, feasible, float(confidence), low, high)


def _one_resample(
    landscape: Landscape,
    measured: Measurements,
    bounds: NDArray[np.float64],
    fits: Mapping[str, CurveFit],
    rows: NDArray[np.intp],
    n_runs: int,
    seed: int,
) -> tuple[NDArray[np.float64], bool]:
    """Best amount of one resample, and whether it meets its limits."""
    n, root = len(rows), np.sqrt(measured.weights)
    values = {}
    for name, fit in fits.items():
        errors = fit.residuals * root * np.sqrt(n / max(n - fit.n_parameters, 1))
        values[name] = measured.values[name] - fit.residuals + errors[rows] / root
    other = replace(measured, values=values)
    curves = fit_curves({name: unfitted_copy(fit.curve) for name, fit in fits.items()}, other)
    varied = with_curves(landscape, curves, bounds)
    # One column: brute force and a zoom, which find as much in a tenth of the time.
    runs = 0 if bounds.shape[1] == 1 else n_runs
    best = search(varied.evaluate, bounds, np.random.default_rng(seed), runs).best
    return best.point, best.violation <= ROUNDING


def _interpolates(fit: CurveFit) -> bool:
    """Whether a curve is free to pass through every measurement, and does."""
    free = not isinstance(fit.curve, BaseCurve) or len(fit.residuals) <= fit.n_parameters
    return free and fit.r2 >= 1 - 1e-12


def vary_weights(
    landscape: Landscape,
    bounds: NDArray[np.float64],
    best: NDArray[np.float64],
    factors: ArrayLike,
    n_runs: int,
    rng: np.random.Generator,
) -> WeightSensitivity:
    """Search again with one weight changed at a time.

    Parameters
    ----------
    landscape : Landscape
        Curves, rewards and limits.
    bounds : ndarray of shape (2, d)
        Amounts to consider.
    best : ndarray of shape (d,)
        Best amount with the weights as they are.
    factors : array-like of shape (f,)
        What a weight is multiplied with.
    n_runs : int
        Runs of CMA-ES a search, at most.
    rng : numpy Generator
        Private source of random numbers.

    Returns
    -------
    WeightSensitivity
    """
    tried = np.atleast_1d(np.asarray(factors, dtype=np.float64))
    if tried.ndim != 1 or not tried.size or not np.isfinite(tried).all() or tried.min() < 0:
        raise ValueError(f"factors must be one or more non-negative numbers; got {factors!r}.")
    amounts = np.empty((len(landscape.rewards), len(tried), bounds.shape[1]))
    for i, reward in enumerate(landscape.rewards):
        for k, factor in enumerate(tried):
            changed = list(landscape.rewards)
            changed[i] = replace(reward, weight=reward.weight * float(factor))
            other = replace(landscape, rewards=tuple(changed))
            amounts[i, k] = search(other.evaluate, bounds, rng, n_runs).best.point
    names = tuple(reward.name for reward in landscape.rewards)
    return WeightSensitivity(names, tried, amounts, best)
