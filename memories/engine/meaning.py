"""What a difference means: how far each changed chunk moved, and which passages went elsewhere in other words."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .diff import Diff, Side

MOST = 2000  # chunks that are embedded of each: modified, removed, added
SAME_PASSAGE = 0.8  # cosine from which a removed and an added chunk count as one that was moved
VERDICTS = (
    (0.97, "says the same"),
    (0.85, "says nearly the same"),
    (0.6, "has shifted"),
    (-1.0, "says something else"),
)
Embed = Callable[[list[str]], np.ndarray]


@dataclass(frozen=True)
class Moved:
    old: Side
    new: Side
    cosine: float


@dataclass
class Meaning:
    cosines: list[float] = field(default_factory=list)  # of the modified pairs, in their order
    moved: list[Moved] = field(default_factory=list)  # the surest first
    left_out: int = 0  # chunks that were too many to be looked at


def verdict(cosine: float) -> str:
    return next((words for least, words in VERDICTS if cosine >= least), "says something else")


def by_meaning(found: Diff, embed: Embed, most: int = MOST) -> Meaning:
    """`embed` gives vectors of length 1, one a row. What is beyond `most` of a kind is counted, not looked at."""
    pairs = found.modified[:most]
    removed, added = found.removed[:most], found.added[:most]
    left_out = len(found.modified) - len(pairs) + len(found.removed) - len(removed) + len(found.added) - len(added)
    cosines = (_vectors([old for old, _ in pairs], embed) * _vectors([new for _, new in pairs], embed)).sum(axis=1)
    return Meaning(cosines.tolist(), _moved(removed, added, embed), left_out)


def _vectors(sides: list[Side], embed: Embed) -> np.ndarray:
    return embed([side.text for side in sides]) if sides else np.zeros((0, 1), np.float32)


def _moved(removed: list[Side], added: list[Side], embed: Embed) -> list[Moved]:
    """Pairs of which each is the other's nearest."""
    if not removed or not added:
        return []
    table = _vectors(removed, embed) @ _vectors(added, embed).T
    nearest, back = table.argmax(axis=1), table.argmax(axis=0)
    found = [
        Moved(old, added[nearest[row]], float(table[row, nearest[row]]))
        for row, old in enumerate(removed)
        if back[nearest[row]] == row and table[row, nearest[row]] >= SAME_PASSAGE
    ]
    return sorted(found, key=lambda one: -one.cosine)
