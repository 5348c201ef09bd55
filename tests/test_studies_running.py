"""Studies: run once, gone on with, killed at any moment, and refused; the table is the same bit for bit."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from study_programs import TINY

import morl
from morl.runs import RunFolder
from morl.spec import MorlError, RunError
from morl.studies import Study, StudySpec
from morl.studies import running as studying
from morl.studies.leaderboard import boards

posix = pytest.mark.skipif(os.name != "posix", reason="process groups and SIGKILL are POSIX's")


@pytest.fixture
def copied(whole_study: Study, tmp_path: Path) -> Path:
    """A finished study of one's own."""
    return Path(shutil.copytree(whole_study.path, tmp_path / "study"))


def test_a_study_leaves_one_table(whole_study: Study) -> None:
    table = whole_study.table
    assert whole_study.failures == {}
    assert {row.kind for row in table} == {
        "point", "curve", "baseline", "indicator", "cell", "reference", "nothing", "machine",
    }  # fmt: skip
    assert all(row.value == 600 for row in table.of("cell") if row.name == "steps")
    assert {row.name for row in table.of("machine")} >= {"seconds", "morl", "numpy", "processor"}
    assert len([row for row in table.of("cell") if row.name == "steps"]) == 8
    fronts = whole_study.fronts()
    for cell in whole_study.spec.cells():
        run = RunFolder.open(whole_study.path / "cells" / cell.name)
        front = fronts[cell.environment][cell.algorithm][cell.seed]
        assert front.points.tolist() == run.front().points.tolist()
    assert all(front.role == "exact front" for front in whole_study.references.values())
    assert Study.open(whole_study.path).table.rows == table.rows


