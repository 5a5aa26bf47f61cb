"""Calibration predictions of members that are fitted already: made here, by blocks, or given."""

import os
import time
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from ..exceptions import CacheWarning
from ..utils import (
    BasePool,
    CacheEntry,
    Predictions,
    PredictionStore,
    ScratchFolder,
    as_predictions,
    cache_entry,
    cached_call,
    check_room,
    data_hash,
    file_checksum,
    num_samples,
    write_predictions,
)
from ._calibration import Calibration

__all__ = [
    "StoredBlocks",
    "calibrate_fitted",
    "check_given_predictions",
    "predictions_of",
    "stored_dtype",
]

# Stamps of files of predictions whose checksum was found right.
_sound: set[tuple] = set()

_SMALLER = "prediction_dtype='float16' takes half of what float32 does."
_IN_SCRATCH = f"Set JOBLIB_TEMP_FOLDER to a folder on another disk; {_SMALLER}"
_IN_CACHE = f"Give memory a folder on another disk; {_SMALLER}"


def stored_dtype(pool: BasePool, wanted: str | None) -> np.dtype | None:
    """What predictions are kept in; None leaves them as the members give them.

    Parameters
    ----------
    pool : BasePool
        Members.
    wanted : {"float32", "float16"} or None
        As in the pruner.

    Returns
    -------
    dtype or None
    """
    if wanted is None:
        return np.dtype(np.float32) if pool.has_files else None
    return np.dtype(wanted)


def calibrate_fitted(
    pool: BasePool,
    X: Any,
    y: NDArray,
    *,
    memory: joblib.Memory,
    n_jobs: int | None,
    sample_weight: NDArray[np.float64] | None,
    dtype: np.dtype | None,
    scratch: ScratchFolder,
) -> Calibration:
    """Predict all rows with members that were fitted beforehand, on other rows.

    Parameters
    ----------
    pool : BasePool
        Fitted members. Where some lie in files, what they predict goes to a file too.
    X : array-like of shape (N, ...)
        Calibration rows.
    y : ndarray of shape (N,) or (N, k)
        Their classes as positions, or their targets.
    memory : joblib.Memory
        Cache of the predictions.
    n_jobs : int or None
        Threads for predicting.
    sample_weight : ndarray of shape (N,) or None
        Weights of the rows.
    dtype : dtype or None
        What predictions are kept in.
    scratch : ScratchFolder
        Where files go that are not cached.

    Returns
    -------
    Calibration
    """
    # The fingerprint of a fitted member is only as good as its pickle, that of a file as its
    # time of change: a difference that means nothing costs one more prediction, never a wrong
    # one.
    key = None if memory.store_backend is None else data_hash(pool.stamped(), X, str(dtype))
    about = f"{len(pool)} fitted members on {num_samples(X)} rows"
    P: Predictions
    if pool.has_files:
        assert dtype is not None
        P = _stored(pool, X, dtype, cache_entry(memory, "stored", key, about), scratch, n_jobs)
    else:
        P = cached_call(
            memory, "predictions", key, lambda: pool.outputs(X, n_jobs, dtype), about=about
        )

    return Calibration(P, y, sample_weight, lambda: pool, lambda: X)


def predictions_of(
    pool: BasePool, X: Any, n_jobs: int | None, dtype: np.dtype | None
) -> Predictions:
    """Predictions of members, for whoever looks at them.

    Parameters
    ----------
    pool : BasePool
        Fitted members.
    X : array-like of shape (N, ...)
        Rows.
    n_jobs : int or None
        Threads for predicting.
    dtype : dtype or None
        What predictions are kept in.

    Returns
    -------
    Predictions
        Of members in files, in a temporary file that is deleted when nobody looks any more.
    """
    if not pool.has_files:
        return pool.outputs(X, n_jobs, dtype)
    assert dtype is not None
    scratch = ScratchFolder()
    try:
        store = _stored(pool, X, dtype, None, scratch, n_jobs)
    except BaseException:
        scratch.close()
        raise
    weakref.finalize(store, scratch.close)
    return store


def _stored(
    pool: BasePool,
    X: Any,
    dtype: np.dtype,
    entry: CacheEntry | None,
    scratch: ScratchFolder,
    n_jobs: int | None,
) -> PredictionStore:
    """Predictions in a file, of the cache or for this fit only."""
    if entry is None:
        path = os.path.join(scratch.path, "predictions.npy")
        return _written(path, pool, X, dtype, n_jobs, _IN_SCRATCH)[0]
    path = str(entry.folder / "predictions.npy")
    with entry.lock():  # others wait, and what a killed run has left is nobody else's
        checksum = entry.read(None)
        if checksum is not None:
            try:
                return _opened(path, checksum)
            except ValueError as error:
                warnings.warn(
                    f"A file of the cache is broken, so its predictions are made again: {error}",
                    CacheWarning,
                    stacklevel=2,
                )
        start = time.perf_counter()
        entry.folder.mkdir(parents=True, exist_ok=True)
        store, checksum = _written(path, pool, X, dtype, n_jobs, _IN_CACHE)
        entry.write(checksum, time.perf_counter() - start)
        _sound.add(_stamp(path))
        return store


