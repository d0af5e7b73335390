"""Statements that are written out say what Django's would, and leave the connection as it was."""

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from collab.access import _memberships
from collab.accounts import Backend
from collab.models import Membership, User
from memories.sql import fetch

pytestmark = pytest.mark.django_db


def prepared(text: str) -> int:
    return fetch("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s", [f"%{text}%"])[0][0]


def test_what_comes_again_is_prepared_and_nothing_else_is_remembered():
    for number in range(5):
        assert fetch("SELECT %s::int + 1 AS often", [number]) == [(number + 1,)]
        assert fetch("SELECT %s::int + 1 AS once", [number], prepared=False) == [(number + 1,)]
        User.objects.filter(email=f"{number}@example.org").exists()
    assert prepared("AS often") == 1 and prepared("AS once") == prepared("collab_user") == 0
    assert connection.connection.prepare_threshold is None
    assert not any(b"collab_user" in key[0] for key in connection.connection._prepared._counts)


@pytest.mark.django_db(transaction=True)
def test_an_error_is_djangos_and_leaves_nothing_behind():
    with pytest.raises(DatabaseError):
        fetch("SELECT 1 / %s::int", [0])
    assert connection.connection.prepare_threshold is None and fetch("SELECT 1") == [(1,)]


def test_a_person_is_the_one_that_django_finds(alice, workspace):
    alice.last_login, alice.last_workspace = timezone.now(), workspace
    alice.save()
    found, usual = Backend().get_user(alice.pk), User.objects.get(pk=alice.pk)
    assert {field.attname: getattr(found, field.attname) for field in User._meta.concrete_fields} == {
        field.attname: getattr(usual, field.attname) for field in User._meta.concrete_fields
    }
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert Backend().get_user(alice.pk) is None and Backend().get_user(987_654_321_987) is None


def test_memberships_are_those_that_django_finds(alice, bob, charlie, workspace):
    for person in (alice, bob, charlie):
        usual = list(Membership.objects.filter(user=person).select_related("workspace").order_by("joined_at", "pk"))
        found = _memberships(person)
        assert found == usual and [one.role for one in found] == [one.role for one in usual]
        assert [one.workspace.name for one in found] == [one.workspace.name for one in usual]
    alice.is_active = False
    assert _memberships(alice) == []
