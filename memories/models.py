"""The mirror of memory files, and the jobs that work on them. The truth is in each MP4; these rows can be rebuilt."""

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.utils import timezone

from collab.models import MANAGERS, WRITERS, Role, User, Workspace, memberships_of

from .engine.model import chunk_id

TRASH_DAYS = 30


class Visibility(models.TextChoices):
    PRIVATE = "private", "Private: you and the people you name"
    TEAM = "team", "Team: every member of the workspace"
    PUBLIC = "public", "Public: anyone with the address may read"


SHARED = (Visibility.TEAM, Visibility.PUBLIC)


class Rule(NamedTuple):
    """Who may do something: `shared` roles to memories of the team, `own` roles to those that the person made, and
    whether those may who are named as writers."""

    shared: tuple[Role, ...]
    own: tuple[Role, ...]
    writers: bool = False


WRITE = Rule(WRITERS, WRITERS, writers=True)
MANAGE = Rule(MANAGERS, WRITERS)
ERASE = Rule((Role.OWNER,), WRITERS)  # it cannot be undone: only an owner of the workspace, or who made the memory


class MemoryQuerySet(models.QuerySet):
    """The one place where it is decided who may see, write and manage a memory."""

    def present(self) -> "MemoryQuerySet":
        return self.filter(deleted_at=None)

    def trashed(self) -> "MemoryQuerySet":
        return self.exclude(deleted_at=None)

    def visible_to(self, user: Any) -> "MemoryQuerySet":
        return self.filter(Q(visibility=Visibility.PUBLIC) | _known(user))

    def known_to(self, user: Any) -> "MemoryQuerySet":
        """Without those that anybody may see: what people say about a memory is for who belongs to it."""
        return self.filter(_known(user))

    def with_jobs_for(self, user: Any) -> "MemoryQuerySet":
        """Whose jobs the person may know of. A job names people, and files that are in no memory: it is not public.
        What lies in the trash is known to who may restore it."""
        return self.known_to(user).present() | self.manageable_by(user)

    def writable_by(self, user: Any) -> "MemoryQuerySet":
        return self._by_rule(user, WRITE)

    def manageable_by(self, user: Any) -> "MemoryQuerySet":
        return self._by_rule(user, MANAGE)

    def erasable_by(self, user: Any) -> "MemoryQuerySet":
        return self._by_rule(user, ERASE)

    def _by_rule(self, user: Any, rule: Rule) -> "MemoryQuerySet":
        may = Q(visibility__in=SHARED, workspace__in=_workspaces(user, rule.shared)) | _own(user, rule.own)
        if rule.writers:
            may |= Q(pk__in=_people(user).filter(writes=True).values("memory"))
        return self.filter(may)


def _workspaces(user: Any, roles: tuple[Role, ...]) -> models.QuerySet:
    return memberships_of(user, roles).values("workspace")


def _known(user: Any) -> Q:
    """What somebody sees for being who they are."""
    members = Q(visibility__in=SHARED, workspace__in=_workspaces(user, tuple(Role)))
    return members | _own(user, tuple(Role)) | Q(pk__in=_people(user).values("memory"))


def _own(user: Any, roles: tuple[Role, ...]) -> Q:
    if not getattr(user, "is_authenticated", False):
        return Q(pk__in=())
    return Q(created_by=user, workspace__in=_workspaces(user, roles))


def _people(user: Any) -> models.QuerySet["MemoryPerson"]:
    if not getattr(user, "is_authenticated", False) or not user.is_active:
        return MemoryPerson.objects.none()
    return MemoryPerson.objects.filter(user=user)


