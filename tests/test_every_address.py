"""Nonsense to every address of the site, those that are added later included: a page that says no, never a 500.

What an address needs is taken from rows that exist, so that nonsense gets as far as the view; the names of fields are
those that templates and code know.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote_from_bytes
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern

from collab import comments
from collab.models import Notification, Thread, User
from collab.services import invite
from memories.models import Job, Memory
from search.models import Conversation, SavedSearch

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).parents[1]
VALUES = [b"", b"\0", b"[]", b"0001-01-01", b"\xff\xfe\xfd", "\ud800".encode("utf-8", "surrogatepass"), b"9" * 400,
          b"-1", b"1e999", b"NaN", b"' OR 1=1 --", b"../../etc/passwd", b"{", b"%00", "٣".encode(), b"x" * 5000,
]  # fmt: skip
BODIES = [b"", b"\xff" * 300, b"--x\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\n\xff",
          b'--x\r\nContent-Disposition: form-data; name="file"; filename="\x00"\r\n\r\nx\r\n--x--']  # fmt: skip
JSON = [b"", b"{", b"[]", b"null", b"7", b'"x"', b'{"type": "\\ud800\\u0000", "id": {}, "update": 1e999}', b"[" * 9000]
ODD = [1e999, 1e30, -1, "\0", [], {}, [{}], True]  # of every key
FIRST = {"jobs": Job, "ask": Conversation, "notifications": Notification}  # else a uuid is a memory's
NUMBERED = {"settings/members": "Membership", "settings/invitations": "Invitation", "comments/threads": "Thread",
            "comments": "Comment", "search/passages": "Chunk", "search/saved": "SavedSearch",
            "workspaces": "Workspace"}  # fmt: skip
SPOKEN = {"admin/^(?P<app_label>": "admin/memories/", "admin/(?P<url>": "admin/x",
          "accounts/^confirm-email": "accounts/confirm-email/a/",
          "accounts/^password": "accounts/password/reset/key/a-b/"}  # fmt: skip


def _routes(patterns: list[Any], before: str = "") -> Iterator[tuple[str, bool]]:
    """(route, whether it is a regular expression)."""
    for one in patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _routes(one.url_patterns, route)
        elif isinstance(one, URLPattern):
            yield route, isinstance(one.pattern, RegexPattern)


# It waits on its event loop, which a request of this client has for itself: tests/collab/live/test_fallback.py.
WAITS = "memories/<uuid:pk>/documents/<int:number>/live/"
ROUTES = sorted({(route, kind) for route, kind in _routes(get_resolver().url_patterns) if route != WAITS})


def _names() -> list[str]:
    """Of fields and parameters, wherever they are read or written down."""
    files = list((ROOT / "templates").rglob("*.html"))
    files += [path for app in ("collab", "memories", "search") for path in (ROOT / app).rglob("*.py")]
    text = "\n".join(
        path.read_text() for path in files if "engine" not in path.parts and "migrations" not in path.parts
    )
    found = re.findall(r'\bname="([a-z_]\w*)"', text)
    found += re.findall(r'(?:GET|POST|FILES)(?:\.\w+\(|\[)"(\w+)"', text)
    found += re.findall(r"^    (\w+) = forms\.\w+\(", text, re.MULTILINE)
    columns = [field.name for model in apps.get_models() for field in model._meta.get_fields()]
    return sorted({*found, *columns, "q", "page", "o", "e", "_save", "_selected_action", "index", "login", "code"})


NAMES = _names()


@pytest.fixture
def rows(new_memory, alice: User, bob: User, workspace) -> Memory:
    """One of everything that an address can name."""
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    memory = new_memory()
    Job.objects.create(workspace=workspace, memory=memory, kind="upload", created_by=alice, state="failed")
    invite(workspace, "viewer", alice)
    comments.begin(memory.documents.first(), alice, "what?", "call me", "", "")
    Notification.objects.create(user=alice, kind="invited", memory=memory)
    Conversation.objects.create(user=alice, workspace=workspace, title="What?")
    SavedSearch.objects.create(user=alice, workspace=workspace, name="whales", params="q=whale")
    return memory


def _model(name: str) -> type[models.Model]:
    return next(model for model in apps.get_models() if model.__name__ == name)


def _value(name: str, kind: str, route: str) -> Any:
    if kind == "uuid":
        return FIRST.get(route.split("/")[0], Memory).objects.values_list("pk", flat=True).first() or uuid4()
    if name == "object_id":
        model = User if route.startswith("admin/r/") else apps.get_model(*route.split("/")[1:3])
        return model.objects.values_list("pk", flat=True).first() or 1
    if name == "pk":
        known = [model for start, model in NUMBERED.items() if route.startswith(start)]
        return _model(known[0]).objects.values_list("pk", flat=True).first() if known else 1
    return {"provider_id": "oidc", "kind": "csv", "content_type_id": 1, "person": 1}.get(name, 1)


def _address(route: str, is_expression: bool) -> str:
    if is_expression:
        return "/" + next(address for start, address in SPOKEN.items() if route.startswith(start))
    place = lambda match: str(_value(match[2], match[1], route))  # noqa: E731
    return "/" + re.sub(r"<(?:(\w+):)?(\w+)>", place, route)


class Sender:
    """Each request leaves the rows as they were, so that a form that was heard does not take away the next one's."""

    def __init__(self, user: User | None):
        self.client = Client(raise_request_exception=False)
        if user is not None:
            self.client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
        self.cookies = self.client.cookies.copy()

    def send(self, method: str, address: str, body: bytes = b"", kind: str = "", **headers: str) -> None:
        self.client.cookies = self.cookies.copy()
        with transaction.atomic():
            answer = self.client.generic(method, address, body, kind or "application/octet-stream", headers=headers)
            if answer.streaming and not answer.is_async:
                assert sum(map(len, answer.streaming_content)) < 64 << 20
            transaction.set_rollback(True)
        assert answer.status_code < 500, (method, address[:300], body[:500], answer.status_code)


