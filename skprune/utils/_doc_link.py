"""Where the pages of the reference stand: the one place that knows."""

from typing import ClassVar

__all__ = ["DOCUMENTATION", "DocumentationLink", "reference_page"]

#: Address of the documentation; ``pyproject.toml`` names the same.
DOCUMENTATION = "https://skprune.readthedocs.io/en/stable/"

_PAGE = DOCUMENTATION + "reference/generated/{module}.{name}.html"


def reference_page(kind: type) -> str:
    """Address of the page of a public class.

    Parameters
    ----------
    kind : type
        A class that a subpackage of skprune exports.

    Returns
    -------
    str
    """
    return _PAGE.format(**_place(kind))


class DocumentationLink:
    """Mixin, left of ``BaseEstimator``: the HTML repr of an estimator links to its page."""

    # scikit-learn asks these; a class of another package that derives from ours has no link.
    _doc_link_module: ClassVar[str] = "skprune"
    _doc_link_template: ClassVar[str] = _PAGE

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        return _place(type(self))


def _place(kind: type) -> dict[str, str]:
    # A public name is documented in its subpackage: skprune.amount, also for skprune.amount.curves.
    return {"module": ".".join(kind.__module__.split(".")[:2]), "name": kind.__name__}
