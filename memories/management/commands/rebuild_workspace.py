"""Restores a workspace from a folder of memory files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from collab.models import Membership, Role, User, Workspace
from memories import services
from memories.models import Job, Memory
from memories.restoring import Restored, restore


class Command(BaseCommand):
    help = "Restores memories, documents, chunks, history, tags and vectors from the MP4 files of a folder."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR", help="a folder of memories, such as DATA/memories")
        parser.add_argument("--workspace", required=True, metavar="NAME", help="made if there is none of that name")
        parser.add_argument("--owner", metavar="EMAIL", help="who owns a workspace that is made, and what is restored")

    def handle(self, folder: Path, workspace: str, owner: str | None, **_: Any) -> None:
        if not folder.is_dir():
            raise CommandError(f"{folder} is not a folder")
        place, person = self._place(workspace, owner)
        results = list(restore(folder, place, person))
        for result in results:
            self.stdout.write(self._line(result))
        failed = [result for result in results if result.problem]
        if failed:
            raise CommandError(f"{len(failed)} of {len(results)} files were not restored whole: see above")
        self.stdout.write(f"restored {len(results)} memories into {place}")

    def _place(self, name: str, email: str | None) -> tuple[Workspace, User | None]:
        owner = User.objects.filter(email__iexact=email).first() if email else None
        if email and owner is None:
            raise CommandError(f"there is nobody with the address {email}: make the account first")
        found = list(Workspace.objects.filter(name=name)[:2])
        if len(found) > 1:
            raise CommandError(f"there are several workspaces called {name!r}: rename all but one")
        place = found[0] if found else Workspace.objects.create(name=name)
        if owner and not place.memberships.filter(user=owner).exists():
            Membership.objects.create(workspace=place, user=owner, role=Role.OWNER)
        if owner is None:
            first = place.memberships.filter(role=Role.OWNER).select_related("user").order_by("joined_at").first()
            owner = first.user if first else None
        if owner is None:
            raise CommandError(
                "nobody owns that workspace, so private memories would be lost to view: give --owner EMAIL"
            )
        return place, owner

    def _line(self, result: Restored) -> str:
        memory = result.memory
        if result.problem or memory is None:
            return f"{result.file}: {result.problem}"
        line = f"{result.file}: {memory.name!r}, {memory.documents_count} documents, {memory.head} commits"
        if result.lacking and memory.index_mode != Memory.IndexMode.NONE:
            services.start_job(Job.Kind.INDEX, workspace=memory.workspace, by=memory.created_by, memory=memory)
            line += f"; {result.lacking} chunks without a vector: a job to index them is queued"
        return line
