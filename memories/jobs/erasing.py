"""Erasing documents: from every commit of the file, every row, and every copy that the site has made.

It cannot be undone, and doing it twice does no harm: an attempt that was killed is simply made again.
"""

import json
import shutil
from typing import Any
from urllib.parse import unquote_plus

from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.db import connection, models, transaction
from django.db.models.functions import Cast

from collab.models import Comment, LiveClient, LiveDocument, LiveUpdate, LiveVersion, Notification, Thread
from search.models import LoggedQuery, SavedSearch

from .. import mirror, staging
from ..engine import Memory as MemoryFile
from ..engine.history import document_changes
from ..engine.rewrite import ERASED, striker
from ..media import shelf
from ..models import Chunk, Commit, Document, Job, JobFile, Memory
from ..working import Hold, JobFailed
from . import indexing, live
from .exporting import folder as exports
from .rewriting import bring_vectors, rewrite
from .writing import alone, drop, drop_drafts

STRUCK = {
    "object_repr": ERASED, "changes": None, "changes_text": "", "serialized_data": None, "additional_data": None,
}  # fmt: skip
LIVE = (LiveDocument, LiveUpdate, LiveClient, LiveVersion)
SAID = (Thread, Comment, Comment.mentions.through, Notification)
EMPTIED = (Chunk, Document, Commit, JobFile, Job, LogEntry, LoggedQuery, SavedSearch, *LIVE, *SAID)


def erase(hold: Hold) -> dict[str, Any]:
    numbers = {n for n in hold.job.params.get("documents") or () if isinstance(n, int)}
    with alone(hold) as memory:
        names = _names(memory, numbers) | set(hold.job.params.get("names") or ())
        numbers |= _numbers(memory, names) | set(hold.job.params.get("numbers") or ())
        if not names:
            raise JobFailed("these documents are no longer in this memory: nothing was erased")
        _set(hold.job, names=sorted(names), numbers=sorted(numbers))
        _clean_audit_of(memory, names, numbers)
        live.forget(memory, numbers)
        live.reconcile(hold, memory)
        if present := _in_file(memory, names):
            rewrite(hold, memory, lambda file, out: file.erase(present, out, hold.part(0, 70)).close())
        _clean_files(hold.job, memory, names)
        _clean_rows(hold.job, memory, names, numbers)
        mirror.rebuild(memory, hold.part(70, 95, stoppable=False))
        _clean_again(memory, names, numbers)
        live.reconcile(hold, memory, thorough=True)
        bring_vectors(memory)
        _clean_conversations(memory, names, numbers)
        _set(hold.job, names=None, numbers=None)
    _empty_tables()
    return {"erased": len(names), "next": indexing.queue(memory, hold.job.created_by)}


def _set(job: Job, **params: Any) -> None:
    """What the next attempt needs, should this one be killed when neither file nor rows know the names any more."""
    job.params = {key: value for key, value in {**job.params, **params}.items() if value is not None}
    Job.objects.filter(pk=job.pk).update(params=job.params)


def _names(memory: Memory, numbers: set[int]) -> set[str]:
    """Every path that the documents ever had; a document erases all others that ever had one of its paths."""
    return {change.record["path"] for change in _records(memory) if change.number in numbers}


def _numbers(memory: Memory, names: set[str]) -> set[int]:
    return {change.number for change in _records(memory) if change.record["path"] in names}


def _records(memory: Memory) -> list[Any]:
    if not memory.path.exists():
        return []
    with MemoryFile.open(memory.path) as file:
        return [change for change in document_changes(file, 0) if change.record is not None]


def _in_file(memory: Memory, names: set[str]) -> list[str]:
    return sorted({change.record["path"] for change in _records(memory)} & names)


# -- copies on the disk


def _clean_files(job: Job, memory: Memory, names: set[str]) -> None:
    """Drafts of this memory that a killed worker left, staged uploads, downloads, pictures of frames."""
    drop_drafts(memory)
    for file in JobFile.objects.filter(job__memory=memory, path__in=names).exclude(staged=""):
        staging.drop(file.job_id, file.staged)
    keys = list(Job.objects.filter(memory=memory).exclude(pk=job.pk).values_list("pk", flat=True))
    for key in keys:
        for path in (*exports().glob(f"{key}.*"), *exports().glob(f".{key}*")):
            drop(path)
        shutil.rmtree(staging.folder_of(key) / ".tree", ignore_errors=True)
        (staging.folder_of(key) / ".reading").unlink(missing_ok=True)
    shelf.forget(memory)
    _clean_cache(memory)


def _clean_cache(memory: Memory) -> None:
    """Cached answers about this memory, and the journal of the store they were in."""
    client = cache._cache.get_client(None, write=True)
    found = list(client.scan_iter(match=f"*{memory.pk}*", count=1000))
    if found:
        client.delete(*found)
        client.bgrewriteaof()


