"""Writing one commit: pack, draw, encode, decode again, compare, write, fsync, point to it, fsync.

Three stages run side by side: packing (zstd), drawing and encoding (numpy, the video encoder), and
verification (the decoder). Between them lie short queues, so that memory does not grow with the input.
"""

import json
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Any

import numpy as np
import zstandard

from . import varint
from .boxing import directory_box, settle
from .builder import SegmentBuilder
from .changes import Attachment, Changes
from .commits import GENESIS, Chain, read_end
from .container import place_fragment, read_fragment
from .directory import Directory
from .errors import Damaged, MemvidError, Unsupported, UsageError
from .packer import PackedPage, Packer
from .pages import HEADER_SIZE, WITH_DICTIONARY, Kind, Page
from .parity import ParityWriter, protected_size
from .profiles import Profile
from .records import Head, deflate_json
from .symbols import SymbolMaker, symbol_maker
from .video import TICKS_PER_FRAME, Decoder, Encoder

BATCH = 32  # pages drawn at once
LEVEL = 16  # zstd: level 19 is 0.4 % smaller and half as fast here
LEAST_DICTIONARY = 16 << 10
MOST_DICTIONARY = 640 << 10
DICTIONARY_SHARE = 13  # a dictionary of a thirteenth of the text pays for its frames
USES_DICTIONARY = 128 << 10  # a smaller commit does not load the dictionary
MIN_PAYLOAD = 1300


def payload_limit(profile: Profile) -> int:
    """Bytes of payload a page of this profile may carry."""
    capacity = symbol_maker(profile.geometry).capacity
    limit = (protected_size(capacity) if profile.parity else capacity) - HEADER_SIZE
    if limit < MIN_PAYLOAD:
        raise UsageError(
            f"QR version {profile.version}-{profile.error} holds {max(0, limit)} bytes a page, "
            f"{MIN_PAYLOAD} are needed: use a higher qr.version or a lower qr.error_correction"
        )
    return limit


@dataclass
class Target:
    """The file that is written to, and what it holds already."""

    descriptor: int
    profile: Profile
    manifest: dict[str, Any]
    memory: bytes
    position: int = 0
    init: bytes = b""
    directory: Directory = field(default_factory=lambda: Directory([], {}))
    index: int | None = None
    dictionary: Callable[[], zstandard.ZstdCompressionDict] | None = None


@dataclass(frozen=True)
class Note:
    """What a commit says about itself."""

    author: str = ""
    message: str = ""
    request: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    time: int | None = None  # milliseconds; only a rewrite that keeps history sets it

    def check(self) -> None:
        """Raises UsageError unless every text of it can be written as UTF-8."""
        texts = [self.author, self.message, self.request]
        if not all(isinstance(text, str) for text in texts):
            raise UsageError("the commit's author, message and request id must be texts")
        try:
            json.dumps([*texts, self.metadata], ensure_ascii=False, allow_nan=False).encode()
        except (UnicodeEncodeError, TypeError, ValueError) as error:
            raise UsageError(f"the commit's author, message or metadata cannot be stored ({error})") from None


