"""A file that is written completely or not at all, even if the process is killed."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EISDIR
from typing import IO
from uuid import uuid4

__all__ = ["atomic_write"]


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Write a file that takes its name only when it is complete.

    Parameters
    ----------
    path : str or PathLike
        Where to. A file of that name is replaced, and its permissions are kept; a link is followed.
        What is no file, such as ``/dev/stdout`` or a pipe, is written to as it is.

    Yields
    ------
    binary file
        To write to.

    Raises
    ------
    OSError
        If the folder does not exist or takes no file.
    """
    target = os.path.realpath(os.fsdecode(path))
    if os.path.isdir(target):  # where no file could take this name at the end
        raise IsADirectoryError(EISDIR, "There is a folder of that name", os.fsdecode(path))
    if os.path.exists(target) and not os.path.isfile(target):
        with open(target, "wb") as file:
            yield file
        return
    # In the same folder, as a file can only be renamed within a file system.
    unfinished = os.path.join(os.path.dirname(target), f".{uuid4().hex}.unfinished")
    try:
        with open(unfinished, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            os.chmod(unfinished, stat.S_IMODE(os.stat(target).st_mode))
        os.replace(unfinished, target)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(unfinished)
        if isinstance(error, OSError) and error.filename == unfinished:
            error.filename, error.filename2 = os.fsdecode(path), None
        raise
