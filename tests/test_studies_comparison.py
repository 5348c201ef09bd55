"""Algorithms compared over seeds and environments: by hand for small fronts; tables and figures of them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from morl.cli import main
from morl.pareto import Front
from morl.spec import MorlError
from morl.studies import Study
from morl.studies.comparison import INDICATORS, StudyComparison, compare_fronts
from morl.studies.figures import attained_levels, plot_attainment, staircase
from morl.studies.report import render, sheets, shown_interval
from morl.studies.statistics import Interval, attainment_surfaces

EXACT = Front([[0, 4], [3, 3], [4, 0]], ["a", "b"], [0, 0], 1.0, scale=([0, 0], [4, 4]))
NOTHING = Front([[0, 0]], ["a", "b"], [0, 0], 1.0)


def made(*points: list[float]) -> Front:
    return Front(list(points), ["a", "b"], [0, 0], 1.0, provenance={"seed": 0, "steps": 1})


def small() -> StudyComparison:
    """Two algorithms in two environments, the second of them twice as large."""
    fronts, references, nothing = {}, {}, {}
    for name, factor in (("sea", 1.0), ("ocean", 2.0)):
        good = {s: made([0, 4 * factor], [(3 - 0.5 * s) * factor] * 2) for s in range(3)}
        bad = {s: made([factor * (1 + 0.1 * s)] * 2) for s in range(3)}
        fronts[name] = {"good": good, "bad": bad}
        references[name] = EXACT.replace(points=EXACT.points * factor, scale=([0, 0], [4 * factor, 4 * factor]))
        nothing[name] = NOTHING
    return compare_fronts(fronts, references, nothing)


def test_indicators_are_those_of_the_fronts() -> None:
    found = small()
    first = next(s for s in found.scores if (s.environment, s.algorithm, s.seed) == ("ocean", "good", 0))
    assert set(first.values) == set(INDICATORS)
    assert first.values["hypervolume"] == 36.0
    assert first.values["worst_objective"] == 0.75
    assert found.values("hypervolume", "bad", "sea") == pytest.approx([1.0, 1.21, 1.44])
    assert found.bounds["sea", "hypervolume"] == (0.0, 9.0)
    assert found.bounds["sea", "igd_plus"][1] == 0.0
    assert found.roles == {"sea": "exact front", "ocean": "exact front"}
    assert found.impossible() == []


def test_scores_of_many_environments_are_put_on_one_scale() -> None:
    found = small()
    for name in found.indicators():
        for algorithm in found.algorithms:  # the environments differ in size only
            mine, twice = found.normalised(name, algorithm)
            assert mine == pytest.approx(twice)
        good, bad = (found.overall(name, algorithm) for algorithm in ("good", "bad"))
        assert good is not None
        assert bad is not None
        assert good.mean.value > bad.mean.value
        assert good.worst <= good.median <= good.best
        assert good.runs == 6
    assert found.profile("hypervolume", "good", np.array([-1.0, 0.2, 1.0])).tolist() == [1.0, 1.0, 0.0]
    alone = compare_fronts({"sea": {"good": {0: made([1, 1])}}}, {"sea": EXACT}, {})
    assert alone.comparable_environments("hypervolume") == []
    assert alone.overall("hypervolume", "good") is None


def test_less_is_better_where_it_is() -> None:
    one = small().summary("igd_plus", "bad", "sea")
    assert one is not None
    assert one.best < one.median < one.worst
    for name in ("igd_plus", "hypervolume"):
        (sea, ocean, everywhere) = small().tests(name)
        assert sea.environment == "sea"
        assert everywhere.environment is None
        assert sea.improvement.value == ocean.improvement.value == everywhere.improvement.value == 1.0
        assert sea.p_value == pytest.approx(0.1)  # 2 of the 20 ways
        assert sea.corrected == ocean.corrected == pytest.approx(0.2)
        assert everywhere.corrected == pytest.approx(3 * everywhere.p_value)


def test_claims_above_the_exact_front_are_flagged() -> None:
    found = compare_fronts({"sea": {"liar": {0: made([9, 9])}}}, {"sea": EXACT}, {"sea": NOTHING})
    (line,) = found.impossible()
    assert line.startswith("(!) liar in sea, seed 0: 1 point above the exact front")
    sheet = sheets(found)[0]
    assert sheet.rows[0][0] == "liar (!)"
    assert line in sheet.notes


def test_fronts_need_a_reference_and_indicators_a_name() -> None:
    with pytest.raises(MorlError, match="no reference front"):
        compare_fronts({"sea": {"good": {0: made([1, 1])}}}, {}, {})
    with pytest.raises(MorlError, match="did you mean hypervolume"):
        small().tests("hypervolum")
    with pytest.raises(MorlError, match="expected one of markdown, latex"):
        render([], "word")


def test_tables_are_markdown_and_latex() -> None:
    made_of = small()
    text = render(sheets(made_of), "markdown")
    rows = [line for line in text.splitlines() if line.startswith("| good |")]
    assert len(rows) == 3  # each environment, and both together
    for block in text.split("###")[1:]:
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) == 1
    tex = render(sheets(made_of), "latex")
    assert tex.count(r"\begin{tabular}") == tex.count(r"\end{tabular}") == 5
    assert r"95 \%" in tex
    assert "ε" not in tex
    nasty = StudyComparison(made_of.scores, made_of.bounds, {**made_of.roles, "sea": "a|b\n\x1b[2J%_"})
    assert "\x1b" not in render(sheets(nasty), "markdown") + render(sheets(nasty), "latex")
    assert r"\%\_" in render(sheets(nasty), "latex")


def test_an_interval_without_ends_says_so() -> None:
    assert shown_interval(Interval(2.0, -math.inf, math.inf)) == "2 [–, –]"
    assert shown_interval(Interval(2.0, 2.0, 2.0)) == "2"
    assert shown_interval(Interval(2.0, 1.0, 3.5)) == "2 [1, 3.5]"


# ---- figures ----------------------------------------------------------------------------------------------


def test_a_staircase_bounds_what_is_attained() -> None:
    points = np.array([[3.0, 1.0], [1.0, 3.0]])
    assert staircase(points, np.array([0.0, 0.0])).tolist() == [[0, 3], [1, 3], [1, 1], [3, 1], [3, 0]]


def test_levels_of_a_surface_are_its_third_objective() -> None:
    rng = np.random.default_rng(0)
    surface = attainment_surfaces([rng.integers(0, 5, (4, 3)).astype(float) for _ in range(3)], [0.5])[0.5]
    grid = np.arange(5.0)
    levels = attained_levels(surface, grid, grid)
    for i, x in enumerate(grid):
        for j, y in enumerate(grid):
            best = max((z for a, b, z in surface if a >= x and b >= y), default=math.nan)
            assert best == levels[i, j] or (math.isnan(best) and math.isnan(levels[i, j]))


def test_attainment_of_three_objectives_is_drawn() -> None:
    import matplotlib.pyplot as plt

    front = Front([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]], ["a", "b", "c"], discount=1.0)
    figure = plot_attainment({"one": [front, front], "two": [front]}, front, {"one": "C0", "two": "C1"})
    assert len(figure.axes) == 7  # three maps each, and the bar
    plt.close(figure)


# ---- on the command line ----------------------------------------------------------------------------------


def test_a_study_is_shown_drawn_and_exported(
    whole_study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "show", str(whole_study.path)]) == 0
    told = capsys.readouterr().out
    for word in ("DeepSeaTreasureConcave-v0", "ParetoQLearning", "weights", "P(A better)", "exact front", "worst seed"):
        assert word in told
    assert main(["study", "show", str(whole_study.path), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert len(data["scores"]) == 8
    assert set(data["tests"]) == set(INDICATORS)
    assert main(["study", "plot", str(whole_study.path), "--out", str(tmp_path / "figures"), "--format", "png"]) == 0
    drawn = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert {"intervals.png", "profiles.png", "attainment-DeepSeaTreasureConcave-v0.png"} <= set(drawn)
    assert "curves-DeepSeaTreasureConcave-v0.png" in drawn
    assert main(["study", "export", str(whole_study.path), "--format", "latex"]) == 0
    assert r"\toprule" in capsys.readouterr().out
    for ending in (".md", ".tex", ".csv"):
        assert main(["study", "export", str(whole_study.path), "--out", str(tmp_path / f"x{ending}")]) == 0
        assert (tmp_path / f"x{ending}").stat().st_size > 500


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["study", "nowhere.toml"], "does not exist"),
        (["study", "show", "nowhere"], "does not exist"),
        (["study", "show", "STUDY", "--indicator", "hypervolum"], "did you mean hypervolume"),
        (["study", "plot", "STUDY", "--format", "xyz"], "expected one of pdf, png, svg"),
        (["study", "export", "STUDY", "--out", "x.doc"], "expected .md, .tex, .csv or .parquet"),
        (["study", "export", "STUDY", "--format", "word"], "expected one of markdown, latex"),
    ],
)
def test_mistakes_are_told_in_one_line(
    whole_study: Study, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main([str(whole_study.path) if word == "STUDY" else word for word in words]) in (1, 2)
    told = capsys.readouterr().err.strip()
    assert said in told
    assert told.count("\n") == 0
