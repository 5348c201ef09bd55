"""ConditionedPPO: closed forms of advantages and loss, invariances, learning on tiny problems, and bad input."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from morl.agents import ConditionedPPO
from morl.agents.core.preferences import simplex_grid
from morl.envs.core import MOEnv
from morl.spec import AgentError, MOSpec, Objective, UnknownNameError
from morl.testing import check_agent, problems
from morl.testing.agents import digest
from morl.testing.spaces import ACTIONS, OBSERVATIONS, cell

SMALL: dict[str, Any] = {"n_envs": 4, "n_steps": 8, "batch_size": 16, "n_epochs": 2, "device": "cpu"}


# ---- advantages -------------------------------------------------------------------------------------------


def test_weighted_advantages_are_those_of_the_weighted_sum() -> None:
    """For one raw preference w, ω·Â is w·A but for a constant and a positive factor, whatever the units are."""
    agent, rng = ConditionedPPO(problems.many(3), seed=0, **SMALL), np.random.default_rng(0)
    agent.net.values.std.copy_(torch.tensor([0.5, 40.0, 3.0]))
    advantage = rng.normal(size=(200, 3)) * [1.0, 100.0, 0.01] + [3.0, 0.0, -1.0]
    for w in rng.dirichlet(np.ones(3), 5):
        seen = agent.seen_preference(np.tile(w, (200, 1)))
        assert np.allclose(seen.sum(axis=1), 1.0)
        found = agent.weighted(seen, advantage, np.arange(200))
        assert np.corrcoef(found, advantage @ w)[0, 1] == pytest.approx(1.0, abs=1e-9)
        assert 0.0 < found.std() <= 1.0 + 1e-9


# ---- loss -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "action_space", [spaces.Discrete(3), spaces.MultiDiscrete([3, 2]), spaces.Box(-1.0, 1.0, (2,), np.float32)]
)
def test_loss_is_the_clipped_one_of_the_paper(action_space: spaces.Space[Any]) -> None:
    env = problems.AnySpaces(action_space, spaces.Box(-1.0, 1.0, (4,), np.float32))
    options = {"vf_coef": 0.7, "ent_coef": 0.03, "clip_range": 0.1}
    agent, n = ConditionedPPO(env, seed=1, **SMALL, **options), 64
    torch.manual_seed(0)
    for parameter in agent.net.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    obs, preference = torch.randn(n, 4), torch.rand(n, 2)
    advantage, returns, old = torch.randn(n), torch.randn(n, 2), torch.randn(n) - 1.5
    drawn, _, _ = agent.net.act(obs, preference, np.random.default_rng(0))
    actions = torch.from_numpy(drawn)

    standard = (preference - 0.5) * 2 * math.sqrt(3)
    hidden = agent.net.actor(obs, standard)
    if isinstance(action_space, spaces.Box):
        std = agent.net.choice.log_std(standard).exp()
        normal = torch.distributions.Normal(agent.net.choice.mean(hidden), std)
        log_prob, entropy = normal.log_prob(actions).sum(dim=1), normal.entropy().sum(dim=1)
    else:
        sizes = [3] if isinstance(action_space, spaces.Discrete) else [3, 2]
        parts = [torch.distributions.Categorical(logits=x) for x in agent.net.choice.logits(hidden).split(sizes, 1)]
        columns = actions.view(n, -1).T
        log_prob = sum(part.log_prob(column) for part, column in zip(parts, columns, strict=True))
        entropy = sum(part.entropy() for part in parts)
    values = agent.net.values.linear(agent.net.critic(obs, standard)).detach()
    log_prob, entropy = log_prob.detach(), entropy.detach()
    expected = 0.0
    for i in range(n):
        ratio = math.exp(float(log_prob[i] - old[i]))
        gain = min(ratio * float(advantage[i]), min(max(ratio, 0.9), 1.1) * float(advantage[i]))
        error = float(((values[i] - returns[i]) ** 2).mean())
        expected += (-gain + 0.7 * error - 0.03 * float(entropy[i])) / n
    losses, rest = agent.losses(obs, preference, actions, old, advantage, returns)
    assert float((losses.sum() + rest).detach()) == pytest.approx(expected, rel=1e-4)


def test_drawn_actions_have_the_probabilities_that_are_said() -> None:
    env = problems.AnySpaces(spaces.Discrete(4), spaces.Discrete(2))
    agent = ConditionedPPO(env, seed=0, **SMALL)
    agent.net.choice.logits.bias.data = torch.tensor([0.0, 1.0, -1.0, 2.0])
    obs = torch.eye(2)[torch.zeros(40_000, dtype=torch.int64)]
    preference = torch.full((40_000, 2), 0.5)
    actions, log_prob, _ = agent.net.act(obs, preference, np.random.default_rng(3))
    share = np.bincount(actions, minlength=4) / 40_000
    said = agent.net.probabilities(obs, preference)[0]
    assert np.abs(share - said).max() < 0.012  # five standard errors
    assert np.allclose(np.exp(log_prob), said[actions], rtol=1e-4)


# ---- invariance -------------------------------------------------------------------------------------------


def test_a_larger_objective_scales_its_head_and_nothing_else() -> None:
    """Rewards of the second objective times 128 (exact in binary): the same policy, and the head's units times 128."""
    plain = ConditionedPPO(problems.deterministic(), seed=3, **SMALL).learn(400)
    large = ConditionedPPO(problems.deterministic(128.0), seed=3, **SMALL).learn(400)
    for name, value in plain.net.state_dict().items():
        other = large.net.state_dict()[name]
        if name in ("values.mean", "values.std"):
            assert torch.equal(value * torch.tensor([1.0, 128.0]), other)
        elif not name.startswith("values.running"):
            assert torch.equal(value, other), name


