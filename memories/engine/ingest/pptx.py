"""Presentations through python-pptx: the text, tables and notes of each slide."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from memories.engine.ingest.archive import open_archive
from memories.engine.ingest.docx import core_properties
from memories.engine.ingest.markup import LONGEST_TITLE
from memories.engine.ingest.settings import SplitSettings
from memories.engine.ingest.split import prose
from memories.engine.model import Draft, Metadata


def describe(path: Path, option: str) -> Metadata:
    presentation = _open(path)
    return core_properties(presentation.core_properties) | {"slides": len(presentation.slides)}


def parse(path: Path, split: SplitSettings, option: str) -> Iterator[Draft]:
    for number, slide in enumerate(_open(path).slides, 1):
        text = "".join(f"{line}\n" for line in _slide_lines(slide))
        metadata: Metadata = {"slide": number}
        title = slide.shapes.title
        if title is not None and title.text_frame.text.strip():
            metadata["title"] = " ".join(title.text_frame.text.split())[:LONGEST_TITLE]
        for chunk in prose([text + "\n"] if text else [], split):
            yield Draft(chunk, metadata)


def _open(path: Path) -> Any:
    from pptx import Presentation

    with open_archive(path, needs="ppt/presentation.xml"):
        return Presentation(str(path))


def _slide_lines(slide: Any) -> Iterator[str]:
    yield from _shape_lines(slide.shapes)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        yield from _paragraphs(slide.notes_slide.notes_text_frame)


def _shape_lines(shapes: Iterable[Any]) -> Iterator[str]:
    waiting = list(shapes)[::-1]
    while waiting:
        shape = waiting.pop()
        if hasattr(shape, "shapes"):
            waiting.extend(list(shape.shapes)[::-1])
        elif shape.has_text_frame:
            yield from _paragraphs(shape.text_frame)
        elif shape.has_table:
            for row in shape.table.rows:
                yield " | ".join(" ".join(cell.text.split()) for cell in row.cells)


def _paragraphs(frame: Any) -> Iterator[str]:
    return (paragraph.text.replace("\v", "\n") for paragraph in frame.paragraphs if paragraph.text.strip())
