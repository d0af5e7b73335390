"""People, their workspaces and invitations, and the audit trail: for superusers."""

from typing import Any

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from auditlog.models import LogEntry
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.forms import PaginationInlineFormSet

from memories.admin.base import SuperuserAdmin, is_key, link

from . import events, services
from .models import Invitation, Membership, Role, User, Workspace

# The panel's own login would not ask for the second factor.
admin.site.login = secure_admin_login(admin.site.login)
# What a person manages on the account pages; secrets of the second factor have no place in a list.
for model in (EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken, Group, LogEntry):
    admin.site.unregister(model)


class MembershipFormSet(PaginationInlineFormSet):
    """A workspace keeps an owner."""

    def clean(self) -> None:
        super().clean()
        for form in self.initial_forms:
            gone = form.cleaned_data.get("DELETE") if hasattr(form, "cleaned_data") else False
            role = form.cleaned_data.get("role") if hasattr(form, "cleaned_data") else None
            was = form.initial.get("role")
            if was == Role.OWNER and (gone or role != Role.OWNER) and not self._has_other_owner(form.instance):
                raise ValidationError(f"{form.instance.workspace} needs an owner: make somebody else one first.")

    def _has_other_owner(self, membership: Membership) -> bool:
        others = Membership.objects.filter(workspace=membership.workspace_id, role=Role.OWNER).exclude(pk=membership.pk)
        staying = {form.instance.pk for form in self.initial_forms if _stays_owner(form)}
        shown = {form.instance.pk for form in self.initial_forms}
        return any(pk in staying or pk not in shown for pk in others.values_list("pk", flat=True))


def _stays_owner(form: forms.ModelForm) -> bool:
    data = getattr(form, "cleaned_data", {})
    return not data.get("DELETE") and data.get("role") == Role.OWNER


class KnownKeys(AutocompleteSelect):
    """Django's widget looks up whatever was sent when it is shown again; what is no key is left out."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        key = self.field.remote_field.model._meta.pk
        return super().optgroups(name, [one for one in value if not one or is_key(key, one)], attr)


class MembershipInline(TabularInline):
    model = Membership
    formset = MembershipFormSet
    fields = ("workspace", "user", "role", "joined_at")
    readonly_fields = ("joined_at",)
    autocomplete_fields = ("workspace", "user")
    extra = 0
    tab = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    has_add_permission = has_change_permission = has_delete_permission = has_view_permission

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["widget"] = KnownKeys(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("workspace", "user")


class ChangingAdmin(SuperuserAdmin):
    """Rows that are not a mirror: a superuser may change them."""

    in_trail = True
    inlines = (MembershipInline,)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request, obj)

    @transaction.atomic
    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Open pages of whoever gained or lost a right hear of it."""
        super().save_formset(request, form, formset, change)
        changed = [row for row, _ in formset.changed_objects] + formset.new_objects + formset.deleted_objects
        people = {membership.user_id for membership in changed}
        transaction.on_commit(lambda: [events.rights_changed(pk) for pk in people])


class UserForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("email", "name", "is_active", "is_staff", "is_superuser")

    def clean_email(self) -> str:
        return self.cleaned_data["email"].lower()

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        keeps = data.get("is_active") and data.get("is_superuser")
        others = User.objects.filter(is_active=True, is_superuser=True).exclude(pk=self.instance.pk)
        if not keeps and not others.exists():
            raise ValidationError("An installation needs an active superuser: make somebody else one first.")
        if data.get("is_superuser") and not data.get("is_staff"):
            raise ValidationError("A superuser is staff too.")
        return data


@admin.register(User)
class UserAdmin(ChangingAdmin):
    form = UserForm
    list_display = (
        "email",
        "name",
        "is_active",
        "is_staff",
        "is_superuser",
        "second_factor",
        "workspaces",
        "last_login",
    )
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "name")
    ordering = ("email",)
    fields = ("email", "name", "is_active", "is_staff", "is_superuser", "last_login", "date_joined")
    readonly_fields = ("last_login", "date_joined")
    actions = ("activate", "deactivate", "make_staff", "unmake_staff", "drop_second_factor")

    def get_queryset(self, request: HttpRequest) -> Any:
        factors = Authenticator.objects.filter(user=OuterRef("pk"), type=Authenticator.Type.TOTP)
        counted = factors.order_by().values("user").annotate(n=Count("*")).values("n")
        member = (
            Membership.objects.filter(user=OuterRef("pk")).order_by().values("user").annotate(n=Count("*")).values("n")
        )
        return User.objects.order_by(*self.ordering).annotate(
            factors=Coalesce(Subquery(counted), 0), workspace_count=Coalesce(Subquery(member), 0)
        )

    @display(description="Second factor", boolean=True)
    def second_factor(self, user: User) -> bool:
        return bool(user.factors)

    @display(description="Workspaces", ordering="workspace_count")
    def workspaces(self, user: User) -> int:
        return user.workspace_count

    def _set(self, request: HttpRequest, users: Any, **fields: bool) -> None:
        """One by one, so that the audit trail has each."""
        changed = 0
        for user in users.exclude(pk=request.user.pk).exclude(**fields):
            for name, value in fields.items():
                setattr(user, name, value)
            user.save(update_fields=list(fields))
            changed += 1
        messages.success(request, f"{changed} changed. You yourself are left out.")

    @action(description="Activate")
    def activate(self, request: HttpRequest, users: Any) -> None:
        self._set(request, users, is_active=True)

    @action(description="Deactivate: they are logged out")
    def deactivate(self, request: HttpRequest, users: Any) -> None:
        self._set(request, users, is_active=False)

    @action(description="Let them curate (staff)")
    def make_staff(self, request: HttpRequest, users: Any) -> None:
        self._set(request, users, is_staff=True)

    @action(description="No longer staff")
    def unmake_staff(self, request: HttpRequest, users: Any) -> None:
        self._set(request, users.filter(is_superuser=False), is_staff=False)

    @action(description="Take away a lost second factor")
    def drop_second_factor(self, request: HttpRequest, users: Any) -> None:
        count = 0
        for user in users:
            if Authenticator.objects.filter(user=user.pk).delete()[0]:
                LogEntry.objects.log_create(
                    user,
                    force_log=True,
                    action=LogEntry.Action.UPDATE,
                    changes={"second factor": ["set up", "taken away"]},
                )
                count += 1
        messages.success(request, f"{count} can log in with their password alone until they set up a new one.")


