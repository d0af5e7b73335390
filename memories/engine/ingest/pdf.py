"""PDF through PDFium, page by page. PDFium is not thread-safe: one PDF at a time in a process."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from memories.engine.errors import IngestError
from memories.engine.ingest.markup import LONGEST_TITLE
from memories.engine.ingest.settings import SplitSettings
from memories.engine.ingest.split import prose
from memories.engine.model import Draft, Metadata

# PDFium's marks for a hyphen at the end of a line, and its line ends.
CLEANED = str.maketrans({"\ufffe": "-", "\x02": "-", "\r": None, "\0": None})


def describe(path: Path, option: str) -> Metadata:
    with closing(_open(path)) as document:
        named = document.get_metadata_dict(skip_empty=True)
        metadata: Metadata = {"pages": len(document)}
        for key in ("Title", "Author", "Subject", "Keywords"):
            if key in named:
                metadata[key.lower()] = _clean(named[key])[:LONGEST_TITLE]
        return metadata


def parse(path: Path, split: SplitSettings, option: str) -> Iterator[Draft]:
    with closing(_open(path)) as document:
        for number in range(len(document)):
            text = _page_text(document, number)
            for chunk in prose([text + "\n\n"] if text.strip() else [], split):
                yield Draft(chunk, {"page": number + 1})


def _page_text(document: Any, number: int) -> str:
    with closing(document[number]) as page, closing(page.get_textpage()) as textpage:
        return _clean(textpage.get_text_bounded())


def _clean(text: str) -> str:
    return text.translate(CLEANED).encode("utf-8", "replace").decode()


def _open(path: Path) -> Any:
    from pypdfium2 import PdfDocument, PdfiumError

    try:
        return PdfDocument(path)
    except PdfiumError as error:
        if "password" in str(error).lower():
            raise IngestError("is protected by a password: save it again without") from None
        raise IngestError("is damaged or not a PDF") from None
