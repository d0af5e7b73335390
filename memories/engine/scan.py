"""Reading a memory from its frames alone: for torn tails, lost boxes, re-muxed and re-encoded files."""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from .builder import SegmentBuilder
from .commits import GENESIS, Chain, read_end
from .container import Box, View, read_fragment
from .directory import Directory, Segment, add_segment
from .errors import Damaged, MemvidError, NotAMemory
from .pages import WITH_DICTIONARY, Kind, Page, unpack
from .parity import ParityPage, recover
from .profiles import Profile
from .readers import read_frame
from .records import Block, inflate, inflate_json, parse
from .symbols import SymbolMaker, symbol_maker
from .varint import get_all
from .video import Decoder, decode_any

Progress = Callable[[int, int, str], None] | None


class Spool:
    """Packed pages by number in a temporary file, so that a long scan stays small in memory."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="memvid-scan-")  # noqa: SIM115
        self._places: dict[int, tuple[int, int]] = {}
        self.samples: dict[int, tuple[int, int]] = {}
        self.frame_of: dict[int, int] = {}
        self.memory: bytes | None = None
        self.unreadable: list[int] = []  # frames in which no page was found
        self.parity: set[int] = set()  # numbers of parity pages, as far as any of their run is there

    def put(self, page: Page, frame: int, sample: tuple[int, int] = (0, 0)) -> None:
        if self.memory is None:
            self.memory = page.memory
        if page.memory != self.memory or page.number in self._places:
            return
        packed = page.pack()
        self._file.seek(0, 2)
        self._places[page.number] = (self._file.tell(), len(packed))
        self._file.write(packed)
        self.samples[page.number], self.frame_of[page.number] = sample, frame

    def get(self, number: int) -> Page | None:
        place = self._places.get(number)
        if place is None:
            return None
        self._file.seek(place[0])
        return unpack(self._file.read(place[1]))

    def numbers(self) -> list[int]:
        return sorted(self._places)

    def pages(self) -> Iterator[Page]:
        return (self.get(number) for number in self.numbers())

    def close(self) -> None:
        self._file.close()


def scan_video(path: Path, progress: Progress = None) -> Spool:
    """Every page that any reader finds in any video file."""
    spool, maker = Spool(), None
    for frame, luma in enumerate(decode_any(path)):
        try:
            page = read_frame(luma, maker)
        except Damaged:
            spool.unreadable.append(frame)
            if spool.memory is None and frame > 200:
                break
            continue
        spool.put(page, frame)
        if maker is None and page.kind == Kind.MANIFEST:
            maker = _maker_of(page)
        if progress:
            progress(frame + 1, 0, "reading frames")
    if spool.memory is None:
        raise NotAMemory(f"{path.name} is not a memory: no frame of it holds a page")
    return spool


def _maker_of(manifest: Page) -> SymbolMaker | None:
    try:
        return symbol_maker(Profile.from_dict(inflate_json(manifest.payload)["profile"]).geometry)
    except (MemvidError, KeyError):
        return None


def scan_fragments(
    view: View, boxes: list[Box], decoder: Decoder, maker: SymbolMaker | None, first: int, progress: Progress = None
) -> Spool:
    """Pages of our own fragments; a sample that does not read is counted, a broken fragment passed over."""
    spool, number, total = Spool(), first, len(boxes)
    for done, box in enumerate(boxes):
        try:
            fragment = read_fragment(view.read(box.offset, box.size), box.offset)
        except Damaged:
            continue
        for place in zip(fragment.offsets, fragment.sizes, strict=True):
            try:
                luma = next(decoder.decode([view.read(*place)]))
                page = read_frame(luma, maker)
                spool.put(page, number, place)
                if maker is None and page.kind == Kind.MANIFEST:
                    maker = _maker_of(page)
            except (Damaged, StopIteration):
                spool.unreadable.append(number)
                spool.samples.setdefault(number, place)
            number += 1
        if progress:
            progress(done + 1, total, "reading frames")
    return spool


def mend(spool: Spool) -> list[int]:
    """Brings back what parity can; returns the numbers of the pages that it restored."""
    lanes: dict[tuple, list[ParityPage]] = defaultdict(list)
    for page in spool.pages():
        if page.kind == Kind.PARITY and (parity := _parity_of(page)) is not None:
            lanes[parity.first, parity.end, parity.lanes, parity.lane, parity.count].append(parity)
            spool.parity.update(parity.run())
    restored = []
    for parity in lanes.values():
        numbers = parity[0].covered()
        if all(number in spool.samples and spool.get(number) for number in numbers):
            continue
        known = {number: page.pack() for number in numbers if (page := spool.get(number)) is not None}
        try:
            found = recover(numbers, known, parity)
        except Damaged:
            continue
        for number, data in found.items():
            page = unpack(data)
            sample = spool.samples.get(number, (0, 0))
            spool.put(page, number, sample)
            restored.append(number)
    return restored


def _parity_of(page: Page) -> ParityPage | None:
    try:
        return ParityPage.unpack(page.payload)
    except Damaged:
        return None


@dataclass
class Rebuilt:
    """What the pages say. `problems` is empty when every commit found is whole."""

    segments: list[Segment] = field(default_factory=list)
    dictionaries: list[list[int]] = field(default_factory=list)
    last: dict[str, Any] | None = None
    next_page: int = 0
    problems: list[str] = field(default_factory=list)
    torn: int = 0  # pages after the last whole commit

    def directory(self, **extra: Any) -> Directory:
        return Directory(self.segments, {**(self.last or {}), "dictionaries": self.dictionaries, **extra})


class Rebuilder:
    """Walks pages commit by commit, checks each commit whole and makes its directory segment."""

    def __init__(self, spool: Spool, start: Directory | None = None, dictionary: Callable[[], Any] | None = None):
        self._spool = spool
        self._result = Rebuilt()
        if start is not None and start.segments:
            self._result.segments = list(start.segments)
            self._result.dictionaries = list(start.head.get("dictionaries", []))
            self._result.last, self._result.next_page = start.head, start.pages
        self._dictionary = dictionary
        self._parts: list[bytes] = []

    def run(self) -> Rebuilt:
        result, numbers = self._result, self._spool.numbers()
        last = numbers[-1] if numbers else -1
        while result.next_page <= last:
            end = self._find_end(result.next_page, last)
            if end is None:
                result.torn = last + 1 - result.next_page
                break
            try:
                self._commit(end)
            except Damaged as error:
                result.problems.append(str(error))
                break
        return result

    def _find_end(self, first: int, last: int) -> Page | None:
        for number in range(first, last + 1):
            page = self._spool.get(number)
            if page is not None and page.kind == Kind.COMMIT_END:
                return page
        return None

    def _commit(self, end: Page) -> None:
        result = self._result
        info, first = read_end(end), result.next_page
        expected = (result.last["number"] if result.last else 0) + 1
        if (info["number"], info["first_frame"], info["frames"]) != (expected, first, end.number + 1 - first):
            raise Damaged(f"commit {expected}: its end page does not fit the pages before it")
        chain = Chain(bytes.fromhex(result.last["hash"]) if result.last else GENESIS)
        builder, missing = SegmentBuilder(first), []
        for number in range(first, end.number + 1):
            page = self._spool.get(number)
            if page is None:  # the chain leaves parity out: if it holds in the end, that is what was lost
                missing.append(number)
                builder.page(Kind.PARITY, *self._spool.samples.get(number, (0, 0)))
                continue
            chain.add(page)
            builder.page(page.kind, *self._spool.samples[number])
            self._page(page, builder)
        if chain.value() != info["chain"]:
            lost = f"frame {missing[0]} does not verify" if missing else "the chain over its pages does not hold"
            raise Damaged(f"commit {expected}: {lost}")
        builder.commit(info)
        result.segments, _ = add_segment(result.segments, builder.segment())
        result.last, result.next_page = info, end.number + 1

    def _page(self, page: Page, builder: SegmentBuilder) -> None:
        if page.kind == Kind.RECORDS:
            builder.scanned(page, self.block(page))
        elif page.kind == Kind.DICTIONARY:
            self._dictionary_page(page)

    def _dictionary_page(self, page: Page) -> None:
        part, parts, data = dictionary_part(page)
        if part == 0:
            self._result.dictionaries.append([page.number, parts])
            self._parts = []
        self._parts.append(data)
        if part == parts - 1:
            dictionary = zstandard.ZstdCompressionDict(inflate(b"".join(self._parts)))
            self._dictionary = lambda: dictionary

    def block(self, page: Page) -> Block:
        dictionary = self._dictionary() if page.flags & WITH_DICTIONARY and self._dictionary else None
        return parse(page.payload, dictionary, page.flags)


def dictionary_part(page: Page) -> tuple[int, int, bytes]:
    """(part, parts, data) of a dictionary page."""
    (part, parts), at = get_all(page.payload, 0, 2)
    if not part < parts <= 4096:
        raise Damaged(f"frame {page.number}: its part of the dictionary makes no sense")
    return part, parts, page.payload[at:]
