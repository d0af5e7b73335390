"""How good search is on a judged collection: `python -m benchmarks.retrieval COLLECTION_DIR`.

The documents become a memory, one passage each, and are searched by the command's engine and by the site on a
PostgreSQL of its own. Only judged queries count. Prints a table and writes JSON.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.__main__ import _machine, _write
from benchmarks.rows import Row, table
from benchmarks.smart import Collection, read
from memories.engine.errors import MemvidError

MODES = ("keyword", "semantic", "hybrid")
DEPTH = 100
CUT = 10
PLAIN_K = 60  # of plain reciprocal rank fusion, as its paper has it
Ranking = Callable[[str], list[int]]


def main() -> int:
    args = _parse()
    collection = read(args.collection)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="memvid-retrieval-", ignore_cleanup_errors=True) as folder:
        memory = _encoded(collection, Path(folder) / "collection.mp4")
        if "file" in args.of:
            rows += _on_the_file(collection, memory)
        if "site" in args.of:
            rows += _on_the_site(collection, memory)
    print(
        f"{collection.name}: {len(collection.documents):,} documents, {len(collection.relevant)} judged queries,"
        f" {sum(map(len, collection.relevant.values())):,} relevant pairs\n"
    )
    print(table(rows))
    facts = {
        **_machine(), "collection": collection.name, "documents": len(collection.documents),
        "queries": len(collection.relevant), "results": {"retrieval": [row.as_dict() for row in rows]},
    }  # fmt: skip
    print(f"\nwritten to {_write(facts, args.output)}")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    parser.add_argument("collection", type=Path, metavar="COLLECTION_DIR", help="*.ALL, *.QRY and *.REL")
    parser.add_argument("--of", nargs="+", choices=("file", "site"), default=["file", "site"], help="only one of both")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the JSON; default benchmarks/results/TIME.json")
    return parser.parse_args()


def _encoded(collection: Collection, path: Path) -> Path:
    from memories.engine import Memory
    from memories.engine.indexing import index_memory
    from memories.engine.ingest import chunks_source

    with Memory.create(path) as memory:
        memory.commit(chunks_source([text], f"{number}.txt") for number, text in collection.documents.items())
    index_memory(path)
    return path


# -- the two engines


def _on_the_file(collection: Collection, path: Path) -> list[Row]:
    from memories.engine import Config, Memory
    from memories.engine.indexing import load_embedder
    from search.engine.searcher import Searcher

    done: dict[str, str] = {}
    with Memory.open(path) as memory:
        embedder = load_embedder(Config())
        searcher = Searcher(memory, lambda: embedder, cache_size=0)

        def ranking(mode: str) -> Ranking:
            def rank(query: str) -> list[int]:
                found = searcher.search(query, DEPTH, mode)
                done[mode] = found.mode
                return [_number(hit.document) for hit in found.hits]

            return rank

        return _measured("file", collection, ranking, done)


def _on_the_site(collection: Collection, path: Path) -> list[Row]:
    from benchmarks.search_site import _site, _wait_for_model

    with _site() as folder:
        user = _mirrored(path)
        _wait_for_model(folder)
        from search import queries

        done: dict[str, str] = {}

        def ranking(mode: str) -> Ranking:
            def rank(query: str) -> list[int]:
                found = queries.search(user, query, mode=mode, limit=DEPTH)
                done[mode] = found.mode
                return [_number(hit.path) for hit in found.hits]

            return rank

        try:
            return _measured("site", collection, ranking, done)
        finally:
            from django.db import connection

            connection.close()


def _mirrored(path: Path) -> Any:
    """Somebody who may see the memory, whose rows and vectors come from the file."""
    from django.db import connection

    from collab.models import Membership, Role, User, Workspace
    from memories import mirror
    from memories.models import Memory
    from search import services
    from search.engine.embedder import DEFAULT_MODEL

    user = User.objects.create_user("bench@example.org", "a long password")
    home = Workspace.objects.create(name="Bench")
    Membership.objects.create(workspace=home, user=user, role=Role.OWNER)
    row = Memory.objects.create(workspace=home, name="Collection", created_by=user)
    row.path.parent.mkdir(parents=True, exist_ok=True)
    os.link(path, row.path) if path.stat().st_dev == row.path.parent.stat().st_dev else row.path.write_bytes(
        path.read_bytes()
    )
    mirror.follow(row)
    services.import_vectors(row, services.known_model(DEFAULT_MODEL, 384), lambda done, total, stage: None)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return user


def _number(path: str) -> int:
    return int(Path(path).stem)


# -- figures


def _measured(where: str, collection: Collection, ranking: Callable[[str], Ranking], done: dict[str, str]) -> list[Row]:
    found: dict[str, dict[int, list[int]]] = {}
    rows = []
    for mode in MODES:
        begun = time.perf_counter()
        rank = ranking(mode)
        found[mode] = {query: rank(collection.queries[query]) for query in collection.relevant}
        each = (time.perf_counter() - begun) / len(collection.relevant) * 1000
        note = f"{each:.0f} ms a query" + ("" if done.get(mode) == mode else f"; DONE AS {done.get(mode)}")
        rows += _rows(f"{where}, {mode}", found[mode], collection.relevant, note)
    plain = {query: _plain(found["keyword"][query], found["semantic"][query]) for query in collection.relevant}
    return [*rows, *_rows(f"{where}, plain fusion of both", plain, collection.relevant, "for comparison")]


def _plain(*rankings: list[int]) -> list[int]:
    """Unweighted reciprocal rank fusion."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, document in enumerate(ranking, 1):
            scores[document] = scores.get(document, 0.0) + 1 / (PLAIN_K + rank)
    return sorted(scores, key=lambda document: -scores[document])[:DEPTH]


def _rows(name: str, found: dict[int, list[int]], relevant: dict[int, set[int]], note: str) -> list[Row]:
    figures = [(ndcg(found[q], r), recall(found[q], r), reciprocal(found[q], r)) for q, r in relevant.items()]
    means = [sum(column) / len(figures) for column in zip(*figures, strict=True)]
    names = (f"nDCG@{CUT}", f"recall@{DEPTH}", "MRR")
    return [Row(f"{name}: {what}", mean, note=note) for what, mean in zip(names, means, strict=True)]


def ndcg(ranking: list[int], relevant: set[int]) -> float:
    gained = sum(1 / math.log2(place + 2) for place, one in enumerate(ranking[:CUT]) if one in relevant)
    return gained / sum(1 / math.log2(place + 2) for place in range(min(CUT, len(relevant))))


def recall(ranking: list[int], relevant: set[int]) -> float:
    return len(relevant.intersection(ranking[:DEPTH])) / len(relevant)


def reciprocal(ranking: list[int], relevant: set[int]) -> float:
    return next((1 / place for place, one in enumerate(ranking[:DEPTH], 1) if one in relevant), 0.0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MemvidError as error:
        sys.exit(f"benchmarks: {error}")
