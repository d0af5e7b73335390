"""Requests and frames that no page of ours sends: nothing breaks, and nobody learns more than they may."""

import asyncio
from base64 import b64decode

import pytest
from django.db import connection
from pycrdt import write_var_uint

from collab.live import consumer, outbox
from collab.models import LiveClient, LiveDocument, Membership

from .people import Browser, b64, run
from .test_fallback import Polling

pytestmark = pytest.mark.django_db(transaction=True)

TOO_FAR = 10**30


@pytest.mark.parametrize(
    "body", ['{"since": 1e999}', '{"since": 0, "wait": NaN}', '{"since": 0, "wait": Infinity}', '{"since": "1"}',
             '{"since": 0.5}', '{"vector": "////////////"}', '{"vector": "/////w8="}']
)  # fmt: skip
def test_numbers_that_are_none_are_answered_with_one_line(memory, alice, body):
    async def story():
        poll = Polling(memory, alice)
        await poll.start()
        response = await poll.client.post(poll.address, body, content_type="application/json")
        assert response.status_code == 400 and response.json()["error"]

    run(story)


@pytest.mark.parametrize(
    "query", ["since=inf", "since=1e400", "since=0&wait=inf", "wait=nan", "generation=1e9", "since=-5",
              f"since={TOO_FAR}"]
)  # fmt: skip
def test_nor_do_they_break_a_question(memory, alice, query):
    async def story():
        poll = Polling(memory, alice)
        await poll.start()
        assert (await poll.client.get(f"{poll.address}?{query}")).status_code == 400

    run(story)


def test_who_loses_the_right_while_they_wait_is_told_nothing_more(memory, alice, bob, bobs):
    def removed():
        Membership.objects.filter(pk=bobs.pk).delete()
        connection.close()  # the thread's own

    async def story():
        page, poll = Browser(memory), Polling(memory, bob)
        await page.join(alice)
        await page.type(0, "x")
        assert (await poll.start())[0] == 200
        waiting = asyncio.create_task(poll.ask(wait=20))
        await asyncio.to_thread(removed)
        await page.type(0, "secret ")
        status, answer = await waiting
        assert status == 404 and "update" not in answer
        await page.leave()

    run(story)


def test_a_socket_gets_the_ids_of_a_few_clients_and_the_whole_text_a_few_times(memory, bob):
    async def story():
        page = Browser(memory)
        await page.join(bob)
        for client in range(5000, 5100):
            await page.send({"type": "join", "generation": None, "vector": None, "client": client})
        assert "too much at once" in (await page.expect("refused"))["reason"]
        assert await page.closed() == 4429

    run(story)
    assert LiveClient.objects.filter(live=LiveDocument.objects.get()).count() < 50


def test_the_server_can_send_every_code_that_it_closes_with():
    """Others than 1000 and 3000 to 4999 are an error in the web server, and the socket stays open."""
    names = ("NOT_LOGGED_IN", "NOT_ALLOWED", "TOO_MANY", "TRY_LATER", "TOO_SLOW", "GENERATION", "REMOVED")
    codes = [getattr(module, name) for module in (consumer, outbox) for name in names if hasattr(module, name)]
    assert len(codes) == 8 and all(3000 <= code <= 4999 for code in codes)


def aware(client: int, state: str) -> str:
    data = state.encode()
    return b64(b"".join(map(write_var_uint, (1, client, 1, len(data)))) + data)


GOOD = '{"type": null, "tname": null, "item": {"client": 7, "clock": 3}, "assoc": 0}'


@pytest.mark.parametrize(
    "place", ["NaN", "5", "{}", '{"tname": "other"}', '{"item": {"client": -1, "clock": 0}}', '{"item": 5}',
              '{"item": {"client": 7, "clock": 1e400}}', '{"type": {"client": 1, "clock": 0}}', '{"item": {}}']
)  # fmt: skip
def test_a_cursor_that_yjs_could_not_draw_is_shown_to_nobody(memory, alice, bob, place):
    """A browser that fails on one cursor draws none any more."""

    async def story():
        hers, his = Browser(memory), Browser(memory)
        await hers.join(alice)
        await his.join(bob)
        for state, wanted in ((place, b'"cursor":null'), (GOOD, b'"clock":3')):
            frame = f'{{"cursor": {{"anchor": {GOOD}, "head": {state}}}}}'
            await hers.send({"type": "awareness", "update": aware(hers.doc.client_id, frame)})
            shown = b64decode((await his.expect("awareness"))["update"])
            assert wanted in shown and b"NaN" not in shown
        await hers.leave()
        await his.leave()

    run(story)
