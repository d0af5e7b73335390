"""Home, workspace settings, invitations and the person's own account page."""

from allauth.account.forms import LoginForm
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from search import querylog

from .. import access, queries, services
from ..accounts import INVITATION_KEY, enter_workspace
from ..forms import DigestForm, InvitationForm, ProfileForm, RoleForm, SearchesForm, WorkspaceForm
from ..models import Role


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return render(request, "collab/landing.html", {"form": LoginForm(request=request)})
    if request.membership is None:
        return render(request, "collab/no_workspace.html", {"form": WorkspaceForm()})
    since = services.visit(request.membership)
    page = queries.home(request.user, access.here(request), since)
    context = {"home": page, "search_in_page": page.memories_count > 0}
    return render(request, "collab/_home.html" if request.htmx else "collab/home.html", context)


@login_required
@require_GET
def open_jobs(request: HttpRequest) -> HttpResponse:
    access.here(request)
    return render(request, "shared/_open_jobs.html")


# -- the workspace


@login_required
@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    workspace = access.manage_here(request) if request.method == "POST" else access.here(request)
    form = WorkspaceForm(request.POST or None, instance=workspace)
    if form.is_valid():
        services.rename_workspace(workspace, form.cleaned_data["name"])
        messages.success(request, "The workspace has its new name.")
        return redirect("settings")
    if form.errors:
        workspace.refresh_from_db()  # the page's frame shows the name that is kept
    return _settings_page(request, form=form, status=422 if form.errors else 200)


def _settings_page(request: HttpRequest, status: int = 200, **context: object) -> HttpResponse:
    workspace, manages = access.here(request), access.may_manage_here(request)
    context.setdefault("form", WorkspaceForm(instance=workspace))
    context.setdefault("invitation_form", InvitationForm())
    context["members"] = queries.members(workspace, request.GET.get("page"))
    context["roles"] = RoleForm(by=request.membership).fields["role"].choices
    context["is_owner"] = access.is_owner_here(request)
    context["invitations"] = queries.open_invitations(workspace) if manages else ()
    return render(request, "collab/settings.html", context, status=status)


@login_required
@require_POST
def member_role(request: HttpRequest, pk: int) -> HttpResponse:
    member = access.member_manage(request, pk)
    form = RoleForm(request.POST, by=request.membership)
    if not form.is_valid():
        messages.error(request, "The role was not changed: choose one from the list.")
        return redirect("settings")
    try:
        services.set_role(member, form.cleaned_data["role"])
    except services.LastOwner as error:
        messages.error(request, f"The role was not changed: {error}.")
    else:
        messages.success(request, f"{member.user} is now {member.get_role_display().lower()}.")
    return redirect("settings")


@login_required
@require_POST
def member_remove(request: HttpRequest, pk: int) -> HttpResponse:
    member = access.member_manage(request, pk)
    try:
        services.leave(member)
    except services.LastOwner as error:
        messages.error(request, f"Nobody was removed: {error}.")
    else:
        messages.success(request, f"{member.user} is no longer in the workspace. What they added stays.")
    return redirect("settings" if member.user_id != request.user.pk else "home")


@login_required
@require_POST
def workspace_leave(request: HttpRequest) -> HttpResponse:
    workspace = access.here(request)
    try:
        services.leave(request.membership)
    except services.LastOwner as error:
        messages.error(request, f"You are still in the workspace: {error}.")
        return redirect("settings")
    messages.success(request, f"You have left {workspace.name}.")
    return redirect("home")


@login_required
@require_POST
def workspace_switch(request: HttpRequest, pk: int) -> HttpResponse:
    enter_workspace(request, request.user, access.workspace_read(request, pk))
    return redirect("home")


@login_required
@require_http_methods(["GET", "POST"])
def workspace_new(request: HttpRequest) -> HttpResponse:
    form = WorkspaceForm(request.POST or None)
    if form.is_valid():
        enter_workspace(request, request.user, services.make_workspace(request.user, form.cleaned_data["name"]))
        return redirect("home")
    return render(request, "collab/workspace_new.html", {"form": form}, status=422 if form.errors else 200)


# -- invitations


@login_required
@require_POST
def invitation_new(request: HttpRequest) -> HttpResponse:
    """Shows the link in this one answer: only its digest is kept."""
    workspace = access.manage_here(request)
    form = InvitationForm(request.POST)
    if not form.is_valid():
        return _settings_page(request, invitation_form=form, status=422)
    _, token = services.invite(workspace, form.cleaned_data["role"], request.user, form.cleaned_data["days"])
    link = request.build_absolute_uri(reverse("invitation", args=[token]))
    return _settings_page(request, link=link)


@login_required
@require_POST
def invitation_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    services.revoke_invitation(access.invitation_manage(request, pk))
    messages.success(request, "The link no longer works. Who has joined with it stays.")
    return redirect("settings")


@login_required
@require_POST
def invitations_revoke(request: HttpRequest) -> HttpResponse:
    count = services.revoke_invitations(access.manage_here(request))
    messages.success(request, f"{count} link{'s' if count != 1 else ''} revoked. Who has joined stays.")
    return redirect("settings")


@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """For whoever holds the link, logged in or not."""
    found = services.find_invitation(token)
    if found is None:
        return render(request, "collab/invitation_gone.html", status=404)
    if request.method == "GET":
        roles = dict(Role.choices)
        member = request.user.is_authenticated and found.workspace.memberships.filter(user=request.user).first()
        return render(request, "collab/invitation.html", {"found": found, "role": roles[found.role], "member": member})
    if not request.user.is_authenticated:
        request.session[INVITATION_KEY] = token
        return redirect("account_signup" if "signup" in request.POST else "account_login")
    membership = services.accept_invitation(request.user, token)
    if membership is None:  # revoked since it was looked up
        return render(request, "collab/invitation_gone.html", status=404)
    enter_workspace(request, request.user, membership.workspace)
    messages.success(request, f"Welcome to {membership.workspace.name}.")
    return redirect("home")


# -- the person


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    form = ProfileForm(request.POST or None, instance=request.user)
    if form.is_valid():
        form.save()
        messages.success(request, "Your name is saved.")
        return redirect("profile")
    if form.errors:
        request.user.refresh_from_db(fields=("name",))  # the page's frame shows the name that is kept
    context = {
        "form": form,
        "digest_form": DigestForm(instance=request.user),
        "searches_form": SearchesForm(instance=request.user),
    }
    return render(request, "collab/profile.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def profile_searches(request: HttpRequest) -> HttpResponse:
    """Whether their searches are remembered."""
    user = SearchesForm(request.POST, instance=request.user).save()
    kept = "are remembered from now on" if user.log_searches else "are no longer remembered; the earlier ones stay"
    messages.success(request, f"Your searches {kept}.")
    return redirect("profile")


@login_required
@require_POST
def profile_searches_forget(request: HttpRequest) -> HttpResponse:
    count = querylog.forget(request.user)
    messages.success(request, f"{count} remembered search{'' if count == 1 else 'es'} deleted.")
    return redirect("profile")
