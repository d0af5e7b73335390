"""The one socket of a page: what changed in the workspace, as far as the person may know."""

from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth.models import AnonymousUser

from memories.models import Memory

from .events import user_group, workspace_group
from .models import User, Workspace

NOT_LOGGED_IN, NOT_ALLOWED = 4401, 4403


class WorkspaceConsumer(AsyncJsonWebsocketConsumer):
    groups_joined: tuple[str, ...] = ()

    async def connect(self) -> None:
        self.user, self.workspace = self.scope["user"], self.scope["url_route"]["kwargs"]["workspace"]
        await self.accept()
        if not self.user.is_authenticated:
            await self.close(NOT_LOGGED_IN)
        elif not await self._is_member():
            await self.close(NOT_ALLOWED)
        else:
            self.groups_joined = (workspace_group(self.workspace), user_group(self.user.pk))
            for group in self.groups_joined:
                await self.channel_layer.group_add(group, self.channel_name)
            await self.send_json({"type": "ready"})

    async def disconnect(self, code: int) -> None:
        for group in self.groups_joined:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def receive(self, **frame: Any) -> None:
        """Nothing is expected from the page, so nothing is parsed."""

    async def job_changed(self, event: dict[str, Any]) -> None:
        if event["memory"] is None or await self._may_see_jobs(UUID(event["memory"])):
            await self.send_json(event)

    async def memory_changed(self, event: dict[str, Any]) -> None:
        if await self._may_see(UUID(event["memory"])):
            await self.send_json(event)

    async def comment_changed(self, event: dict[str, Any]) -> None:
        if await self._may_comment(UUID(event["memory"])):
            await self.send_json(event)

    async def notified(self, event: dict[str, Any]) -> None:
        await self.send_json(event)

    async def rights_changed(self, event: dict[str, Any]) -> None:
        """What they may see of the lists is another now."""
        if not await self._is_member():
            await self.close(NOT_ALLOWED)
        else:
            await self.send_json({"type": event["type"]})

    @database_sync_to_async
    def _is_member(self) -> bool:
        return Workspace.objects.visible_to(self._person()).filter(pk=self.workspace).exists()

    @database_sync_to_async
    def _may_see(self, memory: UUID) -> bool:
        """Also in the trash: that it went there is what a page must hear."""
        return Memory.objects.visible_to(self._person()).filter(pk=memory).exists()

    @database_sync_to_async
    def _may_see_jobs(self, memory: UUID) -> bool:
        return Memory.objects.with_jobs_for(self._person()).filter(pk=memory).exists()

    def _person(self) -> User | AnonymousUser:
        """As they are now: who was deactivated since the page opened is nobody any more."""
        return User.objects.filter(pk=self.user.pk, is_active=True).first() or AnonymousUser()

    @database_sync_to_async
    def _may_comment(self, memory: UUID) -> bool:
        return Memory.objects.known_to(self._person()).filter(pk=memory).exists()


class Nowhere(AsyncJsonWebsocketConsumer):
    """An address without a socket: the handshake is refused. Unrouted, it would be answered as a failure of ours."""

    async def connect(self) -> None:
        await self.close()
