"""How the site is built from the Markdown of this folder: ``make docs`` writes it into ``build/docs``."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

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


def plain_bars(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Bars in docstrings are conditions and absolute values, not reStructuredText's substitutions."""
    lines[:] = [
        line if line.startswith((" ", ">>>")) else re.sub(r"(``.*?``)|\|", lambda found: found[1] or r"\|", line)
        for line in lines
    ]


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", plain_bars)
