"""Observations of any space as one array of rows: what is remembered, and what networks are given.

A row holds numbers as float32, one-hot and scaled as :class:`~morl.agents.core.observations.Encoder` makes them. Where
an observation has images, a row is bytes: the numbers' first, then each image's as it is, so that a replay of images
takes a byte for each pixel. Networks take rows apart on their own device
(:class:`morl.agents.neural.features.Features`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.agents.core.observations import Encoder, parts_of
from morl.spec import EnvError

Array = np.ndarray[Any, Any]


# ---- images -------------------------------------------------------------------------------------------------


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


def channel_last(shape: tuple[int, ...]) -> bool:
    """Whether the channels of an image ``(H, W, C)`` or ``(C, H, W)`` come last: there are fewer of them than rows."""
    return shape[2] < shape[0]


def channel_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape ``(C, H, W)`` of an image whose own shape is given; frames of a stack are channels.

    >>> channel_first((4, 84, 84, 3))
    (12, 84, 84)
    """
    if len(shape) == 2:
        return (1, *shape)
    if len(shape) == 4:
        c, h, w = channel_first(shape[1:])
        return (shape[0] * c, h, w)
    return (shape[2], shape[0], shape[1]) if channel_last(shape) else shape


# ---- rows ---------------------------------------------------------------------------------------------------


class Rows:
    """Turns a batch of observations of a space into rows ``(n, size)``.

    Args:
        space: of one observation: Box, Discrete, MultiDiscrete, MultiBinary, or nested Dicts and Tuples of them.
        env: the environment's name, for messages.
        extra: further numbers that a row ends its numbers with, such as an accrued reward.

    Attributes:
        parts: spaces of the plain parts by their dotted names; an observation without parts is named ``""``.
        encoders: of the parts that are no images.
        columns: of the numbers of each part that is no image.
        images: of the bytes of each image, among those of a row.
        numbers: how many numbers a row has, the extra ones last.
        size: of a row, in items of ``dtype``.
        dtype: float32, or uint8 where there are images.
        space: as a network sees it: images with the channel first, nested parts under dotted names.

    >>> rows = Rows(spaces.Dict({"eye": spaces.Box(0, 255, (8, 8, 3), np.uint8), "mode": spaces.Discrete(2)}))
    >>> rows.numbers, rows.size, rows.dtype
    (2, 200, dtype('uint8'))
    """

    def __init__(self, space: spaces.Space[Any], env: str = "the environment", extra: int = 0) -> None:
        self.given, self.env, self.extra = space, env, extra
        self.parts: dict[str, spaces.Space[Any]] = dict(_plain(space))
        self.encoders = {name: Encoder(part) for name, part in self.parts.items() if not is_image(part)}
        self.columns: dict[str, slice] = {}
        self.images: dict[str, slice] = {}
        self.numbers = 0
        for name, encoder in self.encoders.items():
            self.columns[name] = slice(self.numbers, self.numbers + encoder.size)
            self.numbers += encoder.size
        self.numbers += extra
        bytes_so_far = 4 * self.numbers
        for name in [name for name in self.parts if name not in self.encoders]:
            size = math.prod(self.parts[name].shape or ())
            self.images[name] = slice(bytes_so_far, bytes_so_far + size)
            bytes_so_far += size
        self.dtype: np.dtype[Any] = np.dtype(np.uint8 if self.images else np.float32)
        self.size = bytes_so_far if self.images else self.numbers
        seen = {name: self._seen(name, part) for name, part in self.parts.items()}
        self.space: spaces.Space[Any] = spaces.Dict(seen) if parts_of(space) else next(iter(seen.values()))

    def _seen(self, name: str, part: spaces.Space[Any]) -> spaces.Space[Any]:
        if name in self.images:
            return spaces.Box(0, 255, channel_first(tuple(part.shape or ())), np.uint8)
        return part

    @property
    def nbytes(self) -> int:
        """Bytes of a row."""
        return self.size * self.dtype.itemsize

    def __call__(self, observations: Any, extra: Array | None = None) -> Array:
        """Rows of observations ``(n, ...)`` and of further numbers ``(n, extra)``.

        Raises:
            EnvError: an image that is not of bytes.
        """
        given = dict(named(observations))
        numbers = [encoder(given[name]) for name, encoder in self.encoders.items()]
        if self.extra:
            assert extra is not None
            numbers.append(extra.astype(np.float32))
        if not self.images:
            return numbers[0] if len(numbers) == 1 else np.concatenate(numbers, axis=1)
        n = len(next(iter(given.values())))
        rows = np.empty((n, self.size), dtype=np.uint8)
        if numbers:
            self.numbers_of(rows)[:] = np.concatenate(numbers, axis=1)
        for name, place in self.images.items():
            rows[:, place] = self._image(name, given[name]).reshape(n, place.stop - place.start)
        return rows

    def _image(self, name: str, part: Any) -> Array:
        values = np.asarray(part)
        if values.dtype != np.uint8:
            what = f"the observation {name!r}" if name else "the observation"
            raise EnvError(f"{self.env}: {what} is {values.dtype}; expected an image of uint8 from 0 to 255")
        return values

    def numbers_of(self, rows: Array) -> Array:
        """The numbers ``(..., numbers)`` of rows ``(..., size)``, float32: a view, writing to it changes the rows."""
        return rows[..., : 4 * self.numbers].view(np.float32) if self.images else rows


def _plain(space: spaces.Space[Any], name: str = "") -> Iterator[tuple[str, spaces.Space[Any]]]:
    """Dotted names and spaces of the parts of a space, nested ones too."""
    inner = parts_of(space)
    if not inner:
        yield name, space
    for key, part in inner.items():
        yield from _plain(part, f"{name}.{key}" if name else str(key))


def named(observations: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The plain parts of observations by their dotted names."""
    if isinstance(observations, dict | tuple):
        inner = observations if isinstance(observations, dict) else dict(enumerate(observations))
        for key, part in inner.items():
            yield from named(part, f"{name}.{key}" if name else str(key))
    else:
        yield name, observations
