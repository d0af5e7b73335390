from collections.abc import Callable, Iterator

import pytest
from asgiref.sync import SyncToAsync
from django.db import connections
from django.test import Client

from collab.models import Invitation, Membership, Role, User, Workspace
from collab.services import invite


@pytest.fixture(autouse=True)
def quick_passwords(settings) -> None:
    """Slow hashes are for real ones."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def as_(db) -> Callable[[User], Client]:
    """A client that is logged in."""

    def build(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return build


@pytest.fixture
def bobs(workspace: Workspace, bob: User) -> Membership:
    return workspace.memberships.get(user=bob)


@pytest.fixture
def alices(workspace: Workspace, alice: User) -> Membership:
    return workspace.memberships.get(user=alice)


@pytest.fixture
def own_place(charlie: User) -> Workspace:
    """Charlie's own workspace, where they own everything and nothing of the others."""
    place = Workspace.objects.create(name="Attic")
    Membership.objects.create(workspace=place, user=charlie, role=Role.OWNER)
    return place


@pytest.fixture
def invitation(workspace: Workspace, alice: User) -> tuple[Invitation, str]:
    return invite(workspace, Role.EDITOR, alice)


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
