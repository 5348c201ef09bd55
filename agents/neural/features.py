"""What networks begin with: features of rows of observations. Needs torch; import it lazily."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

from morl.agents.core.observations import parts_of
from morl.agents.core.rows import Rows, channel_first, channel_last
from morl.agents.neural.extractors import flat_size, make_extractor, refuse_odd_images


class Features(nn.Module):
    """Features of rows: those of an extractor, then the rows' extra numbers.

    Where nothing is asked for, numbers pass as they are and images go through convolutions. An extractor is given what
    stable-baselines3 gives: one-hot rows for Discrete and MultiDiscrete, numbers in the shape of their box, here on a
    common scale, images as floats in [0, 1] with the channel first, a dictionary of those for Dict.

    Args:
        rows: how observations become rows.
        extractor: class of the features extractor; ``None`` takes what suits the observation.
        options: its further arguments.

    Attributes:
        size: features per row.
    """

    def __init__(
        self, rows: Rows, extractor: type[nn.Module] | None = None, options: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.rows = rows
        self.extractor: nn.Module | None = None
        if extractor is None and not rows.images:
            refuse_odd_images(rows.space)
            self.size = rows.numbers
        else:
            self.extractor = make_extractor(extractor, rows.space, options or {})
            self.size = int(self.extractor.features_dim) + rows.extra  # type: ignore[arg-type]

    def forward(self, rows: Tensor) -> Tensor:
        """Rows ``(n, rows.size)`` to features ``(n, size)``."""
        if self.extractor is None:
            return rows
        numbers = rows
        if self.rows.images:
            numbers = rows[:, : 4 * self.rows.numbers].contiguous().view(torch.float32)
        parts = {
            name: numbers[:, columns].reshape(len(rows), *shape_of(self.rows.parts[name]))
            for name, columns in self.rows.columns.items()
        }
        for name, place in self.rows.images.items():
            parts[name] = _image(rows[:, place], tuple(self.rows.parts[name].shape or ()))
        features: Tensor = self.extractor(parts if parts_of(self.rows.given) else parts[""])
        if self.rows.extra:
            features = torch.cat([features, numbers[:, self.rows.numbers - self.rows.extra :]], dim=1)
        return features


def shape_of(part: spaces.Space[Any]) -> tuple[int, ...]:
    """Shape of the numbers of a part, as an extractor is given them."""
    return tuple(part.shape) if isinstance(part, spaces.Box) else (flat_size(part),)


def _image(flat: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Bytes ``(n, size)`` of images of a shape as floats ``(n, C, H, W)`` in [0, 1]."""
    n = len(flat)
    images = flat.reshape(n, *shape)
    if len(shape) == 4:
        images = images.flatten(0, 1)
    if len(shape) > 2 and channel_last(shape[-3:]):
        images = images.movedim(-1, -3)
    return images.reshape(n, *channel_first(shape)).float() / 255.0