def test_an_objective_that_never_varies_is_no_division_by_zero() -> None:
    class Still(problems.AnySpaces):
        def step(self, action: Any) -> Any:
            obs, reward, *rest = super().step(action)
            return obs, reward * [1.0, 0.0], *rest

    agent = ConditionedPPO(Still(spaces.Discrete(2), spaces.Discrete(2)), seed=0, **SMALL).learn(200)
    assert np.isfinite(agent.unit).all()


# ---- learning ---------------------------------------------------------------------------------------------


class Bandit(MOEnv[Any, Any]):
    """One choice of five with returns on a quarter of a circle, or between them below it; the state is unrelated."""

    ARMS = np.array([[0.0, 1.0], [0.4, 0.9], [0.75, 0.65], [0.95, 0.3], [1.0, 0.0], [0.5, 0.5], [0.1, 0.3]])

    def __init__(self) -> None:
        self.mo_spec = MOSpec((Objective("a"), Objective("b")), 1.0, 1, (-1.0, -1.0))
        self.reward_space = spaces.Box(-1.0, 1.0, (2,), np.float64)
        self.action_space, self.observation_space = spaces.Discrete(7), spaces.Box(-1.0, 1.0, (2,), np.float32)

    def _shown(self) -> Any:
        return self.np_random.uniform(-1, 1, 2).astype(np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        gym.Env.reset(self, seed=seed)
        return self._shown(), {}

    def step(self, action: Any) -> Any:
        return self._shown(), self.ARMS[int(action)].copy(), True, False, {}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_each_preference_finds_its_arm(seed: int) -> None:
    agent = ConditionedPPO(Bandit(), seed=seed, device="cpu").learn(20_000)
    weights = simplex_grid(2, 21)
    obs = np.zeros((len(weights), 2), dtype=np.float32)
    actions, _ = agent.predict(obs, preference=weights, deterministic=True)
    worth, best = (weights * Bandit.ARMS[actions]).sum(axis=1), (weights @ Bandit.ARMS.T).max(axis=1)
    assert (best - worth).max() < 0.1  # one policy for all loses up to 0.5
    assert (best - worth).mean() < 0.02
    assert len(np.unique(actions)) >= 4


class Pixels(MOEnv[Any, Any]):
    """A bright bar on the left or the right of a noisy image: the left action earns the first objective there."""

    def __init__(self, shape: tuple[int, ...] = (12, 12, 1)) -> None:
        self.mo_spec = MOSpec((Objective("a"), Objective("b")), 1.0, 1, (-1.0, -1.0))
        self.reward_space = spaces.Box(-1.0, 1.0, (2,), np.float64)
        self.action_space, self.observation_space = spaces.Discrete(2), spaces.Box(0, 255, shape, np.uint8)

    def _image(self) -> Any:
        self._side = int(self.np_random.integers(2))
        image = self.np_random.integers(0, 100, self.observation_space.shape).astype(np.uint8)
        row = int(self.np_random.integers(12))
        last = image.shape[-1] < image.shape[0]
        whole = image if last else np.moveaxis(image, 0, -1)
        whole[row, 6 * self._side : 6 * self._side + 6] = 255
        return image

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        gym.Env.reset(self, seed=seed)
        return self._image(), {}

    def step(self, action: Any) -> Any:
        right = int(action) == self._side
        return self._image(), np.array([right, not right], dtype=float), True, False, {}


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(12, 12, 1), (2, 12, 12)])
def test_images_are_read_by_convolutions(shape: tuple[int, ...]) -> None:
    agent = ConditionedPPO(Pixels(shape), seed=0, device="cpu").learn(12_000)
    assert type(agent.net.features.extractor).__name__ == "SmallCNN"
    points = agent.front(episodes=200, seed=0).points
    assert points.max(axis=0).min() > 0.9  # blind policies earn 0.5


