"""Pareto conditioned networks: supervised learning of the action that led to a return.

Reymond, Bargiacchi & Nowé (2022), "Pareto conditioned networks". The network is told which return R is wanted and in
how many steps h; it is trained on the best episodes seen, each of which shows how the return that it had can be had::

    L = E[ −log π(a_t | s_t, R_t, h_t) ],     R_{t+1} = (R_t − r_t) / γ,     h_{t+1} = h_t − 1

(the squared error of a_t where actions are continuous). To explore, a non-dominated return of the archive is asked for,
and a bit more of one objective. No scalarisation is involved, so returns in non-convex regions of the front can be
asked for like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from morl.agents.core.collector import Collector
from morl.agents.core.commands import CommandSampler, remaining
from morl.agents.core.config import option, tuned_options
from morl.agents.core.episodes import Episode, EpisodeRecorder, ReturnArchive
from morl.agents.core.errors import warn
from morl.agents.core.exact_values import deterministic_values
from morl.agents.core.exploration import Persistent
from morl.agents.core.info import AlgoInfo
from morl.agents.core.policies import Array, Decision, Memory, PolicySet
from morl.agents.core.rows import Rows
from morl.agents.neural.conditioning import CONDITIONING
from morl.agents.neural.deployed import Network, encoded_rows
from morl.agents.neural.networks import CommandedNet, Trunk
from morl.agents.neural.policy_kwargs import NetworkConfig, OwnNetworks
from morl.agents.neural.training import (
    gradient_step,
    resolve_device,
    seeded,
    to_numpy,
)
from morl.momdp import MOMDP
from morl.spec import AgentError, FloatArray

EPISODES_PER_ENV = 10
"""Episodes that each parallel environment should have time for: what is learned from some is tried in the next."""


@dataclass(frozen=True)
class PCNConfig(NetworkConfig):
    """Options of :class:`PCN`."""

    net_arch: tuple[int, ...] = option((64, 64), "width of each layer")
    conditioning: str = option("concat", "how the command enters the network", choices=CONDITIONING)
    layer_norm: bool = option(True, "normalise hidden layers, which then learn in half of the updates")
    learning_rate: float | tuple[float, ...] = option(4e-3, "Adam's step size, or its first and last value", low=0.0)
    batch_size: int = option(256, "rows per update", low=1)
    gradient_steps: int = option(30, "updates after each round of steps", low=1)
    focus: float = option(0.5, "share of each batch from episodes on the front", low=0.0, high=1.0)
    n_steps: int = option(32, "steps of every environment per round", low=1)
    learning_starts: int = option(20_000, "steps of random actions to begin with", low=1)
    evolution_steps: int = option(
        0,
        "steps in which evolution first looks for episodes to learn from, where more are asked for; "
        "for deterministic environments with batched rollouts",
        low=0,
    )
    demonstration_rounds: int = option(
        60, "rounds of updates on what evolution has found, before the first step", low=0
    )
    archive: int = option(400, "episodes to learn from", low=2)
    per_cell: int = option(4, "episodes kept of (nearly) the same return", low=1)
    max_age: int | None = option(None, "rounds after which an episode is forgotten; for random returns", low=1)
    epsilon: float = option(0.02, "probability of beginning random actions after learning_starts", low=0.0, high=1.0)
    spread: float = option(0.0, "environment i of n explores with ε^(1 + spread·i/(n−1))", low=0.0)
    persistence: int = option(16, "longest run of one random action; 1 draws every step anew", low=1)
    command_noise: float = option(
        1.0, "how far beyond a known return commands ask, in standard deviations of the known returns", low=0.0
    )
    action_noise: float = option(0.1, "exploration noise of continuous actions, as a share of their range", low=0.0)
    layers: int = option(
        1, "layers of non-dominated returns whose policies are measured for the front; for random returns", low=1
    )
    n_envs: int = option(
        128, f"most parallel environments; fewer where each could not play {EPISODES_PER_ENV} episodes", low=1
    )


class PCN(OwnNetworks):
    """Learns deterministic policies for the whole front, non-convex regions included, from its own best episodes."""

    info = AlgoInfo(
        name="PCN",
        summary="one network told which return to reach; non-convex regions of the front included",
        criterion=("SER",),
        policy_class="return-conditioned deterministic (depends on the accrued reward and the time)",
        actions=("discrete", "continuous"),
        observations=("discrete", "vector"),
        paper="Reymond, Bargiacchi & Nowé 2022, Pareto Conditioned Networks",
        formula="min E[−log π(aₜ | sₜ, Rₜ, T−t)] over archived episodes; Rₜ₊₁ = (Rₜ − rₜ)/γ",
        avoid="random returns: the archive fills with lucky episodes (max_age helps a little)",
    )
    Config = PCNConfig

    def _setup(self) -> None:
        c = self.config
        self.rows = Rows(self.observation_space, self.problem.id)
        self.device = resolve_device(c.device)
        chosen = self.actions.space
        outputs = int(chosen.n) if isinstance(chosen, spaces.Discrete) else int(np.prod(chosen.shape or ()))
        options = self.one_network()
        with seeded(self.integer_seed("network")):
            trunk = Trunk(
                options.features(self.rows),
                options.pi,
                preference=self.k + 1,
                conditioning=c.conditioning,
                layer_norm=c.layer_norm,
                activation=options.activation,
            )
            self.net = CommandedNet(trunk, outputs).to(self.device)
        self.optimizer = self._adam(self.net, c.learning_rate)
        self.archive = ReturnArchive(self.k, c.archive, c.per_cell)
        self.rounds = self.episodes_ended = self.steps_ended = 0
        self._keeps("rounds", "episodes_ended", "steps_ended")
        self._keeps(net=self.net, adam=self.optimizer, archive=self.archive)

    # ---- learning --------------------------------------------------------------------------------------

    def loss(self, observations: Tensor, commands: Tensor, actions: Tensor) -> Tensor:
        """−log π(a | s, R, h) of archived steps, or the squared error of the action where actions are continuous."""
        outputs = self.net(observations, commands)
        if self.actions.continuous:
            return nn.functional.mse_loss(torch.tanh(outputs), actions)
        return nn.functional.cross_entropy(outputs, actions)

    def _update(self, rng: np.random.Generator) -> None:
        if not len(self.archive):  # no episode has ended yet
            return
        c, data = self.config, self.archive.dataset()
        rows = np.concatenate([data.draw(c.batch_size, c.focus, rng) for _ in range(c.gradient_steps)])
        self._follow_schedules()
        observations = torch.split(self._tensor(data.observations[rows]), c.batch_size)
        commands = torch.split(self._command(data.remaining[rows], data.left[rows]), c.batch_size)
        actions = torch.split(self._tensor(data.actions[rows]), c.batch_size)
        for batch in zip(observations, commands, actions, strict=True):
            gradient_step(self.loss(*batch), self.optimizer)

    def _learn(self, until: int) -> None:
        c, rng = self.config, self.rng("explore", self._segment)
        if self.rounds == 0 and 0 < c.evolution_steps < self.target_timesteps:
            episodes, steps = evolutionary_warm_start(self, c.evolution_steps)
            self.add_demonstrations(episodes, c.demonstration_rounds)
            self.rounds += 1
            self.advance(steps)
        restarts = 0
        while self.num_timesteps < until:
            seed = self.integer_seed("train", self._segment, restarts) if restarts else self.segment_seed()
            self._play(until, seed, rng)
            restarts += 1
        if self.num_timesteps >= self.target_timesteps:
            self._warn_where_nothing_was_learned()

    @property
    def parallel_envs(self) -> int:
        """Environments stepped together: at most ``n_envs``, and so few that each can play several episodes."""
        ended = self.episodes_ended
        length = self.steps_ended / ended if ended else self.problem.horizon or 1
        return max(1, min(int(self.config.n_envs), int(self.target_timesteps / (EPISODES_PER_ENV * length))))

    def _play(self, until: int, seed: int, rng: np.random.Generator) -> None:
        """Rounds of steps and updates: no step more than ``until``, and no longer than this many environments fit."""
        c, fixed = self.config, self.problem.is_vector
        with self.problem.collecting(min(self.parallel_envs, until - self.num_timesteps), seed) as collector:
            recorder = EpisodeRecorder(collector.n, self.rows, self.discount)
            commands = CommandSampler(self.archive, collector.n, c.command_noise, self.discount, rng)
            exploration = Persistent(self.actions.space, collector.n, longest=c.persistence)
            # Some environments explore much, others repeat what is known (Horgan et al. 2018).
            epsilon = c.epsilon ** (1 + c.spread * np.linspace(0, 1, collector.n))
            least = 1 if fixed else collector.n  # steps that must be left for one more of all environments
            while until - self.num_timesteps >= least:
                before = collector.steps
                for _ in range(c.n_steps):
                    out = collector.step(self._explore(collector, commands, exploration, epsilon, rng))
                    ended = out.terminated | out.truncated
                    self.archive.extend(recorder.record(out, None if c.max_age else self.archive.wants), self.rounds)
                    self.episodes_ended += int(ended.sum())
                    self.steps_ended += int(out.time[ended].sum() + ended.sum())
                    commands.renew(out.env[ended])
                    if until - self.num_timesteps - (collector.steps - before) < least:
                        break
                self.archive.trim(None if c.max_age is None else self.rounds - c.max_age)
                commands.refresh()
                if self.num_timesteps + collector.steps - before >= c.learning_starts:
                    self._update(rng)
                self.rounds += 1
                self.advance(collector.steps - before)
                if not fixed and self.parallel_envs >= 2 * collector.n:
                    break  # episodes prove shorter than the time limit: there is room for more

    def _warn_where_nothing_was_learned(self) -> None:
        steps, random = f"{self.num_timesteps:,}", self.config.learning_starts
        if not self.episodes_ended and not len(self.archive):
            warn(
                f"PCN learns from whole episodes, and none has ended in {steps} steps: ask for more steps, or give the "
                "environment a time limit (max_steps)",
            )
        elif self.num_timesteps < random:
            warn(
                f"PCN begins with {random:,} random steps, and only {steps} were asked for: ask for more steps, or "
                "lower learning_starts",
            )

    def _explore(
        self,
        collector: Collector,
        commands: CommandSampler,
        exploration: Persistent,
        epsilon: Array,
        rng: np.random.Generator,
    ) -> Array:
        if self.num_timesteps < self.config.learning_starts or not len(self.archive):
            return exploration.step(None, 1.0, rng)[0]
        wanted, left = commands.remaining(collector.accrued, collector.time)
        outputs = self.outputs(self.rows(collector.obs), wanted, left)
        if self.actions.continuous:
            noise = rng.normal(0.0, self.config.action_noise, outputs.shape)
            chosen = np.clip(np.tanh(outputs) + 2 * noise, -1, 1).astype(np.float32)
        else:
            gumbel = rng.gumbel(size=outputs.shape)
            chosen = np.asarray((outputs + gumbel).argmax(axis=1))
        return exploration.step(chosen, epsilon, rng)[0]

    def add_demonstrations(self, episodes: Sequence[Episode], updates: int = 0) -> None:
        """Offer episodes from elsewhere (of a person, of :meth:`ParetoEvolution.episodes`) to the archive.

        What they show is learned in :meth:`learn` like the agent's own episodes, or at once by ``updates`` rounds of
        updates. On an environment with random returns the episodes must be typical, not lucky.

        Args:
            episodes: with observations as rows that ``self.rows`` makes and rewards of the same objectives.
            updates: rounds of ``config.gradient_steps`` updates to make now.

        Raises:
            AgentError: an episode of other shapes.
        """
        for episode in episodes:
            shape, seen = ((len(episode), self.rows.size), (len(episode), self.k)), episode.observations
            if (seen.shape, episode.remaining.shape) != shape or seen.dtype != self.rows.dtype:
                raise AgentError(
                    f"episode has observations {seen.dtype} {seen.shape} and returns {episode.remaining.shape}; "
                    f"expected {self.rows.dtype} {shape[0]} and {shape[1]}"
                )
        self.archive.extend([replace(episode) for episode in episodes], self.rounds)
        self.archive.trim()
        rng = self.rng("sample", self.rounds)
        for _ in range(updates):
            self._update(rng)

    # ---- the network -----------------------------------------------------------------------------------

    def _tensor(self, values: Array) -> Tensor:
        """An array on the agent's device."""
        return torch.from_numpy(values).to(self.device)

    def _command(self, wanted: FloatArray, left: FloatArray) -> Tensor:
        """Wanted return and remaining steps as network inputs of order one, ``(n, K + 1)``."""
        scale, longest = self.archive.scale, max(self.archive.longest, 1)
        parts = np.concatenate([wanted / scale, (left / longest)[:, None]], axis=1)
        return self._tensor(parts.astype(np.float32))

    def outputs(self, encoded: Array, wanted: FloatArray, left: FloatArray) -> Array:
        """Logits, or action means before tanh, ``(n, outputs)``."""
        with torch.inference_mode():
            return to_numpy(self.net(self._tensor(encoded), self._command(wanted, left)))

    # ---- policies --------------------------------------------------------------------------------------

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        returns, lengths = self.archive.best(self.config.layers if preferences is None else 1)
        if len(returns) == 0:
            returns, lengths = np.zeros((1, self.k)), np.ones(1)
        if preferences is not None:
            chosen = (preferences @ returns.T).argmax(axis=1)
            returns, lengths = returns[chosen], lengths[chosen]
        return CommandPolicies(self, returns, lengths)

    def status(self) -> dict[str, float]:
        """Episodes in the archive and non-dominated returns among them."""
        return {"episodes": len(self.archive), "commands": len(self.archive.best()[0])}


