"""What tuning searches: ranges and choices of options, from a TOML file or a mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl import storage
from morl.spec import SpecError, UnknownNameError
from morl.studies.comparison import INDICATORS
from morl.studies.spec import StudySpec, maybe_count, require_known, table_of, text_of

if TYPE_CHECKING:
    from optuna.trial import Trial

SECONDS = "seconds"
"""The objective that is no indicator: seconds of learning, fewer of them."""
_KEYS = (
    "name", "algo", "environments", "search", "options", "steps", "seeds", "checkpoint_every", "episodes", "eval_share",
    "tuned", "protocol", "trials", "objectives", "held_out", "sampler_seed",
)  # fmt: skip
_OF_STUDY = (
    "environments",
    "options",
    "steps",
    "seeds",
    "checkpoint_every",
    "episodes",
    "eval_share",
    "tuned",
    "protocol",
)
_OF_RANGE = ("low", "high", "log", "step")


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, whole ones where both are.

    Args:
        low, high: the ends; both may be chosen.
        log: search on a logarithmic scale.
        step: distance of neighbours.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def suggest(self, trial: Trial, name: str) -> Any:
        """The trial's number."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, step=int(self.step or 1), log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    @property
    def ends(self) -> tuple[Any, ...]:
        """What an option must accept, if it accepts all of them."""
        return self.low, self.high


@dataclass(frozen=True)
class Choice:
    """One of several values; lists are compared as a whole."""

    values: tuple[Any, ...]

    def suggest(self, trial: Trial, name: str) -> Any:
        """The trial's value."""
        return self.values[trial.suggest_categorical(name, list(range(len(self.values))))]

    @property
    def ends(self) -> tuple[Any, ...]:
        """All of them."""
        return self.values


@dataclass(frozen=True)
class TuneSpec:
    """What is tuned, on what, and what counts.

    Args:
        study: environments, seeds and steps of a trial, with the algorithm and its fixed options.
        search: what is searched, by the name of the option.
        trials: how many.
        objectives: indicators, or ``"seconds"``; the first decides who wins.
        held_out: seeds on which the winner is compared with the options that it started from.
        sampler_seed: random seed of the search.
    """

    study: StudySpec
    search: Mapping[str, Range | Choice]
    trials: int
    objectives: tuple[str, ...]
    held_out: tuple[int, ...]
    sampler_seed: int

    @classmethod
    def from_file(cls, path: str | Path, imports: Sequence[str] = ()) -> TuneSpec:
        """From a TOML file; docs/howto/studies.md lists its keys.

        Raises:
            SpecError: no such file, not TOML, or something in it is not as expected.
        """
        path = Path(path)
        data = storage.read_toml(path, "tuning file", error=SpecError)
        return cls.from_dict({"name": path.stem, **data}, imports, where=f"tuning file {str(path)!r}")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], imports: Sequence[str] = (), *, where: str = "tuning") -> TuneSpec:
        """From a mapping with the keys of the file.

        Raises:
            SpecError: a key or value that is not as expected.
            UnknownNameError: a key, option or objective that does not exist.

        >>> spec = TuneSpec.from_dict({"algo": "PCN", "environments": ["morl/FruitTree-v0"],
        ...                            "search": {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}})
        >>> spec.search["learning_rate"].ends, spec.trials, len(spec.study.seeds)
        ((0.0001, 0.01), 30, 3)
        """
        require_known(data, _KEYS, where)
        algo = text_of(data.get("algo"), f"{where}: algo")
        of_study = {key: data[key] for key in _OF_STUDY if key in data}
        name = text_of(data.get("name", "tuning"), f"{where}: name")
        body = {"seeds": 3, **of_study, "name": name, "algorithms": [algo]}
        study = StudySpec.from_dict(body, imports, where=where)
        held_out = data.get("held_out", [])
        return cls(
            study,
            _searched(table_of(data.get("search"), f"{where}: search"), algo, where),
            maybe_count(data.get("trials"), f"{where}: trials") or 30,
            _objectives(data.get("objectives", ["hypervolume"]), where),
            ()
            if held_out in ([], ())
            else StudySpec.from_dict({**body, "seeds": held_out}, imports, where=where).seeds,
            maybe_count(data.get("sampler_seed"), f"{where}: sampler_seed") or 1,
        )


def _objectives(given: Any, where: str) -> tuple[str, ...]:
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not names or len(set(map(str, names))) != len(names):
        raise SpecError(f"{where} has objectives = {given!r}; expected a list such as ['hypervolume', 'seconds']")
    for name in names:
        if name not in (*INDICATORS, SECONDS):
            raise UnknownNameError(f"objective of {where}", str(name), (*INDICATORS, SECONDS))
    return tuple(names)


def _searched(given: Mapping[str, Any], algo: str, where: str) -> dict[str, Range | Choice]:
    """Ranges and choices, each of which the algorithm must accept."""
    from morl.agents import registry
    from morl.agents.core.config import make_config
    from morl.envs.recorded import check_words

    if not given:
        raise SpecError(f"{where} searches nothing; expected a table [search] with options of {algo}")
    agent = registry.get(algo)
    found: dict[str, Range | Choice] = {}
    for name, value in given.items():
        found[name] = _dimension(value, f"{where}: search of {name}")
        for end in found[name].ends:
            check_words({name: end}, where)
            make_config(agent.Config, {name: end}, agent.info.name)
    return found


def _dimension(value: Any, what: str) -> Range | Choice:
    if isinstance(value, list) and value:
        return Choice(tuple(value))
    if not isinstance(value, Mapping):
        raise SpecError(f"{what} is {value!r}; expected a list of values, or a range such as {{ low = 1, high = 9 }}")
    require_known(value, _OF_RANGE, what)
    low, high, step, log = (value.get(key) for key in ("low", "high", "step", "log"))
    numbers = (low, high, 1 if step is None else step)
    if any(isinstance(x, bool) or not isinstance(x, int | float) for x in numbers) or log not in (None, True, False):
        raise SpecError(f"{what} is {dict(value)!r}; expected numbers low and high, and perhaps step, or log = true")
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    if not low < high or (step is not None and (step <= 0 or log)) or (log and low <= 0):
        raise SpecError(f"{what} is {dict(value)!r}; expected low < high, a step above 0, and low above 0 with log")
    whole = isinstance(low, int) and isinstance(high, int)
    if not whole:
        low, high = float(low), float(high)
    return Range(low, high, bool(log), step)
