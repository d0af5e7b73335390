"""Who may see what: people of every kind, memories of every kind with words of their own, and what a page says."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.core import signing
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from collab.models import Membership, Role, User, Workspace
from memories import mirror
from memories.models import Chunk, Commit, Document, Job, JobFile, Memory, MemoryPerson
from search import querylog, vectors
from search.models import Conversation, SavedSearch, Turn

SIZE = 16
MODEL = "fake for rights"  # vectors of questions are kept by the name of the model
SHARED_TEXT = "The white whale rises beside the ship."  # in every memory
# By memory: a word of its text, and a run of a script without spaces.
WORDS = {
    "team": ("zephyrium", "秘密計画"),
    "private": ("quixandra", "機密文書"),
    "named": ("borvexel", "極秘会議"),
    "public": ("lumitrope", "公開情報"),
    "trashed": ("xanthorel", "廃棄資料"),
    "own-trashed": ("kryptonal", "個人日記"),
    "elsewhere": ("vondrakin", "別室記録"),
}
NOBODY = frozenset[str]()
SEES = {
    "owner": {"team", "private", "named", "public"},
    "admin": {"team", "public"},
    "editor": {"team", "public"},
    "viewer": {"team", "public"},
    "reader": {"named", "public"},
    "writer": {"named", "public"},
    "elsewhere": {"public", "elsewhere"},
    "stranger": {"public"},
    "staff": {"public"},
    "deactivated": NOBODY,
    "anonymous": NOBODY,
}
RESTORES = {"owner": {"trashed", "own-trashed"}, "admin": {"trashed"}}  # sees them in the trash, nowhere else


@dataclass
class World:
    people: dict[str, User | None] = field(default_factory=dict)
    memories: dict[str, Memory] = field(default_factory=dict)
    saved: dict[str, SavedSearch] = field(default_factory=dict)
    unshared: SavedSearch | None = None
    conversation: Conversation | None = None

    def client(self, name: str) -> Client:
        client = Client()
        if user := self.people[name]:
            client.force_login(user, backend="collab.accounts.Backend")
        return client

    def hidden(self, name: str) -> list[str]:
        """What they see neither in the pages nor in the trash."""
        return sorted(set(self.memories) - set(SEES[name]) - RESTORES.get(name, set()))

    def without(self, names: Iterable[str]) -> None:
        """As it would be had these memories never been."""
        for name in names:
            mirror.take_down(self.memories[name])
            Memory.objects.filter(pk=self.memories[name].pk).delete()


def direction(text: str) -> np.ndarray:
    """Texts that share a word are near each other."""
    vector = np.full(SIZE, 0.01, np.float32)
    for word in re.findall(r"\w+", text.lower()):
        vector[sum(word.encode()) % SIZE] += 1
    return vector / np.linalg.norm(vector)


def make_world(rows: Any, workspace: Workspace, owner: User) -> World:
    world = World()
    other = Workspace.objects.create(name="Elsewhere")
    for name in SEES:
        world.people[name] = None if name == "anonymous" else _person(name, owner)
    for name in ("admin", "editor", "viewer", "deactivated"):
        role = Role.VIEWER if name == "deactivated" else Role(name)
        Membership.objects.create(workspace=workspace, user=world.people[name], role=role)
    for name, place in (("reader", Workspace.objects.create(name="Attic")), ("elsewhere", other)):
        Membership.objects.create(workspace=place, user=world.people[name], role=Role.OWNER)
    for name in WORDS:
        world.memories[name] = _memory(rows, name, other if name == "elsewhere" else workspace, world)
    for name, writes in (("reader", False), ("writer", True)):
        MemoryPerson.objects.create(memory=world.memories["named"], user=world.people[name], writes=writes)
    model = vectors.model_row(MODEL, SIZE)
    chunks = Chunk.objects.values_list("pk", "text")
    vectors.store(model, [vectors.Row(pk, None, direction(text)) for pk, text in chunks])
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")  # the new model has set them for this transaction
    _leftovers(world, workspace)
    # from here on, as it would be with a new request: the person is not as when they logged in
    User.objects.filter(pk=world.people["deactivated"].pk).update(is_active=False)
    return world


def _person(name: str, owner: User) -> User:
    if name == "owner":
        return owner
    return User.objects.create_user(f"{name}@example.net", "x", name=f"Person {name}", is_staff=name == "staff")


def _memory(rows: Any, name: str, workspace: Workspace, world: World) -> Memory:
    word, run = WORDS[name]
    texts = {
        f"folder-{word}/{word}.txt": [
            f"The {word} gate opens at noon. Nobody may pass the {word} without a {word} key.",
            f"{run}は会議室にある。",
            SHARED_TEXT,
        ],
        f"more-{word}.py": [f"A whale and a {word} swim in the sea, whale after whale."],
    }  # fmt: skip
    visibility = {"team": "team", "public": "public", "trashed": "team", "elsewhere": "team"}.get(name, "private")
    row = rows(
        texts, name=f"Memory {word}", description=f"About {word}", tags=[f"tag-{word}"], workspace=workspace,
        visibility=visibility, created_by=world.people["elsewhere" if name == "elsewhere" else "owner"],
        deleted_at=timezone.now() if name.endswith("trashed") else None,
    )  # fmt: skip
    Commit.objects.filter(memory=row).update(author=f"Author {word}", message=f"Add {word}")
    Document.objects.filter(memory=row).update(tags=[f"mark-{word}"])
    return row


def _leftovers(world: World, workspace: Workspace) -> None:
    """What work on the memories leaves beside them: jobs, shared searches, a conversation."""
    for name, memory in world.memories.items():
        word = WORDS[name][0]
        job = Job.objects.create(
            workspace=memory.workspace, memory=memory, kind="upload", created_by=memory.created_by, state="running",
            stage=f"reading {word}.txt", reason=f"about {word}",
        )  # fmt: skip
        JobFile.objects.create(job=job, path=f"{word}.txt", state="failed", reason=f"{word} is no text")
        params = f"q=whale&memory={memory.pk}"
        world.saved[name] = SavedSearch.objects.create(
            user=world.people["owner"], workspace=workspace, name=f"Search of {memory.created_at:%H}", params=params,
            shared=True,
        )  # fmt: skip
    world.unshared = SavedSearch.objects.create(
        user=world.people["owner"], workspace=workspace, name="About quixandra", params="q=quixandra"
    )
    world.conversation = Conversation.objects.create(
        user=world.people["owner"], workspace=workspace, memory=world.memories["private"], title="About quixandra"
    )
    Turn.objects.create(conversation=world.conversation, question="What is quixandra?")


# -- what a response says


def said(response: HttpResponse) -> str:
    """All that reaches the person: status, where it leads, the name of a file, the text."""
    body = b"".join(response) if response.streaming else response.content
    names = ("Location", "Content-Disposition", "HX-Redirect", "HX-Push-Url", "HX-Replace-Url", "ETag")
    headers = [f"{name}: {response[name]}" for name in names if name in response]
    return "\n".join([str(response.status_code), *headers, body.decode("utf-8", "replace")])


ALWAYS_OTHERS = (
    (re.compile(r'data-ticket="([^"]+)"'), lambda found: f"ticket {_ticket(found[1])}"),
    (re.compile(r"\b(?=\w*[G-Zg-z])[A-Za-z0-9]{64}\b|(?<=nonce=)\S+"), "token"),
    (re.compile(r"\b\d+ ms\b|<time [^>]+>[^<]*</time>"), "some time"),
)


def same_for_everybody(text: str) -> str:
    """Without what differs between any two answers."""
    for pattern, instead in ALWAYS_OTHERS:
        text = pattern.sub(instead, text)
    return text


def _ticket(text: str) -> dict[str, Any]:
    return signing.loads(text, salt=querylog.SALT) | {"ms": 0}


def looked(client: Client, addresses: Iterable[str], before: Any = None) -> list[str]:
    """What each says, in a moment that leaves no trace. `before`: done first."""
    with transaction.atomic():
        if before:
            before()
        found = [same_for_everybody(said(look(client, one))) for one in addresses]
        transaction.set_rollback(True)
    return found


def look(client: Client, address: str) -> HttpResponse:
    """`part:` before it: as htmx asks for it; `post:`: sent as a form."""
    if address.startswith("part:"):
        return client.get(address[5:], headers={"HX-Request": "true"})
    if address.startswith("post:"):
        return client.post(address[5:].partition("?")[0], address.partition("?")[2], FORM, follow=True)
    return client.get(address, follow=True)


FORM = "application/x-www-form-urlencoded"
