"""The pages of the reference, written from ``__all__`` of each subpackage, and what holds them.

A page a public name, at ``reference/generated/skprune.<subpackage>.<Name>.html``: the address that
the HTML repr of an estimator links to (``skprune/utils/_doc_link.py``).
"""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from sphinx.application import Sphinx
from sphinx.domains.python import ObjectEntry
from sphinx.errors import ExtensionError
from sphinx.pycode import ModuleAnalyzer

import skprune
from skprune.utils import SkpruneEstimator
from skprune.utils._tables import DOCUMENTATION, reference_page

HERE = Path(__file__).parent / "reference" / "generated"
SUBPACKAGES = tuple(f"skprune.{subpackage}" for subpackage in skprune._SUBPACKAGES)


def public_names(subpackage: str) -> list[str]:
    """What a subpackage exports."""
    return sorted(importlib.import_module(subpackage).__all__, key=str.lower)


def write_pages() -> None:
    """Write a page a subpackage and a page a name; take away those of names that are gone."""
    HERE.mkdir(parents=True, exist_ok=True)
    pages = {}
    for subpackage in SUBPACKAGES:
        module = importlib.import_module(subpackage)
        names = public_names(subpackage)
        pages[subpackage] = subpackage_page(subpackage, module, names)
        for name in names:
            pages[f"{subpackage}.{name}"] = name_page(subpackage, name, getattr(module, name))
    top = [f"- {{py:obj}}`skprune.{name} <{home}.{name}>`" for name, home in skprune._HOME.items()]
    (HERE / "top.txt").write_text("\n".join([*top, ""]), encoding="utf-8")
    for path in HERE.glob("*.rst"):
        if path.stem not in pages:
            path.unlink()
    for stem, text in pages.items():
        path = HERE / f"{stem}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:  # else read again
            path.write_text(text, encoding="utf-8")


def subpackage_page(subpackage: str, module: ModuleType, names: list[str]) -> str:
    """The names of one subpackage, in tables of kinds."""
    lines = [
        f":mod:`{subpackage}`",
        "=" * (len(subpackage) + 7),
        "",
        f".. module:: {subpackage}",
        "",
    ]
    lines += [inspect.cleandoc(module.__doc__ or ""), ""]
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(kind_of(getattr(module, name)), []).append(name)
    for kind in ("Estimators", "Classes", "Functions", "Exceptions and warnings", "Constants"):
        if kind not in kinds:
            continue
        lines += [kind, "-" * len(kind), "", ".. list-table::", "   :widths: 35 65", ""]
        for name in kinds[kind]:
            role = "data" if kind == "Constants" else "obj"
            lines.append(f"   * - :py:{role}:`~{subpackage}.{name}`")
            lines.append(f"     - {first_sentence(subpackage, name, getattr(module, name))}")
        lines.append("")
    lines += [".. toctree::", "   :hidden:", ""]
    lines += [f"   {subpackage}.{name}" for name in names]
    return "\n".join([*lines, ""])


def kind_of(thing: Any) -> str:
    """The table that a name stands in."""
    if not inspect.isclass(thing):
        return "Functions" if inspect.isroutine(thing) else "Constants"
    if issubclass(thing, BaseException):
        return "Exceptions and warnings"
    return "Estimators" if issubclass(thing, SkpruneEstimator) else "Classes"


def name_page(subpackage: str, name: str, thing: Any) -> str:
    """The page of one name."""
    lines = [name, "=" * len(name), "", f".. currentmodule:: {subpackage}", ""]
    if kind_of(thing) == "Constants":
        lines += [f".. py:data:: {name}", f"   :module: {subpackage}", ""]
        lines += [f"   {line}" for line in comment_of(subpackage, name)]
        lines += ["", "   .. code-block:: python", ""]
        lines += [f"      {line}" for line in shown(thing)]
    elif not inspect.isclass(thing):
        lines.append(f".. autofunction:: {name}")
    else:
        lines.append(f".. autoclass:: {name}")
        methods, properties, inherited = members_of(thing)
        if methods or properties:
            title = "Methods and properties" if properties else "Methods"
            lines += ["", f".. rubric:: {title}", ""]
        lines += [f".. autoproperty:: {name}.{member}" for member in properties]
        lines += [f".. automethod:: {name}.{member}" for member in methods]
        if inherited:
            lines += ["", ".. rubric:: From scikit-learn", ""]
            lines.append(", ".join(f"``{member}``" for member in inherited) + ".")
    # sphinx-gallery knows names by the shortest way to them.
    short = [f"skprune.{name}"] + [f"skprune.{name}.{m}" for m in ("from_estimator", "from_result")]
    lines += [
        "",
        f".. minigallery:: {' '.join(short)}",
        "   :add-heading: Examples that use it",
        "",
    ]
    return "\n".join(lines)


