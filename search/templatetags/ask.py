"""What the pages of a conversation show of a source."""

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ..conversations import Shown, Source
from ..exporting import address

register = template.Library()
AROUND = 160  # characters before and after what was quoted
LENGTH = 900  # where nothing was


@register.simple_tag
def source_url(source: Source) -> str:
    return address(source)


@register.filter
def marked(source: Source, shown: Shown) -> SafeString | str:
    """The passage around what was quoted of it, each such sentence marked; its beginning where nothing was."""
    quoted = {part.text for part in shown.parts if source in part.sources and part.text in source.text}
    places = sorted((source.text.index(text), text) for text in quoted)
    if not places:
        return source.text[:LENGTH] + ("…" if len(source.text) > LENGTH else "")
    begun = max(0, places[0][0] - AROUND)
    if begun:
        begun = source.text.find(" ", begun, places[0][0]) + 1 or begun
    end, rows = begun, []
    for place, text in places:
        if place >= end:
            rows.append((source.text[end:place], text))
            end = place + len(text)
    rest = source.text[end : end + AROUND]
    after = "…" if end + len(rest) < len(source.text) else ""
    return format_html(
        "{}{}{}{}", "… " if begun else "", format_html_join("", "{}<mark>{}</mark>", rows), rest, after
    )  # fmt: skip


@register.filter
def is_cut(sentence: str) -> bool:
    """It was too long, or its passage ends in the middle of it."""
    return len(sentence) > 60 and sentence[-1].isalnum()
