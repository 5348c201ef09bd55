"""Writing the frames of an episode as GIF (Pillow, which matplotlib brings) or MP4 (extra ``render``)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from morl.spec import MissingExtraError, RunError
from morl.storage import write_atomic

ENDINGS = (".gif", ".mp4")


def check_files(files: Sequence[Path]) -> None:
    """Refuse, before anything is played, files of another kind and those whose writer is not installed.

    Raises:
        RunError: another ending.
        MissingExtraError: an MP4 without the extra.
    """
    for file in files:
        if file.suffix.lower() not in ENDINGS:
            raise RunError(f"animation {str(file)!r} ends in {file.suffix!r}; expected .gif or .mp4")
        if file.suffix.lower() == ".mp4":
            try:
                import imageio_ffmpeg  # noqa: F401
            except ImportError:
                raise MissingExtraError("writing MP4 files", "render") from None


def write_animation(file: Path, frames: Sequence[Any], frames_per_second: int) -> Path:
    """Write pictures ``(height, width, 3)`` of bytes, at once or not at all.

    Raises:
        RunError: the environment gave no pictures.
    """
    if not frames or any(frame is None for frame in frames):
        raise RunError(f"the environment draws no pictures, so there is nothing to write to {str(file)!r}")
    pictures = [np.asarray(frame, dtype=np.uint8) for frame in frames]
    file.parent.mkdir(parents=True, exist_ok=True)
    out = io.BytesIO()
    if file.suffix.lower() == ".gif":
        from PIL import Image

        first, *rest = (Image.fromarray(picture) for picture in pictures)
        first.save(out, "GIF", save_all=True, append_images=rest, loop=0, duration=max(20, 1000 // frames_per_second))
    else:
        import imageio.v2 as imageio

        even = [picture[: len(picture) // 2 * 2, : picture.shape[1] // 2 * 2] for picture in pictures]  # for yuv420p
        imageio.mimwrite(out, even, format="mp4", fps=frames_per_second, macro_block_size=1)
    return write_atomic(file, out.getvalue())
