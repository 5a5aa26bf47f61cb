"""How the gallery runs the examples: small, and in which order."""

from pathlib import Path

import matplotlib
from sphinx_gallery.sorting import FileNameSortKey

#: Arguments of the examples that would take long without.
SMALL = {
    "plot_compress_ensemble.py": ["--members", "6", "--quick"],
    "plot_multiview.py": ["--quick"],
}
FIRST = ["quickstart.py", "plot_forest.py", "plot_choose.py", "export.py", "service.py"]


def small_settings(gallery_conf: dict, script_vars: dict) -> list[str]:
    """What stands behind the name of the file."""
    return SMALL.get(Path(script_vars["src_file"]).name, [])


def sharp_figures(gallery_conf: dict, fname: str) -> None:
    """Of every example, before it runs."""
    matplotlib.rcParams.update({"figure.dpi": 100, "savefig.dpi": 150})


class InOrder(FileNameSortKey):
    """The easy ones first, then by name."""

    def __call__(self, filename: str) -> str:
        """Key of a file."""
        place = FIRST.index(filename) if filename in FIRST else len(FIRST)
        return f"{place}{filename}"
