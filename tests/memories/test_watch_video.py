"""The video view: what of the file travels, and to whom."""

import asyncio
import os
from pathlib import Path
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.core.signals import request_finished
from django.db import close_old_connections
from django.urls import reverse

from memories import mirror
from memories.engine import Memory as MemoryFile
from memories.media import stream
from memories.media.files import OPEN_FILES
from memories.media.ranges import Span
from memories.models import Memory


@pytest.fixture(autouse=True)
def closed_files():
    yield
    OPEN_FILES.close()


def body(response) -> bytes:
    if not response.streaming:
        return response.content

    async def collect() -> bytes:
        return b"".join([piece async for piece in response.streaming_content])

    return async_to_sync(collect)()


@pytest.fixture
def get(client, alice):
    client.force_login(alice)
    return lambda row, method="get", **headers: getattr(client, method)(
        reverse("video", args=[row.pk]), headers=headers
    )


def test_the_whole_file(get, new_memory):
    row = new_memory()
    response = get(row)
    assert (response.status_code, response["Content-Type"], response["Accept-Ranges"]) == (200, "video/mp4", "bytes")
    assert "private" in response["Cache-Control"]
    data = body(response)
    assert data == row.path.read_bytes() and response["Content-Length"] == str(len(data))


@pytest.mark.parametrize(
    ("header", "start", "stop"), [("bytes=10-19", 10, 20), ("bytes=-7", -7, None), ("bytes=5-", 5, None)]
)
def test_a_part(get, new_memory, header, start, stop):
    row = new_memory()
    data = row.path.read_bytes()
    response = get(row, Range=header)
    first, last = range(len(data))[start:stop][0], range(len(data))[start:stop][-1]
    assert response.status_code == 206 and response["Content-Range"] == f"bytes {first}-{last}/{len(data)}"
    assert body(response) == data[start:stop] and response["Content-Length"] == str(last + 1 - first)


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-1,4-5"}, {"If-Range": '"old"', "Range": "bytes=9-"}])
def test_a_large_file_comes_in_parts_also_to_who_asks_for_all(get, new_memory, monkeypatch, headers):
    row = new_memory()
    monkeypatch.setattr(stream, "MOST_RANGE", 100)
    response = get(row, **headers)
    assert response.status_code == 206 and response["Content-Range"] == f"bytes 0-99/{row.file_bytes}"
    assert body(response) == row.path.read_bytes()[:100] and response["Content-Length"] == "100"


def test_a_part_outside_of_the_file(get, new_memory):
    row = new_memory()
    response = get(row, Range=f"bytes={row.file_bytes}-")
    assert response.status_code == 416 and response["Content-Range"] == f"bytes */{row.file_bytes}"


def test_several_ranges_are_answered_whole(get, new_memory):
    row = new_memory()
    assert body(get(row, Range="bytes=0-1,4-5")) == row.path.read_bytes()


def test_head_sends_the_facts_alone(get, new_memory):
    row = new_memory()
    response = get(row, "head", Range="bytes=0-9")
    assert (response.status_code, response["Content-Length"], response.content) == (200, str(row.file_bytes), b"")


def test_conditions(get, new_memory, append):
    row = new_memory()
    tag = get(row)["ETag"]
    assert get(row, **{"If-None-Match": tag}).status_code == 304
    assert get(row, **{"If-Range": tag, "Range": "bytes=0-3"}).status_code == 206
    assert get(row, **{"If-Match": '"another"'}).status_code == 412
    append(row, {"c.txt": "more"})
    mirror.follow(row)
    changed = get(row, **{"If-Range": tag, "Range": "bytes=0-3"})
    assert changed.status_code == 200 and changed["ETag"] != tag and body(changed) == row.path.read_bytes()
    assert get(row, **{"If-Range": f"W/{changed['ETag']}", "Range": "bytes=0-3"}).status_code == 200


def test_never_past_the_committed_length(get, new_memory):
    """A writer is at work on the tail."""
    row = new_memory()
    data = row.path.read_bytes()
    with row.path.open("ab") as file:
        file.write(b"half a fragment" * 1000)
    assert body(get(row)) == data
    assert body(get(row, Range="bytes=-4")) == data[-4:]
    assert get(row, Range=f"bytes={len(data)}-").status_code == 416


def test_commits_that_the_rows_do_not_know_yet_are_not_sent(get, new_memory, append):
    row = new_memory()
    data = row.path.read_bytes()
    append(row, {"c.txt": "more"})
    assert body(get(row)) == data


def test_a_file_that_became_shorter(get, new_memory):
    row = new_memory()
    data = row.path.read_bytes()[:-100]
    row.path.write_bytes(data)
    response = get(row)
    assert body(response) == data and response["Content-Length"] == str(len(data))


def test_a_file_that_is_gone(get, new_memory):
    row = new_memory()
    row.path.unlink()
    assert get(row).status_code == 404


def test_a_memory_without_a_commit(get, workspace, alice):
    assert get(Memory.objects.create(workspace=workspace, created_by=alice, name="New")).status_code == 404


def test_a_swap_in_the_middle_changes_nothing_of_what_is_sent(get, new_memory, append):
    row = new_memory()
    append(row, {"a.txt": "another first text"})
    mirror.follow(row)
    before = row.path.read_bytes()
    response = get(row)
    with MemoryFile.open(row.path) as file:
        file.vacuum(row.path.with_suffix(".new")).close()
    os.replace(row.path.with_suffix(".new"), row.path)
    after = row.path.read_bytes()
    assert body(response) == before != after
    unmirrored = get(row)
    assert body(unmirrored) == after and unmirrored["ETag"] != response["ETag"]
    mirror.follow(row)
    assert get(row)["ETag"] == unmirrored["ETag"]


@pytest.fixture
def kept_connection():
    """A response that is closed tells Django to close the database connection, which the test goes on using."""
    request_finished.disconnect(close_old_connections)
    yield
    request_finished.connect(close_old_connections)


def test_the_descriptor_goes_with_the_response(get, new_memory, kept_connection):
    row = new_memory()
    count = lambda: sum(os.path.realpath(link) == str(row.path) for link in Path("/proc/self/fd").iterdir())  # noqa: E731
    get(row).close()
    open_before = count()
    unread, begun = get(row), get(row)

    async def first() -> bytes:
        return await anext(aiter(begun.streaming_content))

    assert async_to_sync(first)()
    assert count() > open_before
    unread.close()
    begun.close()
    assert count() == open_before


def test_pieces_are_small(new_memory):
    path = new_memory().path
    with path.open("ab") as file:
        file.truncate(3 * stream.PIECE)
    video = stream.Video(os.open(path, os.O_RDONLY), 3 * stream.PIECE, "0" * 64)

    async def sizes() -> list[int]:
        return [len(piece) async for piece in video.pieces(Span(1, 2 * stream.PIECE + 5))]

    assert asyncio.run(sizes()) == [stream.PIECE, stream.PIECE, 4]


def test_who_may_watch(client, new_memory, alice, bob, charlie):
    private, team, public = (new_memory(visibility=kind) for kind in ("private", "team", "public"))
    seen = lambda row: client.get(reverse("video", args=[row.pk])).status_code  # noqa: E731
    assert [seen(row) for row in (private, team, public)] == [404, 404, 200]
    for person, expected in ((alice, [200, 200, 200]), (bob, [404, 200, 200]), (charlie, [404, 404, 200])):
        client.force_login(person)
        assert [seen(row) for row in (private, team, public)] == expected
    assert client.get(reverse("video", args=[uuid4()])).status_code == 404
    assert client.post(reverse("video", args=[public.pk])).status_code == 405
