"""Training runs: killed, interrupted, locked, refused, and resumed to the same end."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import CONFIG, result

from morl.agents.core import checkpoint
from morl.cli import main
from morl.runs import RunConfig, RunFolder, load_agent, resume, train, verify
from morl.runs.loading import _require_of_run
from morl.spec import MorlError, RunError

posix = pytest.mark.skipif(os.name != "posix", reason="links, FIFOs and signals are POSIX's")


# ---- killed -----------------------------------------------------------------------------------------------

PROGRAM = """
import os, sys
from morl import storage
from morl.runs import RunConfig, train

countdown = int(sys.argv[2])
replace = os.replace

def dying(*args):
    global countdown
    if not str(args[1]).startswith(sys.argv[1]):  # machine code that a first call leaves behind
        return replace(*args)
    countdown -= 1
    if countdown == 0:
        os._exit(9)
    replace(*args)
    if countdown == 1 and sys.argv[3] == "after":
        os._exit(9)

os.replace = dying
config = RunConfig("ParetoQLearning", "morl/DeepSeaTreasureConcave-v0", 3000, checkpoint_every=1000)
train(config, sys.argv[1], name="r")
"""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_killed_at_any_write_is_finished_by_resume(finished: Path, tmp_path: Path, when: str) -> None:
    """Each write of a run's life in turn is its last; the moment after the first is before there is a configuration."""
    expected = result(finished)
    for number in range(3, 100, 3):
        root = tmp_path / str(number)
        ended = subprocess.run([sys.executable, "-c", PROGRAM, str(root), str(number), when], check=False)
        if ended.returncode == 0:
            break
        assert ended.returncode == 9
        run = RunFolder.open(root / "r")
        (problem,) = verify(run)
        assert "morl resume" in problem
        resume(run)
        assert result(root / "r") == expected, number
        assert verify(RunFolder.open(root / "r")) == []
    assert number > 15


SAMPLED = PROGRAM.replace(
    'RunConfig("ParetoQLearning", "morl/DeepSeaTreasureConcave-v0", 3000, checkpoint_every=1000)',
    'RunConfig("ParetoEvolution", "morl/MountainCar-v0", 2000, checkpoint_every=1000, eval_share=0.4)',
).replace('train(config, sys.argv[1], name="r")', 'train(config, sys.argv[1], name="r")\nprint(-countdown)')


