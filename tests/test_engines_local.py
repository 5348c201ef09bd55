"""Tasks here and in processes: the same outcomes in the same order, and none lost with its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from study_programs import dies, dies_at_first, own_pid, square

from morl.engines import Silent, engine_of
from morl.engines.local import ATTEMPTS, Outcome
from morl.spec import MorlError, SpecError


class Heard:
    """Remembers what it hears."""

    def __init__(self) -> None:
        self.ends: dict[int, Outcome] = {}

    def moved(self, task: int, number: int) -> None:
        """Steps."""

    def ended(self, task: int, outcome: Outcome) -> None:
        """An outcome."""
        assert task not in self.ends
        self.ends[task] = outcome


EXPECTED = [Outcome(9), Outcome(error="ValueError: no"), Outcome(49, warnings=("seven",)), Outcome(0)]


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_outcomes_are_in_the_order_of_tasks(jobs: int) -> None:
    heard = Heard()
    assert engine_of(jobs=jobs).run(square, [3, -1, 7, 0], heard) == EXPECTED
    assert [heard.ends[i] for i in range(4)] == EXPECTED


@pytest.mark.slow
def test_a_task_whose_process_dies_is_begun_again(tmp_path: Path) -> None:
    (outcome,) = engine_of(jobs=2).run(dies_at_first, [str(tmp_path)], Heard())
    assert outcome.error is None
    assert outcome.result != os.getpid()
    (outcome,) = engine_of(jobs=2).run(dies, [str(tmp_path)], Heard())
    assert outcome.error is not None
    assert f"died {ATTEMPTS} times" in outcome.error


def test_engines_have_names_and_jobs_are_counted() -> None:
    with pytest.raises(SpecError, match="at least 1"):
        engine_of(jobs=0)
    with pytest.raises(SpecError, match="give --engine ray"):
        engine_of(address="auto")
    with pytest.raises(MorlError, match="did you mean ray"):
        engine_of("rays")


UNGUARDED = """
from study_programs import TINY
import morl
morl.study(TINY, {out!r}, jobs=2)
"""


@pytest.mark.slow
def test_a_program_without_a_main_guard_is_told_so(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(UNGUARDED.format(out=str(tmp_path / "out")))
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path},
        check=False, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 1
    assert 'program.py: put what it does under if __name__ == "__main__":' in ended.stderr.splitlines()[-1]


@pytest.mark.slow
def test_processes_are_kept_while_the_engine_is_open_and_end_with_it() -> None:
    engine = engine_of(jobs=2)
    with engine:
        first = {outcome.result for outcome in engine.run(own_pid, [0, 1], Silent())}
        kept = {worker.process.pid for worker in engine._idle}
        assert kept == first
        assert {outcome.result for outcome in engine.run(own_pid, [0, 1], Silent())} == first
        os.kill(min(first), signal.SIGKILL)  # a process that dies in between is replaced
        again = {outcome.result for outcome in engine.run(own_pid, [0, 1, 2, 3], Silent())}
        assert again <= {worker.process.pid for worker in engine._idle}
        assert min(first) not in again
        pids = [worker.process for worker in engine._idle]
    assert not any(process.is_alive() for process in pids)
