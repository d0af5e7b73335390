"""What the pages of a conversation show of a source."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..conversations import Shown, Source
from ..exporting import address

register = template.Library()
AROUND = 160  # characters before the quoted sentence
LENGTH = 900


@register.simple_tag
def source_url(source: Source) -> str:
    return address(source)


@register.filter
def marked(source: Source, shown: Shown) -> SafeString | str:
    """The passage around what was quoted of it, that sentence marked; its beginning where nothing was."""
    quoted = [part.text for part in shown.parts if source in part.sources and part.text in source.text]
    if not quoted:
        return _cut(source.text, 0)
    place = source.text.index(quoted[0])
    start = max(0, place - AROUND)
    if start:
        start = source.text.find(" ", start, place) + 1 or start
    end = place + len(quoted[0])
    return format_html(
        "{}{}<mark>{}</mark>{}",
        "… " if start else "",
        source.text[start:place],
        quoted[0],
        _cut(source.text, end, start + LENGTH),
    )


@register.filter
def is_cut(sentence: str) -> bool:
    """It was too long, or its passage ends in the middle of it."""
    return len(sentence) > 60 and sentence[-1].isalnum()


def _cut(text: str, start: int, end: int = LENGTH) -> str:
    return text[start:end] + ("…" if len(text) > max(start, end) else "")
