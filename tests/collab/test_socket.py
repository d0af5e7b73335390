"""The page's socket, through the real application, with two people at a time."""

import asyncio
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client
from django.utils import timezone

from collab.consumers import NOT_ALLOWED, NOT_LOGGED_IN
from collab.events import comment_changed, job_changed, memory_changed, notified, rights_changed
from collab.models import User, Workspace
from memories.services import make_memory, update_memory
from memvid_site.asgi import application
from tests.collab.live.people import session_of
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("no_connection_left")]


async def _open(workspace: Workspace, user: User | None = None, session: str = "") -> WebsocketCommunicator:
    headers = [(b"origin", b"http://localhost"), (b"host", b"localhost")]
    if user is not None:
        session = await sync_to_async(session_of)(user)
    if session:
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={session}".encode()))
    socket = WebsocketCommunicator(application, f"/ws/workspaces/{workspace.pk}/", headers=headers)
    await socket.connect()
    return socket


async def _ready(*sockets: WebsocketCommunicator) -> None:
    for socket in sockets:
        assert await socket.receive_json_from(5) == {"type": "ready"}


async def _closed(socket: WebsocketCommunicator) -> int:
    message = await socket.receive_output(5)
    assert message["type"] == "websocket.close", message
    return message["code"]


def test_a_removed_member_is_cut_off_and_nobody_else(workspace, alice, bob, bobs, as_):
    async def story():
        alices, his = await _open(workspace, alice), await _open(workspace, bob)
        await _ready(alices, his)
        await sync_to_async(as_(alice).post)(f"/settings/members/{bobs.pk}/remove/")
        assert await _closed(his) == NOT_ALLOWED
        await sync_to_async(job_changed)(workspace.pk, uuid4(), None, "done", "", 100)
        assert (await alices.receive_json_from(5))["type"] == "job.changed"
        await alices.disconnect()

    asyncio.run(story())


def test_a_changed_role_keeps_the_socket(workspace, alice, bob, bobs, as_):
    async def story():
        his = await _open(workspace, bob)
        await _ready(his)
        await sync_to_async(as_(alice).post)(f"/settings/members/{bobs.pk}/role/", {"role": "editor"})
        await sync_to_async(job_changed)(workspace.pk, uuid4(), None, "done", "", 100)
        assert await his.receive_json_from(5) == {"type": "rights.changed"}, "his lists are other ones now"
        assert (await his.receive_json_from(5))["type"] == "job.changed"
        await his.disconnect()

    asyncio.run(story())


def test_a_private_memory_is_told_to_its_maker_alone(workspace, alice, bob, new_memory):
    private, shared = new_memory(visibility="private"), new_memory(visibility="team")

    async def story():
        alices, his = await _open(workspace, alice), await _open(workspace, bob)
        await _ready(alices, his)
        for memory in (private, shared):
            await sync_to_async(memory_changed)(workspace.pk, memory.pk, 1)
        assert (await alices.receive_json_from(5))["memory"] == str(private.pk)
        assert (await his.receive_json_from(5))["memory"] == str(shared.pk), "the first he hears of"
        await alices.disconnect()
        await his.disconnect()

    asyncio.run(story())


def test_the_trash_is_told_of_without_what_works_on_it(workspace, alice, bob, new_memory):
    trashed, shared = new_memory(deleted_at=timezone.now()), new_memory()

    async def story():
        alices, his = await _open(workspace, alice), await _open(workspace, bob)
        await _ready(alices, his)
        for memory in (trashed, shared):
            await sync_to_async(job_changed)(workspace.pk, uuid4(), memory.pk, "running", "reading secret.txt", 1)
        assert (await alices.receive_json_from(5))["memory"] == str(trashed.pk)
        assert (await his.receive_json_from(5))["memory"] == str(shared.pk), "the first he hears of"
        await alices.disconnect()
        await his.disconnect()

    asyncio.run(story())


def _log_out(client: Client, user: User) -> None:
    client.post("/accounts/logout/")


def _new_password(client: Client, user: User) -> None:
    """Somebody who knows the old one, in another browser."""
    other = Client()
    other.force_login(user, backend="collab.accounts.Backend")
    facts = {"oldpassword": PASSWORD, "password1": "quite another one", "password2": "quite another one"}
    assert other.post("/accounts/password/change/", facts).status_code == 302


def _deactivate(client: Client, user: User) -> None:
    user.is_active = False
    user.save()