class Memory(models.Model):
    """One MP4 file, and what its head says."""

    class State(models.TextChoices):
        EMPTY = "empty"  # no commit yet, so no file
        READY = "ready"
        BEHIND = "behind"  # the file lacks commits that the mirror has seen: an alarm
        DAMAGED = "damaged"

    class IndexMode(models.TextChoices):
        BACKGROUND = "background", "In the background, after the text is stored"
        IMMEDIATE = "immediate", "Before the upload counts as done"
        NONE = "none", "Not at all: keyword search only"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="memories")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    visibility = models.CharField(max_length=10, choices=Visibility, default=Visibility.TEAM)
    index_mode = models.CharField(max_length=12, choices=IndexMode, default=IndexMode.BACKGROUND)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    state = models.CharField(max_length=10, choices=State, default=State.EMPTY)
    alarm = models.TextField(blank=True, help_text="why the memory is behind or damaged, and what to do")
    file_id = models.CharField(max_length=32, blank=True, help_text="the identity inside the file")
    codec = models.CharField(max_length=10, blank=True)
    profile = models.CharField(max_length=12, default="compact")
    head = models.PositiveIntegerField(default=0, help_text="number of the newest mirrored commit")
    head_hash = models.CharField(max_length=64, blank=True)
    file_bytes = models.PositiveBigIntegerField(default=0, help_text="committed length of the file")
    text_bytes = models.PositiveBigIntegerField(default=0)
    frames = models.PositiveIntegerField(default=0)
    documents_count = models.PositiveIntegerField(default=0)
    chunks_count = models.PositiveIntegerField(default=0)
    objects = MemoryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "memories"
        indexes = (
            models.Index(fields=("workspace", "deleted_at", "-updated_at"), name="memory_listing"),
            GinIndex(fields=("tags",), name="memory_tags"),
        )

    def __str__(self) -> str:
        return self.name

    def allows(self, user: Any, *rules: Rule) -> list[bool]:
        """The same as the querysets say, for one memory and several rules by two small queries."""
        role = memberships_of(user).filter(workspace=self.workspace_id).values_list("role", flat=True).first()
        named = _people(user).filter(memory=self, writes=True).exists()
        own = role is not None and self.created_by_id == user.pk
        shared = self.visibility in SHARED
        return [
            (shared and role in rule.shared) or (own and role in rule.own) or (named and rule.writers) for rule in rules
        ]

    @property
    def path(self) -> Path:
        """Where the MP4 lies; it is there from the first commit on."""
        return settings.MEMVID_DATA_DIR / "memories" / f"{self.id}.mp4"

    @property
    def gone_on(self) -> Any:
        """When the trash lets go of it."""
        return self.deleted_at + timedelta(days=TRASH_DAYS) if self.deleted_at else None


class MemoryPerson(models.Model):
    """Somebody who may read, or also write, a memory whatever their role."""

    memory = models.ForeignKey(Memory, models.CASCADE, related_name="people")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    writes = models.BooleanField(default=False)

    class Meta:
        verbose_name_plural = "memory people"
        constraints = (models.UniqueConstraint(fields=("memory", "user"), name="memory_person_unique"),)

    def __str__(self) -> str:
        return f"{self.user} {'writes' if self.writes else 'reads'} {self.memory}"


class Commit(models.Model):
    memory = models.ForeignKey(Memory, models.CASCADE, related_name="commits")
    number = models.PositiveIntegerField()
    time = models.DateTimeField()
    author = models.TextField(blank=True)
    message = models.TextField(blank=True)
    request_id = models.TextField(blank=True)
    hash = models.CharField(max_length=64)
    first_frame = models.PositiveIntegerField()
    frames = models.PositiveIntegerField()
    put = models.PositiveIntegerField(help_text="chunks put")
    deleted = models.PositiveIntegerField(help_text="chunks deleted")
    metadata = models.JSONField(default=dict)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("memory", "number"), name="commit_unique"),)

    def __str__(self) -> str:
        return f"commit {self.number} of {self.memory_id}"


class PresentQuerySet(models.QuerySet):
    """Rows that commits added and removed."""

    def present(self) -> "PresentQuerySet":
        return self.filter(removed=None)

    def as_of(self, commit: int) -> "PresentQuerySet":
        return self.filter(Q(removed=None) | Q(removed__gt=commit), added__lte=commit)


class Document(models.Model):
    """The newest record of a document; `removed` is the commit that deleted it."""

    memory = models.ForeignKey(Memory, models.CASCADE, related_name="documents")
    number = models.PositiveIntegerField()
    path = models.CharField(max_length=1100)
    media_type = models.CharField(max_length=120)
    encoding = models.CharField(max_length=40, null=True)
    size = models.PositiveBigIntegerField(help_text="bytes of the original")
    digest = models.CharField(max_length=64)
    tags = ArrayField(models.TextField(), default=list)
    metadata = models.JSONField(default=dict)
    has_original = models.BooleanField(default=False)
    language = models.CharField(max_length=20, blank=True, help_text="whose stems its words are cut to")
    added = models.PositiveIntegerField(help_text="the commit that added it")
    changed = models.PositiveIntegerField(help_text="the commit that last changed it")
    removed = models.PositiveIntegerField(null=True)
    objects = PresentQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("memory", "number"), name="document_unique"),)
        indexes = (
            models.Index(fields=("memory", "path"), name="document_path"),
            models.Index(fields=("memory", "path", "id"), condition=Q(removed=None), name="document_listing"),
        )

    def __str__(self) -> str:
        return self.path


