"""How much to prune: curves of what was measured, rewards, limits, and the best amount."""

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import validate_data

from ..utils import Number, generator, reports_progress
from ._answers import AmountAnswers
from ._fit_quality import assess
from ._fitting import fit_curves, make_curves
from ._measurements import check_bounds, check_limits, check_measurements
from ._outcome import landscape_of, outcome_of, warn_of_misfits, warn_of_outcome
from ._points import QUANTITIES
from ._rewards import check_rewards
from ._search import search

__all__ = ["PruningAmountOptimizer"]


class PruningAmountOptimizer(AmountAnswers):
    """How much of a network to prune, from measurements at a few pruning amounts.

    ``fit`` lays a curve through accuracy, time and size against the amount, turns the curves
    into rewards, and maximises their sum by CMA-ES among the amounts that meet the limits.
    ``transform`` tells what the curves and rewards say at any amount.

    Parameters
    ----------
    accuracy_curve : str or regressor, default="logistic"
        "logistic", "linear", "quadratic", "cubic", "isotonic", "pchip", or an object with
        ``fit(X, y)`` and ``predict(X)``, such as ``PolynomialCurve(5)`` or a regressor of
        scikit-learn; it is copied, not fitted. Where X has several columns, a curve is the sum
        of one for each. "pchip" follows whatever falls (or rises).
    time_curve : str or regressor, default="cubic"
        The same for time.
    size_curve : str or regressor, default="linear"
        The same for size.
    rewards : sequence of Reward or None, default=None
        What is maximised: the sum of these rewards, each times its weight. None is
        :data:`~skprune.amount.DEFAULT_REWARDS`, the notebook's five, less those of what was not
        measured. They have units: see the width of :class:`~skprune.amount.TimeReward`.
    min_accuracy : float or None, default=None
        Least accuracy, in the unit of y (fraction or percent).
    max_size, max_time : float or None, default=None
        Most that size and time may be, in the units of y.
    bounds : (float, float) or None, default=None
        Smallest and largest amount to consider, in [0, 1]. None is the range of the measured
        amounts of each column: outside it, curves are guesses.
    n_restarts : int, default=2
        Runs of CMA-ES after the first one. With one column they are made only where brute force
        on a grid of 1,001 amounts shows that a run missed something.
    random_state : int, RandomState instance, numpy Generator or None, default=None
        Seeds the search. NumPy's global generator is never used, not even for None.
    verbose : int, default=0
        Print curves and answer.

    Attributes
    ----------
    best_amount_ : float, or ndarray of shape (d,)
        The amount with the largest total reward among those that meet all limits; where none
        does, the one that comes nearest. An array where X has several columns.
    best_reward_ : float
        Total reward there, by the curves.
    feasible_ : bool
        Whether the limits can be met together: by the curves or by measurements.
    from_measurements_ : bool
        Whether ``best_amount_`` is a measured amount because the curves meet the limits nowhere,
        but its measurements do.
    misses_ : dict of str to float
        By how much ``best_amount_`` misses each limit, in its unit; zeros where it is feasible.
    grid_amount_ : float, or ndarray of shape (d,)
        The best amount by brute force on a grid of 1,001 amounts (several columns: of one
        amount for all columns, and of 1,024 drawn ones); by the curves never better than
        ``best_amount_``, unless that is from measurements.
    grid_reward_ : float
        Total reward there.
    n_evaluations_ : int
        Amounts that the search evaluated.
    curves_ : dict of str to fitted curve
        "accuracy", and "time" and "size" where they were measured.
    fits_ : dict of str to CurveFit
        R^2, residuals and misfit of each curve.
    rewards_ : tuple of Reward
        The rewards that were used.
    goal_ : Goal
        The limits as the rewards see them: accuracy in percent.
    least_ : dict of str to float
        Smallest size, and with ``max_time`` also time, that is believed of its curve: 1 % of the
        smallest measured one. Amounts below it are left out.
    bounds_ : ndarray of shape (2, d)
        Smallest and largest amount of each column that was considered.
    measurements_ : Measurements
        What was given to ``fit``, without rows of weight zero.
    n_features_in_ : int
        Number of columns d of X.
    feature_names_in_ : ndarray of shape (d,)
        Names of the columns of X, where it had them.

    See Also
    --------
    importance_inverse_amounts : One amount a view, smaller where it matters more.
    smallest_amounts : The amounts of least size under a target accuracy.

    Notes
    -----
    An amount meets the limits if its accuracy, size and time by the curves do. Where no amount
    does, measured amounts are looked at: if the means of the measurements of some meet the
    limits, the answer is the one of them whose means have the largest reward. Else it is the
    nearest amount, which has the smallest root of the sum of squares of what it misses, each
    miss as a share of its limit. The search is CMA-ES on ranks (first what limits are missed
    by, then the reward), started from a grid, and never ends below the grid.

    References
    ----------
    The notebook "mvcnn-results-reg-fit" (2025), for curves and rewards. N. Hansen, "The CMA
    Evolution Strategy: A Tutorial", arXiv:1604.00772.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune import PruningAmountOptimizer
    >>> p = np.linspace(0, 1, 11)
    >>> accuracy = 100.77 / (1 + np.exp(5.126 * (p - 0.7064)))
    >>> time = 1.020 - 1.417 * p + 3.677 * p**2 - 3.275 * p**3
    >>> size = 480.4 - 427.4 * p
    >>> optimizer = PruningAmountOptimizer(min_accuracy=80, max_size=300, random_state=0)
    >>> optimizer.fit(p[:, None], np.column_stack([accuracy, time, size]))
    PruningAmountOptimizer(max_size=300, min_accuracy=80, random_state=0)
    >>> print(f"prune {optimizer.best_amount_:.3f} of the network")
    prune 0.443 of the network
    >>> optimizer.feasible_
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "min_accuracy": [None, Number(Real, 0, 100, closed="right", meaning="a share, or percent")],
        "max_size": [None, Number(Real, 0, closed="neither")],
        "max_time": [None, Number(Real, 0, closed="neither")],
        "n_restarts": [Number(Integral, 0)],
        "random_state": [None, Number(Integral, 0), np.random.RandomState, np.random.Generator],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        accuracy_curve: Any = "logistic",
        time_curve: Any = "cubic",
        size_curve: Any = "linear",
        rewards: Any = None,
        min_accuracy: float | None = None,
        max_size: float | None = None,
        max_time: float | None = None,
        bounds: Any = None,
        n_restarts: int = 2,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.accuracy_curve = accuracy_curve
        self.time_curve = time_curve
        self.size_curve = size_curve
        self.rewards = rewards
        self.min_accuracy = min_accuracy
        self.max_size = max_size
        self.max_time = max_time
        self.bounds = bounds
        self.n_restarts = n_restarts
        self.random_state = random_state
        self.verbose = verbose

    @reports_progress(0)
    def fit(self, X: ArrayLike, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the curves and find the best amount.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Pruning amounts in [0, 1], one column a view, layer or member. An amount may be
            there several times, with a measurement each.
        y : array-like of shape (n,) or (n, 3), or DataFrame
            Accuracy; or accuracy, time and size; or a DataFrame with a column "accuracy",
            and maybe "time" and "size". Accuracy in percent or as a fraction.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows in the fits of the curves; equal by default.

        Returns
        -------
        self : object
            The fitted optimizer.

        Raises
        ------
        ValueError, TypeError
            If a parameter or a measurement is wrong; an earlier fit is then kept as it was.

        Warns
        -----
        InfeasibleLimitsWarning
            If no amount meets all limits, neither by the curves nor by its measurements.
        CurveMisfitWarning
            If a curve does not follow its measurements, or only measurements meet the limits, or
            the best amount lies between two measured ones where a limited quantity falls steeply.
        """
        self._validate_params()
        rng = generator(self.random_state)
        measured = check_measurements(X, y, sample_weight)
        limits = self._limits()
        check_limits(limits, measured)
        rewards = check_rewards(self.rewards, tuple(measured.values))
        bounds = check_bounds(self.bounds, measured)
        curves = fit_curves(make_curves(self._kinds(), measured), measured)
        landscape = landscape_of(curves, rewards, limits, measured, bounds)
        n_runs = 1 + int(self.n_restarts)
        searched = search(landscape.evaluate, bounds, rng, n_runs)
        outcome = outcome_of(landscape, searched, bounds, measured)
        found = outcome.found
        fits = {
            name: assess(name, curve, measured.amounts, measured.values[name], measured.weights)
            for name, curve in curves.items()
        }
        # Nothing is set before everything has gone well.
        validate_data(self, X, skip_check_array=True)
        self.measurements_, self.bounds_ = measured, bounds
        self.curves_, self.fits_, self.rewards_ = curves, fits, rewards
        self.goal_, self.least_ = landscape.goal, dict(landscape.least)
        self._landscape, self._outcome, self._n_runs = landscape, outcome, n_runs
        self.feasible_, self.misses_ = outcome.feasible, outcome.misses
        self.best_amount_, self.best_reward_ = _bare(found.best.point), found.best.reward
        self.grid_amount_, self.grid_reward_ = _bare(found.grid.point), found.grid.reward
        self.n_evaluations_ = found.n_evaluations
        warn_of_misfits(fits, self._kinds())
        warn_of_outcome(landscape, outcome, measured)
        if self.verbose:
            print(self._summary())
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = True
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _limits(self) -> dict[str, float | None]:
        return {
            "min_accuracy": self.min_accuracy,
            "max_size": self.max_size,
            "max_time": self.max_time,
        }

    def _kinds(self) -> dict[str, Any]:
        """What was given for the curve of each quantity."""
        return {name: getattr(self, f"{name}_curve") for name in QUANTITIES}


def _bare(point: NDArray[np.float64]) -> Any:
    """A float where there is one column."""
    return float(point[0]) if len(point) == 1 else point
