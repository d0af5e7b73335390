"""Fills records pages to the brim."""

from collections.abc import Iterator
from dataclasses import dataclass

import zstandard

from .pages import CONTINUED, CONTINUES
from .records import MOST_TEXT, Head, Operation, Piece, build

FULL = 0.975  # a page filled this far is not tried again
AIM = 0.993
TRIES = 4


@dataclass(slots=True)
class PackedPage:
    """A payload ready to be numbered, and the operations that begin in it."""

    payload: bytes
    flags: int
    heads: list[Head]
    begun: list[tuple[int, Operation]]  # (index in the page, operation)


@dataclass(slots=True)
class _Cut:
    """The first records of the queue, up to some size."""

    heads: list[Head]
    pieces: list[Piece]
    whole: int  # records taken whole
    cut: int  # bytes taken of the record after them
    size: int


class Packer:
    """Turns records into pages with about 1.4 slow compressions a page.

    How much text fits is foretold by a fast compression (level 3, 40 times faster) whose size stands in
    a steady proportion to the slow one's for text of one kind; proportion and ratio are carried on.
    """

    PROBE_LEVEL = 3

    def __init__(self, capacity: int, level: int, dictionary: zstandard.ZstdCompressionDict | None = None):
        self._capacity = capacity
        options = {"dict_data": dictionary, "write_content_size": True, "write_checksum": False, "write_dict_id": False}
        self._slow = zstandard.ZstdCompressor(level=level, **options)
        self._fast = zstandard.ZstdCompressor(level=self.PROBE_LEVEL, **options)
        self._ratio, self._proportion, self._probe = 2.5, 0.85, 0.4
        self._queue: list[Operation | Head] = []
        self._waiting = 0
        self._done = 0  # bytes of the queue's first operation that earlier pages hold

    def add(self, record: Operation | Head) -> Iterator[PackedPage]:
        self._queue.append(record)
        self._waiting += _weight(record)
        while self._waiting > 1.4 * self._ratio * self._capacity:
            yield self._page()

    def finish(self) -> Iterator[PackedPage]:
        while self._queue:
            yield self._page()

    def _page(self) -> PackedPage:
        cut, payload = self._fit()
        flags = (CONTINUED if self._done else 0) | (CONTINUES if cut.cut else 0)
        taken = self._queue[: cut.whole + (1 if cut.cut else 0)]
        operations = [record for record in taken if isinstance(record, Operation)]
        begun = list(enumerate(operations))[1 if self._done else 0 :]
        self._queue = self._queue[cut.whole :]
        self._done = (self._done if cut.whole == 0 else 0) + cut.cut
        self._waiting -= cut.size
        return PackedPage(payload, flags, cut.heads, begun)

    def _fit(self) -> tuple[_Cut, bytes]:
        """The longest prefix of the queue that was found to fit, and its compressed form."""
        best: tuple[_Cut, bytes] | None = None
        target = self._foretell()
        for _ in range(TRIES):
            cut = self._take(target)
            payload = self._compress(cut)
            ratio = cut.size / len(payload)
            if len(payload) <= self._capacity:
                if best is None or cut.size > best[0].size:
                    best = cut, payload
                if len(payload) >= FULL * self._capacity or cut.whole == len(self._queue):
                    break
                target = int(cut.size + (self._capacity - len(payload)) * ratio * 0.95)
            else:
                target = int(cut.size - (len(payload) - self._capacity) * ratio * 1.05) - 8
        while best is None:
            target = max(1, target * 9 // 10)
            cut = self._take(target)
            payload = self._compress(cut)
            best = (cut, payload) if len(payload) <= self._capacity else None
        self._learn(*best)
        return best

    def _foretell(self) -> int:
        """Bytes of the queue that should fill the page, by a fast compression of about as much."""
        cut = self._take(int(self._capacity * self._ratio))
        columns, content = build(cut.heads, cut.pieces)
        self._probe = (len(columns) + len(self._fast.compress(content))) / cut.size
        return int(self._capacity * AIM / (self._probe * self._proportion))

    def _compress(self, cut: _Cut) -> bytes:
        columns, content = build(cut.heads, cut.pieces)
        return columns + self._slow.compress(content)

    def _learn(self, cut: _Cut, payload: bytes) -> None:
        seen = len(payload) / cut.size / self._probe
        self._proportion += 0.2 * (seen - self._proportion)
        self._ratio = max(0.5, cut.size / len(payload))

    def _take(self, target: int) -> _Cut:
        target = min(target, MOST_TEXT)
        heads: list[Head] = []
        pieces: list[Piece] = []
        size = 0
        for index, record in enumerate(self._queue):
            if isinstance(record, Head):
                if size and size + _weight(record) > target:
                    return _Cut(heads, pieces, index, 0, size)
                heads.append(record)
                size += _weight(record)
                continue
            done = self._done if index == 0 else 0
            text = record.text[done:] if record.text and done else record.text
            metadata = None if done else record.metadata
            weight = _weight(record) - done
            if size + weight <= target:
                pieces.append(Piece(record.document, record.order, text, metadata))
                size += weight
                continue
            room = _character_border(text, target - size - (weight - len(text))) if text else 0
            if room:
                pieces.append(Piece(record.document, record.order, text[:room], metadata))
                return _Cut(heads, pieces, index, room, size + room)
            if size:
                return _Cut(heads, pieces, index, 0, size)
            # Not even one character was asked for: take the least there is.
            least = _character_border(text, 4) if text else 0
            if text and least < len(text):
                return _Cut(heads, [Piece(record.document, record.order, text[:least], metadata)], 0, least, least)
            return _Cut(heads, [Piece(record.document, record.order, text, metadata)], 1, 0, weight)
        return _Cut(heads, pieces, len(self._queue), 0, size)


def _weight(record: Operation | Head) -> int:
    """Roughly its bytes in a page before compression."""
    if isinstance(record, Head):
        return 8 if record.put is None else 40 + len(str(record.put))
    return 8 + len(record.text or b"") + (len(str(record.metadata)) if record.metadata else 0)


def _character_border(text: bytes, at: int) -> int:
    """The last border between characters at or before `at`."""
    at = max(0, min(at, len(text)))
    while 0 < at < len(text) and text[at] & 0xC0 == 0x80:
        at -= 1
    return at
