"""A file to be downloaded: the memory as it is now, or with its whole history."""

import os
from pathlib import Path
from typing import Any

from django.conf import settings

from ..engine import Memory as MemoryFile
from ..models import Memory
from ..working import Hold, JobFailed
from .rewriting import carry_vectors

PIECE = 4 << 20


def folder() -> Path:
    return settings.MEMVID_DATA_DIR / "exports"


def export(hold: Hold) -> dict[str, Any]:
    memory = hold.job.memory
    if memory is None or not memory.path.exists():
        raise JobFailed("there is nothing to download: the memory has no file")
    target = folder() / f"{hold.job.pk}.mp4"
    draft = folder() / f"{hold.job.pk}.draft"
    target.parent.mkdir(parents=True, exist_ok=True)
    draft.unlink(missing_ok=True)
    try:
        with MemoryFile.open(memory.path) as file:
            if hold.job.params.get("history"):
                _copy(hold, file, draft)
            else:
                file.vacuum(draft, progress=hold.part(0, 95)).close()
                carry_vectors(file, draft)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
    return {"file": target.name, "bytes": target.stat().st_size, "name": _download_name(memory)}


def _copy(hold: Hold, file: MemoryFile, draft: Path) -> None:
    """As far as it is committed; what a writer is adding meanwhile stays out."""
    length, view = file.log.length, file.log.view
    with draft.open("wb") as out:
        for start in range(0, length, PIECE):
            out.write(view.read(start, min(PIECE, length - start)))
            hold.progress(start, length, "copying")


def _download_name(memory: Memory) -> str:
    return "".join(c if c.isalnum() or c in " -_." else "-" for c in memory.name).strip(" .")[:100] + ".mp4"
