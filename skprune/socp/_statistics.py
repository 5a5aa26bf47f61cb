"""Statistics of a pool's predictions: all that the program needs to know of them.

Equation numbers are those of Guldogus et al., "Autoselection of the Ensemble of
Convolutional Neural Networks with Second-Order Cone Programming".
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..utils import Predictions, ReprHTML, as_predictions, sample_blocks
from ._validation import (
    check_blocks,
    check_labels,
    check_probabilities,
    check_real,
    check_shape,
    check_weights,
)

__all__ = [
    "REFERENCE_FLOOR",
    "ClassSums",
    "EnsembleStatistics",
    "TargetSums",
    "check_total",
    "combined_means",
    "combined_pairs",
    "completed_means",
    "standardized_blocks",
    "target_scale",
]

# Bytes of predictions in a block: large enough for fast matrix products, small enough that the
# element-wise passes stay in cache (measured: 2**24 to 2**25 is best).
_BLOCK_BYTES = 2**24
# Lower bound on a reference mixture given by weights: where all its members have probability
# zero, others may not, and p / m must stay finite.
REFERENCE_FLOOR = 1e-10
# Members a side of the tiles in which products are formed: 4 MB of float32, which stay in cache.
_TILE = 1024
# A difference with less than this share of the total weight is rounding, not samples.
_MIN_REMAINDER = 1e-9


@dataclass(frozen=True, eq=False)
class EnsembleStatistics(ReprHTML):
    """Second-order statistics of the predictions of M members, averaged over samples.

    With P[i, n, j] the probability that member i gives to class j on sample n, Y the
    one-hot labels and m the uniform mean of the members, every entry is a (weighted) mean
    over the samples, divided by the number of classes C, as in equation (3).

    The statistics of disjoint sets of samples can be added, ``sum(folds)``, and those of a
    subset subtracted, ``total - fold``, which gives the statistics of the other samples.

    Parameters
    ----------
    gram : ndarray of shape (M, M)
        ``<P_i, P_k>``.
    reference_gram : ndarray of shape (M, M) or None
        ``<P_i, P_k / m>``, the curvature of the mixture's entropy at m; None for regression.
    agreement : ndarray of shape (M,)
        ``<P_i, Y>``, the mean probability of the true class, divided by C.
    divergence : ndarray of shape (M,) or None
        ``KL(p_i || m)``, the divergence of member i from the mean; None for regression.
    n_samples : int
        Number of samples.
    n_classes : int
        Number of classes C; for regression, twice the number of targets.
    total_weight : float
        Sum of the sample weights; without weights, the number of samples.
    target_power : float, default=None
        ``<Y, Y>``: the squared error of (3) at w = 0. None means 1 / C, the value for classes.
    reference_mass : float, default=None
        ``<m, 1>``. None means 1 / C, the value for the uniform mean.
    center, scale : ndarray of shape (T,) or None, default=None
        Center and scale by which targets and predictions were standardized; None for classes.
    pair_weight : ndarray of shape (M, M) or None, default=None
        Sum of the weights of the samples that each product of two members is averaged over,
        where members have different samples; None where all have the same.
    names : tuple of M str or None, default=None
        Names of the members, where they came with their predictions.

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
    pair_weight: NDArray[np.float64] | None = None
    names: tuple[str, ...] | None = None

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
        """What was predicted: "classes" or "regression"."""
        return "classes" if self.center is None else "regression"

    def __add__(self, other: "EnsembleStatistics") -> "EnsembleStatistics":
        """Statistics of the union of two disjoint sets of samples."""
        return self._combine(other, 1) if isinstance(other, EnsembleStatistics) else NotImplemented

    def __radd__(self, other: int) -> "EnsembleStatistics":
        """Let ``sum`` start from its zero."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __sub__(self, other: "EnsembleStatistics") -> "EnsembleStatistics":
        """Statistics of the samples of ``self`` without those of ``other``, a subset."""
        return self._combine(other, -1) if isinstance(other, EnsembleStatistics) else NotImplemented

    @classmethod
    def from_predictions(
        cls,
        P: ArrayLike | Predictions,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        reference: ArrayLike | None = None,
    ) -> "EnsembleStatistics":
        """Compute the statistics of an array or memory map, block by block.

        Parameters
        ----------
        P : array-like or PredictionStore of shape (M, N, C)
            Probabilities: member, sample, class. A file is read block by block. float32 (or
            float16) is multiplied in float32 and accumulated in float64.
        y : array-like of shape (N,)
            True classes, integers in 0 .. C - 1.
        sample_weight : array-like of shape (N,), default=None
            Non-negative weights of the samples, not all zero.
        reference : array-like of shape (M,), default=None
            Non-negative weights of another mixture m, around which the entropy is expanded;
            None means the uniform mean of the members.

        Returns
        -------
        EnsembleStatistics

        Raises
        ------
        ValueError
            If the shapes disagree, a probability is NaN, infinite or negative, a row does
            not sum to one, a label is outside 0 .. C - 1, or the weights are invalid.
        TypeError
            If P does not hold real numbers.
        """
        given: Any = as_predictions(P)
        check_shape(given, "P")
        M, N, C = given.shape
        y = check_labels(y, N, C)
        if sample_weight is not None:
            sample_weight = check_weights("sample_weight", sample_weight, N)
        blocks = (
            (block, y[n], None if sample_weight is None else sample_weight[n])
            for n, block in sample_blocks(given, _BLOCK_BYTES, 4 * M * C)
        )
        return cls.from_blocks(blocks, reference=reference)

    @classmethod
    def from_blocks(
        cls, blocks: Iterable[tuple], *, reference: ArrayLike | None = None
    ) -> "EnsembleStatistics":
        """Compute the statistics from blocks of samples, with one block in memory at a time.

        Parameters
        ----------
        blocks : iterable of (P_block, y_block) or (P_block, y_block, weight_block)
            ``P_block`` of shape (M, n, C) with the same M and C in every block, and
            ``y_block`` of shape (n,).
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
        sums: ClassSums | None = None
        for P, y, weight in check_blocks(blocks):
            if len(y) == 0:
                continue
            if sums is None:
                M, _, C = P.shape
                if reference is not None:
                    reference = check_weights("reference", reference, M)
                    if not reference.any():
                        raise ValueError("reference must have a positive weight; all are zero.")
                sums = ClassSums(M, C, reference)
            single = P.dtype in (np.float16, np.float32)
            P = P.astype(np.float32 if single else np.float64, copy=False)
            check_probabilities(P)
            sums.add_block(P, y, weight)
        if sums is None:
            raise ValueError("P has no sample: at least one calibration sample is needed.")
        return sums.statistics()

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
        """Compute the statistics of the predictions of regressors, block by block.

        Predictions and targets are standardized, target by target. Each target gets a second
        column, of ones in predictions and targets alike: it pulls the sum of the weights
        towards one, and keeps the program bounded where members cancel each other.

        Parameters
        ----------
        F : array-like or PredictionStore of shape (M, N, T), or array-like of shape (M, N)
            Predictions: member, sample, target. A file is read block by block; all is computed
            in float64.
        y : array-like of shape (N, T) or (N,)
            Targets.
        sample_weight : array-like of shape (N,), default=None
            Non-negative weights of the samples, not all zero.
        center : array-like of shape (T,), default=None
            Subtracted from each target; None means its weighted mean. Only statistics with the
            same center and scale can be added, so give folds those of all samples.
        scale : array-like of shape (T,), default=None
            Divisor of each target; None means its weighted standard deviation. Zero counts as
            one.

        Returns
        -------
        EnsembleStatistics

        Raises
        ------
        ValueError
            If the shapes disagree, a number is NaN or infinite, or the weights are invalid.
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
        given, target = _check_regression(F, y)
        M, N, _ = given.shape
        weight = check_weights("sample_weight", sample_weight, N)
        total = float(weight.sum())
        check_total(total)
        share = weight / total
        mean, deviation = _center_and_scale(target, share, center, scale)
        sums = TargetSums(M, mean, deviation, total)
        for part, block in standardized_blocks(given, mean, deviation):
            sums.add_block(block, target[part], weight[part])
        return sums.statistics()

    @classmethod
    def from_parquet(
        cls,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        y: str = "y",
        sample_weight: str | None = None,
        members: Sequence[str] | None = None,
        regression: bool = False,
        n_jobs: int | None = None,
    ) -> "EnsembleStatistics":
        """Compute the statistics of predictions in parquet files, a column a member.

        joblib's jobs read and sum parts of the files: threads, or the workers of a cluster inside
        ``joblib.parallel_config(backend="dask")``, which must see the files under the same paths.
        Each job holds two matrices of shape (M, M), one for regression, a row group, and a block
        of samples; with several jobs, this process holds two matrices more, for the total.

        Parameters
        ----------
        paths : path or list of path
            Parquet files, or folders of files ``*.parquet``, all with the same columns.
        y : str, default="y"
            Column of the true classes, integers in 0 .. C - 1, or of the targets.
        sample_weight : str, default=None
            Column of non-negative weights of the samples.
        members : list of str, default=None
            Columns of the members; None means all others, in the order of the first file. Each
            column holds the probability of class 1, of two classes; or lists of the
            probabilities of C classes; or predicted targets. float32 is used as in
            :meth:`from_predictions`, targets as in :meth:`from_regression`.
        regression : bool, default=False
            Whether targets were predicted. They are standardized by the mean and deviation of all
            rows, which a first pass over the column y computes. Statistics of two calls can be
            added for classes only, since these units differ.
        n_jobs : int, default=None
            Jobs at a time, each on one core; -1 means all cores. Statistics for different numbers
            of jobs differ by the rounding of sums in float64 only.

        Returns
        -------
        EnsembleStatistics

        Raises
        ------
        ValueError
            If a file cannot be read, is empty or has other columns than the first, or values are
            invalid. Names and types of the columns of all files are checked before values.
        TypeError
            If a column has the wrong type.
        ImportError
            If pyarrow is not installed.

        Examples
        --------
        >>> import tempfile
        >>> import pyarrow as pa
        >>> from pyarrow import parquet
        >>> from skprune.socp import EnsembleStatistics
        >>> table = pa.table({"forest": [0.1, 0.8], "svm": [0.4, 0.5], "y": [0, 1]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     parquet.write_table(table, f"{folder}/part-0.parquet")
        ...     stats = EnsembleStatistics.from_parquet(folder)
        >>> stats.agreement.round(3)
        array([0.425, 0.275])
        """
        from ._parquet import parquet_statistics

        return parquet_statistics(paths, y, sample_weight, members, regression, n_jobs)

    def _combine(self, other: "EnsembleStatistics", sign: int) -> "EnsembleStatistics":
        """Statistics of the samples of both (sign 1), or of self without other (-1)."""
        _check_same_kind(self, other)
        n_samples = self.n_samples + sign * other.n_samples
        total = self.total_weight + sign * other.total_weight
        if n_samples <= 0 or total <= _MIN_REMAINDER * self.total_weight:
            raise ValueError(
                "The difference of statistics leaves no sample: those subtracted have "
                f"{other.n_samples} samples of total weight {other.total_weight:g}, those they "
                f"are subtracted from {self.n_samples} of {self.total_weight:g}. Subtract the "
                "statistics of a proper subset."
            )
        fields: dict[str, Any] = {}
        for name in (
            *("gram", "reference_gram", "agreement", "divergence"),
            *("target_power", "reference_mass"),
        ):
            a, b = getattr(self, name), getattr(other, name)
            same = a is None or (np.ndim(a) == 0 and a == b)  # so that 1 / C stays exact
            fields[name] = a if same else combined_means(self, other, sign, a, b)
        return EnsembleStatistics(
            **fields,
            n_samples=n_samples,
            n_classes=self.n_classes,
            total_weight=total,
            center=self.center,
            scale=self.scale,
            pair_weight=combined_pairs(self, other, sign),
            names=self.names if other.names is None else other.names,
        )

    def completed(self) -> "EnsembleStatistics":
        """The same, with the mean of the others where no sample gives a value.

        Returns
        -------
        EnsembleStatistics
            Products of two members that share no sample are the mean of the others.
        """
        pairs = self.pair_weight
        if pairs is None or pairs.min() > 0:
            return self
        fields: dict[str, Any] = {}
        for name in ("gram", "reference_gram", "agreement", "divergence"):
            values = getattr(self, name)
            fields[name] = None if values is None else completed_means(values, pairs)
        return replace(self, **fields)


def standardized_blocks(
    F: Predictions, center: NDArray[np.float64], scale: NDArray[np.float64]
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Predictions (M, n, T) of targets, less their center and divided by their scale."""
    M, _, T = F.shape
    for rows, predicted in sample_blocks(F, _BLOCK_BYTES, 8 * M * T):
        block = np.array(predicted, dtype=np.float64)
        infinite = ~np.isfinite(block).all(axis=(1, 2))
        if infinite.any():
            raise ValueError(f"F has NaN or infinite predictions: member {infinite.argmax()}.")
        block -= center
        block /= scale
        yield rows, block


# Means over samples that differ from member to member: `one` and `other` have a `total_weight`, and
# a `pair_weight` where the samples differ.


def combined_pairs(one: Any, other: Any, sign: int) -> NDArray[np.float64] | None:
    """Weights of the samples of both (sign 1), or of one without the other (-1), by pairs."""
    if one.pair_weight is None:
        return None
    pairs: NDArray[np.float64] = one.pair_weight + sign * other.pair_weight
    # What is left by rounding is no sample.
    return np.where(pairs > _MIN_REMAINDER * one.pair_weight, pairs, 0.0)


def combined_means(one: Any, other: Any, sign: int, a: Any, b: Any) -> Any:
    """A mean over the samples of both, or of one without the other, from those of each."""
    weight, less = one.total_weight, other.total_weight
    total = weight + sign * less
    pairs = combined_pairs(one, other, sign)
    if pairs is None or np.ndim(a) == 0:
        return weight / total * a + sign * less / total * b
    weight, less, total = one.pair_weight, other.pair_weight, pairs
    if np.ndim(a) == 1:
        weight, less, total = map(np.diagonal, (weight, less, total))
    sums = weight * a + sign * less * b
    return np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)


def completed_means(
    values: NDArray[np.float64], pair_weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Means of members (M,) or pairs (M, M), with the mean of the others where there is none."""
    own = np.diagonal(pair_weight) > 0
    if values.ndim == 1:
        return np.where(own, values, values[own].mean() if own.any() else 0.0)
    found = values.copy()
    np.fill_diagonal(found, completed_means(np.diagonal(values), pair_weight))
    unknown = pair_weight <= 0
    others = ~unknown & ~np.eye(len(values), dtype=bool)
    np.fill_diagonal(unknown, False)
    found[unknown] = values[others].mean() if others.any() else 0.0
    return found


class _Sums:
    """Sums over blocks of samples, of which statistics are the means; those of parts can be merged.

    Only the upper triangle of a matrix is summed, tile by tile, so that no other array of its size
    is formed. :meth:`statistics` fills the lower one, and makes means of the sums in place.
    """

    summed: tuple[str, ...]

    def merge(self, other: Self) -> None:
        """Add the sums over other samples."""
        for name in self.summed:
            total = getattr(self, name)
            total += getattr(other, name)
            setattr(self, name, total)


class ClassSums(_Sums):
    """G, W, b and d of f(w), and the mass of m, before averaging."""

    summed = (
        *("gram", "reference_gram", "agreement", "divergence"),
        *("mass", "n_samples", "total_weight"),
    )

    def __init__(
        self, n_members: int, n_classes: int, reference: NDArray[np.float64] | None = None
    ) -> None:
        shape = (n_members, n_members)
        self.gram, self.reference_gram = np.zeros(shape), np.zeros(shape)
        self.agreement, self.divergence = np.zeros(n_members), np.zeros(n_members)
        self.mass, self.n_samples, self.total_weight = 0.0, 0, 0.0
        self.n_classes, self.reference = n_classes, reference

    def add_block(
        self, P: NDArray, y: NDArray[np.intp], weight: NDArray[np.float64] | None
    ) -> None:
        """Add checked probabilities (M, n, C) in float32 or float64."""
        M, n, C = P.shape
        self.n_samples += n
        self.total_weight += float(n if weight is None else weight.sum())
        dtype = P.dtype.type
        unit = 1.0
        if weight is not None:  # relative to the largest, which float32 may not hold
            unit = float(weight.max()) or 1.0
            weight = weight / unit
        block = P.reshape(M, n * C)  # a view: rows of a block of P stay contiguous
        labels = np.zeros((n, C), dtype)
        labels[np.arange(n), y] = 1 if weight is None else weight
        self.agreement += unit * (block @ labels.ravel()).astype(np.float64)

        tiny = np.finfo(dtype).tiny
        if self.reference is None:
            # Averaged in float64, so that identical members have m = p, and divergence 0, exactly.
            mean = np.maximum(block.mean(axis=0, dtype=np.float64).astype(dtype), tiny)
        else:
            mean = np.maximum(self.reference.astype(dtype) @ block, dtype(REFERENCE_FLOOR))
        scaled = block * (1 / np.sqrt(mean))
        if weight is None:
            _add_products(self.gram, block)
            _add_products(self.reference_gram, scaled)
        else:
            root = np.repeat(np.sqrt(weight), C).astype(dtype)
            weighted = block * root
            _add_products(self.gram, weighted, unit)
            np.multiply(scaled, root, out=weighted)
            _add_products(self.reference_gram, weighted, unit)
            del weighted

        # log(p / m), in place; 0 log 0 = 0, so at p = 0 any finite logarithm will do.
        log_ratio = np.divide(block, mean, out=scaled)
        np.log(np.maximum(log_ratio, tiny, out=log_ratio), out=log_ratio)
        if weight is not None:
            log_ratio *= np.repeat(weight, C).astype(dtype)
        self.divergence += unit * np.einsum("ij,ij->i", block, log_ratio).astype(np.float64)
        mass = mean.reshape(n, C).sum(axis=1, dtype=np.float64)
        self.mass += unit * float(mass.sum() if weight is None else weight @ mass)

    def statistics(self) -> EnsembleStatistics:
        """The statistics; the sums are used up."""
        check_total(self.total_weight)
        size = self.total_weight * self.n_classes
        for matrix in (self.gram, self.reference_gram):
            _fill_lower_triangle(matrix)
        for sums in (self.gram, self.reference_gram, self.agreement, self.divergence):
            sums /= size
        return EnsembleStatistics(
            self.gram,
            self.reference_gram,
            self.agreement,
            self.divergence,
            self.n_samples,
            self.n_classes,
            self.total_weight,
            reference_mass=1 / self.n_classes if self.reference is None else self.mass / size,
        )


class TargetSums(_Sums):
    """Products of standardized predictions and targets, times each sample's share of the weight."""

    summed = ("gram", "agreement", "power", "n_samples")

    def __init__(
        self,
        n_members: int,
        center: NDArray[np.float64],
        scale: NDArray[np.float64],
        total_weight: float,
    ) -> None:
        self.gram, self.agreement = np.zeros((n_members, n_members)), np.zeros(n_members)
        self.power, self.n_samples = 0.0, 0
        self.center, self.scale, self.total_weight = center, scale, total_weight

    def add_block(
        self,
        block: NDArray[np.float64],
        target: NDArray[np.float64],
        weight: NDArray[np.float64],
    ) -> None:
        """Add standardized predictions (M, n, T), which are overwritten, and targets (n, T)."""
        self.n_samples += len(target)
        root = np.sqrt(weight / self.total_weight)[:, None]
        block *= root
        flat = block.reshape(len(block), -1)
        flat_target = ((target - self.center) / self.scale * root).ravel()
        with np.errstate(over="ignore", invalid="ignore"):
            _add_products(self.gram, flat)
            self.agreement += flat @ flat_target
            self.power += float(flat_target @ flat_target)

    def statistics(self) -> EnsembleStatistics:
        """The statistics; the sums are used up."""
        # No product of two members exceeds the larger of their squares.
        squares = np.diagonal(self.gram)
        if not np.isfinite(squares).all():
            largest = int(squares.argmax())
            raise ValueError(f"F is too large to be squared: member {largest} overflows.")
        _fill_lower_triangle(self.gram)
        T = len(self.center)
        # Of the 2 T columns, T are the targets and T are ones, predicted as ones.
        for sums in (self.gram, self.agreement):
            sums /= T
            sums += 1
            sums /= 2
        return EnsembleStatistics(
            gram=self.gram,
            reference_gram=None,
            agreement=self.agreement,
            divergence=None,
            n_samples=self.n_samples,
            n_classes=2 * T,
            total_weight=self.total_weight,
            target_power=(self.power / T + 1) / 2,
            center=self.center,
            scale=self.scale,
        )


def _tiles(n: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the tiles of the upper triangle of an (n, n) matrix."""
    tiles = [slice(i, i + _TILE) for i in range(0, n, _TILE)]
    return ((rows, columns) for i, rows in enumerate(tiles) for columns in tiles[i:])


def _add_products(total: NDArray[np.float64], X: NDArray, unit: float = 1.0) -> None:
    """Add ``unit * X @ X.T`` to the tiles of the upper triangle."""
    for rows, columns in _tiles(len(X)):
        # On the diagonal this is one symmetric rank-k update, and so exactly symmetric.
        product = X[rows] @ X[columns].T
        total[rows, columns] += (
            product if unit == 1 else np.multiply(unit, product, dtype=np.float64)
        )


def _fill_lower_triangle(matrix: NDArray[np.float64]) -> None:
    for rows, columns in _tiles(len(matrix)):
        if rows != columns:
            matrix[columns, rows] = matrix[rows, columns].T


def check_total(total_weight: float) -> None:
    if not total_weight > 0:
        raise ValueError("sample_weight sums to zero: at least one weight must be positive.")


def _check_regression(F: Any, y: ArrayLike) -> tuple[Any, NDArray[np.float64]]:
    """Predictions and targets of regressors, with an axis for the targets."""
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


def _center_and_scale(
    target: NDArray[np.float64],
    share: NDArray[np.float64],
    center: ArrayLike | None,
    scale: ArrayLike | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The given values, or the weighted mean and standard deviation of the targets."""
    T = target.shape[1]
    mean = share @ target
    if scale is not None:
        deviation, largest = _one_per_target(scale, "scale", T), np.zeros(T)
        if (deviation < 0).any():
            raise ValueError(f"scale must not be negative; got {deviation}.")
    else:
        deviation = np.sqrt(share @ (target - mean) ** 2)
        largest = np.abs(target).max(axis=0)
    if center is not None:
        mean = _one_per_target(center, "center", T)
    return mean, target_scale(deviation, largest)


def target_scale(deviation: NDArray[np.float64], largest: ArrayLike) -> NDArray[np.float64]:
    """Divisors of targets with these deviations and largest absolute values."""
    # The deviation of a constant is only the rounding of its mean.
    rounding = 8 * np.finfo(float).eps * np.asarray(largest)
    return np.where(deviation <= rounding, 1.0, deviation)


def _one_per_target(value: ArrayLike, name: str, n_targets: int) -> NDArray[np.float64]:
    array = np.array(value, dtype=np.float64)
    if array.ndim == 0:
        array = np.full(n_targets, float(array))
    if array.shape != (n_targets,) or not np.isfinite(array).all():
        raise ValueError(
            f"{name} must be finite and have shape ({n_targets},), one number per target; got "
            f"{value!r}."
        )
    return array


def _check_same_kind(one: EnsembleStatistics, other: EnsembleStatistics) -> None:
    """Refuse to combine statistics of different members, classes, kinds or units."""
    unit, columns = ("classes", 1) if one.kind == "classes" else ("targets", 2)
    for what, a, b in (
        ("kind", one.kind, other.kind),
        ("number of members", one.n_members, other.n_members),
        (f"number of {unit}", one.n_classes // columns, other.n_classes // columns),
    ):
        if a != b:
            raise ValueError(
                f"Only statistics with the same {what} can be combined; got {a!r} and {b!r}."
            )
    if one.names is not None and other.names is not None and one.names != other.names:
        raise ValueError("Only statistics of members with the same names can be combined.")
    if (one.pair_weight is None) != (other.pair_weight is None):
        raise ValueError("Statistics of out-of-bag predictions combine with each other only.")
    for name in ("center", "scale"):
        a, b = getattr(one, name), getattr(other, name)
        if a is not None and not np.array_equal(a, b):
            raise ValueError(
                f"Only statistics with the same {name} can be combined; got {a} and {b}. Give "
                f"from_regression the {name} of all samples: {name}=..."
            )
