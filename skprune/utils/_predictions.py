"""Predictions of members, in memory or in files, and some rows of them, read block by block."""

import errno
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from mmap import mmap
from typing import Any, Self

import numpy as np
from joblib.externals.loky.backend import resource_tracker
from numpy.typing import NDArray

__all__ = [
    "PredictionSelection",
    "PredictionStore",
    "Predictions",
    "ScratchFolder",
    "as_predictions",
    "cast",
    "check_room",
    "select",
    "write_predictions",
]

# Bytes of a file that are mapped into memory at once while a block is copied out of it. Reading a
# page loads its whole folio, which is up to 2 MB on Linux (measured: with 64 kB assumed for each
# member, 0.7 of 2.4 GB became resident).
_MAPPED_BYTES = 2**25
_FOLIO_BYTES = 2**21


@dataclass(frozen=True)
class _Part:
    """An array of shape (M, n, k) somewhere in a file."""

    path: str
    offset: int
    n_rows: int


@dataclass(frozen=True, eq=False)
class PredictionStore:
    """Predictions of M members on N samples, in one file, or in several for parts of the samples.

    ``store[members, samples]`` takes slices or arrays of positions, every member with every
    sample, and returns a copy. The file is mapped only while it is copied, so that what was read
    before does not count as memory in use.

    Parameters
    ----------
    parts : tuple
        Files and offsets, in the order of the samples.
    shape : tuple of int
        (M, N, k): members, samples, and classes or targets.
    dtype : dtype
        Precision of the predictions.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skprune.utils import PredictionStore
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/P.npy", np.arange(24.0).reshape(2, 4, 3))
    ...     store = PredictionStore.open([f"{folder}/P.npy"])
    ...     store.shape, store[:, [3]].tolist()
    ((2, 4, 3), [[[9.0, 10.0, 11.0]], [[21.0, 22.0, 23.0]]])
    """

    parts: tuple[_Part, ...]
    shape: tuple[int, int, int]
    dtype: np.dtype

    @classmethod
    def open(cls, paths: Sequence[str | os.PathLike[str]]) -> Self:
        """Take ``.npy`` files of shape (M, n, k), which hold one run of samples each.

        Parameters
        ----------
        paths : sequence of path
            Files with the same M, k and dtype, in the order of the samples.

        Returns
        -------
        PredictionStore

        Raises
        ------
        ValueError
            If there is no file, or one of them is cut short or does not fit the others.
        """
        if isinstance(paths, str | os.PathLike):
            raise TypeError(f"paths must be a list of paths; got the one path {paths!r}.")
        if not len(paths):
            raise ValueError("paths must name at least one .npy file; got none.")
        parts: list[_Part] = []
        kinds = []
        for given in paths:
            path = os.fspath(given)
            mapped = _mapped(path)
            if mapped.ndim != 3 or not mapped.flags.c_contiguous or mapped.dtype.kind != "f":
                raise ValueError(
                    f"{path!r} must hold floats of shape (n_members, n_samples, n_classes) in C "
                    f"order; it holds {mapped.dtype} of shape {mapped.shape}."
                )
            parts.append(_Part(path, mapped.offset, mapped.shape[1]))
            kinds.append((mapped.shape[0], mapped.shape[2], mapped.dtype))
            if kinds[-1] != kinds[0]:
                raise ValueError(
                    f"{path!r} holds members, classes and dtype {kinds[-1]}; the files before it "
                    f"hold {kinds[0]}."
                )
        M, k, dtype = kinds[0]
        return cls(tuple(parts), (M, sum(part.n_rows for part in parts), k), dtype)

    @classmethod
    def over(cls, array: Any) -> Any:
        """A store of the same file for a whole memory map; anything else as it is.

        Parameters
        ----------
        array : object
            Possibly a memory map of shape (M, N, k).

        Returns
        -------
        object
        """
        whole = isinstance(array, np.memmap) and isinstance(array.base, mmap)
        if not whole or array.filename is None or array.mode == "c":
            return array
        if array.ndim != 3 or not array.flags.c_contiguous or array.dtype.kind != "f":
            return array
        if not os.path.isfile(array.filename):  # deleted; the map lives on
            return array
        array.flush()
        part = _Part(os.fspath(array.filename), array.offset, array.shape[1])
        return cls((part,), array.shape, array.dtype)

    @property
    def ndim(self) -> int:
        """Three."""
        return 3

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray:
        members, rows = key if isinstance(key, tuple) else (key, slice(None))
        members = _positions(members, self.shape[0])
        rows = _positions(rows, self.shape[1])
        out = np.empty((len(members), len(rows), self.shape[2]), self.dtype)
        within = np.searchsorted(self._stops, rows, side="right")
        for place in np.unique(within):
            part, here = self.parts[place], within == place
            start = int(self._stops[place]) - part.n_rows
            if here.all():
                self._copy(part, members, rows - start, out)
            else:
                block = np.empty((len(members), int(here.sum()), self.shape[2]), self.dtype)
                self._copy(part, members, rows[here] - start, block)
                out[:, here] = block
        return out

    @cached_property
    def _stops(self) -> NDArray[np.intp]:
        """Where the samples of each part end."""
        return np.cumsum([part.n_rows for part in self.parts])

    def _copy(
        self, part: _Part, members: NDArray[np.intp], rows: NDArray[np.intp], out: NDArray
    ) -> None:
        """Copy a block of one part, mapping a few members at a time."""
        if not out.size:
            return
        shape = (self.shape[0], part.n_rows, self.shape[2])
        span = (int(rows.max() - rows.min()) + 1) * self.shape[2] * self.dtype.itemsize
        at_once = max(1, _MAPPED_BYTES // max(span, _FOLIO_BYTES))
        for start in range(0, len(members), at_once):
            mapped = np.memmap(part.path, self.dtype, "r", part.offset, shape)
            some = slice(start, start + at_once)
            out[some] = _block(mapped, members[some], rows)


def _mapped(path: str) -> np.memmap:
    try:
        mapped = np.load(path, mmap_mode="r")
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(
            f"{path!r} cannot be read as an .npy file of predictions: {type(error).__name__}: "
            f"{error}. It may be missing, or cut short."
        ) from error
    if not isinstance(mapped, np.memmap):
        raise ValueError(f"{path!r} holds {type(mapped).__name__}, not one array; use np.save.")
    return mapped


def _block(array: NDArray, members: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray:
    """The block of some members and some samples; a view where both are runs of positions."""
    if _is_run(members):
        array = array[members[0] : members[-1] + 1]
        if _is_run(rows):
            return array[:, rows[0] : rows[-1] + 1]
        return array.take(rows, axis=1)
    if _is_run(rows):
        return array[members, rows[0] : rows[-1] + 1]
    return array[members[:, None], rows]


def _is_run(positions: NDArray[np.intp]) -> bool:
    """Whether positions follow each other without a gap, and there are any."""
    n = len(positions)
    if n == 0 or positions[-1] - positions[0] != n - 1:
        return False
    return bool((np.diff(positions) == 1).all())


def _positions(key: Any, n: int) -> NDArray[np.intp]:
    if isinstance(key, slice):
        return np.arange(*key.indices(n))
    positions = np.asarray(key)
    if positions.dtype == bool:
        positions = np.flatnonzero(positions)
    positions = positions.astype(np.intp, copy=False)
    if positions.ndim != 1:
        raise IndexError(f"Index predictions by slices or 1-d positions; got {key!r:.60}.")
    outside = positions[(positions < 0) | (positions >= n)]
    if len(outside):
        raise IndexError(f"Positions must lie in 0 .. {n - 1}; got {outside[0]}.")
    return positions


class ScratchFolder:
    """A temporary folder that is made when it is first needed, and deleted afterwards.

    It is made in ``JOBLIB_TEMP_FOLDER`` if that is set, else in the system's temporary folder. If
    this process is killed, joblib's resource tracker deletes it.
    """

    def __init__(self) -> None:
        self._path: str | None = None

    @property
    def path(self) -> str:
        """The folder."""
        if self._path is None:
            self._path = tempfile.mkdtemp(
                prefix="skprune_", dir=os.environ.get("JOBLIB_TEMP_FOLDER") or None
            )
            resource_tracker.register(self._path, "folder")
        return self._path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the folder, if there is one."""
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            resource_tracker.unregister(self._path, "folder")
            self._path = None


def check_room(folder: str, n_bytes: int, what: str, remedy: str) -> None:
    """Raise if a disk has no room for predictions.

    Parameters
    ----------
    folder : str
        Folder to write to.
    n_bytes : int
        Bytes to write.
    what : str
        Members, rows and outputs, for the message.
    remedy : str
        What the user can do, for the message.

    Raises
    ------
    OSError
        If fewer bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise OSError(
            errno.ENOSPC,
            f"The predictions of {what} take {n_bytes / 1e9:.3g} GB, and the disk of {folder} has "
            f"{free / 1e9:.3g} GB free. {remedy}",
        )


def write_predictions(
    path: str,
    shape: tuple[int, int, int],
    dtype: np.dtype,
    outputs: Callable[[int], Iterator[NDArray]],
    check: Callable[[int], None],
) -> PredictionStore:
    """Write predictions member by member; the file gets its name when it is complete.

    Members that a killed process wrote to the same file are not predicted again.

    Parameters
    ----------
    path : str
        A ``.npy`` file.
    shape : tuple of int
        (M, n, k).
    dtype : dtype
        float16, float32 or float64.
    outputs : callable
        Called with a member's position; yields the predictions of this member and the next ones.
    check : callable
        Called with the number of bytes to write, before the first one; raises if they are too many.

    Returns
    -------
    PredictionStore

    Raises
    ------
    ValueError
        If a prediction is a number that is too large for the dtype.
    """
    unfinished = f"{path}.part"
    head = _npy_head(shape, dtype)
    a_member = shape[1] * shape[2] * dtype.itemsize
    done = _whole_members(unfinished, head, a_member)
    check((shape[0] - done) * a_member)
    with open(unfinished, "r+b" if done else "wb") as file:
        if not done:
            file.write(head)
        file.truncate(len(head) + done * a_member)
        file.seek(0, os.SEEK_END)
        for i, output in enumerate(outputs(done), start=done):
            file.write(cast(output, dtype, i).tobytes())
            file.flush()  # if the process is killed, at most the last member is incomplete
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    return PredictionStore.open([path])


def _npy_head(shape: tuple[int, int, int], dtype: np.dtype) -> bytes:
    head = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(
        head, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return head.getvalue()


def _whole_members(path: str, head: bytes, a_member: int) -> int:
    """Number of complete members in an unfinished file with this header."""
    try:
        with open(path, "rb") as file:
            if file.read(len(head)) != head or not a_member:
                return 0
            return (os.path.getsize(path) - len(head)) // a_member
    except FileNotFoundError:
        return 0


def cast(output: NDArray, dtype: np.dtype, i: int) -> NDArray:
    """Predictions of member i in another precision, if that can hold them."""
    with np.errstate(over="ignore"):
        converted = output.astype(dtype, copy=False)
    if converted is not output and not np.isfinite(converted).all() and np.isfinite(output).all():
        remedy = "use another unit for the targets"
        if dtype == np.float16:
            remedy = f"set prediction_dtype='float32', or {remedy}"
        raise ValueError(
            f"Member {i} predicts {np.abs(output).max():.4g}, which {dtype} cannot hold: {remedy}."
        )
    return converted


@dataclass(frozen=True, eq=False)
class PredictionSelection:
    """Some members and samples of predictions; nothing is copied before a slice is taken.

    Attributes
    ----------
    source : ndarray or PredictionStore
        All predictions.
    members, rows : ndarray of int
        Positions of the selected members and samples.
    """

    source: NDArray | PredictionStore
    members: NDArray[np.intp]
    rows: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(members, samples, classes or targets)."""
        return len(self.members), len(self.rows), self.source.shape[2]

    @property
    def dtype(self) -> np.dtype:
        """Precision of the predictions."""
        return self.source.dtype

    @property
    def ndim(self) -> int:
        """Three."""
        return 3

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, key: Any) -> NDArray:
        members, rows = key if isinstance(key, tuple) else (key, slice(None))
        members, rows = self.members[members], self.rows[rows]
        if isinstance(self.source, PredictionStore):
            return self.source[members, rows]
        return _block(self.source, members, rows)


Predictions = NDArray | PredictionStore | PredictionSelection


def as_predictions(P: Any) -> Any:
    """Predictions that can be read block by block as they are; anything else as an array."""
    known = (np.ndarray, PredictionStore, PredictionSelection)
    return P if isinstance(P, known) else np.asarray(P)


def select(
    P: Predictions, rows: NDArray[np.intp], members: NDArray[np.intp] | None = None
) -> Predictions:
    """Some samples, and some members, of predictions.

    Parameters
    ----------
    P : Predictions
        All.
    rows : ndarray of int
        Positions of samples.
    members : ndarray of int, default=None
        Positions of members; all by default.

    Returns
    -------
    Predictions
        A view of an array where the positions follow each other; nothing is copied.
    """
    if members is None:
        members = np.arange(len(P))
    if isinstance(P, PredictionSelection):
        return replace(P, members=P.members[members], rows=P.rows[rows])
    if isinstance(P, np.ndarray) and _is_run(rows) and _is_run(members):
        return _block(P, members, rows)
    return PredictionSelection(P, members, rows)
