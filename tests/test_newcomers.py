"""What a newcomer gets wrong, and what is said about it: one line with the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morl import make
from morl.agents import EUPG, load, registry
from morl.agents.core.config import suggestion
from morl.cli import main
from morl.counts import as_count
from morl.spec import AgentError, MorlError, SpecError, UnknownNameError, listed, nearest
from morl.utility import WorstCase, as_function

SEA = "morl/DeepSeaTreasureConcave-v0"
TRAIN = ["train", "--env", SEA, "-q", "-n", "300", "--algo"]


@pytest.mark.parametrize(
    ("algorithm", "name", "said"),
    [
        ("Envelope", "step_size", "did you mean learning_rate?"),
        ("EUPG", "alpha_lr", "did you mean learning_rate?"),
        ("Envelope", "minibatch_size", "did you mean batch_size?"),
        ("QuantileDQN", "replay_size", "did you mean buffer_size?"),
        ("PCN", "start_steps", "did you mean learning_starts?"),
        ("VectorQLambda", "rollout_steps", "did you mean n_steps?"),
        ("Envelope", "gamma", "did you mean discount?"),
        ("GPILS", "hidden_sizes", "did you mean net_arch or policy_kwargs?"),
        ("Envelope", "net_archs", "did you mean net_arch?"),
        ("LinearScalarization", "learning_rate", 'sb3={"learning_rate": ...}'),
        ("LinearScalarization", "lr", 'sb3={"learning_rate": ...}'),
        ("Envelope", "seed", "--seed"),
        ("Envelope", "verbose", "progress_bar"),
        ("Envelope", "zzz", "known: "),
    ],
)
def test_options_are_suggested_by_what_they_mean(algorithm: str, name: str, said: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        registry.get(algorithm)(SEA, {name: 1})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_suggested_option_exists() -> None:
    for algorithm in registry.BUILT_IN:
        known = list(registry.get(algorithm).Config.__dataclass_fields__)
        for name in ("learning_rate", "lr", "batch_size", "gamma", "n_steps", "ent_coef", "pop_size"):
            said = suggestion(name, known)
            if said is not None and said.startswith("did you mean "):
                assert set(said.removeprefix("did you mean ").rstrip("?").split(" or ")) <= set(known)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda c: c("MlpPolicy", make(SEA)), "the environment comes first"),
        (lambda c: c("MlpPolicy"), "the environment comes first"),
        (lambda c: c(type(make(SEA).unwrapped)), "is the class"),
        (lambda c: c(SEA, make(SEA)), "expected options by name|comes first"),
        (lambda c: c(SEA, 3e-4), "expected options by name"),
        (lambda c: c(SEA, seed=-1), "non-negative integer"),
        (lambda c: c(SEA, seed="one"), "non-negative integer"),
        (lambda c: c(SEA).learn("many"), "whole number such as 100000, 1e5 or 100k"),
        (lambda c: c(SEA).learn(0), "positive integer"),
        (lambda c: c(SEA).learn(1.5), "whole number"),
        (lambda c: c(SEA).learn(float("inf")), "whole number"),
        (lambda c: c(SEA, n_envs=float("inf")), "n_envs is inf; expected"),
        (lambda c: c(SEA, n_envs="1e400"), "n_envs is '1e400'; expected"),
        (lambda c: c(SEA, n_envs=2.5), "n_envs is 2.5; expected"),
    ],
)
@pytest.mark.parametrize("algorithm", ["PCN", "EUPG", "LinearScalarization"])
def test_python_mistakes(algorithm: str, call: Any, said: str) -> None:
    with pytest.raises(MorlError, match=said) as caught:
        call(registry.get(algorithm))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["PPO", "ppo", "SAC", "a2c"])
def test_algorithms_of_one_objective_point_to_linear_scalarization(text: str) -> None:
    with pytest.raises(UnknownNameError, match=rf"LinearScalarization\(algorithm='{text.upper()}'\)"):
        registry.get(text)


def test_counts() -> None:
    for text, number in [("100k", 100_000), ("1e5", 100_000), ("2M", 2_000_000), ("1_000", 1000), (1e3, 1000)]:
        assert as_count(text, "steps") == number
    for wrong in ("", "k", "1.5", "1e400", "nan", None, True, "-3", [1], "12x"):
        with pytest.raises(SpecError, match="steps is"):
            as_count(wrong, "steps")
    agent = registry.get("MultiWeightQLearning")(SEA, seed=0)
    assert agent.learn("0.2k").learn(1e2).num_timesteps == 300


def test_lists_say_that_they_were_cut() -> None:
    assert listed(range(20), most=3) == "0, 1, 2, … (20 in all)"
    assert nearest("HALF-cheetah", ["mo-halfcheetah-v5", "other"]) == ["mo-halfcheetah-v5"]
    assert "…" in str(UnknownNameError("thing", "@@", map(str, range(100, 200))))


def least(r: Any) -> float:
    return min(r[0] / 100, 1 + r[1] / 20)


@pytest.mark.parametrize(
    "function",
    [
        least,
        lambda r: float(np.min(r)),
        lambda r: r.min(),
        lambda r: r[0] * 0.5 + r[1] * 0.5,
        lambda r: np.minimum(r[..., 0], r[..., 1]),
        lambda r: np.asarray(r).min(axis=-1),
        lambda r: [r[0]],
        WorstCase(),
    ],
)
@pytest.mark.parametrize("k", [2, 3, 5])
def test_a_function_of_one_vector_is_a_utility(function: Any, k: int) -> None:
    batch = np.random.default_rng(0).uniform(-1, 1, (4, 6, k))
    utility = as_function(function, k)
    alone = [[float(np.asarray(function(row)).reshape(())) for row in rows] for rows in batch] if function else []
    assert utility(batch) == pytest.approx(np.array(alone))
    assert utility(batch[0, 0]).shape == ()
    assert utility(batch[:0]).shape == (0, 6)


def test_what_is_no_utility_is_refused() -> None:
    with pytest.raises(SpecError, match="expected one number"):
        as_function(lambda r: "good", 2)(np.zeros((3, 2)))
    with pytest.raises(SpecError, match="expected a function of a return vector"):
        as_function(3, 2)  # type: ignore[arg-type]


def test_agents_learn_plain_functions(tmp_path: Path) -> None:
    agent = EUPG(SEA, utility=least, seed=0).learn(300)
    batched = EUPG(SEA, utility=lambda r: np.minimum(r[..., 0] / 100, 1 + r[..., 1] / 20), seed=0).learn(300)
    assert agent.front().points.tolist() == batched.front().points.tolist()
    assert EUPG(SEA, {"utility": least}, seed=0).config == agent.config
    with pytest.raises(AgentError, match="give it again"):
        load(agent.save(tmp_path / "a"), SEA)
    assert load(tmp_path / "a", SEA, utility=least).num_timesteps == agent.num_timesteps


def test_a_function_is_named_on_the_command_line_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wishes_of_mine.py").write_text("def least(r):\n    return min(r[0] / 100, 1 + r[1] / 20)\n")
    for number, text in enumerate(("wishes_of_mine:least", "wishes_of_mine.py:least")):
        assert main([*TRAIN, "EUPG", "--utility", text, "--name", f"run{number}"]) == 0
        assert main(["eval", f"runs/run{number}", "--utility", text]) == 0
        capsys.readouterr()
        assert main(["eval", f"runs/run{number}"]) == 2  # the folder alone imports nothing
        assert "give it again" in capsys.readouterr().err
    for wrong, said in [("no_such_module_here:f", "cannot be imported"), ("wishes_of_mine:most", "has no function")]:
        assert main([*TRAIN, "EUPG", "--utility", wrong]) == 2
        assert said in capsys.readouterr().err


def test_the_command_line_reads_counts_gamma_and_named_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from morl.runs import RunFolder

    monkeypatch.chdir(tmp_path)
    words = ["train", "--env", SEA, "-q", "-n", "0.5k", "--algo", "MultiWeightQLearning", "--gamma", "0.9"]
    assert main([*words, "--weights", "time=0.25", "treasure=0.75", "--name", "named"]) == 0
    config = RunFolder.open("runs/named").config
    assert config["steps"] == 500
    assert config["options"] == {"weights": [[0.75, 0.25]], "discount": 0.9}
    capsys.readouterr()
    assert main([*words, "--weights", "gold=1"]) == 2
    assert "unknown objective 'gold'" in capsys.readouterr().err
