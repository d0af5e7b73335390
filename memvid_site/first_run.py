"""What a new installation begins with: an administrator, a workspace, and a memory made of the project's own docs."""

import os
import secrets
from pathlib import Path

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from collab.models import User, Workspace
from collab.services import make_workspace
from memories import services, staging
from memories.models import Job, JobFile, Memory

DEFAULT_EMAIL = "admin@localhost"
WORKSPACE = "First workspace"
MEMORY = "Memvid Workspace handbook"
DESCRIPTION = (
    "This project's own documentation, made at the first start to play with: search it, watch it, throw it away."
)


class BadAddress(Exception):
    """One line: what is wrong with MEMVID_ADMIN_EMAIL."""


def password_file() -> Path:
    return settings.MEMVID_DATA_DIR / "admin-password"


@transaction.atomic
def administrator() -> tuple[User, str]:
    """(the first administrator, their password or "" once they chose one of their own). Raises BadAddress."""
    named = os.environ.get("MEMVID_ADMIN_EMAIL", "").strip().lower()
    user = User.objects.filter(**({"email": named} if named else {"is_superuser": True})).order_by("pk").first()
    if user is None:
        return _make_administrator(named or DEFAULT_EMAIL)
    known = (os.environ.get("MEMVID_ADMIN_PASSWORD", ""), _kept_password())
    return user, next((password for password in known if password and user.check_password(password)), "")


def _make_administrator(email: str) -> tuple[User, str]:
    try:
        validate_email(email)
    except ValidationError:
        raise BadAddress(f"MEMVID_ADMIN_EMAIL is {email!r}: write an email address") from None
    password = os.environ.get("MEMVID_ADMIN_PASSWORD") or _keep_password(secrets.token_urlsafe(12))
    user = User.objects.create_superuser(email, password, name="Administrator")
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user, password


def _keep_password(password: str) -> str:
    password_file().unlink(missing_ok=True)
    with os.fdopen(os.open(password_file(), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password + "\n")
    return password


def _kept_password() -> str:
    try:
        return password_file().read_text().strip()
    except OSError:
        return ""


def first_workspace(owner: User) -> Workspace | None:
    """A workspace with its memory, once: None when this installation has one already, or had."""
    if Workspace.objects.exists():
        return None
    with transaction.atomic():
        workspace = make_workspace(owner, WORKSPACE)
        _sample_memory(workspace, owner)
    return workspace


def documentation() -> list[Path]:
    root = settings.BASE_DIR
    return sorted(path for path in (root / "README.md", *root.glob("docs/**/*.md")) if path.is_file())


def _sample_memory(workspace: Workspace, owner: User) -> Memory | None:
    """By an upload like any other, so that its progress shows on the first page."""
    files = documentation()
    if not files:
        return None
    memory = services.make_memory(workspace, owner, name=MEMORY, description=DESCRIPTION, tags=["sample"])
    params = {"message": "The project's documentation", "sync_roots": [], "text": None}
    job = services.start_job(Job.Kind.UPLOAD, workspace=workspace, by=owner, memory=memory, params=params)
    for file in files:
        name = str(file.relative_to(settings.BASE_DIR))
        staged = staging.keep_text(job.pk, name, file.read_text(encoding="utf-8"))
        JobFile.objects.create(job=job, path=name, size=file.stat().st_size, staged=staged)
    return memory
