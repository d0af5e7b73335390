"""Naming versions and going back to one. A restore is new edits on top of the present text: nobody's are lost."""

from django.db import transaction

from collab.live import texts
from collab.models import LiveVersion, User

from . import turns, versions
from .engine.textdiff import TextDiff
from .mirroring import clean
from .models import Document
from .versions import NoSuchVersion

MOVED_ON = "This passage has changed since the page was opened: compare again, then put it back."


def name_version(document: Document, by: User, label: str) -> LiveVersion:
    """Raises CannotEdit."""
    return _keep(texts.read(document), by, LiveVersion.Kind.NAMED, label)


@transaction.atomic
def restore(document: Document, by: User, key: str) -> None:
    """Raises NoSuchVersion and CannotEdit."""
    wanted = versions.text_of(document, key)
    _alone(document)
    present = texts.read(document)
    if wanted != present.text:
        _keep(present, by, LiveVersion.Kind.RESTORE, f"Before going back to {_called(document, key)}")
        texts.replace(present.live, present.state, wanted, by)


@transaction.atomic
def restore_passage(document: Document, by: User, key: str, mark: str) -> None:
    """Raises CannotEdit and NoSuchVersion, also when the passage is no longer what the page showed."""
    wanted = versions.text_of(document, key)
    _alone(document)
    present = texts.read(document)
    found = TextDiff(wanted, present.text)
    index = versions.find_change(found, mark)
    if index is None:
        raise NoSuchVersion(MOVED_ON)
    texts.replace(present.live, present.state, found.with_old(index), by)


def _alone(document: Document) -> None:
    """Restores of a document go one after the other: two of one passage, made from one state, would put it there
    twice. Who types is not kept waiting."""
    turns.take(f"restore {document.memory_id} {document.number}")


def _called(document: Document, key: str) -> str:
    found = {version.key: version for version in versions.timeline(document)}
    return f"“{found[key].title}”"[:150] if key in found else key


def _keep(present: texts.Present, by: User, kind: str, label: str) -> LiveVersion:
    version = LiveVersion.objects.create(
        live=present.live, seq=present.seq, kind=kind, label=label[:200], text=clean(present.text)
    )
    version.authors.add(by)
    return version
