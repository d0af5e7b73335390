"""What templates of every app use: icons, entries of the rail, relative times, explained words."""

import time
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from django import forms, template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.core.paginator import Paginator
from django.forms import BoundField
from django.template.base import FilterExpression, Parser, Token
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html

register = template.Library()
SAID_FOR = 5  # seconds for which "a minute ago" is still true

WORDS = {
    "frame": "A picture of the video. Its pattern holds a piece of your text, as a QR code would.",
    "frames": "The pictures of the video. Their patterns hold your text, as QR codes would.",
    "commit": "One saved change of a memory. Older states stay readable in its history.",
    "commits": "Saved changes of a memory. Older states stay readable in its history.",
    "chunk": "A passage of a document, short enough to be found and quoted by itself.",
    "chunks": "Passages of documents, each short enough to be found and quoted by itself.",
    "vacuum": "Writes the memory anew without its history, which makes the file smaller.",
}


class _Icon(template.Node):
    """Most have their names in the template, and are always the same."""

    def __init__(self, words: list[FilterExpression]):
        self._words, self._varies, self._drawn = words, any(word.is_var for word in words), ""

    def render(self, context: template.Context) -> str:
        if self._varies:
            return _icon(*(word.resolve(context) for word in self._words))
        if not self._drawn:
            self._drawn = _icon(*(word.resolve(context) for word in self._words))
        return self._drawn


@register.tag
def icon(parser: Parser, token: Token) -> _Icon:
    """`{% icon name [classes] %}`: a picture beside words. It says nothing itself, so screen readers pass over it."""
    return _Icon([parser.compile_filter(word) for word in token.split_contents()[1:]])


@cache
def _icon(name: str, classes: str = "") -> str:
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        classes, static("icons.svg"), name,
    )  # fmt: skip


@register.simple_tag
def explain(word: str) -> str:
    return format_html('<abbr title="{}">{}</abbr>', WORDS[word], word)


@register.filter
def when(moment: datetime | None) -> str:
    """Relative, with the exact time on hover."""
    if moment is None:
        return ""
    return _said(moment, timezone.get_current_timezone_name(), int(time.monotonic() / SAID_FOR))


@lru_cache(maxsize=4096)
def _said(moment: datetime, zone: str, now: int) -> str:
    """Rows of a list share few moments. `zone` and `now` are what the answer depends on besides."""
    exact = date_format(timezone.localtime(moment), "j F Y, H:i:s T")
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, naturaltime(moment))


@register.inclusion_tag("shared/_rail_item.html", takes_context=True)
def rail_item(context: dict[str, Any], name: str, label: str, icon: str) -> dict[str, Any]:
    try:
        url = reverse(name)
    except NoReverseMatch:
        return {}
    path = context["request"].path
    return {"url": url, "label": label, "icon": icon, "current": path == url or (url != "/" and path.startswith(url))}


@register.filter
def pages_around(paginator: Paginator, number: int) -> list[int | None]:
    """Numbers of pages to link, with None for a gap."""
    return [None if page == paginator.ELLIPSIS else page for page in paginator.get_elided_page_range(number, on_ends=1)]


@register.filter
def input_kind(field: BoundField) -> str:
    """checkbox, choices (a group of them) or other."""
    if isinstance(field.field.widget, forms.RadioSelect | forms.CheckboxSelectMultiple):
        return "choices"
    return "checkbox" if isinstance(field.field.widget, forms.CheckboxInput) else "other"


@register.filter
def dressed(field: BoundField) -> str:
    """The field's own widget in the theme's classes, saying whether it is wrong and where its help is."""
    kind = "form-select" if isinstance(field.field.widget, forms.Select) else "form-control"
    if input_kind(field) == "checkbox":
        kind = "form-check-input"
    own = field.field.widget.attrs
    attrs = {"class": f"{own.get('class', '')} {kind} {'is-invalid' if field.errors else ''}".strip()}
    helped = [f"{field.auto_id}_helptext"] if field.help_text else []
    if field.errors:
        helped.insert(0, f"{field.auto_id}_error")
    if helped:
        attrs["aria-describedby"] = " ".join(helped)
    return field.as_widget(attrs=attrs)
