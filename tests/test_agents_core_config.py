"""Options of algorithms: declared once, read from text and TOML, checked with names."""

from __future__ import annotations

import pytest

from morl.agents import registry
from morl.agents.core.config import (
    AgentConfig,
    load_options,
    make_config,
    option,
    options,
    parse_assignments,
    tuned_options,
)
from morl.agents.multi_weight_q import MultiWeightQConfig
from morl.spec import AgentError, UnknownNameError


def test_options_are_converted_checked_and_suggested() -> None:
    config = make_config(
        MultiWeightQConfig, {"n_weights": "8", "epsilon": "0.5", "scaled": "false", "discount": "none"}
    )
    assert (config.n_weights, config.epsilon, config.scaled, config.discount) == (8, 0.5, False, None)
    weights = make_config(MultiWeightQConfig, {"weights": "[[1, 0], [0.5, 0.5]]"}).weights
    assert weights == ((1.0, 0.0), (0.5, 0.5))
    with pytest.raises(UnknownNameError, match="did you mean epsilon"):
        make_config(MultiWeightQConfig, {"epsilom": 1})
    with pytest.raises(AgentError, match=r"is 2\.0; expected 0\.0 to 1\.0"):
        make_config(MultiWeightQConfig, {"epsilon": 2})
    with pytest.raises(AgentError, match="'many'; expected a whole number such as 100000, 1e5"):
        make_config(MultiWeightQConfig, {"n_weights": "many"})
    for huge in ("1e400", float("inf")):
        with pytest.raises(AgentError, match=r"n_envs is .*; expected a whole number such as 100000, 1e5 or 100k"):
            make_config(MultiWeightQConfig, {"n_envs": huge})
    assert [o.name for o in options(MultiWeightQConfig)][-1] in {"eval_envs", "n_envs", "discount"}


def test_assignments_and_toml(tmp_path) -> None:
    assert parse_assignments(["a=1", "b-c = [2, 3]"]) == {"a": "1", "b_c": "[2, 3]"}
    with pytest.raises(AgentError, match="name=value"):
        parse_assignments(["a"])
    (tmp_path / "f.toml").write_text("[options]\nepsilon = 0.25\n")
    assert load_options(tmp_path / "f.toml") == {"epsilon": 0.25}
    (tmp_path / "g.toml").write_text("epsilon = = 1")
    with pytest.raises(AgentError, match="not TOML"):
        load_options(tmp_path / "g.toml")


def test_tuned_options_exist_and_are_valid() -> None:
    from morl.agents.core.config import _tuned

    for algorithm, table in _tuned().items():
        for env_id, values in table.items():
            assert make_config(registry.get(algorithm).Config, values, algorithm)
            assert tuned_options(algorithm, env_id) == values
    assert tuned_options("EUPG", None) == {}


def test_a_config_declares_everything_once() -> None:
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Mine(AgentConfig):
        kind: str = option("a", "which", choices=("a", "b"))

    with pytest.raises(UnknownNameError, match="did you mean"):
        make_config(Mine, {"kind": "aa"})
    assert options(Mine)[0].choices == ("a", "b")
