"""The MP4 file as boxes (ISO/IEC 14496-12): fragments of video and our `uuid` boxes between them.

A `uuid` box ends with a fixed trailer (its own length, a magic), so that the newest one is found from
the end of the file, as `mfro` does for `mfra`. Its body is a JSON header and blobs that the header
lists with offset, length and digest, so that opening reads only what it needs.
"""

import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from uuid import UUID

from .errors import Damaged, NotAMemory

DIRECTORY = UUID("6d656d76-6964-4469-8001-000000000001").bytes
INDEX = UUID("6d656d76-6964-4964-8001-000000000002").bytes
TRAILER = struct.Struct(">Q8s")
TRAILER_MAGIC = b"MEMVIDBX"
_BODY = struct.Struct(">I16s")
_HEADER = 8
MAX_HEADER = 1 << 22
MAX_INIT = 1 << 16
MAX_MOOV = 1 << 26  # a re-muxed file lists every frame there
MAX_SAMPLE = 1 << 25
MAX_SAMPLES = 1 << 16


@dataclass(frozen=True, slots=True)
class Box:
    kind: bytes
    offset: int
    size: int
    sound: bool = True  # False: its type or size is not what the file says, but what it must have been


class View:
    """A file up to the length it had when it was opened; reads never go past it."""

    def __init__(self, descriptor: int, length: int):
        self.descriptor, self.length = descriptor, length

    def read(self, offset: int, size: int) -> bytes:
        if offset < 0 or size < 0 or offset + size > self.length:
            raise Damaged(f"the file ends before byte {offset + size}")
        data = os.pread(self.descriptor, size, offset)
        if len(data) != size:
            raise Damaged(f"the file ends before byte {offset + size}")
        return data

    def boxes(self, start: int = 0) -> Iterator[Box]:
        """Whole top-level boxes from `start`; stops at the first that is cut off or makes no sense."""
        while start + _HEADER <= self.length:
            size, kind = struct.unpack(">I4s", self.read(start, 8))
            if size == 1 and start + 16 <= self.length:
                size = int.from_bytes(self.read(start + 8, 8), "big")
            if size < _HEADER or start + size > self.length:
                return
            yield Box(kind, start, size)
            start += size


def check_foreign(view: View) -> None:
    """Raises NotAMemory when a demuxer would load an absurd header whole."""
    for box in view.boxes():
        most = {b"ftyp": MAX_INIT, b"moov": MAX_MOOV, b"moof": MAX_MOOV}.get(box.kind, box.size)
        if box.size > most:
            raise NotAMemory(f"its {box.kind.decode()} box claims {box.size} bytes: it is not a memory")


@dataclass(frozen=True, slots=True)
class Fragment:
    """Sample places of one `moof`+`mdat`, absolute in the file when `offset` was its place there."""

    offsets: list[int]
    sizes: list[int]
    duration: int


def read_fragment(moof: bytes, offset: int = 0) -> Fragment:
    """Raises Damaged on anything that our own muxer does not write."""
    try:
        traf = dict(_children(moof, *_child(moof, _HEADER, len(moof), b"traf")))
        flags = _flags(moof, traf[b"tfhd"][0])
        fields = traf[b"tfhd"][0] + 8
        duration_at = fields + (8 if flags & 1 else 0) + (4 if flags & 2 else 0)
        duration = _u32(moof, duration_at) if flags & 8 else 0
        default_size = _u32(moof, duration_at + (4 if flags & 8 else 0)) if flags & 0x10 else 0
        return _read_run(moof, traf[b"trun"][0], offset, duration, default_size)
    except (KeyError, IndexError, struct.error) as error:
        raise Damaged(f"the fragment at byte {offset} is not one of a memory") from error


def _read_run(moof: bytes, at: int, base: int, duration: int, default_size: int) -> Fragment:
    flags, count, cursor = _flags(moof, at), _u32(moof, at + 4), at + 8
    if not flags & 1 or not 0 < count <= MAX_SAMPLES:
        raise IndexError("no data offset, or no sane sample count")
    start = base + _u32(moof, cursor)
    cursor += 4 + (4 if flags & 4 else 0)
    present = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
    table = struct.unpack_from(f">{count * len(present)}I", moof, cursor)
    sizes = list(table[present.index(0x200) :: len(present)]) if 0x200 in present else [default_size] * count
    if 0x100 in present:
        duration = table[present.index(0x100)]
    if max(sizes) > MAX_SAMPLE:
        raise IndexError("a sample of an absurd size")
    offsets = []
    for size in sizes:
        offsets.append(start)
        start += size
    return Fragment(offsets, sizes, duration)


