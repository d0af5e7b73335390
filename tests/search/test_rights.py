"""Rights and queries: whatever somebody asks, and wherever, is answered as if what they may not see had never been.

The sharpest check is the second database: each answer is compared with that of the same site without the memories
that the person may not see. Where an address names a row, its answer is compared with that of a row that never was.
"""

import asyncio
import json
import re
from urllib.parse import urlencode
from uuid import uuid4

import numpy as np
import pytest
from asgiref.sync import sync_to_async
from django.urls import URLPattern, get_resolver, reverse

from collab.events import job_changed
from collab.models import Workspace
from memories.models import Chunk, Document, Memory
from search import embedding
from search.models import Turn
from tests.collab.test_socket import _open as open_socket
from tests.search.reading import (
    MODEL,
    RESTORES,
    SEES,
    SIZE,
    WORDS,
    World,
    direction,
    look,
    looked,
    make_world,
    said,
    same_for_everybody,
)

pytestmark = pytest.mark.django_db
LOGGED_IN = [name for name in SEES if name not in ("anonymous", "deactivated")]


@pytest.fixture(autouse=True)
def ready(monkeypatch):
    health = {"state": "ready", "model": MODEL, "dimension": SIZE, "reason": ""}
    monkeypatch.setattr(embedding, "health", lambda at=None: health)
    monkeypatch.setattr(embedding, "embed", lambda texts, **_: np.array([direction(text) for text in texts]))
    monkeypatch.setattr("memories.tasks.deliver", lambda pk: True)


@pytest.fixture
def world(rows, workspace, alice) -> World:
    return make_world(rows, workspace, alice)


def misspelt(word: str) -> str:
    return word[:3] + word[4] + word[3] + word[5:]


def queries_for(hidden: list[str]) -> list[str]:
    """Hidden words as they are, misspelt, begun, in a phrase, left out, beside others, and of a script without
    spaces."""
    words, runs = [WORDS[name][0] for name in hidden], [WORDS[name][1] for name in hidden]
    return [
        "whale", "the white whale rises", " ".join(words), " ".join(map(misspelt, words)), words[0][:5],
        f'"the {words[0]} gate"', "whale " + " ".join(f"-{word}" for word in words), runs[0],
        " ".join(word[:-1] for word in words) + " ",
    ]  # fmt: skip


def surfaces(query: str) -> list[str]:
    """Every way to ask for the same words."""
    words = urlencode({"q": query})
    modes = [f"part:/search/?{words}&mode={mode}" for mode in ("semantic", "keyword", "fuzzy", "phrase")]
    kinds = [f"/search/export/{kind}/?{words}" for kind in ("csv", "json", "md")]
    return [
        f"/search/?{words}", f"/search/quick/?{words}", *modes, *kinds, f"/search/?{words}&view=agreement",
        f"/search/?{words}&view=over-time", f"/search/agreement/?{words}", f"/search/over-time/?{words}",
        f"part:/search/?{words}&as_of=2026-01-03", f"/memories/?{words}", f"/admin/memories/chunk/?{words}",
        f"post:/ask/?{urlencode({'question': query})}",
    ]  # fmt: skip


def filtered(world: World, hidden: list[str]) -> list[str]:
    """Filters that name what is hidden, with a word that all memories hold; passages near a hidden one."""
    words, keys = [WORDS[name][0] for name in hidden], [world.memories[name].pk for name in hidden]
    tags = [f"tag-{word}" for word in words] + [f"mark-{word}" for word in words]
    seen = Chunk.objects.filter(memory=world.memories["public"]).order_by("pk").first()
    merge = [("action", "merge"), ("name", "x"), ("memory", world.memories["public"].pk), ("memory", keys[0])]
    return [
        f"/search/?{urlencode({'q': 'whale', 'tag': tags}, True)}", f"/search/?q=whale&author={words[0]}",
        f"part:/search/?q=whale&path=*{words[-1]}*", f"/search/?{urlencode({'q': 'whale', 'memory': keys}, True)}",
        f"part:/search/?q=whale&memory={keys[-1]}&commit=1", f"/search/export/json/?like={seen.pk}",
        f"part:/search/?like={seen.pk}", f"/memories/?tag=tag-{words[0]}", f"/ask/?memory={keys[0]}",
        reverse("saved", args=[world.saved[hidden[0]].pk]), f"post:/memories/bulk/?{urlencode(merge)}",
        "/", "/jobs/open/", f"part:/search/documents/{seen.document_id}/?q=whale",
    ]  # fmt: skip


