"""The states of one document: what commits hold of it, what people named, and the text as it is edited now."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db.models import Count

from collab.live import log, texts
from collab.models import LiveDocument, LiveUpdate, LiveVersion

from .engine import Memory as MemoryFile
from .engine.textdiff import TextDiff
from .models import Chunk, Commit, Document

NOW = "now"
MOST_CHARACTERS = 8_000_000  # of the two texts that a page compares
WORDS = {
    LiveVersion.Kind.NAMED: "Named version",
    LiveVersion.Kind.RESTORE: "Kept before a restore",
    LiveVersion.Kind.MERGE: "Kept before a merge with a changed file",
}


class NoSuchVersion(Exception):
    """One line: which, and what to do."""


@dataclass(frozen=True)
class Version:
    """`key` names it in addresses: c3 is commit 3, v12 what was named or kept, now the text as it is edited."""

    key: str
    time: datetime
    title: str
    authors: str
    kind: str
    commit: int | None = None
    facts: list[str] = field(default_factory=list)
    removed: bool = False

    @property
    def short(self) -> str:
        return {"commit": f"Commit {self.commit}", NOW: "Now"}.get(self.kind, self.title)


def timeline(document: Document) -> list[Version]:
    """The newest first."""
    found = [*_commits(document), *_kept(document)]
    return [*_unwritten(document), *sorted(found, key=lambda version: version.time, reverse=True)]


def _commits(document: Document) -> Iterable[Version]:
    put, gone = (_counted(document, column) for column in ("added", "removed"))
    numbers = {*put, *gone, document.added, document.changed, document.removed} - {None}
    for commit in Commit.objects.filter(memory=document.memory_id, number__in=numbers):
        removed = commit.number == document.removed
        counts = ((put.get(commit.number, 0), "stored"), (gone.get(commit.number, 0), "replaced or removed"))
        facts = [f"{count:,} chunk{'' if count == 1 else 's'} {what}" for count, what in counts if count]
        yield Version(
            f"c{commit.number}", commit.time, commit.message or "Changed", commit.author, "commit", commit.number,
            ["document removed"] if removed else facts, removed,
        )  # fmt: skip


def _counted(document: Document, column: str) -> dict[int, int]:
    rows = Chunk.objects.filter(document=document).exclude(**{column: None}).order_by().values(column)
    return {row[column]: row["n"] for row in rows.annotate(n=Count("*"))}


def _of(document: Document) -> dict[str, Any]:
    return {"live__memory": document.memory_id, "live__document_number": document.number}


def live_of(document: Document) -> LiveDocument | None:
    return LiveDocument.objects.filter(memory=document.memory_id, document_number=document.number).first()


def _kept(document: Document) -> Iterable[Version]:
    """Texts that are kept beside the file; those that a commit holds too are shown as that commit."""
    rows = LiveVersion.objects.filter(**_of(document))
    for row in rows.defer("text").prefetch_related("authors"):
        words = WORDS[row.kind]
        facts = [words] if row.label and row.label != words else []
        yield Version(
            f"v{row.pk}", row.created_at, row.label or words, _names(row.authors.all()), row.kind, facts=facts
        )


def _unwritten(document: Document) -> Iterable[Version]:
    """Edits that no commit holds yet."""
    live = live_of(document)
    if live is None or live.head_seq <= live.projected_seq or document.removed is not None:
        return
    since = LiveUpdate.objects.filter(live=live, seq__gt=live.projected_seq).select_related("author")
    authors = {row.author_id: row.author for row in since.order_by("seq").distinct("seq", "author") if row.author}
    yield Version(NOW, live.updated_at, "Edits that are not in the video yet", _names(authors.values()), NOW)


def _names(people: Iterable[Any]) -> str:
    return ", ".join(str(person) for person in people)


# -- texts


def plain(text: str) -> str:
    """With line feeds alone, as texts are edited: what differs only in its line ends is no change of the text."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def text_of(document: Document, key: str) -> str:
    """Raises NoSuchVersion."""
    if key == NOW and document.removed is None:
        return present_text(document)
    if key[:1] == "c" and key[1:].isdecimal() and len(key) < 12:
        return _text_at(document, int(key[1:]))
    if key[:1] == "v" and key[1:].isdecimal() and len(key) < 20:
        text = LiveVersion.objects.filter(pk=int(key[1:]), **_of(document)).values_list("text", flat=True).first()
        if text is not None:
            return text
    raise NoSuchVersion("There is no such version of this document: choose one from the list.")


def _text_at(document: Document, commit: int) -> str:
    """Empty where the commit holds no such document, or not yet."""
    memory = document.memory
    if not 1 <= commit <= memory.head:
        raise NoSuchVersion(f"There is no commit {commit} of this memory: choose one from the list.")
    if commit < document.added or (document.removed is not None and commit >= document.removed):
        return ""
    with MemoryFile.open(memory.path, at=commit) as file:
        return plain("".join(file.chunk_texts(document.number)))


def present_text(document: Document) -> str:
    """As it is edited now; nobody is made to wait for the video."""
    live = live_of(document)
    return texts.text_of(log.state_now(live.pk).update) if live else _text_at(document, document.memory.head)


def compared(document: Document, old: str, new: str) -> TextDiff:
    """Raises NoSuchVersion, also for texts that are too long for a page."""
    before, after = text_of(document, old), text_of(document, new)
    if len(before) + len(after) > MOST_CHARACTERS:
        raise NoSuchVersion(
            "These texts are too long to be compared on a page: use memvid diff on the downloaded file."
        )
    return TextDiff(before, after)


def mark(old: str, new: str) -> str:
    """What a button says of the change that it takes back, to be found again in a text that has moved on."""
    return sha256(f"{len(old)}:{old}{new}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def find_change(found: TextDiff, wanted: str) -> int | None:
    for index, span in enumerate(found.changes):
        old, new = "".join(found.old[span.old_from : span.old_to]), "".join(found.new[span.new_from : span.new_to])
        if mark(old, new) == wanted:
            return index
    return None
