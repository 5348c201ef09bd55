"""``morl play``: watch one policy of a run or of an exact front."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from morl.cli.console import emit, emit_json, emit_table, note
from morl.cli.opening import Opening, PointArguments
from morl.spec import SpecError, shown

if TYPE_CHECKING:
    from morl.agents.core.acting import PolicyHandle
    from morl.runs.playing import Opened, Step


@dataclass
class Play(Opening, PointArguments):
    """Play one episode of a policy: a table of its steps, text, or an animation.

    Examples:
        morl play runs/Envelope-sea-s0 --point k3v9x2mt --gif dive.gif
        morl play runs/Envelope-sea-s0 --preference treasure=0.7 time=0.3 --explain
        morl play front.json --point k3v9x2mt --text
    """

    source: Positional[str]
    """Run folder, zoo:NAME, or a front file of an environment with a finite model."""
    seed: int = 0
    """Seed of the episode."""
    max_steps: int = 1000
    """Stop after so many steps."""
    gif: Path | None = None
    """Save an animation to this GIF file."""
    mp4: Path | None = None
    """Save an animation to this MP4 file (extra render)."""
    text: bool = False
    """Print the environment's text picture of every step."""
    explain: bool = False
    """Say for every step which objectives speak for its action, and what the next best action would gain."""
    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        """Play, and print or write."""
        from morl.runs.animation import check_files, write_animation
        from morl.runs.points import open_source

        self.check_one()
        files = [file for file in (self.gif, self.mp4) if file is not None]
        check_files(files)
        if files and self.text:
            raise SpecError("--text and an animation are given; expected one of them")
        mode = "rgb_array" if files else "ansi" if self.text else None
        opened = open_source(self.source, render_mode=mode, **self.opening())
        policy = (
            opened.for_preference(self.weights(), raw=self.raw) if self.point is None else opened.policy(self.point)
        )
        steps = list(opened.episode(policy, self.seed, self.max_steps))
        reasons = self._reasons(opened, policy, steps) if self.explain else None
        if self.json:
            emit_json(self._facts(opened, steps, reasons))
        elif self.text:
            for step in steps:
                emit(f"step {step.time}: action {step.action}\n{step.frame}")
        else:
            self._table(opened, steps, reasons)
        for file in files:
            rate = int(getattr(opened.env, "metadata", {}).get("render_fps", 10) or 10)
            note(f"wrote {write_animation(file, [step.frame for step in steps], rate)}")
        self._totals(opened, steps)
        return 0

    def _reasons(self, opened: Opened, policy: PolicyHandle, steps: list[Step]) -> list[str]:
        """In a few words for each step: why its action and not the next best."""
        import numpy as np

        from morl.agents.core.observations import each
        from morl.explain import explain
        from morl.explain.decisions import policy_values

        batch = each(lambda *rows: np.stack(rows), *[step.observation for step in steps])
        found = policy_values(opened.agent, policy, batch)
        names = list(opened.front.names)
        words = []
        for values, action in zip(found.values, found.chosen, strict=True):
            if np.isfinite(values).all(axis=1).sum() < 2:
                words.append("the only action")
                continue
            one = explain(values, found.weights, int(action), None, names)
            gains = ", ".join(f"{name} {gain:+.3g}" for name, gain in zip(names, one.gains, strict=True))
            words.append(f"not {one.other}: {gains}")
        return words

    def _table(self, opened: Opened, steps: list[Step], reasons: list[str] | None) -> None:
        objectives = opened.front.objectives
        heads = ("step", "action", *(o.label for o in objectives), *(["why (weighted gain)"] if reasons else []))
        rows = [
            (step.time, _in_short(step.action), *map(float, shown(step.reward, objectives)),
             *([reasons[i]] if reasons else []))
            for i, step in enumerate(steps)
        ]  # fmt: skip
        emit_table(heads, rows)

    def _facts(self, opened: Opened, steps: list[Step], reasons: list[str] | None) -> dict[str, Any]:
        objectives = opened.front.objectives
        rows = [
            {
                "step": step.time,
                "action": step.action,
                "reward": shown(step.reward, objectives),
                **({"why": reasons[i]} if reasons else {}),
            }
            for i, step in enumerate(steps)
        ]
        return {"objectives": list(opened.front.names), "seed": self.seed, "steps": rows, "over": steps[-1].over}

    def _totals(self, opened: Opened, steps: list[Step]) -> None:
        import numpy as np

        rewards, gamma = np.array([step.reward for step in steps]), opened.agent.discount
        objectives = opened.front.objectives
        plain = shown(rewards.sum(axis=0), objectives)
        worth = shown(gamma ** np.arange(len(steps)) @ rewards, objectives)
        totals = [
            f"{o.name} {a:.6g}" + (f" (discounted {b:.6g})" if gamma < 1 else "")
            for o, a, b in zip(objectives, plain, worth, strict=True)
        ]
        ended = "" if steps[-1].over else f"; stopped after {len(steps)} steps, the episode was not over"
        note(f"{len(steps)} steps, seed {self.seed}: {', '.join(totals)}{ended}")


def _in_short(action: Any) -> Any:
    import numpy as np

    if np.ndim(action) == 0:
        return int(action) if np.issubdtype(np.asarray(action).dtype, np.integer) else float(action)
    return " ".join(f"{x:.4g}" for x in np.asarray(action).ravel())
