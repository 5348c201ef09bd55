"""Reward files of explicit models: which belong to a ``.tra`` file, and what they say.

PRISM's ``.srew`` and ``.trew`` begin with comments (``# Reward structure "time"``, ``# State rewards``) and the numbers
of states, choices (transition rewards of an MDP) and entries, of which there may be none. Storm's ``.rew`` have no
such lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from morl.exact.files.text import Line, is_whole, number, read_lines, row_fields, short, whole
from morl.spec import FloatArray, IntArray, ModelError

_SUFFIXES = (".srew", ".trew", ".rew")


@dataclass(frozen=True)
class Layout:
    """The transitions that rewards refer to.

    Args:
        path: the ``.tra`` file.
        n: states.
        chain: a DTMC, whose transitions have no choice.
        storm: Storm's format, in which reward files have no numbers at their head.
        row_state, row_choice: ``(rows,)`` state and choice of each row, in ascending order.
        row, target: ``(m,)`` row and successor of each transition.
    """

    path: Path
    n: int
    chain: bool
    storm: bool
    row_state: IntArray
    row_choice: IntArray
    row: IntArray
    target: IntArray

    @cached_property
    def rows(self) -> dict[tuple[int, int], int]:
        """Row of each state and choice."""
        pairs = zip(self.row_state.tolist(), self.row_choice.tolist(), strict=True)
        return {pair: i for i, pair in enumerate(pairs)}

    @cached_property
    def keys(self) -> IntArray:
        """A number for row and successor of each transition."""
        return self.row * self.n + self.target


def find_rewards(path: Path) -> dict[str, list[Path]]:
    """Reward files of ``dice.tra`` by structure: its own, those of a name, or PRISM's numbered ones.

    Files that have a ``.tra`` file of their own are left alone, and so are numbers that do not begin at 1.
    """
    found: dict[str, list[Path]] = {}
    numbered: dict[int, list[Path]] = {}
    for file in sorted(path.parent.iterdir()):
        if file.suffix not in _SUFFIXES or not file.is_file():
            continue
        base = file.name.removesuffix(file.suffix)
        if file.suffix == ".rew":
            base = base.removesuffix(".state").removesuffix(".trans")
        for stem in (path.name, path.stem):
            rest = base.removeprefix(stem)
            if not base.startswith(stem) or (rest and (path.parent / f"{base}.tra").exists()):
                continue
            if not rest or (rest.startswith(".") and len(rest) > 1):
                found.setdefault(rest[1:], []).append(file)
                break
            if re.fullmatch(r"[1-9]\d{0,5}", rest, re.ASCII) and stem == path.stem:
                numbered.setdefault(int(rest), []).append(file)
                break
    if 1 in numbered and "" not in found:
        found |= {str(k): numbered[k] for k in sorted(numbered)}
    return {_title(key): files for key, files in found.items()}


def _title(key: str) -> str:
    return f"reward{key}" if not key or key.isdecimal() else key


def read_rewards(name: str, files: Sequence[Path], layout: Layout, keep: bool) -> tuple[str, FloatArray, FloatArray]:
    """One reward structure.

    Args:
        name: the objective's name, unless the files name it themselves and ``keep`` is false.

    Returns:
        The name, the reward of each state ``(n,)`` and of each transition ``(m,)``.

    Raises:
        ModelError: a file that is not understood, cut short, or about another model.
    """
    state, moves = np.zeros(layout.n), np.zeros(len(layout.row))
    titles = set()
    for file in files:
        reader = _Reader(file, layout)
        if reader.title:
            titles.add(reader.title)
        if reader.kind == "state":
            state += reader.state_rewards()
        else:
            moves += reader.transition_rewards()
    if len(titles) > 1 and not keep:
        raise ModelError(f"{files[0].name}: files of one reward structure name it {' and '.join(sorted(titles))}")
    return (name if keep or not titles else titles.pop()), state, moves


class _Reader:
    """One reward file: its kind, name and entries."""

    def __init__(self, file: Path, layout: Layout) -> None:
        self.file, self.layout = file, layout
        self.title = ""
        self.kind = {".srew": "state", ".trew": "transition"}.get(file.suffix, "")
        if file.suffix == ".rew" and file.stem.endswith((".state", ".trans")):
            self.kind = "state" if file.stem.endswith(".state") else "transition"
        lines = read_lines(file)
        for i, line in lines:
            if line.startswith("#"):
                self._comment(i, line)
        self.body = [(i, line) for i, line in lines if not line.startswith("#")]
        self.rows_form = any(":" in line for _, line in self.body[1:])
        self.kind = self.kind or self._guess()
        self._head()

    def _comment(self, i: int, line: str) -> None:
        if match := re.fullmatch(r'#\s*Reward structure\s+"(.*)"', line):
            self.title = match[1].strip()
        elif match := re.fullmatch(r"#\s*(State|Transition) rewards", line):
            kind = match[1].lower()
            if self.kind and kind != self.kind:
                raise ModelError(f"{self.file.name}:{i}: {short(line)}; the file's name says {self.kind} rewards")
            self.kind = kind

    def _guess(self) -> str:
        """Kind by the width of the lines, the first of which may be numbers at the head."""
        width = len(self.body[-1][1].split()) if self.body else 2
        return "transition" if self.rows_form or width > 2 else "state"

    def _head(self) -> None:
        """Compare and drop the numbers at the head: states, choices (of an MDP's transitions) and entries."""
        name, layout = self.file.name, self.layout
        moves = self.kind == "transition"
        size = 3 if moves and not layout.chain else 2
        required = not layout.storm and self.file.suffix in (".srew", ".trew")
        if not self.body:
            if required:
                raise ModelError(f"{name} is empty; expected the numbers of states and rewards at its head")
            return
        i, line = self.body[0]
        fields = line.split()
        numbers = len(fields) == size and all(is_whole(x) for x in fields)
        if not (numbers and (required or moves or fields[0] == str(layout.n))):
            if required:
                raise ModelError(
                    f"{name}:{i}: {short(line)}; expected {size} numbers at the head, of states to rewards"
                )
            return
        head = [whole(x, f"{name}:{i}") for x in fields]
        rows = len(layout.row_state)
        if head[0] != layout.n or (size == 3 and head[1] != rows):
            said = f"{head[0]} states" + (f" and {head[1]} choices" if size == 3 else "")
            raise ModelError(f"{name}:{i}: {said}; {layout.path.name} has {layout.n} and {rows}")
        self.body = self.body[1:]
        found = sum(line.count(":") for _, line in self.body) if self.rows_form else len(self.body)
        if found != head[-1]:
            raise ModelError(f"{name}: {found} rewards; its head says {head[-1]} (is the file cut short?)")

    def state_rewards(self) -> FloatArray:
        """``(n,)``."""
        result = np.zeros(self.layout.n)
        seen: set[int] = set()
        for i, line in self.body:
            where, fields = f"{self.file.name}:{i}", line.split()
            if len(fields) != 2:
                raise ModelError(f"{where}: {short(line)}; expected 'state value'")
            s = self._state(where, fields[0])
            if s in seen:
                raise ModelError(f"{where}: a second reward for state {s}")
            seen.add(s)
            result[s] = number(fields[1], where)
        return result

    def transition_rewards(self) -> FloatArray:
        """``(m,)``."""
        keys: list[int] = []
        values: list[float] = []
        at: list[Line] = []
        for i, line, s, choice, successor, value in self._entries():
            where = f"{self.file.name}:{i}"
            state = self._state(where, s)
            row = self.layout.rows.get((state, choice))
            if row is None:
                what = f"state {state}, choice {choice}"
                raise ModelError(f"{where}: {short(line)} is a reward for no transition ({what})")
            keys.append(row * self.layout.n + self._state(where, successor))
            values.append(number(value, where))
            at.append((i, line))
        return self._spread(np.array(keys, dtype=np.int64), np.array(values), at)

    def _entries(self) -> list[tuple[int, str, str, int, str, str]]:
        """Line number, line, state, choice, successor and value of each entry."""
        result = []
        seen: dict[str, int] = {}
        width = 3 if self.layout.chain else 4
        for i, line in self.body:
            where = f"{self.file.name}:{i}"
            if self.rows_form:
                state, moves = row_fields(line)
                seen[state] = seen.get(state, -1) + 1
                result += [(i, line, state, seen[state], successor, value) for value, successor in moves]
                continue
            fields = line.split()
            if len(fields) != width:
                form = "state successor value" if self.layout.chain else "state choice successor value"
                raise ModelError(f"{where}: {short(line)}; expected {form!r}")
            choice = 0 if self.layout.chain else whole(fields[1], where)
            result.append((i, line, fields[0], choice, fields[-2], fields[-1]))
        return result

    def _spread(self, keys: IntArray, values: FloatArray, at: list[Line]) -> FloatArray:
        """Rewards by key as rewards by transition."""
        order = np.argsort(keys, kind="stable")
        keys, values = keys[order], values[order]
        again = keys[1:] == keys[:-1]
        if again.any():
            i, line = at[order[1 + int(np.argmax(again))]]
            raise ModelError(f"{self.file.name}:{i}: {short(line)} is a second reward for that transition")
        known = np.isin(keys, self.layout.keys)
        if not known.all():
            i, line = at[order[int(np.argmin(known))]]
            raise ModelError(f"{self.file.name}:{i}: {short(line)} is a reward for no transition")
        result = np.zeros(len(self.layout.row))
        if len(keys):
            place = np.minimum(np.searchsorted(keys, self.layout.keys), len(keys) - 1)
            found = keys[place] == self.layout.keys
            result[found] = values[place[found]]
        return result

    def _state(self, where: str, text: str) -> int:
        s = whole(text, where)
        if s >= self.layout.n:
            raise ModelError(f"{where}: state {s}; the model has {self.layout.n}")
        return s
