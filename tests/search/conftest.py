"""Rows without files, and an embedder process with the real model."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from collab.models import User, Workspace
from memories.models import Chunk, Commit, Document, Memory
from search import embedding, postings


@pytest.fixture
def away(monkeypatch) -> dict:
    """No embedder runs; what its health says may be changed."""
    said = {"state": "away", "model": "", "dimension": 0, "reason": "the embedder is not running"}
    monkeypatch.setattr(embedding, "health", lambda at=None: said)
    return said


@pytest.fixture
def page(client, alice, away) -> Callable[..., str]:
    """Alice gets a page of the site; the search page where no other is named."""
    client.force_login(alice)

    def get(path: str = "/search/", htmx: bool = False, **query) -> str:
        response = client.get(path, query, headers={"HX-Request": "true"} if htmx else {})
        assert response.status_code == 200
        return response.content.decode()

    return get


@pytest.fixture
def rows(workspace: Workspace, alice: User) -> Callable[..., Memory]:
    """A mirrored memory of those texts (by path, each a chunk), quick to make: it has no file."""

    def build(texts: dict[str, list[str]], **fields) -> Memory:
        facts = {"workspace": workspace, "created_by": alice, "name": "Books", "head": 1, "state": "ready"}
        row = Memory.objects.create(**facts | fields, chunks_count=sum(map(len, texts.values())))
        Commit.objects.create(
            memory=row, number=1, time=datetime(2026, 1, 2, tzinfo=UTC), author="Alice", hash="00",
            first_frame=0, frames=9, put=1, deleted=0,
        )  # fmt: skip
        for number, (path, chunks) in enumerate(texts.items(), 1):
            document = Document.objects.create(
                memory=row, number=number, path=path, media_type="text/plain", size=1, digest="00", added=1, changed=1
            )
            for place, text in enumerate(chunks):
                Chunk.objects.create(
                    memory=row, document=document, order=place << 24, added=1, frame=place, size=len(text), lines=0,
                    text=text,
                )  # fmt: skip
        postings.add(row)
        return row

    return build


@pytest.fixture
def index_words() -> Callable[[Memory], None]:
    """For chunks that were added to such a memory since."""
    return postings.add
