"""What changed between two memories, or between two commits of one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from .memory import Memory
from .model import Chunk, ChunkRef, Document


@dataclass(frozen=True)
class Side:
    """One version of a chunk."""

    id: str
    path: str
    text: str
    frame: int


@dataclass
class Diff:
    """Chunks by what became of them; documents by path."""

    added: list[Side] = field(default_factory=list)
    removed: list[Side] = field(default_factory=list)
    modified: list[tuple[Side, Side]] = field(default_factory=list)
    unchanged: int = 0
    documents_added: list[str] = field(default_factory=list)
    documents_removed: list[str] = field(default_factory=list)
    documents_changed: list[str] = field(default_factory=list)
    old_chunks: int = 0
    new_chunks: int = 0


def diff(old: Memory, new: Memory) -> Diff:
    """From `old` to `new`. Documents are matched by path, chunks by their text in order."""
    result = Diff(old_chunks=len(old.chunks()), new_chunks=len(new.chunks()))
    before = {document.path: document for document in old.documents()}
    after = {document.path: document for document in new.documents()}
    for path in sorted(before.keys() | after.keys()):
        _document(result, old, before.get(path), new, after.get(path))
    return result


def _document(result: Diff, old: Memory, before: Document | None, new: Memory, after: Document | None) -> None:
    if before is None:
        result.documents_added.append(after.path)
        result.added += _sides(new, after)
    elif after is None:
        result.documents_removed.append(before.path)
        result.removed += _sides(old, before)
    elif before.digest == after.digest and before.split == after.split:
        result.unchanged += len(new.chunks(after.number))
    else:
        result.documents_changed.append(after.path)
        _chunks(result, list(_sides(old, before)), list(_sides(new, after)))


def _sides(memory: Memory, document: Document) -> Iterator[Side]:
    for ref in memory.chunks(document.number):
        yield _side(ref, memory.read(ref))


def _side(ref: ChunkRef, chunk: Chunk) -> Side:
    return Side(chunk.id, chunk.path, chunk.text, ref.frame)


def _chunks(result: Diff, before: list[Side], after: list[Side]) -> None:
    matcher = SequenceMatcher(None, [side.text for side in before], [side.text for side in after], autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            result.unchanged += b - a
            continue
        pairs = min(b - a, d - c)
        result.modified += list(zip(before[a : a + pairs], after[c : c + pairs], strict=True))
        result.removed += before[a + pairs : b]
        result.added += after[c + pairs : d]