def _opened(path: str, checksum: int) -> PredictionStore:
    """Predictions of the cache, whose bytes are read once in a process to see that they are."""
    store = PredictionStore.open([path])
    stamp = _stamp(path)
    if stamp not in _sound:
        if file_checksum(path) != checksum:
            raise ValueError(f"{path!r} is not what was written there.")
        _sound.add(stamp)
    return store


def _stamp(path: str) -> tuple:
    status = os.stat(path)
    return path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _written(
    path: str, pool: BasePool, X: Any, dtype: np.dtype, n_jobs: int | None, remedy: str
) -> tuple[PredictionStore, int]:
    shape = (len(pool), num_samples(X), pool.n_outputs)
    what = f"{shape[0]} members for {shape[1]:,} rows and {shape[2]} outputs in {dtype}"

    def outputs(first: int) -> Iterator[NDArray]:
        return pool.member_outputs(X, n_jobs, first=first)

    folder = os.path.dirname(path)
    return write_predictions(
        path, shape, dtype, outputs, lambda n_bytes: check_room(folder, n_bytes, what, remedy)
    )


class StoredBlocks:
    """Predictions of fitted members for rows that come in blocks, a file a block.

    Parameters
    ----------
    pool : BasePool
        Fitted members.
    dtype : dtype or None
        What predictions are kept in; None is that of the first block.
    scratch : ScratchFolder
        Where the files go.
    n_jobs : int or None
        Threads for predicting.
    """

    def __init__(
        self, pool: BasePool, dtype: np.dtype | None, scratch: ScratchFolder, n_jobs: int | None
    ) -> None:
        self._pool, self._dtype, self._scratch, self._n_jobs = pool, dtype, scratch, n_jobs
        self._paths: list[str] = []

    def add(self, X: Any) -> None:
        """Predict a block and write it.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            Rows, at least one.
        """
        path = os.path.join(self._scratch.path, f"block_{len(self._paths):06d}.npy")
        pool, dtype = self._pool, self._dtype
        if dtype is not None and pool.has_files:
            _written(path, pool, X, dtype, self._n_jobs, _IN_SCRATCH)
        else:
            M, n, k = len(pool), num_samples(X), pool.n_outputs
            n_bytes = M * n * k * np.dtype(dtype or np.float64).itemsize
            what = f"{M} members for a block of {n:,} rows and {k} outputs"
            check_room(self._scratch.path, n_bytes, what, _IN_SCRATCH)
            P = pool.outputs(X, self._n_jobs, dtype)
            self._dtype = P.dtype
            np.save(path, P)
        self._paths.append(path)

    def store(self) -> PredictionStore:
        """All blocks, one after the other."""
        return PredictionStore.open(self._paths)


def check_given_predictions(P: Any, pool: BasePool, n_rows: int, outputs: str) -> Predictions:
    """Return predictions that someone has made of the members, or raise what is wrong.

    Parameters
    ----------
    P : array-like, memory map or PredictionStore
        Of shape (M, N, k), or (M, N) where there is one target.
    pool : BasePool
        The members, M.
    n_rows : int
        Number of rows N, that y has.
    outputs : str
        What the k are, for the messages: "classes ['a' 'b']".

    Returns
    -------
    Predictions

    Raises
    ------
    TypeError, ValueError
        If it holds no numbers, or has another shape.
    """
    given = as_predictions(PredictionStore.over(P))
    if given.dtype.kind not in "fiub":
        raise TypeError(f"P must hold real numbers; got {given.dtype}.")
    if given.dtype.kind != "f":
        given = given.astype(np.float64)
    M, k = len(pool), pool.n_outputs
    right = f"it must be ({M}, {n_rows}, {k}): members in estimator, samples in y, {outputs}"
    if given.ndim == 2 and k == 1:
        given = given[:, :, None]
    if given.ndim != 3:
        raise ValueError(f"P has {given.ndim} dimensions and shape {given.shape}; {right}.")
    for axis, (name, found, wanted) in enumerate(
        zip(("members", "samples", "outputs"), given.shape, (M, n_rows, k), strict=True)
    ):
        if found != wanted:
            raise ValueError(
                f"P has {found} {name} where there are {wanted} (axis {axis} of shape "
                f"{given.shape}); {right}."
            )
    return given
