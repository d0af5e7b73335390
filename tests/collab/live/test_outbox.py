"""What is kept for somebody who does not read is bounded, and loses nothing."""

import asyncio
import json

import pytest

from collab.live import wire
from collab.live.log import Projected, Tail
from collab.live.outbox import MOST_ITEMS, MOST_UPDATES, Outbox


class Reader:
    """The other end: takes nothing before it is let."""

    def __init__(self) -> None:
        self.reads, self.got, self.code, self.asked = asyncio.Event(), [], None, []
        self.head = 0

    async def send(self, frame: str) -> None:
        await self.reads.wait()
        self.got.append(frame)

    async def missing(self, seq: int) -> Tail:
        self.asked.append(seq)
        await asyncio.sleep(0)
        return Tail(self.head, b"\0\0", Projected(0, 0, None))

    async def close(self, code: int) -> None:
        self.code = code


async def settled() -> None:
    for _ in range(500):
        await asyncio.sleep(0)


def test_a_slow_reader_gets_one_update_for_all_that_were_missed():
    async def story():
        reader = Reader()
        outbox = Outbox(reader.send, reader.missing, reader.close)
        outbox.begin(0, ["joined"])
        await settled()
        for last in range(1, 3 * MOST_UPDATES):
            reader.head = last
            outbox.updates(last, lambda first, last=last: f"{first}-{last}")
        assert len(outbox._items) <= MOST_UPDATES
        reader.reads.set()
        await settled()
        assert reader.asked == [0] and reader.got[0] == "joined"
        only = json.loads(reader.got[1])
        assert (only["first"], only["last"], len(reader.got)) == (1, reader.head, 2)
        outbox.updates(reader.head + 1, lambda first: f"{first}")
        await settled()
        assert reader.got[2] == str(reader.head + 1)
        outbox.stop()

    asyncio.run(story())


def test_news_while_it_catches_up_are_caught_up_with_too():
    async def story():
        reader = Reader()
        outbox = Outbox(reader.send, reader.missing, reader.close)
        outbox.begin(0, [])
        outbox._behind, reader.head = True, 5
        reader.reads.set()
        outbox._something.set()
        while not reader.asked:
            await asyncio.sleep(0)
        reader.head = 6
        outbox.updates(6, lambda first: "never sent alone")
        await settled()
        frames = [json.loads(frame) for frame in reader.got]
        assert [frame["last"] for frame in frames][-1] == 6 and frames[0]["first"] == 1
        outbox.stop()

    asyncio.run(story())


def test_of_answers_to_joins_the_newest_alone_is_kept():
    async def story():
        reader = Reader()
        outbox = Outbox(reader.send, reader.missing, reader.close)
        outbox.put("before")
        await settled()
        for number in range(100):
            outbox.begin(number, [f"header {number}", f"part {number}"])
        assert len(outbox._items) == 1
        reader.reads.set()
        await settled()
        assert reader.got == ["before", "header 99", "part 99"]
        outbox.stop()

    asyncio.run(story())


def test_whoever_never_reads_is_cut_off():
    async def story():
        reader = Reader()
        outbox = Outbox(reader.send, reader.missing, reader.close)
        outbox.put("taken, and never sent")
        await settled()
        for number in range(MOST_ITEMS + 1):
            outbox.put(str(number))
        await settled()
        assert reader.code == 4429 and not reader.got

    asyncio.run(story())


def test_a_message_of_more_than_8_mb_is_refused_while_it_comes():
    parts, data = wire.Parts(), "A" * 200_000
    with pytest.raises(ValueError, match="longer than 8 MB"):
        for index in range(60):
            parts.add({"id": "x", "index": index, "of": 60, "data": data})
    assert parts.add({"id": "y", "index": 0, "of": 1, "data": "AAA="}) == b"\0\0"
