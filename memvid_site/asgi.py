"""HTTP and websockets, served by Daphne."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "memvid_site.settings")
django.setup(set_prefix=False)  # before anything that imports models

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

from collab.routing import websocket_urlpatterns  # noqa: E402

from .handler import Handler  # noqa: E402

websockets = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)))
application = ProtocolTypeRouter({"http": Handler(), "websocket": websockets})
