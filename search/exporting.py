"""A conversation as a file: what may be shown to its person now, and nothing else."""

import json
import re
from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils.text import slugify

from .conversations import HIDDEN, WITHHELD, Part, Shown, Source
from .engine.extract import NOTHING
from .models import Conversation, Turn

HOW = {
    Turn.Mode.EXTRACTIVE: "The best sentences of the documents, word for word.",
    Turn.Mode.MODEL: "Written by a language model from the numbered passages.",
}
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~])")


def file_name(conversation: Conversation) -> str:
    return slugify(conversation.title)[:60] or "conversation"


def markdown(conversation: Conversation, where: str, shown: Sequence[Shown], base: str) -> tuple[str, str]:
    lines = [f"# {_plain(conversation.title)}", "", f"Asked in: {_plain(where)}"]
    for one in shown:
        asked = f"{one.turn.created_at:%Y-%m-%d %H:%M} UTC"
        lines += ["", f"## {_plain(one.turn.question)}", "", f"*{asked}. {HOW[Turn.Mode(one.turn.mode)]}*", ""]
        lines.append(" ".join(_written(part) for part in one.parts) if one.parts else _nothing(one))
        lines += [f"\n> {_plain(note)}" for note in ([] if one.withheld else one.turn.notes)]
        lines += ["", *(_reference(source, base) for source in one.sources)] if one.sources else []
    return "\n".join(lines) + "\n", "text/markdown"


def _nothing(one: Shown) -> str:
    return WITHHELD if one.withheld else NOTHING


def _written(part: Part) -> str:
    if part.withheld:
        return f"*{WITHHELD}*"
    return _plain(part.text.strip()) + "".join(f" [{source.number}]" for source in part.sources)


def _reference(source: Source, base: str) -> str:
    return f"- [{source.number}] {_plain(source.path)} ({_plain(source.memory.name)}): {base}{address(source)}"


def _plain(text: str) -> str:
    """A document's text is no markup of ours."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def address(source: Source) -> str:
    url = reverse("document", args=[source.memory.pk, source.document])
    at = f"&at={source.at}" if source.at else ""
    return f"{url}?chunk={source.order}{at}" if source.text else url


def as_json(conversation: Conversation, where: str, shown: Sequence[Shown], base: str) -> tuple[str, str]:
    document = {
        "title": conversation.title,
        "asked_in": where,
        "created": conversation.created_at.isoformat(),
        "turns": [_turn(one, base) for one in shown],
    }
    return json.dumps(document, indent=2, ensure_ascii=False), "application/json"


def _turn(one: Shown, base: str) -> dict[str, Any]:
    return {
        "question": one.turn.question,
        "asked": one.turn.created_at.isoformat(),
        "mode": one.turn.mode,
        "complete": one.turn.state == Turn.State.DONE,
        "withheld": one.withheld,
        "answer": [_part(part) for part in one.parts],
        "notes": [] if one.withheld else one.turn.notes,
        "sources": [
            {
                "number": source.number, "memory": source.memory.name, "document": source.path, "frame": source.frame,
                "text": source.text, "url": base + address(source),
            }
            for source in one.sources
        ],
    }  # fmt: skip


def _part(part: Part) -> dict[str, Any]:
    if part.withheld:
        return {"text": None, "cites": list(part.hidden), "withheld": HIDDEN}
    return {"text": part.text, "cites": [source.number for source in part.sources]}


EXPORTS = {"md": markdown, "json": as_json}
