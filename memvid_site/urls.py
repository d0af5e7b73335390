from django.contrib import admin
from django.urls import include, path

from . import health

urlpatterns = [
    path("livez", health.live, name="live"),
    path("readyz", health.ready, name="ready"),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("collab.urls")),
    path("", include("memories.urls")),
    path("", include("search.urls")),
]
handler404 = "memvid_site.errors.not_found"
handler500 = "memvid_site.errors.server_error"
