"""Identities of points: short names that stay the same wherever a point goes.

An identity is a digest of what the point is: of its policy where the policy is known (an agent's fronts), and of its
values, as people read them, where it is not. So it survives sorting, subsets and files, and a policy that is measured
again keeps it although its sampled mean moves.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from morl.spec import FloatArray, FrontError, SpecError, UnknownNameError, listed

LENGTH = 8
_LETTERS = "bcdfghjkmnpqrstvwxz"  # no vowels: no words; a letter first: never a number
_SIGNS = "0123456789" + _LETTERS
_PATTERN = re.compile(f"[{_LETTERS}][{_SIGNS}]{{{LENGTH - 1}}}")
_SHORTEST = 3


def identity(*parts: Any) -> str:
    """The identity of some content: texts, numbers and arrays, in that order.

    Chance that two of 1,000 points share one by accident: about 2 in a million.

    >>> identity("PCN", np.array([0.5, 0.5]))
    'xmqgnjb5'
    """
    number = int(digest(*parts), 16)
    number, first = divmod(number, len(_LETTERS))
    signs = [_LETTERS[first]]
    for _ in range(LENGTH - 1):
        number, sign = divmod(number, len(_SIGNS))
        signs.append(_SIGNS[sign])
    return "".join(signs)


def digest(*parts: Any) -> str:
    """Hexadecimal digest of texts, numbers and arrays, the same on every machine; −0 counts as 0."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        array = np.asarray(part)
        if array.dtype.kind in "US":
            state.update(f"text:{array}\0".encode())
            continue
        array = np.asarray(array + 0.0 if array.dtype.kind == "f" else array, order="C")
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        state.update(f"{array.dtype.str}{array.shape}\0".encode())
        state.update(array.tobytes())
    return state.hexdigest()


def identities_of(shown: FloatArray) -> tuple[str, ...]:
    """The identities of points of which only the values ``(n, K)`` are known, costs positive."""
    return tuple(identity(row) for row in shown)


def is_identity(text: object) -> bool:
    """Whether a text has the form of an identity."""
    return isinstance(text, str) and _PATTERN.fullmatch(text) is not None


def check_identities(ids: Sequence[str], n: int) -> list[str]:
    """``n`` identities.

    Raises:
        FrontError: another number of them, or texts of another form.
    """
    found = list(ids)
    if len(found) != n:
        raise FrontError(f"{len(found)} identities for {n} points; expected one per point")
    for one in found:
        if not is_identity(one):
            raise FrontError(f"identity is {one!r}; expected {LENGTH} letters and digits, such as {identity('')!r}")
    return found


def find_identity(ids: Sequence[str], wanted: str) -> int:
    """Position of a point by its identity, or by the first signs of it where no other begins so.

    Raises:
        SpecError: several begin so.
        UnknownNameError: none does.
    """
    text = str(wanted).strip().lower()
    if text in ids:
        return list(ids).index(text)
    begins = [i for i, one in enumerate(ids) if one.startswith(text)] if len(text) >= _SHORTEST else []
    if len({ids[i] for i in begins}) > 1:
        raise SpecError(
            f"point {wanted!r} may be {listed([ids[i] for i in begins], most=5)}; give more of its identity"
        )
    if not begins:
        raise UnknownNameError("point", str(wanted), ids)
    return begins[0]
