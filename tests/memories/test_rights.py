"""What one memory allows and what the querysets say is the same, for everybody."""

import itertools

import pytest

from collab.models import Membership, Role, Workspace
from memories.models import ERASE, MANAGE, WRITE, Memory, MemoryPerson, Visibility

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("visibility", Visibility.values)
def test_a_memory_allows_what_the_querysets_find(alice, bob, visibility):
    for number, (role, owns, named) in enumerate(itertools.product([None, *Role], [False, True], [None, False, True])):
        workspace = Workspace.objects.create(name=f"{number}")
        if role:
            Membership.objects.create(workspace=workspace, user=bob, role=role)
        memory = Memory.objects.create(
            workspace=workspace, name="x", visibility=visibility, created_by=bob if owns else alice
        )
        if named is not None:
            MemoryPerson.objects.create(memory=memory, user=bob, writes=named)
        found = [
            rows.filter(pk=memory.pk).exists()
            for rows in (
                Memory.objects.writable_by(bob), Memory.objects.manageable_by(bob), Memory.objects.erasable_by(bob)
            )
        ]  # fmt: skip
        assert memory.allows(bob, WRITE, MANAGE, ERASE) == found, (role, owns, named)
