"""Editing together, as `make run` serves it: `python -m benchmarks.live`. Prints a table.

A data folder and a port of its own; stop it with Ctrl-C at any time.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import re
import statistics
import sys
import tempfile
import time
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
from pycrdt import Doc, Text

from benchmarks.rows import Row, table
from benchmarks.site import Site
from benchmarks.sockets import Socket
from memvid_site.stores import socket_folder

PROCESSES, SECONDS = 4, 10.0
PEOPLE, EDITS_A_SECOND = 50, 2.0
LARGE = 500_000  # characters
JOINS, CONNECTS, WARM_UP, AT_ONCE = 30, 5000, 500, 20
MARK = re.compile(rb"<(\d{8})>")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument("--port", type=int, default=8097)
    parser.add_argument("--connects", type=int, default=CONNECTS)
    parser.add_argument("--only", nargs="*", choices=("append", "edit", "join", "connect"))
    args = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="memvid-bench-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)  # as root, PostgreSQL runs as another user
        site = Site(Path(folder) / "data", args.port)
        try:
            rows = measure(site, args)
        except BaseException:
            print("".join(site.said), file=sys.stderr)
            raise
        finally:
            site.stop()
    print(table(rows))
    print(f"\nload at the start {load:.2f}, at the end {os.getloadavg()[0]:.2f}; {os.cpu_count()} cores")
    return 0


def measure(site: Site, args: argparse.Namespace) -> list[Row]:
    django(site.data)
    place = Place(site)
    time.sleep(5)  # what a first start does beside
    parts = {
        "append": lambda: appending(place),
        "edit": lambda: asyncio.run(editing(place)),
        "join": lambda: asyncio.run(joining(place)),
        "connect": lambda: asyncio.run(connecting(place, site, args.connects)),
    }
    return [row for name in args.only or parts for row in parts[name]()]


def django(data: Path) -> None:
    sockets = socket_folder(data)
    os.environ.update(
        MEMVID_DATA_DIR=str(data), DJANGO_SETTINGS_MODULE="memvid_site.settings",
        DATABASE_URL=f"postgresql://postgres@/memvid?host={sockets}", REDIS_URL=f"unix://{sockets}/valkey.sock",
    )  # fmt: skip
    import django

    django.setup()


class Place:
    """A memory with a small document and a large one, and a browser's cookie for somebody who may write."""

    def __init__(self, site: Site):
        from django.conf import settings
        from django.test import Client

        from collab.models import Membership, User
        from memories import mirror
        from memories.engine import Memory as MemoryFile
        from memories.engine.ingest import SplitSettings, text_source
        from memories.models import Memory

        self.base = site.base.replace("http", "ws")
        membership = Membership.objects.select_related("user").first()
        self.users = [membership.user]
        for number in range(9):
            user = User.objects.create_user(f"p{number}@example.org", name=f"Person {number}")
            Membership.objects.create(workspace=membership.workspace, user=user, role="editor")
            self.users.append(user)
        self.memory = Memory.objects.create(workspace=membership.workspace, created_by=self.users[0], name="Bench")
        self.memory.path.parent.mkdir(parents=True, exist_ok=True)
        words = "it was the best of times it was the worst of times ".split()
        rng = random.Random(1)
        large = " ".join(rng.choice(words) for _ in range(LARGE // 4))[:LARGE]
        split = SplitSettings()
        texts = {"hot.md": "# Hot\n", "talk.md": "# Talk\n", "large.md": large}
        with MemoryFile.create(self.memory.path) as file:
            file.commit([text_source(text, name, split) for name, text in texts.items()])
        mirror.follow(self.memory)
        self.cookies = []
        for user in self.users:
            client = Client()
            client.force_login(user, "collab.accounts.Backend")
            name = settings.SESSION_COOKIE_NAME
            self.cookies.append(f"{name}={client.cookies[name].value}")

    def url(self, number: int) -> str:
        return f"{self.base}/ws/memories/{self.memory.pk}/documents/{number}/"

    def live(self, number: int) -> tuple[UUID, int]:
        from collab.live import seeding

        live = seeding.opened(self.memory, number)
        return live.pk, live.generation


# -- append


def appending(place: Place) -> list[Row]:
    live, generation = place.live(1)
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES) as pool:
        jobs = [(str(live), generation, place.users[0].pk, number) for number in range(PROCESSES)]
        found = pool.map(append_alone, jobs)
    times = sorted(time for some in found for time in some)
    rate = len(times) / SECONDS
    return [
        Row(f"append() from {PROCESSES} processes on one document", rate, "acks/s", least=400),
        Row("of these, p50", statistics.median(times) * 1000, "ms"),
        Row("of these, p99", at(times, 0.99) * 1000, "ms", most=40),
        Row("acknowledged updates that are missing", missing(live, len(times)), "", most=0),
    ]


def append_alone(job: tuple[str, int, int, int]) -> list[float]:
    """In a process of its own, one append after the other."""
    import django

    django.setup()
    from collab.live import log, pool

    live, generation, author, number = job

    async def run() -> list[float]:
        document, times = Doc({"content": Text()}), []
        await log.state(UUID(live))
        end = time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            update = typed(document, f"{number} types. ")
            begun = time.perf_counter()
            await log.append(UUID(live), generation, [log.Entry(uuid4(), update, author)])
            times.append(time.perf_counter() - begun)
        await pool.close()
        return times

    return asyncio.run(run())


def missing(live: UUID, acknowledged: int) -> int:
    from collab.models import LiveDocument

    return acknowledged - LiveDocument.objects.get(pk=live).head_seq


def typed(document: Doc, text: str) -> bytes:
    before = document.get_state()
    document["content"].insert(0, text)
    return document.get_update(before)


def at(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


# -- sockets


async def joined(place: Place, number: int, cookie: str) -> tuple[Socket, Doc, dict[str, Any]]:
    socket, document = await Socket.open(place.url(number), cookie), Doc({"content": Text()})
    socket.send(json.dumps({"type": "join", "generation": None, "vector": None, "client": document.client_id}))
    while (frame := json.loads(await socket.receive()))["type"] != "joined":
        pass
    if "parts" in frame:
        frame["update"] = "".join([json.loads(await socket.receive())["data"] for _ in range(frame["parts"])])
    return socket, document, frame


async def editing(place: Place) -> list[Row]:
    """Everybody types; how long until each edit is on the other screens, and until it is saved."""
    await asyncio.to_thread(place.live, 2)
    sent: dict[int, float] = {}
    seen: list[float] = []
    saved: list[float] = []
    received: list[int] = []
    people = [await joined(place, 2, place.cookies[n % len(place.cookies)]) for n in range(PEOPLE)]

    async def listen(socket: Socket) -> None:
        own: dict[str, float] = waiting[socket]
        while True:
            frame = json.loads(await socket.receive())
            now = time.perf_counter()
            if frame["type"] == "updates":
                marks = {int(mark) for mark in MARK.findall(b64decode(frame["update"]))} - known[socket]
                known[socket] |= marks
                seen.extend(now - sent[mark] for mark in marks)
                received.append(len(marks))
            elif frame["type"] == "saved":
                saved.append(now - own.pop(frame["id"]))

    async def type_on(socket: Socket, document: Doc, number: int) -> None:
        rng = random.Random(number)
        await asyncio.sleep(rng.random() / EDITS_A_SECOND)
        end, count = time.perf_counter() + SECONDS * 2, 0
        while time.perf_counter() < end:
            mark, message, count = number * 10_000 + count, str(uuid4()), count + 1
            update = b64encode(typed(document, f"<{mark:08}>")).decode()
            sent[mark] = waiting[socket][message] = time.perf_counter()
            known[socket].add(mark)
            socket.send(json.dumps({"type": "update", "id": message, "update": update}))
            await asyncio.sleep(rng.uniform(0.5, 1.5) / EDITS_A_SECOND)

    known: dict[Socket, set[int]] = {socket: set() for socket, _, _ in people}  # own ones, and those that came
    waiting: dict[Socket, dict[str, float]] = {socket: {} for socket, _, _ in people}
    ears = [asyncio.create_task(listen(socket)) for socket, _, _ in people]
    await asyncio.gather(*(type_on(socket, document, n) for n, (socket, document, _) in enumerate(people)))
    await asyncio.sleep(2)
    for ear in ears:
        ear.cancel()
    for socket, _, _ in people:
        await socket.close()
    return [
        Row(
            f"{PEOPLE} sockets, {EDITS_A_SECOND:.0f} edits/s each: to the other screens, p50",
            at(seen, 0.5) * 1000,
            "ms",
        ),
        Row("the same, p95", at(seen, 0.95) * 1000, "ms", most=150),
        Row("the same, p99", at(seen, 0.99) * 1000, "ms"),
        Row("until it is saved, p95", at(saved, 0.95) * 1000, "ms"),
        Row("edits that did not reach every other screen", len(sent) * (PEOPLE - 1) - len(seen), "", most=0),
        Row("edits in a frame", sum(received) / max(1, len(received)), ""),
    ]


async def joining(place: Place) -> list[Row]:
    await asyncio.to_thread(place.live, 3)
    times = []
    for _ in range(JOINS):
        begun = time.perf_counter()
        socket, document, frame = await joined(place, 3, place.cookies[0])
        document.apply_update(b64decode(frame["update"]))
        times.append(time.perf_counter() - begun)
        assert len(str(document["content"])) >= LARGE
        await socket.close()
    return [
        Row("join of a document of 500 KB, p50", statistics.median(times) * 1000, "ms", note="connecting included"),
        Row("the same, p95", at(times, 0.95) * 1000, "ms", most=300),
    ]


async def connecting(place: Place, site: Site, count: int) -> list[Row]:
    """Memory and descriptors of the web processes after so many came and went."""

    async def visit(number: int) -> None:
        socket, document, _ = await joined(place, 2, place.cookies[number % len(place.cookies)])
        update = b64encode(typed(document, "x")).decode()
        if number % 10 == 0:
            socket.send(json.dumps({"type": "update", "id": str(uuid4()), "update": update}))
        await socket.close()

    await crowd(visit, WARM_UP)
    await asyncio.sleep(5)
    before = state_of(site)
    begun = time.perf_counter()
    await crowd(visit, count)
    seconds = time.perf_counter() - begun
    await asyncio.sleep(10)
    after = state_of(site)
    return [
        Row(f"{count:,} connects", count / seconds, "a second"),
        Row("memory of the web processes before", before[0], "MB"),
        Row("and after", after[0], "MB", most=before[0] + 15),
        Row("descriptors before", before[1], ""),
        Row("and after", after[1], "", most=before[1] + 10),
    ]


async def crowd(visit: Callable[[int], Awaitable[None]], count: int) -> None:
    numbers = iter(range(count))

    async def some() -> None:
        for number in numbers:
            await visit(number)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


def state_of(site: Site) -> tuple[float, int]:
    """(MB, descriptors) of the web processes together."""
    children = psutil.Process(site._process.pid).children()
    web = [child for child in children if "memvid_site.serve" in " ".join(child.cmdline())]
    return sum(child.memory_info().rss for child in web) / (1 << 20), sum(child.num_fds() for child in web)


if __name__ == "__main__":
    sys.exit(main())
