"""A memory as of one of its commits, and one of its frames: reads for the watch page."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, OuterRef, QuerySet, Subquery

from ..engine.errors import MemvidError
from ..engine.model import chunk_id
from ..engine.pages import CONTINUES, Kind, Page
from ..engine.reader import Reader
from ..engine.records import Block
from ..models import Chunk, Commit, Document, Memory
from .files import OPEN_FILES

MOST_COMMITS = 5000  # whose first frames the page knows, for jumping from commit to commit
MOST_TICKS = 200
MOST_TEXT = 40_000  # characters of one frame; a frame of ordinary text holds about ten thousand
MOST_SPAN = 1000  # frames that one chunk may lie in: far more than the splitter's largest needs

KINDS = {
    Kind.MANIFEST: ("Title page", "The first frame of every memory: its identity, and how its frames are drawn."),
    Kind.DICTIONARY: ("Word list", "Frequent words of your documents, so that the frames after it can be smaller."),
    Kind.RECORDS: ("Text", "Passages of your documents and what is known about them."),
    Kind.ATTACHMENT: ("Original file", "A piece of a file as it was uploaded, so that you can get it back unchanged."),
    Kind.PARITY: ("Safety copy", "Extra data from which damaged frames near it can be restored."),
    Kind.COMMIT_END: (
        "End of a commit",
        "Seals a saved change: nothing in it can be altered any more.",
    ),
}


@dataclass(frozen=True)
class Counts:
    documents: int
    chunks: int
    frames: int


@dataclass(frozen=True)
class Passage:
    """What a frame holds of one chunk. `row` is its mirrored row, as far as there is one."""

    id: str
    text: str
    removes: bool
    row: Chunk | None
    goes_on: bool


@dataclass(frozen=True)
class FrameText:
    number: int
    commit: Commit | None
    kind: str
    meaning: str
    passages: list[Passage]
    described: list[str]  # paths of the documents whose records it holds
    problem: str = ""


def commit_of(memory: Memory, number: int | None) -> Commit | None:
    """The commit of that number; the head for None, and None for a memory without any."""
    commits = Commit.objects.filter(memory=memory)
    return commits.filter(number=number).first() if number else commits.order_by("-number").first()


def counts_at(memory: Memory, commit: Commit | None) -> Counts:
    if commit is None:
        return Counts(0, 0, 0)
    return Counts(
        Document.objects.filter(memory=memory).as_of(commit.number).count(),
        Chunk.objects.filter(memory=memory).as_of(commit.number).count(),
        commit.first_frame + commit.frames,
    )


def documents_at(memory: Memory, number: int) -> QuerySet[Document]:
    """Each with the frame in which it begins."""
    chunks = Chunk.objects.filter(document=OuterRef("pk")).as_of(number)
    begins = Subquery(chunks.order_by("order").values("frame")[:1])
    return Document.objects.filter(memory=memory).as_of(number).annotate(begins=begins).order_by("path", "number")


def chunk_counts(documents: list[Document], number: int) -> dict[int, int]:
    """By primary key of the document."""
    chunks = Chunk.objects.filter(document__in=documents).as_of(number)
    return dict(chunks.order_by().values_list("document").annotate(n=Count("*")))


def chunks_at(document: Document, number: int) -> QuerySet[Chunk]:
    return Chunk.objects.filter(document=document).as_of(number).order_by("order")


def commit_starts(memory: Memory) -> list[list[int]]:
    """[number, first frame] of the newest commits, oldest first."""
    found = Commit.objects.filter(memory=memory).order_by("-number").values_list("number", "first_frame")
    return [list(row) for row in reversed(found[:MOST_COMMITS])]


def ticks(memory: Memory) -> list[dict[str, Any]]:
    """Commits for the history slider: all of them, or evenly chosen ones with the first and the last."""
    step = max(1, -(-memory.head // MOST_TICKS))
    wanted = {*range(1, memory.head + 1, step), memory.head}
    commits = Commit.objects.filter(memory=memory, number__in=wanted).order_by("number")
    return list(commits.values("number", "time", "message"))


def first_text_frame(memory: Memory) -> int:
    return Chunk.objects.filter(memory=memory).order_by("frame").values_list("frame", flat=True).first() or 0


def frame_rate(memory: Memory) -> tuple[float, str]:
    """(frames a second, why the file cannot be opened)."""
    if not memory.head:
        return 0.0, ""
    try:
        with OPEN_FILES.reader(memory) as reader:
            return float(reader.profile.rate), ""
    except MemvidError as error:
        return 0.0, plain(memory, error)


def plain(memory: Memory, error: MemvidError) -> str:
    """Without the place on the server's disk, and as a sentence."""
    name = memory.path.name
    text = str(error).replace(str(memory.path), name)
    text = text.removeprefix(f"{name}, ").removeprefix(f"{name}: ").replace(name, "the file")
    return text[:1].upper() + text[1:]


# -- one frame


def frame_text(memory: Memory, number: int) -> FrameText:
    """What the frame holds, or why it cannot be said. The number must be one of the memory's frames."""
    commit = Commit.objects.filter(memory=memory, first_frame__lte=number).order_by("-first_frame").first()
    try:
        with OPEN_FILES.reader(memory) as reader:
            page, block = _page_and_block(reader, number)
    except MemvidError as error:
        return FrameText(number, commit, "Unreadable", "This frame could not be read.", [], [], plain(memory, error))
    kind, meaning = KINDS[page.kind]
    if block is None:
        return FrameText(number, commit, kind, meaning, [], [])
    described = [str(record.get("path", "")) for record in block.documents if isinstance(record, dict)]
    return FrameText(number, commit, kind, meaning, _passages(memory, number, block), described)


def _page_and_block(reader: Reader, number: int) -> tuple[Page, Block | None]:
    page = reader.log.page(number)
    return page, reader.log.blocks.at(number) if page.kind == Kind.RECORDS else None


def _passages(memory: Memory, number: int, block: Block) -> list[Passage]:
    rows = _rows(memory, number)
    left, found = MOST_TEXT, []
    for index, piece in enumerate(block.pieces):
        text = (piece.text or b"").decode("utf-8", "replace")[:left]
        left -= len(text)
        row = rows.get((piece.document, piece.order))
        goes_on = index == len(block.pieces) - 1 and bool(block.flags & CONTINUES)
        found.append(Passage(chunk_id(piece.document, piece.order), text, piece.text is None, row, goes_on))
        if left <= 0:
            break
    return found


def _rows(memory: Memory, number: int) -> dict[tuple[int, int], Chunk]:
    """Versions of chunks that lie in the frame, by document number and order."""
    near = Chunk.objects.filter(memory=memory, frame__lte=number, frame__gt=number - MOST_SPAN)
    lying = near.filter(frame__gt=number - F("frame_span")).select_related("document").defer("text")
    return {(row.document.number, row.order): row for row in lying.order_by("added")}