def test_a_finished_study_is_not_run_again(copied: Path, whole_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    class Never:
        def run(self, function: Any, tasks: Any, listener: Any) -> list[Any]:
            assert not tasks
            return []

    again = morl.study(TINY, copied, engine=Never())
    assert again.table.rows == whole_study.table.rows
    assert (copied / "table.csv").read_bytes() == (whole_study.path / "table.csv").read_bytes()


def test_cells_that_were_stopped_or_damaged_come_to_the_same_end(copied: Path, whole_study: Study) -> None:
    cells = sorted((copied / "cells").iterdir())
    shutil.rmtree(cells[0])  # never begun
    for name in ("config.json", "status.json", "checkpoints", "machine.json", "front.json", "front.csv"):
        path = cells[1] / name  # killed before its configuration was written
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in ("metrics.jsonl",):
        (cells[1] / name).unlink()
    (cells[2] / "front.json").write_text("{}")  # damaged
    run = RunFolder.open(cells[3])  # killed in the middle
    (run.checkpoint / "previous.json").replace(run.checkpoint / "checkpoint.json")
    (run.path / "front.json").unlink()
    run.set_status("running", steps=100)
    (cells[4] / "machine.json").unlink()  # killed at the very end
    again = morl.study(TINY, copied)
    assert again.failures == {}
    assert again.table.results().rows == whole_study.table.results().rows


def test_a_study_grows(copied: Path, whole_study: Study) -> None:
    grown = morl.study({**TINY, "seeds": 3}, copied)
    assert len(grown.fronts()["DeepSeaTreasureConcave-v0"]["weights"]) == 3
    old = [row for row in grown.table.results() if row.seed != 2]
    assert old == list(whole_study.table.results())


def test_another_study_is_refused(copied: Path, tmp_path: Path) -> None:
    before = (copied / "study.json").read_bytes()
    with pytest.raises(RunError, match="was run with steps = 600, and now has 700"):
        morl.study({**TINY, "steps": 700}, copied)
    assert (copied / "study.json").read_bytes() == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("precious")
    with pytest.raises(RunError, match="no study's folder"):
        morl.study(TINY, tmp_path / "other")
    with pytest.raises(MorlError, match="does not exist"):
        Study.open(tmp_path / "nowhere")
    (copied / "study.json").write_text('{"format": "morl-study-1", "study": {"seeds": 0}}')
    with pytest.raises(RunError, match="is damaged"):
        Study.open(copied)


def test_only_one_process_runs_a_study(copied: Path) -> None:
    with studying.locked_folder(copied), pytest.raises(RunError, match="being run by another process"):
        morl.study(TINY, copied)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"algorithms": ["NoSuch"]}, "NoSuch"),
        ({"environments": ["morl/NoSuch-v0"]}, "NoSuch"),
        ({"environments": ["morl/MountainCarContinuous-v0"]}, "ParetoQLearning in MountainCarContinuous-v0: "),
        ({"options": {"epsilon": 7.0}}, "ParetoQLearning in DeepSeaTreasureConcave-v0: .*epsilon"),
        ({"environments": [{"env": "morl/DeepSeaTreasure-v0", "options": {"sea": 3}}]}, "sea"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_run(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(MorlError, match=said):
        morl.study({**TINY, **change}, tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_cell_that_fails_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from morl.agents.multi_weight_q import MultiWeightQLearning

    def breaks(self: Any, until: int) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(MultiWeightQLearning, "_learn", breaks)
    made = morl.study({**TINY, "seeds": 1, "environments": TINY["environments"][:1]}, tmp_path / "study")
    assert made.failures == {"weights--DeepSeaTreasureConcave-v0--s0": "ValueError: broken"}
    assert list(made.fronts()["DeepSeaTreasureConcave-v0"]) == ["ParetoQLearning"]


def test_progress_is_shown_for_all_cells(whole_study: Study) -> None:
    from morl.engines import Outcome
    from morl.studies.progress import Watch

    cells = whole_study.spec.cells()[:2]
    with Watch("tiny", cells, 6) as watch:
        watch.moved(0, 300)
        watch.ended(0, Outcome())
        watch.ended(1, Outcome(error="broken"))
        bar = watch._bar.tasks[0]
    assert (bar.completed, bar.total, bar.description) == (1200, 1200, "tiny  8/8 cells")


# ---- killed -----------------------------------------------------------------------------------------------

PROGRAM = """
import sys
import morl
from study_programs import TINY

if __name__ == "__main__":
    morl.study(TINY, sys.argv[1], jobs=2)
"""


@contextlib.contextmanager
def started(program: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, str(program), str(folder)], env={**os.environ, "PYTHONPATH": path}, start_new_session=True
    ) as process:
        yield process


@pytest.mark.slow
@posix
def test_a_study_killed_five_times_has_the_table_of_the_uninterrupted_one(whole_study: Study, tmp_path: Path) -> None:
    program, folder = tmp_path / "program.py", tmp_path / "study"
    program.write_text(PROGRAM)
    rng = random.Random(8)
    for number in range(5):
        with started(program, folder) as process:
            begun = count_of(folder)
            while count_of(folder) <= begun and process.poll() is None and number:
                time.sleep(0.01)  # until it has done something new
            time.sleep(rng.uniform(0.0, 0.5) if number else 1.5)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    with started(program, folder) as process:
        assert process.wait(120) == 0
    found = Study.open(folder)
    assert found.table.results().rows == whole_study.table.results().rows
    assert (folder / "table.csv").read_text().count("\n") == len(found.table) + 1


def count_of(folder: Path) -> int:
    """Cells that were begun."""
    return sum(1 for _ in (folder / "cells").glob("*/config.json"))


def test_the_spec_of_a_study_is_kept(whole_study: Study) -> None:
    assert Study.open(whole_study.path).spec == StudySpec.from_dict(TINY)


def test_a_protocols_own_names_of_environments_run(tmp_path: Path) -> None:
    wanted = {"algorithms": ["ParetoQLearning"], "environments": ["deep-sea-treasure"], "protocol": "pdmorl-dst"}
    made = morl.study({"name": "p", **wanted, "seeds": 1, "steps": 300}, tmp_path / "p")
    assert made.failures == {}
    assert {front.provenance["env"] for front in made.references.values()} == {"morl/DeepSeaTreasure-v0"}
    (board,) = boards([made])
    assert (board.protocol, board.environment) == ("pdmorl-dst", "deep-sea-treasure (morl/DeepSeaTreasure-v0)")
    assert any(not one.study for one in board.entries), "what is published stands beside"
