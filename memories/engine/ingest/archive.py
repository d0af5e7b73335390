"""Zip containers from anywhere: opened only when inflating them cannot fill the memory."""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from memories.engine.errors import IngestError

LARGEST_TOTAL = 512 << 20
LARGEST_PART = 256 << 20
LARGEST_TREE = 32 << 20  # a part that is held as a tree takes several times its size
MOST_PARTS = 20_000
# Real documents stay below about 100:1; small ones may compress better without harm.
LARGEST_RATIO = 150
HARMLESS = 32 << 20

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
    except IngestError:
        archive.close()
        raise
    return archive


def _check(archive: ZipFile, size: int, needs: str) -> None:
    parts = archive.infolist()
    total = sum(part.file_size for part in parts)
    if len(parts) > MOST_PARTS or total > LARGEST_TOTAL or any(map(_too_large, parts)):
        raise IngestError(f"would inflate to {total >> 20} MB in {len(parts)} parts: more than is safe to open")
    if total > HARMLESS and total > LARGEST_RATIO * size:
        raise IngestError(f"is compressed {total // size}:1, like a bomb: not opened")
    if any(part.compress_type not in (ZIP_STORED, ZIP_DEFLATED) for part in parts):
        raise IngestError("is compressed by a method that such files never use: not opened")
    if any(part.flag_bits & 1 for part in parts):
        raise IngestError("is protected by a password: save it again without")
    if needs not in archive.namelist():
        raise IngestError(f"is damaged or not what its name says: {needs} is missing")


def _too_large(part: object) -> bool:
    streamed = part.filename.startswith("xl/") or not part.filename.lower().endswith(
        (".xml", ".rels", ".xhtml", ".html", ".htm", ".opf", ".ncx")
    )
    return part.file_size > (LARGEST_PART if streamed else LARGEST_TREE)
