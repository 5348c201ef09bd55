"""What the text formats have in common: lines, numbers, and the names of what is not supported."""

from __future__ import annotations

import math
import re
from pathlib import Path

from morl.spec import ModelError
from morl.storage import read_regular

Line = tuple[int, str]
"""Line number, from 1, and text."""

_MOST_BYTES = 4 << 30
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\xfd7": "xz", b"PK": "zip"}
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_RATIONAL = re.compile(r"([+-]?\d+)/(\d+)", re.ASCII)

UNSUPPORTED = {
    "ctmc": "a continuous-time Markov chain (CTMC)",
    "ctmdp": "a continuous-time Markov decision process (CTMDP)",
    "ma": "a Markov automaton (MA)",
    "markov automaton": "a Markov automaton (MA)",
    "pomdp": "a partially observable model (POMDP)",
    "imdp": "a model with intervals of probabilities (IMDP)",
    "idtmc": "a model with intervals of probabilities (IDTMC)",
    "ipomdp": "a partially observable model with intervals (IPOMDP)",
    "lts": "a transition system without probabilities (LTS)",
    "pta": "a timed automaton (PTA)",
    "popta": "a timed automaton (POPTA)",
    "smg": "a game (SMG)",
    "stpg": "a game (STPG)",
    "csg": "a game (CSG)",
    "tsg": "a game (TSG)",
    "s2pg": "a game (S2PG)",
}


def model_kind(where: str, name: str) -> str:
    """``"mdp"`` or ``"dtmc"``.

    Raises:
        ModelError: another kind of model, by its name.
    """
    kind = " ".join(name.lower().split())
    if kind in ("mdp", "dtmc"):
        return kind
    what = UNSUPPORTED.get(kind, f"model type {name.strip()!r}")
    raise ModelError(f"{where}: {what} is not supported; expected an MDP or a DTMC")


def read_lines(path: Path) -> list[Line]:
    """The lines of a text file that are not blank, stripped, with their numbers.

    Raises:
        ModelError: no such file, no regular file, too large, or not text.
    """
    content = read_regular(path, limit=_MOST_BYTES, error=ModelError)
    for magic, kind in _COMPRESSED.items():
        if content.startswith(magic):
            raise ModelError(f"model file {str(path)!r} is compressed ({kind}); decompress it first")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"model file {str(path)!r} cannot be read ({error})") from None
    stripped = ((i, line.strip()) for i, line in enumerate(text.split("\n"), 1))
    return [(i, line) for i, line in stripped if line]


def number(text: str, where: str) -> float:
    """A finite decimal or rational number.

    >>> number("1/4", "here"), number("-2.5e-1", "here")
    (0.25, -0.25)
    """
    text = text.strip()
    rational = _RATIONAL.fullmatch(text)
    if not (rational or _DECIMAL.fullmatch(text)):
        raise ModelError(f"{where}: {short(text)} is not a number{_hint(text)}")
    try:
        value = int(rational[1]) / int(rational[2]) if rational else float(text)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ModelError(f"{where}: {short(text)} is not a number that can be computed with") from None
    if not math.isfinite(value):
        raise ModelError(f"{where}: {short(text)} is not a finite number")
    return value


def _hint(text: str) -> str:
    if text.startswith("["):
        return " (intervals are not supported)"
    if re.search(r"[A-Za-z_$]", text) and text.lower().lstrip("+-") not in ("nan", "inf", "infinity"):
        return " (models with parameters are not supported; instantiate it first)"
    return ""


def whole(text: str, where: str) -> int:
    """A non-negative whole number below 2³¹, as states, choices and counts are."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 10 or int(text) >= 2**31:
        raise ModelError(f"{where}: {short(text)}; expected a whole number from 0 to 2^31 - 1")
    return int(text)


def is_whole(text: str) -> bool:
    """True for what :func:`whole` reads."""
    return text.isascii() and text.isdecimal()


def short(text: str) -> str:
    """The text quoted, its end left out where it is long."""
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}…"


def row_fields(line: str) -> tuple[str, list[tuple[str, str]]]:
    """The state of a line in row form and its pairs ``(value, successor)``; an action at its end is left out."""
    state, *rest = line.split()
    moves = [tuple(x.split(":", 1)) for x in rest if ":" in x]
    return state, [(a, b) for a, b in moves]
