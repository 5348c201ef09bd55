"""A small project to start from: an environment, its test and a notebook that pass as they are."""

from __future__ import annotations

import json
import keyword
import re
import sys
from pathlib import Path
from typing import Any

from morl.spec import EnvError

_NEEDED = frozenset({"gymnasium", "morl", "numpy", "pytest", "setuptools"})
"""Packages that the project imports."""


def create_project(name: str, out: str | Path = ".") -> Path:
    """Write a project with one environment, registered by an entry point, tested by the conformance suite.

    Args:
        name: of the project, such as ``my-problem``; the package and the class are named after it.
        out: folder to create it in.

    Returns:
        The project's folder.

    Raises:
        EnvError: a name that makes no package or hides a known one, or a folder that exists already.
    """
    package = re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) or keyword.iskeyword(package):
        raise EnvError(f"project name is {name!r}; expected letters, digits and dashes, beginning with a letter")
    if package in sys.stdlib_module_names or package in _NEEDED:
        raise EnvError(
            f"project name is {name!r}, and a package {package!r} would hide the one of that name; choose another"
        )
    folder = Path(out) / name
    if folder.exists():
        raise EnvError(f"{str(folder)!r} exists already; choose another name or another folder (--out)")
    title = "".join(part.capitalize() for part in package.split("_"))
    words = {
        "@NAME@": package.replace("_", "-"),
        "@PACKAGE@": package,
        "@CLASS@": title,
        "@ID@": f"{package}/{title}-v0",
    }

    def fill(text: str) -> str:
        for mark, word in words.items():
            text = text.replace(mark, word)
        return text

    files = {
        "pyproject.toml": fill(_PYPROJECT),
        "README.md": fill(_README),
        f"{package}/__init__.py": fill(_INIT),
        f"{package}/env.py": fill(_ENV),
        f"tests/test_{package}.py": fill(_TEST),
        f"{package}.ipynb": _notebook([fill(cell) for cell in _CELLS]),
    }
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return folder


def _notebook(cells: list[str]) -> str:
    def cell(number: int, text: str) -> dict[str, Any]:
        kind = "markdown" if text.startswith("#") else "code"
        body: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text}
        return body if kind == "markdown" else {**body, "execution_count": None, "outputs": []}

    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    book = {
        "cells": [cell(i, t) for i, t in enumerate(cells)],
        "metadata": metadata,
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(book, indent=1) + "\n"


_PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "@NAME@"
version = "0.1.0"
description = "A multi-objective environment"
requires-python = ">=3.11"
dependencies = ["morl-suite"]

# Installed, the environment is found by its id without importing anything.
[project.entry-points."morl.envs"]
@PACKAGE@ = "@PACKAGE@"

[tool.setuptools]
packages = ["@PACKAGE@"]
"""

_README = """\
# @NAME@

One multi-objective environment, `@ID@`. Objectives, rewards and dynamics are in `@PACKAGE@/env.py`.

    pip install -e .
    pytest
    morl env check @ID@
    morl solve @ID@Model
"""

_INIT = '''\
"""Importing this package registers its environments."""

from @PACKAGE@.env import @CLASS@, model

__all__ = ["@CLASS@", "model"]
'''

_ENV = '''\
"""A delivery round: walk along a street, deliver as much as you like, and get home before it costs too much.

Replace this by your own problem: once as a class that steps, once (where it is finite) as an exact model.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

import morl
from morl import MOMDP, Objective

LENGTH = 6
OBJECTIVES = [
    Objective("delivered", "parcels", low=0, high=LENGTH - 1, description="parcels handed over at the last house"),
    Objective("time", "minutes", low=-2, high=-1, description="minus one a step, minus two uphill"),
]


def move(house: int, action: int) -> tuple[int, tuple[float, float], bool]:
    """Next house, rewards and end for action 0 (stop here and deliver) or 1 (walk on)."""
    if action == 0:
        return house, (float(house), -1.0), True
    return min(house + 1, LENGTH - 1), (0.0, -2.0 if house >= LENGTH // 2 else -1.0), False


@morl.register("@ID@", OBJECTIVES, discount=1.0, ref_point=[-1, -20], max_steps=20)
class @CLASS@(gymnasium.Env):
    """Walk on or deliver: parcels against time."""

    metadata = {"render_modes": ["ansi"]}

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.observation_space = spaces.Discrete(LENGTH)
        self.action_space = spaces.Discrete(2)
        self.house = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)  # randomness, where you need it, comes from self.np_random
        self.house = 0
        return self.house, {}

    def step(self, action: int) -> tuple[int, np.ndarray, bool, bool, dict[str, Any]]:
        if not self.action_space.contains(action):
            raise ValueError(f"action is {action!r}; expected 0 (deliver) or 1 (walk on)")
        self.house, rewards, ended = move(self.house, int(action))
        return self.house, np.array(rewards), ended, False, {}

    def render(self) -> str:
        return "".join("@" if i == self.house else "." for i in range(LENGTH))


def model() -> MOMDP:
    """The same problem as an exact model: `morl solve` computes its Pareto front."""
    built, _ = MOMDP.from_simulator(
        0,
        2,
        lambda house, action: [(1.0, *move(house, action))],
        discount=1.0,
        horizon=20,
        objectives=OBJECTIVES,
    )
    return built


morl.register_momdp("@ID@Model", model)
'''.replace("@ID@Model", "@PACKAGE@/@CLASS@Model-v0")

_README = _README.replace("@ID@Model", "@PACKAGE@/@CLASS@Model-v0")

_TEST = """\
import numpy as np

import morl
import @PACKAGE@
from morl.testing import EnvConformance


class Test@CLASS@(EnvConformance):
    env = "@ID@"


class TestModel(EnvConformance):
    env = "@PACKAGE@/@CLASS@Model-v0"


def test_walking_further_delivers_more_and_takes_longer():
    env = morl.make("@ID@")
    returns = []
    for steps in range(@PACKAGE@.env.LENGTH):
        env.reset(seed=0)
        total = np.zeros(2)
        for action in [1] * steps + [0]:
            total += env.step(action)[1]
        returns.append(total)
    assert all(a[0] < b[0] and a[1] > b[1] for a, b in zip(returns, returns[1:]))
"""

_CELLS = [
    "# @CLASS@\n\nStep through the environment, solve it exactly, and look at the trade-off.",
    "import morl\nimport @PACKAGE@\n",
    'env = morl.make("@ID@", render_mode="ansi")\nobservation, info = env.reset(seed=0)\n'
    "observation, reward, terminated, truncated, info = env.step(1)\nprint(env.render(), reward)",
    "front = morl.solve(@PACKAGE@.model())\nassert len(front) >= 2\nfront.points",
    'morl.check_env("@ID@")',
]
