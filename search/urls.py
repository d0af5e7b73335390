from django.urls import path

from . import views

urlpatterns = [
    path("search/", views.search, name="search"),
    path("search/quick/", views.quick, name="search-quick"),
    path("search/state/", views.state, name="search-state"),
]
