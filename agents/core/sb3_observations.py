"""Observations as stable-baselines3 networks read them."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from morl.agents.core.observations import Encoder
from morl.agents.core.rows import channel_first, channel_last, is_image

Array = np.ndarray[Any, Any]


class ChannelsFirst:
    """Observations with the channels of their images first, frames of a stack being channels.

    stable-baselines3 moves the last axis of a single image itself; stacks and images without channels it does not know.

    Args:
        space: an image, or a Dict of plain parts some of which are images.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.given = space

    @property
    def space(self) -> spaces.Space[Any]:
        """What stable-baselines3 sees."""
        if isinstance(self.given, spaces.Dict):
            return spaces.Dict({name: self._seen(part) for name, part in self.given.spaces.items()})
        return self._seen(self.given)

    @staticmethod
    def _seen(part: spaces.Space[Any]) -> spaces.Space[Any]:
        return spaces.Box(0, 255, channel_first(tuple(part.shape or ())), np.uint8) if is_image(part) else part

    def __call__(self, observations: Any) -> Any:
        """A batch ``(n, ...)``."""
        if isinstance(self.given, spaces.Dict):
            return {name: self._moved(part, observations[name]) for name, part in self.given.spaces.items()}
        return self._moved(self.given, observations)

    @staticmethod
    def _moved(part: spaces.Space[Any], values: Array) -> Array:
        if not is_image(part):
            return values
        shape = tuple(part.shape or ())
        moved = np.moveaxis(values, -1, -3) if len(shape) > 2 and channel_last(shape[-3:]) else values
        return np.ascontiguousarray(moved).reshape(len(values), *channel_first(shape))


def sb3_encoder(space: spaces.Space[Any], scaled: bool) -> Encoder | ChannelsFirst | None:
    """What stands between an environment and a stable-baselines3 network; ``None`` where observations pass as they are.

    SB3 counts Discrete and MultiDiscrete observations from 0 and takes no nested Dict and no Tuple: those are encoded.
    Flat Dicts and, unless ``scaled``, vectors are its own business.
    """
    if is_image(space):
        return ChannelsFirst(space)
    if isinstance(space, spaces.Box):
        return Encoder(space) if scaled and len(space.shape) <= 1 else None
    if isinstance(space, spaces.Dict):
        parts = space.spaces.values()
        if not all(isinstance(part, spaces.Box) or _from_zero(part) for part in parts):
            return Encoder(space)
        return ChannelsFirst(space) if any(is_image(part) for part in parts) else None
    return None if _from_zero(space) else Encoder(space)


def sb3_space(space: spaces.Space[Any], encoder: Encoder | ChannelsFirst | None) -> spaces.Space[Any]:
    """The space of what comes out of an encoder."""
    if isinstance(encoder, Encoder):
        return spaces.Box(-np.inf, np.inf, (encoder.size,), np.float32)
    return space if encoder is None else encoder.space


def _from_zero(space: spaces.Space[Any]) -> bool:
    """True for integer observations that stable-baselines3 reads rightly."""
    if isinstance(space, spaces.Discrete):
        return int(space.start) == 0
    if isinstance(space, spaces.MultiDiscrete):
        return len(space.shape) == 1 and not space.start.any()
    return isinstance(space, spaces.MultiBinary) and len(space.shape) == 1
