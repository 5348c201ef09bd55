"""An actor and a critic that take a preference: features, two trunks, a distribution of actions and K values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from morl.agents.core.rows import Rows
from morl.agents.neural.deployed import NORMAL, UNIFORM, gumbel
from morl.agents.neural.network_options import NetworkOptions
from morl.agents.neural.networks import PopArt, Trunk
from morl.spec import FloatArray

Array = np.ndarray[Any, Any]


class ActorCritic(nn.Module):
    """π(a|s, w) and V(s, w).

    Args:
        rows: how observations become rows.
        k: objectives.
        actions: ``Discrete``, flat ``MultiDiscrete``, or a flat box ``[-1, 1]``.
        options: networks.
        conditioning: how the preference enters; see :mod:`morl.agents.neural.conditioning`.
        log_std_init: log standard deviation of continuous actions at first.

    Attributes:
        values: the head of the K values, with their units.
    """

    def __init__(
        self,
        rows: Rows,
        k: int,
        actions: spaces.Space[Any],
        options: NetworkOptions,
        conditioning: str = "concat",
        log_std_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.features = options.features(rows)
        self.actor, self.critic = (
            Trunk(
                self.features.size,
                widths,
                preference=k,
                conditioning=conditioning,
                activation=options.activation,
                orthogonal=True,
            )
            for widths in (options.pi, options.vf)
        )
        self.choice: Categorical | Gaussian = (
            Gaussian(self.actor.size, k, int(np.prod(actions.shape or ())), log_std_init)
            if isinstance(actions, spaces.Box)
            else Categorical(self.actor.size, actions)
        )
        self.values = PopArt(self.critic.size, k, beta=0.05, tolerance=0.0, from_mean=True)

    def _inputs(self, obs: Tensor, preference: Tensor) -> tuple[Tensor, Tensor]:
        return self.features(obs), standard(preference)

    def forward(self, obs: Tensor, preference: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """log π(a|s, w) ``(n,)``, the entropy of π(·|s, w) ``(n,)``, and normalised values ``(n, K)``."""
        inputs = self._inputs(obs, preference)
        log_prob, entropy = self.choice.log_prob(self.actor(*inputs), preference, actions)
        return log_prob, entropy, self.values(self.critic(*inputs))[:, 0]

    def value(self, obs: Tensor, preference: Tensor) -> Tensor:
        """V(s, w) ``(n, K)`` in the unit of the returns."""
        return self.values.denormalise(self.values(self.critic(*self._inputs(obs, preference)))[:, 0])

    @torch.no_grad()
    def act(
        self, obs: Tensor, preference: Tensor, rng: np.random.Generator | None
    ) -> tuple[Array, FloatArray, FloatArray]:
        """Actions (without ``rng`` the most likely ones), their log probabilities ``(n,)``, and values ``(n, K)``."""
        noise = None if rng is None else self.choice.noise((len(preference),), rng).to(preference.device)
        actions, log_prob, values = self.choose(obs, preference, noise)
        return actions.cpu().numpy(), log_prob.cpu().numpy(), values.double().cpu().numpy()

    def choose(self, obs: Tensor, preference: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """As :meth:`act` for noise drawn before: tensors in, tensors out."""
        inputs = self._inputs(obs, preference)
        features = self.actor(*inputs)
        actions = self.choice.sample(features, preference, noise)
        log_prob, _ = self.choice.log_prob(features, preference, actions)
        return actions, log_prob, self.values.denormalise(self.values(self.critic(*inputs))[:, 0])

    @property
    def chooses_one(self) -> bool:
        """Whether an action is one of several."""
        return isinstance(self.choice, Categorical) and len(self.choice.sizes) == 1

    def logits(self, obs: Tensor, preference: Tensor) -> Tensor:
        """Of the actions ``(n, A)``, where one or several are chosen."""
        assert isinstance(self.choice, Categorical)
        found: Tensor = self.choice.logits(self.actor(*self._inputs(obs, preference)))
        return found

    @torch.no_grad()
    def probabilities(self, obs: Tensor, preference: Tensor) -> FloatArray | None:
        """Of each action ``(n, A)`` where one of several is chosen; else ``None``."""
        if not self.chooses_one:
            return None
        return np.asarray(torch.softmax(self.logits(obs, preference).double(), dim=1).cpu().numpy())


class Categorical(nn.Module):
    """One or several independent choices among some actions each, by softmax."""

    def __init__(self, inputs: int, actions: spaces.Space[Any]) -> None:
        super().__init__()
        self.single = isinstance(actions, spaces.Discrete)
        self.sizes = [int(actions.n)] if isinstance(actions, spaces.Discrete) else actions.nvec.tolist()  # type: ignore[attr-defined]
        self.logits = nn.Linear(inputs, sum(self.sizes))
        nn.init.orthogonal_(self.logits.weight, 0.01)
        nn.init.zeros_(self.logits.bias)

    def log_prob(self, features: Tensor, preference: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Log probabilities ``(n,)`` of actions ``(n,)`` or ``(n, parts)``, and entropies ``(n,)``."""
        chosen = actions.view(len(actions), -1)
        parts = [part.log_softmax(dim=1) for part in self.logits(features).split(self.sizes, dim=1)]
        picked = [part.gather(1, chosen[:, i : i + 1])[:, 0] for i, part in enumerate(parts)]
        entropies = [-(part.exp() * part).sum(dim=1) for part in parts]
        return torch.stack(picked).sum(dim=0), torch.stack(entropies).sum(dim=0)

    def noise(self, shape: tuple[int, ...], rng: np.random.Generator) -> Tensor:
        """What :meth:`sample` draws actions with, for a batch of this shape: Gumbel noise."""
        uniform = np.clip(rng.random((*shape, sum(self.sizes)), dtype=np.float32), 1e-20, 1 - 1e-7)
        return torch.from_numpy(-np.log(-np.log(uniform)))

    @property
    def outside(self) -> tuple[str, int]:
        """Kind and size of the numbers that :meth:`from_outside` takes."""
        return UNIFORM, sum(self.sizes)

    def from_outside(self, numbers: Tensor) -> Tensor:
        """:meth:`noise` from uniform numbers ``(n, size)`` of [0, 1); equal ones give the most likely actions."""
        return gumbel(numbers)

    def sample(self, features: Tensor, preference: Tensor, noise: Tensor | None) -> Tensor:
        """Actions drawn by the Gumbel trick, or the most likely ones."""
        logits = self.logits(features)
        if noise is not None:
            logits = logits + noise
        chosen = torch.stack([part.argmax(dim=1) for part in logits.split(self.sizes, dim=1)], dim=1)
        return chosen[:, 0] if self.single else chosen


