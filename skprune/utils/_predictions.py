"""Predictions of members, in memory or in files, and some rows of them, read block by block."""

import errno
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
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
    "sample_blocks",
    "select",
    "write_predictions",
]


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
    sample, and returns a copy: pages of a memory map would count as memory in use.

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
        stores = [cls._of_file(os.fspath(path)) for path in paths]
        M, _, k = stores[0].shape
        for store in stores:
            if store.shape[::2] != (M, k) or store.dtype != stores[0].dtype:
                raise ValueError(
                    f"{store.parts[0].path!r} holds {store.dtype} of shape {store.shape}; the "
                    f"files before it hold {stores[0].dtype} of shape ({M}, n, {k})."
                )
        N = sum(store.shape[1] for store in stores)
        return cls(tuple(store.parts[0] for store in stores), (M, N, k), stores[0].dtype)

    @classmethod
    def _of_file(cls, path: str) -> Self:
        try:
            mapped = np.load(path, mmap_mode="r")
        except (OSError, EOFError, ValueError) as error:
            raise ValueError(
                f"{path!r} cannot be read as an .npy file of predictions: {type(error).__name__}: "
                f"{error}. It may be missing, or cut short."
            ) from error
        store = cls.over(mapped)
        if not isinstance(store, cls):
            raise ValueError(
                f"{path!r} must hold one array of floats of shape (n_members, n_samples, "
                f"n_classes) in C order; it holds {getattr(mapped, 'dtype', type(mapped))} of "
                f"shape {getattr(mapped, 'shape', None)}."
            )
        return store

    @classmethod
    def over(cls, array: Any) -> Any:
        """A store of the same file for a whole memory map; anything else as it is."""
        if not isinstance(array, np.memmap) or not isinstance(array.base, mmap):
            return array
        if array.ndim != 3 or not array.flags.c_contiguous or array.dtype.kind != "f":
            return array
        # A map may hold changes of its own, or outlive its file.
        if array.mode == "c" or not os.path.isfile(array.filename or ""):
            return array
        array.flush()
        part = _Part(os.fspath(array.filename), array.offset, array.shape[1])
        return cls((part,), array.shape, array.dtype)

    ndim = 3

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray:
        members, rows = key if isinstance(key, tuple) else (key, slice(None))
        members = _positions(members, self.shape[0])
        rows = _positions(rows, self.shape[1])
        out = np.empty((len(members), len(rows), self.shape[2]), self.dtype)
        start = 0
        for part in self.parts:
            here = np.flatnonzero((rows >= start) & (rows < start + part.n_rows))
            if len(here):
                self._read(part, members, rows[here] - start, out, here)
            start += part.n_rows
        return out

    def _read(
        self,
        part: _Part,
        members: NDArray[np.intp],
        rows: NDArray[np.intp],
        out: NDArray,
        here: NDArray[np.intp],
    ) -> None:
        """Read rows of one part into some rows of ``out``, member by member."""
        first, n = rows.min(), rows.max() - rows.min() + 1
        a_row = self.shape[2] * self.dtype.itemsize
        is_run, within = _is_run(rows) and _is_run(here), rows - first
        to: Any = slice(here[0], here[-1] + 1) if _is_run(here) else here
        run = np.empty((n, self.shape[2]), self.dtype)
        with open(part.path, "rb") as file:
            for i, member in enumerate(members):
                if is_run:
                    run = out[i, to]
                file.seek(part.offset + int(member * part.n_rows + first) * a_row)
                if file.readinto(run.data) != n * a_row:
                    raise ValueError(f"{part.path!r} was cut short after it was opened.")
                if not is_run:
                    out[i, to] = run.take(within, axis=0)


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
    """Raise OSError if a disk has no room for predictions."""
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
    outputs: Callable[[int], Iterable[NDArray]],
    check: Callable[[int], None],
) -> PredictionStore:
    """Write predictions member by member; the file gets its name when it is complete.

    ``outputs(i)`` yields the predictions of member i and the next ones: members that a killed
    process has written are not predicted again. ``check`` gets the number of bytes to write.
    """
    head = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, header)
    start, a_member = len(head.getvalue()), shape[1] * shape[2] * dtype.itemsize
    unfinished, done = f"{path}.part", 0
    with suppress(FileNotFoundError), open(unfinished, "rb") as file:
        if file.read(start) == head.getvalue():
            done = (os.path.getsize(unfinished) - start) // a_member
    check((shape[0] - done) * a_member)
    with open(unfinished, "r+b" if done else "wb") as file:
        if not done:
            file.write(head.getvalue())
        file.seek(start + done * a_member)
        file.truncate()
        for i, output in enumerate(outputs(done), start=done):
            file.write(cast(output, dtype, i).tobytes())
            file.flush()  # if the process is killed, at most the last member is incomplete
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    return PredictionStore.open([path])


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

    ndim = 3

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
    """Some samples, and some members (all by default); nothing is copied."""
    if members is None:
        members = np.arange(len(P))
    if isinstance(P, PredictionSelection):
        return replace(P, members=P.members[members], rows=P.rows[rows])
    if isinstance(P, np.ndarray) and _is_run(rows) and _is_run(members):
        return _block(P, members, rows)
    return PredictionSelection(P, members, rows)


def sample_blocks(
    P: Predictions,
    n_bytes: int,
    bytes_per_sample: int,
    members: slice | NDArray[np.intp] = slice(None),
) -> Iterator[tuple[slice, NDArray]]:
    """Runs of samples, as many as fit into ``n_bytes`` but one at least, and their predictions."""
    N = P.shape[1]
    step = max(1, n_bytes // bytes_per_sample)
    for start in range(0, N, step):
        rows = slice(start, min(N, start + step))
        yield rows, P[members, rows]
