"""Jobs for the tests: queued as the pages queue them, worked on in this process."""

from uuid import uuid4

from memories import jobs, staging
from memories.engine import Memory as MemoryFile
from memories.models import Chunk, Job, JobFile, Memory


def queue(memory: Memory, kind: str, **params) -> Job:
    return Job.objects.create(
        workspace=memory.workspace, memory=memory, kind=kind, created_by=memory.created_by, params=params
    )


def stage(job: Job, files: dict[str, bytes | str]) -> None:
    for path, content in files.items():
        folder = staging.folder_of(job.pk)
        folder.mkdir(parents=True, exist_ok=True)
        name = uuid4().hex
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
        JobFile.objects.create(job=job, path=path, staged=name, size=len(data))


def upload(memory: Memory, files: dict[str, bytes | str], **params) -> Job:
    job = queue(memory, Job.Kind.UPLOAD, **{"message": "", "sync_roots": [], "text": None, **params})
    stage(job, files)
    return job


def work(job: Job) -> Job:
    jobs.run(job.pk)
    job.refresh_from_db()
    return job


def outcomes(job: Job) -> dict[str, str]:
    return dict(job.files.values_list("path", "state"))


def texts(memory: Memory) -> dict[str, str]:
    """By path, as the rows have them."""
    chunks = Chunk.objects.present().filter(memory=memory).select_related("document").order_by("document", "order")
    found: dict[str, str] = {}
    for chunk in chunks:
        found[chunk.document.path] = found.get(chunk.document.path, "") + chunk.text
    return found


def requests(memory: Memory) -> list[str]:
    with MemoryFile.open(memory.path) as file:
        return [commit.request_id for commit in file.commits()]


def is_whole(memory: Memory) -> bool:
    with MemoryFile.open(memory.path) as file:
        return file.verify().ok
