"""What commits changed, as rows for a mirror: read from the directory, the texts from the frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .directory import DELETED
from .memory import Memory
from .model import Commit


@dataclass(frozen=True)
class DocumentChange:
    """`record` is None where the document was deleted."""

    commit: int
    number: int
    record: dict[str, Any] | None


@dataclass(frozen=True)
class ChunkChange:
    """`text` is None where the chunk was deleted. In log order, so the last one for a chunk is what stands."""

    commit: int
    document: int
    order: int
    frame: int
    frames: int
    size: int
    lines: int
    text: str | None
    metadata: dict[str, Any]


def commits_after(memory: Memory, number: int) -> list[Commit]:
    return [commit for commit in memory.commits() if commit.number > number]


def document_changes(memory: Memory, after: int) -> Iterator[DocumentChange]:
    """Document records of the commits after `after`, in log order."""
    for segment in memory.log.directory.segments:
        if segment.last_commit <= after:
            continue
        table = segment.table("documents")
        for row in range(len(table["number"])):
            commit = memory.state.commit_of(int(table["page"][row]))
            if commit > after:
                gone = bool(table["deleted"][row])
                yield DocumentChange(commit, int(table["number"][row]), None if gone else segment.record(row))


def chunk_changes(memory: Memory, after: int) -> Iterator[ChunkChange]:
    """Chunk operations of the commits after `after`, in log order; each frame is decoded once."""
    for segment in memory.log.directory.segments:
        if segment.last_commit <= after:
            continue
        table = segment.table("operations")
        commits = np.searchsorted(memory.state.commit_of_page, table["page"]) + 1
        columns = [table[name].tolist() for name in ("document", "order", "page", "index", "span", "size", "lines")]
        for commit, (document, order, page, index, span, size, lines) in zip(
            commits.tolist(), zip(*columns, strict=True), strict=True
        ):
            if commit <= after:
                continue
            if size == DELETED:
                yield ChunkChange(commit, document, order, page, span, 0, 0, None, {})
            else:
                data, metadata = memory.log.piece_text(page, index, (document, order))
                yield ChunkChange(commit, document, order, page, span, size, lines, data.decode(), metadata or {})
