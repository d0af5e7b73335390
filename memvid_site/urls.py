from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("collab.urls")),
    path("", include("memories.urls")),
    path("", include("search.urls")),
]
handler400 = "memvid_site.errors.bad_request"
handler403 = "memvid_site.errors.forbidden"
handler404 = "memvid_site.errors.not_found"
handler500 = "memvid_site.errors.server_error"
