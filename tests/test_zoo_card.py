"""The command of a card makes the run again."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import tyro

from morl.agents.core.config import make_config, to_dict
from morl.agents.registry import get
from morl.cli.train import Train
from morl.runs import RunConfig
from morl.zoo.card import command_of

SEA, TREE = "morl/DeepSeaTreasure-v0", "morl/FruitTree-v0"


@pytest.mark.parametrize(
    "config",
    [
        RunConfig("ParetoQLearning", SEA, 1000),
        RunConfig("PCN", TREE, 5000, 3, {"net_arch": [32, 16], "learning_rate": 1e-3}, {"depth": 5}, tuned=False),
        RunConfig("Envelope", SEA, 200, ref_point=(0.0, -25.5), episodes=7, eval_share=0.25, checkpoint_every=50),
        RunConfig("WorstCase", SEA, 300, 1, {"discount": 0.9}, {"render_mode": "ansi"}),
        RunConfig.under("pdmorl-dst", "ParetoQLearning", steps=400, seed=2),
        RunConfig.under("pdmorl-ftn", "PCN", "fruit-tree-depth-7", options={"learning_rate": 0.01}),
    ],
    ids=lambda config: f"{config.algo}-{config.protocol}",
)
def test_the_command_gives_the_configuration_back(config: RunConfig) -> None:
    words = shlex.split(command_of(config))
    assert words[:2] == ["morl", "train"]
    how: Any = (tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
    read = tyro.cli(Train, args=words[2:], config=how)._run_config()
    made = [one.to_dict() for one in (config, read)]
    kind = get(config.algo).Config
    options = [to_dict(make_config(kind, one.pop("options"), config.algo)) for one in made]
    assert options[0] == options[1]
    for one in made:
        one["ref_point"] = one["ref_point"] and list(one["ref_point"])
    assert made[0] == made[1]
