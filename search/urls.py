from django.urls import path

from .views import ask, insight, page

urlpatterns = [
    path("search/", page.search, name="search"),
    path("search/quick/", page.quick, name="search-quick"),
    path("search/state/", page.state, name="search-state"),
    path("search/agreement/", insight.agreement, name="search-agreement"),
    path("search/over-time/", insight.over_time, name="search-over-time"),
    path("ask/", ask.ask, name="ask"),
    path("ask/<uuid:pk>/", ask.conversation, name="conversation"),
    path("ask/<uuid:pk>/rename/", ask.rename, name="conversation-rename"),
    path("ask/<uuid:pk>/delete/", ask.delete, name="conversation-delete"),
    path("ask/<uuid:pk>/export.<str:kind>", ask.export, name="conversation-export"),
]
