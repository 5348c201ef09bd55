"""What a front is where others are measured against it: exact, best known, a union, or a mere reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from morl.pareto.front import Front

EXACT, BEST_KNOWN, UNION, REFERENCE = ROLES = (
    "exact front",
    "best-known front",
    "union of the fronts",
    "reference front",
)
"""What a front is where others are measured against it: :attr:`Front.role`."""


def role_of(front: Front) -> str:
    """One of :data:`ROLES`.

    "best-known front" and "union of the fronts" are what the provenance says; a front that was learned or sampled is
    a mere "reference front". Any other is taken for the exact front: points that were computed, published or given
    as such.
    """
    said = " ".join(str(front.provenance.get(key, "")) for key in ("algorithm", "status")).replace("-", " ")
    for word, role in (("best known", BEST_KNOWN), ("union", UNION)):
        if word in said:
            return role
    if front.provenance.get("altered"):
        return REFERENCE
    if front.complete:
        return EXACT
    sampled = front.episodes is not None and bool((front.episodes > 0).any())
    learned = {"seed", "steps"} <= front.provenance.keys() and bool(front.provenance["steps"])
    return REFERENCE if sampled or learned else EXACT
