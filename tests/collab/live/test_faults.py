"""Whatever is lost, repeated, late or killed: at rest every text is one, and no acknowledged edit is missing."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from base64 import b64decode
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from collab.live import compaction, groups, log, pool, projection, room, seeding, texts
from collab.live.updates import check
from collab.models import LiveDocument, LiveUpdate
from memories import mirror
from memories.engine import Memory as MemoryFile
from memories.models import Job, Memory
from memvid_site.stores import Valkey
from tests.memories.test_kill import environment
from tests.memories.working import queue, work

from .people import Browser, run

pytestmark = pytest.mark.django_db(transaction=True)
PAGES, PROCESSES = 3, 2
WORDS = st.text("abc \n😀é", min_size=1, max_size=5)


class Killed(BaseException):
    """What a signal does to a worker, as far as its locks are let go of."""


class Page(room.Member):
    """A browser that is in a room, or away with edits that it keeps."""

    def __init__(self, user: int):
        super().__init__(user)
        self.doc = texts.loaded(b"\0\0")
        self.kept: dict[UUID, bytes] = {}
        self.room: room.Room | None = None
        self.last = -1

    def updates(self, last: int, frame: Any) -> None:
        if last > self.last:
            found = json.loads(frame(self.last + 1))
            self.doc.apply_update(b64decode(found["update"]))
            self.last = last

    def edit(self, at: int, remove: int, insert: str) -> None:
        text, state = str(self.doc["content"]), self.doc.get_state()
        start, end = (len(text[:place].encode()) for place in (at, at + remove))
        with self.doc.transaction():
            del self.doc["content"][start:end]
            self.doc["content"].insert(start, insert)
        update = self.doc.get_update(state)
        check(update)
        self.kept[uuid4()] = update


class Together(RuleBasedStateMachine):
    memory: Memory

    def __init__(self) -> None:
        super().__init__()
        LiveDocument.objects.all().delete()
        self.live = seeding.opened(self.memory, 1)
        self.loop = asyncio.new_event_loop()
        self.hints: list[tuple[int, dict[str, Any]]] = []
        self.acknowledged: list[bytes] = []
        self.pages = [Page(self.memory.created_by_id) for _ in range(PAGES)]
        self.rooms = [self._do(self._open(number)) for number in range(PROCESSES)]

    def _do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    async def _open(self, process: int) -> room.Room:
        """Hints of one process are for the others, when the test says so."""
        head = (await log.state(self.live.pk, self.live.generation)).head
        subject = room.Subject(self.live.pk, self.memory.pk, 1, self.memory.workspace_id, self.live.generation, head)

        def publish(message: dict[str, Any]) -> None:
            self.hints += [(other, message) for other in range(PROCESSES) if other != process]

        return room.Room(subject, publish)

    # -- people

    @rule(page=st.integers(0, PAGES - 1), at=st.integers(0, 30), remove=st.integers(0, 4), insert=WORDS)
    def types(self, page: int, at: int, remove: int, insert: str) -> None:
        self.pages[page].edit(at, remove, insert)

    @rule(page=st.integers(0, PAGES - 1), process=st.integers(0, PROCESSES - 1))
    def comes(self, page: int, process: int) -> None:
        self._do(self._join(self.pages[page], self.rooms[process]))

    async def _join(self, page: Page, where: room.Room) -> None:
        self._leave(page)
        page.room = where
        where.enter(page)
        state = await log.state(self.live.pk, self.live.generation)
        page.doc.apply_update(state.missing(page.doc.get_state()))
        page.last = state.head

    @rule(page=st.integers(0, PAGES - 1))
    def leaves(self, page: int) -> None:
        self._leave(self.pages[page])

    def _leave(self, page: Page) -> None:
        if page.room is not None:
            page.room.leave(page)
        page.room = None

    @rule(page=st.integers(0, PAGES - 1), heard=st.booleans())
    def sends(self, page: int, heard: bool) -> None:
        """Its answer may get lost: then the page sends the same again later."""
        if self.pages[page].room is not None:
            self._do(self._send(self.pages[page], heard))

    async def _send(self, page: Page, heard: bool) -> None:
        kept = dict(page.kept)
        entries = [log.Entry(message, update, page.user) for message, update in kept.items()]
        if not entries:
            return
        stored = await page.room.append(entries, page)
        assert set(stored) == set(kept)
        self.acknowledged += kept.values()
        if heard:
            page.kept = {message: update for message, update in page.kept.items() if message not in kept}
        await asyncio.sleep(0)

    # -- what happens to hints and processes

    @rule(data=st.data(), again=st.booleans())
    @precondition(lambda self: self.hints)
    def a_hint_comes(self, data: Any, again: bool) -> None:
        """In any order, once or twice."""
        place = data.draw(st.integers(0, len(self.hints) - 1))
        process, message = self.hints[place]
        if not again:
            del self.hints[place]
        self._do(self._hear(process, message))

    async def _hear(self, process: int, message: dict[str, Any]) -> None:
        self.rooms[process].hear(message)
        await asyncio.sleep(0.002)

    @rule()
    def hints_are_lost(self) -> None:
        self.hints.clear()

    @rule(process=st.integers(0, PROCESSES - 1))
    def a_heart_beats(self, process: int) -> None:
        self._do(self.rooms[process]._look_at_row())

    @rule(process=st.integers(0, PROCESSES - 1))
    def a_web_process_is_killed(self, process: int) -> None:
        for page in self.pages:
            if page.room is self.rooms[process]:
                page.room = None
        self.rooms[process].close()
        self.rooms[process] = self._do(self._open(process))

    # -- workers

    @rule()
    def compacts(self) -> None:
        compaction.compact(self.live.pk)

    @rule()
    def the_video_follows(self) -> None:
        assert work(queue(self.memory, Job.Kind.LIVE)).state == "done"

    @rule(place=st.sampled_from(["commit", "settle"]))
    def a_worker_is_killed(self, place: str) -> None:
        real = getattr(projection, place)
        setattr(projection, place, _killed)
        try:
            with suppress(Killed):
                work(queue(self.memory, Job.Kind.LIVE))
        finally:
            setattr(projection, place, real)
        Job.objects.filter(state="running").update(state="failed")

    @invariant()
    def numbers_have_no_gap(self) -> None:
        live = LiveDocument.objects.get()
        seqs = list(LiveUpdate.objects.filter(live=live).order_by("seq").values_list("seq", flat=True))
        assert seqs == list(range(live.head_seq - len(seqs) + 1, live.head_seq + 1))
        assert live.head_seq - len(seqs) <= live.snapshot_seq <= live.head_seq

    def teardown(self) -> None:
        try:
            self._do(self._rest())
            self._compare()
        finally:
            for one in self.rooms:
                self.loop.call_soon(one.close)
            self._do(pool.close())
            self.loop.close()

    async def _rest(self) -> None:
        """Everybody comes back, sends what they kept, and hears of the rest by heartbeats alone."""
        for page in self.pages:
            if page.room is None:
                await self._join(page, self.rooms[0])
            await self._send(page, True)
        for one in self.rooms:
            await one._look_at_row()

    def _compare(self) -> None:
        state = log.state_now(self.live.pk)
        text = texts.text_of(state.update)
        assert {str(page.doc["content"]) for page in self.pages} == {text}
        document = texts.loaded(state.update)
        for update in self.acknowledged:
            document.apply_update(update)
        assert str(document["content"]) == text
        self.the_video_follows()
        live = LiveDocument.objects.get()
        assert live.projected_seq == live.head_seq
        with MemoryFile.open(self.memory.path) as file:
            assert file.text(1) == text and file.verify().ok


def _killed(*args: object, **more: object) -> None:
    raise Killed


@pytest.fixture
def hasty(monkeypatch) -> None:
    monkeypatch.setattr(room, "WINDOW", 0)
    monkeypatch.setattr(compaction, "KEPT", 2)


def test_people_processes_and_workers_in_any_order(memory, hasty):
    Together.memory = memory
    run_state_machine_as_test(
        Together,
        settings=settings(
            max_examples=8,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.reuse, Phase.generate),  # looking for a shorter script would take minutes
        ),
    )


def test_killed_between_commit_and_hint_the_update_is_there(memory, alice):
    live = seeding.opened(memory, 1)
    code = f"""