def _query(random: Random, value: bytes | None, likely: list[str]) -> bytes:
    """Every field with that value; without one each with its own, some of which make sense."""
    pick = lambda: random.choice([*VALUES, random.randbytes(20), *(v.encode() for v in likely)])  # noqa: E731
    pairs = [(name, pick() if value is None else value) for name in NAMES]
    return "&".join(f"{name}={quote_from_bytes(said)}" for name, said in pairs).encode()


def _likely() -> list[str]:
    """What fields may rightly hold, whichever they are."""
    keys = [str(row.pk) for model in (Memory, Job, Thread, SavedSearch) for row in model.objects.all()]
    words = "trash tag merge verify restore retry clear delete_selected team private viewer editor text meaning json"
    return [*keys, *words.split(), "1", "2", "on", "1", "a@example.org", "2026-01-02", "name", json.dumps({"a": 1})]


@pytest.mark.parametrize("route, is_expression", ROUTES, ids=[route for route, _ in ROUTES])
def test_nonsense(route, is_expression, rows, alice, settings, monkeypatch):
    monkeypatch.setattr("memories.tasks.deliver", lambda pk: True)
    settings.ACCOUNT_RATE_LIMITS = False
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 10 * len(NAMES)
    address, random, likely = _address(route, is_expression), Random(route), _likely()
    form = "application/x-www-form-urlencoded"
    inside, outside = Sender(alice), Sender(None)
    for value in [random.choice(VALUES), None]:
        said = _query(random, value, likely)
        htmx = random.choice([{}, {"HX-Request": "true"}])
        alone = f"{random.choice(NAMES)}={quote_from_bytes(value or random.choice(VALUES))}"
        inside.send("GET", f"{address}?{alone}", **htmx)
        inside.send("GET", f"{address}?{said.decode()}"[:60_000], **htmx)
        inside.send("POST", address, said, form, **htmx)
    outside.send("GET", f"{address}?{_query(random, None, likely).decode()}"[:60_000])
    outside.send("POST", address, _query(random, None, likely), form)
    inside.send("GET", address, Range="bytes=9-1,x", **{"If-None-Match": "\xff", "If-Modified-Since": "never"})
    inside.send("POST", address, random.choice(BODIES), "multipart/form-data; boundary=x")
    odd = [json.dumps(dict.fromkeys(NAMES, value)).encode() for value in ODD]
    for body in random.sample([*JSON, *odd], 3):
        inside.send("POST", address, body, "application/json", Accept="application/json")
    for method in ("PUT", "DELETE", "OPTIONS", "HEAD"):
        inside.send(method, address, b"\xff")


def test_rows_are_found_for_every_address(rows):
    """Else nonsense is answered before a view has seen it."""
    for route, is_expression in ROUTES:
        address = _address(route, is_expression)
        assert "None" not in address, route
        for key in re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", address):
            assert any(model.objects.filter(pk=UUID(key)).exists() for model in (Memory, *FIRST.values())), route


NOWHERE = [
    "/memories/x/",
    "/jobs/%00/",
    "/%ff%fe/",
    "/memories/%ff/documents/1/",
    "/" + "9" * 5000,
    "/memories/00000000-0000-0000-0000-000000000000/documents/9999999999999999999999/",
    "/admin/memories/memory/%00/change/",
    "/search/passages/99999999999999999999/around/",
    "/accounts/oidc/%ff/login/",
]


@pytest.mark.parametrize("address", NOWHERE)
def test_addresses_that_name_nothing(address, rows, alice):
    inside = Sender(alice)
    for method in ("GET", "POST"):
        inside.send(method, address)
