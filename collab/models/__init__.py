from .comments import Comment, Notification, Thread
from .live import LiveClient, LiveDocument, LiveUpdate, LiveVersion
from .people import (
    MANAGERS,
    WRITERS,
    Digest,
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
    "Comment",
    "Digest",
    "Invitation",
    "LiveClient",
    "LiveDocument",
    "LiveUpdate",
    "LiveVersion",
    "Membership",
    "Notification",
    "Role",
    "Thread",
    "User",
    "UserManager",
    "Workspace",
    "a_week_from_now",
    "memberships_of",
    "token_digest",
]