class CommitWriter:
    def __init__(self, target: Target, changes: Changes, note: Note, progress: Callable[[int, int, str], None] | None):
        self._target, self._changes, self._note, self._progress = target, changes, note, progress
        self._maker: SymbolMaker = symbol_maker(target.profile.geometry)
        self._limit = payload_limit(target.profile)
        self._first_page = target.directory.pages
        self._number = target.directory.head.get("number", 0) + 1
        self._builder = SegmentBuilder(self._first_page)
        self._chain = Chain(bytes.fromhex(target.directory.head["hash"]) if self._number > 1 else GENESIS)
        self._next_page = self._first_page
        self._dictionaries = list(target.directory.head.get("dictionaries", []))
        self._sequence = target.directory.head.get("sequence", 0)
        self._written = target.position
        self._kinds: deque[Kind] = deque()
        self._drawn: deque[np.ndarray] = deque()
        self._checks: deque[Future] = deque()
        self._packed_text = 0
        self._mux = blake2b(digest_size=16)

    def write(self) -> dict[str, Any]:
        """Returns the facts of the commit once it is on disk; on any failure the file is as it was."""
        try:
            with ThreadPoolExecutor(1, "verify") as self._verifier:
                self._encode_all()
            os.fsync(self._target.descriptor)
            self._write_box()
            os.fsync(self._target.descriptor)
            return self._info
        except BaseException as error:
            self._undo()
            if isinstance(error, OSError):
                raise MemvidError(f"nothing was committed: {error.strerror or error}") from error
            raise

    def _undo(self) -> None:
        try:
            os.ftruncate(self._target.descriptor, self._target.position)
            os.fsync(self._target.descriptor)
        except OSError:
            pass  # the next writer truncates the torn tail

    # -- pages, in the order of the file

    def _pages(self) -> Iterator[tuple[Page, PackedPage | None]]:
        """Everything but parity and the end page; runs in the packing thread."""
        if self._number == 1:
            yield self._page(Kind.MANIFEST, deflate_json(self._target.manifest)), None
        dictionary = yield from self._dictionary_pages()
        originals = {}
        for attachment in self._changes.attachments:
            yield from self._attachment_pages(attachment, originals)
        packer = Packer(self._limit, LEVEL, dictionary)
        flag = WITH_DICTIONARY if dictionary else 0
        for record in self._changes.spool:
            if isinstance(record, Head) and record.put is not None and record.put["number"] in originals:
                record.put["original"] = originals[record.put["number"]]
            for packed in packer.add(record):
                yield self._page(Kind.RECORDS, packed.payload, packed.flags | flag), packed
        for packed in packer.finish():
            yield self._page(Kind.RECORDS, packed.payload, packed.flags | flag), packed

    def _page(self, kind: Kind, payload: bytes, flags: int = 0) -> Page:
        """Numbers are given when the page is drawn; parity may come in between."""
        return Page(kind, self._target.memory[:8], self._number, 0, payload, flags)

    def _dictionary_pages(self) -> Iterator[tuple[Page, None]]:
        spool = self._changes.spool
        if self._dictionaries:
            return self._target.dictionary() if spool.text_bytes >= USES_DICTIONARY else None
        size = min(MOST_DICTIONARY, spool.text_bytes // DICTIONARY_SHARE)
        if size < LEAST_DICTIONARY:
            return None
        dictionary = train(spool.samples, size, spool.example)
        if dictionary is None:
            return None
        packed = zstandard.ZstdCompressor(level=19).compress(dictionary.as_bytes())
        room = self._limit - 8
        pieces = [packed[i : i + room] for i in range(0, len(packed), room)]
        self._dictionaries.append([self._first_page + (1 if self._number == 1 else 0), len(pieces)])
        for part, piece in enumerate(pieces):
            yield self._page(Kind.DICTIONARY, _numbers(part, len(pieces)) + piece), None
        return dictionary

    def _attachment_pages(
        self, attachment: Attachment, originals: dict[int, dict[str, Any]]
    ) -> Iterator[tuple[Page, None]]:
        """Pages of one original; where they lie is said as their place among the attachment pages of the commit."""
        data, room = self._changes.blob(attachment), self._limit - 24
        pieces = [data[i : i + room] for i in range(0, len(data), room)]
        originals[attachment.document] = {
            "commit": self._number, "at": sum(entry["parts"] for entry in originals.values()),
            "parts": len(pieces), "size": attachment.size, "packed": attachment.packed,
        }  # fmt: skip
        for part, piece in enumerate(pieces):
            yield self._page(Kind.ATTACHMENT, _numbers(attachment.document, part, len(pieces)) + piece), None

    # -- drawing and encoding

    def _encode_all(self) -> None:
        size = protected_size(self._maker.capacity)
        self._parity = ParityWriter(size, self._expected_pages()) if self._target.profile.parity else None
        self._run_first = self._first_page
        encoder = Encoder(self._target.profile)
        try:
            for batch in _batches(self._stream(), BATCH):
                self._draw(encoder, batch)
            for part in encoder.finish():
                self._part(part)
        except BaseException:
            encoder.abandon()
            raise
        while self._checks:
            self._checks.popleft().result()
        if self._kinds or self._drawn:
            raise Damaged(f"the encoder lost {len(self._drawn)} frames: nothing was committed")

    def _expected_pages(self) -> int:
        attachments = sum(attachment.length for attachment in self._changes.attachments)
        return int((self._changes.spool.text_bytes / 2.5 + attachments) / self._limit) + 1

    def _stream(self) -> Iterator[bytes]:
        """Packed pages in the order of the file, numbered."""
        for page, content in _ahead(self._pages()):
            yield self._take(page, content)
            if self._parity and self._parity.full:
                yield from self._parity_pages(self._parity.pages(self._run_first))
                self._run_first = self._next_page
        yield from self._close()

    def _take(self, page: Page, content: PackedPage | None) -> bytes:
        page = Page(page.kind, page.memory, page.commit, self._next_page, page.payload, page.flags)
        packed = page.pack()
        self._next_page += 1
        self._kinds.append(page.kind)
        self._chain.add(page, packed)
        if self._parity and page.kind != Kind.PARITY:
            self._parity.add(packed)
        if page.kind == Kind.RECORDS:
            self._enter(page, content)
        return packed

    def _enter(self, page: Page, content: PackedPage) -> None:
        if content.flags & 1:
            self._builder.extend()
        for head in content.heads:
            self._builder.head(head, page.number)
        for index, operation in content.begun:
            self._builder.begin(index, operation, page.number)
            self._packed_text += len(operation.text or b"")
        if self._progress:
            self._progress(self._packed_text, self._changes.spool.text_bytes, "encoding")

    def _close(self) -> Iterator[bytes]:
        """The end page, preceded by the parity that covers it too."""
        parity_pages = 0
        if self._parity:
            self._parity.count += 1
            parity_pages = self._parity.page_count()
            self._parity.count -= 1
        number = self._next_page + parity_pages
        end = Page(Kind.COMMIT_END, self._target.memory[:8], self._number, number, deflate_json(self._facts(number)))
        if len(end.payload) > self._limit:
            raise UsageError(
                "the commit's message, roots and origin are too long for its end page: shorten the message"
            )
        packed = end.pack()
        if self._parity:
            self._parity.add(packed)
            yield from self._parity_pages(self._parity.pages(self._run_first, number))
        self._kinds.append(end.kind)
        self._next_page += 1
        self._info = read_end(end)
        yield packed

    def _parity_pages(self, pages: Any) -> Iterator[bytes]:
        for parity in pages:
            yield self._take(self._page(Kind.PARITY, parity.pack()), None)

    def _facts(self, end: int) -> dict[str, Any]:
        changes, before, note = self._changes, self._target.directory.head, self._note
        return {
            "number": self._number,
            "time": max(note.time or int(time.time() * 1000), before.get("time", 0) + 1),
            "author": note.author, "message": note.message, "request": note.request,
            "put": changes.spool.put, "deleted": changes.spool.deleted,
            "first_frame": self._first_page, "frames": end + 1 - self._first_page,
            "documents": before.get("documents", 0) + changes.documents,
            "chunks": before.get("chunks", 0) + changes.chunks,
            "text_bytes": before.get("text_bytes", 0) + changes.text_bytes,
            "next_document": changes.next_document,
            "chain": self._chain.value(), "metadata": note.metadata,
        }  # fmt: skip

    def _draw(self, encoder: Encoder, batch: list[bytes]) -> None:
        capacity = self._maker.capacity
        pages = np.frombuffer(b"".join(page.ljust(capacity, b"\0") for page in batch), np.uint8)
        modules = self._maker.modules(pages.reshape(len(batch), capacity))
        self._drawn.extend(modules)
        for part in encoder.encode(self._maker.frames(modules)):
            self._part(part)

    # -- what the encoder gives back

    def _part(self, part: bytes) -> None:
        if part[4:8] == b"ftyp":
            self._start(part)
            return
        ticks = TICKS_PER_FRAME * self._target.profile.rate.denominator
        count = len(read_fragment(part).sizes)
        placed_at = self._first_page + len(self._builder._pages)
        self._sequence += 1
        part = place_fragment(part, self._sequence, placed_at * ticks)
        fragment = read_fragment(part, self._written)
        start = self._written
        self._mux.update(part[: fragment.offsets[0] - start])
        self._append(part)
        for place in zip(fragment.offsets, fragment.sizes, strict=True):
            self._builder.page(self._kinds.popleft(), *place)
        expected = [self._drawn.popleft() for _ in range(count)]
        samples = [part[o - start : o - start + s] for o, s in zip(fragment.offsets, fragment.sizes, strict=True)]
        self._checks.append(self._verifier.submit(self._verify, samples, expected, placed_at))
        while len(self._checks) > 2:
            self._checks.popleft().result()

    def _start(self, init: bytes) -> None:
        if not self._target.init:
            self._target.init = init
            self._mux.update(init)
            self._append(init)
        elif init != self._target.init:
            raise Unsupported(
                "this build encodes with another codec configuration than the file's: "
                "`memvid vacuum` writes a new file that it can append to"
            )
        self._decoder = Decoder(self._target.init)

    def _verify(self, samples: list[bytes], expected: list[np.ndarray], first: int) -> None:
        """Every module of every frame, as decoded with the configuration of the file, is what was drawn."""
        for number, (luma, modules) in enumerate(zip(self._decoder.decode(samples), expected, strict=True), first):
            if not np.array_equal(self._maker.sample(luma[None])[0], modules):
                raise Damaged(f"frame {number} came back different from the encoder: nothing was committed")

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            count = os.pwrite(self._target.descriptor, view, self._written)
            self._written += count
            view = view[count:]

    # -- the directory

    def _write_box(self) -> None:
        self._builder.commit({**self._info, "mux": self._mux.hexdigest()})
        segments, new = settle(self._target.directory.segments, self._builder.segment())
        new.box = self._written
        head = {**self._info, "dictionaries": self._dictionaries, "sequence": self._sequence}
        if self._target.index is not None:
            head["index"] = self._target.index
        self._append(directory_box(segments, head, new))

    @property
    def end(self) -> int:
        return self._written


def train(samples: list[bytes], size: int, example: bytes = b"") -> zstandard.ZstdCompressionDict | None:
    """A dictionary by COVER with fixed parameters; its default search takes 40 times as long for the same ratio.

    `example`, a document record, is put at its end, as text has little in common with records.
    """
    try:
        trained = zstandard.train_dictionary(size, samples, k=1024, d=8, f=20, accel=4)
    except zstandard.ZstdError:
        return None  # too few or too uniform samples: pages are compressed without one
    return zstandard.ZstdCompressionDict(trained.as_bytes() + example)


def _batches(items: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    while batch := list(islice(items, size)):
        yield batch


def _numbers(*values: int) -> bytes:
    out = bytearray()
    varint.put_all(out, values)
    return bytes(out)


def _ahead(items: Iterator[Any], depth: int = 48) -> Iterator[Any]:
    """The same items, made in another thread up to `depth` ahead; its errors are raised here."""
    ready: queue.Queue = queue.Queue(depth)
    stop, end = threading.Event(), object()

    def run() -> None:
        try:
            for item in items:
                if not _offer(ready, item, stop):
                    return
            _offer(ready, end, stop)
        except BaseException as error:  # handed to the thread that waits
            _offer(ready, error, stop)

    thread = threading.Thread(target=run, name="pack", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not end:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()


def _offer(ready: queue.Queue, item: Any, stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            ready.put(item, timeout=0.1)
            return True
        except queue.Full:
            continue
    return False
