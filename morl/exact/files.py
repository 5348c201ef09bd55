"""Models from and for model checkers: Storm's DRN text format, PRISM's explicit files, Gymnasium's tables.

Probabilities and rewards may be decimal, scientific or rational (``1/3``). All objectives are maximised, so
cost structures are named in ``minimise`` and change their sign.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from morl.momdp import MOMDP
from morl.spec import FloatArray, IntArray, ModelError, Objective


def read_drn(path: str | Path, *, discount: float = 1.0, minimise: Iterable[str] = ()) -> MOMDP:
    """Read an MDP or DTMC in Storm's DRN format; its reward models become the objectives.

    Args:
        discount: γ, which the format does not hold.
        minimise: reward models that are costs.

    Raises:
        ModelError: no such file, another type of model, no reward model, or a line that is not understood (with its
            number).
    """
    path = Path(path)
    lines = _lines(path)
    header, body = _drn_header(path, lines)
    kind = header.get("type", "MDP").upper()
    if kind not in ("MDP", "DTMC"):
        raise ModelError(f"{path.name}: model type {kind!r}; expected MDP or DTMC")
    names = header.get("reward_models", "").split()
    if not names:
        raise ModelError(f"{path.name}: no @reward_models; expected at least one, they become the objectives")
    reader = _Drn(path, names)
    for number, text in body:
        reader.line(number, text)
    return reader.model(discount, frozenset(minimise))


def _lines(path: Path) -> list[tuple[int, str]]:
    """Numbered lines without comments and blanks."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"model file {str(path)!r} cannot be read ({error})") from None
    stripped = ((i, line.split("//")[0].rstrip()) for i, line in enumerate(text.splitlines(), 1))
    return [(i, line) for i, line in stripped if line.strip()]


def _drn_header(path: Path, lines: list[tuple[int, str]]) -> tuple[dict[str, str], list[tuple[int, str]]]:
    header: dict[str, str] = {}
    key = ""
    for position, (_, line) in enumerate(lines):
        text = line.strip()
        if text.startswith("@"):
            key, _, rest = text[1:].partition(":")
            key = key.strip()
            if key == "model":
                return header, lines[position + 1 :]
            header[key] = rest.strip()
        elif key:
            header[key] = f"{header[key]} {text}".strip()
    raise ModelError(f"{path.name}: no @model section; expected a DRN file")


