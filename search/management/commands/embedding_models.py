"""Changes from one embedding model to another without a gap in the search."""

from django.core.management.base import BaseCommand, CommandError, CommandParser

from memories.engine.errors import MemvidError
from memories.models import Memory
from search import services
from search.models import EmbeddingModel
from search.queries import embedding_models


class Command(BaseCommand):
    help = (
        "Without an option: lists the models. To change: start a second embedder with the new model "
        "(MEMVID_EMBEDDING_MODEL=... python -m search.embedder SOCKET), --build SOCKET, --activate MODEL, start the "
        "site's embedder with the new model, then --drop the old one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--build", metavar="SOCKET", help="vectors of every memory by the model served there")
        what.add_argument("--activate", metavar="MODEL", help="the model that queries are embedded with from now on")
        what.add_argument("--drop", metavar="MODEL", help="deletes its vectors; cannot be undone but by building again")

    def handle(self, *_: object, **options: str | None) -> None:
        try:
            if options["build"]:
                self._build(options["build"])
            elif options["activate"]:
                services.activate_model(_model(options["activate"]))
            elif options["drop"]:
                services.drop_model(_model(options["drop"]))
        except MemvidError as error:
            raise CommandError(str(error)) from None
        for model in embedding_models():
            have, chunks = services.coverage(model)
            active = ", active" if model.active else ""
            self.stdout.write(f"{model.name}: {model.dimensions} dimensions, {have} of {chunks} chunks{active}")

    def _build(self, socket: str) -> None:
        for memory in Memory.objects.exclude(index_mode=Memory.IndexMode.NONE).order_by("pk").iterator():
            counts = services.index_memory(memory, lambda done, total, stage: None, at=socket)
            self.stdout.write(f"{memory.name}: {counts['embedded']} embedded, {counts['reused']} reused")


def _model(name: str) -> EmbeddingModel:
    found = EmbeddingModel.objects.filter(name=name).first()
    if found is None:
        raise CommandError(f"there is no model {name!r}; without an option the command lists those there are")
    return found
