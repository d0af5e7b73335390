from collections.abc import Callable

import pytest
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
        client.force_login(user, backend="collab.accounts.Backend")
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
