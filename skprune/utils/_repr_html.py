"""What a notebook shows of reports, tables, curves and solutions, with links to their pages."""

from dataclasses import fields, is_dataclass
from html import escape
from typing import Any

import numpy as np

__all__ = ["DOCUMENTATION", "PAGE", "ReprHTML", "place", "reference_page"]

#: Address of the documentation; ``pyproject.toml`` has the same.
DOCUMENTATION = "https://skprune.readthedocs.io/en/stable/"
PAGE = DOCUMENTATION + "reference/generated/{module}.{name}.html"

_MOST_NUMBERS = 12
_MOST_CHARACTERS = 300


class ReprHTML:
    """Mixin: shown as a table in notebooks, under a link to its page.

    The table is that of :meth:`to_frame`, where there is one and pandas is there; else what
    ``print`` shows, where that is more than the repr; else the fields of the dataclass.
    """

    def _repr_html_(self) -> str:
        kind = type(self)
        name = escape(kind.__name__)
        if kind.__module__.split(".")[0] == "skprune":
            name = f'<a href="{reference_page(kind)}" rel="noreferrer" target="_blank">{name}</a>'
        return f"<div><p>{name}</p>{_body(self)}</div>"


def _body(thing: Any) -> str:
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
        f"<tr><th>{escape(field.name)}</th><td>{escape(_shown(getattr(thing, field.name)))}</td>"
        "</tr>"
        for field in fields(thing)
        if field.repr
    )
    return f"<table>{rows}</table>"


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.size > _MOST_NUMBERS:
            return f"{value.dtype} of shape {value.shape}"
        return np.array2string(value, separator=", ", precision=6)
    text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    if len(text) > _MOST_CHARACTERS:
        return text[: _MOST_CHARACTERS - 3] + "..."
    return text


def place(kind: type) -> dict[str, str]:
    """Subpackage and name under which a public class is documented."""
    return {"module": ".".join(kind.__module__.split(".")[:2]), "name": kind.__name__}


def reference_page(kind: type) -> str:
    """Address of the page of a public class."""
    return PAGE.format(**place(kind))
