"""What a stranger gives runs no code: each reader is attacked, and a marker file would show that something ran."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from strangers import GATHER, READERS, TREASURE, User, alter, command

import morl
from morl.agents.core.config import load_options
from morl.cli import main
from morl.envs import recorded
from morl.envs.catalog import BUILTIN
from morl.envs.template import create_project
from morl.pareto import Front
from morl.runs import RunConfig, RunFolder, load_agent, train
from morl.spec import EnvError, MorlError, SpecError


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a built-in environment."""
    return train(RunConfig("ParetoQLearning", TREASURE, 300), tmp_path_factory.mktemp("treasure")).path


HOSTILE: list[dict[str, Any]] = [
    {"env_options": {"build": "evil_module:strike", "cmd": "x"}},
    {"env_options": {"builder": "evil_module:strike"}},
    {"env_options": {"entry_point": "evil_module:strike"}},
    {"env_options": {"wrappers": ["evil_module:strike"]}},
    {"env_options": {"max_steps": "evil_module:strike"}},
    {"env_options": {"vector_entry_point": "evil_module:strike", "render_mode": "evil_module:strike"}},
    {"env_options": "evil_module:strike"},
    {"env": f"evil_module:{TREASURE}"},
    {"env": f"evil_module.py:{TREASURE}"},
    {"env": ["evil_module:x"]},
    {"algo": "evil_module:strike"},
    {"algo": "evil_module"},
    {"imports": ["evil_module"]},
    {"imports": ["evil_module.py"]},
    {"imports": "evil_module"},
    {"imports": [["evil_module"]]},
    {"imports": {"evil_module": 1}},
    {"imports": ["evil_module"], "files": {"evil_module": None}},
    {"options": {"utility": "evil_module:strike"}},
    {"entry_point": "evil_module:strike", "build": "evil_module:strike"},
    {"env_options": 7},
    {"options": 0.5},
    {"options": ["evil_module"], "steps": "many"},
    {"seed": {"a": 1}, "ref_point": 3, "checkpoint_every": None},
]


