"""Confidence of a vote against its accuracy, before and after pruning."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_regressor
from sklearn.metrics import log_loss as log_loss_of
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_consistent_length

from ..pruning import SOCPEnsemblePruner, encode_labels
from ._drawing import (
    CHOSEN,
    KEPT,
    axes_for,
    check_has,
    legend_in_its_own_band,
    styled,
)
from ._full import equal_vote, full_ensemble

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ReliabilityDisplay", "probability_scores"]

# Points squared of the marker of a bin with all rows.
_LARGEST = 400.0


class ReliabilityDisplay:
    """Whether a vote is right as often as it claims: accuracy against confidence, in bins.

    Confidence is the probability of the predicted class. On the diagonal, a vote that is 80 %
    sure is right in 80 % of the cases; above it, the vote is too unsure, below it, too sure.
    The expected calibration error is the mean distance from the diagonal, weighted by the rows
    in each bin. Make one with :meth:`from_estimator`; the arrays are attributes, and :meth:`plot`
    can be called again.

    Parameters
    ----------
    confidence : array-like of shape (n_curves, n_bins)
        Mean confidence of the rows in each bin, which are of equal width; NaN in a bin without
        rows.
    accuracy : array-like of shape (n_curves, n_bins)
        Share of these rows whose predicted class is right; NaN in a bin without rows.
    share : array-like of shape (n_curves, n_bins)
        Share of all rows that are in the bin.
    log_loss : array-like of shape (n_curves,)
        Log loss of each vote.
    names : sequence of n_curves str
        Names of the votes, for the legend. The last is the pruned vote as it predicts.

    Attributes
    ----------
    calibration_error : ndarray of shape (n_curves,)
        Expected calibration error of each vote.
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        Figure of ``ax_``.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : The same for the probability of one of two classes.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks",
    ICML 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> from skprune.inspection import ReliabilityDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(20, max_depth=2, random_state=0)
    >>> params = {"voting": "soft", "calibrate": "temperature", "random_state": 0}
    >>> pruner = SOCPEnsemblePruner(forest, **params)
    >>> pruner = pruner.fit(X[::2], y[::2])
    >>> forest = forest.fit(X[::2], y[::2])
    >>> display = ReliabilityDisplay.from_estimator(pruner, X[1::2], y[1::2], ensemble=forest)
    >>> display.share.shape, display.names[0]
    ((3, 15), 'mean of all 20 members')
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(
        self,
        *,
        confidence: ArrayLike,
        accuracy: ArrayLike,
        share: ArrayLike,
        log_loss: ArrayLike,
        names: Any,
    ) -> None:
        self.confidence = np.asarray(confidence, dtype=np.float64)
        self.accuracy = np.asarray(accuracy, dtype=np.float64)
        self.share = np.asarray(share, dtype=np.float64)
        self.log_loss = np.asarray(log_loss, dtype=np.float64)
        self.names = tuple(names)
        self.calibration_error = _mean_gap(self.confidence, self.accuracy, self.share)

    @classmethod
    def from_estimator(
        cls,
        pruner: SOCPEnsemblePruner,
        X: Any,
        y: Any,
        *,
        ensemble: Any = None,
        n_bins: int = 15,
        ax: "Axes | None" = None,
        **line_kwargs: Any,
    ) -> "ReliabilityDisplay":
        """Draw the full ensemble and a fitted pruner, before and after its temperature.

        Parameters
        ----------
        pruner : fitted pruner of classifiers
            Such as :class:`~skprune.SOCPEnsemblePruner`. It has one curve, or two where it was
            fitted with ``calibrate="temperature"``.
        X : array-like of shape (n_samples, ...)
            Test rows: on rows that members were trained on, or that the pruner was calibrated
            on, votes look better than they are.
        y : array-like of shape (n_samples,)
            Classes of the test rows.
        ensemble : fitted ensemble, or list or dict of members, default=None
            The full ensemble, which the pruner does not hold; not needed where the pruner was
            given fitted members. Without it the pruned vote alone is drawn. Its curve is that
            of the mean of all members' probabilities or, with ``voting="hard"``, of the shares
            of the members that choose each class.
        n_bins : int, default=15
            Number of bins of equal width between 0 and 1.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **line_kwargs : dict
            Passed to matplotlib's ``plot`` for the curve of the pruned vote.

        Returns
        -------
        ReliabilityDisplay

        Raises
        ------
        NotFittedError
            If the pruner is not fitted.
        TypeError
            If it is not a pruner of classifiers.
        ValueError
            If ``ensemble`` is not the one that was pruned, or X or y do not match.
        """
        check_has(pruner, "explain", "a pruner, such as SOCPEnsemblePruner")
        if is_regressor(pruner):
            raise TypeError(
                f"{type(pruner).__name__} predicts targets, without a probability that could be "
                "compared with how often it is right: give a pruner of classifiers."
            )
        if n_bins < 1:
            raise ValueError(f"n_bins must be at least 1; got {n_bins}.")
        y = column_or_1d(y)
        truth = encode_labels(y, pruner.classes_)
        rule = pruner.__skprune_vote__().rule
        by_member = pruner.member_predict_proba(X)
        outputs = by_member.values() if isinstance(by_member, dict) else by_member
        votes = rule.votes(outputs, pruner.weights_[pruner.support_])
        check_consistent_length(votes, y)
        kept = f"{pruner.n_members_} kept member{'s' * (pruner.n_members_ > 1)}"
        name = f"{kept}, logarithmic pool" if pruner.voting == "log" else kept
        curves = {name: rule.proba(votes)}
        if pruner.calibrate is not None:
            curves = {
                f"{kept}, before the temperature": votes,
                f"{kept}, temperature {pruner.temperature_:.2f}": curves[name],
            }
        ensemble = full_ensemble(pruner, ensemble)
        if ensemble is not None:
            P = pruner.predictions_on(ensemble, X, y).P
            hard = pruner.voting == "hard"
            name = f"{'votes' if hard else 'mean'} of all {pruner.n_members_in_} members"
            curves = {name: equal_vote(P, "hard" if hard else "soft"), **curves}
        confidence, accuracy, share = np.stack(
            [_bins(proba, truth, n_bins) for proba in curves.values()], axis=1
        )
        return cls(
            confidence=confidence,
            accuracy=accuracy,
            share=share,
            log_loss=[_log_loss(proba, truth) for proba in curves.values()],
            names=curves,
        ).plot(ax=ax, **line_kwargs)

    def plot(self, ax: "Axes | None" = None, **line_kwargs: Any) -> "ReliabilityDisplay":
        """Draw; the area of a marker shows the share of the rows that are in its bin.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **line_kwargs : dict
            Passed to matplotlib's ``plot`` for the curve of the pruned vote, the last one.

        Returns
        -------
        ReliabilityDisplay
            This one, with ``ax_`` and ``figure_`` set.
        """
        ax = axes_for(ax, figsize=(5.6, 6.0))
        ax.plot([0, 1], [0, 1], color="0.75", linewidth=1, zorder=1)
        colors = ("0.45", KEPT, CHOSEN)
        for i, name in enumerate(self.names):
            last = i == len(self.names) - 1
            line: dict[str, Any] = {
                "color": CHOSEN if last else colors[i % 3],
                "linestyle": "-" if last else "--",
                # Thin: what counts are the markers, and bins with few rows jump.
                "linewidth": 1.0,
                "alpha": 0.6,
                "marker": "o",
                "markersize": 3.5,
                "label": f"{name}:\ncalibration error {self.calibration_error[i]:.1%}, "
                f"log loss {self.log_loss[i]:.3f}",
            }
            rows = self.share[i] > 0
            (drawn,) = ax.plot(
                self.confidence[i, rows],
                self.accuracy[i, rows],
                **styled(line, line_kwargs if last else {}, "Line2D"),
            )
            ax.scatter(
                self.confidence[i, rows],
                self.accuracy[i, rows],
                s=_LARGEST * self.share[i, rows],
                color=drawn.get_color(),
                alpha=0.7,
                linewidths=0,
                zorder=3,
            )
        ax.set(
            xlim=(-0.02, 1.02),
            ylim=(-0.02, 1.02),
            xlabel="Confidence: probability of the predicted class",
            ylabel="Accuracy on test rows",
        )
        legend_in_its_own_band(ax, ncols=1)
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self


