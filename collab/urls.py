from django.urls import path

from . import activity_views, comment_views, notification_views, views
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
    path("account/digest/", notification_views.digest, name="profile-digest"),
    path("account/searches/", views.profile_searches, name="profile-searches"),
    path("account/searches/forget/", views.profile_searches_forget, name="profile-searches-forget"),
    path("notifications/", notification_views.listing, name="notifications"),
    path("notifications/bell/", notification_views.bell, name="notifications-bell"),
    path("notifications/latest/", notification_views.latest, name="notifications-latest"),
    path("notifications/read/", notification_views.read_all, name="notifications-read"),
    path("notifications/<uuid:pk>/", notification_views.follow, name="notification"),
    path("activity/", activity_views.workspace, name="activity"),
    path("memories/<uuid:pk>/activity/", activity_views.memory, name="memory-activity"),
    path("memories/<uuid:pk>/documents/<int:number>/comments/", comment_views.panel, name="comments"),
    path("comments/threads/<int:pk>/reply/", comment_views.reply, name="comment-reply"),
    path("comments/threads/<int:pk>/resolve/", comment_views.resolve, name="comment-resolve"),
    path("comments/<int:pk>/edit/", comment_views.edit, name="comment-edit"),
    path("comments/<int:pk>/edit/form/", comment_views.edit_form, name="comment-edit-form"),
    path("comments/<int:pk>/delete/", comment_views.delete, name="comment-delete"),
]
