"""The life of a run: killed, interrupted, damaged, swapped, led astray, listed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morl import storage
from morl.agents.core import checkpoint
from morl.cli import main
from morl.runs import RunConfig, RunFolder, load_agent, resume, train, training, verify
from morl.runs.seal import Seal
from morl.spec import MorlError, RunError
from morl.testing.agents import digest

SEA = "morl/DeepSeaTreasureConcave-v0"
CONFIG = RunConfig("ParetoQLearning", SEA, 3000, checkpoint_every=1000)
posix = pytest.mark.skipif(os.name != "posix", reason="links, FIFOs and signals are POSIX's")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(CONFIG, tmp_path_factory.mktemp("finished"), name="whole").path


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def result(folder: Path) -> tuple[str, dict[str, Any]]:
    """Everything that learning left, and the front without the time it took."""
    run = RunFolder.open(folder)
    front = run.front().to_dict()
    del front["provenance"]["seconds"]
    return digest(load_agent(run)), front


# ---- killed -----------------------------------------------------------------------------------------------

PROGRAM = """
import os, sys
from morl import storage
from morl.runs import RunConfig, train

countdown = int(sys.argv[2])
replace = os.replace

def dying(*args):
    global countdown
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


LONG = """
import sys
from morl.runs import RunConfig, train

sb3 = {"learning_starts": 20, "policy_kwargs": {"net_arch": [8]}}
options = {"algorithm": "DQN", "n_weights": 2, "n_envs": 2, "sb3": sb3}
config = RunConfig(
    "LinearScalarization", "morl/DeepSeaTreasure-v0", 1600, 1, options, checkpoint_every=200, episodes=4
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
    steps = [row["step"] for row in RunFolder.open(tmp_path / "parts").metrics()]
    assert steps == sorted(set(steps))


def test_tuned_options_that_join_a_table_are_the_run_s_own(tmp_path: Path) -> None:
    options = {"n_weights": 1, "n_envs": 1, "sb3": {"learning_starts": 20, "policy_kwargs": {"net_arch": [8]}}}
    run = train(RunConfig("LinearScalarization", "morl/DeepSeaTreasure-v0", 60, 1, options), tmp_path)
    sb3 = load_agent(run).config.sb3
    assert sb3["learning_starts"] == 20
    assert sb3["buffer_size"] == 50_000  # a tuned one
    other = RunConfig.from_dict({**run.config, "options": {**options, "sb3": {"learning_starts": 21}}})
    with pytest.raises(RunError, match=r"config.json says .*21"):
        training._require_of_run(load_agent(run), run, other, run.places[0])


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
    assert steps == [1000, 2000, 3000]
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
    [{"track": "wandb"}, {"steps": 0}, {"episodes": 0}, {"checkpoint_every": -5}, {"ref_point": (0.0,)},
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


# ---- damaged ------------------------------------------------------------------------------------------------


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.stat().st_size)


def test_a_finished_run_is_whole_and_has_two_checkpoints(finished: Path) -> None:
    assert verify(RunFolder.open(finished)) == []
    folder = finished / "checkpoints"
    names = [json.loads((folder / name).read_text())["arrays"] for name in ("checkpoint.json", "previous.json")]
    assert names[0] != names[1]
    steps = [
        json.loads((folder / n).read_text())["meta"]["num_timesteps"] for n in ("checkpoint.json", "previous.json")
    ]
    assert steps[0] > steps[1]


def test_a_run_saved_once_has_a_second_copy(tmp_path: Path) -> None:
    run = train(RunConfig("ParetoQLearning", SEA, 500), tmp_path)
    for arrays in sorted(run.checkpoint.glob("arrays-*"))[:1]:
        arrays.write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert load_agent(run).num_timesteps >= 500


def test_files_that_nobody_sealed_are_named(copied: Path, finished: Path) -> None:
    run = RunFolder.open(copied)
    for name in ("notes.txt", "front.json.bak"):
        (copied / name).write_text("mine")
    (copied / ".front.json.0123.part").write_text("half")  # what a kill leaves behind
    assert [problem.split(" is ")[0] for problem in verify(run)] == [
        repr(str(copied / name)) for name in ("front.json.bak", "notes.txt")
    ]
    for file in ("notes.txt", "front.json.bak", "front.json"):
        (copied / file).unlink()
    seal = json.loads((copied / "seal.json").read_text())
    del seal["files"]["front.json"], seal["seal"], seal["format"]
    Seal(**seal).write(copied)  # as of a run killed before its front, into which somebody put one
    shutil.copy(finished / "front.json", copied / "front.json")
    run = RunFolder.open(copied)
    with pytest.warns(UserWarning, match="none that the run sealed"):
        run.front()
    with pytest.warns(UserWarning, match="none that the run sealed"):
        (problem,) = verify(run)
    assert "front.json' is unsealed" in problem


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_bit_anywhere_is_named_and_loses_nothing(copied: Path, seed: int) -> None:
    rng = random.Random(seed)
    for file in _files(copied):
        whole = file.read_bytes()
        for _ in range(4):
            damaged = bytearray(whole)
            damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
            file.write_bytes(bytes(damaged))
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                run = RunFolder.open(copied)
                assert verify(run) or said, f"{file} was altered unnoticed"
                assert load_agent(run).num_timesteps >= 2000
        file.write_bytes(whole)
    assert verify(RunFolder.open(copied)) == []


@pytest.mark.parametrize("name", ["config.json", "status.json", "front.json", "front.csv", "metrics.jsonl", "seal.json",
                                  "checkpoints"])  # fmt: skip
def test_what_is_another_runs_is_noticed(copied: Path, tmp_path: Path, name: str) -> None:
    asked = RunConfig("ParetoQLearning", SEA, 3000, 1, {"discount": 0.9}, checkpoint_every=1000)
    other = train(asked, tmp_path, name="other").path
    if name == "checkpoints":
        shutil.rmtree(copied / name)
        shutil.copytree(other / name, copied / name)
    else:
        shutil.copy(other / name, copied / name)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            found = verify(RunFolder.open(copied))
        except RunError as error:
            found = [str(error)]
    assert found or said
    if name == "checkpoints":
        with pytest.raises(RunError, match="another run"):
            load_agent(RunFolder.open(copied))


def test_a_front_edited_by_hand_is_read_with_a_warning(copied: Path) -> None:
    front = json.loads((copied / "front.json").read_text())
    front["points"][0][0] += 1
    (copied / "front.json").write_text(json.dumps(front))
    with pytest.warns(UserWarning, match="was altered after the run wrote it"):
        assert RunFolder.open(copied).front().points[0, 0] == front["points"][0][0]


def test_a_run_of_an_earlier_version_is_read_and_called_unsealed(copied: Path, capsys: Any) -> None:
    (copied / "seal.json").unlink()
    config = json.loads((copied / "config.json").read_text())
    del config["run"]
    (copied / "config.json").write_text(json.dumps(config))
    for file in (copied / "checkpoints").glob("*.json"):
        body = json.loads(file.read_text())
        del body["seal"], body["meta"]["run"]
        file.write_bytes(checkpoint._seal({**body, "format": "morl-checkpoint-1"}))
    assert load_agent(RunFolder.open(copied)).num_timesteps >= 3000
    assert main(["runs", "verify", str(copied)]) == 0
    assert "unsealed" in capsys.readouterr().out
    assert main(["resume", str(copied), "-n", "100", "-q"]) == 0


@pytest.mark.parametrize("name", ["front.json", "status.json", "config.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 5000, '{"a": ' + "1" * 6000 + "}", "\xff\xfe", "null", "1e999"])
def test_one_damaged_run_does_not_hide_the_others(finished: Path, tmp_path: Path, name: str, text: str, capsys) -> None:
    for i in range(3):
        shutil.copytree(finished, tmp_path / f"r{i}")
    (tmp_path / "r1" / name).write_text(text, encoding="latin-1")
    assert main(["runs", "list", str(tmp_path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert sorted(Path(row["run"]).name for row in rows) == ["r0", "r1", "r2"]
    assert [row["points"] is not None for row in rows if not row["run"].endswith("r1")] == [True, True]
    assert main(["runs", "verify", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith(": whole") for line in lines] == [True, False, True]
    assert main(["runs", "prune", str(tmp_path)]) == 0


# ---- led astray ----------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("name", ["metrics.jsonl", "status.json", "front.json", "front.csv", "config.json", "seal.json",
                                  "checkpoints", "checkpoints/checkpoint.json", "checkpoints-stopped", "tensorboard",
                                  ".lock", ".seal-lock"])  # fmt: skip
@pytest.mark.parametrize("kind", ["link", "dangling", "fifo"])
def test_nothing_outside_a_run_folder_is_touched(copied: Path, tmp_path: Path, name: str, kind: str, capsys) -> None:
    outside = tmp_path / "outside"
    planted = copied / name
    if kind == "link" and planted.exists():
        planted.rename(outside)
    elif planted.is_dir():
        shutil.rmtree(planted)
    else:
        planted.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(planted)
    else:
        planted.symlink_to(outside)
    before = {p: p.read_bytes() for p in [outside, *outside.rglob("*")] if p.is_file()}
    for words in (["resume", str(copied), "-n", "500", "-q"], ["eval", str(copied)], ["compare", str(copied)]):
        assert main(words) == 1, words
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "expected a regular file" in said
    assert main(["runs", "verify", str(copied)]) == 1
    assert main(["runs", "list", str(tmp_path)]) == 0
    assert main(["runs", "prune", str(tmp_path), "--yes"]) == 0
    assert {p: p.read_bytes() for p in [outside, *outside.rglob("*")] if p.is_file()} == before


@posix
def test_pruning_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs").mkdir()
    run = RunFolder.create(tmp_path / "elsewhere", "r", {"algo": "PCN"})
    run.set_status("failed")
    (tmp_path / "runs" / "r").symlink_to(run.path)
    inside = RunFolder.create(tmp_path / "runs", "s", {"algo": "PCN"})
    inside.set_status("failed")
    (inside.path / "checkpoints").symlink_to(run.path)
    assert main(["runs", "prune", str(tmp_path / "runs"), "--yes"]) == 0
    assert not inside.path.exists()
    assert (run.path / "config.json").is_file()


def _reseal(folder: Path, change: Any, arrays: Any = None) -> None:
    """Alter a checkpoint and give it checksums that hold."""
    from safetensors.numpy import load_file, save

    for name in ("checkpoint.json", "previous.json"):
        body = json.loads((folder / name).read_text())
        del body["seal"]
        if arrays is not None:
            held = load_file(folder / body["arrays"])
            arrays(held)
            payload = save(held)
            body["sha256"], body["bytes"] = storage.sha256(payload), len(payload)
            (folder / body["arrays"]).write_bytes(payload)
        change(body)
        (folder / name).write_bytes(checkpoint._seal(body))


def _put(name: str, value: Any) -> Any:
    return lambda body: body["meta"].update({name: value})


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b.update(arrays="../../x"), lambda b: b.update(arrays="/etc/passwd"), lambda b: b.update(arrays=3),
        lambda b: b.update(arrays="arrays-../../secret.safetensors"), lambda b: b.update(bytes=-1),
        lambda b: b.update(bytes="x"), lambda b: b.update(meta=[]), lambda b: b.pop("sha256"),
        _put("config", {"max_points": 2}), _put("config", {"max_points": "x"}), _put("config", {"nope": 1}),
        _put("config", 3), _put("seed", -1), _put("seed", "x"), _put("seed", 7), _put("num_timesteps", -1),
        _put("num_timesteps", 1e300), _put("num_timesteps", 10**90), _put("segment", None), _put("algorithm", "PCN"),
        _put("algorithm", 3), _put("env", "other"), _put("objectives", []), _put("objectives", [3]), _put("facts", {}),
        _put("facts", []), _put("eval_calls", [1]), _put("seconds", "x"), _put("run", "f" * 32),
    ],
)  # fmt: skip
def test_an_altered_manifest_is_refused_in_one_line(copied: Path, change: Any) -> None:
    _reseal(copied / "checkpoints", change)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(RunError) as caught:
            load_agent(RunFolder.open(copied))
    assert "\n" not in str(caught.value)


def _drop(arrays: dict[str, np.ndarray]) -> None:
    del arrays["sets.value"]


def _nan(arrays: dict[str, np.ndarray]) -> None:
    arrays["sets.value"].flat[3] = np.nan


@pytest.mark.parametrize(
    "arrays",
    [
        _drop, _nan, lambda a: a.clear(), lambda a: a.update(more=np.zeros(3)),
        lambda a: a.update({"sets.value": a["sets.value"][:, :, :1].copy()}),
        lambda a: a.update({"sets.value": a["sets.value"][:2].copy()}),
        lambda a: a.update({"sets.value": a["sets.value"].astype(np.float32)}),
        lambda a: a.update({"counts.seen": a["counts.seen"].astype(np.float64)}),
        lambda a: a.update({"counts.visits": a["counts.visits"][..., None].copy()}),
        lambda a: a["counts.successor"].fill(10**9), lambda a: a["counts.successor"].fill(-9),
        lambda a: a["counts.n_actions"].fill(99), lambda a: a["sets.size"].fill(10**6),
        lambda a: a["sets.size"].fill(-1),
    ],
)  # fmt: skip
def test_arrays_that_the_config_does_not_expect_are_refused(copied: Path, arrays: Any) -> None:
    _reseal(copied / "checkpoints", lambda body: None, arrays)
    with pytest.raises(RunError) as caught:
        load_agent(RunFolder.open(copied))
    assert "\n" not in str(caught.value)


def test_networks_that_diverged_are_not_preferred(tmp_path: Path) -> None:
    from morl.agents.envelope import Envelope
    from morl.testing import problems

    agent = Envelope(problems.deterministic(), seed=0, n_envs=2, net_arch=(8,)).learn(200)
    agent.save(tmp_path / "c")
    next(iter(agent.net.parameters())).data.fill_(float("nan"))
    with pytest.raises(RunError, match=r"not written: net\..* holds nan"):
        agent.save(tmp_path / "c")
    with pytest.raises(RunError, match="diverged"):
        agent.save(tmp_path / "d")
    assert not (tmp_path / "d").exists()
    assert Envelope.load(tmp_path / "c", problems.deterministic()).num_timesteps == agent.num_timesteps


# ---- many ----------------------------------------------------------------------------------------------------


def test_listing_reads_no_fronts(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    shutil.copytree(finished, tmp_path / "r")

    def heavy(*_: object, **__: object) -> None:
        raise AssertionError("a front was read")

    monkeypatch.setattr("morl.pareto.front.Front.from_dict", heavy)
    assert main(["runs", "list", str(tmp_path), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["points"] == 10
    assert row["state"] == "finished"
