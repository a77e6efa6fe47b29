"""Settings of Sphinx; the pages are Markdown, read by MyST. Building needs no network."""

from importlib.metadata import version as installed_version

project = "focusfix"
author = "The focusfix developers"
project_copyright = "2026, The focusfix developers"
release = installed_version("focusfix")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "numpydoc",
]
exclude_patterns = ["_build", "results/*.md"]  # tables, included in pages

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False

html_theme = "alabaster"
html_title = f"focusfix {release}"
html_theme_options = {
    "description": "Out-of-focus microscopy images, made sharp",
    "fixed_sidebar": True,
    "page_width": "64rem",
}
html_show_sourcelink = False
