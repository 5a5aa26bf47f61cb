"""The cache of everything that takes long: one door to joblib.Memory for all rooms.

Entries lie where joblib puts its own, and as joblib's do, a folder each with ``output.pkl`` and
``metadata.json``, so that ``Memory.clear`` and ``Memory.reduce_size`` work on them. They do not
go through ``Memory.cache``, because of what that does:

- it wipes all entries of a function whose source changed, or whose ``func_code.py`` a killed
  process left half-written (joblib writes it in one step only since 1.6);
- it lets two processes compute the same entry side by side;
- it takes a value for right as soon as it can be unpickled, whatever its bytes;
- where the disk is full it warns for every value and leaves the half of it there.

Here the version of skprune stands in the path, an entry is locked while it is made, each file
carries a checksum, and a file is there whole or not at all.
"""

import errno
import json
import os
import pickle
import shutil
import time
import uuid
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from joblib import Memory
from sklearn.utils.validation import check_memory

from .._version import __version__
from ..exceptions import CacheError, CacheWarning
from ._cache_lock import locked, unlock

__all__ = [
    "CacheEntry",
    "cache_entry",
    "cached_call",
    "check_cache",
    "check_cache_space",
    "data_hash",
    "in_words",
    "store_of",
]

#: Goes into every key: to be raised when the layout of entries changes between releases.
_FORMAT = 1

# What a file begins with: how its value is pickled (by joblib where it is compressed, else by
# pickle, which reads many small objects several times faster), and the checksum of the rest.
_PLAIN, _COMPRESSED = b"skprune1", b"skprunez"
_HEAD = len(_PLAIN) + 4
_CHUNK = 2**20

_NOTHING = object()

# What this process has warned of already: (folder, topic).
_told: set[tuple[str, str]] = set()


def check_cache(memory: Any) -> Memory:
    """Return a joblib.Memory for None, a folder or a Memory, or raise what is wrong.

    Parameters
    ----------
    memory : None, str, Path or joblib.Memory
        What the user gave.

    Returns
    -------
    joblib.Memory

    Raises
    ------
    ValueError
        If it is nothing of these, or its folder cannot be made or written to.
    """
    wanted = "memory must be None, the path of a folder or a joblib.Memory"
    try:
        checked = check_memory(os.fspath(memory) if isinstance(memory, os.PathLike) else memory)
    except ValueError as error:
        raise ValueError(f"{wanted}; got {memory!r}.") from error
    except OSError as error:
        raise _unusable(memory, memory, error) from error
    if not isinstance(checked, Memory) or getattr(checked, "backend", "local") != "local":
        raise ValueError(f"{wanted} that keeps files (backend='local'); got {memory!r}.")
    if checked.store_backend is None:
        return checked
    folder = store_of(checked)
    probe = folder / f".probe-{os.getpid()}-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
    except OSError as error:
        # What a full disk holds can still be read; what it cannot take is warned of below.
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise _unusable(memory, folder, error) from error
    finally:
        with suppress(OSError):
            probe.unlink()
    _told.discard((str(folder), "storing"))
    _tell_of_other_versions(folder)
    return checked


def _unusable(memory: Any, folder: Any, error: OSError) -> ValueError:
    return ValueError(
        f"memory={memory!r} cannot be used as a cache: {error.strerror or error} "
        f"({type(error).__name__} at {error.filename or folder}). Give a folder that can be made "
        "and written to, or memory=None."
    )


def check_cache_space(memory: Memory, n_bytes: float, what: str) -> None:
    """Refuse to begin what the cache's disk has no room for.

    Parameters
    ----------
    memory : joblib.Memory
        From :func:`check_cache`. One that stores nothing takes everything.
    n_bytes : float
        Estimate of what will be stored.
    what : str
        What that is, for the message: "300 members".

    Raises
    ------
    CacheError
        If the disk has fewer bytes free.
    """
    if memory.store_backend is None:
        return
    folder = store_of(memory)
    # A full disk may not even have taken the folder.
    free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
    if n_bytes > free:
        raise CacheError(
            f"memory: {what} will take about {in_words(n_bytes)} of the cache, but the disk of "
            f"{folder} has {in_words(free)} free. Make room (skprune.utils.cache_contents shows "
            "what can be cleared), or give memory a folder on another disk."
        )


