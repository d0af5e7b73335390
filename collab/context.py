"""What every page of the workspace shows around its content."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from memories.queries import open_job_count

from .access import may_manage_here, may_write_here, workspaces_of


def shell(request: HttpRequest) -> dict[str, Any]:
    membership = getattr(request, "membership", None)
    if membership is None or request.htmx:
        return {"membership": membership}
    return {
        "membership": membership,
        "workspace": membership.workspace,
        "workspaces": workspaces_of(request.user),
        "may_write": may_write_here(request),
        "may_manage": may_manage_here(request),
        "open_jobs": open_job_count(membership.workspace, request.user),
        "open_signup": settings.MEMVID_OPEN_SIGNUP,
    }
