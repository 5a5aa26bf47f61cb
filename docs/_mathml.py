"""Formulas as MathML, which browsers draw themselves: no script, and no network."""

from html import escape
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx


def inline(visitor: Any, node: nodes.math) -> None:
    """A formula in a line."""
    visitor.body.append(formula(node.astext(), block=False))
    raise nodes.SkipNode


def display(visitor: Any, node: nodes.math_block) -> None:
    """A formula by itself."""
    visitor.body.append(f'<div class="math notranslate">{formula(node.astext(), block=True)}</div>')
    raise nodes.SkipNode


def formula(tex: str, block: bool) -> str:
    """MathML; what cannot be read is an error of the build."""
    try:
        return tex2mathml(tex, as_block=block)
    except Exception as error:
        raise ValueError(f"The formula {escape(tex)} cannot be drawn: {error}") from error


def setup(app: Sphinx) -> dict[str, Any]:
    """Make it a renderer that ``html_math_renderer`` can name."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
