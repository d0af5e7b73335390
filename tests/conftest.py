"""People and a workspace for the tests of the site."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from asgiref.sync import SyncToAsync
from django.conf import settings
from django.db import connection, connections, transaction
from django.test import TransactionTestCase

from collab.models import Membership, Role, User, Workspace
from memories import mirror, working
from memories.engine import Memory as MemoryFile
from memories.models import Memory
from search import embedding
from tests.cross_encoder import make_cross_encoder
from tests.memories.engine.making import make, source

STAY = {"django_migrations", "django_content_type", "auth_permission"}
PASSWORD = "correct horse battery"


def _empty_tables(case: TransactionTestCase) -> None:
    """After a test that commits, as Django's flush does, which takes ten times as long: it empties tables by making
    their files anew, and makes content types and permissions again."""
    tables = set(connection.introspection.django_table_names(only_existing=True)) - STAY
    with transaction.atomic(), connection.cursor() as cursor:  # foreign keys are looked at when all are empty
        quoted = [f'"{name}"' for name in sorted(tables)]
        cursor.execute(f"LOCK TABLE {', '.join(quoted)} IN SHARE ROW EXCLUSIVE MODE")  # whoever still writes ends first
        cursor.execute(";".join(f"DELETE FROM {name}" for name in quoted))


TransactionTestCase._fixture_teardown = _empty_tables


def pytest_configure() -> None:
    """Started in the background of a shell, Ctrl-C would be ignored here and in every process that a test starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_heart_where_nothing_is_committed(request, monkeypatch) -> None:
    """The heartbeat of a job, on a connection of its own, would not find it and take it for lost."""
    marker = request.node.get_closest_marker("django_db")
    if marker is not None and not marker.kwargs.get("transaction"):
        monkeypatch.setattr(working.Hold, "beating", lambda hold: nullcontext())


def _person(name: str) -> User:
    return User.objects.create_user(f"{name}@example.org", PASSWORD, name=name.capitalize())


@pytest.fixture
def alice(db) -> User:
    return _person("alice")


@pytest.fixture
def bob(db) -> User:
    return _person("bob")


@pytest.fixture
def charlie(db) -> User:
    """A stranger: in no workspace of the others."""
    return _person("charlie")


@pytest.fixture
def workspace(alice: User, bob: User) -> Workspace:
    """Alice owns it, Bob is a viewer."""
    workspace = Workspace.objects.create(name="Reading room")
    Membership.objects.create(workspace=workspace, user=alice, role=Role.OWNER)
    Membership.objects.create(workspace=workspace, user=bob, role=Role.VIEWER)
    return workspace


@pytest.fixture
def new_memory(workspace: Workspace, alice: User) -> Callable[..., Memory]:
    """Makes a memory with a real file of those texts, mirrored."""

    def build(texts: dict[str, str] | None = None, **fields) -> Memory:
        row = Memory.objects.create(workspace=workspace, created_by=alice, **{"name": "Books", **fields})
        row.path.parent.mkdir(parents=True, exist_ok=True)
        make(row.path, texts or {"a.txt": "call me ishmael", "b.txt": "it was the best of times"}).close()
        mirror.follow(row)
        return row

    yield build
    for file in (Path(settings.MEMVID_DATA_DIR) / "memories").glob("*.mp4"):
        file.unlink()


@pytest.fixture
def append() -> Callable[[Memory, dict[str, str]], None]:
    """Adds a commit to the file behind the site's back."""

    def run(row: Memory, texts: dict[str, str]) -> None:
        with MemoryFile.open(row.path) as file:
            file.commit([source(name, text) for name, text in texts.items()])

    return run


@pytest.fixture(scope="session")
def embedder_process(tmp_path_factory) -> Iterator[str]:
    """The real embedder with its model loaded, one for the run; gives its socket."""
    folder = tmp_path_factory.mktemp("embedder")
    path = str(folder / "e.sock")
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "search.embedder", path], stdout=log, stderr=log)
    while embedding.health(path)["state"] != "ready":
        assert process.poll() is None, (folder / "log").read_text()
        embedding.forget_health(path)
        threading.Event().wait(0.05)
    yield path
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="session")
def cross_encoder(tmp_path_factory) -> Path:
    """The folder of a small re-ranking model."""
    return make_cross_encoder(tmp_path_factory.mktemp("cross-encoder"))


@pytest.fixture
def embedder(embedder_process: str, settings) -> str:
    """The site's embedder in this test is the real one; elsewhere there is none."""
    settings.EMBEDDER_SOCKET = embedder_process
    return embedder_process


@pytest.fixture
def no_connection_left(db) -> Iterator[None]:
    """The application's threads have connections of their own, which would keep the test database from going."""
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