class Chunk(models.Model):
    """One version of a chunk: the commit that added it and the one that removed or replaced it.

    `text` is what the frame holds, with U+0000 shown as U+FFFD, which PostgreSQL cannot store otherwise.
    """

    memory = models.ForeignKey(Memory, models.CASCADE, related_name="chunks")
    document = models.ForeignKey(Document, models.CASCADE, related_name="chunks")
    order = models.BigIntegerField()
    added = models.PositiveIntegerField()
    removed = models.PositiveIntegerField(null=True)
    frame = models.PositiveIntegerField()
    frame_span = models.PositiveSmallIntegerField(default=1)
    size = models.PositiveIntegerField(help_text="UTF-8 bytes")
    lines = models.PositiveIntegerField(help_text="line feeds")
    text = models.TextField()
    metadata = models.JSONField(default=dict)
    flag = models.CharField(max_length=200, blank=True, help_text="a curator's note")
    objects = PresentQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("document", "order", "added"), name="chunk_unique"),)
        indexes = (
            models.Index(fields=("memory", "frame"), name="chunk_frame"),
            models.Index(fields=("memory",), name="chunk_removed", condition=Q(removed__isnull=False)),
        )

    def __str__(self) -> str:
        return f"{self.document} {self.order}"

    def chunk_id(self, number: int) -> str:
        """The chunk's name in the file; `number` is its document's."""
        return chunk_id(number, self.order)


class Job(models.Model):
    """One piece of slow work. A worker holds it by a lease that its heartbeat renews."""

    class Kind(models.TextChoices):
        UPLOAD = "upload", "Storing files"
        IMPORT = "import", "Importing a memory"
        MERGE = "merge", "Merging memories"
        VACUUM = "vacuum", "Vacuum"
        REMOVE = "remove", "Removing documents"
        ERASE = "erase", "Erasing documents"
        EDIT = "edit", "Storing a correction"
        INDEX = "index", "Indexing meaning"
        VERIFY = "verify", "Verifying"
        EXPORT = "export", "Preparing a download"
        MIRROR = "mirror", "Following the file"
        DUPLICATES = "duplicates", "Finding near-duplicates"
        COMPARE = "compare", "Comparing memories"
        LIVE = "live", "Writing edits into the video"

    class State(models.TextChoices):
        RECEIVING = "receiving"  # files are still on their way from the browser: no worker may take it yet
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="jobs")
    memory = models.ForeignKey(Memory, models.CASCADE, null=True, blank=True, related_name="jobs")
    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    stage = models.CharField(max_length=120, blank=True)
    percent = models.PositiveSmallIntegerField(null=True, blank=True)
    reason = models.TextField(blank=True, help_text="why it failed, and what to do")
    params = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=80, blank=True)
    cancel_requested = models.BooleanField(default=False)

    class Meta:
        indexes = (
            models.Index(fields=("workspace", "-created_at"), name="job_listing"),
            models.Index(fields=("state", "lease_until"), name="job_leases"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.state})"

    @property
    def is_open(self) -> bool:
        return self.state in (Job.State.RECEIVING, Job.State.QUEUED, Job.State.RUNNING)

    @property
    def age(self) -> timedelta:
        return timezone.now() - self.created_at


class JobFile(models.Model):
    """One file of an upload, and what became of it."""

    class State(models.TextChoices):
        WAITING = "waiting"
        STORED = "stored"
        UNCHANGED = "unchanged"
        SKIPPED = "skipped"
        REMOVED = "removed"
        FAILED = "failed"

    job = models.ForeignKey(Job, models.CASCADE, related_name="files")
    path = models.CharField(max_length=1100, help_text="the document's path, as it was in its folder")
    size = models.PositiveBigIntegerField(default=0)
    staged = models.CharField(max_length=200, blank=True, help_text="where the upload lies until it is stored")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    reason = models.TextField(blank=True)
    document = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        indexes = (models.Index(fields=("job", "state"), name="job_file_state"),)

    def __str__(self) -> str:
        return f"{self.path} ({self.state})"