class _Drn:
    """The body of a DRN file, line by line."""

    _STATE = re.compile(r"^state\s+(\d+)\s*(?:!\S+\s*)?(?:\{[^}]*\}\s*)?(?:\[([^\]]*)\])?\s*(.*)$")
    _ACTION = re.compile(r"^action\s+(\S+)\s*(?:\[([^\]]*)\])?\s*$")
    _MOVE = re.compile(r"^(\d+)\s*:\s*(\S+)$")

    def __init__(self, path: Path, names: list[str]) -> None:
        self.path, self.names = path, names
        self.row_ptr: list[int] = []
        self.indptr: list[int] = []
        self.columns: list[int] = []
        self.data: list[float] = []
        self.rewards: list[FloatArray] = []
        self.initial: list[int] = []
        self.current = np.zeros(len(names))

    def line(self, number: int, line: str) -> None:
        text = line.strip()
        if match := self._STATE.match(text):
            if int(match[1]) != len(self.row_ptr):
                raise ModelError(f"{self.path.name}:{number}: state {match[1]}; expected state {len(self.row_ptr)}")
            self.row_ptr.append(len(self.indptr))
            self.current = self._vector(number, match[2])
            if "init" in match[3].replace('"', " ").split():
                self.initial.append(len(self.row_ptr) - 1)
        elif (match := self._ACTION.match(text)) and self.row_ptr:
            self.indptr.append(len(self.columns))
            self.rewards.append(self.current + self._vector(number, match[2]))
        elif (match := self._MOVE.match(text)) and self.row_ptr:
            if len(self.indptr) == self.row_ptr[-1]:  # a DTMC may leave the action out
                self.indptr.append(len(self.columns))
                self.rewards.append(self.current.copy())
            self.columns.append(int(match[1]))
            self.data.append(_number(match[2], f"{self.path.name}:{number}"))
        else:
            raise ModelError(
                f"{self.path.name}:{number}: {text!r} is not understood; expected state, action or 's : p'"
            )

    def _vector(self, number: int, text: str | None) -> FloatArray:
        if text is None or not text.strip():
            return np.zeros(len(self.names))
        values = [_number(x, f"{self.path.name}:{number}") for x in text.split(",")]
        if len(values) != len(self.names):
            raise ModelError(f"{self.path.name}:{number}: {len(values)} rewards; expected {len(self.names)}")
        return np.array(values)

    def model(self, discount: float, minimise: frozenset[str]) -> MOMDP:
        n = len(self.row_ptr)
        if not n or len(self.initial) != 1:
            raise ModelError(f"{self.path.name}: {len(self.initial)} initial states; expected one, labelled init")
        if max(self.columns, default=0) >= n:
            raise ModelError(f"{self.path.name}: a transition leads to state {max(self.columns)}; there are {n}")
        matrix = sparse.csr_array(
            (np.array(self.data), np.array(self.columns, np.int64), np.append(self.indptr, len(self.columns))),
            shape=(len(self.indptr), n),
        )
        start = np.zeros(n)
        start[self.initial[0]] = 1.0
        rewards = np.array(self.rewards).reshape(-1, len(self.names)) * _signs(self.names, minimise)
        return MOMDP(
            _exact_rows(matrix),
            rewards,
            np.append(self.row_ptr, len(self.indptr)),
            discount,
            start,
            objectives=tuple(Objective(name) for name in self.names),
        )


def _signs(names: Sequence[str], minimise: frozenset[str]) -> FloatArray:
    unknown = minimise - set(names)
    if unknown:
        raise ModelError(f"minimise names {sorted(unknown)[0]!r}; expected some of {', '.join(names)}")
    return np.array([-1.0 if name in minimise else 1.0 for name in names])


def _number(text: str, where: str) -> float:
    try:
        return float(Fraction(text.strip())) if "/" in text else float(text)
    except (ValueError, ZeroDivisionError):
        raise ModelError(f"{where}: {text.strip()!r} is not a number") from None


def _exact_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    """Rows that sum to 1 up to the digits written in a file are scaled to sum to 1 exactly."""
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    close = np.abs(sums - 1.0) < 1e-5
    factor = np.where(close & (sums > 0), 1.0 / np.where(sums > 0, sums, 1.0), 1.0)
    return sparse.csr_array(
        (matrix.data * np.repeat(factor, np.diff(matrix.indptr)), matrix.indices, matrix.indptr), shape=matrix.shape
    )


