"""Where a hit leads to."""

from functools import lru_cache
from typing import Any, NamedTuple

from django import template
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from ..queries import Hit

register = template.Library()
MARK = 987_654_321  # stands for the last number of an address


class Links(NamedTuple):
    document: SafeString
    watch: SafeString
    memory: SafeString
    picture: SafeString
    around: SafeString
    citation: SafeString
    like: SafeString


@register.simple_tag
def links(hit: Hit, at: int | None = None) -> Links:
    """`at`: the commit that document and frame are shown as of."""
    memory, frame, chunk = hit.memory.pk, hit.frame, hit.chunk
    then = f"&amp;at={at}" if at else ""
    return Links(
        mark_safe(f"{_address('document', hit.document, memory)}?chunk={hit.order}{then}"),
        mark_safe(f"{_fixed('watch', memory)}?frame={frame}{then}"),
        mark_safe(_fixed("memory", memory)),
        mark_safe(f"{_address('frame', frame, memory)}?size=256"),
        mark_safe(_address("passage-around", chunk)),
        mark_safe(_address("passage-citation", chunk)),
        mark_safe(f"{_fixed('search')}?like={chunk}"),
    )


@register.simple_tag
def beside(hit: Hit) -> SafeString:
    """The other passages of its document."""
    return mark_safe(_address("passages-beside", hit.source))


def _address(name: str, number: int, *before: Any) -> str:
    """As `reverse` makes it, which takes a page of hits as long as finding them did."""
    head, tail = _around_number(name, *before)
    return f"{head}{number}{tail}"


@lru_cache(maxsize=4096)
def _around_number(name: str, *before: Any) -> tuple[str, str]:
    head, _, tail = reverse(name, args=(*before, MARK)).rpartition(str(MARK))
    return head, tail


@lru_cache(maxsize=4096)
def _fixed(name: str, *args: Any) -> str:
    return reverse(name, args=args)
