"""How the site is built from the Markdown of this folder: ``make docs`` writes it into ``build/docs``."""

from __future__ import annotations

import pydoc
import re
import tomllib
from pathlib import Path
from typing import Any

from sphinx.util.nodes import make_refnode

ROOT = Path(__file__).resolve().parent.parent

project = "morl"
copyright = "the morl contributors"
release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
root_doc = "index"
exclude_patterns = ["README.md", "agents/curves/**"]
suppress_warnings = ["myst.header"]  # pages that are read on their own too begin where they like

html_theme = "furo"
html_title = "morl"
html_static_path = ["_static"]
html_css_files = ["site.css"]

myst_enable_extensions = ["html_image", "dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # notebooks are kept executed; tests run them
myst_links_external_new_tab = True

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes that are properties too are described once


nitpicky = True  # a reference that names nothing is an error, as every other warning is
nitpick_ignore_regex = [  # in signatures and lists of errors, as written there
    ("py:class", r"(np|optuna|torch)\..*|Axes"),  # of other projects, whose sites are elsewhere
    ("py:exc", "LearningInterrupted|OutOfTime"),  # of the machinery, which has no pages
]


def plain(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Take docstrings as they are meant.

    Bars are conditions and absolute values, not reStructuredText's substitutions. What stands before a colon in the
    first line about an attribute is no type, as Napoleon would have it.
    """
    lines[:] = [
        line if line.startswith((" ", ">>>")) else re.sub(r"(``.*?``)|\|", lambda found: found[1] or r"\|", line)
        for line in lines
    ]
    if what in ("attribute", "property", "data"):
        lines[:0] = ["..", ""]  # an empty comment, where a type would be


def linked(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Link a name that Sphinx does not find as it is written; plain text where it has no page, ``None`` for none.

    Public names (``morl.solve``) are found by what they stand for, short ones (``Front.role``) by their ends.
    """
    if node.get("refdomain") != "py":
        return None
    name, module = node["reftarget"], node.get("py:module") or ""
    objects = env.get_domain("py").objects
    thing = pydoc.locate(name) or pydoc.locate(f"{module}.{name}")
    canonical = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"
    ends = sorted((known for known in objects if known.endswith(f".{name}")), key=len)
    near = [known for known in ends if module and known.startswith(f"{module}.")]
    for known in (canonical, *near, *ends):
        if known in objects:
            entry = objects[known]
            return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, known)
    return None if thing is None else content


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", plain, priority=400)  # before Napoleon
    app.connect("missing-reference", linked)
