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
