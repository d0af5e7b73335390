"""One page = one QR symbol = one video frame: a fixed header, a payload, zeros up to the symbol's capacity.

Header, 32 bytes, big-endian: magic "MV", format version, kind, first 8 bytes of the memory id, commit
number, page number (= frame number, from 0), flags, payload length, and a BLAKE2b-64 digest (RFC 7693)
over the header without the digest and the payload.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b

from .errors import Damaged

MAGIC = b"MV"
FORMAT = 1
_FIELDS = struct.Struct(">2sBB8sIIHH")
DIGEST_SIZE = 8
HEADER_SIZE = _FIELDS.size + DIGEST_SIZE


class Kind(IntEnum):
    MANIFEST = 1
    DICTIONARY = 2
    RECORDS = 3
    ATTACHMENT = 4
    PARITY = 5
    COMMIT_END = 6


# Flags of a records page.
CONTINUED = 1  # its first operation began on an earlier page
CONTINUES = 2  # its last operation goes on in the next records page
WITH_DICTIONARY = 4  # compressed with the newest dictionary before it


@dataclass(frozen=True, slots=True)
class Page:
    kind: Kind
    memory: bytes
    commit: int
    number: int
    payload: bytes
    flags: int = 0

    def pack(self) -> bytes:
        """Header and payload, without the zeros that fill the symbol."""
        fields = _FIELDS.pack(
            MAGIC, FORMAT, self.kind, self.memory, self.commit, self.number, self.flags, len(self.payload)
        )
        return fields + _digest(fields, self.payload) + self.payload


def _digest(fields: bytes, payload: bytes) -> bytes:
    return blake2b(fields + payload, digest_size=DIGEST_SIZE).digest()


def unpack(data: bytes) -> Page:
    """Raises Damaged unless `data` begins with a whole page whose digest holds."""
    if len(data) < HEADER_SIZE or data[:2] != MAGIC:
        raise Damaged("the symbol does not hold a page of a memory")
    _, version, kind, memory, commit, number, flags, length = _FIELDS.unpack_from(data)
    payload = data[HEADER_SIZE : HEADER_SIZE + length]
    digest = data[_FIELDS.size : HEADER_SIZE]
    if len(payload) != length or _digest(data[: _FIELDS.size], payload) != digest:
        raise Damaged("the page's digest does not hold")
    if version != FORMAT:
        raise Damaged(f"the page is of format {version}; this build reads format {FORMAT}: install a newer memvid")
    try:
        return Page(Kind(kind), memory, commit, number, payload, flags)
    except ValueError:
        raise Damaged(f"the page is of the unknown kind {kind}: install a newer memvid") from None
