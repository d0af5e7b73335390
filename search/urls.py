from django.urls import path

from .views import page

urlpatterns = [
    path("search/", page.search, name="search"),
    path("search/quick/", page.quick, name="search-quick"),
    path("search/state/", page.state, name="search-state"),
]