def write_drn(momdp: MOMDP, path: str | Path) -> Path:
    """Write a model as a DRN file; returns the path.

    The format has neither a discount nor a start distribution. Discounting is written as what it means, a step
    into a sink with probability 1 − γ, so the undiscounted totals of the file are the discounted returns of the
    model; a start distribution becomes one more state. Terminal states loop without reward.

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
    zero = "[" + ", ".join("0" for _ in names) + "]"
    out = ["@type: MDP", "@parameters", "", "@reward_models", " ".join(names), "@nr_states", str(states)]
    out += ["@nr_choices", str(choices), "@model"]
    for s in range(n):
        out.append(f"state {s} {zero}" + (" init" if extra is None and s == starts[0] else ""))
        if momdp.terminal[s]:
            out += [f"\taction 0 {zero}", f"\t\t{s} : 1"]
        for a, row in enumerate(range(int(momdp.row_ptr[s]), int(momdp.row_ptr[s + 1]))):
            out.append(f"\taction {a} [{', '.join(repr(float(x)) for x in momdp.rewards[row])}]")
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
    path = Path(path)
    path.write_text("\n".join(out) + "\n", encoding="utf-8")
    return path


def read_prism(
    path: str | Path,
    rewards: Mapping[str, str | Path | Sequence[str | Path]] | None = None,
    *,
    labels: str | Path | None = None,
    discount: float = 1.0,
    minimise: Iterable[str] = (),
) -> MOMDP:
    """Read PRISM's explicit files: ``.tra`` (an MDP or DTMC), ``.lab`` and rewards.

    Args:
        rewards: for each objective its file, or files, of state rewards (lines ``state value``) or transition
            rewards (``state choice successor value``, without the choice for a DTMC). By default every
            ``.rew``, ``.srew`` and ``.trew`` file whose name begins like the ``.tra`` file.
        labels: the ``.lab`` file, whose label ``init`` marks the start; state 0 where there is none.
        minimise: objectives that are costs.

    Raises:
        ModelError: a file that is missing or not understood, or no rewards.
    """
    path = Path(path)
    src, choice, dst, p = _transitions(path)
    n = int(max(src.max(initial=-1), dst.max(initial=-1))) + 1
    header = _table(path)[0][1]
    n = max(n, int(header[0]))
    order = np.lexsort((dst, choice, src))
    src, choice, dst, p = src[order], choice[order], dst[order], p[order]
    pairs, row = np.unique(np.column_stack([src, choice]), axis=0, return_inverse=True)
    row = row.ravel()
    matrix = sparse.csr_array((p, dst, np.searchsorted(row, np.arange(len(pairs) + 1))), shape=(len(pairs), n))
    counts = np.bincount(pairs[:, 0], minlength=n)
    row_ptr = np.concatenate([[0], np.cumsum(counts)])
    given = _reward_files(path) if rewards is None else {k: _as_list(v) for k, v in rewards.items()}
    if not given:
        raise ModelError(f"{path.name}: no reward files beside it; give rewards={{'name': 'file.rew'}}")
    outcome = np.zeros((len(p), len(given)))
    for j, files in enumerate(given.values()):
        for file in files:
            outcome[:, j] += _reward_values(Path(file), n, src, choice, dst, row, pairs)
    outcome *= _signs(list(given), frozenset(minimise))
    matrix = _exact_rows(matrix)
    expected = np.zeros((len(pairs), len(given)))
    np.add.at(expected, row, matrix.data[:, None] * outcome)
    start = np.zeros(n)
    start[_initial(path.with_suffix(".lab") if labels is None else Path(labels), labels is not None)] = 1.0
    varies = not np.allclose(outcome, expected[row], rtol=1e-12, atol=0)
    return MOMDP(
        matrix,
        expected,
        row_ptr,
        discount,
        start,
        objectives=tuple(Objective(name) for name in given),
        outcome_rewards=outcome if varies else None,
    )


def _table(path: Path) -> list[tuple[int, list[str]]]:
    rows = [(i, line.split()) for i, line in _lines(path) if not line.lstrip().startswith("#")]
    if not rows:
        raise ModelError(f"{path.name} is empty; expected a PRISM explicit file")
    return rows


def _transitions(path: Path) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Columns of a ``.tra`` file: source, choice, successor, probability."""
    rows = _table(path)
    chain = len(rows[0][1]) == 2
    body = rows[1:]
    width = 3 if chain else 4
    for number, fields in body:
        if len(fields) < width:
            raise ModelError(f"{path.name}:{number}: {' '.join(fields)!r}; expected {width} numbers")
    try:
        src = np.array([int(f[0]) for _, f in body], dtype=np.int64)
        choice = np.zeros(len(body), np.int64) if chain else np.array([int(f[1]) for _, f in body], dtype=np.int64)
        dst = np.array([int(f[width - 2]) for _, f in body], dtype=np.int64)
    except ValueError as error:
        raise ModelError(f"{path.name}: {error}; expected whole numbers for states and choices") from None
    p = np.array([_number(f[width - 1], f"{path.name}:{number}") for number, f in body])
    return src, choice, dst, p


