import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from collab.models import Membership, Role, User, Workspace

ACTIONS = (
    "/settings/members/{bob}/role/",
    "/settings/members/{bob}/remove/",
    "/settings/invitations/",
    "/settings/invitations/revoke/",
    "/settings/invitations/{invitation}/revoke/",
)
DATA = {"role": "admin", "days": "7", "name": "New name"}


@pytest.fixture
def actions(bobs, invitation) -> list[str]:
    return [action.format(bob=bobs.pk, invitation=invitation[0].pk) for action in ACTIONS]


def test_a_member_reads_who_is_here(as_, workspace, bob):
    text = as_(bob).get("/settings/").content.decode()
    assert "alice@example.org" in text
    assert "Make a link" not in text


def test_the_owner_renames_the_workspace(as_, workspace, alice):
    assert as_(alice).post("/settings/", {"name": "Library"}).status_code == 302
    workspace.refresh_from_db()
    assert workspace.name == "Library"


@pytest.mark.parametrize("name", ["", "   ", "x" * 121, "a\0b"])
def test_a_name_that_cannot_be_is_refused_and_explained(as_, workspace, alice, name):
    answer = as_(alice).post("/settings/", {"name": name})
    assert answer.status_code == 422
    assert 'class="errors"' in answer.content.decode()
    workspace.refresh_from_db()
    assert workspace.name == "Reading room"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_who_may_not_manage_gets_404(as_, workspace, bob, bobs, actions, role):
    bobs.role = role
    bobs.save()
    client = as_(bob)
    for url in [*actions, "/settings/"]:
        assert client.post(url, DATA).status_code == 404, url
    assert _unchanged(workspace, bobs)


def test_a_stranger_gets_404_for_members_and_invitations_of_others(as_, own_place, charlie, workspace, bobs, actions):
    client = as_(charlie)
    for url in actions[:2] + actions[4:]:
        assert client.post(url, DATA).status_code == 404, url
    assert client.post(f"/workspaces/{workspace.pk}/enter/").status_code == 404
    assert _unchanged(workspace, bobs)


def _unchanged(workspace: Workspace, bobs: Membership) -> bool:
    role = bobs.role
    bobs.refresh_from_db()
    return bobs.role == role and workspace.invitations.open().count() == 1


def test_a_visitor_is_sent_to_the_log_in(actions):
    for url in [*actions, "/settings/", "/account/", "/workspaces/new/", "/settings/leave/"]:
        answer = Client().post(url, DATA)
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/accounts/login/"), url


def test_actions_take_no_get(as_, alice, workspace, actions):
    client = as_(alice)
    for url in [*actions, "/settings/leave/", f"/workspaces/{workspace.pk}/enter/"]:
        assert client.get(url).status_code == 405, url


@pytest.mark.parametrize("pk", ["0", "999999", "9" * 30])
def test_a_bad_id_is_404(as_, alice, workspace, pk):
    client = as_(alice)
    for url in (f"/settings/members/{pk}/role/", f"/settings/invitations/{pk}/revoke/", f"/workspaces/{pk}/enter/"):
        assert client.post(url, DATA).status_code == 404, url


def test_a_role_changes(as_, alice, bobs):
    as_(alice).post(f"/settings/members/{bobs.pk}/role/", {"role": "editor"})
    bobs.refresh_from_db()
    assert bobs.role == Role.EDITOR


def test_an_unknown_role_changes_nothing(as_, alice, bobs):
    answer = as_(alice).post(f"/settings/members/{bobs.pk}/role/", {"role": "king"}, follow=True)
    assert "choose one from the list" in answer.content.decode()
    bobs.refresh_from_db()
    assert bobs.role == Role.VIEWER


def test_the_last_owner_stays_owner(as_, alice, alices):
    answer = as_(alice).post(f"/settings/members/{alices.pk}/role/", {"role": "viewer"}, follow=True)
    assert "needs an owner" in answer.content.decode()
    alices.refresh_from_db()
    assert alices.role == Role.OWNER


def test_the_last_owner_cannot_leave(as_, alice, alices):
    answer = as_(alice).post("/settings/leave/", follow=True)
    assert "needs an owner" in answer.content.decode()
    assert Membership.objects.filter(pk=alices.pk).exists()


def test_an_owner_leaves_when_there_is_another(as_, alice, alices, bobs):
    bobs.role = Role.OWNER
    bobs.save()
    as_(alice).post("/settings/leave/")
    assert not Membership.objects.filter(pk=alices.pk).exists()


class TestAdmin:
    @pytest.fixture
    def admin(self, as_, bob: User, bobs: Membership) -> Client:
        bobs.role = Role.ADMIN
        bobs.save()
        return as_(bob)

    def test_touches_no_owner(self, admin, alices):
        assert admin.post(f"/settings/members/{alices.pk}/role/", {"role": "viewer"}).status_code == 404
        assert admin.post(f"/settings/members/{alices.pk}/remove/").status_code == 404

    def test_makes_nobody_an_owner(self, admin, bobs):
        admin.post(f"/settings/members/{bobs.pk}/role/", {"role": "owner"})
        bobs.refresh_from_db()
        assert bobs.role == Role.ADMIN

    def test_invites_nobody_as_owner(self, admin, workspace):
        answer = admin.post("/settings/invitations/", {"role": "owner", "days": "7"})
        assert answer.status_code == 422
        assert not workspace.invitations.exists()


def test_a_removed_member_sees_nothing_more(as_, alice, bob, bobs, new_memory):
    memory, client = new_memory(), as_(bob)
    assert str(memory.pk) in client.get("/").content.decode()
    as_(alice).post(f"/settings/members/{bobs.pk}/remove/")
    assert "You are in no workspace" in client.get("/").content.decode()
    assert client.get("/settings/").status_code == 404


def test_the_list_of_people_asks_as_often_for_forty(as_, workspace, alice):
    client = as_(alice)
    client.get("/settings/")
    with CaptureQueriesContext(connection) as few:
        client.get("/settings/")
    for number in range(40):
        person = User.objects.create(email=f"p{number}@example.org")
        Membership.objects.create(workspace=workspace, user=person)
        workspace.invitations.create(token_digest=str(number), created_by=person)
    with CaptureQueriesContext(connection) as many:
        client.get("/settings/")
    assert len(many) == len(few)


@pytest.mark.parametrize("page", ["2", "x", "-1", "9" * 5000, "1.5"])
def test_people_have_pages(as_, workspace, alice, page):
    for number in range(60):
        Membership.objects.create(workspace=workspace, user=User.objects.create(email=f"p{number}@example.org"))
    answer = as_(alice).get("/settings/", {"page": page})
    assert answer.status_code == 200
    assert "of 62" in answer.content.decode()


def test_a_new_workspace_is_entered_at_once(as_, alice, workspace):
    client = as_(alice)
    client.post("/workspaces/new/", {"name": "Second"})
    assert "Second" in client.get("/settings/").content.decode()
    assert Workspace.objects.get(name="Second").memberships.get().role == Role.OWNER


def test_switching_is_kept_for_the_next_log_in(as_, alice, workspace):
    client = as_(alice)
    client.post("/workspaces/new/", {"name": "Second"})
    client.post(f"/workspaces/{workspace.pk}/enter/")
    for one in (client, as_(alice)):
        assert one.get("/settings/").context["workspace"] == workspace


def test_a_person_changes_their_name(as_, alice, workspace):
    assert as_(alice).post("/account/", {"name": "Alice Liddell"}).status_code == 302
    alice.refresh_from_db()
    assert alice.name == "Alice Liddell"
