"""Reading named arrays from an ``.npz`` file that anybody may have written.

Nothing is unpickled, and no array is allocated before the file's own index and the headers of its arrays agree
about how large it is.
"""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from morl.spec import ModelError
from morl.storage import open_regular

_MOST_BYTES = 8 << 30
_SUSPICIOUS_BYTES, _SUSPICIOUS_RATIO = 256 << 20, 200
"""A file that unpacks to more than this, by more than that factor, was made to fill the memory."""


def read_npz(path: Path, expected: Mapping[str, tuple[str, int]], hint: str) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a file.

    Args:
        expected: for each name the letters of its dtype's kind and its number of dimensions, ``("iu", 1)``; a name
            that ends in ``?`` may be missing.
        hint: how to get a good file, for the message.

    Raises:
        ModelError: no regular file, not an ``.npz``, members that are missing, of another type, or too large (the
            message is about the file and does not name it).
    """
    try:
        with open_regular(path, error=ModelError) as stream, zipfile.ZipFile(stream) as archive:
            members = _members(archive, os.fstat(stream.fileno()).st_size)
            headers = {}
            for name, (kinds, ndim) in expected.items():
                plain = name.removesuffix("?")
                if plain in members:
                    headers[plain] = _header(archive, members[plain], kinds, ndim)
                elif plain == name:
                    raise ValueError(f"array {plain!r} is missing")
            return {name: _array(archive, members[name], *header) for name, header in headers.items()}
    except ModelError:
        raise  # of the file itself, and says so
    except (OSError, ValueError, KeyError, EOFError, MemoryError, NotImplementedError, RuntimeError) as error:
        reason: Exception = error
    except (zipfile.BadZipFile, zlib.error) as error:
        reason = error
    raise ModelError(f"cannot be read ({reason}); {hint}")


def _members(archive: zipfile.ZipFile, packed: int) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    members = {info.filename.removesuffix(".npy"): info for info in infos}
    if len(members) != len(infos):
        raise ValueError("two arrays have the same name")
    size = sum(info.file_size for info in infos)
    if size > _MOST_BYTES or (size > _SUSPICIOUS_BYTES and size > _SUSPICIOUS_RATIO * packed):
        raise ValueError(f"{packed} bytes unpack to {size}")
    return members


def _header(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, kinds: str, ndim: int
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and dtype that an array claims, where its size in the archive agrees."""
    name = info.filename
    with archive.open(info) as file:
        stream = cast(BinaryIO, file)
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"array {name!r} has version {version}")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
        start = file.tell()
    if dtype.hasobject or dtype.kind not in kinds or dtype.subdtype is not None:
        raise ValueError(f"array {name!r} has dtype {dtype}")
    if len(shape) != ndim or any(n < 0 for n in shape):
        raise ValueError(f"array {name!r} has shape {shape}; expected {ndim} dimensions")
    if start + math.prod(shape) * dtype.itemsize != info.file_size:
        raise ValueError(f"array {name!r} of shape {shape} does not fit its {info.file_size} bytes")
    return shape, fortran, dtype


def _array(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any]
) -> np.ndarray[Any, Any]:
    size = math.prod(shape) * dtype.itemsize
    with archive.open(info) as file:
        content = file.read()  # to the end, where the checksum is compared
    if len(content) < size:
        raise ValueError(f"array {info.filename!r} is cut short")
    flat = np.frombuffer(content, dtype=dtype, count=math.prod(shape), offset=len(content) - size)
    return flat.reshape(shape, order="F" if fortran else "C")
