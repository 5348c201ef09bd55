"""What objectives share of a network of values. Needs torch; import it lazily.

========== ==========================================================================================================
hard       one trunk, a linear head for each objective (Caruana 1997): :class:`~morl.agents.neural.networks.VectorNet`
soft       a trunk for each objective; after each step they are pulled together by γ Σ_{t<s} ‖θ_t − θ_s‖² (Duong 2015)
private    a shared trunk whose last layer each objective has for itself
attention  a query for each objective attends over the entries of the features (after MTAN, Liu et al. 2019)
========== ==========================================================================================================

The pull of ``soft`` is the exact proximal step of its penalty, not a term of the loss: with Adam, which divides
gradients by their size, a large penalty in the loss would shake the trunks instead of joining them. Differences from
the mean of the K trunks shrink by 1 / (1 + ηγK) for a step size η; with γ = 0 nothing happens, and each objective
learns as it would alone, bit for bit, where gradients are not clipped together.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from morl.agents.core.config import option
from morl.agents.neural.balance import BALANCES
from morl.agents.neural.features import Features
from morl.agents.neural.networks import PopArt, Trunk, VectorNet, paired
from morl.spec import AgentError, UnknownNameError

SHARINGS = ("hard", "soft", "private", "attention")
"""What the option ``sharing`` may name."""


@dataclass(frozen=True)
class BalanceOptions:
    """Options of agents whose objectives share a trunk."""

    balance: str = option("none", "how objectives' gradients are balanced in the shared trunk", choices=BALANCES)
    loss_weights: tuple[float, ...] | None = option(None, "multiples of the objectives' losses, for balance 'weights'")


@dataclass(frozen=True)
class SharingOptions(BalanceOptions):
    """The same, and what they share."""

    sharing: str = option("hard", "what objectives share of the network", choices=SHARINGS)
    pull: float = option(0.0, "γ of sharing 'soft': how hard the objectives' trunks are pulled together", low=0.0)


class JointHeads(nn.Module):
    """Heads of one objective each, with the interface of one :class:`~morl.agents.neural.networks.PopArt`.

    Args:
        heads: K of them.
    """

    def __init__(self, heads: Sequence[PopArt]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)

    def _each(self) -> list[PopArt]:
        return [head for head in self.heads if isinstance(head, PopArt)]

    @property
    def mean(self) -> Tensor:
        """``(K,)``, see :class:`~morl.agents.neural.networks.PopArt`."""
        return torch.cat([head.mean for head in self._each()])

    @property
    def std(self) -> Tensor:
        """``(K,)``, see :class:`~morl.agents.neural.networks.PopArt`."""
        return torch.cat([head.std for head in self._each()])

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Normalised outputs ``(n, outputs, K)`` of features ``(n, size)``, one per objective."""
        return torch.cat([head(x) for head, x in zip(self.heads, features, strict=True)], dim=-1)

    def denormalise(self, outputs: Tensor) -> Tensor:
        """Outputs ``(..., K)`` in the unit of the returns."""
        return torch.addcmul(self.mean, outputs, self.std)

    def normalise(self, targets: Tensor) -> Tensor:
        """Targets ``(..., K)`` in units of the running statistics."""
        return (targets - self.mean) / self.std

    def update(self, targets: Tensor, followers: Sequence[JointHeads] = ()) -> None:
        """Take in targets ``(..., K)``; see :meth:`morl.agents.neural.networks.PopArt.update`."""
        for k, head in enumerate(self._each()):
            head.update(targets[..., k : k + 1], [follower._each()[k] for follower in followers])


class ObjectiveAttention(nn.Module):
    """Features for each objective: its query attends over the entries of the inputs.

    Entry i with value x_i is the token x_i E_i + P_i; softmax(q_k · tokens / √d) mixes their values, and a hidden layer
    that objectives share follows.

    Args:
        inputs: number of entries.
        k: objectives, and size of a preference.
        size: of the features.
        width: d of tokens and queries.
    """

    def __init__(self, inputs: int, k: int, size: int, width: int = 32) -> None:
        super().__init__()
        self.scale, self.place = (
            nn.Parameter(torch.randn(inputs, width) / width**0.5),
            nn.Parameter(torch.randn(inputs, width) / width**0.5),
        )
        self.query = nn.Parameter(torch.randn(k, width))
        self.preference, self.value = nn.Linear(k, width), nn.Linear(width, width)
        self.out = nn.Sequential(nn.Linear(width + k, size), nn.ReLU(), nn.Linear(size, size), nn.ReLU())

    def mass(self, x: Tensor) -> Tensor:
        """How much each objective attends to each entry, ``(n, K, inputs)``, rows sum to 1."""
        tokens = x[:, :, None] * self.scale + self.place
        return torch.softmax(tokens @ self.query.T / self.query.shape[1] ** 0.5, dim=1).transpose(1, 2)

    def forward(self, x: Tensor, preference: Tensor) -> list[Tensor]:
        """K features ``(n, size)`` of inputs ``(n, inputs)`` and preferences ``(n, K)``."""
        tokens = x[:, :, None] * self.scale + self.place
        mixed = self.mass(x) @ self.value(tokens)  # (n, K, width)
        together = torch.cat([mixed, preference[:, None].expand(-1, mixed.shape[1], -1)], dim=2)
        return list(self.out(together).unbind(dim=1))


