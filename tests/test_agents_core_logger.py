"""Logs are valid lines."""

from __future__ import annotations

import json

import numpy as np

from morl.agents.core.logger import JsonlLogger


def test_jsonl_logger_writes_valid_lines(tmp_path) -> None:
    logger = JsonlLogger(tmp_path / "a" / "m.jsonl")
    logger.log({"x": np.float64(1.5), "y": float("nan"), "z": np.array([1, 2])}, 10)
    row = json.loads((tmp_path / "a" / "m.jsonl").read_text())
    assert row == {"step": 10, "x": 1.5, "y": None, "z": [1, 2]}
