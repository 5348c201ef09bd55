"""Actors conditioned on a preference, for continuous actions in [−1, 1]. Needs torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from morl.agents.neural.networks import Trunk


class Actor(nn.Module):
    """A conditioned deterministic actor ``π(s, w)``.

    Early critics are nearly linear in the action and push what goes into tanh to where tanh is flat, for every
    preference alike; it takes very long to come back. :meth:`actions_and_excess` says how far it went, for a loss.
    (Dividing it by its mean size instead, as Wang, Wu, Vuong & Ross 2020 do, leaves an action of one component without
    any gradient, and no actor can play all components at their ends.)

    Args:
        trunk: takes observations and preferences.
        outputs: size of an action.
    """

    STEEP = 2.0
    """What may go into tanh freely: actions up to ±.964."""

    def __init__(self, trunk: Trunk, outputs: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(trunk.size, outputs)

    def forward(self, obs: Tensor, weights: Tensor) -> Tensor:
        """Actions ``(n, outputs)``."""
        return torch.tanh(self.head(self.trunk(obs, weights)))

    def actions_and_excess(self, obs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Actions ``(n, outputs)``, and the mean square of what goes into tanh beyond :attr:`STEEP`."""
        raw = self.head(self.trunk(obs, weights))
        return torch.tanh(raw), (raw.abs() - self.STEEP).clamp(min=0.0).square().mean()


class GaussianActor(nn.Module):
    """A conditioned actor ``π(· | s, w)`` with normally distributed actions, squashed by tanh (Haarnoja et al. 2018).

    Args:
        trunk, outputs: as for :class:`Actor`.
    """

    def __init__(self, trunk: Trunk, outputs: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(trunk.size, 2 * outputs)

    def forward(self, obs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation before tanh, ``(n, outputs)`` each."""
        mean, log_std = self.head(self.trunk(obs, weights)).chunk(2, dim=1)
        return mean, log_std.clamp(-20.0, 2.0)

    def sample(self, obs: Tensor, weights: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions made from standard normal ``noise``, and their log densities ``(n, 1)``."""
        mean, log_std = self(obs, weights)
        raw = mean + log_std.exp() * noise
        normal = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
        # log(1 − tanh²x) in the form that does not underflow
        squash = 2.0 * (math.log(2.0) - raw - nn.functional.softplus(-2.0 * raw))
        return torch.tanh(raw), (normal - squash).sum(dim=1, keepdim=True)


class Temperature(nn.Module):
    """A positive number that can be learned, by its logarithm.

    Args:
        value: to begin with.
    """

    def __init__(self, value: float) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.zeros(()))
        self.set(value)

    @torch.no_grad()
    def set(self, value: float) -> None:
        """Make it another number."""
        self.log.fill_(math.log(max(value, 1e-12)))

    def forward(self) -> Tensor:
        """The number, without gradient."""
        return self.log.detach().exp()
