"""Folders of this user, by the conventions of the platform."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

_UNIX = {"config": ("XDG_CONFIG_HOME", ".config"), "data": ("XDG_DATA_HOME", ".local/share")}


def user_folder(kind: Literal["config", "data"]) -> Path | None:
    """Where this package keeps what is this user's own (``config``: the key) and what it fetched (``data``).

    Returns:
        A folder that may not exist yet; ``None`` where the user has no home.
    """
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        variable, usual = _UNIX[kind]
        given = Path(os.environ.get(variable, ""))
        base = given if given.is_absolute() else home / usual
    return base / "morl"
