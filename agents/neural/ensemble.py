"""Several actor-critics of one architecture as one network. Needs torch.

Parameters are one matrix with a row per member, and a pass of all members is one batched pass (``torch.func.vmap``):
an update of a small network costs more in calls than in arithmetic. A row is all that there is of a member, so that a
policy is kept, copied and saved as a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from morl.agents.neural.actor_critic import ActorCritic
from morl.agents.neural.training import check_gradient, to_numpy
from morl.spec import FloatArray, IntArray

Array = np.ndarray[Any, Any]
Named = dict[str, Tensor]


class Groups(NamedTuple):
    """Rows of a batch sorted by member: g members of c rows each, some of which are padding."""

    members: IntArray
    """``(g,)``."""
    rows: IntArray
    """``(g, c)`` which row of the batch."""
    place: IntArray
    """``(n,)`` where each row of the batch stands among the g c."""


def grouped(member: IntArray) -> Groups:
    """Sort the rows of a batch by the member ``(n,)`` that each belongs to.

    >>> [part.tolist() for part in grouped(np.array([7, 2, 7]))]
    [[2, 7], [[1, 0], [0, 2]], [2, 0, 3]]
    """
    members, group, counts = np.unique(member, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    start = np.repeat(np.cumsum(counts) - counts, counts)
    place = np.empty(len(member), dtype=np.int64)
    place[order] = group[order] * counts.max() + np.arange(len(member)) - start
    index = np.zeros(len(members) * counts.max(), dtype=np.int64)
    index[place] = np.arange(len(member))
    return Groups(members, index.reshape(len(members), -1), place)


class Ensemble(nn.Module):
    """m actor-critics, none of which sees a preference.

    Args:
        make: makes the member of a number; all are alike in shape, and on one device.
        members: m.
        k: objectives.

    Attributes:
        rows: ``(m, P)`` parameters, a row per member.
        units: ``(m, Q)`` what else a member has: the units of its values.
    """

    units: Tensor

    def __init__(self, make: Callable[[int], ActorCritic], members: int, k: int) -> None:
        super().__init__()
        nets = [make(i) for i in range(members)]
        self.k, self._make = k, make
        self._methods = (_Methods(nets[0]),)  # in a tuple: it lends its architecture, and is no part of this module
        self._shapes = {name: p.shape for name, p in self._methods[0].named_parameters()}
        self._unit_shapes = {name: b.shape for name, b in self._methods[0].named_buffers()}
        self.rows = nn.Parameter(torch.stack([_flat(net.parameters()) for net in nets]))
        self.register_buffer("units", torch.stack([_flat(net.buffers()) for net in nets]))

    @property
    def net(self) -> ActorCritic:
        """The architecture; its parameters are of no importance."""
        return self._methods[0].net

    def __len__(self) -> int:
        return len(self.rows)

    def _call(self, method: str, rows: Tensor, units: Tensor, obs: Tensor, *more: Tensor) -> Any:
        """A method of every member on ``(m, B, ...)``; what the method is given after the preference comes last."""

        def one(row: Tensor, unit: Tensor, obs: Tensor, *more: Tensor) -> Any:
            named = {**_named(row, self._shapes), **_named(unit, self._unit_shapes)}
            equal = torch.full((obs.shape[0], self.k), 1.0 / self.k, device=row.device)  # networks see zeros
            return functional_call(self._methods[0], named, (method, obs, equal, *more))

        return vmap(one)(rows, units, obs, *more)

    # ---- learning --------------------------------------------------------------------------------------------

    def forward(self, obs: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """log π(a|s) ``(m, B)``, entropies ``(m, B)`` and normalised values ``(m, B, K)`` for ``(m, B, ...)``."""
        found: tuple[Tensor, Tensor, Tensor] = self._call("forward", self.rows, self.units, obs, actions)
        return found

    def step(self, loss: Tensor, optimizer: torch.optim.Optimizer, max_grad_norm: float) -> None:
        """One step down the gradient of a loss that is a sum over members, each one's clipped to ``max_grad_norm``.

        Raises:
            DivergedError: a gradient is NaN or infinite; parameters stay as they were.
        """
        optimizer.zero_grad()
        loss.backward(inputs=[self.rows])  # type: ignore[no-untyped-call]
        assert self.rows.grad is not None
        norm = self.rows.grad.norm(dim=1, keepdim=True)
        check_gradient(float(norm.sum()), "the loss")
        self.rows.grad.mul_((max_grad_norm / (norm + 1e-6)).clamp(max=1.0))
        optimizer.step()

    def values_of(self, name: str) -> Tensor:
        """A buffer of the value head (``mean``, ``std``, ``count``) of every member ``(m, ...)``."""
        found = [_named(unit, self._unit_shapes)[f"net.values.{name}"] for unit in self.units]
        return torch.stack(found)

    def normalise(self, member: IntArray, targets: Tensor) -> Tensor:
        """Targets ``(n, K)`` in the units of the members ``(n,)``."""
        index = torch.from_numpy(member).to(self.rows.device)
        return (targets - self.values_of("mean")[index]) / self.values_of("std")[index]

    @torch.no_grad()
    def update_units(self, member: int, targets: Tensor) -> None:
        """Let a member normalise by what its targets ``(n, K)`` are (:meth:`PopArt.update`)."""
        self._load(member)
        self.net.values.update(targets)
        self.rows[member], self.units[member] = _flat(self.net.parameters()), _flat(self.net.buffers())

    def _load(self, member: int) -> None:
        """Make the architecture's own parameters those of a member."""
        named = {**_named(self.rows[member], self._shapes), **_named(self.units[member], self._unit_shapes)}
        for name, value in self._methods[0].state_dict(keep_vars=True).items():
            value.data.copy_(named[name])

    # ---- members as rows -------------------------------------------------------------------------------------

    def row(self, member: int) -> Array:
        """All that there is of a member, ``(P + Q,)``."""
        return to_numpy(torch.cat([self.rows[member], self.units[member]]))

    @torch.no_grad()
    def set_row(self, member: int, row: Array) -> None:
        """The inverse of :meth:`row`."""
        given = torch.from_numpy(row).to(self.rows.device)
        self.rows[member], self.units[member] = torch.split(given, [self.rows.shape[1], self.units.shape[1]])

    def grow(self, members: int) -> None:
        """Have ``members`` in all: those that are missing are made."""
        nets = [self._make(i) for i in range(len(self), members)]
        self.rows = nn.Parameter(torch.cat([self.rows.detach(), *(_flat(net.parameters())[None] for net in nets)]))
        self.units = torch.cat([self.units, *(_flat(net.buffers())[None] for net in nets)])

    def of_rows(self, rows: Array) -> Ensemble:
        """Another ensemble of the same architecture, of rows ``(m', P + Q)``."""
        net = self.net
        other = Ensemble(lambda i: net, len(rows), self.k)
        for i, row in enumerate(rows):
            other.set_row(i, row)
        return other

    # ---- batches whose rows belong to different members ------------------------------------------------------

    @torch.no_grad()
    def act(self, obs: Tensor, member: Tensor, rng: np.random.Generator | None) -> tuple[Array, FloatArray, FloatArray]:
        """Actions (without ``rng`` the most likely ones), log probabilities ``(n,)`` and values ``(n, K)``."""
        choice = self.net.choice
        noise = None if rng is None else choice.noise((len(member),), rng).to(member.device)
        found = self._by_member("choose", obs, member, () if noise is None else (noise,))
        actions, log_prob, values = found
        return to_numpy(actions), to_numpy(log_prob), to_numpy(values.double())

    @torch.no_grad()
    def value(self, obs: Tensor, member: Tensor) -> Tensor:
        """V(s) ``(n, K)`` in the unit of the returns."""
        return self._by_member("value", obs, member, ())[0]

    @torch.no_grad()
    def probabilities(self, obs: Tensor, member: Tensor) -> FloatArray | None:
        """Of each action ``(n, A)`` where one of several is chosen; else ``None``."""
        if not self.net.chooses_one:
            return None
        logits = self._by_member("logits", obs, member, ())[0]
        return np.asarray(torch.softmax(logits.double(), dim=1).cpu().numpy())

    def _by_member(self, method: str, obs: Tensor, member: Tensor, more: Iterable[Tensor]) -> tuple[Tensor, ...]:
        """A method for rows ``(n, ...)``, each with its member's parameters."""
        groups = grouped(to_numpy(member).astype(np.int64))
        members, index, place = (torch.from_numpy(part).to(self.rows.device) for part in groups)
        everyone = len(members) == len(self)
        rows, units = (self.rows, self.units) if everyone else (self.rows[members], self.units[members])
        found = self._call(method, rows, units, obs[index], *(value[index] for value in more))
        parts = found if isinstance(found, tuple) else (found,)
        return tuple(part.flatten(0, 1)[place] for part in parts)


class _Methods(nn.Module):
    """Calls methods of a network by name, as ``functional_call`` calls ``forward`` only."""

    def __init__(self, net: ActorCritic) -> None:
        super().__init__()
        self.net = net

    def forward(self, method: str, *arguments: Any) -> Any:
        """What the method returns."""
        return getattr(self.net, method)(*arguments)


def _flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([value.detach().float().reshape(-1) for value in tensors])


def _named(row: Tensor, shapes: Mapping[str, torch.Size]) -> Named:
    """A row as tensors of these shapes, in their order."""
    parts = torch.split(row, [shape.numel() for shape in shapes.values()])
    return {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
