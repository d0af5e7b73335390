"""Text files: which encoding gives every byte back, and the text in windows, so that size does not matter."""

import codecs
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from memories.engine.errors import IngestError

WINDOW = 1 << 20  # bytes read at a time
HEAD = 1 << 16  # bytes that decide whether an unknown file is text, and that hold a title or a header row

# Byte order marks stay in the text, so that encoding any run of chunks gives exactly their bytes.
# UTF-32 goes first: its little-endian mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Latin-1 last: it gives any bytes back.
LEGACY = ("cp1252", "latin-1")
BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class Scan:
    """What one pass over a file tells."""

    digest: bytes
    size: int
    encoding: str
    head: str


def scan(path: Path) -> Scan:
    """Reads the file once in the usual case (UTF-8 or marked), once more per legacy encoding tried."""
    encodings = _candidates(_first(path))
    for encoding in encodings:
        try:
            return _scan_as(path, encoding)
        except UnicodeError:
            continue
    raise AssertionError("latin-1 decodes everything")


def windows(path: Path, scanned: Scan) -> Iterator[str]:
    """The text again; fails if the file is no longer the one that was scanned."""
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder(scanned.encoding)()
    changed = IngestError(f"{shown(path)} changed while it was being read: run the command again")
    try:
        for block in blocks(path):
            digest.update(block)
            yield decoder.decode(block)
        yield decoder.decode(b"", True)
    except UnicodeError:
        raise changed from None
    if digest.digest() != scanned.digest:
        raise changed


def blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(WINDOW):
                yield block
    except OSError as error:
        raise unreadable(path, error) from None


def digest_of(path: Path) -> bytes:
    digest = hashlib.sha256()
    for block in blocks(path):
        digest.update(block)
    return digest.digest()


def looks_binary(path: Path) -> bool:
    """Judges by the first bytes only; OSError when they cannot be read."""
    head = _first(path)
    if any(head.startswith(mark) for mark, _ in MARKS):
        return False
    if b"\0" in head:
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeError:
        return _controls(head) > len(head) // 100
    return _controls(head) > len(head) // 10


def shown(path: Path | str) -> str:
    """A path that is safe in a message of one line."""
    text = str(path).encode("utf-8", "backslashreplace").decode()
    return text if text.isprintable() else repr(text)[1:-1]


def unreadable(path: Path, error: OSError) -> IngestError:
    return IngestError(f"{shown(path)} cannot be read: {error.strerror or error}")


def _scan_as(path: Path, encoding: str) -> Scan:
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder(encoding)()
    size, head = 0, ""
    for block in blocks(path):
        digest.update(block)
        text = decoder.decode(block)
        head = head or text[:HEAD]
        size += len(block)
    decoder.decode(b"", True)
    return Scan(digest.digest(), size, encoding, head)


def _candidates(first: bytes) -> tuple[str, ...]:
    marked = tuple(encoding for mark, encoding in MARKS if first.startswith(mark))
    return (*marked, "utf-8", *LEGACY)


def _first(path: Path) -> bytes:
    with path.open("rb", buffering=0) as file:
        return file.read(HEAD)


def _controls(head: bytes) -> int:
    return len(head) - len(head.translate(None, bytes([*range(1, 9), *range(14, 27), *range(28, 32), 127])))
