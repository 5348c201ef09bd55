"""Write the gallery of environments, ``docs/envs/``: a page and a picture each, from the environments themselves.

    python docs/make_gallery.py [--only DeepSea] [--check]

Everything on the pages comes from the registered environments: objectives, spaces, discount, reference point, the
size of the exact model, and the docstring of the module that makes them. ``--check`` writes nothing, and exits 1 where
a page is missing or out of date.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

import morl
from morl.envs.catalog import EnvEntry
from morl.envs.core import mo_spec

FOLDER = Path(__file__).parent / "envs"
GROUPS = {"classic": "Classic benchmarks", "control": "Control", "science": "Science"}
_STEPS = 6
_SOLVED = 1000
"""Models with more states than this are described without solving them."""


def slug(entry: EnvEntry) -> str:
    """File name of an entry's page.

    >>> slug(EnvEntry("morl/Fishwood-v0", ""))
    'Fishwood-v0'
    """
    return entry.id.split("/")[-1]


def picture(entry: EnvEntry) -> Any:
    """A frame some steps into an episode, or ``None`` where the environment draws nothing."""
    env = morl.make(entry.id, render_mode="rgb_array")
    try:
        _, info = env.reset(seed=3)
        env.action_space.seed(3)
        frame = env.render()
        for _ in range(_STEPS):
            mask = info.get("action_mask")
            action = env.action_space.sample() if mask is None else env.action_space.sample(np.asarray(mask, np.int8))
            _, _, terminated, truncated, info = env.step(action)
            if terminated or truncated:
                break
            frame = env.render()
        return frame
    finally:
        env.close()


def source(entry: EnvEntry) -> str:
    """Docstrings of the module and of the builder or class behind an entry, as Markdown."""
    point = str(entry.build or entry.dynamics or entry.entry_point)
    module_name, _, name = point.partition(":")
    module = importlib.import_module(module_name)
    parts = [inspect.getdoc(module) or ""]
    thing = getattr(module, name, None)
    own = inspect.getdoc(thing) if thing is not None else None
    if own:
        parts.append(f"`{name}`: {own}")
    text = "\n\n".join(part for part in parts if part)
    return text.replace("``", "`").replace(":func:", "").replace(":class:", "").replace(":data:", "")


def number(value: float) -> str:
    """A bound as people write it."""
    return "∞" if value == np.inf else "−∞" if value == -np.inf else f"{value:g}".replace("-", "−")


def page(entry: EnvEntry, has_picture: bool) -> str:
    """The Markdown page of one environment."""
    env = morl.make(entry.id)
    spec = mo_spec(env)
    lines = [f"# {entry.id}", "", f"{entry.summary}.", ""]
    if has_picture:
        lines += [f"![{slug(entry)}]({slug(entry)}.png)", ""]
    lines += ["```python", "import morl", "", f'env = morl.make("{entry.id}")']
    if entry.vector_entry_point:
        lines.append(f'vector = morl.make_vec("{entry.id}", 64)')
    lines += ["```", "", "| objective | unit | lowest | highest | meaning |", "|---|---|---|---|---|"]
    for o in spec.objectives:
        lines.append(f"| {o.name} | {o.unit} | {number(o.low)} | {number(o.high)} | {o.description} |")
    lines += ["", "| fact | value |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in facts(entry, env, spec).items()]
    lines += ["", "## Description", "", source(entry), ""]
    env.close()
    return "\n".join(lines)


def facts(entry: EnvEntry, env: Any, spec: Any) -> dict[str, str]:
    """What can be read off an environment."""
    out = {"observations": f"`{shorter(env.observation_space)}`", "actions": f"`{shorter(env.action_space)}`"}
    out["discount"] = f"{spec.discount:g}"
    out["time limit"] = "none" if spec.horizon is None else f"{spec.horizon} steps"
    if spec.ref_point is not None:
        out["reference point"] = ", ".join(number(x) for x in spec.ref_point)
    if spec.return_scale is not None:
        low, high = ((", ".join(number(x) for x in side)) for side in spec.return_scale)
        out["return scale"] = f"({low}) to ({high})"
    base = env.unwrapped
    if hasattr(base, "momdp"):
        model = base.momdp()
        kind = "deterministic" if model.transitions.nnz == model.n_rows else "stochastic"
        out["exact model"] = f"{model.n_states:,} states, {int(model.terminal.sum()):,} of them terminal; {kind}"
        if model.n_states <= _SOLVED:
            front = base.pareto_front()
            out["exact front"] = f"{len(front)} points ({front.provenance.get('policy_class', 'exact')} policies)"
    else:
        out["exact model"] = "none"
    out["vector form"] = "native" if entry.vector_entry_point else "sync or async"
    if entry.extra:
        out["needs"] = f"`pip install 'morl-suite[{entry.extra}]'`"
    return out


def shorter(space: Any) -> str:
    """A space on one line."""
    return textwrap.shorten(" ".join(str(space).split()), 90, placeholder=" …").replace("|", "\\|")


def index(entries: list[EnvEntry], drawn: set[str]) -> str:
    """The gallery's first page."""
    lines = ["# Environments", "", "Written by `python docs/make_gallery.py` from the environments themselves.", ""]
    for group, title in GROUPS.items():
        members = [e for e in entries if e.group == group]
        if not members:
            continue
        lines += [f"## {title}", "", "| | environment | objectives | about |", "|---|---|---|---|"]
        for e in members:
            env = morl.make(e.id)
            names = ", ".join(mo_spec(env).names)
            env.close()
            image = f'<img src="{slug(e)}.png" width="160">' if slug(e) in drawn else ""
            lines.append(f"| {image} | [{slug(e)}]({slug(e)}.md) | {names} | {e.summary} |")
        lines.append("")
    return "\n".join(lines)


def save(path: Path, frame: Any) -> None:
    """Write a frame as a compact PNG, at most 640 pixels wide."""
    from PIL import Image

    image = Image.fromarray(frame)
    if image.width > 640:
        image = image.resize((640, round(image.height * 640 / image.width)), Image.Resampling.LANCZOS)
    image.quantize(128).save(path, optimize=True)


def main() -> int:
    """Write (or check) the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    entries = [e for e in morl.envs.entries() if e.group in GROUPS]
    stale = []
    drawn = {p.stem for p in FOLDER.glob("*.png")}
    for entry in entries:
        if options.only not in entry.id:
            continue
        frame = None if options.check else picture(entry)
        if frame is not None:
            save(FOLDER / f"{slug(entry)}.png", frame)
            drawn.add(slug(entry))
        stale += write(FOLDER / f"{slug(entry)}.md", page(entry, slug(entry) in drawn), options.check)
    stale += write(FOLDER / "README.md", index(entries, drawn), options.check)
    for path in stale:
        sys.stderr.write(f"{path.name} is out of date; run python docs/make_gallery.py\n")
    return int(bool(stale))


def write(path: Path, text: str, check: bool) -> list[Path]:
    """Write a page; or, checking, return it where it differs."""
    if check:
        return [] if path.is_file() and path.read_text(encoding="utf-8") == text else [path]
    path.write_text(text, encoding="utf-8")
    return []


if __name__ == "__main__":
    sys.exit(main())
