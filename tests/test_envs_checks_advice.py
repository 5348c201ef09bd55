"""What ``check_env`` warns of: allowed, and likely to be a mistake; and failures that name their line."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import morl
from morl import MOSpec, Objective
from morl.cli import main
from morl.envs.catalog import BUILTIN
from morl.envs.checker import EnvWarning, check_env, find_faults, find_warnings
from morl.envs.core import reward_space
from morl.envs.failures import described, place
from morl.spec import EnvError


def shop(*objectives: Objective, pay: tuple[float, ...], ends: bool = True, horizon: int | None = 10) -> Any:
    """A class of environments that pay the same in every step, and end after five or never."""

    class Shop(gym.Env[Any, Any]):
        metadata = {"render_modes": []}  # noqa: RUF012
        mo_spec = MOSpec(objectives, horizon=horizon)
        reward_space = reward_space(mo_spec)
        observation_space, action_space = spaces.Discrete(9), spaces.Discrete(2)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            super().reset(seed=seed)
            self.t = 0
            return 0, {}

        def step(self, action: Any) -> Any:
            self.t = (self.t + 1) % 6
            return self.t, np.array(pay), ends and self.t == 5, False, {}

    Shop.reward_space = globals()["reward_space"](Shop.mo_spec)
    return Shop


def told(env: Any) -> list[str]:
    return [found.check for found in find_warnings(env, steps=60)]


GOOD = Objective("sales")


@pytest.mark.parametrize(
    "name", ["cost", "Total cost", "energy_use", "EnergyUsed", "waiting-time", "CO2 emissions", "riskOfLoss", "LATENCY"]
)
def test_costs_with_positive_rewards(name: str) -> None:
    (found,) = find_warnings(shop(GOOD, Objective(name), pay=(1.0, 2.5)), steps=20)
    assert (found.check, found.level) == ("signs", "warning")
    assert repr(name) in found.message
    assert "up to 2.5" in found.message
    assert "minimise=True" in found.fix
    assert told(shop(GOOD, Objective(name), pay=(1.0, -2.5))) == []
    assert told(shop(GOOD, Objective(name), pay=(1.0, 0.0))) == []


@pytest.mark.parametrize("name", ["costume", "timeliness", "energy saved", "survival time", "glossiness", "frisky"])
def test_names_that_are_no_costs(name: str) -> None:
    assert told(shop(GOOD, Objective(name), pay=(1.0, 2.5))) == []


@pytest.mark.parametrize(("low", "high"), [(-20.0, 0.0), (-20.0, 20.0), (-np.inf, 20.0)])
def test_bounds_that_look_like_those_of_returns(low: float, high: float) -> None:
    (found,) = find_warnings(shop(GOOD, Objective("b", low=low, high=high), pay=(1.0, -2.0)), steps=20)
    assert found.check == "far-bounds"
    assert "bounds of the return over 10 steps" in found.message


def test_bounds_far_from_anything_seen() -> None:
    (found,) = find_warnings(shop(GOOD, Objective("b", low=-1e6, high=0), pay=(1.0, -2.0)), steps=20)
    assert found.check == "far-bounds"
    assert "20 steps show rewards of one step from -2 to -2" in found.message


@pytest.mark.parametrize(("low", "high"), [(-2.0, 0.0), (-5.0, 5.0), (-np.inf, np.inf), (-np.inf, 0.0)])
def test_bounds_that_fit(low: float, high: float) -> None:
    assert told(shop(GOOD, Objective("b", low=low, high=high), pay=(1.0, -2.0))) == []
    assert (
        told(shop(GOOD, Objective("b", low=-1000.0, high=1000.0), pay=(1.0, 0.0))) == []
    )  # nothing seen, nothing known


def test_no_end_and_no_time_limit() -> None:
    assert told(shop(GOOD, pay=(1.0,), ends=False, horizon=None)) == ["endless"]
    assert told(shop(GOOD, pay=(1.0,), ends=True, horizon=None)) == []
    limited = gym.wrappers.TimeLimit(shop(GOOD, pay=(1.0,), ends=False, horizon=None)(), 30)
    assert told(lambda **kw: limited) == []


def test_warnings_are_no_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python warns, the command prints and exits 0."""
    costly = shop(GOOD, Objective("cost"), pay=(1.0, 2.0))
    with pytest.warns(EnvWarning, match="signs: rewards of 'cost' are positive"):
        check_env(costly, skip=["invalid-actions", "before-reset", "copies", "after-end"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(costly, only=["reward"])
    (tmp_path / "lab_of_costs.py").write_text(LAB)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["env", "check", "lab/Costly-v0", "--import", "lab_of_costs"]) == 0
    out, err = capsys.readouterr()
    assert "warning: signs: rewards of 'cost'" in out
    assert "no faults found, 1 warning" in err
    assert main(["env", "check", "lab/Costly-v0", "--import", "lab_of_costs", "--json"]) == 0
    assert [found["level"] for found in json.loads(capsys.readouterr().out)] == ["warning"]


LAB = '''
import gymnasium as gym
import numpy as np

import morl


@morl.register("lab/Costly-v0", objectives=["gain", "cost"], max_steps=6)
class Costly(gym.Env):
    """Pays its cost as a positive number."""

    observation_space = gym.spaces.Discrete(2)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        if not self.action_space.contains(action):
            raise ValueError(f"action is {action!r}; expected 0 or 1")
        return 1, np.array([1.0, 2.0 * action]), False, False, {}
'''


@pytest.mark.slow
@pytest.mark.parametrize("entry", [e for e in BUILTIN if e.extra is None], ids=lambda entry: entry.id)
def test_nothing_to_warn_of_in_the_suite(entry: Any) -> None:
    assert [str(found) for found in find_warnings(entry.id)] == []


@pytest.mark.parametrize("id", ["morl/DeepSeaTreasure-v0", "morl/MountainCar-v0", "morl/WaterReservoir-v0"])
def test_nothing_to_warn_of_in_some(id: str) -> None:
    assert [str(found) for found in find_warnings(id, steps=50)] == []


# ---- failures name the line ----------------------------------------------------------------------------------


def helper(price: float) -> float:
    return 1.0 / price


HELPER = f"{Path(__file__).name}:{helper.__code__.co_firstlineno + 1}, in helper"


def failing(where: str) -> Any:
    class Failing(shop(GOOD, pay=(1.0,))):  # type: ignore[misc]
        def __init__(self) -> None:
            if where == "__init__":
                helper(0.0)

        def reset(self, **given: Any) -> Any:
            if where == "reset":
                helper(0.0)
            return super().reset(**given)

        def step(self, action: Any) -> Any:
            if where == "step":
                helper(0.0)
            if where == "library":
                np.linalg.inv(np.zeros((2, 2)))
            return super().step(action)

    return Failing


@pytest.mark.parametrize("where", ["reset", "step"])
def test_checks_name_the_innermost_line(where: str) -> None:
    with pytest.raises(EnvError, match="ZeroDivisionError") as error:
        check_env(failing(where), only=["reset", "step"])
    assert HELPER in str(error.value)
    with pytest.raises(EnvError, match="failed in its first steps: ZeroDivisionError") as error:
        morl.register("lab/Failing-v0", max_steps=5)(failing(where))
    assert HELPER in str(error.value)


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("where", ["reset", "step"])
def test_vector_environments_name_the_innermost_line(where: str, mode: str) -> None:
    from morl.envs.vector import AsyncVectorEnv, SyncVectorEnv

    vec = (SyncVectorEnv if mode == "sync" else AsyncVectorEnv)([failing(where)] * 2)
    if where == "step":
        vec.reset(seed=0)
    act = (lambda: vec.reset(seed=0)) if where == "reset" else (lambda: vec.step(np.zeros(2, dtype=int)))
    with pytest.raises(EnvError, match=f"environment 0 failed in {where}.*ZeroDivisionError") as error:
        act()
    assert HELPER in str(error.value).splitlines()[0]
    vec.close()


def test_making_names_the_innermost_line() -> None:
    gym.register("lab/Unmakeable-v0", failing("__init__"))
    with pytest.raises(EnvError, match=r"environment 'lab/Unmakeable-v0' cannot be made: ZeroDivisionError") as error:
        morl.make("lab/Unmakeable-v0")
    assert HELPER in str(error.value)
    gym.registry.pop("lab/Unmakeable-v0")


def test_the_line_is_that_of_ones_own_code_and_not_of_a_library() -> None:
    (fault,) = find_faults(failing("library"), only=["step"])
    assert "LinAlgError: Singular matrix" in fault.message
    assert f"{Path(__file__).name}:" in fault.message
    assert ", in step)" in fault.message


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_a_library_may_be_installed_anywhere(folder: str, tmp_path: Path) -> None:
    """As on Debian, in an environment that sees the system's packages, or on PYTHONPATH."""
    file = tmp_path / folder / "other" / "lib.py"
    code = compile("def fails():\n    raise ValueError('no')\n", str(file), "exec")
    names: dict[str, Any] = {}
    exec(code, names)
    with pytest.raises(ValueError, match="no") as raised:
        names["fails"]()
    assert place(raised.value).endswith(", in test_a_library_may_be_installed_anywhere")


def test_without_a_line_there_is_none() -> None:
    assert place(ValueError("x")) == ""
    assert described(KeyError()) == "KeyError"
    assert "\n" not in described(ValueError("two\nlines"))
    with pytest.raises(TypeError) as raised:
        sys.intern(3)  # type: ignore[arg-type]
    assert place(raised.value).endswith(", in test_without_a_line_there_is_none")