def _reward_files(path: Path) -> dict[str, list[str | Path]]:
    """Reward files beside a ``.tra`` file; state and transition rewards of one name are one objective."""
    found: dict[str, list[str | Path]] = {}
    for file in sorted(path.parent.glob(f"{path.stem}*")):
        if file.suffix in (".rew", ".srew", ".trew"):
            name = file.stem.removeprefix(path.stem).strip("._-") or "reward"
            found.setdefault(name, []).append(file)
    return found


def _as_list(value: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [value] if isinstance(value, str | Path) else list(value)


def _reward_values(
    path: Path, n: int, src: IntArray, choice: IntArray, dst: IntArray, row: IntArray, pairs: IntArray
) -> FloatArray:
    """The reward of each transition, ``(nnz,)``, from one file."""
    rows = _table(path)
    width = len(rows[-1][1])
    first = rows[0][1]
    if (width == 2 and len(rows) > 1 and first == [str(n), str(len(rows) - 1)]) or (width > 2 and len(first) < width):
        rows = rows[1:]
    values = np.array([_number(f[-1], f"{path.name}:{i}") for i, f in rows])
    if any(len(f) != width for _, f in rows) or width not in (2, 3, 4):
        raise ModelError(
            f"{path.name}: lines of different lengths; expected 'state value' or 'state choice successor value'"
        )
    keys = np.array([[int(x) for x in f[:-1]] for _, f in rows], dtype=np.int64)
    if width == 2:
        if keys.max(initial=0) >= n:
            raise ModelError(f"{path.name}: state {keys.max()}; the model has {n}")
        per_state = np.zeros(n)
        np.add.at(per_state, keys[:, 0], values)
        return np.asarray(per_state[src])
    columns = [src, dst] if width == 3 else [src, choice, dst]
    where = {tuple(key): i for i, key in enumerate(np.column_stack(columns).tolist())}
    result = np.zeros(len(src))
    for key, value in zip(keys.tolist(), values, strict=True):
        if tuple(key) not in where:
            raise ModelError(f"{path.name}: a reward for {tuple(key)}, which is no transition")
        result[where[tuple(key)]] += value
    return result


def _initial(path: Path, required: bool) -> int:
    """The state labelled ``init``; 0 where there is no label file."""
    if not path.is_file():
        if required:
            raise ModelError(f"label file {str(path)!r} does not exist")
        return 0
    rows = path.read_text(encoding="utf-8").splitlines()
    names = dict(re.findall(r'(\d+)="([^"]*)"', rows[0])) if rows else {}
    init = {number for number, name in names.items() if name == "init"}
    for line in rows[1:]:
        state, _, labels = line.partition(":")
        if init & set(labels.split()):
            return int(state)
    return 0


def from_toy_text(
    env: Any,
    reward: Callable[[int, int, int, float], ArrayLike],
    *,
    discount: float,
    horizon: int | None = None,
    objectives: Sequence[Objective | str] | None = None,
) -> MOMDP:
    """The model of a Gymnasium toy-text env (``env.unwrapped.P``) with a vector reward.

    Args:
        env: the env, or its table ``P``.
        reward: ``reward(s, a, s', r)`` gives the reward vector.

    Raises:
        ModelError: the env has no table.
    """
    unwrapped = getattr(env, "unwrapped", env)
    table = unwrapped if isinstance(unwrapped, Mapping) else getattr(unwrapped, "P", None)
    if table is None:
        raise ModelError(f"{type(unwrapped).__name__} has no table P; expected a toy-text env such as FrozenLake")
    start = getattr(unwrapped, "initial_state_distrib", None)
    return MOMDP.from_dict(
        table,
        reward=reward,
        start=0 if start is None else np.asarray(start, dtype=np.float64),
        discount=discount,
        horizon=horizon,
        objectives=objectives,
    )
