"""Features of any observation: stable-baselines3's extractors in plain torch.

An extractor is a module made from an observation space, with an attribute ``features_dim``: it turns observations
``(n, ...)`` into features ``(n, features_dim)``. What it is given is what stable-baselines3 gives: one-hot rows for
Discrete and MultiDiscrete, floats for boxes (here standardised), images as floats in [0, 1] with the channel first, a
dictionary of those for Dict. Extractors written for stable-baselines3 therefore work here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from morl.agents.core.actions import one_line
from morl.agents.core.observations import Encoder, plain_parts
from morl.agents.core.rows import channel_first, is_image, looks_like_an_image
from morl.spec import AgentError


def flat_size(space: spaces.Space[Any]) -> int:
    """Numbers in the row that an observation becomes."""
    return int(np.prod(space.shape or ())) if isinstance(space, spaces.Box) else Encoder(space).size


# ---- extractors -------------------------------------------------------------------------------------------


class FeaturesExtractor(nn.Module):
    """Base of extractors.

    Args:
        observation_space: of one observation, images with the channel first.
        features_dim: features per observation.
    """

    def __init__(self, observation_space: spaces.Space[Any], features_dim: int) -> None:
        super().__init__()
        self.observation_space, self.features_dim = observation_space, int(features_dim)


class FlattenExtractor(FeaturesExtractor):
    """The numbers of an observation in a row."""

    def __init__(self, observation_space: spaces.Space[Any]) -> None:
        super().__init__(observation_space, flat_size(observation_space))

    def forward(self, observations: Tensor) -> Tensor:
        """``(n, ...)`` to ``(n, features_dim)``."""
        return observations.flatten(1)


class _CNN(FeaturesExtractor):
    """Convolutions, then a linear layer."""

    def __init__(self, observation_space: spaces.Space[Any], features_dim: int, layers: list[nn.Module]) -> None:
        super().__init__(observation_space, features_dim)
        self.cnn = nn.Sequential(*layers, nn.Flatten())
        with torch.no_grad():
            size = int(self.cnn(torch.zeros(1, *(observation_space.shape or ()))).shape[1])
        self.linear = nn.Sequential(nn.Linear(size, features_dim), nn.ReLU())

    def forward(self, observations: Tensor) -> Tensor:
        """Images ``(n, C, H, W)`` in [0, 1] to ``(n, features_dim)``."""
        features: Tensor = self.linear(self.cnn(observations))
        return features


def _channels(space: spaces.Space[Any], name: str, least: int) -> int:
    """Channels of an image space.

    Raises:
        AgentError: the space holds no images of at least ``least`` pixels a side.
    """
    if not is_image(space):
        raise AgentError(
            f"{name} needs images of uint8 from 0 to 255, (H, W), (H, W, C) or (C, H, W); the observation is "
            f"{one_line(space)}: give such images, or features_extractor_class='FlattenExtractor'"
        )
    channels, *sides = channel_first(tuple(space.shape or ()))
    if min(sides) < least:
        raise AgentError(f"{name} needs images of at least {least} pixels a side; these are {sides}; use SmallCNN")
    return channels


class NatureCNN(_CNN):
    """The convolutions of Mnih et al. (2015, "Human-level control through deep RL"), for images of 36 × 36 or more."""

    LEAST = 36

    def __init__(self, observation_space: spaces.Space[Any], features_dim: int = 512) -> None:
        channels = _channels(observation_space, "NatureCNN", self.LEAST)
        layers = [nn.Conv2d(channels, 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU(), nn.Conv2d(64, 64, 3)]
        super().__init__(observation_space, features_dim, [*layers, nn.ReLU()])


class SmallCNN(_CNN):
    """Two convolutions of 3 × 3 for images too small for :class:`NatureCNN`, such as grids of ten by ten."""

    def __init__(self, observation_space: spaces.Space[Any], features_dim: int = 128) -> None:
        channels = _channels(observation_space, "SmallCNN", 5)
        layers = [nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, padding=1), nn.ReLU()]
        super().__init__(observation_space, features_dim, layers)


def cnn(observation_space: spaces.Space[Any], features_dim: int) -> FeaturesExtractor:
    """The convolutions that suit an image's size."""
    small = min(channel_first(tuple(observation_space.shape or ()))[1:]) < NatureCNN.LEAST
    return (SmallCNN if small else NatureCNN)(observation_space, features_dim)


