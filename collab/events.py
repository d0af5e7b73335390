"""What is told to open pages. Only this module knows group names and the shapes of messages.

A message is a hint that something changed; the page fetches what it may see. A lost one is only a late screen.
"""

import logging
from typing import Any, Literal, NotRequired, TypedDict
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

log = logging.getLogger("memvid.events")


class JobChanged(TypedDict):
    type: Literal["job.changed"]
    job: str
    memory: str | None
    state: str
    stage: str
    percent: int | None


class MemoryChanged(TypedDict):
    type: Literal["memory.changed"]
    memory: str
    head: int


class CommentChanged(TypedDict):
    type: Literal["comment.changed"]
    memory: str
    document: int


class Notified(TypedDict):
    type: Literal["notified"]


class RightsChanged(TypedDict):
    type: Literal["rights.changed"]
    user: NotRequired[int]  # everybody's in the workspace without


def workspace_group(pk: int) -> str:
    return f"workspace.{pk}"


def user_group(pk: int) -> str:
    return f"user.{pk}"


def job_changed(workspace: int, job: UUID, memory: UUID | None, state: str, stage: str, percent: int | None) -> None:
    send(
        workspace_group(workspace),
        JobChanged(
            type="job.changed", job=str(job), memory=str(memory) if memory else None,
            state=state, stage=stage, percent=percent,
        ),
    )  # fmt: skip


def memory_changed(workspace: int, memory: UUID, head: int) -> None:
    send(workspace_group(workspace), MemoryChanged(type="memory.changed", memory=str(memory), head=head))


def comment_changed(workspace: int, memory: UUID, document: int) -> None:
    message = CommentChanged(type="comment.changed", memory=str(memory), document=document)
    send(workspace_group(workspace), message)


def notified(user: int) -> None:
    send(user_group(user), Notified(type="notified"))


def lists_changed(workspace: int) -> None:
    """To everybody in it: what they may see is another than before."""
    send(workspace_group(workspace), RightsChanged(type="rights.changed"))


def rights_changed(user: int) -> None:
    send(user_group(user), RightsChanged(type="rights.changed", user=user))


def send(group: str, message: Any) -> None:
    try:
        async_to_sync(get_channel_layer().group_send)(group, message)
    except Exception as error:  # Redis away: the page catches up when it polls or reloads
        log.warning("%s was not told of %s: %s", group, message["type"], error)
