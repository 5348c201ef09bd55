"""Names: registering, finding, making, and what is said when that fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

import morl
from morl import MOMDP, Objective
from morl.envs import registration
from morl.envs.catalog import BUILTIN, EnvEntry
from morl.envs.core import mo_spec
from morl.envs.template import create_project
from morl.spec import EnvError, MissingExtraError, UnknownNameError


def bandit(pay: float = 1.0) -> MOMDP:
    """One choice: (pay, 0) or (0, 1)."""
    p = [[[0.0, 1.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]]
    r = [[[pay, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]
    return MOMDP.from_arrays(p, r, discount=0.9, terminal=[False, True], objectives=["gain", "calm"])


class Coin(gym.Env[int, int]):
    """Heads or tails."""

    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(self, prize: float = 1.0, render_mode: str | None = None) -> None:
        self.prize, self.render_mode = prize, render_mode
        self.observation_space, self.action_space = spaces.Discrete(2), spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return 0, {}

    def step(self, action: int) -> Any:
        won = float(self.np_random.integers(2) == action)
        return 1, np.array([self.prize * won, -1.0]), True, False, {}


def test_every_builtin_line_is_complete_and_its_modules_exist() -> None:
    import importlib.util

    ids = [entry.id for entry in BUILTIN]
    assert len(ids) == len(set(ids))
    for entry in BUILTIN:
        assert entry.summary
        assert entry.group in ("classic", "control", "science")
        for point in (entry.entry_point, entry.vector_entry_point, entry.build):
            if point is not None:
                assert importlib.util.find_spec(point.split(":")[0]) is not None, point


@pytest.mark.parametrize("id", [e.id for e in BUILTIN if e.build is not None and "FourRoom" not in e.id])
def test_finite_ids_make_both_forms_and_survive_json(id: str) -> None:
    env, vec = morl.make(id), morl.make_vec(id, 2)
    assert mo_spec(env) == mo_spec(vec)
    assert env.reward_space == vec.reward_space
    assert env.mo_spec.ref_point is not None
    assert env.mo_spec.return_scale is not None
    assert env.spec is not None
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.observation_space == env.observation_space
    assert mo_spec(again) == mo_spec(env)


def test_register_class_sets_objectives_and_time_limit() -> None:
    objectives = [Objective("prize", low=0, high=2), Objective("stake", low=-1, high=0)]
    cls = type("OwnCoin", (Coin,), {})
    assert morl.register("tests/Coin-v0", objectives, max_steps=5)(cls) is cls
    env = morl.make("tests/Coin-v0", prize=2.0)
    assert mo_spec(env).names == ("prize", "stake")
    assert env.get_wrapper_attr("reward_space").shape == (2,)
    env.reset(seed=0)
    assert env.step(1)[1].shape == (2,)
    assert gym.make("tests/Coin-v0").spec.max_episode_steps == 5
    assert "tests/Coin-v0" in [entry.id for entry in registration.entries("custom")]
    vec = morl.make_vec("tests/Coin-v0", 3)
    vec.reset(seed=0)
    assert vec.step(np.zeros(3, int))[1].shape == (3, 2)


def test_register_finds_faults_there_and_then() -> None:
    class Scalar(Coin):
        def step(self, action: int) -> Any:
            return 1, 1.0, True, False, {}

    class Short(Coin):
        def step(self, action: int) -> Any:
            return 1, np.zeros(3), True, False, {}

    class Broken(Coin):
        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            raise KeyError("lost")

    for cls, match in ((Scalar, "reward 1.0 of type float"), (Short, r"shape \(3,\)"), (Broken, "KeyError")):
        with pytest.raises(EnvError, match=match):
            morl.register("tests/Bad-v0", ["a", "b"])(cls)
    assert "tests/Bad-v0" not in gym.registry
    with pytest.raises(EnvError, match="declares no vector reward"):
        morl.register("tests/Bad-v0")(type("Bare", (Coin,), {"mo_spec": None, "reward_space": None}))
    with pytest.raises(EnvError, match=r"derived from gymnasium.Env"):
        morl.register("tests/Bad-v0", ["a"])(dict)
    with pytest.raises(EnvError, match="environment id is 'no spaces please'"):
        morl.register("no spaces please", ["a"])


def test_register_momdp_gives_both_forms_options_and_json() -> None:
    morl.register_momdp("tests/Bandit-v0", bandit, pay=2.0)
    env = morl.make("tests/Bandit-v0")
    env.reset(seed=0)
    assert env.step(0)[1].tolist() == [2.0, 0.0]
    assert morl.make("tests/Bandit-v0", pay=3.0).momdp().rewards.max() == 3.0
    assert morl.make_vec("tests/Bandit-v0", 4).reset(seed=0)[0].shape == (4,)
    assert gym.make(EnvSpec.from_json(env.spec.to_json())).momdp().rewards.max() == 2.0
    morl.register_momdp("tests/Direct-v0", bandit())
    assert morl.make("tests/Direct-v0").momdp().n_states == 2
    with pytest.raises(EnvError, match="expected a function that returns a MOMDP"):
        morl.register_momdp("tests/Bad-v0", 3)
    with pytest.raises(EnvError, match="returned int"):
        morl.register_momdp("tests/Bad-v0", lambda: 3)


def test_unknown_ids_suggest_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean morl/DeepSeaTreasure-v0"):
        morl.make("morl/DeepSeaTresure-v0")
    with pytest.raises(UnknownNameError, match="ResourceGathering"):
        morl.make_vec("morl/ResourceGatherin-v0", 2)
    with pytest.raises(EnvError, match="environment id is 3"):
        morl.make(3)  # type: ignore[arg-type]


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(EnvError, match="unexpected keyword argument 'dept'"):
        morl.make("morl/FruitTree-v0", dept=5)
    with pytest.raises(EnvError, match="depth is 4; expected 5, 6 or 7"):
        morl.make("morl/FruitTree-v0", depth=4)
    with pytest.raises(EnvError, match="vectorization_mode is 'parallel'"):
        morl.make_vec("morl/FruitTree-v0", 2, vectorization_mode="parallel")
    with pytest.raises(EnvError, match="num_envs is 0"):
        morl.make_vec("morl/FruitTree-v0", 0, vectorization_mode="sync")


def test_scalar_environments_are_refused() -> None:
    with pytest.raises(EnvError, match="declares no vector reward"):
        morl.make("CartPole-v1")


def test_a_missing_extra_is_named() -> None:
    registration.add(EnvEntry("tests/Absent-v0", "package_that_is_not_there:Env", extra="box2d"))
    with pytest.raises(MissingExtraError, match=r"morl-suite\[box2d\]"):
        morl.make("tests/Absent-v0")
    registration.add(EnvEntry("tests/Absent-v0", "package_that_is_not_there:Env"))
    with pytest.raises(EnvError, match="package_that_is_not_there"):
        morl.make("tests/Absent-v0")


def test_packages_and_files_are_imported_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import morl\nfrom tests_bandit import bandit\nmorl.register_momdp('{}', bandit)\n"
    (tmp_path / "tests_bandit.py").write_text(
        "import morl\ndef bandit():\n    return morl.MOMDP.from_arrays([[[1.0]]], [[[1.0, 0.0]]], discount=0.5)\n"
    )
    (tmp_path / "lab_package.py").write_text(code.format("lab/Package-v0"))
    (tmp_path / "lab_file.py").write_text(code.format("lab/File-v0"))
    (tmp_path / "lab_broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert morl.make("lab_package:lab/Package-v0").momdp().k == 2
    morl.envs.import_package(str(tmp_path / "lab_file.py"))
    assert morl.make("lab/File-v0").momdp().k == 2
    with pytest.raises(EnvError, match="ZeroDivisionError"):
        morl.envs.import_package("lab_broken")
    with pytest.raises(EnvError, match="cannot be imported"):
        morl.envs.import_package("lab_absent")
    with pytest.raises(EnvError, match="does not exist"):
        morl.envs.import_package("absent.py")


def test_entry_points_are_loaded_when_an_id_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        name, value = "lab", "lab.envs:register"

        def load(self) -> Any:
            return lambda: morl.register_momdp("lab/Plugin-v0", bandit())

    monkeypatch.setattr(registration, "_PLUGINS_LOADED", [False])
    monkeypatch.setattr(registration.importlib.metadata, "entry_points", lambda group: [Point()])
    assert morl.make("lab/Plugin-v0").momdp().k == 2


def test_importing_morl_registers_ids_and_stays_light() -> None:
    code = (
        "import morl, sys, gymnasium; assert 'morl/DeepSeaTreasure-v0' in gymnasium.registry;"
        "heavy = {'torch', 'stable_baselines3', 'matplotlib', 'scipy', 'numba', 'PIL', 'mo_gymnasium'};"
        "bad = heavy & set(sys.modules);"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_mo_spec_of_third_party_environments_and_wrappers() -> None:
    class Foreign(Coin):
        reward_space = spaces.Box(np.array([0.0, -1.0]), np.array([1.0, 0.0]), (2,), np.float64)

    env = gym.wrappers.TimeLimit(Foreign(), 7)
    spec = mo_spec(env)
    assert spec.names == ("r0", "r1")
    assert spec.horizon == 7
    assert spec.reward_low.tolist() == [0.0, -1.0]
    with pytest.raises(EnvError, match="scalar"):
        mo_spec(type("Odd", (Coin,), {"reward_space": spaces.Box(0, 1, ())})())


def test_the_template_writes_a_project_and_refuses_bad_names(tmp_path: Path) -> None:
    folder = create_project("night-bus", tmp_path)
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    written = "README.md night_bus.ipynb night_bus/__init__.py night_bus/env.py pyproject.toml tests/test_night_bus.py"
    assert names == sorted(written.split())
    assert not any("@NAME@" in p.read_text() or "@CLASS@" in p.read_text() for p in folder.rglob("*") if p.is_file())
    with pytest.raises(EnvError, match="exists already"):
        create_project("night-bus", tmp_path)
    for name in ("", "3d", "class", "../x y"):
        with pytest.raises(EnvError, match=r"project name|exists"):
            create_project(name, tmp_path / "other")


@pytest.mark.slow
def test_the_template_passes_as_it_is(tmp_path: Path) -> None:
    """Its tests and its notebook run in processes of their own, with nothing changed."""
    folder = create_project("night-bus", tmp_path)
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=folder, check=True,
                   env={**__import__("os").environ, "PYTHONPATH": str(folder)})  # fmt: skip
    code = (
        "import nbformat; from nbclient import NotebookClient;"
        "book = nbformat.read('night_bus.ipynb', 4); nbformat.validate(book); NotebookClient(book).execute()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
