import asyncio
import threading

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse

from memvid_site.handler import Handler

SCOPE = {
    "type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"host", b"localhost")],
    "server": ("localhost", 80), "http_version": "1.1",
}  # fmt: skip


def asking(answer) -> ApplicationCommunicator:
    handler = Handler()
    handler.get_response = answer
    return ApplicationCommunicator(handler, SCOPE)


async def _begin(answer) -> ApplicationCommunicator:
    asked = asking(answer)
    await asked.send_input({"type": "http.request", "body": b"", "more_body": False})
    assert (await asked.receive_output(10))["status"] == 200
    return asked


def _streaming(pieces, closed: list):
    def answer(request):
        response = StreamingHttpResponse(pieces())
        response._resource_closers.append(lambda: closed.append(True))
        return response

    return answer


@pytest.mark.django_db
def test_a_request_is_answered_and_closed_in_one_thread():
    threads, closed = [], []

    def answer(request):
        threads.append(threading.current_thread())
        response = HttpResponse("yes")
        response._resource_closers.append(lambda: closed.append(threading.current_thread()))
        return response

    async def run():
        asked = await _begin(answer)
        assert (await asked.receive_output(10))["body"] == b"yes"
        await asked.wait(10)

    asyncio.run(run())
    assert closed == threads and threads[0] is not threading.current_thread()


def test_what_streams_is_closed_when_its_reader_goes():
    ended, closed = [], []

    async def pieces():
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def run():
        asked = await _begin(_streaming(pieces, closed))
        assert (await asked.receive_output(10))["body"] == b"one"
        await asked.send_input({"type": "http.disconnect"})
        await asked.wait(10)

    asyncio.run(run())
    assert ended and closed


def test_what_streams_is_closed_when_its_reader_goes_at_the_end():
    """The thread that it is closed in is busy meanwhile."""
    closed, busy, go_on = [], [], threading.Event()

    async def pieces():
        busy.append(asyncio.ensure_future(sync_to_async(go_on.wait)(10)))
        await asyncio.sleep(0)
        yield b"one"

    async def run():
        asked = await _begin(_streaming(pieces, closed))
        while (await asked.receive_output(10)).get("more_body"):
            pass
        await asked.send_input({"type": "http.disconnect"})
        await asyncio.sleep(0.1)
        go_on.set()
        await asked.wait(10)

    asyncio.run(run())
    assert closed


def test_many_wait_for_news_at_once_and_others_are_answered():
    """The thread of each is held meanwhile."""
    waiting, go_on = threading.Semaphore(0), threading.Event()

    def answer(request):
        waiting.release()
        go_on.wait(20)
        return HttpResponse("news")

    async def run():
        handler = Handler()
        handler.get_response = answer
        asked = [ApplicationCommunicator(handler, SCOPE) for _ in range(60)]
        for one in asked:
            await one.send_input({"type": "http.request", "body": b"", "more_body": False})
        taken = [await asyncio.to_thread(waiting.acquire, True, 10) for _ in asked]
        assert all(taken)
        go_on.set()
        for one in asked:
            assert (await one.receive_output(10))["status"] == 200
            await one.wait(10)

    asyncio.run(run())


@pytest.mark.django_db(transaction=True)
def test_the_connection_of_a_request_that_streams_is_given_back_before():
    used = []

    async def pieces():
        yield b"one"

    def answer(request):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        used.append(connection.connection)
        return StreamingHttpResponse(pieces())

    async def run():
        asked = await _begin(answer)
        assert used[0].closed
        assert (await asked.receive_output(10))["body"] == b"one"
        await asked.wait(10)

    asyncio.run(run())