def share(name: str, ways: list[str]) -> list[str]:
    """Of all pairs of a question and a way to ask it, each person's part: together they try them all."""
    return ways[LOGGED_IN.index(name) :: len(LOGGED_IN)]


@pytest.mark.parametrize("name", LOGGED_IN)
def test_every_answer_is_as_if_the_hidden_had_never_been(name, world):
    hidden = world.hidden(name)
    pairs = [way for query in queries_for(hidden) for way in surfaces(query)]
    # the example questions of Ask name what documents are about; before any question makes a conversation
    addresses = ["/ask/", *share(name, pairs), *filtered(world, hidden)]
    client = world.client(name)
    with_all = looked(client, addresses)
    without = looked(client, addresses, before=lambda: world.without(hidden))
    for address, one, other in zip(addresses, with_all, without, strict=True):
        if address.startswith("post:"):
            one, other = of_new_rows(one), of_new_rows(other)
        assert one == other, f"{name} is told more by {address}"


def of_new_rows(text: str) -> str:
    """What a form makes has a number and a time of its own."""
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(turn|question|source)-\d+", "new", text)


# -- pages without a question


@pytest.mark.parametrize("name", SEES)
def test_no_page_names_what_is_hidden(name, world):
    """Neither its words nor its name, path, tag, author, description, nor what its jobs say."""
    seen = Chunk.objects.filter(memory=world.memories["public"]).order_by("pk").first()
    choices = "/admin/autocomplete/?app_label=memories&model_name=chunk&field_name=memory&term="
    addresses = [
        "/", "/memories/", "/memories/?view=list", "/jobs/", "/trash/", "/search/", "/search/quick/", "/ask/",
        "/settings/", "/search/?q=whale&type=code", f"/search/?like={seen.pk}", choices,
        f"/search/passages/{seen.pk}/around/?before=9&after=9", f"/memories/{seen.memory_id}/",
        f"/memories/{seen.memory_id}/settings/", f"/memories/{seen.memory_id}/download/",
        *(f"/admin/memories/{kind}/" for kind in ("memory", "document", "chunk", "job")),
        *(reverse("saved", args=[world.saved[one].pk]) for one in ("private", "elsewhere")),
    ]  # fmt: skip
    client = world.client(name)
    told = {address: said(look(client, address)) for address in addresses}
    for hidden in set(WORDS) - SEES[name] - {"public"}:  # its pages are everybody's
        word, run = WORDS[hidden]
        telling = [address for address, text in told.items() if word in text or run in text]
        assert telling == (["/jobs/", "/trash/"] if hidden in RESTORES.get(name, ()) else []), (name, hidden)


@pytest.mark.parametrize("name", SEES)
def test_everybody_finds_what_is_theirs(name, world):
    client = world.client(name)
    for place in (0, 1):
        words = {memory: both[place] for memory, both in WORDS.items()}
        found = said(look(client, f"/search/export/json/?{urlencode({'q': ' '.join(words.values())})}"))
        passages = found.partition('"passages"')[2]  # what stands before is the query
        assert {memory for memory, word in words.items() if word in passages} == SEES[name]


# -- rows by their number


def addresses() -> list[URLPattern]:
    urlconfs = [get_resolver(name) for name in ("memories.urls", "search.urls")]
    return [pattern for conf in urlconfs for pattern in conf.url_patterns if "<" in str(pattern.pattern)]


def rows_of(world: World, hidden: str) -> dict[str, str]:
    """By the beginning of a route: what its number names. Whoever adds another kind of route must say."""
    memory = world.memories[hidden]
    chunk, document = Chunk.objects.filter(memory=memory).first(), Document.objects.filter(memory=memory).first()
    return {
        "memories/<uuid:pk>/": str(memory.pk), "trash/<uuid:pk>/": str(memory.pk),
        "jobs/<uuid:pk>/": str(memory.jobs.get().pk), "search/passages/<int:pk>/": str(chunk.pk),
        "ask/<uuid:pk>/": str(world.conversation.pk), "search/saved/<int:pk>/": str(world.unshared.pk),
        "search/export/<str:kind>/": "json", "search/documents/<int:pk>/": str(document.pk),
    }  # fmt: skip


