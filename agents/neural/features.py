"""What networks begin with: features of rows of observations. Needs torch; import it lazily."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from gymnasium import spaces
from torch import Tensor, nn

from morl.agents.core.observations import parts_of
from morl.agents.core.rows import Rows, channel_first, channel_last
from morl.agents.neural.extractors import flat_size, make_extractor, refuse_odd_images


class Parts(NamedTuple):
    """A row taken apart already."""

    numbers: Tensor
    """``(n, numbers)``."""
    images: dict[str, Tensor]
    """Bytes ``(n, ...)`` in the environment's own layout, by the names of the parts."""

    @property
    def shape(self) -> torch.Size:
        """Of the numbers."""
        return self.numbers.shape


def beside(rows: Tensor | Parts, numbers: Tensor) -> Tensor | Parts:
    """Rows with further numbers ``(n, m)`` at their end."""
    if isinstance(rows, Tensor):
        return torch.cat([rows, numbers], dim=1)
    return rows._replace(numbers=torch.cat([rows.numbers, numbers], dim=1))


class Features(nn.Module):
    """Features of rows: those of an extractor, then the rows' extra numbers.

    Where nothing is asked for, numbers pass as they are and images go through convolutions. An extractor is given what
    stable-baselines3 gives: one-hot rows for Discrete and MultiDiscrete, numbers in the shape of their box, here on a
    common scale, images as floats in [0, 1] with the channel first, a dictionary of those for Dict.

    Args:
        rows: how observations become rows.
        extractor: class of the features extractor; ``None`` takes what suits the observation.
        options: its further arguments.
        who: is named where an observation is refused.

    Attributes:
        size: features per row.
    """

    def __init__(
        self,
        rows: Rows,
        extractor: type[nn.Module] | None = None,
        options: Mapping[str, Any] | None = None,
        who: str = "a network",
    ) -> None:
        super().__init__()
        self.rows = rows
        self.extractor: nn.Module | None = None
        if extractor is None:
            refuse_odd_images(rows.space, who)
        if extractor is None and not rows.images:
            self.size = rows.numbers
        else:
            self.extractor = make_extractor(extractor, rows.space, options or {})
            self.size = int(self.extractor.features_dim) + rows.extra  # type: ignore[arg-type]

    def forward(self, rows: Tensor | Parts) -> Tensor:
        """Rows ``(n, rows.size)`` to features ``(n, size)``."""
        if self.extractor is None:
            assert isinstance(rows, Tensor)
            return rows
        numbers, images = self._apart(rows) if isinstance(rows, Tensor) else rows
        n = len(numbers)
        parts = {
            name: numbers[:, columns].reshape(n, *shape_of(self.rows.parts[name]))
            for name, columns in self.rows.columns.items()
        }
        for name, image in images.items():
            shape = tuple(self.rows.parts[name].shape or ())
            parts[name] = channels_first(image, shape).float() / 255.0
        features: Tensor = self.extractor(parts if parts_of(self.rows.given) else parts[""])
        if self.rows.extra:
            features = torch.cat([features, numbers[:, self.rows.numbers - self.rows.extra :]], dim=1)
        return features

    def _apart(self, rows: Tensor) -> Parts:
        if not self.rows.images:
            return Parts(rows, {})
        numbers = rows[:, : 4 * self.rows.numbers].contiguous().view(torch.float32)
        images = {
            name: rows[:, place].reshape(len(rows), *(self.rows.parts[name].shape or ()))
            for name, place in self.rows.images.items()
        }
        return Parts(numbers, images)


def shape_of(part: spaces.Space[Any]) -> tuple[int, ...]:
    """Shape of the numbers of a part, as an extractor is given them."""
    return tuple(part.shape) if isinstance(part, spaces.Box) else (flat_size(part),)


def channels_first(images: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Images ``(n, *shape)`` of any layout as ``(n, C, H, W)``."""
    n = len(images)
    if len(shape) == 4:
        images = images.flatten(0, 1)
    if len(shape) > 2 and channel_last(shape[-3:]):
        images = images.movedim(-1, -3)
    return images.reshape(n, *channel_first(shape))
