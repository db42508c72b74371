"""The manual: Sphinx with MyST pages, numpydoc docstrings and the Furo theme; `make docs` builds it."""

from importlib import metadata

project = "corange"
author = "The corange developers"
copyright = f"2026, {author}"
release = version = metadata.version("corange")

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
]
plot_formats = ["svg"]
plot_html_show_formats = False
plot_html_show_source_link = False
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3

# The docstrings say which types are accepted, more readably than annotations do.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_theme = "furo"
html_title = f"corange {release}"
html_copy_source = False
html_show_sphinx = False
