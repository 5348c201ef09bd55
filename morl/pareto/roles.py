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


_RANKS = {"stationary": 1, "markov": 2, "open loop": 2, "open-loop": 2, "action sequences": 2}
"""Classes of deterministic policies; each contains those of a lower number, and all others are history-dependent."""


def has_share(front: Front, reference: Front) -> bool:
    """True where the front's hypervolume is a share of the reference front's: that covers the class of its policies.

    A mixture or stochastic policy may lie above every deterministic one, and the vertices of a hull leave out what
    deterministic policies reach below it, so neither is a share of the other. Where a provenance does not name its
    class, the caller is taken at his word.

    >>> from morl.pareto import Front
    >>> stationary, mixture = (Front([[1, 2]], provenance={"policy_class": c}) for c in ("stationary", "mixture"))
    >>> has_share(stationary, stationary), has_share(stationary, mixture), has_share(mixture, stationary)
    (True, False, False)
    """
    mine, theirs = (str(f.provenance.get("policy_class", "")).lower() for f in (front, reference))
    if not mine or not theirs or mine == theirs:
        return True
    random = [any(word in x for word in ("mixture", "stochastic")) for x in (mine, theirs)]
    if any(random):
        return all(random)
    low, high = (min((n for word, n in _RANKS.items() if word in x), default=3) for x in (mine, theirs))
    return low <= high
