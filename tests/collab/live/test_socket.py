"""The socket of a document, through the real application, with several people at a time."""

import asyncio
import json
from base64 import b64decode
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.db import OperationalError
from django.db.models import F
from django.test import Client
from pycrdt import Array, Doc, Map, Text

from collab.live import groups, log, rights, seeding, texts
from collab.live.presence import encode
from collab.models import LiveDocument, LiveUpdate, Role, User
from memories import services
from memories.models import Memory

from .people import Browser, b64, run, session_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_one_types_the_other_sees_and_it_is_in_the_log_before_it_counts_as_saved(memory, alice, bob, bobs):
    bobs.role = Role.EDITOR
    bobs.save()

    async def story():
        hers, his = Browser(memory), Browser(memory)
        joined = await hers.join(alice)
        assert joined["may_write"] and joined["you"]["name"] == "Alice" and hers.text == "call me ishmael\n"
        await his.join(bob)
        seq = await hers.type(4, " not")
        stored = await LiveUpdate.objects.aget(live__memory=memory, seq=seq)
        assert stored.author_id == alice.pk
        assert await his.until(lambda text: " not" in text) == "call not me ishmael\n"
        await his.type(0, "😀 ")
        assert await hers.until(lambda text: "😀" in text) == his.text
        await hers.leave()
        await his.leave()

    run(story)
    state = log.state_now(LiveDocument.objects.get().pk)
    doc = Doc({"content": Text()})
    doc.apply_update(state.update)
    assert str(doc["content"]) == "😀 call not me ishmael\n" and state.head == 2


def test_two_who_open_a_document_at_once_seed_it_once(memory, alice):
    async def story():
        pages = [Browser(memory) for _ in range(4)]
        session = await sync_to_async(session_of)(alice)
        await asyncio.gather(*(page.connect(alice, session) for page in pages))
        await asyncio.gather(*(page.join() for page in pages))
        assert {page.text for page in pages} == {"call me ishmael\n"}
        for page in pages:
            await page.leave()

    run(story)
    assert LiveDocument.objects.count() == 1


def test_a_message_that_is_sent_again_adds_nothing(memory, alice):
    async def story():
        page = Browser(memory)
        await page.join(alice)
        update, message = page.edit(0, "x"), str(uuid4())
        seqs = []
        for _ in range(3):
            await page.push(update, message)
            seqs.append((await page.expect("saved"))["seq"])
        assert seqs == [1, 1, 1]
        await page.leave()

    run(story)
    assert LiveUpdate.objects.count() == 1 and LiveDocument.objects.get().head_seq == 1


def test_own_updates_come_back_as_numbers_alone(memory, alice):
    async def story():
        page = Browser(memory)
        await page.join(alice)
        await page.type(0, "x")
        frame = await page.expect("updates")
        assert (frame["first"], frame["last"], b64decode(frame["update"])) == (1, 1, b"\0\0")
        await page.leave()

    run(story)


def test_a_reader_sees_and_may_not_write(memory, alice, bob):
    async def story():
        hers, his = Browser(memory), Browser(memory)
        await hers.join(alice)
        assert not (await his.join(bob))["may_write"]
        message = await his.push(his.edit(0, "no "))
        refused = await his.expect("refused")
        assert refused["id"] == message and "not change" in refused["reason"]
        await hers.type(0, "yes ")
        await his.until(lambda text: "yes" in text)
        await hers.leave()
        await his.leave()

    run(story)
    assert LiveUpdate.objects.count() == 1


def test_strangers_visitors_and_foreign_documents(memory, alice, charlie, new_memory):
    async def story():
        assert await (await Browser(memory).connect(None)).closed() == 4401
        assert await (await Browser(memory).connect(charlie)).closed() == 4404
        assert await (await Browser(memory, number=99).connect(alice)).closed() == 4404
        page = await Browser(Memory(pk=uuid4())).connect(alice)
        assert await page.closed() == 4404

    run(story)
    assert not LiveDocument.objects.exists()


def test_who_loses_the_right_loses_the_socket_and_who_gets_another_is_told(memory, alice, bob, bobs, as_):
    async def story():
        his, hers = Browser(memory), Browser(memory)
        await his.join(bob)
        await hers.join(alice)
        await sync_to_async(as_(alice).post)(f"/settings/members/{bobs.pk}/role/", {"role": "editor"})
        assert (await his.expect("rights"))["may_write"]
        await his.type(0, "mine ")
        await sync_to_async(as_(alice).post)(f"/settings/members/{bobs.pk}/role/", {"role": "viewer"})
        assert not (await his.expect("rights"))["may_write"]
        await sync_to_async(as_(alice).post)(f"/settings/members/{bobs.pk}/remove/")
        assert await his.closed() == 4403
        await hers.type(0, "still ")
        await hers.leave()
        await his.leave()

    run(story)


def _log_out(session: str, user: User) -> None:
    client = Client()
    client.cookies["sessionid"] = session
    client.post("/accounts/logout/")


