"""Records and the pages that carry them.

The payload of a records page is two parts. First, plain, the columns: a varint count of chunk
operations and for each a varint `size << 2 | flags`. Without flags it puts `size` bytes of text at the
next place: same document, order key ORDER_STEP further. Flag 1 (PLACED) means that two more varints
follow: zigzag differences of document number and order key to the operation before (at first 0, 0).
Flag 2 (DELETES) means that the chunk is deleted. Then, as one zstd frame (RFC 8878): a varint and that
many bytes of JSON (document records under "d", numbers of deleted documents under "x", chunk metadata
under "m" by operation index; no bytes when there is none), and the UTF-8 text of all puts in one
stream. Text may be cut anywhere between characters: an operation can go on in the next records page,
where it is the first and has no metadata.

The columns stay outside the zstd frame because a code tuned to text spends twice their size on them.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import zstandard

from . import varint
from .errors import Damaged
from .model import ORDER_STEP
from .shapes import check_record

MAX_ORIGINAL = 1 << 26  # an original may inflate to this, or to MOST_INFLATION times its stored size
MOST_INFLATION = 200
MAX_INFLATED = 1 << 23  # a page of 3 KB that inflates to more than this is hostile
MOST_TEXT = 1 << 20  # that a writer puts into a page


@dataclass(slots=True)
class Operation:
    """Puts (`text` not None) or deletes one chunk."""

    document: int
    order: int
    text: bytes | None = None
    metadata: dict[str, Any] | None = None


@dataclass(slots=True)
class Head:
    """A document record that is put, or the number of a document that is deleted."""

    put: dict[str, Any] | None = None
    delete: int | None = None


@dataclass(slots=True)
class Piece:
    """What a page holds of one operation; `text` None is a deletion."""

    document: int
    order: int
    text: bytes | None
    metadata: dict[str, Any] | None = None


@dataclass(slots=True)
class Block:
    """A records page taken apart."""

    documents: list[dict[str, Any]] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    flags: int = 0  # of the page's header
    size: int = 0  # bytes that it inflated to


PLACED, DELETES = 1, 2


def build(heads: list[Head], pieces: list[Piece]) -> tuple[bytes, bytes]:
    """(columns, content to be compressed)."""
    header = _header(heads, pieces)
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode() if header else b""
    content = bytearray()
    varint.put(content, len(text))
    return _columns(pieces), bytes(content) + text + b"".join(piece.text for piece in pieces if piece.text)


def _columns(pieces: list[Piece]) -> bytes:
    out = bytearray()
    varint.put(out, len(pieces))
    document = order = 0
    for piece in pieces:
        placed = (piece.document, piece.order) != (document, order + ORDER_STEP)
        flags = (PLACED if placed else 0) | (DELETES if piece.text is None else 0)
        varint.put(out, len(piece.text or b"") << 2 | flags)
        if placed:
            varint.put(out, varint.zigzag(piece.document - document))
            varint.put(out, varint.zigzag(piece.order - order))
        document, order = piece.document, piece.order
    return bytes(out)


def _header(heads: list[Head], pieces: list[Piece]) -> dict[str, Any]:
    header: dict[str, Any] = {}
    if put := [head.put for head in heads if head.put is not None]:
        header["d"] = put
    if deleted := [head.delete for head in heads if head.delete is not None]:
        header["x"] = deleted
    if metadata := {str(i): piece.metadata for i, piece in enumerate(pieces) if piece.metadata}:
        header["m"] = metadata
    return header


def parse(payload: bytes, dictionary: zstandard.ZstdCompressionDict | None = None, flags: int = 0) -> Block:
    """The records of a page's payload; raises Damaged when it is none."""
    places, at = _parse_columns(payload)
    content = inflate(payload[at:], dictionary)
    length, at = varint.get(content, 0)
    header = _parse_header(content[at : at + length])
    at += length
    metadata = header.get("m", {})
    block = Block(header.get("d", []), header.get("x", []), flags=flags, size=len(content))
    for index, (document, order, size) in enumerate(places):
        text = None if size is None else content[at : at + size]
        at += size or 0
        block.pieces.append(Piece(document, order, text, metadata.get(str(index))))
    if at != len(content):
        raise Damaged("a page's text does not have the length that its columns say")
    return block