def store_of(memory: Memory) -> Path:
    """The folder in which skprune's entries lie, those of all versions."""
    return Path(memory.store_backend.location) / "skprune"


def version_folder(store: Path) -> Path:
    """Where this version's entries lie: another one's are never found by mistake."""
    return store / f"v{__version__}"


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


def in_words(n_bytes: float) -> str:
    """Bytes for a reader."""
    for unit in ("bytes", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}" if unit != "bytes" else f"{n_bytes:.0f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} GB" if n_bytes < 1000 else f"{n_bytes:,.0f} GB"


def _tell_of_other_versions(store: Path) -> None:
    if (str(store), "versions") in _told or not store.is_dir():
        return
    _told.add((str(store), "versions"))
    others: dict[str, int] = {}
    for folder in store.iterdir():
        if folder.is_dir() and folder != version_folder(store):
            n_entries = sum(1 for _ in folder.rglob("output.pkl"))
            if n_entries:
                name = version_name(folder)
                others[name] = others.get(name, 0) + n_entries
    if others:
        found = ", ".join(f"{name} ({n} entries)" for name, n in sorted(others.items()))
        warnings.warn(
            f"memory: the cache in {store} was made in part by other versions of skprune: {found}. "
            f"Version {__version__} does not use these entries. To delete them: skprune.utils."
            "cache_contents(memory).clear(other_versions=True).",
            CacheWarning,
            stacklevel=4,
        )


def version_name(folder: Path) -> str:
    """The version whose entries a folder of the store holds."""
    # Before there were versions, joblib named folders after the package's rooms.
    return folder.name[1:] if folder.name.startswith("v") else "before 0.1.0"


def cached_call(
    memory: Memory, kind: str, key: Any, compute: Callable[[], Any], *, about: str
) -> Any:
    """What a function returns, from the cache where it is there.

    Two processes or threads never compute the same entry at once: the second waits, and reads
    what the first has stored. A broken entry is made again, with a warning. Where storing fails,
    the value is returned all the same, and one warning says so.

    Parameters
    ----------
    memory : joblib.Memory
        From :func:`check_cache`.
    kind : str
        What it is, in a word: "member", "predictions". Names a folder.
    key : object
        All that the value depends on, to be hashed.
    compute : callable
        Makes the value.
    about : str
        A line for :func:`cache_contents`.

    Returns
    -------
    object
        To be unpickled like joblib's: a cache is to be trusted like a program.
    """
    entry = cache_entry(memory, kind, key, about)
    return compute() if entry is None else entry.get(compute)


def cache_entry(memory: Memory, kind: str, key: Any, about: str) -> "CacheEntry | None":
    """The place of a value in the cache; None where nothing is cached."""
    if memory.store_backend is None:
        return None
    store = store_of(memory)
    folder = version_folder(store) / kind / data_hash(_FORMAT, key)
    return CacheEntry(folder, kind, about, memory.compress, str(store))


def lock_of(folder: Path) -> Path:
    """The file that is locked while an entry is made: beside its folder."""
    return folder.with_suffix(".lock")


