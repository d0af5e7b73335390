from django.urls import path

from . import views
from .live.views import live

urlpatterns = [
    path("", views.home, name="home"),
    path("memories/<uuid:pk>/documents/<int:number>/live/", live, name="document-live"),
    path("jobs/open/", views.open_jobs, name="open-jobs"),
    path("settings/", views.settings, name="settings"),
    path("settings/members/<int:pk>/role/", views.member_role, name="member-role"),
    path("settings/members/<int:pk>/remove/", views.member_remove, name="member-remove"),
    path("settings/leave/", views.workspace_leave, name="workspace-leave"),
    path("settings/invitations/", views.invitation_new, name="invitation-new"),
    path("settings/invitations/revoke/", views.invitations_revoke, name="invitations-revoke"),
    path("settings/invitations/<int:pk>/revoke/", views.invitation_revoke, name="invitation-revoke"),
    path("invite/<str:token>/", views.invitation, name="invitation"),
    path("workspaces/new/", views.workspace_new, name="workspace-new"),
    path("workspaces/<int:pk>/enter/", views.workspace_switch, name="workspace-switch"),
    path("account/", views.profile, name="profile"),
    path("account/searches/", views.profile_searches, name="profile-searches"),
    path("account/searches/forget/", views.profile_searches_forget, name="profile-searches-forget"),
]
