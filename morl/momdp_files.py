"""Model files: the arrays and facts of a :class:`~morl.momdp.MOMDP` as ``.npz``, without pickle."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from morl.momdp_validation import real_array, whole_array
from morl.npz import read_npz
from morl.spec import ModelError, MorlError
from morl.storage import parse_json, write_atomic

_FORMAT = "morl-momdp-1"
_HINT = "write it again with MOMDP.save"
_ARRAYS = {  # dtype kinds and dimensions of what a file holds; the last may be missing
    "data": ("f", 1),
    "indices": ("iu", 1),
    "indptr": ("iu", 1),
    "rewards": ("f", 2),
    "row_ptr": ("iu", 1),
    "start": ("f", 1),
    "outcome_rewards?": ("f", 2),
}

Arrays = Mapping[str, np.ndarray[Any, Any]]


def write_model(path: str | Path, arrays: Arrays, facts: Mapping[str, Any]) -> Path:
    """Write arrays and facts at once or not at all; ``.npz`` is added to the name where it lacks."""
    path = Path(path)
    if path.suffix != ".npz":
        path = path.with_name(path.name + ".npz")
    meta = np.frombuffer(json.dumps({"format": _FORMAT, **facts}).encode(), dtype=np.uint8)
    members: dict[str, Any] = {**arrays, "meta": meta}
    return write_atomic(path, lambda file: np.savez_compressed(file, **members))


@contextlib.contextmanager
def model_file(path: str | Path) -> Iterator[Callable[[], tuple[Arrays, dict[str, Any]]]]:
    """Read a file written by :func:`write_model`; whatever goes wrong in the body is said of the file.

    Raises:
        ModelError: no such file, or not a model.
    """
    path = Path(path)

    def read() -> tuple[Arrays, dict[str, Any]]:
        text = read_npz(path, {"meta": ("u", 1)}, _HINT)["meta"].tobytes()
        try:
            facts = parse_json(text, what="its description", error=ModelError)
        except ModelError as error:
            raise ModelError(f"cannot be read ({error}); {_HINT}") from None
        if facts["format"] != _FORMAT:
            raise ModelError(f"has format {facts['format']!r}; expected {_FORMAT!r}")
        return read_npz(path, _ARRAYS, _HINT), facts

    try:
        yield read
    except MorlError as error:
        reason = str(error).removeprefix(f"{str(path)!r} ")
        raise ModelError(f"model file {str(path)!r}: {reason}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"model file {str(path)!r} cannot be read ({type(error).__name__}: {error}); {_HINT}"
        ) from None


def stored_matrix(arrays: Arrays) -> sparse.csr_array:
    """The csr matrix of a file; its positions are checked by the constructor, but scipy looks at their ends first."""
    row_ptr, indptr = whole_array("row_ptr", arrays["row_ptr"]), whole_array("indptr", arrays["indptr"])
    indices = whole_array("indices", arrays["indices"])
    data = real_array("data", arrays["data"])
    if not (row_ptr.ndim == indptr.ndim == indices.ndim == data.ndim == 1) or not len(row_ptr):
        raise ModelError("row_ptr, indptr, indices and data must have one dimension each")
    if len(indptr) != row_ptr[-1] + 1 or indptr[-1] != len(data) or len(indices) != len(data):
        raise ModelError(
            f"{len(data)} probabilities, {len(indices)} indices and {len(indptr)} offsets that end in {indptr[-1:]}, "
            f"for {row_ptr[-1]} rows; they do not belong together"
        )
    return sparse.csr_array((data, indices, indptr), shape=(len(indptr) - 1, max(len(row_ptr) - 1, 1)))
