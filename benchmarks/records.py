"""Rows of measurements, kept as they come: a run that is stopped loses none of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def record(row: dict[str, Any], out: Path | None) -> None:
    """Print a row as a line of JSON, and append it to a file where one is given."""
    line = json.dumps(row)
    print(line, flush=True)
    if out is not None:
        with out.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def recorded(out: Path | None) -> list[dict[str, Any]]:
    """Rows that a file has already; a last line that was cut off is dropped from it, and measured again.

    Raises:
        ValueError: a complete line is not JSON.
    """
    if out is None or not out.exists():
        return []
    text = out.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:  # the next row would be glued to what is left of this one
        out.write_text(whole, encoding="utf-8")
    return [json.loads(line) for line in whole.splitlines()]
