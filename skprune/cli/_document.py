"""An answer in parts, each for people and for programs: a table as text, and what JSON holds."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from io import StringIO
from typing import Any

import numpy as np

from .._version import __version__
from ..utils import format_value, text_table

__all__ = ["Answer", "Part", "as_csv", "as_json", "as_text", "facts", "passage", "table"]


@dataclass(frozen=True)
class Answer:
    """What a command has to say.

    Attributes
    ----------
    content : str or bytes
        For standard output, or the file of ``--output``; bytes are for a file.
    unmet : str or None
        Why limits cannot be met, where they cannot.
    """

    content: str | bytes
    unmet: str | None = None


@dataclass(frozen=True)
class Part:
    """A part of an answer.

    Attributes
    ----------
    key : str
        Its name in JSON.
    values : object
        What JSON holds.
    text : str
        What people read; nothing, where it is for programs alone.
    """

    key: str
    values: Any
    text: str = ""


def passage(key: str, text: str, values: Any) -> Part:
    """A part whose text is written already."""
    return Part(key, values, text)


def facts(key: str, title: str, values: Mapping[str, Any]) -> Part:
    """A part with a value a line.

    Parameters
    ----------
    key : str
        Its name in JSON.
    title : str
        What stands over the lines; none if it is empty.
    values : mapping of str to object
        Names, whose underscores are spaces for people, and values.

    Returns
    -------
    Part
    """
    columns = {
        "name": [name.replace("_", " ") for name in values],
        "value": [format_value(value) for value in values.values()],
    }
    lines = [title] if title else []
    lines.append(text_table(columns, heading=False))
    return Part(key, dict(values), "\n".join(lines))


def table(
    key: str,
    title: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    shown: Sequence[Mapping[str, Any]] | None = None,
    formats: Mapping[str, str] | None = None,
) -> Part:
    """A part with a row a thing.

    Parameters
    ----------
    key : str
        Its name in JSON.
    title : str
        What stands over it; none if it is empty.
    rows : sequence of mappings
        The rows, all with the same names.
    shown : sequence of mappings or None, default=None
        The rows that people see; all by default.
    formats : mapping of str to str or None, default=None
        How the numbers of a column are written.

    Returns
    -------
    Part
    """
    visible = rows if shown is None else shown
    lines = [title] if title else []
    if visible:
        columns = {name.replace("_", " "): [row[name] for row in visible] for name in visible[0]}
        spaced = {name.replace("_", " "): fmt for name, fmt in (formats or {}).items()}
        lines.append(text_table(columns, spaced))
    return Part(key, [dict(row) for row in rows], "\n".join(lines))


def as_text(parts: Sequence[Part]) -> str:
    """What people read, an empty line between parts."""
    return "\n\n".join(part.text for part in parts if part.text) + "\n"


def as_json(parts: Sequence[Part]) -> str:
    """One object, a key a part; numbers that are not finite are null."""
    whole = {"skprune": __version__, **{part.key: part.values for part in parts}}
    return json.dumps(_plain(whole), indent=2, allow_nan=False) + "\n"


def as_csv(columns: Mapping[str, Iterable[Any]]) -> str:
    """A heading and a row a line; numbers have all their digits."""
    written = StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return written.getvalue()


def _plain(value: Any) -> Any:
    """What JSON has names for."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, np.ndarray):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)
