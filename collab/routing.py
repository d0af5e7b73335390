from django.urls import path, re_path

from .consumers import Nowhere, WorkspaceConsumer
from .live.consumer import LiveConsumer

websocket_urlpatterns = [
    path("ws/workspaces/<int:workspace>/", WorkspaceConsumer.as_asgi()),
    path("ws/memories/<uuid:memory>/documents/<int:number>/", LiveConsumer.as_asgi()),
    re_path("", Nowhere.as_asgi()),
]
