"""Statistics of predictions of rows that members were not trained on, where these rows differ.

A mean over samples is one over the rows that count: those of a member, or of both members of a
product. The mixture of a row is that of the members that count there.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from ..utils import Predictions, floored_logs, sample_blocks
from ._log_pool import LogPoolStatistics, fit_scale
from ._statistics import EnsembleStatistics, standardized_blocks
from ._validation import check_probabilities, check_weights

__all__ = [
    "out_of_bag_log_pool",
    "out_of_bag_regression",
    "out_of_bag_scale",
    "out_of_bag_statistics",
]

_BLOCK_BYTES = 2**24


def out_of_bag_statistics(
    P: Predictions,
    y: NDArray[np.intp],
    own: NDArray[np.bool_],
    sample_weight: NDArray[np.float64] | None = None,
) -> EnsembleStatistics:
    """Statistics (3) of probabilities (M, N, C) at the rows that ``own`` (M, N) marks."""
    M, N, C = P.shape
    weight = check_weights("sample_weight", sample_weight, N)
    gram, reference_gram, pairs = np.zeros((3, M, M))
    agreement, divergence = np.zeros((2, M))
    tiny = np.finfo(np.float64).tiny
    for rows, block in sample_blocks(P, _BLOCK_BYTES, 8 * M * C):
        check_probabilities(block)
        here, w = own[:, rows], weight[rows]
        p = block * here[:, :, None].astype(np.float64)
        m = np.maximum(p.sum(axis=0) / np.maximum(here.sum(axis=0), 1)[:, None], tiny)
        root = np.sqrt(w)[:, None]
        flat = (p * root).reshape(M, -1)
        gram += flat @ flat.T
        flat = (p * (root / np.sqrt(m))).reshape(M, -1)
        reference_gram += flat @ flat.T
        agreement += p[:, np.arange(len(w)), y[rows]] @ w
        logs = np.log(np.maximum(p / m, tiny))
        divergence += np.einsum("mnc,mnc,n->m", p, logs, w)
        pairs += (here * w) @ here.T
    own_weight = np.diagonal(pairs)
    return EnsembleStatistics(
        _mean(gram, pairs) / C,
        _mean(reference_gram, pairs) / C,
        _mean(agreement, own_weight) / C,
        _mean(divergence, own_weight) / C,
        N,
        C,
        float(weight.sum()),
        pair_weight=pairs,
    )


def out_of_bag_regression(
    F: Predictions,
    y: NDArray[np.float64],
    own: NDArray[np.bool_],
    sample_weight: NDArray[np.float64] | None,
    center: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> EnsembleStatistics:
    """Statistics of predictions (M, N, T) of targets (N, T) at the rows that ``own`` marks."""
    M, N, T = F.shape
    weight = check_weights("sample_weight", sample_weight, N)
    gram, pairs = np.zeros((2, M, M))
    agreement, power = np.zeros(M), 0.0
    for rows, block in standardized_blocks(F, center, scale):
        here, w = own[:, rows], weight[rows]
        root = np.sqrt(w)[:, None]
        target = (y[rows] - center) / scale * root
        flat = (block * (here[:, :, None] * root)).reshape(M, -1)
        gram += flat @ flat.T
        agreement += flat @ target.ravel()
        power += float(np.sum(target**2))
        pairs += (here * w) @ here.T
    # Of the 2 T columns, T are the targets and T are ones, predicted as ones.
    return EnsembleStatistics(
        gram=(_mean(gram, pairs) / T + 1) / 2,
        reference_gram=None,
        agreement=(_mean(agreement, np.diagonal(pairs)) / T + 1) / 2,
        divergence=None,
        n_samples=N,
        n_classes=2 * T,
        total_weight=float(weight.sum()),
        target_power=(power / float(weight.sum()) / T + 1) / 2,
        center=center,
        scale=scale,
        pair_weight=pairs,
    )


def out_of_bag_log_pool(
    P: Predictions,
    y: NDArray[np.intp],
    own: NDArray[np.bool_],
    sample_weight: NDArray[np.float64] | None = None,
    *,
    scale: float | None = None,
) -> LogPoolStatistics:
    """The expansion of the log loss at the rows that ``own`` marks; the best scale by default."""
    M, N, C = P.shape
    weight = check_weights("sample_weight", sample_weight, N)
    if scale is None:
        scale = out_of_bag_scale(P, y, own, sample_weight)
    loss, gradient = 0.0, np.zeros(M)
    hessian, pairs = np.zeros((2, M, M))
    for rows, logs in _log_blocks(P):
        here, w, each = own[:, rows], weight[rows], np.arange(logs.shape[1])
        z = scale * _mean_logs(logs, here)
        norm = logsumexp(z, axis=1)
        q = np.exp(z - norm[:, None])
        loss += float(w @ (norm - z[each, y[rows]]))
        expected = np.einsum("mnc,nc->mn", logs, q)
        gradient += ((expected - logs[:, each, y[rows]]) * here) @ w
        logs -= expected[:, :, None]
        logs *= np.sqrt(q * w[:, None]) * here[:, :, None]
        flat = logs.reshape(M, -1)
        hessian += flat @ flat.T
        pairs += (here * w) @ here.T
    total = float(weight.sum())
    return LogPoolStatistics(
        loss / total,
        _mean(gradient, np.diagonal(pairs)),
        _mean(hessian, pairs),
        scale,
        N,
        C,
        total,
        pairs,
    )


def out_of_bag_scale(
    P: Predictions,
    y: NDArray[np.intp],
    own: NDArray[np.bool_],
    sample_weight: NDArray[np.float64] | None = None,
) -> float:
    """The scale of equal exponents that fits the pool of the members that count in each row."""
    mean = np.concatenate([_mean_logs(logs, own[:, n]) for n, logs in _log_blocks(P)])
    return fit_scale(mean, y, sample_weight)


def _log_blocks(P: Predictions) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Logarithms (M, n, C), which sum to zero over the classes, block by block."""
    for rows, block in sample_blocks(P, _BLOCK_BYTES, 8 * P.shape[0] * P.shape[2]):
        check_probabilities(block)
        logs = floored_logs(block.astype(np.float64))
        logs -= logs.mean(axis=2, keepdims=True)
        yield rows, logs


def _mean_logs(logs: NDArray[np.float64], here: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean logarithms (n, C) of the members that count in each row."""
    mean = np.einsum("mnc,mn->nc", logs, here) / np.maximum(here.sum(axis=0), 1)[:, None]
    return np.asarray(mean)


def _mean(sums: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums divided by their weights; zero where there is none."""
    return np.divide(sums, weight, out=np.zeros_like(sums), where=weight > 0)
