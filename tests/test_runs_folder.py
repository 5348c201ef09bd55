"""Run folders: damaged, swapped, led astray, listed."""

from __future__ import annotations

import json
import os
import random
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import TREASURE

from morl import storage
from morl.agents.core import checkpoint
from morl.cli import main
from morl.runs import RunConfig, RunFolder, load_agent, train, verify
from morl.runs.curves import read_curve
from morl.runs.seal import Seal
from morl.spec import RunError

posix = pytest.mark.skipif(os.name != "posix", reason="links, FIFOs and signals are POSIX's")


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
    run = train(RunConfig("ParetoQLearning", TREASURE, 500), tmp_path)
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
    asked = RunConfig("ParetoQLearning", TREASURE, 3000, 1, {"discount": 0.9}, checkpoint_every=1000)
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


@pytest.mark.parametrize("name", ["config.json", "seal.json", "status.json", "metrics.jsonl", "front.json"])
def test_folders_in_the_place_of_files_are_named(copied: Path, name: str, capsys) -> None:
    (copied / name).unlink()
    (copied / name).mkdir()
    for words in (["resume", str(copied), "-n", "500", "-q"], ["eval", str(copied)], ["front", str(copied)]):
        assert main(words) == 1, words
        assert f"{name}' is a folder; expected a regular file" in capsys.readouterr().err


@pytest.mark.parametrize("fields", [{"state": 3}, {"steps": "many"}, {"points": [1]}, {"seconds": {}}])
def test_a_status_of_another_kind_is_damaged(copied: Path, fields: dict[str, Any], capsys: Any) -> None:
    text = json.dumps({**json.loads((copied / "status.json").read_text()), **fields})
    RunFolder.open(copied).write("status.json", text)  # sealed again
    assert RunFolder.open(copied).state == "damaged"
    assert main(["runs", "verify", str(copied)]) == 1
    assert "damaged" in capsys.readouterr().out
    assert main(["runs", "list", str(copied.parent)]) == 0


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
        lambda a: a.update({"sets.value": np.repeat(a["sets.value"], 2, axis=0)}),
        lambda a: a.update({"counts.successor": np.repeat(a["counts.successor"], 2, axis=0)}),
        lambda a: a.update({"backed": np.repeat(a["backed"], 2)}),
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


@pytest.mark.parametrize("value", ["x", [1.0], {"a": 1}])
def test_metrics_that_are_no_numbers_are_named(copied: Path, value: Any) -> None:
    rows = [json.loads(line) for line in (copied / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        row |= {"front/points": 1, "front/hypervolume": value, "front/min/treasure": 0.0, "front/max/treasure": 1.0}
    (copied / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(RunError, match=r"front/hypervolume .* in its metrics; expected a number"):
        read_curve(RunFolder.open(copied))


# ---- many ----------------------------------------------------------------------------------------------------


def test_listing_reads_no_fronts(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    shutil.copytree(finished, tmp_path / "r")

    def heavy(*_: object, **__: object) -> None:
        raise AssertionError("a front was read")

    monkeypatch.setattr("morl.pareto.front.Front.from_dict", heavy)
    assert main(["runs", "list", str(tmp_path), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["points"] == len(json.loads((finished / "front.json").read_text())["points"])
    assert row["state"] == "finished"


def test_listing_reads_two_small_files_of_each_run(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Ten thousand runs are listed in a second or two: nothing is read twice, and a damaged run costs no more."""
    for name in ("a", "b", "c"):
        shutil.copytree(finished, tmp_path / name)
    (tmp_path / "b" / "config.json").write_text("{")
    read: list[str] = []
    plain = storage.read_regular

    def counted(path: Any, **options: Any) -> bytes:
        read.append(Path(path).relative_to(tmp_path).as_posix())
        return plain(path, **options)

    monkeypatch.setattr(storage, "read_regular", counted)
    assert main(["runs", "list", str(tmp_path), "--json"]) == 0
    assert [row["state"] for row in json.loads(capsys.readouterr().out)].count("damaged") == 1
    assert sorted(read) == ["a/config.json", "a/status.json", "b/config.json", "c/config.json", "c/status.json"]