class Gaussian(nn.Module):
    """Normally distributed actions; how widely depends on the preference, for exploring may itself cost something."""

    def __init__(self, inputs: int, k: int, outputs: int, log_std_init: float) -> None:
        super().__init__()
        self.mean, self.log_std = nn.Linear(inputs, outputs), nn.Linear(k, outputs)
        nn.init.orthogonal_(self.mean.weight, 0.01)
        nn.init.zeros_(self.mean.bias)
        nn.init.zeros_(self.log_std.weight)
        nn.init.constant_(self.log_std.bias, log_std_init)

    def log_prob(self, features: Tensor, preference: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Log densities ``(n,)`` of actions ``(n, size)``, and entropies ``(n,)``."""
        mean, log_std = self.mean(features), self.log_std(standard(preference))
        square = ((actions - mean) * (-log_std).exp()).square()
        log_prob = (-0.5 * square - log_std - 0.5 * math.log(2 * math.pi)).sum(dim=1)
        return log_prob, (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(dim=1)

    def noise(self, shape: tuple[int, ...], rng: np.random.Generator) -> Tensor:
        """What :meth:`sample` draws actions with, for a batch of this shape: standard normal noise."""
        return torch.from_numpy(rng.standard_normal((*shape, self.mean.out_features), dtype=np.float32))

    @property
    def outside(self) -> tuple[str, int]:
        """Kind and size of the numbers that :meth:`from_outside` takes."""
        return NORMAL, self.mean.out_features

    def from_outside(self, numbers: Tensor) -> Tensor:
        """:meth:`noise` from standard normal numbers ``(n, size)``; zeros give the mean actions."""
        return numbers

    def sample(self, features: Tensor, preference: Tensor, noise: Tensor | None) -> Tensor:
        """Actions drawn, or the mean ones; both may lie beyond the box, whose bounds the environment's actions keep."""
        mean: Tensor = self.mean(features)
        if noise is None:
            return mean
        drawn: Tensor = mean + self.log_std(standard(preference)).exp() * noise
        return drawn


def standard(preference: Tensor) -> Tensor:
    """Preferences ``(n, K)`` with mean 0 and variance 1 where they are drawn evenly from the simplex.

    As small as they are, networks would tell them apart late.
    """
    k = preference.shape[1]
    return (preference - 1 / k) * (k * math.sqrt((k + 1) / max(k - 1, 1)))
