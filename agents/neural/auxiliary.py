"""Auxiliary heads: what else a representation can learn from a transition. Needs torch; import it lazily.

A trunk that only learns values sees K numbers a step. Heads that predict what the step did give it more to learn from
(Jaderberg et al. 2017), and take some of its capacity. Each is a loss on the features φ(s, w) before the heads::

    reward      ‖ĝ(φ, a) − r‖²                every objective in units of its spread (PopArt)
    next_obs    ‖ĥ(φ, a) − (o' − o)‖²         change of the encoded observation
    inverse     −log p̂(a | φ, φ'), or ‖â(φ, φ') − a‖² for continuous actions (Pathak et al. 2017)
    rotation    −log p̂(r | φ(R_r s, w)): by how many quarter turns r a window was turned (Gidaris et al. 2018)

The gradients reach the trunk weighted by a coefficient. A head of your own is a module with the same ``loss``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from morl.agents.neural.networks import PopArt
from morl.spec import AgentError, UnknownNameError

AUXILIARIES = ("reward", "next_obs", "inverse", "rotation")
"""What the option ``auxiliary`` may name."""


class Step(NamedTuple):
    """Transitions with features, as auxiliary heads see them."""

    features: Tensor
    """φ(s, w) ``(n, size)``; gradients flow into the trunk."""
    next_features: Tensor
    """φ(s', w) ``(n, size)``."""
    actions: Tensor
    """``(n,)`` int64, or ``(n, size)`` float."""
    obs: Tensor
    """``(n, inputs)``, encoded."""
    next_obs: Tensor
    """``(n, inputs)``."""
    rewards: Tensor
    """``(n, K)``."""
    encode: Callable[[Tensor], Tensor] | None = None
    """Features of other observations ``(n, inputs)`` under the same w."""


class AuxiliaryHead(Protocol):
    """A head of your own: a torch module that has a loss."""

    def loss(self, step: Step) -> Tensor:
        """A number, to be made small."""


class _WithAction(nn.Module):
    """A hidden layer on features and the action."""

    def __init__(self, features: int, n_actions: int, discrete: bool, outputs: int, width: int) -> None:
        super().__init__()
        self.n_actions, self.discrete = n_actions, discrete
        self.hidden = nn.Sequential(nn.Linear(features + n_actions, width), nn.ReLU())
        self.out = nn.Linear(width, outputs)

    def embed(self, step: Step) -> Tensor:
        """The hidden layer ``(n, width)``."""
        actions = nn.functional.one_hot(step.actions.long(), self.n_actions) if self.discrete else step.actions
        out: Tensor = self.hidden(torch.cat([step.features, actions.to(step.features.dtype)], dim=1))
        return out


class RewardHead(_WithAction):
    """Predicts the reward vector, every objective in its own unit."""

    def __init__(self, features: int, n_actions: int, discrete: bool, k: int, width: int) -> None:
        super().__init__(features, n_actions, discrete, 1, width)
        self.out = PopArt(width, k, beta=0.01)  # type: ignore[assignment]

    def loss(self, step: Step) -> Tensor:
        """Squared error in units of each objective's spread."""
        self.out.update(step.rewards)  # type: ignore[operator]
        goal = self.out.normalise(step.rewards)  # type: ignore[operator]
        loss: Tensor = (self.out(self.embed(step))[:, 0] - goal).square().mean()
        return loss


class NextObsHead(_WithAction):
    """Predicts how the encoded observation changes."""

    def loss(self, step: Step) -> Tensor:
        """Squared error."""
        loss: Tensor = (self.out(self.embed(step)) - (step.next_obs - step.obs)).square().mean()
        return loss


class InverseHead(nn.Module):
    """Predicts the action from the features before and after it."""

    def __init__(self, features: int, n_actions: int, discrete: bool, width: int) -> None:
        super().__init__()
        self.discrete = discrete
        self.net = nn.Sequential(nn.Linear(2 * features, width), nn.ReLU(), nn.Linear(width, n_actions))

    def loss(self, step: Step) -> Tensor:
        """Cross-entropy of numbered actions, squared error of others."""
        guess = self.net(torch.cat([step.features, step.next_features], dim=1))
        if self.discrete:
            return nn.functional.cross_entropy(guess, step.actions.long())
        loss: Tensor = (guess - step.actions).square().mean()
        return loss


class RotationHead(nn.Module):
    """Tells by how many quarter turns the window at the beginning of an observation was turned.

    Args:
        features: size of φ.
        inputs: size of an encoded observation.
        side: of the window, whose ``side²`` numbers come first.
        width: of the hidden layer.

    Raises:
        AgentError: a window smaller than 2, or larger than the observation.
    """

    def __init__(self, features: int, inputs: int, side: int, width: int) -> None:
        super().__init__()
        if side < 2 or side**2 > inputs:
            raise AgentError(
                f"auxiliary head 'rotation' turns a window of {side} × {side} at the beginning of {inputs} numbers; "
                "set auxiliary_window to its side"
            )
        self.side = side
        self.net = nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, 4))

    def turned(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Observations ``(n, inputs)``, row i turned by i mod 4 quarters, and the turns ``(n,)``."""
        turns = torch.arange(len(obs), device=obs.device) % 4
        out = obs.clone()
        for turn in range(1, 4):
            window = obs[turn::4, : self.side**2].view(-1, self.side, self.side)
            out[turn::4, : self.side**2] = torch.rot90(window, turn, (1, 2)).flatten(1)
        return out, turns

    def loss(self, step: Step) -> Tensor:
        """Cross-entropy of the turn."""
        assert step.encode is not None
        turned, turns = self.turned(step.obs)
        return nn.functional.cross_entropy(self.net(step.encode(turned)), turns)


class Auxiliaries(nn.Module):
    """Several heads beside the values.

    Args:
        kinds: some of :data:`AUXILIARIES`, or modules of your own with a ``loss``.
        features: size of φ.
        inputs: size of an encoded observation.
        n_actions: number of actions, or size of a continuous one.
        discrete: whether actions are numbers.
        k: objectives.
        coefficient: weight of the sum of the heads' losses.
        width: of hidden layers.
        window: side of the square window with which an observation begins, for ``"rotation"``.

    Raises:
        UnknownNameError: no such head.
        AgentError: a module without a loss, a coefficient below 0, or a window that does not fit.
    """

    def __init__(
        self,
        kinds: Sequence[str | nn.Module],
        features: int,
        inputs: int,
        n_actions: int,
        discrete: bool,
        k: int,
        *,
        coefficient: float = 0.1,
        width: int = 64,
        window: int = 0,
    ) -> None:
        super().__init__()
        if not coefficient >= 0:
            raise AgentError(f"the coefficient of auxiliary losses is {coefficient}; expected a number ≥ 0")
        self.coefficient = coefficient
        heads: dict[str, nn.Module] = {}
        for kind in kinds:
            if isinstance(kind, nn.Module):
                if not callable(getattr(kind, "loss", None)):
                    raise AgentError(f"auxiliary head {type(kind).__name__} has no loss(step); see AuxiliaryHead")
                heads[type(kind).__name__.lower()] = kind
            elif kind == "reward":
                heads[kind] = RewardHead(features, n_actions, discrete, k, width)
            elif kind == "next_obs":
                heads[kind] = NextObsHead(features, n_actions, discrete, inputs, width)
            elif kind == "inverse":
                heads[kind] = InverseHead(features, n_actions, discrete, width)
            elif kind == "rotation":
                heads[kind] = RotationHead(features, inputs, window, width)
            else:
                raise UnknownNameError("auxiliary head", kind, AUXILIARIES)
        self.heads = nn.ModuleDict(heads)
        self._last = dict.fromkeys(heads, 0.0)

    def loss(self, step: Step) -> Tensor:
        """Coefficient times the sum of the heads' losses.

        Raises:
            AgentError: a batch without transitions.
        """
        if not len(step.features):
            raise AgentError("auxiliary heads got no transitions; expected a batch of at least one")
        total = step.features.new_zeros(())
        for name, head in self.heads.items():
            value = head.loss(step)  # type: ignore[operator]
            self._last[name] = float(value.detach())
            total = total + value
        return self.coefficient * total

    def report(self) -> dict[str, float]:
        """The losses as last seen, for logs."""
        return {f"auxiliary_{name}": value for name, value in self._last.items()}
