from django.apps import AppConfig


class CollabConfig(AppConfig):
    name = "collab"
    verbose_name = "People and live editing"
