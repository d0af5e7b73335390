"""When edits are written into the video: after a pause in them, and at the latest a while after the first."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, F, Max, Min, OuterRef, Q, Subquery
from django.utils import timezone

from memories.models import Job, Memory
from memories.services import OPEN, start_job

from ..models import LiveDocument, LiveUpdate

AFTER_FAILURE = timedelta(minutes=10)


def start_jobs() -> int:
    """One for each memory that has edits to write and no job that does; after one that failed, not at once again."""
    now = timezone.now()
    failed = Q(state=Job.State.FAILED, finished_at__gt=now - AFTER_FAILURE)
    busy = Job.objects.filter(Q(state__in=OPEN) | failed, kind=Job.Kind.LIVE, memory=OuterRef("pk"))
    memories = list(Memory.objects.present().filter(~Exists(busy), pk__in=_due(now)).select_related("workspace"))
    for memory in memories:
        start_job(Job.Kind.LIVE, workspace=memory.workspace, by=None, memory=memory)
    return len(memories)


def _due(now: Any) -> list[Any]:
    first = LiveUpdate.objects.filter(live=OuterRef("pk"), seq=F("live__projected_seq") + 1).values("created_at")
    edited = LiveDocument.objects.filter(head_seq__gt=F("projected_seq")).annotate(first=Subquery(first))
    found = edited.values("memory").annotate(last=Max("updated_at"), since=Min("first"))
    quiet, longest = (timedelta(seconds=s) for s in (settings.LIVE_QUIET_SECONDS, settings.LIVE_LONGEST_SECONDS))
    return [
        row["memory"]
        for row in found
        if row["last"] < now - quiet or (row["since"] is not None and row["since"] < now - longest)
    ]
