"""How a memory, a chunk and a job are put into words."""

from typing import Any

from django import template
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.html import format_html

from ..models import Chunk, Job, JobFile, Memory

register = template.Library()

COLOURS = {
    Memory.State.EMPTY: "secondary", Memory.State.READY: "green", Memory.State.BEHIND: "orange",
    Memory.State.DAMAGED: "red", Job.State.RECEIVING: "blue", Job.State.QUEUED: "secondary", Job.State.RUNNING: "blue",
    Job.State.DONE: "green", Job.State.FAILED: "red", Job.State.CANCELLED: "secondary",
    JobFile.State.WAITING: "secondary", JobFile.State.STORED: "green", JobFile.State.UNCHANGED: "secondary",
    JobFile.State.SKIPPED: "secondary", JobFile.State.REMOVED: "orange",
}  # fmt: skip
WORDS = {
    Memory.State.BEHIND: "file is behind", Job.State.RECEIVING: "uploading", Job.State.QUEUED: "waiting",
    Job.State.RUNNING: "at work",
}  # fmt: skip


@register.filter
def badge(state: str) -> str:
    """A state of a memory, a job or a file, in a word and a colour."""
    colour = COLOURS.get(state, "secondary")
    return format_html('<span class="badge bg-{0}-lt">{1}</span>', colour, WORDS.get(state, state))


@register.filter
def smile(memory: Memory) -> str:
    if not memory.file_bytes:
        return ""
    video, text = filesizeformat(memory.file_bytes), filesizeformat(memory.text_bytes)
    return f"{video} of video holds {text} of text"


@register.filter
def place(chunk: Chunk) -> str:
    """Where in its document a chunk is, as its file says it."""
    facts = chunk.metadata
    parts = [" › ".join(str(one) for one in facts.get("headings") or [])]
    parts += [f"{name} {facts[name]}" for name in ("page", "slide") if name in facts]
    parts += [str(facts[name]) for name in ("chapter", "sheet", "title", "symbol") if facts.get(name)]
    return " · ".join(part for part in parts if part)


@register.filter
def last_line(chunk: Chunk) -> int:
    ends_there = chunk.text.endswith("\n")
    return max(chunk.line, chunk.line + chunk.lines - ends_there)


@register.filter
def facts(metadata: dict[str, Any]) -> list[tuple[str, str]]:
    """What a document's file says about itself, short enough to be read."""
    shown = [(name.replace("_", " "), _short(value)) for name, value in metadata.items()]
    return [(name, value) for name, value in shown if value][:12]


def _short(value: Any) -> str:
    if isinstance(value, list):
        value = ", ".join(str(one) for one in value if not isinstance(one, dict | list))
    elif isinstance(value, dict):
        return ""
    text = str(value)
    return text if len(text) <= 200 else f"{text[:199]}…"


@register.filter
def file_name(path: str) -> str:
    return path.rpartition("/")[2]


@register.filter
def folder(path: str) -> str:
    head, slash, _ = path.rpartition("/")
    return head + slash


@register.filter
def is_code(media_type: str) -> bool:
    """Set in letters of one width: everything but prose."""
    return media_type not in ("text/plain", "text/markdown", "application/pdf", "application/epub+zip") and not (
        media_type.startswith("application/vnd.openxmlformats-officedocument.")
        and not media_type.endswith("spreadsheetml.sheet")
    )


@register.filter
def percent(share: float, sign: str = "") -> str:
    """With one digit behind the point where it says something; `sign` "+" also marks growth."""
    value = share * 100
    digits = 0 if value == round(value) or abs(value) >= 1000 else 1
    return f"{value:{sign}.{digits}f} %".replace("-", "−")


@register.filter
def get(mapping: dict[Any, Any], key: Any) -> Any:
    return mapping.get(key)


@register.filter
def days_left(memory: Memory) -> int:
    return max(0, (memory.gone_on - timezone.now()).days + 1)


@register.filter
def split(words: str) -> list[str]:
    return words.split()
