"""Nothing that is typed, sent or linked makes a page of the memories break."""

from random import Random
from urllib.parse import quote_from_bytes
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from memories.models import Job

pytestmark = pytest.mark.django_db

VALUES = [b"", b"\0", b"\xff\xfe\xfd", "\ud800".encode("utf-8", "surrogatepass"), b"9" * 400, b"-1", b"1e999",
          b"' OR 1=1 --", b"../../etc/passwd", b"<script>", b"%00", b"NaN", "٣".encode(), b"x" * 5000]  # fmt: skip
QUERY = ["q", "tag", "state", "visibility", "mine", "sort", "view", "page", "type", "kind", "chunk", "at", "next"]
FIELDS = ["name", "description", "tags", "visibility", "index_mode", "profile", "codec", "title", "text", "email",
          "writes", "action", "memory", "document", "job", "file", "typed", "batch", "size", "finish", "sync",
          "message", "path", "history", "confirmed", "all", "next", "first"]  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_is_delivered(monkeypatch):
    monkeypatch.setattr("memories.tasks.deliver", lambda pk: True)


@pytest.fixture
def addresses(new_memory, alice, client):
    """(pages, forms) of one memory, its document and a job."""
    client.force_login(alice)
    row = new_memory()
    job = Job.objects.create(workspace=row.workspace, memory=row, kind="upload", created_by=alice, state="failed")
    one, doc = [row.pk], [row.pk, 1]
    pages = [
        ("memories", []), ("memory", one), ("memory-documents", one), ("memory-history", one), ("memory-download", one),
        ("memory-settings", one), ("document", doc), ("document-text", doc), ("document-original", doc), ("jobs", []),
        ("job", [job.pk]), ("trash", []), ("memory-new", []),
    ]  # fmt: skip
    forms = [
        ("memories-bulk", []), ("memory-new", []), ("memory-upload", one), ("memory-import", one),
        ("memory-remove", one),
        ("memory-settings", one), ("memory-people", one), ("memory-merge", one), ("memory-prepare", one),
        ("document-erase", doc), ("jobs-bulk", []), ("job-cancel", [job.pk]), ("job-retry", [job.pk]),
    ]  # fmt: skip
    address = lambda places: [reverse(name, args=args) for name, args in places]  # noqa: E731
    return address(pages), address(forms)


def random_bytes(random: Random) -> bytes:
    return random.choice([*VALUES, random.randbytes(random.randint(1, 60))])


@pytest.mark.parametrize("seed", range(3))
def test_queries(seed, addresses, client):
    random = Random(seed)
    for address in addresses[0]:
        for _ in range(4):
            names = random.sample(QUERY, 4)
            query = "&".join(f"{name}={quote_from_bytes(random_bytes(random))}" for name in names)
            assert client.get(f"{address}?{query}").status_code < 500, query


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_each_query_parameter_alone(value, addresses, client):
    query = "&".join(f"{name}={quote_from_bytes(value)}" for name in QUERY)
    for address in addresses[0]:
        assert client.get(f"{address}?{query}").status_code < 500


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_forms(value, addresses, client):
    body = "&".join(f"{name}={quote_from_bytes(value)}" for name in FIELDS)
    for address in addresses[1]:
        answer = client.post(address, body, content_type="application/x-www-form-urlencoded")
        assert answer.status_code < 500, address


@pytest.mark.parametrize("seed", range(3))
def test_mixed_forms(seed, addresses, client):
    """Some fields right, so that the others get further in."""
    random = Random(seed)
    right = {"action": random.choice(["trash", "tag", "merge", "vacuum", "verify", "restore", "retry", "clear"]),
             "visibility": "team", "index_mode": "none", "name": "x", "memory": str(uuid4()),
             "document": "1"}  # fmt: skip
    for address in random.sample(addresses[1], len(addresses[1])):
        fields = {**{name: random_bytes(random) for name in FIELDS}, **{n: v.encode() for n, v in right.items()}}
        fields[random.choice(list(right))] = random_bytes(random)
        body = "&".join(f"{name}={quote_from_bytes(value)}" for name, value in fields.items())
        answer = client.post(address, body, content_type="application/x-www-form-urlencoded")
        assert answer.status_code < 500, (address, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff" * 300,
        b"--x\r\n",
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="\x00"\r\n\r\nx\r\n--x--',
    ],
)
def test_bodies_that_are_no_form(body, addresses, client):
    for address in addresses[1]:
        assert client.post(address, body, content_type="multipart/form-data; boundary=x").status_code < 500


def test_odd_file_names_without_paths(addresses, client):
    upload = next(address for address in addresses[1] if address.endswith("/upload/"))
    for name in ("\x01.txt", "a" * 3000 + ".txt", "\ud800.txt".encode("utf-8", "replace").decode(), "‮txt.exe"):
        assert client.post(upload, {"file": SimpleUploadedFile(name, b"x")}).status_code < 500


@pytest.mark.parametrize("path", ["/memories/x/", "/memories/00000000/", "/jobs/%00/", "/memories/%ff%fe/documents/1/",
                                  "/trash/../x/delete/", "/memories/" + "9" * 5000 + "/"])  # fmt: skip
def test_addresses_that_name_nothing(path, addresses, client):
    assert client.get(path).status_code in (400, 404)


def test_document_numbers_that_cannot_be(addresses, client):
    documents = next(address for address in addresses[0] if address.endswith("/documents/"))
    for number in ("0", "4294967296", "9" * 30, "9" * 5000):
        assert client.get(f"{documents}{number}/").status_code == 404


def test_the_way_back_stays_on_this_site(addresses, client):
    for there in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", "\\\\evil.example"):
        answer = client.post(reverse("memories-bulk"), {"action": "nothing", "next": there})
        assert answer.url == reverse("memories")