def _parse_columns(payload: bytes) -> tuple[list[tuple[int, int, int | None]], int]:
    """[(document, order, size or None)] and the position of the zstd frame."""
    count, at = varint.get(payload, 0)
    if count > len(payload):
        raise Damaged("a page claims more operations than it can hold")
    places, document, order = [], 0, 0
    for _ in range(count):
        value, at = varint.get(payload, at)
        step, ahead = 0, ORDER_STEP
        if value & PLACED:
            (step, ahead), at = varint.get_all(payload, at, 2)
            step, ahead = varint.unzigzag(step), varint.unzigzag(ahead)
        document, order = document + step, order + ahead
        if not (0 <= document < 1 << 32 and 0 <= order < 1 << 62):
            raise Damaged("a page names an absurd document or order key")
        places.append((document, order, None if value & DELETES else value >> 2))
    return places, at


def _parse_header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text) if text else {}
        shapes = (("d", list, dict), ("x", list, int))
        if not isinstance(header, dict) or not isinstance(header.get("m", {}), dict):
            raise ValueError("not an object")
        for key, outer, inner in shapes:
            values = header.get(key, [])
            if not isinstance(values, outer) or not all(isinstance(value, inner) for value in values):
                raise ValueError(f"{key!r} has the wrong shape")
        if not all(isinstance(metadata, dict) for metadata in header.get("m", {}).values()):
            raise ValueError("'m' has the wrong shape")
        for record in header.get("d", []):
            check_record(record)
        if not all(0 <= number < 1 << 32 for number in header.get("x", [])):
            raise ValueError("'x' names an absurd document")
        return header
    except (ValueError, RecursionError) as error:
        raise Damaged(f"a page's document records are not readable ({error})") from None


def inflate(payload: bytes, dictionary: zstandard.ZstdCompressionDict | None = None) -> bytes:
    """zstd with bounds; raises Damaged when it does not inflate or grows too large."""
    try:
        size = zstandard.frame_content_size(payload)
        if not 0 <= size <= MAX_INFLATED:
            raise Damaged("a page inflates to more than a page may hold")
        return zstandard.ZstdDecompressor(dict_data=dictionary).decompress(payload, max_output_size=MAX_INFLATED)
    except zstandard.ZstdError as error:
        raise Damaged(f"a page does not inflate ({error})") from None


def deflate_json(value: Any) -> bytes:
    return zstandard.ZstdCompressor(level=19).compress(json.dumps(value, ensure_ascii=False).encode())


def inflate_json(payload: bytes) -> dict[str, Any]:
    try:
        value = json.loads(inflate(payload))
    except (ValueError, RecursionError) as error:
        raise Damaged(f"a page's JSON is not readable ({error})") from None
    if not isinstance(value, dict):
        raise Damaged("a page's JSON is not an object")
    return value


def may_inflate(size: int, stored: int) -> bool:
    """Whether an original of `size` bytes may be kept as `stored` compressed ones; more would be a bomb."""
    return size <= max(MAX_ORIGINAL, MOST_INFLATION * stored)


def unpacked(stored: bytes, place: dict[str, Any]) -> bytes:
    """Original bytes from their stored form; raises Damaged when they do not have the size that the record says."""
    try:
        size = place["size"]
        if place["packed"] and not may_inflate(size, len(stored)):
            raise Damaged("an original inflates to more than it can hold")
        data = zstandard.ZstdDecompressor().decompress(stored, max_output_size=size) if place["packed"] else stored
    except zstandard.ZstdError as error:
        raise Damaged(f"an original does not inflate ({error})") from None
    if len(data) != size:
        raise Damaged("an original does not have the size that its record says")
    return data
