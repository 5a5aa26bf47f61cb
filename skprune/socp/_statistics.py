"""All that the program needs to know of a prediction pool: two M x M and two M arrays.

Equation numbers are those of Guldogus et al., "Autoselection of the Ensemble of
Convolutional Neural Networks with Second-Order Cone Programming".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["EnsembleStatistics"]

# Bytes of predictions in a block: wide enough for the products to run at full speed, small
# enough that the element-wise passes over it stay cheap (measured: 2**24 to 2**25 is best).
_BLOCK_BYTES = 2**24
# Rows of probabilities must sum to one this closely: float16 predictions still do.
_SUM_TOLERANCE = 1e-2


@dataclass(frozen=True, eq=False)
class EnsembleStatistics:
    """Second-order statistics of the predictions of M members, averaged over samples.

    With P[i, n, j] the probability that member i gives to class j on sample n, Y the
    one-hot labels and m the uniform mean of the members, every entry is a (weighted) mean
    over the samples, divided by the number of classes C, as in equation (3).

    Parameters
    ----------
    gram : ndarray of shape (M, M)
        ``<P_i, P_k>``.
    reference_gram : ndarray of shape (M, M)
        ``<P_i, P_k / m>``, the curvature of the mixture's entropy at m.
    agreement : ndarray of shape (M,)
        ``<P_i, Y>``, the mean probability of the true class, divided by C.
    divergence : ndarray of shape (M,)
        ``KL(p_i || m)``, how far member i stands from the mean of all.
    n_samples : int
        Number of samples seen.
    n_classes : int
        Number of classes C.
    total_weight : float
        Sum of the sample weights; the number of samples where none were given.

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
    reference_gram: NDArray[np.float64]
    agreement: NDArray[np.float64]
    divergence: NDArray[np.float64]
    n_samples: int
    n_classes: int
    total_weight: float

    @property
    def n_members(self) -> int:
        """Number of members M."""
        return self.agreement.shape[0]

    @classmethod
    def from_predictions(
        cls, P: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> "EnsembleStatistics":
        """Accumulate the statistics of an array or memory map, block by block.

        Parameters
        ----------
        P : array-like of shape (M, N, C)
            Probabilities: member, sample, class. A memory map is read block by block.
            float32 (or float16) is multiplied in float32 and accumulated in float64.
        y : array-like of shape (N,)
            True classes, integers in 0 .. C - 1.
        sample_weight : array-like of shape (N,), default=None
            Non-negative weights of the samples, not all zero.

        Returns
        -------
        EnsembleStatistics

        Raises
        ------
        ValueError
            If the shapes disagree, a probability is NaN, infinite or negative, a row does
            not sum to one, a label lies outside 0 .. C - 1, or the weights are unusable.
        """
        P = P if isinstance(P, np.ndarray) else np.asarray(P)
        _check_shape(P, "P")
        y = _check_labels(y, P.shape[1], P.shape[2])
        if sample_weight is not None:
            sample_weight = _check_weights(sample_weight, P.shape[1])
        step = max(1, _BLOCK_BYTES // max(1, 4 * P.shape[0] * P.shape[2]))
        blocks = (
            (
                P[:, start : start + step],
                y[start : start + step],
                None if sample_weight is None else sample_weight[start : start + step],
            )
            for start in range(0, P.shape[1], step)
        )
        return cls._accumulate(blocks)

    @classmethod
    def from_blocks(cls, blocks: Iterable[tuple]) -> "EnsembleStatistics":
        """Accumulate the statistics from blocks of samples, never holding all of them.

        Parameters
        ----------
        blocks : iterable of (P_block, y_block) or (P_block, y_block, weight_block)
            ``P_block`` of shape (M, n, C) with the same M and C in every block, and
            ``y_block`` of shape (n,). Memory is that of one block and of the result.

        Returns
        -------
        EnsembleStatistics

        Raises
        ------
        ValueError
            As :meth:`from_predictions`, and if there is no block or the blocks disagree.
        """
        return cls._accumulate(_check_blocks(blocks))

    @classmethod
    def _accumulate(cls, blocks: Iterable[tuple]) -> "EnsembleStatistics":
        sums: list[NDArray[np.float64]] | None = None
        n_samples, n_classes, total_weight = 0, 0, 0.0
        for P, y, weight in blocks:
            if y.shape[0] == 0:
                continue
            part = _block_sums(P, y, weight)
            sums = list(part) if sums is None else [s + p for s, p in zip(sums, part, strict=True)]
            n_samples += y.shape[0]
            n_classes = P.shape[2]
            total_weight += float(y.shape[0] if weight is None else weight.sum())
        if sums is None:
            raise ValueError("P holds no sample: at least one calibration sample is needed.")
        if not total_weight > 0:
            raise ValueError("sample_weight sums to zero: at least one weight must be positive.")
        gram, reference_gram, agreement, divergence = (s / (total_weight * n_classes) for s in sums)
        return cls(gram, reference_gram, agreement, divergence, n_samples, n_classes, total_weight)


def _block_sums(
    P: NDArray, y: NDArray[np.intp], weight: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], ...]:
    """Weighted sums over one block: G, W, b and d of f(w), before averaging."""
    M, n, C = P.shape
    dtype = np.float32 if P.dtype in (np.float16, np.float32) else np.float64
    P = P.astype(dtype, copy=False)
    _check_probabilities(P)
    if weight is not None:  # relative to the largest, which float32 cannot always hold
        scale = float(weight.max()) or 1.0
        weight = weight / scale
    block = P.reshape(M, n * C)  # a view: rows of a block of P stay contiguous
    labels = np.zeros((n, C), dtype)
    labels[np.arange(n), y] = 1 if weight is None else weight
    agreement = block @ labels.ravel()

    tiny = np.finfo(dtype).tiny
    # Averaged in float64, so that members who agree have m = p, and no divergence, exactly.
    mean = np.maximum(block.mean(axis=0, dtype=np.float64).astype(dtype), tiny)
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
    parts = (part.astype(np.float64) for part in (gram, reference_gram, agreement, divergence))
    return tuple(parts if weight is None else (scale * part for part in parts))


def _check_probabilities(P: NDArray) -> None:
    """Refuse what is no distribution; the member at fault is named."""
    with np.errstate(invalid="ignore"):
        sums = P @ np.ones(P.shape[2], P.dtype)
    # NaN and infinity make these comparisons false too.
    if np.abs(sums - 1).max() <= _SUM_TOLERANCE and P.min() >= 0:
        return
    for i, member in enumerate(P):
        if not np.isfinite(member).all():
            raise ValueError(f"P has NaN or infinite probabilities: member {i} does.")
        if member.min() < 0:
            raise ValueError(f"P has negative probabilities: member {i} gives {member.min():.3g}.")
        worst = sums[i, np.abs(sums[i] - 1).argmax()]
        if not abs(worst - 1) <= _SUM_TOLERANCE:
            raise ValueError(
                f"The probabilities of each sample must sum to one: those of member {i} sum to "
                f"{worst:.4g}. Pass the output of predict_proba, not scores or logits."
            )


def _check_shape(P: NDArray, name: str) -> None:
    if P.ndim != 3 or P.shape[0] == 0 or P.shape[2] == 0:
        raise ValueError(
            f"{name} must have shape (n_members, n_samples, n_classes), with at least one member "
            f"and one class; got shape {P.shape}."
        )


def _check_labels(y: ArrayLike, n_samples: int, n_classes: int) -> NDArray[np.intp]:
    y = np.asarray(y)
    if y.shape != (n_samples,):
        raise ValueError(f"y must have shape ({n_samples},), one label a sample; got {y.shape}.")
    if y.dtype.kind not in "iu":
        raise ValueError(f"y must hold integer classes 0 .. {n_classes - 1}; got {y.dtype}.")
    if n_samples and (y.min() < 0 or y.max() >= n_classes):
        raise ValueError(
            f"y must lie in 0 .. {n_classes - 1} (P has {n_classes} classes); got "
            f"{y.min()} .. {y.max()}."
        )
    return y.astype(np.intp)


def _check_weights(sample_weight: ArrayLike, n_samples: int) -> NDArray[np.float64]:
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (n_samples,):
        raise ValueError(f"sample_weight must have shape ({n_samples},); got {weight.shape}.")
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError("sample_weight must be finite and non-negative.")
    return weight


def _check_blocks(blocks: Iterable[tuple]) -> Iterator[tuple]:
    shape = None
    for number, block in enumerate(blocks):
        P = np.asarray(block[0])
        _check_shape(P, f"Block {number}: P")
        if shape is not None and shape != (P.shape[0], P.shape[2]):
            raise ValueError(
                f"Block {number} has {P.shape[0]} members and {P.shape[2]} classes, the blocks "
                f"before it {shape[0]} and {shape[1]}."
            )
        shape = (P.shape[0], P.shape[2])
        y = _check_labels(block[1], P.shape[1], P.shape[2])
        weight = _check_weights(block[2], P.shape[1]) if len(block) > 2 else None
        yield P, y, weight
