"""The page of :func:`morl.explore`: one HTML file with its scripts, style and data inside, and no way out.

The page holds names that anybody may have written. They are data: JSON in which no ``<`` is left, in a block that is
not executed, and the page's scripts write them as text, never as markup. Its content security policy allows the
page's own scripts by their hashes, and no request of any kind.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

SCRIPTS = (
    "vendor/echarts.min.js",
    "core.js",
    "elicit.js",
    "charts.js",
    "scatter.js",
    "parallel.js",
    "player.js",
    "panels.js",
    "app.js",
)
"""Scripts of the page in the order in which they run."""


def page(data: Mapping[str, Any]) -> str:
    """The whole page as HTML."""
    scripts, style = [_file(name) for name in SCRIPTS], _file("style.css")
    allowed = " ".join(map(_source, scripts))
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src {_source(style)}; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    parts = {
        "policy": html.escape(policy),
        "title": html.escape(str(data["title"])),
        "style": style,
        "data": as_script(data),
        "scripts": "\n".join(f"<script>{text}</script>" for text in scripts),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _file("page.html"))


def as_script(data: Any) -> str:
    """JSON that no HTML parser takes for anything else, whatever text is in it.

    >>> as_script("</script>\u2028&")
    '"\\\\u003c/script\\\\u003e\\\\u2028\\\\u0026"'
    """
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))  # ASCII
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@cache
def _file(name: str) -> str:
    return (files("morl.explorer") / "static" / name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """How a content security policy names a script or style: by the SHA-256 of its text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
