"""Tables and values for people: as text, in a notebook, as a DataFrame."""

from collections.abc import Iterable, Mapping, Sequence
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
    aligned, widths = [], []
    for name, values in columns.items():
        fmt = (formats or {}).get(name, "")
        values = list(values)
        cells = [format_value(value, fmt.removeprefix(">")) for value in values]
        if heading:
            cells.insert(0, name)
        width = max(map(len, cells), default=0)
        left = not fmt.startswith(">") and all(isinstance(value, str) for value in values)
        aligned.append([cell.ljust(width) if left else cell.rjust(width) for cell in cells])
        widths.append(width)
    lines = ["  ".join(cells).rstrip() for cells in zip(*aligned, strict=True)]
    if heading:
        lines.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join(lines)


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
    """Mixin: a table in notebooks, under a link to the page of the class.

    The table is that of :meth:`to_frame`, if there is one and pandas is installed; else what
    ``print`` shows, if that is more than the repr; else the fields of the dataclass.
    """

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
            return table
    if type(thing).__str__ is not object.__str__ or not is_dataclass(thing):
        return f"<pre>{escape(str(thing))}</pre>"
    rows = "".join(
        f"<tr><th>{escape(field.name)}</th><td>{escape(_short(getattr(thing, field.name)))}</td>"
        "</tr>"
        for field in fields(thing)
        if field.repr
    )
    return f"<table>{rows}</table>"


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
