"""Damaged and hostile model files, many of them: nothing may crash, hang or end in a traceback.

Every case takes a good file, alters it, reads it, and solves what was read. Run as a script it goes through cases in
this process, whose end says whether compiled code read foreign memory::

    python tests/fuzz_models.py --cases 10000

It prints one line of JSON: how many cases were refused, solved, or (with their numbers) neither.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import json
import re
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from morl.exact import read_drn, read_prism, solve
from morl.momdp import MOMDP
from morl.spec import MorlError

DATA = Path(__file__).parent / "data" / "models"
NUMBERS = "0 1 -1 2 3 0.5 .25 1/3 1/0 1e-300 1e300 1e999 nan -inf 7 13 255 65536 4294967296 99999999999999999999 0x1 ٣"
WORDS = [*NUMBERS.split(), "init", "[1]", "[", "]", "{", '"', "//", "#", "@model", "state 0", "action 0", ":", "mdp"]
SECONDS = 60.0
"""A case that takes longer hangs (the solver is told to stop after half a second)."""


class Hang(BaseException):
    """Not an Exception: nobody in between may catch it."""


def alter_text(rng: np.random.Generator, text: str, others: list[str]) -> str:
    """One to three changes of characters, numbers or lines."""
    for _ in range(rng.integers(1, 4)):
        lines = text.split("\n")
        i, j = rng.integers(len(lines), size=2)
        numbers = list(re.finditer(r"-?\d+(\.\d+)?", text))
        kind = rng.integers(9)
        at = int(rng.integers(len(text) + 1))
        if kind in (0, 1) and numbers:
            found = numbers[rng.integers(len(numbers))]
            text = text[: found.start()] + str(rng.choice(NUMBERS.split())) + text[found.end() :]
        elif kind == 2:
            text = text[:at]
        elif kind == 3:
            lines[i], lines[j] = lines[j], lines[i]
            text = "\n".join(lines)
        elif kind == 4:
            text = "\n".join(lines[:i] + lines[i + 1 :])
        elif kind == 5:
            text = "\n".join([*lines[:i], lines[j], *lines[i:]])
        elif kind == 6:
            text = text[:at] + str(rng.choice(WORDS)) + text[at:]
        elif kind == 7:
            text = text[:at] + chr(int(rng.integers(1, 1000))) + text[at + 1 :]
        else:
            other = others[rng.integers(len(others))]
            text = text[:at] + other[int(rng.integers(len(other) + 1)) :]
    return text


def alter_bytes(rng: np.random.Generator, data: bytes) -> bytes:
    """Some bits of the file, or its end."""
    changed = bytearray(data)
    for at in rng.integers(len(data), size=rng.integers(1, 6)):
        changed[at] ^= 1 << int(rng.integers(8))
    return bytes(changed[: rng.integers(len(data))] if rng.random() < 0.2 else changed)


def alter_array(rng: np.random.Generator, array: np.ndarray) -> np.ndarray:
    """Elements, order, length, shape or dtype of an array."""
    array = array.copy()
    kind = rng.integers(7)
    if kind <= 2 and array.size:
        at = rng.integers(array.size, size=rng.integers(1, 3))
        floats = [0.0, -1.0, 1.0, 0.5, np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300, 7.0]
        whole = [0, 1, 2, 3, -1, len(array), len(array) - 1, 127, -128, 2**31 - 1, 2**40, 2**62]
        pool = np.array(floats if array.dtype.kind == "f" else whole)
        if array.dtype.kind == "f" or rng.random() < 0.5:
            array.flat[at] = pool[rng.integers(len(pool), size=len(at))].astype(array.dtype)
        else:
            array = array.astype(np.int64)
            array.flat[at] = pool[rng.integers(len(pool), size=len(at))]
    elif kind == 3:
        rng.shuffle(array)
    elif kind == 4:
        array = array[: rng.integers(len(array) + 1)] if rng.random() < 0.5 else np.concatenate([array, array[:1]])
    elif kind == 5:
        array = array.astype(str(rng.choice(["f4", "i1", "u8", ">f8", "i2", "c16", "U9", "f2"])), copy=False)
    else:
        array = array.reshape(1, -1) if rng.random() < 0.5 else array[::-1]
    return array


def another_model(rng: np.random.Generator, arrays: dict[str, np.ndarray]) -> None:
    """Other successors, rewards, starts, γ and horizons: a model that is sound, for the solvers."""
    n = len(arrays["start"])
    arrays["indices"] = rng.integers(n, size=len(arrays["indices"])) if rng.random() < 0.7 else arrays["indices"]
    arrays["start"] = rng.dirichlet(np.ones(n))
    size = float(rng.choice([1.0, 1.0, 1e-300, 1e-9, 1e9, 1e99, 0.0]))
    arrays["rewards"] = size * rng.integers(-3, 4, size=arrays["rewards"].shape).astype(float)
    if rng.random() < 0.3:
        arrays["rewards"][:, 0] = 1.0
    arrays.pop("outcome_rewards", None)
    meta = json.loads(arrays["meta"].tobytes().decode())
    meta["discount"] = float(rng.choice([0.0, 0.5, 0.9, 1.0, 1.0 - 1e-12, 1e-300]))
    meta["horizon"] = [None, None, None, 1, 3, 50, 1000, 2**31 - 1][rng.integers(8)]
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)


def alter_archive(rng: np.random.Generator, data: bytes) -> bytes:
    """Arrays inside an ``.npz``, the note among them as text."""
    with np.load(io.BytesIO(data)) as file:
        arrays = {name: file[name] for name in file.files}
    if rng.random() < 0.4:
        another_model(rng, arrays)
    for name in rng.choice(sorted(arrays), size=rng.integers(0, 3), replace=False):
        if name == "meta":
            text = alter_text(rng, arrays[name].tobytes().decode(), [" "])
            arrays[name] = np.frombuffer(text.encode("utf-8", "replace"), np.uint8)
        elif rng.random() < 0.05:
            del arrays[name]
        else:
            arrays[name] = alter_array(rng, arrays[name])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            archive.writestr(f"{name}.npy", member.getvalue())
    return buffer.getvalue()


class Sources:
    """The good files that cases begin with."""

    def __init__(self) -> None:
        files = [f for f in sorted(DATA.rglob("*")) if "refused" not in f.parts]
        self.drn = [f.read_text() for f in files if f.suffix == ".drn"]
        self.tra = [f for f in files if f.suffix == ".tra"]
        self.beside = [f for f in files if f.suffix in (".lab", ".srew", ".trew", ".rew")]
        self.texts = self.drn + [f.read_text() for f in self.tra + self.beside]
        models = [read_drn(f, discount=0.9) for f in files if f.suffix == ".drn"]
        models += [read_prism(DATA / "prism/robot[N=3].tra", discount=0.9), models[1].with_horizon(4)]
        self.npz = []
        with tempfile.TemporaryDirectory() as folder:
            for model in models:
                self.npz.append(model.save(Path(folder) / "model.npz").read_bytes())

    def write(self, rng: np.random.Generator, folder: Path) -> Path:
        """An altered file, or several that belong together, in an empty folder."""
        kind = rng.integers(4)
        if kind == 0:
            path = folder / "model.drn"
            text = alter_text(rng, self.drn[rng.integers(len(self.drn))], self.texts)
            path.write_text(text, encoding="utf-8", errors="replace")
            return path
        if kind == 1:
            source = self.tra[rng.integers(len(self.tra))]
            own = [source, *(f for f in self.beside if f.parent == source.parent and f.name.startswith(source.stem))]
            altered = rng.integers(len(own))
            for i, file in enumerate(own):
                text = file.read_text()
                text = alter_text(rng, text, self.texts) if i == altered else text
                (folder / file.name).write_text(text, encoding="utf-8", errors="replace")
            return folder / source.name
        path = folder / "model.npz"
        data = self.npz[rng.integers(len(self.npz))]
        path.write_bytes(alter_bytes(rng, data) if rng.random() < 0.25 else alter_archive(rng, data))
        return path


def read(path: Path, discount: float) -> MOMDP:
    if path.suffix == ".npz":
        return MOMDP.load(path)
    return (read_drn if path.suffix == ".drn" else read_prism)(path, discount=discount)


def one(number: int, seed: int, sources: Sources, folder: Path) -> str:
    """What became of a case: ``"refused"``, ``"unsolved"`` (read, but without an answer) or ``"solved"``."""
    rng = np.random.default_rng([seed, number])
    path = sources.write(rng, folder)
    try:
        model = read(path, float(rng.choice([0.9, 1.0])))
    except MorlError as error:
        if "\n" in str(error):
            raise ValueError("more than one line") from error
        return "refused"
    policies = str(rng.choice(["mixture", "mixture", "stationary", "history"]))
    if policies == "history" and (model.k > 2 or (model.horizon or 0) > 50):
        policies = "stationary"  # sums of large sets, which look at the clock only when they are done
    try:
        solve(model, policies=policies, time_limit=0.5)
    except MorlError:
        return "unsolved"
    return "solved"


def run(first: int, cases: int, seed: int, log: Path | None = None) -> dict[str, object]:
    """Go through cases; the number of each is in ``log`` before it begins."""
    counts: Counter[str] = Counter()
    faults: list[str] = []
    sources = Sources()
    slowest = 0.0

    def stop(*_: object) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, stop)
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(first, first + cases):
            if log is not None:
                log.write_text(str(number))
            folder = Path(temporary) / str(number)
            folder.mkdir()
            began = time.perf_counter()
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            try:
                counts[one(number, seed, sources, folder)] += 1
            except Hang:
                faults.append(f"case {number}: no end after {SECONDS:g} s")
            except Exception:
                faults.append(f"case {number}: {traceback.format_exc()}")
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0.0)
            slowest = max(slowest, time.perf_counter() - began)
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
    return {**counts, "faults": faults, "slowest": round(slowest, 2)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path)
    given = parser.parse_args()
    faulthandler.enable()
    np.seterr(all="ignore")
    found = run(given.first, given.cases, given.seed, given.log)
    sys.stdout.write(json.dumps(found) + "\n")
    sys.exit(1 if found["faults"] else 0)
