"""Arrays of .npz files, whose sizes are checked before anything is read."""

import os
import zipfile
from dataclasses import dataclass
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["ArrayHeader", "NpzFile"]

_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# What NumPy compresses with makes no bytes more than so many times smaller.
_MOST_COMPRESSION = 1032


@dataclass(frozen=True)
class ArrayHeader:
    """Shape and type of an array that was not read."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)


class NpzFile:
    """An .npz file, or a ValueError for another one; arrays of objects are refused."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        try:
            self._archive = zipfile.ZipFile(self.path)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # broken bytes break the reader in many ways
            raise ValueError(_reason(error)) from error
        self._entries = {e.filename.removesuffix(".npy"): e for e in self._archive.infolist()}
        self.keys = list(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._archive.close()

    def header(self, key: str) -> ArrayHeader:
        """Shape and type of an array; a ValueError where the file has not as many bytes of it."""
        entry = self._entries[key]
        try:
            with self._archive.open(entry) as stream:
                version = np.lib.format.read_magic(stream)
                shape, _, dtype = _READERS[version](stream)
                n_bytes = entry.file_size - stream.tell()
        except Exception as error:  # the header is a Python expression, and breaks as such
            raise ValueError(f"{key} is no array of NumPy: {_reason(error)}") from error
        header = ArrayHeader(shape, dtype)
        if dtype.hasobject:
            raise ValueError(
                f"{key} holds Python objects, which are not read as they could run code. Save "
                "numbers, or text: numpy.array([...], dtype=str)"
            )
        needed = header.size * dtype.itemsize
        most = _MOST_COMPRESSION * os.path.getsize(self.path)
        if min(shape, default=0) < 0 or dtype.itemsize == 0 or needed != n_bytes or needed > most:
            raise ValueError(
                f"{key} is damaged: shape {shape} and type {dtype} need {needed:,} bytes; the file "
                f"has {min(n_bytes, most):,} at most"
            )
        return header

    def read(self, key: str) -> NDArray:
        """Read an array; raise ValueError if it is damaged, MemoryError if it is too large."""
        header = self.header(key)
        try:
            with self._archive.open(self._entries[key]) as stream:
                array: NDArray = np.lib.format.read_array(stream, allow_pickle=False)
                return array
        except MemoryError as error:
            n_bytes = header.size * header.dtype.itemsize
            raise MemoryError(
                f"{key} of {self.path} needs {n_bytes:,} bytes, which are not free."
            ) from error
        except Exception as error:
            raise ValueError(f"{key} cannot be read: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    return str(error).rstrip(".") or type(error).__name__