def _new_password(session: str, user: User) -> None:
    user.set_password("quite another one")
    user.save()


def _deactivate(session: str, user: User) -> None:
    user.is_active = False
    user.save(update_fields=["is_active"])


@pytest.mark.parametrize("ends", [_log_out, _new_password, _deactivate])
def test_a_session_that_ends_closes_its_sockets_at_once(memory, alice, bob, ends):
    """Not at the next look, which comes in a minute."""

    async def story():
        page, other = Browser(memory), Browser(memory)
        session = await sync_to_async(session_of)(alice)
        await page.connect(alice, session)
        await page.join()
        await other.join(bob)
        await sync_to_async(ends)(session, alice)
        assert await page.closed() == 4401
        await other.send({"type": "ping"})
        assert await other.expect("pong")
        await other.leave()

    run(story)


def test_a_memory_in_the_trash_is_closed(memory, alice):
    async def story():
        page = Browser(memory)
        await page.join(alice)
        await sync_to_async(services.trash)([memory])
        assert await page.closed() in (4403, 4404)

    run(story)


def test_another_generation_is_not_merged(memory, alice):
    async def story():
        page, old = Browser(memory), Browser(memory)
        await page.join(alice)
        await page.leave()
        await old.connect(alice)
        await old.send({"type": "join", "generation": 1, "vector": None, "client": 5})
        assert await old.closed() == 4409

    run(story)


def test_a_room_that_has_not_heard_of_another_generation_is_not_joined(memory, alice, bob, bobs):
    """Somebody stays connected, and the hint is lost."""

    async def story():
        there, back, new = Browser(memory), Browser(memory), Browser(memory)
        await there.join(alice)
        old = there.generation
        await LiveDocument.objects.aupdate(generation=F("generation") + 1)
        await back.connect(bob)
        await back.send({"type": "join", "generation": old, "vector": None, "client": 5})
        assert await back.closed() == 4409
        assert await there.closed() == 4409
        await new.join(alice)
        assert new.generation == old + 1
        assert await new.type(0, "Moby ")

    run(story)


def test_a_page_that_joins_once_more_after_its_text_began_anew_is_sent_away(memory, alice):
    async def story():
        page = Browser(memory)
        await page.join(alice)
        await LiveDocument.objects.aupdate(generation=F("generation") + 1)
        await page.send({"type": "join", "generation": page.generation, "vector": None, "client": page.doc.client_id})
        assert await page.closed() == 4409
        assert "joined" not in [frame["type"] for frame in page.frames]

    run(story)


def test_a_page_is_shown_nothing_of_a_generation_that_is_not_its_own(memory, alice):
    """Another process, which has heard of it, tells of an edit first."""

    async def story():
        page = Browser(memory)
        await page.join(alice)
        live = await LiveDocument.objects.aget()
        await sync_to_async(seeding.begin_anew)(live.pk)
        await live.arefresh_from_db()
        update, _ = texts.edits((await log.state(live.pk, live.generation)).update, "call me Ahab\n")
        stored = await log.append(live.pk, live.generation, [log.Entry(uuid4(), update, alice.pk)])
        hint = groups.appended(live.pk, live.generation, next(iter(stored.values())).seq, [update])
        await get_channel_layer().group_send(groups.live_group(live.pk), hint)
        assert await page.closed() == 4409
        assert "updates" not in [frame["type"] for frame in page.frames] and "Ahab" not in page.text

    run(story)


@pytest.mark.parametrize("place", ["rights", "subject", "binds"])
def test_while_the_database_is_away_a_page_is_told_to_come_again(memory, alice, monkeypatch, place):
    def away(*_):
        raise OperationalError("the server closed the connection")

    async def story():
        page = Browser(memory)
        if place == "binds":
            await page.join(alice)
        monkeypatch.setattr(rights, place, away)
        if place == "binds":
            other = Browser(memory)
            await page.push(other.edit(0, "by another client"))
        else:
            await page.connect(alice)
            await page.send({"type": "join", "generation": None, "vector": None, "client": 5})
        assert await page.closed() == 4503

    run(story)


# -- who is here


END = {"type": None, "tname": "content", "item": None, "assoc": 0}  # the end of the text, as Yjs writes it


def awareness(page: Browser, clock: int, state: object) -> str:
    return json.dumps({"type": "awareness", "update": b64(encode(page.doc.client_id, clock, state))})


def state_in(frame: dict) -> tuple[int, str]:
    data = b64decode(frame["update"])
    return data.index(b"{") if b"{" in data else -1, data.decode("utf-8", "replace")


def test_people_are_who_the_server_says_and_go_with_their_socket(memory, alice, bob):
    async def story():
        hers, his = Browser(memory), Browser(memory)
        await hers.join(alice)
        await his.join(bob)
        forged = {"user": {"id": alice.pk, "name": "Alice", "colour": "#000"}, "cursor": {"anchor": END, "head": END}}
        await his.send(awareness(his, 1, forged))
        text = state_in(await hers.expect("awareness"))[1]
        assert '"name":"Bob"' in text and "#000" not in text and '"anchor"' in text
        third = Browser(memory)
        joined = await third.join(alice)
        assert [b"Bob" in b64decode(state) for state in joined["awareness"]] == [True]
        await his.leave()
        assert state_in(await hers.expect("awareness"))[1].endswith("null")
        await hers.leave()
        await third.leave()

    run(story)