class CombinedExtractor(FeaturesExtractor):
    """Features of the parts of a Dict side by side: convolutions for images, rows of numbers for all else."""

    def __init__(self, observation_space: spaces.Space[Any], cnn_output_dim: int = 256) -> None:
        if not isinstance(observation_space, spaces.Dict):
            raise AgentError(f"CombinedExtractor needs Dict observations; the observation is {observation_space}")
        refuse_odd_images(observation_space, "CombinedExtractor")
        parts: dict[str, FeaturesExtractor] = {}
        for name, part in observation_space.spaces.items():
            parts[name] = cnn(part, cnn_output_dim) if is_image(part) else FlattenExtractor(part)
        super().__init__(observation_space, sum(part.features_dim for part in parts.values()))
        self.names = list(parts)
        self.extractors = nn.ModuleList(parts.values())  # a ModuleDict would refuse names with dots

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        """A dictionary of ``(n, ...)`` to ``(n, features_dim)``."""
        found = [extract(observations[name]) for name, extract in zip(self.names, self.extractors, strict=True)]
        return torch.cat(found, dim=1)


def default_extractor(space: spaces.Space[Any]) -> FeaturesExtractor:
    """What suits a space: convolutions for images, :class:`CombinedExtractor` for Dicts, else the numbers in a row.

    Raises:
        AgentError: an observation that has the shape of an image but not its numbers.
    """
    if isinstance(space, spaces.Dict):
        return CombinedExtractor(space)
    refuse_odd_images(space, "the default extractor")
    return (
        cnn(space, 512 if min(space.shape or (0,)) >= NatureCNN.LEAST else 128)
        if is_image(space)
        else (FlattenExtractor(space))
    )


def refuse_odd_images(space: spaces.Space[Any], who: str) -> None:
    """Refuse a space with a part that has the shape of an image but not its numbers.

    Args:
        space: of observations.
        who: does not read it.

    Raises:
        AgentError: naming it, and what to do.
    """
    for part in plain_parts(space):
        if looks_like_an_image(part) and not is_image(part):
            raise AgentError(
                f"{who} reads images of uint8 from 0 to 255; the observation has the shape of an image but is "
                f"{one_line(part)}: give such images, or choose features_extractor_class='FlattenExtractor' in "
                "policy_kwargs to read it as numbers"
            )


EXTRACTORS: dict[str, type[FeaturesExtractor]] = {
    cls.__name__: cls for cls in (FlattenExtractor, NatureCNN, SmallCNN, CombinedExtractor)
}
"""Extractors that data may name."""


def make_extractor(cls: type[nn.Module] | None, space: spaces.Space[Any], options: Mapping[str, Any]) -> nn.Module:
    """An extractor for a space, tried out on two empty observations.

    Args:
        cls: :class:`FeaturesExtractor`, stable-baselines3's or the caller's own; ``None`` takes what suits the space.
        space: :attr:`Inputs.space`.
        options: further arguments of the class.

    Raises:
        AgentError: it refuses its arguments, or its output is not ``(n, features_dim)`` finite floats.
    """
    if cls is None:
        return default_extractor(space)
    name = cls.__name__
    try:
        made = cls(space, **options)
        size = int(made.features_dim)  # type: ignore[arg-type]
    except AgentError:
        raise
    except Exception as error:
        raise AgentError(f"features extractor {name} cannot be made for {one_line(space)}: {_first(error)}") from error
    try:
        with torch.no_grad():
            found = made(_zeros(space))
        shape, dtype = tuple(found.shape), found.dtype
    except Exception as error:
        raise AgentError(f"features extractor {name} fails on {one_line(space)}: {_first(error)}") from error
    if shape != (2, size) or dtype != torch.float32:
        raise AgentError(
            f"features extractor {name} turns 2 observations into {shape} {dtype}; expected (2, {size}) torch.float32, "
            f"as its features_dim is {size}"
        )
    return made


def _zeros(space: spaces.Space[Any]) -> Any:
    """Two observations of zeros, as an extractor is given them."""
    if isinstance(space, spaces.Dict):
        return {name: _zeros(part) for name, part in space.spaces.items()}
    return torch.zeros(2, *(space.shape if isinstance(space, spaces.Box) else (flat_size(space),)))


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
