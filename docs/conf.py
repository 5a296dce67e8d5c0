"""Sphinx configuration."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs" / "extensions"))

project = "steepest"
author = "the steepest developers"
copyright = "2026, the steepest developers"
version = release = installed("steepest")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "fact_tables",
    "method_table",
    "solver_table",
]
templates_path = ["_templates"]
exclude_patterns = [
    "_build",
    "sg_execution_times.rst",
    *(f"gallery/generated/*.{end}" for end in ("ipynb", "py", "json")),
]
default_role = "py:obj"

html_theme = "pydata_sphinx_theme"
html_title = f"steepest {release}"
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False, "show_nav_level": 2}
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_sidebars = {"architecture": [], "gallery/index": []}  # pages without siblings

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": [str(ROOT / "examples")],
    "gallery_dirs": ["gallery/generated"],
    "filename_pattern": r"/plot_",
    "within_subsection_order": "gallery_order.MethodOrder",
    "capture_repr": (),
    "download_all_examples": False,
    "remove_config_comments": True,
    "abort_on_example_error": False,
    "only_warn_on_example_error": False,
    "show_memory": False,
    "plot_gallery": True,
}
