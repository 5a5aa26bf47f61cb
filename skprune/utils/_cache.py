"""The cache: joblib.Memory, with a lock for each entry so that it is computed once."""

import errno
import os
import pickle
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from filelock import FileLock
from joblib import Memory
from sklearn.utils.validation import check_memory

from .._version import __version__
from ..exceptions import CacheError, CacheWarning

__all__ = [
    "cache_folder",
    "cache_lock",
    "cached_call",
    "check_cache",
    "check_cache_space",
    "data_hash",
    "is_cached",
]

_MISSING = object()
# Folders that could not store an entry since their last check: a warning was given.
_warned: set[str] = set()
# Filters of warnings are the process's: one thread changes them at a time.
_filtering = threading.Lock()
if hasattr(os, "register_at_fork"):  # a child may be forked while another thread holds it
    os.register_at_fork(after_in_child=lambda: globals().update(_filtering=threading.Lock()))


def check_cache(memory: Any) -> Memory:
    """Return a joblib.Memory for None, a folder or a Memory; raise if it cannot be written to."""
    wanted = "memory must be None, the path of a folder or a joblib.Memory"
    if isinstance(memory, str) and not memory:  # joblib would take the working directory
        raise ValueError(f"{wanted}; got ''.")
    folder = memory
    try:
        checked = check_memory(os.fspath(memory) if isinstance(memory, os.PathLike) else memory)
        if getattr(checked, "store_backend", None) is not None and checked.backend == "local":
            folder = cache_folder(checked)
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
    except ValueError as error:
        raise ValueError(f"{wanted}; got {memory!r}.") from error
    except OSError as error:
        # What a full disk holds can still be read; what cannot be stored is warned of.
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise ValueError(
                f"memory={memory!r} cannot be used as a cache: {error.strerror or error} "
                f"({type(error).__name__} at {error.filename or folder}). Give a folder that can "
                "be made and written to, or memory=None."
            ) from error
    if not isinstance(checked, Memory) or checked.backend != "local":
        raise ValueError(f"{wanted} that keeps files (backend='local'); got {memory!r}.")
    _warned.discard(str(folder))
    return checked


def check_cache_space(memory: Memory, n_bytes: float, what: str) -> None:
    """Raise CacheError if the disk of the cache has no room for so many bytes."""
    if memory.store_backend is None:
        return
    free = _free_bytes(memory)
    if n_bytes > free:
        raise CacheError(
            f"memory: {what} will take about {n_bytes / 1e6:,.3g} MB of the cache, but the disk "
            f"of {cache_folder(memory)} has {free / 1e6:,.3g} MB free. Delete what is not needed "
            "(joblib.Memory has clear and reduce_size), or give memory a folder on another disk."
        )


def cache_folder(memory: Memory) -> Path:
    """The folder of a cache, which ``Memory.clear`` empties."""
    return Path(memory.store_backend.location)


def _free_bytes(memory: Memory) -> int:
    folder = cache_folder(memory)
    # A full disk may not even have taken the folder.
    return shutil.disk_usage(folder if folder.exists() else folder.parent).free


def data_hash(*parts: Any) -> str:
    """A hash of data and parameters; equal for equal arrays, however they are stored."""
    plain = np.ndarray, np.memmap  # subclasses may hold more than their numbers
    parts = tuple(np.ascontiguousarray(p) if type(p) in plain else p for p in parts)
    try:
        return str(joblib.hash(parts, coerce_mmap=True))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        # The first argument alone: joblib appends all of what it could not hash.
        why = error.args[0] if error.args else type(error).__name__
        raise TypeError(
            "memory: what is fitted cannot be pickled, so that the cache cannot tell it from "
            f"others ({why}). Give functions that a module defines, no lambdas and nothing that "
            "holds a lock or an open file, or memory=None."
        ) from error


def cached_call(memory: Memory, kind: str, key: Any, compute: Callable[[], Any]) -> Any:
    """What ``compute`` returns, from the cache if it is there.

    ``kind`` (a word) and ``key`` are all that the value depends on, besides the version of skprune.
    Of several processes or threads, one computes and the others wait. A broken entry is computed
    again, with a warning; if the disk is full, the value is returned, and one warning is given.
    """
    if memory.store_backend is None:
        return compute()
    key = data_hash(key)
    value = _read(memory, kind, key)
    if value is _MISSING:
        with cache_lock(memory, kind, key):
            value = _read(memory, kind, key, discard_broken=True)
            if value is _MISSING:
                value = compute()
                _store(memory, kind, key, value)
    return value


def is_cached(memory: Memory, kind: str, key: Any) -> bool:
    """Whether there is an entry, complete or broken."""
    if memory.store_backend is None:
        return False
    return bool(_cached(memory).check_call_in_cache(__version__, kind, data_hash(key), None))


@contextmanager
def cache_lock(memory: Memory, kind: str, key: str) -> Iterator[None]:
    """Keep other threads and processes from computing the same entry."""
    # On a disk without locks, a file would stand for one: a killed process would leave it behind.
    path = cache_folder(memory) / "skprune_locks" / f"{kind}_{key}.lock"
    lock = FileLock(path, fallback_to_soft=False)
    # Without room for a lock, or on a disk without locks, two may compute the same.
    with suppress(OSError):
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _entry(version, kind, key, compute):
    return compute()


def _cached(memory: Memory) -> Any:
    return memory.cache(_entry, ignore=["compute"], verbose=0)


class _AbsentError(Exception):
    pass


def _absent() -> None:
    raise _AbsentError


def _read(memory: Memory, kind: str, key: str, *, discard_broken: bool = False) -> Any:
    """The stored value, or _MISSING."""
    try:
        entry = _cached(memory).call_and_shelve(__version__, kind, key, _absent)
    except (_AbsentError, OSError):  # a full disk does not take the folder of the entries
        return _MISSING
    try:
        stored = entry.get()
        return pickle.loads(stored) if isinstance(stored, bytes) else stored
    except MemoryError:
        raise
    except Exception as error:
        if discard_broken:
            entry.clear()
            warnings.warn(
                f"memory: an entry of kind {kind!r} in {cache_folder(memory)} is broken "
                f"({type(error).__name__}: {error}) and is computed again.",
                CacheWarning,
                stacklevel=4,
            )
        return _MISSING


def _store(memory: Memory, kind: str, key: str, value: Any) -> None:
    """Store a value, or warn (once a fit) that it cannot be stored."""
    try:
        # joblib writes arrays without a copy, and reads pickled bytes several times faster than
        # it unpickles objects.
        is_plain = type(value) is np.ndarray and not value.dtype.hasobject
        stored = value if is_plain else pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
        with _filtering, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Unable to cache to disk")
            entry = _cached(memory).call_and_shelve(__version__, kind, key, lambda: stored)
        if _cached(memory).check_call_in_cache(__version__, kind, key, None):
            return
        why = f"its disk has {_free_bytes(memory) / 1e6:,.3g} MB free"
        entry.clear()  # what was written of it
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
    folder = str(cache_folder(memory))
    if folder not in _warned:
        _warned.add(folder)
        warnings.warn(
            f"memory: an entry of kind {kind!r} could not be stored in {folder} ({why}). The fit "
            "goes on and its result is complete, but what is not stored is computed again next "
            "time. Further warnings of this kind are left out.",
            CacheWarning,
            stacklevel=4,
        )
