"""The present (or any past) state of a memory, computed from the directory's columns."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .directory import DELETED, Columns, Directory


def newest(table: Columns) -> Columns:
    """Of operations in log order, the last one for each (document, order) that is not a deletion, in reading order."""
    count = len(table["document"])
    if not count:
        return table
    by_key = np.lexsort((np.arange(count), table["order"], table["document"]))
    document, order = table["document"][by_key], table["order"][by_key]
    last = np.append((document[1:] != document[:-1]) | (order[1:] != order[:-1]), True)
    chosen = by_key[last]
    chosen = chosen[table["size"][chosen] != DELETED]
    return {name: values[chosen] for name, values in table.items()}


@dataclass
class State:
    """Documents and chunks as of one commit. `chunks` is in reading order (document, order)."""

    documents: dict[int, dict[str, Any]]
    chunks: Columns
    commit_of_page: np.ndarray  # last page of each commit, for searchsorted

    def chunk_rows(self, document: int) -> slice:
        numbers = self.chunks["document"]
        return slice(int(np.searchsorted(numbers, document)), int(np.searchsorted(numbers, document, side="right")))

    def commit_of(self, page: int) -> int:
        return int(np.searchsorted(self.commit_of_page, page)) + 1


def state_at(directory: Directory, commit: int | None = None) -> State:
    """The state after `commit` (None: the head)."""
    commits = directory.commits()
    ends = np.array([entry["first_frame"] + entry["frames"] - 1 for entry in commits], np.int64)
    limit = int(ends[-1]) if commit is None else int(ends[commit - 1])
    documents = _documents(directory, limit)
    table = directory.operations()
    if commit is not None:
        seen = table["page"] <= limit
        table = {name: values[seen] for name, values in table.items()}
    chunks = newest(table)
    present = np.isin(chunks["document"], np.fromiter(documents, np.uint32, len(documents)))
    if not present.all():
        chunks = {name: values[present] for name, values in chunks.items()}
    return State(documents, chunks, ends)


def _documents(directory: Directory, limit: int) -> dict[int, dict[str, Any]]:
    """Record of each present document by number; the last record of a number wins."""
    found: dict[int, dict[str, Any]] = {}
    for segment in directory.segments:
        table = segment.table("documents")
        for row in np.flatnonzero(table["page"] <= limit):
            number = int(table["number"][row])
            if table["deleted"][row]:
                found.pop(number, None)
            else:
                found[number] = segment.present_record(int(row))
    return found
