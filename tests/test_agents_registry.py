"""Agents by name: listed without torch, whatever the spelling, and from other packages."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from morl.agents import registry
from morl.agents.base import Agent
from morl.agents.multi_weight_q import MultiWeightQLearning
from morl.spec import UnknownNameError


def test_registry_lists_algorithms_without_importing_torch() -> None:
    code = "import sys, morl.agents.registry as r; r.names(); print('torch' in sys.modules, len(r.names()))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out[0] == "False"
    assert int(out[1]) >= 8


HEAVY = "print('torch' in sys.modules, 'stable_baselines3' in sys.modules)"


@pytest.mark.parametrize(
    "code",
    [
        "import sys, morl.agents.registry as r; assert all(r.info(n).name == n for n in r.names())",
        "import sys, morl.cli.app as app; assert app.main(['algo', 'list', '--json']) == 0; print()",
    ],
)
def test_info_of_every_algorithm_is_read_without_torch(code: str) -> None:
    out = subprocess.run([sys.executable, "-c", f"{code}; {HEAVY}"], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "False False"


def test_info_is_what_the_class_says() -> None:
    for name in registry.BUILT_IN:
        assert registry.info(name.lower()) == registry.get(name).info


def test_info_of_other_algorithms_comes_from_their_class(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(MultiWeightQLearning):
        info = replace(MultiWeightQLearning.info, name="Mine")

    monkeypatch.setattr(registry, "_registered", {"Mine": Mine})
    assert registry.info("mine") is Mine.info
    with pytest.raises(UnknownNameError, match="did you mean Mine"):
        registry.info("Mines")


def test_options_of_tables_are_read_without_torch() -> None:
    code = (
        "import sys, morl.agents.registry as r\n"
        "from morl.agents.core.config import options\n"
        "for n in ['ParetoQLearning','MultiWeightQLearning','LinearScalarization','WorstCase','ESRQLearning',"
        "'ParetoEvolution','ExactPlanner']: assert options(r.get(n).Config)\n"
    )
    out = subprocess.run([sys.executable, "-c", code + HEAVY], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "False"]


def test_names_are_found_whatever_their_spelling() -> None:
    assert registry.get("pareto-q-learning") is registry.get("ParetoQLearning")
    with pytest.raises(UnknownNameError, match="did you mean ParetoQLearning"):
        registry.get("ParetoQLerning")


def test_third_party_agents_come_through_the_entry_point_group(monkeypatch) -> None:
    class Point:
        name = "Theirs"

        @staticmethod
        def load() -> type[Agent]:
            return MultiWeightQLearning

    monkeypatch.setattr(registry, "_third_party", lambda: {"Theirs": Point})
    assert "Theirs" in registry.names()
    assert registry.get("theirs") is MultiWeightQLearning
