"""How near the site's search by meaning comes to exact search: `python -m benchmarks.nearest --chunks 10000 100000`.

Vectors are real ones of a corpus with noise, or drawn around made-up topics where no corpus is given. One database
serves all sizes: each is filled up from the one before, and its index built anew. Four people may see a thousandth, a
hundredth, a tenth and all of the chunks. Prints a table and writes JSON.
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import vectors
from benchmarks.__main__ import _machine, _write
from benchmarks.rows import Row, table
from memories.engine.errors import MemvidError

SIZE = 384
TOPICS = 500  # where there is no corpus
BATCH = 10_000  # rows in memory
NEAREST = 10
POOL = 100  # as search.queries asks for
QUERIES = 100
SHARES = {"0.1 %": 0.001, "1 %": 0.01, "10 %": 0.1, "all": 1.0}
LEAST_RECALL = 0.97


def main() -> int:
    args = _parse()
    real = vectors.real(args.corpus) if args.corpus else _made_up()
    rows: list[Row] = []
    from benchmarks.search_site import _site

    with _site():
        world = _World(real)
        for chunks in sorted(args.chunks):
            begun = time.perf_counter()
            world.fill(chunks)
            filled = time.perf_counter()
            world.index()
            rows.append(Row(f"{chunks:,} chunks: filled", filled - begun, "s"))
            rows.append(Row(f"{chunks:,} chunks: index built", time.perf_counter() - filled, "s", note=world.built))
            for share in SHARES:
                rows += world.measured(chunks, share)
            print(table(rows), file=sys.stderr)
        world.close()
    print(table(rows))
    made = "real ones with noise" if args.corpus else "made up around topics"
    facts = {**_machine(), "vectors": made, "results": {"nearest": [row.as_dict() for row in rows]}}
    print(f"\nvectors: {made}\nwritten to {_write(facts, args.output)}")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nearest", description=__doc__)
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], metavar="N")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="a folder with .txt files of prose")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the JSON; default benchmarks/results/TIME.json")
    return parser.parse_args()


def _made_up() -> np.ndarray:
    return vectors.unit(np.random.default_rng(1).standard_normal((TOPICS, SIZE)).astype(np.float32))


class _World:
    """One memory for each share, which only its person and those with a larger share may see."""

    def __init__(self, real: np.ndarray):
        from collab.models import User, Workspace
        from memories.models import Document, Memory, MemoryPerson
        from search.engine.embedder import DEFAULT_MODEL
        from search.vectors import index_name, model_row

        self._real, self._numbers, self._chunks, self.built = real, np.random.default_rng(2), 0, ""
        self._model = model_row(DEFAULT_MODEL, SIZE)
        self._index = index_name(self._model)
        home = Workspace.objects.create(name="Bench")
        self._people = {share: User.objects.create_user(f"{n}@example.org", "x") for n, share in enumerate(SHARES)}
        self._documents: dict[str, Document] = {}
        names = list(SHARES)
        for place, share in enumerate(names):
            memory = Memory.objects.create(workspace=home, name=share, visibility="private", head=1)
            for wider in names[place:]:
                MemoryPerson.objects.create(memory=memory, user=self._people[wider])
            self._documents[share] = Document.objects.create(
                memory=memory, number=1, path="a.txt", media_type="text/plain", size=1, digest="", added=1, changed=1
            )

    # -- filling

    def fill(self, chunks: int) -> None:
        """Up to `chunks`, by COPY, the index down meanwhile. Rows of a memory lie scattered, as they come."""
        with _cursor() as cursor:
            cursor.execute(f"DROP INDEX IF EXISTS {self._index}")
            while self._chunks < chunks:
                self._batch(cursor, min(BATCH, chunks - self._chunks))
        self._list_chunks()

    def _batch(self, cursor: Any, count: int) -> None:
        from pgvector import HalfVector
        from pgvector.psycopg.halfvec import register_halfvec_info
        from psycopg.types import TypeInfo

        cursor.execute("SELECT coalesce(max(id), 0) FROM memories_chunk")
        first = cursor.fetchone()[0] + 1
        documents = list(self._documents.values())
        bounds = np.array(list(SHARES.values()))
        owners = np.searchsorted(bounds, self._numbers.random(count))
        columns = 'id, memory_id, document_id, "order", added, frame, frame_span, size, lines, text, metadata, flag'
        with cursor.copy(f"COPY memories_chunk ({columns}) FROM STDIN") as copy:
            for place, owner in enumerate(owners):
                document = documents[min(owner, len(documents) - 1)]
                pk = first + place
                copy.write_row((pk, document.memory_id, document.pk, pk, 1, 0, 1, 1, 0, "x", "{}", ""))
        register_halfvec_info(cursor, TypeInfo.fetch(cursor.connection, "halfvec"))
        made = vectors.near(self._real, count, self._numbers)
        statement = "COPY search_embedding (model_id, memory_id, chunk_id, vector) FROM STDIN (FORMAT BINARY)"
        with cursor.copy(statement) as copy:
            copy.set_types(["int8", "uuid", "int8", "halfvec"])
            for place, (owner, vector) in enumerate(zip(owners, made, strict=True)):
                memory = documents[min(owner, len(documents) - 1)].memory_id
                copy.write_row((self._model.pk, memory, first + place, HalfVector(vector)))
        self._chunks += count

    def _list_chunks(self) -> None:
        """The segments that a search reads its chunks from, without words."""
        from memories.models import Chunk
        from search.models import Segment
        from search.postings import FULL

        Segment.objects.all().delete()
        for document in self._documents.values():
            chunks = Chunk.objects.filter(memory=document.memory_id).order_by("pk").values_list("pk", flat=True)
            pks = np.fromiter(chunks.iterator(chunk_size=50_000), "<i8")
            for start in range(0, len(pks), FULL):
                part = pks[start : start + FULL]
                Segment.objects.create(
                    memory_id=document.memory_id, size=len(part), last=int(part[-1]), terms=len(part), languages=[],
                    chunks=part.tobytes(), documents=np.full(len(part), document.pk, "<i8").tobytes(),
                    added=np.ones(len(part), "<u4").tobytes(), lengths=np.ones(len(part), "<u2").tobytes(),
                )  # fmt: skip

    def index(self) -> None:
        """In memory: about 1.6 KB a row, and by several workers where they have room to share it."""
        from search.vectors import index_sql

        need = max(64 << 20, int(self._chunks * 1_700))
        workers = 2 if shutil.disk_usage("/dev/shm").free > need * 1.2 and (os.cpu_count() or 1) > 1 else 0
        self.built = f"{need >> 20} MB, {workers} workers"
        with _cursor() as cursor:
            cursor.execute(f"SET maintenance_work_mem = '{need >> 10}kB'")
            cursor.execute(f"SET max_parallel_maintenance_workers = {workers}")
            cursor.execute(index_sql(self._model))
            cursor.execute("RESET maintenance_work_mem")
            cursor.execute("RESET max_parallel_maintenance_workers")
            cursor.execute("VACUUM ANALYZE memories_chunk")
            cursor.execute("VACUUM ANALYZE search_embedding")
            cursor.execute("ANALYZE")  # of the few memories and people too: the plan depends on them

    # -- measuring

    def measured(self, chunks: int, share: str) -> Iterator[Row]:
        from search import meaning
        from search.filters import table_of, visible_memories
        from search.scope import Scope

        visible = visible_memories(self._people[share], Scope())
        size = table_of(self._people[share], Scope()).size
        if size < NEAREST:
            return
        queries = vectors.near(self._real, QUERIES, np.random.default_rng(3))
        hits, times, walked = 0, [], self._walks()
        for vector in queries:
            begun = time.perf_counter()
            seen = table_of(self._people[share], Scope())
            found = meaning.nearest(meaning.Question(vector, self._model), seen, POOL)
            times.append((time.perf_counter() - begun) * 1000)
            wanted = self._exact(visible, vector)
            hits += len(wanted.intersection(seen.chunk(list(found)[:NEAREST]))) / len(wanted)
        name = f"{chunks:,} chunks, {share} visible"
        note = f"{size:,} chunks in reach; the index was walked {self._walks() - walked} times of {QUERIES}"
        yield Row(f"{name}: recall@{NEAREST}", hits / QUERIES, least=LEAST_RECALL, note=note)
        yield Row(f"{name}: vector leg, median", float(np.median(times)), "ms")
        yield Row(f"{name}: vector leg, p95", float(np.quantile(times, 0.95)), "ms")

    def _exact(self, visible: Any, vector: np.ndarray) -> set[int]:
        from django.db import connection, transaction
        from pgvector import HalfVector
        from pgvector.django import CosineDistance

        from search.models import Embedding

        rows = (
            Embedding.objects.filter(model_id=self._model.pk, memory__in=visible)
            .annotate(distance=CosineDistance("vector", HalfVector(vector)))
            .order_by("distance")
            .values_list("chunk", "distance")
        )
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_indexscan = off")
            return {chunk for chunk, _ in rows[:NEAREST]}

    def _walks(self) -> int:
        """How often the index was used: PostgreSQL compares all vectors where it takes that to be cheaper."""
        with _cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = %s", [self._index])
            return cursor.fetchone()[0]

    def close(self) -> None:
        from django.db import connection

        connection.close()


def _cursor() -> Any:
    from django.db import connection

    return connection.cursor()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MemvidError as error:
        sys.exit(f"benchmarks: {error}")
