"""Statistics of predictions in parquet files, a column a member, read row group by row group."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joblib import delayed, effective_n_jobs
from numpy.typing import NDArray

from ..utils import N_JOBS, SequenceOf, check_parameters, streamed, with_one_blas_thread
from ._statistics import ClassSums, EnsembleStatistics, TargetSums, check_total, target_scale
from ._validation import check_probabilities, check_weights

try:
    import pyarrow as pa
    from pyarrow import parquet
except ImportError as error:
    raise ImportError("Parquet files need pyarrow: run `pip install skprune[parquet]`.") from error

__all__ = ["parquet_statistics"]

# A block has about so many bytes, as in `from_predictions`, but with many members at least so many
# columns (rows times classes): adding the products of fewer to those of all pairs takes longer.
_BLOCK_BYTES = 2**24
_BLOCK_COLUMNS = 2048
# Tasks a job: more balance the load better, and move more sums.
_TASKS_PER_JOB = 4

_CONSTRAINTS = {
    "paths": [str, os.PathLike, SequenceOf(str, os.PathLike)],
    "y": [str],
    "sample_weight": [None, str],
    "members": [None, SequenceOf(str)],
    "regression": ["boolean"],
    "n_jobs": N_JOBS,
}

_Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class _Table:
    """What the columns of all files hold."""

    members: tuple[str, ...]
    y: str
    sample_weight: str | None
    only_members: bool  # whether every other column is a member
    n_classes: int  # 1 for regression
    regression: bool
    in_lists: bool
    dtype: type = np.float64
    # For regression, from a first pass over the targets.
    center: float = 0.0
    scale: float = 1.0
    total_weight: float = 0.0

    @property
    def others(self) -> list[str]:
        """Columns that are no members."""
        return [self.y] if self.sample_weight is None else [self.y, self.sample_weight]

    def new_sums(self) -> ClassSums | TargetSums:
        """Sums over no sample."""
        if self.regression:
            center, scale = np.array([self.center]), np.array([self.scale])
            return TargetSums(len(self.members), center, scale, self.total_weight)
        return ClassSums(len(self.members), self.n_classes)


class _Moments(NamedTuple):
    """Weighted moments of targets, and the largest absolute one."""

    weight: float = 0.0
    mean: float = 0.0
    squares: float = 0.0
    largest: float = 0.0

    def merged(self, other: "_Moments") -> "_Moments":
        """Those of both sets of targets (Chan et al. 1983)."""
        weight = self.weight + other.weight
        share, distance = other.weight / (weight or 1.0), other.mean - self.mean
        return _Moments(
            weight,
            self.mean + share * distance,
            self.squares + other.squares + distance**2 * self.weight * share,
            max(self.largest, other.largest),
        )


class _File(NamedTuple):
    path: str
    rows: list[int]  # of each row group
    is_single: bool  # no member in double precision
    moments: _Moments


@with_one_blas_thread
def parquet_statistics(
    paths: _Paths,
    y: str,
    sample_weight: str | None,
    members: Sequence[str] | None,
    regression: bool,
    n_jobs: int | None,
) -> EnsembleStatistics:
    """Statistics of all rows of the files: :meth:`EnsembleStatistics.from_parquet`."""
    check_parameters(
        "EnsembleStatistics.from_parquet",
        _CONSTRAINTS,
        paths=paths,
        y=y,
        sample_weight=sample_weight,
        members=members,
        regression=regression,
        n_jobs=n_jobs,
    )
    found = _found(paths)
    table = _table(found[0], y, sample_weight, members, regression)
    files = list(streamed((delayed(_inspected)(path, table) for path in found), n_jobs))
    table = replace(
        table,
        dtype=np.float32 if not regression and all(f.is_single for f in files) else np.float64,
    )
    if regression:
        moments = _Moments()
        for file in files:
            moments = moments.merged(file.moments)
        check_total(moments.weight)
        deviation = np.sqrt(moments.squares / moments.weight)
        table = replace(
            table,
            center=moments.mean,
            scale=float(target_scale(deviation, moments.largest)),
            total_weight=moments.weight,
        )
    jobs = effective_n_jobs(n_jobs)
    tasks = _tasks(files, table, 1 if jobs == 1 else _TASKS_PER_JOB * jobs)
    if len(tasks) == 1:
        total = _summed(*tasks[0], table)
        return replace(total.statistics(), names=tuple(table.members))
    total = table.new_sums()
    for part in streamed((delayed(_summed)(*task, table) for task in tasks), n_jobs, ordered=False):
        total.merge(part)
        vars(part).clear()  # joblib keeps the last result
    return replace(total.statistics(), names=tuple(table.members))


def _found(paths: _Paths) -> list[str]:
    """Absolute paths of the files, which are the same for workers elsewhere."""
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    files = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(path.glob("*.parquet"))
            if not inside:
                raise ValueError(f"The folder {str(path)!r} has no file *.parquet.")
            files += inside
        else:
            files.append(path)
    absolute = [os.path.abspath(file) for file in files]
    for one, other in pairwise(sorted(absolute)):
        if one == other:
            raise ValueError(f"paths must name each file once; {one!r} comes twice.")
    return absolute


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """A parquet file; what pyarrow raises names it."""
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        raise ValueError(
            f"{path!r} cannot be read as a parquet file: {type(error).__name__}: {error}"
        ) from error


# Columns and their types, before any block is read


def _table(
    path: str, y: str, sample_weight: str | None, members: Sequence[str] | None, regression: bool
) -> _Table:
    """The members, and what their columns hold, from the first file."""
    with _opened(path) as file:
        types = _types(path, file.schema_arrow)
        others = {y, sample_weight}
        if y == sample_weight:
            raise ValueError(f"y and sample_weight must be two columns; both are {y!r}.")
        names = tuple(name for name in types if name not in others)
        if members is not None:
            names = tuple(members)
        if not names:
            raise ValueError(f"{path!r} has no column of a member; it has {_some(types)}.")
        if len(set(names)) < len(names) or others & set(names):
            raise ValueError(
                f"members must name columns once, without y and sample_weight; got {_some(names)}."
            )
        first: Any = types.get(names[0])
        in_lists = first is not None and _is_list(first)
        n_classes = 1 if regression else 2
        if in_lists and pa.types.is_fixed_size_list(first):
            n_classes = first.list_size
        elif in_lists:
            for batch in _read(file, [names[0]], 1):
                n_classes = len(batch.column(names[0])[0].as_py() or [])
                break
    return _Table(names, y, sample_weight, members is None, n_classes, regression, in_lists)


def _types(path: str, schema: Any) -> dict[str, Any]:
    """Types of the columns by name."""
    types = dict(zip(schema.names, schema.types, strict=True))
    for one, other in pairwise(sorted(schema.names)):
        if one == other:
            raise ValueError(f"{path!r} has two columns {one!r}.")
    return types


def _some(names: Any) -> str:
    """The first few names."""
    names = list(map(repr, names))
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _is_list(kind: Any) -> bool:
    return (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _is_number(kind: Any) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)


def _inspected(path: str, table: _Table) -> _File:
    """Check the columns of a file, and read its targets for regression."""
    with _opened(path) as file:
        types = _types(path, file.schema_arrow)
        _check_names(path, types, table)
        for name in table.members:
            _check_member(path, name, types[name], table)
        if table.regression and not _is_number(types[table.y]):
            raise TypeError(
                f"{_column(table.y, path)} must hold the targets; it holds {types[table.y]}."
            )
        if not table.regression and not pa.types.is_integer(types[table.y]):
            raise TypeError(
                f"{_column(table.y, path)} must hold integer classes 0 .. {table.n_classes - 1}; "
                f"it holds {types[table.y]}. For targets set regression=True."
            )
        if table.sample_weight is not None and not _is_number(types[table.sample_weight]):
            raise TypeError(
                f"{_column(table.sample_weight, path)} must hold the weights of the samples; it "
                f"holds {types[table.sample_weight]}."
            )
        groups = range(file.metadata.num_row_groups)
        rows = [file.metadata.row_group(group).num_rows for group in groups]
        if sum(rows) == 0:
            raise ValueError(f"{path!r} has no row: leave it out.")
        moments = _Moments()
        if table.regression:
            for batch in _read(file, table.others):
                targets, weight = _targets(path, batch, table)
                moments = moments.merged(_moments(targets, weight))
    cells = (types[name].value_type if table.in_lists else types[name] for name in table.members)
    is_single = all(pa.types.is_float32(cell) or pa.types.is_float16(cell) for cell in cells)
    return _File(path, rows, is_single, moments)


def _check_names(path: str, types: dict[str, Any], table: _Table) -> None:
    """Refuse a file that lacks a column, or has one that others do not."""
    wanted = [*table.others, *table.members]
    missing = [name for name in wanted if name not in types]
    extra = set(types) - set(wanted) if table.only_members else set()
    if missing:
        raise ValueError(
            f"{path!r} has no column {_some(missing)}; it has {_some(types)}. All files must have "
            "the same columns."
        )
    if extra:
        raise ValueError(
            f"{path!r} has columns that the first file has not: {_some(sorted(extra))}. All files "
            "must have the same columns; name those to read: members=[...]."
        )


def _check_member(path: str, name: str, kind: Any, table: _Table) -> None:
    """Refuse a column that holds no predictions, or other ones than the first member's."""
    wanted = "numbers"
    if table.in_lists:
        wanted = f"lists of {table.n_classes} probabilities"
    cell = kind.value_type if _is_list(kind) else kind
    if not _is_number(cell):
        raise TypeError(
            f"{_column(name, path)} must hold {wanted}; it holds {kind}. Name the columns of the "
            "members: members=[...]."
        )
    if table.regression and _is_list(kind):
        raise TypeError(f"{_column(name, path)} must hold numbers for regression; it holds {kind}.")
    if table.in_lists != _is_list(kind):
        raise TypeError(
            f"{_column(name, path)} must hold {wanted}, as that of the first member; it holds "
            f"{kind}."
        )
    size = kind.list_size if pa.types.is_fixed_size_list(kind) else table.n_classes
    if size != table.n_classes or size == 0:
        raise ValueError(
            f"{_column(name, path)} must hold {wanted}, as many as the first member's; it holds "
            f"{kind}."
        )


