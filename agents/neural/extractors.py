"""Features of any observation: stable-baselines3's extractors in plain torch, and the tensors that they are given.

An extractor is a module made from an observation space, with an attribute ``features_dim``: it turns observations
``(n, ...)`` into features ``(n, features_dim)``. What it is given is what stable-baselines3 gives: one-hot rows for
Discrete and MultiDiscrete, floats for boxes (here standardised), images as floats in [0, 1] with the channel first, a
dictionary of those for Dict. Extractors written for stable-baselines3 therefore work here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from morl.agents.core.actions import one_line
from morl.agents.core.observations import Encoder, parts_of
from morl.spec import AgentError, EnvError

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]
"""A batch of observations by the dotted names of its parts; the name of an observation without parts is empty."""


# ---- spaces and batches -----------------------------------------------------------------------------------


def is_image(space: spaces.Space[Any]) -> bool:
    """A box of bytes from 0 to 255 that is ``(H, W)``, ``(H, W, C)``, ``(C, H, W)``, or a stack of such frames."""
    return (
        isinstance(space, spaces.Box)
        and space.dtype == np.uint8
        and len(space.shape) in (2, 3, 4)
        and bool((space.low == 0).all() and (space.high == 255).all())
        and min(sorted(space.shape)[-2:]) >= 5
    )


def looks_like_an_image(space: spaces.Space[Any]) -> bool:
    """Whether a box has the shape of an image, whatever its numbers are."""
    if not isinstance(space, spaces.Box) or len(space.shape) != 3:
        return False
    return min(space.shape) in (1, 3, 4) and min(sorted(space.shape)[-2:]) >= 36


def channel_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape ``(C, H, W)`` of an image whose own shape is given; frames of a stack are channels."""
    if len(shape) == 2:
        return (1, *shape)
    if len(shape) == 4:
        c, h, w = channel_first(shape[1:])
        return (shape[0] * c, h, w)
    return (shape[2], shape[0], shape[1]) if shape[2] < shape[0] else shape


def _to_channel_first(images: Array) -> Array:
    """Images ``(n, ...)`` of any layout as ``(n, C, H, W)``."""
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 5:
        n, stack = images.shape[:2]
        frames = _to_channel_first(images.reshape(n * stack, *images.shape[2:]))
        return frames.reshape(n, stack * frames.shape[1], *frames.shape[2:])
    return np.moveaxis(images, 3, 1) if images.shape[3] < images.shape[1] else images


def _tensor_channel_first(images: Tensor) -> Tensor:
    """:func:`_to_channel_first` for tensors."""
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 5:
        stack = images.shape[1]
        frames = _tensor_channel_first(images.flatten(0, 1))
        return frames.reshape(-1, stack * frames.shape[1], *frames.shape[2:])
    return images.movedim(3, 1) if images.shape[3] < images.shape[1] else images


def _plain(space: spaces.Space[Any], name: str = "") -> Iterator[tuple[str, spaces.Space[Any]]]:
    """Dotted names and spaces of the parts of a space, nested ones too."""
    inner = parts_of(space)
    if not inner:
        yield name, space
    for key, part in inner.items():
        yield from _plain(part, f"{name}.{key}" if name else str(key))


class Inputs:
    """Observations of a space as compact named arrays, and as the tensors that an extractor is given.

    Args:
        space: of one observation: Box, Discrete, MultiDiscrete, MultiBinary, or nested Dicts and Tuples of them.
        env: the environment's name, for messages.

    Attributes:
        space: what an extractor is made from: images with the channel first, nested parts under dotted names.
        boxes: names and shapes of the parts that are boxes of numbers, which are to be standardised.
    """

    def __init__(self, space: spaces.Space[Any], env: str = "the environment") -> None:
        self.given, self.env = space, env
        self.parts = dict(_plain(space))
        self._encoders = {name: Encoder(part) for name, part in self.parts.items() if not isinstance(part, spaces.Box)}
        self.images = {name for name, part in self.parts.items() if is_image(part)}
        self.boxes = {
            name: tuple(part.shape or ())
            for name, part in self.parts.items()
            if isinstance(part, spaces.Box) and name not in self.images
        }
        seen = {name: self._seen(name, part) for name, part in self.parts.items()}
        self.space: spaces.Space[Any] = spaces.Dict(seen) if parts_of(space) else next(iter(seen.values()))

    def _seen(self, name: str, part: spaces.Space[Any]) -> spaces.Space[Any]:
        if name in self.images:
            return spaces.Box(0, 255, channel_first(tuple(part.shape or ())), np.uint8)
        return part

    def arrays(self, observations: Any) -> Arrays:
        """A batch ``(n, ...)`` as arrays: images as bytes, all else as float32.

        Raises:
            EnvError: an image that is not of bytes.
        """
        return {name: self._array(name, part) for name, part in _named(observations)}

    def _array(self, name: str, part: Any) -> Array:
        if name in self._encoders:
            return self._encoders[name](part)
        values = np.asarray(part)
        if name not in self.images:
            return values.astype(np.float32)
        if values.dtype != np.uint8:
            what = f"the observation {name!r}" if name else "the observation"
            raise EnvError(f"{self.env}: {what} is {values.dtype}; expected an image of uint8 from 0 to 255")
        return np.ascontiguousarray(_to_channel_first(values))

    def in_tensors(self, observation: Any) -> dict[str, Tensor]:
        """:meth:`arrays` from an observation in tensors, for export."""
        from morl.agents.neural.deployed import encoded

        seen: dict[str, Tensor] = {}
        for name, part in _named(observation):
            if name in self._encoders:
                seen[name] = encoded(self._encoders[name])(part)
            else:
                seen[name] = _tensor_channel_first(part) if name in self.images else part.float()
        return seen

    def tensors(self, arrays: Mapping[str, Array], device: torch.device) -> dict[str, Tensor]:
        """Arrays on a device, images still as bytes."""
        return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}

    def scaled(self, tensors: Mapping[str, Tensor]) -> Any:
        """What an extractor is given: floats, images in [0, 1]; a dictionary where the space has parts."""
        ready = {name: value.float() / 255.0 if name in self.images else value for name, value in tensors.items()}
        return ready if parts_of(self.given) else ready[""]

    def row_bytes(self) -> int:
        """Bytes of one observation as :meth:`arrays` holds it."""
        sizes = {name: int(np.prod(part.shape or ())) for name, part in self.parts.items() if name in self.images}
        return sum(sizes.get(name, 4 * flat_size(part)) for name, part in self.parts.items())


def _named(observations: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(observations, dict | tuple):
        inner = observations if isinstance(observations, dict) else dict(enumerate(observations))
        for key, part in inner.items():
            yield from _named(part, f"{name}.{key}" if name else str(key))
    else:
        yield name, observations


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
        parts: dict[str, FeaturesExtractor] = {}
        for name, part in observation_space.spaces.items():
            _refuse_odd_image(part)
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
    _refuse_odd_image(space)
    return (
        cnn(space, 512 if min(space.shape or (0,)) >= NatureCNN.LEAST else 128)
        if is_image(space)
        else (FlattenExtractor(space))
    )


def _refuse_odd_image(space: spaces.Space[Any]) -> None:
    if looks_like_an_image(space) and not is_image(space):
        raise AgentError(
            f"the observation has the shape of an image but is {one_line(space)}; give images as uint8 from 0 to 255, "
            "or choose features_extractor_class='FlattenExtractor' in policy_kwargs to read it as numbers"
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
