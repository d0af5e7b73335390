"""Writes: memories, jobs, trash. Slow work is only queued here."""

from uuid import UUID

from django.db import transaction

from collab.models import User, Workspace

from . import tasks
from .models import Job, Memory


def start_job(
    kind: str, *, workspace: Workspace, by: User | None, memory: Memory | None = None, params: dict | None = None
) -> Job:
    """The row, and after the transaction the message; a lost message is sent again by the reaper."""
    job = Job.objects.create(workspace=workspace, memory=memory, kind=kind, created_by=by, params=params or {})
    transaction.on_commit(lambda: _deliver(job.pk))
    return job


def _deliver(pk: UUID) -> None:
    try:
        tasks.deliver(pk)
    except OSError:  # the broker is away (kombu's OperationalError is one): the reaper sends it later
        pass
