"""``morl doctor``: report installed and missing dependencies."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from dataclasses import dataclass

from morl import __version__
from morl.cli.console import emit_json, emit_table

_CORE = (
    "numpy", "scipy", "numba", "gymnasium", "torch", "stable-baselines3", "pymoo", "moocore", "matplotlib", "tyro",
    "rich", "safetensors",
)  # fmt: skip
_EXTRAS = {
    "mujoco": "mujoco",
    "box2d": "box2d",
    "highway": "highway-env",
    "science": "scikit-learn",
    "render": "imageio",
    "study": "pyarrow",
    "tune": "optuna",
    "ray": "ray",
    "zoo": "fsspec",
    "hub": "huggingface_hub",
    "track": "tensorboard",
    "wandb": "wandb",
    "trackio": "trackio",
    "mlflow": "mlflow",
    "mo-gymnasium": "mo-gymnasium",
}


@dataclass
class Doctor:
    """Report installed dependencies with their versions, and how to install the missing ones."""

    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        """Print the report; exit 1 where a core package is missing."""
        rows = [("python", platform.python_version(), "core", ""), ("morl-suite", __version__, "core", "")]
        rows += [(name, _version(name), "core", f"pip install {name}") for name in _CORE]
        rows += [
            (name, _version(name), f"extra {extra}", f"pip install 'morl-suite[{extra}]'")
            for extra, name in _EXTRAS.items()
        ]
        rows = [(n, v or "missing", kind, "" if v else fix) for n, v, kind, fix in rows]
        if self.json:
            emit_json([dict(zip(("package", "version", "part", "fix"), row, strict=True)) for row in rows])
        else:
            emit_table(("package", "version", "part", "to install"), rows, title=f"{sys.executable}")
        return int(any(v == "missing" and kind == "core" for _, v, kind, _ in rows))


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
