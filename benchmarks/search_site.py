"""How long a search takes on the site: `python -m benchmarks.search_site --corpus DIR [--chunks N ...] [--users 4]`.

Own PostgreSQL and Valkey in a folder that is removed again, two web processes on one socket as `make run` starts them,
and the real embedder beside them. Two memories of ten are another team's. A chunk is four
pieces of the corpus, its vector one of such a text with noise. Half of the queries are long everyday
questions, half are a few words of a chunk.
"""

import argparse
import http.client
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from benchmarks import vectors

MEMORIES = 10
WEB = 2  # processes
ROUNDS = 50
PIECE = 250  # characters
BATCH = 5_000
QUESTIONS = (
    "what did the old man say to the young woman about love",
    "why was the father angry with his eldest son after the trial",
    "how do you get to the castle on the hill in winter when the river is frozen",
    "who was the stranger at the inn and what did he want from them",
    "he could not remember when he had last been so happy in his whole life",
    "the meaning of freedom and responsibility for a man who has lost his faith",
    "how much money did she bring into the marriage",
    "what is the name of the horse and who gave it to him",
)


def main() -> None:
    args = _parse()
    with _site() as folder, _web() as port:
        world = _World(args.corpus, port)
        for chunks in sorted(args.chunks):
            begun = time.perf_counter()
            world.fill(chunks)
            print(f"{chunks:,} chunks: filled and indexed in {time.perf_counter() - begun:.0f} s", flush=True)
            _wait_for_model(folder)
            world.measure(1)  # what is kept between searches is there now
            crowds = (
                ("one person", 1, 0.0),
                (f"{args.users} people who ask again at once", args.users, 0.0),
                (f"{args.users} people who look at what they found for a second", args.users, 1.0),
            )
            for label, crowd, pause in crowds:
                times = sorted(world.measure(crowd, pause))
                middle, high = times[len(times) // 2], times[int(len(times) * 0.95)]
                print(f"{chunks:,} chunks, {label}: median {middle:.0f} ms, p95 {high:.0f} ms", flush=True)
    print(f"load at the end {os.getloadavg()[0]:.2f}; {os.cpu_count()} cores")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search_site", description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="a folder with .txt files of prose")
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000, 100_000], metavar="N")
    parser.add_argument("--users", type=int, default=4)
    return parser.parse_args()