def test_truncated_episodes_are_bootstrapped_and_terminated_ones_are_not() -> None:
    """Rewards of 1 for ever, cut every five steps: with γ = .9 the value is 10, not the 4.1 of five steps."""

    class Endless(Bandit):
        terminates = False

        def __init__(self) -> None:
            super().__init__()
            self.mo_spec = MOSpec((Objective("a"), Objective("b")), 0.9, 5, (-1.0, -1.0))

        def reset(self, **how: Any) -> Any:
            self._left = 5
            return super().reset(**how)

        def step(self, action: Any) -> Any:
            self._left -= 1
            over = self._left == 0
            return self._shown(), np.array([1.0, -1.0]), over and self.terminates, over and not self.terminates, {}

    class Ending(Endless):
        terminates = True

    options = {"n_envs": 8, "n_steps": 32, "batch_size": 64, "gae_lambda": 0.95, "device": "cpu"}
    obs, preference = np.zeros((1, 2), dtype=np.float32), np.full((1, 2), 0.5)
    cut = ConditionedPPO(Endless(), seed=0, **options).learn(8000)
    assert np.allclose(cut._values(obs, preference), [[10.0, -10.0]], atol=1.5)
    over = ConditionedPPO(Ending(), seed=0, **options).learn(8000)
    assert np.abs(over._values(obs, preference)).max() < 4.5


# ---- spaces -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", OBSERVATIONS)
def test_every_kind_of_observation(label: str) -> None:
    expected = "yes" if label not in ("Text", "Sequence") else f"refused: cannot read {label} observations"
    if label == "Box, image of floats":
        expected = "refused: reads images of uint8 from 0 to 255"
    assert cell("ConditionedPPO", spaces.Discrete(2), OBSERVATIONS[label], steps=100) == expected


@pytest.mark.parametrize("label", [name for name in ACTIONS if name not in ("Dict", "Tuple")])
def test_every_kind_of_action(label: str) -> None:
    entry = cell("ConditionedPPO", ACTIONS[label], spaces.Discrete(2), steps=100)
    assert entry == ("refused: needs bounded actions" if "bounded" in label else "yes")


# ---- running and saving -----------------------------------------------------------------------------------

CHECKED = ("resume", "save_and_load", "same_seed", "autoreset_modes", "evaluation_is_harmless", "broken_rewards")


@pytest.mark.parametrize("check", [*CHECKED, "wrong_inputs", "preferences", "describes_itself"])
@pytest.mark.parametrize("actions", ["discrete", "continuous"])
def test_conformance(check: str, actions: str) -> None:
    check_agent("ConditionedPPO", SMALL, only=[check], actions=actions)


@pytest.mark.slow
@pytest.mark.parametrize("actions", ["discrete", "continuous"])
def test_optima_of_tiny_problems(actions: str) -> None:
    names = ["optimum_deterministic", "optimum_stochastic", "optimum_lottery", "scale_invariance", "truncation"]
    check_agent("ConditionedPPO", {"device": "cpu"}, only=names, actions=actions)


