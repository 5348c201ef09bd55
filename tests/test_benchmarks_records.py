"""Rows of studies: what was recorded is read again, and a line that was cut off costs only itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_a_row_cut_off_is_dropped_and_the_next_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    sys.modules.pop("records", None)
    from records import record, recorded

    out = tmp_path / "rows.jsonl"
    assert recorded(None) == recorded(out) == []
    record({"seed": 0}, out)
    with out.open("a", encoding="utf-8") as file:
        file.write('{"seed": 1')
    assert recorded(out) == [{"seed": 0}]
    record({"seed": 1}, out)
    assert recorded(out) == [{"seed": 0}, {"seed": 1}]
