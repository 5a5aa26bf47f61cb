"""What a cache holds, and how to be rid of it."""

import json
import os
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from .._version import __version__
from ..exceptions import CacheWarning
from ._cache import check_cache, in_words, store_of, version_name
from ._cache_entry import lock_of
from ._cache_lock import free_lock
from ._tables import ReprHTML

__all__ = ["CacheContents", "CachedThing", "cache_contents"]


@dataclass(frozen=True)
class CachedThing(ReprHTML):
    """One entry of a cache.

    Attributes
    ----------
    kind : str
        "member", "ensemble", "predictions" or another word for what it is.
    about : str
        Which one, in words.
    n_bytes : int
        What its files take.
    made : datetime
        When it was stored.
    used : datetime
        When it was last read, or stored.
    seconds : float or None
        What it took to make; None where that is not known.
    version : str
        The version of skprune that made it.
    path : Path
        Its folder.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> from skprune.utils import cache_contents
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(3, random_state=0)
    >>> with tempfile.TemporaryDirectory() as cache:
    ...     pruner = SOCPEnsemblePruner(forest, memory=cache, random_state=0).fit(X, y)
    ...     entry = cache_contents(cache).entries[0]
    >>> entry.kind, entry.n_bytes > 0
    ('statistics', True)
    """

    kind: str
    about: str
    n_bytes: int
    made: datetime
    used: datetime
    seconds: float | None
    version: str
    path: Path


@dataclass(frozen=True)
class CacheContents(ReprHTML):
    """All entries of a cache, the newest first. ``print`` shows them.

    Attributes
    ----------
    folder : Path
        Where they lie.
    entries : tuple of CachedThing
        Those of other versions of skprune, too.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> from skprune.utils import cache_contents
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(3, random_state=0)
    >>> with tempfile.TemporaryDirectory() as cache:
    ...     pruner = SOCPEnsemblePruner(forest, memory=cache, random_state=0).fit(X, y)
    ...     contents = cache_contents(cache)
    ...     n_deleted = contents.clear()
    >>> n_deleted == len(contents.entries)
    True
    """

    folder: Path
    entries: tuple[CachedThing, ...]

    @property
    def n_bytes(self) -> int:
        """What all entries take."""
        return sum(entry.n_bytes for entry in self.entries)

    def clear(self, *, unused_for: timedelta | None = None, other_versions: bool = False) -> int:
        """Delete entries: all of them, or those to which every condition applies.

        An entry that a running fit is making stays, and a warning says how many there are.
        Locks that killed processes have left are deleted, too.

        Parameters
        ----------
        unused_for : timedelta, default=None
            Only entries that were neither made nor read for so long.
        other_versions : bool, default=False
            Only entries that other versions of skprune made.

        Returns
        -------
        int
            How many were deleted.

        Raises
        ------
        TypeError
            If ``unused_for`` is not a timedelta.

        Warns
        -----
        CacheWarning
            If entries stay because running fits use them.
        """
        if unused_for is not None and not isinstance(unused_for, timedelta):
            raise TypeError(
                f"unused_for must be a datetime.timedelta, such as timedelta(days=30); got "
                f"{unused_for!r}."
            )
        latest = datetime.now() - (unused_for or timedelta(0))
        chosen = [
            entry
            for entry in self.entries
            if (unused_for is None or entry.used <= latest)
            and (not other_versions or entry.version != __version__)
        ]
        n_in_use = sum(not _delete(entry.path) for entry in chosen)
        for folder in list(_locked_folders(self.folder)):
            _delete(folder, only_lock=True)
        if n_in_use:
            entries = "1 entry is" if n_in_use == 1 else f"{n_in_use} entries are"
            warnings.warn(
                f"{entries} in use by running fits and not deleted, in {self.folder}. Clear the "
                "cache again when the fits have ended.",
                CacheWarning,
                stacklevel=2,
            )
        return sum(not entry.path.exists() for entry in chosen)

    def __str__(self) -> str:
        total = f"{len(self.entries)} entries, {in_words(self.n_bytes)}, in {self.folder}"
        if not self.entries:
            return total
        head = f"{'kind':<12} {'size':>8} {'made':>16} {'used':>16} {'seconds':>8}  about"
        lines = [total, head, "-" * len(head)]
        for entry in self.entries:
            seconds = "-" if entry.seconds is None else f"{entry.seconds:.1f}"
            of_another = "" if entry.version == __version__ else f" (version {entry.version})"
            lines.append(
                f"{entry.kind:<12} {in_words(entry.n_bytes):>8} {entry.made:%Y-%m-%d %H:%M} "
                f"{entry.used:%Y-%m-%d %H:%M} {seconds:>8}  {entry.about}{of_another}"
            )
        return "\n".join(lines)


