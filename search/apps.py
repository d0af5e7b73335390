from typing import Any

from django.apps import AppConfig
from django.db.models.signals import pre_delete


class SearchConfig(AppConfig):
    name = "search"
    verbose_name = "Search"

    def ready(self) -> None:
        from memories.models import Memory

        pre_delete.connect(_forget, sender=Memory, dispatch_uid="conversations")


def _forget(instance: Any, **_: Any) -> None:
    """A memory may be quoted in conversations about several."""
    from . import conversations

    conversations.forget(instance)
