"""A file that is whole or not there, whatever happens while it is written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EISDIR
from typing import IO
from uuid import uuid4

__all__ = ["whole_file"]


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Write a file that takes its name only when it is complete.

    Parameters
    ----------
    path : str or PathLike
        Where to. A file of that name is replaced.

    Yields
    ------
    binary file
        To write to.

    Raises
    ------
    OSError
        If the folder does not exist or takes no file.
    """
    target = os.fspath(path)
    if os.path.isdir(target):  # where no file could take this name at the end
        raise IsADirectoryError(EISDIR, "There is a folder of that name", target)
    folder, name = os.path.split(target)
    # In the same folder, as a file can only be renamed within a file system.
    unfinished = os.path.join(folder, f".{name}.{uuid4().hex}")
    try:
        with open(unfinished, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished)
        raise
