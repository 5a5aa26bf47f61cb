"""One value in the cache: read, or made by one process while the others wait."""

import errno
import json
import os
import pickle
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from .._version import __version__
from ..exceptions import CacheWarning
from ._cache_lock import locked, unlock
from ._checked_file import (
    BrokenFileError,
    is_whole,
    read_checked,
    remove,
    write_checked,
    write_text,
)

__all__ = ["CacheEntry", "data_hash", "lock_of", "told"]

_NOTHING = object()

# What this process has warned of already: (folder, topic).
told: set[tuple[str, str]] = set()


def data_hash(*parts: Any) -> str:
    """What stands for data and parameters in keys.

    The same for arrays that are equal, whether or not they are mapped from a file, and however
    they lie in memory: every other row of an array is the same data as its copy.
    """
    plain = np.ndarray, np.memmap  # subclasses may hold more than their numbers
    parts = tuple(np.ascontiguousarray(p) if type(p) in plain else p for p in parts)
    try:
        return str(joblib.hash(parts, coerce_mmap=True))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        # The first argument alone: joblib appends the whole of what it could not hash.
        why = error.args[0] if error.args else type(error).__name__
        raise TypeError(
            "memory: what is fitted cannot be pickled, so that the cache cannot tell it from "
            f"others ({why}). Give functions that a module defines, no lambdas and nothing that "
            "holds a lock or an open file, or memory=None."
        ) from error


def lock_of(folder: Path) -> Path:
    """The file that is locked while an entry is made: beside its folder."""
    return folder.with_suffix(".lock")


@dataclass(frozen=True)
class CacheEntry:
    """One value in the cache, and parts that are read one by one.

    Attributes
    ----------
    folder : Path
        Where it lies.
    kind, about : str
        As in :func:`cached_call`.
    compress : object
        As in joblib.
    store : str
        The whole cache, for warnings.
    """

    folder: Path
    kind: str
    about: str
    compress: Any
    store: str

    @property
    def file(self) -> Path:
        """The value's file."""
        return self.folder / "output.pkl"

    def exists(self) -> bool:
        """Whether there is a value, sound or broken."""
        return self.file.exists()

    def get(self, compute: Callable[[], Any]) -> Any:
        """Read the value, or make and store it."""
        value = self.read()
        if value is not _NOTHING:
            return value
        with self.lock():
            value = self.read(warn=True)
            if value is _NOTHING:
                start = time.perf_counter()
                value = compute()
                self.write(value, time.perf_counter() - start)
        return value

    def read(self, default: Any = _NOTHING, *, warn: bool = False) -> Any:
        """The value; the default where there is none, or a broken one."""
        try:
            value = read_checked(self.file)
        except FileNotFoundError:
            return default
        except BrokenFileError as error:
            if warn:
                self._warn_of_broken(self.file, error)
            return default
        with suppress(OSError):
            # When it was used last, for clear() and joblib's reduce_size; most disks are
            # mounted so that reading does not note it.
            os.utime(self.file, ns=(time.time_ns(), self.file.stat().st_mtime_ns))
        return value

    def read_part(self, name: str, default: Any, *, warn: bool = False) -> Any:
        """A part of the value; the default where it is missing or broken."""
        try:
            return read_checked(self.folder / name)
        except (FileNotFoundError, BrokenFileError) as error:
            if warn:
                self._warn_of_broken(self.folder / name, error)
            return default

    def has_part(self, name: str) -> bool:
        """Whether a part is there as it was written, byte for byte; it is not unpickled."""
        return is_whole(self.folder / name)

    def _warn_of_broken(self, path: Path, error: Exception) -> None:
        warnings.warn(
            f"memory: {path} is broken ({error}), so that {self.about} is made again.",
            CacheWarning,
            stacklevel=4,
        )

    def write(self, value: Any, seconds: float, parts: Iterable[tuple[str, Any]] = ()) -> bool:
        """Store a value and its parts, or warn (once a fit) that it cannot be done.

        Where the same value is there already, only parts that are missing or broken are
        written, and what is whole stays whatever happens.

        Parameters
        ----------
        value : object
            Whole once it is there: it is written last.
        seconds : float
            What it took to make.
        parts : iterable of (str, object), default=()
            File names and what goes into them.

        Returns
        -------
        bool
            Whether it is stored.
        """
        parts = iter(parts)
        first = next(parts, None)
        tried: list[Path] = []
        try:
            self._make_folder()
            if first is None:
                self._write_value(value, seconds)
            elif self._holds(value):
                self._mend(chain([first], parts))
            else:
                # Parts of two values, which another training may have made, are never mixed,
                # were this process killed in between.
                remove(self.file)
                for name, part in chain([first], parts):
                    tried.append(self.folder / name)
                    write_checked(self.folder / name, part, self.compress)
                self._write_value(value, seconds)
        except Exception as error:
            self._remove_remains(tried)
            self._warn_of_storing(error)
            return False
        return True

    def _make_folder(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            remove(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob("*.tmp"):  # by a process that was killed
            remove(left)

    def _write_value(self, value: Any, seconds: float) -> None:
        about = {"kind": self.kind, "about": self.about, "version": __version__}
        # As in joblib's metadata: duration, input_args and time.
        note = {"duration": seconds, "input_args": about, "time": time.time()}
        write_text(self.folder / "metadata.json", json.dumps(note))
        write_checked(self.file, value, self.compress)

    def _holds(self, value: Any) -> bool:
        """Whether the same value is stored, and with it parts that may be whole."""
        stored = self.read()
        return stored is not _NOTHING and data_hash(stored) == data_hash(value)

    def _mend(self, parts: Iterable[tuple[str, Any]]) -> None:
        for name, part in parts:
            # Read to the end: a checksum does not say that it can still be unpickled.
            if self.read_part(name, _NOTHING) is _NOTHING:
                write_checked(self.folder / name, part, self.compress)

    def _remove_remains(self, tried: list[Path]) -> None:
        """Make room: a disk that is full has no use for parts without a value."""
        if self.file.exists():  # that from before, to which everything here belongs
            return
        for path in [*tried, self.folder / "metadata.json"]:
            remove(path)
        with suppress(OSError):
            self.folder.rmdir()

    def _warn_of_storing(self, error: Exception) -> None:
        if (self.store, "storing") in told:
            return
        told.add((self.store, "storing"))
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "the disk is full" if full else f"{type(error).__name__}: {error}"
        warnings.warn(
            f"memory: {self.about} could not be stored in {self.store} ({what}). The fit goes on "
            "and its result is complete, but what is not stored has to be made again another "
            "time. Further warnings of this kind are left out.",
            CacheWarning,
            stacklevel=5,
        )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other threads and processes from making the same entry."""
        path = lock_of(self.folder)
        try:
            handle: int | None = locked(path)
        except OSError:
            # No room for one more file, or a disk that knows no locks: then two may do the
            # same work, but what they store is whole.
            handle = None
        try:
            yield
        finally:
            if handle is not None:
                unlock(handle, path)
