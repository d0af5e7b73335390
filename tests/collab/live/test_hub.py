"""What listens for hints ends when it is told to, whenever that is."""

import asyncio

from collab.live import hub as module
from collab.live.hub import Hub


class Layer:
    """Answers in the very moment in which the listening is ended."""

    async def new_channel(self, prefix):
        return prefix + "x"

    async def receive(self, channel):
        await asyncio.Event().wait()

    async def group_add(self, name, channel):
        self.ear().cancel()

    async def group_discard(self, name, channel):
        pass


def test_listening_ends_also_at_the_moment_of_an_answer(monkeypatch):
    layer = Layer()
    monkeypatch.setattr(module, "get_channel_layer", lambda: layer)

    async def run() -> bool:
        hub = Hub()
        hub._listen(["a group"], 1)
        ear = hub._ear
        layer.ear = lambda: ear
        done, _ = await asyncio.wait({ear}, timeout=10)
        return bool(done) and ear.cancelled()

    assert asyncio.run(run())