def test_statistics_are_frozen_while_acting_and_saved(tmp_path: Any) -> None:
    agent = ConditionedPPO(Bandit(), seed=0, **SMALL).learn(100)
    before = digest(agent)
    agent.front(episodes=4)
    agent.predict(np.full((3, 2), 0.9, dtype=np.float32))
    assert digest(agent) == before
    twin = ConditionedPPO.load(agent.save(tmp_path / "agent"), Bandit())
    assert twin.normaliser.mean.tolist() == agent.normaliser.mean.tolist()


def test_all_environments_share_one_set_of_statistics() -> None:
    agent = ConditionedPPO(Bandit(), seed=0, **SMALL).learn(320)
    rows = 320 + 0.0
    assert agent.normaliser.count == pytest.approx(100.0 + rows)
    assert np.abs(agent.normaliser.mean).max() < 0.2
    assert np.allclose(agent.normaliser.var, 1 / 3, atol=0.1)


def test_front_spends_no_more_than_its_share_unless_asked() -> None:
    agent = ConditionedPPO(problems.Plain(problems.deterministic()), seed=0, eval_share=0.5, **SMALL).learn(2000)
    agent.front()
    assert 0 < agent.eval_steps <= 0.5 * agent.num_timesteps + 64


def test_the_last_rollout_fits_what_was_asked_for() -> None:
    agent = ConditionedPPO(Bandit(), seed=0, n_envs=4, n_steps=50, device="cpu").learn(1000)
    assert agent.num_timesteps == 1000


def test_schedules_go_from_first_to_last() -> None:
    from morl.agents.neural.schedules import at

    assert at((1.0, 0.0), 0.25) == 0.75
    assert at(0.3, 0.9) == 0.3
    rates: list[float] = []
    agent = ConditionedPPO(Bandit(), seed=0, **{**SMALL, "learning_rate": (1e-3, 0.0)})
    agent.learn(320, callback=lambda a: rates.append(a.optimizer.param_groups[0]["lr"]))
    assert rates == pytest.approx(np.linspace(1e-3, 0.0, 11)[:10])


def test_preferences_that_can_gain_most_are_drawn_more_often() -> None:
    from morl.agents.neural.preference_sampler import PreferenceSampler

    rng, unit = np.random.default_rng(0), np.array([2.0, 1.0])
    sampler = PreferenceSampler(2, focus=0.5, points=3)
    assert sampler.draw(4, rng, unit).sum(axis=1) == pytest.approx(np.ones(4))
    corners = {tuple(g): i for i, g in enumerate(sampler.grid.tolist())}
    sampler.record(np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]), np.array([[8.0, 0.0], [2.0, 2.0], [0.0, 1.0]]))
    gain = sampler.gain(unit)  # in units: (4, 0), (1, 2), (0, 1)
    expected = {(1.0, 0.0): 0.0, (0.5, 0.5): 0.5, (0.0, 1.0): 1.0}
    assert {point: pytest.approx(gain[i]) for point, i in corners.items()} == expected
    drawn = sampler.draw(3000, rng, unit)
    share = (np.abs(drawn - [0.0, 1.0]).max(axis=1) < 1e-9).mean()
    assert share == pytest.approx(0.5 * 2 / 3, abs=0.05)


# ---- networks of the caller's, and bad input --------------------------------------------------------------


class Mine(torch.nn.Module):
    """A caller's own extractor, in stable-baselines3's form."""

    wrong = 0

    def __init__(self, observation_space: spaces.Space[Any], width: int = 7) -> None:
        super().__init__()
        self.features_dim = width
        self.layer = torch.nn.Linear(2, width + self.wrong)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer(observations))


class Wrong(Mine):
    """Says 7 and gives 8."""

    wrong = 1


OWN = {"features_extractor_class": Mine, "features_extractor_kwargs": {"width": 5}, "net_arch": {"pi": [9], "vf": []}}


def test_extractors_of_the_callers_learn_and_are_given_again_to_load(tmp_path: Any) -> None:
    agent = ConditionedPPO(Bandit(), seed=0, policy_kwargs=OWN, **SMALL).learn(100)
    assert agent.net.actor.layers[0].in_features == 7
    path = agent.save(tmp_path / "agent")
    with pytest.raises(Exception, match="give it again: load"):
        ConditionedPPO.load(path, Bandit())
    twin = ConditionedPPO.load(path, Bandit(), policy_kwargs={"features_extractor_class": Mine})
    assert digest(twin) == digest(agent)


