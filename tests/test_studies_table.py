"""Tables of studies: CSV and Parquet give back what was written, and anything else is refused in one line."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from morl.pareto import Front
from morl.spec import MorlError, Objective, RunError
from morl.studies.table import COLUMNS, Row, Table, fronts_in, rows_of_front

finite = st.floats(allow_nan=False, allow_infinity=False)
whole = st.none() | st.integers(-(1 << 62), 1 << 62)
words = st.text(st.characters(codec="utf-8"), max_size=6)
rows = st.builds(
    Row, words, words, whole, words, words, whole, whole, st.none() | finite, st.none() | finite, whole,
    st.none() | words.filter(bool),
)  # fmt: skip
relaxed = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@given(made=st.lists(rows, max_size=5))
@relaxed
def test_files_give_back_the_table(tmp_path: Path, ending: str, made: list[Row]) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    file = tmp_path / f"table.{ending}"
    Table(tuple(made)).save(file)
    assert Table.load(file).rows == tuple(made)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@given(payload=st.binary(max_size=80), headed=st.booleans())
@relaxed
def test_any_other_file_is_refused(tmp_path: Path, ending: str, payload: bytes, headed: bool) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    file = tmp_path / f"table.{ending}"
    file.write_bytes(((",".join(COLUMNS) + "\n").encode() if headed else b"") + payload)
    if headed:  # its rows may be whole by chance
        with contextlib.suppress(RunError):
            Table.load(file)
    else:
        with pytest.raises(RunError):
            Table.load(file)


def test_a_table_needs_its_ending(tmp_path: Path) -> None:
    for act in (Table(()).save, Table.load):
        with pytest.raises(RunError, match=r"expected .csv or .parquet"):
            act(tmp_path / "table.xlsx")


LIKE = Front([[3.0, -1.0]], [Objective("gain"), Objective("cost", minimise=True)], [0.0, -9.0], 0.9)


def test_fronts_are_read_back_with_their_errors() -> None:
    covariance = [[[0.04, 0.01], [0.01, 0.09]]] * 2
    front = Front([[2.0, -5.0], [1.0, -2.0]], LIKE.objectives, covariance=covariance, episodes=[9, 9])
    made = Table(tuple(rows_of_front(("agent", "sea", 4), "point", front)))
    assert [row.value for row in made if row.name == "cost"] == [5.0, 2.0]  # as people count
    assert [row.error for row in made] == pytest.approx([0.2, 0.3] * 2)
    read = fronts_in(made, {"sea": LIKE})["sea"]["agent"][4]
    assert read.points.tolist() == front.points.tolist()
    assert read.episodes is not None
    assert read.episodes.tolist() == [9, 9]
    assert read.role == "reference front"


@pytest.mark.parametrize("change", [{"index": 7}, {"index": -1}, {"name": "other"}, {"index": 1 << 60}])
def test_fronts_that_are_not_whole_are_refused(change: dict[str, Any]) -> None:
    from dataclasses import replace

    made = list(rows_of_front(("agent", "sea", 4), "point", LIKE))
    with pytest.raises(MorlError, match="not whole"):
        fronts_in([made[0], replace(made[1], **change)], {"sea": LIKE})
    with pytest.raises(MorlError, match="not whole"):
        fronts_in(made, {})
