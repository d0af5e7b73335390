"""A frame on a photo leads to its memory, for those who may see it."""

import io
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image

from memories.engine import Memory as MemoryFile
from memories.engine import photo
from memories.media import sightings
from memories.media.files import OPEN_FILES


@pytest.fixture(autouse=True)
def closed_files():
    yield
    OPEN_FILES.close()


@pytest.fixture
def send(client):
    def run(data: bytes, htmx: bool = False, name: str = "photo.jpg"):
        headers = {"HX-Request": "true"} if htmx else {}
        return client.post(reverse("find-frame"), {"picture": SimpleUploadedFile(name, data)}, headers=headers)

    return run


def frame_of(row, number: int) -> np.ndarray:
    with MemoryFile.open(row.path) as file:
        return file.frame_image(number)


def as_file(image: np.ndarray, ending: str = ".png", *options: int) -> bytes:
    done, data = cv2.imencode(ending, image, list(options))
    assert done
    return data.tobytes()


def photographed(luma: np.ndarray) -> bytes:
    """Seen from the side, a little blurred, on a desk, as JPEG."""
    screen = cv2.resize(luma, None, fx=7, fy=7, interpolation=cv2.INTER_NEAREST)
    side = screen.shape[0]
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    seen = np.array([[260, 210], [1690, 250], [1640, 1640], [300, 1590]], np.float32)
    desk = cv2.warpPerspective(screen, cv2.getPerspectiveTransform(corners, seen), (2000, 1850), borderValue=120)
    light = np.linspace(0.8, 1.0, desk.shape[1])[None, :]
    blurred = cv2.GaussianBlur((desk * light).astype(np.uint8), (0, 0), 1.2)
    return as_file(cv2.cvtColor(blurred, cv2.COLOR_GRAY2BGR), ".jpg", cv2.IMWRITE_JPEG_QUALITY, 85)


def test_a_screenshot_opens_the_frame(client, alice, new_memory, send):
    client.force_login(alice)
    row = new_memory()
    shot = cv2.copyMakeBorder(
        frame_of(row, 1).repeat(4, 0).repeat(4, 1), 90, 200, 300, 40, cv2.BORDER_CONSTANT, value=30
    )
    address = f"{reverse('watch', args=[row.pk])}?frame=1"
    plain = send(as_file(shot))
    assert (plain.status_code, plain["Location"]) == (302, address)
    assert send(as_file(shot), htmx=True)["HX-Redirect"] == address


def test_a_photo_opens_the_frame(client, alice, new_memory, send):
    client.force_login(alice)
    row = new_memory()
    assert send(photographed(frame_of(row, 1)))["Location"].endswith("?frame=1")


def test_a_frame_of_a_foreign_memory_is_as_good_as_none(client, new_memory, charlie, send):
    row, public = new_memory(), new_memory(visibility="public")
    hidden, open_to_all = (as_file(frame_of(one, 1).repeat(3, 0).repeat(3, 1)) for one in (row, public))
    for person in (None, charlie):
        if person:
            client.force_login(person)
        answer = send(hidden)
        assert answer.status_code == 422 and "No memory that you may see holds this frame" in answer.content.decode()
        assert row.name not in answer.content.decode() and str(row.pk) not in answer.content.decode()
        assert str(public.pk) in send(open_to_all)["Location"]


def test_a_frame_that_its_memory_holds_no_more(client, alice, new_memory, append, send):
    client.force_login(alice)
    row = new_memory()
    shot = as_file(frame_of(row, 1).repeat(3, 0).repeat(3, 1))
    row.path.unlink()
    row.commits.all().delete()
    assert send(shot).status_code == 422


def test_a_page_with_absurd_numbers(alice, new_memory):
    row = new_memory()
    for commit, number in ((2**32 - 1, 2**32 - 1), (2**32 - 1, 0), (1, 2**32 - 1)):
        with pytest.raises(sightings.Unseen):
            sightings.memory_of(alice, sightings.Sighting(row.file_id[:16], commit, number, ""))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"no picture at all", "no picture that can be read"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 500, "no picture that can be read"),
        (as_file(np.full((400, 400), 255, np.uint8)), "No page of a memory can be read"),
        (as_file(np.random.default_rng(1).integers(0, 255, (300, 300), np.uint8))[:-2000], "damaged"),
        (b"GIF89a" + b"\1" * 100, "no picture that can be read"),
    ],
)
def test_what_is_no_frame_is_said_plainly(client, db, send, data, words):
    answer = send(data)
    assert answer.status_code == 422 and words in answer.content.decode()


def test_too_large_a_file(client, db, send):
    assert "larger than 12 MB" in send(bytes(photo.MOST_BYTES + 1)).content.decode()


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than anybody has memory for."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(100_000, 100_000), (20_000, 10), (2**31 - 1, 1), (9000, 9000)])
def test_a_picture_bomb(client, db, send, size):
    answer = send(bomb(*size), name="x.png")
    assert answer.status_code == 422 and re_words(answer)


def re_words(answer) -> bool:
    text = answer.content.decode()
    return any(words in text for words in ("too large", "too many pixels", "damaged"))


def test_nothing_was_sent(client, db):
    answer = client.post(reverse("find-frame"), {})
    assert answer.status_code == 422 and "Choose a photo" in answer.content.decode()
    assert client.get(reverse("find-frame")).status_code == 200


def test_the_child_is_limited(monkeypatch, settings):
    code = "from memories.engine import photo; photo.limit(); bytearray(3 << 30)"
    done = subprocess.run([sys.executable, "-c", code], cwd=settings.BASE_DIR, capture_output=True)
    assert done.returncode and b"MemoryError" in done.stderr


def test_a_child_that_hangs_or_dies_is_a_plain_answer(monkeypatch):
    def hang(*args, **options):
        raise subprocess.TimeoutExpired(args, 1)

    monkeypatch.setattr(sightings.subprocess, "run", hang)
    with pytest.raises(sightings.Unseen, match="takes too long"):
        sightings.read_picture(b"x")
    died = subprocess.CompletedProcess([], -9, b"", b"")
    monkeypatch.setattr(sightings.subprocess, "run", lambda *args, **options: died)
    with pytest.raises(sightings.Unseen, match="breaks the reader"):
        sightings.read_picture(b"x")


def test_transparent_and_turned_pictures(new_memory):
    frame = frame_of(new_memory(), 1).repeat(4, 0).repeat(4, 1)
    clear = np.dstack([np.zeros((*frame.shape, 3), np.uint8), 255 - frame])
    out = io.BytesIO()
    Image.fromarray(clear, "RGBA").rotate(90, expand=True).save(out, "PNG")
    assert photo.look(out.getvalue())["number"] == 1
