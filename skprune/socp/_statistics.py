"""All that the program needs to know of a prediction pool: two M x M and two M arrays.

Equation numbers are those of Guldogus et al., "Autoselection of the Ensemble of
Convolutional Neural Networks with Second-Order Cone Programming".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..utils import Predictions, ReprHTML, as_predictions
from ._checks import (
    check_blocks,
    check_labels,
    check_probabilities,
    check_reference,
    check_shape,
    check_weights,
)
from ._combine import combine
from ._regression import regression_fields

__all__ = ["REFERENCE_FLOOR", "EnsembleStatistics"]

# Bytes of predictions in a block: wide enough for the products to run at full speed, small
# enough that the element-wise passes over it stay cheap (measured: 2**24 to 2**25 is best).
_BLOCK_BYTES = 2**24
# A reference mixture below this counts as this: members that a zero weight silences may
# put probability there, and p / m must stay finite.
REFERENCE_FLOOR = 1e-10


@dataclass(frozen=True, eq=False)
class EnsembleStatistics(ReprHTML):
    """Second-order statistics of the predictions of M members, averaged over samples.

    With P[i, n, j] the probability that member i gives to class j on sample n, Y the
    one-hot labels and m the uniform mean of the members, every entry is a (weighted) mean
    over the samples, divided by the number of classes C, as in equation (3).

    Statistics of disjoint samples add up to those of all: ``sum(folds)``; and the statistics
    of all less those of a fold, ``total - fold``, are those of the rest.

    Parameters
    ----------
    gram : ndarray of shape (M, M)
        ``<P_i, P_k>``.
    reference_gram : ndarray of shape (M, M) or None
        ``<P_i, P_k / m>``, the curvature of the mixture's entropy at m; None for regression.
    agreement : ndarray of shape (M,)
        ``<P_i, Y>``, the mean probability of the true class, divided by C.
    divergence : ndarray of shape (M,) or None
        ``KL(p_i || m)``, how far member i stands from the mean of all; None for regression.
    n_samples : int
        Number of samples seen.
    n_classes : int
        Number of classes C; for regression, twice the number of targets.
    total_weight : float
        Sum of the sample weights; the number of samples where none were given.
    target_power : float, default=None
        ``<Y, Y>``: what the squared error of (3) is at w = 0. None is 1 / C, that of classes.
    reference_mass : float, default=None
        ``<m, 1>``. None is 1 / C, that of the uniform mean.
    center, scale : ndarray of shape (T,) or None, default=None
        By what targets and predictions were centred and scaled; None for classes.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import EnsembleStatistics
    >>> P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    >>> stats = EnsembleStatistics.from_predictions(P, [0, 1])
    >>> stats.agreement.round(3)
    array([0.425, 0.275])
    """

    gram: NDArray[np.float64]
    reference_gram: NDArray[np.float64] | None
    agreement: NDArray[np.float64]
    divergence: NDArray[np.float64] | None
    n_samples: int
    n_classes: int
    total_weight: float
    target_power: float = None  # type: ignore[assignment]
    reference_mass: float = None  # type: ignore[assignment]
    center: NDArray[np.float64] | None = None
    scale: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        for name in ("target_power", "reference_mass"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, 1 / self.n_classes)

    @property
    def n_members(self) -> int:
        """Number of members M."""
        return self.agreement.shape[0]

    @property
    def kind(self) -> str:
        """Whether "classes" were predicted, or numbers: "regression"."""
        return "classes" if self.center is None else "regression"

    def __add__(self, other: "EnsembleStatistics") -> "EnsembleStatistics":
        """Statistics of two disjoint sets of samples together."""
        if not isinstance(other, EnsembleStatistics):
            return NotImplemented
        return EnsembleStatistics(**combine(self, other, 1))

    def __radd__(self, other: int) -> "EnsembleStatistics":
        """Let ``sum`` start from its zero."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __sub__(self, other: "EnsembleStatistics") -> "EnsembleStatistics":
        """Statistics of the samples of ``self`` that are not among those of ``other``."""
        if not isinstance(other, EnsembleStatistics):
            return NotImplemented
        return EnsembleStatistics(**combine(self, other, -1))

    @classmethod
    def from_predictions(
        cls,
        P: ArrayLike | Predictions,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reference: ArrayLike | None = None,
    ) -> "EnsembleStatistics":
        """Accumulate the statistics of an array or memory map, block by block.

        Parameters
        ----------
        P : array-like or PredictionStore of shape (M, N, C)
            Probabilities: member, sample, class. What lies in a file is read block by block.
            float32 (or float16) is multiplied in float32 and accumulated in float64.
        y : array-like of shape (N,)
            True classes, integers in 0 .. C - 1.
        sample_weight : array-like of shape (N,), default=None
            Non-negative weights of the samples, not all zero.
        reference : array-like of shape (M,), default=None
            Non-negative weights of another mixture m to expand the entropy round; by default
            the uniform mean of the members.

        Returns
        -------
        EnsembleStatistics

        Raises
        ------
        ValueError
            If the shapes disagree, a probability is NaN, infinite or negative, a row does
            not sum to one, a label lies outside 0 .. C - 1, or the weights are unusable.
        TypeError
            If P does not hold real numbers.
        """
        given: Any = as_predictions(P)
        check_shape(given, "P")
        y = check_labels(y, given.shape[1], given.shape[2])
        if sample_weight is not None:
            sample_weight = check_weights(sample_weight, given.shape[1])
        step = max(1, _BLOCK_BYTES // max(1, 4 * given.shape[0] * given.shape[2]))
        blocks = (
            (
                given[:, start : start + step],
                y[start : start + step],
                None if sample_weight is None else sample_weight[start : start + step],
            )
            for start in range(0, given.shape[1], step)
        )
        return cls._accumulate(blocks, reference)

    @classmethod
    def from_blocks(
        cls, blocks: Iterable[tuple], *, reference: ArrayLike | None = None
    ) -> "EnsembleStatistics":
        """Accumulate the statistics from blocks of samples, never holding all of them.

        Parameters
        ----------
        blocks : iterable of (P_block, y_block) or (P_block, y_block, weight_block)
            ``P_block`` of shape (M, n, C) with the same M and C in every block, and
            ``y_block`` of shape (n,). Memory is that of one block and of the result.
        reference : array-like of shape (M,), default=None
            As in :meth:`from_predictions`.

        Returns
        -------
        EnsembleStatistics

        Raises
        ------
        ValueError
            As :meth:`from_predictions`, and if there is no block or the blocks disagree.
        TypeError
            If ``blocks`` is not iterable, or P does not hold real numbers.
        """
        return cls._accumulate(check_blocks(blocks), reference)

    @classmethod
    def from_regression(
        cls,
        F: ArrayLike | Predictions,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        center: ArrayLike | None = None,
        scale: ArrayLike | None = None,
    ) -> "EnsembleStatistics":
        """Accumulate the statistics of the predictions of regressors.

        Predictions and target are centred and scaled, target by target, and beside each
        target stands a column of ones that is to be met by ones: the weights are drawn to a
        sum of one, and no mixture of members that cancel each other is free.

        Parameters
        ----------
        F : array-like or PredictionStore of shape (M, N, T), or array-like of shape (M, N)
            Predictions: member, sample, target. What lies in a file is read block by block; all
            is computed in float64.
        y : array-like of shape (N, T) or (N,)
            Targets.
        sample_weight : array-like of shape (N,), default=None
            Non-negative weights of the samples, not all zero.
        center : array-like of shape (T,), default=None
            What is taken off each target; by default its weighted mean. Statistics only add
            up under the same center and scale, so give folds those of all samples.
        scale : array-like of shape (T,), default=None
            What each target is divided by; by default its weighted standard deviation. Zero
            counts as one.

        Returns
        -------
        EnsembleStatistics

        Raises
        ------
        ValueError
            If the shapes disagree, a number is NaN or infinite, or the weights are unusable.
        TypeError
            If F or y does not hold real numbers.

        Examples
        --------
        >>> from skprune.socp import EnsembleStatistics
        >>> F = [[1.0, 2.0, 3.0], [1.0, 1.0, 2.0]]
        >>> stats = EnsembleStatistics.from_regression(F, [1.0, 2.0, 3.0])
        >>> stats.kind, round(stats.target_power, 3)
        ('regression', 1.0)
        """
        return cls(**regression_fields(F, y, sample_weight, center, scale, _BLOCK_BYTES))

    @classmethod
    def _accumulate(
        cls, blocks: Iterable[tuple], reference: ArrayLike | None
    ) -> "EnsembleStatistics":
        sums: list[NDArray[np.float64]] | None = None
        mixture: NDArray[np.float64] | None = None
        n_samples, n_classes, total_weight = 0, 0, 0.0
        for P, y, weight in blocks:
            if y.shape[0] == 0:
                continue
            if reference is not None and mixture is None:
                mixture = check_reference(reference, P.shape[0])
            part = _block_sums(P, y, weight, mixture)
            sums = list(part) if sums is None else [s + p for s, p in zip(sums, part, strict=True)]
            n_samples += y.shape[0]
            n_classes = P.shape[2]
            total_weight += float(y.shape[0] if weight is None else weight.sum())
        if sums is None:
            raise ValueError("P holds no sample: at least one calibration sample is needed.")
        if not total_weight > 0:
            raise ValueError("sample_weight sums to zero: at least one weight must be positive.")
        gram, reference_gram, agreement, divergence, mass = (
            s / (total_weight * n_classes) for s in sums
        )
        return cls(
            gram,
            reference_gram,
            agreement,
            divergence,
            n_samples,
            n_classes,
            total_weight,
            reference_mass=1 / n_classes if reference is None else float(mass),
        )


def _block_sums(
    P: NDArray,
    y: NDArray[np.intp],
    weight: NDArray[np.float64] | None,
    reference: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], ...]:
    """Weighted sums over one block: G, W, b and d of f(w), and m, before averaging."""
    M, n, C = P.shape
    dtype = np.float32 if P.dtype in (np.float16, np.float32) else np.float64
    P = P.astype(dtype, copy=False)
    check_probabilities(P)
    if weight is not None:  # relative to the largest, which float32 cannot always hold
        scale = float(weight.max()) or 1.0
        weight = weight / scale
    block = P.reshape(M, n * C)  # a view: rows of a block of P stay contiguous
    labels = np.zeros((n, C), dtype)
    labels[np.arange(n), y] = 1 if weight is None else weight
    agreement = block @ labels.ravel()

    tiny = np.finfo(dtype).tiny
    if reference is None:
        # Averaged in float64, so that members who agree have m = p, and no divergence, exactly.
        mean = np.maximum(block.mean(axis=0, dtype=np.float64).astype(dtype), tiny)
    else:
        mean = np.maximum(reference.astype(dtype) @ block, dtype(REFERENCE_FLOOR))
    inverse_root = 1 / np.sqrt(mean)
    scaled = block * inverse_root
    # X @ X.T is one symmetric rank-k update, and so exactly symmetric.
    if weight is None:
        gram, reference_gram = block @ block.T, scaled @ scaled.T
    else:
        root = np.repeat(np.sqrt(weight), C).astype(dtype)
        weighted = block * root
        gram = weighted @ weighted.T
        np.multiply(scaled, root, out=weighted)
        reference_gram = weighted @ weighted.T

    # log(p / m), in place; 0 log 0 = 0, so where p vanishes any finite logarithm will do.
    log_ratio = np.divide(block, mean, out=scaled)
    np.log(np.maximum(log_ratio, tiny, out=log_ratio), out=log_ratio)
    if weight is not None:
        log_ratio *= np.repeat(weight, C).astype(dtype)
    divergence = np.einsum("ij,ij->i", block, log_ratio)
    mass = mean.reshape(n, C).sum(axis=1, dtype=np.float64)
    mass = np.asarray(mass.sum() if weight is None else weight @ mass)
    sums = (gram, reference_gram, agreement, divergence, mass)
    parts = (part.astype(np.float64) for part in sums)
    return tuple(parts if weight is None else (scale * part for part in parts))
