"""Frames as pictures and as text, thumbnails, and what is kept of them on disk."""

import os
from uuid import uuid4

import cv2
import numpy as np
import pytest
from django.urls import reverse

from memories import mirror
from memories.engine import Memory as MemoryFile
from memories.engine.pages import Kind
from memories.media import pictures, shelf
from memories.media.files import OPEN_FILES
from memories.models import Memory
from tests.memories.engine.making import make


@pytest.fixture(autouse=True)
def closed_files():
    yield
    OPEN_FILES.close()


@pytest.fixture
def get(client, alice):
    client.force_login(alice)

    def run(name, row, *args, query="", **headers):
        return client.get(reverse(name, args=[row.pk, *args]) + query, headers=headers)

    return run


def image_of(response) -> np.ndarray:
    assert response.status_code == 200 and response["Content-Type"] == "image/png"
    return cv2.imdecode(np.frombuffer(response.content, np.uint8), cv2.IMREAD_UNCHANGED)


def break_frame(row: Memory, number: int) -> None:
    """Writes zeros over the frame's bytes in the video."""
    with MemoryFile.open(row.path) as file:
        offset, size = file.log.directory.place(number)
    with row.path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(size))


def records_frame(row: Memory) -> int:
    with MemoryFile.open(row.path) as file:
        return next(n for n in range(row.frames) if file.log.directory.kind(n) == Kind.RECORDS)


def test_a_frame_is_what_the_video_shows(get, new_memory):
    row = new_memory()
    with MemoryFile.open(row.path) as file:
        luma = file.frame_image(1)
    shown = image_of(get("frame", row, 1, query="?size=1024"))
    factor = shown.shape[0] // luma.shape[0]
    assert factor == 1024 // luma.shape[0]
    assert (shown[::factor, ::factor] == luma).all() and shown.shape[0] == luma.shape[0] * factor


@pytest.mark.parametrize(
    ("size", "limit"), [("1", 256), ("300", 512), ("99999", 1024), ("", 512), ("x", 512), ("-4", 512)]
)
def test_sizes_are_few(get, new_memory, size, limit):
    assert limit / 2 < max(image_of(get("frame", new_memory(), 0, query=f"?size={size}")).shape) <= limit


def test_a_large_frame_is_made_smaller(get, new_memory):
    row = new_memory()
    row.path.unlink()
    make(row.path, {"a.txt": "words"}, profile="durable").close()
    mirror.rebuild(row)
    assert max(image_of(get("frame", row, 0, query="?size=256")).shape) == 256


def test_a_frame_has_a_name_for_good(get, new_memory, append, monkeypatch):
    row = new_memory()
    first = get("frame", row, 1)
    append(row, {"c.txt": "more"})
    mirror.follow(row)
    drawn = []
    monkeypatch.setattr(pictures, "_scaled", lambda *args: drawn.append(args))
    again = get("frame", row, 1, **{"If-None-Match": first["ETag"]})
    assert again.status_code == 304 and not again.content
    assert get("frame", row, 1).content == first.content and not drawn


def test_a_swapped_file_has_other_pictures(get, new_memory, append):
    row = new_memory({"a.txt": "one"})
    append(row, {"a.txt": "two"})
    mirror.follow(row)
    before = get("frame", row, 1)
    with MemoryFile.open(row.path) as file:
        file.vacuum(row.path.with_suffix(".new")).close()
    os.replace(row.path.with_suffix(".new"), row.path)
    assert get("frame", row, 2).status_code == 404  # not mirrored yet: not shown under the old frame's name
    mirror.follow(row)
    assert get("frame", row, 1)["ETag"] != before["ETag"]


def test_a_picture_that_is_drawn_during_a_swap_is_not_kept(new_memory):
    row = new_memory()

    def draw() -> bytes:
        row.path.rename(row.path.with_suffix(".old"))
        row.path.write_bytes(b"another file")
        return b"picture of the old one"

    assert shelf.picture(row, "x.png", draw) == b"picture of the old one"
    assert not list(shelf.folder_of(row).iterdir())


