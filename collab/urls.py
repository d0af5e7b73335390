from django.urls import path

from .live.views import live
from .views import activity, comments, notifications, workspace

urlpatterns = [
    path("", workspace.home, name="home"),
    path("memories/<uuid:pk>/documents/<int:number>/live/", live, name="document-live"),
    path("jobs/open/", workspace.open_jobs, name="open-jobs"),
    path("settings/", workspace.settings, name="settings"),
    path("settings/members/<int:pk>/role/", workspace.member_role, name="member-role"),
    path("settings/members/<int:pk>/remove/", workspace.member_remove, name="member-remove"),
    path("settings/leave/", workspace.workspace_leave, name="workspace-leave"),
    path("settings/invitations/", workspace.invitation_new, name="invitation-new"),
    path("settings/invitations/revoke/", workspace.invitations_revoke, name="invitations-revoke"),
    path("settings/invitations/<int:pk>/revoke/", workspace.invitation_revoke, name="invitation-revoke"),
    path("invite/<str:token>/", workspace.invitation, name="invitation"),
    path("workspaces/new/", workspace.workspace_new, name="workspace-new"),
    path("workspaces/<int:pk>/enter/", workspace.workspace_switch, name="workspace-switch"),
    path("account/", workspace.profile, name="profile"),
    path("account/digest/", notifications.digest, name="profile-digest"),
    path("account/searches/", workspace.profile_searches, name="profile-searches"),
    path("account/searches/forget/", workspace.profile_searches_forget, name="profile-searches-forget"),
    path("notifications/", notifications.listing, name="notifications"),
    path("notifications/bell/", notifications.bell, name="notifications-bell"),
    path("notifications/latest/", notifications.latest, name="notifications-latest"),
    path("notifications/read/", notifications.read_all, name="notifications-read"),
    path("notifications/<uuid:pk>/", notifications.follow, name="notification"),
    path("activity/", activity.workspace, name="activity"),
    path("memories/<uuid:pk>/activity/", activity.memory, name="memory-activity"),
    path("memories/<uuid:pk>/documents/<int:number>/comments/", comments.panel, name="comments"),
    path("comments/threads/<int:pk>/reply/", comments.reply, name="comment-reply"),
    path("comments/threads/<int:pk>/resolve/", comments.resolve, name="comment-resolve"),
    path("comments/<int:pk>/edit/", comments.edit, name="comment-edit"),
    path("comments/<int:pk>/edit/form/", comments.edit_form, name="comment-edit-form"),
    path("comments/<int:pk>/delete/", comments.delete, name="comment-delete"),
]
