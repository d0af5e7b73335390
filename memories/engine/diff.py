"""What changed between two memories, or between two commits of one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cached_property

from rapidfuzz.distance import LCSseq

from .memory import Memory
from .model import Chunk, ChunkRef, Document


@dataclass(frozen=True)
class Side:
    """One version of a chunk."""

    id: str
    path: str
    text: str
    frame: int


@dataclass(frozen=True)
class Change:
    """How one text became another: in a word, and the share of their words that both have, in order."""

    kind: str
    similarity: float


# In the order in which they are looked for: the first that fits.
KINDS = {
    "spacing": "only spaces or line ends", "case": "only capital and small letters", "punctuation": "only punctuation",
    "figures": "only numbers", "extended": "words were added", "shortened": "words were taken out",
    "reworded": "some words are others", "rewritten": "most words are others",
}  # fmt: skip
MOST_WORDS = 6000  # of a chunk, that are compared in order
REWRITTEN = 0.5  # similarity below which most words are others


def change_of(old: str, new: str) -> Change:
    before, after = re.findall(r"\w+", old), re.findall(r"\w+", new)
    if [word.casefold() for word in before] == [word.casefold() for word in after]:
        return Change(_kind_of_same_words(old, new, before == after), 1.0)
    both = LCSseq.similarity(before[:MOST_WORDS], after[:MOST_WORDS]) if before and after else 0
    share = both / min(MOST_WORDS, max(len(before), len(after)))
    if re.sub(r"\d+", "0", old) == re.sub(r"\d+", "0", new):
        kind = "figures"
    elif both == len(before) > 0:
        kind = "extended"
    elif both == len(after) > 0:
        kind = "shortened"
    else:
        kind = "reworded" if share >= REWRITTEN else "rewritten"
    return Change(kind, share)


def _kind_of_same_words(old: str, new: str, same_case: bool) -> str:
    if not same_case:
        return "case"
    return "spacing" if "".join(old.split()) == "".join(new.split()) else "punctuation"


@dataclass
class Diff:
    """Chunks by what became of them; documents by path, renamed ones with both."""

    added: list[Side] = field(default_factory=list)
    removed: list[Side] = field(default_factory=list)
    modified: list[tuple[Side, Side]] = field(default_factory=list)
    unchanged: int = 0
    documents_added: list[str] = field(default_factory=list)
    documents_removed: list[str] = field(default_factory=list)
    documents_changed: list[str] = field(default_factory=list)
    documents_renamed: list[tuple[str, str]] = field(default_factory=list)
    old_chunks: int = 0
    new_chunks: int = 0
    old_bytes: int = 0
    new_bytes: int = 0

    @cached_property
    def changes(self) -> list[Change]:
        """How each of the modified pairs changed."""
        return [change_of(old.text, new.text) for old, new in self.modified]

    @cached_property
    def similarity(self) -> float:
        """From 0 to 1: the chunks that both have, a modified one in part, among those of both."""
        whole = self.old_chunks + self.new_chunks
        alike = self.unchanged + sum(change.similarity for change in self.changes)
        return 2 * alike / whole if whole else 1.0

    @property
    def growth(self) -> float | None:
        """How much longer the text is than before, as a share of it; None when there was none."""
        return (self.new_bytes - self.old_bytes) / self.old_bytes if self.old_bytes else None


def diff(old: Memory, new: Memory) -> Diff:
    """From `old` to `new`. Documents are matched by path, chunks by their text in order. A document that is gone while
    the same one is there under another path was renamed."""
    result = Diff()
    result.old_chunks, result.old_bytes = _measure(old)
    result.new_chunks, result.new_bytes = _measure(new)
    before = {document.path: document for document in old.documents()}
    after = {document.path: document for document in new.documents()}
    for path, target in _renamed(before, after):
        result.documents_renamed.append((path, target))
        result.unchanged += len(new.chunks(after.pop(target).number))
        del before[path]
    for path in sorted(before.keys() | after.keys()):
        _document(result, old, before.get(path), new, after.get(path))
    return result


def _measure(memory: Memory) -> tuple[int, int]:
    refs = memory.chunks()
    return len(refs), sum(ref.size for ref in refs)


def _renamed(before: dict[str, Document], after: dict[str, Document]) -> list[tuple[str, str]]:
    """Empty documents are all the same, so they tell nothing."""
    gone: dict[tuple[bytes, str], list[str]] = {}
    for path in sorted(before.keys() - after.keys(), reverse=True):
        if before[path].size:
            gone.setdefault((before[path].digest, before[path].split), []).append(path)
    pairs = []
    for path in sorted(after.keys() - before.keys()):
        if same := gone.get((after[path].digest, after[path].split)):
            pairs.append((same.pop(), path))
    return pairs


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