@contextmanager
def _site() -> Iterator[Path]:
    from memvid_site.stores import Postgres, Valkey

    with tempfile.TemporaryDirectory(prefix="memvid-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres, valkey = Postgres(folder), Valkey(folder)
        os.environ.update(
            MEMVID_DATA_DIR=name, DATABASE_URL=postgres.start(), REDIS_URL=valkey.start(), DATABASE_POOL="1",
            MEMVID_EMBEDDER_SOCKET=str(folder / "e.sock"), DJANGO_SETTINGS_MODULE="memvid_site.settings",
        )  # fmt: skip
        embedder = subprocess.Popen(
            [sys.executable, "-m", "search.embedder", folder / "e.sock"], stderr=subprocess.DEVNULL
        )
        try:
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", verbosity=0)
            yield folder
        finally:
            embedder.terminate()
            embedder.wait()
            valkey.stop()
            postgres.stop()


@contextmanager
def _web() -> Iterator[int]:
    """Two web processes; the port that they share."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener, ExitStack() as stack:
        file = listener.fileno()
        serve = ("memvid_site.serve", "--fd", str(file), "-v", "0", "memvid_site.asgi:application")
        for _ in range(WEB):
            web = subprocess.Popen((sys.executable, "-m", *serve), pass_fds=(file,), stderr=subprocess.DEVNULL)
            stack.callback(web.wait)
            stack.callback(web.terminate)
        yield listener.getsockname()[1]


class _World:
    def __init__(self, corpus: Path, port: int):
        from collab.models import Membership, Role, User, Workspace
        from memories.models import Commit, Memory
        from search.engine.embedder import DEFAULT_MODEL
        from search.models import EmbeddingModel

        text = "".join(path.read_text("utf-8", "replace") for path in sorted(corpus.rglob("*.txt"))).replace("\0", "")
        self._pieces = [text[start : start + PIECE] for start in range(0, len(text) - PIECE, PIECE)]
        self._port = port
        self._chosen, self._numbers = random.Random(1), np.random.default_rng(2)
        self._real = vectors.real(corpus)
        self._who = User.objects.create_user("bench@example.org", "a long password")
        ours, theirs = Workspace.objects.create(name="Ours"), Workspace.objects.create(name="Theirs")
        Membership.objects.create(workspace=ours, user=self._who, role=Role.EDITOR)
        self._model = EmbeddingModel.objects.create(name=DEFAULT_MODEL, dimensions=384, active=True)
        self._memories = [
            Memory.objects.create(workspace=theirs if place in (3, 7) else ours, name=f"Memory {place}", head=1)
            for place in range(MEMORIES)
        ]
        for memory in self._memories:
            Commit.objects.create(
                memory=memory, number=1, time="2026-01-01T00:00Z", hash="0", first_frame=0, frames=1, put=1, deleted=0
            )
        self._chunks, self._times = 0, count()

    def fill(self, chunks: int) -> None:
        from django.db import connection

        from search.vectors import _make_index, index_name

        with connection.cursor() as cursor:
            cursor.execute(f"DROP INDEX IF EXISTS {index_name(self._model)}")
            for memory in self._memories:
                self._add(cursor, memory, (chunks - self._chunks) // MEMORIES)
            cursor.execute(f"SET maintenance_work_mem = '{max(64, chunks * 1_700 >> 20)}MB'")
            _make_index(self._model)
            cursor.execute("VACUUM ANALYZE")
        self._chunks = chunks

    def _add(self, cursor, memory, size: int) -> None:
        from memories.models import Chunk, Document
        from search import postings
        from search.vectors import Row, store

        number = memory.documents.count() + 1
        document = Document.objects.create(
            memory=memory, number=number, path=f"{number}.txt", media_type="text/plain", size=1, digest="", added=1,
            changed=1,
        )  # fmt: skip
        columns = 'memory_id, document_id, "order", added, frame, frame_span, size, lines, text, metadata, flag'
        with cursor.copy(f"COPY memories_chunk ({columns}) FROM STDIN") as copy:
            for order in range(size):
                text = " ".join(self._chosen.choices(self._pieces, k=4))
                copy.write_row((memory.pk, document.pk, order, 1, order, 1, len(text), 5, text, "{}", ""))
        postings.add(memory)
        keys = list(Chunk.objects.filter(document=document).order_by("pk").values_list("pk", flat=True))
        for start in range(0, size, BATCH):
            some = keys[start : start + BATCH]
            made = vectors.near(self._real, len(some), self._numbers)
            store(self._model, [Row(pk, None, one) for pk, one in zip(some, made, strict=True)])

    def measure(self, crowd: int, pause: float = 0) -> list[float]:
        """Milliseconds of ROUNDS searches of each, from the connection to the last byte. Between two of them a person
        waits for up to twice the pause, in seconds."""
        times = []

        def ask(cookie: str, query: str) -> None:
            if pause:
                time.sleep(random.uniform(0, 2 * pause))
            begun = time.perf_counter()
            status, body = self._get(f"/search/?{urlencode({'q': query})}", cookie)
            times.append((time.perf_counter() - begun) * 1000)
            assert status == 200 and b"by words only" not in body, body[:500]

        self.ask_all(crowd, ROUNDS, ask)
        return times

    def ask_all(self, crowd: int, rounds: int, ask: Callable[[str, str], None]) -> None:
        """So many people at once; `ask` gets the cookie of the login and a query."""
        from django.test import Client

        client, start = Client(), threading.Barrier(crowd)
        client.force_login(self._who)
        cookie = f"sessionid={client.cookies['sessionid'].value}"

        def one(number: int) -> None:
            chosen = random.Random(f"{crowd} {number} {next(self._times)}")  # nobody asks what was asked before
            start.wait()
            for turn in range(rounds):
                ask(cookie, self._query(chosen, long=turn % 2 == 1))

        with ThreadPoolExecutor(crowd) as pool:
            list(pool.map(one, range(crowd)))

    def _query(self, chosen: random.Random, *, long: bool) -> str:
        words = chosen.choice(self._pieces).split()[1:-1]
        return f"{chosen.choice(QUESTIONS)} {chosen.choice(words)}" if long else " ".join(words[:3])

    def _get(self, path: str, cookie: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request("GET", path, headers={"Cookie": cookie, "HX-Request": "true"})
        with connection.getresponse() as answer:
            return answer.status, answer.read()


def _wait_for_model(folder: Path) -> None:
    from search import embedding

    while embedding.health()["state"] != "ready":
        embedding.forget_health()
        time.sleep(0.1)


if __name__ == "__main__":
    main()
