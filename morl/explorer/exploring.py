"""``morl.explore``: fronts as a page to look at, ask, and choose from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl.explorer.data import page_data
from morl.explorer.page import page
from morl.storage import write_atomic

if TYPE_CHECKING:
    from morl.pareto import Front

LARGEST = 8 * 2**20
"""Bytes of the largest page that is written."""


def explore(
    fronts: Front | Mapping[str, Front],
    path: str | Path,
    *,
    reference: Front | None = None,
    title: str | None = None,
    commands: Mapping[str, str] | None = None,
    media: Mapping[int, Any] | None = None,
) -> Path:
    """Write a page."""
    from morl.pareto import Front

    if isinstance(fronts, Front):
        fronts = {str(fronts.provenance.get("algorithm", "front")): fronts}
    text = page(page_data(fronts, reference, title=title, commands=commands, media=media))
    return write_atomic(Path(path), text)
