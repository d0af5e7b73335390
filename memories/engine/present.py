"""What planning a commit needs to know of the memory as it is."""

from typing import Any, Protocol

import numpy as np

from .align import OldChunk
from .directory import Columns
from .log import Log
from .state import newest


class Known(Protocol):
    def find_path(self, path: str) -> dict[str, Any] | None: ...

    def chunk_stats(self, document: int) -> tuple[int, int]:
        """(chunks, UTF-8 bytes)."""

    def old_chunks(self, document: int) -> list[OldChunk]: ...


class Present:
    """What the planner asks, answered from the directory without computing the whole state."""

    def __init__(self, log: Log):
        self._log = log

    def find_path(self, path: str) -> dict[str, Any] | None:
        return self._log.directory.find_path(path)

    def _rows(self, document: int) -> Columns:
        return newest(self._log.directory.operations_of(document))

    def chunk_stats(self, document: int) -> tuple[int, int]:
        rows = self._rows(document)
        return len(rows["size"]), int(rows["size"].sum(dtype=np.int64))

    def old_chunks(self, document: int) -> list[OldChunk]:
        rows, found = self._rows(document), []
        for order, page, index in zip(*(rows[name].tolist() for name in ("order", "page", "index")), strict=True):
            data, metadata = self._log.blocks.piece_text(page, index, (document, order))
            found.append(OldChunk(order, data.decode(), metadata or {}))
        return found


class Nothing:
    """A memory before its first commit."""

    def find_path(self, path: str) -> None:
        return None

    def chunk_stats(self, document: int) -> tuple[int, int]:
        return 0, 0

    def old_chunks(self, document: int) -> list[OldChunk]:
        return []
