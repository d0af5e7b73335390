"""Comparing two memories, where that takes longer than a page may."""

from functools import partial
from typing import Any

import numpy as np

from .. import comparing
from ..engine.meaning import Embed
from ..models import Memory
from ..working import Hold, JobFailed

AT_A_TIME = 64  # texts
PATIENCE = 120.0  # seconds for each 32 of them


def compare(hold: Hold) -> dict[str, Any]:
    """The rows are looked up anew: a memory may have been deleted meanwhile."""
    params = hold.job.params
    other = Memory.objects.present().filter(pk=params["b"]).first()
    old = comparing.state_of(hold.job.memory, params["a_at"]) if hold.job.memory else None
    new = comparing.state_of(other, params["b_at"]) if other else None
    if old is None or new is None:
        raise JobFailed("one of the two memories, or its commit, is not there any more: compare again")
    hold.progress(0, 0, "reading both memories")
    comparing.compare(old, new, _embedding(hold) if params["semantic"] else None)
    return {}


def _embedding(hold: Hold) -> Embed:
    from search import embedding, services  # search knows memories, not the other way

    def embed(texts: list[str]) -> np.ndarray:
        parts = []
        for start in range(0, len(texts), AT_A_TIME):
            tell = partial(hold.progress, start, len(texts), "comparing what they mean")
            tell()
            some = texts[start : start + AT_A_TIME]
            parts.append(services.patiently(partial(embedding.embed, some, timeout=PATIENCE), tell))
        return np.concatenate(parts)

    return embed
