"""Vectors in the database: COPY in, one partial HNSW index for each model, lookup by the text's digest."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

import numpy as np
from django.db import connection, transaction
from django.db.models import OuterRef, QuerySet, Subquery
from pgvector import HalfVector
from pgvector.psycopg.halfvec import register_halfvec_info
from psycopg.types import TypeInfo

from memories.models import Chunk, Memory

from .models import Embedding, EmbeddingModel

_LOCK = 0x6D656D76  # "memv": the first number of this application's advisory locks
CARE = 200  # ef_construction: with 64, pgvector's own, the nearest ten of a million were found to 95 %


class Lacking(NamedTuple):
    """A chunk without a vector. `before` is the end of the chunk before it: its overlap is cut from there."""

    chunk: int
    document: int
    order: int
    added: int
    text: str
    previous: str | None


class Row(NamedTuple):
    chunk: int
    digest: UUID | None
    vector: np.ndarray


def digest_of(text: str) -> UUID:
    return UUID(bytes=blake2b(text.encode("utf-8", "replace"), digest_size=16).digest())


# -- models and their indexes


def model_row(name: str, dimensions: int) -> EmbeddingModel:
    """The model's row, made with its index at first use; the first model of all is the active one."""
    found = EmbeddingModel.objects.filter(name=name).first()
    if found is None:
        with transaction.atomic():
            _lock(0)
            first = not EmbeddingModel.objects.filter(active=True).exists()
            found, made = EmbeddingModel.objects.get_or_create(
                name=name, defaults={"dimensions": dimensions, "active": first}
            )
            if made:
                _make_index(found)
    return found


def index_name(model: EmbeddingModel) -> str:
    return f"embedding_hnsw_{model.pk}"


def _make_index(model: EmbeddingModel) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else rows written in this transaction would forbid it
        cursor.execute(index_sql(model))


def index_sql(model: EmbeddingModel) -> str:
    return (
        f"CREATE INDEX {index_name(model)} ON search_embedding"
        f" USING hnsw ((vector::halfvec({int(model.dimensions)})) halfvec_cosine_ops)"
        f" WITH (m = 16, ef_construction = {CARE}) WHERE model_id = {int(model.pk)}"
    )


def drop_model(model: EmbeddingModel) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(f"DROP INDEX IF EXISTS {index_name(model)}")
            cursor.execute("DELETE FROM search_embedding WHERE model_id = %s", [model.pk])
        model.delete()


def _lock(number: int) -> None:
    """Until the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, number])


# -- what is missing


def lacking(memory: Memory, model: EmbeddingModel) -> QuerySet[Chunk]:
    have = Embedding.objects.filter(model=model, memory=memory).values("chunk")
    return Chunk.objects.present().filter(memory=memory).exclude(pk__in=have)


def lacking_batch(memory: Memory, model: EmbeddingModel, after: int, size: int) -> list[Lacking]:
    """The next ones by primary key."""
    previous = (
        Chunk.objects.present().filter(document=OuterRef("document"), order__lt=OuterRef("order")).order_by("-order")
    )
    rows = (
        lacking(memory, model)
        .filter(pk__gt=after)
        .order_by("pk")
        .annotate(previous=Subquery(previous.values("text")[:1]))
        .values_list("pk", "document__number", "order", "added", "text", "previous")
    )
    return [Lacking(*row) for row in rows[:size]]


def known(model: EmbeddingModel, digests: Iterable[UUID]) -> dict[UUID, np.ndarray]:
    """Vectors that this site made of the same texts before."""
    rows = Embedding.objects.filter(model=model, digest__in=list(digests)).order_by().distinct("digest")
    return {digest: np.array(vector, np.float32) for digest, vector in rows.values_list("digest", "vector")}


# -- writing


def store(model: EmbeddingModel, rows: list[Row]) -> int:
    """One transaction. Chunks that went away, or that another worker gave a vector meanwhile, are left out."""
    with transaction.atomic():
        _lock(model.pk)
        wanted = [row.chunk for row in rows]
        there = dict(Chunk.objects.select_for_update(no_key=True).filter(pk__in=wanted).values_list("pk", "memory"))
        for chunk in Embedding.objects.filter(model=model, chunk__in=wanted).values_list("chunk", flat=True):
            del there[chunk]
        kept = [row for row in rows if row.chunk in there]
        _copy(model, kept, there)
    return len(kept)


def _copy(model: EmbeddingModel, rows: list[Row], memories: dict[int, UUID]) -> None:
    statement = "COPY search_embedding (model_id, memory_id, chunk_id, digest, vector) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor:
        # for this cursor alone: the ORM reads vectors as text on the connection
        register_halfvec_info(cursor, TypeInfo.fetch(cursor.connection, "halfvec"))
        with cursor.copy(statement) as copy:
            copy.set_types(["int8", "uuid", "int8", "uuid", "halfvec"])
            for row in rows:
                copy.write_row((model.pk, memories[row.chunk], row.chunk, row.digest, HalfVector(row.vector)))
