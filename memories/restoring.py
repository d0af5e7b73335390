"""Rows from files alone: a workspace restored from a folder of memories, and rows compared with their files."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from collab.models import User, Workspace

from . import facts, mirror
from .engine import Memory as MemoryFile
from .engine.errors import MemvidError
from .engine.history import ChunkHistory, document_changes
from .engine.publishing import publish, temporary_beside
from .mirroring import clean
from .models import Chunk, Commit, Document, Memory

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Restored:
    """`lacking` counts chunks without a vector that the file could bring; `problem` says why nothing was restored."""

    file: str
    memory: Memory | None = None
    lacking: int = 0
    problem: str = ""


def restore(
    folder: Path, workspace: Workspace, owner: User | None, progress: Progress | None = None
) -> Iterator[Restored]:
    """Each memory of the folder, in the order of the names; one that cannot be read is told and left out."""
    for path in sorted(folder.glob("*.mp4")):
        try:
            yield _restore_one(path, workspace, owner, progress)
        except (MemvidError, OSError) as error:
            yield Restored(path.name, problem=str(error))


def _restore_one(path: Path, workspace: Workspace, owner: User | None, progress: Progress | None) -> Restored:
    with MemoryFile.open(path) as file:
        noted, identity, first = facts.in_file(file), file.id, file.commits()[0].time
    key = _key(path)
    known = Memory.objects.filter(pk=key).first()
    if known is not None and known.path != path.resolve() and known.file_id not in ("", identity):
        key, known = uuid4(), None  # another memory has that name by now
    if known is None:
        known = Memory(pk=key, workspace=workspace, created_by=owner, **facts.restored(noted, path.stem[:200]))
        _bring(path, known.path)
        known.save(force_insert=True)
        Memory.objects.filter(pk=known.pk).update(created_at=first)
    mirror.rebuild(known, progress)
    if known.state != Memory.State.READY:
        return Restored(path.name, known, problem=known.alarm)
    return Restored(path.name, known, _vectors(known))


def _key(path: Path) -> UUID:
    try:
        return UUID(path.stem)
    except ValueError:
        return uuid4()


def _bring(source: Path, target: Path) -> None:
    """A copy that is on the disk before it has its name; nothing where the file lies in its place already."""
    if source.resolve() == target.resolve():
        return
    descriptor, temporary = temporary_beside(target)
    try:
        with os.fdopen(descriptor, "wb") as out, source.open("rb") as data:
            shutil.copyfileobj(data, out, 1 << 20)
            out.flush()
            os.fsync(out.fileno())
            publish(temporary, target)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _vectors(memory: Memory) -> int:
    """Takes the vectors that the file brings, whoever made them: the operator vouches for it. Gives what is lacking."""
    from search.engine import boxes
    from search.services import import_vectors, known_model

    with MemoryFile.open(memory.path) as file:
        sizes = {
            model: box.content.packed.shape[1]
            for model in boxes.models(file)
            for box in boxes.read(file, boxes.VECTOR, model)
        }
    left = [
        import_vectors(memory, known_model(model, size), lambda done, total, stage: None)["lacking"]
        for model, size in sizes.items()
    ]
    return min(left, default=memory.chunks_count)


# -- comparing


def differences(memory: Memory) -> list[str]:
    """What the rows say otherwise than the file, a line each; nothing is changed."""
    found: list[str] = []
    with MemoryFile.open(memory.path) as file:
        if (memory.head, memory.head_hash) != (file.head.number, file.head.hash.hex()):
            found.append(f"the rows are at commit {memory.head}, the file at {file.head.number}")
        rows = dict(Commit.objects.filter(memory=memory).values_list("number", "hash"))
        found += _compare("commit", rows, {c.number: c.hash.hex() for c in file.commits()})
        rows, theirs = _document_rows(memory), _documents(file)
        found += _compare("document", rows, theirs)
        found += _compare("chunk", _chunk_rows(memory), _chunks(file, set(theirs)))
    return found


def _compare(what: str, ours: dict[Any, Any], theirs: dict[Any, Any]) -> list[str]:
    lacking = [f"{what} {key} is lacking" for key in theirs if key not in ours]
    extra = [f"{what} {key} is in no commit" for key in ours if key not in theirs]
    return lacking + extra + [f"{what} {key} differs" for key in theirs if key in ours and ours[key] != theirs[key]]


def _document_rows(memory: Memory) -> dict[int, tuple]:
    columns = ("number", "path", "digest", "size", "tags", "added", "changed", "removed")
    rows = Document.objects.filter(memory=memory).values_list(*columns)
    return {row[0]: (*row[1:4], tuple(row[4]), *row[5:]) for row in rows.iterator()}


def _documents(file: MemoryFile) -> dict[int, tuple]:
    added: dict[int, int] = {}
    found: dict[int, tuple] = {}
    for change in document_changes(file, 0):
        number, record = change.number, change.record
        if record is not None:
            added.setdefault(number, change.commit)
            tags = tuple(clean(str(tag)) for tag in record["tags"])
            facts = clean(record["path"])[:1100], record["digest"], record["size"], tags
            found[number] = (*facts, added[number], change.commit, None)
        elif number in found:
            found[number] = (*found[number][:-1], change.commit)
    return found


def _chunk_rows(memory: Memory) -> dict[tuple[int, int, int], tuple]:
    columns = ("document__number", "order", "added", "removed", "frame", "frame_span", "size", "lines", "text")
    rows = Chunk.objects.filter(memory=memory).values_list(*columns)
    return {row[:3]: (*row[3:8], _mark(row[8])) for row in rows.iterator()}


def _chunks(file: MemoryFile, documents: set[int]) -> dict[tuple[int, int, int], tuple]:
    deleted: dict[int, list[int]] = {}
    for change in document_changes(file, 0):
        if change.record is None:
            deleted.setdefault(change.number, []).append(change.commit)
    return {
        (v.document, v.order, v.added): (v.removed, v.frame, v.frames, v.size, v.lines, _mark(clean(v.text)))
        for v in ChunkHistory(file, 0).versions(deleted)
        if v.document in documents
    }


def _mark(text: str) -> bytes:
    return md5(text.encode(), usedforsecurity=False).digest()
