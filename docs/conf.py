"""Sphinx's settings: ``make docs`` builds the pages into docs/_build, warnings being errors."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for _gallery.py, _mathml.py, _reference.py

# Examples train on one core, and TensorFlow greets on stderr.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "agg")

import skprune  # noqa: E402

project = "skprune"
author = "the skprune developers"
copyright = author
version = release = skprune.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "_mathml",
    "_reference",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["_build", "Thumbs.db", "auto_examples/**/*.md5"]
root_doc = "index"

# Markdown: formulas between dollars, blocks between colons, links to headings.
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

# Docstrings: what numpydoc reads; types are in the tables of parameters.
numpydoc_show_class_members = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
add_module_names = False
toc_object_entries = False

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = f"skprune {release}"
html_static_path = ["_static"]
html_css_files = ["skprune.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "show_toc_level": 2,
    "show_nav_level": 1,
    "navigation_depth": 2,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
html_sidebars = {"index": [], "auto_examples/index": []}

# Examples: those named plot_* run, with few members and short training; all others are shown.
# The one on a cluster starts processes that import the file that is run, which is Sphinx here.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_(?!dask)",
    "ignore_pattern": r"__init__\.py",
    "write_computation_times": False,
    "subsection_order": [
        "../examples/pruning",
        "../examples/amount",
        "../examples/networks",
        "../examples/clusters",
        "../examples/serving",
    ],
    "within_subsection_order": "_gallery.InOrder",
    "reset_argv": "_gallery.small_settings",
    "reset_modules": ("matplotlib", "_gallery.sharp_figures"),
    "capture_repr": ("_repr_html_",),
    "doc_module": ("skprune",),
    "backreferences_dir": "reference/backreferences",
    "default_thumb_file": str(HERE / "_static" / "thumbnail.png"),
    "show_memory": False,
    "download_all_examples": False,
    "remove_config_comments": True,
    "min_reported_time": 1,
    "plot_gallery": True,
    "abort_on_example_error": True,
    "parallel": False,
}
