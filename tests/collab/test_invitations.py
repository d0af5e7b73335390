import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from collab.models import Invitation, Membership, Role, User
from collab.services import accept_invitation, invite, make_workspace
from tests.conftest import PASSWORD

NEW = {"email": "dora@example.org", "password1": PASSWORD, "password2": PASSWORD}


def _role(workspace, email: str) -> str | None:
    return workspace.memberships.filter(user__email=email).values_list("role", flat=True).first()


def test_the_link_is_shown_once_and_only_its_digest_is_kept(as_, workspace, alice):
    client = as_(alice)
    text = client.post("/settings/invitations/", {"role": "editor", "days": "7"}).content.decode()
    token = re.search(r"/invite/([\w-]+)/", text)[1]
    assert token not in client.get("/settings/").content.decode()
    kept = Invitation.objects.get()
    assert token not in kept.token_digest
    assert timedelta(days=6) < kept.expires_at - timezone.now() <= timedelta(days=7)


@pytest.mark.parametrize("wrong", [{"role": "king", "days": "7"}, {"role": "editor", "days": "9999999999999"}, {}])
def test_a_wrong_invitation_is_refused_and_explained(as_, workspace, alice, wrong):
    answer = as_(alice).post("/settings/invitations/", wrong)
    assert answer.status_code == 422
    assert 'class="errors"' in answer.content.decode()
    assert not Invitation.objects.exists()


def test_the_page_says_where_to_and_as_what(workspace, invitation):
    text = Client().get(f"/invite/{invitation[1]}/").content.decode()
    assert "Reading room" in text
    assert "editor" in text


def test_looking_at_it_joins_nobody(as_, charlie, workspace, invitation):
    as_(charlie).get(f"/invite/{invitation[1]}/")
    assert _role(workspace, charlie.email) is None


def test_who_is_logged_in_joins_and_lands_there(as_, charlie, own_place, workspace, invitation):
    client = as_(charlie)
    client.post(f"/invite/{invitation[1]}/")
    assert _role(workspace, charlie.email) == Role.EDITOR
    assert client.get("/").context["workspace"] == workspace


def test_a_new_person_signs_up_and_lands_there(workspace, invitation, settings):
    settings.MEMVID_OPEN_SIGNUP = False
    client = Client()
    assert client.post(f"/invite/{invitation[1]}/", {"signup": "1"})["Location"] == "/accounts/signup/"
    client.post("/accounts/signup/", NEW)
    assert client.get("/").context["workspace"] == workspace
    assert _role(workspace, "dora@example.org") == Role.EDITOR
    assert Membership.objects.filter(user__email="dora@example.org").count() == 1


def test_who_has_an_account_logs_in_and_lands_there(charlie, own_place, workspace, invitation):
    client = Client()
    assert client.post(f"/invite/{invitation[1]}/", {"login": "1"})["Location"] == "/accounts/login/"
    client.post("/accounts/login/", {"login": charlie.email, "password": PASSWORD})
    assert client.get("/").context["workspace"] == workspace


def test_without_an_invitation_a_closed_site_takes_nobody(db, settings):
    settings.MEMVID_OPEN_SIGNUP = False
    answer = Client().post("/accounts/signup/", NEW)
    assert "by invitation" in answer.content.decode()
    assert not User.objects.exists()


def test_one_that_is_revoked_before_the_sign_up_leads_to_an_own_workspace(workspace, invitation):
    client = Client()
    client.post(f"/invite/{invitation[1]}/", {"signup": "1"})
    workspace.invitations.update(revoked_at=timezone.now())
    client.post("/accounts/signup/", NEW)
    text = client.get("/").content.decode()
    assert "no longer valid" in text
    assert _role(workspace, "dora@example.org") is None


@pytest.mark.parametrize(
    "gone", [{"expires_at": timezone.now() - timedelta(seconds=1)}, {"revoked_at": timezone.now()}]
)
def test_an_expired_or_revoked_link_says_so(as_, charlie, workspace, invitation, gone):
    Invitation.objects.update(**gone)
    client = as_(charlie)
    for answer in (client.get(f"/invite/{invitation[1]}/"), client.post(f"/invite/{invitation[1]}/")):
        assert answer.status_code == 404
        assert "does not work" in answer.content.decode()
    assert _role(workspace, charlie.email) is None


def test_used_twice_it_is_one_membership(charlie, workspace, invitation):
    for _ in range(2):
        assert accept_invitation(charlie, invitation[1]).role == Role.EDITOR
    invitation[0].refresh_from_db()
    assert invitation[0].uses == 1


def test_several_people_may_use_it(as_, charlie, workspace, invitation):
    dora = User.objects.create_user("dora@example.org", PASSWORD)
    for person in (charlie, dora):
        as_(person).post(f"/invite/{invitation[1]}/")
        assert _role(workspace, person.email) == Role.EDITOR


def test_who_is_in_keeps_their_role(as_, alice, workspace, invitation):
    client = as_(alice)
    assert "already in it" in client.get(f"/invite/{invitation[1]}/").content.decode()
    client.post(f"/invite/{invitation[1]}/")
    assert _role(workspace, alice.email) == Role.OWNER


def test_revoking_closes_one_and_keeps_who_joined(as_, alice, charlie, workspace, invitation):
    accept_invitation(charlie, invitation[1])
    as_(alice).post(f"/settings/invitations/{invitation[0].pk}/revoke/")
    assert Client().get(f"/invite/{invitation[1]}/").status_code == 404
    assert _role(workspace, charlie.email) == Role.EDITOR


def test_revoking_all_leaves_other_workspaces_alone(as_, alice, charlie, workspace, invitation):
    other = make_workspace(charlie, "Attic")
    _, kept = invite(other, Role.VIEWER, charlie)
    as_(alice).post("/settings/invitations/revoke/")
    assert Client().get(f"/invite/{invitation[1]}/").status_code == 404
    assert Client().get(f"/invite/{kept}/").status_code == 200


@pytest.mark.parametrize("token", ["x", "%00", "%ff%fe", "..", "a" * 5000, "☃", "%ed%a0%80"])
def test_a_token_that_never_was(db, token):
    assert Client().get(f"/invite/{token}/").status_code in (400, 404)
