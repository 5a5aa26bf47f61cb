"""Predictions of scikit-learn's fitted trees: samples are checked once, for all trees.

All samples in one leaf get the same prediction, so logarithms and chosen classes are computed for
each node of a tree, or for each sample where those are fewer. Nothing is kept between calls.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)
from sklearn.utils import get_tags

from ..utils import streamed

__all__ = ["TreeOutputs", "tree_outputs"]

_CLASSIFIERS = (DecisionTreeClassifier, ExtraTreeClassifier)
_REGRESSORS = (DecisionTreeRegressor, ExtraTreeRegressor)
# Bytes of the outputs of one tree up to which those of all trees are combined at once, and bytes
# of a block of them that stays in the processor's cache.
_FEW_BYTES, _BLOCK_BYTES = 2**12, 2**17
# Samples times trees that are worth a thread.
_WORTH_A_THREAD = 50_000


class _Tree(NamedTuple):
    tree: Any  # the member's `tree_`
    values: NDArray[np.float64]  # (nodes, its classes or targets)
    columns: NDArray[np.intp] | None  # positions of its classes, if these are not all
    features: NDArray[np.intp] | None  # columns of X that it sees, if not all


class TreeOutputs:
    """Predictions of fitted trees for the same samples, one array (n, k) a tree."""

    def __init__(
        self, X: Any, trees: Sequence[_Tree], n_outputs: int, n_jobs: int | None = None
    ) -> None:
        self._X, self._trees, self._n_outputs = X, trees, n_outputs
        worth = min(X.shape[0], X.shape[0] * len(trees) // _WORTH_A_THREAD)
        self._n_threads = 1 if worth < 2 else min(worth, effective_n_jobs(n_jobs))

    def __iter__(self) -> Iterator[NDArray[np.float64]]:
        if self._n_threads == 1:
            return (_output(tree, self._X, self._n_outputs) for tree in self._trees)
        tasks = (delayed(_output)(tree, self._X, self._n_outputs) for tree in self._trees)
        return streamed(tasks, self._n_threads)

    def weighted_sum(
        self, weights: Iterable[float], cast: Callable[[NDArray], NDArray]
    ) -> NDArray[np.float64]:
        """Sum of what each tree votes, ``cast`` of its predictions, by weights.

        Terms are added in the order of the trees, whatever the number of threads.
        """
        total = np.zeros((self._X.shape[0], self._n_outputs))
        pairs = list(zip(self._trees, map(np.float64, weights), strict=True))
        if total.nbytes <= _FEW_BYTES:
            outputs = np.stack(list(self))
            for (_, weight), votes in zip(pairs, cast(outputs), strict=True):
                total += weight * votes
            return total
        if self._n_threads == 1:
            _add(total, self._X, pairs, cast)
            return total
        bounds = np.linspace(0, len(total), self._n_threads + 1, dtype=int)
        Parallel(n_jobs=self._n_threads, require="sharedmem")(
            delayed(_add)(total[start:stop], self._X[start:stop], pairs, cast)
            for start, stop in pairwise(bounds)
        )
        return total


def tree_outputs(
    members: Sequence[Any],
    columns: Callable[[Any], NDArray[np.intp]] | None,
    features: Sequence[NDArray[np.intp]] | None,
    n_outputs: int,
    X: Any,
    array: Any,
    n_jobs: int | None,
) -> TreeOutputs | None:
    """Predictions of fitted trees for X or, without column names, ``array``.

    None where members are not all trees of scikit-learn (a subclass may predict otherwise), or
    where samples are not plain finite numbers: then the members themselves check them, and raise.
    ``columns`` gives the positions of a classifier's classes.
    """
    kinds = _REGRESSORS if columns is None else _CLASSIFIERS
    if any(type(member) not in kinds or not hasattr(member, "tree_") for member in members):
        return None
    X = _samples(members, X, array)
    if X is None:
        return None
    trees = []
    every, last = np.arange(n_outputs), None
    for i, member in enumerate(members):
        seen = None if features is None else features[i]
        if member.n_features_in_ != (X.shape[1] if seen is None else len(seen)):
            return None
        values, own = member.tree_.value, None
        if columns is None:
            values = values[:, :, 0]
        elif member.n_outputs_ == 1:
            own = columns(member)
            values = values[:, 0, : member.n_classes_]
            if own is last or np.array_equal(own, every):
                last, own = own, None
        if values.shape[1:] != (n_outputs if own is None else len(own),):
            return None
        trees.append(_Tree(member.tree_, values, own, seen))
    return TreeOutputs(X, trees, n_outputs, n_jobs)


def _samples(members: Sequence[Any], X: Any, array: Any) -> Any:
    """Samples as trees take them, float32 and in rows; None if the trees have to check them."""
    names = [getattr(member, "feature_names_in_", None) for member in members]
    if any(own is not None for own in names):
        given = getattr(X, "columns", ())
        if any(own is None or not np.array_equal(own, given) for own in names):
            return None
        array = np.asarray(X)
    sparse = issparse(array)
    if not (sparse or type(array) in (np.ndarray, np.memmap)) or array.dtype.kind not in "fiub":
        return None
    if array.ndim != 2 or not array.shape[0]:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        if sparse:
            array = array.tocsr().astype(np.float32, copy=False)
            if array.indices.dtype != np.intc or array.indptr.dtype != np.intc:
                return None
        else:
            array = np.ascontiguousarray(array, dtype=np.float32)
        numbers = array.data if sparse else array
        # A sum is quick, and finite only if all numbers are.
        if np.isfinite(numbers.sum()) or np.isfinite(numbers).all():
            return array
    missing_only = not sparse and not np.isinf(array).any()
    if missing_only and all(get_tags(member).input_tags.allow_nan for member in members):
        return array
    return None


def _aligned(tree: _Tree, values: NDArray[np.float64], n_outputs: int) -> NDArray[np.float64]:
    """Values of one tree, a column for each class or target."""
    if tree.columns is None:
        return values
    aligned = np.zeros((len(values), n_outputs))
    aligned[:, tree.columns] = values
    return aligned


def _leaves(tree: _Tree, X: Any) -> NDArray[np.intp]:
    """The leaf of each sample."""
    if tree.features is not None:
        X = X[:, tree.features] if issparse(X) else X.take(tree.features, axis=1)
    leaves: NDArray[np.intp] = tree.tree.apply(X)
    return leaves


def _output(tree: _Tree, X: Any, n_outputs: int) -> NDArray[np.float64]:
    return _aligned(tree, tree.values.take(_leaves(tree, X), axis=0, mode="clip"), n_outputs)


def _add(
    total: NDArray[np.float64],
    X: Any,
    pairs: list[tuple[_Tree, np.float64]],
    cast: Callable[[NDArray], NDArray],
) -> None:
    """Add the votes of trees, times their weights, to ``total``."""
    n, k = total.shape
    step = max(1, _BLOCK_BYTES // (8 * k))
    blocks = [slice(start, start + step) for start in range(0, n, step)]
    buffer = np.empty((min(n, step), k))
    for tree, weight in pairs:
        values, leaves = _aligned(tree, tree.values, k), _leaves(tree, X)
        by_leaf = len(values) <= n
        if by_leaf:
            values = weight * cast(values)
        for block in blocks:
            votes = total[block]
            rows = values.take(leaves[block], axis=0, out=buffer[: len(votes)], mode="clip")
            votes += rows if by_leaf else weight * cast(rows)
