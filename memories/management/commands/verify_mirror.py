"""Compares rows with files and changes nothing."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from memories.engine.errors import MemvidError
from memories.models import Memory
from memories.restoring import differences

MOST_LINES = 20


class Command(BaseCommand):
    help = "Compares the rows of memories with their files; `--mend` copies a file that differs again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("memories", nargs="*", type=UUID, metavar="ID", help="default: all")
        parser.add_argument("--mend", action="store_true", help="copy the files whose rows differ once more")

    def handle(self, memories: list[UUID], mend: bool, **_: Any) -> None:
        rows = Memory.objects.exclude(head=0)
        wrong = 0
        for memory in (rows.filter(pk__in=memories) if memories else rows).order_by("pk"):
            found = self._found(memory)
            wrong += bool(found)
            self.stdout.write(f"{memory.pk} {memory.name!r}: {f'{len(found)} differences' if found else 'as its file'}")
            for line in found[:MOST_LINES]:
                self.stdout.write(f"  {line}")
            if found and mend:
                self._mend(memory)
        if wrong and not mend:
            raise CommandError(f"{wrong} memories differ from their files: --mend copies them again")

    def _found(self, memory: Memory) -> list[str]:
        try:
            return differences(memory)
        except MemvidError as error:
            return [str(error)]

    def _mend(self, memory: Memory) -> None:
        from memories import mirror

        mirror.rebuild(memory)
        self.stdout.write(f"  copied again: {memory.state}")
