"""How long a search takes on the site: `python -m benchmarks.search_site [CHUNKS [USERS]]`.

Own PostgreSQL and Valkey in a folder that is removed again, one web process (this one: the view is called as the
server calls it, in threads), and the real embedder beside it. Two memories of five are another team's. The texts are
made-up words; the vectors of the chunks are drawn at random, which is harder for the index than real ones.
"""

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

MEMORIES = 5
ROUNDS = 10
WORDS = 4_000


def main(chunks: int = 10_000, users: int = 20) -> None:
    with _site() as folder:
        who = _fill(chunks)
        _wait_for_model(folder)
        for label, crowd in (("one user", 1), (f"{users} users at once", users)):
            times = sorted(_measure(who, crowd))
            middle, high = times[len(times) // 2], times[int(len(times) * 0.95)]
            print(f"{chunks:,} chunks, {label}: median {middle * 1000:.0f} ms, p95 {high * 1000:.0f} ms")


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


def _text(words: list[str], chosen: random.Random) -> str:
    return " ".join(words[int(len(words) * chosen.random() ** 3)] for _ in range(150))


def _vocabulary() -> list[str]:
    chosen = random.Random(1)
    return ["".join(chosen.choices("etaoinshrdlucmfwyp", k=chosen.randint(3, 9))) for _ in range(WORDS)]


def _fill(chunks: int):
    from django.db import connection

    from collab.models import Membership, Role, User, Workspace
    from memories.mirroring import SEPARATORS, TEXT_SEARCH
    from memories.models import Chunk, Document, Memory
    from search import vectors
    from search.engine.embedder import DEFAULT_MODEL

    who = User.objects.create_user("bench@example.org", "a long password")
    ours, theirs = Workspace.objects.create(name="Ours"), Workspace.objects.create(name="Theirs")
    Membership.objects.create(workspace=ours, user=who, role=Role.EDITOR)
    model = vectors.model_row(DEFAULT_MODEL, 384)
    words, chosen, numbers = _vocabulary(), random.Random(2), np.random.default_rng(3)
    each = chunks // MEMORIES
    for place in range(MEMORIES):
        home = theirs if place % 5 in (1, 3) else ours
        memory = Memory.objects.create(workspace=home, name=f"Memory {place}", chunks_count=each, head=1)
        document = Document.objects.create(
            memory=memory, number=1, path="a.txt", media_type="text/plain", size=1, digest="", added=1, changed=1
        )
        rows = Chunk.objects.bulk_create(
            [
                Chunk(memory=memory, document=document, order=order, added=1, frame=order, size=1, lines=0,
                      text=_text(words, chosen))
                for order in range(each)
            ],
            batch_size=1000,
        )  # fmt: skip
        drawn = numbers.standard_normal((each, 384)).astype(np.float32)
        vectors.store(model, [vectors.Row(row.pk, None, vector) for row, vector in zip(rows, drawn, strict=True)])
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE memories_chunk SET words = to_tsvector(%s::regconfig, regexp_replace(text, %s, ' ', 'g'))",
            [TEXT_SEARCH, SEPARATORS],
        )
        cursor.execute("ANALYZE")
    return who


def _wait_for_model(folder: Path) -> None:
    from search import embedding

    while embedding.health()["state"] != "ready":
        embedding.forget_health()
        time.sleep(0.1)


def _measure(who, crowd: int) -> list[float]:
    from django.db import connection
    from django.test import Client

    words, times, start = _vocabulary(), [], threading.Barrier(crowd)

    def ask(number: int) -> None:
        client, chosen = Client(SERVER_NAME="localhost"), random.Random(number)
        client.force_login(who)
        start.wait()
        for _ in range(ROUNDS):
            query = " ".join(chosen.choices(words, k=3))
            began = time.perf_counter()
            answer = client.get("/search/", {"q": query}, headers={"HX-Request": "true"})
            times.append(time.perf_counter() - began)
            assert answer.status_code == 200 and b"by words only" not in answer.content
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(crowd)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
