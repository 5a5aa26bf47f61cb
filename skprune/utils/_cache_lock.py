"""Locks of cache entries: the operating system's, which go with the process that held them."""

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["free_lock", "locked", "unlock"]

# Locks are the operating system's, which lets go of them when a process ends, however it ends;
# a file that merely exists would outlive a killed process. Written here because the packages
# that wrap this are not among the ones skprune may ask for. Each holder opens the file for
# itself, so that threads exclude each other as processes do.


@contextmanager
def free_lock(path: Path) -> Iterator[bool]:
    """Take a lock, and leave no file of it, unless someone holds it: then yields False.

    Parameters
    ----------
    path : Path
        The lock's file, which may be there or not.

    Yields
    ------
    bool
        Whether nobody else holds it.
    """
    handle, is_free = None, True
    try:
        handle = locked(path, wait=False)
    except BlockingIOError:
        is_free = False
    except PermissionError:  # another user's, who may hold it; or a folder that is only read
        is_free = not path.exists()
    except OSError:
        pass  # as where an entry is made: a disk that knows no locks has none to respect
    try:
        yield is_free
    finally:
        if handle is not None:
            unlock(handle, path)


def locked(path: Path, *, wait: bool = True) -> int:
    """Take a lock.

    Parameters
    ----------
    path : Path
        The lock's file, which is made.
    wait : bool, default=True
        Whether to wait for who holds it.

    Returns
    -------
    int
        For :func:`unlock`.

    Raises
    ------
    BlockingIOError
        If someone else holds it, and is not waited for.
    """
    while True:
        handle = _opened(path)
        try:
            _take(handle, wait)
            # The holder before us deletes the file: a lock on a nameless file excludes nobody.
            if _is_at(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _opened(path: Path) -> int:
    for _ in range(100):
        # Someone who clears the cache may take the folder away while it is empty.
        with suppress(FileNotFoundError, FileExistsError):
            path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    raise FileNotFoundError(errno.ENOENT, "No lock can be put there", str(path))


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def unlock(handle: int, path: Path) -> None:
    """Let go of a lock, and delete its file.

    Parameters
    ----------
    handle : int
        From :func:`locked`.
    path : Path
        The lock's file.
    """
    with suppress(OSError):  # Windows deletes no file that someone waits for
        os.unlink(path)
    _let_go(handle)
    os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _take(handle: int, wait: bool) -> None:
        while True:
            with suppress(OSError):
                return msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            if not wait:
                raise BlockingIOError(errno.EAGAIN, "someone holds the lock")
            time.sleep(0.05)

    def _let_go(handle: int) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _take(handle: int, wait: bool) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))

    def _let_go(handle: int) -> None:
        # A process forked meanwhile holds the same lock until it is let go of by name.
        fcntl.flock(handle, fcntl.LOCK_UN)
