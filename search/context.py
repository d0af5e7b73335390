"""What stands around a passage in its document, and how it is cited."""

from dataclasses import dataclass

from django.db.models import QuerySet

from memories.models import Chunk, Commit

MOST = 12  # passages on each side
QUOTED = 2_000  # characters of a citation


@dataclass(frozen=True)
class Context:
    """`before` and `after` in reading order; whether the document has more on that side."""

    before: list[Chunk]
    chunk: Chunk
    after: list[Chunk]
    starts: bool
    ends: bool


def around(chunk: Chunk, before: int, after: int) -> Context:
    beside = _beside(chunk)
    earlier = list(beside.filter(order__lt=chunk.order).order_by("-order")[: before + 1])
    later = list(beside.filter(order__gt=chunk.order).order_by("order")[: after + 1])
    return Context(earlier[:before][::-1], chunk, later[:after], len(earlier) <= before, len(later) <= after)


def _beside(chunk: Chunk) -> QuerySet[Chunk]:
    """The document as it was when the passage was last in it."""
    chunks = Chunk.objects.filter(document=chunk.document).only("text", "order")
    return chunks.present() if chunk.removed is None else chunks.as_of(chunk.removed - 1)


def past(chunk: Chunk) -> int | None:
    """The newest commit that has the passage; None while it is present."""
    return None if chunk.removed is None else chunk.removed - 1


def citation(chunk: Chunk, link: str) -> str:
    """The words, then where they stand: document, memory, frame, commit, link."""
    commit = Commit.objects.filter(memory=chunk.memory_id, number=chunk.added).first()
    by = f" by {commit.author}" if commit and commit.author else ""
    on = f" on {commit.time:%Y-%m-%d}" if commit else ""
    quote = " ".join(chunk.text.split())
    quote = quote if len(quote) <= QUOTED else quote[:QUOTED].rsplit(" ", 1)[0] + " …"
    where = f"{chunk.document.path}, in the memory {chunk.memory.name}, frame {chunk.frame}"
    return f"“{quote}”\n{where}, commit {chunk.added}{by}{on}\n{link}\n"
