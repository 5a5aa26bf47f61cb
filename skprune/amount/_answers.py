"""What a fitted optimizer tells: of any amount, and how far to trust the best one."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from ..utils import SkpruneEstimator, generator
from ._details import details_frame
from ._fit_quality import CurveFit, r_squared
from ._landscape import Landscape, curve_values
from ._measurements import Measurements, check_amounts, check_measurements
from ._outcome import Outcome, limits_met
from ._points import ROUNDING, Goal
from ._rewards import Reward
from ._uncertainty import AmountBootstrap, WeightSensitivity, bootstrap_amounts, vary_weights

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["AmountAnswers"]


class AmountAnswers(TransformerMixin, SkpruneEstimator):
    """The half of :class:`PruningAmountOptimizer` that reads what ``fit`` of the other half set."""

    verbose: int
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
    least_: dict[str, float]
    bounds_: NDArray[np.float64]
    measurements_: Measurements
    n_features_in_: int
    _landscape: Landscape
    _outcome: Outcome
    _n_runs: int

    @property
    def from_measurements_(self) -> bool:
        """Whether the measurements at ``best_amount_`` meet the limits, but not the curves."""
        points = self._landscape.points(np.atleast_2d(self.best_amount_))
        met = limits_met(self.goal_, points).values()
        return self.feasible_ and not all(each[0] for each in met)

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
        input_features : array-like of str of shape (d,), default=None
            Names of the columns of X; they are only compared with those of ``fit``.

        Returns
        -------
        ndarray of shape (n_columns,), object
            "accuracy", what else was measured, each reward, and "total_reward".

        Raises
        ------
        ValueError
            If ``input_features`` are not those of ``fit``.
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
            False also where a curve lies below ``least_``.
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
            R^2 of each curve, averaged; one where all pass through the measurements.

        Raises
        ------
        ValueError
            If a quantity that was given to ``fit`` is missing.
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
            Amount, accuracy (percent), time, size, each reward times its weight, and the total.

        Raises
        ------
        ValueError
            If there is not one amount for each column of X, or one is not in [0, 1].
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
            again. That is a hundredth of a second each with one column, and as long as ``fit``
            with several: then begin with few, and give ``n_jobs``.
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
            self._n_runs,
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
            self._n_runs,
            generator(random_state),
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "best_amount_")

    def _summary(self) -> str:
        lines = [str(fit) for fit in self.fits_.values()]
        points = self._landscape.points(np.atleast_2d(self.best_amount_))
        said = ", ".join(
            f"{name} {value[0]:.4g}" for name, value in self._landscape.in_units(points).items()
        )
        kind = "best amount" if self.feasible_ else "nearest amount, limits not met"
        if self.from_measurements_:
            kind = "best measured amount, limits not met by the curves"
        lines.append(f"{kind}: {self.best_amount_}: {said}, reward {self.best_reward_:.4f}")
        return "\n".join(lines)