class _BrokenFileError(Exception):
    """A file is not what was written."""


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
            value = _read(self.file)
        except FileNotFoundError:
            return default
        except _BrokenFileError as error:
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
            return _read(self.folder / name)
        except (FileNotFoundError, _BrokenFileError) as error:
            if warn:
                self._warn_of_broken(self.folder / name, error)
            return default

    def has_part(self, name: str) -> bool:
        """Whether a part is there as it was written, byte for byte; it is not unpickled."""
        try:
            with (self.folder / name).open("rb") as file:
                _check(file)
        except (OSError, _BrokenFileError):
            return False
        return True

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
                _remove(self.file)
                for name, part in chain([first], parts):
                    tried.append(self.folder / name)
                    _write(self.folder / name, part, self.compress)
                self._write_value(value, seconds)
        except Exception as error:
            self._remove_remains(tried)
            self._warn_of_storing(error)
            return False
        return True

    def _make_folder(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            _remove(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob("*.tmp"):  # by a process that was killed
            _remove(left)

    def _write_value(self, value: Any, seconds: float) -> None:
        about = {"kind": self.kind, "about": self.about, "version": __version__}
        # As in joblib's metadata: duration, input_args and time.
        note = {"duration": seconds, "input_args": about, "time": time.time()}
        _write_text(self.folder / "metadata.json", json.dumps(note))
        _write(self.file, value, self.compress)

    def _holds(self, value: Any) -> bool:
        """Whether the same value is stored, and with it parts that may be whole."""
        stored = self.read()
        return stored is not _NOTHING and data_hash(stored) == data_hash(value)

    def _mend(self, parts: Iterable[tuple[str, Any]]) -> None:
        for name, part in parts:
            # Read to the end: a checksum does not say that it can still be unpickled.
            if self.read_part(name, _NOTHING) is _NOTHING:
                _write(self.folder / name, part, self.compress)

    def _remove_remains(self, tried: list[Path]) -> None:
        """Make room: a disk that is full has no use for parts without a value."""
        if self.file.exists():  # that from before, to which everything here belongs
            return
        for path in [*tried, self.folder / "metadata.json"]:
            _remove(path)
        with suppress(OSError):
            self.folder.rmdir()

    def _warn_of_storing(self, error: Exception) -> None:
        if (self.store, "storing") in _told:
            return
        _told.add((self.store, "storing"))
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


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return pickle.load(file) if _check(file) == _PLAIN else joblib.load(file)
    except (FileNotFoundError, _BrokenFileError, MemoryError):
        raise  # a file that memory is too small for is not broken
    except Exception as error:
        # A directory, a disk that fails, a class that is not there any more.
        raise _BrokenFileError(f"{type(error).__name__}: {error}") from error


def _check(file: Any) -> bytes:
    """How a file is pickled, if its checksum is right; the pickle comes next."""
    head = file.read(_HEAD)
    how, checksum = head[:-4], head[-4:]
    if how not in (_PLAIN, _COMPRESSED) or checksum != _checksum(file):
        raise _BrokenFileError("its checksum is not that of what was written")
    file.seek(_HEAD)
    return how


def _checksum(file: Any) -> bytes:
    """Of the rest of a file."""
    total = 0
    while chunk := file.read(_CHUNK):
        total = zlib.crc32(chunk, total)
    return total.to_bytes(4, "little")


def _write(path: Path, value: Any, compress: Any) -> None:
    with _in_one_step(path) as file:
        file.write(b"\0" * _HEAD)
        if compress:
            joblib.dump(value, file, compress=compress)
        else:
            pickle.dump(value, file, protocol=pickle.HIGHEST_PROTOCOL)
        file.seek(_HEAD)
        checksum = _checksum(file)
        file.seek(0)
        file.write((_COMPRESSED if compress else _PLAIN) + checksum)


def _write_text(path: Path, text: str) -> None:
    with _in_one_step(path) as file:
        file.write(text.encode())


@contextmanager
def _in_one_step(path: Path) -> Iterator[Any]:
    """A file that takes its name when it is whole, and leaves nothing where it fails."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("w+b") as file:
            yield file
        if path.is_dir():
            _remove(path)
        os.replace(temporary, path)
    except BaseException:
        _remove(temporary)
        raise


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
