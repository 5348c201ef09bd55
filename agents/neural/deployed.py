"""Policies as one torch module, from the environment's observations to its actions: what is exported.

Everything that surrounds a network in numpy (encoding observations, weighing preferences, mapping actions) is written
here once more in tensors; tests hold both against each other. Needs torch; import it lazily.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from morl.agents.core.actions import ActionMap
from morl.agents.core.observations import Encoder, parts_of
from morl.agents.core.rows import Rows, named
from morl.agents.neural.features import Parts

Act = Callable[..., Tensor]
"""``(observation, weights (n, K), accrued (n, K), time (n,)) -> actions`` as the agent chooses them; one that draws
takes ``noise (n, size)`` as well."""

UNIFORM, NORMAL = "uniform", "normal"
"""What noise is drawn from outside: numbers of [0, 1), or standard normal ones."""

TORCH_TYPES = {
    np.dtype(np.float16): torch.float32,
    np.dtype(np.float32): torch.float32,
    np.dtype(np.float64): torch.float64,
    np.dtype(np.uint8): torch.uint8,
    np.dtype(np.int8): torch.int64,
    np.dtype(np.int16): torch.int64,
    np.dtype(np.int32): torch.int64,
    np.dtype(np.int64): torch.int64,
    np.dtype(np.bool_): torch.bool,
}


def gumbel(uniform: Tensor) -> Tensor:
    """Gumbel noise from uniform numbers of [0, 1)."""
    return -torch.log(-torch.log(uniform.clamp(1e-20, 1 - 1e-7)))


class Network(nn.Module):
    """How one policy acts, in tensors.

    Args:
        act: the policy, from what :attr:`encode` makes of an observation.
        encode: turns an observation of tensors, nested as the space is, into what ``act`` takes.
        modules: networks whose parameters ``act`` uses.
        weights: ``(K,)`` of raw returns that the policy is for; ``None`` where it takes none.
        timed: whether it looks at the accrued reward and the time.
        takes_weights: whether it acts for any weights, so that a preference may be an input.
        noise: kind and size of what it draws its actions with; ``None`` where it draws nothing.
    """

    def __init__(
        self,
        act: Act,
        encode: Callable[[Any], Any],
        modules: Sequence[nn.Module] = (),
        weights: Any = None,
        *,
        timed: bool = False,
        takes_weights: bool = False,
        noise: tuple[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.act, self.encode, self.timed, self.takes_weights, self.noise = act, encode, timed, takes_weights, noise
        self.used = nn.ModuleList(modules)
        self.weights = None if weights is None else torch.as_tensor(np.asarray(weights, dtype=np.float32))

    def forward(self, observation: Any, weights: Tensor, accrued: Tensor, time: Tensor, *drawn: Tensor) -> Tensor:
        """Actions as the agent chooses them; noise comes last."""
        return self.act(self.encode(observation), weights, accrued, time, *drawn)


class Mixed(nn.Module):
    """Several policies, one of which acts in each row: a mixture, whose member is drawn outside.

    Args:
        members: the policies; all of them draw in the same way, or none does.
        shares: chance with which each is drawn for an episode.
    """

    weights = None
    takes_weights = False

    def __init__(self, members: Sequence[Network], shares: Sequence[float]) -> None:
        super().__init__()
        self.members, self.shares = tuple(members), list(shares)
        self.used = nn.ModuleList(members)
        self.timed, self.noise = any(one.timed for one in members), members[0].noise

    def forward(self, observation: Any, weights: Tensor, accrued: Tensor, time: Tensor, *drawn: Tensor) -> Tensor:
        """Actions of the members numbered by what comes last, ``(n,)``."""
        *noise, component = drawn
        own = [weights if one.weights is None else one.weights.expand_as(weights) for one in self.members]
        pairs = zip(self.members, own, strict=True)
        found = torch.stack([one(observation, mine, accrued, time, *noise) for one, mine in pairs])
        rows = component.long().reshape(1, -1, *[1] * (found.dim() - 2)).expand(1, *found.shape[1:])
        return found.gather(0, rows)[0]


class Deployed(nn.Module):
    """A policy with named inputs: parts of the observation, then ``preference``, ``accrued``, ``time``,
    ``noise`` and ``component`` where it needs them.

    Args:
        space: of one observation.
        network: the policy.
        actions: maps the agent's actions to the environment's.
        k: objectives.
        span: ``(K,)`` width of the return scale, for preferences as an input; ``None`` where there is none.
        free: take the preference as an input.
    """

    def __init__(
        self, space: spaces.Space[Any], network: Network | Mixed, actions: ActionMap, k: int, span: Any, free: bool
    ) -> None:
        super().__init__()
        self.space, self.network, self.actions, self.k, self.free = space, network, actions, k, free
        self.span = torch.as_tensor(np.ones(k) if span is None else np.asarray(span, dtype=np.float64))
        self.inputs = dict(named_parts(space))
        self.names = [
            *self.inputs,
            *(["preference"] if free else []),
            *(["accrued", "time"] if network.timed else []),
            *(["noise"] if network.noise else []),
            *(["component"] if isinstance(network, Mixed) else []),
        ]

    def forward(self, *inputs: Tensor) -> Tensor:
        """Actions ``(n, ...)`` of the environment."""
        given = dict(zip(self.names, inputs, strict=True))
        n = inputs[0].shape[0]
        if self.free:
            raw = given["preference"].double() / self.span
            weights = (raw / raw.sum(dim=1, keepdim=True)).float()
        else:
            known = torch.zeros(self.k) if self.network.weights is None else self.network.weights
            weights = known.expand(n, self.k)
        accrued = given.get("accrued", torch.zeros(1, self.k, dtype=torch.float64).expand(n, self.k))
        time = given.get("time", torch.zeros(1, dtype=torch.int64).expand(n))
        observation = nested(self.space, {name: given[name] for name in self.inputs})
        drawn = [given[name] for name in ("noise", "component") if name in given]
        return to_env(self.actions, self.network(observation, weights, accrued.double(), time, *drawn))

    def examples(self, n: int = 2) -> list[Tensor]:
        """Inputs to trace it with: any observation will do."""
        found = []
        for part in self.inputs.values():
            sample = np.stack([np.asarray(part.sample()) for _ in range(n)])
            found.append(torch.as_tensor(sample).to(torch_type(part)))
        if self.free:
            found.append(torch.full((n, self.k), 1.0 / self.k))
        if self.network.timed:
            found += [torch.zeros((n, self.k), dtype=torch.float64), torch.zeros(n, dtype=torch.int64)]
        if self.network.noise:
            found.append(torch.full((n, self.network.noise[1]), 0.5))
        return [*found, torch.zeros(n, dtype=torch.int64)] if isinstance(self.network, Mixed) else found

    @property
    def facts(self) -> dict[str, Any]:
        """What a file says of its inputs: their names, and how those that are drawn outside are drawn."""
        noise, shares = self.network.noise, getattr(self.network, "shares", None)
        return {
            "inputs": self.names,
            **({} if noise is None else {"noise": noise[0]}),
            **({} if shares is None else {"shares": shares}),
        }


# ---- observations -------------------------------------------------------------------------------------------


def torch_type(part: spaces.Space[Any]) -> torch.dtype:
    """The type of a part of an observation as an input."""
    return TORCH_TYPES.get(np.dtype(part.dtype or np.int64), torch.int64)


def named_parts(space: spaces.Space[Any], name: str = "observation") -> list[tuple[str, spaces.Space[Any]]]:
    """The plain parts of a space by the names of their inputs: ``observation``, or ``observation.key``."""
    inner = parts_of(space)
    if not inner:
        return [(name, space)]
    return [found for key, part in inner.items() for found in named_parts(part, f"{name}.{key}")]


def nested(space: spaces.Space[Any], given: Mapping[str, Tensor], name: str = "observation") -> Any:
    """Named tensors as an observation of the space."""
    inner = parts_of(space)
    if not inner:
        return given[name]
    parts = {key: nested(part, given, f"{name}.{key}") for key, part in inner.items()}
    return parts if isinstance(space, spaces.Dict) else tuple(parts.values())


def encoded(encoder: Encoder) -> Callable[[Any], Tensor]:
    """What an :class:`~morl.agents.core.observations.Encoder` does, for tensors."""
    space = encoder.space
    if encoder.parts:
        inner = {key: encoded(part) for key, part in encoder.parts.items()}
        return lambda observation: torch.cat([one(observation[key]) for key, one in inner.items()], dim=1)
    if isinstance(space, spaces.Discrete):
        low, n = int(space.start), int(space.n)
        return lambda values: nn.functional.one_hot(values.long().reshape(-1) - low, n).float()
    if isinstance(space, spaces.MultiDiscrete):
        first, sizes = torch.as_tensor(space.start.ravel()).long(), [int(x) for x in space.nvec.ravel()]

        def several(values: Tensor) -> Tensor:
            numbers = values.flatten(1).long() - first
            return torch.cat([nn.functional.one_hot(numbers[:, i], n) for i, n in enumerate(sizes)], dim=1).float()

        return several
    if isinstance(space, spaces.Box):
        centre, factor = torch.as_tensor(encoder._scale.centre), torch.as_tensor(encoder._scale._factor)
        return lambda values: ((values.flatten(1).double() - centre) * factor).float()
    return lambda values: values.flatten(1).float()


def encoded_rows(rows: Rows) -> Callable[[Any], Tensor | Parts]:
    """What :class:`~morl.agents.core.rows.Rows` does, for tensors: numbers, and images apart where there are any."""
    readers = {name: encoded(encoder) for name, encoder in rows.encoders.items()}

    def read(observation: Any) -> Tensor | Parts:
        given = dict(named(observation))
        numbers = [reader(given[name]) for name, reader in readers.items()]
        if not rows.images:
            return torch.cat(numbers, dim=1)
        images = {name: given[name] for name in rows.images}
        empty = next(iter(images.values())).flatten(1)[:, :0].float()
        return Parts(torch.cat([empty, *numbers], dim=1), images)

    return read


# ---- actions ------------------------------------------------------------------------------------------------


def to_env(actions: ActionMap, chosen: Tensor) -> Tensor:
    """What :meth:`morl.agents.core.actions.ActionMap.to_env` does, for tensors."""
    native, shape = actions.native, tuple(actions.native.shape or ())
    if actions.continuous:
        return _to_box(actions, chosen.flatten(1).double()).reshape(-1, *shape)
    if isinstance(actions.space, spaces.Discrete):
        if isinstance(native, spaces.Discrete):
            return chosen.long() + int(native.start)
        sizes, left, parts = [int(x) for x in actions._sizes], chosen.long(), []
        for size in reversed(sizes):
            parts.append(left % size)
            left = torch.div(left, size, rounding_mode="floor")
        chosen = torch.stack(parts[::-1], dim=1)
    rows = chosen.flatten(1).long() + torch.as_tensor(np.asarray(actions._first)).long()
    return rows.reshape(-1, *shape).to(torch_type(native))


def _to_box(actions: ActionMap, rows: Tensor) -> Tensor:
    native = actions.native
    assert isinstance(native, spaces.Box)
    unit = rows.clamp(-1.0, 1.0)
    if actions._whole:
        low, numbers = (torch.as_tensor(np.asarray(x, dtype=np.float64)) for x in actions._bins())
        values = low + torch.minimum(torch.floor((unit + 1.0) / 2.0 * numbers), numbers - 1.0)
    else:
        values = torch.as_tensor(actions._scale.centre) + torch.as_tensor(actions._scale.half) * unit
    kind = torch_type(native)
    low, high = (torch.as_tensor(bound.astype(np.float64).ravel()).to(kind) for bound in (native.low, native.high))
    return torch.minimum(torch.maximum(values.to(kind), low), high)