@pytest.mark.parametrize("ends", [_log_out, _new_password, _deactivate])
def test_a_session_that_ends_closes_its_sockets(workspace, alice, bob, new_memory, ends):
    new_memory()
    client = Client()
    client.force_login(bob, backend="collab.accounts.Backend")

    async def story():
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        his, hers = await _open(workspace, session=session), await _open(workspace, alice)
        await _ready(his, hers)
        await sync_to_async(ends)(client, bob)
        assert await _closed(his) == NOT_LOGGED_IN, "the first he hears of"
        await sync_to_async(job_changed)(workspace.pk, uuid4(), None, "done", "", 100)
        assert (await hers.receive_json_from(5))["type"] == "job.changed", "hers is open"
        await hers.disconnect()

    asyncio.run(story())


def test_a_log_out_elsewhere_keeps_the_other_browsers_socket(workspace, bob, as_):
    async def story():
        his = await _open(workspace, bob)
        await _ready(his)
        await sync_to_async(as_(bob).post)("/accounts/logout/")
        assert await his.receive_json_from(5) == {"type": "rights.changed"}
        await his.disconnect()

    asyncio.run(story())


def test_who_is_no_longer_logged_in_is_told_nothing(workspace, bob, new_memory):
    memory = new_memory()

    async def story():
        his = await _open(workspace, bob)
        await _ready(his)
        await sync_to_async(User.objects.filter(pk=bob.pk).update)(is_active=False)
        await sync_to_async(memory_changed)(workspace.pk, memory.pk, 1)
        await sync_to_async(rights_changed)(bob.pk)
        assert await _closed(his) == NOT_LOGGED_IN, "the first he hears of"

    asyncio.run(story())


def test_strangers_and_visitors_are_refused(workspace, charlie):
    async def story():
        assert await _closed(await _open(workspace, charlie)) == NOT_ALLOWED
        assert await _closed(await _open(workspace)) == NOT_LOGGED_IN

    asyncio.run(story())


@pytest.mark.parametrize(
    "frame", [{"text_data": "\0{not json"}, {"bytes_data": b"\xff\xfe\x00"}, {"text_data": "[" * 9000}]
)
def test_what_a_page_never_sends_changes_nothing(workspace, alice, frame):
    async def story():
        socket = await _open(workspace, alice)
        await _ready(socket)
        await socket.send_to(**frame)
        await sync_to_async(job_changed)(workspace.pk, uuid4(), None, "done", "", 100)
        assert (await socket.receive_json_from(5))["type"] == "job.changed"
        await socket.disconnect()

    asyncio.run(story())


def test_an_address_without_a_socket_refuses_the_handshake():
    async def run() -> bool:
        headers = [(b"origin", b"http://localhost"), (b"host", b"localhost")]
        socket = WebsocketCommunicator(application, "/ws/nowhere/", headers=headers)
        return (await socket.connect())[0]

    assert asyncio.run(run()) is False


def test_comments_are_told_to_those_inside_and_notices_to_their_person(workspace, alice, bob, new_memory):
    private, shared = new_memory(visibility="private"), new_memory(visibility="public")

    async def story():
        alices, his = await _open(workspace, alice), await _open(workspace, bob)
        await _ready(alices, his)
        for memory in (private, shared):
            await sync_to_async(comment_changed)(workspace.pk, memory.pk, 1)
        await sync_to_async(notified)(bob.pk)
        assert (await his.receive_json_from(5))["memory"] == str(shared.pk), "the first he hears of"
        assert await his.receive_json_from(5) == {"type": "notified"}
        for memory in (private, shared):
            assert (await alices.receive_json_from(5))["memory"] == str(memory.pk)
        assert await alices.receive_nothing(0.05)
        await alices.disconnect()
        await his.disconnect()

    asyncio.run(story())


def test_a_new_memory_and_another_circle_of_readers_are_told(workspace, alice, bob):
    async def story():
        his = await _open(workspace, bob)
        await _ready(his)
        row = await sync_to_async(make_memory)(workspace, alice, name="New", visibility="team")
        assert (await his.receive_json_from(5))["memory"] == str(row.pk)
        await sync_to_async(update_memory)(row, visibility="private")
        assert await his.receive_json_from(5) == {"type": "rights.changed"}, "which says nothing of the memory"
        await his.disconnect()

    asyncio.run(story())
