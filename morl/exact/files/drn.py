"""Storm's DRN format: one text file with states, actions, transitions, rewards and labels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy import sparse

from morl.exact.files.listing import Listing, Start, build, check_size
from morl.exact.files.text import Line, model_kind, number, read_lines, short, whole
from morl.momdp import MOMDP
from morl.spec import ModelError, shown
from morl.storage import write_atomic

_SECTIONS = ("type", "value_type", "parameters", "placeholders", "reward_models", "nr_states", "nr_choices")


def read_drn(path: str | Path, *, discount: float = 1.0, minimise: Iterable[str] = (), start: Start = None) -> MOMDP:
    """Read an MDP or DTMC in Storm's DRN format; its reward models become the objectives.

    A DTMC is a model with one action. A state without actions is terminal.

    Args:
        discount: γ, which the format does not hold.
        minimise: reward models that are costs (:meth:`MOMDP.minimised`).
        start: a state or a distribution over states, where it is not the state that is labelled ``init``.

    Raises:
        ModelError: no such file; another type of model, intervals or parameters; no reward model; several initial
            states; numbers of states or choices that differ from those announced; or a line that is not understood
            (with its number).
    """
    path = Path(path)
    header, body = _header(path, _without_comments(read_lines(path)))
    reader = _Body(path, header)
    for where, text in body:
        reader.line(where, text)
    return reader.model(discount, minimise, start)


def _without_comments(lines: list[Line]) -> list[Line]:
    """What precedes ``//``, unless it is between quotation marks."""
    kept = []
    for i, line in lines:
        if "//" in line:
            line = re.sub(r'^((?:[^"/]|"[^"]*"|/(?!/)|"(?![^"]*"))*)//.*$', r"\1", line).strip()
        if line:
            kept.append((i, line))
    return kept


def _header(path: Path, lines: list[Line]) -> tuple[dict[str, list[str]], list[Line]]:
    """Sections before ``@model``, each with its words, and the lines after it."""
    header: dict[str, list[str]] = {}
    key = ""
    for position, (i, line) in enumerate(lines):
        if line.startswith("@"):
            key, _, rest = line[1:].replace(":", " ", 1).partition(" ")
            if key == "model":
                return header, lines[position + 1 :]
            if key not in _SECTIONS or key in header:
                state = "twice" if key in header else f"unknown; expected {', '.join(_SECTIONS)} or model"
                raise ModelError(f"{path.name}:{i}: section @{key} is {state}")
            header[key] = rest.split()
        elif not key:
            raise ModelError(f"{path.name}:{i}: {short(line)}; expected a section such as @type: MDP")
        elif key == "placeholders":
            header[key].append(line)
        else:
            header[key].extend(line.split())
    raise ModelError(f"{path.name}: no @model section; expected a DRN file")


