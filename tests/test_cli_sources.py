"""Reference fronts on the command line: former option names, and environments that runs brought along."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from morl.cli import main
from morl.cli.app import FORMER_OPTIONS, with_present_names
from morl.envs import imports, registration
from morl.pareto import Front

LAB = """
import numpy as np
import morl

def build(top: float = 4.0):
    rewards = [[[0.0, top], [1.0, 1.0], [top, 0.0]], [[0.0, 0.0]] * 3]
    to_the_end = [[[0.0, 1.0]] * 3, [[0.0, 1.0]] * 3]
    return morl.MOMDP.from_arrays(
        to_the_end, rewards, discount=1.0, terminal=[False, True], objectives=["left", "right"]
    )

def double(top: float = 4.0):
    return build(2 * top)

morl.register_momdp("lab/Choice-v0", build)
morl.register_momdp("lab/Double-v0", double)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run on a user's own environment with an argument of its own, learned completely."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "lab.py").write_text(LAB, encoding="utf-8")
    words = ["train", "--algo", "ParetoQLearning", "--env", "lab/Choice-v0", "-n", "600", "-q"]
    words += ["--env-option", "top=5", "--import", str(folder / "lab.py"), "--out", str(folder / "runs"), "--name", "r"]
    assert main(words) == 0
    return str(folder / "runs" / "r")


def compared(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The JSON of a comparison, made in a process that has not imported what the run imports."""
    for name in list(imports._FILES):
        sys.modules.pop(name, None)
        del imports._FILES[name]
    for id in [id for id in gym.registry if id.startswith("lab/")]:
        del gym.registry[id]
        registration._ENTRIES.pop(id, None)
    capsys.readouterr()
    assert main(["compare", *words, "--json"]) == 0
    out = capsys.readouterr().out
    return json.loads(out[out.index("{") :])


def test_an_id_given_as_reference_has_the_arguments_of_the_run(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = compared([run, "--reference", "lab/Choice-v0"], capsys)
    assert result["fronts"][0]["epsilon"] == pytest.approx(0.0)
    assert result["reference"]["points"] == 3
    assert result == compared([run], capsys)


def test_another_id_is_found_in_what_the_run_imports(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = compared([run, "--reference", "lab/Double-v0"], capsys)
    assert result["fronts"][0]["epsilon"] > 0.0


def test_what_a_strangers_run_imports_is_not_executed_for_an_id(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))  # another user
    assert main(["compare", run, "--reference", "lab/Nowhere-v0"]) == 1
    assert "was not made by you" in capsys.readouterr().err
    assert main(["compare", run, "--reference", "morl/Nowhere-v0", "--trust"]) == 2
    assert "Nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["compare", "a", "--truth", "b.json"], ["compare", "a", "--reference", "b.json"]),
        (["compare", "a", "--truth=b.json"], ["compare", "a", "--reference=b.json"]),
        (["front", "a", "--truth", "--plot", "p.png"], ["front", "a", "--reference", "--plot", "p.png"]),
        (["front", "a", "--truth-file", "b.csv"], ["front", "a", "--reference-file", "b.csv"]),
        (["front", "a", "--truth_file", "b.csv"], ["front", "a", "--reference-file", "b.csv"]),
        (["train", "--name", "--truth"], ["train", "--name", "--truth"]),
        ([], []),
    ],
)
def test_former_names_of_options_are_taken(words: list[str], meant: list[str]) -> None:
    assert with_present_names(words) == meant


def test_former_names_work_and_are_not_in_the_help(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best = Front([[0, 4], [4, 0]], ["a", "b"], ref_point=[-1, -1], discount=1.0).save(tmp_path / "best.json")
    seen = Front([[0, 4]], ["a", "b"], discount=1.0).save(tmp_path / "seen.json")
    said = []
    for option in ("--truth", "--reference"):
        assert main(["compare", str(seen), option, str(best)]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "exact front" in said[0]
    for option in ("--truth-file", "--reference-file"):
        picture = tmp_path / f"{option[2:]}.png"
        assert main(["front", str(seen), option, str(best), "--plot", str(picture)]) == 0
        assert picture.is_file()
    for command in FORMER_OPTIONS:
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main([command, "--help"])
        out = capsys.readouterr().out
        assert "--reference" in out
        assert "truth" not in out
