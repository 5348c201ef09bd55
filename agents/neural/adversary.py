"""An adversary that reads from a representation what it should not hold. Needs torch; import it lazily.

Gradient reversal (Ganin et al. 2016): the adversary learns to tell a nuisance from the features, and the features learn
to make that impossible, for its gradient reaches them with the opposite sign. Where the nuisance goes along with what
the agent is after, purging one purges the other; then the adversary must be *conditional*: it also sees the goal, so
that only what the nuisance says beyond the goal is purged.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from morl.spec import AgentError


class _Reverse(torch.autograd.Function):
    """Identity forwards; backwards the gradient times −strength."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse(features: Tensor, strength: float = 1.0) -> Tensor:
    """The features themselves, whose gradient is reversed and multiplied by ``strength``."""
    out: Tensor = _Reverse.apply(features, strength)  # type: ignore[no-untyped-call]
    return out


class Adversary(nn.Module):
    """Reads a nuisance from features.

    Args:
        features: size of the features.
        classes: values of the nuisance, 0 … classes − 1.
        condition: size of what else it sees (the goal, one-hot); 0 makes it marginal.
        width: of its hidden layer.

    Raises:
        AgentError: fewer than two classes.
    """

    def __init__(self, features: int, classes: int = 2, condition: int = 0, width: int = 64) -> None:
        super().__init__()
        if classes < 2:
            raise AgentError(f"a nuisance has {classes} values; expected at least 2")
        self.condition = condition
        self.net = nn.Sequential(nn.Linear(features + condition, width), nn.ReLU(), nn.Linear(width, classes))

    def forward(self, features: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits ``(n, classes)`` of features ``(n, size)`` and conditions ``(n, condition)``."""
        if (condition is not None) != (self.condition > 0):
            raise AgentError(f"the adversary sees {self.condition} numbers beside the features; give just these")
        out: Tensor = self.net(features if condition is None else torch.cat([features, condition], dim=1))
        return out

    def loss(
        self, features: Tensor, nuisance: Tensor, condition: Tensor | None = None, strength: float = 1.0
    ) -> Tensor:
        """Cross-entropy of nuisances ``(n,)``: minimised by the adversary, and through reversal raised by the features.

        Args:
            features: ``(n, size)``.
            nuisance: ``(n,)`` int64.
            condition: ``(n, condition)``, or ``None`` for a marginal adversary.
            strength: how hard the features are pushed; the adversary's own gradient is as it is.
        """
        return nn.functional.cross_entropy(self(reverse(features, strength), condition), nuisance)
