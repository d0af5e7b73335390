"""Finding chunks that say almost the same. Nothing is changed: a curator looks at the groups and decides."""

from collections.abc import Iterator
from typing import Any

from ..engine.duplicates import Groups, near_texts
from ..models import Chunk, Memory
from ..working import Hold, JobFailed

MEANING, TEXT = "meaning", "text"
MOST_GROUPS = 1000
Pairs = Iterator[tuple[int, int, float]]


def find(hold: Hold) -> dict[str, Any]:
    """{"groups": [[[document, order, percent], ...], ...], ...}: numbers alone, so that no text is copied."""
    memory, params = hold.job.memory, hold.job.params
    if memory is None:
        raise JobFailed("its memory was deleted")
    head, least = memory.head_hash, min(100, max(50, int(params.get("percent") or 90))) / 100
    pairs, compared = _meanings(hold, memory, least) if params.get("by") == MEANING else _texts(hold, memory, least)
    groups = Groups()
    for one, other, similar in pairs:
        groups.join(*sorted((one, other)), similar)
    found = groups.all()
    return {
        "groups": _named(memory, found[:MOST_GROUPS]), "found": len(found), "compared": compared,
        "chunks": Chunk.objects.present().filter(memory=memory).count(), "head_hash": head,
    }  # fmt: skip


def _texts(hold: Hold, memory: Memory, least: float) -> tuple[Pairs, int]:
    chunks = Chunk.objects.present().filter(memory=memory)
    total, done = chunks.count(), 0

    def each() -> None:
        nonlocal done
        hold.progress(done, total, "comparing texts")
        done += 1

    rows = chunks.order_by("pk").values_list("pk", "text").iterator(500)
    return near_texts(rows, least, each), total


def _meanings(hold: Hold, memory: Memory, least: float) -> tuple[Pairs, int]:
    from search import duplicates  # loads numpy, as the handlers' other imports of search

    model = duplicates.active_model()
    chunks = duplicates.compared(memory, model) if model else []
    if not chunks:
        raise JobFailed("no chunk of this memory is indexed by meaning: re-index it, or compare the texts")
    return duplicates.near_meanings(memory, model, chunks, least, hold.progress), len(chunks)


def _named(memory: Memory, groups: list[list[tuple[int, float]]]) -> list[list[list[int]]]:
    keys = [key for group in groups for key, _ in group]
    rows = Chunk.objects.filter(memory=memory, pk__in=keys).values_list("pk", "document__number", "order")
    names = {pk: [number, order] for pk, number, order in rows}
    # a cosine is a hair below the 1.0 that it stands for
    return [[[*names[key], round(100 * similar)] for key, similar in group if key in names] for group in groups]
