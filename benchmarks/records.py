"""Rows of measurements, kept as they come: a run that is stopped loses none of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np


def record(row: dict[str, Any], out: Path | None) -> None:
    """Print a row as a line of JSON, and append it to a file where one is given."""
    line = as_json(row)
    print(line, flush=True)
    if out is not None:
        with out.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def as_json(data: Any, indent: int | None = None) -> str:
    """JSON that every program reads: NaN and infinite numbers, which it does not have, are null."""
    return json.dumps(_finite(data), indent=indent, allow_nan=False)


def _finite(data: Any) -> Any:
    if isinstance(data, np.ndarray | np.generic):
        data = data.tolist()
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


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
