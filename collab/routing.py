from django.urls import path, re_path

from .consumers import Nowhere, WorkspaceConsumer

websocket_urlpatterns = [
    path("ws/workspaces/<int:workspace>/", WorkspaceConsumer.as_asgi()),
    re_path("", Nowhere.as_asgi()),
]
