from django.apps import AppConfig


class CollabConfig(AppConfig):
    name = "collab"
    verbose_name = "People and live editing"

    def ready(self) -> None:
        from . import audit  # needs the models of every app

        audit.register()
