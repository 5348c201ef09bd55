"""From what a person types (an environment id or a model file) to a finite model and its specification."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from morl.spec import ModelError

if TYPE_CHECKING:
    from morl.momdp import MOMDP
    from morl.spec import MOSpec

FILES = (".npz", ".drn", ".tra")


def load_model(name: str, discount: float | None, imports: Sequence[str] = ()) -> tuple[MOMDP, MOSpec | None]:
    """The finite model behind an id or a file, and the environment's specification where it has one.

    Raises:
        ModelError: the environment has no finite model, or the file is not one.
        UnknownNameError: no such environment.
    """
    if Path(name).suffix in FILES:
        model = _from_file(Path(name), discount)
        return (model if discount is None else model.with_discount(discount)), None
    from morl.envs import import_package, make
    from morl.envs.core import mo_spec

    for package in imports:
        import_package(package)
    env = make(name)
    try:
        spec = mo_spec(env)
        build = getattr(env.unwrapped, "momdp", None)
        if build is None:
            raise ModelError(
                f"{name!r} has no finite model, so there is no exact front; "
                "train an agent on it instead (morl train), or solve an env that `morl env list` shows as finite"
            )
        return build(discount), spec
    finally:
        env.close()


def _from_file(path: Path, discount: float | None) -> MOMDP:
    from morl.momdp import MOMDP

    if path.suffix == ".npz":
        return MOMDP.load(path)
    from morl.exact import read_drn, read_explicit

    gamma = 1.0 if discount is None else discount
    return read_drn(path, discount=gamma) if path.suffix == ".drn" else read_explicit(path, discount=gamma)
