"""How much to prune: curves of what was measured, rewards, limits, and the best amount."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from ._details import details_frame
from ._fit_quality import CurveFit, assess, r_squared
from ._fitting import fit_curves, make_curves
from ._landscape import Landscape, curve_values
from ._measurements import (
    Measurements,
    check_amounts,
    check_bounds,
    check_limits,
    check_measurements,
)
from ._outcome import Outcome, landscape_of, outcome_of, warn_of_misfits, warn_of_outcome
from ._points import QUANTITIES, ROUNDING, Goal
from ._randomness import generator
from ._rewards import Reward, check_rewards
from ._search import check_n_restarts, search
from ._uncertainty import AmountBootstrap, WeightSensitivity, bootstrap_amounts, vary_weights

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["PruningAmountOptimizer"]


class PruningAmountOptimizer(TransformerMixin, BaseEstimator):
    """How much of a network to prune, from measurements at a few pruning amounts.

    ``fit`` lays a curve through accuracy, time and size against the amount, turns the curves
    into rewards, and maximises their sum by CMA-ES among the amounts that meet the limits.
    ``transform`` tells what the curves and rewards say at any amount.

    Parameters
    ----------
    accuracy_curve, time_curve, size_curve : str or regressor, \
            default="logistic", "cubic", "linear"
        "logistic", "linear", "quadratic", "cubic", "isotonic", "pchip", or an object with
        ``fit(X, y)`` and ``predict(X)``, such as ``PolynomialCurve(5)`` or a regressor of
        scikit-learn; it is copied, not fitted. Where X has several columns, a curve is the sum
        of one for each. "pchip" follows whatever falls (or rises).
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
        Total reward there.
    feasible_ : bool
        Whether the limits can be met together.
    misses_ : dict of str to float
        By how much ``best_amount_`` misses each limit, in its unit; zeros where it is feasible.
    grid_amount_ : float, or ndarray of shape (d,)
        The best amount by brute force on a grid of 1,001 amounts (several columns: of one
        amount for all columns, and of 1,024 drawn ones); never better than
        ``best_amount_``.
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
    does, the nearest one has the smallest root of the sum of squares of what it misses, each
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

    best_amount_: Any
    best_reward_: float
    grid_amount_: Any
    grid_reward_: float
    feasible_: bool
    misses_: dict[str, float]
    n_evaluations_: int
    curves_: dict[str, Any]
    fits_: dict[str, CurveFit]
    rewards_: tuple[Reward, ...]
    goal_: Goal
    bounds_: NDArray[np.float64]
    measurements_: Measurements
    n_features_in_: int
    _landscape: Landscape
    _outcome: Outcome

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
        self

        Raises
        ------
        ValueError, TypeError
            If a parameter or a measurement is wrong; an earlier fit is then kept as it was.

        Warns
        -----
        InfeasibleLimitsWarning
            If no amount meets all limits.
        CurveMisfitWarning
            If a curve does not follow its measurements.
        """
        check_n_restarts(self.n_restarts)
        rng = generator(self.random_state)
        measured = check_measurements(X, y, sample_weight)
        limits = self._limits()
        check_limits(limits, measured)
        rewards = check_rewards(self.rewards, tuple(measured.values))
        bounds = check_bounds(self.bounds, measured)
        curves = fit_curves(make_curves(self._kinds(), measured), measured)
        landscape = landscape_of(curves, rewards, limits, measured, bounds)
        found = search(landscape.evaluate, bounds, rng, 1 + int(self.n_restarts))
        outcome = outcome_of(landscape, found, bounds)
        fits = {
            name: assess(name, curve, measured.amounts, measured.values[name], measured.weights)
            for name, curve in curves.items()
        }
        # Nothing is set before everything has gone well.
        validate_data(self, X, skip_check_array=True)
        self.measurements_, self.bounds_ = measured, bounds
        self.curves_, self.fits_, self.rewards_ = curves, fits, rewards
        self.goal_ = landscape.goal
        self._landscape, self._outcome = landscape, outcome
        self.feasible_, self.misses_ = outcome.feasible, outcome.misses
        self.best_amount_, self.best_reward_ = _bare(found.best.point), found.best.reward
        self.grid_amount_, self.grid_reward_ = _bare(found.grid.point), found.grid.reward
        self.n_evaluations_ = found.n_evaluations
        warn_of_misfits(fits, self._kinds())
        warn_of_outcome(landscape, outcome, measured)
        if self.verbose:
            print(self._summary())
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """What the curves and the rewards say at given amounts.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Pruning amounts in [0, 1].

        Returns
        -------
        ndarray of shape (n, k), or what ``set_output`` asks for
            Columns as in :meth:`get_feature_names_out`: accuracy, time and size in the units
            of y (those that were measured), each reward times its weight, and their sum.
        """
        check_is_fitted(self)
        amounts = check_amounts(validate_data(self, X, dtype=np.float64, reset=False))
        points = self._landscape.points(amounts)
        rewards = list(self._landscape.rewards_of(points).values())
        return np.column_stack(
            [*self._landscape.in_units(points).values(), *rewards, np.sum(rewards, axis=0)]
        )

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray:
        """Names of the columns of :meth:`transform`.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X; they are only compared with those of ``fit``.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        if input_features is not None:
            names = np.asarray(input_features, dtype=object)
            known = getattr(self, "feature_names_in_", None)
            if known is not None and not np.array_equal(names, known):
                raise ValueError("input_features is not equal to feature_names_in_")
            if len(names) != self.n_features_in_:
                raise ValueError(
                    "input_features should have length equal to number of features "
                    f"({self.n_features_in_}), got {len(names)}"
                )
        rewards = [f"{reward.name}_reward" for reward in self.rewards_]
        return np.asarray([*self.curves_, *rewards, "total_reward"], dtype=object)

    def meets_limits(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Whether given amounts meet all limits, by the curves.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Pruning amounts in [0, 1].

        Returns
        -------
        ndarray of shape (n,), bool
            False also where a curve is not believed, since it falls to zero.
        """
        check_is_fitted(self)
        amounts = check_amounts(validate_data(self, X, dtype=np.float64, reset=False))
        return self._landscape.evaluate(amounts)[0] <= ROUNDING

    def score(self, X: ArrayLike, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Mean R^2 of the curves on other measurements.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Pruning amounts in [0, 1].
        y : array-like of shape (n,) or (n, 3), or DataFrame
            What was measured there: the quantities that were given to ``fit``.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        validate_data(self, X, skip_check_array=True, reset=False)
        held_out = check_measurements(X, y, sample_weight)
        if set(held_out.values) != set(self.curves_):
            raise ValueError(
                f"y must hold {list(self.curves_)}, as in fit; it holds {list(held_out.values)}."
            )
        # The reverse cannot be told: a held-out accuracy of 0.5 may be half a percent.
        if held_out.percent < self.measurements_.percent:
            raise ValueError(
                "The accuracy in y is in percent, but it was a fraction in fit (up to "
                f"{held_out.values['accuracy'].max():.6g})."
            )
        scores = [
            r_squared(
                held_out.values[name],
                curve_values(curve, held_out.amounts, name),
                held_out.weights,
            )
            for name, curve in self.curves_.items()
        ]
        return float(np.mean(scores))

    def details(self, p: ArrayLike | None = None) -> "DataFrame":
        """The notebook's table of details, one row an amount.

        Parameters
        ----------
        p : float, or array-like of shape (n,) or (n, d), default=None
            Pruning amounts in [0, 1]; ``best_amount_`` by default. One dimension is n amounts
            where X had one column, and else one amount for each of d columns.

        Returns
        -------
        DataFrame
            Amount, accuracy, time, size, each reward times its weight, and the total.
        """
        check_is_fitted(self)
        d = self.n_features_in_
        amounts = np.asarray(self.best_amount_ if p is None else p, dtype=np.float64)
        if amounts.ndim < 2:
            amounts = amounts.reshape(-1, 1) if d == 1 else amounts.reshape(1, -1)
        if amounts.ndim != 2 or amounts.shape[1] != d:
            raise ValueError(f"p must be amounts of {d} column(s); got shape {amounts.shape}.")
        amounts = check_amounts(check_array(amounts, input_name="p"), "p")
        names = getattr(self, "feature_names_in_", range(d)) if d > 1 else [""]
        return details_frame(self._landscape, amounts, names)

    def bootstrap(
        self,
        n_resamples: int = 200,
        *,
        confidence: float = 0.9,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> AmountBootstrap:
        """How uncertain the best amount is, given the scatter of the measurements.

        Parameters
        ----------
        n_resamples : int, default=200
            Resamples of the measurements; for each the curves are fitted and the search made
            again.
        confidence : float, default=0.9
            Share of the resamples between the ends of the interval.
        random_state : int, RandomState instance, numpy Generator or None, default=None
            Seeds the resamples. NumPy's global generator is never used.
        n_jobs : int, default=None
            Processes, as in joblib; the result is the same for any number.

        Returns
        -------
        AmountBootstrap
        """
        check_is_fitted(self)
        return bootstrap_amounts(
            self._landscape,
            self.measurements_,
            self.bounds_,
            self.fits_,
            n_resamples,
            confidence,
            generator(random_state),
            n_jobs,
            self.verbose,
        )

    def weight_sensitivity(
        self, factors: ArrayLike = (0.0, 0.5, 0.8, 1.25, 2.0), *, random_state: Any = None
    ) -> WeightSensitivity:
        """How the best amount moves when the weight of one reward changes.

        Parameters
        ----------
        factors : array-like of shape (f,), default=(0, 0.5, 0.8, 1.25, 2)
            What each weight is multiplied with in turn, the others left as they are.
        random_state : int, RandomState instance, numpy Generator or None, default=None
            Seeds the searches. NumPy's global generator is never used.

        Returns
        -------
        WeightSensitivity
        """
        check_is_fitted(self)
        return vary_weights(
            self._landscape,
            self.bounds_,
            self._outcome.found.best.point,
            factors,
            1 + int(self.n_restarts),
            generator(random_state),
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "best_amount_")

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

    def _summary(self) -> str:
        lines = [
            f"{name} curve: R^2 {fit.r2:.4f}, root mean square error {fit.rmse:.4g}"
            for name, fit in self.fits_.items()
        ]
        points = self._landscape.points(np.atleast_2d(self.best_amount_))
        said = ", ".join(
            f"{name} {value[0]:.4g}" for name, value in self._landscape.in_units(points).items()
        )
        kind = "best amount" if self.feasible_ else "nearest amount, limits not met"
        lines.append(f"{kind}: {self.best_amount_}: {said}, reward {self.best_reward_:.4f}")
        return "\n".join(lines)


def _bare(point: NDArray[np.float64]) -> Any:
    """A float where there is one column."""
    return float(point[0]) if len(point) == 1 else point