class _Body:
    """States, actions and transitions, line by line."""

    _STATE = re.compile(r"state\s+(\d+)(?:\s+(.*))?")
    _ACTION = re.compile(r"action(?:\s+([^\s\[]+))?(?:\s*\[([^\]]*)\])?(?:\s+.*)?")
    _MOVE = re.compile(r"(\d+)\s*:\s*(\S.*)")
    _LABEL = re.compile(r'"([^"]*)"|([^\s"]+)')

    def __init__(self, path: Path, header: dict[str, list[str]]) -> None:
        self.name = path.name
        self._check_type(header)
        self.placeholders = dict(self._placeholder(line) for line in header.get("placeholders", ()))
        self.names = header.get("reward_models", [])
        if len(set(self.names)) < len(self.names):
            raise ModelError(f"{self.name}: @reward_models are {' '.join(self.names)}; expected distinct names")
        self.states = self._count(header, "nr_states")
        self.choices = self._count(header, "nr_choices") if "nr_choices" in header else None
        self.n = 0
        self.initial: list[int] = []
        self.state_rewards: list[list[float]] = []
        self.row_rewards: list[list[float]] = []
        self.row_state: list[int] = []
        self.row: list[int] = []
        self.target: list[int] = []
        self.probability: list[float] = []
        self.open = False  # an action without transitions so far

    def _check_type(self, header: dict[str, list[str]]) -> None:
        if "type" not in header:
            raise ModelError(f"{self.name}: no @type; expected @type: MDP or @type: DTMC")
        self.kind = model_kind(self.name, " ".join(header["type"]))
        values = " ".join(header.get("value_type", ["double"]))
        if "interval" in values:
            raise ModelError(f"{self.name}: intervals of probabilities ({values}) are not supported")
        if values == "parametric" or header.get("parameters"):
            names = " ".join(header.get("parameters", []))
            raise ModelError(f"{self.name}: parameters ({names}) are not supported; instantiate the model first")
        if values not in ("double", "rational"):
            raise ModelError(f"{self.name}: @value_type is {values!r}; expected double or rational")

    def _count(self, header: dict[str, list[str]], key: str) -> int:
        words = header.get(key, [])
        if len(words) != 1:
            raise ModelError(f"{self.name}: @{key} is {' '.join(words)!r}; expected one whole number")
        return whole(words[0], f"{self.name}: @{key}")

    def _placeholder(self, line: str) -> tuple[str, str]:
        name, colon, value = line.partition(":")
        if not colon or not name.startswith("$"):
            raise ModelError(f"{self.name}: placeholder {short(line)}; expected $name : value")
        return name.strip(), value.strip()

    def line(self, i: int, text: str) -> None:
        where = f"{self.name}:{i}"
        if match := self._STATE.fullmatch(text):
            self._state(where, match[1], match[2] or "")
        elif (match := self._ACTION.fullmatch(text)) and self.n:
            self._close(where)
            self.row_state.append(self.n - 1)
            self.row_rewards.append(self._vector(where, match[2]))
            self.open = True
        elif (match := self._MOVE.fullmatch(text)) and self.n:
            if not self.row_state or self.row_state[-1] != self.n - 1:  # a DTMC may leave the action out
                self.row_state.append(self.n - 1)
                self.row_rewards.append(self._vector(where, None))
            self.open = False
            self.row.append(len(self.row_state) - 1)
            self.target.append(whole(match[1], where))
            self.probability.append(self._number(where, match[2]))
        else:
            raise ModelError(f"{where}: {short(text)} is not understood; expected state, action or 's : p'")

    def _state(self, where: str, state: str, rest: str) -> None:
        self._close(where)
        if whole(state, where) != self.n:
            raise ModelError(f"{where}: state {state}; expected state {self.n}")
        if rest.startswith(("!", "{")):
            what = "an exit rate" if rest[0] == "!" else "an observation"
            raise ModelError(f"{where}: {what} ({short(rest)}); the file says that it is an {self.kind.upper()}")
        vector = None
        if rest.startswith("["):
            vector, bracket, rest = rest[1:].partition("]")
            if not bracket:
                raise ModelError(f"{where}: {short(vector)} has no closing bracket")
        self.state_rewards.append(self._vector(where, vector))
        labels = {quoted or plain for quoted, plain in self._LABEL.findall(rest)}
        if "init" in labels:
            self.initial.append(self.n)
        self.n += 1

    def _close(self, where: str) -> None:
        if self.open:
            raise ModelError(f"{where}: the action before has no transitions")

    def _vector(self, where: str, text: str | None) -> list[float]:
        if text is None or not text.strip():
            return [0.0] * len(self.names)
        values = [self._number(where, x) for x in text.split(",")]
        if not self.names and not self.n and len(values) == 1:  # Storm writes a reward model without name as blank
            self.names = ["reward"]
        if len(values) != len(self.names):
            raise ModelError(f"{where}: {len(values)} rewards; expected {len(self.names)}, as in @reward_models")
        return values

    def _number(self, where: str, text: str) -> float:
        text = text.strip()
        return number(self.placeholders.get(text, text), where)

    def model(self, discount: float, minimise: Iterable[str], start: Start) -> MOMDP:
        self._close(f"{self.name} ends early")
        self._check_counts()
        if not self.names:
            raise ModelError(f"{self.name}: no @reward_models; expected at least one, they become the objectives")
        rows, k = np.array(self.row, dtype=np.int64), len(self.names)
        return build(
            self.name,
            Listing(
                self.n,
                np.array(self.row_state, dtype=np.int64),
                rows,
                np.array(self.target, dtype=np.int64),
                np.array(self.probability, dtype=np.float64),
            ),
            np.array(self.state_rewards, dtype=np.float64).reshape(self.n, k),
            np.array(self.row_rewards, dtype=np.float64).reshape(len(self.row_state), k)[rows],
            self.names,
            discount=discount,
            start=start,
            initial=self.initial,
            minimise=minimise,
        )

    def _check_counts(self) -> None:
        if self.n != self.states:
            raise ModelError(f"{self.name}: {self.n} states; @nr_states says {self.states} (is the file cut short?)")
        check_size(self.name, self.n, self.n)
        if self.target and max(self.target) >= self.n:
            raise ModelError(f"{self.name}: a transition leads to state {max(self.target)}; there are {self.n}")
        found = len(self.row_state)
        stuck = self.n - len(set(self.row_state))
        if self.kind == "dtmc" and found + stuck > self.n:
            raise ModelError(f"{self.name}: {found} actions in {self.n} states; a DTMC has one in each")
        if self.choices is None and self.n - 1 not in self.row_state[-1:]:
            raise ModelError(
                f"{self.name}: the last state has no action; is the file cut short? If not, add @nr_choices"
            )
        if self.choices not in (None, found):
            raise ModelError(f"{self.name}: {found} actions; @nr_choices says {self.choices} (is the file cut short?)")