def _column(name: str, path: str) -> str:
    return f"Column {name!r} of {path!r}"


def _moments(targets: NDArray[np.float64], weight: NDArray[np.float64] | None) -> _Moments:
    """Moments of some targets."""
    weight = np.ones(len(targets)) if weight is None else weight
    total = float(weight.sum())
    mean = float(weight @ targets) / (total or 1.0)
    squares = float(weight @ (targets - mean) ** 2)
    return _Moments(total, mean, squares, float(np.abs(targets).max(initial=0)))


# Blocks of rows

_Runs = list[tuple[str, list[int]]]  # files, and row groups of each


def _tasks(files: list[_File], table: _Table, n_tasks: int) -> list[tuple[_Runs, list[int]]]:
    """Row groups of about as many rows for each task, and the sizes of the blocks to read.

    The blocks are the same for every number of tasks, and so are their sums.
    """
    a_row = np.dtype(table.dtype).itemsize * len(table.members) * table.n_classes
    step = max(1, _BLOCK_BYTES // a_row, _BLOCK_COLUMNS // table.n_classes)
    # Runs of row groups with `step` rows or more: small ones are read together.
    runs: list[tuple[int, list[tuple[str, int]], int]] = []
    groups: list[tuple[str, int]] = []
    start = end = 0
    for file in files:
        for group, n_rows in enumerate(file.rows):
            groups.append((file.path, group))
            end += n_rows
            if end - start >= step:
                runs.append((start, groups, end - start))
                groups, start = [], end
    if end > start:
        runs.append((start, groups, end - start))
    tasks = []
    for _, task in groupby(runs, key=lambda run: run[0] * n_tasks // end):
        pairs: list[tuple[str, int]] = []
        sizes: list[int] = []
        for _, groups, n_rows in task:
            pairs += groups
            n_blocks = max(1, round(n_rows / step))
            sizes += [(n_rows + i) // n_blocks for i in range(n_blocks)]
        by_path = groupby(pairs, key=lambda pair: pair[0])
        tasks.append(([(path, [group for _, group in each]) for path, each in by_path], sizes))
    return tasks


@with_one_blas_thread
def _summed(runs: _Runs, sizes: list[int], table: _Table) -> ClassSums | TargetSums:
    """Sums over the blocks of some row groups."""
    sums: Any = table.new_sums()
    next_size = iter(sizes)
    block = None
    for path, batch in _batches(runs, table, max(sizes)):
        while batch.num_rows:
            if block is None:
                block = _Block(next(next_size), table)
            batch = batch.slice(block.take(path, batch))
            if block.is_full:
                sums.add_block(block.P, block.y, block.weight)
                block = None
    return sums


def _batches(runs: _Runs, table: _Table, n_rows: int) -> Iterator[tuple[str, Any]]:
    """Batches of up to so many rows, and their files."""
    columns = [*table.others, *table.members]
    for path, groups in runs:
        with _opened(path) as file:
            for group in groups:  # of several at a time, pyarrow would hold all
                for batch in _read(file, columns, n_rows, [group]):
                    yield path, batch


def _read(
    file: Any, columns: list[str], n_rows: int = 2**16, groups: list[int] | None = None
) -> Iterator[Any]:
    """Batches of some columns, read by one thread: a job is one core."""
    return iter(file.iter_batches(n_rows, groups, columns, use_threads=False))


class _Block:
    """Predictions (M, n, C), standardized for regression, targets and weights of n rows."""

    def __init__(self, n_rows: int, table: _Table) -> None:
        self.table, self.n_filled = table, 0
        self.P: NDArray = np.empty((len(table.members), n_rows, table.n_classes), table.dtype)
        self.y: NDArray = np.empty((n_rows, 1)) if table.regression else np.empty(n_rows, np.intp)
        is_weighted = table.regression or table.sample_weight is not None
        self.weight = np.ones(n_rows) if is_weighted else None

    @property
    def is_full(self) -> bool:
        return self.n_filled == self.P.shape[1]

    def take(self, path: str, batch: Any) -> int:
        """Check and copy rows of a batch, as many as there is room for; return their number."""
        table = self.table
        batch = batch.slice(0, self.P.shape[1] - self.n_filled)
        rows = slice(self.n_filled, self.n_filled + batch.num_rows)
        self.n_filled = rows.stop
        targets, weight = _targets(path, batch, table)
        self.y[rows] = targets[:, None] if table.regression else targets
        if self.weight is not None and weight is not None:
            self.weight[rows] = weight
        for i, name in enumerate(table.members):
            values = _values(path, batch, name)
            out = self.P[i, rows]
            if table.in_lists:
                _copy_lists(path, name, values, out)
            elif table.regression:
                _copy_targets(path, name, values, out)
                out -= table.center
                out /= table.scale
            else:
                _copy_second_class(path, name, values, out)
        return batch.num_rows


def _values(path: str, batch: Any, name: str) -> Any:
    """A column without nulls."""
    values = batch.column(name)
    if values.null_count:
        raise ValueError(f"{_column(name, path)} has nulls.")
    return values


def _numbers(values: Any) -> NDArray:
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _copy_second_class(path: str, name: str, values: Any, out: NDArray) -> None:
    """Write (n, 2) probabilities, of which a column holds the second ones."""
    given = _numbers(values)
    if not (given.min() >= 0 and given.max() <= 1):
        if not np.isfinite(given).all():
            raise ValueError(f"{_column(name, path)} has NaN or infinite probabilities.")
        worst = given.min() if given.min() < 0 else given.max()
        raise ValueError(
            f"{_column(name, path)} must hold probabilities of the second class, in 0 .. 1; it has "
            f"{worst:.4g}. For more classes give lists, for targets set regression=True."
        )
    out[:, 1] = given
    np.subtract(1, out[:, 1], out=out[:, 0])


def _copy_lists(path: str, name: str, values: Any, out: NDArray) -> None:
    """Write (n, C) probabilities, a list a row."""
    n, C = out.shape
    if not pa.types.is_fixed_size_list(values.type):
        lengths = _numbers(values.value_lengths())
        if (lengths != C).any():
            raise ValueError(
                f"{_column(name, path)} must hold lists of {C} probabilities, as many as the first "
                f"row of the first file; it has one of {lengths[lengths != C][0]}."
            )
    flat = values.flatten()
    if flat.null_count:
        raise ValueError(f"{_column(name, path)} has nulls.")
    out[:] = _numbers(flat).reshape(n, C)
    check_probabilities(out[None], lambda _: f"column {name!r} of {path!r}")


def _copy_targets(path: str, name: str, values: Any, out: NDArray) -> None:
    """Write (n, 1) targets."""
    out[:, 0] = _numbers(values)
    if not np.isfinite(out).all():
        raise ValueError(f"{_column(name, path)} has NaN or infinite predictions.")


def _targets(path: str, batch: Any, table: _Table) -> tuple[NDArray, NDArray[np.float64] | None]:
    """Checked targets, and weights if there are any."""
    y = _numbers(_values(path, batch, table.y))
    if table.regression:
        y = y.astype(np.float64)
        if not np.isfinite(y).all():
            raise ValueError(f"{_column(table.y, path)} has NaN or infinite targets.")
    elif len(y) and (y.min() < 0 or y.max() >= table.n_classes):
        raise ValueError(
            f"{_column(table.y, path)} must be in 0 .. {table.n_classes - 1}, as members have "
            f"{table.n_classes} classes; got {y.min()} .. {y.max()}."
        )
    if table.sample_weight is None:
        return y, None
    values = _numbers(_values(path, batch, table.sample_weight))
    return y, check_weights(_column(table.sample_weight, path), values, len(y))
