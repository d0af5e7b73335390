"""Document records compress with the dictionary too, though it is trained on text."""

import random

import zstandard

from memories.engine.records import Head, build
from memories.engine.writer import train


def record(number: int) -> bytes:
    digest = random.Random(number).randbytes(32).hex()
    put = {"number": number, "path": f"{number}.txt", "type": "text/plain", "encoding": "utf-8", "digest": digest}
    return build([Head(put=put)], [])[1]


def test_a_record_is_shorter_with_another_record_in_the_dictionary():
    draw = random.Random(1)
    words = ["".join(draw.choices("etaoinshrdlu", k=6)) for _ in range(500)]
    samples = [" ".join(draw.choices(words, k=1000)).encode() for _ in range(60)]
    plain, taught = train(samples, 16 << 10), train(samples, 16 << 10, record(1))
    sizes = [len(zstandard.ZstdCompressor(16, dict_data=each).compress(record(2))) for each in (plain, taught)]
    assert sizes[1] < 0.7 * sizes[0]
    content = zstandard.ZstdCompressor(16, dict_data=taught).compress(record(2))
    assert zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(taught.as_bytes())).decompress(
        content
    ) == record(2)
