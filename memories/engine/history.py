"""What commits changed, as rows for a mirror: read from the directory, the texts from the frames."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .directory import DELETED, OPERATIONS, Columns, join
from .errors import Damaged
from .memory import Memory
from .model import Commit

NEVER = (1 << 63) - 1


@dataclass(frozen=True)
class DocumentChange:
    """`record` is None where the document was deleted."""

    commit: int
    number: int
    record: dict[str, Any] | None


@dataclass(frozen=True)
class ChunkVersion:
    """A chunk as the commit `added` put it, until the commit `removed` deleted or replaced it, or its document."""

    document: int
    order: int
    added: int
    removed: int | None
    frame: int
    frames: int
    size: int
    lines: int
    text: str
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """What stood before a run of commits and ends in it; three columns, one row for each chunk."""

    documents: np.ndarray
    orders: np.ndarray
    commits: np.ndarray


def commits_after(memory: Memory, number: int) -> list[Commit]:
    return [commit for commit in memory.commits() if commit.number > number]


def document_changes(memory: Memory, after: int) -> Iterator[DocumentChange]:
    """Document records of the commits after `after`, in log order."""
    for segment in memory.log.directory.segments:
        if segment.last_commit <= after:
            continue
        table = segment.table("documents")
        commits = _commits(memory, table)
        for row in np.flatnonzero(commits > after):
            gone = bool(table["deleted"][row])
            number = int(table["number"][row])
            yield DocumentChange(int(commits[row]), number, None if gone else segment.present_record(int(row)))


class ChunkHistory:
    """The chunk versions that the commits after `after` made, and what they ended of those before.

    Where each version ends is computed from the directory's columns, so that texts can be read one after another:
    a mirror of any size is copied in the memory that a batch takes.
    """

    def __init__(self, memory: Memory, after: int):
        self._memory = memory
        tables = [s.table("operations") for s in memory.log.directory.segments if s.last_commit > after]
        table = join(tables, OPERATIONS)
        commits = _commits(memory, table)
        new = commits > after
        self._table: Columns = {name: values[new] for name, values in table.items()}
        self._commits = commits[new]
        self._followed()

    def _followed(self) -> None:
        """For each operation the commit of the next one on its chunk, and whether it is the first one."""
        count = len(self._commits)
        by_key = np.lexsort((np.arange(count), self._table["order"], self._table["document"]))
        document, order = self._table["document"][by_key], self._table["order"][by_key]
        same = (document[1:] == document[:-1]) & (order[1:] == order[:-1])
        self._next = np.full(count, NEVER)
        self._next[by_key[:-1][same]] = self._commits[by_key[1:][same]]
        self._first = np.ones(count, bool)
        self._first[by_key[1:][same]] = False

    def __len__(self) -> int:
        """How many versions there are at most."""
        return int((self._table["size"] != DELETED).sum())

    def ended(self) -> Ended:
        """By operations; documents that were deleted end all their chunks besides."""
        first = self._first
        documents, orders = self._table["document"][first], self._table["order"][first]
        return Ended(documents.astype(np.int64), orders, self._commits[first])

    def versions(self, deleted: Mapping[int, Sequence[int]], only_ended: bool = False) -> Iterator[ChunkVersion]:
        """In log order, so that a frame is decoded once. `deleted`: the commits that deleted a document, by number.

        `only_ended`: without those that still stand, whose frames are then not read.
        """
        names = ("document", "order", "page", "index", "span", "size", "lines")
        columns = [self._table[name] for name in names] + [self._commits, self._next]
        for row in np.flatnonzero(self._table["size"] != DELETED).tolist():
            document, order, page, index, span, size, lines, added, following = (int(c[row]) for c in columns)
            removed = min(following, *(commit for commit in deleted.get(document, ()) if commit >= added), NEVER)
            if removed == added or (only_ended and removed == NEVER):  # the first: put again in the same commit
                continue
            data, metadata = self._memory.log.blocks.piece_text(page, index, (document, order))
            try:
                text = data.decode()
            except UnicodeDecodeError:
                raise Damaged(f"frame {page} holds a chunk that is not UTF-8") from None
            yield ChunkVersion(
                document, order, added, None if removed == NEVER else removed, page, span, size, lines,
                text, metadata or {},
            )  # fmt: skip


def _commits(memory: Memory, table: Columns) -> np.ndarray:
    """The commit of each row, int64."""
    return np.searchsorted(memory.state.commit_of_page, table["page"]) + 1


def last_change(file: Memory, number: int) -> int:
    """The last commit that wrote a document's record, which each change of its chunks writes too; 0 if none did."""
    for segment in reversed(file.log.directory.segments):
        rows = segment.rows_with("number", number)
        if len(rows):
            return file.state.commit_of(int(segment.table("documents")["page"][rows[-1]]))
    return 0
