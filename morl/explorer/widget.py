"""The page as a widget of a notebook: in a frame of its own that can reach neither the notebook nor the network."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from morl.spec import MissingExtraError


def widget(text: str, height: int = 900) -> Any:
    """A widget that shows a page; its trait ``point`` is the identity of the point that is shown.

    Args:
        text: the page.
        height: of the frame, in pixels.

    Raises:
        MissingExtraError: anywidget is not installed.
    """
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise MissingExtraError("exploring a front in a notebook", "notebook") from None

    class Explorer(anywidget.AnyWidget):  # type: ignore[misc]
        """A page in a notebook."""

        _esm = (files("morl.explorer") / "static" / "widget.js").read_text(encoding="utf-8")
        page = traitlets.Unicode(help="the page as HTML").tag(sync=True)
        height = traitlets.Int(900).tag(sync=True)
        point = traitlets.Unicode("", help="identity of the point that is shown").tag(sync=True)

    return Explorer(page=text, height=height)
