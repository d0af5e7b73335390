"""What people write to each other, as HTML."""

from django import template
from django.utils.html import escape, linebreaks
from django.utils.safestring import SafeString, mark_safe

from ..comments import names_of, pattern
from ..models import Comment

register = template.Library()


@register.filter
def with_mentions(comment: Comment) -> SafeString:
    """Paragraphs, with the people who are meant marked. The text is escaped before anything is marked in it."""
    names = [escape(name) for user in comment.mentions.all() for name in names_of(user)]
    text = escape(comment.text)
    if names:
        text = pattern(names).sub(lambda match: f'<span class="mention">{match[0]}</span>', text)
    return mark_safe(linebreaks(text))
