from django.urls import path

from .views import insight, page

urlpatterns = [
    path("search/", page.search, name="search"),
    path("search/quick/", page.quick, name="search-quick"),
    path("search/state/", page.state, name="search-state"),
    path("search/agreement/", insight.agreement, name="search-agreement"),
    path("search/over-time/", insight.over_time, name="search-over-time"),
]
