"""Real Yjs in Node against the server's library: the same script, the same text, whatever comes when."""

import json
import os
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycrdt import get_state, get_update

from collab.live import compaction, log, seeding, texts
from collab.live.updates import check
from tests.running import ROOT

from .people import b64

WORDS = st.text("ab é語\n😀👨‍👩‍👧\u0301\U0001f1e9\U0001f1ea", min_size=0, max_size=6)
CLIENTS = 3
STEP = st.one_of(
    st.tuples(st.just("edit"), st.integers(0, CLIENTS), st.integers(0, 40), st.integers(0, 5), WORDS),
    st.tuples(st.just("send"), st.integers(0, CLIENTS)),
    st.tuples(st.just("shuffle"), st.integers(0, CLIENTS)),
    st.tuples(st.just("join"), st.integers(0, CLIENTS)),
    st.tuples(st.just("compact"), st.just(0)),
)


class Node:
    def __init__(self) -> None:
        places = os.pathsep.join([str(ROOT / ".venv/node"), os.environ["PATH"]])
        node = shutil.which("node", path=places)
        assert node, "Node is missing: make front brings it"
        script = ROOT / "tests/collab/live/yjs.mjs"
        self.process = subprocess.Popen([node, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, name: str, doc: str, **more: object) -> object:
        self.process.stdin.write(json.dumps({"do": name, "doc": doc, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "Yjs has ended"
        return json.loads(line)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    found = Node()
    yield found
    found.process.stdin.close()
    found.process.wait(20)


class Yjs:
    """A browser."""

    def __init__(self, node: Node):
        self._node, self._doc, self.unsent = node, str(uuid4()), []
        node("open", self._doc)

    def edit(self, at: int, remove: int, insert: str, *, half: bool = False) -> None:
        self.unsent.append(b64decode(self._node("edit", self._doc, at=at, remove=remove, insert=insert, half=half)))

    def take(self, update: bytes) -> None:
        self._node("apply", self._doc, update=b64(update))

    def vector(self) -> bytes:
        return b64decode(self._node("vector", self._doc))

    def lacking(self, vector: bytes) -> bytes:
        return b64decode(self._node("state", self._doc, vector=b64(vector)))

    @property
    def text(self) -> str:
        return self._node("text", self._doc)

    @property
    def waits(self) -> bool:
        return self._node("waits", self._doc)


class Ours:
    """The server's library, as a job uses it."""

    def __init__(self) -> None:
        self.doc, self.unsent = texts.loaded(b"\0\0"), []

    def edit(self, at: int, remove: int, insert: str) -> None:
        text = self.text
        wanted = text[:at] + insert + text[at + remove :]
        update, _ = texts.edits(self.doc.get_update(), wanted)
        if update is not None:
            self.doc.apply_update(update)
            self.unsent.append(update)

    def take(self, update: bytes) -> None:
        self.doc.apply_update(update)

    def vector(self) -> bytes:
        return self.doc.get_state()

    def lacking(self, vector: bytes) -> bytes:
        return self.doc.get_update(vector)

    @property
    def text(self) -> str:
        return str(self.doc["content"])

    waits = False


class Server:
    """Snapshot and log, as the tables have them; each step merges as the code does that reads those."""

    def __init__(self, text: str):
        self.snapshot, self.log = seeding.state_of(text), []

    def append(self, update: bytes) -> None:
        check(update)
        self.log.append(update)

    @property
    def state(self) -> log.State:
        return log.State(1, len(self.log), log.Projected(0, 0, None), log.merged([self.snapshot, *self.log]))

    def compact(self) -> None:
        self.snapshot, self.log = compaction.shortest(uuid4(), self.state.update), []

    def join(self, client: Yjs | Ours) -> None:
        state = self.state
        client.take(state.missing(client.vector()))
        self.append(client.lacking(state.vector))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=40))
def test_all_texts_are_one_at_rest(node, steps):
    server = Server("# 😀 seed\n")
    clients = [*(Yjs(node) for _ in range(CLIENTS)), Ours()]
    for client in clients:
        server.join(client)
    for kind, who, *more in steps:
        client = clients[who]
        if kind == "edit":
            client.edit(*more)
        elif kind == "send" and client.unsent:
            server.append(client.unsent.pop(0))
        elif kind == "shuffle" and client.unsent:
            server.append(client.unsent.pop())  # the newest first: what is before it comes later
        elif kind == "join":
            server.join(client)
        elif kind == "compact":
            server.compact()
    for client in clients:
        for update in client.unsent:
            server.append(update)
    for client in clients * 2:
        server.join(client)
    server.compact()
    found = {client.text for client in clients} | {texts.text_of(server.state.update)}
    assert len(found) == 1, found
    assert not any(client.waits for client in clients)
    assert get_update(server.state.update, get_state(clients[0].lacking(b"\0")))[:1] == b"\0"


def test_half_of_a_pair_deleted_by_hand_is_the_same_in_every_browser(node):
    """No editor does that. Yjs shows the other half as a replacement character, our library keeps the pair and may
    count wrong behind it, so the video may differ there: but nothing crashes, and browsers agree."""
    server, client, another, ours = Server("a😀b"), Yjs(node), Yjs(node), Ours()
    for one in (client, another, ours):
        server.join(one)
    client.edit(2, 1, "", half=True)
    server.append(client.unsent.pop())
    server.compact()
    server.join(another)
    another.edit(0, 0, "typed ")
    server.append(another.unsent.pop())
    for one in (client, ours):
        server.join(one)
    assert client.text == another.text == "typed a\N{REPLACEMENT CHARACTER}b"
    assert ours.text.startswith("typed a")