class SplitNet(nn.Module):
    """Values of K objectives that share less than a whole trunk; the interface of ``VectorNet``.

    Args:
        kind: ``"soft"``, ``"private"`` or ``"attention"``.
        inputs: size of a row, or what makes features of rows.
        k: objectives.
        outputs: outputs per objective.
        net_arch: width of each layer; ``private`` has the last one for each objective, ``attention`` uses only that.
        layer_norm, activation, conditioning: as for :class:`~morl.agents.neural.networks.Trunk`.

    Raises:
        AgentError: ``private`` or ``attention`` without a hidden layer, or ``attention`` with another conditioning.
    """

    def __init__(
        self,
        kind: str,
        inputs: int | Features,
        k: int,
        outputs: int,
        net_arch: Sequence[int],
        *,
        conditioning: str = "concat",
        layer_norm: bool = False,
        activation: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        if kind not in SHARINGS[1:]:
            raise UnknownNameError("sharing", kind, SHARINGS)
        if kind != "soft" and not net_arch:
            raise AgentError(f"sharing {kind!r} needs a hidden layer; give net_arch one, or use 'soft'")
        if kind == "attention" and conditioning != "concat":
            raise AgentError(f"sharing 'attention' takes the preference by 'concat', not {conditioning!r}")
        self.kind, self.k = kind, k
        self.features: nn.Module = nn.Identity() if isinstance(inputs, int) else inputs
        size = inputs if isinstance(inputs, int) else inputs.size
        how: dict[str, Any] = {"layer_norm": layer_norm, "activation": activation}
        self.trunk: nn.Module | None = None
        self.private = nn.ModuleList()
        if kind == "soft":
            one = Trunk(size, net_arch, preference=k, conditioning=conditioning, **how)
            # All begin alike: what tells them apart later is what objectives have taught them.
            self.private.extend([one, *(copy.deepcopy(one) for _ in range(k - 1))])
            last = one.size
        elif kind == "private":
            self.trunk = Trunk(size, net_arch[:-1], preference=k, conditioning=conditioning, **how)
            self.private.extend(Trunk(self.trunk.size, net_arch[-1:], **how) for _ in range(k))
            last = net_arch[-1]
        else:
            self.trunk, last = ObjectiveAttention(size, k, net_arch[-1]), net_arch[-1]
        self.head = JointHeads([PopArt(last, 1, outputs) for _ in range(k)])

    def forward(self, inputs: Tensor, preference: Tensor) -> Tensor:
        """Normalised values ``(n, outputs, K)``."""
        return self._of_features(self.features(inputs), preference)

    def _of_features(self, x: Tensor, preference: Tensor) -> Tensor:
        if self.kind == "soft":
            parts = [trunk(x, preference) for trunk in self.private]
        elif self.kind == "private":
            assert self.trunk is not None
            common = self.trunk(x, preference)
            parts = [trunk(common) for trunk in self.private]
        else:
            assert self.trunk is not None
            parts = self.trunk(x, preference)
        out: Tensor = self.head(parts)
        return out

    def values(self, inputs: Tensor, preference: Tensor) -> Tensor:
        """Values ``(n, outputs, K)`` in the unit of the returns."""
        return self.head.denormalise(self.forward(inputs, preference))

    def update_units(self, targets: Tensor, *followers: Any) -> None:
        """As :meth:`morl.agents.neural.networks.VectorNet.update_units`."""
        self.head.update(targets, [net.head for net in followers])

    def of_pairs(self, inputs: Tensor, preferences: Tensor, which: Tensor | None = None) -> Tensor:
        """As :meth:`morl.agents.neural.networks.VectorNet.of_pairs`."""
        return self._of_features(*paired(self.features(inputs), preferences, which))

    def shared(self) -> list[nn.Parameter]:
        """Parameters that the objectives share."""
        parts = [self.features, *([] if self.trunk is None else [self.trunk])]
        return [p for part in parts for p in part.parameters()]

    @torch.no_grad()
    def pull(self, strength: float) -> None:
        """Shrink what tells the objectives' trunks apart by 1 / (1 + strength · K), towards their mean."""
        if self.kind != "soft" or strength == 0.0:
            return
        keep = 1.0 / (1.0 + strength * self.k)
        for same in zip(*(trunk.parameters() for trunk in self.private), strict=True):
            mean = torch.stack(list(same)).mean(dim=0)
            for p in same:
                p.copy_(torch.lerp(mean, p, keep))

    def spread(self) -> float:
        """√ of the mean squared distance between two objectives' trunks."""
        flat = torch.stack([nn.utils.parameters_to_vector(trunk.parameters()) for trunk in self.private]).detach()
        return float(torch.pdist(flat).square().mean().sqrt()) if len(flat) > 1 else 0.0


def shared_parameters(net: VectorNet | SplitNet) -> list[nn.Parameter]:
    """Parameters of a network of values in which objectives meet."""
    return net.shared() if isinstance(net, SplitNet) else list(net.trunk.parameters())
