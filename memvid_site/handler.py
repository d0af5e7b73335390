"""How a request is taken from the server."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import IO, Any

from asgiref.sync import sync_to_async
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.signals import request_started
from django.db import close_old_connections
from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
MOST_THREADS = 500  # who waits for news without a websocket holds one; there are never more than were needed at once


class Handler(ASGIHandler):
    """Django's, with one thread for all of a request, which is used again: most of the middleware and of the views are
    synchronous, and to go between them and the event loop costs a change of threads each time, as does Django's one
    thread for each request, with a connection of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="request")

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        streams: list[HttpResponseBase] = []
        with closing(body):
            both = [
                asyncio.create_task(self.listen_for_disconnect(receive)),
                asyncio.create_task(self._answer(scope, body, send, streams)),
            ]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in both:
                    task.cancel()
                ends = await asyncio.gather(*both, return_exceptions=True)
                for response in streams:  # not in the task, which whoever goes away ends: a connection would stay taken
                    await sync_to_async(response.close)()
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, RequestAborted):
                raise end

    async def _answer(self, scope: Scope, body: IO[bytes], send: Send, streams: list[HttpResponseBase]) -> None:
        respond = sync_to_async(self._respond, thread_sensitive=False, executor=self._threads)
        response = await respond(scope, body)
        if response.streaming:
            streams.append(response)
        await self.send_response(response, send)

    def _respond(self, scope: Scope, body: IO[bytes]) -> HttpResponseBase:
        """In the thread, which gives its connection back at the end. What streams has another one meanwhile."""
        set_script_prefix(get_script_prefix(scope))
        request_started.send(sender=type(self), scope=scope)
        request, response = self.create_request(scope, body)
        if request is not None:
            response = self.get_response(request)
        response._handler_class = type(self)
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        if response.streaming:
            close_old_connections()
        else:
            response.close()
        return response
