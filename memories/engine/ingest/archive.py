"""Zip containers from anywhere: opened only when inflating them cannot fill the memory."""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from memories.engine.errors import IngestError

LARGEST_TOTAL = 512 << 20
LARGEST_PART = 256 << 20
LARGEST_TREE = 32 << 20  # a part that is held as a tree takes several times its size
MOST_PARTS = 20_000
MOST_TAGS = 2_000_000  # in all trees and pages together: each costs time and room, however few bytes it takes
# Real documents stay below about 100:1; small ones may compress better without harm.
LARGEST_RATIO = 150
HARMLESS = 32 << 20

TREES = (".xml", ".rels", ".opf", ".ncx")
PAGES = (".xhtml", ".html", ".htm")
STREAMED = ("xl/worksheets/", "xl/sharedStrings")
BLOCK = 1 << 20

OLE_MAGIC = b"\xd0\xcf\x11\xe0"


def open_archive(path: Path, *, needs: str) -> ZipFile:
    """Checks the declared sizes, beyond which zipfile never inflates (for deflate, the one method let in)."""
    with path.open("rb") as file:
        if file.read(4) == OLE_MAGIC:
            raise IngestError("is protected by a password, or in the format before 2007: save it again without")
    try:
        archive = ZipFile(path)
    except BadZipFile:
        raise IngestError("is damaged or not what its name says: not a zip container") from None
    try:
        _check(archive, path.stat().st_size, needs)
        _check_tags(archive)
    except BaseException:
        archive.close()
        raise
    return archive


def is_bomb(inflated: int, size: int) -> bool:
    """Whether a file of `size` bytes has no business to give so many."""
    return inflated > max(HARMLESS, LARGEST_RATIO * size)


def _check(archive: ZipFile, size: int, needs: str) -> None:
    parts = archive.infolist()
    total = sum(part.file_size for part in parts)
    if len(parts) > MOST_PARTS or total > LARGEST_TOTAL or any(map(_too_large, parts)):
        raise IngestError(f"would inflate to {total >> 20} MB in {len(parts)} parts: more than is safe to open")
    if is_bomb(total, size):
        raise IngestError(f"is compressed {total // size}:1, like a bomb: not opened")
    if any(part.compress_type not in (ZIP_STORED, ZIP_DEFLATED) for part in parts):
        raise IngestError("is compressed by a method that such files never use: not opened")
    if any(part.flag_bits & 1 for part in parts):
        raise IngestError("is protected by a password: save it again without")
    if needs not in archive.namelist():
        raise IngestError(f"is damaged or not what its name says: {needs} is missing")


def _too_large(part: ZipInfo) -> bool:
    streamed = part.filename.startswith(STREAMED) or not part.filename.lower().endswith(TREES + PAGES)
    return part.file_size > (LARGEST_PART if streamed else LARGEST_TREE)


def _check_tags(archive: ZipFile) -> None:
    tags = 0
    for part in archive.infolist():
        if part.filename.lower().endswith(TREES + PAGES) and not part.filename.startswith(STREAMED):
            with archive.open(part) as file:
                tags += sum(block.count(b"<") for block in iter(lambda: file.read(BLOCK), b""))
        if tags > MOST_TAGS:
            raise IngestError(f"consists of more than {MOST_TAGS:,} elements: more than is safe to open")
