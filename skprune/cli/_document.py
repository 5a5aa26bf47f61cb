"""An answer in parts, each for people and for programs: a table as text, and what JSON holds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from .._version import __version__

__all__ = ["Answer", "Part", "aligned", "as_json", "as_text", "facts", "passage", "said", "table"]


@dataclass(frozen=True)
class Answer:
    """What a command has to say.

    Attributes
    ----------
    text : str
        For standard output, or the file of ``--output``.
    unmet : str or None
        Why limits cannot be met, where they cannot.
    """

    text: str
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
    labels = [name.replace("_", " ") for name in values]
    width = max((len(label) for label in labels), default=0)
    lines = [title] if title else []
    lines += [
        f"{label:<{width}}  {said(value)}"
        for label, value in zip(labels, values.values(), strict=True)
    ]
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
    formats = formats or {}
    lines = [title] if title else []
    if visible:
        names = list(visible[0])
        head = [name.replace("_", " ") for name in names]
        cells = [[said(row[name], formats.get(name, "")) for name in names] for row in visible]
        words = [all(isinstance(row[name], str) for row in visible) for name in names]
        lines += aligned([head, *cells], words)
    return Part(key, [dict(row) for row in rows], "\n".join(lines))


def aligned(rows: Sequence[Sequence[str]], words: Sequence[bool]) -> list[str]:
    """Lines with columns under one another; the first row is a heading.

    Parameters
    ----------
    rows : sequence of sequences of str
        Cells.
    words : sequence of bool
        Which columns begin at the left.

    Returns
    -------
    list of str
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(row, widths, words, strict=True)
        ).rstrip()
        for row in rows
    ]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return [lines[0], rule, *lines[1:]]


def said(value: Any, fmt: str = "") -> str:
    """A value as people read it.

    Parameters
    ----------
    value : object
        Number, text, sequence or mapping; None and NaN are a dash.
    fmt : str, default=""
        How a number is written.

    Returns
    -------
    str
    """
    if value is None:
        return "-"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return "-" if np.isnan(value) else format(float(value), fmt or ".5g")
    if isinstance(value, int | np.integer):
        return format(int(value), ",")
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {said(each)}" for name, each in value.items()) or "-"
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        return ", ".join(said(each) for each in value) or "-"
    return str(value)


def as_text(parts: Sequence[Part]) -> str:
    """What people read, an empty line between parts."""
    return "\n\n".join(part.text for part in parts if part.text) + "\n"


def as_json(parts: Sequence[Part]) -> str:
    """One object, a key a part; numbers that are not finite are null."""
    whole = {"skprune": __version__, **{part.key: part.values for part in parts}}
    return json.dumps(_plain(whole), indent=2, allow_nan=False) + "\n"


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
