"""``policy_kwargs`` as stable-baselines3 takes them: which networks an agent builds, as data or, in Python, as classes.

    ConditionedPPO(env, policy_kwargs={"net_arch": [128, 128], "activation_fn": "relu"})
    ConditionedPPO(env, policy_kwargs={"features_extractor_class": MyExtractor, "features_extractor_kwargs": {"d": 9}})

Files, the command line and checkpoints name what is built in; a class of the caller's is given in Python, and again
when a checkpoint is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from torch import nn

from morl.agents.base import Agent
from morl.agents.core.config import AgentConfig
from morl.agents.core.errors import UtilityNeededError
from morl.agents.core.restoring import restored
from morl.agents.neural.extractors import EXTRACTORS
from morl.spec import AgentError, UnknownNameError

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU, "gelu": nn.GELU, "silu": nn.SiLU, "leakyrelu": nn.LeakyReLU,
}  # fmt: skip
"""Activations that data may name."""

_CLASSES: dict[str, Mapping[str, type[nn.Module]]] = {
    "features_extractor_class": EXTRACTORS,
    "activation_fn": ACTIVATIONS,
}
_KEYS = ("net_arch", "activation_fn", "features_extractor_class", "features_extractor_kwargs")


@dataclass(frozen=True)
class NetworkOptions:
    """Checked ``policy_kwargs``.

    Args:
        pi: widths of the policy's hidden layers.
        vf: widths of the value function's hidden layers.
        activation: after each of them.
        extractor: class of the features extractor; ``None`` takes what suits the observation.
        extractor_kwargs: its further arguments.
    """

    pi: tuple[int, ...] = (64, 64)
    vf: tuple[int, ...] = (64, 64)
    activation: type[nn.Module] = nn.Tanh
    extractor: type[nn.Module] | None = None
    extractor_kwargs: Mapping[str, Any] = field(default_factory=dict)


def as_data(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, type[nn.Module]]]:
    """``policy_kwargs`` as data, and the caller's own classes apart.

    Classes that are built in become their names, others ``<Name>``: a file can say that there was one, not which.
    """
    plain, own = dict(given), {}
    for key, known in _CLASSES.items():
        value = plain.get(key)
        if not isinstance(value, type):
            continue
        if not issubclass(value, nn.Module):
            raise AgentError(f"{key} is {value.__name__}; expected a subclass of torch.nn.Module")
        name = next((name for name, cls in known.items() if cls is value), None)
        plain[key] = name or f"<{value.__name__}>"
        if name is None:
            own[key] = value
    return plain, own


def network_options(plain: Mapping[str, Any] | None, own: Mapping[str, type[nn.Module]]) -> NetworkOptions:
    """What :func:`as_data` gave, checked.

    Raises:
        UnknownNameError: a key, extractor or activation that does not exist.
        AgentError: a width that is no positive integer, or a text that names code.
        UtilityNeededError: the class was the caller's and has not been given again.
    """
    given = dict(plain or {})
    for key in given:
        if key not in _KEYS:
            raise UnknownNameError("policy_kwargs key", str(key), _KEYS)
    pi, vf = _arch(given.get("net_arch", [64, 64]))
    more = given.get("features_extractor_kwargs") or {}
    if not isinstance(more, Mapping):
        raise AgentError(f"features_extractor_kwargs is {more!r}; expected a table of arguments")
    extractor = _class("features_extractor_class", given, own)
    if more and extractor is None:
        raise AgentError("features_extractor_kwargs need a features_extractor_class to go to")
    return NetworkOptions(pi, vf, _class("activation_fn", given, own) or nn.Tanh, extractor, dict(more))


def _class(key: str, given: Mapping[str, Any], own: Mapping[str, type[nn.Module]]) -> type[nn.Module] | None:
    name, known = given.get(key), _CLASSES[key]
    if name is None or key in own:
        return own.get(key)
    if not isinstance(name, str):
        raise AgentError(f"{key} is {name!r}; expected a class, or one of {', '.join(known)}")
    if name.startswith("<"):
        raise UtilityNeededError(
            f"{key} was the caller's own class {name}; give it again: load(path, env, policy_kwargs={{{key!r}: ...}})"
        )
    if any(sign in name for sign in ".:/"):
        raise AgentError(
            f"{key} is {name!r}, which names code; data may name {', '.join(known)}; give your own class in Python"
        )
    found = {plain.lower(): cls for plain, cls in known.items()}.get(name.lower())
    if found is None:
        raise UnknownNameError(key, name, known)
    return found


def _arch(given: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Widths of the policy's and of the value function's hidden layers."""
    if isinstance(given, Mapping):
        for key in given:
            if key not in ("pi", "vf"):
                raise UnknownNameError("net_arch key", str(key), ("pi", "vf"))
        return _widths(given.get("pi", ())), _widths(given.get("vf", ()))
    return _widths(given), _widths(given)


def _widths(given: Any) -> tuple[int, ...]:
    fine = isinstance(given, Sequence) and not isinstance(given, str)
    if not fine or not all(isinstance(x, int) and not isinstance(x, bool) and x > 0 for x in given):
        raise AgentError(f'net_arch is {given!r}; expected widths such as [64, 64], or {{"pi": [64], "vf": [64]}}')
    return tuple(given)


class OwnNetworks(Agent):
    """An agent whose networks ``policy_kwargs`` describe; its config has a field of that name.

    Args:
        env, config, seed, tuned, options: as for :class:`morl.agents.Agent`.
        policy_kwargs: ``net_arch``, ``activation_fn``, ``features_extractor_class`` and ``features_extractor_kwargs``;
            classes may be the caller's own and must then be given again to ``load``.
    """

    def __init__(
        self,
        env: Any,
        config: AgentConfig | Mapping[str, Any] | None = None,
        *,
        policy_kwargs: Mapping[str, Any] | str | None = None,
        **options: Any,
    ) -> None:
        self._own: dict[str, type[nn.Module]] = {}
        if isinstance(config, Mapping) and isinstance(config.get("policy_kwargs"), Mapping):
            if isinstance(policy_kwargs, Mapping):
                policy_kwargs = {**config["policy_kwargs"], **policy_kwargs}
            else:
                policy_kwargs = config["policy_kwargs"]
            config = {name: value for name, value in config.items() if name != "policy_kwargs"}
        if isinstance(policy_kwargs, Mapping):
            plain, self._own = as_data(policy_kwargs)
            options["policy_kwargs"] = plain
        elif policy_kwargs is not None:
            options["policy_kwargs"] = policy_kwargs
        super().__init__(env, config, **options)

    def network_options(self) -> NetworkOptions:
        """The networks asked for, checked."""
        return network_options(self.config.policy_kwargs, self._own)

    @classmethod
    def load(cls, path: str | Path, env: Any, *, policy_kwargs: Mapping[str, Any] | None = None) -> Self:
        """As :meth:`morl.agents.Agent.load`; ``policy_kwargs`` where a class of the caller's was given at first."""
        return restored(cls, path, env, **({} if policy_kwargs is None else {"policy_kwargs": policy_kwargs}))