@pytest.mark.slow
def test_a_run_with_sampled_fronts_is_the_same_however_it_was_killed(tmp_path: Path) -> None:
    """Its front, its learning curve and its count of evaluation steps; killed last while the front is measured."""

    def ledger(folder: Path) -> Any:
        run = RunFolder.open(folder)
        rows = [row for row in run.metrics() if any(key.startswith(("front/", "baseline/")) for key in row)]
        return result(folder), rows, run.status["eval_steps"]

    def killed(name: str, number: int) -> str:
        command = [sys.executable, "-W", "ignore", "-c", SAMPLED, str(tmp_path / name), str(number), "before"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    writes = int(killed("whole", 0))
    expected = ledger(tmp_path / "whole" / "r")
    assert len(expected[1]) > 1
    assert expected[2] > 0
    for number in (writes // 2, writes - 4, writes - 1):
        killed(str(number), number)
        run = RunFolder.open(tmp_path / str(number) / "r")
        assert run.state == "killed"
        resume(run, clean=True)
        assert ledger(run.path) == expected, number


LONG = """
import sys
from morl.runs import RunConfig, train

sb3 = {"learning_starts": 20, "policy_kwargs": {"net_arch": [8]}}
options = {"algorithm": "DQN", "n_weights": 2, "n_envs": 2, "sb3": sb3}
config = RunConfig(
    "LinearScalarization", "morl/DeepSeaTreasure-v0", 1500, 1, options, checkpoint_every=200, episodes=4
)
train(config, sys.argv[1], name=sys.argv[2])
"""


@pytest.mark.slow
@posix
def test_a_run_killed_at_random_moments_ends_as_the_uninterrupted_one(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", LONG, str(tmp_path), "whole"], check=True)
    expected = result(tmp_path / "whole")
    rng = random.Random(5)
    process = subprocess.Popen([sys.executable, "-c", LONG, str(tmp_path), "parts"])
    while not (tmp_path / "parts" / "config.json").is_file():
        assert process.poll() is None
        time.sleep(0.02)
    for _ in range(4):
        time.sleep(rng.uniform(0.0, 2.0))
        process.kill()
        process.wait()
        process = subprocess.Popen([sys.executable, "-m", "morl", "resume", str(tmp_path / "parts"), "-q"])
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(6.0)  # imports take a while
    process.wait()
    if RunFolder.open(tmp_path / "parts").state != "finished":
        assert main(["resume", str(tmp_path / "parts"), "-q"]) == 0
    assert result(tmp_path / "parts") == expected
    assert_metrics_are_in_order(RunFolder.open(tmp_path / "parts"))


def assert_metrics_are_in_order(run: RunFolder) -> None:
    """Rows of every kind (logs, baselines, the front along the way) are there once for each step, in order."""
    rows = [(row["step"], {name.partition("/")[0] for name in row}) for row in run.metrics()]
    assert [step for step, _ in rows] == sorted(step for step, _ in rows)
    for kind in ("seconds", "baseline", "front"):
        steps = [step for step, names in rows if kind in names]
        assert len(steps) == len(set(steps)), kind


def test_tuned_options_that_join_a_table_are_the_run_s_own(tmp_path: Path) -> None:
    options = {"n_weights": 1, "n_envs": 1, "sb3": {"learning_starts": 20, "policy_kwargs": {"net_arch": [8]}}}
    run = train(RunConfig("LinearScalarization", "morl/DeepSeaTreasure-v0", 60, 1, options), tmp_path)
    sb3 = load_agent(run).config.sb3
    assert sb3["learning_starts"] == 20
    assert sb3["buffer_size"] == 50_000  # a tuned one
    other = RunConfig.from_dict({**run.config, "options": {**options, "sb3": {"learning_starts": 21}}})
    with pytest.raises(RunError, match=r"config.json says .*21"):
        _require_of_run(load_agent(run), run, other, run.places[0])


def test_a_run_that_has_no_front_yet_is_measured_by_resume(copied: Path, finished: Path) -> None:
    for name in ("front.json", "front.csv"):
        (copied / name).unlink()
    run = RunFolder.open(copied)
    run.set_status("running", steps=2000)
    assert run.state == "killed"
    assert any("morl resume" in problem for problem in verify(run))
    resume(run)
    assert result(copied) == result(finished)
    with pytest.raises(RunError, match="has learned from all of its 3,000 steps"):
        resume(RunFolder.open(copied))


def test_metrics_are_not_doubled(copied: Path) -> None:
    steps = [row["step"] for row in RunFolder.open(copied).metrics()]
    assert sorted(set(steps)) == [0, 1000, 2000, 3000]  # logs, and the front along the way
    assert steps == sorted(steps)
    folder = copied / "checkpoints"
    (folder / "previous.json").replace(folder / "checkpoint.json")  # as if killed in the last third
    (copied / "front.json").unlink()
    with open(copied / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 29')
    resume(RunFolder.open(copied))
    again = [row["step"] for row in RunFolder.open(copied).metrics()]
    assert again == steps


PARALLEL = """
import sys
from morl.runs import RunConfig, train

if __name__ == "__main__":
    options = {"n_weights": 4, "n_envs": 2, "processes": 2, "sb3": {"n_steps": 16, "batch_size": 32}}
    train(RunConfig("LinearScalarization", "morl/DeepSeaTreasure-v0", 10_000_000, 1, options), sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_no_process_outlives_a_killed_run(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PARALLEL)
    # An orphan has no parent that could name it, but its environment is inherited.
    mark = f"MORL_TEST={tmp_path}"
    process = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path / "runs")], env={**os.environ, "MORL_TEST": str(tmp_path)}
    )
    _until(lambda: len(_marked(mark)) >= 5)  # itself, the tracker, the server and two workers
    process.kill()
    process.wait()
    _until(lambda: not _marked(mark))


def _marked(mark: str) -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(folder.name)
    return found


def _until(condition: Any) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("waited for two minutes")


# ---- interrupted, locked, refused ---------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_what_was_learned_and_name_the_run(tmp_path: Path, number: int) -> None:
    train(CONFIG, tmp_path, name="other")
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    def press(agent: Any) -> None:
        if agent.num_timesteps > 1500:
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt) as caught:
        train(CONFIG, tmp_path, name="mine", callbacks=[press])
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    os.utime(tmp_path / "other" / "config.json")  # the newest
    assert str(tmp_path / "mine") in "".join(caught.value.__notes__)
    run = RunFolder.open(tmp_path / "mine")
    assert run.state == "interrupted"
    assert load_agent(run).num_timesteps == run.status["steps"] > 1500
    assert verify(run) == []


@pytest.mark.parametrize(("error", "state"), [(SystemExit(3), "failed"), (KeyboardInterrupt(), "interrupted")])
def test_whatever_ends_a_run_leaves_a_truthful_status(tmp_path: Path, error: BaseException, state: str) -> None:
    def leave(agent: Any) -> None:
        if agent.num_timesteps > 1500:
            raise error

    with pytest.raises(type(error)):
        train(CONFIG, tmp_path, callbacks=[leave])
    (folder,) = tmp_path.iterdir()
    run = RunFolder.open(folder)
    assert run.state == state
    assert load_agent(run).num_timesteps > 1500


def test_an_interrupt_while_the_front_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("morl.agents.base.Agent.front", press)
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, tmp_path, name="r")
    monkeypatch.undo()
    run = RunFolder.open(tmp_path / "r")
    assert run.state == "interrupted"
    assert len(resume(run).front()) > 1


def test_one_process_trains_a_run(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunFolder.open(copied)
    with run.training():
        assert main(["resume", str(copied), "-n", "1000", "-q"]) == 1
        said = capsys.readouterr().err
        assert "another process" in said
        assert said.count("\n") == 1
    assert main(["resume", str(copied), "-n", "1000", "-q"]) == 0
    assert RunFolder.open(copied).status["steps"] >= 4000


@pytest.mark.parametrize(
    "wrong",
    [{"track": "paper"}, {"steps": 0}, {"episodes": 0}, {"checkpoint_every": -5}, {"ref_point": (0.0,)},
     {"algo": "Nope"}, {"options": {"nope": 1}}],
)  # fmt: skip
def test_a_refusal_leaves_nothing_behind(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(MorlError):
        train(dataclasses.replace(CONFIG, **wrong), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_callbacks_that_do_not_fit_leave_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(MorlError):
        train(CONFIG, tmp_path / "runs", callbacks=["no callback"])  # type: ignore[list-item]
    assert not (tmp_path / "runs").exists()


def test_a_full_disk_at_the_first_checkpoint_speaks_of_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Any, payload: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("morl.storage.write_atomic", full)
    with pytest.raises(RunError, match=r"No space left.*there is none before it"):
        checkpoint.save(tmp_path / "c", {}, {"x": np.zeros(2)})
    assert not (tmp_path / "c").exists()


def test_the_ten_thousandth_run_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for number in range(2, 10_001):
        (tmp_path / f"x-{number}").mkdir()
    assert RunFolder.create(tmp_path, "x", {}).path.name == "x-10001"


def test_a_run_killed_before_its_first_step_measures_its_baselines_once(tmp_path: Path) -> None:
    run = train(RunConfig("MultiWeightQLearning", "morl/DeepSeaTreasure-v0", 2_000, 0), tmp_path)
    rows = run.metrics()
    assert sum("baseline/random/points" in row for row in rows) == 1
    run.trim_metrics(0)
    assert run.metrics() == []


# ---- read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(RunConfig)])
def test_fields_of_another_kind_are_refused_by_name(field: str) -> None:
    good = CONFIG.to_dict()
    assert RunConfig.from_dict(good) == CONFIG
    for value in ("x" if field == "eval_share" else 3.5, {"a": [1]} if "options" not in field else [1]):
        with pytest.raises(RunError, match=f"run configuration has {field} .*; expected"):
            RunConfig.from_dict({**good, field: value})


@pytest.mark.parametrize("ref_point", [["a"], [None], [[1.0]], [10**400]])
def test_reference_points_are_numbers(ref_point: Any) -> None:
    with pytest.raises(RunError, match="run configuration cannot be read"):
        RunConfig.from_dict({**CONFIG.to_dict(), "ref_point": ref_point})