@pytest.mark.parametrize("fields", HOSTILE, ids=str)
def test_a_strangers_configuration_runs_no_code(
    fields: dict[str, Any],
    trained: Path,
    user: User,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = user.folder / "runs" / "x"
    shutil.copytree(trained, run)
    (user.folder / "runs" / "evil_module.py").write_text(user.evil.read_text())
    user.becomes("somebody")
    alter(run, **fields)
    monkeypatch.chdir(run.parent)
    for words in READERS:
        command(words(str(run)))
        assert not user.executed, words(str(run))
    assert "evil_module" not in sys.modules
    assert "add --debug" not in capsys.readouterr().err, "every refusal is one that was meant"


@pytest.mark.parametrize("id", [entry.id for entry in BUILTIN if entry.build is not None])
def test_no_argument_replaces_a_builder(id: str, user: User) -> None:
    hostile = {"build": "evil_module:strike"}
    for make in (morl.make, morl.make_vec, gym.make, gym.make_vec):
        with pytest.raises((MorlError, TypeError), match="unexpected keyword argument 'build'"):
            make(id, **hostile)
    with pytest.raises(EnvError, match="argument 'build', which is not one that files may set"):
        recorded.make_recorded(id, hostile)
    assert not user.executed


def test_a_builder_may_declare_an_argument_called_build_which_files_do_not_set() -> None:
    def bandit(build: str = "plain") -> morl.MOMDP:
        return morl.MOMDP.from_arrays([[[1.0]]], [[[float(len(build)), 0.0]]], discount=0.5)

    morl.register_momdp("security/Build-v0", bandit)
    assert morl.make("security/Build-v0", build="wide").momdp().rewards.max() == 4.0
    with pytest.raises(EnvError, match="argument 'build'"):
        recorded.make_recorded("security/Build-v0", {"build": "wide"})


def test_files_set_what_an_environment_declares_and_nothing_else(user: User) -> None:
    make = recorded.make_recorded
    assert make("morl/FruitTree-v0", {"depth": 5}).unwrapped.options == {"depth": 5}
    assert make("morl/MultiDrugDosing-v0", {"discrete": True, "max_steps": 7}).unwrapped.max_steps == 7
    assert make("morl/MountainCar-v0", {"max_episode_steps": 9}).spec.max_episode_steps == 9
    for options, message in (
        ({"dept": 5}, "did you mean depth"),
        ({"depth": "evil_module:strike"}, "names code"),
        ({"depth": {"a": [1, "evil_module:strike"]}}, "names code"),
        ({"depth": "evil_module.py"}, "names code"),
        ({"depth": {"env_id": "x"}}, "names code"),
        ([1], "expected a table"),
    ):
        with pytest.raises(EnvError, match=message):
            make("morl/FruitTree-v0", options)
    with pytest.raises(EnvError, match="not one that files may set"):
        make("morl/Hopper-v5", {"xml_file": "/etc/passwd"})
    assert not user.executed


def test_functions_and_classes_are_no_arguments_for_files(user: User) -> None:
    class Called(gym.Env[int, int]):
        def __init__(self, judge: Callable[[int], float] | None = None, kind: type | None = None, n: int = 2) -> None:
            raise AssertionError

    gym.register("security/Called-v0", Called)
    for name in ("judge", "kind", "id", "env_fn"):
        with pytest.raises(EnvError, match=f"argument '{name}'"):
            recorded.make_recorded("security/Called-v0", {name: "os"})


# ---- fronts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "provenance",
    [
        {"env": "evil_module:lab/X-v0"},
        {"env": "evil_module.py:lab/X-v0"},
        {"env": "{folder}/evil_module.py:lab/X-v0"},
        {"env": "evil_module.py"},
        {"env": "evil_module"},
        {"env": TREASURE, "env_options": {"build": "evil_module:strike"}},
        {"env": TREASURE, "env_options": ["evil_module:strike"]},
        {"env": TREASURE, "imports": ["evil_module"]},
        {"env": {"id": "evil_module:x"}},
        {"algorithm": "evil_module:strike", "policy_class": "evil_module:strike"},
    ],
    ids=str,
)
def test_a_front_file_runs_no_code(provenance: dict[str, Any], user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    provenance = {k: v.format(folder=user.folder) if isinstance(v, str) else v for k, v in provenance.items()}
    file = user.folder / "x.json"
    Front([[0.0, -1.0], [1.0, -9.0]], ["treasure", "time"], discount=0.9, provenance=provenance).save(file)
    monkeypatch.chdir(user.folder)
    command(["compare", str(file)])
    command(["compare", str(file), "--reference", "env"])
    command(["front", str(file), "--reference", "--plot", str(user.folder / "x.png")])
    assert not user.executed
    assert "evil_module" not in sys.modules


def test_what_a_front_would_import_is_said(user: User, capsys: pytest.CaptureFixture[str]) -> None:
    file = user.folder / "x.json"
    Front([[0.0, 1.0]], ["a", "b"], discount=0.9, provenance={"env": "evil; rm -rf:lab/X-v0"}).save(file)
    assert main(["compare", str(file)]) == 0
    said = capsys.readouterr().err
    assert "would import and run 'evil; rm -rf'" in said
    assert "--import 'evil; rm -rf'" in said, "what is to be pasted into a shell is quoted"
    assert main(["compare", str(file), "--reference", "env"]) == 1


# ---- other readers ---------------------------------------------------------------------------------------------------


def test_option_files_name_no_code(user: User, capsys: pytest.CaptureFixture[str]) -> None:
    file = user.folder / "options.toml"
    words = ["train", "--algo", "EUPG", "--env", GATHER, "-n", "10", "-q", "--config", str(file)]
    for text in ('utility = "evil_module:strike"', '[options]\nutility = "evil_module:strike"'):
        file.write_text(text)
        with pytest.raises(SpecError, match="names code"):
            load_options(file)
        assert main([*words, "--out", str(user.folder / "runs")]) == 2
    for text in ('build = "evil_module"', 'imports = ["evil_module"]', 'sb3 = {policy = "evil_module:P"}'):
        file.write_text(text)
        assert main([*words, "--out", str(user.folder / "runs")]) == 2
    assert not user.executed
    assert not (user.folder / "runs").exists()
    file.write_text('utility = "linear:gold=0.3,gem=0.7"')
    assert load_options(file) == {"utility": "linear:gold=0.3,gem=0.7"}


def test_an_option_is_no_place_to_write_to(user: User, capsys: pytest.CaptureFixture[str]) -> None:
    place = user.folder / "elsewhere"
    sb3 = json.dumps({"tensorboard_log": str(place), "verbose": 1})
    words = ["--algo", "LinearScalarization", "--set", "algorithm=DQN", "--set", f"sb3={sb3}", "-n", "100", "-q"]
    assert main(["train", "--env", GATHER, *words, "--out", str(user.folder / "runs")]) == 2
    assert "unknown option of stable-baselines3 DQN 'tensorboard_log'" in capsys.readouterr().err
    assert not place.exists()


def test_a_spec_from_text_names_registered_code_only(user: User) -> None:
    spec = gym.spec(GATHER)
    text = json.loads(spec.to_json())
    assert morl.make(EnvSpec.from_json(json.dumps(text))).unwrapped.momdp().k == 3
    wrapper = {"name": "W", "entry_point": "evil_module:strike", "kwargs": {}}
    for fields in (
        {"entry_point": "evil_module:strike"},
        {"vector_entry_point": "evil_module:strike"},
        {"entry_point": "morl.envs.finite:FiniteEnv(evil_module.strike)"},
        {"id": "lab/Unknown-v0", "entry_point": "evil_module:strike"},
        {"additional_wrappers": [wrapper]},
        {"additional_wrappers": [{**wrapper, "entry_point": "subprocess:run"}]},
        {"kwargs": {"build": "evil_module:strike"}},
    ):
        hostile = EnvSpec.from_json(json.dumps({**text, **fields}))
        for make in (morl.make, morl.make_vec):
            if make is morl.make_vec and "additional_wrappers" in fields:
                continue
            with pytest.raises(MorlError):
                make(hostile)
    assert not user.executed


class _Bomb:
    """Pickled, it touches a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


def test_model_files_hold_no_objects(user: User, capsys: pytest.CaptureFixture[str]) -> None:
    good = user.folder / "good.npz"
    morl.MOMDP.from_arrays([[[1.0]]], [[[1.0, 0.0]]], discount=0.5).save(good)
    with np.load(good, allow_pickle=False) as file:
        arrays = dict(file)
    bomb = np.array([_Bomb(user.marker)], dtype=object)
    for name in arrays:
        np.savez(user.folder / "bad.npz", **{**arrays, name: bomb})
        with pytest.raises(MorlError):
            morl.MOMDP.load(user.folder / "bad.npz")
        assert main(["solve", str(user.folder / "bad.npz")]) == 1
    (user.folder / "bad.npz").write_bytes(pickle.dumps(_Bomb(user.marker)))
    assert main(["solve", str(user.folder / "bad.npz")]) == 1
    assert not user.executed


def test_checkpoints_hold_no_objects(trained: Path, user: User) -> None:
    import hashlib

    header = json.dumps({"__metadata__": {"build": "evil_module:strike"}, "x": {"dtype": "O", "shape": [1]}}).encode()
    npy = io.BytesIO()
    np.save(npy, np.array([_Bomb(user.marker)], dtype=object), allow_pickle=True)
    payloads = [
        pickle.dumps(_Bomb(user.marker)),
        npy.getvalue(),
        struct.pack("<Q", len(header)) + header,
        struct.pack("<Q", 2**60) + b"{",
        struct.pack("<Q", 5) + b"[1,2]",
        b"",
    ]
    for number, payload in enumerate(payloads):
        run = user.folder / "runs" / str(number)
        shutil.copytree(trained, run)
        place = run / "checkpoints"
        for name in ("checkpoint.json", "previous.json"):
            if not (place / name).is_file():
                continue
            body = json.loads((place / name).read_text())
            (place / body["arrays"]).write_bytes(payload)
            body |= {"sha256": hashlib.sha256(payload).hexdigest(), "bytes": len(payload)}
            body.pop("seal")
            seal = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
            (place / name).write_text(json.dumps({**body, "seal": seal}, sort_keys=True))
        for words in (["eval", str(run)], ["resume", str(run), "-n", "9", "-q"], ["runs", "verify", str(run)]):
            assert command(words) == 1
        with pytest.raises(MorlError):
            load_agent(RunFolder.open(run), trust=True)
    assert not user.executed


@pytest.mark.parametrize(
    "name",
    [
        "../up", "/abs", "a/b", "a\\b", "", ".", "-rf", "a b", 'a"b', "a'b", "a\nb", "a\n", "a;b", "@CLASS@", "${x}",
        "a\x1b[2J", "numpy", "morl", "json", "os", "class", "ünïcode", "a" + "\u202e" + "b", "__init__", "3d", "x.py",
    ],
)  # fmt: skip
def test_hostile_project_names_are_refused(name: str, user: User) -> None:
    before = sorted(user.folder.rglob("*"))
    with pytest.raises(EnvError, match="project name is"):
        create_project(name, user.folder)
    assert sorted(user.folder.rglob("*")) == before


def test_a_project_says_nothing_but_its_name(user: User) -> None:
    """Every code cell and file of a new project is the template's, with names that are plain identifiers in it."""
    plain = create_project("night-bus", user.folder)
    other = create_project("Print-exec-Import", user.folder)
    for file in (p for p in plain.rglob("*") if p.is_file()):
        twin = other / str(file.relative_to(plain)).replace("night_bus", "print_exec_import")
        text = file.read_text()
        for mine, theirs in (("night_bus", "print_exec_import"), ("night-bus", "print-exec-import")):
            text = text.replace(mine, theirs)
        assert twin.read_text() == text.replace("NightBus", "PrintExecImport")
    assert json.loads((plain / "night_bus.ipynb").read_text())["nbformat"] == 4


# ---- the terminal ---------------------------------------------------------------------------------------------------

NAMES = ["cost\x1b[2J\x1b]0;owned\x07", "[bold red]x[/] :skull: \u202egnp.exe\u2066", "a\rb\x9bc\u200b\x00\x7f"]


def test_names_from_files_do_not_reach_the_terminal(user: User, capsys: pytest.CaptureFixture[str]) -> None:
    file = user.folder / "names.json"
    front = Front([[0.0, 1.0, 2.0], [1.0, 0.0, 2.0]], NAMES, discount=0.9, provenance={"env": NAMES[0]})
    front.save(file)
    for words in (["front", str(file)], ["compare", str(file)], ["compare", str(file), "--reference", "env"]):
        command(words)
        out, err = capsys.readouterr()
        for text in (out, err):
            assert all(c.isprintable() or c == "\n" for c in text), ascii(text)
    main(["front", str(file)])
    shown = "".join(capsys.readouterr().out.split())
    assert "cost\\x1b[2J" in shown
    assert "[boldred]x[/]:skull:\\u202egnp.exe\\u2066" in shown, "no markup, no emoji"


def test_names_of_runs_and_errors_do_not_reach_the_terminal(
    trained: Path, user: User, capsys: pytest.CaptureFixture[str]
) -> None:
    run = user.folder / "runs" / "x"
    shutil.copytree(trained, run)
    for fields in ({"env": NAMES[0]}, {"algo": NAMES[1]}, {"imports": [NAMES[2]]}, {"format": NAMES[0]}):
        alter(run, **fields)
        for words in [*(words(str(run)) for words in READERS), ["runs", "prune", str(run.parent)]]:
            command(words)
            out, err = capsys.readouterr()
            assert all(c.isprintable() or c == "\n" for c in out + err), ascii(out + err)
    for words in (["env", "show", NAMES[0]], ["solve", NAMES[2]], ["env", "new", NAMES[1]], ["front", NAMES[0]]):
        command(words)
        out, err = capsys.readouterr()
        assert all(c.isprintable() or c == "\n" for c in out + err), ascii(out + err)


@pytest.mark.parametrize(
    "change",
    [
        {"environments": [{"env": "evil_module:x", "name": "x"}]},
        {"environments": [{"env": TREASURE, "name": "x", "options": {"build": "evil_module:strike"}}]},
        {"algorithms": [{"algo": "evil_module:strike", "name": "x"}]},
        {"algorithms": [{"algo": "PCN", "name": "x", "options": {"utility": "evil_module:strike"}}]},
        {"protocol": "evil_module:strike"},
        {"imports": ["evil_module"]},
    ],
    ids=str,
)
def test_a_strangers_study_runs_no_code(
    change: dict[str, Any], whole_study: Any, user: User, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = user.folder / "study"
    shutil.copytree(whole_study.path, folder, ignore=shutil.ignore_patterns("cells"))
    data = json.loads((folder / "study.json").read_text())
    data["study"].update(change)
    (folder / "study.json").write_text(json.dumps(data))
    user.becomes("somebody")
    for words in (["show"], ["export"], ["leaderboard", "--out", str(user.folder / "page.html")]):
        assert command(["study", words[0], str(folder), *words[1:]]) in (0, 1, 2)
        assert not user.executed, words
    assert "evil_module" not in sys.modules
    assert "Traceback" not in capsys.readouterr().err
