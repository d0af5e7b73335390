"""What records pages say, taken apart: the texts of chunks, by the dictionary that stands before them."""

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import zstandard

from .dictionaries import cached
from .errors import Damaged
from .pages import CONTINUES, WITH_DICTIONARY, Kind, Page
from .records import Block, inflate, parse
from .scan import dictionary_part

if TYPE_CHECKING:
    from .log import Log

CACHE_BYTES = 32 << 20


class Blocks:
    """Of one open file; `most` pages are kept taken apart, and no more than CACHE_BYTES."""

    def __init__(self, log: "Log", most: int):
        self._log, self._most = log, most
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Block] = OrderedDict()
        self._size = 0  # bytes

    def at(self, number: int) -> Block:
        """A records page taken apart, from a small cache."""
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
        block = self.parse(self._log.page(number))
        with self._lock:
            if self._kept.setdefault(number, block) is block:
                self._size += block.size
            while len(self._kept) > self._most or (self._size > CACHE_BYTES and len(self._kept) > 1):
                self._size -= self._kept.popitem(last=False)[1].size
        return block

    def parse(self, page: Page) -> Block:
        if page.kind != Kind.RECORDS:
            raise Damaged(f"{self._log.where(page.number)}: it holds no records")
        try:
            dictionary = self.dictionary(page.number) if page.flags & WITH_DICTIONARY else None
            return parse(page.payload, dictionary, page.flags)
        except Damaged as error:
            raise Damaged(f"{self._log.path.name}, {self._log.where(page.number)}: {error}") from None

    def dictionary(self, before: int) -> zstandard.ZstdCompressionDict:
        """The newest dictionary whose pages precede page `before`."""
        known = [(first, parts) for first, parts in self._log.directory.head.get("dictionaries", []) if first < before]
        if not known:
            raise Damaged("its dictionary is missing")
        first, parts = known[-1]
        key = self._log.memory, self._chain_of(first), first
        return cached(key, lambda: self._load_dictionary(first, parts))

    def _chain_of(self, number: int) -> str:
        """Names the content of a page for good: the chain of its commit covers it."""
        return next(info["chain"] for info in self._log.commit_infos if number < info["first_frame"] + info["frames"])

    def _load_dictionary(self, first: int, parts: int) -> zstandard.ZstdCompressionDict:
        data = []
        for page in self._log.pages(first, first + parts):
            part, total, piece = dictionary_part(page)
            if page.kind != Kind.DICTIONARY or (part, total) != (len(data), parts):
                raise Damaged(f"frame {page.number}: it is not the part of the dictionary that belongs there")
            data.append(piece)
        return zstandard.ZstdCompressionDict(inflate(b"".join(data)))

    def piece_text(self, number: int, index: int, place: tuple[int, int]) -> tuple[bytes, dict[str, Any] | None]:
        """(UTF-8 text, metadata) of the operation at `index` of page `number`; `place` is (document, order)."""
        block = self.at(number)
        if index >= len(block.pieces):
            raise Damaged(f"{self._log.where(number)}: it lacks the chunk that the directory says it holds")
        piece = block.pieces[index]
        if (piece.document, piece.order) != place:
            raise Damaged(f"{self._log.where(number)}: it holds another chunk than the directory says")
        text = piece.text or b""
        last = index == len(block.pieces) - 1
        while last and block.flags & CONTINUES:
            number = self._next_records(number)
            block = self.at(number)
            text += block.pieces[0].text or b""
            last = len(block.pieces) == 1
        return text, piece.metadata

    def _next_records(self, number: int) -> int:
        number += 1
        while self._log.directory.kind(number) != Kind.RECORDS:
            number += 1
        return number
