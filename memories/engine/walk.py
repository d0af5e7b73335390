"""Walking the boxes of our own layout, and on to the next one where a box is damaged.

A box counts as sound when it has a known type and ends where the file does or another one begins. Behind any other
the walk goes on at the next sign of ours: what every fragment of the muxer begins with, or the type of a box of ours.
"""

import re
import struct
from collections.abc import Iterator

from .container import DIRECTORY, INDEX, MAX_INIT, TRAILER, TRAILER_MAGIC, Box, View
from .errors import NotAMemory

KNOWN = frozenset(b"ftyp moov moof mdat uuid free skip wide styp sidx mfra emsg prft meta udta".split())
MAX_MOOF = 1 << 21
_HEADER = 8
_FRAGMENT = b"\0\0\0\x10mfhd"  # the first box inside a fragment; it never has another size
_SIGN = re.compile(b"|".join(re.escape(sign) for sign in (_FRAGMENT, DIRECTORY, INDEX)))
_STEP = 1 << 20


def init_segment(view: View) -> bytes:
    """`ftyp` and `moov`, which every fragment relies on, with their sizes and types put right. Raises NotAMemory."""
    start = view.read(0, min(view.length, MAX_INIT))
    inside, outside = start.find(_FRAGMENT), start.find(b"moof")
    first = min((place for place in (inside - 8, outside - 4) if place > 0), default=0)
    movie = start.find(b"moov", 4) - 4 if b"moov" in start[4:] else int.from_bytes(start[:4], "big")
    if not (start[4:8] == b"ftyp" or ends_with_trailer(view)) or not 0 < movie < first:
        raise NotAMemory("it does not begin with the boxes of a memory")
    ftyp, moov = struct.pack(">I4s", movie, b"ftyp"), struct.pack(">I4s", first - movie, b"moov")
    return ftyp + start[8:movie] + moov + start[movie + 8 : first]


def ends_with_trailer(view: View) -> bool:
    return view.length >= 8 and view.read(view.length - 8, 8) == TRAILER_MAGIC


def own_boxes(view: View, start: int) -> list[Box]:
    """Fragments and boxes of ours; whatever else lies between them is passed over."""
    sane = {b"moof": MAX_MOOF, b"uuid": view.length}
    return [box for box in walk(view, start) if 44 <= box.size <= sane.get(box.kind, 0)]


def walk(view: View, at: int) -> Iterator[Box]:
    headers = _Headers(view)
    while (header := headers.at(at)) is not None:
        size, kind = header
        if kind in KNOWN and size >= _HEADER and at + size <= view.length and _ends_well(view, headers, at, size):
            yield Box(kind, at, size)
            at += size
            continue
        box, at = _mended(view, at)
        if box is not None:
            yield box


def _ends_well(view: View, headers: "_Headers", at: int, size: int) -> bool:
    """The file ends there, another box begins there, or the box carries our trailer."""
    end = at + size
    after = headers.at(end)
    if end == view.length or (after is not None and after[1] in KNOWN):
        return True
    return size >= 44 and view.read(end - TRAILER.size, TRAILER.size) == TRAILER.pack(size, TRAILER_MAGIC)


class _Headers:
    """(size, type) of the box at a place, from a window of the file."""

    def __init__(self, view: View):
        self._view, self._start, self._data = view, 0, b""

    def at(self, place: int) -> tuple[int, bytes] | None:
        if place + _HEADER > self._view.length:
            return None
        if not self._start <= place <= self._start + len(self._data) - 16:
            self._start, self._data = place, self._view.read(place, min(1 << 16, self._view.length - place))
        offset = place - self._start
        size, kind = struct.unpack_from(">I4s", self._data, offset)
        if size == 1 and len(self._data) >= offset + 16:
            size = int.from_bytes(self._data[offset + 8 : offset + 16], "big")
        return size, kind


def _mended(view: View, at: int) -> tuple[Box | None, int]:
    """The box that must begin here, as far as that can be told, and where the walk goes on."""
    inside = view.read(at + _HEADER, min(16, view.length - at - _HEADER))
    following = _next_sign(view, at + _HEADER + 1)
    end = view.length if following is None else following
    if inside.startswith(_FRAGMENT):
        size = _fragment_size(view.read(at, min(MAX_MOOF, end - at)))
        return (Box(b"moof", at, size, False), at + size) if size > 0 else (None, end)
    if inside in (DIRECTORY, INDEX) and (following is not None or ends_with_trailer(view)):
        return Box(b"uuid", at, end - at, False), end
    return None, end


def _fragment_size(head: bytes) -> int:
    """A fragment is `mfhd` and `traf`; where the size of `traf` makes no sense, it ends where `mdat` begins."""
    size, kind = struct.unpack_from(">I4s", head.ljust(32, b"\0"), 24)
    if kind == b"traf" and 24 + size <= len(head):
        return 24 + size
    return head.find(b"mdat", _HEADER) - 4


def _next_sign(view: View, at: int) -> int | None:
    """Where the next fragment or box of ours begins, not before `at`."""
    start = at
    while start < view.length:
        data = view.read(start, min(_STEP + 16, view.length - start))
        for found in _SIGN.finditer(data):
            if start + found.start() - _HEADER >= at:
                return start + found.start() - _HEADER
        start += _STEP
    return None
