"""``policy_kwargs`` as stable-baselines3 takes them: which networks an agent builds, as data or, in Python, as classes.

    PCN(env, policy_kwargs={"net_arch": [128, 128], "activation_fn": "relu"})
    ConditionedPPO(env, policy_kwargs={"features_extractor_class": MyExtractor, "features_extractor_kwargs": {"d": 9}})

Files, the command line and checkpoints name what is built in; a class of the caller's is given in Python, and again
when a checkpoint is loaded. Needs torch only where there are classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from morl.agents.base import Agent
from morl.agents.core.config import AgentConfig, option
from morl.agents.neural.schedules import Schedule, at
from morl.spec import AgentError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from morl.agents.neural.network_options import NetworkOptions


@dataclass(frozen=True)
class NetworkConfig(AgentConfig):
    """Options of agents that have a network."""

    device: str = option(
        "auto",
        "where networks compute; auto is a GPU of NVIDIA, else the processor",
        choices=("auto", "cpu", "cuda", "mps"),
    )
    policy_kwargs: dict[str, Any] | None = option(  # noqa: RUF009
        None, 'networks as in stable-baselines3, such as {"net_arch": [128, 128], "activation_fn": "relu"}'
    )


def as_data(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, type[nn.Module]]]:
    """``policy_kwargs`` as data, and the caller's own classes apart.

    Classes that are built in become their names, others ``<Name>``: a file can say that there was one, not which.
    """
    plain: dict[str, Any] = dict(given)
    own: dict[str, type[nn.Module]] = {}
    for key in ("features_extractor_class", "activation_fn"):
        value = plain.get(key)
        if not isinstance(value, type):
            continue
        from torch import nn

        from morl.agents.neural.network_options import CLASSES

        if not issubclass(value, nn.Module):
            raise AgentError(f"{key} is {value.__name__}; expected a subclass of torch.nn.Module")
        name = next((name for name, cls in CLASSES[key].items() if cls is value), None)
        plain[key] = name or f"<{value.__name__}>"
        if name is None:
            own[key] = value
    return plain, own


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
        self._rates: list[tuple[torch.optim.Optimizer, Schedule]] = []
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

    def _adam(self, modules: nn.Module, learning_rate: Schedule, eps: float = 1e-8) -> torch.optim.Adam:
        """Adam whose step size :meth:`_follow_schedules` keeps on a schedule."""
        from morl.agents.neural.training import adam

        optimizer = adam(modules, at(learning_rate, 0.0), eps)
        self._rates.append((optimizer, learning_rate))
        return optimizer

    def _follow_schedules(self) -> None:
        """Set step sizes to what schedules say by now."""
        for optimizer, schedule in self._rates:
            if isinstance(schedule, tuple):
                for group in optimizer.param_groups:
                    group["lr"] = at(schedule, self.progress)

    def network_options(self, activation: str = "relu") -> NetworkOptions:
        """The networks asked for, checked; ``net_arch`` in ``policy_kwargs`` takes the place of the option.

        Args:
            activation: what it is where they name none.
        """
        from morl.agents.neural.network_options import network_options

        net_arch = getattr(self.config, "net_arch", (64, 64))
        options = network_options(self.config.policy_kwargs, self._own, net_arch, activation)
        return replace(options, who=self.info.name)

    def one_network(self) -> NetworkOptions:
        """The same where there is one network only.

        Raises:
            AgentError: widths of several were given.
        """
        options = self.network_options()
        if isinstance((self.config.policy_kwargs or {}).get("net_arch"), Mapping):
            raise AgentError(f"{self.info.name} has one network; expected net_arch as widths such as [64, 64]")
        return options
