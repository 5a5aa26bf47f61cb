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
import sys
import time
import uuid
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
from joblib import Memory
from sklearn.utils.validation import check_memory

from .._version import __version__
from ..exceptions import CacheError, CacheWarning

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
    free = shutil.disk_usage(folder).free
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
    """What stands for data and parameters in keys; the same for equal arrays, mapped or not."""
    try:
        return str(joblib.hash(parts, coerce_mmap=True))
    except pickle.PicklingError as error:
        raise TypeError(
            "memory: what is fitted cannot be pickled, so that the cache cannot tell it from "
            f"others ({error.args[0]}). Give functions that a module defines, no lambdas, or "
            "memory=None."
        ) from error


def in_words(n_bytes: float) -> str:
    """Bytes for a reader."""
    for unit in ("bytes", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}" if unit != "bytes" else f"{n_bytes:.0f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} GB" if n_bytes < 1000 else f"{n_bytes:,.0f} GB"


def _tell_of_other_versions(store: Path) -> None:
    if (str(store), "versions") in _told:
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

    def _warn_of_broken(self, path: Path, error: Exception) -> None:
        warnings.warn(
            f"memory: {path} is broken ({error}), so that {self.about} is made again.",
            CacheWarning,
            stacklevel=4,
        )

    def write(self, value: Any, seconds: float, parts: Iterable[tuple[str, Any]] = ()) -> bool:
        """Store a value and its parts, or warn (once a fit) that it cannot be done.

        Parameters
        ----------
        value : object
            Whole once it is there: it is written last.
        seconds : float
            What it took to make.
        parts : iterable of (str, object)
            File names and what goes into them.

        Returns
        -------
        bool
            Whether it is stored.
        """
        about = {"kind": self.kind, "about": self.about, "version": __version__}
        # As in joblib's metadata: duration, input_args and time.
        note = {"duration": seconds, "input_args": about, "time": time.time()}
        written: list[Path] = []
        try:
            if self.folder.exists() and not self.folder.is_dir():
                _remove(self.folder)
            self.folder.mkdir(parents=True, exist_ok=True)
            for left in self.folder.glob("*.tmp"):  # by a process that was killed
                _remove(left)
            for name, part in parts:
                written.append(self.folder / name)
                _write(self.folder / name, part, self.compress)
            _write_text(self.folder / "metadata.json", json.dumps(note))
            _write(self.file, value, self.compress)
        except Exception as error:
            # A disk that is full has no use for parts without a value.
            for path in [*written, self.folder / "metadata.json"]:
                _remove(path)
            with suppress(OSError):
                self.folder.rmdir()
            self._warn_of_storing(error)
            return False
        return True

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
        try:
            handle = _locked(self.folder.with_suffix(".lock"))
        except OSError:
            # No room for one more file, or a disk that knows no locks: then two may do the
            # same work, but what they store is whole.
            handle = None
        try:
            yield
        finally:
            if handle is not None:
                _unlock(handle, self.folder.with_suffix(".lock"))


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            how, checksum = head[:-4], head[-4:]
            if how not in (_PLAIN, _COMPRESSED) or checksum != _checksum(file):
                raise _BrokenFileError("its checksum is not that of what was written")
            file.seek(_HEAD)
            return pickle.load(file) if how == _PLAIN else joblib.load(file)
    except (FileNotFoundError, _BrokenFileError):
        raise
    except Exception as error:
        # A directory, a disk that fails, a class that is not there any more.
        raise _BrokenFileError(f"{type(error).__name__}: {error}") from error


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


# Locks are the operating system's, which lets go of them when a process ends, however it ends;
# a file that merely exists would outlive a killed process. Written here because the packages
# that wrap this are not among the ones skprune may ask for. Each holder opens the file for
# itself, so that threads exclude each other as processes do.


def _locked(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _wait_for(handle)
            # The holder before us deletes the file: a lock on a nameless file excludes nobody.
            if _is_at(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _unlock(handle: int, path: Path) -> None:
    with suppress(OSError):  # Windows deletes no file that someone waits for
        os.unlink(path)
    _let_go(handle)
    os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _wait_for(handle: int) -> None:
        while True:
            with suppress(OSError):
                return msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            time.sleep(0.05)

    def _let_go(handle: int) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _wait_for(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)

    def _let_go(handle: int) -> None:
        # A process forked meanwhile holds the same lock until it is let go of by name.
        fcntl.flock(handle, fcntl.LOCK_UN)
