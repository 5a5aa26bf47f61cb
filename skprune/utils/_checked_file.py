"""A file of the cache: with a checksum, and whole or not there."""

import os
import pickle
import shutil
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import joblib

__all__ = [
    "HEAD",
    "BrokenFileError",
    "is_whole",
    "read_checked",
    "remove",
    "write_checked",
    "write_text",
]

# What a file begins with: how its value is pickled (by joblib where it is compressed, else by
# pickle, which reads many small objects several times faster), and the checksum of the rest.
_PLAIN, _COMPRESSED = b"skprune1", b"skprunez"
HEAD = len(_PLAIN) + 4
_CHUNK = 2**20


class BrokenFileError(Exception):
    """A file is not what was written."""


def read_checked(path: Path) -> Any:
    """What was written; FileNotFoundError or BrokenFileError where it is not there any more."""
    try:
        with path.open("rb") as file:
            return pickle.load(file) if _check(file) == _PLAIN else joblib.load(file)
    except (FileNotFoundError, BrokenFileError, MemoryError):
        raise  # a file that memory is too small for is not broken
    except Exception as error:
        # A directory, a disk that fails, a class that is not there any more.
        raise BrokenFileError(f"{type(error).__name__}: {error}") from error


def is_whole(path: Path) -> bool:
    """Whether a file is there as it was written, byte for byte; it is not unpickled."""
    try:
        with path.open("rb") as file:
            _check(file)
    except (OSError, BrokenFileError):
        return False
    return True


def _check(file: Any) -> bytes:
    """How a file is pickled, if its checksum is right; the pickle comes next."""
    head = file.read(HEAD)
    how, checksum = head[:-4], head[-4:]
    if how not in (_PLAIN, _COMPRESSED) or checksum != _checksum(file):
        raise BrokenFileError("its checksum is not that of what was written")
    file.seek(HEAD)
    return how


def _checksum(file: Any) -> bytes:
    """Of the rest of a file."""
    total = 0
    while chunk := file.read(_CHUNK):
        total = zlib.crc32(chunk, total)
    return total.to_bytes(4, "little")


def write_checked(path: Path, value: Any, compress: Any) -> None:
    """Pickle a value, by joblib where it is to be compressed."""
    with _in_one_step(path) as file:
        file.write(b"\0" * HEAD)
        if compress:
            joblib.dump(value, file, compress=compress)
        else:
            pickle.dump(value, file, protocol=pickle.HIGHEST_PROTOCOL)
        file.seek(HEAD)
        checksum = _checksum(file)
        file.seek(0)
        file.write((_COMPRESSED if compress else _PLAIN) + checksum)


def write_text(path: Path, text: str) -> None:
    """Without a checksum, for joblib to read."""
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
            remove(path)
        os.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def remove(path: Path) -> None:
    """A file, or a folder with all that it holds; where it cannot be done, nothing."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
