"""What the views of the search page share: reading its address, and the links of a passage."""

from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest
from django.urls import reverse

from memories.models import Chunk

from .. import answers
from ..address import Address
from ..answers import Passage


def address_of(request: HttpRequest) -> Address:
    """404 for a place in the list that no list has."""
    address = Address.read(request.GET)
    if address.lost:
        raise Http404("no such place in a list of results")
    return address


def passage_read(request: HttpRequest, pk: int) -> Chunk:
    found = answers.passage(request.user, pk)
    if found is None:
        raise Http404("that passage is no longer there, or you may not see it")
    return found


def written(counts: dict[UUID, int]) -> str:
    """How many passages of each memory there are, as the scripts of the page read it."""
    return " ".join(f"{memory}:{count}" for memory, count in counts.items())


def document_link(passage: Passage) -> str:
    hit = passage.hit
    query = {"chunk": hit.order} | ({"at": passage.at} if passage.at else {})
    return f"{reverse('document', args=[hit.memory.pk, hit.document])}?{urlencode(query)}"


def is_part(request: HttpRequest) -> bool:
    """Whether htmx wants a part of a page, not the page."""
    return bool(request.htmx and not request.htmx.history_restore_request and not request.htmx.boosted)