class CommandPolicies(PolicySet):
    """One policy per wanted return.

    Args:
        agent: the network's owner.
        returns: ``(m, K)`` wanted discounted returns.
        lengths: ``(m,)`` steps in which they were had.
    """

    needs_accrued = True
    commanded = True

    def __init__(self, agent: PCN, returns: FloatArray, lengths: FloatArray) -> None:
        self.agent, self.returns, self.lengths = agent, returns, lengths
        self.preferences = returns

    def __len__(self) -> int:
        return len(self.returns)

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """The most likely action (or the mean) for what is left to reach."""
        agent = self.agent
        wanted, left = remaining(
            self.returns[decision.which], self.lengths[decision.which], decision.accrued, decision.time, agent.discount
        )
        outputs = agent.outputs(agent.rows(decision.observations), wanted, left)
        return (np.tanh(outputs) if agent.actions.continuous else outputs.argmax(axis=1)), decision.memory

    def network(self, number: int) -> Network:
        """The same in tensors."""
        agent, discount = self.agent, float(self.agent.discount)
        wanted, steps = torch.as_tensor(self.returns[number]), float(self.lengths[number])
        scale, longest = torch.as_tensor(agent.archive.scale), float(max(agent.archive.longest, 1))

        def act(rows: Tensor, weights: Tensor, accrued: Tensor, time: Tensor) -> Tensor:
            power = (discount ** time.double()).clamp(min=1e-12)[:, None] if discount > 0 else torch.ones(1, 1)
            left = (steps - time.double()).clamp(min=1.0)
            command = torch.cat([(wanted - accrued) / power / scale, (left / longest)[:, None]], dim=1).float()
            outputs: Tensor = agent.net(rows, command)
            return torch.tanh(outputs) if agent.actions.continuous else outputs.argmax(dim=1)

        return Network(act, encoded_rows(agent.rows), [agent.net], timed=True)

    def content(self, number: int) -> tuple[Any, ...]:
        """The command."""
        return self.returns[number], self.lengths[number]

    def exact_values(self, model: MOMDP) -> FloatArray | None:
        """Values ``(m, K)`` where neither the model nor a policy is random; else ``None``."""
        problem, discount = self.agent.problem, self.agent.discount
        return deterministic_values(self, model, problem.model_observations, discount, problem.horizon)