import asyncio, os, signal, django
from uuid import UUID, uuid4
django.setup()
from collab.live import log, texts
document = texts.loaded(b"\\0\\0")
document["content"].insert(0, "typed before the end ")
async def go():
    await log.append(UUID("{live.pk}"), {live.generation}, [log.Entry(uuid4(), document.get_update(), {alice.pk})])
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(go())
"""
    more = environment(DJANGO_SETTINGS_MODULE="memvid_site.settings")

    async def story():
        page = Browser(memory)
        await page.join(alice)
        ended = await sync_to_async(subprocess.run)([sys.executable, "-c", code], env=more)
        assert ended.returncode == -signal.SIGKILL
        page_room = next(iter(hub_rooms()))
        page_room.look_again()  # its heartbeat
        await page.until(lambda text: "typed before the end" in text)
        await page.leave()

    run(story)


def hub_rooms() -> list[room.Room]:
    from collab.live.hub import hub

    return list(hub().rooms.values())


def _edit_elsewhere(memory: Memory, by: Any) -> None:
    live = seeding.opened(memory, 1)
    state = log.state_now(live.pk).update
    texts.replace(live, state, f"{texts.text_of(state)}an edit of a job\n", by)


async def _tell_until_heard(memory: Memory) -> None:
    """The hub needs a moment to find Redis again; what was told meanwhile is lost."""
    live = await sync_to_async(seeding.opened)(memory, 1)
    while True:
        await sync_to_async(groups.look_again)(live.pk)
        await asyncio.sleep(0.1)


def test_redis_goes_and_comes_back(memory, alice, bob, settings, tmp_path, monkeypatch):
    """Within a process edits never need it; those of another one are heard again when it is back."""
    monkeypatch.setattr(room, "HEARTBEAT", 600)
    os.chmod(tmp_path, 0o755)
    valkey = Valkey(tmp_path)
    settings.CHANNEL_LAYERS = {
        "default": {**settings.CHANNEL_LAYERS["default"], "CONFIG": {"hosts": [valkey.start()], "prefix": "memvid"}}
    }

    async def story():
        hers, his = Browser(memory), Browser(memory)
        await hers.join(alice)
        valkey.stop()
        await hers.type(0, "without redis ")
        await his.join(bob)
        assert his.text.startswith("without redis")
        await hers.type(0, "still ")
        await his.until(lambda text: text.startswith("still"))
        valkey.start()
        await hers.type(0, "again ")
        await his.until(lambda text: text.startswith("again"))
        await sync_to_async(_edit_elsewhere)(memory, alice)
        telling = asyncio.create_task(_tell_until_heard(memory))
        await his.until(lambda text: "of a job" in text)
        telling.cancel()
        await hers.leave()
        await his.leave()

    try:
        run(story)
    finally:
        valkey.stop()
    assert LiveUpdate.objects.count() == 4 and mirror.follow(memory) is False
