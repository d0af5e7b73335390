from .live import LiveClient, LiveDocument, LiveUpdate, LiveVersion
from .people import (
    MANAGERS,
    WRITERS,
    Invitation,
    Membership,
    Role,
    User,
    UserManager,
    Workspace,
    a_week_from_now,
    memberships_of,
    token_digest,
)

__all__ = [
    "MANAGERS",
    "WRITERS",
    "Invitation",
    "LiveClient",
    "LiveDocument",
    "LiveUpdate",
    "LiveVersion",
    "Membership",
    "Role",
    "User",
    "UserManager",
    "Workspace",
    "a_week_from_now",
    "memberships_of",
    "token_digest",
]
