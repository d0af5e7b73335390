"""Which changes the audit trail keeps, and whose they were.

Only facts about people, rights and memories: nothing that a document holds is copied here, so that erasing one
leaves no text of it behind. Where somebody was when they did it is not kept: the address behind a proxy is whatever
the visitor's header says.
"""

from collections.abc import Callable

from auditlog.context import set_actor
from auditlog.registry import auditlog
from django.http import HttpRequest, HttpResponse

from memories.models import Memory, MemoryPerson

from .models import Invitation, Membership, User, Workspace

# Named one by one, so that a new column is not in the trail before somebody has thought of it.
KEPT = {
    User: ("email", "name", "is_active", "is_staff", "is_superuser"),
    Workspace: ("name",),
    Membership: ("workspace", "user", "role"),
    Invitation: ("workspace", "role", "created_by", "expires_at", "revoked_at"),
    Memory: ("workspace", "name", "tags", "visibility", "index_mode", "created_by", "deleted_at"),
    MemoryPerson: ("memory", "user", "writes"),
}


def register() -> None:
    for model, fields in KEPT.items():
        auditlog.register(model, include_fields=list(fields))


def name_actor(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: what a request changes was done by who sent it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        with set_actor(request.user if request.user.is_authenticated else None):
            return get_response(request)

    return middleware
