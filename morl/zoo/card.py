"""The card of a run in a zoo: what it is, what its front is worth, how it was made, and its licence."""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from morl.runs.config import RunConfig
from morl.runs.folder import RunFolder
from morl.spec import RunError

NAME = "card.json"
_FORMAT = "morl-card-1"


@dataclass(frozen=True)
class Card:
    """What a zoo says of a run.

    Args:
        algorithm, environment: names, as they are registered.
        protocol: published protocol that the front was measured under; empty for none.
        steps: environment steps learned from.
        seed: random seed.
        objectives: names with units.
        points: of the front.
        episodes: behind each point; 0 where points are exact.
        discount: of the returns, where it is known.
        hypervolume: of the front, where it has a reference point.
        command: what makes the run again.
        licence: as SPDX writes it, such as ``MIT`` or ``CC-BY-4.0``.
        about: a sentence.
        morl: version of the package.
    """

    algorithm: str
    environment: str
    protocol: str
    steps: int
    seed: int
    objectives: tuple[str, ...]
    points: int
    episodes: int
    discount: float | None
    hypervolume: float | None
    command: str
    licence: str
    about: str
    morl: str

    @classmethod
    def of(cls, run: RunFolder, licence: str, about: str = "", command: str | None = None) -> Card:
        """The card of a finished run.

        Raises:
            RunError: the run has no front, or no licence is given.
        """
        if not licence.strip():
            raise RunError("no licence is given; expected one as SPDX writes it, such as MIT or CC-BY-4.0")
        config, front = RunConfig.from_dict(run.config), run.front()
        return cls(
            algorithm=config.algo,
            environment=config.env,
            protocol=config.protocol or "",
            steps=int(run.status.get("steps", config.steps)),
            seed=config.seed,
            objectives=tuple(o.label for o in front.objectives),
            points=len(front),
            episodes=0 if front.episodes is None or not len(front) else int(front.episodes.max()),
            discount=front.discount,
            hypervolume=None if front.ref_point is None else float(front.hypervolume()),
            command=command_of(config) if command is None else command,
            licence=licence.strip(),
            about=about,
            morl=str(run.config.get("morl", "")),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"format": _FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, data: Any, where: str) -> Card:
        """The inverse of :meth:`to_dict`.

        Raises:
            RunError: a field is missing or of another kind.
        """
        if not isinstance(data, Mapping) or data.get("format") != _FORMAT:
            raise RunError(f"{where} is no card of a zoo; expected format {_FORMAT!r}")
        fields: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            value = data.get(field.name)
            if field.name == "objectives" and isinstance(value, list) and all(isinstance(x, str) for x in value):
                value = tuple(value)
            if not _is_of(value, str(field.type)):
                raise RunError(f"{where} has {field.name} = {value!r}; expected {field.type}")
            fields[field.name] = value
        return cls(**fields)


def _is_of(value: Any, kind: str) -> bool:
    """Whether a value read from JSON is of the kind that a field is declared with."""
    kinds: dict[str, type | tuple[type, ...]] = {
        "str": str,
        "int": int,
        "float": (int, float),
        "tuple[str, ...]": tuple,
    }
    if kind == "float | None":
        return value is None or _is_of(value, "float")
    right = isinstance(value, kinds[kind]) and not isinstance(value, bool)
    return right and not (isinstance(value, float) and not math.isfinite(value))


def command_of(config: RunConfig) -> str:
    """The command line that makes a run again, all but its ``--out``.

    >>> command_of(RunConfig("PCN", "morl/FruitTree-v0", 1000, 3, {"net_arch": [32], "utility": "worst"}))
    "morl train --algo PCN --env morl/FruitTree-v0 -n 1000 --seed 3 --set 'net_arch=[32]' --set utility=worst"
    """
    words = ["morl", "train", "--algo", config.algo, "--env", config.env, "-n", str(config.steps)]
    words += ["--seed", str(config.seed)]
    words += ["--protocol", config.protocol] if config.protocol else []
    for option, values in (("--set", config.options), ("--env-option", config.env_options)):
        for name, value in values.items():
            if name == "discount" and config.protocol and option == "--set":
                continue  # the protocol's own
            words += [option, f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    words += ["--ref-point", *(f"{x:g}" for x in config.ref_point)] if config.ref_point else []
    words += ["--checkpoint-every", str(config.checkpoint_every)] if config.checkpoint_every else []
    words += ["--episodes", str(config.episodes)] if config.episodes else []
    words += ["--eval-share", f"{config.eval_share:g}"] if config.eval_share != 0.1 else []
    words += [] if config.tuned else ["--no-tuned"]
    for name in config.imports:
        words += ["--import", name]
    return shlex.join(words)
