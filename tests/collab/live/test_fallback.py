"""Where websockets are blocked: the same log by plain requests."""

import asyncio
import json
from base64 import b64decode
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient, Client
from pycrdt import Doc, Text

from collab.live import pool
from collab.models import LiveUpdate, Role

from .people import Browser, b64, run

pytestmark = pytest.mark.django_db(transaction=True)


class Polling:
    """A page that can only ask."""

    def __init__(self, memory, user):
        self.address = f"/memories/{memory.pk}/documents/1/live/"
        self.client = AsyncClient()
        self.user, self.doc, self.head, self.generation = user, Doc({"content": Text()}), None, None

    async def start(self):
        await sync_to_async(self.client.force_login)(self.user, "collab.accounts.Backend")
        return await self.post()

    async def post(self, *updates: bytes, **more):
        body = {
            "updates": [{"id": str(uuid4()), "update": b64(update)} for update in updates],
            "since": self.head,
            "generation": self.generation,
        }
        return self.take(await self.client.post(self.address, json.dumps(body | more), content_type="application/json"))

    async def ask(self, wait: int = 0):
        return self.take(
            await self.client.get(f"{self.address}?since={self.head}&wait={wait}&generation={self.generation}")
        )

    def take(self, response):
        answer = response.json()
        if response.status_code == 200:
            self.head, self.generation = answer["head"], answer["generation"]
            if answer["update"]:
                self.doc.apply_update(b64decode(answer["update"]))
        return response.status_code, answer

    def edit(self, text: str) -> bytes:
        before = self.doc.get_state()
        self.doc["content"].insert(0, text)
        return self.doc.get_update(before)


def test_requests_and_sockets_write_one_log(memory, alice):
    async def story():
        page, poll = Browser(memory), Polling(memory, alice)
        await page.join(alice)
        status, answer = await poll.start()
        assert status == 200 and answer["may_write"] and str(poll.doc["content"]) == "call me ishmael\n"
        _, answer = await poll.post(poll.edit("by request, "), b"\1nonsense")
        assert [one["seq"] for one in answer["saved"]] == [1] and len(answer["refused"]) == 1
        await page.until(lambda text: text.startswith("by request"))
        waiting = asyncio.create_task(poll.ask(wait=20))
        await page.type(0, "by socket, ")
        await waiting
        assert str(poll.doc["content"]) == page.text == "by socket, by request, call me ishmael\n"
        await page.leave()

    run(story)


def test_a_wait_ends_without_news_too(memory, alice, monkeypatch):
    monkeypatch.setattr("collab.live.views.LONGEST_WAIT", 0.05)

    async def story():
        poll = Polling(memory, alice)
        await poll.start()
        _, answer = await poll.ask(wait=20)
        assert (answer["head"], answer["update"]) == (0, None)

    run(story)


def test_the_same_message_by_both_ways_counts_once(memory, alice):
    async def story():
        page, poll = Browser(memory), Polling(memory, alice)
        await page.join(alice)
        await poll.start()
        update, message = page.edit(0, "x"), str(uuid4())
        await page.push(update, message)
        await page.expect("saved")
        _, answer = await poll.post(updates=[{"id": message, "update": b64(update)}])
        assert answer["saved"] == [{"id": message, "seq": 1}]
        await page.leave()

    run(story)
    assert LiveUpdate.objects.count() == 1


def test_rights(memory, alice, bob, charlie, bobs):
    async def story():
        for person, status in ((charlie, 404), (bob, 200)):
            assert (await Polling(memory, person).start())[0] == status
        reader = Polling(memory, bob)
        await reader.start()
        status, answer = await reader.post(reader.edit("no"))
        assert status == 403 and "not change" in answer["error"]
        bobs.role = Role.EDITOR
        await bobs.asave()
        assert (await reader.post(reader.edit("yes")))[0] == 200
        assert (await reader.post(generation=1))[0] == 409
        status, answer = await reader.post(reader.edit("of which text?"), generation=None)
        assert status == 400 and "name the generation" in answer["error"]
        response = await AsyncClient().get(reader.address)
        assert response.status_code == 401

    run(story)
    assert LiveUpdate.objects.count() == 1


def test_a_form_of_another_site_writes_nothing(memory, alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, "collab.accounts.Backend")
    address = f"/memories/{memory.pk}/documents/1/live/"
    assert client.post(address, "{}", content_type="text/plain").status_code == 403


@pytest.mark.parametrize(
    "body", ["", "[]", "null", "{", '{"updates": 5}', '{"updates": [{}]}', '{"updates": [{"id": 1, "update": "AAA="}]}',
             '{"vector": "%"}', '{"since": "x"}', '{"since": [], "vector": 5}', '{"since": 1e999}', '{"since": 1e30}',
             '{"since": -1}', '{"since": 0, "wait": "NaN!"}', '{"since": NaN}', "[" * 9000]
)  # fmt: skip
def test_nonsense_is_answered_with_one_line(memory, alice, body):
    async def story():
        poll = Polling(memory, alice)
        await sync_to_async(poll.client.force_login)(alice, "collab.accounts.Backend")
        response = await poll.client.post(poll.address, body, content_type="application/json")
        assert response.status_code == 400 and response.json()["error"]

    run(story)
    assert not LiveUpdate.objects.exists()


@pytest.mark.parametrize("query", ["since=1e999", "since=1e30", "since=-1", "since=NaN", "since=0&wait=1e999",
                                   "generation=1e999", "since=%00", "since=%ff", "since=" + "9" * 5000])  # fmt: skip
def test_nonsense_in_an_address_too(memory, alice, query):
    async def story():
        poll = Polling(memory, alice)
        await sync_to_async(poll.client.force_login)(alice, "collab.accounts.Backend")
        assert (await poll.client.get(f"{poll.address}?{query}")).status_code == 400

    run(story)


def test_the_pool_is_the_event_loops_own(memory):
    async def ask():
        async with pool.connection() as database:
            return (await (await database.execute("SELECT current_database()")).fetchone())[0]

    from django.db import connection

    async def story():
        assert await ask() == connection.settings_dict["NAME"]

    run(story)
    run(story)