def evolutionary_warm_start(agent: PCN, steps: int) -> tuple[list[Episode], int]:
    """Let :class:`~morl.agents.evolution.ParetoEvolution` search for ``steps`` steps where ``agent`` is to learn.

    A network that explores by its own policy finds a front one neighbour at a time, and whether it ever finds the far
    ones is luck. Batched rollouts of action sequences are thirty times as fast and care for dominance alone.

    Args:
        agent: who will learn; its environment, discount and seed are used.
        steps: environment steps to spend.

    Returns:
        The episodes on the front that was found, and the steps spent (playing these episodes included).

    Raises:
        AgentError: the environment is random, or has no batched rollouts.
    """
    from morl.agents.evolution import ParetoEvolution
    from morl.agents.search import sequences

    problem = agent.problem
    if sequences.dynamics_of(problem) is None:
        raise AgentError(
            "option evolution_steps needs an environment with batched dynamics or a finite model; "
            f"{problem.id} has neither: set evolution_steps=0"
        )

    def while_deterministic(search: Any) -> bool:
        """End the search in the generation in which the environment draws its first random number."""
        return not search.noisy

    options = {"genotype": "sequence", **tuned_options(ParetoEvolution.info.name, problem.registered)}
    search = ParetoEvolution(
        problem.env, {**options, "discount": agent.discount}, seed=agent.integer_seed("sample", 0)
    ).learn(steps, callback=while_deterministic)
    if search.noisy:
        raise AgentError(
            "option evolution_steps needs deterministic returns, because an episode shows what it can be had for; "
            f"{problem.id} is random: set evolution_steps=0"
        )
    episodes = search.episodes()
    return episodes, search.num_timesteps + sum(map(len, episodes))
