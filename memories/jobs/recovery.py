"""What a killed attempt has committed, told from the file alone."""

import hashlib
import os
from pathlib import Path

from .. import staging
from ..engine import Memory as MemoryFile
from ..engine.history import document_changes
from ..engine.model import Commit, Outcome
from ..models import Job, JobFile, Memory

Found = tuple[int, dict[str, Outcome], list[Outcome]]


def find(memory: Memory, job: Job, request: str, files: list[JobFile]) -> Found | None:
    """(commit, outcomes by path, removed documents) of the commit with that request; None when there is none.

    A file whose document the commit does not hold as it was staged gets no outcome: it was not stored.
    """
    if not memory.path.exists():
        return None
    with MemoryFile.open(memory.path) as file:
        commit = next((c for c in file.commits() if c.request_id == request), None)
        if commit is None:
            return None
        changes = [change for change in document_changes(file, commit.number - 1) if change.commit == commit.number]
    put = {change.number for change in changes if change.record is not None}
    gone = {change.number for change in changes if change.record is None}
    return commit.number, _stored(memory, job, commit, files, put), _removed(memory, commit, gone)


def _stored(memory: Memory, job: Job, commit: Commit, files: list[JobFile], put: set[int]) -> dict[str, Outcome]:
    with MemoryFile.open(memory.path, at=commit.number) as then:
        documents = {document.path: document for document in then.documents()}
    outcomes = {}
    for file in files:
        document = documents.get(file.path)
        if document is not None and document.digest == _digest(staging.folder_of(job.pk), file):
            state = "stored" if document.number in put else "unchanged"
            outcomes[file.path] = Outcome(file.path, state, document=document.number)
    return outcomes


def _digest(folder: Path, file: JobFile) -> bytes:
    try:
        with (folder / os.path.basename(file.staged)).open("rb") as data:
            return hashlib.file_digest(data, "sha256").digest()
    except OSError:
        return b""


def _removed(memory: Memory, commit: Commit, gone: set[int]) -> list[Outcome]:
    if not gone:
        return []
    with MemoryFile.open(memory.path, at=commit.number - 1) as before:
        documents = before.documents()
    return [Outcome(d.path, "removed", document=d.number) for d in documents if d.number in gone]
