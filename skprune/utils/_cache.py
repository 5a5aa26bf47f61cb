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
import os
import shutil
import uuid
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from joblib import Memory
from sklearn.utils.validation import check_memory

from .._version import __version__
from ..exceptions import CacheError, CacheWarning
from ._cache_entry import CacheEntry, data_hash, told

__all__ = [
    "cache_entry",
    "cached_call",
    "check_cache",
    "check_cache_space",
    "in_words",
    "store_of",
    "version_folder",
    "version_name",
]

#: Goes into every key: to be raised when the layout of entries changes between releases.
_FORMAT = 1


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
    if isinstance(memory, str) and not memory:  # joblib would take the working directory
        raise ValueError(f"{wanted}; got ''.")
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
    told.discard((str(folder), "storing"))
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


def in_words(n_bytes: float) -> str:
    """Bytes for a reader."""
    for unit in ("bytes", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}" if unit != "bytes" else f"{n_bytes:.0f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} GB" if n_bytes < 1000 else f"{n_bytes:,.0f} GB"


def _tell_of_other_versions(store: Path) -> None:
    if (str(store), "versions") in told or not store.is_dir():
        return
    told.add((str(store), "versions"))
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


def cache_entry(memory: Memory, kind: str, key: Any, about: str) -> CacheEntry | None:
    """The place of a value in the cache; None where nothing is cached."""
    if memory.store_backend is None:
        return None
    store = store_of(memory)
    folder = version_folder(store) / kind / data_hash(_FORMAT, key)
    return CacheEntry(folder, kind, about, memory.compress, str(store))