def test_what_is_kept_is_bounded(new_memory, monkeypatch):
    monkeypatch.setattr(shelf, "MOST_PICTURES", 3)
    row = new_memory()
    for n in range(5):
        shelf.picture(row, f"{n}.png", lambda: b"data")
        os.utime(shelf.folder_of(row) / f"{n}.png", (n, n))
    assert len(list(shelf.folder_of(row).iterdir())) == 3
    shelf.forget(row)
    assert not shelf.folder_of(row).exists()


@pytest.mark.parametrize("number", [2**31, 2**63, 10**40, 9999])
def test_frames_that_are_not_there(get, new_memory, number):
    row = new_memory()
    assert get("frame", row, number).status_code == get("frame-text", row, number).status_code == 404


def test_a_damaged_frame_says_so(get, new_memory):
    row = new_memory()
    number = records_frame(row)
    break_frame(row, number)
    answer = get("frame", row, number)
    assert answer.status_code == 409 and str(row.path) not in answer.content.decode()
    page = get("frame-text", row, number)
    assert page.status_code == 200 and "This frame is damaged" in page.content.decode()
    assert str(row.path.parent) not in page.content.decode()
    assert image_of(get("thumbnail", row)).shape == (360, 640, 4)  # the placeholder


def test_a_file_that_is_gone(get, new_memory):
    row = new_memory()
    row.path.unlink()
    assert get("frame", row, 0).status_code in (404, 409)
    assert "This frame is damaged" in get("frame-text", row, 0).content.decode()


def test_the_text_of_a_frame(get, new_memory, append):
    row = new_memory({"<b>a</b>.txt": "call me <script>alert(1)</script>"})
    number = records_frame(row)
    page = get("frame-text", row, number).content.decode()
    assert "call me &lt;script&gt;" in page and "&lt;b&gt;a&lt;/b&gt;.txt" in page and ">Text<" in page
    document = row.documents.get()
    assert f'href="{reverse("document", args=[row.pk, document.number])}?chunk=' in page
    assert "commit 1" in page and "until commit" not in page
    append(row, {"<b>a</b>.txt": "call me something else"})
    mirror.follow(row)
    assert "until commit 2" in get("frame-text", row, number).content.decode()


def test_kinds_are_said_in_plain_words(get, new_memory):
    row = new_memory()
    assert "Title page" in get("frame-text", row, 0).content.decode()
    assert "End of a commit" in get("frame-text", row, row.frames - 1).content.decode()


def test_a_thumbnail_is_a_part_of_a_real_frame(get, new_memory):
    row = new_memory()
    first = get("thumbnail", row)
    image = image_of(first)
    assert image.shape == (360, 640, 3)
    with MemoryFile.open(row.path) as file:
        luma = file.frame_image(records_frame(row))
    bright = image[5::10, 5::10].sum(axis=2) > 300
    offset = (luma.shape[0] - 177) // 2 - 2
    assert (bright == (luma[offset : offset + 36, offset : offset + 64] > 127)).all()
    assert get("thumbnail", row, **{"If-None-Match": first["ETag"]}).status_code == 304


def test_an_empty_memory_has_a_placeholder(get, workspace, alice):
    row = Memory.objects.create(workspace=workspace, created_by=alice, name="New")
    assert image_of(get("thumbnail", row)).shape == (360, 640, 4)
    assert get("frame", row, 0).status_code == 404


def test_strangers_see_nothing(client, new_memory, charlie):
    row, public = new_memory(), new_memory(visibility="public")
    addresses = lambda row: [("frame", [row.pk, 0]), ("frame-text", [row.pk, 0]), ("thumbnail", [row.pk])]  # noqa: E731
    for person in (None, charlie):
        if person:
            client.force_login(person)
        assert {client.get(reverse(name, args=args)).status_code for name, args in addresses(row)} == {404}
        assert {client.get(reverse(name, args=args)).status_code for name, args in addresses(public)} == {200}
    assert client.get(reverse("frame", args=[uuid4(), 0])).status_code == 404