def probability_scores(
    proba: NDArray[np.float64],
    truth: NDArray[np.intp],
    sample_weight: NDArray[np.float64] | None = None,
) -> tuple[float, float]:
    """Log loss and calibration error of probabilities (N, C), with classes as positions (N,)."""
    gap = _mean_gap(*_bins(proba, truth, 15, sample_weight))
    return _log_loss(proba, truth, sample_weight), float(gap)


def _log_loss(
    proba: NDArray[np.float64],
    truth: NDArray[np.intp],
    sample_weight: NDArray[np.float64] | None = None,
) -> float:
    labels = np.arange(proba.shape[1])
    return float(log_loss_of(truth, proba, sample_weight=sample_weight, labels=labels))


def _bins(
    proba: NDArray[np.float64],
    truth: NDArray[np.intp],
    n_bins: int,
    sample_weight: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Mean confidence, accuracy and share of rows of each bin, (3, n_bins)."""
    confidence, right = proba.max(axis=1), proba.argmax(axis=1) == truth
    weight = np.ones(len(truth)) if sample_weight is None else sample_weight
    weight = weight / weight.sum()
    # Rounded, since shares of votes are often at the edge of a bin.
    which = np.minimum(np.round(confidence * n_bins, 9).astype(int), n_bins - 1)
    sums = [np.bincount(which, weight * part, n_bins) for part in (confidence, right, 1.0)]
    share = sums[2]
    with np.errstate(invalid="ignore"):
        return np.array([sums[0] / share, sums[1] / share, share])


def _mean_gap(confidence: NDArray, accuracy: NDArray, share: NDArray) -> NDArray[np.float64]:
    """Expected calibration error: distances from the diagonal, weighted by rows; (...)."""
    return np.asarray(np.nansum(share * np.abs(accuracy - confidence), axis=-1))
