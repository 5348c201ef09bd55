"""Which networks an agent builds: ``policy_kwargs``, checked. Needs torch; import it lazily."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gymnasium import spaces
from torch import nn

from morl.agents.core.errors import UtilityNeededError
from morl.agents.core.rows import Rows, is_image
from morl.agents.neural.extractors import EXTRACTORS, default_extractor, make_extractor
from morl.agents.neural.features import Features
from morl.agents.neural.networks import Trunk
from morl.spec import AgentError, UnknownNameError

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU, "gelu": nn.GELU, "silu": nn.SiLU, "leakyrelu": nn.LeakyReLU,
}  # fmt: skip
"""Activations that data may name."""

CLASSES: dict[str, Mapping[str, type[nn.Module]]] = {
    "features_extractor_class": EXTRACTORS,
    "activation_fn": ACTIVATIONS,
}
"""Classes that data may name, by key."""

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
        who: the algorithm's name.
    """

    pi: tuple[int, ...] = (64, 64)
    vf: tuple[int, ...] = (64, 64)
    activation: type[nn.Module] = nn.Tanh
    extractor: type[nn.Module] | None = None
    extractor_kwargs: Mapping[str, Any] = field(default_factory=dict)
    who: str = "a network"

    def features(self, rows: Rows) -> Features:
        """What a network begins with."""
        return Features(rows, self.extractor, self.extractor_kwargs, self.who)

    def trunk(self, rows: Rows, **how: Any) -> Trunk:
        """The hidden layers of a policy, from rows on; ``how`` as for :class:`~morl.agents.neural.networks.Trunk`."""
        return Trunk(self.features(rows), self.pi, activation=self.activation, **how)


def network_options(
    plain: Mapping[str, Any] | None,
    own: Mapping[str, type[nn.Module]],
    net_arch: Sequence[int] = (64, 64),
    activation: str = "tanh",
) -> NetworkOptions:
    """What :func:`~morl.agents.neural.policy_kwargs.as_data` gave, checked.

    Args:
        plain: ``policy_kwargs`` as data.
        own: the caller's own classes.
        net_arch: widths where it says none.
        activation: the activation where it names none.

    Raises:
        UnknownNameError: a key, extractor or activation that does not exist.
        AgentError: a width that is no positive integer, or a text that names code.
        UtilityNeededError: the class was the caller's and has not been given again.
    """
    given = dict(plain or {})
    for key in given:
        if key not in _KEYS:
            raise UnknownNameError("policy_kwargs key", str(key), _KEYS)
    pi, vf = _arch(given.get("net_arch", tuple(net_arch)))
    more = given.get("features_extractor_kwargs") or {}
    if not isinstance(more, Mapping):
        raise AgentError(f"features_extractor_kwargs is {more!r}; expected a table of arguments")
    extractor = _class("features_extractor_class", given, own)
    if more and extractor is None:
        raise AgentError("features_extractor_kwargs need a features_extractor_class to go to")
    return NetworkOptions(pi, vf, _class("activation_fn", given, own) or ACTIVATIONS[activation], extractor, dict(more))


def _class(key: str, given: Mapping[str, Any], own: Mapping[str, type[nn.Module]]) -> type[nn.Module] | None:
    name, known = given.get(key), CLASSES[key]
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
    if not isinstance(given, Mapping):
        return _widths(given), _widths(given)
    for key in given:
        if key not in ("pi", "vf", "qf"):
            raise UnknownNameError("net_arch key", str(key), ("pi", "vf", "qf"))
    if "vf" in given and "qf" in given:
        raise AgentError(f"net_arch is {given!r}; expected pi, and one of vf and qf: both are the network of values")
    return _widths(given.get("pi", ())), _widths(given.get("vf", given.get("qf", ())))


def _widths(given: Any) -> tuple[int, ...]:
    fine = isinstance(given, Sequence) and not isinstance(given, str)
    if not fine or not all(isinstance(x, int) and not isinstance(x, bool) and x > 0 for x in given):
        raise AgentError(f'net_arch is {given!r}; expected widths such as [64, 64], or {{"pi": [64], "vf": [64]}}')
    return tuple(given)


def for_stable_baselines3(
    plain: Mapping[str, Any], own: Mapping[str, type[nn.Module]], space: spaces.Space[Any]
) -> dict[str, Any]:
    """``policy_kwargs`` of a stable-baselines3 class: names become classes, images get convolutions unless told.

    Args:
        plain: as data; keys of stable-baselines3's own stay as they are.
        own: the caller's own classes.
        space: that its networks see.
    """
    given = dict(plain)
    for key in CLASSES:
        found = _class(key, given, own)
        given.pop(key, None)
        if found is not None:
            given[key] = found
    if "features_extractor_class" not in given:
        if isinstance(space, spaces.Dict):
            given["features_extractor_class"] = EXTRACTORS["CombinedExtractor"]
        elif is_image(space):
            given["features_extractor_class"] = type(default_extractor(space))
        elif given.get("features_extractor_kwargs"):
            raise AgentError("features_extractor_kwargs need a features_extractor_class to go to")
    elif not isinstance(space, spaces.Dict):
        make_extractor(given["features_extractor_class"], space, given.get("features_extractor_kwargs") or {})
    return given
