"""An open memory file, read-only: finds the directory, reads pages, mends what parity can."""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from .blocks import Blocks
from .commits import as_commit, read_end
from .container import MAX_SAMPLE, Box, UserBox, View, check_foreign, read_fragment
from .directory import Directory, Segment, merge_segments
from .errors import Damaged, MemvidError, NotAMemory, NotFound
from .locate import acknowledged_end, directory_at, directory_at_end, index_at, is_ours
from .model import Commit
from .pages import Kind, Page, unpack
from .parity import ParityPage, recover
from .profiles import Profile
from .readers import read_frame
from .records import inflate_json
from .scan import Rebuilder, Rebuilt, Spool, mend, scan_fragments, scan_video
from .symbols import symbol_maker
from .video import Decoder, decode_any
from .walk import ends_with_trailer, init_segment, own_boxes

CACHE_PAGES = 256


class Log:
    """Pages, commits and boxes of one file as they were when it was opened.

    `native` says that the file has our own layout, so that it can be appended to and any frame can be
    read alone. `length` is the committed length: bytes after it belong to no whole commit. `damage` says
    why nothing may be appended: something acknowledged is there and cannot be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        cache_pages: int = CACHE_PAGES,
        hardware: bool = False,
        length: int | None = None,
        scan: bool = True,
    ):
        """`length` shows no more than the first bytes; without `scan` a file that its directory cannot open is refused
        instead of read frame by frame, which takes as long as the file is."""
        self.path = path
        self._scan = scan
        self.notes: list[str] = []
        self.damage: str | None = None
        self._from_pages: list[Segment] | None = None
        self.mended: set[int] = set()
        self.newest_index: int | None = None
        self._lock = threading.RLock()
        self.blocks = Blocks(self, cache_pages)
        self._spool: Spool | None = None
        self._descriptor = open_file(path)
        try:
            self.length = 0
            size = os.fstat(self._descriptor).st_size
            self.view = View(self._descriptor, size if length is None else min(size, length))
            self.native = self._looks_native()
            self._open_native(hardware) if self.native else self._open_foreign()
        except BaseException as error:
            self.close()
            if isinstance(error, MemvidError) and path.name not in str(error):
                raise type(error)(f"{path}: {error}") from None
            raise

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def is_current(self) -> bool:
        """Whether the path still shows the same file at the same length."""
        try:
            there, here = os.stat(self.path), os.fstat(self._descriptor)
        except OSError:
            return False
        same = (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
        return same and there.st_size == self.view.length

    @property
    def torn(self) -> int:
        """Bytes after the last whole commit: cut off, or being written at this moment."""
        return 0 if self.damage else self.view.length - self.length

    @property
    def hardware(self) -> bool:
        return self._decoder is not None and self._decoder.hardware

    # -- opening

    def _looks_native(self) -> bool:
        try:
            init_segment(self.view)
            return True
        except (NotAMemory, Damaged):
            return False

    def _open_native(self, hardware: bool) -> None:
        self.init = init_segment(self.view)
        self._decoder = Decoder(self.init, hardware=hardware)
        self._maker = None
        try:
            self._open_by_directory()
        except (Damaged, NotAMemory, NotFound):
            if not self._scan:
                raise
            self.rebuild()

    def _open_by_directory(self) -> None:
        """The quick way: through the box at the end, confirmed by the manifest and the head's end page."""
        found = directory_at_end(self.view, self._heal)
        if found is None:
            self._refuse_scan("it does not end with its directory")
            self.directory = self._directory_from_tail()
            if ends_with_trailer(self.view):
                self.notes.append("the box at the end of the file cannot be used: its facts were read from the pages")
            self._read_manifest()
            return
        self.directory, self.newest_index = found
        self.length = self.view.length
        self._read_manifest()
        self._read_head()

    def _read_head(self) -> None:
        """The head's facts as its end page says them; the directory's word counts only where that is damaged."""
        number = self.directory.pages - 1
        try:
            end = self.page(number)
        except Damaged:
            if self._last_sample() != self.directory.place(number):
                raise
            self._seal(f"{self.where(number)}: the end page of this commit cannot be read")
            return
        info = read_end(end) if end.kind == Kind.COMMIT_END else {}
        if info.get("hash") != self.directory.head["hash"]:
            raise Damaged("the directory names another head than the pages")
        self.directory.head.update(info)

    def _last_sample(self) -> tuple[int, int] | None:
        """Where the last fragment of the file ends its samples: the picture is there even if it does not read."""
        last = [box for box in own_boxes(self.view, len(self.init)) if box.kind == b"moof"][-1]
        fragment = read_fragment(self.view.read(last.offset, last.size), last.offset)
        return fragment.offsets[-1], fragment.sizes[-1]

    def _seal(self, damage: str) -> None:
        self.damage = damage
        self.notes.append(f"{damage}; nothing can be appended: `memvid repair` writes a new file with what reads")

    def rebuild(self) -> None:
        """The pages have the last word: without a directory that fits them, it is rebuilt from all of them."""
        self._maker, self.newest_index = None, None
        self.directory = self._adopt(own_boxes(self.view, len(self.init)), None, len(self.init))
        self.notes.append("the directory does not fit the pages: it was rebuilt from them")
        self._read_manifest()

    def _heal(self, segment: Segment) -> Segment:
        """The rows of a segment whose box is damaged, from the pages of the whole file."""
        self._refuse_scan(f"the directory box at byte {segment.box} is damaged")
        if self._from_pages is None:
            boxes = own_boxes(self.view, len(self.init))
            spool = scan_fragments(self.view, [box for box in boxes if box.kind == b"moof"], self._decoder, None, 0)
            try:
                mend(spool)
                self._from_pages = Rebuilder(spool).run().segments
            finally:
                spool.close()
            self.notes.append(f"the directory box at byte {segment.box} is damaged: it was rebuilt from the pages")
        return merge_segments(self._from_pages).part(segment.first_commit, segment.last_commit)

    def _directory_from_tail(self) -> Directory:
        """The newest readable directory, then whatever whole commits follow it; without one, all the pages."""
        boxes = own_boxes(self.view, len(self.init))
        for box in reversed(boxes):
            if box.kind == b"uuid" and (found := directory_at(self.view, box.offset, self._heal)) is not None:
                self.newest_index = found.head["index"]
                return self._adopt([b for b in boxes if b.offset > box.offset], found, box.offset + box.size)
        return self._adopt(boxes, None, len(self.init))

    def _adopt(self, boxes: list[Box], directory: Directory | None, end: int) -> Directory:
        fragments = [box for box in boxes if box.kind == b"moof"]
        rebuilt, spool = self._rebuild(fragments, directory)
        self._spool_mended(spool)
        if not rebuilt.segments:
            raise self._nothing_whole(rebuilt)
        first = directory.pages if directory else 0
        adopted = [sum(spool.samples[n]) for n in spool.numbers() if first <= n < rebuilt.next_page]
        self.length = self._committed_end(boxes, end, max(adopted, default=0))
        self._judge_tail(rebuilt, [box for box in boxes if box.offset >= self.length])
        head = directory.head if directory else {}
        sequence = head.get("sequence", 0) + len(fragments)
        return rebuilt.directory(sequence=sequence, index=self.newest_index)

    def _judge_tail(self, rebuilt: Rebuilt, rest: list[Box]) -> None:
        """What follows the last whole commit was cut off, or is damaged, or is not ours to remove."""
        if self.torn and acknowledged_end(self.view, rest) > self.length:
            number = rebuilt.last["number"]
            reason = self._reason(rebuilt) if rebuilt.problems or rebuilt.torn else "something else follows it"
            self._seal(f"shown is the memory as of commit {number}: {reason}")

    def _committed_end(self, boxes: list[Box], end: int, samples_end: int) -> int:
        """Behind the last adopted sample and the boxes of ours next to it."""
        for box in boxes:
            end = max(end, samples_end) if box.offset >= samples_end else end
            if box.offset == end and is_ours(self.view, box):
                end += box.size
            if is_ours(self.view, box) and index_at(self.view, box.offset):
                self.newest_index = box.offset
        return max(end, samples_end)

    def index_boxes(self) -> list[UserBox]:
        """Whole index boxes, newest first; a damaged one ends the list."""
        found, offset = [], self.newest_index
        while offset is not None and (box := index_at(self.view, offset)) is not None:
            found.append(box)
            previous = box.header.get("previous")
            offset = previous if isinstance(previous, int) and 0 <= previous < offset else None
        return found

    def _reason(self, rebuilt: Rebuilt) -> str:
        return rebuilt.problems[0] if rebuilt.problems else "the commit after it lacks its end page"

    def _nothing_whole(self, rebuilt: Rebuilt) -> MemvidError:
        """Where an end page was found there was a commit, and something of it may be saved."""
        reason = f"{self.path.name} holds no whole commit: {self._reason(rebuilt)}"
        if not rebuilt.problems:
            return NotAMemory(reason)
        return Damaged(f"{reason}; `memvid repair` writes a new file with what reads")

    def _rebuild(self, fragments: list[Box], directory: Directory | None) -> tuple[Rebuilt, Spool]:
        first = directory.pages if directory else 0
        maker = None
        if directory is not None:
            self.directory = directory
            self._read_manifest()
            maker = self._maker
        spool = scan_fragments(self.view, fragments, self._decoder, maker, first)
        self.mended.update(mend(spool))
        has_dictionary = directory and directory.head.get("dictionaries")
        load = (lambda: self.blocks.dictionary(directory.pages)) if has_dictionary else None
        return Rebuilder(spool, directory, load).run(), spool

    def _spool_mended(self, spool: Spool) -> None:
        """Pages that only parity could restore stay readable while the file is open."""
        if self.mended:
            self._spool = spool
        else:
            spool.close()

    def _refuse_scan(self, reason: str) -> None:
        if not self._scan:
            raise Damaged(f"{self.path.name} cannot be opened quickly: {reason}")

    def _open_foreign(self) -> None:
        self._refuse_scan("it was re-muxed or is no memory; `memvid vacuum` writes one that can")
        self.init, self._decoder, self.length = b"", None, self.view.length
        check_foreign(self.view)
        self._spool = scan_video(self.path)
        self.mended.update(mend(self._spool))
        rebuilt = Rebuilder(self._spool).run()
        if not rebuilt.segments:
            raise self._nothing_whole(rebuilt)
        if rebuilt.problems or rebuilt.torn:
            reason = rebuilt.problems[0] if rebuilt.problems else "the last commit is not whole"
            self.notes.append(f"{reason}: shown is the memory as of commit {rebuilt.last['number']}")
        self.directory = rebuilt.directory(sequence=0)
        self.notes.append("the file was re-muxed or re-encoded: it can be read; `memvid vacuum` makes one to append to")
        self._read_manifest()

    def _read_manifest(self) -> None:
        page = self.page(0)
        if page.kind != Kind.MANIFEST:
            raise NotAMemory(f"{self.path.name} does not begin with a manifest")
        self.manifest = inflate_json(page.payload)
        self.profile = Profile.from_dict(self.manifest.get("profile") or {})
        self.memory = bytes.fromhex(self.manifest.get("id", ""))
        if page.memory != self.memory[:8]:
            raise NotAMemory(f"{self.path.name} has a manifest of another memory")
        self._maker = symbol_maker(self.profile.geometry)

    # -- reading

    @property
    def commit_infos(self) -> list[dict[str, Any]]:
        return self.directory.commits()

    def commits(self) -> list[Commit]:
        return [as_commit(info) for info in self.commit_infos]

    def luma(self, number: int) -> np.ndarray:
        """The picture of frame `number`."""
        if not 0 <= number < self.directory.pages:
            raise NotFound(f"{self.path.name} has no frame {number}: its frames are 0 to {self.directory.pages - 1}")
        if not self.native:
            return self._foreign_luma(number)
        with self._lock:
            offset, size = self.directory.place(number)
            if size > MAX_SAMPLE:
                raise Damaged("its sample has an absurd size")
            return next(iter(list(self._decoder.decode([self.view.read(offset, size)]))))

    def _foreign_luma(self, number: int) -> np.ndarray:
        wanted = self._spool.frame_of.get(number)
        for frame, luma in enumerate(decode_any(self.path)):
            if frame == wanted:
                return luma
        raise Damaged(f"{self.path.name} has no picture of frame {number} any more")

    def page(self, number: int) -> Page:
        """The page of frame `number`, read from its picture; raises Damaged naming commit and frame."""
        if self._spool is not None and (page := self._spool.get(number)) is not None:
            return page
        try:
            return self._read(number)
        except Damaged as error:
            mended = self._mend(number)
            if mended is not None:
                return mended
            raise Damaged(f"{self.path.name}, {self.where(number)}: {error}") from None

    def _read(self, number: int) -> Page:
        page = read_frame(self.luma(number), self._maker)
        if page.number != number or (number and page.memory != self.memory[:8]):
            raise Damaged(f"the frame shows page {page.number} of memory {page.memory.hex()}")
        return page

    def where(self, number: int) -> str:
        try:
            commit = next(c["number"] for c in self.commit_infos if number < c["first_frame"] + c["frames"])
            return f"commit {commit}, frame {number}"
        except (StopIteration, MemvidError):
            return f"frame {number}"

    def _mend(self, number: int) -> Page | None:
        """The page from its lane's parity, or None."""
        if not self.native or self._maker is None or not self.profile.parity:
            return None
        for parity in self._parity_of(number):
            numbers, known = parity[0].covered(), {}
            for other in numbers:
                try:
                    known[other] = self._read(other).pack()
                except Damaged:
                    continue
            try:
                page = unpack(recover(numbers, known, parity)[number])
            except (Damaged, KeyError):
                continue
            self.mended.add(number)
            return page
        return None

    def _parity_of(self, number: int) -> list[list[ParityPage]]:
        """The readable parity of each lane that covers the page, within its commit."""
        info = next(c for c in self.commit_infos if number < c["first_frame"] + c["frames"])
        lanes: dict[tuple, list[ParityPage]] = {}
        for other in range(info["first_frame"], info["first_frame"] + info["frames"]):
            if self.directory.kind(other) != Kind.PARITY:
                continue
            try:
                parity = ParityPage.unpack(self._read(other).payload)
            except Damaged:
                continue
            if number in parity.covered():
                lanes.setdefault((parity.first, parity.lanes, parity.lane), []).append(parity)
        return list(lanes.values())

    def pages(self, first: int, stop: int) -> list[Page]:
        """A run of pages, decoded in one go; 3 times as fast a page as one by one."""
        if not self.native or self._spool is not None:
            return [self.page(number) for number in range(first, stop)]
        places = [self.directory.place(number) for number in range(first, stop)]
        try:
            decoder = Decoder(self.init, threads=os.cpu_count() or 1)
            lumas = decoder.decode(self.view.read(*place) for place in places)
            modules = np.concatenate([self._maker.sample(luma[None]) for luma in lumas])
            found = [unpack(data.tobytes()) for data in self._maker.pages(modules)]
            if [page.number for page in found] == list(range(first, stop)):
                return found
        except Damaged:
            pass  # one by one, each with every reader and with parity
        return [self.page(number) for number in range(first, stop)]


def open_file(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not hang
    except FileNotFoundError:
        raise NotFound(f"{path} does not exist") from None
    except OSError as error:
        raise MemvidError(f"{path} cannot be opened: {error.strerror}") from None
    if not os.path.isfile(path):
        os.close(descriptor)
        raise NotAMemory(f"{path} is not a file")
    return descriptor
