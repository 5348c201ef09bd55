"""Pareto conditioned networks: supervised learning of the action that led to a return.

Reymond, Bargiacchi & Nowé (2022), "Pareto conditioned networks". The network is told which return is wanted and in how
many steps; it is trained on the best episodes seen, each of which shows how the return that it had can be had. No
scalarisation is involved, so returns inside the dents of the front can be asked for like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import nn

from morl.agents.base import Agent
from morl.agents.core.collector import Collector, take
from morl.agents.core.config import AgentConfig, option
from morl.agents.core.episodes import Episode, EpisodeRecorder, ReturnArchive
from morl.agents.core.exploration import Persistent
from morl.agents.core.info import AlgoInfo
from morl.agents.core.observations import Encoder
from morl.agents.core.policies import Array, Decision, Memory, PolicySet
from morl.agents.neural.flat import Adam
from morl.agents.neural.networks import Perceptron, Trunk, seeded
from morl.agents.neural.parameters import load_module, module_arrays
from morl.agents.scouting import scout
from morl.momdp import MOMDP
from morl.spec import AgentError, FloatArray, IntArray


@dataclass(frozen=True)
class PCNConfig(AgentConfig):
    """Options of :class:`PCN`."""

    hidden: tuple[int, ...] = option((64, 64), "width of each layer")
    mix: str = option("concat", "how the command enters the network", choices=("concat", "film"))
    layer_norm: bool = option(True, "normalise hidden layers, which then learn in half of the updates")
    lr: float = option(4e-3, "Adam's step size", low=0.0)
    batch: int = option(256, "rows per update", low=1)
    updates: int = option(30, "updates after each round of steps", low=1)
    focus: float = option(0.5, "share of each batch from episodes on the front", low=0.0, high=1.0)
    segment: int = option(32, "steps of every copy per round", low=1)
    warmup: int = option(20_000, "steps of random actions to begin with", low=1)
    scout: int = option(
        0,
        "steps in which evolution first looks for episodes to learn from, where more are asked for; "
        "for deterministic environments that are played in bulk",
        low=0,
    )
    lessons: int = option(60, "rounds of updates on what the scouting brought, before the first step", low=0)
    archive: int = option(400, "episodes to learn from", low=2)
    per_cell: int = option(4, "episodes kept of (nearly) the same return", low=1)
    max_age: int | None = option(None, "rounds after which an episode is forgotten; for random returns", low=1)
    epsilon: float = option(0.02, "probability of beginning random actions after warm-up", low=0.0, high=1.0)
    spread: float = option(0.0, "copy i of n explores with ε^(1 + spread·i/(n−1)): from boldly to hardly", low=0.0)
    persistence: int = option(16, "longest run of one random action; 1 draws every step anew", low=1)
    boldness: float = option(1.0, "how far beyond a known return commands ask, in standard deviations", low=0.0)
    action_noise: float = option(0.1, "exploration noise of continuous actions, as a share of their range", low=0.0)
    layers: int = option(
        1, "layers of non-dominated returns whose policies are measured for the front; for random returns", low=1
    )
    n_envs: int = option(128, "copies of the environment stepped together", low=1)


class PCN(Agent):
    """Learns deterministic policies for the whole front, dents included, from its own best episodes."""

    info = AlgoInfo(
        name="PCN",
        summary="one network told which return to reach: deterministic trade-offs, dents of the front included",
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
        self.encoder = Encoder(self.observation_space)
        chosen = self.actions.space
        outputs = int(chosen.n) if isinstance(chosen, spaces.Discrete) else int(np.prod(chosen.shape or ()))
        with seeded(self.integer_seed("network")):
            trunk = Trunk(self.encoder.size, c.hidden, preference=self.k + 1, mix=c.mix, layer_norm=c.layer_norm)
            self.net = CommandedNet(trunk, outputs)
        self.optimizer = Adam(self.net, c.lr)
        self.archive = ReturnArchive(self.k, c.archive, c.per_cell)
        self.rounds = 0

    # ---- learning --------------------------------------------------------------------------------------

    def _learn(self, until: int) -> None:
        c, rng = self.config, self.rng("explore", self._segment)
        if self.rounds == 0 and 0 < c.scout < self.target_timesteps:
            episodes, steps = scout(self, c.scout)
            self.teach(episodes, c.lessons)
            self.rounds += 1
            self.advance(steps)
        env = self.problem.training(c.n_envs)
        collector = self.problem.collector(env)
        collector.reset(self.segment_seed())
        recorder = EpisodeRecorder(collector.n, self.encoder, self.discount)
        commander = _Commander(self, collector.n, rng)
        wander = Persistent(self.actions.space, collector.n, longest=c.persistence)
        # Some copies roam, others repeat what is known (Horgan et al. 2018).
        self._epsilon = c.epsilon ** (1 + c.spread * np.linspace(0, 1, collector.n))
        while self.num_timesteps < until:
            before = collector.steps
            for _ in range(c.segment):
                actions = self._explore(collector, commander, wander, rng)
                out = collector.step(actions)
                ended = out.env[out.terminated | out.truncated]
                self.archive.extend(recorder.record(out, None if c.max_age else self.archive.wants), self.rounds)
                commander.renew(ended)
                if self.num_timesteps + collector.steps - before >= until:
                    break
            self.archive.trim(None if c.max_age is None else self.rounds - c.max_age)
            commander.refresh()
            if self.num_timesteps + collector.steps - before >= c.warmup:
                self._update(rng)
            self.rounds += 1
            self.advance(collector.steps - before)
        if not self.problem.is_vector:
            env.close()

    def _explore(
        self, collector: Collector, commander: _Commander, wander: Persistent, rng: np.random.Generator
    ) -> Array:
        if self.num_timesteps < self.config.warmup or not len(self.archive):
            return wander.step(None, 1.0, rng)[0]
        wanted, left = commander.remaining(collector.accrued, collector.time)
        outputs = self.outputs(self.encoder(collector.obs), wanted, left)
        if self.actions.continuous:
            noise = rng.normal(0.0, self.config.action_noise, outputs.shape)
            chosen = np.clip(np.tanh(outputs) + 2 * noise, -1, 1).astype(np.float32)
        else:
            gumbel = rng.gumbel(size=outputs.shape)
            chosen = np.asarray((outputs + gumbel).argmax(axis=1))
        return wander.step(chosen, self._epsilon, rng)[0]

    def _update(self, rng: np.random.Generator) -> None:
        if not len(self.archive):  # no episode has ended yet
            return
        c, data = self.config, self.archive.dataset()
        chosen = np.concatenate([data.draw(c.batch, c.focus, rng) for _ in range(c.updates)])
        observations = torch.split(torch.from_numpy(data.observations[chosen]), c.batch)
        commands = torch.split(self._command_input(data.remaining[chosen], data.left[chosen]), c.batch)
        targets = torch.split(torch.from_numpy(data.actions[chosen]), c.batch)
        for observation, command, target in zip(observations, commands, targets, strict=True):
            outputs = self.net(observation, command)
            if self.actions.continuous:
                loss = nn.functional.mse_loss(torch.tanh(outputs), target)
            else:
                loss = nn.functional.cross_entropy(outputs, target)
            self.optimizer.step(loss)

    def teach(self, episodes: Sequence[Episode], updates: int = 0) -> None:
        """Offer episodes from elsewhere (a demonstration, :meth:`ParetoEvolution.episodes`) to the archive.

        What they show is learned in :meth:`learn` like the agent's own episodes, or at once by ``updates`` rounds of
        updates. On an environment with random returns the episodes must be typical, not lucky.

        Args:
            episodes: with observations encoded as ``self.encoder`` does and rewards of the same objectives.
            updates: rounds of ``config.updates`` updates to make now.

        Raises:
            AgentError: an episode of other shapes.
        """
        for episode in episodes:
            shape = (len(episode), self.encoder.size), (len(episode), self.k)
            if (episode.observations.shape, episode.remaining.shape) != shape:
                raise AgentError(
                    f"episode has observations {episode.observations.shape} and returns {episode.remaining.shape}; "
                    f"expected {shape[0]} and {shape[1]}"
                )
        self.archive.extend([replace(episode) for episode in episodes], self.rounds)
        self.archive.trim()
        rng = self.rng("sample", self.rounds)
        for _ in range(updates):
            self._update(rng)

    # ---- the network -----------------------------------------------------------------------------------

    def _command_input(self, wanted: FloatArray, left: FloatArray) -> torch.Tensor:
        """Wanted return and remaining steps as network inputs of order one."""
        scale, longest = self.archive.scale, max(self.archive.longest, 1)
        parts = np.concatenate([wanted / scale, (left / longest)[:, None]], axis=1)
        return torch.from_numpy(parts.astype(np.float32))

    def outputs(self, encoded: Array, wanted: FloatArray, left: FloatArray) -> Array:
        """Logits, or action means before tanh, ``(n, outputs)``."""
        with torch.no_grad():
            result: torch.Tensor = self.net(torch.from_numpy(encoded), self._command_input(wanted, left))
        return result.numpy()

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

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        arrays = {
            **module_arrays(self.net, "net"),
            **self.optimizer.arrays("adam"),
            **self.archive.arrays("archive"),
        }
        return arrays, {"rounds": self.rounds}

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        load_module(self.net, arrays, "net")
        self.optimizer.restore(arrays, "adam")
        self.archive.restore("archive", arrays)
        self.rounds = int(facts["rounds"])


class CommandedNet(nn.Module):
    """A trunk that takes observation and command, and one linear layer."""

    def __init__(self, trunk: Trunk, outputs: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(trunk.size, outputs)
        self._whole = Perceptron(trunk, self.head)

    def forward(self, observations: torch.Tensor, command: torch.Tensor) -> torch.Tensor:
        """Logits ``(n, outputs)``."""
        return self._whole(observations, command)


class _Commander:
    """What every copy of the environment is told to reach while exploring: a known best return, and a bit more."""

    def __init__(self, agent: PCN, n: int, rng: np.random.Generator) -> None:
        self.agent, self.rng = agent, rng
        self.wanted, self.steps = np.zeros((n, agent.k)), np.ones(n)
        self.refresh()
        self.renew(np.arange(n))

    def refresh(self) -> None:
        """Learn what is known by now; once per round, because it costs more than a step."""
        self.returns, self.lengths = self.agent.archive.best()

    def renew(self, rows: IntArray) -> None:
        """Draw commands for copies whose episode has ended."""
        returns, lengths = self.returns, self.lengths
        if len(rows) == 0 or len(returns) == 0:
            return
        pick = self.rng.integers(len(returns), size=len(rows))
        spread = returns.std(axis=0) * self.agent.config.boldness
        more = np.zeros((len(rows), self.agent.k))
        more[np.arange(len(rows)), self.rng.integers(self.agent.k, size=len(rows))] = 1.0
        self.wanted[rows] = returns[pick] + more * self.rng.random((len(rows), 1)) * spread
        self.steps[rows] = lengths[pick]

    def remaining(self, accrued: FloatArray, time: IntArray) -> tuple[FloatArray, FloatArray]:
        """What is left to reach, and in how many steps."""
        return remaining(self.wanted, self.steps, accrued, time, self.agent.discount)


def remaining(
    wanted: FloatArray, steps: FloatArray, accrued: FloatArray, time: IntArray, discount: float
) -> tuple[FloatArray, FloatArray]:
    """``(R − accrued) / γᵗ`` and the steps left: the recursion Rₜ₊₁ = (Rₜ − rₜ)/γ in closed form."""
    power = np.maximum(float(discount) ** time, 1e-12)[:, None] if discount > 0 else np.ones((len(time), 1))
    return (wanted - accrued) / power, np.maximum(steps - time, 1.0)


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
        agent, which = self.agent, decision.which
        wanted, left = remaining(
            self.returns[which], self.lengths[which], decision.accrued, decision.time, agent.discount
        )
        outputs = agent.outputs(agent.encoder(decision.observations), wanted, left)
        return (np.tanh(outputs) if agent.actions.continuous else outputs.argmax(axis=1)), decision.memory

    def exact_values(self, model: MOMDP) -> FloatArray | None:
        """Values ``(m, K)``, all policies followed at once, where nothing is random; ``None`` where something is."""
        agent, m = self.agent, len(self)
        single = model.transitions.nnz == model.n_rows and model.start.max() == 1.0
        if agent.actions.continuous or not single:
            return None
        first, successor, actions = model.row_ptr[:-1], model.transitions.indices, model.n_actions
        values, accrued = np.zeros((m, model.k)), np.zeros((m, model.k))
        state = np.full(m, int(model.start.argmax()))
        running = np.flatnonzero(actions[state] > 0)
        for t in range(agent.problem.horizon or 100_000):
            if not len(running):
                break
            observations = take(agent.problem.model_observations, state[running])
            time = np.full(len(running), t)
            wanted, left = remaining(
                self.returns[running], self.lengths[running], accrued[running], time, agent.discount
            )
            chosen = agent.outputs(agent.encoder(observations), wanted, left).argmax(axis=1)
            if (chosen >= actions[state[running]]).any():
                return None
            rows = first[state[running]] + chosen
            values[running] += model.discount**t * model.rewards[rows]
            accrued[running] += agent.discount**t * model.rewards[rows]
            state[running] = successor[rows]
            running = running[actions[state[running]] > 0]
        return values