def place_fragment(part: bytes, sequence: int, decode_time: int) -> bytes:
    """The same fragment with `mfhd` and `tfdt` carried on from what is in the file already."""
    out = bytearray(part)
    size = _u32(part, 0)
    mfhd, _ = _child(part, _HEADER, size, b"mfhd")
    tfdt, _ = _child(part, *_child(part, _HEADER, size, b"traf"), b"tfdt")
    struct.pack_into(">I", out, mfhd + 4, sequence & 0xFFFFFFFF)
    if part[tfdt] == 1:
        struct.pack_into(">Q", out, tfdt + 4, decode_time)
    else:
        struct.pack_into(">I", out, tfdt + 4, decode_time & 0xFFFFFFFF)
    return bytes(out)


def _u32(data: bytes, at: int) -> int:
    return struct.unpack_from(">I", data, at)[0]


def _flags(data: bytes, at: int) -> int:
    return _u32(data, at) & 0xFFFFFF


def _children(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """(type, (start, end) of the content) for each box inside [start, end)."""
    while start + _HEADER <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < _HEADER or start + size > end:
            raise IndexError("a box is larger than the one around it")
        yield kind, (start + _HEADER, start + size)
        start += size


def _child(data: bytes, start: int, end: int, kind: bytes) -> tuple[int, int]:
    return dict(_children(data, start, end))[kind]


def make_box(user_type: bytes, header: dict[str, Any], blobs: dict[str, bytes]) -> bytes:
    """A `uuid` box; the header gains "blobs": name -> [offset from the first blob, length, digest]."""
    places, position = {}, 0
    for name, blob in blobs.items():
        places[name] = [position, len(blob), _digest(blob).hex()]
        position += len(blob)
    text = json.dumps({**header, "blobs": places}, ensure_ascii=False, separators=(",", ":")).encode()
    body = _BODY.pack(len(text), _digest(text)) + text + b"".join(blobs.values())
    length = _HEADER + 16 + len(body) + TRAILER.size
    return struct.pack(">I4s", length, b"uuid") + user_type + body + TRAILER.pack(length, TRAILER_MAGIC)


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class UserBox:
    """One of our boxes; `load` reads and checks a blob."""

    view: View
    user_type: bytes
    offset: int
    size: int
    header: dict[str, Any]
    first_blob: int

    def load(self, name: str) -> bytes:
        try:
            offset, length, digest = self.header["blobs"][name]
            if offset < 0 or length < 0 or self.first_blob + offset + length > self.offset + self.size:
                raise ValueError("a blob lies outside its box")
            data = self.view.read(self.first_blob + offset, length)
            if _digest(data).hex() != digest:
                raise ValueError("its digest does not hold")
            return data
        except (KeyError, ValueError, TypeError) as error:
            raise Damaged(f"the box at byte {self.offset} is damaged ({error})") from None


def read_box(view: View, offset: int) -> UserBox:
    """Raises Damaged unless one of our boxes, with a whole header, begins at `offset`."""
    size, kind, user_type, length, digest = struct.unpack(">I4s16sI16s", view.read(offset, 44))
    if kind != b"uuid" or user_type not in (DIRECTORY, INDEX) or length > min(size, MAX_HEADER):
        raise Damaged(f"no box of a memory begins at byte {offset}")
    text = view.read(offset + 44, length)
    if offset + size > view.length:
        raise Damaged(f"the box at byte {offset} is cut off")
    if _digest(text) != digest:
        raise Damaged(f"the header of the box at byte {offset} is damaged")
    try:
        header = json.loads(text)
        if not isinstance(header, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        raise Damaged(f"the header of the box at byte {offset} is not JSON ({error})") from None
    return UserBox(view, user_type, offset, size, header, offset + 44 + length)


def last_box(view: View) -> UserBox | None:
    """The box that ends the file, or None when something else does."""
    if view.length < TRAILER.size + 44:
        return None
    length, magic = TRAILER.unpack(view.read(view.length - TRAILER.size, TRAILER.size))
    if magic != TRAILER_MAGIC or not 44 <= length <= view.length:
        return None
    try:
        box = read_box(view, view.length - length)
    except Damaged:
        return None
    return box if box.size == length else None