@admin.register(Workspace)
class WorkspaceAdmin(ChangingAdmin):
    list_display = ("name", "members", "memory_count", "created_at")
    search_fields = ("name",)
    ordering = ("name", "pk")
    fields = ("name", "created_at")
    readonly_fields = ("created_at",)

    def get_queryset(self, request: HttpRequest) -> Any:
        def counted(related: Any) -> Coalesce:
            rows = related.order_by().values("workspace").annotate(n=Count("*")).values("n")
            return Coalesce(Subquery(rows), 0)

        memories = Workspace.memories.rel.related_model.objects.filter(workspace=OuterRef("pk"), deleted_at=None)
        people = Membership.objects.filter(workspace=OuterRef("pk"))
        counts = {"members": counted(people), "memory_count": counted(memories)}
        return Workspace.objects.order_by(*self.ordering).annotate(**counts)

    @display(description="Members", ordering="members")
    def members(self, workspace: Workspace) -> int:
        return workspace.members

    @display(description="Memories", ordering="memory_count")
    def memory_count(self, workspace: Workspace) -> str:
        query = f"?workspace__id__exact={workspace.pk}"
        return link("memories_memory_changelist", workspace.memory_count, query=query)


class OpenFilter(DropdownFilter):
    title, parameter_name = "state", "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Open"), ("no", "Expired or revoked")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        still = Invitation.objects.open()
        if self.value() == "yes":
            return queryset.filter(pk__in=still)
        return queryset.exclude(pk__in=still) if self.value() == "no" else queryset


@admin.register(Invitation)
class InvitationAdmin(SuperuserAdmin):
    """Links that make their visitor a member."""

    in_trail = True
    list_display = ("workspace", "role", "created_by", "created_at", "expires_at", "uses", "validity")
    list_filter = (OpenFilter, ("role", ChoicesDropdownFilter))
    list_select_related = ("workspace", "created_by")
    ordering = ("-created_at", "pk")
    search_fields = ("workspace__name", "created_by__email")
    fields = readonly_fields = (
        "workspace", "role", "created_by", "created_at", "expires_at", "revoked_at", "uses", "validity",
    )  # fmt: skip
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return Invitation.objects.defer("token_digest")

    @display(description="Validity", label={"open": "success", "revoked": "danger"})
    def validity(self, invitation: Invitation) -> str:
        if invitation.revoked_at:
            return "revoked"
        return "open" if invitation.expires_at > timezone.now() else "expired"

    @action(description="Revoke")
    def revoke(self, request: HttpRequest, invitations: Any) -> None:
        rows = list(invitations.open())
        for invitation in rows:
            services.revoke_invitation(invitation)
        messages.success(request, f"{len(rows)} revoked: their links no longer work.")


class ObjectFilter(admin.SimpleListFilter):
    """One row's entries: ?object=app.model:key, where the pages of rows lead with History."""

    title = parameter_name = "object"
    template = "admin/curation/_object_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(self.value() or "", self.value() or "")]

    def has_output(self) -> bool:
        return bool(self.value())

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        label, _, key = (self.value() or "").partition(":")
        app, _, model = label.partition(".")
        if not key:
            return queryset
        return queryset.filter(content_type__app_label=app, content_type__model=model, object_pk=key[:255])


@admin.register(LogEntry)
class AuditAdmin(SuperuserAdmin):
    list_display = ("timestamp", "who", "shown_action", "content_type", "object_repr", "what")
    list_filter = (("action", ChoicesDropdownFilter), ("content_type", RelatedDropdownFilter), ObjectFilter)
    list_select_related = ("content_type", "actor")
    search_fields = ("object_repr", "actor__email", "actor_email")
    ordering = ("-timestamp", "-pk")
    fields = readonly_fields = ("timestamp", "who", "shown_action", "content_type", "object_repr", "object_pk", "what")

    @display(description="Who", ordering="actor__email")
    def who(self, entry: LogEntry) -> str:
        return str(entry.actor or entry.actor_email or "the system")

    @display(description="Action", ordering="action", label={"create": "success", "delete": "danger"})
    def shown_action(self, entry: LogEntry) -> str:
        return entry.get_action_display()

    @display(description="Changes")
    def what(self, entry: LogEntry) -> str:
        changes = entry.changes if isinstance(entry.changes, dict) else {}
        shown = [f"{name}: {_short(pair)}" for name, pair in changes.items()]
        return "; ".join(shown) or "-"


def _short(pair: Any) -> str:
    values = pair if isinstance(pair, list) else [pair]
    return " → ".join(str(value)[:80] for value in values)
