"""People in the panel, and the audit trail."""

import pytest
from allauth.mfa.models import Authenticator
from asgiref.sync import async_to_sync
from auditlog.models import LogEntry
from django.test import AsyncClient, Client
from django.urls import reverse

from collab import services
from collab.models import Invitation, Membership, Role, User, Workspace
from memories import jobs
from memories import services as memory_services
from memories.models import Job, Memory

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(db) -> User:
    return User.objects.create_superuser("root@example.org", "correct horse battery")


@pytest.fixture
def client(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


def act(client: Client, name: str, action: str, *rows) -> str:
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(reverse(f"admin:{name}_changelist"), data, follow=True).content.decode()


def test_people_are_deactivated_and_activated(client, bob):
    act(client, "collab_user", "deactivate", bob)
    bob.refresh_from_db()
    assert not bob.is_active
    act(client, "collab_user", "activate", bob)
    bob.refresh_from_db()
    assert bob.is_active


def test_nobody_locks_themselves_out(client, root):
    act(client, "collab_user", "deactivate", root)
    root.refresh_from_db()
    assert root.is_active
    page = client.post(reverse("admin:collab_user_change", args=[root.pk]), {**empty(), "email": root.email})
    assert "needs an active superuser" in page.content.decode()
    root.refresh_from_db()
    assert root.is_superuser and root.is_active


def test_staff_is_a_flag(client, bob):
    act(client, "collab_user", "make_staff", bob)
    assert User.objects.get(pk=bob.pk).is_staff
    act(client, "collab_user", "unmake_staff", bob)
    assert not User.objects.get(pk=bob.pk).is_staff


def test_a_lost_second_factor_is_taken_away_and_that_is_in_the_trail(client, bob, root):
    Authenticator.objects.create(user=bob, type=Authenticator.Type.TOTP, data={"secret": "hidden"})
    act(client, "collab_user", "drop_second_factor", bob)
    assert not Authenticator.objects.exists()
    entry = LogEntry.objects.get_for_object(bob).latest("pk")
    assert "second factor" in entry.changes and entry.actor == root


def empty(count: int = 0) -> dict[str, str]:
    prefix = "memberships"
    return {f"{prefix}-TOTAL_FORMS": str(count), f"{prefix}-INITIAL_FORMS": str(count)}


def member_form(person: User, /, **fields) -> dict[str, str]:
    membership = Membership.objects.get(user=person)
    row = {
        "id": membership.pk,
        "user": person.pk,
        "workspace": membership.workspace_id,
        "role": membership.role,
        **fields,
    }
    data = {f"memberships-0-{name}": value for name, value in row.items()}
    return {**empty(1), **data, "email": person.email, "is_active": "on"}


def test_a_role_is_changed_in_the_page_of_a_person(client, workspace, bob):
    response = client.post(reverse("admin:collab_user_change", args=[bob.pk]), member_form(bob, role=Role.EDITOR))
    assert response.status_code == 302
    assert Membership.objects.get(user=bob).role == Role.EDITOR


@pytest.mark.parametrize("change", [{"role": Role.VIEWER}, {"DELETE": "on"}])
def test_a_workspace_keeps_an_owner(change, client, workspace, alice):
    page = client.post(reverse("admin:collab_user_change", args=[alice.pk]), member_form(alice, **change))
    assert "needs an owner" in page.content.decode()
    assert Membership.objects.get(user=alice).role == Role.OWNER


@pytest.mark.parametrize("value", ["\0", "x", "9" * 40, "-1", ""])
def test_hostile_member_forms(value, client, workspace, bob):
    for field in ("id", "user", "workspace", "role"):
        data = member_form(bob, **{field: value})
        response = client.post(reverse("admin:collab_user_change", args=[bob.pk]), data)
        assert response.status_code in (200, 302)
    assert Membership.objects.get(user=bob).role == Role.VIEWER


def test_pages_of_people_and_workspaces_open(client, workspace, alice):
    invitation, _ = services.invite(workspace, Role.EDITOR, alice)
    for name, row in (("user", alice), ("workspace", workspace), ("invitation", invitation)):
        assert client.get(reverse(f"admin:collab_{name}_change", args=[row.pk])).status_code == 200
        history = client.get(reverse(f"admin:collab_{name}_history", args=[row.pk]), follow=True)
        assert history.context["cl"].result_count == 1


def test_an_invitation_is_revoked(client, workspace, alice):
    invitation, token = services.invite(workspace, Role.EDITOR, alice)
    page = client.get(reverse("admin:collab_invitation_changelist")).content.decode()
    assert invitation.token_digest not in page
    act(client, "collab_invitation", "revoke", invitation)
    assert services.find_invitation(token) is None


def test_the_trail_is_read_only(client, workspace):
    entry = LogEntry.objects.first()
    assert client.get(reverse("admin:auditlog_logentry_change", args=[entry.pk])).status_code == 200
    assert client.get(reverse("admin:auditlog_logentry_add")).status_code == 403
    assert client.post(reverse("admin:auditlog_logentry_delete", args=[entry.pk]), {"post": "yes"}).status_code == 403
    assert (
        client.post(reverse("admin:auditlog_logentry_change", args=[entry.pk]), {"object_repr": "x"}).status_code == 403
    )


# -- what is in it


def test_the_trail_has_no_secret_and_no_mirrored_number(new_memory, alice, workspace):
    row = new_memory(description="the words of a document")
    services.invite(workspace, Role.EDITOR, alice)
    memory_services.update_memory(row, name="Better books", description="other words of a document")
    Memory.objects.get(pk=row.pk).save()
    fields = {name for entry in LogEntry.objects.all() for name in entry.changes or {}}
    people = {"email", "name", "is_active", "is_staff", "is_superuser", "workspace", "user", "role"}
    memories = {"tags", "visibility", "index_mode", "deleted_at", "created_by", "expires_at", "revoked_at"}
    assert fields <= people | memories
    said = " ".join(f"{entry.changes} {entry.object_repr} {entry.serialized_data}" for entry in LogEntry.objects.all())
    assert "Better books" in said and "words of a document" not in said
    assert Invitation.objects.get().token_digest not in said and alice.password not in said


@pytest.mark.django_db(transaction=True)
def test_erasing_leaves_no_trace_in_the_trail(new_memory, alice):
    row = new_memory({"secret-plan.txt": "the plan", "b.txt": "rest"}, name="from secret-plan.txt")
    memory_services.update_memory(row, tags=["secret-plan.txt"])
    job = memory_services.start_job(
        Job.Kind.ERASE, workspace=row.workspace, by=alice, memory=row, params={"documents": [1]}
    )
    jobs.run(job.pk)
    job.refresh_from_db()
    said = " ".join(f"{entry.changes} {entry.object_repr} {entry.changes_text}" for entry in LogEntry.objects.all())
    assert "secret-plan" not in said and LogEntry.objects.get_for_object(row).exists()


def test_the_actor_under_asgi_is_who_sent_the_request(alice, workspace, bob):
    client = AsyncClient()
    client.force_login(alice)
    member = Membership.objects.get(user=bob)
    headers = {"x-forwarded-for": "6.6.6.6", "x-forwarded-port": "-5", "x-correlation-id": "x" * 999}
    response = async_to_sync(client.post)(
        reverse("member-role", args=[member.pk]), {"role": Role.EDITOR}, headers=headers
    )
    assert response.status_code in (200, 302)
    entry = LogEntry.objects.get_for_object(member).latest("pk")
    assert entry.actor == alice and entry.changes == {"role": ["viewer", "editor"]}
    assert entry.remote_addr is None and entry.remote_port is None and entry.cid is None


def test_what_nobody_did_has_no_actor(workspace):
    assert not LogEntry.objects.get_for_object(Workspace.objects.get(pk=workspace.pk)).exclude(actor=None).exists()
