"""The live document where websockets are blocked: the same log, by plain requests and a long poll."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.exceptions import RequestDataTooBig
from django.db import connections
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_http_methods

from . import log, presence, seeding, wire
from . import rights as rules
from .hub import hub
from .room import AWAY, Full, Member, Room, Subject
from .updates import check

LONGEST_WAIT, MOST_UPDATES = 20.0, 200
MOST_SEQ = (1 << 63) - 1
NEW_GENERATION = "the document began anew since this page was opened"


class Waiter(Member):
    """A request that waits for news."""

    def __init__(self, user: int):
        super().__init__(user)
        self.news = asyncio.Event()

    def updates(self, last: int, frame: Callable[[int], str]) -> None:
        self.news.set()

    def end(self, code: int) -> None:
        self.news.set()


class Refused(Exception):
    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status = status


@require_http_methods(["GET", "POST"])
async def live(request: HttpRequest, pk: UUID, number: int) -> JsonResponse:
    try:
        return JsonResponse(await _answer(request, pk, number))
    except Refused as error:
        return _error(error.status, str(error))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return _error(400, "the request was not understood: reload the page")
    except RequestDataTooBig:
        return _error(413, "it is more than 4 MB at once: send fewer updates")
    except Full as error:
        return _error(429, str(error))
    except AWAY:
        return _error(503, "the database is away: nothing was stored, try again")
    except log.Gone:
        return _error(409, NEW_GENERATION)


def _error(status: int, reason: str) -> JsonResponse:
    return JsonResponse({"error": reason}, status=status)


async def _answer(request: HttpRequest, pk: UUID, number: int) -> dict[str, Any]:
    user = await request.auser()
    if not user.is_authenticated:
        raise Refused(401, "log in to open this document")
    asked = json.loads(request.body) if request.method == "POST" else _query(request)
    since, wait = _whole(asked, "since"), _whole(asked, "wait") or 0
    found, subject = await sync_to_async(_look)(user, pk, number)
    updates = asked.get("updates") or []
    generation = asked.get("generation")
    if generation is None and (updates or since is not None):
        raise Refused(400, "name the generation that the page has: its edits and numbers are of that one")
    if generation not in (None, subject.generation):
        raise Refused(409, NEW_GENERATION)
    if updates and not found.may_write:
        raise Refused(403, "you may read this document, not change it")
    waiter = Waiter(user.pk)
    async with hub().inside(subject, waiter) as room:
        if room.generation != subject.generation:
            raise log.Gone  # since a moment ago
        saved, refused = await _store(room, waiter, updates)
        if not updates and since is not None and wait > 0:
            await _await_news(subject, since, min(wait, LONGEST_WAIT), waiter)
            found, _ = await sync_to_async(_look)(user, pk, number)  # it may have been taken away meanwhile
    return {
        "generation": subject.generation, "may_write": found.may_write, "you": presence.person(user),
        "saved": saved, "refused": refused, **await _state(subject, since, asked.get("vector")),
    }  # fmt: skip


def _query(request: HttpRequest) -> dict[str, Any]:
    return {name: int(request.GET[name]) for name in ("since", "wait", "generation") if request.GET.get(name)}


def _whole(asked: dict[str, Any], name: str) -> int | None:
    """JSON also knows numbers that are none, and endless ones."""
    value = asked.get(name)
    if value is not None and not (isinstance(value, int) and 0 <= value <= MOST_SEQ):
        raise ValueError(f"{name} is no whole number, or past all bounds")
    return value


def _look(user: Any, memory: UUID, number: int) -> tuple[rules.Rights, Any]:
    found = rules.rights(user, memory, number)
    if found is None:
        raise Refused(404, "there is no such document")
    try:
        return found, rules.subject(found, number)
    except seeding.CannotEdit as error:
        raise Refused(404, str(error)) from None


async def _store(room: Room, waiter: Waiter, updates: list[Any]) -> tuple[list[Any], list[Any]]:
    if not isinstance(updates, list) or len(updates) > MOST_UPDATES:
        raise Refused(400, f"more than {MOST_UPDATES} updates at once: send fewer")
    entries, refused = [], []
    for one in updates:
        try:
            entries.append(await _checked(room, waiter.user, one))
        except ValueError as error:
            refused.append({"id": one["id"], "reason": str(error)})
    stored = await room.append(entries, None) if entries else {}
    return [{"id": str(message), "seq": done.seq} for message, done in stored.items()], refused


async def _checked(room: Room, user: int, one: dict[str, Any]) -> log.Entry:
    update = wire.bytes_of(one["update"])
    for client in check(update):
        if client == seeding.SERVER or not await sync_to_async(rules.binds)(room.subject.live, client, user):
            raise ValueError("it holds text by a client that is somebody else's")
    return log.Entry(UUID(one["id"]), update, user)


async def _await_news(subject: Subject, since: int, wait: float, waiter: Waiter) -> None:
    """The request's connection goes back to the pool meanwhile: a few who wait would have all of them."""
    await sync_to_async(connections.close_all)()
    if (await log.since(subject.live, subject.generation, since)).head <= since:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await waiter.news.wait()


async def _state(subject: Subject, since: int | None, vector: str | None) -> dict[str, Any]:
    if since is None:
        state = await log.state(subject.live, subject.generation)
        update = state.missing(wire.bytes_of(vector) if vector else None)
    else:
        state = await log.since(subject.live, subject.generation, since)
        update = state.update if state.head > since else None
    return {
        "head": state.head, "update": b64encode(update).decode() if update else None,
        "projected": state.projected.shown(),
    }  # fmt: skip
