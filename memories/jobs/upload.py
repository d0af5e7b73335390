"""Storing the files of an upload as one commit.

1. What an earlier attempt has committed is found by the request id and only written down.
2. The files that still wait are read and committed; one that cannot be read fails alone.
3. The rows follow the file, then each file gets its outcome, then what the job had staged is dropped.
4. The meaning is indexed as the memory says: now, in a job of its own, or not at all.

Killed anywhere, the next attempt goes on: before the commit nothing has happened, after it nothing is done twice.
"""

from collections.abc import Collection, Iterable
from functools import partial
from typing import Any

from django.db import transaction

from .. import mirror
from ..engine import Memory as MemoryFile
from ..engine.changes import Planner
from ..engine.config import Config
from ..engine.gather import split_settings, text_name
from ..engine.ingest import text_source
from ..engine.model import Outcome
from ..models import Job, JobFile, Memory
from ..working import Hold, JobFailed
from . import indexing, live, recovery, staged
from .staged import Staged
from .writing import alone, commit

BATCH = 500
State = JobFile.State


def store(hold: Hold) -> dict[str, Any]:
    with alone(hold) as memory:
        _settle_earlier(hold, memory)
        files = _waiting(hold.job)
        if files or _may_remove(hold.job):
            _store(hold, memory, files)
        mirror.follow(memory, hold.part(70, 95, stoppable=False))
        for number in hold.job.result.get("commits", ()):
            live.adopt(memory, number)
        live.reconcile(hold, memory)
        staged.drop(hold.job)
    _refuse_nothing(hold.job)
    result: dict[str, Any] = {"message": _summary(hold.job), "next": []}
    if hold.job.result.get("commits"):
        result["next"] = indexing.after_writing(hold, memory)
    return result


def _waiting(job: Job) -> list[JobFile]:
    text = job.params.get("text")
    if text and not job.files.exists():
        JobFile.objects.create(job=job, path=text_name("text", [text]), size=len(text.encode()))
    return list(job.files.filter(state=State.WAITING).order_by("pk"))


def _may_remove(job: Job) -> bool:
    return bool(job.params.get("sync_roots")) and not job.result.get("commits")


def _request(job: Job) -> str:
    """The job's id; a later attempt that stores what failed in an earlier one needs an id of its own."""
    rounds = len(job.result.get("commits", []))
    return f"{job.pk}.{rounds + 1}" if rounds else str(job.pk)


def _settle_earlier(hold: Hold, memory: Memory) -> None:
    """Writes down what an attempt that was killed after its commit has stored."""
    request = _request(hold.job)
    found = recovery.find(memory, hold.job, request, _waiting(hold.job))
    if found is not None:
        number, outcomes, removed = found
        mirror.follow(memory, hold.part(70, 95, stoppable=False))
        _record(hold, number, outcomes, removed)


def _store(hold: Hold, memory: Memory, files: list[JobFile]) -> None:
    with Staged(hold.job, files) as reading:
        result = commit(
            hold, partial(_plan, hold, files, reading), message=_message(hold.job, files),
            request=_request(hold.job), progress=hold.part(20, 70),
        )  # fmt: skip
        outcomes = _outcomes(files, result.outcomes, reading)
    removed = [outcome for outcome in result.outcomes if outcome.state == "removed"]
    if result.commit is not None:
        mirror.follow(memory, hold.part(70, 95, stoppable=False))
    _record(hold, result.commit.number if result.commit else None, outcomes, removed, reading.hopeless)


def _plan(hold: Hold, files: list[JobFile], reading: Staged, file: MemoryFile, planner: Planner) -> None:
    report = hold.part(0, 20)
    for done, source in enumerate(reading.sources()):
        report(done, len(files), f"reading file {done + 1} of {len(files)}")
        planner.put(source)
    if text := hold.job.params.get("text"):
        planner.put(text_source(text, text_name("text", [text]), split_settings(Config())))
    if file.exists:
        named = set(hold.job.files.values_list("path", flat=True))
        for path in lost(file, hold.job.params.get("sync_roots") or (), named):
            planner.remove(path)
    hold.check()


def lost(file: MemoryFile, roots: Iterable[str], named: set[str]) -> list[str]:
    """Documents below those folders that are not among the files; what was left out or failed is still there."""
    folders = tuple(f"{root}/" for root in roots if root)
    paths = (document.path for document in file.documents())
    return [path for path in paths if folders and path.startswith(folders) and path not in named]


def _message(job: Job, files: list[JobFile]) -> str:
    if message := job.params.get("message"):
        return message
    return f"Upload of {len(files)} files" if len(files) != 1 else "Upload of a file"


def _outcomes(files: list[JobFile], found: list[Outcome], reading: Staged) -> dict[str, Outcome]:
    """By path. Whoever comes twice under one path is said to."""
    outcomes = {path: Outcome(path, "skipped", reason) for path, reason in reading.left_out.items()}
    outcomes |= {path: Outcome(path, "failed", reason) for path, reason in reading.failed.items()}
    for outcome in found:
        if outcome.state != "removed":
            reason = reading.public(outcome.reason)
            outcomes[outcome.path] = Outcome(outcome.path, outcome.state, reason, outcome.document, outcome.chunks)
    return outcomes


def _record(
    hold: Hold,
    number: int | None,
    outcomes: dict[str, Outcome],
    removed: list[Outcome],
    hopeless: Collection[str] = (),
) -> None:
    """Outcomes and the number of the commit, in one transaction: the next attempt sees all of it or nothing."""
    job = hold.job
    changed = [_fill(file, outcomes[file.path]) for file in _waiting(job) if file.path in outcomes]
    for file in changed:
        if file.path in hopeless:
            file.staged = ""  # there is nothing to try again
    gone = [
        JobFile(job=job, path=one.path, state=State.REMOVED, reason="no longer in its folder", document=one.document)
        for one in removed
    ]
    with transaction.atomic():
        JobFile.objects.bulk_update(changed, ("state", "reason", "document", "staged"), batch_size=BATCH)
        JobFile.objects.bulk_create(gone, batch_size=BATCH)
        if number is not None:
            hold.keep(commits=[*job.result.get("commits", []), number])
        if job.params.get("text"):
            job.params = {**job.params, "text": None}
            Job.objects.filter(pk=job.pk).update(params=job.params)


def _fill(file: JobFile, outcome: Outcome) -> JobFile:
    file.state, file.reason, file.document = outcome.state, outcome.reason, outcome.document
    return file


def _refuse_nothing(job: Job) -> None:
    """An upload of which nothing is in the memory has not ended well."""
    failed = job.files.filter(state=State.FAILED).order_by("pk")
    if job.result.get("commits") or not failed or job.files.filter(state__in=(State.STORED, State.UNCHANGED)).exists():
        return
    first, others = failed[0], len(failed) - 1
    and_others = f" {others} other{'s' if others > 1 else ''} failed too." if others else ""
    again = failed.exclude(staged="").exists() or job.params.get("text")
    do = "Try again." if again else "Trying again would not help: mend or leave out what failed, and upload that."
    why = first.reason if first.path in first.reason else f"{first.path}: {first.reason}"
    raise JobFailed(f"Nothing was stored. {why.rstrip('.')}.{and_others} {do}")


def _summary(job: Job) -> str:
    states = list(job.files.values_list("state", flat=True))
    parts = [f"{states.count(state)} {state}" for state in State.values if states.count(state)]
    return ", ".join(parts) or "nothing to store"
