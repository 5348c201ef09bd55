"""Where an agent's numbers go. Logging is not evaluation: nothing here runs a policy."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from morl import storage


class Logger(Protocol):
    """Anything with this method can receive an agent's numbers (a file, TensorBoard, a database…)."""

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Receive named values measured at an environment step."""


class NullLogger:
    """Forgets everything."""

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Do nothing."""


class MemoryLogger:
    """Keeps rows in a list, for notebooks and tests."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Append one row."""
        self.rows.append({"step": step, **values})


class JsonlLogger:
    """Appends one JSON object per line to a file; each line is flushed, so a killed run loses nothing."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Append one line; NaN and inf become null."""
        row = {"step": step, **{k: _plain(v) for k, v in values.items()}}
        storage.append(self.path, json.dumps(row, allow_nan=False) + "\n")


class TensorboardLogger:
    """Writes scalars for TensorBoard (extra ``track``)."""

    def __init__(self, folder: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            from morl.spec import MissingExtraError

            raise MissingExtraError("TensorBoard logging", "track") from None
        self._writer: Any = SummaryWriter(str(folder))

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Write every number among the values."""
        for key, value in values.items():
            if isinstance(value, int | float):
                self._writer.add_scalar(key, value, step)
        self._writer.flush()


class Loggers:
    """Sends everything to several loggers."""

    def __init__(self, *loggers: Logger) -> None:
        self.loggers = loggers

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Pass the values on."""
        for logger in self.loggers:
            logger.log(values, step)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(x) for x in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
