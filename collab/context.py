"""What every page of the workspace shows around its content."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from memories.queries import open_job_count

from .access import may_manage_here, may_write_here, workspaces_of
from .notifications import unread_count


def shell(request: HttpRequest) -> dict[str, Any]:
    """Lazy, so that fragments and error pages ask the database for nothing that they do not show."""
    membership = getattr(request, "membership", None)
    common = {
        "membership": membership,
        "open_signup": settings.MEMVID_OPEN_SIGNUP,
        "unread_notifications": SimpleLazyObject(lambda: unread_count(request.user)),
    }
    if membership is None:
        return common
    return {
        **common,
        "workspace": membership.workspace,
        "workspaces": SimpleLazyObject(lambda: workspaces_of(request.user)),
        "may_write": may_write_here(request),
        "may_manage": may_manage_here(request),
        "open_jobs": SimpleLazyObject(lambda: open_job_count(membership.workspace, request.user)),
    }
