"""Several memories into a new one; each stays as it is."""

from pathlib import Path
from typing import Any

from .. import facts, mirror
from ..engine import Memory as MemoryFile
from ..engine.publishing import publish
from ..engine.writer import Note
from ..models import Memory
from ..working import Hold, JobFailed
from . import indexing
from .rewriting import bring_vectors
from .writing import alone, author, draft_path


def merge(hold: Hold) -> dict[str, Any]:
    """Written beside, with a last commit that says what the memory is; whole files only get the name."""
    with alone(hold) as memory:
        if not memory.path.exists():
            _merge(hold, memory, _sources(hold))
        elif not _is_ours(hold, memory):
            raise JobFailed("this memory has a file already: merge into a new one")
        mirror.follow(memory, hold.part(80, 99, stoppable=False))
        bring_vectors(memory)
    return {"next": indexing.queue(memory, hold.job.created_by)}


def _is_ours(hold: Hold, memory: Memory) -> bool:
    with MemoryFile.open(memory.path) as file:
        return any(commit.request_id == str(hold.job.pk) for commit in file.commits())


def _sources(hold: Hold) -> list[Memory]:
    """In the order that was asked for; what the person may not see any more is not merged."""
    keys = [str(key) for key in hold.job.params.get("sources") or []]
    seen = Memory.objects.present().filter(pk__in=keys)
    if hold.job.created_by:
        seen = seen.visible_to(hold.job.created_by)
    by_key = {str(row.pk): row for row in seen}
    if missing := [key for key in keys if key not in by_key]:
        raise JobFailed(f"{len(missing)} of these memories were deleted, or are no longer shared with you")
    rows = [by_key[key] for key in dict.fromkeys(keys) if by_key[key].path.exists()]
    if not rows:
        raise JobFailed("there is nothing to merge: these memories are empty")
    return rows


def _merge(hold: Hold, memory: Memory, sources: list[Memory]) -> None:
    out: Path = draft_path(memory, hold.job)
    out.unlink(missing_ok=True)
    report = hold.part(0, 80)

    def progress(done: int, total: int, stage: str) -> None:
        report(done, total, "merging")

    try:
        names, paths = [row.name for row in sources], [row.path for row in sources]
        with MemoryFile.merge(out, paths, progress=progress, names=names) as file:
            note = Note(author(hold.job), f"Merged {len(sources)} memories", str(hold.job.pk), facts.of(memory))
            file.apply(lambda planner: None, note, even_if_empty=True)
        hold.check()
        publish(str(out), memory.path)
    finally:
        out.unlink(missing_ok=True)
