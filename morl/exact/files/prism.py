"""Explicit models in several files, as PRISM exports them and as Storm reads them: ``.tra``, ``.lab`` and rewards.

PRISM's ``.tra`` begins with its numbers of states, choices (of an MDP) and transitions; Storm's with a line ``mdp`` or
``dtmc``. Then there is one transition a line, ``state choice successor probability [action]`` (a DTMC has no choice),
or in PRISM's row form (``-exportrows``) one choice a line, ``state probability:successor … [action]``. Lines that begin
with ``#`` are comments, of which ``# Transitions (MDP)`` says the type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from morl.exact.files.listing import Listing, Start, build, check_size
from morl.exact.files.rewards import Layout, find_rewards, read_rewards
from morl.exact.files.text import Line, is_whole, model_kind, number, read_lines, row_fields, short, whole
from morl.momdp import MOMDP
from morl.spec import FloatArray, IntArray, ModelError

_ACTION = re.compile(r"(?!(?i:nan|inf|infinity)$)[A-Za-z_]\w*")

_PART = re.compile(r"#\s*(Transitions(?:\s*\((.*)\))?|States|Labels|Observations|Reward structure.*)")


def read_prism(
    path: str | Path,
    rewards: Mapping[str, str | Path | Sequence[str | Path]] | None = None,
    *,
    labels: str | Path | None = None,
    discount: float = 1.0,
    minimise: Iterable[str] = (),
    start: Start = None,
) -> MOMDP:
    """Read an explicit MDP or DTMC of PRISM or Storm: ``.tra``, ``.lab`` and rewards.

    A DTMC is a model with one action. A state without transitions is terminal.

    Args:
        rewards: for each objective its file, or files, of state rewards (lines ``state value``) or transition
            rewards (``state choice successor value``, without the choice for a DTMC; or in row form). By default the
            files that belong to ``dice.tra``: ``dice.srew`` and ``dice.trew``; or PRISM's ``dice1.srew``,
            ``dice1.trew``, ``dice2.srew`` … of several reward structures; or ``dice.NAME.srew``, ``dice.NAME.trew``
            and Storm's ``dice.NAME.state.rew``, ``dice.NAME.trans.rew``. A line ``# Reward structure "time"`` names
            the objective, else NAME does. State and transition rewards of one structure are added.
        labels: the ``.lab`` file, PRISM's (``0="init" 1="deadlock"``) or Storm's (``#DECLARATION``), whose label
            ``init`` marks the start. Without one the start is the ``.tra`` file's own (``- - 0 -``), else state 0.
        discount: γ, which the format does not hold.
        minimise: objectives that are costs (:meth:`MOMDP.minimised`).
        start: a state or a distribution over states, in place of the file's.

    Raises:
        ModelError: a file that is missing, not understood or cut short; another type of model; several initial
            states; or no rewards.
    """
    path = Path(path)
    table = _transitions(path)
    layout = table.layout
    given = find_rewards(path) if rewards is None else {k: _as_list(v) for k, v in rewards.items()}
    if not given:
        raise ModelError(
            f"{path.name}: no reward files beside it (such as {path.stem}.srew or {path.stem}.trew); "
            "give rewards={'name': 'file.rew'}"
        )
    named = [read_rewards(name, files, layout, rewards is not None) for name, files in given.items()]
    names = [name for name, _, _ in named]
    if len(set(names)) < len(names):
        raise ModelError(f"{path.name}: reward structures are named {', '.join(names)}; expected distinct names")
    return build(
        path.name,
        Listing(table.n, layout.row_state, layout.row, table.target, table.probability),
        np.column_stack([state for _, state, _ in named]),
        np.column_stack([moves for _, _, moves in named]),
        names,
        discount=discount,
        start=start,
        initial=_initial(path, labels, table) if start is None else (),
        minimise=minimise,
    )


def _as_list(value: str | Path | Sequence[str | Path]) -> list[Path]:
    return [Path(value)] if isinstance(value, str | Path) else [Path(x) for x in value]


@dataclass(frozen=True)
class _Table:
    """A ``.tra`` file: m transitions in ``n`` states, and the initial states that it names."""

    n: int
    layout: Layout
    target: IntArray
    probability: FloatArray
    initial: list[int]


def _transitions(path: Path) -> _Table:
    kind = ""
    lines: list[Line] = []
    for i, line in read_lines(path):
        if not line.startswith("#"):
            lines.append((i, line))
        elif match := _PART.fullmatch(line):
            if not match[1].startswith("Transitions") or lines:
                raise ModelError(f"{path.name}:{i}: {short(line)}; expected transitions only, other parts in own files")
            kind = model_kind(path.name, match[2]) if match[2] else kind
    if not lines:
        raise ModelError(f"{path.name} is empty; expected a .tra file of PRISM or Storm")
    head, body = lines[0], lines[1:]
    storm = len(head[1].split()) == 1
    kind, counts = _head(path, head, kind)
    initial = [_initial_line(f"{path.name}:{i}", line, kind) for i, line in body if line.startswith("-")]
    body = [(i, line) for i, line in body if not line.startswith("-")]
    columns = _rows_form(path, body, kind) if body and ":" in body[0][1] else _columns_form(path, body, kind)
    source, choice, target, p, at = columns
    highest = 1 + int(max(source.max(initial=-1), target.max(initial=-1)))
    n = highest if storm else counts[0]
    if highest > n:
        wrong = int(np.argmax((source >= n) | (target >= n)))
        state = max(source[wrong], target[wrong])
        raise ModelError(f"{path.name}:{at[wrong]}: state {state}; the first line says that there are {n}")
    check_size(path.name, n, 2 * len(source) + 1)
    pairs, row = np.unique(np.column_stack([source, choice]), axis=0, return_inverse=True)
    if not storm:
        _check_counts(path, counts, len(pairs), len(source), kind)
    layout = Layout(path, n, kind == "dtmc", storm, pairs[:, 0], pairs[:, 1], row.ravel(), target)
    return _Table(n, layout, target, p, initial)


def _head(path: Path, line: Line, kind: str) -> tuple[str, list[int]]:
    """The type, and PRISM's numbers of states, choices and transitions."""
    where, fields = f"{path.name}:{line[0]}", line[1].split()
    for word, what in (("STATES", "MRMC's format"), ("digraph", "Dot's format"), ("=", "Matlab's format")):
        if fields[0] == word or (word in fields and word == "="):
            raise ModelError(f"{where}: {what} is not supported; export the model in PRISM's own")
    if len(fields) == 1 and not is_whole(fields[0]):
        return model_kind(where, fields[0]), []
    if not all(is_whole(x) for x in fields) or not 2 <= len(fields) <= 4:
        raise ModelError(
            f"{where}: {short(line[1])}; expected 'states choices transitions' of an MDP, 'states transitions' of a "
            "DTMC, or Storm's line 'mdp' or 'dtmc'"
        )
    found = {2: "dtmc", 3: "mdp", 4: "pomdp"}[len(fields)]
    if kind and found != kind:
        said = kind.upper()
        raise ModelError(f"{where}: {short(line[1])} are the numbers of a {found.upper()}; the header says {said}")
    return model_kind(where, found), [whole(x, where) for x in fields]


def _initial_line(where: str, line: str, kind: str) -> int:
    """The state of a line ``- - 3 -`` (``- 3 -`` for a DTMC)."""
    fields = line.split()
    at = 2 if kind == "mdp" else 1
    if len(fields) <= at or set(fields[:at]) != {"-"}:
        raise ModelError(f"{where}: {short(line)} is not understood; expected an initial state, {'- - 0 -'!r}")
    return whole(fields[at], where)


Columns = tuple[IntArray, IntArray, IntArray, FloatArray, list[int]]
"""Source, choice, successor and probability of each transition, and the line that it is on."""


def _columns(source: list[int], choice: list[int], target: list[int], p: list[float], at: list[int]) -> Columns:
    kept = [np.array(x, dtype=np.int64) for x in (source, choice, target)]
    return kept[0], kept[1], kept[2], np.array(p, dtype=np.float64), at


def _columns_form(path: Path, body: list[Line], kind: str) -> Columns:
    """One transition a line."""
    chain = kind == "dtmc"
    width = 3 if chain else 4
    source: list[int] = []
    choice: list[int] = []
    target: list[int] = []
    p: list[float] = []
    for i, line in body:
        fields, where = line.split(), f"{path.name}:{i}"
        if not chain and (len(fields) == 3 or (len(fields) == 4 and _ACTION.fullmatch(fields[3]))):
            raise ModelError(
                f"{where}: {short(line)} has no probability; transition systems (LTS) and parameters are not supported"
            )
        if not width <= len(fields) <= width + 1 and not fields[min(width, len(fields)) - 1].startswith("["):
            raise ModelError(f"{where}: {short(line)}; expected {width} numbers and perhaps an action")
        source.append(whole(fields[0], where))
        choice.append(0 if chain else whole(fields[1], where))
        target.append(whole(fields[width - 2], where))
        p.append(_probability(fields[width - 1], where))
    return _columns(source, choice, target, p, [i for i, _ in body])


def _rows_form(path: Path, body: list[Line], kind: str) -> Columns:
    """One choice a line: its number is its place among those of its state."""
    seen: dict[int, int] = {}
    source: list[int] = []
    choice: list[int] = []
    target: list[int] = []
    p: list[float] = []
    at: list[int] = []
    for i, line in body:
        where, (state, moves) = f"{path.name}:{i}", row_fields(line)
        s = whole(state, where)
        nth = seen[s] = seen.get(s, -1) + 1
        if kind == "dtmc" and nth:
            raise ModelError(f"{where}: state {s} a second time; a DTMC has one line for each")
        if not moves:
            raise ModelError(f"{where}: {short(line)}; expected 'state probability:successor …'")
        for value, successor in moves:
            source.append(s)
            choice.append(nth)
            target.append(whole(successor, where))
            p.append(_probability(value, where))
            at.append(i)
    return _columns(source, choice, target, p, at)


def _probability(text: str, where: str) -> float:
    p = number(text, where)
    if p > 1.0 + 1e-5:
        raise ModelError(f"{where}: probability {text}; expected 0 to 1 (the rates of a CTMC are not supported)")
    return p


def _check_counts(path: Path, counts: list[int], choices: int, transitions: int, kind: str) -> None:
    found = [choices, transitions] if kind == "mdp" else [transitions]
    for what, have, said in zip(("choices", "transitions")[-len(found) :], found, counts[1:], strict=True):
        if have != said:
            raise ModelError(f"{path.name}: {have} {what}; the first line says {said} (is the file cut short?)")


def _initial(path: Path, labels: str | Path | None, table: _Table) -> list[int]:
    """The states labelled ``init``; those of the ``.tra`` file, else state 0, where there is no label file."""
    file = path.with_suffix(".lab") if labels is None else Path(labels)
    if labels is None and not file.exists():
        return table.initial or [0]
    lines = read_lines(file)
    storm = any(line.split()[0] == "#DECLARATION" for _, line in lines)
    found = _storm_labels(file, lines, table.n) if storm else _prism_labels(file, lines, table.n)
    if table.initial and sorted(table.initial) != found:
        raise ModelError(f"{file.name}: initial states {found}; {path.name} says {sorted(table.initial)}")
    return found


def _prism_labels(file: Path, lines: list[Line], n: int) -> list[int]:
    """States that carry the label ``init``: first line ``0="init" 1="deadlock"``, then ``state: label label``."""
    body = [(i, line) for i, line in lines if not line.startswith("#")]
    if not body or not re.fullmatch(r'(\d+="[^"]*"\s*)+', body[0][1]):
        what = short(body[0][1]) if body else "nothing"
        raise ModelError(f"{file.name}: {what}; expected PRISM's 0=\"init\" … or Storm's #DECLARATION")
    names = dict(re.findall(r'(\d+)="([^"]*)"', body[0][1]))
    found = []
    for i, line in body[1:]:
        state, colon, rest = line.partition(":")
        where = f"{file.name}:{i}"
        if not colon:
            raise ModelError(f"{where}: {short(line)}; expected 'state: label label'")
        found += _marked(where, state.strip(), rest.split(), names, n)
    return sorted(set(found))


def _storm_labels(file: Path, lines: list[Line], n: int) -> list[int]:
    """The same: names between ``#DECLARATION`` and ``#END``, then ``state name name``."""
    ends = [k for k, (_, line) in enumerate(lines) if "#END" in line.split()]
    if not ends or lines[0][1].split()[0] != "#DECLARATION":
        raise ModelError(f"{file.name}: expected #DECLARATION, the names of all labels, #END and then the states")
    declared = [word for _, line in lines[: ends[0] + 1] for word in line.split()]
    if declared[-1] != "#END":
        raise ModelError(f"{file.name}: {short(lines[ends[0]][1])}; expected #END at the end of its line")
    names = {word: word for word in declared[1:-1]}
    found = []
    for i, line in lines[ends[0] + 1 :]:
        state, *labels = line.split()
        found += _marked(f"{file.name}:{i}", state, labels, names, n)
    return sorted(set(found))


def _marked(where: str, state: str, labels: list[str], names: Mapping[str, str], n: int) -> list[int]:
    s = whole(state, where)
    if s >= n:
        raise ModelError(f"{where}: state {s}; the model has {n}")
    for label in labels:
        if label not in names:
            raise ModelError(f"{where}: label {short(label)} is not declared")
    return [s] if any(names[label] == "init" for label in labels) else []
