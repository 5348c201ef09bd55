"""The picture of last resort: a card with the state's number, name and actions, for models without a renderer."""

from __future__ import annotations

from typing import Any

from morl.momdp import MOMDP


def draw_state(model: MOMDP, state: int, mode: str) -> Any:
    """One state of a model as text or as a picture of that text.

    Args:
        model: the model.
        state: its state number.
        mode: ``"ansi"`` or ``"rgb_array"``.
    """
    count = int(model.n_actions[state])
    names = model.action_names
    lines = [f"state {model.label(state)}"]
    if count == 0:
        lines.append("terminal")
    elif names is not None:
        lines.append("actions: " + ", ".join(names[:count]))
    else:
        lines.append(f"{count} action{'s' * (count != 1)}")
    if mode == "ansi":
        return "\n".join(lines)
    from morl.envs.rendering.canvas import Canvas

    canvas = Canvas(360, 120, "white")
    canvas.text(20, 46, lines[0], "black", size=20)
    canvas.text(20, 82, lines[1][:48], "#555555", size=14)
    return canvas.array()
