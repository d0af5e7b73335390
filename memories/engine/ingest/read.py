"""From a file, a pasted text or ready-made chunks to a Source."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from memories.engine.errors import IngestError
from memories.engine.ingest import textfile
from memories.engine.ingest.archive import is_bomb
from memories.engine.ingest.registry import TEXT, Format, format_of
from memories.engine.ingest.settings import SplitSettings
from memories.engine.ingest.textfile import shown
from memories.engine.model import Draft, Source

T = TypeVar("T")
MAX_ORIGINAL = 10 * 1024 * 1024


def read_source(
    path: Path, name: str, split: SplitSettings, *, max_original: int = MAX_ORIGINAL, tags: Iterable[str] = ()
) -> Source:
    """Opens the file far enough to know that it can be read; IngestError says why it cannot.

    `settled` is known once `drafts()` has been drawn to its end. Drawing may raise IngestError too: the
    file may break off late, or change in between.
    """
    path = Path(path)
    size = _regular_size(path)
    chosen = format_of(name) or format_of(path.name) or _text_or_nothing(path)
    if chosen.extracted:
        return _extracted(path, name, size, chosen, split, max_original, tuple(tags))
    return _text(path, name, chosen, split, tuple(tags))


def text_source(
    text: str, name: str, split: SplitSettings, *, tags: Iterable[str] = (), media_type: str = ""
) -> Source:
    """A pasted text, parsed as a file of that name would be."""
    chosen = format_of(name) or TEXT
    if chosen.extracted:
        chosen = TEXT
    source = _source_of_text(text, name, split, tags, media_type or chosen.media_type)
    _set_parser(source, chosen, split, text[: textfile.HEAD], lambda: [text])
    return source


def chunks_source(
    chunks: Iterable[str],
    name: str,
    split: SplitSettings | None = None,
    *,
    tags: Iterable[str] = (),
    media_type: str = "text/plain",
) -> Source:
    """The caller's chunks with exactly their borders, however long they are."""
    texts = list(chunks)
    longest = max(map(len, texts), default=0)
    split = split or SplitSettings()
    source = _source_of_text("".join(texts), name, split, tags, media_type)
    source.drafts = lambda: map(Draft, texts)
    source.max_chunk = max(split.max_chunk, longest)
    source.split = "chunks"
    return source


def _source_of_text(text: str, name: str, split: SplitSettings, tags: Iterable[str], media_type: str) -> Source:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise IngestError(f"{shown(name)} holds half a surrogate pair, which is not text") from None
    return Source(
        path=name,
        digest=hashlib.sha256(data).digest(),
        drafts=list,
        size=len(data),
        media_type=media_type,
        tags=tuple(tags),
        overlap=split.overlap,
        max_chunk=split.max_chunk,
    )


def _text(path: Path, name: str, chosen: Format, split: SplitSettings, tags: tuple[str, ...]) -> Source:
    scanned = textfile.scan(path)
    source = Source(
        path=name,
        digest=scanned.digest,
        drafts=list,
        size=scanned.size,
        media_type=chosen.media_type,
        encoding=scanned.encoding,
        tags=tags,
        overlap=split.overlap,
        max_chunk=split.max_chunk,
    )
    _set_parser(source, chosen, split, scanned.head, lambda: textfile.windows(path, scanned))
    return source


def _set_parser(
    source: Source, chosen: Format, split: SplitSettings, head: str, texts: Callable[[], Iterable[str]]
) -> None:
    parser = chosen.load()
    if hasattr(parser, "describe"):
        source.metadata = parser.describe(head.removeprefix(textfile.BYTE_ORDER_MARK), chosen.option)
    source.split = split.named(chosen.option)
    source.drafts = lambda: parser.parse(texts(), split, source, chosen.option)


def _extracted(
    path: Path, name: str, size: int, chosen: Format, split: SplitSettings, max_original: int, tags: tuple[str, ...]
) -> Source:
    parser = chosen.load()
    digest = textfile.digest_of(path)
    metadata = _guarded(path, lambda: parser.describe(path, chosen.option))
    return Source(
        path=name,
        digest=digest,
        drafts=lambda: _drawn(path, size, lambda: parser.parse(path, split, chosen.option)),
        size=size,
        media_type=chosen.media_type,
        encoding=None,
        original=(lambda: _original(path, digest)) if size <= max_original else None,
        tags=tags,
        metadata=metadata,
        overlap=split.overlap,
        max_chunk=split.max_chunk,
        split=split.named(chosen.option),
    )


def _original(path: Path, digest: bytes) -> bytes:
    data = b"".join(textfile.blocks(path))
    if hashlib.sha256(data).digest() != digest:
        raise IngestError(f"{shown(path)} changed while it was being read: run the command again")
    return data


def _drawn(path: Path, size: int, drafts: Callable[[], Iterator[Draft]]) -> Iterator[Draft]:
    iterator = _guarded(path, drafts)
    characters = 0
    while draft := _guarded(path, lambda: next(iterator, None)):
        characters += len(draft.text)
        if is_bomb(characters, size):
            raise IngestError(f"{shown(path)} gives more than {characters >> 20} MB of text, like a bomb: not stored")
        yield draft


def _guarded(path: Path, work: Callable[[], T]) -> T:
    """Parsers of foreign formats may fail in any way on a hostile file; each way becomes one plain line."""
    try:
        return work()
    except IngestError as error:
        raise IngestError(f"{shown(path)} {error}") from None
    except OSError as error:
        raise textfile.unreadable(path, error) from None
    except Exception as error:
        reason = shown(str(error).partition("\n")[0][:200]) or type(error).__name__
        raise IngestError(f"{shown(path)} is damaged or not what its name says: {reason}") from error


def _regular_size(path: Path) -> int:
    """Asked before opening: opening a pipe would wait for its other end."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise textfile.unreadable(path, error) from None
    if not stat.S_ISREG(status.st_mode):
        raise IngestError(f"{shown(path)} is not a regular file")
    return status.st_size


def _text_or_nothing(path: Path) -> Format:
    try:
        binary = textfile.looks_binary(path)
    except OSError as error:
        raise textfile.unreadable(path, error) from None
    if binary:
        raise IngestError(f"{shown(path)} is binary, and no parser knows its extension")
    return TEXT
