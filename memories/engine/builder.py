"""Directory rows of the pages of one or more commits, gathered while they are written or scanned."""

from array import array
from typing import Any

import numpy as np

from .directory import DELETED, DOCUMENTS, OPERATIONS, PAGES, Columns, Segment, columns, path_hash
from .pages import CONTINUED, Kind, Page
from .records import Block, Head, Operation

WIDTH = len(OPERATIONS)


class SegmentBuilder:
    def __init__(self, first_page: int):
        self.first_page = first_page
        self._pages: list[tuple[int, int, int]] = []
        self._operations = array("q")  # rows of WIDTH integers: a list of lists takes five times as much memory
        self._documents: list[tuple[int, int, int, int]] = []
        self._records: list[dict[str, Any]] = []
        self._commits: list[dict[str, Any]] = []

    def page(self, kind: Kind, offset: int, size: int) -> None:
        self._pages.append((offset, size, int(kind)))

    def head(self, head: Head, page: int) -> None:
        if head.put is not None:
            self._documents.append((head.put["number"], path_hash(head.put["path"]), page, 0))
            self._records.append(head.put)
        else:
            self._documents.append((head.delete, 0, page, 1))
            self._records.append({"number": head.delete})

    def begin(self, index: int, operation: Operation, page: int) -> None:
        size = DELETED if operation.text is None else len(operation.text)
        lines = 0 if operation.text is None else operation.text.count(b"\n")
        self._operations.extend((operation.document, operation.order, page, index, 1, size, lines))

    def extend(self, text: bytes = b"") -> None:
        """The last operation goes on in another page, with that much text not counted yet."""
        self._operations[-3] += 1
        self._operations[-2] += len(text)
        self._operations[-1] += text.count(b"\n")

    def scanned(self, page: Page, block: Block) -> None:
        """Rows of a records page that was read back."""
        for record in block.documents:
            self.head(Head(put=record), page.number)
        for number in block.deleted:
            self.head(Head(delete=number), page.number)
        for index, piece in enumerate(block.pieces):
            if index == 0 and page.flags & CONTINUED and self._operations:
                self.extend(piece.text or b"")
            else:
                self.begin(index, Operation(piece.document, piece.order, piece.text), page.number)

    def _operation_columns(self) -> Columns:
        rows = np.frombuffer(self._operations, np.int64).reshape(-1, WIDTH)
        return {name: rows[:, i].astype(dtype) for i, (name, dtype) in enumerate(OPERATIONS.items())}

    def commit(self, info: dict[str, Any]) -> None:
        self._commits.append(info)

    def segment(self) -> Segment:
        tables = {
            "pages": columns(PAGES, self._pages),
            "operations": self._operation_columns(),
            "documents": columns(DOCUMENTS, self._documents),
        }
        return Segment.in_memory(self.first_page, self._commits, tables, self._records)
