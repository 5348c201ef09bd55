"""The leaderboard ranks what intervals tell apart, and refuses what cannot be."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from strangers import command

from morl.spec import RunError
from morl.studies import Study, Table
from morl.studies.comparison import Summary
from morl.studies.leaderboard import Board, Entry, _judged, _ranked, boards, page, studies_in
from morl.studies.report import shown_interval
from morl.studies.statistics import Interval

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "studies"


def entry(name: str, value: float, low: float, high: float) -> Entry:
    return Entry(name, "s", None, Summary(Interval(value, low, high), value, low, high, 5))


@pytest.fixture
def folder(whole_study: Study, tmp_path: Path) -> Path:
    """What is published of a study: no cells."""
    left_out = shutil.ignore_patterns("cells", "*.parquet")
    return Path(shutil.copytree(whole_study.path, tmp_path / "studies" / "tiny", ignore=left_out))


def test_studies_become_boards_and_a_page(folder: Path, tmp_path: Path) -> None:
    made = boards(studies_in([folder.parent]))
    assert [board.environment for board in made] == [
        "morl/DeepSeaTreasureConcave-v0",
        "morl/DeepSeaTreasureMirrored-v0",
    ]
    for board in made:
        assert {one.algorithm for one in board.entries} == {"ParetoQLearning", "weights"}
        assert board.reference is not None
        assert all(0 < one.value <= board.reference * (1 + 1e-9) and one.ranks[0] > 0 for one in board.entries)
        assert [one.value for one in board.entries] == sorted((one.value for one in board.entries), reverse=True)
    out = tmp_path / "deep" / "page.html"
    assert command(["study", "leaderboard", str(folder), "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == page(boards([Study.open(folder)]))
    twice = boards([Study.open(folder), Study.open(folder)])
    assert [len(board.entries) for board in twice] == [4, 4]


def test_more_than_the_exact_front_allows_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table.load(folder / "table.csv")
    cheat = [
        replace(row, value=row.value + 200.0)
        if (row.kind, row.name, row.algorithm, row.seed, row.index) == ("point", "treasure", "weights", 1, 0)
        and row.value is not None
        else row
        for row in table
    ]
    Table(tuple(cheat)).save(folder / "table.csv")
    words = ["study", "leaderboard", str(folder), "--out", str(tmp_path / "page.html")]
    assert command(words) == 1
    assert "weights in morl/DeepSeaTreasureConcave-v0 is above the exact front" in capsys.readouterr().err
    (first, _) = boards([Study.open(folder)])
    refused = [one for one in first.entries if one.refused]
    assert [(one.algorithm, one.ranks) for one in refused] == [("weights", (0, 0))]
    assert first.entries[-1] == refused[0]
    assert "above the exact front: 1 point above it" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_ceiling_is_named_and_rounding_passes() -> None:
    ceilings = [("the exact front", 9302.4), ("what is proven of the problem (bound)", 9000.0)]
    assert "proven of the problem (bound): hypervolume 9400" in _judged(Entry("x", "", 0, 9400.0), ceilings).refused
    assert _judged(Entry("x", "", 0, 9302.401), ceilings[:1]).refused == ""
    assert _judged(entry("x", 9310.0, 9290.0, 9330.0), ceilings[:1]).refused == ""  # its interval reaches below
    assert "at most 9302.4 is possible" in _judged(entry("x", 9400.0, 9390.0, 9410.0), ceilings[:1]).refused


def test_entries_that_intervals_do_not_tell_apart_share_places() -> None:
    ranked = _ranked([entry("c", 5, 4, 6), entry("a", 10, 9, 11), entry("b", 9.5, 8, 10), entry("d", 8.9, 8.8, 8.95)])
    assert [(one.algorithm, one.ranks) for one in ranked] == [
        ("a", (1, 2)),
        ("b", (1, 3)),
        ("d", (2, 3)),
        ("c", (4, 4)),
    ]
    same = _ranked([entry("a", 7.0, 7.0, 7.0), entry("b", 7 + 1e-12, 7 + 1e-12, 7 + 1e-12)])
    assert [one.ranks for one in same] == [(1, 2), (1, 2)]


@pytest.mark.slow
def test_the_studies_of_this_repository_stand_and_the_page_on_studies_quotes_them() -> None:
    studies = studies_in([RESULTS])
    assert sum(file.stat().st_size for file in RESULTS.rglob("*")) < 1_000_000
    entries = [one for board in boards(studies) for one in board.entries]
    assert {one.study for one in entries} == {"", "finite", "pdmorl-dst", "pdmorl-ftn"}
    assert [one for one in entries if one.refused] == []
    (finite,) = [study for study in studies if study.spec.name == "finite"]
    said = (ROOT / "docs" / "howto" / "studies.md").read_text(encoding="utf-8")
    comparison = finite.compare()
    for algorithm in comparison.algorithms:
        one = comparison.overall("hypervolume", algorithm)
        assert one is not None
        cells = (algorithm, shown_interval(one.mean), *(f"{x:.4g}" for x in (one.median, one.worst, one.best)))
        assert f"| {' | '.join(cells)} |" in said


def test_names_are_text() -> None:
    text = page([Board("<i>", "a & b", "\x1b[2J", None, (Entry("<script>", "x", None, 1.0),))])
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "\x1b" not in text


def test_what_holds_no_study_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no study"):
        studies_in([tmp_path])
    with pytest.raises(RunError, match="no study to rank"):
        boards([])