def address_of(pattern: URLPattern, first: str) -> str:
    rest = {"number": "1", "person": "1", "kind": "json"}
    return "/" + re.sub(r"<\w+:(\w+)>", lambda found: rest.get(found[1], first), str(pattern.pattern))


FORM = {
    "name": "x", "question": "What is it?", "action": "trash", "document": "1", "confirmed": "1", "text": "x",
    "email": "alice@example.org", "typed": "x", "title": "x", "visibility": "team", "index_mode": "none",
}  # fmt: skip


HIDDEN_ROWS = [("viewer", "private"), ("editor", "trashed"), ("elsewhere", "team"), ("anonymous", "private")]


@pytest.mark.parametrize(("name", "hidden"), HIDDEN_ROWS)
def test_a_hidden_row_is_as_one_that_never_was(name, hidden, world):
    client, before = world.client(name), Memory.objects.filter(pk=world.memories[hidden].pk).values().get()
    for pattern in addresses():
        route = str(pattern.pattern)
        key = next(key for head, key in rows_of(world, hidden).items() if route.startswith(head))
        if key == "json":
            continue  # it names no row
        never = str(uuid4()) if "uuid:pk" in route else str(2**40)
        for send in (client.get, lambda address: client.post(address, FORM)):
            answer, other = send(address_of(pattern, key)), send(address_of(pattern, never))
            told, never_told = (
                same_for_everybody(said(one)).replace(f"/{number}/", "/KEY/")
                for one, number in ((answer, key), (other, never))
            )
            assert told == never_told, f"{name} is told that {pattern.name} of a {hidden} memory exists"
            assert answer.status_code in (302, 404, 405), pattern.name
    assert Memory.objects.filter(pk=world.memories[hidden].pk).values().get() == before


# -- a streamed answer


@pytest.mark.parametrize("name", ["owner", "viewer", "elsewhere"])
def test_a_streamed_answer_quotes_what_may_be_seen(name, world):
    question = "When does the gate of " + " and ".join(word for word, _ in WORDS.values()) + " open?"
    headers = {"Accept": "application/x-ndjson"}
    response = world.client(name).post("/ask/", {"question": question}, headers=headers)
    lines = [json.loads(line) for line in b"".join(response).decode().splitlines()]
    turn = Turn.objects.latest("pk")
    places = {place["memory"] for place in turn.passages}
    assert places and places <= {str(world.memories[memory].pk) for memory in SEES[name]}
    text = "".join(line.get("text", "") for line in lines if line["is"] == "text")
    assert text and not [word for memory, (word, _) in WORDS.items() if memory not in SEES[name] and word in text]


# -- what open pages are told


@pytest.mark.usefixtures("no_connection_left")
@pytest.mark.django_db(transaction=True)
def test_the_socket_tells_of_what_may_be_seen(world, workspace):
    async def story() -> dict[str, set[str]]:
        told = {}
        for name in SEES:
            told[name] = await heard(world, workspace, name)
        return told

    members = {"owner", "admin", "editor", "viewer"}
    expected = {
        name: ({m for m in SEES[name] | RESTORES.get(name, set()) if m != "elsewhere"} if name in members else None)
        for name in SEES
    }
    assert asyncio.run(story()) == expected


async def heard(world: World, workspace: Workspace, name: str) -> set[str] | None:
    """The memories whose jobs it hears of; None where the socket is closed."""
    socket = await open_socket(workspace, world.people[name] if name != "deactivated" else None)
    first = await socket.receive_output(5)
    if first["type"] == "websocket.close":
        return None
    for memory in world.memories.values():
        await sync_to_async(job_changed)(workspace.pk, uuid4(), memory.pk, "running", "reading", 1)
    await sync_to_async(job_changed)(workspace.pk, uuid4(), None, "done", "", 100)
    names, keys = set(), {str(memory.pk): key for key, memory in world.memories.items()}
    while (message := await socket.receive_json_from(5))["memory"] is not None:
        names.add(keys[message["memory"]])
    await socket.disconnect()
    return names
