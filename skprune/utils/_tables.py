"""Tables and values for people: as text, in a notebook, as a DataFrame."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from html import escape
from typing import Any

import numpy as np

__all__ = [
    "DOCUMENTATION",
    "PAGE",
    "ReprHTML",
    "format_value",
    "load_pandas",
    "markdown_table",
    "place",
    "reference_page",
    "text_table",
]

#: Address of the documentation; ``pyproject.toml`` has the same.
DOCUMENTATION = "https://skprune.readthedocs.io/en/stable/"
PAGE = DOCUMENTATION + "reference/generated/{module}.{name}.html"

_MOST_NUMBERS = 12
_MOST_CHARACTERS = 300


def text_table(
    columns: Mapping[str, Iterable[Any]],
    formats: Mapping[str, str] | None = None,
    *,
    heading: bool = True,
) -> str:
    """Lines with aligned columns: text to the left, everything else to the right.

    ``formats`` holds format specifications of single columns; one that starts with ">" aligns
    text to the right. Without ``heading``, the names of the columns and the rule are left out.
    """
    aligned = []
    for name, cells, left in _cells(columns, formats or {}):
        aligned.append(_padded([name, *cells] if heading else cells, left))
    lines = ["  ".join(row).rstrip() for row in zip(*aligned, strict=True)]
    if heading:
        lines.insert(1, "-" * (sum(len(cells[0]) + 2 for cells in aligned) - 2))
    return "\n".join(lines)


def markdown_table(
    columns: Mapping[str, Iterable[Any]],
    formats: Mapping[str, str] | None = None,
    *,
    heading: bool = True,
) -> str:
    """The table of :func:`text_table` in GitHub-flavored Markdown.

    A table in Markdown always has a first row of names: without ``heading``, they are empty.
    """
    aligned = []
    for name, cells, left in _cells(columns, formats or {}):
        padded = _padded([_escaped(cell) for cell in [name if heading else "", *cells]], left, 3)
        rule = "-" * len(padded[0])
        padded.insert(1, rule if left else rule[1:] + ":")
        aligned.append(padded)
    return "\n".join(f"| {' | '.join(row)} |" for row in zip(*aligned, strict=True))


def _cells(
    columns: Mapping[str, Iterable[Any]], formats: Mapping[str, str]
) -> Iterator[tuple[str, list[str], bool]]:
    """The name, the cells as text and the alignment (True: to the left) of each column."""
    for name, values in columns.items():
        fmt, values = formats.get(name, ""), list(values)
        left = not fmt.startswith(">") and all(isinstance(value, str) for value in values)
        yield name, [format_value(value, fmt.removeprefix(">")) for value in values], left


def _padded(cells: list[str], left: bool, width: int = 0) -> list[str]:
    """Cells of one length, which is at least ``width``."""
    width = max([width, *map(len, cells)])
    return [cell.ljust(width) if left else cell.rjust(width) for cell in cells]


def _escaped(cell: str) -> str:
    """A cell on one line, without what Markdown would read as a border, a tag or a style."""
    return re.sub(r"[\\|<*`]", r"\\\g<0>", " ".join(cell.split()))


def format_value(value: Any, fmt: str = "") -> str:
    """A value as text; ``fmt`` is for floats, and None and NaN are a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return "-" if np.isnan(value) else format(float(value), fmt or ".5g")
    if isinstance(value, int | np.integer):
        return format(int(value), ",")
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {format_value(each)}" for name, each in value.items()) or "-"
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        return ", ".join(format_value(each) for each in value) or "-"
    return str(value)


def load_pandas(instead: str) -> Any:
    """Import pandas, or say how to install it or what to do ``instead`` (the end of a sentence)."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "This table as a DataFrame needs pandas: run `pip install skprune[report]`, or "
            f"{instead}."
        ) from error
    return pandas


class ReprHTML:
    """Mixin: a table in notebooks, under a link to the page of the class, and in Markdown.

    In notebooks it is that of :meth:`to_frame`, if there is one and pandas is installed; else
    what ``print`` shows, if that is more than the repr; else the fields of the dataclass.
    """

    def to_markdown(self) -> str:
        r"""What it shows, as GitHub-flavored Markdown.

        Returns
        -------
        str
            The table and the sentences that ``print`` shows, or else a table of the attributes.
            Numbers are aligned to the right; ``|`` in a cell is written as ``\|``.

        Examples
        --------
        >>> from skprune.compression import OperatingPoint
        >>> point = OperatingPoint(amount=0.5, accuracy=0.75, time=0.02, size=1.5)
        >>> print(point.to_markdown())
        | attribute | value |
        | --------- | ----- |
        | amount    | 0.5   |
        | accuracy  | 0.75  |
        | time      | 0.02  |
        | size      | 1.5   |
        """
        return "\n\n".join(part for part in self._parts(markdown_table) if part)

    def _parts(self, table: Callable[..., str]) -> list[str]:
        """Sentences and tables, in order; ``table`` writes a table as text or as Markdown."""
        if _is_written(self):
            return [str(self)]
        rows = _short_fields(self)
        names, values = [name for name, _ in rows], [value for _, value in rows]
        return [table({"attribute": names, "value": values})]

    def _repr_html_(self) -> str:
        kind = type(self)
        name = escape(kind.__name__)
        if kind.__module__.split(".")[0] == "skprune":
            name = f'<a href="{reference_page(kind)}" rel="noreferrer" target="_blank">{name}</a>'
        return f"<div><p>{name}</p>{_html_table(self)}</div>"


def place(kind: type) -> dict[str, str]:
    """Subpackage and name under which a public class is documented."""
    return {"module": ".".join(kind.__module__.split(".")[:2]), "name": kind.__name__}


def reference_page(kind: type) -> str:
    """Address of the page of a public class."""
    return PAGE.format(**place(kind))


def _html_table(thing: Any) -> str:
    if hasattr(thing, "to_frame"):
        try:
            table = thing.to_frame()._repr_html_()
        except ImportError:  # no pandas
            table = None
        if table is not None:  # or pandas is told to show no HTML
            sentences = filter(None, thing._parts(lambda *_, **__: ""))
            return table + "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    if _is_written(thing):
        return f"<pre>{escape(str(thing))}</pre>"
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in _short_fields(thing)
    )
    return f"<table>{rows}</table>"


def _is_written(thing: Any) -> bool:
    """Whether ``print`` shows more than the repr, or there are no fields to show."""
    return type(thing).__str__ is not object.__str__ or not is_dataclass(thing)


def _short_fields(thing: Any) -> list[tuple[str, str]]:
    """Names and shortened values of the fields of a dataclass."""
    return [(each.name, _short(getattr(thing, each.name))) for each in fields(thing) if each.repr]


def _short(value: Any) -> str:
    """The repr of a value, shortened."""
    if isinstance(value, np.ndarray):
        if value.size > _MOST_NUMBERS:
            return f"{value.dtype} of shape {value.shape}"
        return np.array2string(value, separator=", ", precision=6)
    text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    if len(text) > _MOST_CHARACTERS:
        return text[: _MOST_CHARACTERS - 3] + "..."
    return text