def members_of(kind: type) -> tuple[list[str], list[str], list[str]]:
    """Methods and properties of our own, and names of those that scikit-learn gives."""
    methods, properties, inherited = [], [], []
    if issubclass(kind, BaseException):
        return methods, properties, inherited
    for name in dir(kind):
        home = (
            next(c for c in kind.__mro__ if name in vars(c)) if not name.startswith("_") else None
        )
        if home is None or home is object:
            continue
        value = inspect.getattr_static(kind, name)
        if not home.__module__.startswith("skprune"):
            if home.__module__.startswith("sklearn"):
                inherited.append(name)
        elif isinstance(value, property):
            properties.append(name)
        elif type(value).__name__ == "RequestMethod":
            inherited.append(name)
        elif callable(getattr(kind, name, None)) and inspect.getdoc(getattr(kind, name)):
            methods.append(name)
    return methods, properties, inherited


def first_sentence(subpackage: str, name: str, thing: Any) -> str:
    """The first line of what is said of a name."""
    doc = comment_of(subpackage, name) if kind_of(thing) == "Constants" else None
    text = " ".join(doc) if doc else (inspect.getdoc(thing) or "").split("\n\n")[0]
    text = " ".join(text.split())
    return re.split(r"(?<=[.:;]) ", text)[0].rstrip(":;")


def comment_of(subpackage: str, name: str) -> list[str]:
    """The ``#:`` comment above a constant, wherever in the subpackage it stands."""
    module = importlib.import_module(subpackage)
    places = [
        subpackage,
        *(f"{subpackage}.{m.name}" for m in pkgutil.iter_modules(module.__path__)),
    ]
    for place in places:
        docs = ModuleAnalyzer.for_module(place).find_attr_docs()
        if ("", name) in docs:
            return [line for line in docs["", name] if line]
    raise ExtensionError(f"{subpackage}.{name} has no `#:` comment, and no docstring to show")


def shown(thing: Any) -> list[str]:
    """A constant, one element a line."""
    if isinstance(thing, dict):
        return ["{", *(f"    {key!r}: ..." for key in thing), "}"]
    return ["(", *(f"    {element!r}," for element in thing), ")"]


def note_short_names(app: Sphinx, env: Any) -> None:
    """``skprune.Name`` is another name of ``skprune.<subpackage>.Name``, with its methods."""
    objects = env.domains.python_domain.objects
    for name, home in skprune._HOME.items():
        for found in [key for key in objects if f"{key}.".startswith(f"{home}.{name}.")]:
            short = found.replace(f"{home}.", "skprune.", 1)
            entry = objects[found]
            objects[short] = ObjectEntry(entry.docname, entry.node_id, entry.objtype, False)


def escape_types(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list) -> None:
    """``n_members_`` in a shape is no link, and ``*sample_shape_`` no emphasis."""
    for i, line in enumerate(lines):
        if not _TYPE.match(line) or "`" in line:
            continue
        start = line.index(" : ") + 3 if " : " in line else 0
        kind = re.sub(r"(?<![\\*])\*(?=\w)", r"\\*", line[start:])
        lines[i] = line[:start] + re.sub(r"(?<=\w)_(?!\w)", r"\\_", kind)


_TYPE = re.compile(r"\s*(\*{0,2}\w+(, \*{0,2}\w+)* : |(ndarray|array-like|list|tuple|dict) )")
_PUBLIC = {
    (subpackage, name)
    for subpackage in SUBPACKAGES
    for name in importlib.import_module(subpackage).__all__
}


def check_pages(app: Sphinx, exception: Exception | None) -> None:
    """Every public name has a page, and every link of an HTML repr leads to one."""
    if exception is not None or app.builder.name != "html":
        return
    objects = app.env.domains.python_domain.objects
    missing = []
    for subpackage, name in sorted(_PUBLIC):
        page = Path(app.outdir) / "reference" / "generated" / f"{subpackage}.{name}.html"
        if not page.exists() or f"{subpackage}.{name}" not in objects:
            missing.append(f"{subpackage}.{name}")
        thing = getattr(importlib.import_module(subpackage), name)
        if inspect.isclass(thing) and hasattr(thing, "_repr_html_"):
            link = reference_page(thing).removeprefix(DOCUMENTATION)
            if not (Path(app.outdir) / link).exists():
                missing.append(f"{link}, which the HTML repr of {name} links to")
    if missing:
        raise ExtensionError("Not in the reference: " + "; ".join(missing))


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before anything is read; check them after the build."""
    write_pages()
    app.connect("autodoc-process-docstring", escape_types, priority=400)  # before numpydoc
    app.connect("env-updated", note_short_names)
    app.connect("build-finished", check_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