def cache_contents(memory: Any) -> CacheContents:
    """List what skprune keeps in a cache.

    Parameters
    ----------
    memory : str, Path or joblib.Memory
        What was given to an estimator as ``memory``.

    Returns
    -------
    CacheContents

    Raises
    ------
    ValueError
        If it is no cache.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> from skprune.utils import cache_contents
    >>> folder = TemporaryDirectory()
    >>> pruner = SOCPEnsemblePruner(
    ...     RandomForestClassifier(5), memory=folder.name, random_state=0
    ... ).fit(*load_iris(return_X_y=True))
    >>> contents = cache_contents(folder.name)
    >>> sorted(entry.kind for entry in contents.entries)
    ['ensemble', 'predictions', 'statistics']
    >>> contents.clear()
    3
    >>> folder.cleanup()
    """
    checked = check_cache(memory)
    if checked.store_backend is None:
        raise ValueError(
            f"memory must be the folder of a cache, or a joblib.Memory that has one; got "
            f"{memory!r}."
        )
    store = store_of(checked)
    found = [_entry(path, store) for path in _entry_folders(store)]
    return CacheContents(store, tuple(sorted(found, key=lambda entry: entry.made, reverse=True)))


def _delete(path: Path, *, only_lock: bool = False) -> bool:
    """Delete an entry, or just its lock, and folders that are empty then; False if in use."""
    if not (lock_of(path) if only_lock else path).exists():
        return True
    with free_lock(lock_of(path)) as is_free:
        if is_free and not only_lock:
            shutil.rmtree(path, ignore_errors=True)
    for folder in (path.parent, path.parent.parent):
        with suppress(OSError):  # others are left in it
            folder.rmdir()
    return is_free


def _entry_folders(store: Path) -> Iterator[Path]:
    """Folders of entries, whole or broken: named after a hash."""
    # Not rglob, which fails where someone else deletes folders meanwhile.
    for parent, names, _ in os.walk(store):
        if parent != str(store):  # folders of versions
            yield from (Path(parent, name) for name in names if _is_hash(name))


def _locked_folders(store: Path) -> Iterator[Path]:
    """Folders of entries, there or not, that have a lock, whether or not someone holds it."""
    for parent, _, names in os.walk(store):
        for lock in (Path(parent, name) for name in names if name.endswith(".lock")):
            if _is_hash(lock.stem):
                yield lock.with_suffix("")


def _is_hash(name: str) -> bool:
    return len(name) == 32 and set(name) <= set("0123456789abcdef")


def _entry(path: Path, store: Path) -> CachedThing:
    # Whatever of it is missing, garbled or being deleted by someone else: it is listed.
    note: dict[str, Any] = {}
    with suppress(OSError, ValueError, TypeError):
        note = dict(json.loads((path / "metadata.json").read_text()))
    about = note.get("input_args")
    about = about if isinstance(about, dict) else {}
    sizes, made, used = [], 0.0, 0.0
    with suppress(OSError):
        for file in path.iterdir():
            stat = file.stat()
            sizes.append(stat.st_size)
            made = max(made, stat.st_mtime)
            if file.name == "output.pkl":  # the one that reading marks
                used = stat.st_atime
    seconds = note.get("duration")
    complete = (path / "output.pkl").is_file()
    return CachedThing(
        kind=str(about.get("kind", path.parent.name)),
        about=str(about.get("about", "?")) if complete else "unfinished or broken",
        n_bytes=sum(sizes),
        made=datetime.fromtimestamp(made or time.time()),
        used=datetime.fromtimestamp(max(made, used) or time.time()),
        seconds=float(seconds) if isinstance(seconds, (int, float)) else None,
        version=version_name(store / path.relative_to(store).parts[0]),
        path=path,
    )
