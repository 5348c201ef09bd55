"""Rows of measurements: JSON that other programs read, kept as they come and read again."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import joint
import numpy as np
import pytest
from records import as_json, record, recorded


def strictly(text: str) -> Any:
    """Read JSON as programs do that know no Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_numbers_that_json_does_not_have_become_null() -> None:
    row = {"steps": math.inf, "shares": [0.5, math.nan, (-math.inf, 1)], "deep": {"x": np.float64("nan"), "n": 3}}
    assert strictly(as_json(row)) == {"steps": None, "shares": [0.5, None, [None, 1]], "deep": {"x": None, "n": 3}}
    assert (
        as_json({"a": 0.1, "b": True, "c": None, "d": "Infinity"})
        == '{"a": 0.1, "b": true, "c": null, "d": "Infinity"}'
    )


def test_rows_are_printed_and_kept_as_they_come(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows.jsonl"
    for steps in (100, math.inf):
        record({"steps": steps}, out)
        assert strictly(out.read_text().splitlines()[-1]) == strictly(capsys.readouterr().out)
    assert [strictly(line)["steps"] for line in out.read_text().splitlines()] == [100, None]
    record({"steps": 1}, None)
    assert len(out.read_text().splitlines()) == 2


def test_a_comparison_without_a_hypervolume_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    one = {"tasks": {"energy": -20.0}, "answers": {}, "hypervolume": math.nan, "mean": -20.0, "worst": -20.0}
    lines = [
        strictly(as_json({"case": "force field", "seed": seed, "joint": one, "single": one, "delta": 0.0}))
        for seed in (0, 1)
    ]
    joint.report(lines)
    table = capsys.readouterr().out
    assert "| force field | energy | -20.00 ± 0.00 | -20.00 ± 0.00 | 0.00 ± 0.00 |" in table
    assert "hypervolume" not in table


def test_a_row_cut_off_is_dropped_and_the_next_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    assert recorded(None) == recorded(out) == []
    record({"seed": 0}, out)
    with out.open("a", encoding="utf-8") as file:
        file.write('{"seed": 1')
    assert recorded(out) == [{"seed": 0}]
    record({"seed": 1}, out)
    assert recorded(out) == [{"seed": 0}, {"seed": 1}]