# -- rows that the mirror does not make anew


@transaction.atomic
def _clean_rows(job: Job, memory: Memory, names: set[str], numbers: set[int]) -> None:
    files = JobFile.objects.filter(job__memory=memory, path__in=names)
    jobs = set(files.values_list("job", flat=True))
    files.update(path=ERASED, reason="", staged="", document=None)
    strike = striker(names)
    for row in Job.objects.filter(memory=memory).exclude(pk=job.pk).iterator():
        _clean_job(row, strike, numbers, row.pk in jobs)
    _clean_searches(strike)
    _clean_comments(memory, strike, numbers)


def _clean_again(memory: Memory, names: set[str], numbers: set[int]) -> None:
    """What somebody opened or said while the documents' rows were still there: from now on nobody finds one."""
    live.forget(memory, numbers)
    _clean_comments(memory, striker(names), numbers)


def _clean_searches(strike: Any) -> None:
    """Searches of anybody that name a document; what else of its words they hold nobody can tell from other words."""
    logged = [(row.pk, [row.query, row.filters]) for row in LoggedQuery.objects.only("query", "filters").iterator()]
    saved = [(row.pk, [row.name, unquote_plus(row.params)]) for row in SavedSearch.objects.iterator()]
    for model, rows in ((LoggedQuery, logged), (SavedSearch, saved)):
        model.objects.filter(pk__in=[pk for pk, texts in rows if strike(texts) != texts]).delete()


def _clean_comments(memory: Memory, strike: Any, numbers: set[int]) -> None:
    """What was said about the documents goes; where others are discussed or their versions named, their names."""
    Thread.objects.filter(memory=memory, document_number__in=numbers).delete()
    said, named = Comment.objects.filter(thread__memory=memory), LiveVersion.objects.filter(live__memory=memory)
    for rows, column in ((said, "text"), (named, "label")):
        for row in rows.only(column).iterator():
            if (text := strike(getattr(row, column))) != getattr(row, column):
                rows.filter(pk=row.pk).update(**{column: text})


def _clean_job(row: Job, strike: Any, numbers: set[int], held_file: bool) -> None:
    before = (row.params, row.result, row.reason, row.stage)
    params, result, row.reason, row.stage = (strike(value) for value in before)
    if row.params.get("document") in numbers or (held_file and row.params.get("text")):
        params = {"erased": True}
    if row.kind == Job.Kind.EXPORT:
        result = {"erased": True}
    row.params, row.result = params, result
    if (row.params, row.result, row.reason, row.stage) != before:
        Job.objects.filter(pk=row.pk).update(params=row.params, result=row.result, reason=row.reason, stage=row.stage)


def _clean_conversations(memory: Memory, names: set[str], numbers: set[int]) -> None:
    """After the rows: from then on no new answer can quote the document."""
    from search import conversations  # loads numpy, as the handlers' other imports of search

    conversations.erase(memory, numbers, names)


def _clean_audit_of(memory: Memory, names: set[str], numbers: set[int]) -> None:
    """Who did something and when stays in the audit trail; what the document was called and said does not.

    First of all, while the rows that its entries are about can still be found.
    """
    documents = Document.objects.filter(memory=memory, number__in=numbers)
    for rows in (
        documents, Chunk.objects.filter(document__in=documents),
        JobFile.objects.filter(job__memory=memory, path__in=names),
    ):  # fmt: skip
        kind = ContentType.objects.get_for_model(rows.model)
        LogEntry.objects.filter(content_type=kind, object_id__in=rows.values("pk")).update(**STRUCK)
    for name in sorted(names | {name.rpartition("/")[2] for name in names}):
        LogEntry.objects.filter(pk__in=list(_saying(name).values_list("pk", flat=True))).update(**STRUCK)


def _saying(name: str) -> models.QuerySet[LogEntry]:
    columns = ("changes", "serialized_data", "additional_data")
    said = models.Q(object_repr__contains=name) | models.Q(changes_text__contains=name)
    for column in columns:
        said |= models.Q(**{f"{column}_said__contains": name})
        said |= models.Q(**{f"{column}_said__contains": json.dumps(name)[1:-1]})
    return LogEntry.objects.annotate(**{f"{c}_said": Cast(c, models.TextField()) for c in columns}).filter(said)


def _empty_tables() -> None:
    """Dead rows are made free now, not when the server finds time; their bytes go when the space is used again. And
    the planner's statistics quote frequent and sampled values: they are taken anew."""
    from search.models import Conversation, Posting, Segment, Turn

    with connection.cursor() as cursor:
        quoting = (Posting, Segment, Turn, Conversation)
        for relation in (*EMPTIED, *quoting, *(r.related_model for r in Chunk._meta.related_objects)):
            cursor.execute(f"VACUUM (ANALYZE) {connection.ops.quote_name(relation._meta.db_table)}")
