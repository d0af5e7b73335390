"""Lets every live document begin anew with the text it has, after a database was restored from an older dump."""

from typing import Any

from django.core.management.base import BaseCommand

from collab.live import seeding
from collab.models import LiveDocument


class Command(BaseCommand):
    help = (
        "After pg_restore and before the start: open pages know edits that the dump does not, and would merge them "
        "with the same text from the video. They then keep their copy as a draft instead."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        keys = list(LiveDocument.objects.values_list("pk", flat=True))
        for key in keys:
            seeding.begin_anew(key)
        self.stdout.write(f"{len(keys)} documents began anew")
