"""Files that are read: arrays of an .npz, columns of a .csv or .parquet, lines of a text."""

import csv
import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ..utils import ArrayHeader, NpzFile
from ._errors import FAILED, Refused

__all__ = [
    "check_file",
    "check_installed",
    "first_bytes",
    "is_table",
    "open_arrays",
    "read_columns",
    "read_lines",
    "read_table",
]

# What tells some kinds of files by their first bytes.
_KINDS = (
    (b"\x93NUMPY", "an .npy file of one array"),
    (b"PK", "a zip archive, such as .npz, .skops, .keras or .xlsx"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x80", "a pickle"),
    (b"MATLAB", "a file of MATLAB"),
    (b"PAR1", "a .parquet file"),
)


def check_file(path: str) -> None:
    """Refuse what is no file, or cannot be opened."""
    if os.path.isdir(path):
        raise Refused(f"{path}: that is a folder; give the name of a file.")
    try:
        with open(path, "rb"):
            pass
    except FileNotFoundError:
        raise Refused(f"{path}: there is no such file.") from None
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        raise Refused(f"{path}: it cannot be opened: {_reason(error)}.") from error


def first_bytes(path: str) -> str:
    """What a file seems to be, in words; nothing if it is not known."""
    with open(path, "rb") as file:
        head = file.read(8)
    if not head:
        return "empty"
    return next((kind for magic, kind in _KINDS if head.startswith(magic)), "")


@contextmanager
def open_arrays(
    path: str, needed: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[NpzFile, dict[str, ArrayHeader]]]:
    """Open an .npz file; what its arrays are is known before any is read.

    Parameters
    ----------
    path : str
        The file.
    needed, optional : sequence of str
        Keys that it must have, and that it may have.

    Yields
    ------
    file : NpzFile
        The file, to read arrays from.
    headers : dict of str to ArrayHeader
        Shapes and types of those of these keys that it has.

    Raises
    ------
    Refused
        If it is no such file, is damaged, or lacks a key.
    """
    check_file(path)
    if not zipfile.is_zipfile(path):
        kind = first_bytes(path)
        seems = "it is damaged or cut short" if kind.startswith("a zip") else f"it is {kind}"
        raise Refused(
            f"{path}: not an .npz file{': ' + seems if kind else ''}. Write it with "
            f"numpy.savez(..., {', '.join(f'{key}={key}' for key in needed)})."
        )
    try:
        with NpzFile(path) as file:
            missing = [key for key in needed if key not in file.keys]
            if missing:
                raise Refused(
                    f"it lacks the key {' and '.join(missing)}; it has "
                    f"{', '.join(file.keys) or 'none'}. Needed are {', '.join(needed)}."
                )
            known = [key for key in (*needed, *optional) if key in file.keys]
            yield file, {key: file.header(key) for key in known}
    except Refused as error:
        raise Refused(f"{path}: {error}") from error
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: {_reason(error)}.") from error


def read_lines(path: str) -> list[str]:
    """Lines of a text file in UTF-8, empty ones left out.

    Parameters
    ----------
    path : str
        The file.

    Returns
    -------
    list of str
    """
    check_file(path)
    try:
        with open(path, encoding="utf-8-sig") as file:
            return [line.strip() for line in file if line.strip()]
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: it is no text in UTF-8: {_reason(error)}.") from error


def read_columns(path: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Heading and rows of a .csv file.

    Parameters
    ----------
    path : str
        The file, in UTF-8 with commas.

    Returns
    -------
    names : list of str
        Names of the columns.
    rows : list of (int, list of str)
        Number of the line, from one, and as many cells as there are names.

    Raises
    ------
    Refused
        If it is no such file, is empty, or a row has another number of cells.
    """
    check_file(path)
    rows = []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                if any(cell.strip() for cell in row):
                    rows.append((reader.line_num, [cell.strip() for cell in row]))
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: it is no text in UTF-8: {_reason(error)}.") from error
    except csv.Error as error:
        raise Refused(f"{path}: line {reader.line_num}: {error}.") from error
    if not rows:
        raise Refused(f"{path}: it is empty; a heading with names of columns must come first.")
    names = rows[0][1]
    _check_commas(path, names)
    for line, cells in rows[1:]:
        if len(cells) != len(names):
            raise Refused(
                f"{path}: line {line} has {len(cells)} cells where the heading has {len(names)}."
            )
    return names, rows[1:]


def is_table(path: str) -> bool:
    """Whether the name is that of a table: .csv or .parquet."""
    return _ending(path) in (".csv", ".parquet")


def check_installed(path: str, *, reads: bool) -> None:
    """Refuse a table that pandas and pyarrow are needed for, where they are missing."""
    needed = {"pandas": "report"}
    if _ending(path) == ".parquet":
        needed["pyarrow"] = "parquet"
    for package, extra in needed.items():
        try:
            import_module(package)
        except ImportError as error:
            raise Refused(
                f"{path}: {'reading' if reads else 'writing'} it needs {package}: run `pip install "
                f"skprune[{extra}]`, or give an .npz file.",
                FAILED,
            ) from error


def read_table(path: str, columns: Sequence[str] | None = None) -> Any:
    """Columns of a .csv or .parquet file, as a DataFrame.

    Parameters
    ----------
    path : str
        The file; a .csv file is in UTF-8, with commas and a heading.
    columns : sequence of str or None, default=None
        The columns to read; all by default.

    Returns
    -------
    DataFrame

    Raises
    ------
    Refused
        If it is no such file, lacks a column, has one twice, or has no row.
    """
    check_installed(path, reads=True)
    check_file(path)
    kind, parquet = first_bytes(path), _ending(path) == ".parquet"
    if kind and not (parquet and kind == "a .parquet file"):
        raise Refused(f"{path}: not a {_ending(path)} file: it is {kind}.")
    try:
        frame = (_read_parquet if parquet else _read_csv)(path, columns)
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: it is no text in UTF-8: {_reason(error)}.") from error
    except (OSError, ValueError) as error:  # those of pandas and pyarrow are ValueErrors
        raise Refused(f"{path}: {_reason(error)}.") from error
    if len(frame) == 0:
        raise Refused(f"{path}: there is a heading, and no row under it.")
    return frame


def _read_csv(path: str, columns: Sequence[str] | None) -> Any:
    import pandas as pd

    options: dict[str, Any] = {
        "encoding": "utf-8-sig",
        "skipinitialspace": True,
        "keep_default_na": False,  # a class may be called NA
        "na_values": [""],
    }
    heading = pd.read_csv(path, header=None, nrows=1, dtype=str, na_filter=False, **options)
    names = heading.iloc[0].str.strip().tolist()
    _check_commas(path, names)
    _check_columns(path, names, columns)
    frame = pd.read_csv(path, low_memory=False, **options)  # one type for a whole column
    if not isinstance(frame.index, pd.RangeIndex):
        raise Refused(f"{path}: its rows have more cells than the heading, which has {len(names)}.")
    frame.columns = names
    return frame if columns is None else frame[list(columns)]


def _read_parquet(path: str, columns: Sequence[str] | None) -> Any:
    import pandas as pd
    from pyarrow import parquet

    schema = parquet.read_schema(path)
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    names = [name for name in schema.names if name not in index]
    _check_columns(path, names, columns)
    frame = pd.read_parquet(path, columns=list(names if columns is None else columns))
    frame.columns = frame.columns.astype(str)
    return frame


def _check_columns(path: str, names: Sequence[str], wanted: Sequence[str] | None) -> None:
    """Refuse names that are empty or occur twice, and names that are missing."""
    used = names if wanted is None else wanted
    if "" in used:
        raise Refused(
            f"{path}: column {list(names).index('') + 1} has no name. If it numbers the rows, "
            "leave it out: DataFrame.to_csv(..., index=False)."
        )
    twice = sorted({name for name in used if list(names).count(name) > 1})
    if twice:
        raise Refused(f"{path}: there is more than one column {' and '.join(twice[:5])}.")
    missing = [name for name in used if name not in names]
    if missing:
        raise Refused(
            f"{path}: it lacks the column {' and '.join(missing[:5])}"
            f"{' and others' if len(missing) > 5 else ''}; its columns are "
            f"{', '.join(names[:10])}{', ...' if len(names) > 10 else ''}."
        )


def _check_commas(path: str, names: Sequence[str]) -> None:
    for mark, called in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and mark in names[0]:
            raise Refused(
                f"{path}: there are {called} between its columns; there must be commas, and points "
                "in its numbers."
            )


def _ending(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__).rstrip(" .\n")
