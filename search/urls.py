from django.urls import path

from .views import ask, insight, page, passages, saved, taking

urlpatterns = [
    path("search/", page.search, name="search"),
    path("search/quick/", page.quick, name="search-quick"),
    path("search/state/", page.state, name="search-state"),
    path("search/agreement/", insight.agreement, name="search-agreement"),
    path("search/over-time/", insight.over_time, name="search-over-time"),
    path("search/settled/", taking.settled, name="search-settled"),
    path("search/export/<str:kind>/", taking.exported, name="search-export"),
    path("search/documents/<int:pk>/", page.beside, name="passages-beside"),
    path("search/passages/<int:pk>/around/", passages.around, name="passage-around"),
    path("search/passages/<int:pk>/citation/", passages.citation, name="passage-citation"),
    path("search/saved/", saved.new, name="saved-new"),
    path("search/saved/undelete/", saved.undelete, name="saved-undelete"),
    path("search/saved/<int:pk>/", saved.look, name="saved"),
    path("search/saved/<int:pk>/new/", saved.news, name="saved-news"),
    path("search/saved/<int:pk>/change/", saved.change, name="saved-change"),
    path("search/saved/<int:pk>/delete/", saved.delete, name="saved-delete"),
    path("ask/", ask.ask, name="ask"),
    path("ask/<uuid:pk>/", ask.conversation, name="conversation"),
    path("ask/<uuid:pk>/rename/", ask.rename, name="conversation-rename"),
    path("ask/<uuid:pk>/delete/", ask.delete, name="conversation-delete"),
    path("ask/<uuid:pk>/export.<str:kind>", ask.export, name="conversation-export"),
]