def test_extractors_of_stable_baselines3_work() -> None:
    from stable_baselines3.common.torch_layers import CombinedExtractor

    space = spaces.Dict({"place": spaces.Box(-1.0, 1.0, (2,), np.float32), "mode": spaces.Discrete(2)})
    env = problems.AnySpaces(spaces.Discrete(2), space)
    ConditionedPPO(env, seed=0, policy_kwargs={"features_extractor_class": CombinedExtractor}, **SMALL).learn(64)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"features_extractor_class": Wrong}, r"turns 2 observations into \(2, 8\).*expected \(2, 7\)"),
        ({"features_extractor_class": Mine, "features_extractor_kwargs": {"depth": 2}}, "cannot be made"),
        ({"features_extractor_class": "os:system"}, "names code"),
        ({"features_extractor_class": "NatureCNN"}, "needs images of uint8 from 0 to 255"),
        ({"features_extractor_class": int}, "subclass of torch.nn.Module"),
        ({"net_arch": [64, 0]}, "expected widths"),
        ({"net_arch": "64"}, "expected widths"),
        ({"activation_fn": 3}, "expected a class"),
        ({"features_extractor_kwargs": {"width": 3}}, "need a features_extractor_class"),
    ],
)
def test_wrong_networks_are_refused_in_one_line(given: dict[str, Any], says: str) -> None:
    with pytest.raises(AgentError, match=says) as error:
        ConditionedPPO(Bandit(), seed=0, policy_kwargs=given, **SMALL)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("given", [{"net_arhc": [64]}, {"activation_fn": "tahn"}, {"net_arch": {"policy": [64]}}])
def test_unknown_names_are_refused_with_the_nearest(given: dict[str, Any]) -> None:
    with pytest.raises(UnknownNameError):
        ConditionedPPO(Bandit(), seed=0, policy_kwargs=given, **SMALL)


@pytest.mark.parametrize(
    ("space", "says"),
    [
        (spaces.Box(0.0, 1.0, (64, 64, 3), np.float32), "uint8 from 0 to 255"),
        (spaces.Box(0, 1, (64, 64, 3), np.uint8), "uint8 from 0 to 255"),
        (spaces.Dict({"eye": spaces.Box(-1.0, 1.0, (3, 64, 64), np.float32)}), "uint8 from 0 to 255"),
    ],
)
def test_images_of_the_wrong_type_or_range_are_refused(space: spaces.Space[Any], says: str) -> None:
    with pytest.raises(AgentError, match=says) as error:
        ConditionedPPO(problems.AnySpaces(spaces.Discrete(2), space), seed=0, **SMALL)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "option",
    [{"device": "cuda" if not torch.cuda.is_available() else "mps"}, {"learning_rate": (1e-3, -1.0)},
     {"learning_rate": (1.0, 1.0, 1.0)}, {"ent_coef": (0.1, float("nan"))}, {"n_steps": 0}, {"gae_lambda": 1.1}],
)  # fmt: skip
def test_wrong_options_are_refused_in_one_line(option: dict[str, Any]) -> None:
    with pytest.raises(AgentError) as error:
        ConditionedPPO(Bandit(), seed=0, **{**SMALL, **option})
    assert "\n" not in str(error.value)


def test_a_rollout_that_does_not_fit_is_refused_before_it_is_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MORL_MAX_MEMORY", "0.01")
    agent = ConditionedPPO(Bandit(), seed=0, n_envs=2, n_steps=1_000_000, device="cpu")
    with pytest.raises(AgentError, match=r"a rollout of .* needs .* of memory.*lower n_steps"):
        agent.learn(4_000_000)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_learning_on_other_devices(device: str, tmp_path: Any) -> None:
    if not {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[device]:
        pytest.skip(f"no {device} here")
    agent = ConditionedPPO(Pixels(), seed=0, **{**SMALL, "device": device}).learn(200)
    path = agent.save(tmp_path / "agent")
    assert digest(ConditionedPPO.load(path, Pixels())) == digest(agent)
