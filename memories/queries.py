"""Reads for the pages."""

from typing import Any

from collab.models import Workspace

from .access import jobs_visible_to
from .models import Job


def open_job_count(workspace: Workspace, user: Any) -> int:
    open_states = (Job.State.QUEUED, Job.State.RUNNING)
    return jobs_visible_to(user).filter(workspace=workspace, state__in=open_states).distinct().count()