def test_nobody_shows_or_writes_as_another_client(memory, alice, bob, bobs):
    bobs.role = Role.EDITOR
    bobs.save()

    async def story():
        hers, his = Browser(memory), Browser(memory)
        await hers.join(alice)
        await his.join(bob)
        await his.send(json.dumps({"type": "awareness", "update": b64(encode(hers.doc.client_id, 9, None))}))
        assert "somebody else" in (await his.expect("refused"))["reason"]
        forged = Doc({"content": Text()}, client_id=hers.doc.client_id)
        forged["content"].insert(0, "as alice ")
        message = await his.push(forged.get_update())
        refused = await his.expect("refused")
        assert refused["id"] == message and "somebody else" in refused["reason"]
        await hers.type(0, "I ")
        await his.until(lambda text: text.startswith("I "))
        thief = Browser(memory, client=hers.doc.client_id)
        await thief.connect(bob)
        await thief.send({"type": "join", "generation": None, "vector": None, "client": hers.doc.client_id})
        assert await thief.closed() == 4403
        await hers.leave()
        await his.leave()

    run(story)
    assert LiveUpdate.objects.count() == 1


# -- frames


def test_a_long_update_goes_in_parts_both_ways(memory, alice):
    async def story():
        page, other = Browser(memory), Browser(memory)
        await page.join(alice)
        await other.join(alice)
        data, message = b64(page.edit(0, "word " * 100_000)), str(uuid4())
        pieces = [data[at : at + 150_000] for at in range(0, len(data), 150_000)]
        for index, piece in enumerate(pieces):
            await page.send({"type": "part", "id": message, "index": index, "of": len(pieces), "data": piece})
        assert (await page.expect("saved"))["id"] == message
        await other.until(lambda text: len(text) > 500_000)
        late = Browser(memory)
        joined = await late.join(alice)
        assert joined["parts"] > 1 and late.text == page.text
        for one in (page, other, late):
            await one.leave()

    run(story)


BAD = [
    "\0{not json", "[]", "{}", '{"type":"joined"}', "[" * 5000, "null",
    '{"type":"update","id":"x","update":"AAA="}',
    json.dumps({"type": "update", "id": str(uuid4()), "update": "%%"}),
    json.dumps({"type": "update", "id": str(uuid4()), "update": 7}),
    json.dumps({"type": "update", "id": str(uuid4()), "update": "A" * 300_000}),
    '{"type":"part","id":"1","index":1,"of":2,"data":""}',
    '{"type":"part","id":"1","index":0,"of":-1,"data":""}',
    '{"type":"part","id":"1","index":"a","of":2,"data":""}',
    '{"type":"awareness","update":"AAAA"}',
    '{"type":"join","generation":null,"vector":"////","client":5}',
    '{"type":"update","id":5,"update":"AAA="}',
    '{"type":"join","generation":null,"vector":null,"client":-1}',
]  # fmt: skip


def test_what_no_page_sends_is_refused_and_changes_nothing(memory, alice):
    async def story():
        page = Browser(memory)
        await page.join(alice)
        for frame in BAD:
            await page.send(frame)
            assert (await page.expect("refused"))["reason"], frame
        await page.socket.send_to(bytes_data=b"\xff\xfe\0")
        await page.expect("refused")
        await page.type(0, "fine ")
        for _ in range(20):
            await page.send("{")
        assert await page.closed() == 4429

    run(story)
    assert LiveUpdate.objects.count() == 1


def test_an_update_of_anything_but_text_is_refused(memory, alice):
    def foreign() -> list[bytes]:
        kinds = {"content": Map({"a": 1}), "other": Text("x"), "list": Array([1])}
        docs = [Doc({name: value}) for name, value in kinds.items()]
        bold = Doc({"content": Text("x")})
        bold["content"].format(0, 1, {"bold": True})
        returns = Doc({"content": Text("a\r\nb")})
        return [doc.get_update() for doc in (*docs, bold, returns)] + [b"", b"\1", b"\xff" * 40]

    async def story():
        page = Browser(memory)
        await page.join(alice)
        for update in foreign():
            message = await page.push(update)
            assert (await page.expect("refused"))["id"] == message
        await page.leave()

    run(story)
    assert not LiveUpdate.objects.exists()


def test_a_server_client_id_is_nobodys(memory, alice):
    async def story():
        page = Browser(memory)
        await page.join(alice)
        forged = Doc({"content": Text()}, client_id=1)
        forged["content"].insert(0, "x")
        await page.push(forged.get_update())
        await page.expect("refused")
        await page.leave()

    run(story)
    assert not LiveUpdate.objects.exists()
