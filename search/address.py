"""What the address of a search says, and how it is written: the page, saved searches and exports read it alike."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import cached_property
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict
from django.utils import timezone
from django.utils.formats import date_format

from .forms import TYPE_NAMES, SearchForm
from .queries import LONGEST
from .scope import Scope

UNSEEN = "A memory that is not there"
SEVERAL = ("memory", "tag", "type")
ORDER = (
    "q", "like", "mode", *SEVERAL, "author", "path", "since", "until", "as_of", "commit", "group", "news", "view",
    "changed_since",
)  # fmt: skip
FILTERS = (*SEVERAL, "author", "path", "since", "until", "as_of", "commit")
DEFAULTS = {"mode": "hybrid", "group": "yes", "view": "passages"}


@dataclass(frozen=True)
class Chip:
    """A filter that is set, and the address without it. `value` tells one of several from the others."""

    field: str
    label: str
    value: str
    rest: str


@dataclass(frozen=True)
class Address:
    """`values`: every part that was understood, as texts. `problems`: what was left out, a line each. `lost`: its place
    in the list is none."""

    values: dict[str, tuple[str, ...]]
    scope: Scope
    problems: tuple[str, ...] = ()
    offset: int = 0
    text: str = ""
    lost: bool = False

    @classmethod
    def read(cls, data: QueryDict) -> "Address":
        form = SearchForm(data)
        form.full_clean()
        facts = form.cleaned_data
        text = " ".join(data.get("q", "").replace("\0", " ").split())[: LONGEST + 1]
        values = {name: tuple(map(str, _listed(facts.get(name)))) for name in ORDER if name != "q"}
        values["q"] = (text,) if text else ()
        for name, usual in DEFAULTS.items():
            values[name] = () if values[name] == (usual,) else values[name]
        alone = len(values["memory"]) == 1 and not form.lost_memories
        problems = form.problems()
        if facts.get("commit") and not alone:
            problems.append("A commit number means something in one memory alone: choose one, or take a date.")
            values["commit"] = ()
        if facts.get("since") and facts.get("until") and facts["until"] < facts["since"]:
            problems.append("The last day is before the first one, so nothing can be found: change one of them.")
        return cls(
            values, _scope(facts, values, form.lost_memories), tuple(problems), facts.get("offset") or 0, text,
            "offset" in form.errors,
        )  # fmt: skip

    @property
    def mode(self) -> str:
        return self.one("mode") or DEFAULTS["mode"]

    @property
    def view(self) -> str:
        """Of forms.VIEW_NAMES; a passage that others should be like is looked at as passages."""
        return (not self.like and self.one("view")) or DEFAULTS["view"]

    @property
    def changed_since(self) -> datetime | None:
        """The beginning of the day whose changes are asked for."""
        day = self.one("changed_since")
        return timezone.make_aware(datetime.fromisoformat(day)) if day else None

    @property
    def grouped(self) -> bool:
        return self.one("group") != "no"

    @property
    def like(self) -> int | None:
        """The passage that others are to be like."""
        return int(self.one("like")) if self.one("like") else None

    @property
    def news(self) -> datetime | None:
        """What came after is marked as new."""
        since = self.one("news")
        return datetime.fromtimestamp(int(since), tz=UTC) if since else None

    @property
    def asks(self) -> bool:
        return bool(self.text or self.like)

    @cached_property
    def memories(self) -> tuple[UUID, ...]:
        return tuple(map(UUID, self.values["memory"]))

    def one(self, name: str) -> str:
        return next(iter(self.values[name]), "")

    def write(self, without: Iterable[tuple[str, str]] = (), **changes: str | int | None) -> str:
        """The query string, in one order, with nothing in it that says nothing."""
        gone = set(without)
        pairs = [
            (name, value)
            for name in ORDER
            if name not in changes
            for value in self.values[name]
            if (name, value) not in gone
        ]
        return urlencode(pairs + [(name, value) for name, value in changes.items() if value not in (None, "")])

    def filters(self) -> dict[str, list[str]]:
        return {name: list(self.values[name]) for name in (*FILTERS, "mode") if self.values[name]}

    def chips(self, names: dict[UUID, str]) -> list[Chip]:
        """`names`: of the memories that the person may see."""
        return [
            Chip(name, _label(name, value, names), value, self.write(without=_with_dependents(self, name, value)))
            for name in FILTERS
            for value in self.values[name]
        ]

    def without_filters(self) -> str:
        return self.write(**dict.fromkeys(FILTERS))


def _with_dependents(address: Address, name: str, value: str) -> list[tuple[str, str]]:
    """A commit number goes with the memory that it is of."""
    gone = [(name, value)]
    return gone + [("commit", commit) for commit in address.values["commit"]] if name == "memory" else gone


def _listed(value: object) -> list[object]:
    if isinstance(value, list):
        return list(dict.fromkeys(value))
    return [] if value in (None, "") else [value]


def _scope(facts: dict, values: dict[str, tuple[str, ...]], lost_memories: int) -> Scope:
    """Memories that nobody could mean are none: the search is never wider than what was asked for."""
    chosen = tuple(map(UUID, values["memory"]))
    as_of: int | datetime | None = int(values["commit"][0]) if values["commit"] else None
    if as_of is None and facts.get("as_of"):
        as_of = timezone.make_aware(datetime.combine(facts["as_of"], time.max))
    return Scope(
        memories=chosen if chosen or lost_memories else None,
        tags=values["tag"], types=values["type"], author=facts.get("author") or "", path=facts.get("path") or "",
        since=facts.get("since"), until=facts.get("until"), as_of=as_of,
    )  # fmt: skip


def _label(name: str, value: str, names: dict[UUID, str]) -> str:
    if name == "memory":
        return names.get(UUID(value), UNSEEN)
    if name == "type":
        return TYPE_NAMES[value]
    if name in ("since", "until", "as_of"):
        day = date_format(datetime.fromisoformat(value), "j M Y")
        return {"since": "from", "until": "until", "as_of": "as it was on"}[name] + f" {day}"
    return {"tag": "tag", "author": "by", "path": "path", "commit": "as of commit"}[name] + f" {value}"