def write_drn(momdp: MOMDP, path: str | Path) -> Path:
    """Write a model as a DRN file; returns the path.

    The format has neither a discount nor a start distribution. Discounting is written as what it means, a step
    into a sink with probability 1 − γ, so the undiscounted totals of the file are the discounted returns of the
    model; a start distribution becomes one more state. Terminal states loop without reward. Minimised objectives are
    written as the costs that they are: name them in ``minimise`` to read the file back.

    Raises:
        ModelError: the model has a horizon.
    """
    if momdp.horizon is not None:
        raise ModelError(f"DRN has no horizon; the model has {momdp.horizon} (use momdp.with_horizon(None))")
    n, gamma = momdp.n_states, momdp.discount
    sink = n if gamma < 1 else None
    count = n + (gamma < 1)
    starts = np.flatnonzero(momdp.start > 0)
    names = [re.sub(r"\s+", "_", o.name) for o in momdp.objectives or ()]
    extra = count if len(starts) > 1 else None
    states = count + (extra is not None)
    choices = momdp.n_rows + int(momdp.terminal.sum()) + states - n
    rewards = shown(momdp.rewards, momdp.objectives or ())
    zero = "[" + ", ".join("0" for _ in names) + "]"
    out = ["@type: MDP", "@parameters", "", "@reward_models", " ".join(names), "@nr_states", str(states)]
    out += ["@nr_choices", str(choices), "@model"]
    for s in range(n):
        out.append(f"state {s} {zero}" + (" init" if extra is None and s == starts[0] else ""))
        if momdp.terminal[s]:
            out += [f"\taction 0 {zero}", f"\t\t{s} : 1"]
        for a, row in enumerate(range(int(momdp.row_ptr[s]), int(momdp.row_ptr[s + 1]))):
            out.append(f"\taction {a} [{', '.join(repr(float(x)) for x in rewards[row])}]")
            part = sparse.csr_array(momdp.transitions[[row]])
            part.sum_duplicates()
            out += [
                f"\t\t{t} : {gamma * p!r}"
                for t, p in zip(part.indices.tolist(), part.data.tolist(), strict=True)
                if gamma * p > 0
            ]
            if sink is not None:
                out.append(f"\t\t{sink} : {1.0 - gamma!r}")
    if sink is not None:
        out += [f"state {sink} {zero} sink", f"\taction 0 {zero}", f"\t\t{sink} : 1"]
    if extra is not None:
        out += [f"state {extra} {zero} init", f"\taction 0 {zero}"]
        out += [f"\t\t{s} : {float(momdp.start[s])!r}" for s in starts]
    return write_atomic(path, "\n".join(out) + "\n")
